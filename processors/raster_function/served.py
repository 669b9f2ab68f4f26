"""The raster function itself, in its process: each method that may be asked for."""

import importlib
import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from . import find_stand_ins
from .messages import NUMERIC, Arrays
from .report import ContractError
from .tensorflow1 import present

Facts = dict[str, Any]


class Served:
    """A raster function and its methods, called by name with what came as JSON."""

    folder = Path("/nowhere")
    """The folder of the model; no path of another file is told."""

    def __init__(self) -> None:
        """Start without one."""
        self._function: Any = None

    def load(self, folder: str, file: str, configured: str | None, legacy_keras: bool) -> Facts:
        """Import the code and make the function.

        Args:
            folder: The folder of the model.
            file: The raster function in it.
            configured: The module that the definition names, ``Framework.ModelConfiguration``.
            legacy_keras: Whether the model is of Keras 2.
        """
        self.folder = Path(folder)
        os.chdir(folder)  # what it writes beside itself is not kept, and does no harm
        path = Path(file)
        folders = [path.parent]
        if path.parent != self.folder:
            folders.append(path.parent.parent)
        sys.path[:0] = [str(each) for each in folders]
        find_stand_ins.install()
        version = present(path, folders, configured, legacy_keras)
        module = _imported(path)
        self._function = _class_of(module, path.stem)()
        return {"class": type(self._function).__name__, "tensorflow": version}

    def initialize(self, model: str, device: int) -> Facts:
        """Let the function load its model, where it has one to load."""
        environment = importlib.import_module("arcpy").env
        if hasattr(environment, "pixelcat"):
            environment.processorType = "CPU" if device < 0 else "GPU"
            environment.gpuId = str(max(device, 0))
        self._optional("initialize", model=model, device=device)
        return {}

    def getParameterInfo(self) -> Facts:  # noqa: N802
        """Return the parameters; whatever stands in the list and is none is left out."""
        listed = self._function.getParameterInfo()
        return {"parameters": [_plain(each) for each in listed if isinstance(each, Mapping)]}

    def getConfiguration(self, scalars: Facts) -> Facts:  # noqa: N802
        """Return the configuration."""
        return {"configuration": _plain(self._optional("getConfiguration", **scalars) or {})}

    def updateRasterInfo(self, raster: str, scalars: Facts, info: Facts, output: Facts) -> Facts:  # noqa: N802
        """Return what the function says of its output."""
        given = {f"{raster}_info": _tuples(info), "output_info": _tuples(output)}
        answer = self._optional("updateRasterInfo", **scalars, **given)
        said = answer if isinstance(answer, Mapping) else given
        return {"output": _plain(said.get("output_info", given["output_info"]))}

    def updateKeyMetadata(self) -> Facts:  # noqa: N802
        """Tell the function that there is no metadata; what it adds is not used."""
        for band in (-1, 0):
            self._optional("updateKeyMetadata", (), band)
        return {}

    def updatePixels(  # noqa: N802
        self, arrays: Arrays, tlc: list[float], shape: list[int], props: Facts
    ) -> dict[str, Any]:
        """Return the classes of one block, and a mask where the function gives one."""
        place = (tuple(tlc), tuple(shape), _tuples(props))
        self._optional("selectRasters", *place)
        answer = self._function.updatePixels(*place, **arrays)
        if not isinstance(answer, Mapping) or "output_pixels" not in answer:
            raise ContractError("it returned no output_pixels")
        found = {"output_pixels": _checked("output_pixels", answer["output_pixels"])}
        if answer.get("output_mask") is not None:
            found["output_mask"] = _checked("output_mask", answer["output_mask"])
        return found

    def _optional(self, method: str, *values: Any, **named: Any) -> Any:
        """Call a method that a raster function may leave out."""
        call = getattr(self._function, method, None)
        return None if call is None else call(*values, **named)


def _imported(path: Path) -> ModuleType:
    """Import the file under its own name, with ``arcpy`` among its globals as in ArcGIS."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ContractError(f"{path.name} is no Python file")
    module = importlib.util.module_from_spec(spec)
    vars(module)["arcpy"] = importlib.import_module("arcpy")
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _class_of(module: ModuleType, name: str) -> Any:
    """Return the class with the name of the module, else the only one with updatePixels."""
    own = [v for v in vars(module).values() if isinstance(v, type) and hasattr(v, "updatePixels")]
    named = [each for each in own if each.__name__ == name]
    if not named and len(own) != 1:
        here = [each for each in own if each.__module__ == module.__name__]
        own = here if len(here) == 1 else own
    if named or len(own) == 1:
        return (named or own)[0]
    found = ", ".join(each.__name__ for each in own) or "none"
    raise ContractError(f"no class {name}, nor just one with updatePixels; it has {found}")


def _checked(name: str, value: Any) -> np.ndarray[Any, Any]:
    if not isinstance(value, np.ndarray):
        raise ContractError(f"{name} is of type {type(value).__name__}, not an array")
    if value.dtype.kind not in NUMERIC:
        raise ContractError(f"{name} is an array of {value.dtype}, not of numbers")
    return np.asarray(value)


def _plain(value: Any) -> Any:
    """Return a value as JSON holds it; what JSON cannot hold becomes its text."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, set | frozenset):
        return sorted((_plain(each) for each in value), key=str)
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _tuples(value: Any) -> Any:
    """Return what came as JSON with tuples for lists, as ArcGIS gives them."""
    if isinstance(value, dict):
        return {name: _tuples(each) for name, each in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
