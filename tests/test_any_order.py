"""Runs, kills, full disks, lost and damaged class maps, changed images and models in any order.

Hypothesis makes up stories of a catalog. Whatever has happened, each class map that the catalog lists
is there with its hash, or ``check`` says that it is not; and a run that ends leaves what a run in a
new catalog would. A few stories by default, always the same ones; others, and many more, with
``PIXELCAT_EVERY_STEP=1``.
"""

import hashlib
import io
import os
import shutil
import signal
import sqlite3
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import breaking
import numpy as np
import pytest
import rasterio
from breaking import Fault
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning

from pixelcat.io import fingerprint
from pixelcat.processors.check import check
from pixelcat.processors.definition import ModelDefinition

MANY = bool(os.environ.get("PIXELCAT_EVERY_STEP"))
NAMES = ("a.png", "b.png", "c.png", "d.png")
WEIGHTS = (b"no network", b"another one")
OF_THE_CATALOG = ("PIXELCAT_RUN", "PIXELCAT_ITEM", "PIXELCAT_IMAGE", "PIXELCAT_SOURCE")
"""Tags that say where in the catalog a class map is; the rest of it depends on image and model."""
MOST_STEPS = 60
"""No run of so few images takes more."""
FULL = (0, 3, 74)
"""Exit codes of a run for which the disk was full once, or from then on."""
OUTPUTS = (  # of the latest run of a model
    "SELECT i.name, o.status, o.reason, o.raster_path FROM outputs o"
    " JOIN items i ON i.id = o.item_id JOIN runs r ON r.id = o.run_id"
    " JOIN models m ON m.id = r.model_id WHERE m.weights_sha256 = ?"
)
Outcome = tuple[str, str]
"""What became of an image: its status, and a hash of its class map or the reason why not."""


@dataclass(frozen=True)
class World:
    """What all stories share."""

    breaker: Any
    folder: Path
    images: tuple[bytes, ...]
    outcomes: dict[tuple[bytes, bytes], Outcome]
    """Of weights and image, in a catalog of its own."""


def rows(catalog: Path, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(catalog)) as connection:
        return connection.execute(sql, values).fetchall()


