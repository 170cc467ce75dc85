"""Whether two results that the quick test tells apart may both be right, and if not, which side is off and by how much.

The truth is what the engine's wide run has at the same statement; the spread is how far perturbed runs are from it, which
is what rounding alone may do. A side is off where |x - truth| > 2 * (spread + 1 ULP), or what a special function is known to
be off by (`conformance.accuracy`). Where the runs disagree among themselves about what is discrete (a NaN, an index, a shape,
an exception), so may two correct implementations: that is undecided. The aspect is REFERENCE where the reference alone is off
and itself says so in wider dtypes, else VALUES: the engine's word alone would excuse every wrong formula of the engine. There
is no other tolerance; an exception to it is a ledger entry with a reason.

Of float64 the reference has nothing wider. There it confirms the formula where it has the truth to what float32 would have left
of it, which is what it confirms of float32 programs, too. The side is known then, but the aspect stays VALUES: in the other
digits the engine may still be wrong.

Source: D. S. Parker, "Monte Carlo Arithmetic", UCLA CSD-970002
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from conformance import numeric
from conformance.numeric import COMPONENTS, FORMATS, ULPS, Numeric, Question
from conformance.rerun import FEW, MANY, Moment, Reruns, Seen

VALUES, REFERENCE, RANGE, UNDECIDED, AGREE = "values", "reference values", "range", "undecided", ""

FACTOR = 2  # the largest ratio of a distance to spread + 1 ULP among honest results was 1.38 (21,621 float32 tensors, 8 runs)
LIKE_FLOAT32 = FORMATS["float32"].eps / FORMATS["float64"].eps  # units of float64 in one of float32
CORRECTLY_ROUNDED = 0.5  # ULP: what an exact operation may be off, with room for the truth's own last digit
ROOM = 2.0**-8


@dataclass
class Verdicts:
    """The verdicts on one program. `wider` gives what the reference has for a path and a name in wider dtypes, or None. `runs`:
    the most perturbed runs that are made. What is no number takes FEW, and with less than those it differs unasked."""

    reruns: Reruns
    wider: Callable[[str, str], np.ndarray | None] = lambda path, name: None
    runs: int = MANY
    cache: dict[Any, tuple[str, Numeric]] = field(default_factory=dict)

    def disagree(self, path: str, name: str) -> bool:
        """Whether the runs disagree about the exception at a statement, or about a name's type, shape or text."""
        if self.runs < FEW:
            return False
        moments = self.reruns.all(path, FEW)
        if len({None if at is None else at.raised or "" for at in moments}) > 1:
            return True
        seen = [at.seen.get(name) for at in moments if at is not None]
        return len({None if one is None else one.signature for one in seen}) > 1

    def met_undefined(self, path: str) -> bool:
        """Whether a statement came to something that is left undefined, so that no bits are prescribed of what it gives."""
        return any(at is not None and at.met_undefined for at in self.reruns.perturbed(path, 1))

    def weigh(self, question: Question) -> tuple[str, Numeric]:
        """The aspect ("" where both sides may be right) and the numbers that say so."""
        key = (
            question.path,
            question.name,
            question.got,
            question.want,
            question.exact,
            question.inherits,
            self.runs,
        )
        if key not in self.cache:
            self.cache[key] = self._weighed(question)
        return self.cache[key]

    def _weighed(self, question: Question) -> tuple[str, Numeric]:
        if question.exact and self.met_undefined(question.path):
            question = replace(question, exact=False)
        if self._agrees(question):
            return AGREE, question.number
        found = self._with(question, min(self.runs, FEW))
        reported = found[0] in (VALUES, REFERENCE) and self.runs > FEW
        if reported and not question.exact and self._truth(question) is not None:
            found = self._with(question, self.runs)
        return found

    def _agrees(self, question: Question) -> bool:
        """Whether both sides are near enough to the truth for what is known after no run, one, two or four: more only widen
        the bound. Each run is a whole program."""
        truth = self._truth(question)
        inexact = question.dtype in FORMATS or question.dtype in COMPONENTS
        if truth is None or question.exact or not inexact:
            return False
        allowed = self._allowed(question, truth)
        for count in (0, 1, 2, 4):
            others = _elements(self.reruns.perturbed(question.path, count), question)
            if _Weighed(question, truth.elements, others, allowed).aspect(False) == AGREE:
                return True
        return False

    def _truth(self, question: Question) -> Seen | None:
        return _comparable(self.reruns.wide(question.path), question)

    def _allowed(self, question: Question, truth: Seen) -> np.ndarray | None:
        """What the elements of the truth may be off by, where a special function gave them."""
        at = self.reruns.wide(question.path)
        return None if at is None or truth.elements is None else at.allowed(truth.elements)

    def _with(self, question: Question, count: int) -> tuple[str, Numeric]:
        truth = self._truth(question)
        if truth is None:
            gone = not question.exact and self.disagree(question.path, question.name)
            return (UNDECIDED if gone else VALUES), replace(question.number, side="open")
        moments = self.reruns.all(question.path, count)
        if len(moments) <= min(count, FEW) and not question.exact:  # they take too long
            return UNDECIDED, question.number
        others = _elements(moments[1:], question)
        if len(others) < len(moments) - 1 and not question.exact:
            return UNDECIDED, question.number
        if question.dtype not in FORMATS and question.dtype not in COMPONENTS:
            return self._discrete(question, truth, moments)
        left = not question.exact and any(at is not None and at.left_range for at in moments)
        return self._floating(question, truth, others, left)

    def _discrete(self, question: Question, truth: Seen, moments: list[Moment | None]) -> tuple[str, Numeric]:
        differs = np.zeros(truth.elements.size, np.bool_)  # type: ignore[union-attr]
        found = [seen for at in moments if (seen := _comparable(at, question)) is not None]
        for seen in found:
            differs |= (seen.elements != truth.elements).reshape(-1)  # type: ignore[union-attr]
            if seen.undefined is not None:
                differs |= seen.undefined.reshape(-1)
        depends = not question.exact and bool(differs[question.beyond].all())
        return (UNDECIDED if depends else VALUES), replace(question.number, runs=len(found) - 1)

    def _floating(
        self, question: Question, truth: Seen, others: list[Any], left_range: bool
    ) -> tuple[str, Numeric]:
        found = _Weighed(question, truth.elements, others, self._allowed(question, truth))
        aspect = found.aspect(left_range)
        if aspect in (AGREE, UNDECIDED):
            return aspect, question.number
        number = found.summary(aspect, "wide" if truth.wider else "nominal", len(others))
        widest = found.form is FORMATS["float64"]
        wide = self.wider(question.path, question.name)
        side = found.side(wide, LIKE_FLOAT32 if widest and truth.wider else 1)
        # The truth may be what is wrong, where the engine is judged; of float64, in the digits that float32 does not have.
        if aspect == REFERENCE and (side != "reference" or widest):
            aspect = VALUES
        return aspect, replace(number, side=side)


