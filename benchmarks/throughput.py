"""How much of a bare model's speed is left end to end, against the loop people write by hand.

    python benchmarks/throughput.py --size 8192 --rounds 5

See README.md in this folder.
"""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import by_hand
import click
import networks
import numpy as np
import scenes
from bare import Bare

import pixelcat

_LOOP_ROWS = 2048
"""Rows that the loop by hand is timed on: it is slow, and as slow everywhere."""


@click.command(context_settings={"show_default": True})
@click.option("--size", default=8192, help="Pixels a side of the scene.")
@click.option(
    "--network", "names", type=click.Choice(list(networks.NETWORKS)), multiple=True,
    default=list(networks.NETWORKS), help="Repeatable.",
)  # fmt: skip
@click.option("--rounds", default=5, help="How often each way is timed, in turn.")
@click.option("--loop/--no-loop", default=True, help="Time the loop by hand too.")
@click.option("--argument", "arguments", multiple=True, metavar="NAME=VALUE", help="Of classify.")
def main(
    size: int, names: tuple[str, ...], rounds: int, loop: bool, arguments: tuple[str, ...]
) -> None:
    """Time the bare model, pixelcat end to end and a loop by hand."""
    given = dict(text.split("=", 1) for text in arguments)
    with TemporaryDirectory(prefix="pixelcat-benchmark-") as folder:
        scene = Path(folder) / "scene.tif"
        scenes.write(scene, size)
        for name in names:
            model = Path(folder) / f"{name}.keras"
            networks.save(name, model)
            times = _timed(scene, model, size, rounds, loop, given)
            _print(name, times)


def _timed(
    scene: Path, model: Path, size: int, rounds: int, loop: bool, arguments: dict[str, str]
) -> dict[str, list[float]]:
    """Return seconds per million pixels of each way, in interleaved rounds."""
    bare = Bare(model, [(size, size)], arguments)
    click.echo(bare.facts)
    rows = min(_LOOP_ROWS, size)
    ways: dict[str, tuple[float, Callable[[], Any]]] = {
        "bare model": (size * size, bare.run),
        "pixelcat": (size * size, lambda: _classify(scene, model, arguments)),
        "  of which loading": (size * size, bare.load),
    }
    if loop:
        ways["by hand"] = (rows * size, lambda: by_hand.classify(scene, model, rows))
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, (pixels, way) in ways.items():
            started = time.perf_counter()
            way()
            times[name].append((time.perf_counter() - started) / pixels * 1e6)
    loading = times.pop("  of which loading")
    times["pixelcat, model loaded"] = list(np.subtract(times["pixelcat"], loading))
    return times


def _classify(scene: Path, model: Path, arguments: dict[str, str]) -> None:
    with TemporaryDirectory(prefix="pixelcat-benchmark-") as folder:
        output = Path(folder) / "results.gpkg"
        run = pixelcat.classify(scene, model=model, output=output, arguments=arguments)
        if run.done != 1:
            raise RuntimeError(run.failures)


def _print(title: str, times: dict[str, list[float]]) -> None:
    click.echo(f"\n{title:24}{'Mpx/s':>8}{'/ bare':>9}{'/ by hand':>11}")
    for name, seconds in times.items():
        ratios = []
        for other in ("bare model", "by hand"):
            pairs = zip(times.get(other, ()), seconds, strict=False)
            ratio = [base / value for base, value in pairs]
            ratios.append(median(ratio) if ratio else float("nan"))
        click.echo(f"{name:24}{1 / median(seconds):8.2f}{ratios[0]:9.2f}{ratios[1]:11.2f}")


if __name__ == "__main__":
    main()
