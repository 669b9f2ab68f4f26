"""The model of a run: prepared when it is first needed, let go of at the end."""

from typing import Self

from .classifier import Prepared
from .definition import ModelDefinition
from .device import check_device
from .options import RunOptions
from .prepare import prepare


class LateModel:
    """A context manager; where nothing is pending the model is never loaded."""

    def __init__(
        self, definition: ModelDefinition, options: RunOptions, device: str, limit: int | None
    ) -> None:
        """Take what it is made of, the device it is to run on, and a limit of memory in bytes."""
        self._definition = definition
        self._options = options
        self._device = device
        self._limit = limit
        self._prepared: Prepared | None = None

    def prepared(self) -> Prepared:
        """Return it, prepared.

        Raises:
            ModelError: It cannot be used.
            UsageError: An argument does not fit it.
        """
        if self._prepared is None:
            check_device(self._device)
            self._prepared = prepare(self._definition, self._options, self._limit)
        return self._prepared

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of it."""
        if self._prepared is not None:
            self._prepared.classifier.close()
