"""What ``pixelcat scan`` finds, counted by hand."""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import geopandas
import pytest
from click.testing import CliRunner

import pixelcat
from pixelcat.catalog.records import Item
from pixelcat.cli import cli
from pixelcat.io.probe import probe, probe_all

Function = Callable[..., Any]


@pytest.fixture
def survey(make_gdb: Function, photo_bytes: Function) -> Path:
    """Feature 1 has three photos, one a copy; 2 has a torn one; 3 none; one has no feature."""
    path: Path = make_gdb(
        [
            (1, "north.jpg", "image/jpeg", photo_bytes(1)),
            (1, "south.jpg", "image/jpeg", photo_bytes(2)),
            (1, "again.jpg", "image/jpeg", photo_bytes(1)),
            (2, "torn.jpg", "image/jpeg", b"no photo at all"),
            (2, "notes.pdf", "application/pdf", b"%PDF-1.4"),
            (99, "stray.jpg", "image/jpeg", photo_bytes(3)),
        ]
    )
    return path


def run(*args: object) -> Any:
    answer = CliRunner().invoke(cli, [str(arg) for arg in args])
    assert answer.exit_code == 0, answer.output
    return answer


def test_a_survey_is_counted(survey: Path) -> None:
    found = pixelcat.scan(survey)
    assert found.catalog is None
    assert found.layers == [
        {
            "source": "survey.gdb", "layer": "plots", "features": 3, "with_photos": 2,
            "without": 1, "photos": 6, "usable": 3, "not_usable": 3, "copies": 1,
        }
    ]  # fmt: skip
    types = {row["type"]: (row["photos"], row["usable"]) for row in found.types}
    assert types == {"image/jpeg": (4, 3), "no image": (2, 0)}
    reasons = {row["for_example"]: (row["status"], row["photos"]) for row in found.reasons}
    assert reasons == {
        "torn.jpg": ("unreadable", 1), "notes.pdf": ("skipped", 1), "stray.jpg": ("missing", 1),
    }  # fmt: skip


def test_a_dry_run_leaves_nothing(survey: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    answer = run("scan", survey, "-o", tmp_path / "s.gpkg", "--dry-run")
    assert sorted(tmp_path.rglob("*")) == before
    for words in ("Layers", "Photos by type", "Not usable, by reason", "plots", "torn.jpg"):
        assert words in answer.output


def test_a_recorded_scan_is_what_classify_goes_on_with(survey: Path, tmp_path: Path) -> None:
    answer = run("scan", survey, "-o", tmp_path / "s.gpkg", "--format", "json")
    assert json.loads(answer.stdout)["layers"][0]["usable"] == 3
    with sqlite3.connect(tmp_path / "s.gpkg") as connection:
        assert connection.execute("SELECT count(*) FROM items").fetchone() == (6,)
    connection.close()


def test_folders_and_files_go_by_their_names(tmp_path: Path, photo_bytes: Function) -> None:
    folder = tmp_path / "day 1"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(photo_bytes(1))
    (tmp_path / "b.jpg").write_bytes(photo_bytes(2))
    found = pixelcat.scan([folder, tmp_path / "b.jpg"])
    assert [(row["layer"], row["photos"], row["features"]) for row in found.layers] == [
        ("day 1", 1, 0), ("b.jpg", 1, 0),
    ]  # fmt: skip
    assert found.reasons == []


def test_inputs_are_told_apart_as_shortly_as_can_be(tmp_path: Path, photo_bytes: Function) -> None:
    for name in ("2023/north", "2023/south", "2024/north"):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "trees.csv").write_text("id,photo\n1,a.jpg\n2,b.jpg\n")
        (folder / "a.jpg").write_bytes(photo_bytes(1))
    tables = [tmp_path / f"{name}/trees.csv" for name in ("2023/north", "2023/south", "2024/north")]
    for count, names in (
        (1, ["trees.csv"]),
        (2, ["north/trees.csv", "south/trees.csv"]),
        (3, ["2023/north/trees.csv", "2023/south/trees.csv", "2024/north/trees.csv"]),
    ):
        found = pixelcat.scan(tables[:count])
        assert [row["source"] for row in found.layers] == names
        assert [row["source"] for row in found.reasons] == names


