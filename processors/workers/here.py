"""Images classified in this process: what a process of its own does, and notebooks want."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any, Self

from ...catalog.records import Output, Verification
from ...io.control import ControlNotes
from ..classifier import Classifier, Prepared
from ..device import check_device, share_processors
from ..messages import Task
from ..prepare import prepare
from ..verify import Done, Verifier
from ..worker import Worker
from . import Advance, Facts, Setup


class Here:
    """A context manager; where nothing is to be classified the model is never loaded."""

    def __init__(self, setup: Setup) -> None:
        """Take what the model is made of."""
        self._setup = setup
        self._model: Prepared | None = None
        self._control = ControlNotes()

    def _prepared(self) -> Prepared:
        if self._model is None:
            setup = self._setup
            share_processors(setup.share)
            check_device(setup.device)
            self._model = prepare(
                setup.definition, setup.options, setup.limit, shortages=setup.shortages
            )
        return self._model

    def facts(self) -> Facts:
        """Return what is known of the model; see :class:`.Workers`."""
        model = self._prepared()
        return Facts(classes=model.classifier.classes, notes=model.notes, device=model.device)

    def run(
        self, tasks: Iterable[Task], tags: Mapping[str, str], advance: Advance
    ) -> Generator[Output, None, None]:
        """Classify images; see :class:`.Workers`."""
        worker = self._worker(self._prepared().classifier, tags=dict(tags))
        return worker.run(tasks, advance)

    def verify(
        self, done: Sequence[Done], windows: int, seed: int
    ) -> tuple[Verification, list[str]]:
        """Compare windows of class rasters; see :class:`.Workers`."""
        verifier = Verifier(self._prepared().classifier, windows=windows, seed=seed)
        return verifier.run(done, self._worker)

    def remarks(self) -> tuple[str, ...]:
        """Return what is to be said; see :class:`.Workers`."""
        if self._model is None:
            return ()
        return (*self._model.classifier.remarks(), *self._control.lines)

    def _worker(self, classifier: Classifier, **options: Any) -> Worker:
        model = self._prepared()
        return Worker(
            classifier,
            bands=model.bands,
            scale=self._setup.options.photo_scale,
            environment=self._setup.options.environment,
            room=model.room,
            control=self._control,
            **options,
        )

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the model."""
        if self._model is not None:
            self._model.classifier.close()
