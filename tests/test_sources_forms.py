"""Exports of form tools: submissions are features, photos that they name are their items."""

import csv
import io
import json
import struct
import unicodedata
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import shapely

from pixelcat.catalog.errors import CatalogError, ItemError, SourceError
from pixelcat.catalog.store import Catalog
from pixelcat.io import zip_members
from pixelcat.io.scan_options import ScanOptions
from pixelcat.io.sources import SOURCES, reader, scan
from pixelcat.io.sources.forms import archive, export
from pixelcat.io.sources.forms.tables import find_tables

Files = Mapping[str, bytes | str]

# --- making exports ----------------------------------------------------------------------


def table(*rows: Sequence[object], delimiter: str = ",") -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    return text.getvalue()


def write_zip(path: Path, files: Files) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in files.items():
            file.writestr(name, data)
    return path


def write_folder(path: Path, files: Files) -> Path:
    for name, data in files.items():
        target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


WRITERS = {"zip": write_zip, "folder": write_folder}


class Found:
    """One dataset of a scan, read to its end."""

    def __init__(self, scanned):
        self.dataset = scanned.dataset
        self.layer = scanned.dataset.layer
        self.features = list(scanned.features)
        self.items = list(scanned.items)
        self.columns = {column.name: column.sql_type for column in scanned.dataset.columns}

    def links(self):
        return {item.source_key: (item.status, item.feature_keys) for item in self.items}

    def points(self):
        return [
            None if f.location is None else shapely.from_wkb(f.location).coords[0]
            for f in self.features
        ]

    def values(self, column):
        return [feature.attributes[column] for feature in self.features]


def all_of(path, **options):
    scans = list(scan(path, options=ScanOptions(**options)))
    assert {each.dataset.kind for each in scans} == {"form_export"}
    return [Found(each) for each in scans]


def only(path, **options):
    (found,) = all_of(path, **options)
    return found


def kind_of(path):
    return next(kind for kind, source in SOURCES.items() if source.matches(path))


@pytest.fixture
def photo(photo_bytes: Callable[..., bytes]) -> Callable[[int], bytes]:
    """Return a function that makes a small photo; each number another."""
    return lambda number=0: photo_bytes(number, (8, 6))


# --- ODK Central -------------------------------------------------------------------------

CENTRAL = [
    "SubmissionDate", "plot-code", "plot-photo", "loc-Latitude", "loc-Longitude",
    "loc-Altitude", "loc-Accuracy", "height", "note", "meta-instanceID", "KEY", "SubmitterID",
    "SubmitterName", "AttachmentsPresent", "AttachmentsExpected", "Status", "ReviewState",
    "DeviceID", "Edits", "FormVersion",
]  # fmt: skip


def central_row(number: int, code: str, photo: str, lat: str, lon: str, note: str = "") -> list:
    key = f"uuid:00000000-0000-4000-8000-{number:012}"
    return ["2024-05-01T10:00:00.000Z", code, photo, lat, lon, "12.50", "4.0", "3.5", note,
            key, key, "12", "Ana", "2", "3", "", "", "collect:x", "0", "1.10"]  # fmt: skip


@pytest.fixture
def central(photo) -> Files:
    """Three submissions; a photo is missing, one is nobody's, three are of repeats."""
    key = "uuid:00000000-0000-4000-8000-{:012}"
    return {
        "survey.csv": table(
            CENTRAL,
            central_row(1, "007", "1660920606988.jpg", "48.5000000", "11.25"),
            central_row(2, "010", "1660920606999.jpg", "-3.25", "-60.5", "see a.jpg and b.jpg"),
            central_row(3, "100", "", "", ""),
        ),
        "survey-tree.csv": table(
            ["species", "tree_photo", "PARENT_KEY", "KEY"],
            ["oak", "t1.jpg", key.format(1), key.format(1) + "/tree[1]"],
            ["elm", "t2.jpg", key.format(3), key.format(3) + "/tree[1]"],
        ),
        "survey-leaf.csv": table(
            ["leaf_photo", "PARENT_KEY", "KEY"],
            ["l1.jpg", key.format(3) + "/tree[1]", key.format(3) + "/tree[1]/leaf[1]"],
            ["gone.jpg", "uuid:nobody", "uuid:nobody/tree[1]/leaf[1]"],
        ),
        "media/1660920606988.jpg": photo(1),
        "media/t1.jpg": photo(2),
        "media/t2.jpg": photo(3),
        "media/l1.jpg": photo(4),
        "media/unused.jpg": photo(5),
        "media/audio.m4a": b"\0\0\0\x18ftypM4A " + b"\0" * 40,
    }


@pytest.mark.parametrize("kind", WRITERS)
def test_central_submissions_are_features_with_the_photos_of_their_repeats(kind, central, tmp_path):
    found = only(WRITERS[kind](tmp_path / "survey.csv.zip", central))
    assert (found.layer, found.dataset.driver) == ("survey", "ODK Central")
    assert found.links() == {
        "media/1660920606988.jpg": ("ready", ("1",)),
        "media/t1.jpg": ("ready", ("1",)),
        "media/t2.jpg": ("ready", ("3",)),
        "media/l1.jpg": ("ready", ("3",)),
        "media/audio.m4a": ("skipped", ()),
        "media/unused.jpg": ("ready", ()),
        "media/1660920606999.jpg": ("missing", ("2",)),
        "media/gone.jpg": ("missing", ("(parent_key uuid:nobody)",)),
    }
    assert {item.kind for item in found.items} == {"attachment" if kind == "zip" else "file"}
    assert found.points() == [(11.25, 48.5), (-60.5, -3.25), None]
    assert found.dataset.geometry_type == "POINT"
    assert found.dataset.srs.code == 4326
    assert [f.global_id[-1] for f in found.features] == ["1", "2", "3"]


def test_audit_logs_of_odk_are_no_photos(central, tmp_path):
    header, *rows = csv.reader(io.StringIO(str(central["survey.csv"])))
    named = [[*row, "audit.csv"] for row in rows]
    more = {
        "survey.csv": table([*header, "meta-audit"], *named),
        "survey - audit.csv": table(["event", "node", "start", "end"], ["form start", "", 1, 2]),
        "media/audit.csv": table(["event", "node", "start", "end"]),
    }
    before = only(write_zip(tmp_path / "before.zip", central)).links()
    found = only(write_zip(tmp_path / "survey.csv.zip", {**central, **more}))
    assert found.links() == before
    assert found.values("meta-audit") == ["audit.csv"] * 3


