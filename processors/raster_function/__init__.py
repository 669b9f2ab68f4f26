"""Python raster functions of ArcGIS, run unmodified in a process of their own."""
