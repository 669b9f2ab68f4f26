"""What a definition may say of a model file that does not say it itself."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from ...catalog.errors import ModelError
from ..network import Scores

SAID = "the definition or the argument"
"""How the kind of scores was told where somebody said it."""


class NoSuchOutputError(ModelError):
    """A network has several outputs, or lacks the one that is named."""


def output_scores(properties: Mapping[str, Any]) -> Scores | None:
    """Return the ``Scores`` of a definition: what the output channels are.

    Raises:
        ModelError: A word we do not know.
    """
    value = properties.get("Scores")
    if value is None:
        return None
    for known in get_args(Scores):
        if known == str(value).lower():
            scores: Scores = known
            return scores
    raise ModelError(f"Scores is {value}; known are {', '.join(get_args(Scores))}")


def chosen_output(path: Path, names: Sequence[str], wanted: object) -> int:
    """Return the position of the output that is wanted; of the only one where nothing is said.

    Args:
        path: The model file, for messages.
        names: Of the outputs.
        wanted: ``OutputName`` of a definition: a name, or a position from 0.

    Raises:
        NoSuchOutputError: No such output, or several to choose from.
    """
    if wanted is None and len(names) == 1:
        return 0
    if wanted is not None and str(wanted) in names:
        return names.index(str(wanted))
    if str(wanted).isdecimal() and int(str(wanted)) < len(names):
        return int(str(wanted))
    what = f"no output {wanted}" if wanted is not None else f"{len(names)} outputs"
    raise NoSuchOutputError(
        f"model {path} has {what}; choose one of {', '.join(names)} with --arg output=..."
    )


def tensor_name(properties: Mapping[str, Any], key: str) -> str | None:
    """Return the name of a tensor, ``name:0`` where only the operation is named."""
    value = properties.get(key)
    if value is None:
        return None
    return str(value) if ":" in str(value) else f"{value}:0"