def test_columns_keep_their_names_and_lose_nothing(central, tmp_path):
    found = only(write_zip(tmp_path / "a.zip", central))
    assert list(found.columns) == CENTRAL
    assert found.values("plot-code") == ["007", "010", "100"]
    assert found.values("FormVersion") == ["1.10"] * 3
    assert found.values("loc-Latitude") == [48.5, -3.25, None]
    assert found.values("height") == [3.5] * 3
    assert found.values("AttachmentsPresent") == [2] * 3
    kinds = {name: kind for name, kind in found.columns.items() if kind != "TEXT"}
    assert kinds == {
        "loc-Latitude": "DOUBLE",
        "loc-Longitude": "DOUBLE",
        "loc-Accuracy": "DOUBLE",
        "height": "DOUBLE",
        "SubmitterID": "INTEGER",
        "AttachmentsPresent": "INTEGER",
        "AttachmentsExpected": "INTEGER",
        "Edits": "INTEGER",
    }


@pytest.mark.parametrize(
    ("cells", "sql_type"),
    [
        (["1", "2"], "INTEGER"),
        (["1", "2.5"], "DOUBLE"),
        (["01", "2"], "TEXT"),
        (["+49151"], "TEXT"),
        (["1.50"], "TEXT"),
        (["nan"], "TEXT"),
        (["inf"], "TEXT"),
        (["1_000"], "TEXT"),
        (["1e5"], "TEXT"),
        (["12345678901234567890"], "TEXT"),
        (["123456789012345678", "1.5"], "TEXT"),
        (["", ""], "TEXT"),
        (["-3", ""], "INTEGER"),
    ],
)
def test_a_number_is_one_only_where_nothing_is_lost(cells, sql_type, tmp_path, photo):
    rows = [["fulcrum_id", "photos", "code"], *(["", "a.jpg", cell] for cell in cells)]
    path = write_folder(tmp_path / "a", {"a.csv": table(*rows), "a.jpg": photo()})
    assert only(path).columns["code"] == sql_type


def test_items_are_fetched_as_bytes_of_an_archive_and_as_paths_of_a_folder(central, tmp_path):
    zipped = only(write_zip(tmp_path / "a.zip", central))
    unpacked = only(write_folder(tmp_path / "a", central))
    with reader(zipped.dataset) as fetch:
        assert fetch(zipped.items[0]) == central["media/1660920606988.jpg"]
    with reader(unpacked.dataset) as fetch:
        assert fetch(unpacked.items[0]) == tmp_path / "a/media/1660920606988.jpg"
        (tmp_path / "a/media/1660920606988.jpg").unlink()
        with pytest.raises(ItemError, match=r"1660920606988\.jpg is gone"):
            fetch(unpacked.items[0])


def test_a_missing_photo_that_turns_up_is_the_same_item(central, tmp_path, photo):
    path = write_folder(tmp_path / "a", central)
    with Catalog(tmp_path / "r.gpkg", create=True) as catalog:
        for _ in range(2):
            for each in scan(path):
                catalog.add(each)
            (path / "media" / "1660920606999.jpg").write_bytes(photo(6))
        rows = catalog.query("select status from items where name = '1660920606999.jpg'")
    assert rows == [{"status": "ready"}]


def test_a_folder_around_the_export_is_as_good_as_the_export(central, tmp_path):
    write_folder(tmp_path / "a" / "survey", central)
    assert only(tmp_path / "a").links()["survey/media/t1.jpg"] == ("ready", ("1",))


@pytest.mark.parametrize(
    "names",
    [
        ("_Point y_latitude", "_Point y_longitude"),
        ("grp/_loc_latitude", "grp/_loc_longitude"),
        ("loc-Latitude", "loc-Longitude"),
        ("lat_1_Location", "long_1_Location"),
        ("LAT", "LNG"),
        ("y", "x"),
        ("POINT_Y", "POINT_X"),
    ],
)
def test_names_of_coordinates(names, tmp_path, photo):
    text = table(["fulcrum_id", "pic", "yx", "plat", *names], ["a", "a.jpg", 1, 2, "43,5", "11.25"])
    path = write_folder(tmp_path / "x", {"a.csv": text, "a.jpg": photo()})
    assert only(path).points() == [(11.25, 43.5)]


def test_links_that_end_alike_are_photos_of_their_own(tmp_path, photo):
    header = ["ObjectID", "GlobalID", "pic", "CreationDate"]
    link = "https://services.example.org/FeatureServer/0/{}/attachments/1"
    lines = [[n, f"00000000-0000-4000-8000-00000000000{n}", link.format(n), "2024"] for n in (1, 2)]
    path = write_folder(tmp_path / "x", {"a.csv": table(header, *lines), "b.jpg": photo()})
    (scanned,) = scan(path, options=ScanOptions(photo_columns=("pic",)))
    missing = [item for item in scanned.items if item.status == "missing"]
    assert [(item.name, item.feature_keys) for item in missing] == [
        (link.format(1), ("1",)), (link.format(2), ("2",)),
    ]  # fmt: skip
    assert all("is not downloaded" in (item.reason or "") for item in missing)


def test_two_forms_are_two_layers(central, tmp_path, photo):
    other = {
        "birds.csv": table(["SubmissionDate", "pic", "KEY"], ["2024", "b.jpg", "uuid:b"]),
        "media/b.jpg": photo(9),
    }
    path = write_zip(tmp_path / "a.zip", {**central, **other})
    birds, survey = sorted(all_of(path), key=lambda each: each.layer)
    assert birds.links()["media/b.jpg"] == ("ready", ("1",))
    assert birds.dataset.geometry_type is None
    assert survey.links()["media/t1.jpg"] == ("ready", ("1",))
    assert "media/b.jpg" not in survey.links()
    assert only(path, layer="Birds").layer == "birds"
    with pytest.raises(SourceError, match=r"no form bees; there are survey, birds"):
        list(scan(path, "bees"))


def test_a_single_geopoint_column_gives_the_place(tmp_path, photo):
    rows = table(
        ["SubmissionDate", "choices", "where", "pic", "KEY"],
        ["2024", "1 2", "43.5 11.25 300 4.5", "a.jpg", "uuid:a"],
        ["2024", "2 3", "", "", "uuid:b"],
        ["2024", "1", "99.5 11.25", "", "uuid:c"],
    )
    found = only(write_zip(tmp_path / "a.zip", {"f.csv": rows, "media/a.jpg": photo()}))
    assert found.points() == [(11.25, 43.5), None, None]


