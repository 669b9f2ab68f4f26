"""Where images are classified: in this process, or in others that may die without harm."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from ...catalog.records import ClassDefinition, Output, Verification
from ..definition import ModelDefinition
from ..messages import Task
from ..options import RunOptions
from ..progress import Advance, Show
from ..verifiable import Done
from ..work import Work


@dataclass(frozen=True, kw_only=True, slots=True)
class Setup:
    """What a model is prepared from."""

    definition: ModelDefinition
    weights_sha256: str
    """Of the model file, which must not change while a run goes on."""
    options: RunOptions
    device: str = "auto"
    limit: int | None = None
    """Bytes that a process should stay below."""
    share: int = 1
    """Processes that share the processors."""
    sidecars: str = "auto"
    """What lies beside class rasters, see :mod:`pixelcat.io.sidecars`."""
    work: Work | None = None
    """What is to be classified, once that is known."""
    shortages: int = 0
    """How often memory was not enough: each halves the batch."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What a run has to know of a prepared model."""

    classes: tuple[ClassDefinition, ...]
    notes: tuple[str, ...]
    """What the user should know, a line each."""
    device: str


class Workers(Protocol):
    """Classify images, one run at a time; a context manager."""

    def facts(self, work: Work | None = None) -> Facts:
        """Return what is known of the model, prepared now if it is not yet.

        Args:
            work: What is to be classified, where memory is limited: it is told from the rows.

        Raises:
            ModelError: It cannot be used.
            UsageError: An argument does not fit it, or the limit of memory cannot be kept.
        """
        ...

    def run(
        self, tasks: Iterable[Task], tags: Mapping[str, str], advance: Advance
    ) -> Generator[Output, None, None]:
        """Classify images; yields one output per task as each is finished.

        Args:
            tasks: The images.
            tags: Written into every class raster.
            advance: Told of each window that is in its class map.
        """
        ...

    def verify(
        self, done: Sequence[Done], windows: int, seed: int, show: Show
    ) -> tuple[Verification, list[str]]:
        """Compare windows of class rasters; see :class:`~..verify.Verifier`."""
        ...

    def remarks(self) -> tuple[str, ...]:
        """Return what is to be said of what was classified, a line each."""
        ...

    def __enter__(self) -> Self:
        """Return it."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go of the model."""
        ...
