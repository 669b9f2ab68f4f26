"""The tables and views of the first catalogs, and what migrations make of them."""

TABLES = """
CREATE TABLE datasets (
  id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, uri TEXT NOT NULL,
  layer TEXT NOT NULL DEFAULT '', attachment_table TEXT, key_field TEXT, driver TEXT,
  srs_id INTEGER REFERENCES gpkg_spatial_ref_sys(srs_id), geometry_type TEXT,
  has_z BOOLEAN NOT NULL DEFAULT 0, columns TEXT NOT NULL DEFAULT '[]',
  added_at DATETIME NOT NULL, UNIQUE (uri, layer));
CREATE TABLE features (
  fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, geom GEOMETRY,
  dataset_id INTEGER NOT NULL REFERENCES datasets(id) ON DELETE CASCADE,
  source_fid INTEGER NOT NULL, global_id TEXT, attributes TEXT NOT NULL DEFAULT '{}',
  source_geometry BLOB, UNIQUE (dataset_id, source_fid));
CREATE INDEX features_global_id ON features (dataset_id, global_id);
CREATE TABLE items (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  dataset_id INTEGER NOT NULL REFERENCES datasets(id) ON DELETE CASCADE,
  kind TEXT NOT NULL, source_key TEXT NOT NULL, name TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('ready','skipped','missing','unreadable')),
  reason TEXT, declared_type TEXT, content_type TEXT, byte_size INTEGER, sha256 TEXT,
  duplicate_of INTEGER REFERENCES items(id) ON DELETE SET NULL,
  width INTEGER, height INTEGER, bands INTEGER, dtype TEXT, orientation INTEGER,
  taken_at TEXT, lon DOUBLE, lat DOUBLE,
  srs_id INTEGER REFERENCES gpkg_spatial_ref_sys(srs_id), transform TEXT,
  UNIQUE (dataset_id, source_key), CHECK (status = 'ready' OR reason IS NOT NULL));
CREATE INDEX items_sha256 ON items (sha256);
CREATE TABLE features_items (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  base_id INTEGER NOT NULL REFERENCES features(fid) ON DELETE CASCADE,
  related_id INTEGER NOT NULL REFERENCES items(id) ON DELETE CASCADE,
  ordinal INTEGER NOT NULL DEFAULT 0,
  UNIQUE (base_id, related_id));
CREATE INDEX features_items_related ON features_items (related_id);
CREATE TABLE footprints (
  fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, geom POLYGON,
  item_id INTEGER NOT NULL UNIQUE REFERENCES items(id) ON DELETE CASCADE, name TEXT NOT NULL);
CREATE TABLE models (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, framework TEXT NOT NULL,
  definition_sha256 TEXT NOT NULL, weights_sha256 TEXT NOT NULL, definition TEXT NOT NULL,
  UNIQUE (definition_sha256, weights_sha256));
CREATE TABLE classes (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  model_id INTEGER NOT NULL REFERENCES models(id) ON DELETE CASCADE,
  value INTEGER NOT NULL, name TEXT NOT NULL, color TEXT NOT NULL, UNIQUE (model_id, value));
CREATE TABLE runs (
  id INTEGER PRIMARY KEY AUTOINCREMENT, model_id INTEGER NOT NULL REFERENCES models(id),
  options TEXT NOT NULL, software TEXT NOT NULL, device TEXT NOT NULL, decoder TEXT NOT NULL,
  started_at DATETIME NOT NULL, finished_at DATETIME,
  status TEXT NOT NULL CHECK (status IN ('running','finished','stopped')));
CREATE TABLE outputs (
  id INTEGER PRIMARY KEY AUTOINCREMENT, run_id INTEGER NOT NULL REFERENCES runs(id),
  item_id INTEGER NOT NULL REFERENCES items(id) ON DELETE CASCADE, item_sha256 TEXT,
  status TEXT NOT NULL CHECK (status IN ('done','failed','skipped')), reason TEXT,
  raster_path TEXT, sha256 TEXT, width INTEGER, height INTEGER, valid_pixels INTEGER,
  dominant_class TEXT, dominant_share DOUBLE, mean_confidence DOUBLE, seconds DOUBLE,
  is_current BOOLEAN NOT NULL DEFAULT 1, UNIQUE (run_id, item_id),
  CHECK ((status = 'done') = (raster_path IS NOT NULL)),
  CHECK (status = 'done' OR reason IS NOT NULL));
CREATE INDEX outputs_current ON outputs (item_id) WHERE is_current;
CREATE INDEX outputs_status ON outputs (run_id, status);
CREATE TABLE class_stats (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  output_id INTEGER NOT NULL REFERENCES outputs(id) ON DELETE CASCADE,
  value INTEGER NOT NULL, name TEXT NOT NULL, pixels INTEGER NOT NULL, fraction DOUBLE NOT NULL,
  area_m2 DOUBLE, mean_confidence DOUBLE, UNIQUE (output_id, value));
CREATE TABLE result_layers (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  dataset_id INTEGER NOT NULL REFERENCES datasets(id) ON DELETE CASCADE,
  model_id INTEGER NOT NULL REFERENCES models(id), run_id INTEGER NOT NULL REFERENCES runs(id),
  table_name TEXT NOT NULL UNIQUE, summary_name TEXT NOT NULL UNIQUE,
  UNIQUE (dataset_id, model_id));
"""

