"""Model definitions: what an Esri ``.emd`` file, or a bare model file, says about a model."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from ..catalog.errors import ModelError
from ..catalog.lock import assert_not_live
from ..catalog.records import ClassDefinition
from .class_list import printable
from .emd import Emd
from .emd_json import parse_json, read_json
from .formats import model_format
from .package import unpack
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
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Arguments that the definition gives, by name."""
    scaling: Scaling = field(default_factory=Scaling)
    model_padding: int | None = None
    """Pixels at each side of a window for which the network has no answer."""
    raster_function: Path | None = None
    """The Python raster function that comes with the model; it runs instead of the network."""
    folder: Path | None = None
    """Of the ``.emd``."""
    properties: Mapping[str, Any] = field(default_factory=dict)
    """Everything the definition says, known or not."""

    @classmethod
    def load(cls, model: str | Path, *, ignore_code: bool = False) -> Self:
        """Read a definition; nothing of the model is run.

        Args:
            model: Path of an ``.emd`` file, a ``.dlpk`` package or a model file, or the
                text of a definition (JSON), whose ``ModelFile`` is then relative to the
                current folder.
            ignore_code: Take the network and leave its Python raster function alone.

        Raises:
            ModelError: No such file, no JSON, a model that is no pixel classifier, or a
                model file of a format that does not run here.
        """
        if isinstance(model, str) and model.lstrip().startswith("{"):
            emd = parse_json(model, "model definition")
            return cls._from_emd(emd, Path("definition.emd"), ignore_code)
        path = Path(model)
        if not path.exists():
            raise ModelError(f"model {model}: no such file")
        assert_not_live(path)
        if path.suffix.lower() == ".dlpk":
            path = unpack(path)
        if path.suffix.lower() != ".emd":
            model_format(path)
            return cls(name=path.stem, framework="Keras", model_file=path.resolve())
        return cls._from_emd(read_json(path), path, ignore_code)

    @classmethod
    def _from_emd(cls, emd: Mapping[str, Any], path: Path, ignore_code: bool) -> Self:
        reader = Emd(emd, path)
        reader.check_kind()
        function = None if ignore_code else reader.raster_function()
        if function is None:
            reader.check_framework()
            model_format(reader.model_file())
        return cls(
            name=printable(emd.get("ModelName") or "") or path.stem,
            framework=reader.framework(),
            model_file=reader.model_file() if "ModelFile" in emd or function is None else function,
            classes=reader.classes(),
            bands=reader.bands(),
            tile_size=reader.tile_size(),
            defaults=reader.defaults(),
            scaling=reader.scaling(),
            model_padding=reader.whole("ModelPadding", 0),
            raster_function=function,
            folder=reader.folder,
            properties=emd,
        )

    def with_keys(self, **keys: Any) -> Self:
        """Return the definition with keys of an ``.emd`` put in or replaced.

        Args:
            keys: ``Classes``, ``ExtractBands``, ``ImageHeight``, ... as in the file.

        Raises:
            ModelError: A value that cannot be meant.
        """
        properties = {"Framework": self.framework, **self.properties, **keys}
        reader = Emd(properties, Path(f"{self.name}.emd"))
        return replace(
            self,
            classes=reader.classes(),
            bands=reader.bands(),
            tile_size=reader.tile_size(),
            properties=properties,
        )

    @property
    def sha256(self) -> str:
        """Hash of what the definition says, whatever its layout in the file."""
        text = json.dumps(self.properties, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def weights_sha256(self) -> str:
        """Hash of the model file, or of the names and bytes of a folder's files; and of code."""
        digest = hashlib.sha256()
        root = self.model_file
        for path in [*self.model_files(), *self.code_files()]:
            if path != root:
                folder = root if path.is_relative_to(root) else self.folder or root.parent
                digest.update(path.relative_to(folder).as_posix().encode() + b"\x00")
            with open(path, "rb") as file:
                while chunk := file.read(_HASH_CHUNK):
                    digest.update(chunk)
        return digest.hexdigest()

    def model_files(self) -> list[Path]:
        """Return the model file, or the files of a model that is a folder."""
        root = self.model_file
        return [root] if root.is_file() else sorted(p for p in root.rglob("*") if p.is_file())

    def code_files(self) -> list[Path]:
        """Return the Python raster function and the Python files it may import."""
        if self.raster_function is None:
            return []
        near = self.raster_function.parent
        return sorted({*near.glob("*.py"), *near.glob("*/*.py")} - {self.model_file})