def test_a_row_with_too_few_or_too_many_cells_stays(tmp_path, photo):
    rows = 'SubmissionDate,pic,KEY\n2024,a.jpg\n2024,b.jpg,uuid:b,more,"cells, two"\n\n'
    files = {"f.csv": rows, "media/a.jpg": photo(1), "media/b.jpg": photo(2)}
    found = only(write_zip(tmp_path / "a.zip", files))
    assert found.links() == {
        "media/a.jpg": ("ready", ("1",)),
        "media/b.jpg": ("ready", ("2",)),
    }
    assert found.values("more_cells") == [None, '["more", "cells, two"]']


# --- KoboToolbox -------------------------------------------------------------------------

UUIDS = [f"{n}1111111-2222-4333-8444-555555555555" for n in range(1, 4)]
KOBO = ["start", "Plot code", "Where", "_Where_latitude", "_Where_longitude", "_Where_altitude",
        "_Where_precision", "Photo", "Photo_URL", "_id", "_uuid", "_submission_time",
        "_validation_status", "_index"]  # fmt: skip


def kobo_row(index: int, name: str) -> list[object]:
    place = ["43.5 11.25 0 4", "43.5", "11.25", "0", "4"] if index != 3 else [""] * 5
    stored = name.replace(" ", "_")
    folder = f"ana%2Fattachments%2Ff0%2F{UUIDS[index - 1]}"
    link = f"https://kc.example.org/media/original?media_file={folder}%2F{stored}"
    return ["2024", f"00{index}", *place, name, link if name else "", 100 + index,
            UUIDS[index - 1], "2024-05-01T10:00:00", "", index]  # fmt: skip


def instance(form: str, number: int, body: str) -> str:
    return (
        f"<?xml version='1.0' ?><{form} id='{form}' version='3' xmlns:h='http://www.w3.org/1999/x'>"
        f"<start>2024</start>{body}<meta><instanceID>uuid:{UUIDS[number - 1]}</instanceID></meta>"
        f"</{form}>"
    )


@pytest.fixture
def kobo_media(photo) -> Files:
    """Two submissions with a photo of the same name each, and one without any."""
    where = "<where>43.5 11.25 0 4</where>"
    return {
        "sub/submission.xml": instance("birds", 1, f"<pic>photo.jpg</pic>{where}"),
        "sub/meta.json": "{}",
        "sub/photo.jpg": photo(1),
        "sub_1/submission.xml": instance("birds", 2, f"<pic>photo.jpg</pic>{where}"),
        "sub_1/meta.json": "{}",
        "sub_1/photo.jpg": photo(2),
        "sub_1/extra.jpg": photo(3),
        "sub_2/submission.xml": instance("birds", 3, "<pic>photo.jpg</pic><where/>"),
    }


def test_kobo_media_alone_are_told_by_folder_and_name(kobo_media, tmp_path):
    found = only(write_zip(tmp_path / "media.zip", kobo_media))
    assert found.layer == "birds"
    assert found.links() == {
        "sub/photo.jpg": ("ready", ("1",)),
        "sub_1/photo.jpg": ("ready", ("2",)),
        "sub_2/photo.jpg": ("missing", ("3",)),
        "sub_1/extra.jpg": ("ready", ()),
    }
    assert found.points() == [(11.25, 43.5), (11.25, 43.5), None]
    assert found.values("submission_folder") == ["sub", "sub_1", "sub_2"]
    assert [f.global_id for f in found.features] == UUIDS


def test_kobo_media_without_instances_are_told_by_their_folders(tmp_path, photo):
    files = {f"ana/attachments/f0f0/{uuid}/photo.jpg": photo(n) for n, uuid in enumerate(UUIDS)}
    found = only(write_zip(tmp_path / "media.zip", files))
    assert found.links() == {key: ("ready", (str(n),)) for n, key in enumerate(files, 1)}
    assert found.dataset.geometry_type is None


@pytest.mark.parametrize("delimiter", [";", ","])
def test_a_kobo_table_beside_its_media_archive(delimiter, tmp_path, photo):
    """Names with spaces are stored with underscores; folders are the submissions."""
    files = {f"ana/attachments/f0/{uuid}/my_photo.jpg": photo(n) for n, uuid in enumerate(UUIDS)}
    del files[f"ana/attachments/f0/{UUIDS[1]}/my_photo.jpg"]
    text = table(KOBO, *(kobo_row(n, "my photo.jpg") for n in (1, 2, 3)), delimiter=delimiter)
    folder = write_folder(tmp_path / "kobo", {"Plots.csv": "\ufeff" + text})
    write_zip(folder / "media.zip", files)
    base = "media.zip/ana/attachments/f0"
    expected = {
        f"{base}/{UUIDS[0]}/my_photo.jpg": ("ready", ("1",)),
        f"{base}/{UUIDS[2]}/my_photo.jpg": ("ready", ("3",)),
        f"{base}/{UUIDS[1]}/my photo.jpg": ("missing", ("2",)),
    }
    for path in (folder, folder / "Plots.csv"):
        found = only(path)
        assert (found.layer, found.dataset.driver) == ("Plots", "KoboToolbox")
        assert found.links() == expected
        assert found.points() == [(11.25, 43.5), (11.25, 43.5), None]
        assert found.values("Plot code") == ["001", "002", "003"]
        with reader(found.dataset) as fetch:
            assert fetch(found.items[0]) == files[f"ana/attachments/f0/{UUIDS[0]}/my_photo.jpg"]


def test_a_kobo_table_with_instances_knows_whose_folder_is_whose(kobo_media, tmp_path):
    """The folders are called sub, sub_1, ...: only the instances say which submission it is."""
    text = table(KOBO, *(kobo_row(n, "photo.jpg") for n in (3, 2, 1)))
    found = only(write_folder(tmp_path / "kobo", {**kobo_media, "birds.csv": text}))
    assert found.links() == {
        "sub_1/photo.jpg": ("ready", ("2",)),
        "sub/photo.jpg": ("ready", ("3",)),
        "sub_2/photo.jpg": ("missing", ("1",)),
        "sub_1/extra.jpg": ("ready", ()),
    }


@pytest.mark.parametrize("folders", [UUIDS, ["101", "102", "103"]])
def test_a_photo_of_another_submission_is_not_taken(folders, tmp_path, photo):
    """Only the second one's photo is there: the first must not get it for its own."""
    files = {"Plots.csv": table(KOBO, kobo_row(1, "photo.jpg"), kobo_row(2, "photo.jpg"))}
    files[f"media/{folders[1]}/photo.jpg"] = photo()
    assert only(write_folder(tmp_path / "kobo", files)).links() == {
        f"media/{folders[1]}/photo.jpg": ("ready", ("2",)),
        f"media/{UUIDS[0]}/photo.jpg": ("missing", ("1",)),
    }


