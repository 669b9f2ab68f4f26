"""What a run was asked: the arguments of the model, checked, and stored with the run."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

from ..catalog.errors import UsageError
from .definition import ModelDefinition
from .emd import finite_number
from .scaling import Scaling

DEFAULT_TILE = 512
DEFAULT_BATCH = 4
LARGEST_BATCH = 4096
LARGEST_TILE = 1024
"""Largest window chosen unasked; beyond it less halo gains nothing."""


class Argument(NamedTuple):
    """One argument that every model understands."""

    parse: Callable[[str], Any]
    form: str
    meaning: str


def _positive(text: str) -> int:
    return _whole(text, 1)


def _not_negative(text: str) -> int:
    return _whole(text, 0)


def _whole(text: str, least: int) -> int:
    number = int(text)
    if number < least:
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


def _batch(text: str) -> int:
    number = _positive(text)
    if number > LARGEST_BATCH:
        raise ValueError
    return number


def _range(text: str) -> tuple[float, float]:
    low, high = _numbers(text)
    if low >= high:
        raise ValueError
    return low, high


def _bands(text: str) -> tuple[int | str, ...]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise ValueError
    return tuple(int(part) if part.isdigit() else part for part in parts)


ARGUMENTS: dict[str, Argument] = {
    "tile_size": Argument(_positive, "a whole number of pixels", "side of a window, halo included"),
    "padding": Argument(
        _not_negative, "a whole number of pixels", "halo on each side; default: what the model sees"
    ),
    "batch_size": Argument(_batch, f"1 to {LARGEST_BATCH}", "windows classified at a time"),
    "threshold": Argument(_fraction, "0 to 1", "of the positive class of a one-channel model"),
    "bands": Argument(_bands, "0-based indexes or names", "bands that the model takes, in order"),
    "scale": Argument(_numbers, "number, or one per band", "value * scale + offset"),
    "offset": Argument(_numbers, "number, or one per band", "value * scale + offset"),
    "mean": Argument(_numbers, "number, or one per band", "(value - mean) / std"),
    "std": Argument(_divisors, "number other than 0, or one per band", "(value - mean) / std"),
    "data_range": Argument(_range, "least,greatest", "what the model was trained on"),
    "source_range": Argument(_range, "least,greatest", "what the pixels range over"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class RunOptions:
    """The arguments of a run, over the defaults of its model."""

    tile_size: tuple[int, int] | None = None
    """Height and width of a window; None leaves it to the network."""
    nominal_tile: tuple[int, int] | None = None
    """What the definition names; a network that looks further gets larger windows."""
    padding: int | None = None
    """Halo in pixels; None measures how far the network looks."""
    batch_size: int = DEFAULT_BATCH
    threshold: float = 0.5
    bands: tuple[int | str, ...] | None = None
    scaling: Scaling = Scaling()  # noqa: RUF009  frozen

    def as_json(self) -> dict[str, Any]:
        """Return what the catalog stores."""
        return asdict(self)


def parse_arguments(pairs: Mapping[str, str]) -> dict[str, Any]:
    """Parse arguments given as text.

    Raises:
        UsageError: An unknown name or a value that does not fit.
    """
    values = {}
    for name, text in pairs.items():
        argument = ARGUMENTS.get(name)
        if argument is None:
            near = difflib.get_close_matches(name, ARGUMENTS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(ARGUMENTS)}"
            raise UsageError(f"argument {name} is unknown; {hint}")
        try:
            values[name] = argument.parse(text)
        except ValueError:
            raise UsageError(
                f"argument {name}={text}: expected {argument.form} ({argument.meaning})"
            ) from None
    return values


def split_text(text: str) -> dict[str, str]:
    """Split arguments written as ArcGIS writes them: ``padding 56;batch_size 16``.

    Raises:
        UsageError: A part without a name and a value.
    """
    pairs = {}
    for part in text.split(";"):
        name, _, value = part.strip().partition(" ")
        if name and not value.strip():
            raise UsageError(f"--arguments: {part.strip()!r} is not a name and a value")
        if name:
            pairs[name] = value.strip()
    return pairs


def resolve(definition: ModelDefinition, arguments: Mapping[str, Any]) -> RunOptions:
    """Return the options of a run: the arguments, else what the definition says."""
    given = dict(arguments)
    scaling_names = set(Scaling.__dataclass_fields__) & given.keys()
    scaling = replace(definition.scaling, **{name: given.pop(name) for name in scaling_names})
    side = given.get("tile_size")
    return RunOptions(
        tile_size=(side, side) if side else None,
        nominal_tile=definition.tile_size,
        padding=given.get("padding", definition.padding),
        batch_size=given.get("batch_size", definition.batch_size or DEFAULT_BATCH),
        threshold=given.get("threshold", 0.5),
        bands=given.get("bands", definition.bands),
        scaling=scaling,
    )
