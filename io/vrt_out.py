"""Class rasters as one virtual raster, for clients that do not know GTI (GDAL before 3.9)."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from ..catalog.records import ClassDefinition
from .class_tiles import ClassTile, class_band, finest_cell
from .publish import write_new
from .sidecars import QML, qml


def write_vrt(path: Path, tiles: Sequence[ClassTile], classes: Sequence[ClassDefinition]) -> None:
    """Write a virtual raster of tiles in one reference system; later ones lie above earlier ones.

    A style for QGIS comes beside it, where there is none yet. Paths of tiles are relative to it.

    Raises:
        UsageError: Something has that name, or it does not end in ``.vrt``.
        OutputError: The disk refused.
    """
    write_new(path, _document(path, tiles, classes), (".vrt",))
    style = path.with_suffix(QML)
    if not style.exists():
        write_new(style, qml(classes).decode(), (QML,))


def _document(path: Path, tiles: Sequence[ClassTile], classes: Sequence[ClassDefinition]) -> str:
    system = tiles[0].srs
    across, down = finest_cell(tiles, system)
    boxes = [_box(tile) for tile in tiles]
    left, top = min(box[0] for box in boxes), max(box[3] for box in boxes)
    right, bottom = max(box[2] for box in boxes), min(box[1] for box in boxes)
    width, height = _count(right - left, across), _count(top - bottom, down)
    root = Element("VRTDataset", rasterXSize=str(width), rasterYSize=str(height))
    SubElement(root, "SRS", dataAxisToSRSAxisMapping="1,2").text = system.definition
    place = (left, across, 0.0, top, 0.0, -down)
    SubElement(root, "GeoTransform").text = ", ".join(map(repr, place))
    band = class_band("VRTRasterBand", tiles[0], classes)
    for tile, box in zip(tiles, boxes, strict=True):
        source = SubElement(band, "ComplexSource", resampling="nearest")
        SubElement(source, "SourceFilename", relativeToVRT="1").text = _relative(tile.path, path)
        SubElement(source, "SourceBand").text = "1"
        _rectangle(source, "SrcRect", (0, 0, tile.width, tile.height))
        size = (box[2] - box[0]) / across, (box[3] - box[1]) / down
        _rectangle(source, "DstRect", ((box[0] - left) / across, (top - box[3]) / down, *size))
        SubElement(source, "NODATA").text = str(tile.nodata)
    root.append(band)
    indent(root)
    return tostring(root, encoding="unicode") + "\n"


def _box(tile: ClassTile) -> tuple[float, float, float, float]:
    """Return the least and greatest x and y of a tile: left, bottom, right, top."""
    x, y = zip(tile.transform @ (0, 0), tile.transform @ (tile.width, tile.height), strict=True)
    return min(x), min(y), max(x), max(y)


def _count(length: float, cell: float) -> int:
    return max(1, math.ceil(length / cell - 1e-6))


def _relative(path: Path, document: Path) -> str:
    return Path(os.path.relpath(path.resolve(), document.resolve().parent)).as_posix()


def _rectangle(parent: Element, name: str, values: Sequence[float]) -> None:
    names = ("xOff", "yOff", "xSize", "ySize")
    SubElement(parent, name, {key: repr(v) for key, v in zip(names, values, strict=True)})
