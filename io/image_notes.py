"""What is to be said, once for all of them, of images that were classified."""

from collections import Counter
from typing import Any

from .control import control_of


class ImageNotes:
    """Counts images of which a user would think that more is classified than is."""

    def __init__(self) -> None:
        """Begin with none."""
        self._controls: Counter[tuple[str, str]] = Counter()
        self._of_pages = 0

    def see(self, image: Any) -> None:
        """Count an image that is about to be classified."""
        control = control_of(image)
        if control is not None:
            self._controls[control.name, control.command] += 1
        self._of_pages += getattr(image, "has_more_pages", False)

    @property
    def lines(self) -> tuple[str, ...]:
        """What to say."""
        controls = tuple(
            f"{count} with {name} and no transform: classified as stored, without a place on the"
            f" ground; class maps keep the {name}, and {command} brings them there"
            for (name, command), count in self._controls.items()
        )
        if not self._of_pages:
            return controls
        return (
            *controls,
            f"{self._of_pages} with several pages or frames: the first is classified",
        )
