"""The layers of a Keras network as plain data, and the same network for ONNX and PyTorch.

Covers what ``networks`` is made of. Pixels are (batch, bands, height, width) there, and from 0 to 1:
other tools divide by 255 themselves, so that layer is left out.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

_PIXELS = "pixels"
_OPSET = 17


class Step(NamedTuple):
    """One operation on named tensors."""

    kind: str
    inputs: tuple[str, ...]
    output: str
    weights: tuple[NDArray[Any], ...] = ()
    """Kernel as (outputs, inputs, height, width), transposed the first two exchanged; bias."""


def steps(network: Any) -> list[Step]:
    """Return the operations of a network of Keras in their order."""
    found: list[Step] = []
    for layer in network.layers[2:]:
        given = layer.input if isinstance(layer.input, list) else [layer.input]
        inputs = tuple(_name(tensor, network) for tensor in given)
        weights = tuple(
            values.transpose(3, 2, 0, 1) if values.ndim == 4 else values
            for values in layer.get_weights()
        )
        output, kind = layer.output.name, type(layer).__name__
        activation = getattr(layer, "activation", None)
        if activation is None or activation.__name__ == "linear":
            found.append(Step(kind, inputs, output, weights))
        else:
            found.append(Step(kind, inputs, f"{output}_raw", weights))
            found.append(Step(activation.__name__, (f"{output}_raw",), output))
    return found


def _name(tensor: Any, network: Any) -> str:
    first = network.layers[1].output.name
    return _PIXELS if tensor.name == first else str(tensor.name)


def save_onnx(
    graph: list[Step], path: Path, shape: tuple[int, ...], properties: dict[str, str]
) -> None:
    """Write a network as ONNX file, for pixels of one shape."""
    import onnx
    from onnx import helper, numpy_helper

    nodes, constants = [], []
    for step in graph:
        named = [f"{step.output}_{number}" for number in range(len(step.weights))]
        constants += [
            numpy_helper.from_array(values, name)
            for values, name in zip(step.weights, named, strict=True)
        ]
        operation, attributes = _onnx(step)
        inputs = [*step.inputs, *named]
        nodes.append(helper.make_node(operation, inputs, [step.output], **attributes))
    kind = onnx.TensorProto.FLOAT
    pixels = helper.make_tensor_value_info(_PIXELS, kind, shape)
    scores = helper.make_tensor_value_info(graph[-1].output, kind, ["n", "c", "h", "w"])
    model = helper.make_model(
        helper.make_graph(nodes, path.stem, [pixels], [scores], constants),
        opset_imports=[helper.make_opsetid("", _OPSET)],
    )
    helper.set_model_props(model, properties)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _onnx(step: Step) -> tuple[str, dict[str, Any]]:
    """Return the name and the attributes of an operation in ONNX."""
    operations: dict[str, tuple[str, dict[str, Any]]] = {
        "Conv2D": ("Conv", {}),
        "Conv2DTranspose": ("ConvTranspose", {"strides": [2, 2]}),
        "MaxPooling2D": ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2]}),
        "Concatenate": ("Concat", {"axis": 1}),
        "relu": ("Relu", {}),
        "softmax": ("Softmax", {"axis": 1}),
    }
    operation, attributes = operations[step.kind]
    if step.kind == "Conv2D":
        attributes = {"pads": [step.weights[0].shape[-1] // 2] * 4}
    return operation, attributes


def torch_network(graph: list[Step]) -> Any:
    """Return a network as module of PyTorch."""
    import torch
    from torch.nn import functional

    operations: dict[str, Callable[..., Any]] = {
        "Conv2D": lambda x, kernel, bias: functional.conv2d(x, kernel, bias, padding="same"),
        "Conv2DTranspose": lambda x, *weights: functional.conv_transpose2d(x, *weights, stride=2),
        "MaxPooling2D": lambda x: functional.max_pool2d(x, 2),
        "Concatenate": lambda *parts: torch.cat(parts, 1),
        "relu": functional.relu,
        "softmax": lambda x: functional.softmax(x, 1),
    }
    last_used = {name: number for number, step in enumerate(graph) for name in step.inputs}

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights = torch.nn.ModuleList(
                torch.nn.ParameterList(torch.tensor(values) for values in step.weights)
                for step in graph
            )

        def forward(self, pixels: Any) -> Any:
            known = {_PIXELS: pixels}
            for number, (step, weights) in enumerate(zip(graph, self.weights, strict=True)):
                given = [known[name] for name in step.inputs]
                known[step.output] = operations[step.kind](*given, *weights)
                for name in step.inputs:
                    if last_used[name] == number:
                        del known[name]
            return known[graph[-1].output]

    return Network().eval()
