"""What may be written beside the classes: confidence, probabilities, entropy."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..catalog.errors import UsageError
from ..io.extra_out import STEPS
from .also import listed
from .decision import Decision
from .tensorflow_setup import tensorflow


@dataclass(frozen=True, kw_only=True, slots=True)
class Extra:
    """One raster of fractions beside the class raster."""

    kind: str
    bands: tuple[str, ...]
    """What each band is."""
    dtype: str
    """``uint8``: fractions times 254; or ``float32``."""


class FullDecision:
    """A decision with what is asked for beside class and confidence."""

    def __init__(
        self, decision: Decision, kinds: Sequence[str] = (), dtype: str = "float32"
    ) -> None:
        """Take what is asked for.

        Args:
            decision: From scores to classes.
            kinds: Of :data:`.also.KINDS`; or ``lack``, see :meth:`.Decision.lack`.
            dtype: Of all of them.
        """
        names = tuple(each.name for each in decision.classes)
        self.listed = tuple(
            Extra(
                kind=kind,
                bands=(kind,) if kind in ("confidence", "entropy") else names,
                dtype=dtype,
            )
            for kind in kinds
        )
        self.decision = decision

    def before_softmax(self) -> "FullDecision":
        """Return the same from what the network takes a soft-max of."""
        other = copy(self)
        other.decision = self.decision.before_softmax()
        return other

    def __call__(self, scores: Any) -> tuple[Any, ...]:
        """Return class index, confidence, and one tensor (..., bands) for each of ``listed``.

        Args:
            scores: As for :class:`.Decision`.
        """
        index, confidence = self.decision(scores)
        extras = (
            _encoded(self._values(each.kind, scores, confidence), each.dtype)
            for each in self.listed
        )
        return index, confidence, *extras

    def _values(self, kind: str, scores: Any, confidence: Any) -> Any:
        if kind == "confidence":
            return confidence[..., np.newaxis]
        if kind == "lack":
            return self.decision.lack(scores)
        probabilities = self.decision.probabilities(scores)
        return probabilities if kind == "probabilities" else _entropy(probabilities)


def _entropy(probabilities: Any) -> Any:
    """Return Shannon's entropy as a share of the greatest possible one, shape (..., 1).

    Where no class is given anything it is 1.
    """
    tf = tensorflow()
    shares = tf.maximum(probabilities, 0.0)
    total = tf.reduce_sum(shares, axis=-1, keepdims=True)
    shares = tf.math.divide_no_nan(shares, total)
    nats = -tf.reduce_sum(tf.math.xlogy(shares, shares), axis=-1, keepdims=True)
    return tf.where(total > 0, nats / np.log(np.float32(probabilities.shape[-1])), 1.0)


def _encoded(values: Any, dtype: str) -> Any:
    tf = tensorflow()
    if dtype == "float32":
        return values
    return tf.cast(tf.round(tf.clip_by_value(values, 0.0, 1.0) * np.float32(STEPS)), tf.uint8)


def check_scores(decision: Decision, kinds: Sequence[str], model: str) -> None:
    """Refuse what cannot be told from class values.

    Raises:
        UsageError: The model gives no scores, and something is asked for.
    """
    if kinds and decision.scores == "classes":
        raise no_scores(model, kinds)


def no_scores(model: str, kinds: Sequence[str]) -> UsageError:
    """Return the error for a model that gives class values and no scores."""
    return UsageError(
        f"model {model} gives class values and no scores, so there is no"
        f" {listed(kinds, 'or')} to write; leave out --also"
    )
