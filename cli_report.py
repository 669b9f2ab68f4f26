"""The command that writes a report."""

import os

import click

from .cli_exit_codes import exit_codes
from .cli_text import say


@click.command(epilog=exit_codes({0: "the page is written"}))
@click.argument("catalog", type=click.Path())
@click.option(
    "--output", "-o", required=True, type=click.Path(dir_okay=False), metavar="HTML",
    help="The page; it must not be there yet.",
)  # fmt: skip
@click.option(
    "--run", type=int, metavar="N", help="Of this run.  [default: the newest with class maps]"
)
@click.option(
    "--gallery", type=click.IntRange(min=0), default=6, show_default=True, metavar="N",
    help="Images among the least sure, the most sure and the most mixed; 0 for none.",
)  # fmt: skip
@click.option(
    "--picture-size", type=int, default=320, show_default=True, metavar="PIXELS",
    help="Longer side of the pictures.",
)  # fmt: skip
def report(catalog: str, output: str, run: int | None, gallery: int, picture_size: int) -> None:
    """Write a page about a run that needs nothing else: for mail, print and archive.

    It has counts, failures with their reasons, class shares, a sketch of where images lie, and
    pictures of images with their classes; no scripts, and nothing from elsewhere.

    \b
    Example:
      pixelcat report results.gpkg -o report.html
    """
    from .processors.report import report as report_

    done = report_(catalog, output, run=run, gallery=gallery, picture_size=picture_size)
    say(
        f"wrote {os.path.relpath(output)}: run {done.run}, {done.pictures} pictures,"
        f" {done.size / 1e6:.1f} MB"
    )
