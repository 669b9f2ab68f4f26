import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixelcat.catalog.errors import ItemError, ModelError, UsageError
from pixelcat.catalog.records import ClassDefinition
from pixelcat.processors.arguments import parse_arguments
from pixelcat.processors.bands import band_indexes
from pixelcat.processors.class_list import palette_color
from pixelcat.processors.definition import ModelDefinition
from pixelcat.processors.options import resolve
from pixelcat.processors.scaling import Scaling

Write = Callable[..., Path]


def refusal(path: Path) -> str:
    """Load what must be refused; the reason, which is one line and names the file."""
    with pytest.raises(ModelError) as caught:
        ModelDefinition.load(path)
    message = str(caught.value)
    assert caught.value.exit_code == 4
    assert message
    assert "\n" not in message
    assert path.stem in message
    return message


# what is read


def test_every_key_is_read(tmp_path: Path, write_emd: Write) -> None:
    path = write_emd(
        tmp_path,
        ModelName="Canopy",
        Framework="TensorFlow",
        ModelType="ImageClassification",
        ExtractBands=[3, "red", 0],
        ImageHeight=64,
        ImageWidth=96,
        Padding=8,
        BatchSize=16,
        DataRange=[0, 1],
        SourceRange=[0, 4095],
        Scale=0.5,
        Offset=[1, 2, 3],
        Mean=[0.1, 0.2, 0.3],
        Std=2,
        Classes=[{"Value": 4, "Name": "Tree", "Color": [1, 2, 3]}],
    )
    definition = ModelDefinition.load(path)
    assert definition.name == "Canopy"
    assert definition.framework == "TensorFlow"
    assert definition.model_file == (tmp_path / "net.keras").resolve()
    assert definition.bands == (3, "red", 0)
    assert definition.tile_size == (64, 96)
    assert definition.defaults == {"padding": 8, "batch_size": 16}
    assert definition.classes == (ClassDefinition(value=4, name="Tree", color=(1, 2, 3)),)
    assert definition.scaling == Scaling(
        scale=(0.5,),
        offset=(1, 2, 3),
        mean=(0.1, 0.2, 0.3),
        std=(2,),
        data_range=(0, 1),
        source_range=(0, 4095),
    )


def test_only_the_model_file_is_needed(tmp_path: Path, write_emd: Write) -> None:
    definition = ModelDefinition.load(write_emd(tmp_path, '{"ModelFile": "net.keras"}'))
    assert definition.name == "net"
    assert definition.classes == ()
    assert definition.bands is None
    assert definition.tile_size is None
    assert definition.defaults == {}
    assert definition.scaling == Scaling()


def test_a_bare_model_file_needs_no_definition(tmp_path: Path, write_emd: Write) -> None:
    write_emd(tmp_path)
    definition = ModelDefinition.load(tmp_path / "net.keras")
    assert definition.name == "net"
    assert definition.model_file == (tmp_path / "net.keras").resolve()
    assert definition.classes == ()


@pytest.mark.parametrize(
    "text", [".\\net.keras", "./net.keras", " net.keras ", "sub\\..\\net.keras"]
)
def test_the_model_file_may_be_written_in_windows_style(
    tmp_path: Path, write_emd: Write, text: str
) -> None:
    (tmp_path / "sub").mkdir()
    definition = ModelDefinition.load(write_emd(tmp_path, ModelFile=text))
    assert definition.model_file == (tmp_path / "net.keras").resolve()


def test_the_model_file_may_lie_below_the_definition(tmp_path: Path, write_emd: Write) -> None:
    path = write_emd(tmp_path, ModelFile=".\\weights\\v1\\net.keras")
    below = tmp_path / "weights" / "v1"
    below.mkdir(parents=True)
    shutil.move(tmp_path / "net.keras", below)
    assert ModelDefinition.load(path).model_file == (below / "net.keras").resolve()


def test_a_byte_order_mark_is_fine(tmp_path: Path, write_emd: Write) -> None:
    path = write_emd(
        tmp_path, b'\xef\xbb\xbf{"ModelFile": "net.keras", "ModelName": "Bl\xc3\xa4tter"}'
    )
    assert ModelDefinition.load(path).name == "Blätter"


def test_keys_that_we_do_not_know_are_kept(tmp_path: Path, write_emd: Write) -> None:
    definition = ModelDefinition.load(write_emd(tmp_path, ModelPythonFile="x.py", Foo={"a": [1]}))
    assert definition.properties["Foo"] == {"a": [1]}
    assert definition.properties["ModelPythonFile"] == "x.py"


