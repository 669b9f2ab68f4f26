-- How many photos show mostly which class?
select dominant_class, count(*) as images, round(avg(dominant_share), 3) as mean_share, run_id
from item_results
where is_current and status = 'done'
group by run_id, dominant_class
order by run_id, images desc, dominant_class;
