-- To which plots must somebody go back for a photo?
select plot_id, image_name, reason
from plots_classified
where status = 'failed'
order by plot_id, image_name;
