"""Names come from strangers: what a terminal would obey or not show is written out."""

import csv
import io
import sqlite3
import unicodedata
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from click.testing import CliRunner

from pixelcat.cli import cli
from pixelcat.cli_text import legible

HIDDEN = [
    "\n",
    "\r",
    "\t",
    "\x1b",
    "\x7f",
    "\x9b",
    "\u2028",
    "\u2029",
    "\u200b",
    "\u200e",
    "\u200f",
]
HIDDEN += ["\u061c", "\u202e", "\u2066", "\ufeff", "\xad", "\U000e0041", "\udc80"]


@pytest.mark.parametrize("hidden", HIDDEN, ids=ascii)
def test_what_is_not_seen_is_written_out(hidden: str) -> None:
    assert legible(f"a{hidden}b") == f"a{ascii(hidden)[1:-1]}b"


@pytest.mark.parametrize("text", ["Grüße 東京", "👩\u200d🌾", "خ\u200cم", "क्\u200dष"])
def test_what_people_write_stays(text: str) -> None:
    assert legible(text) == text


def test_joiners_between_plain_letters_hide_only() -> None:
    assert legible("a\u200d.jpg\u200c") == "a\\u200d.jpg\\u200c"


def test_no_name_forges_a_row_of_a_table_and_machines_get_it_as_it_is(
    class_catalog: Callable[..., object], tmp_path: Path
) -> None:
    there = Affine(10, 0, 500_000, 0, -10, 5_000_000)
    class_catalog([("a.tif", np.full((9, 9), 1, np.uint8), there, "EPSG:32631")])
    name = "x\u200e\u061c\u200bgpj.exe\nError: fake\tand more"
    with closing(sqlite3.connect(tmp_path / "results.gpkg")) as database, database:
        database.execute("UPDATE items SET name = ?", (name,))

    def told(*words: str) -> str:
        asked = ["sql", str(tmp_path / "results.gpkg"), "select name from items", *words]
        return str(CliRunner().invoke(cli, asked).stdout)

    lines = told().splitlines()
    assert len(lines) == 3
    assert "Error: fake" in lines[2]
    assert not any(unicodedata.category(each) in ("Cc", "Cf") for line in lines for each in line)
    assert list(csv.reader(io.StringIO(told("--format", "csv")))) == [["name"], [name]]
    written = tmp_path / "answer.txt"
    told("-o", str(written))
    assert written.read_text().splitlines() == lines
