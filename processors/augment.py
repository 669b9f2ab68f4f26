"""Test-time augmentation: a network that is asked about turned and mirrored windows as well."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from .decision import Decision
from .network import Network
from .tensorflow_setup import tensorflow

Turn = tuple[bool, bool, bool]
"""Whether rows are reversed, columns are reversed, and rows and columns swapped, in that order."""

MAP_TURNS: tuple[Turn, ...] = tuple(
    (rows, columns, swap)
    for swap in (False, True)
    for rows in (False, True)
    for columns in (False, True)
)
"""The eight symmetries of a square: an image from above has no up and down."""
PHOTO_TURNS: tuple[Turn, ...] = ((False, False, False), (False, True, False))
"""A photo and its mirror image; the sky stays above."""


def augmented(
    network: Network, decision: Decision, turns: tuple[Turn, ...], policy: str
) -> Network:
    """Return the network whose likelihoods are merged over turned windows.

    Args:
        network: Any network; one of fixed size takes windows of that size, so turns by a
            quarter are for squares.
        decision: How its scores become likelihoods.
        turns: What is done to the windows.
        policy: ``mean``, ``max`` or ``min`` of each class over the turns.
    """
    merge = _merger(policy)

    def call(pixels: Any) -> Any:
        tf = tensorflow()
        answers = [
            _turned_back(decision.likelihoods(network.call(_turned(pixels, turn))), turn)
            for turn in turns
        ]
        merged = merge(tf.stack(answers))
        if policy == "mean" or merged.shape[-1] == 1 or decision.scores == "values":
            return merged
        return tf.math.divide_no_nan(merged, tf.reduce_sum(merged, axis=-1, keepdims=True))

    return likely(network, decision, call)


def likely(
    network: Network, decision: Decision, call: Callable[[Any], Any] | None = None
) -> Network:
    """Return the network with likelihoods for scores, given by ``call`` or by itself."""
    one = network.channels == 1
    kind = decision.scores if decision.scores == "values" else "probabilities"
    return replace(
        network,
        call=call or (lambda pixels: decision.likelihoods(network.call(pixels))),
        scores="sigmoid" if one and kind != "values" else kind,
        channels=network.channels or len(decision.classes),
    )


def _merger(policy: str) -> Callable[[Any], Any]:
    tf = tensorflow()
    reduce = {"mean": tf.reduce_mean, "max": tf.reduce_max, "min": tf.reduce_min}[policy]

    def merge(answers: Any) -> Any:
        finite = tf.reduce_all(tf.math.is_finite(answers), axis=0)
        return tf.where(finite, reduce(answers, axis=0), np.float32(np.nan))

    return merge


def _turned(pixels: Any, turn: Turn) -> Any:
    tf = tensorflow()
    axes = [axis for axis, flip in ((1, turn[0]), (2, turn[1])) if flip]
    flipped = tf.reverse(pixels, axes) if axes else pixels
    return tf.transpose(flipped, [0, 2, 1, 3]) if turn[2] else flipped


def _turned_back(scores: Any, turn: Turn) -> Any:
    tf = tensorflow()
    swapped = tf.transpose(scores, [0, 2, 1, 3]) if turn[2] else scores
    axes = [axis for axis, flip in ((1, turn[0]), (2, turn[1])) if flip]
    return tf.reverse(swapped, axes) if axes else swapped
