"""The commands about what is in an input."""

import json
import sys
from collections.abc import Sequence

import click

from .cli_output import as_rows, format_option, print_rows, table_options

TITLES = {
    "layers": "Layers",
    "types": "Photos by type",
    "reasons": "Not usable, by reason",
}


@click.command()
@click.argument("inputs", nargs=-1, required=True, type=click.Path())
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False),
    help="A catalog that records it; without one nothing is recorded.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Record nothing, whatever -o says.")
@click.option("--layer", "-l", help="Only this feature class of the inputs.")
@table_options
@format_option
def scan(
    inputs: Sequence[str],
    output: str | None,
    dry_run: bool,
    layer: str | None,
    photo_columns: Sequence[str],
    media: str | None,
    xy: Sequence[str] | None,
    format_: str,
) -> None:
    """Say what is in an input: layers, photos, and which of them cannot be used and why.

    INPUTS are those of classify. No model is needed and nothing is classified.

    \b
    Example:
      pixelcat scan survey.gdb
      pixelcat scan survey.gdb -o survey.gpkg
    """
    from .io.sources.options import ScanOptions
    from .processors.survey import scan as scan_

    look = ScanOptions.checked(layer=layer, photo_columns=photo_columns, media=media, xy=xy)
    survey = scan_(inputs, output=None if dry_run else output, options=look)
    tables = {name: getattr(survey, name) for name in TITLES}
    if format_ == "json":
        click.echo(json.dumps(tables, indent=1, ensure_ascii=False))
        return
    if format_ != "table":
        print_rows(as_rows(survey.layers), format_)
        return
    for name, rows in tables.items():
        if rows:
            click.echo(f"{'' if name == 'layers' else chr(10)}{TITLES[name]}")
            print_rows(as_rows(rows), format_)
    if survey.catalog is not None:
        click.echo(f"recorded in {survey.catalog}", err=True)


@click.command()
@click.argument("catalog", type=click.Path())
@click.option(
    "--photos", type=click.Path(file_okay=False), required=True, metavar="FOLDER",
    help="Copy photos and class maps into this new folder, one folder per feature.",
)  # fmt: skip
@click.option(
    "--name", default="{image_name}", show_default=True,
    help="Of the files: columns of the layer in braces, and {taken_at}.",
)  # fmt: skip
@click.option(
    "--folder-name", default="{source_fid}", show_default=True, help="Of a feature's folder."
)
@click.option("--layer", "-l", help="Only this output feature class.")
def export(catalog: str, photos: str, name: str, folder_name: str, layer: str | None) -> None:
    """Carry results on: photos and class maps with names that people can read.

    \b
    Example:
      pixelcat export results.gpkg --photos out/ --name "{plot_id}_{taken_at}_{image_name}"
    """
    from .processors.export_photos import export_photos

    done = export_photos(catalog, photos, layer=layer, name=name, folder_name=folder_name)
    for line in done.missing:
        click.echo(f"missing: {line}", err=True)
    click.echo(f"wrote {done.photos} photos and {done.class_maps} class maps to {photos}", err=True)
    sys.exit(3 if done.missing else 0)
