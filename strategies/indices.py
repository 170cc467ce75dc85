"""Indices: what stands between the brackets of `x[...]`, and integer tensors that name places."""

from __future__ import annotations

from hypothesis import strategies as st

from strategies.choices import Choices, blocks
from strategies.shapes import Shape


def draw_position(choices: Choices, size: int) -> int:
    """A valid position of a dimension of `size`, from either end; 0 where there is none."""
    if size == 0:
        return 0
    at = choices.below(size)
    return at - size if choices.chance(25) else at


def draw_slice(choices: Choices, size: int) -> str:
    """A slice of a dimension, rarely an empty one."""
    way = choices.below(8)
    if way < 2:
        return ":"
    if way == 2:
        return "::2"
    if way == 3:
        return f"{choices.between(0, size)}:"
    if way == 4:
        return f":{choices.between(0, size)}"
    if way == 5:
        return f":{-choices.between(1, max(size, 1))}"
    start = choices.between(0, max(size - 1, 0))
    stop = choices.between(start, size)
    return f"{start}:{stop}:2" if way == 6 else f"{start}:{stop}"


def draw_basic(choices: Choices, shape: Shape) -> str:
    """A basic index: ints, slices, `...` and None; its result is a view."""
    parts: list[str] = []
    rest = list(shape)
    if not rest:
        return choices.pick(("...", "None", "()"))
    count = choices.between(1, len(rest))
    from_the_right = choices.chance(20)
    used = rest[len(rest) - count :] if from_the_right else rest[:count]
    if from_the_right:
        parts.append("...")
    for size in used:
        way = choices.below(8)
        if way < 3 and size:
            parts.append(str(draw_position(choices, size)))
        elif way == 7:
            parts.append("None")
            parts.append(draw_slice(choices, size))
        else:
            parts.append(draw_slice(choices, size))
    return ", ".join(parts)


def draw_list(choices: Choices, size: int, *, distinct: bool = False) -> str:
    """A list of valid positions, at most three; for a write distinct ones, as their order would matter."""
    if size == 0:
        return "[]"
    if distinct:
        return (
            "[" + ", ".join(map(str, choices.shuffled(range(size))[: choices.between(1, min(size, 3))])) + "]"
        )
    return "[" + ", ".join(str(draw_position(choices, size)) for _ in range(choices.between(1, 3))) + "]"


def draw_advanced(choices: Choices, shape: Shape, *, distinct: bool = False) -> str:
    """An index with a list, bools or an integer tensor in it; its result is a copy."""
    if not shape:
        return choices.pick(("torch.tensor(True)", "torch.tensor(False)", "True", "None, True"))
    way = choices.below(8)
    first = shape[0]
    if way < 2:
        return draw_list(choices, first, distinct=distinct)
    if way == 2:
        return f"torch.tensor({draw_list(choices, first, distinct=distinct)})"
    if way == 3 and first <= 5:
        return (
            "torch.tensor(["
            + ", ".join(choices.pick(("True", "False")) for _ in range(first))
            + "], dtype=torch.bool)"
        )
    if way == 4 and len(shape) > 1:
        return f":, {draw_list(choices, shape[1], distinct=distinct)}"
    if way == 5 and len(shape) > 1 and first and shape[1]:
        # Two lists go together element by element.
        rows = choices.shuffled(range(first))[: min(first, shape[1], 2)]
        columns = [draw_position(choices, shape[1]) for _ in rows]
        return f"{rows}, {columns}"
    if way == 6 and len(shape) > 1:
        return f"{draw_list(choices, first, distinct=distinct)}, {draw_slice(choices, shape[1])}"
    if way == 7 and len(shape) > 2:
        return f"{draw_position(choices, first)}, :, {draw_list(choices, shape[2], distinct=distinct)}"
    return draw_list(choices, first, distinct=distinct) + ", ..."


def basic_indices(*, shape: Shape) -> st.SearchStrategy[str]:
    """Texts of basic indices into a tensor of the given shape. Shrinks to position 0."""
    return blocks().map(lambda block: draw_basic(Choices(block), shape))


def advanced_indices(*, shape: Shape) -> st.SearchStrategy[str]:
    """Texts of advanced indices into a tensor of the given shape. Shrinks to the list of position 0."""
    return blocks().map(lambda block: draw_advanced(Choices(block), shape))
