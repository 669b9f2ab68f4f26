"""Classes as users list them, and the colours of those that come without."""

import csv
import re
from pathlib import Path
from typing import Any

from ..catalog.errors import ModelError, UsageError
from ..catalog.lock import assert_not_live
from ..catalog.records import ClassDefinition
from .emd_json import parse_json

_PALETTE = (
    (31, 119, 180), (255, 187, 51), (44, 160, 44), (200, 60, 60), (148, 103, 189), (140, 86, 75),
    (227, 119, 194), (127, 127, 127), (188, 189, 34), (23, 190, 207),
)  # fmt: skip

CLASS_VALUES = range(-(2**31), 2**32)
"""What fits a class raster."""
MOST_CLASSES = 65_536
"""Of one model: as many as there are values of 16 bits."""


def printable(text: object) -> str:
    """Return a name from outside without control characters, which a terminal would obey."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", str(text)).strip()


def numbered_classes(count: int) -> tuple[ClassDefinition, ...]:
    """Return classes 0, 1, ... for a model that comes without names."""
    return tuple(
        ClassDefinition(value=value, name=f"class {value}", color=palette_color(value))
        for value in range(count)
    )


def palette_color(index: int) -> tuple[int, int, int]:
    """Return the colour of a class that comes without one."""
    return _PALETTE[index % len(_PALETTE)]


def read_classes(path: Path) -> list[dict[str, Any]]:
    """Read classes from a CSV file (value, name, color) or a JSON file.

    The JSON is a list as ``Classes`` of a definition, or an object that has one. Colours are
    ``#rrggbb`` in CSV. What is wrong in an entry shows when the definition is read.

    Raises:
        UsageError: No such file.
        ModelError: Unreadable, or no such table.
    """
    assert_not_live(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise UsageError(f"classes {path}: no such file") from error
    except OSError as error:
        raise ModelError(f"classes {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ModelError(f"classes {path} cannot be read: not a text in UTF-8") from error
    if path.suffix.lower() == ".json":
        parsed = parse_json(text if text.lstrip().startswith("{") else f'{{"Classes": {text}}}',
                            str(path))  # fmt: skip
        listed = parsed.get("Classes")
        if not isinstance(listed, list) or not listed:
            raise ModelError(f"classes {path}: no list of classes")
        return listed
    rows = csv.DictReader(text.splitlines(), skipinitialspace=True)
    names = [name.strip().lower() for name in rows.fieldnames or ()]
    if "value" not in names:
        raise ModelError(f"classes {path}: the first line must name the columns value, name, color")
    return [dict(zip(names, row.values(), strict=False)) for row in rows]


def color_of(value: object, index: int) -> tuple[int, int, int]:
    """Return [r, g, b] or ``#rrggbb``; a colour of the palette where there is no usable one."""
    if isinstance(value, str) and re.fullmatch(r"#[0-9a-fA-F]{6}", value):
        return int(value[1:3], 16), int(value[3:5], 16), int(value[5:7], 16)
    if isinstance(value, list) and len(value) >= 3:
        rgb = [part for part in value[:3] if isinstance(part, int) and 0 <= part <= 255]
        if len(rgb) == 3:
            return rgb[0], rgb[1], rgb[2]
    return palette_color(index)
