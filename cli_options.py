"""Options that commands share, in groups; a command gets each group as one argument."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from .catalog.errors import UsageError

if TYPE_CHECKING:
    from .processors.trust import ModelCode

Values = dict[str, Any]
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def _group(
    argument: str, options: Mapping[str, Decorator], together: Callable[[Values], Any] = dict
) -> Decorator:
    """Return a decorator that adds options, and gives their values to the command as one.

    Args:
        argument: What the command calls them.
        options: By the names of their values.
        together: From the values by name to what the command gets.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def collected(*args: Any, **given: Any) -> Any:
            values = {name: given.pop(name) for name in options}
            return command(*args, **{argument: together(values)}, **given)

        added: Callable[..., Any] = collected
        for option in reversed(list(options.values())):
            added = option(added)
        return added

    return decorate


def pairs(context: click.Context, option: click.Parameter, values: Sequence[str]) -> Any:
    """Turn the values of a repeatable option NAME=VALUE into a dictionary."""
    result = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals or not name.strip():
            raise click.BadParameter(f"{value!r} is not name=value", context, option)
        if name.strip() in result:
            raise click.BadParameter(f"{name.strip()} is given twice", context, option)
        result[name.strip()] = text.strip()
    return result


def _columns(_: click.Context, __: click.Parameter, text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",")]


def _arguments(values: Values) -> dict[str, str]:
    from .processors.argument_texts import together

    return together(values.pop("text"), values.pop("pairs"), values)


def _model_code(values: Values) -> "ModelCode":
    if values["trust_model_code"] and values["ignore_model_code"]:
        raise UsageError("--trust-model-code and --ignore-model-code exclude each other")
    if values["trust_model_code"]:
        return "run"
    return "ignore" if values["ignore_model_code"] else "refuse"


classes_option = click.option(
    "--classes", type=click.Path(), metavar="FILE",
    help="CSV or JSON with value, name and color of each class.",
)  # fmt: skip

source_options = _group("source", {
    "layer": click.option("--layer", "-l", help="Only this feature class of the inputs."),
    "photo_columns": click.option(
        "--photo-column", "photo_columns", multiple=True, metavar="NAME",
        help="A column that names or holds photos; repeatable.  [default: found by its values]",
    ),
    "media": click.option(
        "--media", type=click.Path(), metavar="FOLDER",
        help="Folder of the photos that a table names.  [default: searched near the table]",
    ),
    "xy": click.option(
        "--xy", metavar="X,Y", callback=_columns,
        help="Columns of longitude and latitude of a table without geometry.",
    ),
    "mode": click.option(
        "--mode", metavar="mosaic|separate",
        help="Rasters of a mosaic, folder or image service as one image, or each by itself; names"
        " of ArcGIS too.  [default: mosaic; separate for a folder]",
    ),
    "where": click.option(
        "--where", metavar="SQL",
        help="Only items of a mosaic with this in its index or table; of an image service, in its"
        " own SQL.",
    ),
    "mosaic_order": click.option(
        "--mosaic-order", metavar="first|last|COLUMN [desc]",
        help="Which member is seen where several have data.  [default: as the index says]",
    ),
    "skip_missing": click.option(
        "--skip-missing", is_flag=True, help="Make a mosaic of the members that are there."
    ),
    "allow_outside": click.option(
        "--allow-outside", is_flag=True,
        help="A VRT, a tile index or STAC items may name files outside their own folder; STAC items in"
        " a file, rasters in the web.",
    ),
    "asset": click.option("--asset", metavar="NAME", help="The asset of STAC items."),
    "paths": click.option(
        "--paths", metavar="TABLE",
        help="Of an Esri mosaic dataset: what Export Mosaic Dataset Paths of ArcGIS wrote.",
    ),
    "zoom": click.option("--zoom", metavar="LEVEL", help="Level of tiles of a service."),
    "max_pixels": click.option(
        "--max-pixels", type=int, metavar="N",
        help="Most pixels that a service is asked for.  [default: 100000000]",
    ),
    "max_image_pixels": click.option(
        "--max-image-pixels", type=int, metavar="N",
        help="Most pixels of a photo, an attachment, or a raster without a place on the ground."
        "  [default: 500000000]",
    ),
    "allow_truncated": click.option(
        "--allow-truncated", is_flag=True,
        help="Take JPEGs that end too early; what is missing of them is NoData.",
    ),
    "source_kind": click.option(
        "--source-kind", metavar="KIND",
        help="What the input is where that is not found out: gti, stac, vrt, wms, xyz, ...",
    ),
})  # fmt: skip
"""What of the inputs, and where its photos are: arguments of ``ScanOptions.checked``."""

argument_options = _group("arguments", {
    "pairs": click.option(
        "--arg", "pairs", multiple=True, callback=pairs, metavar="NAME=VALUE",
        help="A model argument; repeatable. pixelcat model info lists them.",
    ),
    "text": click.option(
        "--arguments", "text", metavar="TEXT", default="",
        help='The same as ArcGIS writes it, "padding 56;batch_size 16", or as a JSON object.',
    ),
    "bands": click.option(
        "--bands", metavar="LIST",
        help="Bands that the model takes, in its order: numbers from 0, or names.",
    ),
    "image_scale": click.option(
        "--image-scale", metavar="FACTOR",
        help="The model sees photos at this scale: 0.5 for a model that was trained on photos"
        " of half the width and height.  [default: 1]",
    ),
    "image_size": click.option(
        "--image-size", metavar="PIXELS",
        help="The model sees every photo with so many pixels on its longer side.",
    ),
    "class_map": click.option(
        "--class-map", metavar="photo|model",
        help="Size of a photo's class map: that of the photo, or the one that the model sees."
        "  [default: photo]",
    ),
    "precision": click.option(
        "--precision", metavar="float32|bfloat16|float16",
        help="What the model computes in; the run says how many pixels fewer bits change."
        "  [default: float32]",
    ),
}, _arguments)  # fmt: skip
"""The arguments of a model, as text by name."""

