"""The model of a run: prepared when it is first needed, let go of at the end."""

from typing import Self

from .classifier import Prepared
from .definition import ModelDefinition
from .device import check_device
from .memory import Free, free_of
from .options import RunOptions
from .prepare import prepare
from .row_memory import Work, check_fits, reserve_for


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
        self._free: int | None = None
        """Bytes that the limit leaves, with the model loaded."""

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

    def prepared_for(self, work: Work) -> Prepared:
        """Return it, prepared anew where its windows leave too little of the limit for the rest.

        Raises:
            ModelError: It cannot be used.
            UsageError: An argument does not fit it, or the limit cannot be kept.
        """
        if self._limit is None:
            return self.prepared()
        self.prepared()
        if self._free is None:
            self._free = free_of(self._limit)  # before the first pixel
        reserve = reserve_for(self.prepared(), work, self._free)
        if reserve:
            self.close()  # or it would be there twice
            left = Free(self._free - reserve)
            self._prepared = prepare(self._definition, self._options, left)
        check_fits(self.prepared(), work, self._free, self._limit)
        return self.prepared()

    def close(self) -> None:
        """Let go of it; it can be prepared again."""
        if self._prepared is not None:
            self._prepared.classifier.close()
        self._prepared = None

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of it."""
        self.close()
