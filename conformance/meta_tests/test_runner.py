"""Programs run statement by statement, blocks included, and the follower takes the reference's bits."""

import types
import warnings

import numpy as np
import pytest

from conformance.backends import Backend, resolve
from conformance.capabilities import Capabilities
from conformance.facts import PlainFact, Raised
from conformance.follow import follow
from conformance.runner import Run, run_program
from strategies.program import parse

torch = pytest.importorskip("torch")


def steps(text, backend="torch-cpu"):
    backend = resolve(backend) if isinstance(backend, str) else backend
    return {step.path: step for step in run_program(parse(text), backend).steps}


def test_blocks_are_stepped_and_observed_inside():
    found = steps(
        "with torch.no_grad():\n    x = torch.ones(2)\n    for i in range(2):\n        x += i\ny = x + 1\n"
    )
    assert list(found) == ["0.enter", "0.1", "0.2#0.3", "0.2#1.3", "0.exit", "4"]
    assert [found[path].statement for path in found] == [0, 1, 3, 3, 0, 4]
    assert found["0.2#1.3"].names["i"] == PlainFact("int", "1")
    assert [found[path].names["x"].version for path in ("0.1", "0.2#0.3", "0.2#1.3")] == [0, 1, 2]


def test_an_exception_leaves_all_blocks_and_the_next_statement_goes_on():
    text = """\
x = torch.ones(2)
with torch.no_grad():
    with torch.enable_grad():
        for i in range(3):
            x.view(7)
            y = 1
    z = 2
w = torch.is_grad_enabled()
"""
    found = steps(text)
    assert list(found) == ["0", "1.enter", "1.2.enter", "1.2.3#0.4", "1.2.exit", "1.exit", "7"]
    assert found["1.2.3#0.4"].raised == Raised("RuntimeError", "shape '[7]' is invalid for input of size 2")
    assert found["1.exit"].raised is None
    assert found["7"].names["w"] == PlainFact("bool", "True")


def test_an_exception_at_the_top_level_is_observed_with_what_it_left():
    found = steps("x = torch.ones(2)\nx.add_(torch.ones(3))\ny = x + z\nz = 1\n")
    assert found["1"].raised.type == "RuntimeError"
    assert found["1"].names == found["0"].names
    assert found["2"].raised == Raised("NameError", "name 'z' is not defined")
    assert found["3"].raised is None


def manager_namespace(log, **methods):
    class Manager:
        def __enter__(self):
            log.append("enter")
            if methods.get("enter"):
                raise methods["enter"]

        def __exit__(self, kind, error, trace):
            log.append(("exit", kind))
            if methods.get("exit"):
                raise methods["exit"]
            return methods.get("result")

    def fail():
        raise KeyError("inside")

    return types.SimpleNamespace(Tensor=type("Tensor", (), {}), no_grad=Manager, ones=fail, __name__="lib")


BLOCK = "with torch.no_grad():\n    x = torch.ones()\n    y = 1\nz = 2\n"


@pytest.mark.parametrize(
    ("methods", "paths", "raised"),
    [
        ({}, ["0.enter", "0.1", "0.exit", "3"], {"0.1": "KeyError"}),
        ({"result": True}, ["0.enter", "0.1", "0.exit", "3"], {"0.1": "KeyError"}),
        ({"enter": ValueError()}, ["0.enter", "3"], {"0.enter": "ValueError"}),
        ({"exit": OSError()}, ["0.enter", "0.1", "0.exit", "3"], {"0.1": "KeyError", "0.exit": "OSError"}),
    ],
)
def test_context_managers_behave_as_in_python(methods, paths, raised):
    log = []
    found = steps(BLOCK, Backend("lib", manager_namespace(log, **methods)))
    assert list(found) == paths
    assert {path: step.raised.type for path, step in found.items() if step.raised} == raised
    assert log == ["enter"] + ([("exit", KeyError)] if "enter" not in methods else [])


def test_closing_a_run_inside_a_block_leaves_the_block():
    log = []
    run = Run(parse(BLOCK), Backend("lib", manager_namespace(log)))
    assert run.step().path == "0.enter"
    run.close()
    run.close()
    assert log == ["enter", ("exit", None)]
    with pytest.raises(RuntimeError, match="this run is closed"):
        run.step()


