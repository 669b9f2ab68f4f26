"""A process that reads inputs and classifies images: it does what it is asked over a connection.

Started by :mod:`pixelcat.catalog.own_process` with two numbers of file descriptors, of the connection
and of a lifeline. Messages are pairs of a word and what goes with it:

=========== ======================================== ===============================================
asked       with                                     answered
=========== ======================================== ===============================================
live        catalogs that who asks has open          nothing
environment what is asked for; what must not be read ``reading`` for each file; ``answer``,
                                                     :class:`~pixelcat.io.environment.Environment`
look        inputs; what must not be read            ``reading`` for each image; ``answer``, a
                                                     list of :class:`~pixelcat.catalog.records.Scan`
rows        see :meth:`.Look.rows`                   ``reading`` for each image, ``rows`` as they
                                                     come; at the end ``ended``
tiles       paths of class rasters                   ``answer``, their headers
setup       :class:`.Setup`                          nothing
facts       :class:`.Work`, or None                  ``answer``, :class:`.Facts`
run         tags                                     ``next`` for each task wanted, then ``output``
                                                     and ``advance``; at the end ``ended``. After
                                                     SIGTERM it ends with the class map in hand
task        a task, or None where there are no more  nothing
verify      class rasters, windows, seed             ``show`` for each window compared, then
                                                     ``answer``, what was found
remarks                                              ``answer``, lines
check       see :func:`.model_check.check`           ``answer``, what was found
=========== ======================================== ===============================================

What goes wrong is answered with ``error`` and the exception.
"""

import os
import pickle
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ...catalog import lock
from ...catalog.errors import PixelcatError
from ...io.lifeline import hang_on
from ...io.scan_options import ScanOptions
from ...io.watch import Read
from .. import streams
from ..device import choose_device
from ..leave import quick_end
from ..messages import Task
from ..model_check import check
from ..verifiable import Done
from ..work import Work
from . import Setup
from .here import Here
from .look import Look


def main() -> None:
    """Answer until nobody asks any more."""
    streams.take()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.siginterrupt(signal.SIGTERM, False)  # libraries that write know nothing of it
    descriptor, lifeline = map(int, sys.argv[1:3])
    for each in (descriptor, lifeline):
        os.set_inheritable(each, False)
    hang_on(lifeline)
    if not os.environ.get("PIXELCAT_DEBUG"):
        warnings.simplefilter("ignore")
        _hush_libraries()
    ended = suppress(EOFError, BrokenPipeError)
    with quick_end(), closing(Connection(descriptor)) as connection, ended:
        Child(connection, stop).serve()


def _hush_libraries() -> None:
    """Let only Python write to the terminal: TensorFlow Lite and libtiff have much to say."""
    sys.stderr = streams.writer(os.dup(2), sys.stderr)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


class Child:
    """Answers one question after another."""

    def __init__(self, connection: Connection, stop: threading.Event) -> None:
        """Take the connection to who asks, and what is set where a run is to stop."""
        self._connection = connection
        self._stop = stop
        self._sending = threading.Lock()
        self._here = Here()
        self._look = Look(self._say)

    def serve(self) -> None:
        """Answer until the connection is closed."""
        while True:
            word, given = self._connection.recv()
            try:
                getattr(self, f"_on_{word}")(*given)
            except (EOFError, BrokenPipeError):
                raise
            except Exception as error:  # noqa: BLE001  told to who asked
                self._say("error", _portable(error))

    def _on_live(self, catalogs: Sequence[Path]) -> None:
        for catalog in catalogs:
            if catalog not in lock.live():
                lock.mark_live(catalog)

    def _on_environment(self, given: Mapping[str, Any], refused: Mapping[Read, str]) -> None:
        self._say("answer", self._look.environment(given, refused))

    def _on_look(
        self, sought: Sequence[tuple[Path | str, ScanOptions]], refused: Mapping[Read, str]
    ) -> None:
        self._say("answer", self._look.scans(sought, refused))

    def _on_rows(self, *given: Any) -> None:
        self._look.rows(*given)

    def _on_tiles(self, paths: Sequence[Path]) -> None:
        self._say("answer", list(self._here.tiles(paths)))

    def _on_setup(self, setup: Setup) -> None:
        choose_device(setup.device)
        self._here.set_up(setup)

    def _on_facts(self, work: Work | None) -> None:
        if work is not None:
            self._look.forget()  # or what was found would count as what the model needs
        self._say("answer", self._here.facts(work))

    def _on_run(self, tags: dict[str, str]) -> None:
        self._stop.clear()
        run = self._here.run(self._tasks(), tags, self._advance, self._stop)
        with closing(run) as outputs:
            for output in outputs:
                self._say("output", output)
        self._say("ended", None)

    def _on_verify(self, done: Sequence[Done], windows: int, seed: int) -> None:
        show = partial(self._say, "show")
        self._say("answer", self._here.verify(done, windows, seed, show))

    def _on_remarks(self) -> None:
        self._say("answer", self._here.remarks())

    def _on_check(self, *given: Any) -> None:
        self._say("answer", check(*given))

    def _tasks(self) -> Iterator[Task]:
        while True:
            self._say("next", None)
            _, (task,) = self._connection.recv()
            if task is None:
                return
            yield task

    def _advance(self, *numbers: int) -> None:
        self._say("advance", numbers)

    def _say(self, word: str, given: Any) -> None:
        with self._sending:
            self._connection.send((word, given))


def _portable(error: Exception) -> Exception:
    """Return an exception that travels, with the place where it was raised as a note."""
    if not isinstance(error, PixelcatError):
        error.add_note(traceback.format_exc())
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  our own
    except Exception:  # noqa: BLE001  whatever keeps it from travelling
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