_GROUND: dict[str, Decorator] = {
    "extent": click.option(
        "--extent", metavar="XMIN,YMIN,XMAX,YMAX|FILE",
        help="Only pixels in this rectangle, or in the bounds of a layer or raster.",
    ),
    "extent_crs": click.option(
        "--extent-crs", metavar="CRS",
        help="What the numbers of --extent are in.  [default: what each raster is in]",
    ),
    "mask": click.option(
        "--mask", metavar="FILE",
        help="Only pixels whose centre lies in the polygons of a layer, or in a raster where"
        " it has data. One of several layers: FILE|layername=NAME.",
    ),
    "cell_size": click.option(
        "--cell-size", metavar="N",
        help="Resample rasters before they are classified, in units of their reference system.",
    ),
    "snap": click.option(
        "--snap", metavar="RASTER", help="Align the grid to that of a raster; resamples too."
    ),
    "crs": click.option(
        "--crs", metavar="CRS",
        help="Bring rasters to this reference system before they are classified, as EPSG:n.",
    ),
    "map_crs": click.option(
        "--map-crs", metavar="CRS",
        help="Bring class rasters to this reference system once they are made, as EPSG:n; rasters"
        " are classified as they are.",
    ),
    "map_resampling": click.option(
        "--map-resampling", metavar="nearest|mode",
        help="Which class a pixel has there: the nearest, or the most frequent.  [default:"
        " nearest]",
    ),
    "nodata": click.option(
        "--nodata", metavar="VALUE[,VALUE...]",
        help="Value that marks NoData, for files that do not declare it; or one per band.",
    ),
}  # fmt: skip
environment_options = _group("environment", _GROUND)
"""The environment, as ArcGIS calls it: what of the ground, on which grid."""

service_options = _group(
    "environment", {name: _GROUND[name] for name in ("extent", "extent_crs", "cell_size", "crs")}
)
"""What of it says what a service is asked for."""

result_options = _group("results", {
    "out_features": click.option(
        "--out-features", metavar="NAME",
        help="Name of the output feature class of all inputs; one that shows others by the same"
        " model gets these rows as well.  [default: <layer>_classified for each]",
    ),
    "embed": click.option(
        "--embed", is_flag=True,
        help="Put the class maps into the catalog too, as media of the output feature class.",
    ),
    "sidecars": click.option(
        "--sidecars", type=click.Choice(["auto", "all", "none"]), default="auto",
        show_default=True,
        help="Files beside class rasters that name their classes for QGIS and ArcGIS: auto writes"
        " all of them for rasters with a place on the ground, one for photos.",
    ),
    "also": click.option(
        "--also", metavar="NAMES", default="",
        help="Rasters beside each class raster: confidence, probabilities (a band for each"
        " class), entropy, or several with commas.",
    ),
    "also_type": click.option(
        "--also-type", type=click.Choice(["uint8", "float32"]), default="uint8",
        show_default=True, help="Type of their values: steps of 1/254, or floating point.",
    ),
    "force": click.option("--force", is_flag=True, help="Classify again what is done already."),
    "retry_failed": click.option(
        "--retry-failed", is_flag=True,
        help="Try again what failed in the run that goes on; --force starts a new one.",
    ),
    "verify": click.option(
        "--verify", type=click.IntRange(min=0), default=0, metavar="N",
        help="Classify N windows anew, with twice the halo, and compare with the class rasters.",
    ),
})  # fmt: skip
"""What a run leaves, and how sure one may be of it."""

item_timeout_option = click.option(
    "--item-timeout", type=click.FloatRange(min=0, min_open=True), default=900.0,
    metavar="SECONDS", show_default=True,
    help="A process that makes no progress for so long is ended, its image fails.",
)  # fmt: skip

machine_options = _group("machine", {
    "device": click.option(
        "--device", default="auto", show_default=True, metavar="auto|cpu|gpu|gpu:N",
        help="What the model computes on; auto is the first GPU if there is one.",
    ),
    "max_memory": click.option(
        "--max-memory", metavar="SIZE",
        help="What a process that classifies should stay below, 4G for example; same result,"
        " smaller windows.",
    ),
    "workers": click.option(
        "--workers", type=click.IntRange(0, 64), default=None, metavar="N",
        help="Processes that read inputs and classify; one that crashes fails the image that did it,"
        " alone. 0: no process of its own, for debugging.  [default: 1]",
    ),
    "item_timeout": item_timeout_option,
})  # fmt: skip
"""What of the machine a run may take."""

code_options = _group("code", {
    "trust_model_code": click.option(
        "--trust-model-code", is_flag=True,
        help="Run a model's Python raster function, code that may do whatever you may do.",
    ),
    "ignore_model_code": click.option(
        "--ignore-model-code", is_flag=True,
        help="Leave a model's Python raster function alone and run its network.",
    ),
}, _model_code)  # fmt: skip
"""About a Python raster function that comes with a model."""
