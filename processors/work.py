"""What a model is to do, as far as the memory goes that it takes; told from the catalog."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..catalog.store import Catalog
from .options import RunOptions

_WIDEST = """
SELECT name, width, height, transform FROM items WHERE status = 'ready' AND width IS NOT NULL
AND dataset_id IN (SELECT value FROM json_each(?)) ORDER BY width * min(height, 1024) DESC LIMIT 1
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """What the model is to do, as far as it takes memory."""

    image: str
    """Name of the widest."""
    width: int
    """Its pixels, as they are classified."""
    height: int
    is_verified: bool


def work_of(
    catalog: Catalog, dataset_ids: Sequence[int], options: RunOptions, *, is_verified: bool
) -> Work:
    """Return what is to be done with the images of a catalog."""
    rows = catalog.query(_WIDEST, (str(list(dataset_ids)),))
    if not rows:
        return Work(image="", width=0, height=0, is_verified=is_verified)
    grid = options.environment.grid
    name, width, height, transform = rows[0].values()
    if grid.cell_size and transform and grid.crs is None:
        across = math.hypot(*(float(part) for part in transform.strip("[]").split(",")[0:4:3]))
        scale = across / grid.cell_size
        width, height = math.ceil(width * scale), math.ceil(height * scale)
    return Work(image=name, width=width, height=height, is_verified=is_verified)
