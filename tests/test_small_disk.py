"""A disk that is really full: a small tmpfs, in a name space of its own, where that is allowed."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import breaking
import numpy as np
import pytest
from PIL import Image

UNSHARE = ("unshare", "--map-root-user", "--mount")
SCRIPT = """
import json, os, subprocess, sys
from pathlib import Path
import breaking

photos, model, disk, workers, *sizes = sys.argv[1:]
os.environ["PIXELCAT_WORKERS"] = workers

def mount(*options):
    subprocess.run(["mount", "-t", "tmpfs", "-o", *options, "pixelcat", disk], check=True)

def classify():
    command = [sys.executable, "-m", "pixelcat", "classify", photos, "-m", model]
    command += ["-o", f"{disk}/out.gpkg", "--trust-model-code"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stderr.strip().splitlines()

for size in sizes:
    mount(f"size={size}k")
    code, said = classify()
    problems = breaking.problems(Path(disk, "out.gpkg"))
    left = [path.name for path in Path(disk).rglob(".tmp-*")]
    mount("remount,size=64m")
    again, _ = classify()
    state = breaking.state(Path(disk, "out.gpkg"))
    print(json.dumps([code, said, problems, left, again, state]), flush=True)
    subprocess.run(["umount", disk], check=True)
"""


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A folder on which a tmpfs may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = [*UNSHARE, "mount", "-t", "tmpfs", "-o", "size=100k", "pixelcat", folder]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no unshare")
    if done.returncode:
        pytest.skip(f"nothing may be mounted here: {done.stderr.strip()}")
    return folder


@pytest.fixture
def inputs(tmp_path: Path) -> tuple[Path, Path]:
    """Photos of which each class map takes 20 KB, and a model."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (300, 300, 3), np.uint8)
        Image.fromarray(pixels).save(photos / f"{number}.png", compress_level=1)
    return photos, breaking.make_model(tmp_path / "model")


@pytest.mark.parametrize(("workers", "sizes"), [(0, (350,)), (1, (200,))], ids=["here", "apart"])
def test_a_small_disk_is_full_once_and_the_next_run_goes_on(
    disk: Path, inputs: tuple[Path, Path], tmp_path: Path, workers: int, sizes: tuple[int, ...]
) -> None:
    """Full while a class map is written, or while the tables are made."""
    (tmp_path / "whole").mkdir()
    with breaking.Breaker() as breaker:
        code, _ = breaker.run(tmp_path / "whole", photos=inputs[0], model=inputs[1])
    assert code == 0
    whole: Any = json.loads(json.dumps(breaking.state(tmp_path / "whole" / "out.gpkg")))
    done = subprocess.run(
        [*UNSHARE, sys.executable, "-c", SCRIPT, *inputs, disk, str(workers), *map(str, sizes)],
        cwd=Path(__file__).parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(sizes)
    for code, said, problems, left, again, state in found:
        assert (code, problems, left, again) == (74, [], [], 0), said
        assert [line for line in said if line.startswith("Error: ")] == said[-1:]
        assert state == whole
