"""Putting a catalog right: what is lost becomes pending, what shows it is written anew."""

import json
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from ..catalog import care
from ..catalog.errors import SourceError
from ..catalog.store import Catalog
from ..io.class_tiles import read_tiles
from .check import Finding, Inspection, inspect
from .class_mosaic import write_class_mosaic

_LEFT = {
    "catalog": "left alone: restore a copy of the catalog",
    "raster": "left alone: its source is gone, it could not be made again",
    "mosaic": "left alone: the catalog does not know its run",
    "draft": "left alone: it cannot be removed",
    "leftover": "left alone: it may be yours; delete it if it is not",
    "source": "left alone",
}
"""Of what is found and not repaired: what is said."""

_BLOCKED = "left alone: it cannot be made again before the folder is removed"


def repaired(path: Path, *, deep: bool) -> list[Finding]:
    """Check a catalog and repair what can be; see :func:`.check.check`.

    Returns:
        What was found, each with what was done about it.
    """
    if not path.is_file():
        raise SourceError(f"{path}: no such catalog")
    before = inspect(path, deep=False)
    if before.is_damaged:
        return [replace(each, done="left alone: the file is damaged") for each in before.findings]
    with Catalog(path) as catalog:
        return _repair(catalog, inspect(path, deep=deep))


def _repair(catalog: Catalog, inspection: Inspection) -> list[Finding]:
    findings = inspection.findings
    named = {output for each in findings if not each.is_blocked for output in each.outputs}
    lost = named - set(inspection.lost_outputs)
    rows = catalog.query(
        "SELECT DISTINCT run_id FROM outputs WHERE id IN (SELECT value FROM json_each(?))",
        (json.dumps(sorted(lost)),),
    )
    care.return_to_pending(catalog, lost)
    known = {row["id"] for row in catalog.query("SELECT id FROM runs")}
    shown = {each.run_id for each in findings if each.run_id is not None}
    for run_id in sorted(shown & known | {row["run_id"] for row in rows}):
        care.forget_mosaic(catalog, run_id)
        write_class_mosaic(catalog, run_id, read_tiles)
    return [_settled(catalog.path.parent, each, lost, known) for each in findings]


def _settled(
    folder: Path, finding: Finding, lost: Collection[int], runs: Collection[int]
) -> Finding:
    """Return a finding with what was done; drafts are removed here."""
    done = None
    if finding.what == "raster" and all(output in lost for output in finding.outputs):
        done = "returned to pending"
    elif finding.what == "mosaic" and finding.run_id in runs:
        done = "left out of the mosaic"
    elif finding.what == "draft" and _removed(folder / finding.name):
        done = "removed"
    if done is None:
        return replace(finding, done=_BLOCKED if finding.is_blocked else _LEFT[finding.what])
    return replace(finding, done=done, is_open=False)


def _removed(path: Path) -> bool:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return False
    return True
