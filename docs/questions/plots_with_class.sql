-- On which plots does a class cover more than so much of any photo?
-- -p class=Water -p share=0.5
select source_fid, max(fraction) as largest_share, image_name, run_id
from feature_class_stats
where class_name = :class and fraction > :share
group by run_id, source_fid
order by run_id, largest_share desc, source_fid;
