"""Model definitions: what an Esri ``.emd`` file, or a bare model file, says about a model."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from ..catalog.errors import ModelError
from ..catalog.records import ClassDefinition
from .network import model_format
from .scaling import Scaling

_PALETTE = (
    (31, 119, 180), (255, 187, 51), (44, 160, 44), (200, 60, 60), (148, 103, 189), (140, 86, 75),
    (227, 119, 194), (127, 127, 127), (188, 189, 34), (23, 190, 207),
)  # fmt: skip
_FRAMEWORKS = ("keras", "tensorflow")
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
        return cls._from_emd(_parse_json(path), path)

    @classmethod
    def _from_emd(cls, emd: Mapping[str, Any], path: Path) -> Self:
        reader = _Emd(emd, path)
        reader.check_kind()
        model_format(reader.model_file())
        return cls(
            name=str(emd.get("ModelName") or path.stem),
            framework=str(emd.get("Framework", "Keras")),
            model_file=reader.model_file(),
            classes=reader.classes(),
            bands=reader.bands(),
            tile_size=reader.tile_size(),
            padding=reader.integer("Padding", 0),
            batch_size=reader.integer("BatchSize", 1),
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


def numbered_classes(count: int) -> tuple[ClassDefinition, ...]:
    """Return classes 0, 1, ... for a model that comes without names."""
    return tuple(
        ClassDefinition(value=value, name=f"class {value}", color=palette_color(value))
        for value in range(count)
    )


def palette_color(index: int) -> tuple[int, int, int]:
    """Return the colour of a class that comes without one."""
    return _PALETTE[index % len(_PALETTE)]


class _Emd:
    """Reads the keys of a model definition, and names the file and key in every complaint.

    Keys as documented with Esri's raster-deep-learning; ``Scale``, ``Offset``, ``Mean``,
    ``Std`` (a number, or one per band) and ``SourceRange`` are ours.
    """

    def __init__(self, emd: Mapping[str, Any], path: Path) -> None:
        self._emd = emd
        self._path = path

    def fail(self, message: str) -> ModelError:
        return ModelError(f"{self._path}: {message}")

    def check_kind(self) -> None:
        framework = str(self._emd.get("Framework", "Keras"))
        if framework.lower() not in _FRAMEWORKS:
            raise self.fail(f"Framework {framework} does not run here; Keras and TensorFlow do")
        kind = str(self._emd.get("ModelType", "ImageClassification"))
        if kind.lower() != "imageclassification":
            raise self.fail(
                f"ModelType is {kind}; only pixel classifiers (ImageClassification) run"
            )

    def model_file(self) -> Path:
        text = self._emd.get("ModelFile")
        if not isinstance(text, str) or not text.strip():
            raise self.fail("ModelFile is missing")
        folder = self._path.resolve().parent
        path = (folder / text.strip().replace("\\", "/")).resolve()
        if not path.is_relative_to(folder):
            raise self.fail(f"ModelFile {text} lies outside the folder of the definition")
        if not path.exists():
            raise self.fail(f"ModelFile {text} does not exist")
        return path

    def classes(self) -> tuple[ClassDefinition, ...]:
        listed = self._emd.get("Classes", [])
        if not isinstance(listed, list):
            raise self.fail("Classes is not a list")
        classes = tuple(self._class(index, entry) for index, entry in enumerate(listed))
        values = [each.value for each in classes]
        if len(set(values)) < len(values):
            raise self.fail(f"Classes repeats a Value: {values}")
        return classes

    def _class(self, index: int, entry: object) -> ClassDefinition:
        fields = {k.lower(): v for k, v in entry.items()} if isinstance(entry, dict) else {}
        try:
            value = int(fields["value"])
        except (KeyError, TypeError, ValueError):
            raise self.fail(f"Classes[{index}] has no integer Value") from None
        name = str(fields.get("name", f"class {value}")).strip() or f"class {value}"
        return ClassDefinition(value=value, name=name, color=_color(fields.get("color"), index))

    def bands(self) -> tuple[int | str, ...] | None:
        listed = self._emd.get("ExtractBands")
        if listed is None:
            return None
        if not isinstance(listed, list) or not listed:
            raise self.fail("ExtractBands is not a list of band indexes or names")
        return tuple(band if isinstance(band, int) else str(band) for band in listed)

    def tile_size(self) -> tuple[int, int] | None:
        height, width = self.integer("ImageHeight", 1), self.integer("ImageWidth", 1)
        if height is None and width is None:
            return None
        return height or width or 1, width or height or 1

    def integer(self, key: str, least: int) -> int | None:
        value = self._emd.get(key)
        if value is None:
            return None
        if isinstance(value, str) and "e.g" in value:
            raise self.fail(
                f"{key} is the placeholder {value!r}: this file came with exported training"
                " chips, it is not a trained model"
            )
        try:
            number = int(value)
        except (TypeError, ValueError):
            raise self.fail(f"{key} is {value!r}, not a whole number") from None
        if number < least:
            raise self.fail(f"{key} is {number}; the least is {least}")
        return number

    def scaling(self) -> Scaling:
        return Scaling(
            scale=self._numbers("Scale"),
            offset=self._numbers("Offset"),
            mean=self._numbers("Mean"),
            std=self._numbers("Std"),
            data_range=self._range("DataRange"),
            source_range=self._range("SourceRange"),
        )

    def _numbers(self, key: str) -> tuple[float, ...] | None:
        value = self._emd.get(key)
        if value is None:
            return None
        listed = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        try:
            return tuple(float(number) for number in listed)
        except (TypeError, ValueError):
            raise self.fail(f"{key} is {value!r}, not a number or a list of numbers") from None

    def _range(self, key: str) -> tuple[float, float] | None:
        numbers = self._numbers(key)
        if numbers is None:
            return None
        if len(numbers) != 2 or numbers[0] >= numbers[1]:
            raise self.fail(f"{key} is {list(numbers)}, not [least, greatest]")
        return numbers[0], numbers[1]


def _parse_json(path: Path) -> Mapping[str, Any]:
    try:
        parsed = json.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ModelError(f"{path}: not UTF-8 text at byte {error.start}") from error
    except (json.JSONDecodeError, RecursionError) as error:
        where = f" at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise ModelError(f"{path}: not valid JSON{where}") from error
    if not isinstance(parsed, dict):
        raise ModelError(f"{path}: not a model definition (a JSON object)")
    return parsed


def _color(value: object, index: int) -> tuple[int, int, int]:
    """Return [r, g, b] or ``#rrggbb``; a colour of the palette where there is no usable one."""
    if isinstance(value, str) and re.fullmatch(r"#[0-9a-fA-F]{6}", value):
        return int(value[1:3], 16), int(value[3:5], 16), int(value[5:7], 16)
    if isinstance(value, list) and len(value) >= 3:
        rgb = [part for part in value[:3] if isinstance(part, int) and 0 <= part <= 255]
        if len(rgb) == 3:
            return rgb[0], rgb[1], rgb[2]
    return palette_color(index)
