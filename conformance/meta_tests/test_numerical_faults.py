"""Numerical faults are found: 8 ULP, 0.1 % where rounding does less than 0.02 %, derivatives at ties and boundary points."""

import functools
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

import engine
from conformance.accuracy import carried
from conformance.backends import resolve
from conformance.campaign import Settings
from conformance.ledger import load
from conformance.meta_tests.faulty_torch import candidate
from conformance.rerun import Reruns
from conformance.runner import Run
from conformance.session import Session
from strategies.program import ProgramError, parse
from strategies.programs import draw_block

TORCH = resolve("torch-cpu")
ULPS = 8
DTYPES = ("float16", "bfloat16", "float32", "float64")
INTEGERS = {
    torch.float16: torch.int16,
    torch.bfloat16: torch.int16,
    torch.float32: torch.int32,
    torch.float64: torch.int64,
}


def off(y):
    """The same tensor with 8 ULP more in every element that is a finite number and not 0."""
    with torch.no_grad():
        bits = y.detach().view(INTEGERS[y.dtype])
        bits += ULPS * (torch.isfinite(y) & (y != 0)).to(bits.dtype)
    return y


def fault(name, change=off):
    """torch whose function of this name is off; with integers and complex numbers it is right."""

    def faulty(*operands, **more):
        y = getattr(torch, name)(*operands, **more)
        return change(y) if isinstance(y, torch.Tensor) and y.dtype in INTEGERS and "out" not in more else y

    return candidate(f"{name} off", **{name: faulty})


def found(text, other):
    (verdict,) = Session(TORCH, [other], ledger=load()).examine(parse(text)).verdicts
    return [item.aspect for item in verdict.discrepancies if item.tier == "documented"]


# --- 8 ULP ------------------------------------------------------------------------------------------------------------

ELEMENTWISE = {
    name: f"torch.{name}(x)"
    for name in """exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan sinh cosh tanh asinh atanh sigmoid sqrt rsqrt
    reciprocal square erf erfinv erfc i0 logit sinc deg2rad""".split()
} | {
    "pow": "torch.pow(x, 2.5)",
    "atan2": "torch.atan2(x, x + 1)",
    "hypot": "torch.hypot(x, x + 1)",
    "mul": "torch.mul(x, 0.3)",
    "div": "torch.div(x, 0.3)",
    "logaddexp": "torch.logaddexp(x, x * 2)",
    "lerp": "torch.lerp(x, x + 1, 0.3)",
    "addcmul": "torch.addcmul(x, x, x)",
}


# What is less accurate, as measured, allows for more.
ACCURATE = [
    (name, dtype)
    for i, name in enumerate(ELEMENTWISE)
    for dtype in ("float32", DTYPES[(0, 1, 3)[i % 3]])
    if carried().get((name, dtype), 0) < ULPS / 2
]


@pytest.mark.parametrize(("name", "dtype"), ACCURATE)
def test_eight_ulps_of_an_elementwise_operation_are_found_in_one_program(name, dtype):
    text = f"x = torch.tensor([0.3, 0.77, 0.11], dtype=torch.{dtype})\ny = {ELEMENTWISE[name]}"
    assert found(text, fault(name)) == ["values"]


@functools.cache
def drawn():
    """The texts of the default run."""
    settings = Settings(records=Path())
    blocks = (
        islice(draw_block(settings.seed, block, settings.profile, settings.block_size), size)
        for block, size in settings.blocks()
    )
    return [text for block in blocks for text in block]


def found_by_default(name, other, *words):
    """The first program of the default run that shows a difference of values and names the function and the words."""
    for text in drawn():
        if all(word in text for word in (f"torch.{name}(", *words)):
            try:
                aspects = found(text, other)
            except ProgramError:  # counted by the run, and no program
                continue
            if any(aspect.endswith("values") for aspect in aspects):
                return text
    return None


@pytest.mark.parametrize("name", ["sum", "prod", "matmul", "softmax", "norm"])
def test_eight_ulps_of_a_reduction_are_found_by_the_default_run(name):
    assert found_by_default(name, fault(name)) is not None


