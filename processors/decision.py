"""From scores to a class and how sure it is, as TensorFlow operations."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..catalog.records import ClassDefinition
from .channels import greatest, share
from .network import Scores
from .tensorflow_setup import tensorflow


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """How the class of a pixel follows from what a network gives."""

    scores: Scores
    classes: tuple[ClassDefinition, ...]
    threshold: float = 0.5
    """Of the positive class of a network with one channel."""
    excluded: int | None = None
    """Position of the class that is never chosen."""
    ends_in_softmax: bool = False
    """Whether scores are what the network takes a soft-max of: there minus infinity gives 0."""

    def before_softmax(self) -> "Decision":
        """Return the same decision from what a soft-max is taken of."""
        return replace(self, scores="logits", ends_in_softmax=True)

    def __call__(self, scores: Any) -> tuple[Any, Any]:
        """Return class index and confidence.

        Args:
            scores: Shape (..., channels); class values also without the last axis.

        Returns:
            Positions in ``classes`` (uint8 or uint16) and confidence (float32, NaN where a
            score is not finite or a class value is none of ``classes``), shape (...).
        """
        tf = tensorflow()
        if self.scores == "classes":
            index, confidence = self._by_value(scores)
        else:
            scores = tf.cast(scores, tf.float32)
            one = scores.shape[-1] == 1
            index, confidence = self._positive(scores[..., 0]) if one else self._best(scores)
            if not self.ends_in_softmax:
                finite = tf.reduce_all(tf.math.is_finite(scores), axis=-1)
                confidence = tf.where(finite, confidence, np.float32(np.nan))
        small = tf.uint8 if len(self.classes) <= 256 else tf.uint16
        return tf.cast(index, small), confidence

    def likelihoods(self, scores: Any) -> Any:
        """Return scores that may be averaged: probabilities, or values as they are.

        Args:
            scores: As for :meth:`__call__`.

        Returns:
            Float32, shape (..., channels); of class values 1 for the class and 0 for others.
            NaN where a score is not finite: of an infinite one alone a share could be told,
            and shares of NaN would be 0.
        """
        tf = tensorflow()
        if self.scores == "classes":
            return self._votes(scores)
        scores = tf.cast(scores, tf.float32)
        shares = self._shares(scores)
        if self.ends_in_softmax:
            return shares
        finite = tf.reduce_all(tf.math.is_finite(scores), axis=-1, keepdims=True)
        return tf.where(finite, shares, np.float32(np.nan))

    def _shares(self, scores: Any) -> Any:
        tf = tensorflow()
        if self.scores == "logits":
            return tf.sigmoid(scores) if scores.shape[-1] == 1 else tf.nn.softmax(scores)
        if self.scores == "fractions":
            shares = tf.maximum(scores, 0.0)
            return tf.math.divide_no_nan(shares, tf.reduce_sum(shares, axis=-1, keepdims=True))
        return scores

    def probabilities(self, scores: Any) -> Any:
        """Return what each class is given, of which the confidence is that of the chosen one.

        Args:
            scores: As for :meth:`__call__`, but no class values.

        Returns:
            Float32, shape (..., classes). They add up to 1, unless the network gives
            independent probabilities, or none.
        """
        tf = tensorflow()
        likely = self.likelihoods(scores)
        if likely.shape[-1] == 1:
            return tf.concat([1.0 - likely, likely], axis=-1)
        return tf.nn.softmax(likely) if self.scores == "values" else likely

    def lack(self, scores: Any) -> Any:
        """Return how much more each class had to be given to be chosen, 0 for the one that is.

        Args:
            scores: As for :meth:`__call__`, but no class values.

        Returns:
            Float32, shape (..., classes); infinite for the class that is never chosen.
        """
        tf = tensorflow()
        given = self.probabilities(scores)
        if scores.shape[-1] == 1:
            beyond = given[..., 1:] - self.threshold
            return tf.maximum(tf.concat([beyond, -beyond], axis=-1), 0.0)
        allowed = self._allowed(given)
        return tf.reduce_max(allowed, axis=-1, keepdims=True) - allowed

    def _equal(self, values: Any, channel_axis: bool) -> Any:
        """Compare each class value with those of the classes, shape (..., classes)."""
        tf = tensorflow()
        values = values[..., 0] if channel_axis else values
        return tf.equal(
            values[..., tf.newaxis], tf.constant([c.value for c in self.classes], values.dtype)
        )

    def _votes(self, values: Any) -> Any:
        tf = tensorflow()
        equal = self._equal(values, len(values.shape) == 4)
        known = tf.reduce_any(equal, axis=-1, keepdims=True)
        return tf.where(known, tf.cast(equal, tf.float32), np.float32(np.nan))

    def _by_value(self, values: Any) -> tuple[Any, Any]:
        tf = tensorflow()
        equal = self._equal(values, len(values.shape) == 4)
        index = tf.argmax(equal, axis=-1, output_type=tf.int32)
        return index, tf.where(tf.reduce_any(equal, axis=-1), 1.0, np.float32(np.nan))

    def _positive(self, score: Any) -> tuple[Any, Any]:
        tf = tensorflow()
        probability = tf.sigmoid(score) if self.scores == "logits" else score
        positive = probability >= self.threshold
        return positive, tf.where(positive, probability, 1.0 - probability)

    def _best(self, scores: Any) -> tuple[Any, Any]:
        tf = tensorflow()
        index, top = greatest(self._allowed(scores))
        if self.scores in ("logits", "values"):
            top = share(top, scores, top if self.excluded is None else greatest(scores)[1])
        if self.scores == "fractions":
            shares = tf.maximum(scores, 0.0)
            top = tf.math.divide_no_nan(tf.maximum(top, 0.0), tf.reduce_sum(shares, axis=-1))
        return index, top

    def _allowed(self, scores: Any) -> Any:
        """Return scores with which the excluded class is never the greatest."""
        if self.excluded is None:
            return scores
        tf = tensorflow()
        closed = np.arange(scores.shape[-1]) == self.excluded
        return tf.where(tf.constant(closed), np.float32(-np.inf), scores)
