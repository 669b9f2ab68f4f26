"""A raster function as written for TensorFlow 2: a Keras model."""

import json
import os

import numpy as np
import tensorflow as tf


class Keras2:
    def initialize(self, **kwargs):
        with open(kwargs["model"]) as file:
            definition = json.load(file)
        path = os.path.join(os.path.dirname(kwargs["model"]), definition["ModelFile"])
        self.model = tf.keras.models.load_model(path)
        print("made by", type(self.model).__module__.split(".")[0])

    def getParameterInfo(self):
        return [{"name": "raster", "dataType": "raster"}]

    def getConfiguration(self, **scalars):
        return {"tx": 48, "ty": 40, "padding": 1, "extractBands": (0, 1, 2)}

    def updateRasterInfo(self, **kwargs):
        kwargs["output_info"].update(bandCount=1, pixelType="u1")
        return kwargs

    def updatePixels(self, tlc, shape, props, **pixelBlocks):
        block = np.transpose(pixelBlocks["raster_pixels"], (1, 2, 0))[np.newaxis]
        scores = self.model(block.astype(np.float32)).numpy()
        return {"output_pixels": scores.argmax(-1)[:, 1:-1, 1:-1].astype(props["pixelType"])}