def test_names_that_cannot_be_told_apart_are_not_guessed(tmp_path, photo):
    files = {"a/photo.jpg": photo(1), "b/photo.jpg": photo(2)}
    text = table(["fulcrum_id", "pic"], ["x", "photo.jpg"], ["y", "b/photo.jpg"])
    found = only(write_folder(tmp_path / "x", {**files, "t.csv": text}))
    assert found.links() == {
        "b/photo.jpg": ("ready", ("2",)),
        "b/photo.jpg (missing)": ("missing", ("1",)),
        "a/photo.jpg": ("ready", ()),
    }
    (missing,) = [item for item in found.items if item.status == "missing"]
    assert missing.reason == "2 files have this name; no telling which is meant"


def workbook(sheets: Mapping[str, Sequence[Sequence[object]]]) -> bytes:
    """Return an XLSX file with just the parts that one needs."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    files = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="rels"'
        ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default'
        ' Extension="xml" ContentType="application/vnd.openxmlformats-officedocument.'
        'spreadsheetml.worksheet+xml"/><Override PartName="/xl/workbook.xml" ContentType='
        '"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1"'
        f' Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    }
    listing = links = ""
    for number, (name, rows) in enumerate(sheets.items(), 1):
        listing += f'<sheet name="{name}" sheetId="{number}" r:id="s{number}"/>'
        links += (
            f'<Relationship Id="s{number}" Type="{office}/worksheet"'
            f' Target="worksheets/sheet{number}.xml"/>'
        )
        files[f"xl/worksheets/sheet{number}.xml"] = (
            f'<worksheet xmlns="{main}"><sheetData>{"".join(map(_sheet_row, rows))}'
            "</sheetData></worksheet>"
        )
    files["xl/workbook.xml"] = (
        f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>{listing}</sheets></workbook>'
    )
    files["xl/_rels/workbook.xml.rels"] = (
        f'<Relationships xmlns="{package}/relationships">{links}</Relationships>'
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in files.items():
            file.writestr(name, text)
    return buffer.getvalue()


def _sheet_row(row: Sequence[object]) -> str:
    cells = (
        f"<c><v>{cell}</v></c>"
        if isinstance(cell, int | float)
        else f'<c t="inlineStr"><is><t>{str(cell).replace("&", "&amp;")}</t></is></c>'
        for cell in row
    )
    return f"<row>{''.join(cells)}</row>"


def test_a_kobo_workbook_has_a_sheet_per_repeat(tmp_path, photo):
    tree = ["Species", "Tree photo", "_index", "_parent_table_name", "_parent_index",
            "_submission__id", "_submission__uuid"]  # fmt: skip
    book = workbook(
        {
            "Plots": [KOBO, kobo_row(1, "a.jpg"), kobo_row(2, "b.jpg")],
            "tree": [tree, ["oak", "t.jpg", 1, "Plots", 2, 102, UUIDS[1]]],
        }
    )
    files = {
        "Plots.xlsx": book,
        f"media/{UUIDS[0]}/a.jpg": photo(1),
        f"media/{UUIDS[1]}/b.jpg": photo(2),
        f"media/{UUIDS[1]}/t.jpg": photo(3),
    }
    folder = write_folder(tmp_path / "kobo", files)
    for path in (folder, folder / "Plots.xlsx"):
        found = only(path)
        assert found.layer == "Plots"
        assert found.links() == {
            f"media/{UUIDS[0]}/a.jpg": ("ready", ("1",)),
            f"media/{UUIDS[1]}/b.jpg": ("ready", ("2",)),
            f"media/{UUIDS[1]}/t.jpg": ("ready", ("2",)),
        }
        assert found.values("Plot code") == ["001", "002"]
        assert found.values("_id") == [101, 102]
        assert found.points() == [(11.25, 43.5)] * 2


# --- ODK Collect -------------------------------------------------------------------------


def collect_files(photo) -> Files:
    first = "Birds_2024-05-01_10-00-00"
    second = "Birds_2024-05-02_10-00-00"
    third = "Birds_2024-05-03_10-00-00"
    fourth = "Trees_2024-05-04_10-00-00"
    trees = "<tree><pic>t1.jpg</pic></tree><tree><pic>t2.jpg</pic></tree><where>1.5 2.5</where>"
    evil = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>'
    return {
        "forms/Birds.xml": "<h:html xmlns:h='http://www.w3.org/1999/xhtml'/>",
        "metadata/itemsets.db": b"SQLite format 3\0",
        f"instances/{first}/{first}.xml": instance(
            "birds", 1, "<g><code>007</code><pic>1.jpg</pic></g><where>-3.25 -60.5 12 4</where>"
        ),
        f"instances/{first}/1.jpg": photo(1),
        f"instances/{second}/{second}.xml": evil + "<birds id='birds'><pic>&e;</pic></birds>",
        f"instances/{second}/2.jpg": photo(2),
        f"instances/{third}/{third}.xml": "<birds id='birds'><pic>3.jpg</pic>",
        f"instances/{fourth}/{fourth}.xml": instance("trees", 3, trees),
        f"instances/{fourth}/t1.jpg": photo(4),
        f"instances/{fourth}/t2.jpg": photo(5),
        f"instances/{fourth}/nobody.jpg": photo(6),
    }


@pytest.mark.parametrize("start", ["", "odk", "odk/instances"])
def test_the_folder_of_collect(start, tmp_path, photo):
    write_folder(tmp_path / "sd" / "odk", collect_files(photo))
    path = tmp_path / "sd" / start if start else tmp_path / "sd"
    birds, trees = all_of(path)
    prefix = {"": "odk/instances/", "odk": "instances/", "odk/instances": ""}[start]
    own = {k: v for k, v in birds.links().items() if k.startswith(f"{prefix}Birds")}
    assert own == {
        f"{prefix}Birds_2024-05-01_10-00-00/1.jpg": ("ready", ("1",)),
        f"{prefix}Birds_2024-05-02_10-00-00/2.jpg": ("ready", ("2",)),
    }
    assert (birds.layer, trees.layer) == ("birds", "trees")
    assert birds.points() == [(-60.5, -3.25), None, None]
    assert birds.values("g/code") == ["007", None, None]
    problems = birds.values("submission_problem")
    assert problems[0] is None
    assert problems[1] == "has a document type, which is refused"
    assert problems[2].startswith("is no readable XML")
    assert trees.links() == {
        f"{prefix}Trees_2024-05-04_10-00-00/t1.jpg": ("ready", ("1",)),
        f"{prefix}Trees_2024-05-04_10-00-00/t2.jpg": ("ready", ("1",)),
    }
    assert trees.points() == [(2.5, 1.5)]
    assert trees.values("tree/pic") == ["t1.jpg; t2.jpg"]
    assert birds.links()[f"{prefix}Trees_2024-05-04_10-00-00/nobody.jpg"] == ("ready", ())


@pytest.mark.parametrize("start", ["", "odk"])
def test_pictures_of_blank_forms_are_no_photos_of_the_survey(start, tmp_path, photo):
    pictures = {f"forms/{name}": photo(9) for name in ("Birds-media/oak.jpg", "logo.png")}
    write_folder(tmp_path / "sd" / "odk", {**collect_files(photo), **pictures})
    birds, trees = all_of(tmp_path / "sd" / start)
    items = [item for found in (birds, trees) for item in found.items]
    assert {item.name for item in items} == {"1.jpg", "2.jpg", "t1.jpg", "t2.jpg", "nobody.jpg"}
    assert [len(found.features) for found in (birds, trees)] == [3, 1]


# --- Epicollect5, Fulcrum, Survey123 -----------------------------------------------------


def test_epicollect5_forms_and_branches(tmp_path, photo):
    header = ["ec5_uuid", "created_at", "title", "lat_1_Location", "long_1_Location",
              "accuracy_1_Location", "UTM_Northing_1_Location", "2_Photo"]  # fmt: skip
    link = "https://five.epicollect.net/api/media/p?type=photo&format=entry_original&name=u_2.jpg"
    files = {
        "form-1__sites.csv": table(
            header,
            ["e1", "2024", "A", "43.5", "11.25", "4", "4816000", "u_1.jpg"],
            ["e2", "2024", "B", "43.6", "11.35", "4", "4816000", link],
        ),
        "form-2__soil.csv": table(
            ["ec5_uuid", "ec5_parent_uuid", "created_at", "title", "3_Photo"],
            ["s1", "e2", "2024", "s", "u_3.jpg"],
        ),
        "branch-1__core.csv": table(
            ["ec5_branch_owner_uuid", "ec5_branch_uuid", "title", "4_Photo"],
            ["s1", "b1", "core", "u_4.jpg"],
        ),
        **{f"photo/u_{n}.jpg": photo(n) for n in (1, 2, 3, 4)},
    }
    found = only(write_folder(tmp_path / "ec5", files))
    assert found.layer == "form-1__sites"
    assert found.links() == {
        "photo/u_1.jpg": ("ready", ("1",)),
        "photo/u_2.jpg": ("ready", ("2",)),
        "photo/u_3.jpg": ("ready", ("2",)),
        "photo/u_4.jpg": ("ready", ("2",)),
    }
    assert found.points() == [(11.25, 43.5), (11.35, 43.6)]


def test_a_form_of_epicollect5_with_places_of_its_own_is_a_layer(tmp_path, photo):
    files = {
        "form-1__sites.csv": table(["ec5_uuid", "title"], ["e1", "A"]),
        "form-2__trees.csv": table(
            ["ec5_uuid", "ec5_parent_uuid", "lat_3_Where", "long_3_Where", "pic"],
            ["t1", "e1", "43.5", "11.25", "t.jpg"],
        ),
        "t.jpg": photo(),
    }
    sites, trees = all_of(write_folder(tmp_path / "ec5", files))
    assert sites.links() == {}
    assert trees.links() == {"t.jpg": ("ready", ("1",))}
    assert trees.points() == [(11.25, 43.5)]


def test_fulcrum_names_photos_by_id(tmp_path, photo):
    ids = [f"{n}abcdef0-1234-4abc-8def-0123456789ab" for n in range(1, 6)]
    header = ["fulcrum_id", "created_at", "latitude", "longitude", "photos", "photos_caption",
              "photos_url"]  # fmt: skip
    url = f"https://web.fulcrumapp.com/photos/view?photos={ids[0]}%2C{ids[1]}"
    files = {
        "trees.csv": table(
            header,
            ["r1", "2024", "43.5", "11.25", f"{ids[0]},{ids[1]}", "left,right", url],
            ["r2", "2024", "43.6", "11.35", ids[4], "", ""],
        ),
        "trees_stems.csv": table(
            ["fulcrum_id", "fulcrum_parent_id", "fulcrum_record_id", "latitude", "longitude",
             "stem"],
            ["c1", "r2", "r2", "43.6", "11.35", ids[2]],
        ),
        **{f"{each}.jpg": photo(n) for n, each in enumerate(ids[:4])},
    }  # fmt: skip
    found = only(write_zip(tmp_path / "f.zip", {f"Trees/{k}": v for k, v in files.items()}))
    assert found.links() == {
        f"Trees/{ids[0]}.jpg": ("ready", ("1",)),
        f"Trees/{ids[1]}.jpg": ("ready", ("1",)),
        f"Trees/{ids[2]}.jpg": ("ready", ("2",)),
        f"Trees/{ids[3]}.jpg": ("ready", ()),
        f"Trees/{ids[4]}": ("missing", ("2",)),
    }


@pytest.mark.parametrize("there", [0, 1])
def test_signatures_of_fulcrum_without_a_file_are_counted(there, tmp_path, photo):
    ids = [f"{n}abcdef0-1234-4abc-8def-0123456789ab" for n in range(1, 4)]
    header = ["fulcrum_id", "created_at", "latitude", "longitude", "mark", "mark_timestamp", "site"]
    rows = [[f"r{n}", "2024", "43.5", "11.25", each, "2024-05-01", ids[0]] for n, each in
            enumerate([*ids[:2], "none"])]  # fmt: skip
    files = {f"{ids[0]}.jpg": photo()} if there else {"other.jpg": photo()}
    found = only(write_folder(tmp_path / "f", {"app.csv": table(header, *rows), **files}))
    missing = {key for key, (status, _) in found.links().items() if status == "missing"}
    assert missing == {*ids[there:2]}


def test_survey123_with_a_repeat_and_windows_text(tmp_path, photo):
    guid = "{AAAAAAAA-1111-4111-8111-AAAAAAAAAAAA}"
    main = table(
        ["ObjectID", "GlobalID", "Gemüse", "photo", "CreationDate", "Creator", "x", "y"],
        [1, guid, "Rübe", "eins.jpg", "5/1/2024", "ana", "11.25", "43.5"],
    )
    repeat = table(["ObjectID", "GlobalID", "leaf", "ParentGlobalID"], [1, "", "L.JPG", guid])
    files = {
        "S123.csv": main.encode("cp1252"),
        "leaves.csv": repeat,
        "attachments/eins.jpg": photo(1),
        "attachments/l.jpg": photo(2),
    }
    found = only(write_folder(tmp_path / "s", files))
    assert found.links() == {
        "attachments/eins.jpg": ("ready", ("1",)),
        "attachments/l.jpg": ("ready", ("1",)),
    }
    assert found.values("Gemüse") == ["Rübe"]
    assert found.points() == [(11.25, 43.5)]
    assert found.features[0].global_id == guid.strip("{}")


def test_geojson_keeps_its_shapes(tmp_path, photo):
    square = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}
    features = [
        {"type": "Feature", "properties": {"fulcrum_id": "a", "pics": ["1.jpg", "2.jpg"], "n": 3},
         "geometry": square},
        {"type": "Feature", "properties": {"fulcrum_id": "b\ud800", "pics": None},
         "geometry": None},
        {"type": "Feature", "properties": None,
         "geometry": {"type": "Polygon", "coordinates": "none"}},
    ]  # fmt: skip
    text = json.dumps({"type": "FeatureCollection", "features": features})
    files = {"f.geojson": text, "1.jpg": photo(1), "2.jpg": photo(2)}
    found = only(write_folder(tmp_path / "g", files))
    assert found.links() == {"1.jpg": ("ready", ("1",)), "2.jpg": ("ready", ("1",))}
    assert found.dataset.geometry_type == "GEOMETRY"
    assert [f.location is None for f in found.features] == [False, True, True]
    assert found.values("n") == [3, None, None]
    assert found.values("fulcrum_id") == ["a", "b?", None]


# --- names -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("Café.jpg", unicodedata.normalize("NFD", "Café.jpg")),
        (unicodedata.normalize("NFD", "Café.jpg"), "Café.jpg"),
        ("Screenshot 9.41.23\u202fAM.png", "Screenshot 9.41.23 AM.png"),
        ("Screenshot 9.41.23 AM.png", "Screenshot 9.41.23\u202fAM.png"),
        ("IMG_1.JPG", "IMG_1.jpg"),
        ("a, b; c.jpg", "a, b; c.jpg"),
        ("C:\\photos\\x.jpg", "x.jpg"),
        ("/storage/emulated/0/x.jpg", "x.jpg"),
        ("../../x.jpg", "x.jpg"),
        ("https://example.org/media/my%20x.jpg?size=full", "my x.jpg"),
        ('["x.jpg"]', "x.jpg"),
    ],
)
def test_spellings_of_a_name(kind, written, stored, tmp_path, photo):
    text = table(["SubmissionDate", "pic", "KEY"], ["2024", written, "uuid:a"])
    files = {"f.csv": text, f"media/{stored}": photo()}
    assert only(WRITERS[kind](tmp_path / "x.zip", files)).links() == {
        f"media/{stored}": ("ready", ("1",))
    }


def test_a_member_without_a_name_is_an_item(tmp_path, photo):
    text = table(["SubmissionDate", "pic", "KEY"], ["2024", "a.jpg", "uuid:a"])
    path = write_zip(tmp_path / "a.zip", {"f.csv": text, "QQ.jpg": photo()})
    path.write_bytes(path.read_bytes().replace(b"QQ.jpg", b"\0Q.jpg"))
    assert only(path).links() == {"unnamed": ("ready", ()), "a.jpg": ("missing", ("1",))}


def test_names_in_an_archive_that_does_not_say_they_are_utf_8(tmp_path, photo):
    path = write_zip(tmp_path / "a.zip", {
        "f.csv": table(["SubmissionDate", "pic", "KEY"], ["2024", "Café.jpg", "uuid:a"]),
        "media/Caf__.jpg": photo(),
    })  # fmt: skip
    path.write_bytes(path.read_bytes().replace(b"Caf__", "Café".encode()))
    assert list(only(path).links()) == ["media/Café.jpg"]


def test_remarks_are_no_missing_photos(tmp_path, photo):
    text = table(
        ["SubmissionDate", "pic", "remark", "site", "KEY"],
        ["2024", "a.jpg", "b.jpg", "example.com/x.jpg", "uuid:a"],
        ["2024", "", "blurred", "none", "uuid:b"],
    )
    found = only(write_zip(tmp_path / "a.zip", {"f.csv": text, "media/a.jpg": photo()}))
    assert found.links() == {"media/a.jpg": ("ready", ("1",))}


# --- options -----------------------------------------------------------------------------


def test_what_the_user_says_goes_over_what_is_found(tmp_path, photo):
    text = table(
        ["SubmissionDate", "pic", "id", "lat", "lon", "east", "north", "KEY"],
        ["2024", "a.jpg", "7", "1.5", "2.5", "11.25", "43.5", "uuid:a"],
        ["2024", "a.jpg", "8", "1.5", "2.5", "11.25", "43.5", "uuid:b"],
    )
    path = write_zip(tmp_path / "x.zip", {"f.csv": text, "media/a.jpg": photo(1)})
    media = write_folder(tmp_path / "elsewhere", {"deep/7.jpg": photo(2)})
    found = only(path, photo_columns=("ID",), media=media, xy=("EAST", "north"))
    assert found.links() == {"deep/7.jpg": ("ready", ("1",)), "deep/8": ("missing", ("2",))}
    assert found.points() == [(11.25, 43.5)] * 2
    with reader(found.dataset) as fetch:
        assert fetch(found.items[0]) == media / "deep/7.jpg"
    with pytest.raises(SourceError, match=r"gone: no folder or ZIP archive of media"):
        only(path, media=tmp_path / "gone")
    with pytest.raises(SourceError, match="no column foto in f; there are SubmissionDate, pic"):
        only(path, photo_columns=("foto",))
    with pytest.raises(SourceError, match="f: no column e; there are"):
        only(path, xy=("e", "north"))


# --- archives from strangers -------------------------------------------------------------


@pytest.fixture
def hostile(photo) -> Callable[[Files], Files]:
    """Return a function that makes an export of one good photo and whatever else."""
    return lambda files: {
        "f.csv": table(["SubmissionDate", "pic", "KEY"], ["2024", "a.jpg", "uuid:a"]),
        "media/a.jpg": photo(),
        **files,
    }


def test_a_member_that_leads_out_is_a_key_and_nothing_else(tmp_path, hostile, photo):
    (tmp_path / "secret.jpg").write_bytes(photo(7))
    path = write_zip(tmp_path / "a.zip", hostile({"../secret.jpg": photo(8), "/x.jpg": photo(9)}))
    found = only(path)
    assert found.links()["../secret.jpg"] == ("ready", ())
    with reader(found.dataset) as fetch:
        (item,) = [each for each in found.items if each.source_key == "../secret.jpg"]
        assert fetch(item) == photo(8)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.zip", "secret.jpg"]


def test_a_bomb_is_one_unreadable_item(tmp_path, hostile):
    path = write_zip(tmp_path / "a.zip", hostile({"media/b.jpg": b"\0" * (3 << 20)}))
    found = only(path)
    assert found.links()["media/b.jpg"] == ("unreadable", ())
    assert found.items[-1].reason == "is packed more than 200 times"


def test_a_member_larger_than_allowed_is_not_read(tmp_path, hostile, monkeypatch, photo):
    monkeypatch.setattr(archive, "MAX_BYTES", 1000)
    path = write_zip(tmp_path / "a.zip", hostile({"media/b.mp4": b"0" * 2000}))
    assert only(path).links()["media/b.mp4"] == ("skipped", ())


def test_too_many_members_are_refused(tmp_path, hostile, monkeypatch):
    path = write_zip(tmp_path / "a.zip", hostile({}))
    monkeypatch.setattr(zip_members, "MOST_MEMBERS", 1)
    with pytest.raises(SourceError, match="holds 2 files, more than 1"):
        list(SOURCES["form_export"].scan(path, ScanOptions()))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_repeats_often_is_looked_up_once(tmp_path):
    """Each was compared with all before it: minutes for so many, hours at the limit."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        for _ in range(40_000):
            file.writestr("a.jpg", b"")
    with archive.Archive(path) as opened:
        assert list(opened.members)[-1] == "a.jpg (40000)"


