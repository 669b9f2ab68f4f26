-- What is each plot made of, over all its photos? In percent.
select source_fid, class_name,
  round(100.0 * sum(pixels) / sum(sum(pixels)) over (partition by source_fid), 1) as percent
from feature_class_stats
where layer = 'plots'
group by source_fid, class_name
order by source_fid, percent desc;
