"""Class maps as related media inside the catalog."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import fiona
import pyogrio
import pytest
from click.testing import CliRunner

from pixelcat import Run, classify
from pixelcat.catalog import media
from pixelcat.catalog.errors import CatalogError
from pixelcat.catalog.store import Catalog
from pixelcat.cli import cli
from pixelcat.io.related_tables import media_relations
from pixelcat.io.sources import reader, scan

Function = Callable[..., Any]
MEDIA, LINKS = "plots_classified_media", "plots_classified_media_links"


@pytest.fixture
def survey(make_gdb: Function, photo_bytes: Function) -> Path:
    """P1 has two photos, P2 a torn one, P3 none."""
    return make_gdb(
        [
            (1, "a.jpg", "image/jpeg", photo_bytes(1)),
            (1, "b.jpg", "image/jpeg", photo_bytes(2)),
            (2, "torn.jpg", "image/jpeg", b"no photo at all"),
        ]
    )


@pytest.fixture
def run(survey: Path, model_emd: Path, tmp_path: Path) -> Function:
    """Return a function that classifies the survey."""

    def again(**options: Any) -> Run:
        return classify(survey, model=model_emd, output=tmp_path / "r.gpkg", **options)

    return again


def rows(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(sql).fetchall()


def linked(path: Path) -> list[tuple[Any, ...]]:
    """Return feature key, photo, type and class map of every link."""
    return rows(
        path,
        f"select source_fid, title, content_type, data from plots_classified t join {LINKS} l"
        f" on l.base_id = t.fid join {MEDIA} m on m.id = l.related_id order by t.fid",
    )


def maps(run: Run) -> Iterator[bytes]:
    for path in sorted(run.rasters.glob("*.tif")):
        yield path.read_bytes()


def test_class_maps_are_media_of_their_features(run: Function, gpkg_errors: Function) -> None:
    done = run(embed=True)
    first, second = maps(done)
    assert linked(done.catalog) == [
        (1, "a.jpg", "image/tiff", first),
        (1, "b.jpg", "image/tiff", second),
    ]
    assert gpkg_errors(done.catalog) == []


def test_the_media_are_declared_as_the_standard_has_it(run: Function) -> None:
    path = run(embed=True).catalog
    assert rows(path, "select base_table_name, base_primary_column, related_table_name,"
                " related_primary_column, mapping_table_name from gpkgext_relations"
                " where relation_name = 'media'") == [
        ("plots_classified", "fid", MEDIA, "id", LINKS)
    ]  # fmt: skip
    assert rows(path, f"select extension_name, scope from gpkg_extensions"
                f" where table_name = '{LINKS}'") == [("gpkg_related_tables", "read-write")]  # fmt: skip
    contents = "select table_name, data_type from gpkg_contents where table_name like '%media%'"
    assert set(rows(path, contents)) == {(MEDIA, "attributes"), (LINKS, "attributes")}
    columns = [name for (name,) in rows(path, f"select name from pragma_table_info('{MEDIA}')")]
    assert columns == ["id", "content_type", "title", "item_id", "sha256", "data"]


def test_gdal_reads_the_class_maps_byte_for_byte(run: Function) -> None:
    done = run(embed=True)
    with fiona.open(done.catalog, layer=MEDIA) as layer:
        found = [feature.properties["data"] for feature in layer]
    assert found == list(maps(done))
    assert pyogrio.read_dataframe(done.catalog, layer=MEDIA)["data"].tolist() == found


def test_our_own_source_reads_the_relation(run: Function, tmp_path: Path) -> None:
    done = run(embed=True)
    with closing(sqlite3.connect(done.catalog)) as database:
        assert [(each.layer, each.media) for each in media_relations(database)] == [
            ("plots_classified", MEDIA)
        ]
        database.execute("ALTER TABLE runs RENAME TO former_runs")  # a catalog is no input
    (found,) = scan(done.catalog, "plots_classified")
    items = list(found.items)
    assert [(item.name, item.content_type, item.feature_keys) for item in items] == [
        ("a.jpg", "image/tiff", ("1",)),
        ("b.jpg", "image/tiff", ("2",)),
    ]
    with reader(found.dataset) as fetch:
        assert [fetch(item) for item in items] == list(maps(done))


def test_embedding_later_classifies_nothing_again(run: Function, gpkg_errors: Function) -> None:
    before = run()
    assert rows(before.catalog, "select 1 from gpkg_contents where table_name like '%media%'") == []
    after = run(embed=True)
    assert (after.id, after.classified_now, after.notes) == (before.id, 0, ())
    assert len(linked(after.catalog)) == 2
    assert gpkg_errors(after.catalog) == []


def test_a_layer_keeps_its_media_whenever_it_is_rewritten(
    run: Function, gpkg_errors: Function
) -> None:
    path = run(embed=True).catalog
    before, ids = linked(path), rows(path, f"select id from {MEDIA}")
    for options in ({}, {"embed": True}):
        run(**options)
        assert (linked(path), rows(path, f"select id from {MEDIA}")) == (before, ids)
    run(out_features="answer")
    assert rows(path, "select 1 from gpkg_contents where table_name like '%media%'") == []
    assert rows(path, "select 1 from gpkgext_relations where relation_name = 'media'") == []
    assert gpkg_errors(path) == []


def test_media_follow_a_new_run_of_the_model(run: Function, survey: Path) -> None:
    path = run(embed=True).catalog
    old = linked(path)
    done = run(force=True)
    assert [row[3] for row in linked(path)] == list(maps(done))
    assert [row[:3] for row in linked(path)] == [row[:3] for row in old]


def test_two_sources_in_one_layer_have_their_media_in_one_table(
    run: Function, make_gdb: Function, photo_bytes: Function, model_emd: Path, gpkg_errors: Function
) -> None:
    path = run(embed=True).catalog
    second = make_gdb([(3, "c.jpg", None, photo_bytes(3))], name="survey_2.gdb")
    done = classify(second, model=model_emd, output=path, out_features="plots_classified")
    assert done.done == 1
    assert [row[:2] for row in linked(path)] == [(1, "a.jpg"), (1, "b.jpg"), (3, "c.jpg")]
    assert gpkg_errors(path) == []


def test_a_photo_of_two_features_is_embedded_once(
    make_gpkg: Function, photo_bytes: Function, model_emd: Path, tmp_path: Path
) -> None:
    survey = make_gpkg([("image/jpeg", photo_bytes())], [(1, 1), (2, 1)])
    path = classify(survey, model=model_emd, output=tmp_path / "r.gpkg", embed=True).catalog
    assert rows(path, f"select count(*) from {MEDIA}") == [(1,)]
    assert [row[0] for row in linked(path)] == [1, 2]


def test_a_class_map_that_is_gone_is_told_and_kept_where_embedded(run: Function) -> None:
    done = run()
    shutil.rmtree(done.rasters)
    with Catalog(done.catalog) as catalog:
        catalog.write_feature_class(1, done.id, embed=True)
        assert catalog.without_media("plots_classified") == 2
    before = linked(run(embed=True).catalog)
    assert len(before) == 2
    shutil.rmtree(done.rasters)
    with Catalog(done.catalog) as catalog:
        catalog.write_feature_class(1, done.id, embed=True)
        assert catalog.without_media("plots_classified") == 0
    assert linked(done.catalog) == before


def test_an_interrupted_write_leaves_what_was_there(
    run: Function, monkeypatch: pytest.MonkeyPatch, gpkg_errors: Function
) -> None:
    path = run().catalog
    before = rows(path, "select name, sql from sqlite_master order by name")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(media, "_add", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(embed=True)
    assert rows(path, "select name, sql from sqlite_master order by name") == before
    assert gpkg_errors(path) == []


def test_names_that_are_taken_are_left_alone(run: Function) -> None:
    path = run().catalog
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"CREATE TABLE {LINKS} (mine)")
    run(embed=True)
    assert rows(path, "select count(*) from plots_classified_media_2_links") == [(2,)]
    assert rows(path, f"select * from {LINKS}") == []


def test_the_option_says_where_there_is_nothing_to_embed_in(
    photo_bytes: Function, model_emd: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.jpg").write_bytes(photo_bytes())
    answer = CliRunner().invoke(
        cli,
        ["classify", str(tmp_path / "a.jpg"), "-m", str(model_emd), "-o",
         str(tmp_path / "r.gpkg"), "--embed"],
    )  # fmt: skip
    assert answer.exit_code == 0, answer.output
    assert "embedded in output feature classes, and there is none" in answer.output


def test_a_class_map_that_is_the_catalog_itself_is_not_opened(
    make_gdb: Any, photo_bytes: Any, model_emd: Path, tmp_path: Path
) -> None:
    """As a catalog from a stranger may say."""
    survey = make_gdb([(1, "a.jpg", "image/jpeg", photo_bytes(1))])
    run = classify(survey, model=model_emd, output=tmp_path / "r.gpkg")
    with sqlite3.connect(run.catalog) as connection:
        connection.execute("UPDATE outputs SET raster_path = 'r.gpkg'")
    connection.close()
    with pytest.raises(CatalogError, match="is the open catalog"):
        classify(survey, model=model_emd, output=tmp_path / "r.gpkg", embed=True)
