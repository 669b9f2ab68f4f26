"""What a notebook shows of a run or a catalog."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..catalog import query as catalog_query
from ..catalog.errors import PixelcatError
from .class_mosaic import CLASSES
from .html import legend, percent, table, text, thumbnails
from .pictures import COLUMNS, pictures

_MOST = 6
_LONGEST = 160
_SHOWN = f"""
SELECT {COLUMNS}, o.dominant_class, o.dominant_share FROM outputs o
JOIN items i ON i.id = o.item_id WHERE o.run_id = ? AND o.status = 'done'
ORDER BY i.id LIMIT {_MOST}
"""


def card(catalog: Path, title: str, rows: Sequence[Mapping[str, Any]], run_id: int | None) -> str:
    """Return a title, a table and a few pictures as HTML.

    Args:
        catalog: The catalog.
        title: What it is.
        rows: Of the table.
        run_id: Whose images are shown; None for no images.
    """
    return f"<div><b>{text(title)}</b>{table(rows, 10)}{_pictures(catalog, run_id)}</div>"


def _pictures(catalog: Path, run_id: int | None) -> str:
    if run_id is None:
        return ""
    try:
        rows = catalog_query.query(catalog, _SHOWN, (run_id,)).dicts()
        classes = catalog_query.query(catalog, CLASSES, (run_id,)).dicts()
        shown = pictures(catalog, run_id, rows, _LONGEST)
    except PixelcatError as error:
        return f"<p>{text(error)}</p>"
    captions = [
        f"{row['name']}: {row['dominant_class']} {percent(row['dominant_share'])}" for row in rows
    ]
    return legend(classes) + thumbnails(zip(shown, captions, strict=True))