def _elements(moments: list[Moment | None], question: Question) -> list[Any]:
    """What those reruns have for the name that have something to compare."""
    return [seen.elements for at in moments if (seen := _comparable(at, question)) is not None]


def _comparable(at: Moment | None, question: Question) -> Seen | None:
    """What a rerun has for the name, if it is of the dtype and shape in question."""
    seen = None if at is None else at.seen.get(question.name)
    if seen is None or seen.elements is None or seen.shape != question.shape:
        return None
    if seen.kind != question.dtype and seen.kind not in ("float", "complex"):
        return None
    return seen


# --- Numbers --------------------------------------------------------------------------------------------------------


class _Weighed:
    """The two sides and the runs, as real numbers: of complex elements the two parts, in units of the modulus."""

    def __init__(self, question: Question, truth: Any, others: list[Any], allowed: Any = None) -> None:
        self.question = question
        self.width = 2 if question.dtype in COMPONENTS and not question.magnitudes else 1
        self.form = FORMATS[COMPONENTS.get(question.dtype, question.dtype)]
        with np.errstate(all="ignore"):
            self.got = self.parts(numeric.decode(question.dtype, question.got))
            self.want = self.parts(numeric.decode(question.dtype, question.want))
            self.truth = self.parts(truth)
            self.others = [self.parts(other) for other in others]
            self.unit = self.spacing()
            self.spread = np.zeros_like(self.unit)
            self.unsure = np.zeros(self.unit.shape, np.bool_)  # the runs disagree about NaN or an infinity
            for other in self.others:
                self.unsure |= _kind(other) != _kind(self.truth)
                apart = np.abs(other - self.truth)
                self.spread = np.fmax(self.spread, np.where(np.isfinite(apart), apart, 0))
            # The quick test lets an operation be off by some ULP, a perturbed one is by one.
            steps = ULPS if question.inherits else 1
            self.bound = FACTOR * (steps * self.spread + self.unit)
            if allowed is not None and self.width == 1:
                self.bound = np.fmax(self.bound, np.reshape(allowed, -1))
            if question.exact:
                self.bound = (CORRECTLY_ROUNDED + ROOM) * self.unit
            self.got_off, self.want_off = self.off(self.got), self.off(self.want)

    def parts(self, array: Any) -> np.ndarray:
        array = np.asarray(array).reshape(-1)
        if self.question.magnitudes:
            return np.abs(array).astype(np.longdouble)
        if self.width == 1:
            return (array.real if array.dtype.kind == "c" else array).astype(np.longdouble)
        array = array.astype(np.clongdouble)
        pairs = np.stack([array.real, array.imag], axis=1)
        if not self.question.exact:  # C99 leaves open which component of a complex NaN is NaN
            pairs[np.isnan(pairs).any(axis=1)] = np.nan
        return pairs.reshape(-1)

    def spacing(self) -> np.ndarray:
        """One ULP of the nominal format at the truth."""
        size = np.abs(self.truth)
        if self.width == 2:
            size = np.repeat(np.hypot(size[::2], size[1::2]), 2)
        size = np.fmin(np.where(np.isfinite(size), size, 0), np.longdouble(self.form.largest))
        _, exponent = np.frexp(size)
        return np.fmax(
            np.ldexp(np.longdouble(self.form.eps), exponent - 1), np.longdouble(self.form.smallest)
        )

    def off(self, side: np.ndarray) -> np.ndarray:
        """Where a side is out of its bound. What overflows to nearest is not: the truth may be just below it."""
        same = _kind(side) == _kind(self.truth)
        return np.where(np.isfinite(side) & np.isfinite(self.truth), self.distance(side) > self.bound, ~same)

    def distance(self, side: np.ndarray) -> np.ndarray:
        return np.abs(side - self.truth)

    def aspect(self, left_range: bool) -> str:
        beyond = self.question.beyond
        if self.question.exact:
            self.out = beyond
            return VALUES
        off = beyond & (self.got_off | self.want_off)
        apart = beyond & (_kind(self.got) != _kind(self.want))
        vanished = off & ((self.got == 0) != (self.want == 0))
        ranged = (apart | vanished) if left_range else np.zeros_like(off)
        # Where the runs disagree about NaN or an infinity, any side may have it.
        unsure = beyond & self.unsure & ~ranged
        self.out = off & ~ranged & ~unsure
        if self.out.any():
            return VALUES if (self.out & self.got_off).any() else REFERENCE
        self.out = ranged
        if ranged.any():
            return RANGE
        return UNDECIDED if unsure.any() else AGREE

    def summary(self, aspect: str, truth: str, runs: int) -> Numeric:
        """Of the elements that are out; the index is that of the one furthest out of its bound."""
        before, width, out = self.question.number, self.width, self.out
        with np.errstate(all="ignore"):
            furthest = np.fmax(self.distance(self.got), self.distance(self.want)) / self.bound
            rank = np.where(out, np.where(np.isfinite(furthest), furthest, np.inf), -1.0)
            worst = int(rank.argmax())
            apart = np.abs(self.got - self.want)
            apart = apart[out & np.isfinite(apart)]

            def ulps(values: np.ndarray) -> float | None:
                value = float(values[worst] / self.unit[worst])
                return value if np.isfinite(value) else None

            return replace(
                before,
                differ=int(out.reshape(-1, width).any(axis=1).sum()),
                max_abs=float(apart.max()) if apart.size else None,
                index=numeric.index_of(worst // width, self.question.shape),
                candidate_ulp=ulps(self.distance(self.got)),
                reference_ulp=ulps(self.distance(self.want)),
                spread_ulp=ulps(self.spread),
                runs=runs,
                truth=truth,
            )

    def side(self, wide: np.ndarray | None, units: float) -> str:
        """Which side is off, where the reference in wider dtypes has what the engine's wide run has, to so many units."""
        if wide is None or np.shape(wide) != self.question.shape:
            return "open"
        with np.errstate(all="ignore"):
            parts = self.parts(wide)
            finite = np.isfinite(parts) & np.isfinite(self.truth)
            near = self.distance(parts) <= units * (self.spread + self.unit)
            agrees = np.where(finite, near, _kind(parts) == _kind(self.truth))
        if not agrees[self.out].all():
            return "open"
        got, want = bool(self.got_off[self.out].any()), bool(self.want_off[self.out].any())
        if got and want:
            return "both"
        return "candidate" if got else "reference" if want else "open"


def _kind(parts: np.ndarray) -> np.ndarray:
    """0 for a finite number, 1 and -1 for the infinities, 2 for NaN."""
    return np.where(np.isnan(parts), 2, np.where(np.isinf(parts), np.sign(parts), 0))
