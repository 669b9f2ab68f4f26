"""What the help of commands says of their exit codes."""

from collections.abc import Mapping

NO_ROOM = "the system has no room for the process that does the work"
"""What 71 means to a command that is not patient with it."""
_OF_RUNS = {
    0: "every image is classified, or is no image and never claimed to be one",
    2: "the command itself is wrong",
    3: "finished, and some images failed; each has its reason",
    4: "the model cannot be used",
    5: "an input is missing or unreadable",
    70: "an error nobody foresaw; run again with PIXELCAT_DEBUG=1 and report it",
    71: "the system keeps ending the processes that do the work, or has no room for them",
    74: "the disk or the catalog refused, or standard output takes no results",
    75: "another run holds the catalog",
    130: "stopped by Ctrl-C; the same command goes on where it stopped",
    143: "stopped by a signal to terminate; likewise",
}
_OF_OTHERS = {
    3: None,
    4: None,
    5: "the catalog or another input is missing or unreadable",
    71: None,
    75: None,
    130: "stopped by Ctrl-C",
    143: "stopped by a signal to terminate",
}
"""What differs where nothing is classified; None for what only some commands give."""
HELD = "a run holds the catalog"
"""What 75 means to a command that writes into a catalog."""


def _listed(meanings: Mapping[int, str | None]) -> str:
    lines = [f"  {code:<4} {meanings[code]}" for code in sorted(meanings) if meanings[code]]
    return "\n".join(["\b", "Exit codes:", *lines])


RUN_EXIT_CODES = _listed(_OF_RUNS)


def exit_codes(own: Mapping[int, str | None]) -> str:
    """Return what the help of a command that classifies nothing says of its exit codes.

    Args:
        own: What 0 means, and others where they differ; None for one that is never given. 3, 4,
            71 and 75 are only given by a command that says what they mean.
    """
    return _listed({**_OF_RUNS, **_OF_OTHERS, **own})