@pytest.mark.parametrize(
    ("keys", "tile"),
    [
        ({"ImageHeight": 64}, (64, 64)),
        ({"ImageWidth": 96}, (96, 96)),
        ({"ImageHeight": "64", "ImageWidth": "96"}, (64, 96)),
    ],
)
def test_one_side_or_text_serves_as_tile_size(
    tmp_path: Path, write_emd: Write, keys: dict[str, Any], tile: tuple[int, int]
) -> None:
    assert ModelDefinition.load(write_emd(tmp_path, **keys)).tile_size == tile


# classes


def classes_of(write_emd: Write, folder: Path, *classes: Any) -> tuple[ClassDefinition, ...]:
    return ModelDefinition.load(write_emd(folder, Classes=list(classes))).classes


@pytest.mark.parametrize(
    ("color", "expected"),
    [
        ([0, 128, 255], (0, 128, 255)),
        ([0, 128, 255, 64], (0, 128, 255)),
        ("#00ff7f", (0, 255, 127)),
        (-1, palette_color(0)),
        (None, palette_color(0)),
        ([0, 300, -4], palette_color(0)),
        ([1, 2], palette_color(0)),
        ("green", palette_color(0)),
    ],
)
def test_colours(
    tmp_path: Path, write_emd: Write, color: Any, expected: tuple[int, int, int]
) -> None:
    (found,) = classes_of(write_emd, tmp_path, {"Value": 1, "Name": "a", "Color": color})
    assert found.color == expected


def test_classes_without_colours_differ(tmp_path: Path, write_emd: Write) -> None:
    found = classes_of(write_emd, tmp_path, *({"Value": n, "Name": str(n)} for n in range(10)))
    assert len({each.color for each in found}) == 10


@pytest.mark.parametrize(
    ("fields", "value", "name"),
    [
        ({"Value": 7, "Name": 2021}, 7, "2021"),
        ({"Value": 7}, 7, "class 7"),
        ({"Value": 7, "Name": "  "}, 7, "class 7"),
        ({"value": "7", "name": " Tree "}, 7, "Tree"),
        ({"Value": -1, "Name": "x"}, -1, "x"),
        ({"Value": 7.0, "Name": "x"}, 7, "x"),
    ],
)
def test_class_values_and_names(
    tmp_path: Path, write_emd: Write, fields: dict[str, Any], value: int, name: str
) -> None:
    (found,) = classes_of(write_emd, tmp_path, fields)
    assert (found.value, found.name) == (value, name)


def test_classes_keep_the_order_of_the_file(tmp_path: Path, write_emd: Write) -> None:
    found = classes_of(write_emd, tmp_path, {"Value": 9}, {"Value": 2}, {"Value": 5})
    assert [each.value for each in found] == [9, 2, 5]


@pytest.mark.parametrize(
    "classes",
    [
        [{"Value": 1}, {"Value": 2}, {"Value": 1}],
        [{"Value": 1}, {"Value": "1"}],
        [{"Name": "no value"}],
        [{"Value": None}],
        [{"Value": "one"}],
        [{"Value": 1.5}],
        ["Tree"],
        {"Value": 1},
        "Tree",
    ],
)
def test_classes_that_cannot_be_told_apart_are_refused(
    tmp_path: Path, write_emd: Write, classes: Any
) -> None:
    assert "Classes" in refusal(write_emd(tmp_path, Classes=classes))


@pytest.mark.parametrize("value", [2**32, -(2**31) - 1, 2**70])
def test_a_class_value_beyond_32_bits_is_refused(
    tmp_path: Path, write_emd: Write, value: int
) -> None:
    assert str(value) in refusal(write_emd(tmp_path, Classes=[{"Value": value}]))


