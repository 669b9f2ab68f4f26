"""What a catalog keeps: datasets, items, runs, outputs, and the output feature class."""

import hashlib
import os
import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas
import pytest
import shapely
from sqlite_utils import Database, Migrations

from pixelcat.catalog import schema, schema_sql
from pixelcat.catalog.errors import CatalogError, SourceError
from pixelcat.catalog.query import query
from pixelcat.catalog.records import (
    ClassDefinition,
    ClassStat,
    Column,
    Dataset,
    Feature,
    Item,
    Output,
    Scan,
)
from pixelcat.catalog.store import Catalog
from pixelcat.io import fingerprint
from pixelcat.io.scan_options import ScanOptions
from pixelcat.io.sources import scan


@pytest.fixture
def catalog(tmp_path):
    with Catalog(tmp_path / "results.gpkg", create=True) as opened:
        yield opened


@pytest.fixture
def survey(make_gdb, photo_bytes):
    """P1 has two photos, P2 one that is damaged, P3 none."""
    return make_gdb(
        [
            (1, "north.jpg", "image/jpeg", photo_bytes(1)),
            (1, "south.jpg", "image/jpeg", photo_bytes(2)),
            (2, "torn.jpg", "image/jpeg", b"no photo at all"),
        ]
    )


@pytest.fixture
def photos(tmp_path, photo_bytes):
    """A folder of three photos; ``c.jpg`` has the content of ``a.jpg``."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, seed in (("a.jpg", 1), ("b.jpg", 2), ("c.jpg", 1)):
        (folder / name).write_bytes(photo_bytes(seed))
    return folder


def add(catalog, path, layer=None):
    return [catalog.add(each) for each in scan(path, layer)]


def items(catalog, columns="name, status, reason"):
    return [tuple(row.values()) for row in catalog.query(f"SELECT {columns} FROM items")]


def column(catalog, sql, *parameters):
    return [next(iter(row.values())) for row in catalog.query(sql, parameters)]


def all_datasets(catalog):
    return column(catalog, "SELECT id FROM datasets")


def pending(catalog, run):
    return list(catalog.pending(run, all_datasets(catalog)))


# --- opening -----------------------------------------------------------------------------


def test_a_catalog_is_made_only_when_asked_for(tmp_path):
    with pytest.raises(CatalogError, match=r"results\.gpkg: no such catalog"):
        Catalog(tmp_path / "results.gpkg")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(CatalogError, match=r"nowhere does not exist; create it first"):
        Catalog(tmp_path / "nowhere" / "results.gpkg", create=True)


def test_a_commit_survives_a_power_failure(catalog):
    (settings,) = catalog.query(
        "SELECT journal_mode, synchronous, foreign_keys FROM pragma_journal_mode,"
        " pragma_synchronous, pragma_foreign_keys"
    )
    assert settings == {"journal_mode": "delete", "synchronous": 3, "foreign_keys": 1}


def test_a_catalog_of_a_newer_version_is_refused_and_untouched(tmp_path):
    path = tmp_path / "results.gpkg"
    Catalog(path, create=True).close()
    with sqlite3.connect(path) as database:
        database.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
            " VALUES ('pixelcat', '9999_from_the_future', '2099-01-01')"
        )
    database.close()
    before = path.read_bytes()
    with pytest.raises(CatalogError, match=r"newer pixelcat \(9999_from_the_future\); upgrade"):
        Catalog(path, create=True).close()
    assert path.read_bytes() == before


def plain_sqlite(path):
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE birds (name)")
    database.close()


def plain_geopackage(path):
    frame = geopandas.GeoDataFrame(geometry=[shapely.Point(4, 45)], crs=4326)
    frame.to_file(path, driver="GPKG", engine="pyogrio")


def migrated_by_another_tool(path):
    migrations = Migrations("birdwatch")
    migrations(name="first")(lambda db: db.table("birds").insert({"name": "wren"}))
    database = Database(path)
    migrations.apply(database)
    database.close()


def text(path):
    path.write_text("these are not the tables you are looking for\n" * 100)


@pytest.mark.parametrize(
    "make",
    [plain_sqlite, plain_geopackage, migrated_by_another_tool, text],
    ids=lambda m: m.__name__,
)
def test_a_file_that_is_no_catalog_is_refused_and_untouched(tmp_path, make):
    path = tmp_path / "mine.gpkg"
    make(path)
    before = path.read_bytes()
    for _ in range(2):  # the first refusal gives the lock back
        with pytest.raises(CatalogError, match=r"mine\.gpkg.* is not a") as refusal:
            Catalog(path, create=True).close()
        assert "\n" not in str(refusal.value)
    assert path.read_bytes() == before


def cut_off(data):
    return data[:5000]


def overwritten(data):
    return data.replace(b"tableitemsitems", b"table" + b"\xff" * 10)


@pytest.mark.parametrize("damage", [cut_off, overwritten], ids=lambda damage: damage.__name__)
def test_a_damaged_catalog_is_refused_in_one_line(tmp_path, damage):
    path = tmp_path / "results.gpkg"
    Catalog(path, create=True).close()
    path.write_bytes(damage(path.read_bytes()))
    for ask in (lambda: Catalog(path).close(), lambda: query(path, "SELECT * FROM items")):
        with pytest.raises(CatalogError, match=r"results\.gpkg") as refusal:
            ask()
        assert "\n" not in str(refusal.value)


def test_a_catalog_whose_making_was_interrupted_is_made_anew(tmp_path):
    """Killed within its first millisecond: the file is there, and so far nothing of ours in it."""
    path = tmp_path / "results.gpkg"
    database = Database(path)
    Migrations("pixelcat").apply(database)
    database.close()
    with Catalog(path) as catalog:
        assert items(catalog) == []


def test_reopening_finds_what_was_added(tmp_path, photos):
    with Catalog(tmp_path / "results.gpkg", create=True) as catalog:
        add(catalog, photos)
    with Catalog(tmp_path / "results.gpkg") as catalog:
        assert [name for name, *_ in items(catalog)] == ["a.jpg", "b.jpg", "c.jpg"]


# --- adding ------------------------------------------------------------------------------


def test_an_item_is_described_by_its_bytes(catalog, photos, photo_bytes):
    add(catalog, photos)
    data = photo_bytes(1)
    (row,) = catalog.query("SELECT * FROM items WHERE name = 'a.jpg'")
    known = {
        "kind": "file",
        "source_key": "a.jpg",
        "status": "ready",
        "reason": None,
        "content_type": "image/jpeg",
        "byte_size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "width": 61,
        "height": 47,
        "bands": 3,
        "dtype": "uint8",
        "transform": None,
        "srs_id": None,
    }
    assert {name: row[name] for name in known} == known


@pytest.mark.parametrize("kind", ["survey", "photos"])
def test_adding_again_changes_nothing(catalog, request, kind):
    def everything():
        return [
            catalog.query(sql)
            for sql in (
                "SELECT * FROM items ORDER BY id",
                "SELECT * FROM features ORDER BY fid",
                "SELECT base_id, related_id, ordinal FROM features_items ORDER BY 1, 2",
                "SELECT id, uri, layer, columns, srs_id FROM datasets",
            )
        ]

    path = request.getfixturevalue(kind)
    first = add(catalog, path)
    before = everything()
    again = add(catalog, path)
    assert everything() == before
    assert [dataset.id for dataset in again] == [dataset.id for dataset in first]


def test_a_changed_photo_keeps_its_id_and_gets_a_new_hash(catalog, photos, photo_bytes):
    add(catalog, photos)
    before = items(catalog, "id, name, sha256")
    (photos / "b.jpg").write_bytes(photo_bytes(99))
    add(catalog, photos)
    after = items(catalog, "id, name, sha256")
    changed = [old[1] for old, new in zip(before, after, strict=True) if old != new]
    assert changed == ["b.jpg"]
    assert [row[0] for row in after] == [row[0] for row in before]
    assert after[1][2] == hashlib.sha256(photo_bytes(99)).hexdigest()


def test_a_removed_photo_is_missing_until_it_comes_back(catalog, photos):
    add(catalog, photos)
    hidden = (photos / "b.jpg").rename(photos.with_name("b.jpg"))
    add(catalog, photos)
    assert items(catalog)[1] == ("b.jpg", "missing", "no longer in the source")
    hidden.rename(photos / "b.jpg")
    add(catalog, photos)
    assert items(catalog)[1] == ("b.jpg", "ready", None)


def test_duplicate_content_names_the_first_item_that_has_it(catalog, photos, survey):
    add(catalog, survey)
    add(catalog, photos)
    assert items(catalog, "name, duplicate_of") == [
        ("north.jpg", None),
        ("south.jpg", None),
        ("torn.jpg", None),
        ("a.jpg", 1),
        ("b.jpg", 2),
        ("c.jpg", 1),
    ]


def test_empty_photos_are_no_duplicates_of_each_other(catalog, tmp_path):
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "photos").mkdir(exist_ok=True)
        (tmp_path / "photos" / name).touch()
    add(catalog, tmp_path / "photos")
    assert items(catalog, "status, duplicate_of") == [("unreadable", None)] * 2


def test_a_feature_that_left_the_source_leaves_the_catalog(catalog, make_gpkg, photo_bytes):
    media = [("image/jpeg", photo_bytes(1)), ("image/jpeg", photo_bytes(3))]
    path = make_gpkg(media, [(1, 1), (3, 2)], features=3)
    add(catalog, path)
    kept = column(catalog, "SELECT fid FROM features WHERE source_fid < 3")
    path.unlink()
    add(catalog, make_gpkg(media, [(1, 1), (3, 2)], features=2))
    assert column(catalog, "SELECT fid FROM features") == kept
    ((name, status, reason),) = items(catalog)[1:]
    assert (name, status) == ("photos 2", "missing")
    assert reason.startswith("orphan attachment")


def test_features_of_two_datasets_do_not_mix(catalog, make_gdb, photo_bytes):
    for name, seed in (("east.gdb", 1), ("west.gdb", 2)):
        add(catalog, make_gdb([(1, name, None, photo_bytes(seed))], name=name))
    assert (
        catalog.query(
            "SELECT d.uri LIKE '%' || i.name AS same FROM features_items l"
            " JOIN features f ON f.fid = l.base_id JOIN datasets d ON d.id = f.dataset_id"
            " JOIN items i ON i.id = l.related_id"
        )
        == [{"same": 1}] * 2
    )


def test_a_scan_that_breaks_leaves_nothing_behind(catalog):
    def broken():
        yield Item(kind="file", source_key="a", name="a")
        raise SourceError("the disk is gone")

    with pytest.raises(SourceError, match="the disk is gone"):
        catalog.add(Scan(dataset=Dataset(kind="folder", uri="/photos"), items=broken()))
    assert column(
        catalog, "SELECT count(*) FROM datasets UNION ALL SELECT count(*) FROM items"
    ) == [
        0,
        0,
    ]


def test_a_link_to_nothing_is_refused(catalog):
    with pytest.raises(CatalogError, match="FOREIGN KEY"):
        catalog.query("INSERT INTO features_items (base_id, related_id) VALUES (1, 1)")


def test_an_unusable_item_needs_a_reason(catalog):
    item = Item(kind="file", source_key="a", name="a", status="unreadable")
    with pytest.raises(CatalogError, match="CHECK"):
        catalog.add(Scan(dataset=Dataset(kind="folder", uri="/photos"), items=[item]))


# --- runs --------------------------------------------------------------------------------


def test_the_same_options_are_the_same_run(catalog, start_run):
    first = start_run(catalog, tile_size=256, padding=8)
    assert start_run(catalog, padding=8, tile_size=256) == first
    assert start_run(catalog, tile_size=512, padding=8) != first
    assert start_run(catalog, "other model", tile_size=256, padding=8) != first
    assert column(catalog, "SELECT count(*) FROM models") == [2]


def test_a_forced_run_is_a_new_one_and_found_from_then_on(catalog, start_run):
    first = start_run(catalog, padding=8)
    forced = start_run(catalog, force=True, padding=8)
    assert forced != first
    hashes = ("definition of land", "weights of land")
    assert catalog.find_run(*hashes, {"padding": 8}) == forced
    assert catalog.find_run(*hashes, {"padding": 9}) is None
    assert catalog.find_run("definition of land", "others", {"padding": 8}) is None


def test_a_finished_run_says_when(catalog, start_run):
    run = start_run(catalog)
    catalog.finish_run(run, "finished")
    (row,) = catalog.query("SELECT status, started_at <= finished_at AS timely FROM runs")
    assert row == {"status": "finished", "timely": 1}
    assert start_run(catalog) == run
    assert column(catalog, "SELECT status FROM runs") == ["running"]


def test_ready_items_are_pending_in_order_until_recorded(catalog, photos, start_run, done):
    add(catalog, photos)
    run = start_run(catalog)
    first, second = pending(catalog, run)
    assert [each.name for each in (first, second)] == ["a.jpg", "b.jpg"]
    assert (second.width, second.height, second.content_type) == (61, 47, "image/jpeg")
    catalog.record(run, done(second, {1: 10}))
    assert pending(catalog, run) == [first]


def test_photos_with_the_same_bytes_share_one_output(catalog, photos, survey, start_run, done):
    """c.jpg is a copy of a photo of the folder; the survey has other photos."""
    add(catalog, photos)
    add(catalog, survey)
    run = start_run(catalog)
    items = pending(catalog, run)
    assert [item.name for item in items].count("c.jpg") == 0
    for item in items:
        catalog.record(run, done(item, {1: 10, 2: 5}))
    assert pending(catalog, run) == []
    catalog.share_outputs(run, all_datasets(catalog))
    copies = catalog.query(
        "SELECT i.name, i.duplicate_of, o.raster_path, o.is_current, count(s.id) AS classes,"
        " (SELECT p.raster_path FROM outputs p WHERE p.item_id = i.duplicate_of) AS original"
        " FROM items i JOIN outputs o ON o.item_id = i.id LEFT JOIN class_stats s"
        " ON s.output_id = o.id WHERE i.duplicate_of IS NOT NULL AND i.status = 'ready'"
        " GROUP BY i.id"
    )
    assert "c.jpg" in [copy["name"] for copy in copies]
    for copy in copies:
        assert copy["raster_path"] == copy["original"]
        assert (copy["is_current"], copy["classes"]) == (1, 2)
    before = column(catalog, "SELECT count(*) FROM outputs")
    catalog.share_outputs(run, all_datasets(catalog))
    assert column(catalog, "SELECT count(*) FROM outputs") == before


def test_a_copy_of_a_failed_photo_fails_as_well(catalog, photos, start_run):
    add(catalog, photos)
    run = start_run(catalog)
    for item in pending(catalog, run):
        failed = Output(item_id=item.id, status="failed", reason="no", item_sha256=item.sha256)
        catalog.record(run, failed)
    catalog.share_outputs(run, all_datasets(catalog))
    assert column(catalog, "SELECT status FROM outputs") == ["failed"] * 3


def test_only_the_given_datasets_are_pending(catalog, photos, survey, start_run):
    add(catalog, photos)
    (plots,) = add(catalog, survey)
    run = start_run(catalog)
    names = [item.name for item in catalog.pending(run, [plots.id])]
    assert names == ["north.jpg", "south.jpg"]
    assert list(catalog.pending(run, [])) == []


def test_a_changed_photo_is_pending_again(catalog, photos, photo_bytes, start_run, done):
    add(catalog, photos)
    run = start_run(catalog)
    for item in pending(catalog, run):
        catalog.record(run, done(item, {1: 10}))
    (photos / "b.jpg").write_bytes(photo_bytes(99))
    add(catalog, photos)
    assert [item.name for item in pending(catalog, run)] == ["b.jpg"]


def test_unusable_items_are_settled_once_with_their_reason(catalog, survey, start_run):
    add(catalog, survey)
    run = start_run(catalog)
    for _ in range(2):
        catalog.settle_unusable(run, all_datasets(catalog))
    outputs = catalog.query("SELECT item_id, status, reason FROM outputs")
    assert outputs == [{"item_id": 3, "status": "failed", "reason": "not an image but a text file"}]


def test_a_document_is_skipped_not_failed(catalog, make_gdb, start_run):
    add(catalog, make_gdb([(1, "report.pdf", "application/pdf", b"%PDF-1.4")]))
    run = start_run(catalog)
    catalog.settle_unusable(run, all_datasets(catalog))
    assert column(catalog, "SELECT status || ': ' || reason FROM outputs") == [
        "skipped: not an image but a PDF"
    ]


def test_a_photo_that_was_repaired_is_pending(catalog, photos, photo_bytes, start_run):
    (photos / "a.jpg").write_bytes(b"torn")
    add(catalog, photos)
    run = start_run(catalog)
    catalog.settle_unusable(run, all_datasets(catalog))
    (photos / "a.jpg").write_bytes(photo_bytes(1))
    add(catalog, photos)
    assert "a.jpg" in [item.name for item in pending(catalog, run)]


def test_a_photo_that_came_back_is_pending(catalog, photos, start_run):
    """Gone while one run settled it (a drive that was not mounted), then back, unchanged."""
    add(catalog, photos)
    run = start_run(catalog)
    hidden = (photos / "b.jpg").rename(photos.with_name("b.jpg"))
    add(catalog, photos)
    catalog.settle_unusable(run, all_datasets(catalog))
    hidden.rename(photos / "b.jpg")
    add(catalog, photos)
    assert "b.jpg" in [item.name for item in pending(catalog, run)]


def test_an_orphan_whose_feature_appears_is_pending(catalog, make_gpkg, photo_bytes, start_run):
    media, links = [("image/jpeg", photo_bytes())], [(3, 1)]
    path = make_gpkg(media, links, features=2)
    add(catalog, path)
    run = start_run(catalog)
    catalog.settle_unusable(run, all_datasets(catalog))
    path.unlink()
    add(catalog, make_gpkg(media, links, features=3))
    assert [item.name for item in pending(catalog, run)] == ["photos 1"]


def test_an_output_is_stored_as_it_is(catalog, photos, start_run):
    add(catalog, photos)
    run = start_run(catalog)
    item = pending(catalog, run)[0]
    catalog.record(
        run,
        Output(
            item_id=item.id,
            status="done",
            item_sha256=item.sha256,
            raster_path="results_rasters/1.tif",
            sha256="ab",
            width=61,
            height=47,
            valid_pixels=8,
            seconds=0.25,
            stats=(
                ClassStat(
                    value=9,
                    name="Built Up",
                    pixels=4,
                    fraction=0.5,
                    area_m2=16.0,
                    mean_confidence=1.0,
                ),
                ClassStat(
                    value=2, name="Crop", pixels=4, fraction=0.5, area_m2=16.0, mean_confidence=0.5
                ),
            ),
        ),
    )
    (row,) = catalog.query("SELECT * FROM outputs")
    assert row["dominant_class"] == "Crop"  # the lower value wins a tie
    assert row["dominant_share"] == 0.5
    assert row["mean_confidence"] == 0.75
    assert (row["width"], row["height"], row["valid_pixels"], row["seconds"]) == (61, 47, 8, 0.25)
    assert catalog.query("SELECT value, name, pixels, area_m2 FROM class_stats") == [
        {"value": 9, "name": "Built Up", "pixels": 4, "area_m2": 16.0},
        {"value": 2, "name": "Crop", "pixels": 4, "area_m2": 16.0},
    ]


def test_recording_again_replaces(catalog, photos, start_run, done):
    add(catalog, photos)
    run = start_run(catalog)
    item = pending(catalog, run)[0]
    catalog.record(run, done(item, {1: 10, 2: 5}))
    catalog.record(run, done(item, {9: 7}))
    assert column(catalog, "SELECT dominant_class FROM outputs") == ["Built Up"]
    assert catalog.query("SELECT value, pixels FROM class_stats") == [{"value": 9, "pixels": 7}]


@pytest.mark.parametrize(
    "broken",
    [
        {"status": "done", "raster_path": None},
        {"status": "failed", "raster_path": None, "reason": None},
        {"status": "failed", "reason": "no", "raster_path": "a.tif"},
        {"item_id": 999},
    ],
)
def test_an_output_that_makes_no_sense_is_refused(catalog, photos, start_run, done, broken):
    add(catalog, photos)
    run = start_run(catalog)
    output = done(pending(catalog, run)[0], {1: 10})
    with pytest.raises(CatalogError, match=r"CHECK|FOREIGN KEY"):
        catalog.record(run, replace(output, **broken))
    assert column(catalog, "SELECT count(*) FROM outputs") == [0]


def test_the_newest_output_of_a_model_is_current(catalog, photos, start_run, done):
    add(catalog, photos)
    first, other, newest = (
        start_run(catalog),
        start_run(catalog, "other model"),
        start_run(catalog, force=True),
    )
    item = pending(catalog, first)[0]
    for run in (first, other, newest):
        catalog.record(run, done(item, {1: 10}))
    assert column(catalog, "SELECT run_id FROM outputs WHERE is_current") == [other, newest]


def test_a_settled_item_has_one_current_output_per_model(catalog, survey, start_run):
    add(catalog, survey)
    for force in (False, True):
        catalog.settle_unusable(start_run(catalog, force=force), all_datasets(catalog))
    assert column(catalog, "SELECT run_id FROM outputs WHERE is_current") == [2]


def test_an_output_whose_raster_is_gone_is_forgotten(catalog, photos, start_run, done):
    add(catalog, photos)
    run = start_run(catalog)
    kept, lost = pending(catalog, run)
    for item in (kept, lost):
        catalog.record(run, done(item, {1: 10}))
    catalog.rasters.mkdir()
    (catalog.rasters / f"{kept.id}.tif").touch()
    assert catalog.forget_lost_outputs(run) == 1
    assert [item.name for item in pending(catalog, run)] == ["b.jpg"]
    assert column(catalog, "SELECT count(*) FROM class_stats") == [1]


def test_an_unusable_item_has_no_raster_to_lose(catalog, survey, start_run):
    add(catalog, survey)
    run = start_run(catalog)
    catalog.settle_unusable(run, all_datasets(catalog))
    assert catalog.forget_lost_outputs(run) == 0


# --- the output feature class ------------------------------------------------------------


def classify_by_hand(catalog, run, done, pixels):
    """Record outputs for the pending items, given pixels by item name."""
    for item in pending(catalog, run):
        catalog.record(run, done(item, pixels[item.name]))
    catalog.settle_unusable(run, all_datasets(catalog))


SURVEY_PIXELS = {"north.jpg": {1: 30, 2: 10}, "south.jpg": {2: 40, 9: 20}}


@pytest.fixture
def classified(catalog, survey, start_run, done):
    """The survey with its two good photos classified; dataset, run."""
    (plots,) = add(catalog, survey)
    run = start_run(catalog)
    classify_by_hand(catalog, run, done, SURVEY_PIXELS)
    return plots, run


def test_a_row_per_feature_and_image(catalog, classified):
    plots, run = classified
    table, _ = catalog.write_feature_class(plots.id, run)
    assert table == "plots_classified"
    rows = catalog.query(
        "SELECT plot_id, source_fid, attachment_id, image_name, classified_image, status, reason,"
        f" dominant_class, dominant_share, mean_confidence FROM {table} ORDER BY fid"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("P1", 1, 1, "north.jpg", "results_rasters/1.tif", "done", None, "Water", 0.75, 0.5),
        ("P1", 1, 2, "south.jpg", "results_rasters/2.tif", "done", None, "Crop", 2 / 3, 0.5),
        ("P2", 2, 3, "torn.jpg", None, "failed", "not an image but a text file", *[None] * 3),
        (
            *("P3", 3, None, None, None, "skipped"),
            *("no image attached to this feature", None, None, None),
        ),
    ]


def test_the_summary_adds_up_over_all_images_of_a_feature(catalog, classified):
    plots, run = classified
    _, summary = catalog.write_feature_class(plots.id, run)
    assert summary == "plots_classified_summary"
    rows = catalog.query(
        "SELECT plot_id, images, classified, failed, skipped, reason, dominant_class,"
        " dominant_share, mean_confidence, share_water, share_crop, share_built_up"
        f" FROM {summary} ORDER BY fid"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("P1", 2, 2, 0, 0, None, "Crop", 0.5, 0.5, 0.3, 0.5, 0.2),
        ("P2", 1, 0, 1, 0, "not an image but a text file", *[None] * 6),
        ("P3", 0, 0, 0, 0, "no image attached to this feature", *[None] * 6),
    ]


def test_confidence_is_weighted_by_pixels(catalog, survey, start_run, done):
    (plots,) = add(catalog, survey)
    run = start_run(catalog)
    north, south = pending(catalog, run)
    catalog.record(run, done(north, {1: 10}, confidence=1.0))
    catalog.record(run, done(south, {2: 30}, confidence=0.6))
    _, summary = catalog.write_feature_class(plots.id, run)
    (mean,) = column(catalog, f"SELECT mean_confidence FROM {summary} WHERE source_fid = 1")
    assert mean == pytest.approx((10 * 1.0 + 30 * 0.6) / 40)


def test_photos_of_one_name_are_told_apart_in_statistics(
    catalog, make_gdb, photo_bytes, start_run, done
):
    photos = [(n, "Photo 1.jpg", "image/jpeg", photo_bytes(n)) for n in (1, 2)]
    (plots,) = add(catalog, make_gdb(photos))
    run = start_run(catalog)
    for item in pending(catalog, run):
        catalog.record(run, done(item, {1: 10 * item.id}))
    for view in ("item_class_stats", "feature_class_stats"):
        query = (
            f"SELECT item_id, source, sum(pixels) AS pixels FROM {view} GROUP BY item_id, source"
        )
        assert catalog.query(query) == [
            {"item_id": number, "source": plots.uri, "pixels": 10 * number} for number in (1, 2)
        ]


@pytest.mark.parametrize(
    "before",
    ["0006_stats_by_item", "0014_stats_by_feature"],
)
def test_a_catalog_of_before_gets_the_views_of_now(tmp_path, before):
    """Also where a question of the user, kept as a view, asks one of them."""
    path = tmp_path / "old.gpkg"
    Catalog(path, create=True).close()
    view, script = {
        "0006_stats_by_item": ("item_class_stats", schema_sql.VIEWS),
        "0014_stats_by_feature": ("feature_class_stats", schema_sql.STATS_BY_ITEM),
    }[before]
    earlier = re.search(rf"CREATE VIEW {view} [^;]+;", script)[0]
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"CREATE VIEW mine AS SELECT OGC_FID FROM {view}")
        expected = database.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
        database.executescript(
            f"DELETE FROM _sqlite_migrations WHERE name >= '{before}' AND name IN"
            " ('0006_stats_by_item', '0014_stats_by_feature');"
            f"DROP VIEW {view}; {earlier}"
        )
    Catalog(path).close()
    with closing(sqlite3.connect(path)) as database:
        found = database.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
    assert found == expected


def test_a_question_about_one_feature_looks_nothing_else_up(catalog):
    """Of statistics there are more rows than of anything else: they are never gone through."""
    for asked in ("layer = 'plots'", "source_fid = 7", "item_id = 7", "run_id = 1"):
        plan = catalog.query(f"EXPLAIN QUERY PLAN SELECT * FROM feature_class_stats WHERE {asked}")
        assert [step["detail"] for step in plan if step["detail"].startswith("SCAN s")] == []


def test_an_image_not_classified_yet_says_so(catalog, survey, start_run):
    (plots,) = add(catalog, survey)
    table, summary = catalog.write_feature_class(plots.id, start_run(catalog))
    assert (
        column(catalog, f"SELECT reason FROM {table} WHERE source_fid = 1")
        == ["not classified yet"] * 2
    )
    assert column(catalog, f"SELECT reason FROM {summary} WHERE source_fid = 1") == [
        "not classified yet"
    ]


def test_a_shared_photo_stands_at_each_of_its_features(
    catalog, make_gpkg, photo_bytes, start_run, done
):
    (plots,) = add(catalog, make_gpkg([("image/jpeg", photo_bytes())], [(1, 1), (3, 1)]))
    run = start_run(catalog)
    classify_by_hand(catalog, run, done, {"photos 1": {2: 8}})
    table, summary = catalog.write_feature_class(plots.id, run)
    assert column(catalog, f"SELECT source_fid FROM {table} WHERE item_id = 1") == [1, 3]
    assert column(catalog, f"SELECT share_crop FROM {summary}") == [1.0, None, 1.0]


def test_all_columns_of_the_source_are_kept_with_their_types(catalog, classified):
    plots, run = classified
    for table in catalog.write_feature_class(plots.id, run):
        types = {
            row["name"]: row["type"]
            for row in catalog.query("SELECT name, type FROM pragma_table_info(?)", (table,))
        }
        source = {
            "OBJECTID": "INTEGER",
            "plot_id": "TEXT(10)",
            "slope": "DOUBLE",
            "trees": "MEDIUMINT",
        }
        assert {name: types[name] for name in source} == source
        assert types["geom"] == "POINT"


def test_null_stays_null_and_whole_numbers_stay_whole(catalog, classified):
    plots, run = classified
    _, summary = catalog.write_feature_class(plots.id, run)
    rows = catalog.query(f"SELECT slope, trees, typeof(trees) AS kind FROM {summary} ORDER BY fid")
    assert [tuple(row.values()) for row in rows] == [
        (0.5, None, "null"),
        (None, 2, "integer"),
        (1.5, 3, "integer"),
    ]


def by_hand(columns, values, **dataset):
    """A scan of one feature with one attachment, with these attributes."""
    return Scan(
        dataset=Dataset(
            kind="filegdb",
            uri="/by/hand.gdb",
            layer="plots",
            columns=tuple(Column(name=name, sql_type=kind) for name, kind in columns.items()),
            **dataset,
        ),
        features=[Feature(source_fid=1, attributes=values)],
        items=[
            Item(kind="attachment", source_key="1", name="a.jpg", sha256="ab", feature_keys=("1",))
        ],
    )


def test_a_source_column_that_we_need_is_renamed(catalog, start_run):
    columns = ["status", "REASON", "Fid", "GEOM", "status_source", "Images", "habitat"]
    values = {name: f"their {name}" for name in columns}
    dataset = catalog.add(by_hand(dict.fromkeys(columns, "TEXT"), values))
    table, summary = catalog.write_feature_class(dataset.id, start_run(catalog))
    (row,) = catalog.query(f"SELECT * FROM {table}")
    assert {name: value for name, value in row.items() if str(value).startswith("their")} == {
        "status_source": "their status_source",
        "status_source_source": "their status",
        "REASON_source": "their REASON",
        "Fid_source": "their Fid",
        "GEOM_source": "their GEOM",
        "Images_source": "their Images",
        "habitat": "their habitat",
    }
    (row,) = catalog.query(f"SELECT * FROM {summary}")
    assert (row["status_source_source"], row["Images_source"], row["images"]) == (
        "their status",
        "their Images",
        1,
    )


def test_every_kind_of_value_survives_the_catalog(catalog, start_run):
    columns = {
        "big": "INTEGER",
        "exact": "DOUBLE",
        "when": "DATETIME",
        "note": "TEXT(20)",
        "sketch": "BLOB",
        "text_for_bytes": "BLOB",
        "bytes_for_text": "TEXT",
        "flag": "BOOLEAN",
        "nothing": "INTEGER",
    }
    values = {
        "big": 2**63 - 1,
        "exact": 0.1,
        "when": "2024-05-06T07:08:09.250Z",
        "note": "Bärenstraße “ö” \x01 \U0001f33b",
        "sketch": bytes(range(256)),
        "text_for_bytes": "abcd",
        "bytes_for_text": b"\x00\x0f\xd1",
        "flag": 1,
        "nothing": None,
    }
    dataset = catalog.add(by_hand(columns, values))
    table, _ = catalog.write_feature_class(dataset.id, start_run(catalog))
    (row,) = catalog.query(f"SELECT * FROM {table}")
    assert {name: row[name] for name in values} == values


def test_a_table_without_geometry_gives_tables_without_geometry(catalog, start_run):
    dataset = catalog.add(by_hand({"habitat": "TEXT"}, {"habitat": "bog"}))
    for table in catalog.write_feature_class(dataset.id, start_run(catalog)):
        (row,) = catalog.query(f"SELECT * FROM {table}")
        assert row["habitat"] == "bog"
        assert "geom" not in row
        assert column(
            catalog, "SELECT data_type FROM gpkg_contents WHERE table_name = ?", table
        ) == ["attributes"]


def test_two_models_give_two_feature_classes(catalog, classified, start_run, done):
    plots, land = classified
    water = start_run(catalog, "water")
    classify_by_hand(catalog, water, done, {"north.jpg": {9: 4}, "south.jpg": {9: 4}})
    first, second = (catalog.write_feature_class(plots.id, run)[0] for run in (land, water))
    assert (first, second) == ("plots_classified", "plots_classified_2")
    sql = "SELECT dominant_class FROM {} WHERE status = 'done'"
    assert column(catalog, sql.format(first)) == ["Water", "Crop"]
    assert column(catalog, sql.format(second)) == ["Built Up", "Built Up"]


def test_writing_again_replaces_the_feature_class(catalog, classified, start_run, done):
    plots, run = classified
    names = catalog.write_feature_class(plots.id, run)
    before = catalog.query(f"SELECT * FROM {names[0]}")
    assert catalog.write_feature_class(plots.id, run) == names
    assert catalog.query(f"SELECT * FROM {names[0]}") == before
    forced = start_run(catalog, force=True)
    classify_by_hand(catalog, forced, done, {"north.jpg": {9: 4}, "south.jpg": {9: 4}})
    assert catalog.write_feature_class(plots.id, forced) == names
    assert (
        column(catalog, f"SELECT dominant_class FROM {names[0]} WHERE status = 'done'")
        == ["Built Up"] * 2
    )


def test_a_rerun_gives_no_feature_an_image_twice(catalog, classified, start_run, done):
    plots, _ = classified
    forced = start_run(catalog, force=True)
    classify_by_hand(catalog, forced, done, SURVEY_PIXELS)
    table, summary = catalog.write_feature_class(plots.id, forced)
    assert column(catalog, f"SELECT item_id FROM {table} ORDER BY fid") == [1, 2, 3, None]
    assert column(catalog, f"SELECT images FROM {summary}") == [2, 1, 0]


def test_the_layer_names_the_run_that_it_shows(catalog, classified, start_run, done):
    plots, run = classified
    catalog.write_feature_class(plots.id, run)
    forced = start_run(catalog, force=True)
    classify_by_hand(catalog, forced, done, SURVEY_PIXELS)
    catalog.write_feature_class(plots.id, forced)
    assert column(catalog, "SELECT run_id FROM result_layers") == [forced]


def test_a_name_of_ones_own_replaces_the_former(catalog, classified):
    plots, run = classified
    catalog.write_feature_class(plots.id, run)
    names = catalog.write_feature_class(plots.id, run, name="Land cover; 2024")
    assert names == ("Land cover; 2024", "Land cover; 2024_summary")
    assert column(catalog, "SELECT name FROM sqlite_master WHERE name LIKE '%plots_class%'") == []
    assert column(catalog, 'SELECT count(*) FROM "Land cover; 2024"') == [4]
    assert catalog.write_feature_class(plots.id, run) == names


@pytest.mark.parametrize("name", ["items", "ITEMS", "gpkg_contents"])
def test_no_name_overwrites_a_table_of_the_catalog(catalog, classified, name):
    plots, run = classified
    before = column(catalog, "SELECT count(*) FROM items")
    table, _ = catalog.write_feature_class(plots.id, run, name=name)
    assert table == f"{name}_2"
    assert column(catalog, "SELECT count(*) FROM items") == before


def test_class_names_that_differ_in_case_only_give_two_columns(catalog, survey):
    (plots,) = add(catalog, survey)
    labels = ["Field 3", "FIELD", "field"]
    model = catalog.add_model(
        name="m",
        framework="Keras",
        definition_sha256="d",
        weights_sha256="w",
        definition={},
        classes=[
            ClassDefinition(value=value, name=name, color=(0, 0, 0))
            for value, name in enumerate(labels, 1)
        ],
    )
    run = catalog.start_run(model, options={}, software={}, device="CPU", decoder="none")
    _, summary = catalog.write_feature_class(plots.id, run)
    (row, *_) = catalog.query(f"SELECT * FROM {summary}")
    assert len([name for name in row if name.startswith("share_")]) == 3


# --- scanning again ----------------------------------------------------------------------


@pytest.fixture
def settled(monkeypatch):
    """Trust files at once, so that a test need not wait."""
    monkeypatch.setattr(fingerprint, "_SETTLED_S", -1.0)


class Unread:
    """Items that nobody may ask for."""

    def __iter__(self):
        raise AssertionError("an unchanged source was read")


def unread(scanned: Scan) -> Scan:
    return replace(scanned, features=Unread(), items=Unread())


@pytest.mark.parametrize("kind", ["photos", "survey"])
def test_an_unchanged_source_is_not_read_again(catalog, photos, survey, settled, kind):
    path = {"photos": photos, "survey": survey}[kind]
    first = add(catalog, path)
    before = items(catalog)
    again = [catalog.add(unread(each)) for each in scan(path)]
    assert [each.id for each in again] == [each.id for each in first]
    assert items(catalog) == before


def changes(photos: Path, photo_bytes) -> dict[str, Any]:
    def rename():
        (photos / "a.jpg").rename(photos / "z.jpg")

    def swap():  # the size stays, and so does the time that can be set
        old = (photos / "b.jpg").stat()
        content = bytearray((photos / "b.jpg").read_bytes())
        content[-10] ^= 1
        (photos / "b.jpg").write_bytes(content)
        os.utime(photos / "b.jpg", ns=(old.st_atime_ns, old.st_mtime_ns))

    return {
        "new": lambda: (photos / "d.jpg").write_bytes(photo_bytes(4)),
        "gone": lambda: (photos / "a.jpg").unlink(),
        "renamed": rename,
        "changed": swap,
    }


@pytest.mark.parametrize("change", ["new", "gone", "renamed", "changed"])
def test_any_change_of_a_source_is_noticed(catalog, photos, photo_bytes, settled, change):
    add(catalog, photos)
    before = items(catalog, "name, status, sha256")
    changes(photos, photo_bytes)[change]()
    add(catalog, photos)
    assert items(catalog, "name, status, sha256") != before


def test_a_file_that_was_just_written_is_not_trusted(photos):
    (scanned,) = scan(photos)
    assert scanned.dataset.fingerprint is None


def test_the_options_of_a_scan_are_part_of_it(photos, settled):
    one, two = (
        next(scan(photos, options=ScanOptions(media=media))).dataset.fingerprint
        for media in (None, photos)
    )
    assert one != two


# --- catalogs of earlier versions --------------------------------------------------------


def test_a_catalog_of_the_first_schema_is_brought_up_to_date(tmp_path, photos):
    path = tmp_path / "old.gpkg"
    connection = sqlite3.connect(path, isolation_level=None)
    old = Migrations("pixelcat")
    old(name="0001_initial")(schema._initial)
    old.apply(Database(connection, execute_plugins=False))
    connection.execute(
        "INSERT INTO datasets (id, kind, uri, added_at) VALUES (7, 'folder', '/x', '2026')"
    )
    connection.close()
    with Catalog(path) as catalog:
        add(catalog, photos)
        assert catalog.query("SELECT options, fingerprint FROM datasets WHERE id = 7") == [
            {"options": "{}", "fingerprint": None}
        ]
        with pytest.raises(CatalogError, match="CHECK"), catalog.transaction() as inner:
            inner.execute("UPDATE items SET status = 'odd', reason = 'x'")
        with catalog.transaction() as inner:
            inner.execute("UPDATE items SET status = 'unsupported', reason = 'x'")
        assert catalog.query("PRAGMA integrity_check") == [{"integrity_check": "ok"}]


def test_a_photo_with_a_lost_feature_among_others_says_so(catalog):
    features = [Feature(source_fid=1)]
    photo = Item(kind="attachment", source_key="7", name="a.jpg", feature_keys=("1", "99"))
    dataset = Dataset(kind="filegdb", uri="/x", layer="plots", key_field="REL_OBJECTID")
    catalog.add(Scan(dataset=dataset, features=features, items=[photo]))
    assert items(catalog) == [
        ("a.jpg", "ready", "orphan attachment: no feature has REL_OBJECTID 99")
    ]


def test_a_transaction_that_a_signal_has_left_open_is_undone(catalog):
    """Python may raise what a signal raises between beginning one and knowing of it."""
    catalog._connection.execute("BEGIN IMMEDIATE")
    catalog._connection.execute("DELETE FROM gpkg_extensions")
    with catalog.transaction() as inner:
        assert inner.execute("SELECT count(*) FROM gpkg_extensions").fetchone() > (0,)
