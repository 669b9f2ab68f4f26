"""A raster function as written for TensorFlow 1: a frozen graph, a new session per block."""

import json
import os

import numpy as np
import tensorflow as tf


class Graph1:
    def initialize(self, **kwargs):
        with open(kwargs["model"]) as file:
            definition = json.load(file)
        path = os.path.join(os.path.dirname(kwargs["model"]), definition["ModelFile"])
        self.graph = tf.Graph()
        with self.graph.as_default():
            stored = tf.GraphDef()
            with tf.gfile.GFile(path, "rb") as file:
                stored.ParseFromString(file.read())
            tf.import_graph_def(stored, name="")

    def getParameterInfo(self):
        return [{"name": "raster", "dataType": "raster"}]

    def getConfiguration(self, **scalars):
        return {"tx": 48, "ty": 40, "padding": 1, "extractBands": (0, 1, 2)}

    def updateRasterInfo(self, **kwargs):
        kwargs["output_info"].update(bandCount=1, pixelType="u1")
        return kwargs

    def updatePixels(self, tlc, shape, props, **pixelBlocks):
        block = np.transpose(pixelBlocks["raster_pixels"], (1, 2, 0))[np.newaxis]
        with self.graph.as_default(), tf.Session(config=tf.ConfigProto()) as session:
            classes = session.run("classes:0", {"image:0": block})
        return {"output_pixels": classes[:, 1:-1, 1:-1].astype(props["pixelType"])}
