"""The arguments that every network understands: names, types, domains, and their text forms."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, get_args

from ..catalog.errors import UsageError
from .network import Scores
from .numbers import finite_number

LARGEST_BATCH = 4096
LARGEST_MULTIPLE = 4096
MERGE_POLICIES = ("mean", "max", "min")
BLENDS = ("crop", "hann")
CLASS_MAPS = ("photo", "model")
PRECISIONS = ("float32", "bfloat16", "float16")
_TRUE = ("true", "1", "t", "y", "yes")
_FALSE = ("false", "0", "f", "n", "no")


class Argument(NamedTuple):
    """One argument."""

    parse: Callable[[str], Any]
    type: str
    domain: str
    meaning: str


def _whole(least: int, most: int | None = None) -> Callable[[str], int]:
    def parse(text: str) -> int:
        number = int(text)
        if number < least or (most is not None and number > most):
            raise ValueError
        return number

    return parse


def boolean(text: str) -> bool:
    """Return a truth value as ArcGIS writes it: true, 1, t, y, yes or their opposites.

    Raises:
        ValueError: It is none.
    """
    word = text.strip().lower()
    if word not in _TRUE + _FALSE:
        raise ValueError(text)
    return word in _TRUE


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        word = text.strip().lower()
        if word not in choices:
            raise ValueError
        return word

    return parse


def _factor(text: str) -> float:
    number = finite_number(text)
    if not 0 < number <= 16:
        raise ValueError
    return number


def _fraction(text: str) -> float:
    number = float(text)
    if not 0 <= number <= 1:
        raise ValueError
    return number


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(finite_number(part) for part in text.split(","))


def _divisors(text: str) -> tuple[float, ...]:
    numbers = _numbers(text)
    if 0.0 in numbers:
        raise ValueError
    return numbers


def _range(text: str) -> tuple[float, float]:
    low, high = _numbers(text)
    if low >= high:
        raise ValueError
    return low, high


def bands(text: str) -> tuple[int | str, ...]:
    """Return band indexes and names of a list with commas.

    Raises:
        ValueError: It is empty.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or any(part.startswith("-") and part[1:].isdigit() for part in parts):
        raise ValueError
    return tuple(int(part) if part.isdigit() else part for part in parts)


def _name(text: str) -> str:
    if not text.strip():
        raise ValueError
    return text.strip()


_PER_BAND = "one, or one per band"

ARGUMENTS: dict[str, Argument] = {
    "batch_size": Argument(
        _whole(1, LARGEST_BATCH), "integer", f"1 to {LARGEST_BATCH}", "windows classified at a time"
    ),
    "tile_size": Argument(
        _whole(1), "integer", "1 or more", "side of a window in pixels, halo included"
    ),
    "padding": Argument(
        _whole(0), "integer", "0 or more, less than half the tile",
        "halo on each side in pixels; default: what the model sees",
    ),
    "tile_multiple": Argument(
        _whole(1, LARGEST_MULTIPLE), "integer", f"1 to {LARGEST_MULTIPLE}",
        "window origins and sizes are multiples of it, and of what was measured",
    ),
    "threshold": Argument(_fraction, "number", "0 to 1", "of the class of a one-channel network"),
    "predict_background": Argument(
        boolean, "boolean", "true, false",
        "false: the class with value 0 is never chosen; default: false where Classes lists several"
        " and no 0",
    ),
    "test_time_augmentation": Argument(
        boolean, "boolean", "true, false",
        "merge the answers for 8 turns and flips; for photos for 2, as they are and mirrored",
    ),
    "merge_policy": Argument(
        _one_of(*MERGE_POLICIES), "text", ", ".join(MERGE_POLICIES),
        "how test_time_augmentation merges",
    ),
    "blend": Argument(
        _one_of(*BLENDS), "text", ", ".join(BLENDS),
        "cut windows to their cores, or average overlapping scores under a Hann window",
    ),
    "precision": Argument(
        _one_of(*PRECISIONS), "text", ", ".join(PRECISIONS),
        "what the network computes in; fewer bits are faster where the processor has them, and"
        " change some classes: the run says how many",
    ),
    "scores": Argument(
        _one_of(*get_args(Scores)), "text", ", ".join(get_args(Scores)), "what the output is"
    ),
    "output": Argument(_name, "text", "a name or a number from 0", "which output of the network"),
    "image_scale": Argument(
        _factor, "number", "more than 0, at most 16",
        "photos are fed to the model so much larger; 0.5 halves width and height",
    ),
    "image_size": Argument(
        _whole(1), "integer", "1 or more",
        "photos are fed with so many pixels on the longer side",
    ),
    "class_map": Argument(
        _one_of(*CLASS_MAPS), "text", ", ".join(CLASS_MAPS),
        "size of a photo's class map: of the photo, or of what was fed to the model",
    ),
    "bands": Argument(
        bands, "list", "0-based indexes or names", "bands that the model takes, in order"
    ),
    "scale": Argument(_numbers, "numbers", _PER_BAND, "value * scale + offset"),
    "offset": Argument(_numbers, "numbers", _PER_BAND, "value * scale + offset"),
    "mean": Argument(_numbers, "numbers", _PER_BAND, "(value - mean) / std"),
    "std": Argument(_divisors, "numbers", f"{_PER_BAND}, none of them 0", "(value - mean) / std"),
    "data_range": Argument(_range, "numbers", "least,greatest", "what the model was trained on"),
    "source_range": Argument(_range, "numbers", "least,greatest", "what the pixels range over"),
}  # fmt: skip


def _seconds(text: str) -> float:
    seconds = finite_number(text)
    if seconds <= 0:
        raise ValueError
    return seconds


FUNCTION_ARGUMENTS = {
    **{name: ARGUMENTS[name] for name in ("bands", "source_range")},
    **{name: ARGUMENTS[name] for name in ("image_scale", "image_size", "class_map")},
    "timeout": Argument(
        _seconds, "number", "more than 0", "seconds that a raster function may take for a call"
    ),
}
"""Those that we understand beside the ones that a raster function lists."""


def parse_arguments(
    pairs: Mapping[str, str], known: Mapping[str, Argument] = ARGUMENTS
) -> dict[str, Any]:
    """Parse arguments given as text.

    Args:
        pairs: Texts by name.
        known: The arguments there are.

    Raises:
        UsageError: An unknown name, a value that does not fit, or two that exclude each other.
    """
    values: dict[str, Any] = {}
    for name, text in pairs.items():
        argument = known.get(name)
        if argument is None:
            raise unknown(name, known)
        try:
            values[name] = argument.parse(text)
        except ValueError:
            kind = "" if argument.type == "text" else f"{argument.type}, "
            raise UsageError(
                f"argument {name}={text}: expected {kind}{argument.domain} ({argument.meaning})"
            ) from None
    if {"image_scale", "image_size"} <= values.keys():
        raise UsageError(
            "image_scale and image_size both say how large photos are fed to the model; give one"
        )
    return values


def unknown(name: str, known: Iterable[str]) -> UsageError:
    """Return the error for an argument that the model does not have."""
    near = difflib.get_close_matches(name, list(known), n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known) or 'none'}"
    return UsageError(f"argument {name} is unknown; {hint}")
