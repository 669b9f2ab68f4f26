"""What a report is about: the rows of one run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..catalog import query as catalog_query
from ..catalog.errors import UsageError
from .class_mosaic import CLASSES
from .pictures import COLUMNS

Row = dict[str, Any]
_RUN = """
SELECT r.id, m.name AS model, m.framework, m.weights_sha256 AS "weights (SHA-256)", r.status,
  r.started_at AS started, r.finished_at AS finished, r.device, r.decoder, r.software, r.options
FROM runs r JOIN models m ON m.id = r.model_id WHERE :run IS NULL OR r.id = :run
ORDER BY EXISTS (SELECT 1 FROM outputs o WHERE o.run_id = r.id AND o.status = 'done') DESC,
  r.id DESC LIMIT 1
"""
_INPUTS = """
SELECT d.uri AS input, d.layer, count(*) AS images,
  count(*) FILTER (WHERE o.status = 'done') AS done,
  count(*) FILTER (WHERE o.status = 'failed') AS failed,
  count(*) FILTER (WHERE o.status = 'skipped') AS skipped
FROM outputs o JOIN items i ON i.id = o.item_id JOIN datasets d ON d.id = i.dataset_id
WHERE o.run_id = ? GROUP BY d.id ORDER BY d.id
"""
_REASONS = """
SELECT status, count(*) AS images, reason FROM outputs
WHERE run_id = ? AND status != 'done' GROUP BY status, reason ORDER BY images DESC, reason
"""
_FAILURES = """
SELECT o.status, d.layer, i.name AS image, o.reason FROM outputs o JOIN items i ON i.id = o.item_id
JOIN datasets d ON d.id = i.dataset_id
WHERE o.run_id = ? AND o.status = 'failed' ORDER BY i.id
"""
_SHARES = """
SELECT c.name, c.color, coalesce(sum(s.pixels), 0) AS pixels, sum(s.area_m2) AS area_m2,
  count(*) FILTER (WHERE o.dominant_class = c.name) AS dominant_in
FROM classes c JOIN runs r ON r.id = :run AND r.model_id = c.model_id
LEFT JOIN outputs o ON o.run_id = :run AND o.status = 'done'
LEFT JOIN class_stats s ON s.output_id = o.id AND s.value = c.value
GROUP BY c.id ORDER BY pixels DESC, c.value
"""
_GALLERY = f"""
SELECT {COLUMNS}, o.dominant_class, o.dominant_share, o.mean_confidence
FROM outputs o JOIN items i ON i.id = o.item_id WHERE o.run_id = :run AND o.status = 'done'
"""
_ORDERS = (
    ("Least sure", "AND o.mean_confidence NOT NULL ORDER BY o.mean_confidence, i.id"),
    ("Most sure", "AND o.mean_confidence NOT NULL ORDER BY o.mean_confidence DESC, i.id"),
    ("Most mixed", "ORDER BY o.dominant_share, i.id"),
)
"""What images a gallery shows, in SQL; one that has been shown is not shown again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportData:
    """The rows of a run that a report shows."""

    run: Row
    classes: Sequence[Row]
    inputs: Sequence[Row]
    reasons: Sequence[Row]
    failures: Sequence[Row]
    shares: Sequence[Row]
    galleries: Sequence[tuple[str, Sequence[Row]]]
    """Titles, and images for :func:`.pictures.pictures`."""

    @classmethod
    def read(cls, catalog: Path, run: int | None, gallery: int) -> "ReportData":
        """Read a run.

        Args:
            catalog: The catalog.
            run: Its number; default the newest that has class maps.
            gallery: Images in each gallery at most.

        Raises:
            UsageError: There is no such run.
        """
        found = catalog_query.query(catalog, _RUN, {"run": run}).dicts()
        if not found:
            what = "no run yet" if run is None else f"no run {run}"
            raise UsageError(f"{catalog.name} has {what}")
        number = found[0]["id"]

        def rows(sql: str) -> list[Row]:
            return catalog_query.query(catalog, sql, (number,)).dicts()

        return cls(
            run=found[0],
            classes=rows(CLASSES),
            inputs=rows(_INPUTS),
            reasons=rows(_REASONS),
            failures=rows(_FAILURES),
            shares=catalog_query.query(catalog, _SHARES, {"run": number}).dicts(),
            galleries=_galleries(catalog, number, gallery),
        )


def _galleries(catalog: Path, run: int, most: int) -> list[tuple[str, Sequence[Row]]]:
    shown: set[int] = set()
    galleries: list[tuple[str, Sequence[Row]]] = []
    for title, order in _ORDERS:
        sql = f"{_GALLERY} {order} LIMIT :most"
        named = {"run": run, "most": most * len(_ORDERS)}
        rows = catalog_query.query(catalog, sql, named).dicts()
        chosen = [row for row in rows if row["id"] not in shown][:most]
        shown.update(row["id"] for row in chosen)
        if chosen:
            galleries.append((title, chosen))
    return galleries
