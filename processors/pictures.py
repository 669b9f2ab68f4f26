"""Small pictures of what a run has classified: images, and their class maps laid over them."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..catalog import query as catalog_query
from ..catalog.errors import ItemError, PixelcatError
from ..catalog.listed_rasters import listed_raster
from ..catalog.records import Dataset, Item
from ..io.preview import blended, class_picture, data_uri, image_picture, rgb
from ..io.sources import Fetch, reader
from .class_mosaic import CLASSES
from .stored import datasets, fetched

_OPACITY = 0.55
_ITEM = ("id", "dataset_id", "kind", "source_key", "name", "content_type", "sha256", "reason")
COLUMNS = f"{', '.join(f'i.{name}' for name in _ITEM)}, o.raster_path"
"""What a row of SQL has to have for :func:`pictures`, of items ``i`` and outputs ``o``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """What can be shown of a classified image, as addresses that hold it."""

    overlay: str | None
    """The image with its class map, or the class map alone; None where that is gone too."""
    image: str | None = None
    """None where it cannot be had, is too large, or is no file."""


def pictures(
    catalog: Path, run_id: int, rows: Sequence[dict[str, Any]], longest: int
) -> list[Picture]:
    """Return pictures of classified images; one that cannot be shown stops nothing.

    Args:
        catalog: The catalog.
        run_id: The run, which has the classes.
        rows: Outputs, with :data:`COLUMNS`.
        longest: Pixels of the longer side of a picture.
    """
    classes = catalog_query.query(catalog, CLASSES, (run_id,)).dicts()
    colors = {row["value"]: rgb(str(row["color"])) for row in classes}
    known = datasets(catalog)
    found: list[Picture] = []
    with ExitStack() as stack:
        opened: dict[int, Fetch | None] = {}
        for row in rows:
            number = row["dataset_id"]
            if number not in opened:
                opened[number] = _opened(known.get(number), stack)
            found.append(_picture(catalog.parent, row, colors, opened[number], longest))
    return found


def _opened(dataset: Dataset | None, stack: ExitStack) -> Fetch | None:
    """Return what fetches images of a dataset; None where it cannot be opened any more."""
    try:
        return None if dataset is None else stack.enter_context(reader(dataset))
    except (PixelcatError, OSError):
        return None


def _picture(
    folder: Path,
    row: dict[str, Any],
    colors: dict[int, tuple[int, int, int]],
    fetch: Fetch | None,
    longest: int,
) -> Picture:
    try:
        classes = class_picture(listed_raster(folder, row["raster_path"]), colors, longest)
    except (ItemError, OSError):
        return Picture(overlay=None)
    try:
        if fetch is None:
            return Picture(overlay=data_uri(classes))
        where = fetched(fetch, Item(**{name: row[name] for name in _ITEM}))
        shown = image_picture(where, *classes.shape[:2])
    except (PixelcatError, OSError, MemoryError):
        return Picture(overlay=data_uri(classes))
    mixed = blended(shown, classes, _OPACITY)
    return Picture(overlay=data_uri(mixed), image=data_uri(np.ascontiguousarray(shown)))