# what is refused


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"ModelType": "ObjectDetection"}, "ObjectDetection"),
        ({"ModelType": "ObjectClassification"}, "ObjectClassification"),
        ({"Framework": "PyTorch"}, "PyTorch"),
        ({"Framework": "CNTK"}, "CNTK"),
        ({"ModelFile": None}, "ModelFile"),
        ({"ModelFile": " "}, "ModelFile"),
        ({"ModelFile": 3}, "ModelFile"),
        ({"ModelFile": "other.keras"}, "other.keras"),
        ({"ModelFile": "gs://bucket/net.keras"}, "gs://bucket/net.keras"),
        ({"ModelFile": "net.keras\x00.png"}, "ModelFile"),
        ({"ModelFile": "n" * 5000}, "ModelFile"),
        ({"ImageHeight": "e.g. 256"}, "ImageHeight"),
        ({"ImageWidth": 0}, "ImageWidth"),
        ({"ImageWidth": -5}, "-5"),
        ({"ImageHeight": 10.5}, "ImageHeight"),
        ({"ImageHeight": [64]}, "ImageHeight"),
        ({"ImageHeight": float("nan")}, "ImageHeight"),
        ({"ImageHeight": float("inf")}, "ImageHeight"),
        ({"TileMultiple": 4097}, "TileMultiple is 4097; the most is 4096"),
        ({"TileMultiple": 10**9}, "TileMultiple is 1000000000; the most is 4096"),
        ({"Classes": [{"Value": 1}] * 65_537}, "65537 classes; class values have 16 bits"),
        ({"Classes": [{"Value": 7}] * 65_536}, "Classes repeats a Value: 7"),
        ({"Padding": -1}, "Padding"),
        ({"BatchSize": "many"}, "BatchSize"),
        ({"BatchSize": 0}, "BatchSize"),
        ({"ExtractBands": []}, "ExtractBands"),
        ({"ExtractBands": "0,1,2"}, "ExtractBands"),
        ({"ExtractBands": [-1, 0, 1]}, "ExtractBands"),
        ({"DataRange": [1, 0]}, "DataRange"),
        ({"DataRange": [0, 1, 2]}, "DataRange"),
        ({"DataRange": [0, float("inf")]}, "DataRange"),
        ({"SourceRange": 255}, "SourceRange"),
        ({"Mean": "a"}, "Mean"),
        ({"Mean": [0.1, None]}, "Mean"),
        ({"Mean": float("nan")}, "Mean"),
    ],
)
def test_a_key_that_cannot_be_meant_is_refused_by_its_name(
    tmp_path: Path, write_emd: Write, keys: dict[str, Any], reason: str
) -> None:
    assert reason in refusal(write_emd(tmp_path, **keys))


def test_a_folder_as_model_file_is_refused(tmp_path: Path, write_emd: Write) -> None:
    with pytest.raises(ModelError, match="is a folder"):
        ModelDefinition.load(write_emd(tmp_path, ModelFile="."))


def test_a_placeholder_says_that_the_file_is_no_trained_model(
    tmp_path: Path, write_emd: Write
) -> None:
    reason = refusal(write_emd(tmp_path, ImageHeight="e.g. 256"))
    assert "e.g. 256" in reason
    assert "not a trained model" in reason


@pytest.mark.parametrize(
    "text",
    [
        "../net.keras",
        "..\\net.keras",
        "/etc/passwd",
        "\\\\server\\share\\net.keras",
        "sub/../../net.keras",
        "/vsicurl/http://127.0.0.1:9/net.keras",
    ],
)
def test_a_model_file_outside_the_folder_is_refused(
    tmp_path: Path, write_emd: Write, text: str
) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    path = write_emd(folder, ModelFile=text)
    shutil.copy(folder / "net.keras", tmp_path)
    assert "outside the folder" in refusal(path)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path, write_emd: Write) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    path = write_emd(folder, ModelFile="link.keras")
    shutil.copy(folder / "net.keras", tmp_path)
    (folder / "link.keras").symlink_to(tmp_path / "net.keras")
    assert "outside the folder" in refusal(path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{\n"ModelFile": "net.keras",\n"Classes": [}\n', "line 3"),
        ("", "line 1"),
        ("// esri\n{}", "line 1"),
        ("[]", "JSON object"),
        ("null", "JSON object"),
        ('"net.keras"', "JSON object"),
        ("[" * 100_000, "not valid JSON"),
        (f'{{"a": {"[" * 200}{"]" * 200}}}', "nested more than 100 deep"),
        ('{"ModelFile": "net.keras", "ImageHeight": 1' + "0" * 5000 + "}", "net.emd"),
        ('{"ModelFile": "net.keras", "ModelName": "\\ud800"}', "net.emd"),
        (b'{"ModelName": "For\xeat"}', "byte 18"),
    ],
)
def test_what_is_no_json_object_is_refused_with_the_place(
    tmp_path: Path, write_emd: Write, text: str | bytes, reason: str
) -> None:
    assert reason in refusal(write_emd(tmp_path, text))


def test_a_model_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "nothing.emd")


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "saved_model").mkdir()
    assert "folder" in refusal(tmp_path / "saved_model")


