"""The model of a run: prepared when it is first needed, let go of at the end."""

from typing import Self

from .classifier import Prepared
from .definition import ModelDefinition
from .options import RunOptions
from .prepare import prepare


class LateModel:
    """A context manager; where nothing is pending the model is never loaded."""

    def __init__(self, definition: ModelDefinition, options: RunOptions) -> None:
        """Take what it is made of."""
        self._definition = definition
        self._options = options
        self._prepared: Prepared | None = None

    def prepared(self) -> Prepared:
        """Return it, prepared.

        Raises:
            ModelError: It cannot be used.
            UsageError: An argument does not fit it.
        """
        if self._prepared is None:
            self._prepared = prepare(self._definition, self._options)
        return self._prepared

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of it."""
        if self._prepared is not None:
            self._prepared.classifier.close()