VIEWS = """
CREATE VIEW current_outputs AS
  SELECT id AS OGC_FID, run_id, item_id, status, reason, raster_path, dominant_class,
    dominant_share, mean_confidence, valid_pixels FROM outputs WHERE is_current;
CREATE VIEW item_results AS
  SELECT o.id AS OGC_FID, o.run_id, m.name AS model, d.layer, i.id AS item_id,
    i.source_key, i.name AS image_name, o.status, o.reason, o.raster_path AS classified_image,
    o.dominant_class, o.dominant_share, o.mean_confidence, o.valid_pixels, o.seconds, o.is_current
  FROM outputs o JOIN runs r ON r.id = o.run_id JOIN models m ON m.id = r.model_id
    JOIN items i ON i.id = o.item_id JOIN datasets d ON d.id = i.dataset_id;
CREATE VIEW classified_footprints AS
  SELECT o.id AS OGC_FID, p.geom, o.run_id, p.item_id, p.name AS image_name,
    o.raster_path AS classified_image, o.status, o.reason, o.dominant_class, o.dominant_share,
    o.mean_confidence FROM footprints p JOIN outputs o ON o.item_id = p.item_id AND o.is_current;
CREATE VIEW item_class_stats AS
  SELECT s.id AS OGC_FID, o.run_id, o.is_current, d.layer, i.name AS image_name, s.value,
    s.name AS class_name, s.pixels, s.fraction, s.area_m2, s.mean_confidence
  FROM class_stats s JOIN outputs o ON o.id = s.output_id JOIN items i ON i.id = o.item_id
    JOIN datasets d ON d.id = i.dataset_id;
CREATE VIEW feature_class_stats AS
  SELECT s.id AS OGC_FID, d.layer, f.source_fid, i.name AS image_name, o.run_id, s.value,
    s.name AS class_name, s.pixels, s.fraction, s.area_m2, s.mean_confidence
  FROM class_stats s JOIN outputs o ON o.id = s.output_id AND o.is_current
    JOIN items i ON i.id = o.item_id JOIN features_items l ON l.related_id = i.id
    JOIN features f ON f.fid = l.base_id JOIN datasets d ON d.id = f.dataset_id;
"""

SHARED_LAYERS = """
CREATE TABLE new_result_layers (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  dataset_id INTEGER NOT NULL REFERENCES datasets(id) ON DELETE CASCADE,
  model_id INTEGER NOT NULL REFERENCES models(id), run_id INTEGER NOT NULL REFERENCES runs(id),
  table_name TEXT NOT NULL, summary_name TEXT NOT NULL, UNIQUE (dataset_id, model_id));
INSERT INTO new_result_layers SELECT * FROM result_layers;
DROP TABLE result_layers;
ALTER TABLE new_result_layers RENAME TO result_layers;
"""

