"""Where inputs are read and images classified: in this process, or in others that may die without harm."""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Any, Protocol, Self

from ...catalog.errors import OutputError
from ...catalog.records import ClassDefinition, Output, Scan, Verification
from ...io.class_tiles import ClassTile
from ...io.environment import Environment
from ...io.scan_options import ScanOptions
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
    """Read inputs and classify images, one run at a time; a context manager."""

    def environment(self, given: Mapping[str, Any]) -> Environment:
        """Return the environment that a user asks for; see :func:`..environment.environment_of`.

        Raises:
            UsageError: An unknown name or a value that cannot be meant.
            SourceError: A file cannot be used.
        """
        ...

    def scan(self, sought: Sequence[tuple[Path | str, ScanOptions]]) -> list[Scan]:
        """Return what is in inputs, a scan per dataset.

        Args:
            sought: The inputs, and what the user says of each.

        Raises:
            UsageError: What the user says does not fit an input.
            SourceError: One cannot be read, or holds nothing to classify; while rows are read, too.
        """
        ...

    def tiles(self, paths: Sequence[Path]) -> Iterator[ClassTile | OutputError | None]:
        """Yield the headers of class rasters; see :func:`pixelcat.io.class_tiles.read_tiles`."""
        ...

    def set_up(self, setup: Setup) -> None:
        """Take what the model is made of: to be said before anything else is asked of it."""
        ...

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
        self, tasks: Iterable[Task], tags: Mapping[str, str], advance: Advance, stop: Event
    ) -> Generator[Output, None, None]:
        """Classify images; yields one output per task as each is finished.

        Args:
            tasks: The images.
            tags: Written into every class raster.
            advance: Told of each window that is in its class map.
            stop: Set where the run is to stop: no class map is begun any more, and those that
                are finished are among the outputs.
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