def test_a_folder_named_emd_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "folder.emd").mkdir()
    refusal(tmp_path / "folder.emd")


# identity


def test_the_hash_cares_for_what_is_said_and_not_for_the_layout(
    tmp_path: Path, write_emd: Write
) -> None:
    keys = {"ModelFile": "net.keras", "Classes": [{"Value": 1, "Name": "Bäume"}], "BatchSize": 4}
    turned = dict(reversed(keys.items()))
    texts = [
        json.dumps(keys),
        json.dumps(turned, indent=4),
        json.dumps(keys, ensure_ascii=False),
        "\ufeff" + json.dumps(turned).replace(":", " :\r\n\t"),
    ]
    hashes = {ModelDefinition.load(write_emd(tmp_path, text)).sha256 for text in texts}
    assert len(hashes) == 1
    assert hashes.isdisjoint(
        {ModelDefinition.load(write_emd(tmp_path, **{**keys, "BatchSize": 5})).sha256}
    )


def test_the_order_of_classes_is_part_of_the_hash(tmp_path: Path, write_emd: Write) -> None:
    classes = [{"Value": 1}, {"Value": 2}]
    first = ModelDefinition.load(write_emd(tmp_path, Classes=classes)).sha256
    assert ModelDefinition.load(write_emd(tmp_path, Classes=classes[::-1])).sha256 != first


def test_the_weights_have_a_hash_of_their_own(tmp_path: Path, write_emd: Write) -> None:
    definition = ModelDefinition.load(write_emd(tmp_path))
    before = definition.weights_sha256()
    assert len(before) == 64
    with open(definition.model_file, "ab") as file:
        file.write(b"\0")
    assert definition.weights_sha256() != before


# arguments


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("tile_size", "256", 256),
        ("padding", "0", 0),
        ("batch_size", "1", 1),
        ("threshold", "0.25", 0.25),
        ("bands", "3, 2,red", (3, 2, "red")),
        ("scale", "0.0001", (0.0001,)),
        ("mean", "1,2,3", (1.0, 2.0, 3.0)),
        ("data_range", "-1,1", (-1.0, 1.0)),
    ],
)
def test_arguments_are_parsed(name: str, text: str, value: Any) -> None:
    assert parse_arguments({name: text}) == {name: value}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tile_size", "0"),
        ("tile_size", "64.5"),
        ("padding", "-1"),
        ("batch_size", "many"),
        ("threshold", "1.5"),
        ("threshold", "nan"),
        ("bands", " "),
        ("bands", ","),
        ("scale", "nan"),
        ("scale", "1,,2"),
        ("std", "inf"),
        ("data_range", "1,0"),
        ("data_range", "1"),
        ("source_range", "0,1,2"),
        ("source_range", "0,inf"),
    ],
)
def test_an_argument_that_cannot_be_meant_is_refused(name: str, text: str) -> None:
    with pytest.raises(UsageError, match=f"argument {name}=") as caught:
        parse_arguments({name: text})
    assert caught.value.exit_code == 2


def test_an_unknown_argument_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="tilesize is unknown; did you mean tile_size"):
        parse_arguments({"tilesize": "64"})


def test_an_argument_like_no_other_lists_all() -> None:
    with pytest.raises(UsageError, match=r"known are batch_size, tile_size, padding.*source_range"):
        parse_arguments({"xyz": "1"})


def test_arguments_go_over_the_definition(tmp_path: Path, write_emd: Write) -> None:
    definition = ModelDefinition.load(
        write_emd(tmp_path, Padding=8, BatchSize=16, ExtractBands=[2, 1, 0])
    )
    options = resolve(definition, parse_arguments({"padding": "0", "bands": "5"}))
    assert options.padding == 0
    assert options.batch_of(256, 256) == 16
    assert options.batch_of(1024, 1024) == 1
    assert options.bands == (5,)
    assert resolve(definition, {}).bands == (2, 1, 0)


# the definitions that Esri publishes, and hostile ones

