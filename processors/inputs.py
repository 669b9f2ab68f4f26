"""Checking what a command is given, before anything is made on disk."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..catalog.errors import SourceError, UsageError
from ..catalog.records import Dataset
from ..catalog.table_names import is_name
from ..io.addresses import is_service
from ..io.environment import Environment
from ..io.places import check_place
from ..io.scan_options import ScanOptions
from ..io.vrt_words import is_vrt_text

Inputs = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def as_inputs(given: Inputs) -> list[Path | str]:
    """Return paths; addresses and VRTs as the text that they are.

    Raises:
        UsageError: An address that is none of http or https, or an empty text.
    """
    each = [given] if isinstance(given, str | os.PathLike) else given
    return [_as_input(one) for one in each]


def _as_input(one: str | os.PathLike[str]) -> Path | str:
    if one == "":
        raise UsageError("an input is empty; give a path or an address")
    if isinstance(one, str) and is_vrt_text(one):
        return one
    if not isinstance(one, str) or "://" not in one or Path(one).exists():
        return Path(one)
    if not is_service(one):
        raise UsageError(f"{one.partition('://')[0]}:// is no address that can be read here")
    return one


def in_degrees(environment: Environment, inputs: Sequence[Path | str]) -> Environment:
    """Return the environment; with services, an extent in no other system is in degrees."""
    extent = environment.extent
    if extent is None or extent.crs is not None or not any(map(_is_address, inputs)):
        return environment
    return replace(environment, extent=replace(extent, crs="EPSG:4326"))


def options_for(each: Path | str, look: ScanOptions, environment: Environment) -> ScanOptions:
    """Return how to look at an input: of a service, only what the environment is about."""
    if not _is_address(each):
        return look
    grid = environment.grid
    return replace(look, extent=environment.extent, cell_size=grid.cell_size, crs=grid.crs)


def _is_address(each: Path | str) -> bool:
    return isinstance(each, str) and not is_vrt_text(each)


def check_paths(inputs: Sequence[Path | str], output: Path | None) -> None:
    """Refuse places that cannot be meant, before anything is made on disk.

    Raises:
        UsageError: No input, or a place where no catalog can be.
        SourceError: An input is not there.
    """
    if not inputs:
        raise UsageError("nothing to do: give a file, a folder or a geodatabase")
    paths = [each for each in inputs if isinstance(each, Path)]
    if output is not None:
        _check_output(paths, output)
    for path in paths:
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
    if not is_name(name):
        raise UsageError(f"--out-features {name!r} is no name for a table; choose another")
