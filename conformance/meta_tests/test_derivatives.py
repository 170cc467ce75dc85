"""Derivatives against each other, with no second library: forward against reverse, order two against differences of order
one, and both against differences of values in the engine's wide precision.

Each differentiable operation of the catalogue is called once with operands of float64 and once with complex ones, on drawn
values that were moved a little, off the places where a function has corners.
"""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pytest

import engine
from conformance.suite.op_programs import Call, Sheet, _clean, names, plain
from engine import Tensor, precision
from engine.autograd import forward_ad, levels
from engine.dtypes import FLOAT, complex128, float64
from strategies.catalogue import ENTRIES
from strategies.scope import Unavailable

DRAWS = 14
STEP = 1e-5
CLOSE = 2e-6

# What has no derivative that could be checked, though it has results that could have one.
WITHOUT = {
    "floor_divide", "heaviside", "histogram", "unique", "unique_consecutive", "linalg.cholesky_ex", "igamma", "igammac",
    "bernoulli", "bincount", "gcd", "lcm",
    "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_not", "bitwise_left_shift", "bitwise_right_shift",
}  # fmt: skip
# Derivatives of torch's that are not those of the function; the engine's are torch's.
WRONG = {
    "cholesky_inverse": "the half of the factor that is not read has a gradient, too",
    "cholesky_solve": "the half of the factor that is not read has a gradient, too",
    "normal": "what is drawn is taken for constant",
}
POSITIVE = {"polar"}
"""Operations of which an operand is an absolute value."""


class Sample:
    """A call of an operation as a function of the leaves that it was drawn with."""

    def __init__(self, sheet, text, positive):
        self._lines, self.text = list(sheet.lines), text
        scope = sheet.scope
        self._leaves = [n for n in scope.tensors if scope[n].requires_grad and scope[n].is_leaf]
        self._free = {
            n: v for n, v in scope.names.items() if n in ("torch", "np", "nan", "inf", "__builtins__")
        }
        source = np.random.default_rng(len(text))
        self.values = [_moved(scope[n], source) for n in self._leaves]
        if positive:
            self.values = [v.abs() for v in self.values]
        self.directions = [_random(v, source) for v in self.values]

    def __call__(self, *leaves):
        """The results that have gradients."""
        engine.manual_seed(0)
        given = dict(zip(self._leaves, leaves, strict=True))
        found: dict[str, Any] = dict(self._free)
        for line in self._lines:
            name = line.partition(" = ")[0]
            if name in given:
                found[name] = given[name]
            else:
                exec(line, found)
        made = eval(self.text, found)
        results = made if isinstance(made, (tuple, list)) else [made]
        return [r for r in results if isinstance(r, Tensor) and r.dtype.category >= FLOAT]

    def is_fit(self):
        """Whether the call is no mistake, has a finite result, and a derivative."""
        names = re.findall(r"\b[a-z]\b", self.text)
        if not self._leaves or len(set(names)) < len(names):
            return False
        leaves = [v.clone().requires_grad_() for v in self.values]
        try:
            results = [r for r in self(*leaves) if r.requires_grad]
            if not results or not all(r.isfinite().all() for r in results):
                return False
            made = engine.autograd.grad(
                results, leaves, self.cotangents(results), create_graph=True, allow_unused=True
            )
            sloped = [g.sum() for g in made if g is not None and g.requires_grad]
            if not sloped:
                return True
            again = engine.autograd.grad(
                sloped, leaves, [engine.ones_like(s) for s in sloped], allow_unused=True
            )
            return all(g.isfinite().all() for g in again if g is not None)
        except (RuntimeError, IndexError, ValueError, TypeError, AssertionError):
            return False

    def cotangents(self, results):
        source = np.random.default_rng(7)
        return [_random(r.detach(), source) for r in results]


def _moved(leaf, source):
    """The values a little further on; the zeros of a triangular matrix stay."""
    noise = 0.05 + 0.05 * source.random(leaf.shape)
    values = precision.values(leaf.detach())
    if (
        leaf.dim() > 1
        and 1 < leaf.size(-1) == leaf.size(-2)
        and any((part(values) == values).all() for part in (np.tril, np.triu))
    ):
        noise = noise * (values != 0)
    moved = leaf.detach() + engine.tensor(noise.tolist(), dtype=leaf.dtype).reshape(leaf.shape)
    return moved * (1 + 0.03j) if leaf.dtype.is_complex else moved


def _random(like, source):
    values = source.standard_normal(like.shape)
    if like.dtype.is_complex:
        values = values + 1j * source.standard_normal(like.shape)
    return engine.tensor(values.tolist(), dtype=like.dtype).reshape(like.shape)


