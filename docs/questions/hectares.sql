-- How many hectares of each class are in the scenes?
select class_name, round(sum(area_m2) / 10000, 2) as ha
from item_class_stats
where is_current and area_m2 is not null
group by class_name
order by ha desc;
