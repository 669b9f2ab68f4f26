-- Which plots have no photo that could be classified?
select plot_id, images, reason
from plots_classified_summary
where classified = 0
order by plot_id;
