-- How diverse is each plot? Shannon's index over its classes.
-- Of n pixels of each class and N in all it is ln N - sum(n ln n) / N.
with cover as (
  select run_id, source_fid, sum(pixels) as n
  from feature_class_stats
  where layer = 'plots' and pixels > 0
  group by run_id, source_fid, value)
select source_fid, round(ln(sum(n)) - sum(n * ln(n)) / sum(n), 3) as shannon, run_id
from cover
group by run_id, source_fid
order by run_id, shannon desc, source_fid;
