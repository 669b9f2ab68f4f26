"""Matching the classes of a definition with what a network gives."""

from ..catalog.errors import ModelError, UsageError
from ..catalog.records import ClassDefinition
from .class_list import numbered_classes
from .network import Network

BACKGROUND = ClassDefinition(value=0, name="Background", color=(0, 0, 0))

Classes = tuple[ClassDefinition, ...]


def output_classes(listed: Classes, network: Network) -> Classes:
    """Match the classes of a definition with the channels of a network.

    A network with one channel tells two classes apart. Where the definition leaves out
    the background and no class has the value 0, the first channel is background, value 0.

    Raises:
        ModelError: The numbers do not match.
    """
    if network.scores == "classes":
        if not listed:
            raise ModelError("the network gives class values; list its Classes in an .emd")
        return with_background(listed)
    count = 2 if network.channels == 1 else network.channels
    if not listed:
        return numbered_classes(count)
    if len(listed) == count - 1 and all(each.value != 0 for each in listed):
        return (BACKGROUND, *listed)
    if len(listed) != count:
        raise ModelError(
            f"the definition lists {len(listed)} classes, the network tells {count} apart"
        )
    return listed


def with_background(listed: Classes) -> Classes:
    """Return the classes of a model that gives class values: 0 is one even if unlisted."""
    return listed if any(each.value == 0 for each in listed) else (BACKGROUND, *listed)


def excluded_class(
    wanted: bool | None, listed: Classes, classes: Classes, network: Network
) -> tuple[int | None, tuple[str, ...]]:
    """Return the position of the background where it is never chosen, and a note.

    Where nothing is asked the rule is that of ArcGIS: no background where the definition
    lists more than one class and none with the value 0.

    Args:
        wanted: ``predict_background``; None where it was not given.
        listed: The classes of the definition.
        classes: Those of the network, see :func:`output_classes`.
        network: The network.

    Raises:
        UsageError: Asked of a network that gives class values, or that has one class beside it.
    """
    values = [each.value for each in classes]
    unlisted = len(listed) > 1 and all(each.value != 0 for each in listed)
    if wanted is False and 0 not in values:
        return None, ("no class has the value 0: predict_background changes nothing",)
    if 0 not in values or (wanted is None and not unlisted) or wanted:
        return None, ()
    if network.scores == "classes" or len(classes) < 3:
        if wanted is None:
            return None, ()
        raise UsageError("predict_background=false needs a network with scores for 3 classes")
    note = "the background, which Classes does not list, is never chosen"
    hint = "--arg predict_background=true lets the model choose it"
    return values.index(0), () if wanted is False else (f"{note}; {hint}",)
