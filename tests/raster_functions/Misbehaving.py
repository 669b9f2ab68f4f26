"""A raster function that does what the first pixel of an image says."""

import ctypes
import os
import sys
import time

import numpy as np


class Misbehaving:
    def getParameterInfo(self):
        return [{"name": "raster", "dataType": "raster", "required": True}]

    def getConfiguration(self, **scalars):
        return {"tx": 16, "ty": 16, "padding": 2, "extractBands": (0,)}

    def updateRasterInfo(self, **kwargs):
        kwargs["output_info"].update(bandCount=1, pixelType="u1")
        return kwargs

    def updatePixels(self, tlc, shape, props, **pixelBlocks):
        pixels = pixelBlocks["raster_pixels"]
        assert "raster_mask" not in pixelBlocks
        if tlc == (0.0, 0.0):
            self.how = int(pixels[0, 2, 2])
        good = (pixels[:, 2:-2, 2:-2] > 128).astype(np.uint8)
        return {"output_pixels": HOW.get(self.how, lambda classes: classes)(good)}


def raises(classes):
    raise ValueError("two\nlines")


def leaves(classes):
    sys.exit("enough")


def dies(classes):
    print("my last words", file=sys.stderr)
    os._exit(3)


def crashes(classes):
    ctypes.string_at(0)


def hangs(classes):
    os.fork() or time.sleep(1000)
    time.sleep(1000)


def speaks(classes):
    print("\x1b[31mhello\x07")
    return classes


HOW = {
    1: raises,
    2: leaves,
    3: dies,
    4: crashes,
    5: hangs,
    6: lambda classes: classes[0, 1:],
    7: lambda classes: np.concatenate([classes] * 2),
    8: lambda classes: classes + np.float32(0.5),
    9: lambda classes: classes + 7,
    10: lambda classes: classes.tolist(),
    11: lambda classes: classes.astype(object),
    12: speaks,
    13: lambda classes: classes[0],
    14: lambda classes: classes.astype(">i8"),
    15: lambda classes: classes == 1,
    16: lambda classes: np.full(classes.shape, 2**63, np.uint64),
    17: lambda classes: {}["nothing"],
    19: lambda classes: classes.astype("f8"),
    20: lambda classes: np.full(classes.shape, np.inf, "f4"),
    21: lambda classes: np.full(classes.shape, np.nan, "f4"),
}
