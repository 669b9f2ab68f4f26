"""The commands about models."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from .cli_exit_codes import NO_ROOM, exit_codes
from .cli_options import argument_options, classes_option, code_options, environment_options
from .cli_rows import as_rows, format_option, print_rows
from .cli_text import print_lines, say

if TYPE_CHECKING:
    from .processors.trust import ModelCode


def _exit_codes(done: str, own: Mapping[int, str] = MappingProxyType({})) -> str:
    meanings = {0: done, 4: "the model cannot be used", 5: "an input cannot be read"}
    return exit_codes({**meanings, **own})


@click.group()
def model() -> None:
    """Look at models before running them."""


@model.command(epilog=_exit_codes("the definition can be read"))
@click.argument("definition", metavar="MODEL")
@classes_option
@code_options
@format_option
def info(
    definition: str,
    classes: str | None,
    code: "ModelCode",
    format_: str,
) -> None:
    """Say what a model definition says: classes, bands, tile, arguments; loads no network.

    A Python raster function lists its arguments only where its code may run.

    \b
    Example:
      pixelcat model info land.dlpk
    """
    from .processors.describe import info as info_
    from .processors.trust import read_model

    _print_report(info_(read_model(definition, code, classes), run_code=code == "run"), format_)


@model.command(epilog=_exit_codes("the model has run", {71: NO_ROOM}))
@click.argument("definition", metavar="MODEL")
@click.option("--on", "image", type=click.Path(), help="Classify one window of this image.")
@argument_options
@environment_options
@classes_option
@code_options
@format_option
def check(
    definition: str,
    image: str | None,
    arguments: Mapping[str, str],
    environment: Mapping[str, str | None],
    classes: str | None,
    code: "ModelCode",
    format_: str,
) -> None:
    """Load a model, measure how far it looks, and run one batch.

    \b
    Example:
      pixelcat model check land.dlpk --on scene.tif
    """
    from .processors.trust import load_model
    from .processors.workers.checking import check as check_

    loaded = load_model(definition, code, classes)
    _print_report(check_(loaded, arguments, image, environment), format_)


@model.command(epilog=_exit_codes("the package is written"))
@click.argument("definition", metavar="MODEL")
@click.option(
    "--output", "-o", required=True, type=click.Path(dir_okay=False), help="The package, a .dlpk."
)
@classes_option
@click.option("--bands", help="0-based indexes or names of the bands, in order: 3,2,1.")
@click.option("--tile", type=click.IntRange(min=1), help="Side of a model input in pixels.")
def pack(
    definition: str, output: str, classes: str | None, bands: str | None, tile: int | None
) -> None:
    """Make a package of a model and what it needs to be told.

    \b
    Example:
      pixelcat model pack unet.keras --classes classes.csv --bands 3,2,1 --tile 256 -o unet.dlpk
    """
    from .processors.describe import pack as pack_

    pack_(definition, output, classes=classes, bands=bands, tile=tile)
    say(f"wrote {output}")


def _print_report(report: Mapping[str, Any], format_: str) -> None:
    """Print facts as name and value, and lists as tables of their own."""
    if format_ == "json":
        print_lines([json.dumps(report, indent=1, ensure_ascii=False)])
        return
    facts = {name: value for name, value in report.items() if not isinstance(value, list)}
    print_rows(as_rows([{"what": name, "value": value} for name, value in facts.items()]), format_)
    for name, value in report.items():
        if isinstance(value, list) and value:
            print_lines([f"\n{name}"])
            print_rows(as_rows(value), format_)
