"""What a model computes on: which device, and how many processors of this machine are ours."""

import math
import os
import sys
from pathlib import Path

from ..catalog.errors import UsageError

_UNSEEN = "-1"
_CGROUPS = Path("/sys/fs/cgroup")
_sharing = 1
"""Processes that share the processors."""


def choose_device(name: str) -> None:
    """Let models of this process, and the processes it starts, compute on a device.

    Args:
        name: ``auto`` for what there is, ``cpu``, ``gpu``, or ``gpu:1`` for the second one.

    Raises:
        UsageError: No such name.
    """
    kind, colon, number = name.partition(":")
    if kind not in ("auto", "cpu", "gpu") or (colon and not (kind == "gpu" and number.isdigit())):
        raise UsageError(f"--device {name}: expected auto, cpu, gpu or gpu:0")
    if kind == "auto":
        return
    if "tensorflow" not in sys.modules:  # later it would see all devices, or none
        seen = os.environ.get("CUDA_VISIBLE_DEVICES", "0")
        os.environ["CUDA_VISIBLE_DEVICES"] = _UNSEEN if kind == "cpu" else number or seen


def check_device(name: str) -> None:
    """Check that TensorFlow has the device that was chosen; this loads it, unless any will do.

    Raises:
        UsageError: It has not.
    """
    if name == "auto":
        return
    from .tensorflow_setup import tensorflow

    gpus = tensorflow().config.list_physical_devices("GPU")
    if name.startswith("gpu") and not gpus:
        raise UsageError(f"--device {name}: TensorFlow finds no such GPU; leave it out, or cpu")
    if name == "cpu" and gpus:
        raise UsageError("--device cpu: TensorFlow uses a GPU in this process already")


def share_processors(count: int) -> None:
    """Take only a share of the processors, as other processes like this one compute too.

    Args:
        count: How many there are, with this one. To be said before TensorFlow is loaded.
    """
    global _sharing
    _sharing = count


def processors() -> int:
    """Return how many processors this process may use, a container's quota included."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quota = _quota()
    return max(1, min(allowed or 1, math.ceil(quota) if quota else allowed or 1) // _sharing)


def _quota() -> float | None:
    """Return the processor time per time that Linux grants to our control group.

    Source: the kernel's cgroup-v2 (``cpu.max``) and v1 (``cpu.cfs_quota_us``) documents.
    """
    try:
        quota, period = (_CGROUPS / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
            quota, period = ((_CGROUPS / "cpu" / name).read_text().strip() for name in names)
        except OSError:
            return None
    return int(quota) / int(period) if quota not in ("max", "-1") else None
