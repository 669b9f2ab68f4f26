"""Fixtures: small real models, surveys and images, made in the test itself."""

import gc
import hashlib
import io
import json
import pickle
import shutil
import signal
import sqlite3
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import fiona
import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning

from pixelcat.catalog.records import ClassDefinition, ClassStat, Dataset, Item, Output, Scan
from pixelcat.catalog.store import Catalog

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"

CLASSES = [
    {"Value": 1, "Name": "Water", "Color": [0, 0, 255]},
    {"Value": 2, "Name": "Crop", "Color": [255, 255, 0]},
    {"Value": 9, "Name": "Built Up", "Color": [255, 0, 0]},
]

gc.set_threshold(50_000, 20, 100)  # TensorFlow makes so many objects that looking takes its time


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests on the reference data where it is not there."""
    if SHARED.is_dir():
        return
    for item in items:
        if item.get_closest_marker("shared_data"):
            item.add_marker(pytest.mark.skip(reason="reference data absent"))


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing is taken from the cache of whoever runs the tests, and nothing left there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIXELCAT_WORKERS", "0")  # others start TensorFlow anew for every call
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)  # a process else compiles all of it
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def signals_stay_as_they_are() -> Iterator[None]:
    """A command that ends takes no more signals; tests may run some in their own process."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session", autouse=True)
def everything_travels() -> Iterator[None]:
    """What is found in an input can be told to another process, in all tests that use one alone."""
    from pixelcat.processors.workers.here import Here

    scan = Here.scan

    def watched(*arguments: Any) -> list[Scan]:
        found = scan(*arguments)
        for each in found:
            pickle.dumps(replace(each, features=(), items=(), elsewhere=()))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Here, "scan", watched)
        yield


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


@pytest.fixture
def photo_folder(tmp_path: Path, photo_bytes: Callable[..., bytes]) -> Callable[..., Path]:
    """Return a function that makes a folder of photos with these names."""

    def make(*names: str) -> Path:
        folder = tmp_path / "photos"
        folder.mkdir(exist_ok=True)
        for seed, name in enumerate(names):
            (folder / name).write_bytes(photo_bytes(seed, (40 + 3 * seed, 37)))
        return folder

    return make


@pytest.fixture(scope="session")
def saved_alike(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Any], Any]:
    """Return a function that lets a network save the same bytes as its like did before.

    Keras writes the time into a file. Files that are alike are measured once in all tests.
    """
    folder = tmp_path_factory.mktemp("networks")

    def change(model: Any) -> Any:
        by_keras = model.save

        def save(path: Path | str) -> None:
            weights = b"".join(array.tobytes() for array in model.get_weights())
            digest = hashlib.sha256(model.to_json().encode() + weights).hexdigest()
            kept = folder / f"{digest}{Path(path).suffix}"
            if not kept.exists():
                by_keras(kept)
            shutil.copyfile(kept, path)

        model.save = save
        return model

    return change


@pytest.fixture(scope="session")
def keras_net(saved_alike: Callable[[Any], Any]) -> Callable[..., Any]:
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
        inputs = layers.Input((size, size, bands), name="pixels")
        x = layers.Rescaling(1 / 64, offset=-2.0, name="scaled")(inputs)
        skips = []

        def conv(filters: int, name: str) -> Any:
            return layers.Conv2D(filters, 3, padding="same", activation="relu", name=name)

        for level in range(poolings):
            x = conv(6, f"down_{level}")(x)
            skips.append(x)
            x = layers.MaxPooling2D(name=f"pool_{level}")(x)
        x = conv(8, "middle")(x)
        for level, skip in reversed(list(enumerate(skips))):
            x = layers.UpSampling2D(interpolation=interpolation, name=f"up_{level}")(x)
            x = layers.Concatenate(name=f"joined_{level}")([x, skip])
            x = conv(6, f"after_{level}")(x)
        scores = layers.Conv2D(channels, 1, activation=activation, name="scores")(x)
        return saved_alike(keras.Model(inputs, scores, name="net"))

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
def survey_with_keywords(make_gdb: Callable[..., Path], photo_bytes: Callable[..., bytes]) -> Path:
    """A file geodatabase as Survey123 fills it: two photos and a sketch of P1."""
    path = make_gdb([])
    table = {
        "geometry": "None",
        "properties": {
            "REL_OBJECTID": "int32",
            "CONTENT_TYPE": "str:150",
            "ATT_NAME": "str:250",
            "Keywords": "str:255",
            "GlobalID": "str:38",
            "DATA": "bytes",
        },
    }
    rows = [
        (1, "image/jpeg", "a.jpg", "canopy photo", photo_bytes(1)),
        (1, "image/jpeg", "b.jpg", None, photo_bytes(2)),
        (1, "application/pdf", "list.pdf", "sketch", b"%PDF-1.4"),
    ]
    with fiona.open(path, "w", driver="OpenFileGDB", layer="plots__ATTACH", schema=table) as layer:
        for number, (key, declared, name, keywords, data) in enumerate(rows):
            own = f"{{abcdef01-0000-4000-8000-{number:012}}}"
            values = (key, declared, name, keywords, own, data)
            properties = dict(zip(table["properties"], values, strict=True))
            layer.write({"geometry": None, "properties": properties})
    return path


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