def told(path: Path) -> str:
    """Return a hash of what a class map says."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path) as dataset:
            tags = [
                each for each in sorted(dataset.tags().items()) if each[0] not in OF_THE_CATALOG
            ]
            facts = (dataset.dtypes, dataset.nodata, dataset.shape, tags)
            return hashlib.sha256(dataset.read().tobytes() + repr(facts).encode()).hexdigest()


def listed(folder: Path, model: Path) -> dict[str, tuple[str, str | None, str | None]]:
    """Return status, reason and path of the class map of each image with a model."""
    sha256 = ModelDefinition.load(model).weights_sha256()
    found = rows(folder / "out.gpkg", OUTPUTS, sha256)
    assert len({name for name, *_ in found}) == len(found)
    return {name: (status, reason, path) for name, status, reason, path in found}


def outcome(folder: Path, status: str, reason: str | None, path: str | None) -> Outcome:
    return status, told(folder / path) if path else str(reason)


def png(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (20 + seed, 33, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def world(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """What becomes of each image with each model, in a catalog that nothing happens to."""
    monkeypatch.setattr(fingerprint, "_SETTLED_S", -1.0)
    folder = tmp_path_factory.mktemp("stories")
    whole = [png(seed) for seed in range(4)]
    images = (*whole, whole[0][: len(whole[0]) // 2], b"no image at all")
    (folder / "photos").mkdir()
    for number, image in enumerate(images):
        (folder / "photos" / f"{number}.png").write_bytes(image)
    known = {}
    with breaking.Breaker() as breaker:
        for weights in WEIGHTS:
            model = breaking.make_model(folder / "models", weights=weights)
            assert breaker.run(folder, photos=folder / "photos", model=model)[0] == 3
            for name, row in listed(folder, model).items():
                known[weights, images[int(name[0])]] = outcome(folder, *row)
        assert len(known) == len(WEIGHTS) * len(images)
        assert {status for status, _ in known.values()} == {"done", "failed"}
        yield World(breaker=breaker, folder=folder, images=images, outcomes=known)


class Story(RuleBasedStateMachine):
    """A catalog, its photos and a model, and what happens to them."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.root = Path(tempfile.mkdtemp(dir=world.folder))
        self.folder, self.photos = self.root / "out", self.root / "photos"
        self.folder.mkdir()
        self.photos.mkdir()
        self.catalog = self.folder / "out.gpkg"
        self.images: dict[str, bytes] = {}
        self.spoiled: set[str] = set()
        """Class maps that were deleted or changed, and have not been made anew."""
        self.weights = WEIGHTS[0]
        self.model = breaking.make_model(self.root / "model")

    @initialize(numbers=st.lists(st.integers(0, 5), min_size=2, max_size=4))
    def begin(self, numbers: list[int]) -> None:
        for name, number in zip(NAMES, numbers, strict=False):
            self.put(name, number)

    # what users do

    @rule(name=st.sampled_from(NAMES), number=st.integers(0, 5))
    def put(self, name: str, number: int) -> None:
        """Add a photo, or change one."""
        self.images[name] = self.world.images[number]
        (self.photos / name).write_bytes(self.images[name])

    @precondition(lambda self: len(self.images) > 1)
    @rule(data=st.data())
    def take_away(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.images)))
        del self.images[name]
        (self.photos / name).unlink()

    @rule()
    def change_the_model(self) -> None:
        (self.weights,) = set(WEIGHTS) - {self.weights}
        (self.model.parent / "weights.bin").write_bytes(self.weights)

    @rule()
    def classify(self) -> None:
        self.complete()

    @precondition(lambda self: self.is_begun())
    @rule()
    def repair(self) -> None:
        left = {each.name for each in check(self.catalog, deep=True, repair=True) if each.is_open}
        assert breaking.lost_rasters(self.catalog) <= left

    # what goes wrong

    @rule(at=st.integers(1, MOST_STEPS))
    def kill(self, at: int) -> None:
        code, _ = self.run(Fault(at))
        assert code in (-signal.SIGKILL, 0, 3)

    @rule(at=st.integers(1, MOST_STEPS), kind=st.sampled_from(["once", "sticky"]))
    def fill_the_disk(self, at: int, kind: str) -> None:
        code, steps = self.run(Fault(at, kind))
        assert code in (FULL if steps >= at else (0, 3))

    @precondition(lambda self: self.present())
    @rule(data=st.data(), is_gone=st.booleans())
    def spoil(self, data: st.DataObject, is_gone: bool) -> None:
        """Delete a class map, or change a byte of it."""
        name = data.draw(st.sampled_from(self.present()))
        content = bytearray((self.folder / name).read_bytes())
        if is_gone:
            (self.folder / name).unlink()
        else:
            content[data.draw(st.integers(0, len(content) - 1))] ^= 64
            (self.folder / name).write_bytes(content)
        self.spoiled.add(name)

    # what holds

    @invariant()
    def nothing_is_lost_in_silence(self) -> None:
        if not self.is_begun():
            return
        lost = breaking.lost_rasters(self.catalog)
        assert lost <= self.spoiled
        findings = check(self.catalog, deep=True)
        assert lost == {each.name for each in findings if each.what == "raster"}
        assert not [each for each in findings if each.what == "catalog"]
        self.spoiled = lost

    @invariant()
    def inputs_are_as_they_were(self) -> None:
        found = {path.name: path.read_bytes() for path in self.photos.iterdir()}
        assert found == self.images

    def teardown(self) -> None:
        """Have all of it put right; then nothing is left to be done."""
        self.complete()
        check(self.catalog, deep=True, repair=True)
        self.spoiled &= breaking.lost_rasters(self.catalog)
        self.complete()
        files = [
            path for path in self.folder.rglob("*") if path != self.catalog.with_suffix(".lock")
        ]
        before = {path: path.stat().st_mtime_ns for path in files}
        self.complete()
        assert {path: path.stat().st_mtime_ns for path in before} == before
        shutil.rmtree(self.root)

    def is_begun(self) -> bool:
        """Return whether there is a catalog: a kill may have come while its tables were made."""
        sql = "SELECT name FROM sqlite_master WHERE name = 'outputs'"
        return self.catalog.exists() and bool(rows(self.catalog, sql))

    def present(self) -> list[str]:
        """Return the class maps that are there, whatever run listed them."""
        if not self.is_begun():
            return []
        found = rows(self.catalog, "SELECT DISTINCT raster_path FROM outputs WHERE status = 'done'")
        return sorted(name for (name,) in found if (self.folder / name).is_file())

    def run(self, fault: Fault) -> tuple[int, int]:
        return self.world.breaker.run(
            self.folder, fault, photos=self.photos, model=self.model, is_settled=True
        )

    def complete(self) -> None:
        """Classify, and compare what is there with a catalog of its own for each image.

        A class map that somebody has changed is found by ``check`` alone.
        """
        code, _ = self.run(Fault())
        assert code in (0, 3)
        found = listed(self.folder, self.model)
        for name, image in self.images.items():
            path = found[name][2]
            if path not in self.spoiled:
                expected = self.world.outcomes[self.weights, image]
                assert outcome(self.folder, *found[name]) == expected, name
            if path is not None:
                assert not list((self.folder / path).parent.glob(".tmp-*"))


def test_whatever_happens_nothing_is_lost_in_silence(world: World) -> None:
    bounds = settings(
        max_examples=60 if MANY else 7,
        stateful_step_count=20 if MANY else 12,
        derandomize=not MANY,
        phases=[Phase.generate],  # shrinking takes minutes; stories are short
        report_multiple_bugs=False,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(lambda: Story(world), settings=bounds)
