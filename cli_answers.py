"""The commands that compare class rasters with polygons, and runs with each other."""

import json
import sys

import click

from .cli_exit_codes import HELD, exit_codes
from .cli_rows import as_rows, format_option, print_rows
from .cli_text import print_lines, say


@click.command(
    epilog=exit_codes(
        {
            0: "the table is written, or nothing has changed",
            3: "written, and class rasters are missing; each has its reason",
            75: HELD,
        }
    )
)
@click.argument("catalog", type=click.Path())
@click.option(
    "--zones", required=True, type=click.Path(), metavar="FILE",
    help="A file of layers, or a geodatabase: its polygons are the zones.",
)  # fmt: skip
@click.option("--layer", "-l", metavar="NAME", help="The layer, where the file has several.")
@click.option(
    "--run", type=int, metavar="N", help="Whose class rasters.  [default: the newest run]"
)
@click.option("--out-features", metavar="NAME", help="Name of the table.  [default: <layer>_zones]")
@format_option
def zones(
    catalog: str, zones: str, layer: str | None, run: int | None, out_features: str | None,
    format_: str,
) -> None:  # fmt: skip
    """Say how much of each class lies in each polygon of a layer.

    A table of the catalog gets the columns of the layer, then pixels, areas in square metres and
    shares of each class. Pixels on the border of a polygon count by the part of them that is
    inside. Nothing is done where nothing has changed.

    \b
    Example:
      pixelcat zones results.gpkg --zones fields.gpkg
      pixelcat sql results.gpkg "select name, share_crop, area_m2_crop from fields_zones"
    """
    from .processors.zones import zones as zones_

    done = zones_(catalog, zones, layer=layer, run=run, out_features=out_features)
    for note in done.notes:
        say(f"note: {note}")
    for line in done.missing:
        say(f"missing: {line}")
    if not done.is_new:
        say("nothing has changed")
    row = {
        "table": done.table, "run": done.run, "zones": done.zones, "without": done.without,
    }  # fmt: skip
    print_rows(as_rows([row]), format_)
    sys.exit(3 if done.missing else 0)


TABLES = {"items": "Images", "classes": "Classes", "transitions": "From class to class"}


@click.command(
    epilog=exit_codes(
        {
            0: "every image is compared",
            3: "compared, and some images cannot be; each has its reason",
        }
    )
)
@click.argument("catalog", type=click.Path())
@click.argument("one", type=int, metavar="RUN1")
@click.argument("other", type=int, metavar="RUN2")
@click.option(
    "--raster", type=click.Path(file_okay=False), metavar="FOLDER",
    help="Write a change raster per image into this new folder: the class before and after.",
)  # fmt: skip
@click.option(
    "--show", type=click.Choice(list(TABLES)), default="items", show_default=True,
    help="With --format csv and ndjson: which of the tables.",
)  # fmt: skip
@format_option
def diff(catalog: str, one: int, other: int, raster: str | None, show: str, format_: str) -> None:
    """Say what another run says of the same images: pixels that stayed, and from what to what.

    Classes are the same where their names are. Images that only one run has, or that have
    another size or grid in each, are listed with the reason, and the exit code is 3.

    \b
    Example:
      pixelcat diff results.gpkg 1 2
      pixelcat diff results.gpkg 1 2 --format csv --show transitions
    """
    from .processors.diff import diff as diff_

    found = diff_(catalog, one, other, raster=raster)
    if raster is not None:
        say(f"wrote {found.rasters} change rasters to {raster}")
    tables = {name: getattr(found, name) for name in TABLES}
    if format_ == "json":
        print_lines([json.dumps(tables, indent=1, ensure_ascii=False)])
    elif format_ != "table":
        print_rows(as_rows(tables[show]), format_)
    else:
        for name, title in TABLES.items():
            print_lines([f"{'' if name == 'items' else chr(10)}{title}"])
            print_rows(as_rows(tables[name]), format_)
    sys.exit(3 if found.not_compared else 0)
