"""Train the demonstration model: four land-cover classes from three bands of Landsat 8.

Writes ``landcover.keras`` and the model definition ``landcover.emd`` to a folder, ``demo``
by default, and prints how often the model is right in places that it was not trained on.

    python examples/train_landcover.py [FOLDER]
"""

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import geopandas
import numpy as np
import pandas as pd
import pyogrio
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize

from pixelcat.processors.tensorflow_setup import tensorflow

tensorflow()  # quietly, before Keras imports it; after pyogrio, which cannot stand its SQLite
import keras

DATA = Path(__file__).parent / "data" / "landsat8"
CLASSES = {
    "water": (31, 119, 180),
    "crop": (255, 204, 92),
    "tree": (35, 110, 50),
    "developed": (200, 60, 60),
}
"""Name and colour; the class values are 1, 2, 3, 4."""
HELD_OUT = {
    "test": "areas drawn by eye",
    "polygons": "published polygons",
    "points": "published points",
}
REACH = 2
"""How far the network looks from a pixel: two 3 x 3 convolutions."""
SAMPLES = 1500
"""Training pixels per class."""
BATCH = 64
EPOCHS = 30
SEED = 20261128
MEANING = (
    "Held out: no pixel that these answers depend on was seen in training. The areas lie\n"
    "inside uniform patches; at edges and in mixed pixels the model is worse than this."
)


class Scene(NamedTuple):
    """The image and where it lies."""

    pixels: NDArray[np.float32]
    """Digital numbers with shape (height, width, bands)."""
    transform: Affine
    crs: Any


class Score(NamedTuple):
    """How the model did in one group of held-out areas."""

    areas: int
    right: list[int]
    """Pixels of each class that got it."""
    pixels: list[int]
    """Pixels of each class."""


def main(folder: Path) -> None:
    """Train, test and write the model.

    Args:
        folder: Where the two files of the model go.
    """
    keras.utils.set_random_seed(SEED)
    scene = read_scene()
    areas = read_areas(scene)
    check_apart(areas, scene)
    labels = {part: rasterise(each, scene) for part, each in areas.groupby("part")}
    mean, std = band_statistics(scene.pixels[labels["train"] > 0])
    scaled = (scene.pixels - mean) / std
    network = train(scaled, labels["train"])
    classes = network.predict(scaled[np.newaxis], verbose=0)[0].argmax(axis=-1) + 1
    scores = {
        part: score(classes, labels[part], int((areas.part == part).sum())) for part in HELD_OUT
    }
    print(table(scores), MEANING, sep="\n\n")
    folder.mkdir(parents=True, exist_ok=True)
    network.save(folder / "landcover.keras")
    write_definition(folder / "landcover.emd", mean, std, scores)


def read_scene() -> Scene:
    """Return the bundled Landsat 8 scene: blue, green, red."""
    with rasterio.open(DATA / "scene.tif") as dataset:
        pixels = np.moveaxis(dataset.read(), 0, -1).astype(np.float32)
        return Scene(pixels, dataset.transform, dataset.crs)


def read_areas(scene: Scene) -> geopandas.GeoDataFrame:
    """Return every labelled place with its ``class`` and its ``part``: train or held out."""
    drawn = pyogrio.read_dataframe(DATA / "areas.geojson").to_crs(scene.crs)
    published = [
        pyogrio.read_dataframe(DATA / f"{part}.gpkg")
        .to_crs(scene.crs)
        .rename(columns={"name": "class"})
        .assign(part=part)
        for part in ("polygons", "points")
    ]
    return geopandas.GeoDataFrame(pd.concat([drawn, *published], ignore_index=True))


def check_apart(areas: geopandas.GeoDataFrame, scene: Scene) -> None:
    """Check that no pixel that a held-out answer depends on is seen in training."""
    trained = areas.part == "train"
    seen = areas[trained].union_all()
    nearest = areas[~trained].distance(seen).min() / scene.transform.a
    if nearest < 2 * REACH:
        raise SystemExit(f"a held-out area lies {nearest:.1f} pixels from a training area")


def rasterise(areas: geopandas.GeoDataFrame, scene: Scene) -> NDArray[np.uint8]:
    """Return an image of class values, 0 where there is no label."""
    values = [list(CLASSES).index(name) + 1 for name in areas["class"]]
    labels: NDArray[np.uint8] = rasterize(
        zip(areas.geometry, values, strict=True),
        out_shape=scene.pixels.shape[:2],
        transform=scene.transform,
        dtype="uint8",
    )
    return labels


