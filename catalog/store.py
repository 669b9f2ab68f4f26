"""The catalog: one GeoPackage that knows every image and what became of it."""

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from . import (
    built_from,
    class_mosaic,
    feature_class,
    ingest,
    layer_styles,
    media,
    own_tables,
    pending,
    runs,
    schema,
    shared_outputs,
    table_sources,
    verifications,
)
from .connection import BUSY_TIMEOUT_S, CACHE_KIB, translated_errors
from .database import Database
from .errors import CatalogError
from .geometry import register_functions
from .lock import RunLock, check_journal, mark_live, rasters_folder, unmark_live
from .records import ClassDefinition, Dataset, Item, Output, Reprojection, Scan, Verification


class Catalog:
    """A catalog file, open. The only writer of that file.

    Use as a context manager. Every method that writes is one transaction; a commit
    survives a power failure (rollback journal, ``synchronous=EXTRA``).
    """

    def __init__(self, path: str | os.PathLike[str], *, create: bool = False) -> None:
        """Open a catalog for writing.

        Args:
            path: The ``.gpkg`` file.
            create: Make the file where it does not exist.

        Raises:
            CatalogError: Not a catalog, damaged, or made by a newer version.
            CatalogBusyError: Another run holds it.
        """
        self.path = Path(path).resolve()
        if not create and not self.path.is_file():
            raise CatalogError(f"{path}: no such catalog")
        if not self.path.parent.is_dir():
            raise CatalogError(f"folder {self.path.parent} does not exist; create it first")
        self._lock = RunLock(self.path)
        try:
            self._connection = self._connect()
        except BaseException:
            self._lock.release()
            raise

    def _connect(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = None
        try:
            check_journal(self.path)
            with translated_errors(self.path):
                connection = sqlite3.connect(
                    self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None
                )
                mark_live(self.path)
                connection.execute("PRAGMA synchronous = EXTRA")
                connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
                connection.execute("PRAGMA foreign_keys = ON")
                register_functions(connection)
                own_tables.check(connection, self.path)
                schema.upgrade(Database(connection, execute_plugins=False), str(self.path))
        except BaseException:
            if connection is not None:
                connection.close()
                unmark_live(self.path)
            raise
        return connection

    def __enter__(self) -> Self:
        """Return the catalog itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the catalog."""
        self.close()

    def close(self) -> None:
        """Close the file and let other runs have it."""
        self._connection.close()
        unmark_live(self.path)
        self._lock.release()

    @property
    def rasters(self) -> Path:
        """The folder of the class rasters: ``<catalog stem>_rasters`` beside the catalog."""
        return rasters_folder(self.path)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Give a transaction for what this package writes: committed at its end, or undone."""
        with translated_errors(self.path):
            if self._connection.in_transaction:  # a signal came as it had just begun
                self._connection.execute("ROLLBACK")
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def add(self, scan: Scan) -> Dataset:
        """Record a dataset with its features, items and links; idempotent.

        Items that the source no longer holds stay, with status ``missing``.
        """
        with self.transaction() as connection:
            return ingest.add(connection, scan)

    def add_model(
        self,
        *,
        name: str,
        framework: str,
        definition_sha256: str,
        weights_sha256: str,
        definition: Mapping[str, Any],
        classes: Sequence[ClassDefinition],
    ) -> int:
        """Return the row of a model, adding it where the two hashes are new."""
        with self.transaction() as connection:
            model_id = runs.add_model(
                Database(connection, execute_plugins=False),
                {
                    "name": name,
                    "framework": framework,
                    "definition_sha256": definition_sha256,
                    "weights_sha256": weights_sha256,
                },
                definition,
                classes,
            )
            layer_styles.write(connection, ("classified_footprints",), None)
        return model_id

    def start_run(
        self,
        model_id: int,
        *,
        options: Mapping[str, Any],
        software: Mapping[str, str],
        device: str,
        decoder: str,
        command: Mapping[str, Any] | None = None,
        force: bool = False,
    ) -> int:
        """Return the run of this model with these options: the earlier one, unless forced."""
        with self.transaction() as connection:
            return runs.start(
                Database(connection, execute_plugins=False),
                {"model_id": model_id, "device": device, "decoder": decoder, "command": command},
                options,
                software,
                force=force,
            )

    def find_run(
        self, definition_sha256: str, weights_sha256: str, options: Mapping[str, Any]
    ) -> int | None:
        """Return the latest run of this model with these options, or None."""
        with translated_errors(self.path):
            return runs.find(self._connection, (definition_sha256, weights_sha256), options)

    def settle_unusable(self, run_id: int, dataset_ids: Sequence[int]) -> None:
        """Give every item that is not ready its output row, with the item's reason."""
        with self.transaction() as connection:
            runs.settle_unusable(connection, run_id, dataset_ids)

    def share_outputs(self, run_id: int, dataset_ids: Sequence[int]) -> None:
        """Give every photo without an output that of a photo with the same bytes."""
        with self.transaction() as connection:
            shared_outputs.share_outputs(connection, run_id, dataset_ids)

    def adopt_outputs(self, run_id: int, dataset_ids: Sequence[int]) -> None:
        """Give a run what earlier ones like it have of datasets of which it has nothing."""
        with self.transaction() as connection:
            shared_outputs.adopt_outputs(connection, run_id, dataset_ids)

    def forget_lost_outputs(self, run_id: int) -> int:
        """Return items to pending whose class raster is gone; the number of them."""
        with self.transaction() as connection:
            return runs.forget_lost_outputs(connection, run_id, self.path.parent)

    def pending(self, run_id: int, dataset_ids: Sequence[int]) -> Iterator[Item]:
        """Return the ready items without an output in this run, in order of id."""
        return pending.items(self.path, run_id, dataset_ids)

    def pending_size(self, run_id: int, dataset_ids: Sequence[int]) -> tuple[int, int]:
        """Return how many items are pending, and the pixels of them all."""
        with translated_errors(self.path):
            return pending.size(self._connection, run_id, dataset_ids)

    def record(self, run_id: int, output: Output) -> None:
        """Write what became of one item; replaces what this run had written before."""
        with self.transaction() as connection:
            runs.record(connection, run_id, output)

    def classified(self, run_id: int, dataset_ids: Sequence[int]) -> list[tuple[Item, str, bool]]:
        """Return items with the path of their class raster, and whether they are maps."""
        with translated_errors(self.path):
            return verifications.classified(self._connection, run_id, dataset_ids)

    def record_verification(self, run_id: int, found: Verification) -> None:
        """Write how class rasters of a run compare with classes computed anew."""
        with self.transaction() as connection:
            verifications.write(connection, run_id, found)

    def finish_run(self, run_id: int, status: str) -> int:
        """Mark a run as ended; return how many images of its inputs keep it from ``finished``."""
        with self.transaction() as connection:
            return pending.end_run(connection, run_id, status)

    def check_name(
        self,
        datasets: Sequence[Dataset],
        hashes: tuple[str, str],
        name: str,
        *,
        reprojection: Reprojection,
    ) -> None:
        """Refuse a name of an output feature class that cannot show datasets, before they are added.

        Raises:
            UsageError: Geometries cannot be brought to the reference system of that table.
        """
        with translated_errors(self.path):
            table_sources.check_name(self._connection, datasets, hashes, name, reprojection)

    def write_feature_class(
        self,
        dataset_id: int,
        run_id: int,
        *,
        name: str | None = None,
        embed: bool = False,
        reprojection: Reprojection = table_sources.no_reprojection,
    ) -> tuple[str, str]:
        """Write the output feature class of a dataset and its summary, where anything differs.

        Args:
            dataset_id: A feature class with attachments.
            run_id: The run whose model the layer shows: the newest output of each item
                by that model.
            name: Table name; default ``<layer>_classified``. That of another dataset's output
                feature class by the same model: one table shows both.
            embed: Put the class maps into the catalog. A layer that has them keeps them.
            reprojection: What brings geometries from one reference system to another.

        Returns:
            The names of the two tables.

        Raises:
            UsageError: Geometries cannot be brought to the reference system of the table.
        """
        with self.transaction() as connection:
            table, written = feature_class.write(
                connection, dataset_id, run_id, name, reprojection, embed=embed
            )
            if embed and written:
                media.create(connection, table)
            for each in written:
                media.refresh(connection, each, self.path.parent)
            built_from.remember(connection, written, run_id)
        return table, f"{table}_summary"

    def mosaic_members(self, run_id: int) -> list[class_mosaic.Member] | None:
        """Return the class rasters of a run with a place; None where its index lists them."""
        with translated_errors(self.path):
            listed = class_mosaic.members(self._connection, run_id)
            known = class_mosaic.is_up_to_date(self._connection, run_id, listed)
            return None if known else listed

    def write_mosaic(
        self,
        run_id: int,
        listed: Sequence[class_mosaic.Member],
        mosaic: class_mosaic.Mosaic | None,
    ) -> None:
        """Write the index by which GDAL shows class rasters as one; see :mod:`.class_mosaic`."""
        with self.transaction() as connection:
            class_mosaic.write(connection, run_id, listed, mosaic)

    def without_media(self, table: str) -> int:
        """Return how many classified images of an output feature class are not embedded."""
        with translated_errors(self.path):
            return media.missing(self._connection, table)

    def query(
        self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()
    ) -> list[dict[str, Any]]:
        """Run SQL of our own and return rows; for SQL of a user see :mod:`.query`."""
        with translated_errors(self.path):
            cursor = self._connection.execute(sql, parameters)
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor]