@pytest.fixture
def gpkg_errors() -> Callable[[Path], list[str]]:
    """Return a function that gives what GDAL's validator says against a closed GeoPackage."""
    validator = pytest.importorskip("osgeo_utils.samples.validate_gpkg")

    def errors(path: Path) -> list[str]:
        found = validator.check(
            str(path), abort_at_first_error=False, extra_checks=True, warning_as_error=True
        )
        return [f"requirement {requirement}: {message}" for requirement, message in found]

    return errors


@pytest.fixture
def start_run() -> Callable[..., int]:
    """Return a function that starts a run of a model, without any model."""

    def start(catalog: Catalog, model: str = "land", *, force: bool = False, **options: Any) -> int:
        """Runs differ by model and options."""
        model_id = catalog.add_model(
            name=model,
            framework="Keras",
            definition_sha256=f"definition of {model}",
            weights_sha256=f"weights of {model}",
            definition={},
            classes=[
                ClassDefinition(value=each["Value"], name=each["Name"], color=tuple(each["Color"]))
                for each in CLASSES
            ],
        )
        return catalog.start_run(
            model_id, options=options, software={}, device="CPU", decoder="none", force=force
        )

    return start


@pytest.fixture
def done() -> Callable[..., Output]:
    """Return a function that makes the output of a classified item by hand."""
    names = {each["Value"]: each["Name"] for each in CLASSES}

    def make(item: Item, pixels: dict[int, int], confidence: float = 0.5) -> Output:
        """Pixels of each class value; every class is equally sure."""
        total = sum(pixels.values())
        return Output(
            item_id=item.id or 0,
            status="done",
            item_sha256=item.sha256,
            raster_path=f"results_rasters/{item.id}.tif",
            valid_pixels=total,
            stats=tuple(
                ClassStat(
                    value=value,
                    name=names[value],
                    pixels=count,
                    fraction=count / total,
                    area_m2=None,
                    mean_confidence=confidence,
                )
                for value, count in pixels.items()
            ),
        )

    return make


