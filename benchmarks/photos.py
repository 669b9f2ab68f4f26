"""How near photos are classified to what decoding them, or the model, takes by itself.

    python benchmarks/photos.py --count 200
    python benchmarks/photos.py --count 50 --fed 0      # at their own size

See README.md in this folder.
"""

import io
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import click
import networks
import numpy as np
import scenes
import surveys
from bare import Bare
from PIL import Image

import pixelcat


@click.command(context_settings={"show_default": True})
@click.option("--count", default=200, help="Photos, related media of a GeoPackage.")
@click.option("--width", default=4000, help="Of a photo; its height is three quarters.")
@click.option("--fed", default=512, help="Longer side that the model is fed; 0 for all of it.")
@click.option(
    "--network", default="pointwise", type=click.Choice(list(networks.NETWORKS)), help="The model."
)
@click.option("--rounds", default=3, help="How often each way is timed, in turn.")
def main(count: int, width: int, fed: int, network: str, rounds: int) -> None:
    """Time decoding alone, the model alone, and pixelcat."""
    arguments = {"image_size": str(fed), "class_map": "model"} if fed else {}
    with TemporaryDirectory(prefix="pixelcat-benchmark-") as folder:
        survey, model = Path(folder) / "survey.gpkg", Path(folder) / "net.keras"
        photos = list(_photos(count, width))
        surveys.write_media(survey, count, photos)
        networks.save(network, model)
        scale = fed / width if fed else 1
        size = (round(width * 3 / 4 * scale), round(width * scale))
        bare = Bare(model, [size] * count, arguments)
        click.echo(f"{count} photos of {len(photos[0]) / 1e6:.1f} MB; {bare.facts}")
        ways: dict[str, Callable[[], Any]] = {
            "decoding": lambda: _decode(survey),
            "model": bare.run,
            "pixelcat": lambda: _classify(survey, model, count, arguments),
            "loading": bare.load,
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                started = time.perf_counter()
                way()
                seconds[name].append(time.perf_counter() - started)
        _print(seconds, count)


def _photos(count: int, width: int) -> Iterator[bytes]:
    random = np.random.default_rng(0)
    height = width * 3 // 4
    pixels = np.stack([scenes.texture(random, height, width) for _ in range(3)], axis=-1)
    for number in range(count):
        buffer = io.BytesIO()
        Image.fromarray(np.roll(pixels, 37 * number, axis=0)).save(buffer, "JPEG", quality=80)
        yield buffer.getvalue()


def _decode(survey: Path) -> None:
    with sqlite3.connect(survey) as connection:
        for (data,) in connection.execute("select data from photos"):
            np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def _classify(survey: Path, model: Path, count: int, arguments: dict[str, str]) -> None:
    with TemporaryDirectory(prefix="pixelcat-benchmark-") as folder:
        output = Path(folder) / "results.gpkg"
        run = pixelcat.classify(survey, model=model, output=output, arguments=arguments, workers=0)
        if run.done != count:
            raise RuntimeError(run.failures)


def _print(seconds: dict[str, list[float]], count: int) -> None:
    click.echo(f"\n{'':24}{'photos/s':>10}{'share':>8}")
    loaded = np.subtract(seconds["pixelcat"], seconds["loading"])
    bound = np.maximum(seconds["decoding"], seconds["model"])
    rows = {
        "decoding alone": seconds["decoding"],
        "model alone": seconds["model"],
        "pixelcat": seconds["pixelcat"],
        "pixelcat, model loaded": loaded,
    }
    for name, values in rows.items():
        share = median(bound / np.asarray(values))
        click.echo(f"{name:24}{count / median(values):10.1f}{share:8.2f}")


if __name__ == "__main__":
    main()
