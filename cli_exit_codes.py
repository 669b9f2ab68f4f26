"""What the help of commands says of their exit codes."""

RUN_EXIT_CODES = """\b
Exit codes:
  0    every image is classified, or is no image and never claimed to be one
  2    the command itself is wrong
  3    finished, and some images failed; each has its reason
  4    the model cannot be used
  5    an input is missing or unreadable
  70   an error nobody foresaw; run again with PIXELCAT_DEBUG=1 and report it
  74   the disk or the catalog refused, or standard output takes no results
  75   another run holds the catalog
  130  stopped by Ctrl-C; the same command goes on where it stopped
  143  stopped by a signal to terminate; likewise
"""


def exit_codes(done: str, *, partly: str | None = None, writes: bool = False) -> str:
    """Return what the help of a command about a catalog says of its exit codes.

    Args:
        done: What 0 means.
        partly: What 3 means; None where the command does not give it.
        writes: Whether it writes into the catalog.
    """
    meanings = {
        0: done,
        2: "the command itself is wrong",
        3: partly,
        5: "the catalog or another input is missing or unreadable",
        70: "an error nobody foresaw; run again with PIXELCAT_DEBUG=1 and report it",
        74: "the disk or the catalog refused, or standard output takes no results",
        75: "a run holds the catalog" if writes else None,
        130: "stopped by Ctrl-C",
    }
    lines = [f"  {code:<4} {meaning}" for code, meaning in meanings.items() if meaning]
    return "\n".join(["\b", "Exit codes:", *lines])
