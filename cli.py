"""The command line: parse, call, print."""

import errno
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from . import __version__
from .catalog.errors import PixelcatError, UsageError
from .cli_answers import diff, zones
from .cli_care import check, doctor, how_to_go_on, resume
from .cli_exit_codes import RUN_EXIT_CODES, exit_codes
from .cli_model import model
from .cli_options import (
    argument_options,
    classes_option,
    code_options,
    environment_options,
    machine_options,
    result_options,
    source_options,
)
from .cli_progress import ProgressBar, report_run
from .cli_report import report
from .cli_rows import as_rows, format_option, print_rows
from .cli_sql import sql
from .cli_stop import ignore_signals, stopped, take_signals
from .cli_survey import export, scan
from .cli_text import print_lines, say, usage_line
from .processors import streams

if TYPE_CHECKING:
    from .processors.trust import ModelCode


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=RUN_EXIT_CODES)
@click.version_option(__version__, prog_name="pixelcat")
def cli() -> None:
    """Classify every pixel of imagery and ask the answers in SQL."""


cli.add_command(model)
cli.add_command(scan)
cli.add_command(export)
for command in (check, resume, doctor, report, zones, diff, sql):
    cli.add_command(command)


@cli.command(epilog=RUN_EXIT_CODES)
@click.argument("inputs", nargs=-1, required=True, type=click.Path())
@click.option(
    "--model", "-m", required=True,
    help="An .emd file or its JSON text, a .dlpk package, or a model file.",
)  # fmt: skip
@click.option(
    "--output", "-o", required=True, type=click.Path(dir_okay=False),
    help="The catalog, a GeoPackage; made where it does not exist.",
)  # fmt: skip
@source_options
@argument_options
@environment_options
@classes_option
@result_options
@machine_options
@code_options
@format_option
def classify(
    inputs: Sequence[str],
    model: str,
    output: str,
    source: Mapping[str, Any],
    arguments: Mapping[str, str],
    environment: Mapping[str, str | None],
    classes: str | None,
    results: Mapping[str, Any],
    machine: Mapping[str, Any],
    code: "ModelCode",
    format_: str,
) -> None:
    """Classify images, or the photos attached to features.

    INPUTS are image files, folders of images, geodatabases and GeoPackages whose features
    have photos, layers and tables with columns of photos, exports of form tools, mosaics (VRT,
    tile index, STAC items; docs/mosaics.md) and addresses of services (docs/services.md). Class
    rasters go to a folder beside the catalog. The same command again goes on where the last one
    stopped.

    \b
    Example:
      pixelcat classify survey.gdb --layer plots --model canopy.emd -o results.gpkg
      pixelcat classify scene.tif --model landcover.keras -o results.gpkg
      pixelcat classify trees.csv --xy lon,lat --media photos/ -m canopy.emd -o results.gpkg
    """
    from .processors.classify import classify as classify_

    with ProgressBar() as progress:
        run = classify_(
            inputs,
            model=model,
            output=output,
            arguments=arguments,
            environment=environment,
            classes=classes,
            model_code=code,
            progress=progress.show,
            **source,
            **results,
            **machine,
        )
    report_run(run, format_)
    sys.exit(stopped.code if run.status == "stopped" else run.exit_code)


@cli.command(epilog=exit_codes({0: "the runs are listed, whatever became of them"}))
@click.argument("catalog", type=click.Path())
@format_option
def status(catalog: str, format_: str) -> None:
    """Say what the runs of a catalog have done.

    \b
    Example:
      pixelcat status results.gpkg
    """
    from .processors.results import open_catalog

    results = open_catalog(catalog)
    print_rows(as_rows(results.status()), format_)
    if format_ != "table":
        return
    for title, rows in results.details():
        if rows:
            print_lines([f"\n{title}"])
            print_rows(as_rows(rows), format_)
    for line in how_to_go_on(catalog):
        say(line)


def _told(error: BaseException) -> tuple[int, str]:
    """Return the exit code of an error, and what the user is told."""
    if isinstance(error, click.exceptions.Abort | KeyboardInterrupt):
        return stopped.code, "stopped"
    is_clear = isinstance(error, click.ClickException | PixelcatError)
    if stopped.signal is not None and (isinstance(error, UsageError) or not is_clear):
        return stopped.code, "stopped"  # SQLite says "interrupted", an import that it has failed
    if isinstance(error, click.ClickException):
        return error.exit_code, usage_line(error)
    if isinstance(error, PixelcatError):
        return error.exit_code, str(error)
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return 2, f"{error.filename or 'a name'}: the name is too long for a file"
    return 70, f"internal error: {type(error).__name__}: {error}"


def _outcome() -> tuple[int, str]:
    """Run the command; return its exit code, and what the user is told of an error."""
    try:
        code = _run()
        streams.check()
        return code, ""
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code, ""
    except (Exception, KeyboardInterrupt) as error:
        told = _told(error)
        if told[0] == 70 and os.environ.get("PIXELCAT_DEBUG"):
            raise
        return told
    finally:
        ignore_signals()


def _run() -> int:
    try:
        return int(cli.main(prog_name="pixelcat", standalone_mode=False) or 0)
    except SystemExit as ended:
        return int(ended.code or 0)


def main() -> None:
    """Run the command line; a mistake of the user is one line, never a traceback."""
    take_signals()
    warnings.filterwarnings("ignore", module="pyogrio|PIL")  # what matters is an error or a reason
    code, message = _outcome()
    if message:
        say(f"Error: {message}")
    sys.exit(code)
