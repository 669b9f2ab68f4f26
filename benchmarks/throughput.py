"""How much of a bare model's speed is left end to end, against other ways to do the same.

    python benchmarks/throughput.py --size 8192 --rounds 5

See README.md in this folder.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import by_hand
import click
import networks
import numpy as np
import others
import scenes
import wrong
from bare import Bare

_ROWS = 2048
"""Rows that slow ways are timed on: they are as slow everywhere."""
_FEW_ROWS = 512
"""The same for chips of which little is kept."""
_WHOLE = 4096
"""Other tools are given scenes up to this size whole."""
_CHECKED = ((1408, 1504), (1400, 1500))
"""Heights and widths of the images on which class maps are compared; the first are multiples of 16."""


@click.command(context_settings={"show_default": True})
@click.option("--size", default=8192, help="Pixels a side of the scene.")
@click.option(
    "--network", "names", type=click.Choice(list(networks.NETWORKS)), multiple=True,
    default=list(networks.NETWORKS), help="Repeatable.",
)  # fmt: skip
@click.option("--rounds", default=5, help="How often each way is timed, in turn.")
@click.option("--loop/--no-loop", default=True, help="Time the loop by hand too.")
@click.option("--others/--no-others", "with_others", default=True, help="Time GeoDeep and geoai.")
@click.option("--argument", "arguments", multiple=True, metavar="NAME=VALUE", help="Of classify.")
def main(
    size: int, names: tuple[str, ...], rounds: int, loop: bool, with_others: bool,
    arguments: tuple[str, ...],
) -> None:  # fmt: skip
    """Time the bare model, pixelcat end to end, a loop by hand and other tools."""
    given = dict(text.split("=", 1) for text in arguments)
    tools = _installed() if with_others else {}
    with TemporaryDirectory(prefix="pixelcat-benchmark-") as folder:
        scene = Path(folder) / "scene.tif"
        scenes.write(scene, size)
        part = _part(scene, size)
        for name in names:
            model = Path(folder) / f"{name}.keras"
            networks.save(name, model)
            if tools:
                others.copy_weights(model)
            _print(name, _timed(scene, part, model, rounds, loop, tools, given))
            if tools:
                _print_quality(part, model, tools, given)


def _installed() -> dict[str, others.Tool]:
    """Return the other tools that can be run, and say which cannot."""
    found = {}
    for name, tool in others.OTHERS.items():
        if missing := others.missing(tool):
            click.echo(f"{name}: not installed: {', '.join(missing)}")
        else:
            found[name] = tool
    return found


def _part(scene: Path, size: int) -> Path:
    """Return what other tools are timed on: the scene, or a strip of a large one."""
    if size <= _WHOLE:
        return scene
    strip = scene.with_name("strip.tif")
    scenes.cut(scene, strip, _ROWS, size)
    return strip


def _timed(
    scene: Path, part: Path, model: Path, rounds: int, loop: bool, tools: dict[str, others.Tool],
    arguments: dict[str, str],
) -> dict[str, list[float]]:  # fmt: skip
    """Return seconds per million pixels of each way, in interleaved rounds."""
    height, width = scenes.shape(scene)
    bare = Bare(model, [(height, width)], arguments)
    click.echo(bare.facts)
    rows = min(_ROWS, height)
    ours = others.pixelcat_tool(arguments)
    ways: dict[str, tuple[int, Callable[[], Any]]] = {
        "bare model": (height, bare.run),
        "pixelcat": (height, lambda: _run(ours, scene, model)),
        "  of which loading": (height, bare.load),
    }
    if loop:
        ways["by hand"] = (rows, lambda: by_hand.classify(scene, model, rows))
        if by_hand.HALO < bare.halo < by_hand.CHIP // 2:
            few = min(_FEW_ROWS, height)
            slow = partial(by_hand.classify, scene, model, few, bare.halo)
            ways[f"by hand, halo {bare.halo}"] = (few, slow)
    for name, tool in tools.items():
        ways[name] = (scenes.shape(part)[0], partial(_run, tool, part, model))
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, (lines, way) in ways.items():
            started = time.perf_counter()
            way()
            times[name].append((time.perf_counter() - started) / (lines * width) * 1e6)
    loading = times.pop("  of which loading")
    times["pixelcat, model loaded"] = list(np.subtract(times["pixelcat"], loading))
    return times


def _run(
    tool: others.Tool, scene: Path, model: Path, look: Callable[[Path], Any] = lambda _: None
) -> Any:
    """Classify a scene, and return what is made of the class raster before it is removed."""
    with TemporaryDirectory(prefix="pixelcat-benchmark-") as folder:
        return look(tool.classify(scene, model, Path(folder)))


def _print(title: str, times: dict[str, list[float]]) -> None:
    click.echo(f"\n{title:24}{'Mpx/s':>8}{'/ bare':>9}{'/ by hand':>11}{'pixelcat /':>12}")
    for name, seconds in times.items():
        bare, hand = (_ratio(times.get(other), seconds) for other in ("bare model", "by hand"))
        ours = 1 / _ratio(times["pixelcat"], seconds)
        click.echo(f"{name:24}{1 / median(seconds):8.2f}{bare:9.2f}{hand:11.2f}{ours:12.2f}")


def _ratio(base: list[float] | None, seconds: list[float]) -> float:
    """Return the median over rounds of how many times as fast as another a way is."""
    if base is None:
        return float("nan")
    return median(one / other for one, other in zip(base, seconds, strict=True))


def _print_quality(
    scene: Path, model: Path, tools: dict[str, others.Tool], arguments: dict[str, str]
) -> None:
    """Print what is wrong in the class maps of all tools, and the memory that they take."""
    every = {"pixelcat": others.pixelcat_tool(arguments), **tools}
    for height, width in _CHECKED:
        whole, image = scene.with_name("square.tif"), scene.with_name("image.tif")
        scenes.write(whole, max(height, width))
        scenes.cut(whole, image, height, width)
        compare = partial(wrong.compare, image, wrong.in_one_piece(image, model))
        title = f"pixels of {height} x {width}"
        click.echo(f"\n{title:24}" + "".join(f"{field:>10}" for field in wrong.Wrong._fields))
        for name, tool in every.items():
            found = _run(tool, image, model, compare)
            click.echo(f"{name:24}" + "".join(f"{number:10}" for number in found))
    click.echo(f"\n{'peak memory added':24}{'MB':>8}")
    for name in every:
        click.echo(f"{name:24}{others.added_mb(name, model, scene, arguments):8.0f}")


if __name__ == "__main__":
    main()
