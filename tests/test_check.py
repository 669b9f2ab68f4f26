"""What check finds, what a repair does about it and what it leaves alone."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pixelcat import Catalog, Run, classify
from pixelcat.catalog.errors import CatalogBusyError
from pixelcat.catalog.geometry import register_functions
from pixelcat.cli import cli
from pixelcat.io import fingerprint
from pixelcat.processors.check import check
from pixelcat.processors.resume import resume

Function = Callable[..., Any]
NEWER = (
    "insert into _sqlite_migrations (migration_set, name, applied_at)"
    " values ('pixelcat', '9999_future', 'tomorrow')"
)
Checked = tuple[int, list[dict[str, str]]]


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files that were just written count as unchanged."""
    monkeypatch.setattr(fingerprint, "_SETTLED_S", -1.0)


@pytest.fixture
def scenes(tmp_path: Path, write_raster: Function) -> Path:
    """A folder of three scenes side by side."""
    import numpy as np
    from affine import Affine

    folder = tmp_path / "scenes"
    folder.mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(1, 255, (3, 30, 50)).astype(np.uint8)
        place = Affine(10, 0, 500_000 + 500 * number, 0, -10, 5_000_000)
        write_raster(folder / f"{number}.tif", pixels, crs="EPSG:32631", transform=place)
    return folder


@pytest.fixture
def run(scenes: Path, model_emd: Path, tmp_path: Path) -> Run:
    return classify(scenes, model=model_emd, output=tmp_path / "r.gpkg", also="confidence")


def checked(catalog: Path, *options: str) -> Checked:
    command = ["check", str(catalog), "--format", "json", *options]
    result = CliRunner().invoke(cli, command)
    return result.exit_code, json.loads(result.stdout)


