"""Answers for Python: frames, SQL with parameters, and what a notebook shows."""

import base64
import io
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pytest
from affine import Affine
from PIL import Image

from pixelcat import Run, classify, open_catalog
from pixelcat.catalog.errors import UsageError
from pixelcat.io import preview
from pixelcat.processors.pictures import COLUMNS, pictures

Function = Callable[..., Any]
COLORS = {1: (0, 0, 255), 2: (255, 255, 0), 9: (255, 0, 0)}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, model_emd: Path, write_raster: Function) -> Run:
    """A folder of two photos, one turned, a torn one and a map; one catalog for the module."""
    folder = tmp_path_factory.mktemp("python")
    images = folder / "images"
    images.mkdir()
    rng = np.random.default_rng(5)
    exif = Image.Exif()
    exif[0x0112] = 6
    for name, options in (("<b>a.jpg", {}), ("turned.jpg", {"exif": exif})):
        pixels = rng.integers(0, 256, (60, 90, 3), np.uint8)
        Image.fromarray(pixels).save(images / name, "JPEG", quality=95, **options)
    (images / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 torn")
    write_raster(
        images / "map.tif", rng.integers(0, 4000, (3, 50, 70)).astype(np.uint16),
        crs="EPSG:32631", transform=Affine(10, 0, 500_000, 0, -10, 5_000_000),
    )  # fmt: skip
    return classify(images, model=model_emd, output=folder / "r.gpkg")


def images(html: str) -> list[np.ndarray]:
    found = re.findall(r'src="data:image/(?:jpeg|png);base64,([^"]+)"', html)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(each)))) for each in found]


def test_frames_of_a_run(run: Run) -> None:
    items, stats = run.items(), run.class_stats()
    assert sorted(items["status"]) == ["done", "done", "done", "failed"]
    assert type(items) is pd.DataFrame
    sums = stats.groupby("item_id")["fraction"].sum()
    assert sums.tolist() == pytest.approx([1, 1, 1])
    by_image = stats[stats["image_name"] == "map.tif"]
    assert by_image["area_m2"].sum() == pytest.approx(50 * 70 * 100, rel=1e-3)


def test_frames_of_a_catalog(run: Run) -> None:
    results = open_catalog(run.catalog)
    assert results.items().equals(run.items())
    assert results.items(run.id).equals(run.items())
    for ask in (results.items, results.class_stats):
        with pytest.raises(UsageError, match="has no run 99"):
            ask(99)
    assert results.class_stats().equals(run.class_stats())
    with pytest.raises(UsageError, match="there is none"):
        results.features()


def test_output_feature_classes_are_frames(
    make_gdb: Function, photo_bytes: Function, model_emd: Path, tmp_path: Path
) -> None:
    survey = make_gdb([(1, "a.jpg", "image/jpeg", photo_bytes(1))])
    run = classify(survey, model=model_emd, output=tmp_path / "r.gpkg")
    results = open_catalog(tmp_path / "r.gpkg")
    frame = results.features()
    assert type(frame) is geopandas.GeoDataFrame
    assert frame["plot_id"].tolist() == ["P1", "P2", "P3"]
    assert results.features("plots_classified_summary")["classified"].tolist() == [1, 0, 0]
    assert len(images(results._repr_html_())) == 1
    assert frame["item_id"].dtype == "Int64"
    assert frame["item_id"].isna().tolist() == [False, True, True]
    assert frame["source_fid"].dtype == "int64"
    for name in ("items", "item_results", "nowhere"):
        with pytest.raises(UsageError, match=f"no layer {name}.*plots_classified"):
            results.features(name)
        with pytest.raises(UsageError, match=f"no layer {name}.*plots_classified"):
            run.features(name)


