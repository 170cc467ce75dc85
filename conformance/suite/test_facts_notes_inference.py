"""Section 21: inference mode, what its tensors may do and what they may not.

Pages named in docstrings are relative to https://docs.pytorch.org/docs/stable/, the note on inference mode to
https://docs.pytorch.org/cppdocs/.
"""

import pytest

from conformance.suite.expectations import fact, holds

LEAF = "x = torch.tensor([1.0, 2.0], requires_grad=True)\n"
MADE = f"{LEAF}with torch.inference_mode():\n    t = torch.ones(2)\n    v = t[:1]\n"
OUTSIDE = (
    "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone to get a normal tensor "
    "before doing inplace update.See https://github.com/pytorch/rfcs/pull/17 for more details."
)

# --- 21.1: which tensors ----------------------------------------------------------------------------------------------


@fact("21.1", "allocated_within")
@pytest.mark.parametrize(
    ("call", "is_one"),
    [
        ("torch.ones(2)", True), ("x * 2", True), ("x.clone()", True), ("x.detach().clone()", True), ("x.contiguous()", False),
        ("x.view(2)", False), ("x[:1]", False), ("x.detach()", False), ("n[0]", False), ("t[:1]", True), ("t.view(2)", True),
        ("t.detach()", True), ("t + n", True),
    ],
)  # fmt: skip
def test_what_was_allocated_within_and_its_views_are_inference_tensors(check, call, is_one):
    """21.1, notes/inference_mode.html"""
    shown = check(f"""{LEAF}
n = torch.ones(2)
with torch.inference_mode():
    t = torch.ones(2)
    y = {call}
    b = y.is_inference()
""")
    assert shown.b is is_one


@fact("21.1", "views_outside")
def test_a_view_outside_of_an_inference_tensor_is_one(check):
    """21.1, notes/inference_mode.html"""
    shown = check(f"{MADE}w = t[1:]\nc = t.clone()\nd = t + 1\n")
    assert [shown.names[name].is_inference() for name in "twcd"] == [True, True, False, False]


@fact("21.1", "no_history_within")
def test_nothing_is_recorded_within_for_normal_or_inference_tensors(check):
    """21.1, notes/inference_mode.html"""
    shown = check(f"""{LEAF}
with torch.inference_mode():
    y = x * 2
    v = x[:1]
    g = v.grad_fn
    t = torch.ones(2, requires_grad=True)
    z = t * 2
""")
    assert [shown.names[name].requires_grad for name in "ytz"] == [False, True, False]
    assert shown.g is None


@fact("21.1", "no_view_tracking")
def test_a_view_of_an_inference_tensor_does_not_know_its_base(check):
    """21.1, notes/inference_mode.html"""
    shown = check(f"{MADE}a = v._is_view()\nb = v._base\n")
    assert (shown.a, shown.b) == (False, None)


@fact("21.1", "nests")
def test_inference_mode_is_switched_off_within_and_on_again(check):
    """21.1, notes/inference_mode.html#migration-guide-from-autononvariabletypemode"""
    shown = check(f"""{LEAF}
with torch.inference_mode():
    a = torch.is_inference_mode_enabled()
    with torch.inference_mode(False):
        b = torch.is_inference_mode_enabled()
        y = torch.ones(2)
    c = torch.is_inference_mode_enabled()
d = torch.is_inference_mode_enabled()
y.mul_(2)
""")
    assert (shown.a, shown.b, shown.c, shown.d) == (True, False, True, False)
    assert (shown.y.is_inference(), shown.errors) == (False, [])


@fact("21.1", "training_mode")
def test_inference_mode_leaves_modules_in_training_mode(torch):
    """21.1, generated/torch.autograd.grad_mode.inference_mode.html"""
    layer = torch.nn.Linear(2, 1)
    with torch.inference_mode():
        assert layer.training


# --- 21.2: versions and writes ----------------------------------------------------------------------------------------


@fact("21.2", "no_version")
@pytest.mark.parametrize("name", ["t", "v"])
def test_an_inference_tensor_has_no_version(check, name):
    """21.2, notes/inference_mode.html"""
    shown = check(f"{MADE}a = {name}._version\n")
    assert shown.errors == [("RuntimeError", "Inference tensors do not track version counter.")]


@fact("21.2", "saved")
@pytest.mark.parametrize("call", ["x * t", "x.pow(t)", "prelude.product(x, t)", "prelude.square(t + x * 0)"])
def test_an_inference_tensor_cannot_be_saved_for_backward(check, call):
    """21.2, notes/inference_mode.html"""
    shown = check(f"{MADE}y = {call}\n")
    refused = (
        "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode"
    )
    assert [text[: len(refused)] for _, text in shown.errors] == ([refused] if "square" not in call else [])


@fact("21.2", "used_without_saving")
def test_an_inference_tensor_may_be_used_where_it_is_not_saved(check):
    """21.2, notes/inference_mode.html"""
    shown = check(f"{MADE}y = x + t\nz = torch.ones(2) * t\ny.sum().backward()\n")
    assert (shown.y.requires_grad, shown.z.is_inference(), shown.errors) == (True, False, [])
    holds(shown.x.grad, [1.0, 1.0])


