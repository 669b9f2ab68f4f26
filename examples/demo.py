"""The main job from end to end, through the command line, on bundled real data.

    python examples/demo.py

Trains a small model, makes a survey, classifies the survey's images and the whole scene,
asks three questions in SQL and draws a picture. Everything goes to ``demo/``; what is
there already is not made again.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from rasterio.enums import Resampling

import pixelcat

ROOT = Path(__file__).resolve().parents[1]
SCENE = "examples/data/landsat8/scene.tif"
CATALOG = "demo/results.gpkg"
PICTURE = "demo/classmap.png"

MOST_TREES = """
select plot_id, surveyor, images, round(share_tree, 2) as tree, round(mean_confidence, 2) as
confidence from plots_classified_summary order by share_tree desc limit 5
"""
NO_IMAGE = """
select plot_id, surveyor, images, reason from plots_classified_summary where classified = 0
"""
HECTARES = """
select class_name, round(area_m2 / 10000) as hectares, round(100 * fraction, 1) as percent
from item_class_stats where image_name = 'scene.tif' and is_current order by hectares desc
"""
CLASS_MAP = """
select classified_image, value, class_name, fraction from item_class_stats
join item_results i using (item_id, run_id) where i.image_name = 'scene.tif'
and i.is_current order by value
"""
NEXT = f"""
What to look at next
  {PICTURE}          the scene beside its class map
  {CATALOG}          open it in QGIS: plots_classified, plots_classified_summary, footprints
  demo/results_rasters/      a class raster for every image, with colours
  demo/landcover.emd         what the model is, and how often it was right where it was tested
  pixelcat sql {CATALOG} "select * from item_results"
  pixelcat classify --help   the same with your own images and model"""


def main() -> None:
    """Run the demonstration."""
    os.chdir(ROOT)
    Path("demo").mkdir(exist_ok=True)
    if not Path("demo/landcover.emd").exists():
        say("A model: it learns four classes from areas drawn on a Landsat 8 scene.")
        run("python", "examples/train_landcover.py", "demo")
    if not Path("demo/survey.gdb").exists():
        say("A survey: plots with images attached, in a file geodatabase.")
        run("python", "examples/build_survey.py", "demo/survey.gdb")
    classify()
    ask()
    draw_class_map(Path(PICTURE))
    print(NEXT)
    if shutil.which("pixelcat") is None:
        print(f"  (pixelcat is {os.path.relpath(Path(sys.executable).with_name('pixelcat'))})")


def classify() -> None:
    """Classify the survey, then the scene, into one catalog."""
    model = ("--model", "demo/landcover.emd", "-o", CATALOG)
    say("Classify the survey's images. Three attachments are broken, as in every survey:")
    run("pixelcat", "classify", "demo/survey.gdb", "--layer", "plots", *model, expected=3)
    print("(exit code 3: everything else is done, and these three are recorded with a reason)")
    say("Classify the whole scene, into the same catalog.")
    run("pixelcat", "classify", SCENE, *model)
    run("pixelcat", "status", CATALOG)


def ask() -> None:
    """Ask what a survey team asks first."""
    for question, sql in (
        ("Which plots have most tree cover?", MOST_TREES),
        ("Which plots have no usable image, and why?", NO_IMAGE),
        ("How much of the area is which class?", HECTARES),
    ):
        say(question)
        run("pixelcat", "sql", CATALOG, " ".join(sql.split()))


def say(text: str) -> None:
    """Print what comes next."""
    print(f"\n{text}")


def run(program: str, *arguments: str, expected: int = 0) -> None:
    """Show a command as one would type it, and run it.

    Args:
        program: ``pixelcat`` or ``python``, of the environment that runs this script.
        arguments: Its arguments.
        expected: The exit code without which there is no sense in going on.
    """
    shown = [f'"{text}"' if " " in text else text for text in arguments]
    print("$", program, *shown, flush=True)
    executable = Path(sys.executable).with_name(program)
    code = subprocess.run([executable, *arguments], check=False).returncode
    if code != expected:
        raise SystemExit(f"{program} ended with exit code {code}, not {expected}")


def draw_class_map(path: Path) -> None:
    """Draw the scene in true colour, its class map and a legend, at half size."""
    rows = pixelcat.open_catalog(CATALOG).sql(CLASS_MAP)
    with rasterio.open(SCENE) as scene:
        width, height = scene.width // 2, scene.height // 2
        dn = scene.read([3, 2, 1], out_shape=(3, height, width), resampling=Resampling.average)
    with rasterio.open(Path(CATALOG).parent / rows[0]["classified_image"]) as raster:
        classes = raster.read(1, out_shape=(height, width))
        colors: dict[int, tuple[int, ...]] = raster.colormap(1)
    table = np.array([colors[value] for value in range(256)], np.uint8)
    picture = Image.new("RGB", (2 * width + 8, height + 40), "white")
    picture.paste(Image.fromarray(true_color(dn)), (0, 0))
    picture.paste(Image.fromarray(table[classes]), (width + 8, 0))
    draw_legend(picture, rows, colors, (width + 8, height + 10))
    picture.save(path)


def true_color(dn: NDArray[Any]) -> NDArray[np.uint8]:
    """Return digital numbers (bands, height, width) as a picture (height, width, bands)."""
    low, high = np.percentile(dn, (1, 98), axis=(1, 2), keepdims=True)
    shares = np.clip((dn - low) / (high - low), 0, 1) ** 0.7
    picture: NDArray[np.uint8] = np.moveaxis(np.round(255 * shares), 0, -1).astype(np.uint8)
    return picture


def draw_legend(
    picture: Image.Image,
    rows: list[dict[str, Any]],
    colors: dict[int, tuple[int, ...]],
    corner: tuple[int, int],
) -> None:
    """Draw a box, name and share for each class in a row."""
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(13)
    left, top = corner
    for row in rows:
        pen.rectangle((left, top, left + 14, top + 14), fill=colors[row["value"]])
        pen.text((left + 19, top - 1), f"{row['class_name']} {row['fraction']:.0%}", "black", font)
        left += 110


if __name__ == "__main__":
    main()
