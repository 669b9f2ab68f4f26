"""Telling TensorFlow 1 code by the names it uses, and giving it the TensorFlow it expects."""

import ast
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

_NAME = "tensorflow"
_LATE = ("keras", "contrib")
"""Parts that load other libraries when they are touched, or are in no TensorFlow 2."""


def present(
    path: Path, folders: Sequence[Path], configured: str | None, legacy_keras: bool
) -> str | None:
    """Have ``import tensorflow`` give what the code is written for.

    Args:
        path: The raster function.
        folders: Where it imports from.
        configured: The module that the model definition names.
        legacy_keras: Whether the model is of Keras 2.

    Returns:
        Which version the code is written for, "1" or "2"; None where it uses none.
    """
    names = set(tensorflow_names(path, folders, configured))
    if not names:
        return None
    if legacy_keras and importlib.util.find_spec("tf_keras") is not None:
        os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    tensorflow = importlib.import_module(_NAME)
    first = tensorflow.compat.v1
    if not is_tensorflow1(names, tensorflow, first):
        return "2"
    first.disable_v2_behavior()
    sys.modules[_NAME] = first
    return "1"


def is_tensorflow1(names: set[str], tensorflow: object, first: object) -> bool:
    """Return whether the code uses a name that only TensorFlow 1 has, and none of only 2.

    Args:
        names: What :func:`tensorflow_names` gives.
        tensorflow: TensorFlow 2.
        first: Its rendering of TensorFlow 1.
    """
    known = [(_has(tensorflow, name), _has(first, name)) for name in names]
    return (False, True) in known and (True, False) not in known


def _has(module: object, name: str) -> bool:
    for part in name.split(".")[:2]:
        if part in _LATE:
            return True
        if not hasattr(module, part):
            return False
        module = getattr(module, part)
        if not isinstance(module, ModuleType):
            return True
    return True


def tensorflow_names(
    path: Path, folders: Sequence[Path], configured: str | None = None
) -> Iterator[str]:
    """Yield the dotted names that code takes from TensorFlow: ``Session``, ``nn.softmax``.

    The code is read and not run: the file, the modules it imports from the folders, and so
    on. An import alone yields an empty name.

    Args:
        path: The raster function.
        folders: Where it imports from.
        configured: Another module that it imports, by a name that stands in no code.
    """
    waiting = [path, *_files(configured or "", folders)]
    seen: set[Path] = set()
    while waiting:
        file = waiting.pop()
        if file in seen:
            continue
        seen.add(file)
        try:
            tree = ast.parse(file.read_bytes())
        except (OSError, SyntaxError, ValueError):  # importing it will say what is wrong
            continue
        yield from _used(tree)
        for module in _imports(tree):
            waiting += _files(module, [*folders, file.parent])


def _used(tree: ast.AST) -> Iterator[str]:
    """Yield the names that one module takes from TensorFlow."""
    aliases = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            ours = [each for each in node.names if _is_tensorflow(each.name)]
            aliases |= {each.asname or each.name for each in ours if each.name == _NAME}
            yield from ("" for _ in ours)
        elif isinstance(node, ast.ImportFrom) and _is_tensorflow(node.module or ""):
            yield from (each.name if node.module == _NAME else "" for each in node.names)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            first, *rest = _dotted(node)
            if first in aliases:
                yield ".".join(rest)


def _is_tensorflow(module: str) -> bool:
    return module.split(".")[0] == _NAME


def _dotted(node: ast.expr) -> list[str]:
    """Return ``a.b.c`` as a list; what does not begin with a name begins with nothing."""
    if isinstance(node, ast.Attribute):
        return [*_dotted(node.value), node.attr]
    return [node.id if isinstance(node, ast.Name) else ""]


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            yield base
            yield from (f"{base}.{each.name}".strip(".") for each in node.names)


def _files(module: str, folders: Sequence[Path]) -> list[Path]:
    """Return the files of a module in any of the folders."""
    if not module:
        return []
    part = Path(*module.split("."))
    found = [folder / tail for folder in folders for tail in (f"{part}.py", part / "__init__.py")]
    return [file for file in found if file.is_file()]
