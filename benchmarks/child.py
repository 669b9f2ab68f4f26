"""One job in a process of its own, so that its peak memory is known. Linux only.

python benchmarks/child.py model MODEL
python benchmarks/child.py scan SOURCE CATALOG
python benchmarks/child.py classify SOURCE CATALOG MODEL
"""

import json
import re
import sys
import time
from pathlib import Path

import pixelcat

_IMAGE_SIZE = 32


def make_model(path: str) -> None:
    """Save a network that costs next to nothing."""
    from pixelcat.processors.tensorflow_setup import tensorflow

    tensorflow()
    import keras

    inputs = keras.layers.Input((None, None, 3))
    scores = keras.layers.Conv2D(3, 1, activation="softmax")(inputs)
    keras.Model(inputs, scores).save(path)


def classify(source: str, catalog: str, model: str) -> None:
    """Classify with photos and class maps so small that neither hides the rest."""
    arguments = {"image_size": _IMAGE_SIZE, "class_map": "model"}
    run = pixelcat.classify(source, model=model, output=catalog, arguments=arguments, workers=0)
    if run.failed or run.skipped:
        raise RuntimeError(f"{run.failed} failed, {run.skipped} skipped")


def peak_mb() -> float:
    """Return the most memory that this process has had resident, in MB.

    ``getrusage`` would count what the parent had when it started us.
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1000 if found else float("nan")


JOBS = {
    "model": make_model,
    "scan": lambda source, catalog: pixelcat.scan(source, output=catalog),
    "classify": classify,
}

if __name__ == "__main__":
    started = time.monotonic()
    JOBS[sys.argv[1]](*sys.argv[2:])
    print(json.dumps({"seconds": time.monotonic() - started, "peak_mb": peak_mb()}))
