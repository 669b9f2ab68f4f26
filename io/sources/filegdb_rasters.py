"""Raster datasets of a file geodatabase, a folder or zipped. Each raster is an image."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ...catalog.errors import SourceError, UsageError
from ...catalog.records import Dataset, Item, Scan
from ..geodatabase_raster import GeodatabaseRaster
from ..geodatabase_tables import layers_beside, raster_names
from ..probe import probe
from ..scan_options import ScanOptions
from .filegdb import matches as is_geodatabase

KIND = "filegdb_rasters"
IS_WHOLE = True


def matches(_: Path) -> bool:
    """Return False: a geodatabase is looked at for photos first; see :mod:`.filegdb`."""
    return False


class Rasters(NamedTuple):
    """The rasters of a geodatabase that may have layers with photos too."""

    names: list[str]
    are_meant: bool
    """One of them is named, or there is nothing else."""

    def noted(self, dataset: Dataset) -> Dataset:
        """Return a dataset with a note that there are rasters, which are left out."""
        said = dataset.options.get("note")
        note = (
            f"left out are the raster datasets {', '.join(self.names)}: --layer NAME takes one,"
            f" --source-kind {KIND} all of them"
        )
        note = "; ".join(filter(None, (said, note)))
        return replace(dataset, options={**dataset.options, "note": note})


def beside_layers(path: Path, options: ScanOptions) -> Rasters | None:
    """Return the rasters of a geodatabase; None without any, or where a layer is asked for.

    Raises:
        SourceError: What is asked for is neither.
    """
    names = [] if options.photo_columns else raster_names(path)
    if not names:
        return None
    layers = layers_beside(path, names)
    if options.layer is None or not layers:
        return Rasters(names, are_meant=not layers)
    asked = options.layer.lower()
    if asked in {name.lower() for name in names}:
        return Rasters(names, are_meant=True)
    if asked in {name.lower() for name in layers}:
        return None
    listing = f"layers {', '.join(layers)}, and the raster datasets {', '.join(names)}"
    raise SourceError(f"{path}: no layer {options.layer}; there are the {listing}")


def scan(path: Path, options: ScanOptions) -> Iterator[Scan]:
    """Yield one dataset per raster, each of one item."""
    if not is_geodatabase(path):
        raise UsageError(f"--source-kind {KIND}: {path} is no file geodatabase")
    names = raster_names(path)
    chosen = [n for n in names if options.layer is None or n.lower() == options.layer.lower()]
    if not chosen:
        listing = ", ".join(names) or "none"
        wanted = f" {options.layer}" if options.layer else ""
        raise SourceError(f"{path}: no raster dataset{wanted}; there are {listing}")
    for name in chosen:
        item = Item(kind="member", source_key=name, name=name)
        yield Scan(
            dataset=Dataset(kind=KIND, uri=str(path), layer=name),
            items=[probe(item, GeodatabaseRaster(path, name), claimed=True)],
        )


@contextmanager
def reader(dataset: Dataset) -> Iterator[Callable[[Item], GeodatabaseRaster]]:
    """Fetch the raster."""
    yield lambda item: GeodatabaseRaster(Path(dataset.uri), item.source_key)
