-- Where do two runs see another dominant class?  -p one=1 -p other=2
select a.image_name, a.dominant_class as first, b.dominant_class as second
from item_results a join item_results b on b.item_id = a.item_id
where a.run_id = :one and b.run_id = :other and a.dominant_class != b.dominant_class
order by a.image_name;