# --- 0.1 % ------------------------------------------------------------------------------------------------------------

LARGE, SMALL = 1e-3, 2e-4
SPREAD = {
    "sum": "x = torch.randn(500)\ny = torch.sum(x)",
    "var": "x = torch.randn(9, 100) + 1000\ny = torch.var(x, 0)",
    "matmul": "x = torch.randn(40, 60)\ny = torch.matmul(x, x.t())",
    "cumsum": "x = torch.randn(1000) * 1000\ny = torch.cumsum(x, 0)",
    "softmax": "x = torch.randn(7, 50) * 20\ny = torch.softmax(x, 1)",
    "det": "x = torch.randn(6, 6)\ny = torch.det(x)",
    "inverse": "x = torch.randn(2, 5, 5)\ny = torch.inverse(x)",
    "prod": "x = torch.randn(300) + 1\ny = torch.prod(x)",
    "norm": "x = torch.randn(300, dtype=torch.float64)\ny = torch.norm(x)",
    "sub": "x = torch.randn(300) + 1e6\ny = torch.sub(x, 1e6, alpha=1.0000001)",
}


@pytest.mark.parametrize("name", SPREAD)
def test_a_thousandth_is_found_wherever_rounding_does_a_fifth_of_that_at_most(name):
    text = f"torch.manual_seed(3)\n{SPREAD[name]}"
    program = parse(text)
    with Run(program, TORCH) as run:
        reference = tuple(run)
    reruns = Reruns(program, reference, followed=True)
    truth, *others = (
        np.asarray(moment.seen["y"].elements, np.longdouble) for moment in reruns.all("2", 72) if moment
    )
    spread = np.max([np.abs(other - truth) for other in others], axis=0) / np.abs(truth)
    certain = torch.tensor((spread < SMALL).tolist())
    assert certain.any()
    factors = torch.ones(certain.shape, dtype=torch.float64)
    factors.view(-1)[int(certain.view(-1).nonzero()[-1])] += LARGE  # the fault is in a single element
    assert found(text, fault(name, lambda y: y.mul_(factors.to(y.dtype)))) == ["values"]


# --- Derivatives ------------------------------------------------------------------------------------------------------


def slope(name, at, value):
    """torch with another derivative of the function where its first operand is `at`."""

    def faulty(x, *operands, **more):
        y = getattr(torch, name)(x, *operands, **more)
        if y.requires_grad and x.requires_grad and x.grad_fn is None:
            known = x.detach().clone()
            x.register_hook(lambda grad: torch.where(known == at, torch.full_like(grad, value), grad))
        return y

    return candidate(f"slope of {name}", **{name: faulty})


BOUNDARIES = {
    "abs": ("torch.abs(x)", 0.0, 1.0),
    "relu": ("torch.relu(x)", 0.0, 1.0),
    "sqrt": ("torch.sqrt(x)", 0.0, 0.0),
    "clamp": ("torch.clamp(x, 0.0, 1.0)", 1.0, 0.0),
    "maximum": ("torch.maximum(x, torch.zeros(3))", 0.0, 1.0),
    "amax": ("torch.amax(x)", 1.0, 1.0),
    "norm": ("torch.norm(x * 0 + x)", 0.0, 1.0),
    "prod": ("torch.prod(x)", 0.0, 0.0),
}


@pytest.mark.parametrize("name", BOUNDARIES)
def test_a_derivative_at_a_boundary_is_found(name):
    call, at, value = BOUNDARIES[name]
    text = f"x = torch.tensor([0.0, 1.0, 1.0], requires_grad=True)\ny = {call}\ny.sum().backward()"
    if name == "norm":
        text = "x = torch.tensor([0.0, 0.0], requires_grad=True)\ny = torch.norm(x)\ny.backward()"
    assert found(text, slope(name, at, value)) == ["grad.values"]
    assert found(text, resolve("engine")) == []


def test_the_engine_rounds_as_it_should_in_these_programs():
    for name, call in ELEMENTWISE.items():
        assert hasattr(engine, name)
        assert found(f"x = torch.tensor([0.3, 0.77, 0.11])\ny = {call}", resolve("engine")) == []
