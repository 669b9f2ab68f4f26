-- How far is each layer?
select layer, model, count(*) as images,
  count(*) filter (where status = 'done') as done,
  count(*) filter (where status = 'failed') as failed,
  count(*) filter (where status = 'skipped') as skipped
from item_results
where is_current
group by layer, model
order by layer, model;
