import hashlib
import io
import json
import os
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image
from pyproj import Geod

from pixelcat import Catalog, Run, classify, open_catalog
from pixelcat.catalog.errors import CatalogBusyError, ModelError, SourceError, UsageError
from pixelcat.catalog.geometry import register_functions
from pixelcat.processors.progress import Progress

Function = Callable[..., Any]

VALUES = [1, 2, 9]
NAMES = ["Water", "Crop", "Built Up"]
UTM = {"transform": Affine(30, 0, 600_000, 0, -30, 5_000_000), "crs": "EPSG:32621"}


@pytest.fixture(scope="module")
def net(exact_net: Function) -> Any:
    return exact_net()


@pytest.fixture(scope="module")
def land(net: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A definition with classes 1, 2 and 9."""
    folder = tmp_path_factory.mktemp("land")
    net.save(folder / "net.keras")
    emd = {
        "Framework": "Keras",
        "ModelType": "ImageClassification",
        "ModelFile": "net.keras",
        "Classes": [{"Value": v, "Name": n} for v, n in zip(VALUES, NAMES, strict=True)],
    }
    (folder / "land.emd").write_text(json.dumps(emd))
    return folder / "land.emd"


@pytest.fixture
def photos(tmp_path: Path, photo_bytes: Function) -> Path:
    """A folder of five photos of several sizes."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(5):
        photo = photo_bytes(number, (40 + 9 * number, 61 - 7 * number))
        (folder / f"{number}.jpg").write_bytes(photo)
    return folder


def pixels_of(source: Path | bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)
    return np.moveaxis(np.asarray(image), -1, 0)


def rasters(run: Run) -> dict[str, Path]:
    """The class raster of each image, by the image's key."""
    rows = run.sql(
        "select source_key, classified_image from item_results where run_id = ? and status = 'done'",
        [run.id],
    )
    return {row["source_key"]: run.catalog.parent / row["classified_image"] for row in rows}


def content(run: Run) -> dict[str, bytes]:
    return {key: path.read_bytes() for key, path in rasters(run).items()}


def statuses(run: Run) -> dict[str, str]:
    rows = run.sql("select source_key, status from item_results where run_id = ?", [run.id])
    return {row["source_key"]: row["status"] for row in rows}


def state(folder: Path) -> dict[str, tuple[str, int]]:
    """Hash and modification time of everything in a folder."""
    return {
        path.relative_to(folder).as_posix(): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime_ns,
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def check(net: Any, whole_image: Function, read_raster: Function) -> Function:
    """Return a function that checks every number of the images done against Keras and NumPy."""

    def run_is_right(run: Run, images: Mapping[str, np.ndarray], area: float | None) -> None:
        """Images are pixels by key; area is that of a pixel."""
        assert rasters(run).keys() == images.keys()
        for key, pixels in images.items():
            path = rasters(run)[key]
            classes = read_raster(path)
            scores = whole_image(net, pixels, stride=2)
            assert (classes == np.array(VALUES)[scores.argmax(-1)]).all()
            (output,) = run.sql(
                "select o.* from outputs o join items i on i.id = o.item_id"
                " where o.run_id = ? and i.source_key = ?",
                [run.id, key],
            )
            counts = np.bincount(classes.ravel(), minlength=10)[VALUES]
            assert output["valid_pixels"] == counts.sum() == classes.size
            assert (output["width"], output["height"]) == classes.shape[::-1]
            assert output["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
            assert output["dominant_class"] == NAMES[counts.argmax()]
            assert output["dominant_share"] == pytest.approx(counts.max() / classes.size)
            confidence = scores.max(-1)
            assert output["mean_confidence"] == pytest.approx(confidence.mean(), abs=1e-5)
            _check_stats(run, output["id"], classes, confidence, area)

    return run_is_right


def _check_stats(
    run: Run, output_id: int, classes: np.ndarray, confidence: np.ndarray, area: float | None
) -> None:
    stats = run.sql("select * from class_stats where output_id = ? order by value", [output_id])
    assert [stat["value"] for stat in stats] == VALUES
    assert [stat["name"] for stat in stats] == NAMES
    assert sum(stat["fraction"] for stat in stats) == pytest.approx(1)
    for stat in stats:
        chosen = classes == stat["value"]
        assert stat["pixels"] == chosen.sum()
        assert stat["fraction"] == pytest.approx(chosen.mean())
        assert stat["area_m2"] == (None if area is None else pytest.approx(area * chosen.sum()))
        if chosen.any():
            assert stat["mean_confidence"] == pytest.approx(confidence[chosen].mean(), abs=1e-5)


# one of each input kind


def test_a_raster_file(tmp_path: Path, land: Path, write_raster: Function, check: Function) -> None:
    scene = np.random.default_rng(1).integers(0, 256, (3, 131, 75), np.uint8)
    write_raster(tmp_path / "scene.tif", scene, **UTM)
    run = classify(
        tmp_path / "scene.tif",
        model=land,
        output=tmp_path / "r.gpkg",
        arguments={"tile_size": 48},
    )
    assert (run.status, run.done, run.failed, run.skipped) == ("finished", 1, 0, 0)
    assert (run.classified_now, run.exit_code, run.layers) == (1, 0, ())
    assert run.rasters == tmp_path / "r_rasters" / "run_1"
    check(run, {"scene.tif": scene}, area=900)
    with rasterio.open(rasters(run)["scene.tif"]) as dataset:
        assert dataset.transform == UTM["transform"]
        assert dataset.crs == UTM["crs"]
        assert dataset.tags()["PIXELCAT_MODEL"] == "land"
        assert dataset.tags()["PIXELCAT_IMAGE"] == "scene.tif"
        assert dataset.tags()["PIXELCAT_RUN"] == "1"


def test_several_files(
    tmp_path: Path, land: Path, photos: Path, write_raster: Function, check: Function
) -> None:
    scene = np.random.default_rng(2).integers(0, 256, (3, 30, 40), np.uint8)
    write_raster(tmp_path / "scene.tif", scene)
    (tmp_path / "broken.jpg").write_bytes((photos / "0.jpg").read_bytes()[:500])
    inputs = [tmp_path / "scene.tif", tmp_path / "broken.jpg", photos / "1.jpg"]
    run = classify(inputs, model=land, output=tmp_path / "r.gpkg")
    assert (run.done, run.failed, run.skipped, run.exit_code) == (2, 1, 0, 3)
    assert [failure.image for failure in run.failures] == ["broken.jpg"]
    check(run, {"scene.tif": scene, "1.jpg": pixels_of(photos / "1.jpg")}, area=None)


def test_a_folder(tmp_path: Path, land: Path, photos: Path, check: Function) -> None:
    (photos / "deep" / "er").mkdir(parents=True)
    (photos / "deep" / "er" / "same.jpg").write_bytes((photos / "3.jpg").read_bytes())
    (photos / "notes.txt").write_text("wet day")
    (photos / "report.jpg").write_bytes(b"%PDF-1.7")
    (photos / "cut.jpg").write_bytes((photos / "2.jpg").read_bytes()[:1500])
    run = classify(photos, model=land, output=tmp_path / "r.gpkg")
    assert (run.done, run.failed, run.skipped, run.exit_code) == (6, 2, 1, 3)
    assert statuses(run) == {
        **{f"{n}.jpg": "done" for n in range(5)},
        "deep/er/same.jpg": "done",
        "notes.txt": "skipped",
        "report.jpg": "failed",
        "cut.jpg": "failed",
    }
    images = {f"{n}.jpg": pixels_of(photos / f"{n}.jpg") for n in range(5)}
    check(run, {**images, "deep/er/same.jpg": images["3.jpg"]}, area=None)
    assert {failure.image for failure in run.failures} == {"report.jpg", "cut.jpg"}


def test_a_file_geodatabase(
    tmp_path: Path, land: Path, make_gdb: Function, photo_bytes: Function, check: Function
) -> None:
    good = [photo_bytes(n, (40 + n, 50 - n)) for n in range(3)]
    survey = make_gdb(
        [
            (1, "a.jpg", "image/jpeg", good[0]),
            (1, "b.jpg", "image/jpeg", good[1]),
            (3, "c.jpg", "image/jpeg", good[2]),
            (3, "cut.jpg", "image/jpeg", good[2][:900]),
            (2, "empty.jpg", "image/jpeg", b""),
            (99, "orphan.jpg", "image/jpeg", good[0]),
            (2, "notes.pdf", "application/pdf", b"%PDF-1.7"),
        ]
    )
    run = classify(survey, model=land, output=tmp_path / "r.gpkg")
    assert (run.done, run.failed, run.skipped, run.exit_code) == (3, 3, 1, 3)
    keys = {r["name"]: r["source_key"] for r in run.sql("select name, source_key from items")}
    names = ("a.jpg", "b.jpg", "c.jpg")
    check(run, {keys[n]: pixels_of(b) for n, b in zip(names, good, strict=True)}, area=None)
    assert run.layers == ("plots_classified", "plots_classified_summary")
    rows = run.features()
    found = rows[["plot_id", "image_name", "status"]].to_numpy().tolist()
    assert sorted(found) == [
        ["P1", "a.jpg", "done"],
        ["P1", "b.jpg", "done"],
        ["P2", "empty.jpg", "failed"],
        ["P2", "notes.pdf", "skipped"],
        ["P3", "c.jpg", "done"],
        ["P3", "cut.jpg", "failed"],
    ]
    done = rows[rows["status"] == "done"]
    assert all((tmp_path / path).is_file() for path in done["classified_image"])


def test_a_geopackage(
    tmp_path: Path, land: Path, make_gpkg: Function, photo_bytes: Function, check: Function
) -> None:
    good = [photo_bytes(n, (33 + n, 44)) for n in range(2)]
    survey = make_gpkg(
        [("image/jpeg", good[0]), ("image/jpeg", good[1]), ("image/jpeg", good[1][:700])],
        [(1, 1), (2, 1), (2, 2), (3, 3)],
    )
    run = classify(
        survey, model=land, output=tmp_path / "r.gpkg", layer="plots", out_features="answer"
    )
    assert (run.done, run.failed, run.skipped, run.exit_code) == (2, 1, 0, 3)
    check(run, {"photos/1": pixels_of(good[0]), "photos/2": pixels_of(good[1])}, area=None)
    assert run.layers == ("answer", "answer_summary")
    shares = run.sql("select plot_id, images, classified, failed from answer_summary order by 1")
    assert [tuple(row.values()) for row in shares] == [
        ("P1", 1, 1, 0),
        ("P2", 2, 2, 0),
        ("P3", 1, 0, 1),
    ]


# ground area


def areas(run: Run) -> dict[int, float]:
    rows = run.sql("select value, area_m2 from class_stats")
    return {row["value"]: row["area_m2"] for row in rows}


def geodesic(transform: Affine, rows: int) -> np.ndarray:
    """Area in m² of one pixel in each row."""
    geod = Geod(ellps="WGS84")
    result = []
    for row in range(rows):
        corners = [transform @ (c, r) for c, r in ((0, row), (1, row), (1, row + 1), (0, row + 1))]
        result.append(abs(geod.polygon_area_perimeter(*zip(*corners, strict=True))[0]))
    return np.array(result)


@pytest.mark.parametrize(
    ("transform", "shape"),
    [
        (Affine(0.0003, 0, 23.5, 0, -0.0003, 60.2), (120, 90)),
        (Affine(0.25, 0, -10, 0, -0.25, 70), (160, 60)),
        (Affine(2, 0, -180, 0, -2, 89), (89, 180)),
    ],
)
def test_area_in_degrees_is_geodesic_row_by_row(
    tmp_path: Path,
    land: Path,
    write_raster: Function,
    read_raster: Function,
    transform: Affine,
    shape: tuple[int, int],
) -> None:
    pixels = np.random.default_rng(7).integers(0, 256, (3, *shape))
    pixels[:, : shape[0] // 3] //= 8  # the north is another class than the south
    write_raster(tmp_path / "s.tif", pixels.astype(np.uint8), transform=transform, crs="EPSG:4326")
    run = classify(tmp_path / "s.tif", model=land, output=tmp_path / "r.gpkg")
    classes = read_raster(rasters(run)["s.tif"])
    by_row = geodesic(transform, shape[0])
    for value, area in areas(run).items():
        expected = ((classes == value).sum(axis=1) * by_row).sum()
        assert area == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    ("place", "area"),
    [
        ({"transform": Affine(10, 0, 0, 0, -10, 0), "crs": "EPSG:32621"}, 100),
        ({"transform": Affine(10, 0, 0, 0, 20, 0), "crs": "EPSG:32621"}, 200),
        ({"transform": Affine(6, 8, 0, 8, -6, 0), "crs": "EPSG:32621"}, 100),
        ({"transform": Affine(1, 0, 9e5, 0, -1, 2e5), "crs": "EPSG:2263"}, (1200 / 3937) ** 2),
        ({"transform": Affine(10, 0, 0, 0, -10, 0)}, None),
        ({}, None),
    ],
)
def test_area_in_a_projected_system_is_planar_in_metres(
    tmp_path: Path, land: Path, write_raster: Function, place: Any, area: float | None
) -> None:
    pixels = np.random.default_rng(7).integers(0, 256, (3, 20, 30), np.uint8)
    write_raster(tmp_path / "s.tif", pixels, **place)
    run = classify(tmp_path / "s.tif", model=land, output=tmp_path / "r.gpkg")
    found = areas(run).values()
    if area is None:
        assert set(found) == {None}
    else:
        assert sum(found) == pytest.approx(600 * area)


# again, and going on

SECOND_CALL = """
import sys
from pixelcat import classify
run = classify(sys.argv[1], model=sys.argv[2], output=sys.argv[3])
heavy = [name for name in ("tensorflow", "keras") if name in sys.modules]
print(run.id, run.status, run.done, run.failed, run.classified_now, heavy)
"""


def test_measures_that_are_left_out_are_told(
    tmp_path: Path, land: Path, make_gpkg: Function, photo_bytes: Function
) -> None:
    survey = make_gpkg([("image/jpeg", photo_bytes(1))], [(1, 1)])
    point = struct.pack("<2sBBi", b"GP", 0, 1, 4326) + struct.pack("<BI3d", 1, 2001, 4, 45, 9)
    with closing(sqlite3.connect(survey)) as database, database:
        register_functions(database)
        database.execute("update plots set geom = ? where fid = 1", (point,))
    run = classify(survey, model=land, output=tmp_path / "r.gpkg")
    assert run.notes == ("plots_classified: measures (M) of plots are left out",)


def test_the_same_call_again_does_nothing_and_needs_no_tensorflow(
    tmp_path: Path, land: Path, photos: Path
) -> None:
    (photos / "bad.jpg").write_bytes(b"nothing")
    first = classify(photos, model=land, output=tmp_path / "r.gpkg")
    before = state(tmp_path / "r_rasters")
    calls: list[Progress] = []
    again = classify(photos, model=land, output=tmp_path / "r.gpkg", progress=calls.append)
    assert (again.id, again.done, again.failed, again.classified_now) == (first.id, 5, 1, 0)
    assert calls == []
    answer = subprocess.run(
        [sys.executable, "-c", SECOND_CALL, photos, land, tmp_path / "r.gpkg"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout == "1 finished 5 1 0 []\n"
    assert answer.stderr == ""
    assert state(tmp_path / "r_rasters") == before


def test_a_lost_raster_is_made_again_and_no_other(tmp_path: Path, land: Path, photos: Path) -> None:
    first = classify(photos, model=land, output=tmp_path / "r.gpkg")
    before, made = content(first), state(first.rasters)
    lost = rasters(first)["2.jpg"]
    lost.unlink()
    calls: list[Progress] = []
    again = classify(photos, model=land, output=tmp_path / "r.gpkg", progress=calls.append)
    assert (again.id, again.done, again.classified_now) == (first.id, 5, 1)
    assert {(call.images, call.pixels) for call in calls} == {(1, calls[-1].pixels_done)}
    assert [call.images_done for call in calls] == [0] * (len(calls) - 1) + [1]
    assert content(again) == before
    now = state(first.rasters)
    changed = {name for name in now if now[name] != made[name]}
    assert changed == {lost.name, f"{lost.name}.aux.xml"}
    assert len(again.sql("select * from outputs")) == 5


def test_a_changed_photo_is_classified_again_and_no_other(
    tmp_path: Path, land: Path, photos: Path, photo_bytes: Function, check: Function
) -> None:
    classify(photos, model=land, output=tmp_path / "r.gpkg")
    (photos / "1.jpg").write_bytes(photo_bytes(99, (20, 30)))
    (photos / "new.jpg").write_bytes(photo_bytes(98, (21, 31)))
    run = classify(photos, model=land, output=tmp_path / "r.gpkg")
    assert (run.id, run.classified_now) == (1, 2)
    assert (run.done, run.failed) == (6, 0)
    check(run, {path.name: pixels_of(path) for path in photos.iterdir()}, area=None)


def test_a_changed_photo_does_not_change_the_class_map_of_its_copy(
    tmp_path: Path, land: Path, photos: Path, photo_bytes: Function, check: Function
) -> None:
    (photos / "copy.jpg").write_bytes((photos / "1.jpg").read_bytes())
    classify(photos, model=land, output=tmp_path / "r.gpkg")
    for seed in (99, 98):
        (photos / "1.jpg").write_bytes(photo_bytes(seed, (20, 30)))
        run = classify(photos, model=land, output=tmp_path / "r.gpkg")
        assert (run.done, run.classified_now) == (6, 1)
        check(run, {path.name: pixels_of(path) for path in photos.iterdir()}, area=None)


def test_class_maps_that_nothing_lists_any_more_are_removed_and_no_other_file(
    tmp_path: Path, land: Path, photos: Path
) -> None:
    asked = {"model": land, "output": tmp_path / "r.gpkg", "also": "confidence"}
    first = classify(photos, **asked)
    rows = first.sql("select image_name, classified_image from item_results where status = 'done'")
    maps = {row["image_name"]: tmp_path / row["classified_image"] for row in rows}
    copied, cut, gone, whole, *_ = sorted(maps)
    mine = [maps[copied].with_name(name) for name in ("mine.tif", f"{maps[copied].stem}_mine.tif")]
    for path in mine:
        path.touch()
    before = set(first.rasters.iterdir())
    (photos / copied).write_bytes((photos / whole).read_bytes())
    (photos / cut).write_bytes((photos / cut).read_bytes()[:300])
    (photos / gone).unlink()
    run = classify(photos, **asked)
    assert (run.done, run.failed) == (3, 2)
    left = before - set(run.rasters.iterdir())
    stems = {maps[name].stem for name in (copied, cut, gone)}
    assert {path.name for path in left} == {
        path.name for path in before - set(mine) if any(path.name.startswith(s) for s in stems)
    }
    assert len(left) > 6
    assert maps[whole].is_file()


def test_a_broken_photo_that_the_user_took_away_counts_no_more(
    tmp_path: Path, land: Path, photos: Path
) -> None:
    (photos / "cut.jpg").write_bytes((photos / "1.jpg").read_bytes()[:300])
    first = classify(photos, model=land, output=tmp_path / "r.gpkg")
    assert (first.done, first.failed) == (5, 1)
    (photos / "cut.jpg").unlink()
    again = classify(photos, model=land, output=tmp_path / "r.gpkg")
    assert (again.done, again.failed, again.exit_code) == (5, 0, 0)
    (status,) = open_catalog(again.catalog).status()
    assert (status["done"], status["failed"]) == (5, 0)


def test_a_classified_photo_that_is_gone_is_told_and_no_longer_current(
    tmp_path: Path, land: Path, photos: Path
) -> None:
    classify(photos, model=land, output=tmp_path / "r.gpkg")
    hidden = (photos / "1.jpg").rename(tmp_path / "1.jpg")
    for _ in range(2):
        again = classify(photos, model=land, output=tmp_path / "r.gpkg")
        assert (again.done, again.failed, again.exit_code) == (4, 1, 3)
        assert [(f.image, f.reason) for f in again.failures] == [
            ("1.jpg", "no longer in the source")
        ]
        (status,) = open_catalog(again.catalog).status()
        assert (status["done"], status["failed"]) == (4, 1)
        assert statuses(again)["1.jpg"] == "failed"
        assert again.sql("select 1 from current_outputs where status = 'done'") == [{"1": 1}] * 4
    forced = classify(photos, model=land, output=tmp_path / "r.gpkg", force=True)
    assert (forced.done, forced.exit_code) == (4, 0)
    hidden.rename(photos / "1.jpg")
    back = classify(photos, model=land, output=tmp_path / "r.gpkg")
    assert (back.done, back.classified_now, back.exit_code) == (5, 1, 0)


def test_a_classified_attachment_that_lost_its_feature_is_told(
    tmp_path: Path, land: Path, make_gdb: Function, photo_bytes: Function
) -> None:
    attachments = [(n, f"{n}.jpg", "image/jpeg", photo_bytes(n)) for n in (1, 2)]
    survey = make_gdb(attachments)
    classify(survey, model=land, output=tmp_path / "r.gpkg")
    shutil.rmtree(survey)
    make_gdb(attachments, features=1)
    run = classify(survey, model=land, output=tmp_path / "r.gpkg")
    assert (run.done, run.failed, run.classified_now, run.exit_code) == (1, 1, 0, 3)
    (failure,) = run.failures
    assert failure.reason == "orphan attachment: no feature has REL_OBJECTID 2"
    assert run.sql("select source_key, status from item_results where is_current") == [
        {"source_key": "1", "status": "done"},
        {"source_key": "2", "status": "failed"},
    ]
    (status,) = open_catalog(run.catalog).status()
    assert (status["done"], status["failed"]) == (1, 1)


@pytest.mark.parametrize(
    "name", ["results", "results.db", "survey.gdb/results.gpkg", "absent/results.gpkg"]
)
def test_a_place_where_no_catalog_belongs_is_refused(
    tmp_path: Path, land: Path, photos: Path, make_gdb: Function, name: str
) -> None:
    survey = make_gdb([])
    before = sorted(survey.iterdir())
    with pytest.raises(UsageError):
        classify(photos, model=land, output=tmp_path / name)
    assert sorted(survey.iterdir()) == before
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != photos.name) == [
        "survey.gdb"
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"arguments": {"std": 0}},
        {"arguments": {"batch_size": 10**6}},
        {"arguments": {"bands": "0,1"}},
        {"out_features": "plots"},
    ],
)
def test_a_mistake_leaves_no_catalog_behind(
    tmp_path: Path, land: Path, photos: Path, wrong: dict[str, Any]
) -> None:
    with pytest.raises((UsageError, ModelError)):
        classify(photos / "0.jpg", model=land, output=tmp_path / "r.gpkg", **wrong)
    assert not list(tmp_path.glob("r.gpkg*"))


def located(path: Path, seed: int, place: tuple[float, float] | None) -> Path:
    """Write a photo that says where it was taken, and that it looks east."""
    exif = Image.Exif()
    if place is not None:
        lon, lat = place
        exif[0x8825] = {
            1: "S" if lat < 0 else "N", 2: (int(abs(lat)), round(abs(lat) % 1 * 60, 4), 0.0),
            3: "W" if lon < 0 else "E", 4: (int(abs(lon)), round(abs(lon) % 1 * 60, 4), 0.0),
            17: 90.0,
        }  # fmt: skip
        exif[0x8769] = {0x9003: "2026:11:28 09:30:00"}
    noise = np.random.default_rng(seed).integers(0, 256, (40, 50, 3), np.uint8)
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(noise).save(path, exif=exif)
    return path


def test_photos_that_say_where_they_were_taken_become_points(tmp_path: Path, land: Path) -> None:
    located(tmp_path / "DCIM/a.jpg", 1, (-60.5, -3.25))
    located(tmp_path / "DCIM/b.jpg", 2, None)
    located(tmp_path / "DCIM/c.jpg", 3, (5.125, 52.0))
    for _ in range(2):
        run = classify(tmp_path / "DCIM", model=land, output=tmp_path / "r.gpkg")
        assert run.layers == ("DCIM_classified", "DCIM_classified_summary")
        assert run.done == 3
        frame = run.features()
        assert list(frame["path"]) == ["a.jpg", "c.jpg"]
        assert list(frame["taken_at"]) == ["2026-11-28T09:30:00"] * 2
        assert list(frame["direction"]) == [90.0, 90.0]
        assert frame.crs == "EPSG:4326"
        places = [(point.x, point.y) for point in frame.geometry]
        np.testing.assert_allclose(places, [(-60.5, -3.25), (5.125, 52.0)], atol=1e-6)
        assert set(frame["status"]) == {"done"}
    (tmp_path / "DCIM/a.jpg").unlink()
    run = classify(tmp_path / "DCIM", model=land, output=tmp_path / "r.gpkg")
    assert list(run.features()["path"]) == ["c.jpg"]


def test_points_may_have_a_name_and_plain_folders_have_no_layer(tmp_path: Path, land: Path) -> None:
    located(tmp_path / "DCIM/a.jpg", 1, (5, 52))
    run = classify(tmp_path / "DCIM", model=land, output=tmp_path / "r.gpkg", out_features="stops")
    assert run.layers == ("stops", "stops_summary")
    located(tmp_path / "plain/a.jpg", 1, None)
    run = classify(tmp_path / "plain", model=land, output=tmp_path / "p.gpkg", out_features="stops")
    assert run.layers == ()
    assert "no photo says where it was taken" in run.notes[0]


def test_class_rasters_of_another_catalog_are_no_input(
    tmp_path: Path, land: Path, photos: Path
) -> None:
    classify(photos, model=land, output=photos / "a.gpkg")
    run = classify(photos, model=land, output=photos / "b.gpkg")
    assert (run.done, run.failed) == (5, 0)
    reasons = run.sql("select reason from items where status = 'skipped'")
    assert "the class rasters of a.gpkg; give it as an input of its own" in [
        row["reason"] for row in reasons
    ]


def test_photos_of_many_odd_sizes_need_no_function_each(
    tmp_path: Path, keras_net: Function, photo_bytes: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pixelcat.processors import compiled

    traces: list[tuple[object, ...]] = []
    trace = compiled.Compiled._trace

    def counted(self: Any, kind: Any) -> Any:
        traces.append(tuple(kind))
        return trace(self, kind)

    monkeypatch.setattr(compiled.Compiled, "_trace", counted)
    keras_net(interpolation="bilinear").save(tmp_path / "net.keras")
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number}.jpg").write_bytes(photo_bytes(number, (40 + number, 70 - number)))
    run = classify(folder, model=tmp_path / "net.keras", output=tmp_path / "r.gpkg")
    assert run.done == 12
    assert traces == [(None, None, None, "uint8", False, False)]


def test_force_makes_a_new_run_beside_the_old(tmp_path: Path, land: Path, photos: Path) -> None:
    first = classify(photos, model=land, output=tmp_path / "r.gpkg")
    before = state(first.rasters)
    forced = classify(photos, model=land, output=tmp_path / "r.gpkg", force=True)
    assert (forced.id, forced.done, forced.classified_now) == (2, 5, 5)
    assert state(first.rasters) == before
    assert len(list(forced.rasters.glob("*.tif"))) == 5
    current = forced.sql("select run_id, is_current, count(*) from outputs group by 1, 2")
    assert [tuple(row.values()) for row in current] == [(1, 0, 5), (2, 1, 5)]
    again = classify(photos, model=land, output=tmp_path / "r.gpkg")
    assert (again.id, again.classified_now) == (2, 0)


def test_force_on_one_input_leaves_the_others_alone(
    tmp_path: Path, land: Path, photos: Path
) -> None:
    def call(*names: str, **options: Any) -> Run:
        inputs = [photos / f"{name}.jpg" for name in names]
        return classify(inputs, model=land, output=tmp_path / "r.gpkg", **options)

    call("0", "1", "2")
    before = state(tmp_path / "r_rasters")
    assert call("0", force=True).id == 2
    for names in (("1",), ("0", "1", "2"), ("2", "0")):
        again = call(*names)
        assert (again.id, again.done, again.classified_now) == (2, len(names), 0)
    assert before.items() <= state(tmp_path / "r_rasters").items()
    assert call("1", "3").classified_now == 1
    assert [row["done"] for row in open_catalog(again.catalog).status()] == [3, 4]
    current = again.sql("select raster_path as path from current_outputs order by item_id")
    assert [Path(row["path"]).parent.name for row in current] == [
        "run_2",
        "run_1",
        "run_1",
        "run_2",
    ]
    assert all((tmp_path / row["path"]).is_file() for row in current)
    (tmp_path / current[1]["path"]).unlink()
    assert call("1").classified_now == 1


def test_other_arguments_make_another_run(tmp_path: Path, land: Path, photos: Path) -> None:
    def call(**arguments: Any) -> Run:
        return classify(photos, model=land, output=tmp_path / "r.gpkg", arguments=arguments)

    assert call().id == 1
    assert call(tile_size=48).id == 2
    assert call(tile_size="48").classified_now == 0
    assert call(scale=0.5, mean=[1, 2, 3]).id == 3
    assert call(scale="0.50", mean="1,2,3").classified_now == 0


def test_two_models_side_by_side(
    tmp_path: Path, land: Path, exact_net: Function, make_gpkg: Function, photo_bytes: Function
) -> None:
    survey = make_gpkg([("image/jpeg", photo_bytes(n)) for n in range(2)], [(1, 1), (2, 2)])
    exact_net(seed=8, poolings=0, channels=2).save(tmp_path / "other.keras")
    first = classify(survey, model=land, output=tmp_path / "r.gpkg")
    before = content(first)
    other = classify(survey, model=tmp_path / "other.keras", output=tmp_path / "r.gpkg")
    assert other.id == 2
    assert set(other.layers).isdisjoint(first.layers)
    assert content(first) == before
    assert len(rasters(other)) == 2
    results = open_catalog(tmp_path / "r.gpkg")
    assert set(results.table(first.layers[0])["dominant_class"].dropna()) <= set(NAMES)
    assert set(other.features()["dominant_class"].dropna()) <= {"class 0", "class 1"}
    assert [row["done"] for row in results.status()] == [2, 2]


def test_two_inputs_share_a_run_and_its_numbers_are_those_of_the_inputs_given(
    tmp_path: Path, land: Path, photos: Path
) -> None:
    first = classify(photos / "0.jpg", model=land, output=tmp_path / "r.gpkg")
    both = classify([photos / "0.jpg", photos / "1.jpg"], model=land, output=tmp_path / "r.gpkg")
    assert (first.id, both.id) == (1, 1)
    assert (first.done, both.done, both.classified_now) == (1, 2, 1)


def test_an_interrupted_run_goes_on_and_ends_with_the_same_bytes(
    tmp_path: Path, land: Path, photos: Path
) -> None:
    after = 3
    whole = classify(photos, model=land, output=tmp_path / "whole.gpkg")

    def interrupt(state: Progress) -> None:
        if state.images_done == after:
            raise KeyboardInterrupt

    stopped = classify(photos, model=land, output=tmp_path / "r.gpkg", progress=interrupt)
    assert (stopped.status, stopped.done, stopped.classified_now) == ("stopped", after, after)
    assert open_catalog(tmp_path / "r.gpkg").status()[0]["status"] == "stopped"
    assert len(list(stopped.rasters.glob("*.tif"))) == after
    rest = classify(photos, model=land, output=tmp_path / "r.gpkg")
    assert (rest.id, rest.status) == (stopped.id, "finished")
    assert (rest.done, rest.classified_now) == (5, 5 - after)
    assert content(rest) == content(whole)


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(
    tmp_path: Path, land: Path, photo_bytes: Function
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(60):
        (folder / f"{number:03d}.jpg").write_bytes(photo_bytes(number, (60, 50)))
    output = tmp_path / "r.gpkg"
    process = subprocess.Popen(
        [sys.executable, "-c", SECOND_CALL, folder, land, output],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    made = tmp_path / "r_rasters" / "run_1"
    while len(list(made.glob("0*.tif"))) < 3 and process.poll() is None:
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    (made / f".tmp-{'0' * 32}.tif").write_bytes(b"half")
    done = open_catalog(output).status()[0]["done"]
    assert 1 <= done < 60
    rest = classify(folder, model=land, output=output)
    assert (rest.done, rest.failed, rest.classified_now) == (60, 0, 60 - done)
    assert len(list(made.glob("*.tif"))) == 60
    assert content(rest) == content(classify(folder, model=land, output=tmp_path / "whole.gpkg"))


# what is left alone


def test_sources_are_only_read(
    tmp_path: Path,
    land: Path,
    photos: Path,
    make_gdb: Function,
    make_gpkg: Function,
    photo_bytes: Function,
    write_raster: Function,
) -> None:
    sources = tmp_path / "sources"
    sources.mkdir()
    attachment = [(1, "a.jpg", "image/jpeg", photo_bytes(1))]
    for made in (make_gdb(attachment), make_gpkg([("image/jpeg", photo_bytes(2))], [(1, 1)])):
        os.rename(made, sources / made.name)  # noqa: PTH104  folders too
    os.rename(photos, sources / "photos")  # noqa: PTH104
    pixels = np.random.default_rng(7).integers(0, 256, (3, 20, 30), np.uint8)
    write_raster(sources / "scene.tif", pixels, **UTM)
    before = state(sources), state(land.parent)
    results = tmp_path / "results"
    results.mkdir()
    inputs = [sources / name for name in ("photos", "survey.gdb", "survey.gpkg", "scene.tif")]
    run = classify(inputs, model=land, output=results / "r.gpkg")
    assert (run.done, run.failed) == (8, 0)
    assert (state(sources), state(land.parent)) == before
    assert {path.name for path in results.iterdir()} <= {"r.gpkg", "r.gpkg.lock", "r_rasters"}


def test_results_beside_the_images_are_not_classified_with_them(
    tmp_path: Path, land: Path, photos: Path
) -> None:
    first = classify(photos, model=land, output=photos / "r.gpkg")
    again = classify(photos, model=land, output=photos / "r.gpkg")
    assert (first.done, again.done, again.classified_now) == (5, 5, 0)
    assert again.failed == again.skipped == 0


# what is refused, before anything is made


@pytest.mark.parametrize(
    ("change", "error", "reason"),
    [
        ({"inputs": []}, UsageError, "nothing to do"),
        ({"inputs": "nowhere.tif"}, SourceError, r"nowhere\.tif"),
        ({"model": "nowhere.emd"}, ModelError, r"nowhere\.emd"),
        ({"arguments": {"tilesize": 3}}, UsageError, "did you mean tile_size"),
        ({"arguments": {"padding": "x"}}, UsageError, "padding=x"),
        ({"layer": "plots"}, SourceError, "has no layers"),
    ],
)
def test_a_wrong_call_is_refused_and_makes_nothing(
    tmp_path: Path, land: Path, photos: Path, change: dict[str, Any], error: Any, reason: str
) -> None:
    call = {"inputs": photos / "0.jpg", "model": land, "output": tmp_path / "r.gpkg", **change}
    with pytest.raises(error, match=reason):
        classify(call.pop("inputs"), **call)
    assert not list(tmp_path.glob("r*"))


@pytest.mark.parametrize(
    "arguments", [{"tile_size": 8, "padding": 4}, {"bands": "0,1", "mean": "1,2"}]
)
def test_arguments_that_do_not_fit_the_network_are_refused(
    tmp_path: Path, land: Path, photos: Path, arguments: dict[str, Any]
) -> None:
    with pytest.raises((UsageError, ModelError)):
        classify(photos, model=land, output=tmp_path / "r.gpkg", arguments=arguments)
    run = classify(photos, model=land, output=tmp_path / "r.gpkg")
    assert (run.id, run.done) == (1, 5)


def test_a_catalog_in_use_is_refused(tmp_path: Path, land: Path, photos: Path) -> None:
    with Catalog(tmp_path / "r.gpkg", create=True), pytest.raises(CatalogBusyError):
        classify(photos, model=land, output=tmp_path / "r.gpkg")


def test_a_halo_that_is_too_small_is_noted(tmp_path: Path, land: Path, photos: Path) -> None:
    run = classify(photos, model=land, output=tmp_path / "r.gpkg", arguments={"padding": 0})
    (note,) = run.notes
    assert "seams are possible" in note


def test_where_nothing_can_be_classified_everything_has_its_reason(
    tmp_path: Path, land: Path
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.jpg").write_bytes(b"%PDF")
    run = classify(folder, model=land, output=tmp_path / "r.gpkg")
    assert (run.status, run.done, run.failed, run.exit_code) == ("finished", 0, 3, 3)
    assert all("PDF" in failure.reason for failure in run.failures)


def test_items_is_a_frame_of_the_run(tmp_path: Path, land: Path, photos: Path) -> None:
    run = classify(photos, model=land, output=tmp_path / "r.gpkg")
    classify(photos / "0.jpg", model=land, output=tmp_path / "r.gpkg", force=True)
    frame = run.items()
    assert sorted(frame["image_name"]) == [f"{n}.jpg" for n in range(5)]
    assert set(frame["run_id"]) == {1}


def test_a_keyword_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(TypeError, match="unexpected keyword argument 'cell_size'"):
        classify(tmp_path, model="net.keras", output=tmp_path / "r.gpkg", cell_size=30)
