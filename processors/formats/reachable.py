"""Which operations of a SavedModel may touch files: those of its own checkpoint, and no others.

Saving and restoring variables is normal in a SavedModel, in nodes and functions that only the
saver uses. Whatever loading or calling the model may run must not save, and nothing at all may
touch anything else.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from .graph import reaches_out

_SAVER = re.compile(r"__inference__traced_(save|restore)_\d+")
"""How TensorFlow names the functions that write and read a model's checkpoint."""
_SAVING = re.compile(r"Save(V2|Slices)?|MergeV2Checkpoints")
_RESTORING = re.compile(r"Restore(V2|Slice)?")
_NAMING = "ShardedFilename"


def forbidden(meta: Any) -> set[str]:
    """Return the operations of a ``MetaGraphDef`` that reach outside of the model."""
    return _Graphs(meta).forbidden()


class _Graphs:
    """The main graph and the functions of one meta graph."""

    def __init__(self, meta: Any) -> None:
        self._meta = meta
        self._nodes = {node.name: node for node in meta.graph_def.node}
        self._functions = {f.signature.name: f for f in meta.graph_def.library.function}

    def forbidden(self) -> set[str]:
        saver = self._meta.saver_def
        restored = self._upstream([saver.restore_op_name])
        saved = self._upstream([saver.save_tensor_name, saver.filename_tensor_name])
        needed = self._upstream(self._starts())
        apart = self._apart(needed)
        while_restoring = self._called([self._nodes[name] for name in restored])
        found = set()
        for name, node in self._nodes.items():
            mine = name in saved | restored and name not in needed
            found |= self._refused(node, saves=mine and name not in restored, restores=mine)
        for name, function in self._functions.items():
            mine = name in apart
            for node in function.node_def:
                found |= self._refused(
                    node, saves=mine and name not in while_restoring, restores=mine
                )
        return found

    def _refused(self, node: Any, *, saves: bool, restores: bool) -> set[str]:
        """Return the operation where it is refused; two flags say what it may do."""
        allowed = (saves and bool(_SAVING.fullmatch(node.op))) or (
            restores and bool(_RESTORING.fullmatch(node.op))
        )
        if allowed or ((saves or restores) and node.op == _NAMING):
            return set()
        return {node.op} if reaches_out(node.op) else set()

    def _starts(self) -> Iterator[str]:
        """Yield every tensor and operation that loading or calling may ask for."""
        for signature in self._meta.signature_def.values():
            for tensor in (*signature.inputs.values(), *signature.outputs.values()):
                sparse = tensor.coo_sparse
                yield from (tensor.name, sparse.values_tensor_name, sparse.indices_tensor_name)
                yield sparse.dense_shape_tensor_name
                yield from (part.name for part in tensor.composite_tensor.components)
        for collection in self._meta.collection_def.values():
            yield from collection.node_list.value
            for value in collection.bytes_list.value:
                yield from _variable_names(value)

    def _upstream(self, starts: Iterable[str]) -> set[str]:
        """Return the nodes of the main graph that some depend on, these included."""
        waiting, seen = [_node_name(start) for start in starts], set()
        while waiting:
            name = waiting.pop()
            if name in seen or name not in self._nodes:
                continue
            seen.add(name)
            waiting += [_node_name(each) for each in self._nodes[name].input]
        return seen

    def _apart(self, needed: set[str]) -> set[str]:
        """Return the functions of the saver that nothing else can call."""
        library = self._meta.graph_def.library
        named = set(self._meta.object_graph_def.concrete_functions)
        for gradient in (*library.gradient, *library.registered_gradients):
            named |= {str(value) for _, value in gradient.ListFields()}
        apart = {
            name
            for name, function in self._functions.items()
            if _SAVER.fullmatch(name) and name not in named
            and not any(key.startswith("api_") for key in function.attr)
        }  # fmt: skip
        others = [f for name, f in self._functions.items() if name not in apart]
        nodes = [node for function in others for node in function.node_def]
        return apart - self._called([*nodes, *(self._nodes[name] for name in needed)])

    def _called(self, nodes: Iterable[Any]) -> set[str]:
        """Return the functions that nodes call, directly or not."""
        found: set[str] = set()
        waiting = list(nodes)
        while waiting:
            for name in _names(waiting.pop()):
                if name in self._functions and name not in found:
                    found.add(name)
                    waiting += list(self._functions[name].node_def)
        return found


def _variable_names(value: bytes) -> tuple[str, ...]:
    """Return the nodes of a ``VariableDef``; none where a collection keeps something else."""
    from tensorflow.core.framework.variable_pb2 import VariableDef

    try:
        found = VariableDef.FromString(value)
    except Exception:  # noqa: BLE001  protobuf's error has moved between packages
        return ()
    names = (found.initializer_name, found.initial_value_name, found.variable_name)
    return (*names, found.snapshot_name)


def _node_name(tensor: str) -> str:
    return tensor.lstrip("^").partition(":")[0]


def _names(node: Any) -> Iterator[str]:
    """Yield the names of functions that a node may call."""
    yield node.op
    for value in node.attr.values():
        yield from _functions_in(value)


def _functions_in(value: Any) -> Iterator[str]:
    for function in (value.func, *value.list.func):
        if function.name:
            yield function.name
        for inner in function.attr.values():
            yield from _functions_in(inner)
