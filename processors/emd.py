"""Esri model definitions (``.emd``): JSON, and what its keys mean."""

import csv
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..catalog.errors import ModelError
from ..catalog.records import ClassDefinition
from .scaling import Scaling

_PALETTE = (
    (31, 119, 180), (255, 187, 51), (44, 160, 44), (200, 60, 60), (148, 103, 189), (140, 86, 75),
    (227, 119, 194), (127, 127, 127), (188, 189, 34), (23, 190, 207),
)  # fmt: skip
_FRAMEWORKS = ("keras", "tensorflow")
_TRAILING_COMMA = re.compile(r'"(?:[^"\\]|\\.)*"|,(?=\s*[}\]])')
_CLASS_VALUES = range(-(2**31), 2**32)
"""What fits a class raster."""


def numbered_classes(count: int) -> tuple[ClassDefinition, ...]:
    """Return classes 0, 1, ... for a model that comes without names."""
    return tuple(
        ClassDefinition(value=value, name=f"class {value}", color=palette_color(value))
        for value in range(count)
    )


def palette_color(index: int) -> tuple[int, int, int]:
    """Return the colour of a class that comes without one."""
    return _PALETTE[index % len(_PALETTE)]


def read_json(path: Path) -> Mapping[str, Any]:
    """Read a definition file; see :func:`parse_json`."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ModelError(f"{path}: not UTF-8 text at byte {error.start}") from error
    return parse_json(text, str(path))


def parse_json(text: str, name: str) -> Mapping[str, Any]:
    """Parse a definition; commas before a closing bracket are forgiven, as Esri writes them.

    Raises:
        ModelError: No JSON, or no JSON object; says where.
    """
    try:
        parsed = json.loads(_TRAILING_COMMA.sub(_without_comma, text))
        json.dumps(parsed, ensure_ascii=False).encode()  # refuses lone surrogates
    except (ValueError, RecursionError) as error:
        where = f" at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise ModelError(f"{name}: not valid JSON{where}") from error
    if not isinstance(parsed, dict):
        raise ModelError(f"{name}: not a model definition (a JSON object)")
    return parsed


def _without_comma(match: re.Match[str]) -> str:
    """Keep text in quotes; keep the line breaks, so that errors name the right line."""
    return match[0] if match[0].startswith('"') else match[0][1:]


def read_classes(path: Path) -> list[dict[str, Any]]:
    """Read classes from a CSV file (value, name, color) or a JSON file.

    The JSON is a list as ``Classes`` of a definition, or an object that has one. Colours are
    ``#rrggbb`` in CSV. What is wrong in an entry shows when the definition is read.

    Raises:
        ModelError: Unreadable, or no such table.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"classes {path} cannot be read: {error}") from error
    if path.suffix.lower() == ".json":
        parsed = parse_json(text if text.lstrip().startswith("{") else f'{{"Classes": {text}}}',
                            str(path))  # fmt: skip
        listed = parsed.get("Classes")
        if not isinstance(listed, list):
            raise ModelError(f"classes {path}: no list of classes")
        return listed
    rows = csv.DictReader(text.splitlines(), skipinitialspace=True)
    names = [name.strip().lower() for name in rows.fieldnames or ()]
    if "value" not in names:
        raise ModelError(f"classes {path}: the first line must name the columns value, name, color")
    return [dict(zip(names, row.values(), strict=False)) for row in rows]


