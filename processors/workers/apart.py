"""Images classified in processes of their own, which may crash, hang or run out of memory.

What such a process had in hand is tried again, each image alone, so that the one that did it
is found; after three tries it fails, and nothing else does.
"""

import signal
import time
from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import wait
from threading import Event
from typing import Any, Self

from ...catalog.errors import ModelError, ProcessError
from ...catalog.records import Output, Verification
from ..messages import Task
from ..progress import Advance, Show
from ..verifiable import Done
from ..work import Work
from . import Facts, Setup
from .hand import Hand
from .process import LostError, Process, hung
from .reading import PATIENCE_S, TRIES, Reading

_MEMORY = (signal.SIGKILL, signal.SIGABRT)
"""What ends a process that wants more memory than there is: the system, or itself."""
_POLL_S = 0.25
_PAUSES_S = (1.0, 4.0, 9.0, 16.0)
"""After processes in a row that ended without an image in hand; the next one ends the run."""
_SHORT = "memory was short"


class Apart:
    """Processes that classify images; a context manager. The first one reads inputs, too."""

    def __init__(self, count: int, patience: float) -> None:
        """Start nothing yet.

        Args:
            count: How many processes.
            patience: Seconds without a sign of life after which a process is ended.
        """
        self._given: Setup | None = None
        self._count = count
        self._patience = patience
        self._hands: list[Hand] = []
        self._reading = Reading(self._first, self._drop, patience)
        self.environment = self._reading.environment
        self.scan = self._reading.scan
        self.tiles = self._reading.tiles
        self._tries: Counter[int] = Counter()
        self._losses = 0
        """Processes in a row that ended without an image in hand."""
        self._rest_until = 0.0
        """``time.monotonic()`` before which no other one is started."""

    def set_up(self, setup: Setup) -> None:
        """Take what the model is made of; see :class:`.Workers`."""
        self._given = replace(setup, share=self._count)

    @property
    def _setup(self) -> Setup:
        if self._given is None:
            raise ValueError("asked before it was set up")
        return self._given

    def facts(self, work: Work | None = None) -> Facts:
        """Return what is known of the model; see :class:`.Workers`."""
        for tried in range(1, TRIES + 1):
            try:
                facts: Facts = self._ask("facts", work, patience=self._while_loading)
                break
            except LostError as lost:
                if tried == TRIES or lost.is_hung:
                    name = self._setup.definition.name
                    raise ModelError(f"model {name} cannot be loaded: its process {lost}") from lost
        self._given = replace(self._setup, work=work)
        return facts

    def verify(
        self, done: Sequence[Done], windows: int, seed: int, show: Show
    ) -> tuple[Verification, list[str]]:
        """Compare windows of class rasters; see :class:`.Workers`."""
        try:
            found: tuple[Verification, list[str]] = self._ask(
                "verify", done, windows, seed, show=show
            )
        except LostError as lost:
            raise ProcessError(
                f"nothing was verified: the process for it {lost}; all else is recorded, and the same"
                " command again verifies"
            ) from lost
        return found

    def remarks(self) -> tuple[str, ...]:
        """Return what is to be said; see :class:`.Workers`."""
        lines: dict[str, None] = {}
        for hand in self._hands:
            with suppress(LostError):
                hand.process.say("remarks")
                lines |= dict.fromkeys(self._answer(hand))
        if (
            self._given
            and self._given.shortages
            and not any(line.startswith(_SHORT) for line in lines)
        ):
            lines[f"{_SHORT}: a process was killed, and batches were halved"] = None
        return tuple(lines)

    def run(
        self, tasks: Iterable[Task], tags: Mapping[str, str], advance: Advance, stop: Event
    ) -> Generator[Output, None, None]:
        """Classify images; see :class:`.Workers`."""
        fresh, again = iter(tasks), deque[Task]()
        try:
            while self._hurry() if stop.is_set() else self._begin(fresh, again, tags, stop):
                for hand in self._awake():
                    yield from self._hear(hand, fresh, again, advance)
        finally:
            for hand in [hand for hand in self._hands if hand.runs]:
                self._let_go(hand)

    def _begin(
        self, fresh: Iterator[Task], again: deque[Task], tags: Mapping[str, str], stop: Event
    ) -> bool:
        """Have every process run while there are images; whether any is running."""
        self._start(self._room(stop))
        for hand in self._hands:
            if hand.runs:
                continue
            hand.first = again.popleft() if again else next(fresh, None)
            if hand.first is None:
                break
            hand.is_alone = self._tries[hand.first.key] > 0
            hand.runs, hand.heard = True, time.monotonic()
            hand.process.say("run", dict(tags))
        return any(hand.runs for hand in self._hands)

    def _hurry(self) -> bool:
        """Have every process end with the class map that it writes; whether any is running."""
        for hand in [hand for hand in self._hands if hand.runs and not hand.is_hurried]:
            hand.is_hurried = True
            hand.process.hurry() if hand.tasks else self._let_go(hand)
        return any(hand.runs for hand in self._hands)

    def _room(self, stop: Event) -> int:
        """Return how many processes there may be now; waits where there is none after a loss."""
        rest = self._rest_until - time.monotonic()
        if rest > 0 and (self._hands or stop.wait(rest)):
            return len(self._hands)
        return self._count

    def _first(self) -> Process:
        """Return the process that reads inputs, started where there is none."""
        if not self._hands:
            self._hands.append(Hand(process=Process(), heard=time.monotonic()))
        return self._hands[0].process

    def _drop(self, process: Process) -> None:
        for hand in [each for each in self._hands if each.process is process]:
            self._let_go(hand)

    def _start(self, count: int) -> None:
        """Have so many processes that know the model."""
        while len(self._hands) < count:
            self._hands.append(Hand(process=Process(), heard=time.monotonic()))
        for hand in self._hands:
            if not hand.is_set_up:
                hand.process.say("setup", self._setup)
                hand.is_set_up = True

    def _awake(self) -> list[Hand]:
        """Wait a moment, and return the processes that have said something, or never will."""
        running = {hand.process.connection: hand for hand in self._hands if hand.runs}
        heard = wait(list(running), _POLL_S)
        ready = [hand for connection, hand in running.items() if connection in heard]
        for hand in running.values():
            patience = self._patience if hand.is_ready else self._while_loading
            if hand not in ready and time.monotonic() - hand.heard > patience:
                hand.process.stop(hung(patience))
                ready.append(hand)
        return ready

    @property
    def _while_loading(self) -> float:
        """Seconds: whoever gives images little time means them, not the model."""
        return max(self._patience, PATIENCE_S)

    def _hear(
        self, hand: Hand, fresh: Iterator[Task], again: deque[Task], advance: Advance
    ) -> Iterator[Output]:
        """Take what a process says; yields what became of an image."""
        try:
            word, given = hand.process.hear()
        except LostError as lost:
            yield from self._after(hand, lost, again)
            return
        hand.heard, hand.is_ready = time.monotonic(), True
        match word:
            case "next":
                hand.process.say("task", self._next(hand, fresh, again))
            case "advance":
                advance(*given)
            case "output":
                del hand.tasks[given.item_id]
                self._losses = 0
                yield given
            case "ended":
                hand.runs = False
                again.extend(hand.tasks.values())  # somebody else has told it to end
                hand.tasks.clear()
            case "error":
                raise given

    def _next(self, hand: Hand, fresh: Iterator[Task], again: deque[Task]) -> Task | None:
        """Return an image for a process that asks for one, None where its run is to end."""
        task, hand.first = hand.first, None
        if task is None and not hand.is_alone and not again:
            task = next(fresh, None)
        if task is not None:
            hand.tasks[task.key] = task
        return task

    def _after(self, hand: Hand, lost: LostError, again: deque[Task]) -> Iterator[Output]:
        """Have what a lost process had in hand tried again; yields what was tried too often."""
        self._let_go(hand)
        if hand.is_hurried:
            return
        if hand.first is not None:
            again.append(hand.first)
        self._losses = 0 if hand.tasks else self._losses + 1
        if self._losses:
            self._rest(lost)
        if lost.signal in _MEMORY:
            self._given = replace(self._setup, shortages=self._setup.shortages + 1)
        for task in hand.tasks.values():
            self._tries[task.key] += 1
            tried = self._tries[task.key]
            if tried < TRIES and not (lost.is_hung and hand.is_alone):
                again.append(task)
            else:
                times = f", {tried} times" if tried > 1 and not lost.is_hung else ""
                yield task.failed(f"the process that classified it {lost}{times}")

    def _rest(self, lost: LostError) -> None:
        """Give the system time after a process that it ended while it loaded the model.

        Raises:
            ProcessError: So many were lost in a row that it is no use.
        """
        if self._losses > (TRIES - 1 if lost.is_hung else len(_PAUSES_S)):
            raise ProcessError(
                f"the process that classifies images {lost}, {self._losses} times in a row while it"
                " loaded the model; free memory, then pixelcat resume goes on, or the same command"
                " with a lower --max-memory"
            )
        self._rest_until = time.monotonic() + _PAUSES_S[self._losses - 1]

    def _let_go(self, hand: Hand) -> None:
        hand.process.kill()
        self._hands.remove(hand)

    def _ask(
        self, word: str, *given: Any, show: Show | None = None, patience: float | None = None
    ) -> Any:
        self._start(1)
        self._hands[0].process.say(word, *given)
        try:
            return self._answer(self._hands[0], show, patience)
        except LostError:
            self._let_go(self._hands[0])
            raise

    def _answer(self, hand: Hand, show: Show | None = None, patience: float | None = None) -> Any:
        patience = patience or self._patience
        while True:
            if not hand.process.connection.poll(patience):
                hand.process.stop(hung(patience))
            word, given = hand.process.hear()
            hand.is_ready = True
            match word:
                case "show" if show is not None:
                    show(given)
                case "answer":
                    return given
                case "error":
                    raise given

    def __enter__(self) -> Self:
        """Return it; the first process starts, while this one does something else."""
        self._first()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End the processes, at once where something went wrong."""
        for hand in self._hands:
            hand.process.close() if kind is None else hand.process.kill()
        self._hands.clear()