@fact("21.2", "written_outside")
@pytest.mark.parametrize(
    "call",
    ["t.add_(1)", "v.zero_()", "t[1:].mul_(2)", "t.copy_(torch.ones(2))", "t.resize_(3)", "t.fill_(2)"],
)
def test_an_inference_tensor_is_not_written_outside(check, call):
    """21.2, notes/inference_mode.html"""
    shown = check(f"{MADE}{call}\n")
    assert shown.errors == [("RuntimeError", OUTSIDE)]


@fact("21.2", "written_outside")
def test_the_error_comes_behind_the_write(check):
    """21.2, notes/inference_mode.html; the note calls such a tensor immutable"""
    shown = check(f"{MADE}t.add_(1)\n")
    holds(shown.t, [2.0, 2.0])


@fact("21.2", "written_outside")
def test_no_grad_does_not_help(check):
    """21.2, notes/inference_mode.html"""
    shown = check(f"{MADE}with torch.no_grad():\n    t.add_(1)\n")
    assert shown.errors == [("RuntimeError", OUTSIDE)]


@fact("21.2", "written_outside")
def test_an_assigned_item_is_such_a_write(check):
    """21.2, notes/inference_mode.html"""
    shown = check(f"{MADE}t[0] = 5\n")
    assert shown.errors == [("RuntimeError", OUTSIDE)]


@fact("21.2", "flag_outside")
@pytest.mark.parametrize("call", ["t.requires_grad_()", "t.requires_grad = True"])
def test_an_inference_tensor_is_not_made_to_require_grad_outside(check, call):
    """21.2, notes/inference_mode.html"""
    shown = check(f"{MADE}{call}\n")
    assert shown.errors == [
        (
            "RuntimeError",
            "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.",
        )
    ]


@fact("21.2", "flag_within")
def test_it_is_within(check):
    """21.2, notes/inference_mode.html"""
    shown = check(f"{LEAF}with torch.inference_mode():\n    t = torch.ones(2)\n    t.requires_grad_()\n")
    assert (shown.t.requires_grad, shown.errors) == (True, [])


@fact("21.2", "clone")
def test_a_clone_outside_is_a_normal_tensor(check):
    """21.2, notes/inference_mode.html"""
    shown = check(f"{MADE}c = t.clone()\nc.add_(1)\nc.requires_grad_()\n(c * x).sum().backward()\n")
    assert (shown.c.is_inference(), shown.errors) == (False, [])
    holds(shown.x.grad, [2.0, 2.0])


@fact("21.2", "written_within")
def test_inference_tensors_are_written_within(check):
    """21.2, notes/inference_mode.html"""
    shown = check(f"{MADE}with torch.inference_mode():\n    v.add_(4)\n    t[1] = 3\n    t.mul_(2)\n")
    assert shown.errors == []
    assert shown.t.tolist() == [10.0, 6.0]


@fact("21.2", "normal_written_within")
def test_a_normal_tensor_that_is_written_within_counts_the_write(check):
    """21.2, notes/inference_mode.html"""
    shown = check(
        "n = torch.ones(2)\nwith torch.inference_mode():\n    n.add_(1)\n    n[:1].mul_(2)\nn.sub_(1)\n"
    )
    assert (shown.n._version, shown.n.is_inference()) == (3, False)
    holds(shown.n, [3.0, 1.0])


@fact("21.2", "views_written_outside")
def test_a_view_made_within_of_a_normal_tensor_is_not_written_outside_where_that_is_recorded(check):
    """21.2, notes/autograd.html#inference-mode"""
    shown = check(f"{LEAF}y = x * 1\nwith torch.inference_mode():\n    v = y[:1]\nv.mul_(2)\n")
    assert [text[:81] for _, text in shown.errors] == [
        "A view was created in inference mode and is being modified inplace in normal mode"
    ]


@fact("21.2", "outer_grad")
def test_a_leaf_is_not_written_within_either_way(check):
    """21.2, notes/autograd.html#inference-mode"""
    shown = check(f"{LEAF}with torch.inference_mode():\n    x.mul_(2)\ny = x * 3\ny.sum().backward()\n")
    assert (shown.errors, shown.x.requires_grad, shown.x._version) == ([], True, 1)
    holds(shown.x.grad, [3.0, 3.0])


@fact("21.2", "increment_version")
def test_increment_version_counts_for_lists_and_not_for_inference_tensors(check):
    """21.2, generated/torch.autograd.graph.increment_version.html"""
    shown = check(
        f"{MADE}n = torch.ones(2)\ntorch.autograd.graph.increment_version([n, t, n])\na = n._version\n"
    )
    assert (shown.a, shown.errors) == (2, [])


# --- 21.3: forward mode -----------------------------------------------------------------------------------------------


@fact("21.3", "no_forward_mode")
def test_inference_mode_switches_forward_mode_off_and_no_grad_does_not(check):
    """21.3, generated/torch.autograd.grad_mode.inference_mode.html and generated/torch.no_grad.html"""
    shown = check("""
        x = torch.tensor([1.0, 2.0])
        with torch.autograd.forward_ad.dual_level():
            d = torch.autograd.forward_ad.make_dual(x, torch.ones(2))
            with torch.no_grad():
                a = torch.autograd.forward_ad.unpack_dual(d * 2)
            with torch.inference_mode():
                b = torch.autograd.forward_ad.unpack_dual(d * 2)
        """)
    holds(shown.a[1], [2.0, 2.0])
    assert shown.b[1] is None
