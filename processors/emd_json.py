"""The JSON of a model definition, as messy as real files are."""

import codecs
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..catalog.errors import ModelError

_TRAILING_COMMA = re.compile(r'"(?:[^"\\]|\\.)*"?|,(?=\s*[}\]])')
_KEYS = (
    *("Framework", "ModelConfiguration", "ModelFile", "ModelType", "InferenceFunction"),
    *("ImageHeight", "ImageWidth", "ExtractBands", "DataRange", "BatchSize", "ModelPadding"),
    *("Padding", "Threshold", "Classes", "ModelName", "NormalizationStats", "DoNormalize"),
    *("IsMultispectral", "Bands", "test_time_augmentation", "SupportsVariableTileSize"),
    *("MinCellSize", "MaxCellSize", "ImageSpaceUsed", "AllTilesStats"),
    *("Scale", "Offset", "Mean", "Std", "SourceRange", "TileMultiple"),
    *("Scores", "Signature", "OutputName", "InputTensor", "OutputTensor", "ModelFormat"),
)
"""Keys that we understand, in the spelling by which the rest of pixelcat knows them."""
_DEEPEST = 100
_LARGEST = 32 << 20
"""Bytes: a class takes some fifty."""
_KNOWN = {key.lower(): key for key in _KEYS}


def read_json(path: Path) -> Mapping[str, Any]:
    """Read a definition file; see :func:`parse_json`."""
    try:
        with open(path, "rb") as file:
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise ModelError(f"{path}: larger than {_LARGEST >> 20} MB, which no definition is")
        wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ModelError(f"{path}: not UTF-8 text at byte {error.start}") from error
    return parse_json(text, str(path))


def parse_json(text: str, name: str) -> Mapping[str, Any]:
    """Parse a definition as real files are: commas before a closing bracket, keys in any case.

    Raises:
        ModelError: No JSON, or no JSON object; says where.
    """
    try:
        parsed = _loaded(text)
        json.dumps(parsed, ensure_ascii=False).encode()  # refuses lone surrogates
    except (ValueError, RecursionError) as error:
        where = f" at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        hint = "; backslashes are written twice" if "escape" in str(error) else ""
        raise ModelError(f"{name}: not valid JSON{where}{hint}") from error
    if not isinstance(parsed, dict):
        raise ModelError(f"{name}: not a model definition (a JSON object)")
    if is_deeper(parsed, _DEEPEST):  # it goes to other processes, where recursion has its limit
        raise ModelError(f"{name}: nested more than {_DEEPEST} deep, which no definition is")
    return {_KNOWN.get(str(key).lower(), str(key)): value for key, value in parsed.items()}


def _loaded(text: str) -> Any:
    """Parse JSON as it should be, else without the commas that should not be: that takes longer."""
    try:
        return json.loads(text)
    except ValueError:
        return json.loads(_TRAILING_COMMA.sub(_without_comma, text))


def is_deeper(value: object, levels: int) -> bool:
    """Return whether parsed JSON is nested deeper than so many objects and lists."""
    level = [value]
    for _ in range(levels):
        level = [each for part in level for each in _within(part) if isinstance(each, dict | list)]
        if not level:
            return False
    return True


def _within(part: object) -> Iterable[object]:
    return part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()


def _without_comma(match: re.Match[str]) -> str:
    """Keep text in quotes; keep the line breaks, so that errors name the right line."""
    return match[0] if match[0].startswith('"') else match[0][1:]
