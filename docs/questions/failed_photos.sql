-- Which photos of a run have no class map, and why?  -p run=1
select image_name, status, reason
from item_results
where run_id = :run and status != 'done'
order by status, image_name;
