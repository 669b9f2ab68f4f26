"""Catalogs of more items than fit into one batch: the same rows as one by one, in little memory."""

import random
import sqlite3
import struct
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import shapely

from pixelcat import Catalog
from pixelcat.catalog import geometry
from pixelcat.catalog.errors import CatalogError
from pixelcat.catalog.geopackage import WGS84
from pixelcat.catalog.records import Column, Dataset, Feature, Item, Scan

MANY = 1203
"""Two batches of rows, and a part of one; a page of what is pending, and a part of one."""
BOXES = 'SELECT id, minx, maxx, miny, maxy FROM "rtree_features_geom" ORDER BY id'


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with Catalog(tmp_path / "results.gpkg", create=True) as opened:
        yield opened


def survey(features: Iterator[Feature] | list[Feature], items: Any, name: str = "plots") -> Scan:
    dataset = Dataset(
        kind="filegdb", uri="/survey.gdb", layer=name, attachment_table=f"{name}__ATTACH",
        key_field="GLOBALID", srs=WGS84, geometry_type="GEOMETRY",
        columns=(Column(name="plot_id", sql_type="TEXT"),),
    )  # fmt: skip
    return Scan(dataset=dataset, features=features, items=items)


def points(count: int, seed: int = 1) -> Iterator[Feature]:
    draw = random.Random(seed)
    for number in range(1, count + 1):
        point = struct.pack("<BIdd", 1, 1, draw.uniform(-170, 170), draw.uniform(-80, 80))
        yield Feature(
            source_fid=number, geometry=point, location=point, attributes={"plot_id": f"P{number}"}
        )


def photos(count: int) -> Iterator[Item]:
    """Photo n belongs to feature n; every hundredth has the bytes of the first."""
    for number in range(1, count + 1):
        yield Item(
            kind="attachment", source_key=str(number), name=f"{number}.jpg", width=40, height=30,
            sha256=f"{1 if number % 100 == 0 else number:064x}", byte_size=9,
            feature_keys=(str(number),),
        )  # fmt: skip


def rows(catalog: Catalog, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in catalog.query(sql)]


def test_batches_end_where_they_do_without_a_trace(catalog: Catalog) -> None:
    catalog.add(survey(points(MANY), photos(MANY)))
    assert rows(catalog, "SELECT fid, source_fid FROM features ORDER BY fid") == [
        (n, n) for n in range(1, MANY + 1)
    ]
    assert rows(catalog, "SELECT id, source_key, duplicate_of FROM items ORDER BY id") == [
        (n, str(n), 1 if n % 100 == 0 else None) for n in range(1, MANY + 1)
    ]
    assert rows(catalog, "SELECT base_id, related_id, ordinal FROM features_items ORDER BY id") == [
        (n, n, 0) for n in range(1, MANY + 1)
    ]


def test_a_scan_of_many_items_that_finds_nothing_new_writes_nothing(catalog: Catalog) -> None:
    catalog.add(survey(points(MANY), photos(MANY)))
    before = catalog._connection.total_changes
    catalog.add(survey(points(MANY), photos(MANY)))
    assert catalog._connection.total_changes == before


def test_a_folder_scanned_again_writes_nothing(catalog: Catalog) -> None:
    """It has no features, the second time either."""
    outline = shapely.to_wkb(shapely.MultiPolygon([shapely.box(8, 44, 9, 45)]))
    items = [replace(item, footprint=outline, feature_keys=()) for item in photos(60)]
    folder = Scan(dataset=Dataset(kind="folder", uri="/photos"), items=items)
    catalog.add(folder)
    before = catalog._connection.total_changes
    catalog.add(folder)
    assert catalog._connection.total_changes == before
    assert rows(catalog, "SELECT count(*) FROM rtree_footprints_geom") == [(60,)]
    assert rows(catalog, "SELECT rtreecheck('rtree_footprints_geom')") == [("ok",)]


def test_only_what_differs_is_written(catalog: Catalog) -> None:
    catalog.add(survey(points(MANY), photos(MANY)))
    features, items = list(points(MANY)), list(photos(MANY))
    features[700] = replace(features[700], attributes={"plot_id": "new"})
    items[900] = replace(items[900], sha256="f" * 64, feature_keys=("901", "2"))
    del features[1100], items[1100]
    catalog.add(survey(features, items))
    assert rows(catalog, "SELECT fid FROM features WHERE attributes LIKE '%new%'") == [(701,)]
    assert rows(catalog, "SELECT count(*) FROM features") == [(MANY - 1,)]
    assert rows(catalog, "SELECT id FROM items WHERE status = 'missing'") == [(1101,)]
    assert rows(catalog, "SELECT id FROM items WHERE sha256 LIKE 'ff%'") == [(901,)]
    assert rows(
        catalog,
        "SELECT base_id, related_id, ordinal FROM features_items WHERE base_id IN (2, 901, 1101)"
        " OR related_id IN (901, 1101) ORDER BY base_id, ordinal",
    ) == [(2, 2, 0), (2, 901, 1), (901, 901, 0)]


