"""Rasters as one virtual raster, for clients that do not know GTI (GDAL before 3.9)."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from ..catalog.records import ClassDefinition
from . import srs
from .class_tiles import Tile, finest_cell
from .publish import write_new
from .rectangles import Bounds
from .sidecars import QML, qml


def write_vrt(path: Path, tiles: Sequence[Tile], bands: Sequence[Element]) -> None:
    """Write a virtual raster of tiles in one reference system; later ones lie above earlier ones.

    Paths of tiles are relative to it. In degrees tiles on both sides of the 180th meridian lie side
    by side.

    Args:
        path: The file.
        tiles: Its parts, which have the same bands.
        bands: What each band is, as a VRT has it.

    Raises:
        UsageError: Something has that name, or it does not end in ``.vrt``.
        OutputError: The disk refused.
    """
    write_new(path, _document(path, tiles, bands), (".vrt",))


def write_style(path: Path, classes: Sequence[ClassDefinition]) -> None:
    """Write how QGIS is to show a virtual raster of classes, where nothing says so yet.

    Args:
        path: The virtual raster.
        classes: Its classes.

    Raises:
        OutputError: The disk refused.
    """
    style = path.with_suffix(QML)
    if not style.exists():
        write_new(style, qml(classes).decode(), (QML,))


def _document(path: Path, tiles: Sequence[Tile], bands: Sequence[Element]) -> str:
    system = tiles[0].srs
    across, down = finest_cell(tiles, system)
    boxes = _side_by_side([_box(tile) for tile in tiles], srs.circle(system.definition))
    left, top = min(box[0] for box in boxes), max(box[3] for box in boxes)
    right, bottom = max(box[2] for box in boxes), min(box[1] for box in boxes)
    width, height = _count(right - left, across), _count(top - bottom, down)
    root = Element("VRTDataset", rasterXSize=str(width), rasterYSize=str(height))
    SubElement(root, "SRS", dataAxisToSRSAxisMapping="1,2").text = system.definition
    place = (left, across, 0.0, top, 0.0, -down)
    SubElement(root, "GeoTransform").text = ", ".join(map(repr, place))
    for number, band in enumerate(bands, 1):
        for tile, box in zip(tiles, boxes, strict=True):
            source = SubElement(band, "ComplexSource", resampling="nearest")
            name = _relative(tile.path, path)
            SubElement(source, "SourceFilename", relativeToVRT="1").text = name
            SubElement(source, "SourceBand").text = str(number)
            _rectangle(source, "SrcRect", (0, 0, tile.width, tile.height))
            size = (box[2] - box[0]) / across, (box[3] - box[1]) / down
            _rectangle(source, "DstRect", ((box[0] - left) / across, (top - box[3]) / down, *size))
            SubElement(source, "NODATA").text = str(tile.nodata)
        root.append(band)
    indent(root)
    return tostring(root, encoding="unicode") + "\n"


def _side_by_side(boxes: list[Bounds], circle: float | None) -> list[Bounds]:
    """Return boxes in degrees, those west of the widest gap put east of the others.

    Others, and those that are narrower as they are, stay where they are.
    """
    if circle is None or len(boxes) < 2:
        return boxes
    ends = sorted((box[0], box[2]) for box in boxes)
    reached, widest, start = ends[0][1], 0.0, ends[0][0]
    for west, east in ends[1:]:
        if west - reached > widest:
            widest, start = west - reached, west
        reached = max(reached, east)
    if circle - widest >= reached - ends[0][0]:
        return boxes
    return [
        (west + circle, south, east + circle, north) if west < start else (west, south, east, north)
        for west, south, east, north in boxes
    ]


def _box(tile: Tile) -> Bounds:
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
