-- How many hectares of each class are in the scenes? By run and input: inputs may show the same ground.
select class_name, round(sum(area_m2) / 10000, 2) as ha, run_id, source
from item_class_stats
where is_current and area_m2 is not null
group by run_id, source, class_name
order by run_id, source, ha desc;
