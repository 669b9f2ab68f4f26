"""TensorFlow graphs of any origin: is it safe to run, and what does it give?"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ...catalog.errors import ModelError
from ..network import Network, Scores
from ..tensorflow_setup import tensorflow
from .hints import SAID

_REFUSED = re.compile(
    r"ReadFile|WriteFile|MatchingFiles|.*PyFunc.*|.*Reader(V2)?|ReaderRead.*|TextLineDataset.*"
    r"|TFRecordDataset.*|FixedLengthRecord.*|.*FileDataset.*|SqlDataset"
    r"|(Load|Save|Snapshot|Cache).*Dataset.*|InitializeTableFromTextFile.*|Print(V2)?|_?Send"
    r"|_?Recv|_?Host.*|Collective.*|Rpc.*|.*DataService.*|Debug.*|LoadLibrary|XlaLaunch.*|TPU.*"
    r"|WriteSummary|.*SummaryWriter.*|.*Summary(V2)?|GenerateVocabRemapping"
    r"|LoadAndRemapMatrix|.*Lmdb.*|.*BigQuery.*|Assert.*File.*"
)
"""Operations that touch files, the network, Python or other processes."""
_CHECKPOINT = re.compile(r"(Save|Restore)(V2|Slices?)?|MergeV2Checkpoints|ShardedFilename")
"""Normal in a SavedModel folder, which holds its own checkpoint; out of place elsewhere."""
PASS_ON = ("Identity", "IdentityN", "Squeeze", "ExpandDims", "Cast", "StopGradient")
"""Operations at the end of a graph that change nothing that matters here."""
_TEST_SIZE = 256


def check_operations(path: Path, graphs: Iterable[Any], *, checkpoint: bool) -> None:
    """Refuse graphs with operations that reach outside of themselves.

    Args:
        path: The model, for the message.
        graphs: ``GraphDef`` messages; nothing of them is run.
        checkpoint: Whether saving and restoring variables is normal here.

    Raises:
        ModelError: Names the operations.
    """
    found = set()
    for graph in graphs:
        functions = (node for function in graph.library.function for node in function.node_def)
        for node in (*graph.node, *functions):
            if _REFUSED.fullmatch(node.op) or (not checkpoint and _CHECKPOINT.fullmatch(node.op)):
                found.add(node.op)
    if found:
        raise ModelError(
            f"model {path} reaches outside of itself ({', '.join(sorted(found))}); refused"
        )


def network_of(path: Path, call: Callable[[Any], Any], spec: Any, scores: Scores | None) -> Network:
    """Describe a graph whose file says no more than its tensors.

    Args:
        path: The model, for messages.
        call: Input tensor → output tensor.
        spec: ``TensorSpec`` of the input.
        scores: What the definition says of the output, None where it says nothing.

    Raises:
        ModelError: No pixel classifier.
    """
    if len(spec.shape) != 4 or spec.shape[3] is None:
        raise ModelError(f"model {path} takes {spec.shape}; expected (batch, height, width, bands)")
    tf = tensorflow()
    dtype = spec.dtype
    _, height, width, bands = spec.shape

    def forward(pixels: Any) -> Any:
        return call(pixels if dtype == tf.float32 else tf.cast(pixels, dtype))

    sample = np.random.default_rng(5).random(
        (2, height or _TEST_SIZE, width or _TEST_SIZE, bands), np.float32
    )
    traced = tf.function(forward).get_concrete_function(tf.TensorSpec(sample.shape, tf.float32))
    given = traced(tf.constant(sample)).numpy()
    if given.ndim not in (3, 4):
        raise ModelError(
            f"model {path} gives {given.shape[1:]} for {sample.shape[1:]}, no score for each pixel"
        )
    kind, reason = (scores, SAID) if scores is not None else _kind(traced, given)
    return Network(
        call=forward,
        twin=None,
        height=height,
        width=width,
        bands=bands,
        channels=0 if kind == "classes" else given.shape[3],
        scores=kind,
        reason=reason,
    )


def _kind(traced: Any, given: Any) -> tuple[Scores, str]:
    """Tell from the last operation of the graph, else from the numbers, what the output is."""
    if given.dtype.kind in "iu":
        return "classes", "whole numbers"
    if given.ndim == 3:
        return "classes", "no axis of channels"
    operation = traced.graph.outputs[0].op
    while operation.type in PASS_ON and operation.inputs:
        operation = operation.inputs[0].op
    if operation.type in ("Softmax", "Sigmoid"):
        kind: Scores = "probabilities" if operation.type == "Softmax" else "sigmoid"
        return kind, f"last operation {operation.type}"
    if float(given.min()) < 0 or float(given.max()) > 1:
        return "logits", "numbers beyond 0 to 1"
    if given.shape[3] == 1:
        return "sigmoid", "one channel of numbers from 0 to 1"
    if np.allclose(given.sum(axis=-1), 1, atol=1e-3):
        return "probabilities", "numbers from 0 to 1 that add up to 1"
    return "values", "numbers from 0 to 1 that do not add up to 1"
