"""What a user says about an input; :mod:`..scan_options`, for the kinds of inputs."""

from ..scan_options import MAX_PIXELS, Attached, Mode, ScanOptions, SourceOptions

__all__ = ["MAX_PIXELS", "Attached", "Mode", "ScanOptions", "SourceOptions"]