def test_a_copy_of_bytes_that_changed_is_none_any_more(catalog: Catalog) -> None:
    """Both within a batch: what the first one has now counts."""
    catalog.add(survey(points(100), photos(100)))
    items = list(photos(100))
    items[0] = replace(items[0], sha256="e" * 64)
    catalog.add(survey(points(100), items))
    assert rows(catalog, "SELECT id FROM items WHERE duplicate_of IS NOT NULL") == []


@pytest.mark.parametrize("apart", [1, 700], ids=["in one batch", "in two batches"])
def test_a_key_that_comes_twice(catalog: Catalog, apart: int) -> None:
    """An item is the last that was said of it; a feature that is there twice is an error."""
    items = list(photos(MANY))
    items.insert(apart + 1, replace(items[0], name="again.jpg"))
    catalog.add(survey(points(MANY), items))
    assert rows(catalog, "SELECT id, name FROM items WHERE source_key = '1'") == [(1, "again.jpg")]
    assert rows(catalog, "SELECT count(*) FROM items") == [(MANY,)]
    features = list(points(MANY))
    features.insert(apart + 1, features[0])
    for _ in range(2):
        with pytest.raises(CatalogError, match="UNIQUE"):
            catalog.add(survey(features, [], "others"))
    with pytest.raises(CatalogError, match="UNIQUE"):
        catalog.add(survey(features, photos(MANY)))


# --- geometries ----------------------------------------------------------------------------


def shapes() -> list[bytes | None]:
    made = [
        shapely.Point(9.1, 45), shapely.Point(9, 45, 100), shapely.box(8, 44, 9, 45),
        shapely.MultiPoint([(1, 2), (3, 4)]), shapely.LineString([(0, 0, 1), (1, 1, 2)]),
    ]  # fmt: skip
    return [shapely.to_wkb(each, flavor="iso") for each in made]


@pytest.mark.parametrize(
    "odd",
    [
        shapely.to_wkb(shapely.Point(), flavor="iso"),
        shapely.to_wkb(shapely.Polygon(), flavor="iso"),
        shapely.to_wkb(shapely.from_wkt("POINT M (1 2 3)"), flavor="iso"),
        shapely.to_wkb(shapely.from_wkt("LINESTRING ZM (1 2 3 4, 5 6 7 8)"), flavor="iso"),
        shapely.to_wkb(shapely.Point(1, 2), byte_order=0),
        struct.pack("<BII5d", 1, 8, 2, 0, 0, 1, 1, 0)[:41],  # an arc that ends too soon
        b"no geometry",
        None,
    ],
    ids=["empty", "no polygon", "M", "ZM", "big-endian", "curve", "junk", "none"],
)
def test_geometries_together_are_encoded_as_each_alone(odd: bytes | None) -> None:
    for listed in ([odd], [*shapes(), odd, *shapes()], shapes()):
        alone = [wkb and geometry.encode(wkb, 4326) for wkb in listed]
        assert geometry.encode_all(listed, 4326) == alone


@pytest.mark.parametrize("count", [0, 1, 51, 52, MANY])
def test_an_r_tree_filled_at_once_is_like_one_filled_row_by_row(
    catalog: Catalog, tmp_path: Path, count: int
) -> None:
    catalog.add(survey(points(count), []))
    with Catalog(tmp_path / "slow.gpkg", create=True) as slow:
        slow.add(survey([], []))
        with slow.transaction() as connection:
            for feature in points(count):
                connection.execute(
                    "INSERT INTO features (geom, dataset_id, source_fid) VALUES (?, 1, ?)",
                    (geometry.encode(feature.location or b"", 4326), feature.source_fid),
                )
        assert rows(catalog, BOXES) == rows(slow, BOXES)
    assert rows(catalog, "SELECT rtreecheck('rtree_features_geom')") == [("ok",)]


