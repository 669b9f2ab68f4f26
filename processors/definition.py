"""Model definitions: what an Esri ``.emd`` file, or a bare model file, says about a model."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from ..catalog.errors import ModelError
from ..catalog.records import ClassDefinition
from .emd import Emd, read_json
from .network import model_format
from .scaling import Scaling

_HASH_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelDefinition:
    """A model: where its weights are and what goes in and comes out."""

    name: str
    framework: str
    model_file: Path
    classes: tuple[ClassDefinition, ...] = ()
    """In the order of the output channels; empty where the file does not list them."""
    bands: tuple[int | str, ...] | None = None
    """0-based indexes or names of the bands the model takes; None for the first ones."""
    tile_size: tuple[int, int] | None = None
    """Height and width of a model input in pixels."""
    padding: int | None = None
    batch_size: int | None = None
    scaling: Scaling = field(default_factory=Scaling)
    properties: Mapping[str, Any] = field(default_factory=dict)
    """Everything the definition says, known or not."""

    @classmethod
    def load(cls, model: str | Path) -> Self:
        """Read a definition.

        Args:
            model: Path of an ``.emd`` file or of a model file.

        Raises:
            ModelError: No such file, no JSON, a model that is no pixel classifier, or a
                model file of a format that does not run here.
        """
        path = Path(model)
        if not path.exists():
            raise ModelError(f"model {model}: no such file")
        if path.suffix.lower() != ".emd":
            model_format(path)
            return cls(name=path.stem, framework="Keras", model_file=path.resolve())
        return cls._from_emd(read_json(path), path)

    @classmethod
    def _from_emd(cls, emd: Mapping[str, Any], path: Path) -> Self:
        reader = Emd(emd, path)
        reader.check_kind()
        model_format(reader.model_file())
        return cls(
            name=str(emd.get("ModelName") or path.stem),
            framework=reader.framework(),
            model_file=reader.model_file(),
            classes=reader.classes(),
            bands=reader.bands(),
            tile_size=reader.tile_size(),
            padding=reader.whole("Padding", 0),
            batch_size=reader.whole("BatchSize", 1),
            scaling=reader.scaling(),
            properties=emd,
        )

    @property
    def sha256(self) -> str:
        """Hash of what the definition says, whatever its layout in the file."""
        text = json.dumps(self.properties, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def weights_sha256(self) -> str:
        """Hash of the model file."""
        digest = hashlib.sha256()
        with open(self.model_file, "rb") as file:
            while chunk := file.read(_HASH_CHUNK):
                digest.update(chunk)
        return digest.hexdigest()
