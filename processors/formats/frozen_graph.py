"""Frozen TensorFlow graphs (``.pb``), as TensorFlow 1 wrote them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...catalog.errors import ModelError
from ..network import Network, Twin
from ..tensorflow_setup import explain, tensorflow
from .graph import PASS_ON, any_count, check_operations, network_of
from .hints import output_scores, tensor_name

NAME = "a frozen graph (.pb)"
_DEEPLAB = ("ImageTensor:0", "SemanticPredictions:0")
"""Input and output of DeepLab exports, and of Esri's TensorFlow models after them."""


def matches(path: Path, head: bytes) -> bool:
    """Return whether the file begins like a GraphDef message and is named as one."""
    return head[:1] == b"\n" and path.suffix.lower() in (".pb", ".graphdef")


def load(path: Path, properties: Mapping[str, Any]) -> Network:
    """Load a graph between an input and an output tensor.

    ``InputTensor`` and ``OutputTensor`` of the definition name them; else the DeepLab
    names, else the only placeholder and the only tensor that nothing uses.

    Raises:
        ModelError: Damaged, unsafe, ambiguous, or no pixel classifier.
    """
    tf = tensorflow()
    graph = tf.compat.v1.GraphDef()
    try:
        graph.ParseFromString(path.read_bytes())
    except Exception as error:  # protobuf's error has moved between packages
        raise ModelError(f"model {path} is no TensorFlow graph, or damaged") from error
    check_operations(path, [graph])
    names = _tensors(path, graph, properties)
    try:
        wrapped = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph, name=""), [])
        function = wrapped.prune(*names)
    except Exception as error:  # TensorFlow raises many kinds for a graph that does not fit
        raise ModelError(f"model {path} cannot be loaded: {explain(error)}") from error
    source = function.inputs[0]
    shape = source.shape if source.shape.rank == 4 else tf.TensorShape([None] * 4)
    network = network_of(
        path, function, tf.TensorSpec(shape, source.dtype), output_scores(properties)
    )
    scores = _before_arg_max(wrapped, graph, names)
    return replace(network, twin=lambda: scores)


def _before_arg_max(wrapped: Any, graph: Any, names: tuple[str, str]) -> Twin | None:
    """Return the graph up to the arg-max that ends it: scores say more than class numbers."""
    tf = tensorflow()
    nodes = {node.name: node for node in graph.node}
    node = nodes[names[1].partition(":")[0]]
    while node.op in PASS_ON and node.input:
        node = nodes[node.input[0].partition(":")[0]]
    if node.op != "ArgMax":
        return None
    scores = node.input[0] if ":" in node.input[0] else f"{node.input[0]}:0"
    function = wrapped.prune(names[0], scores)
    source = function.inputs[0]
    count = source.shape[0] if source.shape.rank == 4 else None
    ask = any_count(function, count)
    return Twin(call=lambda pixels: ask(tf.cast(pixels, source.dtype)), is_structural=False)


def _tensors(path: Path, graph: Any, properties: Mapping[str, Any]) -> tuple[str, str]:
    nodes = {node.name: node for node in graph.node}
    used = {name.lstrip("^").partition(":")[0] for node in graph.node for name in node.input}
    placeholders = [node.name for node in graph.node if node.op == "Placeholder"]
    ends = [
        node.name
        for node in graph.node
        if node.name not in used and node.op not in ("Const", "NoOp", "Assert", "Placeholder")
    ]
    chosen = []
    for key, usual, candidates in (
        ("InputTensor", _DEEPLAB[0], placeholders),
        ("OutputTensor", _DEEPLAB[1], ends),
    ):
        name = tensor_name(properties, key)
        if name is None and key == "OutputTensor":
            name = tensor_name(properties, "OutputName")
        if name is None and usual.partition(":")[0] in nodes:
            name = usual
        if name is None and len(candidates) == 1:
            name = f"{candidates[0]}:0"
        if name is None or name.partition(":")[0] not in nodes:
            listed = ", ".join(candidates[:10]) or "none"
            raise ModelError(f"model {path}: name the {key} in an .emd; candidates: {listed}")
        chosen.append(name)
    return chosen[0], chosen[1]
