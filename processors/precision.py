"""Fewer bits than float32, and what they change."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .batch import Batches, ClassBatch, WindowBatch
from .classifier import Blending
from .compiled import Compiled

_SAMPLE = 1 << 22
"""Pixels that are classified in float32 as well."""


class Sampled:
    """A model in fewer bits, compared with itself in float32 on the first windows of a run."""

    def __init__(self, quick: Compiled, exact: Compiled, name: str) -> None:
        """Take the model twice.

        Args:
            quick: In fewer bits.
            exact: In float32.
            name: Of the type of ``quick``.
        """
        self._quick, self._exact, self._name = quick, exact, name
        self.classes, self.bands = quick.classes, quick.bands
        self.gives_confidence = quick.gives_confidence
        self.tiling, self.batch_of = quick.tiling, quick.batch_of
        self.extras, self.at_once = quick.extras, quick.at_once
        self.blending: Blending | None = None if quick.blending is None else self
        self.decide = quick.decide
        self._seen = self._changed = 0
        self._is_same = True
        """Whether every score so far was that of float32."""

    def classify(self, batch: WindowBatch) -> ClassBatch:
        """Classify a batch; see :class:`Classifier`."""
        answer = self._quick.classify(batch)
        if self._seen < _SAMPLE:
            exact = self._exact.classify(batch)
            same = np.array_equal(answer.confidence, exact.confidence, equal_nan=True)
            self._compare(batch, answer, exact, same)
        return answer

    def scores(self, batch: WindowBatch) -> NDArray[np.float32]:
        """Return the scores of a batch; see :class:`Blending`."""
        scores = self._quick.scores(batch)
        if self._seen < _SAMPLE:
            exact = self._exact.scores(batch)
            same = np.array_equal(scores, exact, equal_nan=True)
            self._compare(batch, self.decide(scores), self.decide(exact), same)
        return scores

    def _compare(
        self, batch: WindowBatch, given: ClassBatch, exact: ClassBatch, same: bool
    ) -> None:
        different = (given.classes != exact.classes) & batch.valid
        self._seen += int(np.count_nonzero(batch.valid))
        self._changed += int(np.count_nonzero(different))
        self._is_same &= same

    def rechecking(self) -> Compiled:
        """Return the model in fewer bits for larger halos; see :class:`Classifier`."""
        return self._quick.rechecking()

    def remarks(self) -> tuple[str, ...]:
        """Return what the fewer bits change; see :class:`Classifier`."""
        remarks = self._quick.remarks()
        if not self._seen:
            return remarks
        share = 100 * self._changed / self._seen
        told = f"{self._name} gives {share:.3g} % of {self._seen} sampled pixels another class"
        if self._is_same:
            told = f"{self._name} is not what this machine computes in: it was float32"
        return (*remarks, told)

    def close(self) -> None:
        """Let go of both."""
        self._quick.close()
        self._exact.close()


def in_precision(name: str, *, batches: Batches, **given: Any) -> Compiled | Sampled:
    """Return a compiled model that computes in a type.

    Args:
        name: ``float32``, ``bfloat16`` or ``float16``.
        batches: How windows are taken; fewer bits are asked for process-wide, so one at a time.
        given: The other arguments of :class:`Compiled`.
    """
    if name == "float32":
        return Compiled(**given, batches=batches)
    given["batches"] = batches._replace(at_once=1)
    exact = Compiled(**given)
    return Sampled(Compiled(**given, precision=name), exact, name)
