"""A raster function seen from outside: its methods, and its process started anew when lost."""

from collections.abc import Mapping
from typing import Any

from ..batch import Place
from ..definition import ModelDefinition
from .folder import FunctionFolder
from .messages import Arrays, Message
from .model_facts import configured_module, device, is_keras2
from .parameters import Parameters, read_parameters
from .process import FunctionError, Process
from .raster_info import raster_info
from .relay import Printed

Said = dict[str, Any]


class RasterFunction:
    """The raster function of a model.

    Its methods are called in the order of ArcGIS: :meth:`start`, :meth:`parameters`,
    :meth:`configure`, then :meth:`tell` for each raster and :meth:`pixels` for each block.
    All of them raise FunctionError where the function raised, or its process died or hung.
    """

    def __init__(self, definition: ModelDefinition, seconds: float) -> None:
        """Make a folder for it; nothing runs yet.

        Args:
            definition: A model with a raster function.
            seconds: How long a call may take.

        Raises:
            ModelError: The disk refused.
        """
        self._seconds = seconds
        legacy = is_keras2(definition.model_file)
        self._folder = FunctionFolder(definition)
        self._model_facts = {
            "configured": configured_module(self._folder.properties),
            "legacy_keras": legacy,
        }
        self._printed = Printed(definition.name)
        self._process: Process | None = None
        self._closed = False
        self._raster = "raster"
        self._scalars: Mapping[str, Any] = {}
        self.hidden: Mapping[str, Any] = {"model": str(self._folder.emd), "device": device()}
        """Arguments that are not the user's."""

    @property
    def pid(self) -> int | None:
        """Number of its process; None where none runs."""
        return None if self._process is None else self._process.pid

    @property
    def device(self) -> str:
        """What it may compute on."""
        return "CPU" if self.hidden["device"] < 0 else "GPU"

    def start(self) -> Said:
        """Start a process, load the code and the model; returns what the code is."""
        self._process = Process(self._printed)
        paths = {"folder": str(self._folder.path), "file": str(self._folder.function)}
        found = self._call("load", **paths, **self._model_facts)
        self._call("initialize", **self.hidden)
        return found

    def parameters(self) -> Parameters:
        """Return the arguments it takes.

        Raises:
            ModelError: It wants other rasters than one.
        """
        return read_parameters(self._call("getParameterInfo")["parameters"])

    def configure(self, raster: str, scalars: Mapping[str, Any]) -> Said:
        """Give the arguments; returns the configuration.

        Args:
            raster: What it calls its raster.
            scalars: Every argument by name.
        """
        self._raster, self._scalars = raster, scalars
        said: Said = self._call("getConfiguration", scalars=scalars)["configuration"]
        return said

    def restart(self) -> bool:
        """Start it again where its process was lost; returns whether that was so."""
        if self._process is not None:
            return False
        self.start()
        self.parameters()
        self.configure(self._raster, self._scalars)
        return True

    def tell(self, place: Place, bands: int, dtype: str) -> Said:
        """Tell of a raster; returns what the function says of its output.

        Args:
            place: A window of it.
            bands: How many the function gets.
            dtype: Their type.
        """
        info = raster_info(place, bands, dtype)
        output = {**info, "bandCount": 1, "rasterAttributeTable": ""}
        facts = {"raster": self._raster, "scalars": self._scalars}
        said: Said = self._call("updateRasterInfo", **facts, info=info, output=output)["output"]
        self._call("updateKeyMetadata")
        return said

    def pixels(self, facts: Said, pixels: Any, mask: Any, largest: int) -> Arrays:
        """Return the arrays that the function gives for a block.

        Args:
            facts: ``tlc``, ``shape`` and ``props`` of the block.
            pixels: Shape (bands, height, width).
            mask: The same shape, 1 where valid; None where the function wants none.
            largest: Most bytes of an array of the answer.
        """
        arrays = {f"{self._raster}_pixels": pixels}
        if mask is not None:
            arrays[f"{self._raster}_mask"] = mask
        return self._ask("updatePixels", facts, arrays, largest).arrays

    def _call(self, method: str, **facts: Any) -> Said:
        return self._ask(method, facts).header

    def _ask(
        self, method: str, facts: Said, arrays: Arrays | None = None, largest: int = 0
    ) -> Message:
        process = self._process
        if process is None or self._closed:
            self.close()
            raise FunctionError("the raster function was stopped")
        try:
            return process.call(method, facts, arrays, seconds=self._seconds, largest=largest)
        finally:
            if process.has_ended:
                process.stop()
                self._process = None

    def close(self) -> None:
        """End the process and remove the folder; another thread that waits gets an error."""
        self._closed = True
        process = self._process
        if process is not None:
            process.stop()
        self._folder.remove()
