"""What was measured of a network is remembered for its next run, and only for that network."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pixelcat.processors.definition import ModelDefinition
from pixelcat.processors.options import options_of
from pixelcat.processors.prepare import prepare

Function = Callable[..., Any]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "pixelcat" / "measured"


@pytest.fixture
def model(tmp_path: Path, exact_net: Function) -> Path:
    path = tmp_path / "net.keras"
    exact_net().save(path)
    return path


def found(model: Path, **arguments: str) -> tuple[Any, ...]:
    definition = ModelDefinition.load(model)
    prepared = prepare(definition, options_of(definition, arguments))
    prepared.classifier.close()
    return prepared.found["stride"], prepared.found["looks"], prepared.found["margin"]


def test_a_measurement_is_made_once(cache: Path, model: Path) -> None:
    first = found(model)
    (file,) = cache.iterdir()
    kept = json.loads(file.read_text())
    assert (kept["stride"], f"{kept['radius']} pixels beyond") == first[:2]
    assert found(model) == first
    file.write_text(json.dumps({**kept, "radius": 77}))
    assert found(model)[1] == "77 pixels beyond"


def test_other_weights_and_other_arguments_are_measured_anew(
    cache: Path, model: Path, exact_net: Function
) -> None:
    found(model)
    found(model, tile_multiple="24")
    assert len(list(cache.iterdir())) == 2
    exact_net(seed=2).save(model)
    found(model)
    assert len(list(cache.iterdir())) == 3


WRONG = [
    *({"stride": 0}, {"stride": 4.0}, {"stride": True}, {"radius": "x"}, {"radius": 11.5}),
    *({"margin": -1}, {"bytes_per_pixel": None}, {"bytes_per_pixel": 0}, {"stride": 1 << 30}),
]


@pytest.mark.parametrize(
    "text",
    ["", "{}", '{"stride": 3}', "[1]", "[" * 100_000, *WRONG],
    ids=lambda given: str(given)[:40],
)
def test_a_damaged_memory_is_measured_anew(
    cache: Path, model: Path, text: str | dict[str, Any]
) -> None:
    first = found(model)
    (file,) = cache.iterdir()
    whole = file.read_text()
    file.write_text(text if isinstance(text, str) else json.dumps(json.loads(whole) | text))
    assert found(model) == first
    assert file.read_text() == whole


def test_a_cache_that_is_not_absolute_is_no_cache(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    found(model)
    assert not (tmp_path / "here").exists()
    assert list((tmp_path / "home/.cache/pixelcat/measured").iterdir())


def test_without_a_place_to_remember_a_network_is_measured_all_the_same(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert found(model)[0] >= 1