ESRI = {
    "Custom_Models_DraftTemplateEMD": "ObjectDetection",
    "azure_pixel_level_land_classification": "CNTK",
    "cntk_fasterrcnn_coconut_tree": "ObjectDetection",
    "mask_rcnn": "ObjectDetection",
    "HouseDamageClassifier_ProBuiltin": "ObjectClassification",
    "woolseyFire_600_50": "ObjectClassification",
    "pytorch_fastai_ssd": "ObjectDetection",
    "deeplab_landclassification": "frozen_inference_graph.pb does not exist",
    "objectdetectionapi_coconuttree": "ObjectDetection",
    "GroundingDINO": "ObjectDetection",
    "TextSAM": "ObjectDetection",
}


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ESRI)
def test_esri_definitions_without_a_keras_classifier_are_refused(
    shared_data: Path, name: str
) -> None:
    (path,) = (shared_data / "emd").glob(f"*{name}.emd")
    assert ESRI[name] in refusal(path)


@pytest.mark.shared_data
def test_every_esri_definition_is_looked_at(shared_data: Path) -> None:
    assert len(list((shared_data / "emd").glob("*.emd"))) == len(ESRI)


@pytest.mark.shared_data
def test_esri_deeplab_definition_loads_beside_its_model(
    shared_data: Path, tmp_path: Path, write_emd: Write
) -> None:
    """The one pixel classifier among them, with a Keras file in place of its frozen graph."""
    (path,) = (shared_data / "emd").glob("*deeplab_landclassification.emd")
    write_emd(tmp_path)
    shutil.move(tmp_path / "net.keras", tmp_path / "frozen_inference_graph.pb")
    definition = ModelDefinition.load(shutil.copy(path, tmp_path))
    assert definition.bands == (0, 1, 2)
    assert definition.tile_size == (256, 256)
    assert definition.defaults == {"batch_size": 1}
    assert definition.classes[0] == ClassDefinition(
        value=0, name="Evergreen Forest", color=(0, 51, 0)
    )


GOOD = {
    "trailing_comma",
    *("bands_dup", "bands_one_based", "bands_too_high", "bom", "class_value_300"),
    *("class_value_negative", "class_value_str", "color_hex", "color_out_of_range"),
    *("empty_classes", "name_csv_formula", "name_html", "name_sql", "no_classes", "size_huge"),
    *("size_str", "unknown_keys", "utf16"),
}


@pytest.mark.shared_data
def test_of_many_odd_definitions_exactly_the_usable_ones_load(
    shared_data: Path, tmp_path: Path, write_emd: Write
) -> None:
    write_emd(tmp_path)
    shutil.move(tmp_path / "net.keras", tmp_path / "model.keras")
    loaded = set()
    for path in sorted((shared_data / "bad" / "emd").glob("*.emd")):
        copy = Path(shutil.copy(path, tmp_path))
        try:
            ModelDefinition.load(copy)
        except ModelError as error:
            assert "\n" not in str(error)
        else:
            loaded.add(path.stem)
    assert loaded == GOOD


# what arcgis.learn and people write


def test_keys_may_be_in_any_case(tmp_path: Path, write_emd: Write) -> None:
    text = """{"framework": "tensorflow", "modelFile": "NET.keras".lower(), "MODELTYPE":
        "imageclassification", "modelconfiguration": {"Name": "deeplab", "Config": {}},
        "classes": [{"VALUE": "4", "name": 7, "Ccolor": [1, 2, 3]}, {"value": 5, "Color":
        [-1, -1, -1]}], "imageheight": "64", "threshold": "0.25", "batchsize": 8,}"""
    path = write_emd(tmp_path, text.replace('"NET.keras".lower()', '"net.keras"'))
    definition = ModelDefinition.load(path)
    assert [(c.value, c.name) for c in definition.classes] == [(4, "7"), (5, "class 5")]
    assert definition.classes[0].color == (1, 2, 3)
    assert definition.tile_size == (64, 64)
    assert resolve(definition, {}).threshold == 0.25
    assert resolve(definition, {"threshold": 0.5}).threshold == 0.5
    assert definition.properties["ModelConfiguration"] == {"Name": "deeplab", "Config": {}}


STATS = {
    "band_min_values": [0, 100, 200, 300], "band_max_values": [10, 300, 1200, 900],
    "band_mean_values": [1, 2, 3, 4], "band_std_values": [1, 1, 1, 1],
    "scaled_mean_values": [0.5, 0.25, 0, 0], "scaled_std_values": [0.5, 2, 1, 1],
}  # fmt: skip