def test_a_run_closes_an_earlier_one_on_its_namespace():
    program = parse("with torch.inference_mode():\n    x = torch.ones(2)\ny = torch.ones(2)\n")
    first = Run(program, resolve("torch-cpu"))
    assert first.step().path == "0.enter"
    assert torch.is_inference_mode_enabled()
    with Run(program, resolve("torch-cpu")) as second:
        assert not torch.is_inference_mode_enabled()
        assert len(list(second)) == 4
        assert second.step() is None
    with pytest.raises(RuntimeError, match="another run started on its namespace"):
        first.step()


def test_runs_on_two_namespaces_go_in_lock_step():
    program = parse("x = torch.tensor([1.0])\ny = x * 2\n")
    copy = types.SimpleNamespace(**vars(torch))
    copy.__name__ = "torch"
    with Run(program, resolve("torch-cpu")) as one, Run(program, Backend("copy", copy)) as two:
        for first, second in zip(one, two, strict=True):
            assert {n: f.values for n, f in first.names.items()} == {
                n: f.values for n, f in second.names.items()
            }


def test_global_state_is_reset_for_every_program_and_put_back_after_it():
    text = "torch.manual_seed(5)\ntorch.set_grad_enabled(False)\ntorch.set_default_dtype(torch.float64)\n"
    probe = "x = torch.rand(2)\ng = torch.is_grad_enabled()\n"
    before = steps(probe)
    steps(text)
    assert torch.is_grad_enabled()
    assert torch.get_default_dtype() is torch.float32
    assert steps(probe) == before


def test_unchanged_text_runs_on_the_backends_default_device():
    """torch's device without memory stands for a GPU: tensors are made there, and their values cannot be read."""
    backend = Backend("meta", torch, capabilities=Capabilities(device="meta", addressable=True))
    fact = steps("x = torch.ones(2, requires_grad=True)\n", backend)["0"].names["x"]
    assert (fact.device, fact.shape, fact.requires_grad) == ("meta", (2,), True)
    assert isinstance(fact.values, Raised)
    assert torch.ones(1).device.type == "cpu"


def test_warnings_are_captured_per_statement_every_time_and_never_shown():
    text = "x = torch.ones(2)\ny = x[torch.ones(2).byte()]\nz = x[torch.ones(2).byte()]\n"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        filters = list(warnings.filters)
        for _ in range(2):
            found = steps(text)
            assert [found[path].warnings for path in "012"] == [(), ("UserWarning",), ("UserWarning",)]
        assert warnings.filters == filters


def test_reading_a_gradient_of_a_non_leaf_warns_only_in_the_program():
    found = steps("x = torch.ones(2, requires_grad=True)\ny = x * 2\ng = y.grad\nz = y + 1\n")
    assert [found[path].warnings for path in "0123"] == [(), (), ("UserWarning",), ()]


def test_a_library_sees_no_builtins_but_import():
    with Run(parse("x = 1\n"), resolve("torch-cpu")) as run:
        assert set(run.namespace["__builtins__"]) == {"__import__", "range"}


def test_what_a_backend_lacks_is_skipped_step_by_step():
    backend = resolve("torch-cpu", Capabilities(addressable=True, lacks_ops=frozenset({"exp"})))
    text = "x = torch.ones(2)\nfor i in range(2):\n    y = torch.exp(x)\nz = y + 1\ny = x + 1\nw = y + 1\n"
    found = steps(text, backend)
    assert list(found) == list(steps(text))
    assert {path: step.skipped for path, step in found.items() if step.skipped} == {
        "1#0.2": "lacks the op exp",
        "1#1.2": "lacks the op exp",
        "3": "depends on y, which a skipped statement writes",
    }
    assert found["3"].unknown == ("i", "y", "z")
    assert found["5"].unknown == ("i", "z")
    assert {"y", "z"}.isdisjoint(found["3"].names)


