"""Only our programs are our own: nobody is because of a name."""

import subprocess
import sys
from pathlib import Path

ASK = (
    "from pixelcat.catalog.own_process import is_own_process; import sys; print(is_own_process())\n"
)


def python(*words: object, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, words)], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_names_make_no_process_our_own(tmp_path: Path) -> None:
    for name in ("my_tool.py", "pixelcat.py"):
        tool = tmp_path / "tools" / name
        tool.parent.mkdir(exist_ok=True)
        # the folder of a script is searched first: that of this one has another pixelcat
        tool.write_text(f"import sys; del sys.path[0]\n{ASK}")
        assert python(tool, "-m", "pixelcat.keras", folder=tmp_path) == "False\n"
    assert python("-c", ASK, "-m", "pixelcat", folder=tmp_path) == "False\n"


def test_our_programs_say_so_before_anybody_asks(tmp_path: Path) -> None:
    (tmp_path / "asks.py").write_text(f"{ASK}def main():\n    print(sys.argv[1:])\n")
    told = python("-m", "pixelcat.catalog.own_process", "asks", "a", "b", folder=tmp_path)
    assert told == "True\n['a', 'b']\n"
    run = "import pixelcat.__main__ as program; program._command_line = lambda: ask\n"
    ask = f"def ask():\n    {ASK}"
    assert python("-c", f"{ask}{run}program.main()", folder=tmp_path) == "True\n"
