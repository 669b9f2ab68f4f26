"""What is told of a model and a machine without running anything."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py

_HDF5 = b"\x89HDF\r\n\x1a\n"


def device() -> int:
    """Return 0 for the first GPU, -1 for the CPU; asks no driver."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0") in ("", "-1"):
        return -1
    return 0 if any(Path("/dev").glob("nvidia[0-9]*")) else -1


def is_keras2(model: Path) -> bool:
    """Return whether a model is one that Keras 3 may not load: SavedModel, or HDF5 of Keras 2."""
    if model.is_dir():
        return (model / "saved_model.pb").is_file()
    with open(model, "rb") as file:
        if file.read(len(_HDF5)) != _HDF5:
            return False
    try:
        with h5py.File(model) as weights:
            version = weights.attrs.get("keras_version", "2")
    except OSError:
        return False
    return not str(version).startswith("3")


def configured_module(properties: Mapping[str, Any]) -> str | None:
    """Return the module that a definition names: ``TensorFlow.DeepLab``."""
    configuration = properties.get("ModelConfiguration")
    if isinstance(configuration, Mapping):
        configuration = configuration.get("Name")
    framework = properties.get("Framework")
    if not isinstance(configuration, str) or not isinstance(framework, str):
        return None
    return f"{framework}.{configuration}"
