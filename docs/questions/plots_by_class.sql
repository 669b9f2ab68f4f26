-- Map the plots of one dominant class, with their size.  -p class=Crop -o plots.geojson
select plot_id, dominant_share, round(ST_GeodesicArea(geom)) as m2, geom
from plots_classified_summary
where dominant_class = :class
order by plot_id;
