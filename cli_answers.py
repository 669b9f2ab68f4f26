"""The commands that compare class rasters with polygons, and runs with each other."""

import sys

import click

from .cli_output import as_rows, format_option, print_rows


@click.command()
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
        click.echo(f"note: {note}", err=True)
    for line in done.missing:
        click.echo(f"missing: {line}", err=True)
    if not done.is_new:
        click.echo("nothing has changed", err=True)
    row = {
        "table": done.table, "run": done.run, "zones": done.zones, "without": done.without,
    }  # fmt: skip
    print_rows(as_rows([row]), format_)
    sys.exit(3 if done.missing else 0)
