"""A model checked in a process of its own, which it may take down or keep for ever."""

from collections.abc import Mapping
from typing import Any

from ...catalog.errors import ModelError
from ..definition import ModelDefinition
from .process import LostError, Process


def check(
    definition: ModelDefinition,
    arguments: Mapping[str, str],
    image: str | None,
    environment: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what :func:`..model_check.check` does; a signal ends the process at once.

    Raises:
        ModelError: The model took the process down, too.
    """
    process = Process()
    try:
        process.say("check", definition, arguments, image, environment)
        word, given = process.hear()
    except LostError as lost:
        raise ModelError(f"model {definition.name} cannot be run: its process {lost}") from lost
    finally:
        process.kill()
    if word == "error":
        raise given
    report: dict[str, Any] = given
    return report
