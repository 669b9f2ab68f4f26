"""TensorFlow SavedModel folders."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...catalog.errors import ModelError
from ..network import Network
from ..tensorflow_setup import explain, tensorflow
from .graph import network_of, refuse
from .hints import chosen_output, output_scores
from .reachable import forbidden

NAME = "a SavedModel folder"
_DEFAULT_SIGNATURE = "serving_default"


def matches(path: Path, head: bytes) -> bool:
    """Return whether a folder holds a SavedModel."""
    return path.is_dir() and (path / "saved_model.pb").is_file()


def load(path: Path, properties: Mapping[str, Any]) -> Network:
    """Load a signature of a SavedModel.

    ``Signature``, ``OutputName`` and ``Scores`` of the definition choose where there is a
    choice.

    Raises:
        ModelError: Damaged, unsafe, ambiguous, or no pixel classifier.
    """
    _check(path)
    tf = tensorflow()
    try:
        loaded = tf.saved_model.load(str(path))
    except Exception as error:  # TensorFlow raises many kinds for damaged files
        raise ModelError(f"model {path} cannot be loaded: {explain(error)}") from error
    signature = _signature(path, dict(loaded.signatures), properties.get("Signature"))
    inputs = signature.structured_input_signature[1]
    if len(inputs) != 1:
        raise ModelError(f"model {path} has {len(inputs)} inputs; a classifier has one")
    ((name, spec),) = inputs.items()
    outputs = sorted(signature.structured_outputs)
    output = outputs[chosen_output(path, outputs, properties.get("OutputName"))]

    def call(pixels: Any, _keep: Any = loaded) -> Any:  # a signature does not keep its variables
        return signature(**{name: pixels})[output]

    return network_of(path, call, spec, output_scores(properties))


def _check(path: Path) -> None:
    tensorflow()
    from tensorflow.core.protobuf import saved_model_pb2

    message = saved_model_pb2.SavedModel()
    try:
        message.ParseFromString((path / "saved_model.pb").read_bytes())
    except Exception as error:  # protobuf's error has moved between packages
        raise ModelError(f"model {path}: saved_model.pb is damaged") from error
    found = set().union(*(forbidden(meta) for meta in message.meta_graphs))
    refuse(path, found)


def _signature(path: Path, signatures: dict[str, Any], wanted: object) -> Any:
    if wanted is not None:
        if wanted not in signatures:
            raise ModelError(f"model {path} has no signature {wanted}; it has {_list(signatures)}")
        return signatures[str(wanted)]
    if _DEFAULT_SIGNATURE in signatures:
        return signatures[_DEFAULT_SIGNATURE]
    if len(signatures) == 1:
        return next(iter(signatures.values()))
    raise ModelError(
        f"model {path} has the signatures {_list(signatures)}; name one as Signature in an .emd"
    )


def _list(names: Mapping[str, Any]) -> str:
    return ", ".join(sorted(names)) or "none"
