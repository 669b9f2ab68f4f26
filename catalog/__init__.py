"""The catalog: rows and SQL. Knows no pixels, no GDAL, no TensorFlow."""
