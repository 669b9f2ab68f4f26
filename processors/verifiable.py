"""Which class rasters are to be verified, and what is said once they are; see :mod:`.verify`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..catalog.errors import UsageError
from ..catalog.records import Dataset, Item, Verification
from ..catalog.store import Catalog
from ..io.resized import PhotoScale
from .messages import Task
from .options import RunOptions


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """A class raster to compare."""

    task: Task
    size: tuple[int, int]
    """Height and width of what was fed to the model."""


def to_verify(
    catalog: Catalog, datasets: Mapping[int, Dataset], run_id: int, scale: PhotoScale
) -> list[Done]:
    """Return the class rasters of a run that can be compared.

    Args:
        catalog: The catalog.
        datasets: Those whose images are compared, by their number.
        run_id: The run.
        scale: How large photos were fed to the model.
    """
    return [
        Done(
            task=Task(
                item=item,
                dataset=datasets[item.dataset_id or 0],
                raster=catalog.path.parent / raster_path,
                raster_path=raster_path,
            ),
            size=_fed(item, PhotoScale() if is_map else scale),
        )
        for item, raster_path, is_map in catalog.classified(run_id, list(datasets))
    ]


def verified(found: Verification, failures: Sequence[str], done: Sequence[Done]) -> tuple[str, ...]:
    """Say what was found, a line each.

    Args:
        found: It.
        failures: Why some images could not be classified again.
        done: The class rasters there were.
    """
    name = next((each.task.item.name for each in done if each.task.key == found.item_id), "")
    return (_told(found, name), *(f"not verified: {failure}" for failure in failures))


def _fed(item: Item, scale: PhotoScale) -> tuple[int, int]:
    width, height = scale.fed(item.width or 1, item.height or 1)
    return height, width


def check_asked(windows: int, options: RunOptions) -> None:
    """Refuse what cannot be verified.

    Raises:
        UsageError: A negative number, windows that are averaged, or class rasters moved to
            another grid.
    """
    if windows < 0:
        raise UsageError(f"verify {windows}: expected how many windows, 0 or more")
    if windows and options.blend == "hann":
        raise UsageError(
            "--verify compares with windows of twice the halo; with blend=hann that changes the"
            " answer itself: leave out one of them"
        )
    if windows and options.environment.map_system is not None:
        raise UsageError(
            "--verify compares class rasters with windows pixel by pixel; with --map-crs they have"
            " other pixels: verify a run without it, whose classes are the same"
        )


def _told(found: Verification, name: str) -> str:
    text = f"verified {found.windows} windows, {found.pixels} pixels, {found.differ} differ"
    if found.close:
        text += f", {found.close} too close to tell"
    if found.differ:
        text += (
            f"; the first in {name} at row {found.pixel_row}, column {found.pixel_column} (from"
            " 0); the halo is too small (a larger --arg padding), or the class raster was"
            " changed since"
        )
    return text
