"""Reductions over channels, one channel after another.

XLA makes loops of them that work on several pixels at a time; of reductions over the last axis it
makes loops over the channels of each pixel, which take two to three times as long for six of them.
"""

from typing import Any

from .tensorflow_setup import tensorflow

_MOST = 16
"""Channels: of 32 it takes as long one way as the other, and longer to compile."""


def greatest(scores: Any) -> tuple[Any, Any]:
    """Return where the greatest score of each pixel is, of equal ones the first, and what it is.

    Args:
        scores: Shape (..., channels).

    Returns:
        Positions (int32) and scores, shape (...); any where a score is NaN.
    """
    tf = tensorflow()
    if not _are_few(scores):
        return tf.argmax(scores, axis=-1, output_type=tf.int32), tf.reduce_max(scores, axis=-1)
    top, *others = tf.unstack(scores, axis=-1)
    index = tf.zeros_like(top, tf.int32)
    for number, each in enumerate(others, 1):
        index = tf.where(each > top, number, index)
        top = tf.maximum(top, each)
    return index, top


def share(top: Any, scores: Any, peak: Any) -> Any:
    """Return what a soft-max over the channels gives to one of the scores.

    Args:
        top: The score, shape (...).
        scores: All scores, shape (..., channels).
        peak: The greatest of them, shape (...).
    """
    tf = tensorflow()
    if _are_few(scores):
        first, *others = (tf.exp(each - peak) for each in tf.unstack(scores, axis=-1))
        total = sum(others, first)
    else:
        total = tf.reduce_sum(tf.exp(scores - peak[..., tf.newaxis]), axis=-1)
    return tf.exp(top - peak) / total


def _are_few(scores: Any) -> bool:
    return scores.shape[-1] is not None and scores.shape[-1] <= _MOST
