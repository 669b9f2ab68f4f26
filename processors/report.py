"""A report of a run as one page that needs nothing else: for mail, print and archive."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..catalog.errors import UsageError
from ..io.places import check_place
from ..io.publish import write_new
from .html import css, legend, percent, table, text
from .map_sketch import map_sketch
from .pictures import Picture, pictures
from .report_data import ReportData, Row
from .report_style import STYLE

MOST_PICTURES = 200
"""In each gallery; a page is to stay one that a browser and a mailbox take."""
_ROWS = 100
_BAR = 420


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What was written."""

    run: int
    pictures: int
    size: int
    """Of the page in bytes."""


def report(
    catalog: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    run: int | None = None,
    gallery: int = 6,
    picture_size: int = 320,
) -> Report:
    """Write a page about a run: what was asked, what became of it, and how it looks.

    Args:
        catalog: The catalog.
        path: The page, which must not be there yet; ``.html``.
        run: Whose; default the newest run that has class maps.
        gallery: Images in each gallery: the least sure, the most sure, the most mixed.
        picture_size: Pixels of the longer side of a picture.

    Raises:
        UsageError: There is no such run, or the page cannot be there.
        SourceError: No such catalog.
        OutputError: The disk refused.
    """
    source, target = Path(catalog).resolve(), Path(path)
    check_place(target)
    if not 0 <= gallery <= MOST_PICTURES:
        raise UsageError(f"a gallery of {gallery}: give 0 to {MOST_PICTURES}")
    if not 16 <= picture_size <= 2048:
        raise UsageError(f"pictures of {picture_size} pixels: give 16 to 2048")
    data = ReportData.read(source, run, gallery)
    shown = [
        (title, rows, pictures(source, data.run["id"], rows, picture_size))
        for title, rows in data.galleries
    ]
    page = _page(source, data, shown)
    write_new(target, page, (".html", ".htm"))
    count = sum(bool(each.overlay) for _, _, found in shown for each in found)
    return Report(run=data.run["id"], pictures=count, size=len(page.encode()))


def _page(
    catalog: Path, data: ReportData, shown: Sequence[tuple[str, Sequence[Row], list[Picture]]]
) -> str:
    colors = {str(row["name"]): str(row["color"]) for row in data.classes}
    title = f"{data.run['model']}: run {data.run['id']} of {catalog.name}"
    sketch = map_sketch(catalog, data.run["id"], colors)
    galleries = "".join(_gallery(*each) for each in shown)
    parts = [
        f"<h1>{text(title)}</h1>",
        _numbers(data.inputs),
        _section("Classes", _chart(data.shares)),
        _section("Where", legend(data.classes) + sketch) if sketch else "",
        _section("Images", legend(data.classes) + galleries) if galleries else "",
        _section("Without a class map, by reason", table(data.reasons, _ROWS)),
        _section("Failed images", table(data.failures, _ROWS)) if data.failures else "",
        _section("Inputs", table(data.inputs, _ROWS)),
        _section("Run", _run(data.run)),
    ]
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\';'
        " img-src data:; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width">'
        f"<title>{text(title)}</title><style>{STYLE}</style></head>"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _section(title: str, content: str) -> str:
    return f"<section><h2>{text(title)}</h2>{content}</section>"


def _numbers(inputs: Sequence[Row]) -> str:
    totals = {name: sum(row[name] for row in inputs) for name in ("done", "failed", "skipped")}
    cells = "".join(
        f'<div class="number {name}"><b>{count}</b> {name}</div>' for name, count in totals.items()
    )
    return f'<div class="numbers">{cells}</div>'


def _chart(shares: Sequence[Row]) -> str:
    """Return bars of the share of each class among all classified pixels, as SVG."""
    total = sum(row["pixels"] for row in shares)
    if not total:
        return "<p>nothing is classified</p>"
    widest = max(row["pixels"] for row in shares)
    bars = "".join(
        f'<g transform="translate(0,{26 * place})"><text x="0" y="16">{text(_cut(row["name"]))}'
        f'</text><rect x="190" y="3" height="18" width="{_BAR * row["pixels"] / widest:.1f}"'
        f' fill="{css(row["color"])}" stroke="#333" stroke-width=".5"/><text y="16"'
        f' x="{196 + _BAR * row["pixels"] / widest:.1f}">{percent(row["pixels"] / total)}</text></g>'
        for place, row in enumerate(shares)
    )
    box = f'viewBox="0 0 700 {26 * len(shares)}"'
    rows = [
        {
            "class": row["name"],
            "share": percent(row["pixels"] / total),
            "pixels": f"{row['pixels']:,}",
            "hectares": "" if row["area_m2"] is None else f"{row['area_m2'] / 10_000:,.2f}",
            "dominant in": row["dominant_in"],
        }
        for row in shares
    ]
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" {box} role="img" class="chart">{bars}</svg>'
    return svg + table(rows)


def _cut(name: str) -> str:
    return name if len(name) <= 26 else f"{name[:25]}…"


def _gallery(title: str, rows: Sequence[Row], found: Sequence[Picture]) -> str:
    figures = "".join(map(_figure, rows, found))
    return f'<h3>{text(title)}</h3><div class="gallery">{figures}</div>'


def _figure(row: Row, picture: Picture) -> str:
    images = "".join(
        f'<img src="{address}" alt="">' for address in (picture.image, picture.overlay) if address
    )
    sure = row["mean_confidence"]
    caption = [
        f"<b>{text(row['name'])}</b>",
        f"{text(row['dominant_class'])} {percent(row['dominant_share'])}",
        "" if sure is None else f"confidence {sure:.2f}",
    ]
    images = images or '<p class="gone">its class map cannot be shown</p>'
    return f"<figure>{images}<figcaption>{'<br>'.join(filter(None, caption))}</figcaption></figure>"


def _run(run: Row) -> str:
    facts = {name: value for name, value in run.items() if name not in ("software", "options")}
    versions = _json(run["software"])
    facts["software"] = ", ".join(f"{name} {value}" for name, value in versions.items())
    asked = [
        {"option": name, "value": json.dumps(value)}
        for name, value in _json(run["options"]).items()
    ]
    rows = [{"fact": name, "value": value} for name, value in facts.items()]
    return f"{table(rows)}<h3>Asked for</h3>{table(asked)}"


def _json(document: Any) -> Mapping[str, Any]:
    try:
        found = json.loads(document)
    except (TypeError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