def band_statistics(pixels: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return mean and standard deviation of each band, as the definition will state them."""
    mean, std = pixels.mean(axis=0, dtype=float), pixels.std(axis=0, dtype=float)
    return mean.round(1).astype(np.float32), std.round(1).astype(np.float32)


def build(padding: str) -> keras.Sequential:
    """Return the network, untrained.

    Args:
        padding: ``valid`` to train on patches, ``same`` to give every pixel of an image
            its scores.
    """
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((None, None, 3)),
            layers.Conv2D(16, 3, padding=padding, activation="relu"),
            layers.Conv2D(16, 3, padding=padding, activation="relu"),
            layers.Conv2D(len(CLASSES), 1, activation="softmax"),
        ]
    )


def train(pixels: NDArray[np.float32], labels: NDArray[np.uint8]) -> keras.Sequential:
    """Train on patches around labelled pixels; return the network for whole images."""
    rng = np.random.default_rng(SEED)
    places = [np.argwhere(labels == value) for value in range(1, len(CLASSES) + 1)]
    chosen = np.concatenate([rng.choice(each, SAMPLES, replace=False) for each in places])
    network = build("valid")
    steps = EPOCHS * len(chosen) // BATCH
    rate = keras.optimizers.schedules.CosineDecay(3e-3, steps)
    network.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    targets = labels[tuple(chosen.T)][:, np.newaxis, np.newaxis] - 1
    network.fit(patches(pixels, chosen), targets, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    whole = build("same")
    whole.set_weights(network.get_weights())
    return whole


def patches(pixels: NDArray[np.float32], places: NDArray[Any]) -> NDArray[np.float32]:
    """Cut what the network sees around each (row, column)."""
    side = 2 * REACH + 1
    padded = np.pad(pixels, ((REACH, REACH), (REACH, REACH), (0, 0)))
    return np.stack([padded[row : row + side, column : column + side] for row, column in places])


def score(classes: NDArray[Any], labels: NDArray[np.uint8], areas: int) -> Score:
    """Count the labelled pixels of each class, and those that the model got right."""
    pixels = np.bincount(labels.ravel(), minlength=len(CLASSES) + 1)
    right = np.bincount(labels[classes == labels], minlength=len(CLASSES) + 1)
    return Score(areas, right[1:].tolist(), pixels[1:].tolist())


def table(scores: dict[str, Score]) -> str:
    """Return the share of right pixels per class and group, as text."""
    lines = ["Right, of the held-out pixels of " + "".join(f"{name:>11}" for name in CLASSES)]
    for part, (areas, right, pixels) in scores.items():
        shares = [hits / of for hits, of in zip(right, pixels, strict=True)]
        lines.append(
            f"{areas:4} {HELD_OUT[part]:<28}"
            + "".join(f"{share:11.1%}" for share in shares)
            + f"   together {sum(right)} of {sum(pixels)}, {sum(right) / sum(pixels):.1%}"
        )
    return "\n".join(lines)


def write_definition(
    path: Path, mean: NDArray[Any], std: NDArray[Any], scores: dict[str, Score]
) -> None:
    """Write the Esri model definition."""
    accuracy = "; ".join(
        f"{sum(right)} of {sum(pixels)} pixels in {areas} {HELD_OUT[part]}"
        for part, (areas, right, pixels) in scores.items()
    )
    definition = {
        "Framework": "Keras",
        "ModelType": "ImageClassification",
        "ModelName": "landcover",
        "ModelFile": ".\\landcover.keras",
        "Description": "Demonstration model for one scene: Landsat 8, LC08_L1TP_224078_20200518,"
        " bands 2, 3, 4 as digital numbers. Trained by examples/train_landcover.py."
        f" Right in held-out places: {accuracy}.",
        "ExtractBands": [0, 1, 2],
        "ImageHeight": 256,
        "ImageWidth": 256,
        "Mean": [round(float(value), 1) for value in mean],
        "Std": [round(float(value), 1) for value in std],
        "Classes": [
            {"Value": value, "Name": name, "Color": color}
            for value, (name, color) in enumerate(CLASSES.items(), 1)
        ],
    }
    path.write_text(json.dumps(definition, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo"))