def sample_of(entry, d, inplace):
    """A call of an operation that can be differentiated, on different leaves; None where no draw gives one."""
    for draw in range(DRAWS):
        sheet = Sheet(f"{entry.label}|{d}|derivative|{draw}", d, "contiguous", True)
        with _clean():
            try:
                call = Call.drawn(sheet, entry)
                written = inplace or entry.writes
                if written and not (call.receiver and (entry.writes or "inplace" in entry.forms)):
                    continue
                text = call.written_method(f"{call.receiver}.clone()") if written else plain(call)
                sample = Sample(sheet, text.replace("__(", "_("), entry.name in POSITIVE)
            except Unavailable:
                continue
            if sample.is_fit():
                return sample
    return None


def inner(left, right):
    """The real inner product of lists of tensors, None standing for zeros."""
    total = 0.0
    for a, b in zip(left, right, strict=True):
        if a is not None and b is not None:
            x, y = precision.values(a.detach()), precision.values(b.detach())
            total += float(np.sum(x.real * y.real + (x.imag * y.imag if x.dtype.kind == "c" else 0)))
    return total


def close(a, b, scale):
    return abs(a - b) <= CLOSE * max(1.0, abs(a), abs(b), scale)


def size(tensors):
    return max(
        (float(np.max(np.abs(precision.values(t.detach())), initial=0)) for t in tensors if t is not None),
        default=0.0,
    )


def along(function, values, directions):
    """The derivative of a function along directions by central differences."""
    high = function(*(x + STEP * v for x, v in zip(values, directions, strict=True)))
    low = function(*(x - STEP * v for x, v in zip(values, directions, strict=True)))
    return [(b.detach() - a.detach()) / (2 * STEP) for a, b in zip(low, high, strict=True)]


def check(sample, inplace):
    """What disagrees at a sample. In-place forms have the derivatives of the others: their forward mode is compared alone."""
    wrong = []
    values, directions = sample.values, sample.directions
    leaves = [x.clone().requires_grad_() for x in values]
    results = sample(*leaves)
    weights = sample.cotangents(results)

    def gradients(*args):
        own = [x.detach().requires_grad_() for x in args]
        made = [(r, w) for r, w in zip(sample(*own), weights, strict=True) if r.requires_grad]
        found = engine.autograd.grad([r for r, _ in made], own, [w for _, w in made], allow_unused=True)
        return [engine.zeros_like(x) if g is None else g for g, x in zip(found, own, strict=True)]

    found = gradients(*leaves)
    backward = inner(found, directions)
    scale = size(results) + size(found)
    wrong += check_forward(sample, weights, backward, scale)
    if inplace:
        return wrong
    differences = along(sample, values, directions)
    scale += size(differences)
    if not close(backward, inner(weights, differences), scale):
        wrong.append(f"reverse {backward} against differences {inner(weights, differences)}")
    recorded = [(r, w) for r, w in zip(results, weights, strict=True) if r.requires_grad]
    once = engine.autograd.grad(
        [r for r, _ in recorded], leaves, [w for _, w in recorded], create_graph=True, allow_unused=True
    )
    pairs = [(g, v) for g, v in zip(once, directions, strict=True) if g is not None and g.requires_grad]
    twice: list[Any] = [None] * len(leaves)
    if pairs:
        twice = list(
            engine.autograd.grad([g for g, _ in pairs], leaves, [v for _, v in pairs], allow_unused=True)
        )
    others = [_random(v, np.random.default_rng(3)) for v in values]
    slopes = along(gradients, values, others)
    second, expected = inner(twice, others), inner(directions, slopes)
    if not close(second, expected, scale + size(slopes)):
        wrong.append(f"order two {second} against differences of order one {expected}")
    return wrong


def check_forward(sample, weights, backward, scale):
    """What is wrong with the tangents of the results."""
    with forward_ad.dual_level():
        duals = [forward_ad.make_dual(x, v) for x, v in zip(sample.values, sample.directions, strict=True)]
        try:
            tangents = [forward_ad.unpack_dual(r).tangent for r in sample(*duals)]
        except NotImplementedError as error:
            known = re.search("forward AD with ([a-z_]*)", str(error))
            names = levels.WITHOUT | levels.WITHOUT_IN_PLACE
            return [] if known is not None and known[1].strip("_") in names else [str(error)]
    forward = inner(weights, tangents)
    return [] if close(backward, forward, scale) else [f"reverse {backward} against forward {forward}"]


def entries(name):
    return [
        e
        for e in ENTRIES
        if e.name == name and e.op.tensor_positions and (e.op.differentiable or e.op.kind == "composite")
    ]


DIFFERENTIABLE = [name for name in names() if entries(name)]


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_derivatives_agree(name):
    wrong, checked = [], 0
    with warnings.catch_warnings(), np.errstate(all="ignore"), precision.wide():
        warnings.simplefilter("ignore")
        for entry in entries(name):
            for d, inplace in ((float64, False), (float64, True), (complex128, False)):
                sample = sample_of(entry, d, inplace)
                if sample is not None:
                    checked += 1
                    wrong += [f"{d} {sample.text}: {problem}" for problem in check(sample, inplace)]
    if any(entry.op.differentiable for entry in entries(name)):
        assert (checked == 0) is (name in WITHOUT)
    assert bool(wrong) is (name in WRONG), "\n".join(wrong)