@pytest.fixture(scope="session")
def exact_net(keras_net: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that builds a network whose arithmetic float32 does without rounding.

    Each filter adds and subtracts four values, scores are multiples of 2**-18, and the biases
    keep them apart. So classes are the same in every pixel on every machine, in whatever
    order a library sums, and any difference is a mistake of ours. Takes what keras_net takes.
    """

    def build(*, poolings: int = 1, seed: int = 7, **options: Any) -> Any:
        model = keras_net(poolings=poolings, seed=seed, **options)
        rng = np.random.default_rng(seed)
        *hidden, last = [layer for layer in model.layers if layer.weights]
        for layer in hidden:
            shape = layer.kernel.shape
            kernel = np.zeros((int(np.prod(shape[:-1])), shape[-1]), np.float32)
            for taps in kernel.T:
                taps[rng.choice(len(taps), 4, replace=False)] = rng.choice([-1, 1], 4)
            layer.kernel.assign(kernel.reshape(shape))
        channels = last.kernel.shape[-1]
        last.kernel.assign(rng.choice([-1, 1], last.kernel.shape) / 16)
        last.bias.assign((np.arange(channels) + 1) / 2**19)
        return model

    return build


@pytest.fixture(scope="session")
def whole_image() -> Callable[..., np.ndarray]:
    """Return a function that gives a network's scores of an image in one pass, by Keras alone."""

    def scores(
        model: Any,
        pixels: np.ndarray,
        *,
        stride: int,
        valid: np.ndarray | None = None,
        least: int = 0,
    ) -> np.ndarray:
        """Pixels are (bands, height, width), scores (height, width, channels).

        The image is reflected at its right and lower border up to a multiple of the stride,
        or up to the least size that the network takes.
        """
        if valid is not None:
            pixels = np.where(valid, pixels, 0)
        _, height, width = pixels.shape
        below, right = (max(-side % stride, least - side) for side in (height, width))
        padded = np.pad(pixels, ((0, 0), (0, below), (0, right)), mode="reflect")
        batch = np.moveaxis(padded, 0, -1)[np.newaxis].astype(np.float32)
        return model(batch, training=False).numpy()[0, :height, :width]

    return scores


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Return a function that prepares a Keras model for a run, as classify does."""
    from pixelcat.processors.arguments import parse_arguments
    from pixelcat.processors.definition import ModelDefinition
    from pixelcat.processors.options import resolve
    from pixelcat.processors.prepare import prepare

    def make(model: Any, **arguments: Any) -> Any:
        """Arguments are those of ``--arg``."""
        path = tmp_path_factory.mktemp("prepared") / "net.keras"
        model.save(path)
        definition = ModelDefinition.load(path)
        texts = {name: str(value) for name, value in arguments.items()}
        return prepare(definition, resolve(definition, parse_arguments(texts)))

    return make


@pytest.fixture(scope="session")
def as_batch() -> Callable[..., Any]:
    """Return a function that makes a batch of windows of a photo, or of a map."""
    from affine import Affine

    from pixelcat.io.image import Window
    from pixelcat.processors.batch import Place, WindowBatch

    def make(pixels: np.ndarray, *, is_map: bool = False) -> Any:
        """Pixels have the shape (n, height, width, bands)."""
        count, height, width, bands = pixels.shape
        place = Place(
            item_id=1,
            window=Window(0, 0, height, width),
            width=width,
            height=height,
            bands=bands,
            dtype=str(pixels.dtype),
            transform=Affine.identity() if is_map else None,
            crs=None,
        )
        valid = np.ones(pixels.shape[:3], np.bool_)
        return WindowBatch(pixels=pixels, valid=valid, places=(place,) * count)

    return make


@pytest.fixture(scope="session")
def write_raster() -> Callable[..., Path]:
    """Return a function that writes (bands, height, width) pixels to a GeoTIFF."""

    def write(
        path: Path, pixels: np.ndarray, mask: np.ndarray | None = None, **profile: Any
    ) -> Path:
        """The profile may hold nodata, transform, crs and creation options."""
        bands, height, width = pixels.shape
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(
                path, "w", driver="GTiff", count=bands, height=height, width=width,
                dtype=pixels.dtype, **profile,
            ) as dataset:  # fmt: skip
                dataset.write(pixels)
                if mask is not None:
                    dataset.write_mask(mask)
        return path

    return write


@pytest.fixture(scope="session")
def read_raster() -> Callable[[Path], np.ndarray]:
    """Return a function that reads the only band of a raster."""

    def read(path: Path) -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path) as dataset:
                return dataset.read(1)

    return read


@pytest.fixture(scope="session")
def work(
    tmp_path_factory: pytest.TempPathFactory, read_raster: Callable[[Path], np.ndarray]
) -> Callable[..., list[tuple[Output, np.ndarray | None]]]:
    """Return a function that classifies image files with a worker, without any catalog.

    It gives the output and the class raster of each file, in the order of the files. An item
    has the number in its file's name, or its place in the list.
    """
    from pixelcat.processors.messages import Task
    from pixelcat.processors.worker import Worker

    def run(
        classifier: Any, files: Sequence[Path], bands: Any = None
    ) -> list[tuple[Output, np.ndarray | None]]:
        folder = tmp_path_factory.mktemp("work")
        ids = [int(f.stem) if f.stem.isdigit() else n for n, f in enumerate(files, 1)]
        tasks = [
            Task(
                item=Item(kind="file", source_key=file.name, name=file.name, id=number),
                dataset=Dataset(kind="file", uri=str(file), id=number),
                raster=folder / f"{number}.tif",
                raster_path=f"{number}.tif",
            )
            for number, file in zip(ids, files, strict=True)
        ]
        worker = Worker(classifier, bands=bands, sidecars="none")
        outputs = {each.item_id: each for each in worker.run(tasks)}
        left = {path.name for path in folder.iterdir()}
        assert left == {o.raster_path for o in outputs.values() if o.status == "done"}
        return [
            (outputs[n], read_raster(folder / f"{n}.tif") if f"{n}.tif" in left else None)
            for n in ids
        ]

    return run


@pytest.fixture(scope="session")
def write_emd() -> Callable[..., Path]:
    """Return a function that writes an .emd beside what passes for a Keras file until loaded."""

    def write(folder: Path, text: str | bytes | None = None, **keys: Any) -> Path:
        """The text goes into the file as it is; else the keys, over a minimal definition."""
        with zipfile.ZipFile(folder / "net.keras", "w") as archive:
            for name in ("config.json", "metadata.json", "model.weights.h5"):
                archive.writestr(name, b"")
        if text is None:
            text = json.dumps({"Framework": "Keras", "ModelFile": "net.keras", **keys})
        path = folder / "net.emd"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.fixture
def class_catalog(tmp_path: Path, start_run: Callable[..., int]) -> Callable[..., Path]:
    """Return a function that makes a catalog of class rasters, or adds a run to it, without any model.

    Rasters are (name, class values, transform, reference system); 255 is NoData. A transform of
    None makes a photo, class values of None an image that failed.
    """
    from pixelcat.catalog.records import Scan
    from pixelcat.io.raster_out import ClassRasterSpec, ClassRasterWriter
    from pixelcat.io.srs import describe

    def make(rasters: Sequence[tuple[Any, ...]], name: str = "results.gpkg", **run: Any) -> Path:
        path = tmp_path / name
        classes = [
            ClassDefinition(value=each["Value"], name=each["Name"], color=tuple(each["Color"]))
            for each in CLASSES
        ]
        with Catalog(path, create=True) as catalog:
            items = [
                Item(
                    kind="file",
                    source_key=key,
                    name=key,
                    sha256=f"bytes of {key}",
                    srs=describe(crs) if crs else None,
                    transform=tuple(transform)[:6] if transform else None,
                )
                for key, _, transform, crs in rasters
            ]
            dataset = catalog.add(
                Scan(dataset=Dataset(kind="folder", uri=str(tmp_path)), items=items)
            )
            run_id = start_run(catalog, force=True, **run)
            pending = {item.name: item for item in catalog.pending(run_id, [dataset.id or 0])}
            for key, values, transform, crs in rasters:
                item_id = pending[key].id or 0
                sha256 = f"bytes of {key}"
                if values is None:
                    failed = Output(
                        item_id=item_id, status="failed", item_sha256=sha256, reason="is torn"
                    )
                    catalog.record(run_id, failed)
                    continue
                where = f"{path.stem}_rasters/run_{run_id}/{Path(key).stem}.tif"
                (path.parent / where).parent.mkdir(parents=True, exist_ok=True)
                height, width = values.shape
                spec = ClassRasterSpec(
                    width=width, height=height, classes=classes, transform=transform, crs=crs
                )
                writer = ClassRasterWriter(path.parent / where, spec)
                writer.write_rows(values)
                output = Output(
                    item_id=item_id,
                    status="done",
                    item_sha256=sha256,
                    raster_path=where,
                    sha256=writer.finish(),
                    width=width,
                    height=height,
                    valid_pixels=int((values != 255).sum()),
                )
                catalog.record(run_id, output)
            catalog.finish_run(run_id, "finished")
        return path

    return make


_CANARY = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        open(sys.argv[1], "a").write(self.path + "\\n")
        self.send_error(404)
    do_HEAD = do_GET
    def log_message(self, *args):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[str]:
    """The address of a server that nobody may ask: the test fails where somebody did."""
    log = tmp_path / "canary.log"
    command = [sys.executable, "-c", _CANARY, str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield f"127.0.0.1:{int(server.stdout.readline())}"
        server.kill()
    assert not log.exists(), f"was asked for {log.read_text()}"