def test_a_column_that_repeats_often_is_looked_up_once(tmp_path):
    header = ["SubmissionDate", "KEY", *["a"] * 60_000]
    path = write_zip(tmp_path / "a.zip", {"f.csv": table(header, ["2024", "uuid:a", "b.jpg"])})
    with export.Export(path) as opened:
        (found,) = find_tables(opened, list(opened.keys()))
    assert found.header[-1] == "a_60000"


def test_folders_in_one_another_without_end_are_refused(tmp_path, hostile, photo):
    path = write_zip(tmp_path / "a.zip", hostile({"a/" * 101 + "a.jpg": photo()}))
    with pytest.raises(SourceError, match="nested more than 100 deep"):
        list(SOURCES["form_export"].scan(path, ScanOptions()))


def test_a_damaged_member_is_one_unreadable_item(tmp_path, hostile, photo):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        for name, data in hostile({"media/b.jpg": photo(5)}).items():
            file.writestr(name, data)
        place = file.getinfo("media/b.jpg").header_offset
    data = bytearray(path.read_bytes())
    data[place + 60] ^= 0xFF
    path.write_bytes(data)
    found = only(path)
    assert found.links() == {"media/a.jpg": ("ready", ("1",)), "media/b.jpg": ("unreadable", ())}
    assert "Bad CRC-32" in found.items[-1].reason


