"""TensorFlow graphs of any origin: is it safe to run, and what does it give?"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...catalog.errors import ModelError
from ..network import Network, Scores
from ..tensorflow_setup import frozen, function_of, tensorflow
from .hints import SAID

_REFUSED = re.compile(
    r"ReadFile|WriteFile|MatchingFiles|.*PyFunc.*|.*Reader(V2)?|ReaderRead.*|.*Dataset.*"
    r"|InitializeTableFromTextFile.*|Print(V2)?|_?Send|_?Recv|_?Host.*|Collective.*|Rpc.*"
    r"|Debug.*|LoadLibrary|XlaLaunch.*|.*TPU.*|.*Summary(V2)?|GenerateVocabRemapping"
    r"|LoadAndRemapMatrix|ImmutableConst|(De|En)code(ProtoV2|Proto)|Abort|Remote.*|Nccl.*"
    r"|(Save|Restore)(V2|Slices?)?|MergeV2Checkpoints|DistributedSave|ShardedFilename"
)
"""Operations without a state that touch files, the network, Python or other processes."""
_HARMLESS = re.compile(
    r"Assert|CheckNumerics(V2)?|Empty|DeepCopy|If|While|Case|StatefulPartitionedCall|GuaranteeConst"
    r"|VarHandleOp|VarIsInitializedOp|Variable(V2|Shape)?|ReadVariableOp|Assign(Add|Sub)?VariableOp"
    r"|Resource(Gather(Nd)?|Scatter.*|StridedSliceAssign|(Sparse)?Apply.*)|DisableCopyOnRead"
    r"|DestroyResourceOp|TemporaryVariable|(Anonymous)?(Mutable)?(Dense)?HashTable\w*"
    r"|LookupTable(Export|Find|Import|Insert|Remove|Size)V2|InitializeTableV2|Stack(Close|Pop|Push)?(V2)?"
    r"|TensorArray.*|CudnnRNN.*|Random(Crop|Gamma|Poisson(V2)?|Shuffle|StandardNormal|Uniform(Int)?)"
    r"|Stateful(Random|Standard|Truncated|Uniform).*|TruncatedNormal|ParameterizedTruncatedNormal"
    r"|Multinomial|SampleDistortedBoundingBox(V2)?|Rng(ReadAndSkip|Skip)|StatelessRandomGetAlg"
    r"|NonDeterministicInts|Timestamp"
)
"""Operations with a state that stay inside of the graph; no others are let through."""
PASS_ON = ("Identity", "IdentityN", "Squeeze", "ExpandDims", "Cast", "StopGradient")
"""Operations at the end of a graph that change nothing that matters here."""
_KEEP_SCORES = (*PASS_ON, "ResizeBilinear", "ResizeNearestNeighbor", "Reshape", "Transpose")
"""Operations that move or average scores and leave their kind as it is."""
_MAY_LEAVE_GAPS = ("SpaceToBatchND", "PyFunc", "PyFuncStateless", "EagerPyFunc")
"""Operations of dilated kernels, and those behind which other libraries compute."""
_CHANGES = re.compile(
    r"Assign\w*|Rng\w*|Resource(Scatter|Apply|SparseApply)\w*|Stateful(Random|Un).*"
)
"""Operations that leave a variable with another value."""
_TEST_SIZE = 256


def check_operations(path: Path, graphs: Iterable[Any]) -> None:
    """Refuse graphs with operations that reach outside of themselves.

    Args:
        path: The model, for the message.
        graphs: ``GraphDef`` messages; nothing of them is run.

    Raises:
        ModelError: Names the operations.
    """
    refuse(path, {node.op for graph in graphs for node in _nodes(graph) if reaches_out(node.op)})


def _nodes(graph: Any) -> Iterator[Any]:
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def


def reaches_out(operation: str) -> bool:
    """Return whether an operation may touch something outside of its graph."""
    from tensorflow.python.framework import op_def_registry

    if _REFUSED.fullmatch(operation):
        return True
    known = op_def_registry.get(operation)
    return known is not None and known.is_stateful and not _HARMLESS.fullmatch(operation)


def refuse(path: Path, operations: Collection[str]) -> None:
    """Refuse a model for operations that reach out; does nothing where there are none.

    Raises:
        ModelError: Names the operations.
    """
    if operations:
        names = ", ".join(sorted(operations))
        raise ModelError(f"model {path} reaches outside of itself ({names}); refused")


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
    count, height, width, bands = spec.shape
    ask = any_count(call, count)

    def forward(pixels: Any) -> Any:
        return ask(pixels if dtype == tf.float32 else tf.cast(pixels, dtype))

    sample = np.random.default_rng(5).random(
        (2, height or _TEST_SIZE, width or _TEST_SIZE, bands), np.float32
    )
    spec = tf.TensorSpec(sample.shape, tf.float32)
    try:
        whole = frozen(forward, spec)
    except Exception:
        _refuse_random(path, forward, spec)
        raise
    given = whole(tf.constant(sample))[0].numpy()
    if given.ndim not in (3, 4):
        raise ModelError(
            f"model {path} gives {given.shape[1:]} for {sample.shape[1:]}, no score for each pixel"
        )
    kind, reason = (scores, SAID) if scores is not None else _kind(whole, given)
    return Network(
        call=forward,
        twin=lambda: None,
        height=height,
        width=width,
        bands=bands,
        channels=0 if kind == "classes" else given.shape[3],
        scores=kind,
        reason=reason,
        has_gaps=any(_may_leave_gaps(each) for each in whole.graph.get_operations()),
    )


def _refuse_random(path: Path, forward: Callable[[Any], Any], spec: Any) -> None:
    """Say why a graph has no constants only: what it draws at random it notes in a variable.

    Raises:
        ModelError: It does.
    """
    graph = function_of(forward, spec).get_concrete_function().graph.as_graph_def()
    operations = {node.op for node in _nodes(graph)}
    if any(map(_CHANGES.fullmatch, operations)):
        drawn = any("Random" in operation or "Rng" in operation for operation in operations)
        said = "changes images at random" if drawn else "changes its own variables"
        raise ModelError(
            f"model {path} {said} while it answers, as augmentation layers in a network do that"
            " model.export wrote; export it without them, or save it as .keras, where they rest"
        )


def _may_leave_gaps(operation: Any) -> bool:
    """Return whether a kernel may leave out pixels; of other libraries' graphs nothing is known."""
    dilations = operation.node_def.attr["dilations"].list.i
    return operation.type in _MAY_LEAVE_GAPS or max(dilations, default=1) > 1


