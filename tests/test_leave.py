"""Processes with TensorFlow end at once, with all that is to be done at the end done."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAM = """
import atexit, sys
from pixelcat.processors.leave import quick_end

class Held:
    def __del__(self):
        print("taken apart", flush=True)

with quick_end():
    if {with_tensorflow}:
        sys.modules["tensorflow"] = sys
    held = Held()
    atexit.register(print, "last words")
    print("said")
    {ending}
"""


def _run(
    ending: str, *, with_tensorflow: bool = True, out: int = subprocess.PIPE
) -> tuple[int, str]:
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    program = _PROGRAM.format(ending=ending, with_tensorflow=with_tensorflow)
    ended = subprocess.run(
        [sys.executable, "-c", program],
        stdout=out,
        env=buffered,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout


@pytest.mark.parametrize(("ending", "code"), [("sys.exit(3)", 3), ("sys.exit()", 0), ("pass", 0)])
def test_a_process_with_tensorflow_ends_at_once_with_its_exit_code(ending: str, code: int) -> None:
    assert _run(ending) == (code, "said\nlast words\n")
    assert _run(ending, with_tensorflow=False) == (code, "said\nlast words\ntaken apart\n")


@pytest.mark.parametrize("ending", ["sys.exit('why')", "1 / 0"])
def test_what_python_has_to_tell_it_tells(ending: str) -> None:
    assert _run(ending) == (1, "said\nlast words\ntaken apart\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_what_could_not_be_printed_is_still_an_error() -> None:
    with open("/dev/full", "w") as full:
        assert _run("sys.exit(0)", out=full.fileno())[0] == 120
