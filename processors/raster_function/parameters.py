"""The arguments of a raster function: what it lists, and what the user gives."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ...catalog.errors import ModelError, UsageError
from ..arguments import boolean, unknown
from ..numbers import finite_number, whole_number

_HIDDEN = ("model", "device")
"""Given by whoever runs the function, not by the user."""
_RASTERS = ("raster", "rasters")


class Parameter(NamedTuple):
    """One argument, as ``getParameterInfo`` lists it."""

    name: str
    type: str
    value: Any
    """The default; None where there is none."""
    domain: tuple[str, ...]
    """The only values; empty for any."""
    required: bool
    meaning: str

    def parse(self, text: str) -> Any:
        """Return the value that a text stands for.

        Raises:
            UsageError: It does not fit.
        """
        if self.domain:
            word = text.strip().lower()
            same = [each for each in self.domain if each.lower() == word]
            if not same:
                raise UsageError(
                    f"argument {self.name}={text}: expected one of {', '.join(self.domain)}"
                )
            return same[0]
        try:
            return _PARSE.get(self.type, str)(text)
        except ValueError:
            raise UsageError(f"argument {self.name}={text}: expected {self.type}") from None

    @property
    def default(self) -> Any:
        """The default as its type has it, or as it is listed where it does not fit."""
        if not isinstance(self.value, str):
            return str(self.value) if self.type == "string" else self.value
        try:
            return self.parse(self.value)
        except UsageError:
            return self.value


def _number(text: str) -> float:
    try:
        return whole_number(text.strip())
    except ValueError:
        return finite_number(text.strip())


_PARSE = {"numeric": _number, "boolean": boolean}


class Parameters(NamedTuple):
    """What a raster function takes."""

    raster: str
    """What it calls its raster."""
    listed: tuple[Parameter, ...]
    """What the user may give."""
    hidden: tuple[str, ...]
    """What else is given along with these."""

    def scalars(
        self, given: Mapping[str, str], known: Mapping[str, Any], host: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        """Return every argument by name: what was given over the defaults.

        Args:
            given: What the user gave, as text.
            known: The values of hidden ones.
            host: Names that the user may give beside those of the function.

        Raises:
            UsageError: An unknown name, or a value that does not fit or is missing.
        """
        by_name = {each.name: each for each in self.listed}
        values = {name: known[name] for name in self.hidden if name in known}
        values |= {each.name: each.default for each in self.listed if each.value is not None}
        for name, text in given.items():
            if name not in by_name:
                raise unknown(name, [*by_name, *host])
            values[name] = by_name[name].parse(text)
        for each in self.listed:
            if each.required and each.name not in values:
                raise UsageError(f"the model needs --arg {each.name}=...: {each.meaning}")
        return values


def read_parameters(listed: Sequence[Mapping[str, Any]]) -> Parameters:
    """Return the parameters that ``getParameterInfo`` lists.

    Raises:
        ModelError: The function wants other rasters than one.
    """
    kinds = [(str(each.get("dataType", "")).lower(), each) for each in listed if each.get("name")]
    rasters = [str(each["name"]) for kind, each in kinds if kind in _RASTERS]
    if len(rasters) > 1 or any(kind == "rasters" for kind, _ in kinds):
        raise ModelError(f"its rasters are {', '.join(rasters)}; only functions of one raster run")
    scalars = [(kind, each) for kind, each in kinds if kind not in _RASTERS]
    return Parameters(
        raster=rasters[0] if rasters else "raster",
        listed=tuple(_parameter(k, each) for k, each in scalars if each["name"] not in _HIDDEN),
        hidden=tuple(each["name"] for _, each in scalars if each["name"] in _HIDDEN),
    )


def _parameter(kind: str, each: Mapping[str, Any]) -> Parameter:
    domain = each.get("domain")
    return Parameter(
        name=str(each["name"]),
        type=kind or "string",
        value=each.get("value"),
        domain=tuple(map(str, domain)) if isinstance(domain, list) else (),
        required=each.get("required") is True,
        meaning=str(each.get("description") or each.get("displayName") or ""),
    )