EXTRA_RASTERS = """
CREATE TABLE extra_rasters (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  output_id INTEGER NOT NULL REFERENCES outputs(id) ON DELETE CASCADE,
  kind TEXT NOT NULL, raster_path TEXT NOT NULL, sha256 TEXT NOT NULL,
  data_type TEXT NOT NULL, bands INTEGER NOT NULL, UNIQUE (output_id, kind));
CREATE VIEW item_extra_rasters AS
  SELECT e.id AS OGC_FID, o.run_id, o.is_current, d.layer, o.item_id, i.name AS image_name,
    e.kind, e.raster_path, e.data_type, e.bands
  FROM extra_rasters e JOIN outputs o ON o.id = e.output_id JOIN items i ON i.id = o.item_id
    JOIN datasets d ON d.id = i.dataset_id;
"""

VERIFICATIONS = """
CREATE TABLE verifications (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  run_id INTEGER NOT NULL REFERENCES runs(id), verified_at DATETIME NOT NULL,
  windows INTEGER NOT NULL, pixels INTEGER NOT NULL, differ INTEGER NOT NULL,
  close INTEGER NOT NULL, item_id INTEGER REFERENCES items(id) ON DELETE SET NULL,
  pixel_row INTEGER, pixel_column INTEGER);
"""

STATS_BY_ITEM = """
DROP VIEW item_class_stats;
CREATE VIEW item_class_stats AS
  SELECT s.id AS OGC_FID, o.run_id, o.is_current, d.uri AS source, d.layer, i.id AS item_id,
    i.name AS image_name, s.value, s.name AS class_name, s.pixels, s.fraction, s.area_m2,
    s.mean_confidence
  FROM class_stats s JOIN outputs o ON o.id = s.output_id JOIN items i ON i.id = o.item_id
    JOIN datasets d ON d.id = i.dataset_id;
DROP VIEW feature_class_stats;
CREATE VIEW feature_class_stats AS
  SELECT s.id AS OGC_FID, d.uri AS source, d.layer, f.source_fid, i.id AS item_id,
    i.name AS image_name, o.run_id, s.value, s.name AS class_name, s.pixels, s.fraction,
    s.area_m2, s.mean_confidence
  FROM class_stats s JOIN outputs o ON o.id = s.output_id AND o.is_current
    JOIN items i ON i.id = o.item_id JOIN features_items l ON l.related_id = i.id
    JOIN features f ON f.fid = l.base_id JOIN datasets d ON d.id = f.dataset_id;
"""

KEYWORDS = """
ALTER TABLE items ADD COLUMN keywords TEXT;
ALTER TABLE items ADD COLUMN global_id TEXT;
UPDATE datasets SET fingerprint = NULL WHERE attachment_table IS NOT NULL;
DROP VIEW item_results;
CREATE VIEW item_results AS
  SELECT o.id AS OGC_FID, o.run_id, m.name AS model, d.layer, i.id AS item_id,
    i.source_key, i.name AS image_name, i.keywords, o.status, o.reason,
    o.raster_path AS classified_image, o.dominant_class, o.dominant_share, o.mean_confidence,
    o.valid_pixels, o.seconds, o.is_current
  FROM outputs o JOIN runs r ON r.id = o.run_id JOIN models m ON m.id = r.model_id
    JOIN items i ON i.id = o.item_id JOIN datasets d ON d.id = i.dataset_id;
"""

SAVED_QUERIES = """
CREATE TABLE saved_queries (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE COLLATE NOCASE,
  sql TEXT NOT NULL, saved_at DATETIME NOT NULL);
"""

STATS_BY_FEATURE = """
DROP VIEW feature_class_stats;
CREATE VIEW feature_class_stats AS
  SELECT s.id AS OGC_FID, d.uri AS source, d.layer, f.source_fid, i.id AS item_id,
    i.name AS image_name, o.run_id, s.value, s.name AS class_name, s.pixels, s.fraction,
    s.area_m2, s.mean_confidence
  FROM class_stats s JOIN outputs o ON +o.id = s.output_id AND o.is_current
    JOIN items i ON i.id = o.item_id JOIN features_items l ON l.related_id = i.id
    JOIN features f ON f.fid = l.base_id JOIN datasets d ON d.id = f.dataset_id;
"""
