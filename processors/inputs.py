"""Checking what a command is given, before anything is made on disk."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ..catalog.errors import SourceError, UsageError
from ..catalog.records import Dataset
from ..io.places import check_place


def check_paths(inputs: Sequence[Path], output: Path | None) -> None:
    """Refuse places that cannot be meant, before anything is made on disk.

    Raises:
        UsageError: No input, or a place where no catalog can be.
        SourceError: An input is not there.
    """
    if not inputs:
        raise UsageError("nothing to do: give a file, a folder or a geodatabase")
    if output is not None:
        _check_output(inputs, output)
    for path in inputs:
        if not path.exists():
            raise SourceError(f"{path}: no such file or folder")


def _check_output(inputs: Sequence[Path], output: Path) -> None:
    if output.suffix.lower() != ".gpkg":
        raise UsageError(
            f"{output}: the catalog is a GeoPackage; give it a name that ends in .gpkg"
        )
    check_place(output)
    for path in inputs:
        if path.exists() and output.exists() and path.samefile(output):
            raise UsageError(f"{path} is both input and output; choose another -o")


def check_name(name: str | None, datasets: Sequence[Dataset]) -> None:
    """Refuse a name of the output feature class that cannot be one.

    Raises:
        UsageError: It is none, or an input has several feature classes, or no input has one.
    """
    if name is None:
        return
    layers = {(d.uri, d.layer) for d in datasets if d.is_feature_class or d.kind == "folder"}
    if not layers:
        raise UsageError("--out-features names an output feature class; no input has features")
    path, count = Counter(uri for uri, _ in layers).most_common(1)[0]
    if count > 1:
        raise UsageError(
            f"--out-features takes one feature class of each input, {path} has {count};"
            " choose one with --layer"
        )
    if not name.strip() or name.lower().startswith(("sqlite_", "gpkg_", "rtree_")):
        raise UsageError(f"--out-features {name!r} is no name for a table; choose another")
