"""Pieces of HTML: every text is escaped, nothing is active, nothing comes from elsewhere."""

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..io.preview import rgb
from .pictures import Picture


def text(value: object) -> str:
    """Return a value as text of a page; control characters, which no page may hold, as ``?``."""
    if value is None:
        return ""
    shown = f"{value:.4g}" if isinstance(value, float) else str(value)
    clean = "".join(c if c.isprintable() or c in "\n\t" else "?" for c in shown)
    return html.escape(clean, quote=True)


def percent(share: float | None) -> str:
    """Return a share of 0 to 1 in percent; nothing for None."""
    return "" if share is None else f"{100 * share:.1f} %"


def table(rows: Sequence[Mapping[str, Any]], most: int | None = None) -> str:
    """Return rows as a table, with a line that says how many more there are.

    Args:
        rows: Of the same keys, which are the titles.
        most: How many rows are shown.
    """
    if not rows:
        return "<p>none</p>"
    head = "".join(f"<th>{text(name)}</th>" for name in rows[0])
    body = "".join(
        f"<tr>{''.join(f'<td>{text(value)}</td>' for value in row.values())}</tr>"
        for row in rows[:most]
    )
    rest = len(rows) - len(rows[:most])
    more = f"<p>and {rest} more, which the catalog lists</p>" if rest else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def legend(classes: Sequence[Mapping[str, Any]]) -> str:
    """Return the names of classes, each with its colour."""
    entries = (
        '<span style="margin-right:12px;white-space:nowrap"><span style="display:inline-block;'
        f'width:12px;height:12px;background:{css(row["color"])}"></span> {text(row["name"])}</span>'
        for row in classes
    )
    return f"<p>{' '.join(entries)}</p>"


def css(color: object) -> str:
    """Return a colour of a catalog as CSS has it; grey where it is none."""
    return "#{:02x}{:02x}{:02x}".format(*rgb(str(color)))


def thumbnails(shown: Iterable[tuple[Picture, str]]) -> str:
    """Return small pictures in a row, each with its caption."""
    figures = "".join(
        '<figure style="display:inline-block;margin:4px;max-width:170px;vertical-align:top">'
        f'<img src="{picture.overlay}" alt="" style="max-width:160px">'
        f'<figcaption style="font-size:smaller">{text(caption)}</figcaption></figure>'
        for picture, caption in shown
        if picture.overlay
    )
    return f"<div>{figures}</div>"
