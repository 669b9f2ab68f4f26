"""What a run was asked: the arguments of the model over its defaults, stored with the run."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..io.environment import Environment
from ..io.resized import PhotoScale
from .arguments import FUNCTION_ARGUMENTS, parse_arguments
from .definition import ModelDefinition
from .scaling import Scaling

DEFAULT_TILE = 512
DEFAULT_TIMEOUT = 600.0
_BATCH_PIXELS = 1 << 20
"""Of a batch that nobody asked for; more is not faster and takes memory."""
_USUAL_BATCH = 4
"""Small windows classified at a time; images of odd sizes leave the rest of a batch empty."""


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
    batch_size: int | None = None
    """Windows classified at a time; None leaves it to their size."""
    nominal_batch: int | None = None
    """What the definition names; of larger windows fewer are taken."""
    threshold: float = 0.5
    predict_background: bool | None = None
    """None leaves it to the classes that the definition lists."""
    test_time_augmentation: bool = False
    merge_policy: str = "mean"
    blend: str = "crop"
    precision: str = "float32"
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
    environment: Environment = Environment()  # noqa: RUF009  frozen
    also: tuple[str, ...] = ()
    """Rasters written beside the class rasters: of :data:`.also.KINDS`."""
    also_type: str = "uint8"

    def as_json(self) -> dict[str, Any]:
        """Return what the catalog stores and knows a run by.

        What is not asked for is left out: runs of catalogs from before there was one go on.
        """
        said = asdict(self)
        if self.environment == Environment():
            del said["environment"]
        elif self.environment.map_system is None:
            del said["environment"]["map_system"]
        if not self.also:
            del said["also"], said["also_type"]
        return said

    @property
    def photo_scale(self) -> PhotoScale:
        """How large photos are fed to the model."""
        return PhotoScale(
            factor=self.image_scale, longest=self.image_size, keep_size=self.class_map == "photo"
        )

    def batch_of(self, height: int, width: int) -> int:
        """Return how many windows of this size make a batch.

        It depends on nothing else, so that an image has the same result whatever is
        classified with it.
        """
        if self.batch_size is not None:
            return self.batch_size
        fitting = _BATCH_PIXELS // (height * width)
        return max(1, min(fitting, self.nominal_batch or _USUAL_BATCH))

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
    defaults = dict(definition.defaults)
    nominal_batch = defaults.pop("batch_size", None)
    given = {**defaults, **arguments}
    scaling_names = set(Scaling.__dataclass_fields__) & given.keys()
    scaling = replace(definition.scaling, **{name: given.pop(name) for name in scaling_names})
    side = given.pop("tile_size", None)
    return RunOptions(
        tile_size=(side, side) if side else None,
        nominal_tile=definition.tile_size,
        nominal_batch=nominal_batch,
        bands=given.pop("bands", definition.bands),
        scaling=scaling,
        **given,
    )