class Emd:
    """The keys of a model definition; every complaint names the file and the key.

    Keys as documented with Esri's raster-deep-learning; ``Scale``, ``Offset``, ``Mean``,
    ``Std`` (a number, or one per band) and ``SourceRange`` are ours.
    """

    def __init__(self, emd: Mapping[str, Any], path: Path) -> None:
        """Take a parsed definition and the file it came from."""
        self._emd = emd
        self._path = path

    def fail(self, message: str) -> ModelError:
        """Return an error that names the file."""
        return ModelError(f"{self._path}: {message}")

    def framework(self) -> str:
        """Return the framework as written."""
        return str(self._emd.get("Framework", "Keras"))

    def check_kind(self) -> None:
        """Check that this is a pixel classifier of a framework that runs here."""
        framework = self.framework()
        if framework.lower() not in _FRAMEWORKS:
            raise self.fail(f"Framework {framework} does not run here; Keras and TensorFlow do")
        kind = str(self._emd.get("ModelType", "ImageClassification"))
        if kind.lower() != "imageclassification":
            raise self.fail(
                f"ModelType is {kind}; only pixel classifiers (ImageClassification) run"
            )

    def model_file(self) -> Path:
        """Return the path of the model file, which lies below the folder of the definition."""
        text = self._emd.get("ModelFile")
        if not isinstance(text, str) or not text.strip():
            raise self.fail("ModelFile is missing")
        folder = self._path.resolve().parent
        try:
            path = (folder / text.strip().replace("\\", "/")).resolve()
            exists = path.exists()
        except (OSError, ValueError):  # too long, or with a NUL
            raise self.fail("ModelFile is no file name") from None
        if not path.is_relative_to(folder):
            raise self.fail(f"ModelFile {text} lies outside the folder of the definition")
        if not exists:
            raise self.fail(f"ModelFile {text} does not exist")
        return path

    def classes(self) -> tuple[ClassDefinition, ...]:
        """Return the classes in the order of the output channels; empty where none are listed."""
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
            value = whole_number(fields["value"])
        except (KeyError, ValueError):
            raise self.fail(f"Classes[{index}] has no integer Value") from None
        if value not in _CLASS_VALUES:
            raise self.fail(f"Classes[{index}] has the Value {value}, beyond 32 bits")
        name = str(fields.get("name", f"class {value}")).strip() or f"class {value}"
        return ClassDefinition(value=value, name=name, color=_color(fields.get("color"), index))

    def bands(self) -> tuple[int | str, ...] | None:
        """Return band indexes and names; None where the definition leaves them open."""
        listed = self._emd.get("ExtractBands")
        if listed is None:
            return None
        if not isinstance(listed, list) or not listed or not all(map(_is_band, listed)):
            raise self.fail("ExtractBands is not a list of band indexes (from 0) or names")
        return tuple(listed)

    def tile_size(self) -> tuple[int, int] | None:
        """Return height and width of a model input; one serves for both."""
        height, width = self.whole("ImageHeight", 1), self.whole("ImageWidth", 1)
        if height is None and width is None:
            return None
        return height or width or 1, width or height or 1

    def whole(self, key: str, least: int) -> int | None:
        """Return a whole number, None where the key is missing."""
        value = self._emd.get(key)
        if value is None:
            return None
        if isinstance(value, str) and "e.g" in value:
            raise self.fail(
                f"{key} is the placeholder {value!r}: this file came with exported training"
                " chips, it is not a trained model"
            )
        try:
            number = whole_number(value)
        except ValueError:
            raise self.fail(f"{key} is {value!r}, not a whole number") from None
        if number < least:
            raise self.fail(f"{key} is {number}; the least is {least}")
        return number

    def scaling(self) -> Scaling:
        """Return how pixel values become network input."""
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
        listed = value if isinstance(value, list) else [value]
        try:
            return tuple(map(finite_number, listed))
        except ValueError:
            raise self.fail(f"{key} is {value!r}, not a number or a list of numbers") from None

    def _range(self, key: str) -> tuple[float, float] | None:
        numbers = self._numbers(key)
        if numbers is None:
            return None
        if len(numbers) != 2 or numbers[0] >= numbers[1]:
            raise self.fail(f"{key} is {list(numbers)}, not [least, greatest]")
        return numbers[0], numbers[1]


def whole_number(value: object) -> int:
    """Return a number without fraction, given as number or as text.

    Raises:
        ValueError: It is none.
    """
    number = finite_number(value)
    if not number.is_integer():
        raise ValueError(value)
    return int(value) if isinstance(value, int | str) and "." not in str(value) else int(number)


def finite_number(value: object) -> float:
    """Return a number that is neither infinite nor NaN, given as number or as text.

    Raises:
        ValueError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(value)  # noqa: TRY004  one kind of error for whatever JSON holds
    try:
        number = float(value)
    except OverflowError:
        raise ValueError(value) from None
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def _is_band(band: object) -> bool:
    if isinstance(band, str):
        return bool(band.strip())
    return isinstance(band, int) and not isinstance(band, bool) and band >= 0


def _color(value: object, index: int) -> tuple[int, int, int]:
    """Return [r, g, b] or ``#rrggbb``; a colour of the palette where there is no usable one."""
    if isinstance(value, str) and re.fullmatch(r"#[0-9a-fA-F]{6}", value):
        return int(value[1:3], 16), int(value[3:5], 16), int(value[5:7], 16)
    if isinstance(value, list) and len(value) >= 3:
        rgb = [part for part in value[:3] if isinstance(part, int) and 0 <= part <= 255]
        if len(rgb) == 3:
            return rgb[0], rgb[1], rgb[2]
    return palette_color(index)
