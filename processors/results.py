"""What a run gave, for Python: frames and SQL over its catalog."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..catalog import query as catalog_query
from ..catalog.errors import UsageError
from ..catalog.records import Verification
from ..catalog.run_numbers import check_run

if TYPE_CHECKING:
    import geopandas
    import pandas as pd


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """One image without a class map, and why."""

    image: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A run that ended: its numbers, and its answers on request.

    The numbers count the items of the inputs that were given, whenever they were done.
    """

    catalog: Path
    id: int
    status: str
    """``finished`` or ``stopped``."""
    done: int
    failed: int
    skipped: int
    classified_now: int
    """Of ``done``, those that this call classified; the others were done before."""
    rasters: Path
    """The folder of the run's class rasters."""
    layers: tuple[str, ...]
    """Output feature classes, each followed by its summary."""
    failures: tuple[Failure, ...]
    notes: tuple[str, ...]
    verification: Verification | None = None
    """What ``verify`` found."""

    @property
    def exit_code(self) -> int:
        """0 where every image has a class map or was no image; 3 where one failed."""
        return 3 if self.failed else 0

    def features(self, layer: str | None = None) -> "geopandas.GeoDataFrame":
        """Return an output feature class: one row per feature and image.

        Args:
            layer: Its name; not needed where there is only one.

        Raises:
            UsageError: The run has no such layer, or several to choose from.
        """
        from ..io.frames import read_table

        names = self.layers[::2]
        if layer is None and len(names) != 1:
            raise UsageError(f"name one of the layers of this run: {_listed(names)}")
        if layer is not None and layer.lower() not in map(str.lower, self.layers):
            raise UsageError(f"this run has no layer {layer}; there are: {_listed(self.layers)}")
        return read_table(self.catalog, layer or names[0])

    def items(self) -> "pd.DataFrame":
        """Return every image of the run with what became of it."""
        from ..io.frames import read_table

        return read_table(self.catalog, "item_results", (_OF_RUN, (self.id,)))

    def class_stats(self) -> "pd.DataFrame":
        """Return pixels, share, area and mean confidence by image and class."""
        from ..io.frames import read_table

        return read_table(self.catalog, "item_class_stats", (_OF_RUN, (self.id,)))

    def sql(
        self,
        sql: str,
        parameters: Sequence[Any] | Mapping[str, Any] = (),
        *,
        spatial: bool = False,
    ) -> list[dict[str, Any]]:
        """Run one read-only SQL statement on the catalog and return its rows; see :meth:`Results.sql`."""
        return Results(path=self.catalog).sql(sql, parameters, spatial=spatial)

    def _repr_html_(self) -> str:
        """Return what a notebook shows: numbers, failures, and a few images with their classes."""
        from .notebook import card

        numbers = {name: getattr(self, name) for name in ("status", "done", "failed", "skipped")}
        rows = [{"what": name, "value": value} for name, value in numbers.items()]
        rows += [{"what": f"layer {name}", "value": ""} for name in self.layers]
        rows += [{"what": f"failed: {f.image}", "value": f.reason} for f in self.failures]
        return card(self.catalog, f"run {self.id} of {self.catalog.name}", rows, self.id)


