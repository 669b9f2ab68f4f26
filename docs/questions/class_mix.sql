-- What is each plot made of, over all its photos? In percent, a column for each class.
select plot_id, images, round(100 * share_water, 1) as water, round(100 * share_crop, 1) as crop,
  round(100 * share_built_up, 1) as built_up
from plots_classified_summary
where classified > 0
order by plot_id;
