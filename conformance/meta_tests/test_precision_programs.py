"""Every operation in every precision mode: programs run there as they do in nominal mode, but for the last digits."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest

import engine
from conformance.suite.op_programs import names, programs_of
from engine import precision
from engine.dtypes import LacksError
from strategies.program import parse
from strategies.programs import PROFILES, draw_block

INEXACT = (
    engine.float16, engine.bfloat16, engine.float32, engine.float64, engine.complex64, engine.complex128,
)  # fmt: skip
"""Each operation is tried on every second of them, which takes a minute."""
State = tuple[dict[str, Any], dict[str, list[np.ndarray]]]
VALUES_OPEN = {
    "svd": "singular vectors of equal singular values are any of a plane",
}
"""Operations that are drawn where their values are as good as arbitrary."""
LOOSE = 1e4
"""How many units of the lowest precision in a program values may differ by, relative to the largest value in it."""


def steps(text: str, mode: precision.nominal) -> Iterator[tuple[str, Any, State]]:
    """After each statement: its text, the error and warnings, and for each name its facts and values."""
    space: dict[str, Any] = {"torch": engine, "np": np, "nan": float("nan"), "inf": float("inf")}
    given = set(space) | {"__builtins__"}
    with mode, warnings.catch_warnings(record=True) as raised, np.errstate(all="ignore"):
        engine.manual_seed(0)
        engine.set_default_dtype(engine.float32)
        try:
            for statement in parse(text).statements:
                raised.clear()
                warnings.simplefilter("always")
                error = None
                try:
                    exec(statement.text, space)
                except Exception as caught:
                    error = (type(caught).__name__, str(caught))
                mine = {name: value for name, value in space.items() if name not in given}
                told = (error, [w.category for w in raised])
                facts = {name: facts_of(value) for name, value in mine.items()}
                yield statement.text, told, (facts, {name: values_of(value) for name, value in mine.items()})
        finally:
            engine.set_default_dtype(engine.float32)
            engine.set_grad_enabled(True)


def facts_of(value: Any) -> Any:
    if isinstance(value, engine.Tensor):
        tensor: Any = value
        memory = (tensor.element_size(), tensor.storage_offset(), tensor.untyped_storage().nbytes())
        history = (tensor.requires_grad, type(tensor._grad_fn).__name__, tensor._output_nr)
        version = None if tensor._counter is None else tensor._version
        grad = facts_of(tensor._grad)
        return tensor.dtype, tuple(tensor.shape), tensor.stride(), memory, history, version, grad
    if isinstance(value, np.ndarray):
        return value.dtype, value.shape, value.strides
    if isinstance(value, (tuple, list)):
        return type(value), [facts_of(part) for part in value]
    return type(value)


def values_of(value: Any) -> list[np.ndarray]:
    """The elements that are defined, others as 0."""
    if isinstance(value, engine.Tensor):
        try:
            array = precision.values(value)
        except TypeError:  # its storage has been made too small for it
            return []
        undefined = value._undefined_mask()
        array = array.copy() if undefined is None else np.where(undefined, 0, array).astype(array.dtype)
        return [array, *(values_of(value._grad) if value._grad is not None else [])]
    if isinstance(value, (tuple, list)):
        return [array for part in value for array in values_of(part)]
    return []


def differences(text: str, mode: precision.nominal, close: bool) -> tuple[list[str], bool]:
    """What is not as in nominal mode, and whether a discrete fact came out otherwise, which ends the comparison."""
    eps, largest = _eps(text), 1.0
    nominal, here = list(steps(text, precision.nominal())), list(steps(text, mode))
    for (statement, told, (facts, held)), (_, told_here, (facts_here, held_here)) in zip(
        nominal, here, strict=True
    ):
        arrays = [(a, b) for name in held for a, b in zip(held[name], held_here.get(name, []), strict=False)]
        largest = max([largest, *(_largest(a) for a, _ in arrays)])
        verdicts = {_compared(a, b, eps * largest) for a, b in arrays if a.shape == b.shape}
        if "other" in verdicts:
            return [], True
        found = []
        if told != told_here:
            found.append(f"{statement}: got {told_here}, but should be {told}\n{text}")
        for name in facts:
            if facts[name] != facts_here.get(name):
                found.append(
                    f"{name} after {statement}: got {facts_here.get(name)}, but should be {facts[name]}\n{text}"
                )
        if close and "far" in verdicts:
            found.append(f"{statement}: values are far from nominal ones\n{text}")
        if found:
            return found, False
    return [], False


def _eps(text: str) -> float:
    used = [name for name in ("bfloat16", "float16", "half") if re.search(rf"\b{name}\b", text)]
    return LOOSE * (2.0**-7 if "bfloat16" in used else 2.0**-10 if used else 2.0**-23)


def _largest(array: np.ndarray) -> float:
    if array.dtype.kind in "biu" or not array.size:
        return 0.0
    sizes = np.abs(array.astype(np.complex128 if array.dtype.kind == "c" else np.float64))
    return float(sizes[np.isfinite(sizes)].max(initial=0.0))


def _compared(nominal: np.ndarray, here: np.ndarray, allowed: float) -> str:
    """ "near", "far", or "other" for a truth value, an index, an infinity or a NaN that rounding decided."""
    if nominal.dtype.kind in "biu":
        return "near" if np.array_equal(nominal, here) else "other"
    kind = np.clongdouble if nominal.dtype.kind == "c" else np.longdouble
    a, b = nominal.astype(kind), here.astype(kind)
    finite = np.isfinite(a)
    if not np.array_equal(finite, np.isfinite(b)) or not np.array_equal(np.isnan(a), np.isnan(b)):
        return "other"
    return "near" if (np.abs(a[finite] - b[finite]) <= allowed).all() else "far"


def judge(texts: Iterable[str], *, close: bool = True) -> None:
    found, undecided, count = [], 0, 0
    for text in texts:
        for mode in (precision.wide(), precision.perturbed(count)):
            one, other = differences(text, mode, close)
            found.extend(one)
            undecided += other
            count += 1
    assert not found, f"{len(found)} differences\n" + "\n".join(found[:3])
    assert undecided <= 2 + count // 20


@pytest.mark.parametrize("profile", PROFILES)
def test_random_programs_differ_in_the_last_digits_only(profile: str) -> None:
    judge(draw_block(0, 0, profile, 16))


@pytest.mark.parametrize("name", names())
def test_operations_differ_in_the_last_digits_only(name: str) -> None:
    judge(programs_of(name, 33, INEXACT[len(name) % 2 :: 2]), close=name not in VALUES_OPEN)


def test_what_the_engine_lacks_it_lacks_in_every_mode() -> None:
    for mode in (precision.nominal(), precision.wide(), precision.perturbed(0)):
        with mode, pytest.raises(LacksError):
            engine.zeros(1, dtype=engine.float16) * 1j
