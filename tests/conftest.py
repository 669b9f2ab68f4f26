"""Fixtures: small real models, surveys and images, made in the test itself."""

import io
import json
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import fiona
import numpy as np
import pytest
from PIL import Image

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"

CLASSES = [
    {"Value": 1, "Name": "Water", "Color": [0, 0, 255]},
    {"Value": 2, "Name": "Crop", "Color": [255, 255, 0]},
    {"Value": 9, "Name": "Built Up", "Color": [255, 0, 0]},
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests on the reference data where it is not there."""
    if SHARED.is_dir():
        return
    for item in items:
        if item.get_closest_marker("shared_data"):
            item.add_marker(pytest.mark.skip(reason="reference data absent"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of the reference data; use with the marker of the same name."""
    return SHARED


@pytest.fixture
def photo_bytes() -> Callable[..., bytes]:
    """Return a function that makes an encoded noise photo."""

    def make(seed: int = 0, size: tuple[int, int] = (61, 47), kind: str = "JPEG") -> bytes:
        """Size is (width, height)."""
        rng = np.random.default_rng(seed)
        pixels = rng.integers(0, 256, (size[1], size[0], 3), np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, kind)
        return buffer.getvalue()

    return make


@pytest.fixture(scope="session")
def keras_net() -> Callable[..., Any]:
    """Return a function that builds a small fully convolutional network with random weights."""

    def build(
        *,
        bands: int = 3,
        channels: int = 3,
        poolings: int = 1,
        activation: str | None = "softmax",
        seed: int = 7,
        size: int | None = None,
        interpolation: str = "nearest",
    ) -> Any:
        from pixelcat.processors.tensorflow_setup import tensorflow

        tensorflow()
        import keras

        keras.utils.set_random_seed(seed)
        layers = keras.layers
        inputs = layers.Input((size, size, bands))
        x = layers.Rescaling(1 / 64, offset=-2.0)(inputs)
        skips = []
        for _ in range(poolings):
            x = layers.Conv2D(6, 3, padding="same", activation="relu")(x)
            skips.append(x)
            x = layers.MaxPooling2D()(x)
        x = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
        for skip in reversed(skips):
            x = layers.UpSampling2D(interpolation=interpolation)(x)
            x = layers.Concatenate()([x, skip])
            x = layers.Conv2D(6, 3, padding="same", activation="relu")(x)
        return keras.Model(inputs, layers.Conv2D(channels, 1, activation=activation)(x))

    return build


@pytest.fixture(scope="session")
def model_emd(keras_net: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An .emd with three named classes (values 1, 2, 9) over a small U-Net of stride 2."""
    folder = tmp_path_factory.mktemp("model")
    keras_net().save(folder / "net.keras")
    emd = {
        "Framework": "Keras",
        "ModelType": "ImageClassification",
        "ModelFile": ".\\net.keras",
        "ImageHeight": 32,
        "ImageWidth": 32,
        "ExtractBands": [0, 1, 2],
        "BatchSize": 4,
        "Classes": CLASSES,
    }
    (folder / "land.emd").write_text(json.dumps(emd))
    return folder / "land.emd"


Attachment = tuple[Any, str, str | None, bytes | None]
"""Key of the feature, name, declared type, bytes."""


@pytest.fixture
def make_gdb(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a file geodatabase with plots and attachments."""

    def make(
        attachments: Sequence[Attachment], features: int = 3, name: str = "survey.gdb"
    ) -> Path:
        path = tmp_path / name
        plots = {
            "geometry": "Point",
            "properties": {"plot_id": "str:10", "slope": "float", "trees": "int32"},
        }
        with fiona.open(
            path, "w", driver="OpenFileGDB", layer="plots", schema=plots, crs="EPSG:3857"
        ) as layer:
            for number in range(1, features + 1):
                layer.write(
                    {
                        "geometry": {
                            "type": "Point",
                            "coordinates": (500_000.0 + 10 * number, 5_000_000.0 + number),
                        },
                        "properties": {
                            "plot_id": f"P{number}",
                            "slope": None if number == 2 else number / 2,
                            "trees": None if number == 1 else number,
                        },
                    }
                )
        table = {
            "geometry": "None",
            "properties": {
                "REL_OBJECTID": "int32",
                "CONTENT_TYPE": "str:150",
                "ATT_NAME": "str:250",
                "DATA_SIZE": "int32",
                "DATA": "bytes",
            },
        }
        with fiona.open(
            path, "w", driver="OpenFileGDB", layer="plots__ATTACH", schema=table
        ) as layer:
            for key, attachment, declared, data in attachments:
                layer.write(
                    {
                        "geometry": None,
                        "properties": {
                            "REL_OBJECTID": key,
                            "CONTENT_TYPE": declared,
                            "ATT_NAME": attachment,
                            "DATA_SIZE": len(data or b""),
                            "DATA": data,
                        },
                    }
                )
        return path

    return make


@pytest.fixture
def make_gpkg(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a GeoPackage with plots and Related Tables media."""

    def make(
        media: Sequence[tuple[str, bytes | None]],
        links: Sequence[tuple[int, int]],
        features: int = 3,
        name: str = "survey.gpkg",
    ) -> Path:
        """Media are (declared type, bytes); links are (plot fid, media id), both from 1."""
        import geopandas
        import shapely

        path = tmp_path / name
        geopandas.GeoDataFrame(
            {"plot_id": [f"P{n}" for n in range(1, features + 1)]},
            geometry=[shapely.Point(4 + n / 100, 45) for n in range(1, features + 1)],
            crs=4326,
        ).to_file(path, layer="plots", driver="GPKG", engine="pyogrio")
        with sqlite3.connect(path) as database:
            database.executescript(
                """
                create table photos (id integer primary key autoincrement not null,
                  content_type text not null, data blob);
                create table plots_photos (base_id integer not null, related_id integer not null);
                create table gpkgext_relations (id integer primary key autoincrement,
                  base_table_name text not null, base_primary_column text not null default 'id',
                  related_table_name text not null, related_primary_column text not null
                  default 'id', relation_name text not null, mapping_table_name text not null);
                insert into gpkgext_relations values
                  (1, 'plots', 'fid', 'photos', 'id', 'media', 'plots_photos');
                insert into gpkg_contents (table_name, data_type, identifier) values
                  ('photos', 'attributes', 'photos'), ('plots_photos', 'attributes', 'mapping');
                """
            )
            database.executemany("insert into photos (content_type, data) values (?, ?)", media)
            database.executemany("insert into plots_photos values (?, ?)", links)
        database.close()
        return path

    return make