def test_times_are_in_utc_and_whole_numbers_stay_whole(class_catalog: Function) -> None:
    catalog = class_catalog([])
    with closing(sqlite3.connect(catalog)) as database, database:
        database.execute("create table t (fid integer primary key, at datetime, n integer, s text)")
        database.executemany(
            "insert into t (at, n, s) values (?, ?, ?)",
            [("2024-02-29T12:00:00.500+02:00", 2**62 + 1, "1"), (None, None, None),
             ("2024-03-01", 7, "2024-03-01")],
        )  # fmt: skip
    frame = open_catalog(catalog).table("t")
    assert frame["at"][0] == pd.Timestamp("2024-02-29T10:00:00.5Z")
    assert pd.isna(frame["at"][1])
    assert frame["at"][2] == pd.Timestamp("2024-03-01T00:00:00Z")
    assert frame["n"].tolist() == [2**62 + 1, pd.NA, 7]
    assert frame["s"].tolist()[::2] == ["1", "2024-03-01"]
    with closing(sqlite3.connect(catalog)) as database, database:
        database.execute("update t set at = 'noon', n = 'many' where fid = 3")
    frame = open_catalog(catalog).table("t")
    assert frame["at"][2] == "noon"
    assert frame["n"][2] == "many"


def test_sql_takes_parameters(run: Run) -> None:
    results = open_catalog(run.catalog)
    asked = "select name from items where status = :s"
    assert results.sql(asked, {"s": "unreadable"}) == [{"name": "torn.jpg"}]
    assert results.sql("select ? + ? as n", [1, 2]) == [{"n": 3}]
    for asked in (results.sql, run.sql):
        with pytest.raises(UsageError, match="SQL is a text, not int"):
            asked(5)  # type: ignore[operator]


def test_a_notebook_shows_numbers_and_pictures(run: Run) -> None:
    for html in (run._repr_html_(), open_catalog(run.catalog)._repr_html_()):
        assert [each.shape for each in images(html)] == [(60, 90, 3), (50, 70, 3), (90, 60, 3)]
        assert "<b>a.jpg" not in html
        assert "&lt;b&gt;a.jpg" in html
        assert "Built Up" in html
        assert "<script" not in html
        assert set(re.findall(r'src="(\w+:)', html)) == {"data:"}
    assert "torn.jpg" in run._repr_html_()


def test_pictures_are_the_image_under_its_classes(run: Run, read_raster: Function) -> None:
    rows = run.sql(
        f"select {COLUMNS} from outputs o join items i on i.id = o.item_id"
        " where o.status = 'done' and i.name = 'turned.jpg'"
    )
    (picture,) = pictures(run.catalog, run.id, rows, 1000)
    (shown,), (overlay,) = images(f'src="{picture.image}"'), images(f'src="{picture.overlay}"')
    path = run.catalog.parent / rows[0]["raster_path"]
    classes = read_raster(path)
    colors = np.array([[COLORS[value] for value in row] for row in classes.tolist()])
    expected = shown * 0.45 + colors * 0.55
    assert np.abs(overlay - expected).mean() < 12  # JPEG
    assert classes.shape == shown.shape[:2] == (90, 60)


def test_pictures_are_small(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = run.sql(
        f"select {COLUMNS} from outputs o join items i on i.id = o.item_id"
        " where o.status = 'done' and i.name = 'map.tif'"
    )
    (small,) = pictures(run.catalog, run.id, rows, 20)
    assert [each.shape for each in images(f'src="{small.overlay}"')] == [(14, 20, 3)]
    monkeypatch.setattr(preview, "LARGEST_IMAGE", 100)
    (alone,) = pictures(run.catalog, run.id, rows, 20)
    assert alone.image is None
    assert [each.shape for each in images(f'src="{alone.overlay}"')] == [(14, 20, 4)]


@pytest.mark.parametrize("path", ["../secret.tif", "/etc/hostname", "r_rasters/none.tif"])
def test_pictures_stay_in_the_folder_of_the_catalog(
    run: Run, tmp_path: Path, write_raster: Function, path: str
) -> None:
    folder = tmp_path / "stranger"
    folder.mkdir()
    write_raster(tmp_path / "secret.tif", np.ones((1, 4, 4), np.uint8))
    copy = folder / "r.gpkg"
    copy.write_bytes(run.catalog.read_bytes())
    with closing(sqlite3.connect(copy)) as database, database:
        database.execute("update outputs set raster_path = ? where status = 'done'", (path,))
        database.execute("update classes set color = 'red\"><script>'")
    html = open_catalog(copy)._repr_html_()
    assert images(html) == []
    assert "<script" not in html