def test_an_r_tree_filled_at_once_can_be_searched_and_changed(catalog: Catalog) -> None:
    catalog.add(survey(points(MANY), []))
    inside = [
        n for n, f in enumerate(points(MANY), 1)
        if (box := geometry.bounds(geometry.encode(f.location or b"", 4326)))
        and 0 < box.minx < 40 and 0 < box.miny < 40
    ]  # fmt: skip
    window = "minx > 0 AND maxx < 40 AND miny > 0 AND maxy < 40"
    found = rows(catalog, f"SELECT id FROM rtree_features_geom WHERE {window} ORDER BY id")
    assert [row[0] for row in found] == inside
    assert len(inside) > 20
    catalog.add(survey([f for f in points(MANY, seed=2) if f.source_fid % 3], []))
    assert rows(catalog, "SELECT rtreecheck('rtree_features_geom')") == [("ok",)]
    assert rows(catalog, "SELECT count(*) FROM rtree_features_geom") == [(MANY - MANY // 3,)]


def test_the_r_tree_has_the_features_of_all_datasets(catalog: Catalog) -> None:
    """The second one is larger, the third smaller than what is there."""
    for name, count in (("a", 60), ("b", MANY), ("c", 200)):
        catalog.add(survey(points(count), [], name))
        total = rows(catalog, "SELECT count(*) FROM features")
        assert rows(catalog, "SELECT count(*) FROM rtree_features_geom") == total
        assert rows(catalog, "SELECT rtreecheck('rtree_features_geom')") == [("ok",)]


def test_a_scan_that_breaks_leaves_triggers_as_they_were(catalog: Catalog) -> None:
    def broken() -> Iterator[Feature]:
        yield from points(3)
        raise CatalogError("the disk is gone")

    with pytest.raises(CatalogError, match="the disk is gone"):
        catalog.add(survey(broken(), []))
    assert catalog.query("SELECT ST_IsEmpty(NULL) AS x, count(*) AS n FROM features") == [
        {"x": None, "n": 0}
    ]
    catalog.add(survey(points(3), []))
    assert rows(catalog, "SELECT count(*) FROM rtree_features_geom") == [(3,)]


def test_output_tables_have_whole_r_trees(catalog: Catalog, start_run: Callable[..., int]) -> None:
    dataset = catalog.add(survey(points(MANY), photos(MANY)))
    for table in catalog.write_feature_class(dataset.id or 0, start_run(catalog)):
        assert rows(catalog, f"SELECT rtreecheck('rtree_{table}_geom')") == [("ok",)]
        assert rows(catalog, f"SELECT count(*) FROM rtree_{table}_geom") == [(MANY,)]


# --- what is pending -----------------------------------------------------------------------


def test_outputs_can_be_recorded_while_pending_items_are_read(
    catalog: Catalog, start_run: Callable[..., int], done: Callable[..., Any]
) -> None:
    dataset = catalog.add(survey(points(MANY), photos(MANY)))
    run = start_run(catalog)
    expected = [n for n in range(1, MANY + 1) if n % 100]
    assert catalog.pending_size(run, [dataset.id or 0]) == (len(expected), 1200 * len(expected))
    seen = []
    for item in catalog.pending(run, [dataset.id or 0]):
        seen.append(item.id)
        if (item.id or 0) % 50 == 1:
            catalog.record(run, done(item, {1: 10}))
    assert seen == expected
    recorded = {row[0] for row in rows(catalog, "SELECT item_id FROM outputs")}
    left = [item.id for item in catalog.pending(run, [dataset.id or 0])]
    assert left == [n for n in expected if n not in recorded]
    assert catalog.pending_size(run, [dataset.id or 0])[0] == len(left)


def test_any_thread_may_read_what_is_pending(
    catalog: Catalog, start_run: Callable[..., int], done: Callable[..., Any]
) -> None:
    dataset = catalog.add(survey(points(MANY), photos(MANY)))
    run = start_run(catalog)
    first = next(catalog.pending(run, [dataset.id or 0]))
    found: list[int | None] = []
    reader = threading.Thread(
        target=lambda: found.extend(item.id for item in catalog.pending(run, [dataset.id or 0]))
    )
    reader.start()
    for _ in range(20):
        catalog.record(run, done(first, {1: 10}))
    reader.join()
    assert len(found) in (1190, 1191)
    assert found[-1] == MANY


def test_reading_what_is_pending_leaves_no_lock(
    catalog: Catalog, start_run: Callable[..., int]
) -> None:
    dataset = catalog.add(survey(points(MANY), photos(MANY)))
    waiting = catalog.pending(start_run(catalog), [dataset.id or 0])
    next(waiting)
    with closing(sqlite3.connect(catalog.path, timeout=0, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        other.execute("ROLLBACK")


def test_what_is_pending_takes_the_memory_of_a_page(
    catalog: Catalog, start_run: Callable[..., int]
) -> None:
    run = start_run(catalog)

    def peak(count: int) -> int:
        folder = Dataset(kind="folder", uri=f"/{count}")
        items = (replace(item, sha256=None, feature_keys=()) for item in photos(count))
        dataset = catalog.add(Scan(dataset=folder, items=items))
        tracemalloc.start()
        assert sum(1 for _ in catalog.pending(run, [dataset.id or 0])) == count
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1)  # what is imported and remembered once
    assert peak(5000) < 1.3 * peak(2001)  # a page, and the next
