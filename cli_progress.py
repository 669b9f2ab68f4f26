"""How far a run is, on a terminal, and what it gave."""

import os
import sys
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

import click

from .cli_rows import as_rows, print_rows
from .cli_stop import stopped
from .cli_text import say

if TYPE_CHECKING:
    from .processors.progress import Progress
    from .processors.results import Run

_SHOWN_FAILURES = 20


class ProgressBar:
    """A bar on a terminal, nothing elsewhere; a context manager."""

    def __init__(self) -> None:
        """Show nothing yet."""
        self._bar: Any = None
        self._work = ""
        self._started = 0.0

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the line."""
        self._end()

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.render_progress()
            self._bar.render_finish()
        self._bar = None

    def show(self, state: "Progress") -> None:
        """Show how far a run is: share, pixels, speed, images, and the time that is left.

        Raises:
            KeyboardInterrupt: The run is to stop.
        """
        stopped.check()
        if self._bar is None or self._work != state.work:
            if not sys.stderr.isatty():
                return
            self._end()
            self._begin(state)
        self._bar.length = state.pixels  # an image may turn out larger or smaller
        self._bar.update(state.pixels_done - self._bar.pos, state)

    def _begin(self, state: "Progress") -> None:
        self._started = time.monotonic()
        self._work = state.work
        self._bar = click.progressbar(
            length=state.pixels,
            label=state.work,
            file=sys.stderr,
            width=0,
            show_percent=True,
            show_eta=False,
            item_show_func=self._numbers,
            update_min_steps=max(state.pixels // 1000, 1),
        )
        self._bar.current_item = state
        self._bar.render_progress()

    def _numbers(self, state: "Progress | None") -> str:
        if state is None:
            return ""
        elapsed = max(time.monotonic() - self._started, 1e-3)
        rate = state.pixels_done / elapsed
        done, total, speed = (f"{n / 1e6:,.1f}" for n in (state.pixels_done, state.pixels, rate))
        text = f"{done}/{total} Mpx  {speed} Mpx/s  {state.images_done}/{state.images} images"
        if state.pixels_done:
            left = timedelta(seconds=round((state.pixels - state.pixels_done) / rate))
            text += f"  ETA {left}"
        return text


def report_run(run: "Run", format_: str) -> None:
    """Say what a run gave: notes and failures on standard error, numbers on standard output."""
    for note in run.notes:
        say(f"note: {note}")
    for failure in run.failures[:_SHOWN_FAILURES]:
        say(f"failed: {failure.image}: {failure.reason}")
    rest = len(run.failures) - _SHOWN_FAILURES
    if rest > 0:
        say(f"failed: {rest} more; see the table item_results")
    if run.status == "stopped":
        say("stopped; the same command goes on from here")
    summary = {
        "run": run.id,
        "done": run.done,
        "of which now": run.classified_now,
        "failed": run.failed,
        "skipped": run.skipped,
        "catalog": os.path.relpath(run.catalog),
        "class rasters": os.path.relpath(run.rasters),
        "layers": ", ".join(run.layers) or "classified_footprints, item_results",
    }
    print_rows(as_rows([summary]), format_)