@dataclass(frozen=True, kw_only=True, slots=True)
class Results:
    """A catalog opened for reading."""

    path: Path

    def table(self, name: str) -> "pd.DataFrame":
        """Return a table or view; a GeoDataFrame where it has a geometry."""
        from ..io.frames import read_table

        return read_table(self.path, name)

    def features(self, layer: str | None = None) -> "geopandas.GeoDataFrame":
        """Return an output feature class: one row per feature and image.

        Args:
            layer: Its name, or that of any other layer; not needed where there is only one.

        Raises:
            UsageError: There is no such layer, or several to choose from.
        """
        rows = self.sql("SELECT DISTINCT table_name AS name FROM result_layers ORDER BY id")
        names = [row["name"] for row in rows]
        if layer is None and len(names) != 1:
            raise UsageError(f"name one of the layers of {self.path.name}: {_listed(names)}")
        if layer is not None:
            shown = {row["name"].lower() for row in self.sql(_SHAPES)}
            if layer.lower() not in shown:
                raise UsageError(
                    f"{self.path.name} has no layer {layer}; output feature classes:"
                    f" {_listed(names)}; other tables by .table()"
                )
        return self.table(layer or names[0])

    def items(self, run: int | None = None) -> "pd.DataFrame":
        """Return every image with what became of it in a run; default the newest of each model.

        Raises:
            UsageError: There is no such run.
        """
        return self._results("item_results", run)

    def class_stats(self, run: int | None = None) -> "pd.DataFrame":
        """Return pixels, share, area and mean confidence by image and class; see :meth:`items`."""
        return self._results("item_class_stats", run)

    def _results(self, view: str, run: int | None) -> "pd.DataFrame":
        from ..io.frames import read_table

        if run is None:
            return read_table(self.path, view, (_CURRENT, ()))
        check_run(self.path, run)
        return read_table(self.path, view, (_OF_RUN, (run,)))

    def sql(
        self,
        sql: str,
        parameters: Sequence[Any] | Mapping[str, Any] = (),
        *,
        spatial: bool = False,
    ) -> list[dict[str, Any]]:
        """Run one read-only SQL statement and return its rows.

        Args:
            sql: The statement, or the name of a table, view or saved query. The functions
                ``ST_*`` of :mod:`..io.spatial_functions` can be used.
            parameters: Values of ``?`` or ``:name`` in it.
            spatial: With all `ST_*` functions of SpatiaLite, on a copy of the catalog.

        Raises:
            UsageError: The SQL is wrong, writes, takes too long or too much memory.
        """
        from . import questions

        return questions.dicts(self.path, sql, parameters, spatial=spatial)

    def _rows(self, sql: str) -> list[dict[str, Any]]:
        return catalog_query.query(self.path, sql).dicts()

    def status(self) -> list[dict[str, Any]]:
        """Return a row per run: model, state, and how many items are in which state."""
        return self._rows(_STATUS)

    def _repr_html_(self) -> str:
        """Return what a notebook shows: its runs, and a few images of the newest."""
        from .notebook import card

        runs = self.status()
        newest = runs[-1]["run"] if runs else None
        return card(self.path, self.path.name, runs, newest)

    def details(self) -> list[tuple[str, list[dict[str, Any]]]]:
        """Return titled tables: inputs, images without a class map, layers, verifications."""
        return [
            ("Inputs", self._rows(_INPUTS)),
            ("Images without a class map, by reason", self._rows(_REASONS)),
            ("Output feature classes", self._rows(_LAYERS)),
            ("Verifications", self._rows(_VERIFICATIONS)),
        ]


_SHAPES = """
SELECT table_name AS name FROM gpkg_geometry_columns UNION SELECT table_name FROM result_layers
UNION SELECT summary_name FROM result_layers
"""
"""SQL of all that is a layer, those of tables without geometry among them."""
_OF_RUN = "run_id = ? ORDER BY item_id, OGC_FID"
_CURRENT = "is_current ORDER BY item_id, OGC_FID"
_STATUS = """
SELECT r.id AS run, m.name AS model, r.status, r.started_at, r.finished_at,
  count(*) FILTER (WHERE o.status = 'done') AS done,
  count(*) FILTER (WHERE o.status = 'failed') AS failed,
  count(*) FILTER (WHERE o.status = 'skipped') AS skipped
FROM runs r JOIN models m ON m.id = r.model_id LEFT JOIN outputs o ON o.run_id = r.id
GROUP BY r.id ORDER BY r.id
"""


_INPUTS = """
SELECT o.run_id AS run, d.uri AS input, d.layer, count(*) AS images,
  count(*) FILTER (WHERE o.status = 'done') AS done,
  count(*) FILTER (WHERE o.status = 'failed') AS failed,
  count(*) FILTER (WHERE o.status = 'skipped') AS skipped
FROM outputs o JOIN items i ON i.id = o.item_id JOIN datasets d ON d.id = i.dataset_id
GROUP BY o.run_id, d.id ORDER BY o.run_id, d.id
"""
_REASONS = """
SELECT run_id AS run, status, count(*) AS images, reason FROM outputs WHERE status != 'done'
GROUP BY run_id, status, reason ORDER BY run_id, status, images DESC
"""
_LAYERS = """
SELECT l.run_id AS run, d.uri AS source, d.layer, l.table_name AS features,
  l.summary_name AS summary FROM result_layers l JOIN datasets d ON d.id = l.dataset_id
ORDER BY l.id
"""
_VERIFICATIONS = """
SELECT v.run_id AS run, v.verified_at, v.windows, v.pixels, v.differ, v.close,
  i.name AS first_in FROM verifications v LEFT JOIN items i ON i.id = v.item_id ORDER BY v.id
"""


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "there is none"


def open_catalog(path: str | os.PathLike[str]) -> Results:
    """Open a catalog for reading.

    Raises:
        SourceError: No such catalog.
        CatalogError: Damaged, or no catalog.
    """
    with catalog_query.read_only(path):
        return Results(path=Path(path).resolve())
