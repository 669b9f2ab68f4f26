-- On which plots does a class cover more than so much of any photo?
-- -p class=Water -p share=0.5
select source_fid, max(fraction) as largest_share, image_name
from feature_class_stats
where class_name = :class and fraction > :share
group by source_fid
order by largest_share desc, source_fid;
