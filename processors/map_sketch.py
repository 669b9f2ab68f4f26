"""A sketch of where images and features lie, coloured by dominant class, as SVG."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import shapely

from ..catalog import query as catalog_query
from ..catalog.geometry import decode
from .html import css, text

MOST = 2000
"""Shapes that are drawn; of more every n-th is."""
_SHAPES = """
SELECT f.geom, i.name, o.dominant_class FROM features f
  JOIN features_items l ON l.base_id = f.fid JOIN items i ON i.id = l.related_id
  LEFT JOIN outputs o ON o.item_id = i.id AND o.run_id = :run
  WHERE f.geom NOT NULL AND o.id NOT NULL
UNION ALL SELECT p.geom, p.name, o.dominant_class FROM footprints p
  JOIN outputs o ON o.item_id = p.item_id AND o.run_id = :run
"""
_COUNT = f"SELECT count(*) AS n FROM ({_SHAPES})"
_SOME = f"SELECT * FROM (SELECT *, row_number() OVER () AS n FROM ({_SHAPES})) WHERE n % :step = 0"
_WIDTH, _MARGIN = 720, 24
_GREY = "#b4b4b4"
_STEPS = (1, 2, 5)


class _Frame(NamedTuple):
    """From longitude and latitude to the page: equirectangular, true in the middle."""

    left: float
    top: float
    across: float
    """Units of the page for a degree of longitude."""
    down: float
    width: float
    height: float

    def place(self, points: np.ndarray) -> np.ndarray:
        """Return points (n, 2) on the page."""
        x = _MARGIN + (points[:, 0] - self.left) * self.across
        y = _MARGIN + (self.top - points[:, 1]) * self.down
        return np.column_stack([x, y])


def map_sketch(catalog: Path, run_id: int, colors: Mapping[str, str]) -> str:
    """Return a map of a run as SVG, with what there is to say about it; empty without places.

    Args:
        catalog: The catalog.
        run_id: The run.
        colors: Of classes, by name, as the catalog has them.
    """
    named = {"run": run_id}
    count = catalog_query.query(catalog, _COUNT, named).rows[0][0]
    step = -(-count // MOST)
    if not count:
        return ""
    rows = catalog_query.query(catalog, _SOME, {**named, "step": step}).rows
    shapes = [(shape, *row[1:3]) for row in rows if (shape := _shape(row[0])) is not None]
    if not shapes:
        return ""
    frame = _frame(shapely.total_bounds([shape for shape, *_ in shapes]))
    drawn = "".join(
        _drawn(shape, frame, name, css(colors.get(dominant, _GREY)))
        for shape, name, dominant in sorted(shapes, key=lambda each: -each[0].area)
    )
    note = f"<p>Of {count} places 1 in {step} is drawn.</p>" if step > 1 else ""
    return f"{_svg(frame, drawn)}{note}"


def _shape(blob: bytes) -> shapely.Geometry | None:
    try:
        shape = shapely.from_wkb(decode(blob))
    except (ValueError, KeyError, shapely.errors.GEOSException):
        return None
    known = not shape.is_empty and np.isfinite(shape.bounds).all()
    return shapely.force_2d(shape) if known else None


def _frame(bounds: Sequence[float]) -> _Frame:
    left, bottom, right, top = (float(value) for value in bounds)
    squeeze = max(math.cos(math.radians((bottom + top) / 2)), 0.01)
    room = _WIDTH - 2 * _MARGIN
    span = max((right - left) * squeeze, top - bottom, 1e-3)
    down = room / span
    across = down * squeeze
    height = (top - bottom) * down + 2 * _MARGIN
    left -= (room / across - (right - left)) / 2
    return _Frame(left, top, across, down, _WIDTH, max(height, 3 * _MARGIN) + 30)


def _drawn(shape: shapely.Geometry, frame: _Frame, name: str, color: str) -> str:
    title = f"<title>{text(name)}</title>"
    if shape.geom_type in ("Point", "MultiPoint"):
        dots = frame.place(shapely.get_coordinates(shape))
        return "".join(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{color}" stroke="#333">{title}</circle>'
            for x, y in dots
        )
    simple = shapely.simplify(shape, 0.7 / frame.down)
    is_area = "Polygon" in shape.geom_type
    path = " ".join(_path(part, frame, closed=is_area) for part in _rings(simple))
    fill = f'fill="{color}" fill-opacity="0.6" fill-rule="evenodd"' if is_area else 'fill="none"'
    stroke = "#333" if is_area else color
    return f'<path d="{path}" {fill} stroke="{stroke}" stroke-width="1.5">{title}</path>'


def _rings(shape: shapely.Geometry) -> Iterable[np.ndarray]:
    for part in shapely.get_parts([shape]):
        lines = shapely.get_rings(part) if part.geom_type == "Polygon" else [part]
        for line in lines:
            yield shapely.get_coordinates(line)


def _path(points: np.ndarray, frame: _Frame, *, closed: bool) -> str:
    places = " L".join(f"{x:.1f},{y:.1f}" for x, y in frame.place(points))
    return f"M{places}{' Z' if closed else ''}"


def _svg(frame: _Frame, drawn: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {frame.width:.0f}'
        f' {frame.height:.0f}" role="img" class="map">'
        f'<rect width="100%" height="100%" fill="#f6f6f3"/>{drawn}{_scale_bar(frame)}</svg>'
    )


def _scale_bar(frame: _Frame) -> str:
    """Return a bar of a round length, about a quarter of the map."""
    metres = 111_320 / frame.down * frame.width / 4
    power = 10.0 ** math.floor(math.log10(metres))
    length = max(step * power for step in _STEPS if step * power <= metres)
    size = length / 111_320 * frame.down
    label = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    y = frame.height - 12
    return (
        f'<path d="M{_MARGIN},{y - 5:.1f} V{y:.1f} H{_MARGIN + size:.1f} V{y - 5:.1f}" fill="none"'
        f' stroke="#333"/><text x="{_MARGIN + size + 6:.1f}" y="{y:.1f}" font-size="12">{label}'
        f'</text><text x="{frame.width - 60:.0f}" y="{y:.1f}" font-size="12">North up</text>'
    )
