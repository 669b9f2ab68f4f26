"""What a model definition says, and packing it: ``model info``, ``model pack``."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from .arguments import ARGUMENTS, FUNCTION_ARGUMENTS, Argument, parse_arguments
from .class_list import read_classes
from .definition import ModelDefinition
from .formats import model_format
from .options import RunOptions, options_of
from .package_out import write_package
from .raster_function.parameters import Parameter
from .raster_function.prepare import function_parameters


def info(definition: ModelDefinition, *, run_code: bool = False) -> dict[str, Any]:
    """Return what a definition says, by name; lists hold a dictionary per row.

    Args:
        definition: The model.
        run_code: Whether its raster function, if it has one, may run to list its arguments.

    Raises:
        ModelError: The raster function does not run.
    """
    options = options_of(definition, {})
    network = definition.raster_function is None
    known = ARGUMENTS if network else FUNCTION_ARGUMENTS
    listed: list[Parameter] = []
    if run_code and not network:
        listed = function_parameters(definition, options)
    return {
        "name": definition.name,
        "framework": definition.framework,
        "format": format_name(definition),
        "model file": str(definition.model_file),
        **_code(definition, run_code),
        "definition sha256": definition.sha256,
        "weights sha256": definition.weights_sha256(),
        "bands": _listed(definition.bands, "the first ones" if network else "what it asks for"),
        "tile": _listed(definition.tile_size, "chosen by what the model looks at"),
        "classes": [
            {"value": c.value, "name": c.name, "color": "#{:02x}{:02x}{:02x}".format(*c.color)}
            for c in definition.classes
        ],
        "arguments": [
            *map(_parameter, listed),
            *(_argument(name, argument, options) for name, argument in known.items()),
        ],
    }


def format_name(definition: ModelDefinition) -> str:
    """Return what kind of model file a definition has."""
    if definition.raster_function is not None:
        return "a Python raster function"
    return model_format(definition.model_file).NAME


def _code(definition: ModelDefinition, run_code: bool) -> dict[str, str]:
    """Return a line about foreign code, if there is any."""
    if definition.raster_function is None:
        return {}
    said = "" if run_code else " (runs only with --trust-model-code)"
    return {"raster function": f"{definition.raster_function}{said}"}


def _argument(name: str, argument: Argument, options: RunOptions) -> dict[str, Any]:
    return {
        "name": name,
        "type": argument.type,
        "default": _listed(_default(options, name), ""),
        "domain": argument.domain,
        "meaning": argument.meaning,
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "type": parameter.type,
        "default": _listed(parameter.value, ""),
        "domain": ", ".join(parameter.domain),
        "meaning": parameter.meaning,
    }


def pack(
    model: str, output: str, *, classes: str | None, bands: str | None, tile: int | None
) -> None:
    """Write a model as a package; what is given replaces what its definition says.

    Raises:
        ModelError: The model cannot be used, or a value cannot be meant.
        UsageError: A band list that is none.
        OutputError: The disk refused.
    """
    keys: dict[str, Any] = {}
    if classes is not None:
        keys["Classes"] = read_classes(Path(classes))
    if bands is not None:
        keys["ExtractBands"] = list(parse_arguments({"bands": bands})["bands"])
    if tile is not None:
        keys |= {"ImageHeight": tile, "ImageWidth": tile}
    write_package(ModelDefinition.load(model).with_keys(**keys), Path(output))


def _default(options: RunOptions, name: str) -> Any:
    values = {**asdict(options.scaling), **asdict(options)}
    return values.get(name)


def _listed(value: Any, otherwise: str) -> Any:
    if value is None:
        return otherwise
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else value