@pytest.mark.parametrize("name", ["survey.gpkg", "trees.csv", "plots.gpkg"])
def test_a_second_scan_of_what_has_not_changed_leaves_the_catalog_as_it_is(
    tmp_path: Path, make_gpkg: Function, photo_bytes: Function, name: str
) -> None:
    source, catalog = tmp_path / name, tmp_path / "s.gpkg"
    (tmp_path / "a.jpg").write_bytes(photo_bytes(1))
    if name == "survey.gpkg":
        make_gpkg([("image/jpeg", photo_bytes(1)), ("image/jpeg", photo_bytes(1))], [(1, 1)])
    elif name == "trees.csv":
        source.write_text("lon,lat,photo\n4,45,a.jpg\n5,45,b.jpg\n6,45,A.jpg\n")
    else:
        points = geopandas.points_from_xy([4, 5], [45, 45], crs=4326)
        frame = geopandas.GeoDataFrame({"photo": ["a.jpg", "b.jpg"]}, geometry=points)
        frame.to_file(source, layer="plots")
    look = ("--xy", "lon,lat") if name == "trees.csv" else ()
    time.sleep(0.3)  # younger files are looked at again
    run("scan", source, *look, "-o", catalog)
    before = catalog.read_bytes()
    run("scan", source, *look, "-o", catalog)
    assert catalog.read_bytes() == before
    (tmp_path / "b.jpg").write_bytes(photo_bytes(2))
    run("scan", source, *look, "-o", catalog)
    assert (catalog.read_bytes() == before) == (name == "survey.gpkg")


def test_the_exit_code_is_that_of_looking(survey: Path) -> None:
    assert run("scan", survey).exit_code == 0
    assert (
        "0    every input could be looked at, however many photos" in run("scan", "--help").output
    )


def test_one_layer_is_chosen(survey: Path) -> None:
    assert "plots" in run("scan", survey, "--layer", "PLOTS", "--format", "csv").output
    answer = CliRunner().invoke(cli, ["scan", str(survey), "--layer", "lakes"])
    assert "no layer lakes" in str(answer.exception)


def test_a_place_where_no_catalog_can_be_is_refused(survey: Path, tmp_path: Path) -> None:
    answer = CliRunner().invoke(cli, ["scan", str(survey), "-o", str(tmp_path / "x.txt")])
    assert "ends in .gpkg" in str(answer.exception)


def test_attachments_hashed_ahead_are_probed_as_one_by_one(photo_bytes: Function) -> None:
    photo = photo_bytes(1)
    contents = [photo, None, b"", b"%PDF-1.4", photo[:200], photo]
    images = [
        (Item(kind="attachment", source_key=str(number), name=f"{number}.jpg"), data)
        for number, data in enumerate(contents)
    ]
    found = list(probe_all(images))
    assert found == [probe(item, data) for item, data in images]
    assert [item.status for item in found] == [
        *("ready", "missing", "unreadable", "unreadable", "unreadable", "ready"),
    ]


def test_few_attachments_are_read_ahead_of_the_one_recorded(photo_bytes: Function) -> None:
    read: list[int] = []

    def images() -> Iterator[tuple[Item, bytes]]:
        for number in range(50):
            read.append(number)
            yield Item(kind="attachment", source_key=str(number), name="a.jpg"), photo_bytes(1)

    for recorded, _ in enumerate(probe_all(images()), 1):
        assert len(read) <= recorded + 2


def test_a_source_that_fails_ends_the_scan_with_its_error(photo_bytes: Function) -> None:
    def images() -> Iterator[tuple[Item, bytes]]:
        yield Item(kind="attachment", source_key="1", name="a.jpg"), photo_bytes(1)
        raise pixelcat.PixelcatError("the disk is gone")

    with pytest.raises(pixelcat.PixelcatError, match="the disk is gone"):
        list(probe_all(images()))
