"""Images classified in this process: what a process of its own does, and notebooks want."""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from threading import Event
from typing import Any, Self

from ...catalog.errors import ModelError, OutputError
from ...catalog.records import Output, Scan, Verification
from ...io import sources
from ...io.class_tiles import ClassTile, read_tiles
from ...io.environment import Environment
from ...io.image_notes import ImageNotes
from ...io.scan_options import ScanOptions
from ..classifier import Classifier, Prepared
from ..device import check_device, share_processors
from ..environment import environment_of
from ..memory import Free, free_of
from ..messages import Task
from ..prepare import prepare
from ..progress import Advance, Show
from ..row_memory import check_fits, reserve_for
from ..verifiable import Done
from ..verify import Verifier
from ..work import Work
from ..worker import Worker
from . import Facts, Setup

_LEAST_FREE = 1 << 20
"""Bytes; with them a model gets its smallest windows, and then it shows whether they fit."""


class _StopError(Exception):
    """The run is to stop, between two windows of an image."""


class Here:
    """A context manager; where nothing is to be classified the model is never loaded."""

    def __init__(self) -> None:
        """Load nothing yet."""
        self._given: Setup | None = None
        self._model: Prepared | None = None
        self._work: Work | None = None
        self._free = 0
        """Bytes that the limit leaves, with the model loaded."""
        self._images = ImageNotes()

    def environment(self, given: Mapping[str, Any]) -> Environment:
        """Return the environment that is asked for; see :class:`.Workers`."""
        return environment_of(given)

    def scan(self, sought: Sequence[tuple[Path | str, ScanOptions]]) -> list[Scan]:
        """Return what is in inputs; see :class:`.Workers`."""
        return [each for path, options in sought for each in sources.scan(path, options=options)]

    def tiles(self, paths: Sequence[Path]) -> Iterator[ClassTile | OutputError | None]:
        """Yield the headers of class rasters; see :class:`.Workers`."""
        return read_tiles(paths)

    def set_up(self, setup: Setup) -> None:
        """Take what the model is made of; see :class:`.Workers`."""
        self._given, self._work = setup, setup.work

    @property
    def _setup(self) -> Setup:
        if self._given is None:
            raise ValueError("asked before it was set up")
        return self._given

    def facts(self, work: Work | None = None) -> Facts:
        """Return what is known of the model; see :class:`.Workers`."""
        model = self._prepared()
        if work is not None and work != self._work:
            self._work = work
            model = self._fitted(model)
        return Facts(classes=model.classifier.classes, notes=model.notes, device=model.device)

    def _prepared(self) -> Prepared:
        if self._model is None:
            share_processors(self._setup.share)
            check_device(self._setup.device)
            self._model = self._load(self._setup.limit)
            if self._setup.limit is not None:
                self._free = free_of(self._setup.limit)  # before the first pixel
            self._model = self._fitted(self._model)
        return self._model

    def _fitted(self, model: Prepared) -> Prepared:
        """Prepare the model anew where its windows leave too little of the limit for the rest."""
        limit, work = self._setup.limit, self._work
        if limit is None or work is None:
            return model
        reserve = reserve_for(model, work, self._free)
        if reserve:
            model.classifier.close()
            self._model = None  # or it would be there twice
            model = self._model = self._load(Free(max(self._free - reserve, _LEAST_FREE)))
        check_fits(model, work, self._free, limit)
        return model

    def _load(self, limit: int | Free | None) -> Prepared:
        setup = self._setup
        model = prepare(setup.definition, setup.options, limit, shortages=setup.shortages)
        if setup.definition.weights_sha256() != setup.weights_sha256:
            model.classifier.close()
            raise ModelError(
                f"model {setup.definition.name} was changed while the run went on; put the old file"
                " back, or run the same command again: with the new one it is another run"
            )
        return model

    def run(
        self, tasks: Iterable[Task], tags: Mapping[str, str], advance: Advance, stop: Event
    ) -> Generator[Output, None, None]:
        """Classify images; see :class:`.Workers`."""
        worker = self._worker(
            self._prepared().classifier, tags=dict(tags), sidecars=self._setup.sidecars
        )

        def heed(*numbers: int) -> None:
            advance(*numbers)
            if stop.is_set():
                raise _StopError

        with suppress(_StopError), closing(worker.run(tasks, heed)) as outputs:
            for output in outputs:
                yield output
                if stop.is_set():
                    return

    def verify(
        self, done: Sequence[Done], windows: int, seed: int, show: Show
    ) -> tuple[Verification, list[str]]:
        """Compare windows of class rasters; see :class:`.Workers`."""
        verifier = Verifier(self._prepared().classifier, windows=windows, seed=seed)
        return verifier.run(done, self._worker, show)

    def remarks(self) -> tuple[str, ...]:
        """Return what is to be said; see :class:`.Workers`."""
        if self._model is None:
            return ()
        return (*self._model.classifier.remarks(), *self._images.lines)

    def _worker(self, classifier: Classifier, **options: Any) -> Worker:
        model = self._prepared()
        worker = Worker(
            classifier,
            bands=model.bands,
            scale=self._setup.options.photo_scale,
            environment=self._setup.options.environment,
            room=model.room,
            **options,
        )
        worker.images = self._images  # of all runs together
        return worker

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the model."""
        if self._model is not None:
            self._model.classifier.close()
