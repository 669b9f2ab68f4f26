"""An input that has not changed is not read again, and no change goes unnoticed."""

import os
import shutil
import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest

from pixelcat.catalog.store import Catalog
from pixelcat.io import fingerprint
from pixelcat.io.scan_options import ScanOptions
from pixelcat.io.sources import scan

Function = Callable[..., Any]
PROJECT = """<qgis><projectlayers><maplayer><id>t</id><datasource>./trees.csv</datasource>
<fieldConfiguration><field name="second"><editWidget type="ExternalResource"><config><Option>
<Option name="DocumentViewer" value="1"/></Option></config></editWidget></field>
</fieldConfiguration></maplayer></projectlayers></qgis>"""


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust files at once, so that a test need not wait."""
    monkeypatch.setattr(fingerprint, "_SETTLED_S", -1.0)


@pytest.fixture
def trees(tmp_path: Path, photo_bytes: Function) -> Path:
    """A table with photos in two folders; c.jpg is missing, d.jpg is in a folder of its own."""
    folder = tmp_path / "survey"
    for number, name in enumerate(["photos/a.jpg", "photos/b.tif", "far/d.jpg"]):
        path = tmp_path / name if name.startswith("far") else folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo_bytes(number, kind="TIFF" if path.suffix == ".tif" else "JPEG"))
    lines = ["lon,lat,photo,second", "4,45,a.jpg,x", "5,45,photos/b.tif,y", "6,46,c.jpg,z"]
    lines.append(f"7,47,{tmp_path / 'far' / 'd.jpg'},")
    (folder / "trees.csv").write_text("\n".join(lines))
    return folder / "trees.csv"


def kobo(folder: Path, photo_bytes: Function) -> dict[str, bytes]:
    """Three submissions with a photo each; the last photo is missing."""
    header = "plot;photo;_id;_uuid;_submission_time;_index"
    key = "00000000-0000-4000-8000-{:012}"
    rows = [f"P{n};{n}.jpg;{n};{key.format(n)};2024-05-01T10:00:00;{n}" for n in (1, 2, 3)]
    media = {f"media/{key.format(n)}/{n}.jpg": photo_bytes(n) for n in (1, 2)}
    return {"form.csv": "\n".join([header, *rows]).encode(), **media}


@pytest.fixture
def form_folder(tmp_path: Path, photo_bytes: Function) -> Path:
    for name, data in kobo(tmp_path, photo_bytes).items():
        path = tmp_path / "kobo" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "kobo"


@pytest.fixture
def form_zip(tmp_path: Path, photo_bytes: Function) -> Path:
    with zipfile.ZipFile(tmp_path / "kobo.zip", "w") as archive:
        for name, data in kobo(tmp_path, photo_bytes).items():
            archive.writestr(name, data)
    return tmp_path / "kobo.zip"


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    (tmp_path / "elsewhere").mkdir()
    with Catalog(tmp_path / "elsewhere" / "results.gpkg", create=True) as opened:
        yield opened


class Unread:
    """Features or items that nobody may ask for."""

    def __iter__(self) -> NoReturn:
        raise AssertionError("an unchanged source was read")


def add(catalog: Catalog, path: Path, **options: Any) -> None:
    for each in scan(path, options=ScanOptions.checked(**options)):
        catalog.add(each)


def is_read_again(catalog: Catalog, path: Path, **options: Any) -> bool:
    scans = list(scan(path, options=ScanOptions.checked(**options)))
    try:
        for each in scans:
            catalog.add(replace(each, features=Unread(), items=Unread()))
    except AssertionError:
        return True
    return False


def items(catalog: Catalog) -> dict[str, tuple[str, str | None]]:
    rows = catalog.query("SELECT name, status, sha256 FROM items")
    return {row["name"]: (row["status"], row["sha256"]) for row in rows}


@pytest.mark.parametrize("kind", ["trees", "form_folder", "form_zip"])
def test_an_unchanged_source_is_not_read_again(
    catalog: Catalog, kind: str, request: pytest.FixtureRequest
) -> None:
    path = request.getfixturevalue(kind)
    add(catalog, path)
    before = items(catalog)
    assert sorted(status for status, _ in before.values()).count("missing") == 1
    assert not is_read_again(catalog, path)
    assert items(catalog) == before


def swap(path: Path) -> None:
    """Change a byte: the size stays, and so does the time that can be set."""
    old = path.stat()
    content = bytearray(path.read_bytes())
    content[-10] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))


def append(path: Path, line: str) -> None:
    path.write_text(f"{path.read_text()}\n{line}")


CHANGES: dict[str, Callable[[Path], object]] = {
    "a photo replaced": lambda folder: swap(folder / "photos/a.jpg"),
    "one outside replaced": lambda folder: swap(folder.parent / "far/d.jpg"),
    "a photo gone": lambda folder: (folder / "photos/a.jpg").unlink(),
    "a missing one arrives": lambda folder: shutil.copy(folder / "photos/a.jpg", folder / "c.jpg"),
    "a nearer one arrives": lambda folder: shutil.copy(folder / "photos/b.tif", folder / "a.jpg"),
    "a photo moved": lambda folder: (folder / "photos/a.jpg").rename(folder / "a.jpg"),
    "a world file": lambda folder: (folder / "photos/b.tfw").write_text("10\n0\n0\n-10\n0\n0\n"),
    "a row": lambda folder: append(folder / "trees.csv", "8,48,a.jpg,"),
    "a project": lambda folder: (folder / "survey.qgs").write_text(PROJECT),
    "a project above": lambda folder: (folder.parent / "survey.qgs").write_text(
        PROJECT.replace("./trees.csv", "survey/trees.csv")
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_that_a_table_means_is_noticed(
    catalog: Catalog, trees: Path, change: str
) -> None:
    add(catalog, trees)
    CHANGES[change](trees.parent)
    assert is_read_again(catalog, trees)
    add(catalog, trees)
    assert not is_read_again(catalog, trees)


def test_a_photo_that_arrives_is_ready(
    catalog: Catalog, trees: Path, photo_bytes: Function
) -> None:
    add(catalog, trees)
    assert items(catalog)["c.jpg"][0] == "missing"
    (trees.parent / "photos/c.jpg").write_bytes(photo_bytes(9))
    add(catalog, trees)
    rows = catalog.query("SELECT status FROM items WHERE name = 'c.jpg' ORDER BY id")
    assert [row["status"] for row in rows][-1] == "ready"


@pytest.mark.parametrize(
    "options", [{"photo_columns": ["photo"]}, {"xy": ["lon", "lat"]}, {"media": "far"}]
)
def test_other_options_read_again(
    catalog: Catalog,
    trees: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
) -> None:
    monkeypatch.chdir(tmp_path)
    add(catalog, trees)
    assert is_read_again(catalog, trees, **options)


def test_files_that_the_table_does_not_mean_change_nothing(
    catalog: Catalog, trees: Path, photo_bytes: Function
) -> None:
    add(catalog, trees)
    (trees.parent / "photos" / "other.jpg").write_bytes(photo_bytes(7))
    (trees.parent / "notes.txt").write_text("x")
    Catalog(trees.with_suffix(".gpkg"), create=True).close()
    assert not is_read_again(catalog, trees)


def test_images_in_the_table_itself_are_not_read_again(
    catalog: Catalog, tmp_path: Path, make_gpkg: Function, photo_bytes: Function
) -> None:
    path = make_gpkg([], [])
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE shots (fid INTEGER PRIMARY KEY, picture BLOB)")
        database.execute("INSERT INTO shots VALUES (1, ?)", (photo_bytes(1),))
        database.execute("INSERT INTO shots VALUES (2, 'one.jpg; two.jpg')")
        database.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier)"
            " VALUES ('shots', 'attributes', 'shots')"
        )
    database.close()
    (tmp_path / "one.jpg").write_bytes(photo_bytes(2))
    options = {"layer": "shots"}
    add(catalog, path, **options)
    states = {name: status for name, (status, _) in items(catalog).items()}
    assert states == {"picture 1": "ready", "one.jpg": "ready", "two.jpg": "missing"}
    assert not is_read_again(catalog, path, **options)
    (tmp_path / "two.jpg").write_bytes(photo_bytes(3))
    assert is_read_again(catalog, path, **options)


FORM_CHANGES: dict[str, Callable[[Path], object]] = {
    "a photo replaced": lambda folder: swap(next(folder.rglob("1.jpg"))),
    "a photo gone": lambda folder: next(folder.rglob("1.jpg")).unlink(),
    "a photo arrives": lambda folder: shutil.copy(
        next(folder.rglob("1.jpg")), folder / "media" / "3.jpg"
    ),
    "a file of nobody": lambda folder: shutil.copy(
        next(folder.rglob("1.jpg")), folder / "stray.jpg"
    ),
    "the table": lambda folder: append(folder / "form.csv", "P4;;4;x;2024-05-01T10:00:00;4"),
}


@pytest.mark.parametrize("change", FORM_CHANGES)
def test_any_change_of_an_export_is_noticed(
    catalog: Catalog, form_folder: Path, change: str
) -> None:
    add(catalog, form_folder)
    FORM_CHANGES[change](form_folder)
    assert is_read_again(catalog, form_folder)


def test_media_elsewhere_are_looked_at(
    catalog: Catalog, form_folder: Path, tmp_path: Path, photo_bytes: Function
) -> None:
    shutil.move(form_folder / "media", tmp_path / "media")
    add(catalog, form_folder / "form.csv", media=tmp_path / "media")
    assert not is_read_again(catalog, form_folder / "form.csv", media=tmp_path / "media")
    assert is_read_again(catalog, form_folder / "form.csv")
    (tmp_path / "media" / "3.jpg").write_bytes(photo_bytes(3))
    assert is_read_again(catalog, form_folder / "form.csv", media=tmp_path / "media")


def test_another_archive_is_read(catalog: Catalog, form_zip: Path, photo_bytes: Function) -> None:
    add(catalog, form_zip)
    with zipfile.ZipFile(form_zip, "a") as archive:
        archive.writestr("media/3.jpg", photo_bytes(3))
    assert is_read_again(catalog, form_zip)


@pytest.mark.parametrize("kind", ["form_folder", "photos"])
def test_what_a_run_leaves_in_the_folder_it_looks_at_is_no_change(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest, photo_bytes: Function
) -> None:
    if kind == "photos":
        path = tmp_path / "photos"
        path.mkdir()
        (path / "a.jpg").write_bytes(photo_bytes(1))
    else:
        path = request.getfixturevalue(kind)
    output = path / "results.gpkg"
    for run in range(3):
        scans = list(scan(path))
        with Catalog(output, create=True) as catalog:
            if run < 2:  # the second run sees a catalog where the first saw none
                for each in scans:
                    catalog.add(each)
            else:
                for each in scans:
                    catalog.add(replace(each, features=Unread(), items=Unread()))
            catalog.rasters.mkdir(exist_ok=True)
            (catalog.rasters / f"{run}.tif").write_bytes(bytes(run + 1))


def test_a_photo_whose_name_tells_of_a_geopackage_is_looked_at(
    catalog: Catalog, tmp_path: Path, photo_bytes: Function
) -> None:
    photo = tmp_path / "photos" / "a.gpkg.jpg"
    photo.parent.mkdir()
    photo.write_bytes(photo_bytes(1))
    add(catalog, photo.parent)
    swap(photo)
    assert is_read_again(catalog, photo.parent)
