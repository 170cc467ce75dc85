"""Fixtures of the suite: every test that asks for `backend`, `torch` or `check` runs once on each backend under test."""

from __future__ import annotations

import functools
import textwrap
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from conformance import ledger
from conformance.backends import Backend, BackendError, resolve
from conformance.runner import Run
from conformance.session import Session
from conformance.suite.expectations import Shown
from strategies.program import Program, parse

DEFAULT_REFERENCE = "torch-cpu"
DEFAULT_CANDIDATES = ("engine",)


def reference_of(config: pytest.Config) -> str:
    """The name of the backend that programs are compared with."""
    return config.getoption("reference", None) or DEFAULT_REFERENCE


def backends_under_test(config: pytest.Config) -> tuple[str, ...]:
    """The names of the backends that the facts are tested on: the candidates and, as facts are about it, the reference."""
    candidates = config.getoption("candidate", None) or DEFAULT_CANDIDATES
    return tuple(dict.fromkeys((*candidates, reference_of(config))))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "backend_name" in metafunc.fixturenames:
        metafunc.parametrize("backend_name", backends_under_test(metafunc.config))


@functools.cache
def _resolved(name: str) -> Backend | str:
    """A backend, or why it is not to be had on this machine."""
    try:
        return resolve(name)
    except BackendError as error:
        if error.skipped:
            return f"{name}: {error}"
        raise


def _resolve_or_skip(name: str) -> Backend:
    found = _resolved(name)
    if isinstance(found, str):
        pytest.skip(found)
    return found


@pytest.fixture
def backend(backend_name: str, request: pytest.FixtureRequest) -> Iterator[Backend]:
    """A backend under test in its initial state. What it says that it lacks is skipped."""
    found = _resolve_or_skip(backend_name)
    for _, clause in getattr(request.function, "shown_facts", ()):
        if found.capabilities.lacks_op(clause):
            pytest.skip(f"{backend_name} lacks the op {clause}")
    found.reset()
    yield found
    found.restore()


@pytest.fixture
def torch(backend: Backend) -> Any:
    """The namespace of the backend under test."""
    return backend.namespace


@pytest.fixture
def numpy_shared(backend: Backend) -> None:
    """Skips where the backend shares no memory with NumPy: a GPU, or a library that says so."""
    if not backend.capabilities.shares_numpy:
        pytest.skip(f"{backend.name} does not share memory with NumPy")


@pytest.fixture
def cpu_stream(backend: Backend) -> None:
    """Skips where random numbers do not come from torch's CPU generator."""
    if not backend.capabilities.random_stream:
        pytest.skip(f"the random stream of {backend.name} is not that of torch's CPU generator")


@functools.cache
def _session(reference: str, candidate: str) -> Session:
    session = Session(_resolve_or_skip(reference), [_resolve_or_skip(candidate)], ledger=ledger.load())
    session.ledger.versions.update(
        {one.name: one.version for one in (session.reference, *session.candidates)}
    )
    return session


@pytest.fixture
def check(backend: Backend, request: pytest.FixtureRequest) -> Callable[[str], Shown]:
    """Runs a program on the reference and on the backend; asserts that they agree in everything that is documented.

    The program should define every element that it makes: a library need not say which elements are undefined.

    Returns what the program came to on the backend, for the literal expectations.
    """
    session = _session(reference_of(request.config), backend.name)

    def run(text: str) -> Shown:
        program = parse(textwrap.dedent(text).strip())
        if backend is not session.reference:
            _agree(session, program)
        return _shown(program, backend)

    return run


def _agree(session: Session, program: Program) -> None:
    examined = session.examine(program)
    if skipped := examined.verdicts[0].skipped:
        pytest.skip(skipped)
    found = [
        f"{one.aspect} of {one.op} at line {one.line} ({one.statement_text}), name {one.name!r}: "
        f"got {one.got}, but should be {one.should_be}"
        for one in examined.discrepancies
        if one.tier == "documented" and session.ledger.explain(one) is None
    ]
    assert not found, "\n".join([*found, "", program.text])


def _shown(program: Program, backend: Backend) -> Shown:
    with Run(program, backend) as run, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the run keeps the categories of each statement's warnings
        steps = list(run)
        names = dict(run.namespace)
    errors = [(step.raised.type, step.raised.text) for step in steps if step.raised is not None]
    return Shown(names, errors, [category for step in steps for category in step.warnings])
