"""Whether code that comes with a model may run."""

from pathlib import Path
from typing import Literal

from ..catalog.errors import ModelError
from .class_list import read_classes
from .definition import ModelDefinition

ModelCode = Literal["refuse", "run", "ignore"]
"""What to do with the Python raster function of a model that has one."""


def load_model(
    model: str | Path, model_code: ModelCode, classes: str | Path | None = None
) -> ModelDefinition:
    """Read the definition of a model that is to run; nothing of it is run yet.

    Args:
        model: As for :meth:`ModelDefinition.load`.
        model_code: ``run`` and ``ignore`` are the user's word.
        classes: A file that names the classes, for a model that does not.

    Raises:
        ModelError: The model cannot be used, or brings code about which nothing was said.
    """
    definition = read_model(model, model_code, classes)
    if definition.raster_function is not None and model_code == "refuse":
        raise ModelError(
            f"model {definition.name} comes with code of its own, {definition.raster_function.name},"
            " which could do anything you can: --trust-model-code runs it, --ignore-model-code"
            " takes the network without it"
        )
    return definition


def read_model(
    model: str | Path, model_code: ModelCode, classes: str | Path | None = None
) -> ModelDefinition:
    """Read a definition that is looked at and not run; see :func:`load_model`."""
    definition = ModelDefinition.load(model, ignore_code=model_code == "ignore")
    if classes is None:
        return definition
    return definition.with_keys(Classes=read_classes(Path(classes)))
