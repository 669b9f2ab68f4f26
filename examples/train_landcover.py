"""Train the demonstration model: four land-cover classes from three bands of Landsat 8.

Writes ``landcover.keras`` and the model definition ``landcover.emd`` to a folder, ``demo``
by default, and prints how often the model is right in places that it was not trained on.

    python examples/train_landcover.py [FOLDER]
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # read when Keras imports TensorFlow

import geopandas
import keras
import numpy as np
import pandas as pd
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize

DATA = Path(__file__).parent / "data" / "landsat8"
CLASSES = {
    "water": (31, 119, 180),
    "crop": (255, 204, 92),
    "tree": (35, 110, 50),
    "developed": (200, 60, 60),
}
"""Name and colour; the class values are 1, 2, 3, 4."""
HELD_OUT = {
    "test": "areas drawn by us",
    "polygons": "polygons published with the scene",
    "points": "points published with the scene",
}
REACH = 2
"""How far the network looks from a pixel: two 3 x 3 convolutions."""
SAMPLES = 1500
"""Training pixels per class."""
EPOCHS = 30
SEED = 20261128


class Scene(NamedTuple):
    """The image and where it lies."""

    pixels: NDArray[np.float32]
    """Digital numbers with shape (height, width, bands)."""
    transform: Affine
    crs: Any


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
    scores = network.predict(scaled[np.newaxis], verbose=0)[0]
    classes = scores.argmax(axis=-1) + 1
    report = [
        describe(areas, part, classes, labels[part], text) for part, text in HELD_OUT.items()
    ]
    print("\n".join(report))
    folder.mkdir(parents=True, exist_ok=True)
    network.save(folder / "landcover.keras")
    write_definition(folder / "landcover.emd", mean, std, report)


def read_scene() -> Scene:
    """Return the bundled Landsat 8 scene: blue, green, red."""
    with rasterio.open(DATA / "scene.tif") as dataset:
        pixels = np.moveaxis(dataset.read(), 0, -1).astype(np.float32)
        return Scene(pixels, dataset.transform, dataset.crs)


def read_areas(scene: Scene) -> geopandas.GeoDataFrame:
    """Return every labelled place with its ``class`` and its ``part``: train or held out."""
    drawn = geopandas.read_file(DATA / "areas.geojson").to_crs(scene.crs)
    published = [
        geopandas.read_file(DATA / f"{part}.gpkg")
        .to_crs(scene.crs)
        .rename(columns={"name": "class"})
        .assign(part=part)
        for part in ("polygons", "points")
    ]
    return geopandas.GeoDataFrame(pd.concat([drawn, *published], ignore_index=True))


def check_apart(areas: geopandas.GeoDataFrame, scene: Scene) -> None:
    """Check that no pixel that a held-out answer depends on was seen in training."""
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
    chosen = np.concatenate(
        [
            rng.choice(np.argwhere(labels == value + 1), SAMPLES, replace=False)
            for value in range(len(CLASSES))
        ]
    )
    network = build("valid")
    network.compile("adam", "sparse_categorical_crossentropy")
    network.optimizer.learning_rate = 3e-3
    network.fit(
        patches(pixels, chosen),
        labels[tuple(chosen.T)][:, np.newaxis, np.newaxis] - 1,
        batch_size=64,
        epochs=EPOCHS,
        verbose=0,
    )
    whole = build("same")
    whole.set_weights(network.get_weights())
    return whole


def patches(pixels: NDArray[np.float32], places: NDArray[Any]) -> NDArray[np.float32]:
    """Cut what the network sees around each (row, column)."""
    side = 2 * REACH + 1
    padded = np.pad(pixels, ((REACH, REACH), (REACH, REACH), (0, 0)))
    return np.stack([padded[row : row + side, column : column + side] for row, column in places])


def describe(
    areas: geopandas.GeoDataFrame,
    part: str,
    classes: NDArray[Any],
    labels: NDArray[np.uint8],
    text: str,
) -> str:
    """Return a line that says how many held-out pixels of each class got their label."""
    right = classes == labels
    count = int((areas.part == part).sum())
    each = ", ".join(
        f"{name} {right[labels == value].mean():.1%}" for value, name in enumerate(CLASSES, 1)
    )
    held_out = labels > 0
    return (
        f"{count} {text}: {right[held_out].mean():.1%} of {held_out.sum()} held-out pixels"
        f" right ({each})"
    )


def write_definition(
    path: Path, mean: NDArray[Any], std: NDArray[Any], report: Sequence[str]
) -> None:
    """Write the Esri model definition."""
    definition = {
        "Framework": "Keras",
        "ModelType": "ImageClassification",
        "ModelName": "landcover",
        "ModelFile": ".\\landcover.keras",
        "Description": "Demonstration model for one scene, Landsat 8 LC08_L1TP_224078_20200518,"
        " bands 2, 3, 4 as digital numbers; trained by examples/train_landcover.py."
        f" Accuracy: {'; '.join(report)}.",
        "ExtractBands": [0, 1, 2],
        "ImageHeight": 256,
        "ImageWidth": 256,
        "Mean": [round(float(value), 1) for value in mean],
        "Std": [round(float(value), 1) for value in std],
        "Classes": [
            {"Value": value, "Name": name, "Color": list(color)}
            for value, (name, color) in enumerate(CLASSES.items(), 1)
        ],
    }
    path.write_text(json.dumps(definition, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo"))
