"""Section 5: broadcasting. The rules are those of https://docs.pytorch.org/docs/stable/notes/broadcasting.html."""

import itertools

import pytest

from conformance.suite.expectations import fact, holds


@fact("5.1", "aligns_from_the_right stretches_1")
@pytest.mark.parametrize(
    ("a", "b", "shape"),
    [
        ((1, 2), (3, 1), (3, 2)),
        ((2, 3), (3,), (2, 3)),
        ((4, 1, 3), (2, 1), (4, 2, 3)),
        ((), (2, 2), (2, 2)),
        ((1,), (0,), (0,)),
        ((2, 0), (1, 1), (2, 0)),
        ((5, 1, 4, 1), (3, 1, 1), (5, 3, 4, 1)),
    ],
)
def test_sizes_align_from_the_right_and_1_stretches(check, a, b, shape):
    """5.1, notes/broadcasting.html"""
    shown = check(f"x = torch.ones({a})\ny = torch.ones({b})\nz = x + y\nw = y * x")
    assert tuple(shown.z.shape) == tuple(shown.w.shape) == shape


@fact("5.1", "stretches_1")
def test_stretching_repeats_the_elements(check):
    """5.1, notes/broadcasting.html"""
    shown = check("""
        x = torch.arange(1, 3).view(1, 2)
        y = torch.arange(1, 4).view(3, 1)
        z = x + y
        """)
    holds(shown.z, [[2, 3], [3, 4], [4, 5]], "int64")


@fact("5.1", "stretches_1")
def test_every_pair_of_small_sizes_broadcasts_as_the_rule_says(torch):
    """5.1, notes/broadcasting.html"""
    shapes = [shape for rank in range(3) for shape in itertools.product((1, 2, 3), repeat=rank)]
    for a in shapes:
        for b in shapes:
            padded = [(1,) * (2 - len(shape)) + shape for shape in (a, b)]
            fits = all(1 in pair or pair[0] == pair[1] for pair in zip(*padded))
            try:
                got = tuple((torch.ones(a) + torch.ones(b)).shape)
            except RuntimeError:
                assert not fits, f"{a} and {b} should broadcast"
                continue
            assert fits, f"{a} and {b} should not broadcast"
            assert got == tuple(max(pair) for pair in zip(*padded))[2 - max(len(a), len(b)) :]


@fact("5.2", "error_names_sizes_and_dimension")
@pytest.mark.parametrize(
    ("a", "b", "text"),
    [
        (
            (2, 3),
            (2, 4),
            "The size of tensor a (3) must match the size of tensor b (4) at non-singleton dimension 1",
        ),
        (
            (3,),
            (4, 2),
            "The size of tensor a (3) must match the size of tensor b (2) at non-singleton dimension 1",
        ),
        (
            (2, 3),
            (3, 3),
            "The size of tensor a (2) must match the size of tensor b (3) at non-singleton dimension 0",
        ),
        (
            (0,),
            (2,),
            "The size of tensor a (0) must match the size of tensor b (2) at non-singleton dimension 0",
        ),
    ],
)
@pytest.mark.parametrize("call", ["x + y", "torch.mul(x, y)", "x < y", "torch.pow(x, y)"])
def test_anything_else_is_an_error_that_names_the_sizes_and_the_dimension(check, a, b, text, call):
    """5.2, notes/broadcasting.html"""
    assert check(f"x = torch.ones({a})\ny = torch.ones({b})\nz = {call}").errors == [("RuntimeError", text)]


@fact("5.3", "in_place_keeps_shape")
@pytest.mark.parametrize("call", ["x.add_(y)", "x += y", "x.mul_(y)", "x.pow_(y)"])
@pytest.mark.parametrize(
    ("a", "b", "both"), [((3,), (2, 3), "[2, 3]"), ((1, 3), (2, 1), "[2, 3]"), ((2, 1), (2, 2), "[2, 2]")]
)
def test_an_in_place_form_may_not_change_the_shape_of_what_it_writes(check, call, a, b, both):
    """5.3, notes/broadcasting.html#in-place-semantics"""
    shown = check(f"x = torch.ones({a})\ny = torch.ones({b})\n{call}")
    text = f"output with shape {list(a)} doesn't match the broadcast shape {both}"
    assert shown.errors == [("RuntimeError", text)]
    assert tuple(shown.x.shape) == a
    assert shown.x._version == 0


@fact("5.3", "in_place_stretches_the_other")
def test_an_in_place_form_stretches_the_other_operand(check):
    """5.3, notes/broadcasting.html#in-place-semantics"""
    shown = check("""
        x = torch.zeros(2, 3)
        x += torch.tensor([1.0, 2.0, 3.0])
        x.add_(torch.tensor([[10.0], [20.0]]))
        """)
    holds(shown.x, [[11.0, 12.0, 13.0], [21.0, 22.0, 23.0]])