@pytest.mark.parametrize("bands", [None, [1, 0], [0, 1, 2, 3]])
def test_normalization_statistics_are_per_band(
    bands: list[int] | None, tmp_path: Path, write_emd: Write
) -> None:
    keys = {} if bands is None else {"ExtractBands": bands}
    definition = ModelDefinition.load(write_emd(tmp_path, NormalizationStats=STATS, **keys))
    chosen = bands or [0, 1, 2, 3]
    factor, summand = definition.scaling.factors(len(chosen), "uint16")
    values = np.array([7.0, 150.0, 400.0, 333.0])[chosen]
    low, high, mean, std = (
        np.array(STATS[key], float)[chosen]
        for key in ("band_min_values", "band_max_values", "scaled_mean_values", "scaled_std_values")
    )
    expected = ((values - low) / (high - low) - mean) / std
    np.testing.assert_allclose(values * factor + summand, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"NormalizationStats": {"band_min_values": [0]}}, "lacks"),
        ({"NormalizationStats": {**STATS, "band_max_values": [10, 100, 1, 1]}}, "not above"),
        ({"NormalizationStats": STATS, "ExtractBands": [9]}, "4 numbers for 1 bands"),
        ({"NormalizationStats": {**STATS, "band_min_values": ["x"] * 4}}, "not a number"),
        ({"Threshold": 3}, "0 to 1"),
        ({"test_time_augmentation": "perhaps"}, "not true or false"),
        ({"TileMultiple": 0}, "least is 1"),
    ],
)
def test_statistics_that_cannot_be_meant_are_refused(
    keys: dict[str, Any], reason: str, tmp_path: Path, write_emd: Write
) -> None:
    assert reason in refusal(write_emd(tmp_path, **keys))


@pytest.mark.parametrize("keys", [{"DoNormalize": "False"}, {"Scale": 2}])
def test_statistics_give_way(keys: dict[str, Any], tmp_path: Path, write_emd: Write) -> None:
    definition = ModelDefinition.load(write_emd(tmp_path, NormalizationStats=STATS, **keys))
    assert definition.scaling.mean is None


class Bands:
    """An image of which only the band names matter."""

    def __init__(self, *names: str | None) -> None:
        self.band_names, self.bands = names, len(names)


@pytest.mark.parametrize(
    ("wanted", "index"),
    [("NIR", 1), ("NearInfrared", 1), ("near-infrared_1", 1), ("Infrared", 1), ("SWIR 1", 3),
     ("ShortWaveInfrared", 3), ("red", 0), ("Red Edge", 2)],
)  # fmt: skip
def test_well_known_names_of_bands_are_one(wanted: str, index: int) -> None:
    image: Any = Bands("Red", "nir", "RedEdge", "swir1", None)
    assert band_indexes(image, (wanted,)) == (index,)


def test_the_very_name_of_a_band_goes_first() -> None:
    image: Any = Bands("NIR", "Infrared")
    assert band_indexes(image, ("Infrared", "nir")) == (1, 0)
    with pytest.raises(ItemError, match="has no band Thermal; its bands are NIR, Infrared"):
        band_indexes(image, ("Thermal",))


def test_text_of_windows_is_read(tmp_path: Path, write_emd: Write) -> None:
    text = '{"ModelFile": "net.keras", "ModelName": "Forêt"}'
    assert ModelDefinition.load(write_emd(tmp_path, text.encode("utf-16"))).name == "Forêt"


@pytest.mark.parametrize(
    "text",
    [
        "[Functions]System\\DeepLearning\\ArcGISLearn\\ArcGISImageClassifier.py",
        ".\\ImageClassifier.py",
        "",
        None,
    ],
)
def test_functions_of_arcgis_pro_do_not_come_with_the_model(
    tmp_path: Path, write_emd: Write, text: str | None
) -> None:
    definition = ModelDefinition.load(write_emd(tmp_path, InferenceFunction=text))
    assert definition.raster_function is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [("mine.py", "is not there"), ("../mine.py", "lies outside"), (["x.py"], "no file name")],
)
def test_a_function_that_is_missing_is_not_passed_over(
    tmp_path: Path, write_emd: Write, text: object, reason: str
) -> None:
    path = write_emd(tmp_path, InferenceFunction=text)
    assert reason in refusal(path)
    assert ModelDefinition.load(path, ignore_code=True).raster_function is None


def test_a_function_beside_the_model_comes_with_it(tmp_path: Path, write_emd: Write) -> None:
    (tmp_path / "ImageClassifier.py").write_text("raise SystemExit")
    path = write_emd(tmp_path, InferenceFunction=".\\ImageClassifier.py", Framework="Templates")
    definition = ModelDefinition.load(path)
    assert definition.raster_function == tmp_path / "ImageClassifier.py"
    assert definition.framework == "Templates"
