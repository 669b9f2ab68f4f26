"""What the configuration of a Keras model may name: one policy for ``.keras`` and HDF5 files.

Keras imports and calls what a configuration names, while it loads a model, and its safe mode
knows only some of what does more than compute. So each name is looked up here first, before
Keras sees any of them.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...catalog.errors import ModelError
from ..class_list import printable
from ..emd_json import is_deeper
from . import keras_names as names

_ANOTHER = "save the model as a SavedModel (model.export), which holds what its code computes"
_LACKS = "which is no part of Keras and in no model file"
_MORE = "which is not on the list of what computes and does nothing else"
_DEEPEST = 100
_MOST_PARTS = 1_000_000
"""Lists and objects of a configuration; of NASNet's there are some ten thousand. Keras takes five
seconds for so many."""
_LONGEST = 80
"""Characters of a name in an error."""
_DATA = (
    *("__bytes__", "__ellipsis__", "__keras_tensor__", "__numpy__", "__slice__", "__tensor__"),
    *("__tuple__", "TensorShape"),
)
"""Entries that stand for plain values."""
_GRAPH_LAYERS = frozenset({"tfoplambda", "slicingoplambda"})
"""Layers of Keras 2 that call a function of TensorFlow, named in their configuration."""


def _plain(name: str) -> str:
    """Return a name in the one spelling of all: ``glorot_uniform`` is ``GlorotUniformV2``."""
    return re.sub(r"_|v[12]$", "", name.lower())


def _place(modules: str, *listed: frozenset[str]) -> tuple[re.Pattern[str], frozenset[str]]:
    pattern = re.compile(rf"(tf_)?keras(\.src)?{modules}")
    return pattern, frozenset(map(_plain, frozenset().union(*listed)))


_CLASSES = (
    _place(r"(\.legacy)?\.(layers|engine)(\.\w+)*", names.LAYERS, _GRAPH_LAYERS),
    _place(r"\.applications\.(convnext|inception_resnet_v2)", names.APPLICATIONS),
    _place(r"(\.(models|engine)(\.\w+)?)?", names.MODELS),
    _place(r"\.ops(\.\w+)?", names.OPERATIONS),
    _place(r"\.initializers(\.\w+)*", names.INITIALIZERS),
    _place(r"\.regularizers(\.\w+)*", names.REGULARIZERS),
    _place(r"\.constraints(\.\w+)*", names.CONSTRAINTS),
    _place(r"(\.(dtype_policies|mixed_precision)(\.\w+)*)?", names.DTYPE_POLICIES),
    _place(r"\.quantizers(\.\w+)*", names.QUANTIZERS),
    _place(r"\.optimizers(\.\w+)*", names.OPTIMIZERS),
    _place(r"\.losses(\.\w+)*", names.LOSSES),
    _place(r"\.metrics(\.\w+)*", names.METRICS),
)
"""Which classes may be taken from where."""
_FUNCTIONS = (
    (re.compile(r"builtins"), names.ACTIVATIONS | names.MEASURES),
    (re.compile(r"(tf_)?keras\.activations"), names.ACTIVATIONS),
    (re.compile(r"keras\.ops(\.\w+)?"), names.OPERATIONS),
    (re.compile(r"(tf_)?keras\.(losses|metrics)"), names.MEASURES),
)
"""Which functions may be taken from where. ``builtins`` is Keras' word for its own."""
_BY_KEY = {
    "activation": frozenset(map(_plain, names.ACTIVATIONS)),
    "initializer": frozenset(map(_plain, names.INITIALIZERS)),
    "regularizer": frozenset(map(_plain, names.REGULARIZERS)),
    "constraint": frozenset(map(_plain, names.CONSTRAINTS)),
}
"""What a text may say that stands for an object, by the last word of its key."""


def check_config(path: Path, text: Any, *, compiles: bool) -> None:
    """Refuse a model whose configuration names what is not allowed.

    Args:
        path: The model file, for messages.
        text: The configuration as the file has it, JSON.
        compiles: Whether loss, optimiser and metrics of the whole are made too.

    Raises:
        ModelError: Says which layer names what, and what to do.
    """
    try:
        text = text.decode() if isinstance(text, bytes) else text
        if isinstance(text, str) and text.count("[") + text.count("{") > _MOST_PARTS:
            raise _too_many_parts(path)
        config = json.loads(text)
    except RecursionError:
        raise _too_deep(path) from None
    except ModelError:
        raise
    except (TypeError, ValueError):
        raise ModelError(f"model {path}: its configuration is damaged") from None
    if isinstance(config, dict) and not compiles:
        config.pop("compile_config", None)
    if is_deeper(config, _DEEPEST):
        raise _too_deep(path)
    found = next(_refused(config, "the model"), None)
    if found is not None:
        raise ModelError(f"model {path} is refused: {found}; {_ANOTHER}")


