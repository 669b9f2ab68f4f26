import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from pixelcat import Catalog, __version__, classify, open_catalog
from pixelcat.cli import cli, main
from pixelcat.cli_exit_codes import RUN_EXIT_CODES
from pixelcat.cli_stop import stopped

Function = Callable[..., Any]

PIXELCAT = (sys.executable, "-m", "pixelcat")
COMMANDS = sorted(name for name in cli.commands if name != "model")
CODES = (0, 2, 3, 4, 5, 70, 71, 74, 75, 130, 143)


class Answer(NamedTuple):
    code: int
    out: str
    err: str


def shell(*args: object, cwd: Path | None = None) -> Answer:
    """Run the command in a process of its own."""
    done = subprocess.run(
        [*PIXELCAT, *map(str, args)],
        check=False,
        capture_output=True,
        text=True,
        cwd=cwd,
    )
    assert "Traceback" not in done.stderr
    return Answer(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def call(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Answer]:
    """Return a function that runs the command in this process."""

    def run(*args: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["pixelcat", *map(str, args)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        return Answer(int(ended.value.code or 0), out, err)

    return run


def parse(*args: str) -> Result:
    return CliRunner().invoke(cli, args)


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory, exact_net: Function) -> Path:
    """A folder with photos/, net.keras, and a catalog r.gpkg of a finished run."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("survey")
    exact_net(poolings=0).save(folder / "net.keras")
    (folder / "photos").mkdir()
    rng = np.random.default_rng(1)
    for name in ("a", "b", "ç"):
        noise = rng.integers(0, 256, (30, 40, 3), np.uint8)
        Image.fromarray(noise).save(folder / "photos" / f"{name}.png")
    run = classify(folder / "photos", model=folder / "net.keras", output=folder / "r.gpkg")
    assert run.done == 3
    return folder


# help


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_of_the_program_lists_commands_and_exit_codes(flag: str) -> None:
    result = parse(flag)
    assert result.exit_code == 0
    assert all(f"\n  {name} " in result.output for name in COMMANDS)
    assert _listed(result.output) == CODES


def _listed(text: str) -> tuple[int, ...]:
    return tuple(int(code) for code in re.findall(r"^ +(\d+)  +\w", text, flags=re.MULTILINE))


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_has_an_example(command: str) -> None:
    result = parse(command, "--help")
    assert result.exit_code == 0
    assert re.search(rf"Example:\n +pixelcat {command} ", result.output)


@pytest.mark.parametrize(
    ("command", "codes"),
    [
        ("status", (0, 2, 5, 70, 74)), ("report", (0, 2, 5, 70, 74)),
        ("scan", (0, 2, 5, 70, 71, 74, 75)), ("sql", (0, 2, 5, 70, 74, 75)),
        ("zones", (0, 2, 3, 5, 70, 74, 75)), ("check", (0, 2, 3, 5, 70, 74, 75)),
        ("export", (0, 2, 3, 5, 70, 74)), ("diff", (0, 2, 3, 5, 70, 74)),
        ("doctor", (0, 2, 3, 70, 74)), ("resume", CODES[:-2]),
        *((f"model {name}", (0, 2, 4, 5, 70, 74)) for name in ("info", "pack")),
        ("model check", (0, 2, 4, 5, 70, 71, 74)),
    ],
)  # fmt: skip
def test_help_of_every_command_tells_its_exit_codes(command: str, codes: tuple[int, ...]) -> None:
    assert _listed(parse(*command.split(), "--help").output) == (*codes, 130, 143)


def test_help_of_classify_tells_its_exit_codes_and_arguments() -> None:
    result = parse("classify", "-h")
    assert _listed(result.output) == CODES
    assert RUN_EXIT_CODES.startswith("\b\n")  # click keeps the lines apart
    for option in ("--model", "--output", "--layer", "--arg", "--out-features", "--force"):
        assert option in result.output


def test_version() -> None:
    assert parse("--version").output == f"pixelcat, version {__version__}\n"


HEAVY = ("tensorflow", "keras", "geopandas", "rasterio", "fiona", "pyogrio", "PIL")
WATCH = """
import sys
from pixelcat.cli import main
heavy = sys.argv.pop().split(",")
try:
    main()
finally:
    print([name for name in heavy if name in sys.modules], file=sys.stderr)
"""


@pytest.mark.parametrize(
    "args",
    [["--help"], ["classify", "--help"], ["sql", "r.gpkg", "select 1"], ["status", "r.gpkg"]],
)
def test_small_commands_import_no_heavy_library(survey: Path, args: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WATCH, *args, ",".join(HEAVY)],
        check=True,
        capture_output=True,
        text=True,
        cwd=survey,
    )
    assert done.stdout
    assert done.stderr == "[]\n"


def test_the_process_with_the_catalog_loads_no_pandas(survey: Path, tmp_path: Path) -> None:
    words = ["classify", "photos", "-m", "net.keras", "-o", tmp_path / "r.gpkg", "--workers", "1"]
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "pixelcat", *words],
        check=True, capture_output=True, text=True, cwd=survey,
    )  # fmt: skip
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "sqlite_utils.db" in imported
    assert not {name for name in imported if name.startswith("pandas")}


# exit codes, each in a process of its own


def test_exit_0_where_everything_is_done(survey: Path) -> None:
    answer = shell("classify", "photos", "-m", "net.keras", "-o", "r.gpkg", cwd=survey)
    assert answer.code == 0
    assert answer.err == ""
    assert re.search(r"\b3\b", answer.out)


def test_exit_2_for_an_unknown_model_argument_with_the_nearest(survey: Path) -> None:
    answer = shell(
        "classify",
        "photos",
        "-m",
        "net.keras",
        "-o",
        "new.gpkg",
        "--arg",
        "tilesize=64",
        cwd=survey,
    )
    assert answer == (2, "", "Error: argument tilesize is unknown; did you mean tile_size?\n")
    assert not (survey / "new.gpkg").exists()


def test_exit_3_where_images_failed_each_with_its_reason(survey: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    good = (survey / "photos" / "a.png").read_bytes()
    (photos / "good.png").write_bytes(good)
    (photos / "cut.png").write_bytes(good[:2000])
    (photos / "report.jpg").write_bytes(b"%PDF-1.7")
    (photos / "notes.txt").write_text("wet")
    args = ("classify", photos, "-m", survey / "net.keras", "-o", tmp_path / "r.gpkg")
    answer = shell(*args, "--format", "json")
    assert answer.code == 3
    (summary,) = json.loads(answer.out)
    assert (summary["done"], summary["failed"], summary["skipped"]) == (1, 2, 1)
    lines = answer.err.splitlines()
    assert [line.split(": ")[:2] for line in lines] == [
        ["failed", "cut.png"],
        ["failed", "report.jpg"],
    ]
    again = shell(*args)
    assert (again.code, again.err) == (3, answer.err)


def test_exit_4_for_a_model_that_is_none(survey: Path, tmp_path: Path) -> None:
    (tmp_path / "net.keras").write_text("<html>not found</html>")
    answer = shell("classify", "photos", "-m", tmp_path / "net.keras", "-o", "new.gpkg", cwd=survey)
    assert (answer.code, answer.out) == (4, "")
    assert re.fullmatch(r"Error: model \S+net\.keras .*a web page\n", answer.err)


def test_exit_5_for_an_input_that_is_not_there(survey: Path) -> None:
    answer = shell("classify", "nowhere", "-m", "net.keras", "-o", "new.gpkg", cwd=survey)
    assert answer == (5, "", "Error: nowhere: no such file or folder\n")


def test_exit_74_for_a_file_that_is_no_catalog(survey: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.gpkg").write_text("no database")
    answer = shell("sql", tmp_path / "notes.gpkg", "select 1")
    assert (answer.code, answer.out) == (74, "")
    assert "notes.gpkg" in answer.err
    assert answer.err.count("\n") == 1


def test_exit_75_while_another_run_holds_the_catalog(survey: Path) -> None:
    with Catalog(survey / "r.gpkg"):
        answer = shell("classify", "photos", "-m", "net.keras", "-o", "r.gpkg", cwd=survey)
    assert (answer.code, answer.out) == (75, "")
    assert "in use" in answer.err
    assert answer.err.count("\n") == 1


EARLY = """
import os, signal, sys
from pixelcat.__main__ import main

class Stop:
    def find_spec(self, name, *_):
        if name == "pixelcat.cli":
            os.kill(os.getpid(), signal.SIGTERM)

sys.meta_path.insert(0, Stop())
main()
"""
LATE = """
import atexit, os, signal, sys
from pixelcat.__main__ import main

atexit.register(os.kill, os.getpid(), signal.SIGTERM)
sys.argv = ["pixelcat", "--version"]
main()
"""


@pytest.mark.parametrize(
    ("code", "exit_code", "said"), [(EARLY, 143, "Error: stopped\n"), (LATE, 0, "")]
)
def test_signals_are_heard_before_all_imports_and_not_after_the_end(
    code: str, exit_code: int, said: str
) -> None:
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (exit_code, said)


def test_a_signal_stops_a_run_where_python_has_dropped_what_it_raised(
    survey: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopped, "signal", signal.SIGTERM)
    output = tmp_path / "r.gpkg"
    words = ["classify", survey / "photos", "-m", survey / "net.keras", "-o", output]
    answer = parse(*map(str, words))
    assert (answer.exit_code, answer.stderr) == (
        143,
        "stopped; the same command goes on from here\n",
    )
    monkeypatch.setattr(stopped, "signal", None)
    assert parse(*map(str, words)).exit_code == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_a_run_that_leaves_no_half_made_file(
    survey: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for each in range(200):
        Image.new("RGB", (64, 48), (each, 0, 0)).save(photos / f"{each}.png")
    process = subprocess.Popen(
        [*PIXELCAT, "classify", photos, "-m", survey / "net.keras", "-o", tmp_path / "r.gpkg"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    made = tmp_path / "r_rasters" / "run_1"
    while len(list(made.glob("0*.tif"))) < 2 and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(number)
    out, err = process.communicate()
    assert process.returncode == code
    assert err == "stopped; the same command goes on from here\n"
    assert "r_rasters" in out
    done = open_catalog(tmp_path / "r.gpkg").status()[0]["done"]
    assert 1 <= done < 200
    assert len(list(made.glob("*.tif"))) >= done
    assert [path.name for path in tmp_path.rglob(".tmp*")] == []
    assert not (tmp_path / "r.gpkg.lock").exists()


# usage errors


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["classify"], "Missing"),
        (["classify", "x.tif", "-o", "r.gpkg"], "--model"),
        (["classify", "x.tif", "-m", "n.keras"], "--output"),
        (["classify", "x.tif", "--presision", "float16"], "Did you mean '--precision'?"),
        (["classify", "x.tif", "-m", "n", "-o", "r", "--arg", "padding"], "is not name=value"),
        (["classify", "x.tif", "-m", "n", "-o", "r", "--arg", "=3"], "is not name=value"),
        (["sql", "r.gpkg", "select 1", "--format", "xml"], "xml"),
        (["sql", "r.gpkg"], "STATEMENT"),
        (["clasify"], "clasify"),
        (["status"], "CATALOG"),
    ],
)
def test_a_wrong_command_is_a_usage_error(
    call: Callable[..., Answer], args: list[str], message: str
) -> None:
    answer = call(*args)
    assert (answer.code, answer.out) == (2, "")
    assert message in answer.err
    assert "Traceback" not in answer.err


def test_without_arguments_the_help_is_shown(call: Callable[..., Answer]) -> None:
    answer = call()
    assert answer.code in (0, 2)
    assert "Commands:" in answer.out + answer.err


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["classify", "photos", "-m", "nowhere.keras", "-o", "new.gpkg"], 4),
        (["classify", "photos", "-m", ".", "-o", "new.gpkg"], 4),
        (["classify", "photos", "-m", "net.keras", "-o", "no/where/new.gpkg"], 2),
        (["classify", "photos", "-m", "net.keras", "-o", "net.keras"], 2),
        (["classify", "r.gpkg", "-m", "net.keras", "-o", "r.gpkg"], 2),
        (["classify", "photos", "--layer", "x", "-m", "net.keras", "-o", "new.gpkg"], 5),
        (
            [
                "classify",
                "photos/a.png",
                "-m",
                "net.keras",
                "-o",
                "new.gpkg",
                "--out-features",
                "x",
            ],
            2,
        ),
        (["status", "nowhere.gpkg"], 5),
        (["sql", "nowhere.gpkg", "select 1"], 5),
        (["sql", "r.gpkg", "select nothing"], 2),
        (["sql", "r.gpkg", "selec 1"], 2),
        (["sql", "r.gpkg", "select 1; select 2"], 2),
        (["sql", "r.gpkg", "select :x"], 2),
        (["sql", "r.gpkg", "delete from items"], 2),
        (["sql", "r.gpkg", "drop table items"], 2),
        (["sql", "r.gpkg", "attach 'x.db' as x"], 2),
    ],
)
def test_every_refusal_is_one_line_on_standard_error(
    call: Callable[..., Answer],
    survey: Path,
    monkeypatch: pytest.MonkeyPatch,
    args: list[str],
    code: int,
) -> None:
    monkeypatch.chdir(survey)
    answer = call(*args)
    assert (answer.code, answer.out) == (code, "")
    assert re.fullmatch(r"Error: [^\n]+\n", answer.err)
    assert "internal error" not in answer.err


# rows

ROWS = """
select 1 as n, 0.25 as share, 'Föhre, "alt"' as name, null as gap, x'0102ff' as bytes
union all select 2, 1e-9, '007', 'x', null order by 1
"""


def test_rows_as_json(call: Callable[..., Answer], survey: Path) -> None:
    answer = call("sql", survey / "r.gpkg", ROWS, "--format", "json")
    assert (answer.code, answer.err) == (0, "")
    assert json.loads(answer.out) == [
        {
            "n": 1,
            "share": 0.25,
            "name": 'Föhre, "alt"',
            "gap": None,
            "bytes": "<blob 3 bytes>",
        },
        {"n": 2, "share": 1e-9, "name": "007", "gap": "x", "bytes": None},
    ]
    assert "Föhre" in answer.out


def test_rows_as_ndjson(call: Callable[..., Answer], survey: Path) -> None:
    answer = call("sql", survey / "r.gpkg", ROWS, "--format", "ndjson")
    lines = answer.out.splitlines()
    assert [json.loads(line)["n"] for line in lines] == [1, 2]


def test_rows_as_csv(call: Callable[..., Answer], survey: Path) -> None:
    answer = call("sql", survey / "r.gpkg", ROWS, "--format", "csv")
    assert list(csv.reader(io.StringIO(answer.out))) == [
        ["n", "share", "name", "gap", "bytes"],
        ["1", "0.25", 'Föhre, "alt"', "", "<blob 3 bytes>"],
        ["2", "1e-09", "007", "x", ""],
    ]
    assert "\r" not in answer.out


def test_rows_as_a_table(call: Callable[..., Answer], survey: Path) -> None:
    answer = call("sql", survey / "r.gpkg", ROWS)
    lines = answer.out.splitlines()
    assert len(lines) == 4
    assert lines[0].split() == ["n", "share", "name", "gap", "bytes"]
    assert "<blob 3 bytes>" in lines[2]
    assert lines[3].split() == ["2", "1e-09", "007", "x"]


@pytest.mark.parametrize("text", ["007", "1e3", "12.50", "1_000", "0x10", "nan", "-0"])
def test_a_table_shows_text_as_it_is(call: Callable[..., Answer], survey: Path, text: str) -> None:
    answer = call("sql", survey / "r.gpkg", f"select '{text}' as plot_id")
    assert answer.out.splitlines()[2].strip() == text


def test_a_table_shows_whole_numbers_whole(call: Callable[..., Answer], survey: Path) -> None:
    answer = call("sql", survey / "r.gpkg", "select 123456789012 as n union all select 0.5")
    assert "123456789012" in answer.out


@pytest.mark.parametrize(
    ("format_", "out"), [("json", "[]\n"), ("ndjson", ""), ("csv", "name,status\n")]
)
def test_no_rows(call: Callable[..., Answer], survey: Path, format_: str, out: str) -> None:
    query = "select name, status from items where 0"
    answer = call("sql", survey / "r.gpkg", query, "--format", format_)
    assert (answer.code, answer.out) == (0, out)


def test_columns_of_one_name_are_all_kept(call: Callable[..., Answer], survey: Path) -> None:
    query = "select i.id, o.id, i.status, o.status from items i join outputs o on o.item_id = i.id"
    answer = call("sql", survey / "r.gpkg", query, "--format", "json")
    assert {len(row) for row in json.loads(answer.out)} == {4}


def test_json_is_json_even_for_infinity(call: Callable[..., Answer], survey: Path) -> None:
    def refuse(constant: str) -> NoReturn:
        raise AssertionError(f"{constant} is no JSON")

    answer = call("sql", survey / "r.gpkg", "select 9e999 as x", "--format", "json")
    assert len(json.loads(answer.out, parse_constant=refuse)) == 1


def test_parameters(call: Callable[..., Answer], survey: Path) -> None:
    answer = call(
        *("sql", survey / "r.gpkg", "select name from items where name = :name and status = :s"),
        *("-p", "name=ç.png", "--param", "s=ready", "--format", "csv"),
    )
    assert answer.out == "name\nç.png\n"


def test_a_parameter_may_hold_an_equals_sign_and_quotes(
    call: Callable[..., Answer], survey: Path
) -> None:
    answer = call("sql", survey / "r.gpkg", "select :x as x", "-p", "x=a='b'", "--format", "csv")
    assert answer.out == "x\na='b'\n"


def test_a_number_as_parameter_compares_as_a_number(
    call: Callable[..., Answer], survey: Path
) -> None:
    query = "select count(*) as n from outputs where 100 * dominant_share > :percent"
    answer = call("sql", survey / "r.gpkg", query, "-p", "percent=1", "--format", "csv")
    assert answer.out == "n\n3\n"


def test_the_reader_may_leave_early(survey: Path) -> None:
    query = "with recursive c(n) as (select 1 union all select n + 1 from c limit 200000)"
    process = subprocess.Popen(
        [*PIXELCAT, "sql", survey / "r.gpkg", f"{query} select n from c", "--format", "ndjson"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr:
        assert process.stdout.readline() == '{"n": 1}\n'
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.wait() in (0, 128 + signal.SIGPIPE)


# status


def test_status_counts_per_run(call: Callable[..., Answer], survey: Path) -> None:
    answer = call("status", survey / "r.gpkg", "--format", "json")
    assert (answer.code, answer.err) == (0, "")
    (row,) = json.loads(answer.out)
    assert (row["run"], row["model"], row["status"]) == (1, "net", "finished")
    assert (row["done"], row["failed"], row["skipped"]) == (3, 0, 0)


def test_status_as_a_table_names_the_input(call: Callable[..., Answer], survey: Path) -> None:
    answer = call("status", survey / "r.gpkg")
    assert answer.code == 0
    assert str(survey / "photos") in answer.out
    assert "finished" in answer.out


def test_status_of_a_catalog_without_runs(call: Callable[..., Answer], tmp_path: Path) -> None:
    Catalog(tmp_path / "r.gpkg", create=True).close()
    answer = call("status", tmp_path / "r.gpkg", "--format", "json")
    assert (answer.code, answer.out) == (0, "[]\n")


def test_status_while_a_run_holds_the_catalog(survey: Path) -> None:
    with Catalog(survey / "r.gpkg"):
        assert shell("status", "r.gpkg", cwd=survey).code == 0


# messages


def test_notes_and_failures_go_to_standard_error(
    call: Callable[..., Answer], survey: Path, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(30):
        (photos / f"{number:02d}.jpg").write_bytes(b"%PDF")
    answer = call(
        *("classify", photos, "-m", survey / "net.keras", "-o", tmp_path / "r.gpkg"),
        *("--arg", "padding=0", "--format", "json"),
    )
    assert answer.code == 3
    assert json.loads(answer.out)[0]["failed"] == 30
    lines = answer.err.splitlines()
    assert lines[0].startswith("note: ")
    assert lines[1].startswith("failed: 00.jpg: ")
    assert lines[-1] == "failed: 10 more; see the table item_results"
    assert len(lines) == 22


def test_messages_do_not_depend_on_the_working_directory(
    survey: Path, call: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    args = ("-m", survey / "net.keras", "-o", survey / "r.gpkg", "--format", "json")
    (summary,) = json.loads(call("classify", survey / "photos", *args).out)
    assert (summary["done"], summary["of which now"]) == (3, 0)
    assert (tmp_path / summary["catalog"]).samefile(survey / "r.gpkg")
    assert os.listdir(tmp_path) == []  # noqa: PTH208


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("scene.tif", "-m", "m.keras", "-o", "."), "is a directory"),
        (
            ("scene.tif", "-m", "m.keras", "-o", "r.gpkg", "--verify", "-1"),
            "-1 is not in the range",
        ),
        (("scene.tif", "-m", "m.keras", "-o", "r.gpkg", "--format", "xml"), "'json'"),
        (("scene.tif", "-o", "r.gpkg"), "Missing option '--model'"),
        (("--nonsense",), "No such option"),
    ],
)
def test_a_wrong_command_is_one_line(
    call: Callable[..., Answer], arguments: tuple[str, ...], words: str
) -> None:
    answer = call("classify", *arguments)
    assert (answer.code, answer.out) == (2, "")
    (line,) = answer.err.splitlines()
    assert line.startswith("Error: ")
    assert words in line
    assert line.endswith(" Try 'pixelcat classify --help'")


def test_no_command_at_all_shows_the_help(call: Callable[..., Answer]) -> None:
    answer = call()
    assert "Usage: pixelcat" in answer.err + answer.out
    assert answer.code == 2


def test_a_list_of_classes_that_is_not_there_is_one_line(
    call: Callable[..., Answer], model_emd: Path, tmp_path: Path
) -> None:
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    absent = tmp_path / "nope.csv"
    options = ("-m", model_emd, "-o", tmp_path / "r.gpkg", "--classes", absent)
    answer = call("classify", tmp_path / "a.png", *options)
    assert answer == Answer(2, "", f"Error: classes {absent}: no such file\n")
    assert not (tmp_path / "r.gpkg").exists()
