"""A run goes on from what its catalog remembers, wherever it was stopped."""

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

from pixelcat import Run, classify, scan
from pixelcat.catalog.errors import ModelError, SourceError, UsageError
from pixelcat.cli import cli
from pixelcat.io import fingerprint
from pixelcat.processors.resume import resume

Function = Callable[..., Any]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(6):
        Image.effect_noise((64, 48), 100 + number).convert("RGB").save(folder / f"{number}.png")
    return folder


@pytest.fixture
def stopped(photos: Path, model_emd: Path, tmp_path: Path) -> Function:
    """Return a function that starts a run which is stopped after some images."""

    def start(images: int = 2, **options: Any) -> Run:
        def show(state: Any) -> None:
            if state.images_done >= images:
                raise KeyboardInterrupt

        given = {"inputs": photos, "model": model_emd, "output": tmp_path / "r.gpkg", **options}
        run = classify(progress=show, **given)
        assert run.status == "stopped"
        return run

    return start


def edited(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(sql)


def test_a_stopped_run_goes_on_from_another_folder(
    stopped: Function,
    photos: Path,
    model_emd: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    given = {"arguments": {"padding": 4}, "also": ["entropy"], "out_features": None}
    first = stopped(inputs=Path("photos"), output="r.gpkg", **given)
    assert 2 <= first.done < 6
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    gone_on = resume(tmp_path / "r.gpkg")
    assert (gone_on.id, gone_on.status, gone_on.done) == (first.id, "finished", 6)
    assert gone_on.classified_now == 6 - first.done
    whole = classify(photos, model=model_emd, output=tmp_path / "whole.gpkg", **given)
    sql = "select source_key, o.sha256 from outputs o join items i on i.id = item_id order by 1"
    assert gone_on.sql(sql) == whole.sql(sql)
    sql = "select kind, sha256 from extra_rasters order by raster_path"
    assert gone_on.sql(sql) == whole.sql(sql)


def test_another_input_does_not_hide_what_is_pending(
    stopped: Function, model_emd: Path, tmp_path: Path, photos: Path
) -> None:
    """Both are one run, as model and arguments are the same."""
    first = stopped()
    more = tmp_path / "more"
    more.mkdir()
    for number in range(3):
        Image.effect_noise((64, 48), 50 + number).convert("RGB").save(more / f"{number}.png")
    second = classify(more, model=model_emd, output=tmp_path / "r.gpkg")
    assert (second.id, second.done) == (first.id, 3)
    pending = len(list(photos.iterdir())) - first.done
    assert any(f"{pending} are pending: pixelcat resume r.gpkg" in note for note in second.notes)
    said = CliRunner().invoke(cli, ["status", str(tmp_path / "r.gpkg")])
    assert f"run {first.id} was stopped, {pending} pending; it goes on with" in said.output
    ended = resume(tmp_path / "r.gpkg")
    assert (ended.done, ended.classified_now) == (9, pending)
    with pytest.raises(UsageError, match="is finished"):
        resume(tmp_path / "r.gpkg")


def test_lost_class_maps_of_all_inputs_are_made_again(model_emd: Path, tmp_path: Path) -> None:
    for name in ("a", "b", "a"):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        Image.effect_noise((64, 48), ord(name)).convert("RGB").save(folder / "photo.png")
        run = classify(folder, model=model_emd, output=tmp_path / "r.gpkg")
    rasters = sorted(run.rasters.glob("*.tif"))
    before = [path.read_bytes() for path in rasters]
    for path in rasters:
        path.unlink()
    result = CliRunner().invoke(cli, ["check", str(run.catalog), "--repair"])
    assert "2" in result.output
    ended = resume(run.catalog)
    assert (ended.done, ended.classified_now) == (2, 2)
    assert [path.read_bytes() for path in rasters] == before


def test_of_two_inputs_one_that_is_gone_stops_no_other(
    stopped: Function, model_emd: Path, tmp_path: Path, photos: Path
) -> None:
    stopped()
    more = tmp_path / "more"
    more.mkdir()
    Image.effect_noise((64, 48), 50).convert("RGB").save(more / "photo.png")
    classify(more, model=model_emd, output=tmp_path / "r.gpkg")
    shutil.rmtree(more)
    with pytest.raises(SourceError, match="more"):
        resume(tmp_path / "r.gpkg")
    found = sqlite3.connect(tmp_path / "r.gpkg").execute("select count(*) from outputs").fetchone()
    assert found == (7,)


def test_a_killed_run_goes_on(photos: Path, model_emd: Path, tmp_path: Path) -> None:
    catalog = tmp_path / "r.gpkg"
    for number in range(200):
        Image.new("RGB", (64, 48), (number, 0, 0)).save(photos / f"more_{number}.png")
    command = [sys.executable, "-m", "pixelcat", "classify", photos, "-m", model_emd, "-o", catalog]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and not list(tmp_path.glob("r_rasters/run_1/0*.tif")):
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    status = CliRunner().invoke(cli, ["status", str(catalog)])
    assert "run 1 runs, or was killed" in status.stderr
    assert f"pending; it goes on with: pixelcat resume {catalog} 1" in status.stderr
    answer = CliRunner().invoke(cli, ["resume", str(catalog), "--format", "json"])
    assert (answer.exit_code, json.loads(answer.stdout)[0]["done"]) == (0, 206)
    assert not list(tmp_path.rglob(".tmp-*"))
    assert "resume" not in CliRunner().invoke(cli, ["status", str(catalog)]).stderr


def test_places_of_the_environment_are_remembered_and_code_is_not(
    stopped: Function, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = stopped(model_code="run", environment={"nodata": 3, "extent": None}, photo_columns=())
    command = json.loads(run.sql("select command from runs")[0]["command"])
    assert command["options"]["environment"] == {"nodata": "3"}
    assert command["model"].startswith("/")
    assert "model_code" not in command["options"]


def test_nothing_to_go_on_with(photos: Path, model_emd: Path, tmp_path: Path) -> None:
    classify(photos, model=model_emd, output=tmp_path / "r.gpkg")
    with pytest.raises(UsageError, match=r"every run of r\.gpkg is finished"):
        resume(tmp_path / "r.gpkg")
    with pytest.raises(UsageError, match=r"no image failed in r\.gpkg"):
        resume(tmp_path / "r.gpkg", retry_failed=True)
    with pytest.raises(UsageError, match="has no run 9; there are 1"):
        resume(tmp_path / "r.gpkg", 9)
    assert resume(tmp_path / "r.gpkg", 1).classified_now == 0
    with pytest.raises(SourceError, match="no such catalog"):
        resume(tmp_path / "nowhere.gpkg")


def test_of_several_runs_one_is_chosen(stopped: Function, tmp_path: Path) -> None:
    stopped()
    stopped(arguments={"padding": 4})
    stopped(arguments={"padding": 4}, force=True)
    with pytest.raises(UsageError, match=r"runs 1 \(land\), 3 \(land\) can go on; say which"):
        resume(tmp_path / "r.gpkg")
    with pytest.raises(UsageError, match="run 2 was started anew as run 3"):
        resume(tmp_path / "r.gpkg", 2)
    assert (resume(tmp_path / "r.gpkg", 1).id, resume(tmp_path / "r.gpkg").id) == (1, 3)


def test_a_model_or_an_input_that_is_gone_or_changed_is_one_line(
    stopped: Function, model_emd: Path, photos: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "model"
    shutil.copytree(model_emd.parent, copy)
    stopped(model=copy / "land.emd")
    definition = copy / "land.emd"
    before = definition.read_text()
    definition.write_text(before.replace("Water", "Lake"))
    with pytest.raises(ModelError, match=r"model land has changed since run 1"):
        resume(tmp_path / "r.gpkg")
    definition.unlink()
    with pytest.raises(ModelError, match=r"land\.emd: no such file"):
        resume(tmp_path / "r.gpkg")
    definition.write_text(before)
    photos.rename(tmp_path / "moved")
    with pytest.raises(SourceError, match="photos: no such file or folder"):
        resume(tmp_path / "r.gpkg")


def test_a_model_given_as_text_is_resumed_in_its_folder(
    stopped: Function, model_emd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(model_emd.parent)
    stopped(model=model_emd.read_text())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=f"from {model_emd.parent}; resume it in that folder"):
        resume(tmp_path / "r.gpkg")
    monkeypatch.chdir(model_emd.parent)
    assert resume(tmp_path / "r.gpkg").done == 6


def test_a_catalog_of_before_does_not_remember(stopped: Function, tmp_path: Path) -> None:
    stopped()
    edited(tmp_path / "r.gpkg", "alter table runs drop column command")
    with pytest.raises(UsageError, match="older pixelcat, which did not note its command"):
        resume(tmp_path / "r.gpkg")


@pytest.fixture
def with_failures(photos: Path, model_emd: Path, tmp_path: Path) -> Function:
    """Return a function that classifies, with a photo of one band and one that is none."""
    Image.new("L", (40, 30)).save(photos / "gray.png")
    (photos / "torn.jpg").write_bytes(b"%PDF-1.7")

    def run(**options: Any) -> Run:
        return classify(photos, model=model_emd, output=tmp_path / "r.gpkg", **options)

    return run


@pytest.mark.parametrize("again", ["classify", "resume"])
def test_what_failed_is_tried_again_only_where_asked(
    with_failures: Function, tmp_path: Path, again: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprint, "_SETTLED_S", -1.0)
    first = with_failures()
    assert (first.done, first.failed) == (6, 2)
    edited(tmp_path / "r.gpkg", "update outputs set reason = 'bad luck' where status = 'failed'")
    edited(tmp_path / "r.gpkg", "update items set status = 'unreadable', reason = 'bad luck'"
           " where name = '3.png'")  # fmt: skip
    edited(tmp_path / "r.gpkg", "update outputs set status = 'failed', reason = 'bad luck',"
           " raster_path = null, item_sha256 = null where item_id ="
           " (select id from items where name = '3.png')")  # fmt: skip
    calls = {
        "classify": lambda: with_failures(retry_failed=True),
        "resume": lambda: resume(tmp_path / "r.gpkg", retry_failed=True),
    }
    run = calls[again]()
    assert (run.id, run.done, run.failed) == (1, 6, 2)
    reasons = {row["reason"] for row in run.sql("select reason from outputs") if row["reason"]}
    assert "bad luck" not in reasons
    assert len(reasons) == 2


def test_failures_stay_without_the_option(with_failures: Function, tmp_path: Path) -> None:
    with_failures()
    gray = "item_id = (select id from items where name = 'gray.png')"
    edited(tmp_path / "r.gpkg", f"update outputs set reason = 'bad luck' where {gray}")
    run = with_failures()
    assert run.sql(f"select reason from outputs where {gray}") == [{"reason": "bad luck"}]


def test_images_that_no_run_was_asked_for_are_told(
    tmp_path: Path, model_emd: Path, photo_folder: Function
) -> None:
    """A command may be killed before its model is loaded, when its images are in the catalog."""
    folder, catalog = photo_folder("1.jpg", "2.jpg"), tmp_path / "r.gpkg"
    scan(folder, output=catalog)
    with pytest.raises(UsageError, match=r"photos has 2 images that no run was asked for: give"):
        resume(catalog)
    words = f"{folder}: 2 images that no run was asked for yet; classify begins with them"
    assert words in CliRunner().invoke(cli, ["status", str(catalog)]).stderr
    classify(folder, model=model_emd, output=catalog)
    with pytest.raises(UsageError, match=r"there is nothing to go on with$"):
        resume(catalog)
    assert "no run was asked" not in CliRunner().invoke(cli, ["status", str(catalog)]).stderr