def _too_many_parts(path: Path) -> ModelError:
    return ModelError(
        f"model {path}: its configuration has more than {_MOST_PARTS} parts, which no network has"
    )


def _too_deep(path: Path) -> ModelError:
    return ModelError(
        f"model {path}: its configuration is nested more than {_DEEPEST} deep, which no network is"
    )


def _inner(part: object) -> Iterator[object]:
    """Yield the objects and lists right within a part."""
    within = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    return (each for each in within if isinstance(each, dict | list))


def _refused(part: object, owner: str) -> Iterator[str]:
    """Yield what each part is or names that is not allowed, with the layer that it belongs to."""
    if isinstance(part, dict) and "class_name" in part:
        owner = _label(part) or owner
        for reason in _reasons(part):
            yield f"{owner} {reason}"
    for each in _inner(part):
        yield from _refused(each, owner)


def _label(part: Mapping[str, Any]) -> str | None:
    """Return how errors call a layer: by its name; None for what has none."""
    config = part.get("config")
    name = part.get("name") or (config.get("name") if isinstance(config, Mapping) else None)
    return f"layer {_short(name)}" if isinstance(name, str) else None


def _short(name: object) -> str:
    text = printable(name)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _reasons(part: Mapping[str, Any]) -> Iterator[str]:
    """Yield why an entry that names a class or function is not allowed."""
    kind, module, config = part["class_name"], part.get("module"), part.get("config")
    if not isinstance(kind, str) or not isinstance(module, str | None):
        yield "is of a class whose name is no text"
    elif _plain(kind) == "lambda":
        yield "is a Lambda, Python code that is not run"
    elif kind == "function":
        yield from _function(module, config, part.get("registered_name"))
    elif kind in _DATA and module is None:
        return
    else:
        yield from _class(module, kind, part.get("registered_name"))
        yield from _texts(config)
    if isinstance(kind, str) and _plain(kind) in _GRAPH_LAYERS:
        called = str(config.get("function")) if isinstance(config, Mapping) else ""
        if called.removeprefix("compat.v1.") not in names.GRAPH_FUNCTIONS:
            yield f"calls {_short(called)} of TensorFlow, {_MORE}"


def _function(module: str | None, name: object, registered: object) -> Iterator[str]:
    if not isinstance(name, str):
        yield f"needs a function of {_short(module)} without a name"
    elif not _is_among(_FUNCTIONS, module or "builtins", name):
        if _of_keras(module):
            yield f"needs {_short(f'{module}.{name}')}, {_MORE}"
        else:
            place = "" if module in (None, "builtins") else f" of {_short(module)}"
            yield f"needs the function {_short(name)}{place}, {_LACKS}"
    elif registered not in (None, "", "function", name):
        yield f"needs the function {_short(registered)}, {_LACKS}"


def _class(module: str | None, kind: str, registered: object) -> Iterator[str]:
    """Yield why a class is not allowed; files of Keras 2 name no module."""
    if module is None:
        known = any(_plain(kind) in listed for _, listed in _CLASSES)
    else:
        known = _is_among(_CLASSES, module, _plain(kind))
    if not known:
        named = _short(registered or kind)
        place = f" of {_short(module)}" if module else ""
        own = module is not None and not _of_keras(module)
        yield f"is a {named}{place}, {_LACKS if own else _MORE}"
    elif registered not in (None, "", kind):
        yield f"is a {_short(registered)}, {_LACKS}"


def _texts(config: object) -> Iterator[str]:
    """Yield the texts in a configuration that stand for a function or class and may not."""
    for key, value in config.items() if isinstance(config, Mapping) else ():
        word = str(key).rpartition("_")[2]
        if isinstance(value, str) and _plain(value) not in _BY_KEY.get(word, (_plain(value),)):
            yield f"needs the {word} {_short(value)}, {_LACKS}"


def _is_among(
    places: tuple[tuple[re.Pattern[str], frozenset[str]], ...], module: str, name: str
) -> bool:
    return any(name in listed for modules, listed in places if modules.fullmatch(module))


def _of_keras(module: str | None) -> bool:
    return str(module).partition(".")[0] in ("keras", "tf_keras")
