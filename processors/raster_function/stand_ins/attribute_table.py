"""Stands in for ArcGIS's ``attribute_table``: an empty table of classes as a feature set."""

from typing import Any

_COLUMNS = {
    "OID": "esriFieldTypeOID",
    "Value": "esriFieldTypeInteger",
    "Class": "esriFieldTypeString",
    "Classvalue": "esriFieldTypeInteger",
    "Classname": "esriFieldTypeString",
    "Red": "esriFieldTypeInteger",
    "Green": "esriFieldTypeInteger",
    "Blue": "esriFieldTypeInteger",
}

attribute_table: dict[str, Any] = {
    "displayFieldName": "",
    "fieldAliases": {name: name for name in _COLUMNS},
    "fields": [{"name": name, "type": kind, "alias": name} for name, kind in _COLUMNS.items()],
    "features": [],
}
"""A raster function fills in ``features``."""
