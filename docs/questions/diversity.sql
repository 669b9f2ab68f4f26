-- How diverse is each plot? Shannon's index over its classes.
with cover as (
  select source_fid, class_name,
    1.0 * sum(pixels) / sum(sum(pixels)) over (partition by source_fid) as share
  from feature_class_stats
  where layer = 'plots'
  group by source_fid, class_name)
select source_fid, round(-sum(share * ln(share)), 3) as shannon
from cover
where share > 0
group by source_fid
order by shannon desc, source_fid;
