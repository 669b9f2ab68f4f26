"""Confidence, probabilities and entropy beside class rasters, against Keras on the whole image."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import rasterio
from affine import Affine
from click.testing import CliRunner
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning

from pixelcat import classify
from pixelcat.catalog.errors import UsageError
from pixelcat.cli import cli
from pixelcat.io.pyramid import averaged

Function = Callable[..., Any]

GROUND = {"transform": Affine(10, 0, 500_000, 0, -10, 5_000_000), "crs": "EPSG:32631"}
ALL = ("confidence", "probabilities", "entropy")
WIDTH = 700
"""Pixels of a raster that has overviews."""


class Raster(NamedTuple):
    data: np.ndarray
    """Fractions, shape (bands, height, width); NaN for NoData."""
    stored: np.ndarray
    names: tuple[str, ...]
    place: tuple[Any, Any]
    tags: dict[str, str]
    overviews: list[int]


def read(path: Path) -> Raster:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path) as dataset:
            stored = dataset.read()
            scale = np.array(dataset.scales).reshape(-1, 1, 1)
            valid = np.stack([dataset.read_masks(band) for band in dataset.indexes]) > 0
            return Raster(
                data=np.where(valid, stored * scale, np.nan),
                stored=stored,
                names=dataset.descriptions,
                place=(dataset.transform, dataset.crs),
                tags=dataset.tags() | dataset.tags(ns="IMAGE_STRUCTURE"),
                overviews=dataset.overviews(1),
            )


def rasters(run: Any) -> dict[str, Raster]:
    """Return the class raster and the others of the only image of a run."""
    (output,) = run.sql("select raster_path from outputs where run_id = ?", [run.id])
    extra = run.sql("select kind, raster_path from item_extra_rasters where run_id = ?", [run.id])
    found = {"class": output["raster_path"], **{e["kind"]: e["raster_path"] for e in extra}}
    return {kind: read(run.catalog.parent / path) for kind, path in found.items()}


def entropy(p: np.ndarray) -> np.ndarray:
    """As documented: of shares (height, width, classes)."""
    total = p.sum(-1, keepdims=True)
    p = p / np.where(total > 0, total, 1)
    terms = np.where(p > 0, p * np.log2(np.where(p > 0, p, 1)), 0)
    return np.where(total[..., 0] > 0, -terms.sum(-1) / np.log2(p.shape[-1]), 1)


def softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True))


def two(p: np.ndarray) -> np.ndarray:
    return np.concatenate([1 - p, p], -1)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-x)))


def fractions(x: np.ndarray) -> np.ndarray:
    shares = np.maximum(x, 0)
    total = shares.sum(-1, keepdims=True)
    return np.asarray(shares / np.where(total > 0, total, 1))


def noise(size: tuple[int, int], seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 256, (3, *size), np.uint8)


def compare(found: dict[str, Raster], p: np.ndarray, valid: np.ndarray | None = None) -> None:
    """Compare all rasters with probabilities (height, width, classes) of the whole image."""
    classes = found["class"].stored[0]
    index = np.where(classes == 255, 0, classes)
    expected = {
        "confidence": np.take_along_axis(p, index[..., None].astype(int), -1),
        "probabilities": p,
        "entropy": entropy(p)[..., None],
    }
    for kind, values in expected.items():
        raster = found[kind]
        known = classes != 255
        assert (np.isfinite(raster.data) == known).all(), kind
        if valid is not None:
            assert (known == valid).all()
        wanted = np.moveaxis(np.clip(values, 0, 1), -1, 0)
        if raster.stored.dtype == np.uint8:
            steps = wanted * 254
            clear = abs(steps % 1 - 0.5) > 0.01
            assert (raster.stored == np.rint(steps))[known & clear].all(), kind
            assert (clear[:, known]).mean() > 0.9
            assert abs(raster.data - wanted)[:, known].max() <= 0.501 / 254
        else:
            np.testing.assert_allclose(raster.data[:, known], wanted[:, known], atol=2e-5)


# against the whole image

NETS: dict[str, tuple[dict[str, Any], dict[str, str], Callable[[np.ndarray], np.ndarray]]] = {
    "soft-max": ({}, {}, lambda x: x),
    "logits": ({"activation": None, "channels": 5}, {}, softmax),
    "one channel": ({"activation": "sigmoid", "channels": 1}, {"threshold": "0.3"}, two),
    "one logit": (
        {"activation": None, "channels": 1}, {"scores": "logits"}, lambda x: two(sigmoid(x)),
    ),
    "sigmoid": ({"activation": "sigmoid", "channels": 4}, {}, lambda x: x),
    "fractions": ({"activation": None, "channels": 3}, {"scores": "fractions"}, fractions),
    "values": ({"activation": None, "channels": 3}, {"scores": "values"}, softmax),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "dtype"),
    [*((name, "uint8") for name in NETS), ("logits", "float32"), ("one channel", "float32")],
)
def test_every_pixel_equals_one_pass_over_the_whole_image(
    name: str, dtype: str, tmp_path: Path, keras_net: Function, whole_image: Function,
    write_raster: Function,
) -> None:  # fmt: skip
    options, arguments, probabilities = NETS[name]
    net = keras_net(poolings=1, seed=3, **options)
    net.save(tmp_path / "net.keras")
    image = noise((141, 99))
    valid = np.ones(image.shape[1:], bool)
    valid[30:70, 20:40] = valid[100:, 90:] = False
    image[:, ~valid] = 0
    write_raster(tmp_path / "a.tif", image, nodata=0, **GROUND)
    run = classify(
        tmp_path / "a.tif", model=tmp_path / "net.keras", output=tmp_path / "r.gpkg",
        also=ALL, also_type=dtype, arguments={"tile_size": 32, **arguments},
    )  # fmt: skip
    assert run.done == 1, run.failures
    found = rasters(run)
    compare(found, probabilities(whole_image(net, image, stride=2)), valid)
    classes = max(options.get("channels", 3), 2)
    assert found["probabilities"].names == tuple(f"class {n}" for n in range(classes))
    assert found["entropy"].names == ("entropy",)
    for kind in ALL:
        assert found[kind].place == found["class"].place
        assert found[kind].stored.dtype == dtype
        assert found[kind].tags["LAYOUT"] == "COG"
        assert found[kind].tags["PIXELCAT_RASTER"] == kind
        assert found[kind].tags["PIXELCAT_RUN"] == str(run.id)
    mean = np.nanmean(found["confidence"].data)
    (output,) = run.sql("select mean_confidence from outputs")
    assert output["mean_confidence"] == pytest.approx(mean, abs=1e-3)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_overviews_are_means_of_valid_pixels(
    dtype: str, tmp_path: Path, keras_net: Function, write_raster: Function
) -> None:
    keras_net(poolings=0).save(tmp_path / "net.keras")
    image = noise((1100, WIDTH))
    image[:, :333, 100:301] = 0
    write_raster(tmp_path / "a.tif", image, nodata=0, **GROUND)
    run = classify(
        tmp_path / "a.tif", model=tmp_path / "net.keras", output=tmp_path / "r.gpkg",
        also="probabilities", also_type=dtype,
    )  # fmt: skip
    found = rasters(run)["probabilities"]
    assert found.overviews == [2, 4]
    path = run.catalog.parent / run.sql("select raster_path from extra_rasters")[0]["raster_path"]
    with rasterio.open(path, overview_level=0) as dataset:
        small = dataset.read()
    four = np.where(np.isnan(found.data), np.nan, found.stored)
    four = four.reshape(3, 550, 2, WIDTH // 2, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        mean = np.nanmean(four, axis=(2, 4))
    nodata = np.isnan(small) if dtype == "float32" else small == 255
    assert (nodata == np.isnan(mean)).all()
    tolerance = 1e-6 if dtype == "float32" else 0.5
    assert np.nanmax(abs(np.where(nodata, np.nan, small) - mean)) <= tolerance


def test_a_mean_counts_no_nodata() -> None:
    values = np.array([[0, 255, 9], [4, 5, 255]], np.uint8)
    assert averaged(values, 255).tolist() == [[3, 9]]
    values = np.array([[np.nan, np.nan], [np.nan, np.nan], [0.5, np.nan]], np.float32)
    assert np.isnan(averaged(values, np.nan)[0, 0])
    assert averaged(values, np.nan)[1, 0] == 0.5


# blending, turning, photos


def test_blended_probabilities(tmp_path: Path, keras_net: Function, write_raster: Function) -> None:
    """Of a network that looks at one pixel blending changes nothing but the way."""
    keras_net(poolings=0)
    import keras

    inputs = keras.layers.Input((None, None, 3))
    scaled = keras.layers.Rescaling(1 / 64, offset=-2.0)(inputs)
    net = keras.Model(inputs, keras.layers.Conv2D(4, 1)(scaled))
    net.save(tmp_path / "net.keras")
    image = noise((70, 90))
    write_raster(tmp_path / "a.tif", image, **GROUND)
    run = classify(
        tmp_path / "a.tif", model=tmp_path / "net.keras", output=tmp_path / "r.gpkg",
        also=ALL, also_type="float32",
        arguments={"tile_size": 32, "blend": "hann", "padding": 8},
    )  # fmt: skip
    scores = net(np.moveaxis(image, 0, -1)[None].astype(np.float32)).numpy()[0]
    compare(rasters(run), softmax(scores))


@pytest.mark.parametrize("policy", ["mean", "max"])
def test_merged_probabilities(
    policy: str, tmp_path: Path, keras_net: Function, whole_image: Function
) -> None:
    net = keras_net(poolings=0, seed=5)
    net.save(tmp_path / "net.keras")
    image = noise((40, 50))
    Image.fromarray(np.moveaxis(image, 0, -1)).save(tmp_path / "a.png")
    run = classify(
        tmp_path / "a.png", model=tmp_path / "net.keras", output=tmp_path / "r.gpkg", also=ALL,
        arguments={"test_time_augmentation": True, "merge_policy": policy, "tile_size": 24},
    )  # fmt: skip
    mirrored = whole_image(net, image[:, :, ::-1].copy(), stride=1)[:, ::-1]
    both = np.stack([whole_image(net, image, stride=1), mirrored])
    merged = getattr(both, policy)(axis=0)
    compare(rasters(run), merged / merged.sum(-1, keepdims=True))


@pytest.mark.parametrize("class_map", ["photo", "model"])
def test_photos_at_another_scale_have_rasters_of_the_size_of_their_class_map(
    class_map: str, tmp_path: Path, keras_net: Function, whole_image: Function
) -> None:
    net = keras_net(poolings=0, seed=5)
    net.save(tmp_path / "net.keras")
    small = noise((31, 40))
    large = small.repeat(2, 1).repeat(2, 2)
    Image.fromarray(np.moveaxis(large, 0, -1)).save(tmp_path / "a.png")
    run = classify(
        tmp_path / "a.png", model=tmp_path / "net.keras", output=tmp_path / "r.gpkg", also=ALL,
        arguments={"image_scale": 0.5, "class_map": class_map, "tile_size": 16},
    )  # fmt: skip
    expected = whole_image(net, small, stride=1)
    if class_map == "photo":
        expected = expected.repeat(2, 0).repeat(2, 1)
    compare(rasters(run), expected)


# refusals


def test_class_values_have_no_probabilities_but_votes_do(
    tmp_path: Path, keras_net: Function
) -> None:
    keras_net(poolings=0)
    import keras

    inputs = keras.layers.Input((None, None, 3))
    brightness = keras.layers.Conv2D(1, 1, kernel_initializer="ones", use_bias=False)(inputs)
    values = keras.layers.Rescaling(3, offset=2)(
        keras.layers.Activation("hard_sigmoid")(
            keras.layers.Rescaling(1e6, offset=-4e8 + 1)(brightness)
        )
    )
    keras.Model(inputs, values).save(tmp_path / "net.keras")
    emd = {
        "ModelFile": "net.keras", "Scores": "classes",
        "Classes": [{"Value": 2, "Name": "dark"}, {"Value": 5, "Name": "bright"}],
    }  # fmt: skip
    (tmp_path / "net.emd").write_text(json.dumps(emd))
    Image.fromarray(np.moveaxis(noise((20, 30)), 0, -1)).save(tmp_path / "a.png")
    asked = {"model": tmp_path / "net.emd", "output": tmp_path / "r.gpkg"}
    for kinds in (["confidence"], ["probabilities", "entropy"]):
        with pytest.raises(UsageError, match=r"class values and no scores.*leave out --also"):
            classify(tmp_path / "a.png", also=kinds, **asked)
    assert not (tmp_path / "r.gpkg").exists()
    run = classify(
        tmp_path / "a.png", also="probabilities", arguments={"test_time_augmentation": True},
        **asked,
    )  # fmt: skip
    found = rasters(run)
    assert found["probabilities"].names == ("Background", "dark", "bright")
    assert set(np.unique(found["probabilities"].stored)) == {0, 254}


def test_raster_functions_are_refused(tmp_path: Path) -> None:
    (tmp_path / "Land.py").write_text("class Land:\n    pass\n")
    (tmp_path / "weights.bin").write_bytes(b"no network")
    emd = {
        "Framework": "Templates", "ModelType": "ImageClassification",
        "ModelFile": "weights.bin", "InferenceFunction": "Land.py",
    }  # fmt: skip
    (tmp_path / "land.emd").write_text(json.dumps(emd))
    Image.fromarray(np.moveaxis(noise((20, 30)), 0, -1)).save(tmp_path / "a.png")
    with pytest.raises(UsageError, match=r"no scores, so there is no confidence or entropy"):
        classify(
            tmp_path / "a.png", model=tmp_path / "land.emd", output=tmp_path / "r.gpkg",
            also="entropy,confidence", model_code="run",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"also": ["confidence", "margin"]}, "--also margin: there is no such raster; known are"),
        ({"also": "entropy", "also_type": "int8"}, "expected uint8 or float32"),
    ],
)
def test_what_there_is_not_is_refused(
    options: dict[str, Any], reason: str, tmp_path: Path, model_emd: Path
) -> None:
    Image.fromarray(np.moveaxis(noise((20, 30)), 0, -1)).save(tmp_path / "a.png")
    with pytest.raises(UsageError, match=reason):
        classify(tmp_path / "a.png", model=model_emd, output=tmp_path / "r.gpkg", **options)


# the catalog


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three photos, two of them the same."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, name in enumerate("abb"):
        pixels = np.moveaxis(noise((30, 40), ord(name)), 0, -1)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def test_they_are_part_of_what_a_run_is(tmp_path: Path, photos: Path, model_emd: Path) -> None:
    asked = {"model": model_emd, "output": tmp_path / "r.gpkg"}
    plain = classify(photos, **asked)
    assert plain.sql("select * from extra_rasters") == []
    assert "also" not in json.loads(plain.sql("select options from runs")[0]["options"])
    more = classify(photos, also="entropy, confidence", **asked)
    assert (more.id, more.classified_now) == (2, 2)
    same = classify(photos, also=["confidence", "entropy", "entropy"], **asked)
    assert (same.id, same.classified_now) == (2, 0)
    again = classify(photos, **asked)
    assert (again.id, again.classified_now) == (1, 0)
    assert sorted(path.name for path in more.rasters.glob("*.tif")) == [
        "000001_0.tif", "000001_0_confidence.tif", "000001_0_entropy.tif",
        "000002_1.tif", "000002_1_confidence.tif", "000002_1_entropy.tif",
    ]  # fmt: skip
    rows = more.sql("select item_id, kind, raster_path from item_extra_rasters order by 1, 2")
    assert [(r["item_id"], r["kind"]) for r in rows] == [
        (item, kind) for item in (1, 2, 3) for kind in ("confidence", "entropy")
    ]
    assert rows[2]["raster_path"] == rows[4]["raster_path"]
    assert (tmp_path / rows[0]["raster_path"]).is_file()
    classes = [read(run.rasters / "000001_0.tif").stored for run in (plain, more)]
    assert (classes[0] == classes[1]).all()


def test_a_lost_one_is_made_again(tmp_path: Path, photos: Path, model_emd: Path) -> None:
    asked = {"model": model_emd, "output": tmp_path / "r.gpkg", "also": "entropy"}
    first = classify(photos, **asked)
    lost = first.rasters / "000002_1_entropy.tif"
    before = lost.read_bytes()
    lost.unlink()
    again = classify(photos, **asked)
    assert (again.id, again.done, again.classified_now) == (first.id, 3, 1)
    assert lost.read_bytes() == before
    assert len(again.sql("select * from extra_rasters")) == 3


def test_a_failed_image_leaves_none(tmp_path: Path, photos: Path, model_emd: Path) -> None:
    whole = (photos / "0.png").read_bytes()
    (photos / "0.png").write_bytes(whole[: len(whole) // 2])
    run = classify(photos, model=model_emd, output=tmp_path / "r.gpkg", also=ALL)
    assert (run.done, run.failed) == (2, 1)
    assert {path.name[:6] for path in run.rasters.glob("*.tif")} == {"000002"}


def test_the_command_takes_names_with_commas(tmp_path: Path, photos: Path, model_emd: Path) -> None:
    command = ["classify", photos, "-m", model_emd, "-o", tmp_path / "r.gpkg"]
    done = CliRunner().invoke(
        cli, [*map(str, command), "--also", "probabilities,entropy", "--also-type", "float32"]
    )
    assert done.exit_code == 0, done.output
    raster = read(next((tmp_path / "r_rasters" / "run_1").glob("*_probabilities.tif")))
    assert raster.stored.dtype == np.float32
    assert raster.names == ("Water", "Crop", "Built Up")
    np.testing.assert_allclose(raster.stored.sum(0), 1, atol=1e-5)


def test_a_catalog_of_before_learns_of_them(tmp_path: Path, photos: Path, model_emd: Path) -> None:
    import sqlite3

    classify(photos, model=model_emd, output=tmp_path / "r.gpkg")
    with sqlite3.connect(tmp_path / "r.gpkg") as connection:
        connection.executescript(
            "DROP VIEW item_extra_rasters; DROP TABLE extra_rasters;"
            "DELETE FROM gpkg_contents WHERE table_name LIKE '%extra_rasters';"
            "DELETE FROM _sqlite_migrations WHERE name = '0004_extra_rasters';"
        )
    connection.close()
    run = classify(photos, model=model_emd, output=tmp_path / "r.gpkg", also="confidence")
    assert (run.done, len(run.sql("select * from extra_rasters"))) == (3, 3)


def test_with_an_extent_they_are_that_part_of_the_whole(
    tmp_path: Path, keras_net: Function, write_raster: Function
) -> None:
    keras_net(poolings=1, seed=3).save(tmp_path / "net.keras")
    write_raster(tmp_path / "a.tif", noise((150, 130)), **GROUND)
    asked = {
        "model": tmp_path / "net.keras", "output": tmp_path / "r.gpkg", "also": ALL,
        "also_type": "float32", "arguments": {"tile_size": 32},
    }  # fmt: skip
    whole = rasters(classify(tmp_path / "a.tif", **asked))
    extent = (500_200, 4_998_800, 501_100, 4_999_700)
    part = rasters(classify(tmp_path / "a.tif", environment={"extent": extent}, **asked))
    for kind in ("class", *ALL):
        assert part[kind].stored.shape[1:] == (90, 90)
        assert part[kind].place == part["class"].place
        expected = whole[kind].stored[:, 30:120, 20:110]
        np.testing.assert_allclose(part[kind].stored, expected, atol=2e-5)
