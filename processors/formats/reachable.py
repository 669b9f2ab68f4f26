"""Which operations of a SavedModel may run, and which only belong to its own checkpoint."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

_SAVER = re.compile(r"__inference__traced_(save|restore)_\d+")
"""How TensorFlow names the functions that write and read a model's checkpoint."""
_INITIALIZERS = ("saved_model_main_op", "legacy_init_op")


def running(meta: Any) -> Iterator[Any]:
    """Yield every node of a ``MetaGraphDef`` that loading or calling the model may run.

    That is all functions but those that save and restore, as long as nothing else names
    these; and of the main graph what signatures and initialisers need.
    """
    functions = {each.signature.name: each for each in meta.graph_def.library.function}
    named = set(meta.object_graph_def.concrete_functions)
    main = list(_needed(meta))
    apart = {name for name in functions if _SAVER.fullmatch(name)} - named
    apart -= _called((each for name, each in functions.items() if name not in apart), functions)
    apart -= {name for node in main for name in _names(node)}
    yield from main
    for name, function in functions.items():
        if name not in apart:
            yield from function.node_def


def restoring(meta: Any) -> Iterator[Any]:
    """Yield the nodes that run when a model of TensorFlow 1 restores its checkpoint."""
    start = meta.saver_def.restore_op_name
    yield from _upstream(meta.graph_def, [start] if start else [])


def _needed(meta: Any) -> Iterator[Any]:
    starts = [
        tensor.name
        for signature in meta.signature_def.values()
        for tensor in (*signature.inputs.values(), *signature.outputs.values())
    ]
    for key in _INITIALIZERS:
        starts += list(meta.collection_def[key].node_list.value)
    return _upstream(meta.graph_def, starts)


def _upstream(graph: Any, starts: Iterable[str]) -> Iterator[Any]:
    """Yield nodes by name and all that they depend on."""
    nodes = {node.name: node for node in graph.node}
    waiting, seen = [_node_name(start) for start in starts], set()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in nodes:
            continue
        seen.add(name)
        yield nodes[name]
        waiting += [_node_name(each) for each in nodes[name].input]


def _node_name(tensor: str) -> str:
    return tensor.lstrip("^").partition(":")[0]


def _called(functions: Iterable[Any], known: dict[str, Any]) -> set[str]:
    """Return the functions that functions call, directly or not."""
    found: set[str] = set()
    waiting = [node for function in functions for node in function.node_def]
    while waiting:
        for name in _names(waiting.pop()):
            if name in known and name not in found:
                found.add(name)
                waiting += list(known[name].node_def)
    return found


def _names(node: Any) -> Iterator[str]:
    """Yield the names of functions that a node may call."""
    yield node.op
    for value in node.attr.values():
        if value.func.name:
            yield value.func.name
        yield from (each.name for each in value.list.func)
