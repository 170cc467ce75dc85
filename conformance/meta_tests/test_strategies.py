"""The drawn parts: dtypes, shapes, values, indices; and that the same bytes always give the same program."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.dtypes import bool_, complex64, dtype, float16, float32, int8, int64, uint8
from strategies import dtypes, indices, shapes, values
from strategies.choices import BLOCK_SIZE, Choices, Table, blocks
from strategies.program import Program, parse
from strategies.programs import PROFILES, draw_block, programs

_FAST = settings(max_examples=60, database=None, deadline=None)
_NAMES = {"nan": float("nan"), "inf": float("inf")}


# ------------------------------------------------------------------------------------------------------------- choices


def test_zero_bytes_pick_the_first_of_everything() -> None:
    choices = Choices(bytes(BLOCK_SIZE))
    assert choices.pick("abc") == "a"
    assert choices.weighted((("a", 1), ("b", 9))) == "a"
    assert not choices.chance(99)
    assert choices.between(2, 5) == 2
    assert [choices.byte() for _ in range(200)] == [0] * 200


@given(blocks())
@_FAST
def test_choices_stay_in_their_bounds(block: bytes) -> None:
    choices = Choices(block)
    assert all(0 <= choices.below(n) < n for n in (1, 2, 3, 64, 65, 1000))
    assert sorted(choices.shuffled(range(5))) == [0, 1, 2, 3, 4]


def test_weights_are_followed() -> None:
    table = Table([("rare", 1), ("often", 99)])
    drawn = [Choices(bytes([i])).weighted(table) for i in range(256)]
    assert 1 <= drawn.count("rare") <= 6


# ------------------------------------------------------------------------------------------------------ the small parts


@given(shapes.shapes())
@_FAST
def test_shapes_are_small(shape: shapes.Shape) -> None:
    assert len(shape) <= 4
    assert np.prod(shape, dtype=int) <= shapes.LARGEST


@given(shapes.shapes(min_rank=2, max_rank=3))
@_FAST
def test_shapes_have_the_wanted_rank(shape: shapes.Shape) -> None:
    assert 2 <= len(shape) <= 3


@given(shapes.broadcastable_pairs())
@_FAST
def test_pairs_broadcast_as_numpy_says(pair: tuple[shapes.Shape, shapes.Shape]) -> None:
    np.broadcast_shapes(*pair)
    assert shapes.broadcasts(*pair)


@given(shapes.shapes(), blocks())
@_FAST
def test_other_sizes_have_as_many_elements(shape: shapes.Shape, block: bytes) -> None:
    sizes = shapes.draw_reshaped(Choices(block), shape)
    assert np.zeros(shape).reshape(sizes).size == np.prod(shape, dtype=int)


@given(dtypes.dtypes(among=(int8, float16)))
@_FAST
def test_dtypes_are_among_the_given(d: dtype) -> None:
    assert d in (int8, float16)


@pytest.mark.parametrize("d", [bool_, uint8, int8, int64, float16, float32, complex64], ids=repr)
def test_data_has_its_shape_and_a_literal_of_its_dtype_everywhere(d: dtype) -> None:
    @given(values.data(shape=(2, 3), dtype=d, wild=50))
    @_FAST
    def check(text: str) -> None:
        array = np.array(eval(text, {}, _NAMES))
        assert array.shape == (2, 3)
        if d.category == dtypes.INTEGER:
            assert np.iinfo(d.numpy).min <= array.min()
            assert array.max() <= np.iinfo(d.numpy).max
        parse(f"x = torch.tensor({text})\n")

    check()


@given(st.sampled_from([(3,), (2, 3), (2, 1, 4), (1, 2, 2, 3)]), blocks())
@_FAST
def test_indices_are_valid(shape: shapes.Shape, block: bytes) -> None:
    choices = Choices(block)
    x = np.zeros(shape)
    eval(f"x[{indices.draw_basic(choices, shape)}]", {"x": x})
    assert set(eval(indices.draw_list(choices, shape[0], distinct=True))) <= set(range(shape[0]))


@given(indices.advanced_indices(shape=(3, 4)))
@_FAST
def test_advanced_indices_are_part_of_the_language(text: str) -> None:
    parse(f"y = x[{text}]\n")


# ------------------------------------------------------------------------------------------------------------- programs


@given(programs())
@settings(max_examples=25, database=None, deadline=None)
def test_programs_are_parsed_programs(program: Program) -> None:
    assert program.statements
    assert str(parse(str(program))) == str(program)


def test_a_block_is_the_same_whenever_it_is_drawn() -> None:
    first = draw_block(11, 0, size=25)
    draw_block(12, 5, "views", size=5)
    assert len(first) == 25
    assert draw_block(11, 0, size=25) == first
    assert draw_block(11, 1, size=25) != first
    assert draw_block(12, 0, size=25) != first


def test_a_large_block_asks_hypothesis_for_more_than_the_first_example() -> None:
    texts = draw_block(11, 0, size=170)
    assert len(texts) == len(set(texts)) == 170
    assert texts[:25] == draw_block(11, 0, size=25)


_PRINT = """
import sys
if {torch}:
    import torch, conformance
from strategies.programs import draw_block
sys.stdout.write(repr(draw_block(11, 0, {profile!r}, 25)))
"""


@pytest.mark.parametrize(
    ("profile", "hashseed", "torch"), [("default", "1", True), ("autograd", "77", False)]
)
def test_a_block_is_the_same_in_another_process(profile: str, hashseed: str, torch: bool) -> None:
    environment = {**os.environ, "PYTHONHASHSEED": hashseed}
    command = [sys.executable, "-c", _PRINT.format(torch=torch, profile=profile)]
    got = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
    assert eval(got.stdout) == draw_block(11, 0, profile, 25)


def test_an_unknown_profile_is_refused() -> None:
    with pytest.raises(KeyError):
        draw_block(0, 0, "nonsense")
    assert set(PROFILES) >= {
        "default",
        "views",
        "autograd",
        "promotion",
        "indexing",
        "mistakes",
        "special",
        "exact",
    }
