-- How many photos show mostly which class?
select dominant_class, count(*) as images, round(avg(dominant_share), 3) as mean_share
from item_results
where is_current and status = 'done'
group by dominant_class
order by images desc, dominant_class;
