"""From a model with a raster function to a classifier that is ready to run."""

from typing import Any

from ...catalog.errors import ModelError
from ..arguments import FUNCTION_ARGUMENTS
from ..classifier import Prepared
from ..definition import ModelDefinition
from ..options import RunOptions
from ..scaling import Scaling
from .classifier import FunctionClassifier
from .configuration import Configuration, batch_notes, read_configuration
from .function import RasterFunction
from .output_info import check_output, output_classes
from .parameters import Parameter
from .process import FunctionError
from .raster_info import NOMINAL, NOMINAL_BANDS


def prepare_function(definition: ModelDefinition, options: RunOptions) -> Prepared:
    """Start the raster function of a model and learn what it wants and gives.

    Raises:
        ModelError: The function cannot be used.
        UsageError: An argument that it does not take.
    """
    function = RasterFunction(definition, options.timeout)
    try:
        return _prepared(function, definition, options)
    except BaseException as error:
        function.close()
        if isinstance(error, FunctionError | ModelError):
            raise _refusal(definition, error) from error
        raise


def function_parameters(definition: ModelDefinition, options: RunOptions) -> list[Parameter]:
    """Return the arguments that the raster function of a model lists; its code is run.

    Raises:
        ModelError: The function cannot be used.
    """
    function = RasterFunction(definition, options.timeout)
    try:
        function.start()
        return list(function.parameters().listed)
    except (FunctionError, ModelError) as error:
        raise _refusal(definition, error) from error
    finally:
        function.close()


def _prepared(
    function: RasterFunction, definition: ModelDefinition, options: RunOptions
) -> Prepared:
    found = function.start()
    parameters = function.parameters()
    given = options.function_arguments
    scalars = parameters.scalars(given, function.hidden, host=tuple(FUNCTION_ARGUMENTS))
    said = function.configure(parameters.raster, scalars)
    configuration = read_configuration(said, definition)
    bands = options.bands or configuration.bands or definition.bands
    wanted = configuration.bands or bands or ()
    if len(wanted) != len(bands or ()):
        raise ModelError(f"it takes {len(wanted)} bands, {len(bands or ())} are named")
    output = function.tell(NOMINAL, len(bands or ()) or NOMINAL_BANDS, _input_type(configuration))
    check_output(output)
    scaling = Scaling(
        data_range=configuration.data_range, source_range=options.scaling.source_range
    )
    return Prepared(
        classifier=FunctionClassifier(
            function,
            configuration,
            classes=output_classes(output, definition.classes),
            bands=len(bands or ()),
            scaling=scaling,
        ),
        network=None,
        bands=bands,
        device=function.device,
        found=_found(definition, found),
        notes=batch_notes(scalars.get("batch_size"), configuration, definition),
    )


def _input_type(configuration: Configuration) -> str:
    return "uint8" if configuration.data_range is None else "float32"


def _found(definition: ModelDefinition, found: dict[str, Any]) -> dict[str, Any]:
    path = definition.raster_function
    return {
        "raster function": "" if path is None else path.name,
        "class": found["class"],
        "TensorFlow": found["tensorflow"] or "not used",
    }


def _refusal(definition: ModelDefinition, error: FunctionError | ModelError) -> ModelError:
    missing = error.missing if isinstance(error, FunctionError) else None
    if missing is None:
        return ModelError(f"model {definition.name}: {error}")
    return ModelError(
        f"model {definition.name}: its raster function needs the Python module {missing}, which"
        " is not installed here"
    )
