"""A well-behaved raster function: NumPy only, super tiles, and a check of what it is given."""

import json

import numpy as np
import prf_utils
from attribute_table import attribute_table

VALUES = np.array([1, 2, 9])


class Neighbours:
    def initialize(self, **kwargs):
        with open(kwargs["model"]) as file:
            self.definition = json.load(file)
        self.device = kwargs["device"]
        self.calls = ["initialize"]
        arcpy.AddMessage(f"device {self.device} {arcpy.env.processorType}")  # noqa: F821

    def getParameterInfo(self):
        self.calls.append("getParameterInfo")
        return [
            {"name": "raster", "dataType": "raster", "required": True},
            "an example left in the list",
            {"name": "model", "dataType": "string", "required": True},
            {"name": "device", "dataType": "numeric", "required": False},
            {"name": "padding", "dataType": "numeric", "value": 1, "displayName": "Padding"},
            {"name": "batch_size", "dataType": "numeric", "value": "1"},
            {"name": "modulus", "dataType": "string", "value": "Three", "domain": ("Two", "Three")},
            {"name": "masked", "dataType": "boolean", "value": False},
        ]

    def getConfiguration(self, **scalars):
        self.calls.append("getConfiguration")
        assert scalars["model"].endswith(".emd")
        assert isinstance(scalars["padding"], int)
        assert isinstance(scalars["batch_size"], int)
        assert isinstance(scalars["masked"], bool)
        self.scalars = scalars
        self.padding = scalars["padding"]
        self.rows, self.columns = prf_utils.calculate_rectangle_size_from_batch_size(
            scalars["batch_size"]
        )
        ty, tx = prf_utils.get_tile_size(
            self.definition["ImageHeight"], self.definition["ImageWidth"], self.padding,
            self.rows, self.columns,
        )  # fmt: skip
        self.block = (ty, tx)
        configuration = {"padding": self.padding, "tx": np.int64(tx), "ty": ty, "inputMask": True}
        if "ExtractBands" in self.definition:
            configuration["extractBands"] = tuple(self.definition["ExtractBands"])
        if "DataRange" in self.definition:
            configuration["dataRange"] = tuple(self.definition["DataRange"])
        return configuration

    def updateRasterInfo(self, **kwargs):
        self.calls.append("updateRasterInfo")
        assert self.calls[:3] == ["initialize", "getParameterInfo", "getConfiguration"]
        assert {name: kwargs[name] for name in self.scalars} == self.scalars
        self.raster = kwargs["raster_info"]
        assert isinstance(self.raster["extent"], tuple)
        kwargs["output_info"]["bandCount"] = 1
        kwargs["output_info"]["pixelType"] = "u8"
        attribute_table["features"] = [
            {"attributes": {"OID": n, "Value": int(v), "Class": f"c{v}", "Red": n, "Green": 0,
                            "Blue": 9}}
            for n, v in enumerate(VALUES)
        ]  # fmt: skip
        kwargs["output_info"]["rasterAttributeTable"] = json.dumps(attribute_table)
        return kwargs

    def updateKeyMetadata(self, names, bandIndex, **keyMetadata):
        return keyMetadata

    def selectRasters(self, tlc, shape, props):
        self.selected = (tlc, shape)
        return ("raster",)

    def updatePixels(self, tlc, shape, props, **pixelBlocks):
        pixels, mask = pixelBlocks["raster_pixels"], pixelBlocks["raster_mask"]
        self.check(tlc, shape, props, pixels, mask)
        batch, rows, columns = prf_utils.tile_to_batch(
            pixels, self.definition["ImageHeight"], self.definition["ImageWidth"], self.padding,
            batch_height=self.rows, batch_width=self.columns,
        )  # fmt: skip
        inner = slice(self.padding, -self.padding or None)
        classes = self.inference(batch)[:, :, inner, inner]
        answer = {"output_pixels": prf_utils.batch_to_tile(classes, rows, columns)}
        answer["output_pixels"] = answer["output_pixels"].astype(props["pixelType"])
        if self.scalars["masked"]:
            answer["output_mask"] = (pixels[:1, inner, inner] % 2).astype("u1")
        return answer

    def check(self, tlc, shape, props, pixels, mask):
        height, width = self.block
        assert self.selected == (tlc, shape)
        assert shape == (1, height, width)
        assert pixels.shape == (self.raster["bandCount"], height + 2 * self.padding,
                                width + 2 * self.padding)  # fmt: skip
        assert mask.shape == pixels.shape
        assert mask.dtype == np.uint8
        assert pixels.dtype == self.raster["pixelType"]
        assert (pixels[mask == 0] == 0).all()
        assert props["extent"] == self.raster["extent"]
        left, bottom, right, top = props["extent"]
        cell = props["cellSize"]
        assert (right - left, top - bottom) == (cell[0] * props["width"], cell[1] * props["height"])
        column, row = (tlc[0] - left) / cell[0], (top - tlc[1]) / cell[1]
        assert (row % height, column % width) == (0, 0)
        beyond = mask[0, self.padding + props["height"] - int(row) :]
        assert not beyond.any()

    def inference(self, batch):
        total = np.pad(batch[:, 0].astype(np.int64) + 3 * batch[:, -1].astype(np.int64),
                       ((0, 0), (1, 1), (1, 1)))  # fmt: skip
        height, width = batch.shape[2:]
        near = sum(total[:, y : y + height, x : x + width] for y in range(3) for x in range(3))
        modulus = {"Two": 2, "Three": 3}[self.scalars["modulus"]]
        return VALUES[near // 7 % modulus][:, np.newaxis]
