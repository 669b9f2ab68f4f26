"""Processes that classify: the same class maps, and what becomes of images that take them down."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from own_processes import INTERRUPTIBLE, children, is_alive, within

from pixelcat import classify
from pixelcat.catalog.errors import ModelError, OutputError, ProcessError, UsageError
from pixelcat.processors.resume import resume
from pixelcat.processors.workers import apart

Function = Callable[..., Any]
FAULTS = Path(__file__).parent / "faults"


@pytest.fixture
def model(tmp_path: Path, exact_net: Function) -> Path:
    path = tmp_path / "net.keras"
    exact_net().save(path)
    return path


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(FAULTS), prepend=os.pathsep)


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    yield
    assert not children(os.getpid())


def outputs(catalog: Path) -> dict[str, tuple[str, str | None, str | None]]:
    with sqlite3.connect(catalog) as connection:
        rows = connection.execute(
            "SELECT i.name, o.status, o.reason, o.sha256 FROM outputs o"
            " JOIN items i ON i.id = o.item_id"
        ).fetchall()
    connection.close()
    return {name: (status, reason, sha256) for name, status, reason, sha256 in rows}


def done(catalog: Path) -> set[str]:
    """Return the names of the images that have a class map."""
    try:
        return {name for name, (status, *_) in outputs(catalog).items() if status == "done"}
    except sqlite3.OperationalError:
        return set()


@pytest.mark.parametrize("count", [1, 2])
def test_class_maps_are_the_same_bytes_in_any_number_of_processes(
    tmp_path: Path, model: Path, photo_folder: Function, count: int
) -> None:
    folder = photo_folder(*(f"{number}.jpg" for number in range(7)))
    (folder / "cut.jpg").write_bytes((folder / "0.jpg").read_bytes()[:700])
    seen = []
    here = classify(folder, model=model, output=tmp_path / "here.gpkg", workers=0)
    apart = classify(
        folder, model=model, output=tmp_path / "apart.gpkg", workers=count, verify=3,
        progress=seen.append,
    )  # fmt: skip
    assert (apart.done, apart.failed) == (here.done, here.failed) == (7, 1)
    assert outputs(tmp_path / "apart.gpkg") == outputs(tmp_path / "here.gpkg")
    for work, images in (("classifying", 7), ("verifying", 3)):
        last = [progress for progress in seen if progress.work == work][-1]
        assert (last.images_done, last.pixels_done) == (images, last.pixels)
    assert apart.verification is not None
    assert (apart.verification.windows, apart.verification.differ) == (3, 0)


@pytest.mark.usefixtures("faults")
def test_an_image_that_takes_its_process_down_fails_alone(
    tmp_path: Path, model: Path, photo_folder: Function
) -> None:
    folder = photo_folder("1.jpg", "2_SIGKILL.jpg", "3.jpg", "4_ONCE.jpg", "5.jpg")
    run = classify(folder, model=model, output=tmp_path / "out.gpkg", workers=1)
    assert (run.done, run.failed, run.status) == (4, 1, "finished")
    (failure,) = run.failures
    assert failure.image == "2_SIGKILL.jpg"
    assert failure.reason == (
        "the process that classified it was killed by SIGKILL (out of memory?), 3 times"
    )
    assert any("memory was short" in note for note in run.notes)
    assert not list(run.rasters.glob(".tmp-*"))


@pytest.mark.usefixtures("faults")
def test_an_image_without_end_fails_after_its_time(
    tmp_path: Path, model: Path, photo_folder: Function
) -> None:
    folder = photo_folder("1.jpg", "2_HANG.jpg", "3.jpg")
    run = classify(folder, model=model, output=tmp_path / "out.gpkg", workers=1, item_timeout=12.0)
    assert (run.done, run.failed) == (2, 1)
    assert run.failures[0].image == "2_HANG.jpg"
    assert "no sign of life for 12 s; --item-timeout" in run.failures[0].reason


@pytest.mark.usefixtures("faults")
def test_a_process_that_ends_while_it_loads_the_model_is_started_again(
    tmp_path: Path, model: Path, photo_folder: Function
) -> None:
    net = model.rename(tmp_path / "net_ONCE.keras")
    run = classify(photo_folder("1.jpg"), model=net, output=tmp_path / "out.gpkg", workers=1)
    assert (run.done, run.failed) == (1, 0)
    assert (tmp_path / "net_ONCE.keras.seen").exists()


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "_PAUSES_S", tuple(each / 1e3 for each in apart._PAUSES_S))


@pytest.mark.usefixtures("faults", "short_pauses")
def test_a_system_that_kills_four_processes_while_they_load_is_waited_for(
    tmp_path: Path, model: Path, photo_folder: Function
) -> None:
    net = model.rename(tmp_path / "net_LATER4.keras")
    photos = photo_folder("1.jpg", "2_ONCE.jpg", "3.jpg")
    run = classify(photos, model=net, output=tmp_path / "out.gpkg", workers=1)
    assert (run.done, run.failed, run.status) == (3, 0, "finished")
    assert len(list((tmp_path / "net_LATER4.keras.seen").iterdir())) == 6


@pytest.mark.usefixtures("faults", "short_pauses")
def test_a_system_that_keeps_killing_what_loads_ends_the_run_which_goes_on_later(
    tmp_path: Path, model: Path, photo_folder: Function
) -> None:
    net = model.rename(tmp_path / "net_LATER5.keras")
    photos, output = photo_folder("1.jpg", "2_ONCE.jpg"), tmp_path / "out.gpkg"
    with pytest.raises(ProcessError) as error:
        classify(photos, model=net, output=output, workers=1)
    assert error.value.exit_code == 71
    assert str(error.value) == (
        "the process that classifies images was killed by SIGKILL (out of memory?), 5 times in a row"
        " while it loaded the model; free memory, then pixelcat resume goes on, or the same command"
        " with a lower --max-memory"
    )
    run = resume(output)
    assert (run.done, run.failed, run.status) == (2, 0, "finished")


@pytest.mark.usefixtures("faults")
def test_a_model_that_is_replaced_in_mid_run_stops_it(
    tmp_path: Path, model: Path, photo_folder: Function, exact_net: Function
) -> None:
    other = tmp_path / "other.keras"
    exact_net(seed=2).save(other)
    with pytest.raises(ModelError, match="was changed while the run went on"):
        classify(
            photo_folder("1.jpg", "2_ONCE.jpg"), model=model, output=tmp_path / "out.gpkg", workers=1,
            progress=lambda _: shutil.copy(other, model),
        )  # fmt: skip
    assert done(tmp_path / "out.gpkg") <= {"1.jpg"}


def test_what_is_wrong_with_a_model_is_said_as_in_one_process(
    tmp_path: Path, model: Path, photo_folder: Function
) -> None:
    photo_folder("1.jpg")
    broken = tmp_path / "broken.keras"
    broken.write_bytes(model.read_bytes()[:-3000])
    said = []
    for workers in (0, 1):
        with pytest.raises(ModelError) as error:
            classify(
                tmp_path / "photos", model=broken, output=tmp_path / "out.gpkg", workers=workers
            )
        said.append(str(error.value))
    assert said[0] == said[1]
    assert not (tmp_path / "out.gpkg").exists()


def test_a_folder_that_is_gone_stops_the_run(
    tmp_path: Path, model: Path, photo_folder: Function
) -> None:
    folder, output = photo_folder("1.jpg"), tmp_path / "out.gpkg"
    (tmp_path / "out_rasters").write_text("no folder")
    with pytest.raises(OutputError):
        classify(folder, model=model, output=output, workers=1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.usefixtures("faults")
def test_what_ends_the_run_ends_its_processes(
    tmp_path: Path,
    model: Path,
    photo_folder: Function,
    number: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PIXELCAT_WORKERS", "1")
    folder, output = photo_folder("1.jpg", "2_HANG.jpg"), tmp_path / "out.gpkg"
    command = [sys.executable, "-c", INTERRUPTIBLE, "classify", folder, "-m", model, "-o", output]
    command += ["--arg", "batch_size=1"]  # the first does not wait for the second
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        if not within(90, lambda: "1.jpg" in done(output)):
            process.kill()
        (worker,) = children(process.pid)
        process.send_signal(number)
        assert process.wait(20) == (-number if number == signal.SIGKILL else 128 + number)
    assert within(10, lambda: not is_alive(worker))
    assert done(output) == {"1.jpg"}


@pytest.mark.parametrize("workers", ["0", "1", "2"])
@pytest.mark.usefixtures("faults")
def test_a_class_map_that_is_finished_when_a_signal_comes_is_recorded(
    tmp_path: Path,
    model: Path,
    photo_folder: Function,
    workers: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PIXELCAT_WORKERS", workers)
    folder = photo_folder("1.jpg", "2_STOP.jpg", *(f"{each}.jpg" for each in range(3, 40)))
    output = tmp_path / "out.gpkg"
    command = [sys.executable, "-c", INTERRUPTIBLE, "classify", folder, "-m", model, "-o", output]
    command += ["--arg", "batch_size=1"]
    ended = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True, timeout=90)
    assert (ended.returncode, ended.stderr) == (
        143,
        "stopped; the same command goes on from here\n",
    )
    rasters = list((tmp_path / "out_rasters").rglob("*.tif"))
    listed = {f"{Path(name).stem}.tif" for name in done(output)}
    assert {path.name.partition("_")[2] for path in rasters} == listed >= {"2_STOP.tif"}
    assert len(listed) < 39


def test_a_process_that_somebody_tells_to_end_costs_nothing(
    tmp_path: Path, model: Path, photo_folder: Function
) -> None:
    def end_all(_: object) -> None:
        for worker in children(os.getpid()):
            os.kill(worker, signal.SIGTERM)

    run = classify(
        photo_folder(*(f"{each}.jpg" for each in range(12))), model=model,
        output=tmp_path / "out.gpkg", workers=2, progress=end_all,
    )  # fmt: skip
    assert (run.done, run.failed, run.status) == (12, 0, "finished")


@pytest.mark.usefixtures("faults")
def test_a_signal_ends_the_pause_after_a_loss(
    tmp_path: Path, model: Path, photo_folder: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt() -> None:
        if within(60, lambda: len(list(mark.glob("*"))) == 2):
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(apart, "_PAUSES_S", (600.0,))
    net = model.rename(tmp_path / "net_LATER9.keras")
    mark = tmp_path / "net_LATER9.keras.seen"
    thread = threading.Thread(target=interrupt)
    thread.start()
    photos = photo_folder("1.jpg", "2_ONCE.jpg")
    run = classify(photos, model=net, output=tmp_path / "out.gpkg", workers=1)
    thread.join()
    assert run.status == "stopped"


@pytest.mark.parametrize("text", ["many", "-1", "65"])
def test_a_number_of_processes_that_cannot_be_meant_is_refused(
    tmp_path: Path, model: Path, photo_folder: Function, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIXELCAT_WORKERS", text)
    with pytest.raises(UsageError, match="--workers"):
        classify(photo_folder("1.jpg"), model=model, output=tmp_path / "out.gpkg")
