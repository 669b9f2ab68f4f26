"""Photos and class maps carried out of a catalog under readable names."""

import hashlib
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

from pixelcat import classify
from pixelcat.catalog.errors import UsageError
from pixelcat.catalog.geometry import register_functions
from pixelcat.catalog.store import Catalog
from pixelcat.cli import cli
from pixelcat.io.sources import scan
from pixelcat.processors.export_photos import export_photos

Function = Callable[..., Any]


@pytest.fixture
def catalog(make_gdb: Function, photo_bytes: Function, model_emd: Path, tmp_path: Path) -> Path:
    """Plot P1 has two photos of one name and a hostile one; P2 has a torn one; P3 none."""
    survey = make_gdb(
        [
            (1, "Photo 1.jpg", "image/jpeg", photo_bytes(1)),
            (1, "Photo 1.jpg", "image/jpeg", photo_bytes(2)),
            (1, "../../..\\evil/..:name.jpg", "image/jpeg", photo_bytes(3)),
            (2, "torn.jpg", "image/jpeg", b"no photo at all"),
        ]
    )
    run = classify(survey, model=model_emd, output=tmp_path / "r.gpkg")
    assert run.done == 3
    return run.catalog


def below(folder: Path) -> list[str]:
    """Files but those that lie beside class maps."""
    files = [p for p in folder.rglob("*") if p.is_file() and not p.name.endswith(".aux.xml")]
    return sorted(p.relative_to(folder).as_posix() for p in files)


def test_photos_and_class_maps_lie_in_a_folder_per_feature(catalog: Path, tmp_path: Path) -> None:
    done = export_photos(catalog, tmp_path / "out")
    assert (done.photos, done.class_maps, done.missing) == (4, 3, [])
    assert below(tmp_path / "out") == [
        *("1/Photo_1.jpg", "1/Photo_1_2.jpg", "1/Photo_1_2_classes.tif", "1/Photo_1_classes.tif"),
        *("1/name.jpg", "1/name_classes.tif", "2/torn.jpg"),
    ]
    assert not list(tmp_path.rglob(".tmp*"))


def test_photos_without_a_class_map_or_a_feature_are_counted(
    catalog: Path, tmp_path: Path, photo_bytes: Function, model_emd: Path
) -> None:
    answer = CliRunner().invoke(cli, ["export", str(catalog), "--photos", str(tmp_path / "1")])
    assert (answer.exit_code, answer.output.splitlines()[1:]) == (
        0, ["note: 1 have no class map: failed or not classified"]
    )  # fmt: skip
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        folder.joinpath(f"{number}.jpg").write_bytes(photo_bytes(number))
    folder.joinpath("notes.txt").write_text("no photo")
    exif = Image.Exif()
    exif.get_ifd(0x8825).update({1: "S", 2: (25.0, 30.0, 36.0), 3: "W", 4: (54.0, 15.0, 0.0)})
    Image.new("RGB", (40, 30)).save(folder / "placed.jpg", exif=exif)
    run = classify(folder, model=model_emd, output=tmp_path / "f.gpkg")
    answer = CliRunner().invoke(cli, ["export", str(run.catalog), "--photos", str(tmp_path / "2")])
    assert (answer.exit_code, answer.output.splitlines()[1:]) == (
        0, ["note: 3 photos belong to no feature and are left out"]
    )  # fmt: skip


def test_names_are_made_of_columns(catalog: Path, tmp_path: Path, photo_bytes: Function) -> None:
    answer = CliRunner().invoke(
        cli,
        [
            "export", str(catalog), "--photos", str(tmp_path / "out"), "--folder-name",
            "plot {plot_id}", "--name", "{plot_id}_{taken_at}_{dominant_class}_{image_name}",
        ],
    )  # fmt: skip
    assert answer.exit_code == 0, answer.output
    assert "wrote 4 photos and 3 class maps" in answer.output
    names = below(tmp_path / "out")
    assert {name.split("/")[0] for name in names} == {"plot_P1", "plot_P2"}
    assert all(name.split("/")[1].startswith(("P1_", "P2_")) for name in names)
    hashes = {
        hashlib.sha256((tmp_path / "out" / name).read_bytes()).hexdigest()
        for name in names
        if name.endswith(".jpg")
    }
    assert hashlib.sha256(photo_bytes(3)).hexdigest() in hashes


