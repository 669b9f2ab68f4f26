"""What it costs that images are classified in a process of their own.

    python benchmarks/isolation.py --size 8192 --rounds 5

Whole commands, start included, with ``--workers 1`` and ``--workers 0`` in turn.
"""

import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import click
import networks
import scenes


@click.command(context_settings={"show_default": True})
@click.option("--size", default=8192, help="Pixels a side of the scene.")
@click.option("--network", type=click.Choice(list(networks.NETWORKS)), default="unet8")
@click.option("--rounds", default=5, help="How often each way is timed, in turn.")
def main(size: int, network: str, rounds: int) -> None:
    """Time a command with and without a process of its own."""
    with TemporaryDirectory(prefix="pixelcat-benchmark-") as folder:
        scene, model = Path(folder) / "scene.tif", Path(folder) / "net.keras"
        scenes.write(scene, size)
        networks.save(network, model)
        _seconds(scene, model, 0)  # the model is measured, and remembered
        times = [(_seconds(scene, model, 0), _seconds(scene, model, 1)) for _ in range(rounds)]
    for (here, apart), number in zip(times, range(1, rounds + 1), strict=True):
        click.echo(f"round {number}: {here:.1f} s in one process, {apart:.1f} s in two")
    click.echo(f"two / one: {median(apart / here for here, apart in times):.3f}")


def _seconds(scene: Path, model: Path, workers: int) -> float:
    with TemporaryDirectory(prefix="pixelcat-benchmark-") as folder:
        command = [
            *(sys.executable, "-m", "pixelcat", "classify", scene, "-m", model),
            *("-o", Path(folder) / "out.gpkg", "--workers", str(workers)),
        ]
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        return time.perf_counter() - started


if __name__ == "__main__":
    main()
