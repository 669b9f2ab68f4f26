"""What is known of a process that classifies."""

from dataclasses import dataclass, field

from ..messages import Task
from .process import Process


@dataclass(kw_only=True, slots=True)
class Hand:
    """A process and the images that it has in hand."""

    process: Process
    heard: float
    """``time.monotonic()`` of the last sign of life."""
    tasks: dict[int, Task] = field(default_factory=dict)
    """By the number of their item."""
    first: Task | None = None
    """To be handed out at the start of a run."""
    runs: bool = False
    """Whether it is within a run."""
    is_alone: bool = False
    """Whether the run is of a single image."""
    is_set_up: bool = False
    """Whether it knows the model."""
    is_hurried: bool = False
    """Whether it has been asked to end its run."""
    is_ready: bool = False
    """Whether it has answered since: before, it loads the model."""
