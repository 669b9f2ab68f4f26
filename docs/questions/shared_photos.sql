-- Which photos belong to several plots? One of them is often a mistake.
select image_name, count(*) as plots, group_concat(plot_id, ' ') as which
from plots_classified
where item_id is not null
group by item_id
having count(*) > 1
order by image_name;
