"""The commands about what is in an input."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from .catalog.errors import UsageError
from .cli_exit_codes import HELD, NO_ROOM, exit_codes
from .cli_options import item_timeout_option, service_options, source_options
from .cli_rows import as_rows, format_option, print_rows
from .cli_text import print_lines, say

TITLES = {
    "layers": "Layers",
    "types": "Photos by type",
    "reasons": "Not usable, by reason",
}


@click.command(
    epilog=exit_codes(
        {
            0: "every input could be looked at, however many photos cannot be used",
            71: NO_ROOM,
            75: f"{HELD} (-o)",
        }
    )
)
@click.argument("inputs", nargs=-1, required=True, type=click.Path())
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False),
    help="A catalog that records it; without one nothing is recorded.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Record nothing, whatever -o says.")
@source_options
@service_options
@item_timeout_option
@format_option
def scan(
    inputs: Sequence[str],
    output: str | None,
    dry_run: bool,
    source: Mapping[str, Any],
    environment: Mapping[str, str | None],
    item_timeout: float,
    format_: str,
) -> None:
    """Say what is in an input: layers, photos, and which of them cannot be used and why.

    INPUTS are those of classify. No model is needed and nothing is classified. Headers are read
    and not pixels: a photo that is cut off further down is found by classify.

    \b
    Example:
      pixelcat scan survey.gdb
      pixelcat scan survey.gdb -o survey.gpkg
    """
    from .io.scan_options import ScanOptions
    from .processors.survey import scan as scan_

    look = ScanOptions.checked(**source)
    recorded = None if dry_run else output
    survey = scan_(
        inputs, output=recorded, options=look, environment=environment, item_timeout=item_timeout
    )
    for note in survey.notes:
        say(f"note: {note}")
    tables = {name: getattr(survey, name) for name in TITLES}
    if format_ == "json":
        print_lines([json.dumps(tables, indent=1, ensure_ascii=False)])
        return
    if format_ != "table":
        print_rows(as_rows(survey.layers), format_)
        return
    for name, rows in tables.items():
        if rows:
            print_lines([f"{'' if name == 'layers' else chr(10)}{TITLES[name]}"])
            print_rows(as_rows(rows), format_)
    if survey.catalog is not None:
        say(f"recorded in {survey.catalog}")


@click.command(
    epilog=exit_codes(
        {
            0: "everything is written",
            3: "written, and some photos, class maps or rasters are missing; each has its reason",
        }
    )
)
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
    "--mosaic", type=click.Path(dir_okay=False), metavar="VRT",
    help="Write a virtual raster of the class rasters of a run, side by side.",
)  # fmt: skip
@click.option(
    "--stac", type=click.Path(dir_okay=False), metavar="JSON",
    help="Write a STAC ItemCollection of the class rasters of a run.",
)  # fmt: skip
@click.option(
    "--polygons", type=click.Path(dir_okay=False), metavar="FILE",
    help="Write the classes of a run as polygons: .gpkg, .geojson, .fgb or .parquet.",
)  # fmt: skip
@click.option(
    "--run", type=int, metavar="N",
    help="With --mosaic, --stac and --polygons: the run.  [default: the newest]",
)  # fmt: skip
@click.option(
    "--min-area", type=float, metavar="M2",
    help="With --polygons: smaller areas get the class of the largest that touches them.",
)  # fmt: skip
@click.option("--max-polygons", type=int, metavar="N", help="More are refused.  [default: 500000]")
@click.option(
    "--raster", metavar="KIND",
    help="With --mosaic: confidence, probabilities or entropy, of a run with --also."
    "  [default: classes]",
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
    help="Only this output feature class; repeatable. With --to: the layer, table or view.",
)  # fmt: skip
@click.option(
    "--to", "to", type=click.Path(dir_okay=False), metavar="FILE",
    help="Write one layer to a new file: .gpkg, .geojson, .fgb, .csv or .parquet.",
)  # fmt: skip
def export(
    catalog: str,
    photos: str | None,
    geodatabase: str | None,
    overwrite_attachments: bool,
    mosaic: str | None,
    stac: str | None,
    polygons: str | None,
    run: int | None,
    raster: str | None,
    min_area: float | None,
    max_polygons: int | None,
    name: str | None,
    folder_name: str | None,
    layers: Sequence[str],
    to: str | None,
) -> None:
    """Carry results on: files with names that people can read, a geodatabase, a mosaic, a list.

    \b
    Example:
      pixelcat export results.gpkg --photos out/ --name "{plot_id}_{taken_at}_{image_name}"
      pixelcat export results.gpkg --file-geodatabase results.gdb
      pixelcat export results.gpkg --mosaic landcover.vrt
      pixelcat export results.gpkg --polygons landcover.gpkg --min-area 100
      pixelcat export results.gpkg --layer plots_classified --to plots.fgb
    """
    targets = {
        "--photos": photos, "--file-geodatabase": geodatabase, "--mosaic": mosaic, "--stac": stac,
        "--polygons": polygons, "--to": to,
    }  # fmt: skip
    chosen = [name for name, value in targets.items() if value is not None]
    if len(chosen) != 1:
        raise UsageError(f"give one of {', '.join(targets)}")
    _refuse_strangers(
        chosen[0],
        {
            "--overwrite-attachments": (overwrite_attachments, ("--file-geodatabase",)),
            "--name": (name, ("--photos",)),
            "--folder-name": (folder_name, ("--photos",)),
            "--run": (run, ("--mosaic", "--stac", "--polygons")),
            "--raster": (raster, ("--mosaic",)),
            "--min-area": (min_area is not None, ("--polygons",)),
            "--max-polygons": (max_polygons is not None, ("--polygons",)),
            "--layer": (layers, ("--photos", "--file-geodatabase", "--to")),
        },
    )
    if photos is not None:
        missing: Sequence[str] = _export_photos(catalog, photos, layers, name, folder_name)
    elif geodatabase is not None:
        missing = _export_geodatabase(catalog, geodatabase, layers, overwrite_attachments)
    elif to is not None:
        missing = _export_layer(catalog, layers, to)
    elif polygons is not None:
        limits = {"min_area": min_area, "max_polygons": max_polygons}
        missing = _export_polygons(catalog, polygons, run, limits)
    else:
        missing = _export_mosaic(catalog, mosaic, stac, run, raster or "classes")
    for line in missing:
        say(f"missing: {line}")
    sys.exit(3 if missing else 0)


def _refuse_strangers(chosen: str, options: Mapping[str, tuple[object, Sequence[str]]]) -> None:
    """Refuse options, each with its value, that do not go with what is written."""
    for option, (value, targets) in options.items():
        if value and chosen not in targets:
            raise UsageError(f"{option} goes with {' and '.join(targets)}")


def _export_mosaic(
    catalog: str, mosaic: str | None, stac: str | None, run: int | None, raster: str
) -> Sequence[str]:
    from .processors.export_mosaic import export_mosaic, export_stac

    if mosaic is not None:
        done = export_mosaic(catalog, mosaic, run=run, raster=raster)
    else:
        done = export_stac(catalog, stac or "", run=run)
    what = "class rasters" if raster == "classes" else f"rasters of {raster}"
    say(f"wrote {mosaic or stac} with {done.rasters} {what}")
    return done.missing


def _export_layer(catalog: str, layers: Sequence[str], path: str) -> Sequence[str]:
    from .processors.export_layer import export_layer

    if len(layers) != 1:
        raise UsageError("--to writes one layer; name it with --layer")
    count = export_layer(catalog, layers[0], path)
    say(f"wrote {count} rows of {layers[0]} to {path}")
    return ()


def _export_polygons(
    catalog: str, path: str, run: int | None, limits: Mapping[str, Any]
) -> Sequence[str]:
    from .processors.export_polygons import export_polygons

    given = {name: value for name, value in limits.items() if value is not None}
    done = export_polygons(catalog, path, run=run, **given)
    say(f"wrote {done.polygons} polygons to {path}")
    if done.small:
        say(f"note: {done.small} are smaller: they touch nothing that is larger")
    return done.missing


def _export_photos(
    catalog: str, folder: str, layers: Sequence[str], name: str | None, folder_name: str | None
) -> list[str]:
    from .processors.export_photos import export_photos

    names = {"name": name, "folder_name": folder_name}
    given = {key: text for key, text in names.items() if text is not None}
    done = export_photos(catalog, folder, layer=layers, **given)
    more = f", and {done.extra_rasters} rasters beside them" if done.extra_rasters else ""
    say(f"wrote {done.photos} photos and {done.class_maps} class maps{more} to {folder}")
    if done.unclassified:
        say(f"note: {done.unclassified} have no class map: failed or not classified")
    if done.left_out:
        say(f"note: {done.left_out} photos belong to no feature and are left out")
    return done.missing


def _export_geodatabase(
    catalog: str, geodatabase: str, layers: Sequence[str], overwrite: bool
) -> list[str]:
    from .processors.export_geodatabase import export_geodatabase

    done = export_geodatabase(catalog, geodatabase, layer=layers, overwrite_attachments=overwrite)
    say(
        f"wrote {', '.join(done.layers)} with {done.class_maps} class maps and {done.photos}"
        f" other attachments to {geodatabase}"
    )
    return done.missing
