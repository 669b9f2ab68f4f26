"""The same command again writes nothing where nothing differs, and all of it where something does."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pixelcat import Run, classify
from pixelcat.catalog.geometry import register_functions
from pixelcat.io import fingerprint

Function = Callable[..., Any]
ROWS = "select * from plots_classified order by fid"


@pytest.fixture(params=[-1.0, 6000.0], ids=["settled", "young"])
def age(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust files at once, or never."""
    monkeypatch.setattr(fingerprint, "_SETTLED_S", request.param)


@pytest.fixture
def survey(make_gdb: Function, photo_bytes: Function) -> Path:
    """P1 has two photos of the same bytes, P2 a torn one, P3 none."""
    return make_gdb(
        [
            (1, "a.jpg", "image/jpeg", photo_bytes(1)),
            (1, "b.jpg", "image/jpeg", photo_bytes(1)),
            (2, "torn.jpg", "image/jpeg", b"no photo at all"),
        ]
    )


@pytest.fixture
def run(survey: Path, model_emd: Path, tmp_path: Path) -> Function:
    """Return a function that classifies the survey, or other inputs."""

    def again(*inputs: Path, **options: Any) -> Run:
        chosen = {"model": model_emd, "output": tmp_path / "r.gpkg", **options}
        return classify(list(inputs) or survey, **chosen)

    return again


def changed(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        register_functions(database)
        database.executescript(sql)


@pytest.mark.usefixtures("age")
@pytest.mark.parametrize("options", [{}, {"embed": True}, {"out_features": "answer"}])
def test_the_same_command_again_leaves_the_file_as_it_is(
    run: Function, options: dict[str, Any]
) -> None:
    first = run(**options)
    before = first.catalog.read_bytes()
    for _ in range(2):
        again = run(**options)
        assert (again.id, again.classified_now, again.layers) == (first.id, 0, first.layers)
        assert first.catalog.read_bytes() == before


@pytest.mark.usefixtures("age")
def test_a_layer_of_two_inputs_stays_as_it_is(
    run: Function, survey: Path, make_gdb: Function, photo_bytes: Function
) -> None:
    second = make_gdb([(3, "c.jpg", None, photo_bytes(3))], name="survey_2.gdb")
    path = run(survey, second, layer="plots", out_features="all").catalog
    before = path.read_bytes()
    for inputs in ((survey, second), (second,)):
        run(*inputs, layer="plots", out_features="all")
        assert path.read_bytes() == before


def test_a_layer_that_others_have_changed_is_written_again(run: Function) -> None:
    first = run(embed=True)
    before = first.sql(ROWS)
    for sql in (
        (
            "update plots_classified set status = 'edited';"
            "update gpkg_contents set last_change = '2030-01-01T00:00:00.000Z'"
            " where table_name = 'plots_classified'"
        ),
        "drop table plots_classified_summary",
        "delete from plots_classified_media",
    ):
        changed(first.catalog, sql)
        again = run()
        assert again.sql(ROWS) == before
        assert again.sql("select count(*) as n from plots_classified_summary") == [{"n": 3}]
        assert again.sql("select count(*) as n from plots_classified_media") == [{"n": 2}]


def test_what_differs_is_shown(
    run: Function, make_gdb: Function, photo_bytes: Function, survey: Path, tmp_path: Path
) -> None:
    first = run()
    assert run(out_features="answer").layers == ("answer", "answer_summary")
    assert run().layers == ("answer", "answer_summary")
    forced = run(force=True)
    shown = "select distinct classified_image as path from answer where status = 'done'"
    assert all(f"run_{forced.id}/" in row["path"] for row in forced.sql(shown))
    shutil.rmtree(forced.rasters)
    assert run().classified_now == 1
    shutil.rmtree(survey)
    assert make_gdb([(3, "c.jpg", None, photo_bytes(3))]) == survey
    again = run()
    linked = "select image_name from answer where item_id not null and status = 'done'"
    assert again.sql(linked) == [{"image_name": "c.jpg"}]
    assert again.catalog == first.catalog


def test_features_alone_may_change(
    run: Function, make_gpkg: Function, photo_bytes: Function
) -> None:
    source = make_gpkg([("image/jpeg", photo_bytes())], [(1, 1)])
    run(source)
    changed(source, "update plots set plot_id = 'renamed'")
    again = run(source)
    assert again.classified_now == 0
    assert {"plot_id": "renamed"} in again.sql("select plot_id from plots_classified")


def test_a_run_that_fails_leaves_what_another_made(
    run: Function, survey: Path, make_gdb: Function, photo_bytes: Function
) -> None:
    before = run().sql(ROWS)
    broken = run(arguments={"bands": "0,1,9"})
    assert (broken.done, broken.failed) == (0, 3)
    assert broken.notes == ("2 not classified keep the class map of another run of this model",)
    assert broken.sql(ROWS) == before
    shutil.rmtree(survey)
    make_gdb([(1, "a.jpg", "image/jpeg", photo_bytes(7))])
    changed = run(arguments={"bands": "0,1,9"})
    assert changed.notes == ()
    shown = "select status, classified_image from plots_classified where attachment_id = 1"
    assert changed.sql(shown) == [{"status": "failed", "classified_image": None}]
    assert run().sql(shown)[0]["status"] == "done"