def test_a_long_video_is_not_read_to_its_end(tmp_path, hostile, monkeypatch):
    monkeypatch.setattr(export, "_LARGE", 100)
    video = b"\0\0\0\x18ftypmp42" + b"\0" * 5000
    (item,) = [
        each
        for each in only(write_zip(tmp_path / "a.zip", hostile({"media/v.mp4": video}))).items
        if each.name == "v.mp4"
    ]
    assert (item.status, item.reason) == ("skipped", "not an image but a video")
    assert (item.byte_size, item.sha256) == (len(video), None)


def test_members_that_share_bytes_are_refused(tmp_path, hostile):
    path = write_zip(tmp_path / "a.zip", hostile({"media/b.jpg": b"x" * 500}))
    data = bytearray(path.read_bytes())
    last = data.rindex(b"PK\x01\x02")
    first = data.index(b"PK\x01\x02")
    data[last + 42 : last + 46] = data[first + 42 : first + 46]
    path.write_bytes(data)
    with pytest.raises(SourceError, match="files that overlap"):
        list(SOURCES["form_export"].scan(path, ScanOptions()))


def test_links_and_encrypted_members_are_unreadable(tmp_path, hostile, photo):
    path = write_zip(tmp_path / "a.zip", hostile({}))
    with zipfile.ZipFile(path, "a") as file:
        link = zipfile.ZipInfo("media/link.jpg")
        link.external_attr = 0o120777 << 16
        file.writestr(link, "/etc/passwd")
        file.writestr("media/locked.jpg", photo(3))
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02")
    struct.pack_into("<H", data, at + 8, 1)
    path.write_bytes(data)
    reasons = {item.name: item.reason for item in only(path).items}
    assert reasons["link.jpg"] == "is a link or a device in its ZIP archive"
    assert reasons["locked.jpg"] == "is encrypted in its ZIP archive"