def test_names_are_made_of_keywords(
    survey_with_keywords: Path, model_emd: Path, tmp_path: Path
) -> None:
    run = classify(survey_with_keywords, model=model_emd, output=tmp_path / "r.gpkg")
    asked = ["--photos", str(tmp_path / "out"), "--name", "{keywords}_{image_name}"]
    answer = CliRunner().invoke(cli, ["export", str(run.catalog), *asked])
    assert answer.exit_code == 0, answer.output
    assert below(tmp_path / "out") == [
        *("1/b.jpg", "1/b_classes.tif", "1/canopy_photo_a.jpg", "1/canopy_photo_a_classes.tif"),
        "1/sketch_list.pdf",
    ]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"name": "{nothing}"}, "no column of the layer; there are .*plot_id"),
        ({"name": "{image_name.__class__}"}, "no column"),
        ({"name": "{image_name!r}"}, "hold the name of a column and nothing else"),
        ({"name": "{slope:.2f}"}, "{slope:.2f}.*hold the name of a column and nothing else"),
        ({"name": "{}"}, "hold the name of a column"),
        ({"folder_name": "{nothing}"}, "no column of the layer"),
        ({"name": "{image_name"}, "^'{image_name': a brace lacks its other half"),
        ({"name": "{"}, "^'{': a brace lacks its other half"),
        ({"folder_name": "}"}, "^'}': a brace lacks its other half"),
        ({"layer": "lakes"}, "no output feature class lakes in r.gpkg; there are plots_classified"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    catalog: Path, tmp_path: Path, asked: dict[str, str], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        export_photos(catalog, tmp_path / "out", **asked)


@pytest.mark.parametrize(
    ("place", "words"),
    [("survey.gdb/out", "inside a geodatabase"), ("absent/out", "absent does not exist")],
)
def test_a_place_that_cannot_be_is_refused(
    catalog: Path, tmp_path: Path, place: str, words: str
) -> None:
    before = below(tmp_path)
    with pytest.raises(UsageError, match=words):
        export_photos(catalog, tmp_path / place)
    assert below(tmp_path) == before


def test_class_maps_that_are_gone_are_told(catalog: Path, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "r_rasters")
    answer = CliRunner().invoke(cli, ["export", str(catalog), "--photos", str(tmp_path / "out")])
    assert answer.exit_code == 3
    assert "wrote 4 photos and 0 class maps" in answer.output
    told = [line for line in answer.output.splitlines() if line.startswith("missing: ")]
    assert len(told) == 3
    assert "Photo 1.jpg of feature 1: its class map r_rasters/run_1/0" in told[0]


def test_a_folder_with_files_is_left_alone(catalog: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("x")
    with pytest.raises(UsageError, match="not an empty folder"):
        export_photos(catalog, tmp_path / "out")


def test_a_photo_that_is_gone_or_changed_is_told(
    model_emd: Path, tmp_path: Path, photo_bytes: Function
) -> None:
    from PIL import Image

    folder = tmp_path / "DCIM"
    folder.mkdir()
    exif = Image.Exif()
    exif[0x8825] = {1: "N", 2: (52.0, 0.0, 0.0), 3: "E", 4: (5.0, 0.0, 0.0)}
    for name, red in (("a.jpg", 1), ("b.jpg", 2), ("c.jpg", 3)):
        Image.new("RGB", (40, 30), (red, 0, 0)).save(folder / name, exif=exif)
    run = classify(folder, model=model_emd, output=tmp_path / "r.gpkg")
    (folder / "a.jpg").unlink()
    (folder / "b.jpg").write_bytes(photo_bytes(9))
    answer = CliRunner().invoke(
        cli, ["export", str(run.catalog), "--photos", str(tmp_path / "out"), "--name", "{path}"]
    )
    assert answer.exit_code == 3
    assert "a.jpg is gone" in answer.output
    assert "b.jpg of feature 2: has changed" in answer.output
    assert below(tmp_path / "out") == ["3/c.jpg", "3/c_classes.tif"]


def test_layers_do_not_share_folders(
    make_gdb: Function, photo_bytes: Function, model_emd: Path, tmp_path: Path
) -> None:
    for name, seed in (("a", 1), ("b", 2)):
        survey = make_gdb([(1, "x.jpg", "image/jpeg", photo_bytes(seed))])
        target = survey.rename(tmp_path / f"{name}.gdb")
        run = classify(target, model=model_emd, output=tmp_path / "r.gpkg")
    done = export_photos(run.catalog, tmp_path / "out")
    assert (done.photos, done.class_maps) == (2, 2)
    assert [name for name in below(tmp_path / "out") if name.endswith(".jpg")] == [
        "plots_classified/1/x.jpg", "plots_classified_2/1/x.jpg",
    ]  # fmt: skip


# --- names, without a model ---------------------------------------------------------------


@pytest.fixture
def by_hand(tmp_path: Path, start_run: Function, done: Function) -> Function:
    """Return a function that makes a catalog of a survey whose photos all have class maps."""

    def make(survey: Path) -> Path:
        with Catalog(tmp_path / "r.gpkg", create=True) as catalog:
            (dataset,) = [catalog.add(each) for each in scan(survey)]
            run = start_run(catalog)
            (tmp_path / "results_rasters").mkdir()
            for item in catalog.pending(run, [dataset.id or 0]):
                output = done(item, {1: 10})
                (tmp_path / output.raster_path).write_bytes(b"II*\0 class map")
                catalog.record(run, output)
            catalog.share_outputs(run, [dataset.id or 0])
            catalog.settle_unusable(run, [dataset.id or 0])
            catalog.write_feature_class(dataset.id or 0, run)
        return tmp_path / "r.gpkg"

    return make


@pytest.mark.parametrize("order", [1, -1])
def test_no_class_map_takes_the_name_of_a_photo(
    by_hand: Function, make_gdb: Function, photo_bytes: Function, tmp_path: Path, order: int
) -> None:
    photos = [
        (1, "x.png", "image/png", photo_bytes(1, kind="PNG")),
        (1, "x_classes.tif", "image/tiff", photo_bytes(2, kind="TIFF")),
    ]
    done = export_photos(by_hand(make_gdb(photos[::order])), tmp_path / "out")
    assert (done.photos, done.class_maps) == (2, 2)
    files = [path.read_bytes() for path in (tmp_path / "out/1").iterdir()]
    assert len(files) == 4
    assert {data for *_, data in photos} <= set(files)


def test_columns_of_any_name_may_be_in_names(
    by_hand: Function, make_gpkg: Function, photo_bytes: Function, tmp_path: Path
) -> None:
    survey = make_gpkg([("image/jpeg", photo_bytes(1))], [(1, 1)])
    theirs = ("_kind", "_name", "_sha256", "_source_key", "_dataset_id", "_uuid", "_taken_at",
              "_below", "kind", "name", "sha256", "class map")  # fmt: skip
    with sqlite3.connect(survey) as database:
        register_functions(database)
        for name in theirs:
            database.execute(f'alter table plots add column "{name}" text')
            database.execute(f'update plots set "{name}" = ?', (f"own{name}",))
    database.close()
    catalog = by_hand(survey)
    for name in theirs:
        done = export_photos(catalog, tmp_path / name, name=f"{{{name}}}")
        assert (done.photos, done.class_maps, done.missing) == (1, 1, [])
        named = f"own{name}".replace(" ", "_")
        assert below(tmp_path / name) == [f"1/{named}.jpg", f"1/{named}_classes.tif"]


def test_folders_differ_in_more_than_case(
    by_hand: Function, make_gpkg: Function, photo_bytes: Function, tmp_path: Path
) -> None:
    survey = make_gpkg([("image/jpeg", photo_bytes(1))], [(1, 1), (2, 1), (3, 1)])
    with sqlite3.connect(survey) as database:
        register_functions(database)
        for number, name in enumerate(("a", "A", "a/"), 1):
            database.execute("update plots set plot_id = ? where fid = ?", (name, number))
    database.close()
    export_photos(by_hand(survey), tmp_path / "out", folder_name="{plot_id}")
    assert sorted(folder.name for folder in (tmp_path / "out").iterdir()) == ["A_2", "a", "a_3"]


@pytest.mark.parametrize("export", ["--photos", "--file-geodatabase"])
def test_an_attachment_without_bytes_is_told_as_such(
    by_hand: Function, make_gdb: Function, tmp_path: Path, export: str
) -> None:
    catalog = by_hand(make_gdb([(1, "x.jpg", "image/jpeg", None)]))
    more = ["--overwrite-attachments"] if export != "--photos" else []
    answer = CliRunner().invoke(
        cli, ["export", str(catalog), export, str(tmp_path / "out.gdb"), *more]
    )
    assert answer.exit_code == 3
    assert "1: has no data (NULL), when it was scanned" in answer.output


def test_rasters_beside_class_maps_are_taken_along(
    make_gdb: Function, photo_bytes: Function, model_emd: Path, tmp_path: Path
) -> None:
    photo = [(1, "a.jpg", "image/jpeg", photo_bytes(1)), (2, "a.jpg", "image/jpeg", photo_bytes(1))]
    survey = make_gdb(photo)
    run = classify(
        survey, model=model_emd, output=tmp_path / "r.gpkg", also=("confidence", "probabilities")
    )
    done = export_photos(tmp_path / "r.gpkg", tmp_path / "out", folder_name="all")
    assert (done.photos, done.class_maps, done.extra_rasters) == (2, 2, 4)
    assert done.missing == []
    assert below(tmp_path / "out") == sorted(
        f"all/{name}{what}"
        for name in ("a", "a_2")
        for what in (".jpg", "_classes.tif", "_confidence.tif", "_probabilities.tif")
    )
    next(run.rasters.glob("*_confidence.tif")).unlink()
    again = export_photos(tmp_path / "r.gpkg", tmp_path / "again")
    assert len(again.missing) == 2
    assert "its raster of confidence" in again.missing[0]
    assert again.class_maps == 2
