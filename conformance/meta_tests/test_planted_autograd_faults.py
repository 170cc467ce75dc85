"""Each of thirty-five faults in autograd is found by the default run of the profile "autograd", as one fingerprint, in few
statements.

All are planted in one copy of the engine, one after the other.
"""

import contextlib
import re

import pytest

from conformance.backends import resolve
from conformance.ledger import load
from conformance.meta_tests.planted_autograd_faults import FAULTS
from conformance.meta_tests.planted_runs import Planted, drawn
from conformance.meta_tests.planting import backend_of, copy_of_engine
from conformance.session import Session
from strategies.program import parse

PROFILE = "autograd"
STATEMENTS = 6
ENOUGH = 5  # differences that are settled
STEP = (
    7  # so far apart are two programs that are examined one after the other: they are not forms of the same
)

LEAF = "x = torch.tensor(1.0, requires_grad=True)\n"
TWO = LEAF + "y = torch.tensor(1.0, requires_grad=True)\n"
ROW = "x = torch.tensor([1.0, 1.0], requires_grad=True)\n"
NO_GRAD, ENABLED = "with torch.no_grad():\n    ", "with torch.enable_grad():\n        "
GRAD = "torch.autograd.grad"

# fault -> what programs mention that may show it, and what it comes down to
SHOWN = {
    # aliasing and versions
    "detached_counts_apart": (r"detach\(", LEAF + "y = x.detach()\ny.neg_()"),
    "saved_unchecked": ("", LEAF + "y = torch.exp(x)\ny.neg_()\ny.backward()"),
    "overlap_written": ("expand|strided", "x = torch.tensor(1)\ny = x.expand(2)\ny.neg_()"),
    "numpy_that_copies": ("numpy", "x = torch.tensor(1)\ny = x.numpy()"),
    "leaf_written": ("", LEAF + "x.neg_()"),
    # history rewriting
    "stale_base": ("", LEAF + "y = torch.neg(x)\nz = torch.transpose(y, 0, 0)\nz.neg_()"),
    "rest_of_base_lost": ("", ROW + "y = torch.neg(x)\nz = y[1]\nz.neg_()\ny.backward(y)"),
    "parts_written": ("unbind|split|chunk", ROW + "y = torch.neg(x)\nz = torch.unbind(y)\nz[0].neg_()"),
    "unrecorded_view_written": (
        r"no_grad|d\(False",
        LEAF + "y = torch.neg(x)\n" + NO_GRAD + "z = torch.transpose(y, 0, 0)\ny.neg_()",
    ),
    "leaf_view_written": ("", LEAF + "y = torch.transpose(x, 0, 0)\ny.neg_()"),
    # the backward pass
    "grad_in_new_memory": ("", LEAF + "x.backward()\nx.backward()"),
    "unused_allowed": (r"autograd\.grad\(", TWO + f"z = {GRAD}(x, y)"),
    "unmaterialized": ("materialize_grads", TWO + f"z = {GRAD}(x, y, materialize_grads=True)"),
    "inputs_ignored": ("inputs=", TWO + "x.backward(inputs=y)"),
    "first_row_for_all": (
        "is_grads_batched",
        LEAF + f"y = torch.tensor([1, 0])\nz = {GRAD}(x, x, y, is_grads_batched=True)",
    ),
    "repeated_root_once": (r"(backward|grad)\(\[", LEAF + f"y = {GRAD}([x, x], x)"),
    # hooks
    "hooks_reversed": (
        r"register_hook(.|\n)*register_hook",
        LEAF + "y = x.register_hook(lambda g: torch.exp(g))\nz = x.register_hook(lambda g: -g)\nx.backward()",
    ),
    "removed_hook_runs": (
        r"remove\(",
        LEAF + "y = x.register_hook(lambda g: -g)\ny.remove()\nx.backward()",
    ),
    "retained_grad_lost": (
        r"retain_grad\(",
        LEAF + "y = torch.neg(x)\ny.retain_grad()\ny.neg_()\ny.backward()",
    ),
    "prehook_ignored": (
        "register_prehook",
        LEAF + "y = torch.neg(x)\nz = y.grad_fn\nz.register_prehook(lambda go: (-go[0],))\ny.backward()",
    ),
    "leaf_hook_too_early": (
        "accumulate_grad_hook",
        LEAF + "y = x.register_post_accumulate_grad_hook(lambda t: t.grad)\nx.backward()",
    ),
    # higher order and functional
    "gradient_without_graph": (
        r"autograd\.grad\(.*create_graph",
        LEAF + f"y = torch.exp(x)\nz = {GRAD}(y, x, create_graph=True)",
    ),
    "vhp_without_v": (
        "vhp",
        "x = torch.tensor(0.0)\ny = torch.autograd.functional.vhp(lambda u: torch.exp(u), x, x)",
    ),
    "cotangent_ignored": (
        r"func\.vjp",
        "x = torch.tensor(2.0)\ny = torch.func.vjp(lambda u: torch.neg(u), x)[1](x)",
    ),
    "tangent_ignored": (r"func\.jvp", "x = torch.tensor(2.0)\ny = torch.func.jvp(lambda u: u, (x,), (x,))"),
    # autograd.Function
    "differentiable_twice": (
        r"prelude\.(once|again)",
        LEAF + f"y = prelude.once(x)\nz = torch.exp(y)\na = {GRAD}(z, x, create_graph=True)",
    ),
    "dirty_uncounted": (r"prelude\.double_", "x = torch.tensor(1)\ny = prelude.double_(x)"),
    "always_materialized": ("lazy_pair", LEAF + "y = prelude.lazy_pair(x)\nz = y[1]\nz.backward()"),
    "marked_differentiable": (r"prelude\.signs", LEAF + "y = prelude.signs(x)"),
    # grad modes
    "enabled_within_disabled": ("enable_grad|loud", LEAF + NO_GRAD + ENABLED + "y = torch.neg(x)"),
    "grad_mode_stays": ("no_grad|quiet", LEAF + NO_GRAD + "y = x\nz = torch.neg(x)"),
    "inference_saved": (
        "inference_mode",
        LEAF + "with torch.inference_mode():\n    y = torch.neg(x)\nz = x * y",
    ),
    "nan_unnoticed": (
        "anomaly",
        "x = torch.tensor(nan, requires_grad=True)\nwith torch.autograd.detect_anomaly():\n    y = torch.exp(x)\n"
        "    y.backward()",
    ),
    "decorator_ignored": ("quiet", LEAF + "y = prelude.quiet(x)"),
    # the graph
    "edges_swapped": ("", TWO + "z = torch.add(x, y)"),
}