@pytest.mark.parametrize("way", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_member_that_might_take_any_memory_is_unreadable(tmp_path, hostile, photo, way):
    path = write_zip(tmp_path / "a.zip", hostile({}))
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("media/packed.jpg", photo(3), way)
    reasons = {item.name: item.reason for item in only(path).items}
    assert "may take any memory" in reasons["packed.jpg"]
    assert reasons["a.jpg"] is None


def test_a_name_that_repeats_is_two_items(tmp_path, hostile, photo):
    path = write_zip(tmp_path / "a.zip", hostile({}))
    with zipfile.ZipFile(path, "a") as file, pytest.warns(UserWarning, match="Duplicate name"):
        file.writestr("media/a.jpg", photo(2))
    found = only(path)
    assert found.links() == {
        "media/a.jpg": ("ready", ("1",)),
        "media/a.jpg (2)": ("ready", ()),
    }
    with reader(found.dataset) as fetch:
        assert [fetch(item) for item in found.items] == [photo(0), photo(2)]


def test_a_key_never_leads_out_of_a_folder(tmp_path, hostile, photo):
    found = only(write_folder(tmp_path / "x", hostile({})))
    (tmp_path / "secret.jpg").write_bytes(photo(7))
    with reader(found.dataset) as fetch, pytest.raises(ItemError, match="is gone"):
        fetch(replace(found.items[0], source_key="../secret.jpg"))


# --- what is not ours --------------------------------------------------------------------


def test_other_inputs_stay_what_they_are(tmp_path, photo, make_gpkg):
    plain = write_folder(
        tmp_path / "plain", {"labels.csv": "name,x,y\na.jpg,1,2\n", "a.jpg": photo()}
    )
    assert kind_of(plain) == "folder"
    assert kind_of(plain / "labels.csv") == "photo_columns"
    assert kind_of(plain / "a.jpg") == "file"
    assert kind_of(make_gpkg([], [])) == "geopackage"
    assert kind_of(write_zip(tmp_path / "x.zip", {"a.jpg": photo()})) == "file"
    zipped = write_zip(tmp_path / "s.gdb.zip", {"s.gdb/a00000001.gdbtable": b"\3"})
    assert kind_of(zipped) == "filegdb"
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04" + b"\0" * 40)
    assert kind_of(tmp_path / "broken.zip") == "file"
    (tmp_path / "broken.xlsx").write_bytes(workbook({"a": [["b"]]})[:-30])
    assert kind_of(tmp_path / "broken.xlsx") == "photo_columns"


def test_a_form_without_photos_is_refused(tmp_path):
    path = write_zip(tmp_path / "a.zip", {"f.csv": table(["SubmissionDate", "KEY"], ["x", "y"])})
    with pytest.raises(SourceError, match="no submission names a photo, and there are none"):
        list(scan(path))


def test_an_open_catalog_is_never_opened_as_a_table(tmp_path, hostile):
    folder = write_folder(tmp_path / "x", hostile({}))
    with Catalog(folder / "results.gpkg", create=True) as catalog:
        (each,) = list(scan(folder))
        catalog.add(each)
        assert catalog.query("select name, status from items") == [
            {"name": "a.jpg", "status": "ready"}
        ]
        with pytest.raises(CatalogError, match="is the open catalog"):
            SOURCES["form_export"].matches(folder / "results.gpkg")


def test_a_catalog_among_the_files_is_no_item_of_the_next_run(tmp_path, hostile):
    folder = write_folder(tmp_path / "x", hostile({}))
    with Catalog(folder / "results", create=True):
        pass
    scans = list(scan(folder))
    with Catalog(folder / "results") as catalog:
        catalog.add(scans[0])
        assert [row["name"] for row in catalog.query("select name from items")] == ["a.jpg"]


@pytest.mark.shared_data
def test_real_photos_of_a_folder_elsewhere(tmp_path, shared_data):
    media = shared_data / "attachments/photos/gps"
    names = sorted(each.name for each in media.iterdir())
    rows = [["2024", name, f"uuid:{name}"] for name in [*names, "gone.jpg"]]
    path = write_folder(tmp_path / "x", {"f.csv": table(["SubmissionDate", "pic", "KEY"], *rows)})
    found = only(path, media=media)
    assert [item.status for item in found.items] == ["ready"] * 9 + ["missing"]
    assert [item.feature_keys for item in found.items] == [(str(n),) for n in range(1, 11)]
    assert all(item.lat and item.taken_at for item in found.items[:9])


@pytest.mark.shared_data
def test_real_hostile_archives_are_never_ours(shared_data):
    paths = sorted((shared_data / "bad" / "archives").iterdir())
    assert paths
    assert {kind_of(path) for path in paths} <= {"file", "folder", "filegdb", "geopackage"}


@pytest.mark.shared_data
def test_real_projects_of_other_tools_are_not_ours(shared_data):
    for name in ("qfield/bee_farming", "mergin", "photos", "derived", "derived/awkward_images"):
        assert kind_of(shared_data / "attachments" / name) == "folder"


# --- in the catalog ----------------------------------------------------------------------


def test_an_export_in_the_catalog(central, tmp_path):
    with Catalog(tmp_path / "r.gpkg", create=True) as catalog:
        for _ in range(2):
            for each in scan(write_zip(tmp_path / "a.zip", central)):
                catalog.add(each)
        states = catalog.query("select status, count(*) n from items group by 1 order by 1")
        assert [(row["status"], row["n"]) for row in states] == [
            ("missing", 2), ("ready", 4), ("skipped", 2),
        ]  # fmt: skip
        rows = catalog.query(
            "select f.source_fid fid, count(*) n from features f join features_items l"
            " on l.base_id = f.fid group by 1"
        )
        assert [(row["fid"], row["n"]) for row in rows] == [(1, 2), (2, 1), (3, 2)]


def test_a_kobo_export_is_classified_from_the_command_line(model_emd, tmp_path, photo):
    from click.testing import CliRunner

    from pixelcat.cli import cli

    files = {f"ana/attachments/f0/{uuid}/photo.jpg": photo(n) for n, uuid in enumerate(UUIDS)}
    del files[f"ana/attachments/f0/{UUIDS[2]}/photo.jpg"]
    files["Plots.csv"] = table(KOBO, *(kobo_row(n, "photo.jpg") for n in (1, 2, 3))).encode()
    path = write_zip(tmp_path / "kobo_export.zip", files)
    output = tmp_path / "results.gpkg"
    answer = CliRunner().invoke(
        cli, ["classify", str(path), "--model", str(model_emd), "-o", str(output)]
    )
    assert answer.exit_code == 3, answer.output
    with Catalog(output) as catalog:
        rows = catalog.query(
            'select "Plot code" code, image_name, status, reason, dominant_class is null empty,'
            " geom is null nowhere from Plots_classified order by code"
        )
    assert [tuple(row.values()) for row in rows] == [
        ("001", "photo.jpg", "done", None, 0, 0),
        ("002", "photo.jpg", "done", None, 0, 0),
        ("003", "photo.jpg", "failed", "named by a submission, but not in the export", 1, 1),
    ]


def test_an_export_inside_a_folder_of_photos_is_not_the_folder(tmp_path, photo):
    central = {"f.csv": table(["SubmissionDate", "KEY", "photo"], ["x", "y", "a.jpg"])}
    folder = write_folder(tmp_path / "all", {"day1/1.jpg": photo(), "sub/x.txt": "x"})
    write_zip(folder / "sub/form.csv.zip", {**central, "media/a.jpg": photo()})
    assert kind_of(folder) == "folder"
    (scanned,) = scan(folder)
    found = {item.source_key: item for item in scanned.items}
    assert found["day1/1.jpg"].status == "ready"
    assert "give it as an input of its own" in found["sub/form.csv.zip"].reason
    assert kind_of(folder / "sub/form.csv.zip") == "form_export"
