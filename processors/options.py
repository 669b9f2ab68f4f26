"""What a run was asked: the arguments of the model over its defaults, stored with the run."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..io.resized import PhotoScale
from .arguments import FUNCTION_ARGUMENTS, parse_arguments
from .definition import ModelDefinition
from .scaling import Scaling

DEFAULT_TILE = 512
DEFAULT_BATCH = 4
DEFAULT_TIMEOUT = 600.0
LARGEST_TILE = 1024
"""Largest window chosen unasked; beyond it less halo gains nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunOptions:
    """The arguments of a run, over the defaults of its model."""

    tile_size: tuple[int, int] | None = None
    """Height and width of a window; None leaves it to the network."""
    nominal_tile: tuple[int, int] | None = None
    """What the definition names; a network that looks further gets larger windows."""
    padding: int | None = None
    """Halo in pixels; None measures how far the network looks."""
    tile_multiple: int = 1
    batch_size: int = DEFAULT_BATCH
    threshold: float = 0.5
    predict_background: bool | None = None
    """None leaves it to the classes that the definition lists."""
    test_time_augmentation: bool = False
    merge_policy: str = "mean"
    blend: str = "crop"
    scores: str | None = None
    """None leaves it to the definition and the model file."""
    output: str | None = None
    image_scale: float | None = None
    image_size: int | None = None
    class_map: str = "photo"
    bands: tuple[int | str, ...] | None = None
    scaling: Scaling = Scaling()  # noqa: RUF009  frozen
    function_arguments: Mapping[str, str] = field(default_factory=dict)
    """What was given for a Python raster function, as text; it knows what that means."""
    timeout: float = DEFAULT_TIMEOUT
    """Seconds that a raster function may take for a call."""

    def as_json(self) -> dict[str, Any]:
        """Return what the catalog stores."""
        return asdict(self)

    @property
    def photo_scale(self) -> PhotoScale:
        """How large photos are fed to the model."""
        return PhotoScale(
            factor=self.image_scale, longest=self.image_size, keep_size=self.class_map == "photo"
        )

    def properties(self, definition: ModelDefinition) -> dict[str, Any]:
        """Return the definition's properties with what the arguments say of the model file."""
        said = {"Scores": self.scores, "OutputName": self.output}
        known = {key: value for key, value in said.items() if value is not None}
        return {**definition.properties, **known}


def options_of(definition: ModelDefinition, texts: Mapping[str, str]) -> RunOptions:
    """Return the options of a run with arguments given as text.

    Those that a Python raster function lists are known once it runs; they are checked then.

    Raises:
        UsageError: An unknown name or a value that does not fit.
    """
    if definition.raster_function is None:
        return resolve(definition, parse_arguments(texts))
    ours = {name: text for name, text in texts.items() if name in FUNCTION_ARGUMENTS}
    given = parse_arguments(ours, FUNCTION_ARGUMENTS)
    source_range = given.pop("source_range", None)
    return RunOptions(
        scaling=Scaling(source_range=source_range),
        function_arguments={name: texts[name] for name in texts if name not in ours},
        **given,
    )


def resolve(definition: ModelDefinition, arguments: Mapping[str, Any]) -> RunOptions:
    """Return the options of a run: the arguments, else what the definition says.

    Args:
        definition: The model.
        arguments: Values by name, as :func:`~.arguments.parse_arguments` returns them.
    """
    given = {**definition.defaults, **arguments}
    scaling_names = set(Scaling.__dataclass_fields__) & given.keys()
    scaling = replace(definition.scaling, **{name: given.pop(name) for name in scaling_names})
    side = given.pop("tile_size", None)
    return RunOptions(
        tile_size=(side, side) if side else None,
        nominal_tile=definition.tile_size,
        bands=given.pop("bands", definition.bands),
        scaling=scaling,
        **given,
    )
