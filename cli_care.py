"""The commands about what has gone wrong: check, resume, doctor."""

import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from .cli_exit_codes import HELD, RUN_EXIT_CODES, exit_codes
from .cli_options import code_options
from .cli_progress import ProgressBar, report_run
from .cli_rows import as_rows, format_option, print_rows
from .cli_stop import stopped
from .cli_text import say

if TYPE_CHECKING:
    from .processors.trust import ModelCode


@click.command(
    epilog=exit_codes(
        {
            0: "nothing was found, or all of it is repaired",
            3: "something is left",
            74: "the catalog cannot be read, or standard output takes no results",
            75: f"{HELD} (--repair)",
        }
    )
)
@click.argument("catalog", type=click.Path())
@click.option("--deep", is_flag=True, help="Read every raster and image, compare with its hash.")
@click.option(
    "--repair", is_flag=True,
    help="Return images to pending whose rasters are lost or damaged, write mosaics anew that show"
    " them, remove half-written files of stopped runs. No other file is removed.",
)  # fmt: skip
@format_option
def check(catalog: str, deep: bool, repair: bool, format_: str) -> None:
    """Say what is damaged or missing: the catalog itself, rasters, mosaics, sources.

    Nothing is changed without --repair. What a repair returns to pending, pixelcat resume
    classifies again.

    \b
    Example:
      pixelcat check results.gpkg --deep
      pixelcat check results.gpkg --repair
    """
    from .processors.check import check as check_

    found = check_(catalog, deep=deep, repair=repair)
    columns = ("what", "name", "problem", "done") if repair else ("what", "name", "problem")
    if found or format_ != "table":
        rows = [{name: getattr(each, name) for name in columns} for each in found]
        print_rows(as_rows(rows), format_)
    else:
        say("nothing is damaged or missing")
    if any(each.what == "raster" and not each.is_open for each in found):
        say(f"pixelcat resume {catalog} makes again what is pending now")
    sys.exit(3 if any(each.is_open for each in found) else 0)


def how_to_go_on(catalog: str) -> Iterator[str]:
    """Yield what to type for each run that was stopped or has failures."""
    from .catalog.resumable import runs_of, without_run

    runs = runs_of(catalog)
    for run in runs:
        if run.can_go_on:
            has_ended = "was stopped" if run.status == "stopped" else "runs, or was killed"
            left = f", {run.pending} pending" if run.pending else ""
            how = f"pixelcat resume {catalog} {run.id}"
            yield f"run {run.id} {has_ended}{left}; it goes on with: {how}"
        elif run.failed and run.newest == run.id:
            yield (
                f"run {run.id}: {run.failed} failed; to try them again:"
                f" pixelcat resume {catalog} {run.id} --retry-failed"
            )
    for uri, images in without_run(catalog, runs):
        yield f"{uri}: {images} images that no run was asked for yet; classify begins with them"


@click.command(epilog=RUN_EXIT_CODES)
@click.argument("catalog", type=click.Path())
@click.argument("run", type=int, required=False)
@click.option("--retry-failed", is_flag=True, help="Try again what failed, too.")
@code_options
@format_option
def resume(
    catalog: str, run: int | None, retry_failed: bool, code: "ModelCode", format_: str
) -> None:
    """Go on with a run that was stopped or killed; RUN is its number where several were.

    Model, inputs and options are those of its commands. Credentials of services are taken from
    the environment, as before; a model's own code needs --trust-model-code again.

    \b
    Example:
      pixelcat resume results.gpkg
      pixelcat resume results.gpkg 2 --retry-failed
    """
    from .processors.resume import resume as resume_

    with ProgressBar() as progress:
        gone_on = resume_(
            catalog, run, retry_failed=retry_failed, model_code=code, progress=progress.show
        )
    report_run(gone_on, format_)
    sys.exit(stopped.code if gone_on.status == "stopped" else gone_on.exit_code)


@click.command(
    epilog=exit_codes(
        {
            0: "nothing is wrong",
            3: "something is; each problem says what to do",
            5: None,
            74: "standard output takes no results",
        }
    )
)
@click.argument("folder", type=click.Path(file_okay=False), default=".")
@format_option
def doctor(folder: str, format_: str) -> None:
    """Say what a run depends on here: libraries, drivers, environment, machine, disk.

    FOLDER is where the catalog is to be; the current one by default. No network is needed and
    nothing is changed. "WAL-reset bug" marks copies of SQLite that may lose commits of a file in WAL
    mode; catalogs are not in that mode unless another program puts them there.

    \b
    Example:
      pixelcat doctor /data
      pixelcat doctor --format json
    """
    from .processors.doctor import doctor as doctor_

    facts = doctor_(folder)
    rows = [asdict(fact) for fact in facts]
    if format_ == "table":
        print_rows(
            as_rows([{**row, "problem": "yes" * bool(row["problem"])} for row in rows]), format_
        )
        for fact in facts:
            if fact.problem:
                say(f"{fact.name}: {fact.problem}")
    else:
        print_rows(as_rows(rows), format_)
    sys.exit(3 if any(fact.problem for fact in facts) else 0)
