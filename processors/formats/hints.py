"""What a definition may say of a model file that does not say it itself."""

from collections.abc import Mapping
from typing import Any, get_args

from ...catalog.errors import ModelError
from ..network import Scores


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


def tensor_name(properties: Mapping[str, Any], key: str) -> str | None:
    """Return the name of a tensor, ``name:0`` where only the operation is named."""
    value = properties.get(key)
    if value is None:
        return None
    return str(value) if ":" in str(value) else f"{value}:0"
