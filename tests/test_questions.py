"""The questions of docs/questions.md, each against an answer worked out by hand."""

import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from PIL import Image

from pixelcat import Catalog
from pixelcat.catalog.records import ClassDefinition, ClassStat, Item, Output
from pixelcat.io.sources import scan
from pixelcat.processors.questions import dicts

DOCS = Path(__file__).resolve().parents[1] / "docs"
NAMES = {1: "Water", 2: "Crop", 9: "Built Up"}


def output(item: Item, pixels: dict[int, int], confidence: float, pixel_m2: float | None) -> Output:
    total = sum(pixels.values())
    return Output(
        item_id=item.id or 0,
        status="done",
        item_sha256=item.sha256,
        raster_path=f"results_rasters/{item.name}.tif",
        valid_pixels=total,
        stats=tuple(
            ClassStat(
                value=value,
                name=NAMES[value],
                pixels=count,
                fraction=count / total,
                area_m2=None if pixel_m2 is None else count * pixel_m2,
                mean_confidence=confidence,
            )
            for value, count in pixels.items()
        ),
    )


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four plots, five photos (one shared, one cut off), a scene; a second run of the photos.

    =====  =====  ======================  ==========  ======================
    photo  plots  run 1: Water Crop Built  confidence  run 2
    =====  =====  ======================  ==========  ======================
    a.jpg  A      80 20 0                  0.9         80 20 0
    b.jpg  A      20 60 20                 0.5         60 20 20
    c.jpg  A, B   0 100 0                  0.7         0 100 0
    d.jpg  C      cut off                              cut off
    =====  =====  ======================  ==========  ======================

    Plot D has no photo. The scene has 1,000 m² of Water and 3,000 m² of Crop.
    """
    folder = tmp_path_factory.mktemp("questions")
    _photos(folder)
    geopandas.GeoDataFrame(
        {"plot_id": list("ABCD")},
        geometry=[
            shapely.box(500_000 + 100 * n, 5e6, 500_050 + 100 * n, 5e6 + 40) for n in range(4)
        ],
        crs=32632,
    ).to_file(folder / "survey.gpkg", layer="plots", engine="pyogrio")
    _link(folder)
    with rasterio.open(
        folder / "scene.tif", "w", driver="GTiff", width=20, height=20, count=3, dtype="uint8",
        crs="EPSG:32632", transform=Affine(10, 0, 500_000, 0, -10, 5_000_200),
    ) as scene:  # fmt: skip
        scene.write(np.arange(1200, dtype=np.uint8).reshape(3, 20, 20))
    with Catalog(folder / "results.gpkg", create=True) as opened:
        (plots,) = (opened.add(each) for each in scan(folder / "survey.gpkg"))
        (scenes,) = (opened.add(each) for each in scan(folder / "scene.tif"))
        for model, b in (("one", {1: 20, 2: 60, 9: 20}), ("two", {1: 60, 2: 20, 9: 20})):
            _classify(opened, model, b, plots.id, scenes.id)
    return folder / "results.gpkg"


def _photos(folder: Path) -> None:
    for n, name in enumerate("abcd"):
        noise = np.random.default_rng(n).integers(0, 256, (10, 10, 3), np.uint8)
        exif = Image.Exif()
        exif[0x8769] = {0x9003: f"2024:0{5 + n // 2}:0{n + 1} 10:00:00"}
        Image.fromarray(noise).save(folder / f"{name}.jpg", exif=exif)
    (folder / "d.jpg").write_bytes((folder / "d.jpg").read_bytes()[:300])


def _link(folder: Path) -> None:
    """Relate photos to plots: a, b and c to A, c to B, d to C."""
    with sqlite3.connect(folder / "survey.gpkg") as database:
        database.executescript(
            """
            create table photos (id integer primary key autoincrement not null,
              content_type text not null, name text, data blob);
            create table plots_photos (base_id integer not null, related_id integer not null);
            create table gpkgext_relations (id integer primary key autoincrement,
              base_table_name text not null, base_primary_column text not null default 'id',
              related_table_name text not null, related_primary_column text not null
              default 'id', relation_name text not null, mapping_table_name text not null);
            insert into gpkgext_relations values
              (1, 'plots', 'fid', 'photos', 'id', 'media', 'plots_photos');
            insert into gpkg_contents (table_name, data_type, identifier) values
              ('photos', 'attributes', 'photos'), ('plots_photos', 'attributes', 'mapping');
            """
        )
        database.executemany(
            "insert into photos (content_type, name, data) values ('image/jpeg', ?, ?)",
            [(f"{n}.jpg", (folder / f"{n}.jpg").read_bytes()) for n in "abcd"],
        )
        database.executemany(
            "insert into plots_photos values (?, ?)", [(1, 1), (1, 2), (1, 3), (2, 3), (3, 4)]
        )
    database.close()


def _classify(
    catalog: Catalog, model: str, b: dict[int, int], plots: int | None, scenes: int | None
) -> None:
    model_id = catalog.add_model(
        name=model, framework="Keras", definition_sha256=model, weights_sha256=model,
        definition={},
        classes=[ClassDefinition(value=v, name=n, color=(v, 0, 0)) for v, n in NAMES.items()],
    )  # fmt: skip
    run = catalog.start_run(model_id, options={}, software={}, device="CPU", decoder="none")
    found = {
        "a": ({1: 80, 2: 20}, 0.9), "b": (b, 0.5), "c": ({2: 100}, 0.7),
    }  # fmt: skip
    datasets = [each for each in (plots, scenes if model == "one" else None) if each is not None]
    for item in catalog.pending(run, datasets):
        letter = catalog.query("select name from items where id = ?", (item.id,))[0]["name"]
        catalog.record(run, _outcome(item, letter, found))
    catalog.settle_unusable(run, datasets)
    if model == "two":
        return catalog._connection.execute("UPDATE outputs SET is_current = run_id = 1").close()
    catalog.write_feature_class(plots or 0, run)
    return None


def _outcome(item: Item, name: str, found: dict[str, Any]) -> Output:
    if name == "scene.tif":
        return output(item, {1: 10, 2: 30}, 0.8, 100.0)
    letter = "abcd"[int(item.source_key.rpartition("/")[2]) - 1]
    if letter == "d":
        return Output(item_id=item.id or 0, status="failed", reason="cut off",
                      item_sha256=item.sha256)  # fmt: skip
    return output(item, *found[letter], None)


def asked(catalog: Path, name: str, **parameters: Any) -> list[tuple[Any, ...]]:
    sql = (DOCS / "questions" / f"{name}.sql").read_text("utf-8")
    return [tuple(row.values()) for row in dicts(catalog, sql, parameters)]


DAMAGED = "JPEG is cut off: its end is missing; --allow-truncated takes the rest"
ANSWERS = {
    "failed_photos": ({"run": 1}, [("d.jpg", "failed", DAMAGED)]),
    "plots_without_photo": (
        {},
        [("C", 1, DAMAGED), ("D", 0, "no image attached to this feature")],
    ),
    "progress": ({}, [("", "one", 1, 1, 0, 0), ("plots", "one", 4, 3, 1, 0)]),
    "photos_to_take_again": ({}, [("C", "d.jpg", DAMAGED)]),
    "shared_photos": ({}, [("c.jpg", 2, "A B")]),
    "unsure_photos": ({"below": 0.6}, [("b.jpg", "Crop", 0.5)]),
    # of plot A's 300 pixels 20 + 60 + 100 are Crop, 80 + 20 Water, 20 Built Up
    "class_mix": ({}, [("A", 3, 33.3, 60.0, 6.7), ("B", 1, 0.0, 100.0, 0.0)]),
    "plots_with_class": ({"class": "Water", "share": 0.5}, [(1, 0.8, "a.jpg")]),
    # of the photos a, b, c and the scene only a is Water; (0.6 + 1 + 0.75) / 3
    "dominant_classes": ({}, [("Crop", 3, 0.783), ("Water", 1, 0.8)]),
    "cover_by_month": ({"class": "Crop"}, [("2024-05", 2, 0.4), ("2024-06", 1, 1.0)]),
    # -(0.6 ln 0.6 + 1/3 ln 1/3 + 1/15 ln 1/15)
    "diversity": ({}, [(1, 0.853), (2, 0.0)]),
    "disagreements": ({"one": 1, "other": 2}, [("b.jpg", "Crop", "Water")]),
    "hectares": ({}, [("Crop", 0.3), ("Water", 0.1)]),
    "rasters_at_point": (
        {"lon": 9.001, "lat": 45.1545},
        [("scene.tif", "results_rasters/scene.tif.tif")],
    ),
    # 50 m by 40 m on a map that is 0.9996 of the ground
    "plots_by_class": ({"class": "Crop"}, [("A", 0.6, 2002.0), ("B", 1.0, 2002.0)]),
}


@pytest.mark.parametrize(
    "name", ["dominant_classes", "diversity", "hectares", "plots_with_class", "rasters_at_point"]
)
def test_the_answers_of_two_models_are_kept_apart(catalog: Path, tmp_path: Path, name: str) -> None:
    copy = Path(shutil.copy(catalog, tmp_path / "both.gpkg"))
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("UPDATE outputs SET is_current = 1")
    parameters, expected = ANSWERS[name]
    sql = (DOCS / "questions" / f"{name}.sql").read_text("utf-8")
    found = dicts(copy, sql, parameters)
    first = [tuple(row.values())[: len(expected[0])] for row in found if row["run_id"] == 1]
    assert first == expected
    others = {row["run_id"] for row in found} - {1}
    assert others == (set() if name in ("hectares", "rasters_at_point") else {2})


@pytest.mark.parametrize("name", ANSWERS)
def test_a_question_is_answered_right(catalog: Path, name: str) -> None:
    parameters, expected = ANSWERS[name]
    answer = asked(catalog, name, **parameters)
    assert [row[: len(expected[0])] for row in answer] == expected


def test_a_place_outside_has_no_raster(catalog: Path) -> None:
    assert asked(catalog, "rasters_at_point", lon=9.1, lat=45.1545) == []


def test_every_question_is_tested_documented_and_says_its_parameters() -> None:
    text = (DOCS / "questions.md").read_text("utf-8")
    files = {path.stem: path.read_text("utf-8") for path in (DOCS / "questions").glob("*.sql")}
    assert set(files) == set(ANSWERS)
    for name, sql in files.items():
        assert f"questions/{name}.sql" in text
        remarks, _, statement = sql.partition("\nselect" if "\nselect" in sql else "\nwith")
        for parameter in re.findall(r":(\w+)", statement):
            assert f"-p {parameter}=" in remarks