@contextlib.contextmanager
def planted(fault):
    """A session whose candidate, a copy of the engine, has the fault meanwhile. It goes by the engine's name, so that
    fingerprints can be compared between faults."""
    engine = copy_of_engine("any_fault")
    with FAULTS[fault].planted(engine):
        candidates = [backend_of(engine, "engine")]
        yield Planted(resolve("torch-cpu"), candidates, ledger=load(), incidental=False, profile=PROFILE)


def shown(fault):
    with planted(fault) as session:
        return session.shown(SHOWN[fault][1])


def in_order(mentioned):
    """The texts of all drawn programs: those that may show a fault first."""
    texts = list(drawn(PROFILE))
    texts = [texts[i * STEP % len(texts)] for i in range(len(texts))]
    return sorted(texts, key=lambda text: re.search(mentioned, text) is None)


def test_there_are_thirty_five_faults():
    assert sorted(FAULTS) == sorted(SHOWN)
    assert len(SHOWN) == 35


def test_different_faults_have_different_fingerprints():
    fingerprints = {fault: shown(fault).fingerprint for fault in SHOWN}
    assert len(set(fingerprints.values())) == len(SHOWN), fingerprints


@pytest.mark.parametrize("fault", SHOWN)
def test_a_fault_is_planted_and_taken_back(fault):
    text = SHOWN[fault][1]
    with planted(fault) as session:
        assert session.show(text)
    healthy = Session(resolve("torch-cpu"), [backend_of(copy_of_engine("any_fault"), "engine")])
    assert not healthy.show(text)


@pytest.mark.parametrize("fault", SHOWN)
def test_the_default_run_of_the_profile_finds_the_fault_as_one_fingerprint(fault, limited_memory):
    with planted(fault) as session:
        session.run(in_order(SHOWN[fault][0]), ENOUGH)
        findings = list(session.findings.values())
        assert len(findings) == 1, session.described()
        assert len(list(parse(findings[0].text).walk())) <= STATEMENTS, session.described()
    assert findings[0].fingerprint == shown(fault).fingerprint, session.described()
