"""The one place that imports TensorFlow, late and with its settings."""

import gc
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from types import ModuleType
from typing import Any

from ..catalog.errors import ModelError, PixelcatError
from ..catalog.own_process import is_own_process
from ..io import native
from .device import processors

_FRAMES = (
    *("in user code", "Graph execution error", "Detected at node", "Stack trace", "Traceback"),
    *("File ", "[Previous line repeated", "Exception encountered when calling"),
    *("Arguments received by", "[[{{node", "•"),
)
"""How the lines begin that say where, and not what."""
_WITHIN = "Exception encountered: "
"""Before what went wrong in a part of a model, after all of its configuration."""
_NO_CONSTANT = "Cannot parse tensor from proto"
_MIXED_PRECISION = {
    "bfloat16": "auto_mixed_precision_onednn_bfloat16",
    "float16": "auto_mixed_precision",
}


@cache
def tensorflow() -> ModuleType:
    """Import TensorFlow: quiet, oneDNN on (results depend on it), GPU memory as needed.

    Its C++ side calls it an error where a processor lacks AVX-512; what matters is raised.
    """
    native.load()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    with _quiet(), _no_collection():
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
    if processors() < (os.cpu_count() or 1):
        tf.config.threading.set_intra_op_parallelism_threads(processors())
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    module: ModuleType = tf
    return module


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep off the terminal what TensorFlow's C++ side writes while it starts."""
    if os.environ.get("PIXELCAT_DEBUG") or sys.stderr is None:  # None: nobody is shown anything
        yield
        return
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Look for no garbage among what thousands of modules define: a third of the time to import.

    Nor later, where nobody else's objects are among it: each look takes half a second.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if is_own_process():
            gc.freeze()
        if was_on:
            gc.enable()


def explain(error: BaseException) -> str:
    """Return the one line of a TensorFlow or Keras error that says what is wrong."""
    text = re.sub(r"\x1b\[\d*m|\{\{function_node [^}]*\}\} ?", "", str(error))
    text = text.rpartition(_WITHIN)[2]
    if _NO_CONSTANT in text:
        return "a constant of its graph is damaged, or larger than memory"
    lines = [line.strip() for line in text.splitlines()]
    told = [line for line in lines if line and not line.startswith(_FRAMES)]
    named = [line for line in told if re.match(r"\w*(Error|Exception): ", line)]
    return (named[-1:] or told[:1] or [type(error).__name__])[0][:300]


@contextmanager
def refusing(model: object, does: str) -> Iterator[None]:
    """Turn whatever TensorFlow, Keras and others raise within into one line about a model.

    They raise anything: errors of their own, ``MemoryError``, ``KeyError``, ``RecursionError``.

    Args:
        model: Its file or name.
        does: What it does then, such as ``cannot be loaded``.

    Raises:
        ModelError: In place of every error that is none of ours.
    """
    try:
        yield
    except PixelcatError:
        raise
    except Exception as error:
        raise ModelError(f"model {model} {does}: {explain(error)}") from error


def function_of(call: Callable[[Any], Any], spec: Any, **how: Any) -> Any:
    """Return a call as a TensorFlow function of one input.

    Without AutoGraph: nothing of ours has Python's ``if`` or ``while`` on tensors, and it writes
    files of Python code that nobody removes where a process is stopped.

    Args:
        call: Input tensor → output tensor or tensors.
        spec: ``TensorSpec`` of the input.
        how: What else ``tf.function`` is told.
    """
    return tensorflow().function(call, input_signature=[spec], autograph=False, **how)


def frozen(call: Callable[[Any], Any], spec: Any) -> Any:
    """Return a function with its variables as constants and its graph in one piece.

    Args:
        call: Input tensor → output tensor or tensors.
        spec: ``TensorSpec`` of the input.
    """
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    return convert_variables_to_constants_v2(function_of(call, spec).get_concrete_function())


def before_softmax(function: Any) -> Any | None:
    """Return a frozen function that ends before its soft-max.

    Args:
        function: As :func:`frozen` gives it, with a single output.

    Returns:
        None where the output is not that of a soft-max over several channels, the last axis.
    """
    (tensor,) = function.outputs
    while tensor.op.type == "Identity":
        tensor = tensor.op.inputs[0]
    if tensor.op.type != "Softmax" or tensor.shape[-1] == 1:  # of one channel it is 1 everywhere
        return None
    return function.prune(function.inputs, [tensor.op.inputs[0]])


def compiled(function: Any, spec: Any) -> Callable[[Any], Any]:
    """Return what calls a frozen function without detours.

    By itself it writes its input into an error, milliseconds long, and swallows that.
    """
    quick: Callable[[Any], Any] = function_of(function, spec)
    return quick


@contextmanager
def reduced(precision: str) -> Iterator[None]:
    """Let functions called within compute in fewer bits where that is safe.

    Grappler's automatic mixed precision; float32 leaves everything as it is.
    """
    if precision == "float32":
        yield
        return
    name = _MIXED_PRECISION[precision]
    options = tensorflow().config.optimizer.set_experimental_options
    options({name: True})
    try:
        yield
    finally:
        options({name: False})


def fused(call: Callable[[Any], Any], spec: Any) -> Callable[[Any], Any] | None:
    """Return a function that XLA has made one loop of: right for many cheap operations.

    Args:
        call: Input tensor → output tensors.
        spec: ``TensorSpec`` of the only input that it is to take.

    Returns:
        None where the shape is not known, or XLA cannot (operations, libraries of a GPU).
    """
    tf = tensorflow()
    if not spec.shape.is_fully_defined():
        return None
    function: Callable[[Any], Any] = function_of(call, spec, jit_compile=True)
    try:
        function(tf.zeros(spec.shape, spec.dtype))
    except Exception:  # noqa: BLE001  TensorFlow raises many kinds
        return None
    return function


def device_name() -> str:
    """Return what TensorFlow computes on: ``CPU``, or the name of the first GPU."""
    gpus = tensorflow().config.list_physical_devices("GPU")
    return str(gpus[0].name).rpartition(":")[0].rpartition(":")[2] or "GPU" if gpus else "CPU"


def software() -> dict[str, str]:
    """Return the versions that decide a result, without importing anything."""
    names = ("tensorflow", "keras", "numpy", "rasterio", "pillow")
    return {name: version(name) for name in names}
