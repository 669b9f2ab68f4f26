"""The commands about what is in an input."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from .catalog.errors import UsageError
from .cli_options import service_options, source_options
from .cli_output import as_rows, format_option, print_rows

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
@source_options
@service_options
@format_option
def scan(
    inputs: Sequence[str],
    output: str | None,
    dry_run: bool,
    source: Mapping[str, Any],
    environment: Mapping[str, str | None],
    format_: str,
) -> None:
    """Say what is in an input: layers, photos, and which of them cannot be used and why.

    INPUTS are those of classify. No model is needed and nothing is classified. Headers are read
    and not pixels: a photo that is cut off further down is found by classify.

    The exit code is 0 wherever the inputs could be looked at, however many photos cannot be used;
    classify exits with 3 where photos failed.

    \b
    Example:
      pixelcat scan survey.gdb
      pixelcat scan survey.gdb -o survey.gpkg
    """
    from .io.sources.options import ScanOptions
    from .processors.survey import scan as scan_

    look = ScanOptions.checked(**source)
    recorded = None if dry_run else output
    survey = scan_(inputs, output=recorded, options=look, environment=environment)
    for note in survey.notes:
        click.echo(f"note: {note}", err=True)
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
    "--photos", type=click.Path(file_okay=False), metavar="FOLDER",
    help="Copy photos and class maps into this new folder, one folder per feature.",
)  # fmt: skip
@click.option(
    "--file-geodatabase", "geodatabase", type=click.Path(), metavar="GDB",
    help="Write a new file geodatabase with the output feature class, class maps attached.",
)  # fmt: skip
@click.option(
    "--overwrite-attachments", is_flag=True,
    help="Instead of the output feature class the source's, each classified attachment replaced"
    " by its class map: in the new geodatabase, your own is never written.",
)  # fmt: skip
@click.option(
    "--name", help="Of the files: columns of the layer in braces, {taken_at}, {keywords}."
    "  [default: {image_name}]",
)  # fmt: skip
@click.option(
    "--folder-name", help="Of a feature's folder.  [default: {source_fid}, in a layer of several"
    " inputs {source}_{source_fid}]",
)  # fmt: skip
@click.option(
    "--layer", "-l", "layers", multiple=True, metavar="NAME",
    help="Only this output feature class; repeatable.",
)  # fmt: skip
def export(
    catalog: str,
    photos: str | None,
    geodatabase: str | None,
    overwrite_attachments: bool,
    name: str | None,
    folder_name: str | None,
    layers: Sequence[str],
) -> None:
    """Carry results on: as files with names that people can read, or as a geodatabase.

    \b
    Example:
      pixelcat export results.gpkg --photos out/ --name "{plot_id}_{taken_at}_{image_name}"
      pixelcat export results.gpkg --file-geodatabase results.gdb
    """
    if (photos is None) == (geodatabase is None):
        raise UsageError("give --photos or --file-geodatabase, one of the two")
    if photos is not None:
        if overwrite_attachments:
            raise UsageError("--overwrite-attachments goes with --file-geodatabase")
        missing = _export_photos(catalog, photos, layers, name, folder_name)
    else:
        if name or folder_name:
            raise UsageError("--name and --folder-name go with --photos")
        missing = _export_geodatabase(catalog, geodatabase or "", layers, overwrite_attachments)
    for line in missing:
        click.echo(f"missing: {line}", err=True)
    sys.exit(3 if missing else 0)


def _export_photos(
    catalog: str, folder: str, layers: Sequence[str], name: str | None, folder_name: str | None
) -> list[str]:
    from .processors.export_photos import export_photos

    names = {"name": name, "folder_name": folder_name}
    given = {key: text for key, text in names.items() if text is not None}
    done = export_photos(catalog, folder, layer=layers, **given)
    click.echo(f"wrote {done.photos} photos and {done.class_maps} class maps to {folder}", err=True)
    return done.missing


def _export_geodatabase(
    catalog: str, geodatabase: str, layers: Sequence[str], overwrite: bool
) -> list[str]:
    from .processors.export_geodatabase import export_geodatabase

    done = export_geodatabase(catalog, geodatabase, layer=layers, overwrite_attachments=overwrite)
    click.echo(
        f"wrote {', '.join(done.layers)} with {done.class_maps} class maps and {done.photos}"
        f" other attachments to {geodatabase}",
        err=True,
    )
    return done.missing
