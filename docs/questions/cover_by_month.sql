-- How does cover change through the year?  -p class=Crop
select strftime('%Y-%m', i.taken_at) as month, count(*) as images,
  round(avg(coalesce(s.fraction, 0)), 3) as mean_cover
from items i
  join outputs o on o.item_id = i.id and o.is_current and o.status = 'done'
  left join class_stats s on s.output_id = o.id and s.name = :class
where i.taken_at is not null
group by month
order by month;