def changed(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        register_functions(database)
        database.executescript(sql)


def class_rasters(run: Run) -> list[Path]:
    rows = run.sql("select raster_path as path from outputs where status = 'done' order by item_id")
    return [run.catalog.parent / row["path"] for row in rows]


def found(answer: Checked) -> dict[tuple[str, str], str]:
    return {(each["what"], Path(each["name"]).name): each["problem"] for each in answer[1]}


@pytest.mark.parametrize("options", [(), ("--deep",), ("--repair",), ("--deep", "--repair")])
def test_nothing_is_wrong_with_a_whole_catalog(run: Run, options: tuple[str, ...]) -> None:
    before = run.catalog.read_bytes()
    assert checked(run.catalog, *options) == (0, [])
    assert run.catalog.read_bytes() == before


def test_photos_of_a_geodatabase_and_copies_are_not_wrong_either(
    make_gdb: Function, photo_bytes: Function, model_emd: Path, tmp_path: Path
) -> None:
    rows = [(1, "a.jpg", None, photo_bytes(1)), (2, "b.jpg", None, photo_bytes(1))]
    survey = make_gdb([*rows, (3, "torn.jpg", None, b"none")])
    done = classify(survey, model=model_emd, output=tmp_path / "r.gpkg", embed=True)
    assert checked(done.catalog, "--deep") == (0, [])
    class_rasters(done)[0].unlink()
    code, (lost,) = checked(done.catalog, "--repair")
    assert (code, lost["done"]) == (0, "returned to pending")
    again = resume(done.catalog)
    assert (again.classified_now, again.done, again.failed) == (1, 2, 1)
    assert checked(done.catalog, "--deep") == (0, [])


def test_what_is_gone_cut_off_changed_and_left_over_is_found(run: Run, scenes: Path) -> None:
    first, second, third = class_rasters(run)
    extra = next(run.rasters.glob("*confidence*"))
    first.unlink()
    second.write_bytes(second.read_bytes()[:-1] + b"x")
    third.write_bytes(third.read_bytes()[:50])
    extra.write_bytes(extra.read_bytes()[:-20])
    draft = run.rasters / f".tmp-{'0a' * 16}.tif"
    draft.touch()
    for name in ("mine.tif", ".tmp-notes.tif", "third.tif.msk", f"{second.name}.aux.xml"):
        (run.rasters / name).touch()
    (scenes / "0.tif").unlink()
    with (scenes / "1.tif").open("ab") as file:
        file.write(b"more")
    problems = found(checked(run.catalog))
    assert problems.keys() == {
        ("raster", first.name), ("raster", third.name), ("raster", extra.name),
        ("mosaic", first.name), ("draft", draft.name), ("leftover", "mine.tif"),
        ("leftover", ".tmp-notes.tif"), ("leftover", "third.tif.msk"),
        ("source", "0.tif"), ("source", "1.tif"),
    }  # fmt: skip
    assert problems["raster", first.name].endswith("is gone")
    assert problems["raster", third.name].endswith("cannot be opened")
    assert "is cut off after" in problems["raster", extra.name]
    assert "shows NoData there" in problems["mosaic", first.name]
    assert "has changed since it was scanned" in problems["source", "1.tif"]
    deep = found(checked(run.catalog, "--deep"))
    assert deep["raster", second.name].endswith("is not what was written")


def test_a_repair_makes_anew_what_is_lost_and_removes_nothing_else(run: Run) -> None:
    first, second, third = class_rasters(run)
    before = {path: path.read_bytes() for path in (first, second)}
    first.unlink()
    second.write_bytes(second.read_bytes()[:-1] + b"x")
    draft = run.rasters / f".tmp-{'0a' * 16}.tif"
    kept = [run.rasters / "mine.tif", run.rasters / ".tmp-notes.tif", run.rasters / "notes.txt"]
    for path in (draft, *kept):
        path.touch()
    mtime = third.stat().st_mtime_ns
    code, rows = checked(run.catalog, "--deep", "--repair")
    assert code == 3
    done = {(each["what"], Path(each["name"]).name): each["done"] for each in rows}
    assert done["raster", first.name] == done["raster", second.name] == "returned to pending"
    assert done["mosaic", first.name] == "left out of the mosaic"
    assert done["draft", draft.name] == "removed"
    assert all(done["leftover", path.name].startswith("left alone") for path in kept)
    assert not draft.exists()
    assert all(path.exists() for path in (second, *kept))
    tiles = [row["location"] for row in run.sql("select location from class_mosaic_1")]
    assert [Path(each).name for each in tiles] == [third.name]
    again = resume(run.catalog)
    assert (again.id, again.classified_now, again.done) == (run.id, 2, 3)
    assert {path: path.read_bytes() for path in before} == before
    assert third.stat().st_mtime_ns == mtime
    for path in kept:
        path.unlink()
    assert checked(run.catalog, "--deep") == (0, [])


def test_a_folder_in_place_of_a_class_raster_is_to_be_removed_first(run: Run) -> None:
    first, *_ = class_rasters(run)
    before = first.read_bytes()
    first.unlink()
    first.mkdir()
    code, rows = checked(run.catalog, "--repair")
    assert code == 3
    (raster,) = [each for each in rows if each["what"] == "raster"]
    assert raster["problem"].endswith("is gone, and a folder has its name: remove that first")
    assert raster["done"] == "left alone: it cannot be made again before the folder is removed"
    assert run.sql("select count(*) as n from outputs where status = 'done'") == [{"n": 3}]
    first.rmdir()
    assert checked(run.catalog, "--repair")[0] == 0
    assert (resume(run.catalog).classified_now, first.read_bytes()) == (1, before)


def test_what_could_not_be_made_again_is_not_forgotten(run: Run, scenes: Path) -> None:
    for path in class_rasters(run):
        path.unlink()
    shutil.rmtree(scenes)
    code, rows = checked(run.catalog, "--repair")
    assert code == 3
    assert [each["done"] for each in rows if each["what"] == "raster"] == [
        "left alone: its source is gone, it could not be made again"
    ] * 3
    assert run.sql("select count(*) as n from outputs where status = 'done'") == [{"n": 3}]


def test_a_mosaic_that_names_other_files_is_written_anew(run: Run) -> None:
    changed(run.catalog, "update class_mosaic_1 set location = 'nowhere.tif' where fid = 1")
    code, rows = checked(run.catalog, "--repair")
    assert (code, [each["what"] for each in rows]) == (0, ["mosaic"])
    assert checked(run.catalog) == (0, [])
    assert run.sql("select count(*) as n from class_mosaic_1") == [{"n": 3}]


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("update class_stats set output_id = 999 where id = 1", "row 1 of class_stats"),
        ("drop view item_results", "view item_results is missing"),
        ("drop trigger rtree_features_geom_insert", "trigger rtree_features_geom_insert is miss"),
        ("pragma application_id = 7", "does not say that it is a GeoPackage"),
        ("delete from rtree_footprints_geom", "the spatial index of footprints has 0 rows"),
        ("insert into gpkg_contents (table_name, data_type) values ('gone', 'attributes')",
         "gpkg_contents names gone"),
        (NEWER, "was made by a newer pixelcat (9999_future)"),
    ],
)  # fmt: skip
def test_damage_within_the_file_is_found_and_left_alone(run: Run, sql: str, problem: str) -> None:
    changed(run.catalog, sql)
    code, rows = checked(run.catalog)
    assert code == 3
    assert {each["what"] for each in rows} == {"catalog"}
    assert any(problem in each["problem"] for each in rows)


def test_a_damaged_page_is_found_and_nothing_is_written(run: Run) -> None:
    with closing(sqlite3.connect(run.catalog)) as database:
        size = database.execute("pragma page_size").fetchone()[0]
        (page,) = database.execute(
            "select rootpage from sqlite_master where name = 'items_sha256'"
        ).fetchone()
    content = bytearray(run.catalog.read_bytes())
    content[(page - 1) * size + 8 : page * size] = bytes(size - 8)
    run.catalog.write_bytes(content)
    for options in ((), ("--repair",)):
        code, rows = checked(run.catalog, *options)
        assert code == 3
        assert any(each["problem"].startswith("damaged: ") for each in rows)
        assert run.catalog.read_bytes() == content


def test_a_repair_needs_the_run_lock(run: Run) -> None:
    with Catalog(run.catalog):
        assert check(run.catalog) == []
        with pytest.raises(CatalogBusyError, match="is in use by process"):
            check(run.catalog, repair=True)


@pytest.mark.parametrize(("name", "code"), [("nowhere.gpkg", 5), ("notes.gpkg", 74)])
def test_what_is_no_catalog_is_not_checked(
    tmp_path: Path, name: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.gpkg").write_text("no database, " * 100)
    for options in ([], ["--repair"]):
        result = CliRunner().invoke(cli, ["check", str(tmp_path / name), *options])
        assert getattr(result.exception, "exit_code", None) == code