def outside_graph(
    run: Callable[[Any], Any], channels: Sequence[int | None], *, integers: bool
) -> Callable[[Any], Any]:
    """Return a function on tensors of one on arrays, run by another library.

    Args:
        run: Windows (n, height, width, bands) → answers (n, height, width, *channels).
        channels: One number or none.
        integers: Whether the answers are whole numbers.
    """

    def call(pixels: Any) -> Any:
        tf = tensorflow()
        kind = tf.int32 if integers else tf.float32
        scores = tf.numpy_function(run, [pixels], kind, stateful=False)
        scores.set_shape([*pixels.shape[:3], *channels])
        return scores

    return call


def any_count(call: Callable[[Any], Any], count: int | None) -> Callable[[Any], Any]:
    """Return a function for any number of windows of a graph that takes ``count`` at a time."""
    if count is None:
        return call

    def forward(pixels: Any) -> Any:
        tf = tensorflow()
        windows = tf.split(pixels, pixels.shape[0])
        return tf.concat([call(tf.repeat(window, count, axis=0))[:1] for window in windows], axis=0)

    return forward


def _kind(whole: Any, given: Any) -> tuple[Scores, str]:
    """Tell from the last operation of the graph, else from the numbers, what the output is."""
    if given.dtype.kind in "iu":
        return "classes", "whole numbers"
    if given.ndim == 3:
        return "classes", "no axis of channels"
    operation = whole.graph.outputs[0].op
    while operation.type in _KEEP_SCORES and operation.inputs:
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
