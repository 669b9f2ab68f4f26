"""What the keys of an Esri model definition (``.emd``) mean."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..catalog.errors import ModelError
from ..catalog.records import ClassDefinition
from .arguments import LARGEST_MULTIPLE, boolean
from .bands import is_band
from .class_list import CLASS_VALUES, MOST_CLASSES, color_of, printable
from .numbers import finite_number, whole_number
from .scaling import Scaling

_FRAMEWORKS = ("keras", "tensorflow", "onnx")
_PRO = "[functions]"
"""How a path begins that lies in the installation of ArcGIS Pro."""
_PRO_FILES = ("ImageClassifier.py", "ArcGISImageClassifier.py")
"""Its raster functions for pixel classifiers, which definitions also name without a path."""


class Emd:
    """The keys of a model definition; every complaint names the file and the key.

    Keys as documented with Esri's raster-deep-learning; ``Scale``, ``Offset``, ``Mean``,
    ``Std`` (a number, or one per band), ``SourceRange`` and ``TileMultiple`` are ours.
    """

    def __init__(self, emd: Mapping[str, Any], path: Path) -> None:
        """Take a parsed definition and the file it came from."""
        self._emd = emd
        self._path = path

    def fail(self, message: str) -> ModelError:
        """Return an error that names the file."""
        return ModelError(f"{self._path}: {message}")

    def framework(self) -> str:
        """Return the framework as written."""
        return str(self._emd.get("Framework", "Keras"))

    def check_kind(self) -> None:
        """Check that this is a pixel classifier."""
        kind = str(self._emd.get("ModelType", "ImageClassification"))
        if kind.lower() != "imageclassification":
            raise self.fail(
                f"ModelType is {kind}; only pixel classifiers (ImageClassification) run"
            )

    def check_framework(self) -> None:
        """Check that the network is of a framework that runs here."""
        framework = self.framework()
        if framework.lower() not in _FRAMEWORKS:
            raise self.fail(
                f"Framework {framework} does not run here; Keras, TensorFlow and ONNX do"
            )

    def model_file(self) -> Path:
        """Return the path of the model file, which lies below the folder of the definition."""
        text = self._emd.get("ModelFile")
        if not isinstance(text, str) or not text.strip():
            raise self.fail("ModelFile is missing")
        return self._below("ModelFile", text)

    def raster_function(self) -> Path | None:
        """Return the Python raster function that comes with the model, None where there is none.

        One that is a part of ArcGIS Pro does not come with the model: it does what we do.
        """
        text = self._emd.get("InferenceFunction")
        if text is None or text == "":
            return None
        if not isinstance(text, str):
            raise self.fail("InferenceFunction is no file name")
        path = self._resolved("InferenceFunction", text)
        if text.lower().startswith(_PRO) or (path.name in _PRO_FILES and not path.is_file()):
            return None
        if not path.is_relative_to(self.folder) or not path.is_file():
            where = (
                "is not there" if path.is_relative_to(self.folder) else "lies outside its folder"
            )
            raise self.fail(
                f"InferenceFunction {text} {where}; --ignore-model-code runs the network without it"
            )
        return path

    @property
    def folder(self) -> Path:
        """The folder of the definition."""
        return self._path.resolve().parent

    def _below(self, key: str, text: str) -> Path:
        path = self._resolved(key, text)
        if not path.is_relative_to(self.folder):
            raise self.fail(f"{key} {text} lies outside the folder of the definition")
        if not path.exists():
            raise self.fail(f"{key} {text} does not exist")
        return path

    def _resolved(self, key: str, text: str) -> Path:
        try:
            path = (self.folder / text.strip().replace("\\", "/")).resolve()
            path.exists()
        except (OSError, ValueError):  # too long, or with a NUL
            raise self.fail(f"{key} is no file name") from None
        return path

    def classes(self) -> tuple[ClassDefinition, ...]:
        """Return the classes in the order of the output channels; empty where none are listed."""
        listed = self._emd.get("Classes", [])
        if not isinstance(listed, list):
            raise self.fail("Classes is not a list")
        if len(listed) > MOST_CLASSES:
            raise self.fail(
                f"Classes lists {len(listed)} classes; class values have 16 bits,"
                f" so {MOST_CLASSES} are the most"
            )
        classes = tuple(self._class(index, entry) for index, entry in enumerate(listed))
        seen: set[int] = set()
        for each in classes:
            if each.value in seen:
                raise self.fail(f"Classes repeats a Value: {each.value}")
            seen.add(each.value)
        return classes

    def _class(self, index: int, entry: object) -> ClassDefinition:
        fields = {k.lower(): v for k, v in entry.items()} if isinstance(entry, dict) else {}
        try:
            value = whole_number(fields["value"])
        except (KeyError, ValueError):
            raise self.fail(f"Classes[{index}] has no integer Value") from None
        if value not in CLASS_VALUES:
            raise self.fail(f"Classes[{index}] has the Value {value}, beyond 32 bits")
        name = printable(fields.get("name", "")) or f"class {value}"
        color = fields.get("color", fields.get("ccolor"))
        return ClassDefinition(value=value, name=name, color=color_of(color, index))

    def bands(self) -> tuple[int | str, ...] | None:
        """Return band indexes and names; None where the definition leaves them open."""
        listed = self._emd.get("ExtractBands")
        if listed is None:
            return None
        if not isinstance(listed, list) or not listed or not all(map(is_band, listed)):
            raise self.fail("ExtractBands is not a list of band indexes (from 0) or names")
        return tuple(listed)

    def tile_size(self) -> tuple[int, int] | None:
        """Return height and width of a model input; one serves for both."""
        height, width = self.whole("ImageHeight", 1), self.whole("ImageWidth", 1)
        if height is None and width is None:
            return None
        return height or width or 1, width or height or 1

    def defaults(self) -> dict[str, Any]:
        """Return the arguments that the definition gives, by name."""
        given = {
            "padding": self.whole("Padding", 0),
            "batch_size": self.whole("BatchSize", 1),
            "tile_multiple": self._tile_multiple(),
            "threshold": self._threshold(),
            "test_time_augmentation": self._flag("test_time_augmentation"),
        }
        if given["padding"] is None:
            given["padding"] = self.whole("ModelPadding", 0)
        return {name: value for name, value in given.items() if value is not None}

    def _tile_multiple(self) -> int | None:
        number = self.whole("TileMultiple", 1)
        if number is not None and number > LARGEST_MULTIPLE:
            raise self.fail(
                f"TileMultiple is {number}; the most is {LARGEST_MULTIPLE}, as windows are at"
                " least twice as wide and high"
            )
        return number

    def _threshold(self) -> float | None:
        value = self._emd.get("Threshold")
        if value is None:
            return None
        try:
            number = finite_number(value)
        except ValueError:
            number = -1.0
        if not 0 <= number <= 1:
            raise self.fail(f"Threshold is {value!r}, not a number from 0 to 1")
        return number

    def _flag(self, key: str) -> bool | None:
        value = self._emd.get(key)
        if value is None:
            return None
        try:
            return boolean(str(value))
        except ValueError:
            raise self.fail(f"{key} is {value!r}, not true or false") from None

    def whole(self, key: str, least: int) -> int | None:
        """Return a whole number, None where the key is missing."""
        value = self._emd.get(key)
        if value is None:
            return None
        if isinstance(value, str) and "e.g" in value:
            raise self.fail(
                f"{key} is the placeholder {value!r}: this file came with exported training"
                " chips, it is not a trained model"
            )
        try:
            number = whole_number(value)
        except ValueError:
            raise self.fail(f"{key} is {value!r}, not a whole number") from None
        if number < least:
            raise self.fail(f"{key} is {number}; the least is {least}")
        return number

    def scaling(self) -> Scaling:
        """Return how pixel values become network input."""
        said = Scaling(
            scale=self._numbers(self._emd, "Scale"),
            offset=self._numbers(self._emd, "Offset"),
            mean=self._numbers(self._emd, "Mean"),
            std=self._numbers(self._emd, "Std"),
            data_range=self._range("DataRange"),
            source_range=self._range("SourceRange"),
        )
        stats = self._emd.get("NormalizationStats")
        if (
            said != Scaling()
            or not isinstance(stats, Mapping)
            or self._flag("DoNormalize") is False
        ):
            return said
        return self._scaling_of(stats)

    def _scaling_of(self, stats: Mapping[str, Any]) -> Scaling:
        """Return the scaling of arcgis.learn: to 0..1 between the band's limits, then mean, std."""
        low = self._of_bands(stats, "band_min_values")
        high = self._of_bands(stats, "band_max_values")
        if low is None or high is None:
            raise self.fail("NormalizationStats lacks band_min_values or band_max_values")
        if len(low) != len(high) or any(b <= a for a, b in zip(low, high, strict=True)):
            raise self.fail("NormalizationStats: a band_max_value is not above its band_min_value")
        spans = [b - a for a, b in zip(low, high, strict=True)]
        return Scaling(
            scale=tuple(1 / span for span in spans),
            offset=tuple(-a / span for a, span in zip(low, spans, strict=True)),
            mean=self._of_bands(stats, "scaled_mean_values"),
            std=self._of_bands(stats, "scaled_std_values"),
        )

    def _of_bands(self, stats: Mapping[str, Any], key: str) -> tuple[float, ...] | None:
        """Return the numbers of the bands that the model takes; the file may list all bands."""
        numbers = self._numbers(stats, key)
        bands = self.bands()
        if numbers is None or bands is None or len(numbers) == len(bands):
            return numbers
        if not all(isinstance(band, int) and band < len(numbers) for band in bands):
            raise self.fail(
                f"NormalizationStats: {key} has {len(numbers)} numbers for {len(bands)} bands"
            )
        return tuple(numbers[band] for band in bands if isinstance(band, int))

    def _numbers(self, where: Mapping[str, Any], key: str) -> tuple[float, ...] | None:
        value = where.get(key)
        if value is None:
            return None
        listed = value if isinstance(value, list) else [value]
        try:
            return tuple(map(finite_number, listed))
        except ValueError:
            raise self.fail(f"{key} is {value!r}, not a number or a list of numbers") from None

    def _range(self, key: str) -> tuple[float, float] | None:
        numbers = self._numbers(self._emd, key)
        if numbers is None:
            return None
        if len(numbers) != 2 or numbers[0] >= numbers[1]:
            raise self.fail(f"{key} is {list(numbers)}, not [least, greatest]")
        return numbers[0], numbers[1]
