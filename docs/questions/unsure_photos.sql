-- Which photos should a person look at?  -p below=0.6
select image_name, dominant_class, round(mean_confidence, 3) as confidence
from item_results
where is_current and status = 'done' and mean_confidence < :below
order by mean_confidence, image_name;