def test_observing_changes_nothing_that_later_statements_see():
    text = """\
x = torch.arange(6.0).reshape(2, 3).requires_grad_()
y = x * 2
v = y[0]
y.mul_(x)
v.add_(1)
w = y.t().contiguous()
w.sum().backward(retain_graph=True)
x.grad.add_(1)
d = x.detach()
y.sum().backward()
c = torch.ones(2)
t = c.view(2, 1)
c.resize_(3, 3)
"""
    program = parse(text)
    plain = resolve("torch-cpu").free_names()
    for statement in program.statements:
        exec(statement.code, plain)
    with Run(program, resolve("torch-cpu")) as run:
        *_, last = run
        for name in "xyvwdt":
            mine, seen = plain[name], last.names[name]
            assert seen.values == mine.detach().contiguous().numpy().tobytes()
            assert seen.grad_fn == (mine.grad_fn and mine.grad_fn.name())
            assert (run.namespace[name]._version, seen.is_leaf) == (mine._version, mine.is_leaf)
        assert last.names["x"].grad.values == plain["x"].grad.numpy().tobytes()
        assert last.names["c"].shape == (3, 3)


# --- following ---


class Other(types.SimpleNamespace):
    """torch under another namespace whose `exp` is off by a little."""


def off_by_a_little(addressable):
    namespace = Other(**vars(torch))
    namespace.__name__ = "torch"

    def exp(x):
        result = torch.exp(x)
        result.data.mul_(1.01)  # other bits, the same version and graph
        return result

    namespace.exp = exp
    capabilities = Capabilities(addressable=addressable)
    return Backend("other", namespace, capabilities=capabilities)


FOLLOWED = """\
x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.{dtype}, requires_grad=True)
y = torch.exp(x)
n = [y[0, 0].item(), 2]
f = y[0, 0].item()
y.sum().backward()
p = (torch.exp(x).t().detach(), torch.exp(x).detach().float().numpy())
z = torch.exp(x).detach()[:, ::2]
"""


@pytest.mark.parametrize("addressable", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64", "complex64"])
def test_a_follower_takes_the_bits_and_nothing_else(addressable, dtype):
    text = FOLLOWED.format(dtype=dtype)
    if dtype == "complex64":
        text = "".join(
            line for line in text.splitlines(keepends=True) if "backward" not in line and "numpy" not in line
        )
    program = parse(text)
    reference = {step.path: step for step in run_program(program, resolve("torch-cpu")).steps}
    written = set()
    with Run(program, off_by_a_little(addressable)) as run:
        for step in run:
            wanted = reference[step.path]
            assert set(step.names) == set(wanted.names)
            written |= set(follow(run, wanted))
            assert run.last.names == wanted.names
            seen_again = run.observer.observe(run.variables())
            assert seen_again == wanted.names  # versions, too
            assert follow(run, wanted) == ()
    assert {"y", "z"} <= written
    assert ("p[0]" in written) == ("p = " in text)


def test_following_changes_only_what_differs_and_never_another_shape_or_dtype():
    reference = run_program(
        parse("x = torch.zeros(3)\ny = torch.zeros(2).double()\n"), resolve("torch-cpu")
    ).steps
    with Run(parse("x = torch.ones(2)\ny = torch.ones(2)\n"), resolve("torch-cpu")) as run:
        for step, wanted in zip(run, reference, strict=True):
            assert follow(run, wanted) == ()
            assert run.last is step
        assert run.namespace["x"].tolist() == run.namespace["y"].tolist() == [1.0, 1.0]


def test_following_writes_gradients():
    program = parse("x = torch.ones(2, requires_grad=True)\ny = torch.exp(x) * x\ny.sum().backward()\n")
    reference = run_program(program, resolve("torch-cpu")).steps
    with Run(program, off_by_a_little(True)) as run:
        for wanted in reference:
            run.step()
            grad = run.namespace["x"].grad
            version = None if grad is None else grad._version
            written = follow(run, wanted)
        assert written == ("x.grad",)
        assert grad._version == version


def test_following_through_the_librarys_own_function():
    calls = []
    backend = off_by_a_little(True)
    backend.overwrite_bits = lambda t, data: calls.append(np.frombuffer(data, np.float32).tolist())
    program = parse("x = torch.exp(torch.zeros(2))\n")
    reference = run_program(program, resolve("torch-cpu")).steps
    with Run(program, backend) as run:
        run.step()
        assert follow(run, reference[0]) == ("x",)
    assert calls == [[1.0, 1.0]]
