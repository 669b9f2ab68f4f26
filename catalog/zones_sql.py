"""The tables and views of zones."""

ZONE_TABLES = """
CREATE TABLE zone_layers (
  id INTEGER PRIMARY KEY AUTOINCREMENT, uri TEXT NOT NULL, layer TEXT NOT NULL,
  zones_sha256 TEXT NOT NULL, run_id INTEGER NOT NULL REFERENCES runs(id),
  table_name TEXT NOT NULL UNIQUE, is_named BOOLEAN NOT NULL, made_at DATETIME NOT NULL,
  built_from TEXT);
CREATE TABLE zone_outputs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  zone_layer_id INTEGER NOT NULL REFERENCES zone_layers(id) ON DELETE CASCADE,
  zone_fid INTEGER NOT NULL,
  output_id INTEGER NOT NULL REFERENCES outputs(id) ON DELETE CASCADE,
  pixels DOUBLE NOT NULL, nodata_pixels DOUBLE NOT NULL,
  UNIQUE (zone_layer_id, zone_fid, output_id));
CREATE INDEX zone_outputs_output ON zone_outputs (output_id);
CREATE TABLE zone_class_stats (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  zone_layer_id INTEGER NOT NULL REFERENCES zone_layers(id) ON DELETE CASCADE,
  zone_fid INTEGER NOT NULL,
  class_id INTEGER NOT NULL REFERENCES classes(id) ON DELETE CASCADE,
  pixels DOUBLE NOT NULL, area_m2 DOUBLE, fraction DOUBLE NOT NULL,
  UNIQUE (zone_layer_id, zone_fid, class_id));
CREATE INDEX zone_class_stats_class ON zone_class_stats (class_id);
CREATE VIEW zone_classes AS
  SELECT s.id AS OGC_FID, l.table_name, l.run_id, s.zone_fid, c.value, c.name AS class_name,
    s.pixels, s.area_m2, s.fraction
  FROM zone_class_stats s JOIN zone_layers l ON l.id = s.zone_layer_id
    JOIN classes c ON c.id = s.class_id;
CREATE VIEW zone_images AS
  SELECT z.id AS OGC_FID, l.table_name, l.run_id, z.zone_fid, o.item_id, i.name AS image_name,
    o.raster_path AS classified_image, z.pixels, z.nodata_pixels
  FROM zone_outputs z JOIN zone_layers l ON l.id = z.zone_layer_id
    JOIN outputs o ON o.id = z.output_id JOIN items i ON i.id = o.item_id;
"""
"""Which layers of zones there are; of each zone its class rasters, and its classes."""
ZONE_NAMES = ("zone_layers", "zone_outputs", "zone_class_stats", "zone_classes", "zone_images")
