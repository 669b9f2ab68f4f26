"""The cell sizes that a model is meant for, and rasters that have others."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from affine import Affine

from ..catalog.store import Catalog
from ..io import srs
from ..io.grid import GridOptions
from .numbers import finite_number

_SHOWN = 5
_SLACK = 1.02
"""Times a limit that is let pass: definitions and rasters give sizes rounded."""
_CELLS = """
SELECT i.name, i.transform, i.height, s.definition AS crs
FROM outputs o JOIN items i ON i.id = o.item_id
LEFT JOIN gpkg_spatial_ref_sys s ON s.srs_id = i.srs_id
WHERE o.run_id = ? AND o.status = 'done' AND i.transform IS NOT NULL
  AND i.dataset_id IN (SELECT value FROM json_each(?)) ORDER BY i.id
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Limit:
    """A cell size of a definition."""

    size: float
    crs: str | None
    """``EPSG:n`` or WKT; None where the definition does not tell the units."""


def cell_size_notes(
    catalog: Catalog,
    run_id: int,
    datasets: Sequence[int],
    properties: Mapping[str, Any],
    grid: GridOptions,
) -> list[str]:
    """Say which rasters of a run have cells smaller or larger than the model is meant for.

    Args:
        catalog: The catalog.
        run_id: The run.
        datasets: Numbers of the datasets that are looked at.
        properties: Of the model definition: ``MinCellSize`` and ``MaxCellSize``.
        grid: On which they were classified.
    """
    least, greatest = (_limit(properties.get(key)) for key in ("MinCellSize", "MaxCellSize"))
    if least is None and greatest is None:
        return []
    notes = []
    for row in catalog.query(_CELLS, (run_id, json.dumps(list(datasets)))):
        place, crs = Affine(*json.loads(row["transform"])), row["crs"]
        middle = row["height"] // 2
        if grid.cell_size is not None:
            place, crs, middle = Affine.scale(grid.cell_size), grid.crs or crs, 0
        for limit, sign, what in ((least, -1, "smallest"), (greatest, 1, "largest")):
            cell = limit and srs.cell_size(place, crs, middle, limit.crs)
            if limit and cell and (cell / limit.size) ** sign > _SLACK:
                notes.append(
                    f"{row['name']}: its cells of {cell:.6g} are beyond the {what} that the model"
                    f" is meant for, {limit.size:.6g} {srs.unit(limit.crs or crs)};"
                    " --cell-size resamples"
                )
    more = [f"and {len(notes) - _SHOWN} rasters more"] if len(notes) > _SHOWN else []
    return notes[:_SHOWN] + more


def _limit(said: object) -> _Limit | None:
    """Return a cell size of a definition; None for one that says nothing usable."""
    if not isinstance(said, Mapping):
        said = {"x": said, "y": said}
    try:
        size = (finite_number(said.get("x")) + finite_number(said.get("y"))) / 2
    except ValueError:
        return None
    if size <= 0:
        return None
    system = said.get("spatialReference")
    codes = system if isinstance(system, Mapping) else {}
    known = (codes.get("latestWkid"), codes.get("wkid"))
    names = [f"{who}:{code}" for code in known if code for who in ("EPSG", "ESRI")]
    return _Limit(size=size, crs=next((name for name in names if srs.describe(name)), None))
