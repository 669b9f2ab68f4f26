"""Modules that raster functions expect to find in ArcGIS, for where there are none."""
