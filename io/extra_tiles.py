"""Rasters of fractions as parts of one raster: their headers, their bands in a virtual raster."""

from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement

from ..catalog.errors import OutputError
from . import srs
from .class_tiles import Tile
from .extra_out import NODATA
from .own_raster import own_raster
from .raster import GDAL_ERRORS

_DATA_TYPES = {"uint8": "Byte", "float32": "Float32"}
"""NumPy's names of types → GDAL's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExtraTile(Tile):
    """The header of such a raster that has a place on the ground."""

    bands: tuple[str, ...]
    """What each band is."""
    scale: float
    """A value times this is a fraction."""


def read_extra_tile(path: Path) -> ExtraTile | None:
    """Return the header of a raster of fractions, None where it has no place on the ground.

    Raises:
        OutputError: It cannot be read, or is none any more.
    """
    try:
        with own_raster(path) as dataset:
            if dataset.dtypes[0] not in NODATA:
                raise OutputError(f"{path} is no raster of fractions any more; classify again")
            system = srs.describe(dataset.crs.to_wkt()) if dataset.crs else None
            if system is None:
                return None
            return ExtraTile(
                path=path,
                width=dataset.width,
                height=dataset.height,
                transform=dataset.transform,
                srs=system,
                dtype=dataset.dtypes[0],
                nodata=NODATA[dataset.dtypes[0]],
                bands=tuple(name or "" for name in dataset.descriptions),
                scale=dataset.scales[0],
            )
    except GDAL_ERRORS as error:
        raise OutputError(f"cannot read {path}, which is recorded as done: {error}") from error


def extra_bands(tile: ExtraTile) -> list[Element]:
    """Return the descriptions of bands of fractions as a VRT has them."""
    bands = []
    for number, name in enumerate(tile.bands, 1):
        kind = _DATA_TYPES[tile.dtype]
        band = Element("VRTRasterBand", band=str(number), dataType=kind)
        SubElement(band, "Description").text = name
        SubElement(band, "NoDataValue").text = str(tile.nodata)
        if tile.scale != 1:
            SubElement(band, "Offset").text = "0"
            SubElement(band, "Scale").text = repr(tile.scale)
        SubElement(band, "ColorInterp").text = "Gray" if number == 1 else "Undefined"
        bands.append(band)
    return bands
