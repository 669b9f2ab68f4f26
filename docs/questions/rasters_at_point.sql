-- Which class rasters cover a place?  -p lon=9.001 -p lat=45.15
select f.image_name, f.classified_image, f.run_id
from classified_footprints f
where f.item_id in (
    select p.item_id from footprints p join rtree_footprints_geom r on r.id = p.fid
    where r.minx <= :lon and r.maxx >= :lon and r.miny <= :lat and r.maxy >= :lat)
  and ST_Intersects(f.geom, ST_Point(:lon, :lat))
order by f.image_name, f.run_id;
