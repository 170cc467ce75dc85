"""Random tensors: factories, draws from distributions with tensor parameters, in-place fills and dropout.

`engine.generator` makes the values in fill order; here they get to their places.
Sources: https://docs.pytorch.org/docs/stable/torch.html#random-sampling and
https://docs.pytorch.org/docs/stable/notes/randomness.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from engine import dtypes, generator, layout, signatures
from engine import functions as F
from engine.autograd.modes import is_grad_enabled
from engine.dtypes import dtype
from engine.ops.creation import OPTIONS, blank, check_place, check_sizes, finish
from engine.ops.memory import strides_for
from engine.ops.pointwise import not_implemented
from engine.random import Generator, stream_of
from engine.registry import COMPOSITE, GENERAL, MUTATION, OPS, Op, op
from engine.results import Result
from engine.tensor import Tensor
from engine.writes import bump_version, check_inplace, check_memory, resize_output, write

Draw = Callable[..., np.ndarray]
"""draw(target, stream, n, dtype name) -> n values in the order in which a destination is filled."""


# ------------------------------------------------------------------------------------------------------ filling memory


def _filled(target: Tensor, source: Generator | None, draw: Draw) -> Result:
    """The values that fill a destination, each at its place.

    Memory that is shared by several elements keeps the value of whichever came last: undefined.
    """
    if layout.has_internal_overlap(target._sizes, target._strides):
        draw(stream_of(source), 0, target.dtype.name)  # bad parameters come first
        check_memory(frozenset(("internal",)), target, (), ())
    values = draw(stream_of(source), target.numel(), target.dtype.name)
    if target.is_contiguous():
        return Result(values.reshape(target._sizes))
    lost = None if layout.is_injective(target._sizes, target._strides) else np.ones(target._sizes, np.bool_)
    return Result(generator.arrange(values, target._sizes, target._strides), None, lost)


def _normal_draw(target: Tensor, mean: float, std: float) -> Draw:
    contiguous = target.is_contiguous()
    return lambda stream, n, d: generator.normal(stream, n, d, mean, std, contiguous=contiguous)


def _uniform(target: Tensor, low: float, high: float, source: Generator | None) -> Result:
    return _filled(target, source, lambda stream, n, d: generator.uniform(stream, n, d, low, high))


def _normal(target: Tensor, mean: float, std: float, source: Generator | None) -> Result:
    if target.dtype.category < dtypes.FLOAT:  # refused before the memory is looked at
        generator.normal(stream_of(source), target.numel(), target.dtype.name, mean, std)
    return _filled(target, source, _normal_draw(target, mean, std))


def _random_full(target: Tensor, source: Generator | None) -> Result:
    return _filled(target, source, generator.random_full)


def _random_range(target: Tensor, low: int, high: int | None, source: Generator | None) -> Result:
    return _filled(target, source, lambda stream, n, d: generator.random_range(stream, n, d, low, high))


def _bernoulli_number(target: Tensor, p: float, source: Generator | None) -> Result:
    return _filled(target, source, lambda stream, n, d: generator.bernoulli(stream, n, d, p))


def _bernoulli_tensor(target: Tensor, p: Tensor, source: Generator | None) -> Result:
    """Ones with the probabilities `p`, which is read at the places that are filled."""
    if p._sizes != target._sizes:
        _check_expands(p, target)
    wanted = np.broadcast_to(p._array(), target._sizes)
    if not target.is_contiguous():
        wanted = wanted.transpose(generator.fill_order(target._sizes, target._strides))
    flat = wanted.reshape(-1)
    result = _filled(target, source, lambda stream, n, d: generator.bernoulli_tensor(stream, flat[:n], d))
    unknown = p._undefined_mask()
    if unknown is not None:
        result.undefined = np.broadcast_to(unknown, target._sizes).copy()
    return result


def _check_expands(p: Tensor, target: Tensor) -> None:
    sizes, wanted = list(p._sizes), list(target._sizes)
    lead = len(wanted) - len(sizes)
    if lead < 0:
        raise RuntimeError(
            f"expand(torch.{p.dtype.legacy}Tensor{{{sizes}}}, size={wanted}): the number of sizes provided ({len(wanted)}) "
            f"must be greater or equal to the number of dimensions in the tensor ({len(sizes)})"
        )
    for dim in range(len(sizes) - 1, -1, -1):
        if sizes[dim] not in (1, wanted[lead + dim]):
            raise RuntimeError(
                f"The expanded size of the tensor ({wanted[lead + dim]}) must match the existing size ({sizes[dim]}) at "
                f"non-singleton dimension {lead + dim}.  Target sizes: {wanted}.  Tensor sizes: {sizes}"
            )


# ------------------------------------------------------------------------------------------------------ in-place fills

_GENERATOR = "*, Generator? generator=None"
_FLAT = {"input": lambda grad: F.zeros_like(grad)}


def _in_place(signature: str, kernel: Callable[..., Result], *, exact: bool = False, **record: Any) -> None:
    record = {"derivatives": _FLAT, **record}
    op(
        f"{signature[:-1]}, {_GENERATOR})", kind=MUTATION, kernel=kernel, family="random", forms="method inplace",
        exact=exact, **record,
    )  # fmt: skip


def _distribution(draw: Draw) -> Callable[..., Result]:
    def kernel(target: Tensor, *values: Any) -> Result:
        *parameters, source = values
        return _filled(target, source, lambda stream, n, d: draw(stream, n, d, *parameters))

    return kernel


_in_place(
    "uniform_(Tensor input, float from=0.0, float to=1.0)", _uniform, node="UniformBackward0", exact=True
)
_in_place("normal_(Tensor input, float mean=0.0, float std=1.0)", _normal, node="NormalBackward0")
_in_place("random_(Tensor input)", _random_full, node="RandomBackward2", exact=True)
_in_place("random_(Tensor input, int from, int? to)", _random_range, node="RandomBackward0", exact=True)
_in_place(
    "random_(Tensor input, int to)", lambda target, to, source: _random_range(target, 0, to, source), node="RandomBackward1",
    exact=True,
)  # fmt: skip
_in_place(
    "bernoulli_(Tensor input, Tensor p)", _bernoulli_tensor, node="BernoulliBackward1", exact=True,
    derivatives={**_FLAT, "p": lambda grad, p_sizes: grad.new_zeros(p_sizes)},
)  # fmt: skip
_in_place("bernoulli_(Tensor input, float p=0.5)", _bernoulli_number, node="BernoulliBackward2", exact=True)
_in_place(
    "exponential_(Tensor input, float lambd=1.0)", _distribution(generator.exponential), node="ExponentialBackward0",
)  # fmt: skip
_in_place(
    "geometric_(Tensor input, float p)", _distribution(generator.geometric), node="GeometricBackward0", exact=True,
)  # fmt: skip
_in_place(
    "cauchy_(Tensor input, float median=0.0, float sigma=1.0)", _distribution(generator.cauchy), node="CauchyBackward0",
)  # fmt: skip
_in_place(
    "log_normal_(Tensor input, float mean=1.0, float std=2.0)", _distribution(generator.log_normal), node="LogNormalBackward0",
)  # fmt: skip

# ----------------------------------------------------------------------------------------------------------- factories

_INTO: dict[Op, Callable[..., None]] = {}
"""The `out=` forms: into(out, *values) resizes and fills. They fill what they are given, so that the dtype and the
strides of `out` decide what is drawn."""


def _write(target: Tensor, result: Result) -> None:
    write(target, result)
    bump_version(target)


def _fresh(
    sizes: layout.Shape, d: dtype, strides: layout.Shape | None, fill: Callable[[Tensor], Result]
) -> Tensor:
    made = blank(check_sizes(sizes), d, strides)
    write(made, fill(made))
    return made


def _factory(
    signature: str, fill: Callable[..., Result], default: Callable[[], dtype], *, exact: bool
) -> None:
    """Register a factory: `fill(target, *own parameters without size, generator)`; `size` is the last own parameter."""

    def kernel(*values: Any) -> Tensor:
        *given, size, source, d, _, device, pin_memory, requires_grad = values
        check_place(device, pin_memory)
        return finish(_fresh(size, d or default(), None, lambda t: fill(t, *given, source)), requires_grad)

    def into(out: Tensor, *values: Any) -> None:
        *given, size, source = values[:-5]
        if _resize(out, check_sizes(size)) and signature.startswith("randn"):
            bump_version(out)  # torch's randn is made of two operations, a resize and a fill
        _write(out, fill(out, *given, source))

    record = op(
        f"{signature[:-1]}, {_GENERATOR}, {OPTIONS})", kind=COMPOSITE, kernel=kernel, family="random", forms="function out",
        exact=exact,
    )  # fmt: skip
    _INTO[record] = into


def _resize(out: Tensor, sizes: layout.Shape) -> bool:
    if out._sizes == sizes:
        return False
    out._resize(sizes)
    return True


_factory(
    "rand(int[] size)", lambda t, source: _uniform(t, 0.0, 1.0, source), dtypes.get_default_dtype, exact=True,
)  # fmt: skip
_factory(
    "randn(int[] size)", lambda t, source: _normal(t, 0.0, 1.0, source), dtypes.get_default_dtype, exact=False,
)  # fmt: skip
_factory(
    "randint(int high, int[] size)", lambda t, high, source: _random_range(t, 0, high, source), lambda: dtypes.int64,
    exact=True,
)  # fmt: skip
_factory("randint(int low, int high, int[] size)", _random_range, lambda: dtypes.int64, exact=True)


def _permuted(n: int, source: Generator | None, d: dtype) -> np.ndarray:
    return generator.randperm(stream_of(source), n, d.name)


def _randperm(
    n: int, source: Any, d: Any, _: Any, device: Any, pin_memory: Any, requires_grad: Any
) -> Tensor:
    """A random permutation of 0 .. n - 1."""
    check_place(device, pin_memory)
    return finish(Tensor._fresh(_permuted(n, source, d or dtypes.int64)), requires_grad)


def _randperm_into(out: Tensor, n: int, source: Any, *options: Any) -> None:
    values = _permuted(n, source, out.dtype)
    _resize(out, (n,))
    _write(out, Result(values))


_INTO[
    op(
        f"randperm(int n, {_GENERATOR}, {OPTIONS})", kind=COMPOSITE, kernel=_randperm, family="random", forms="function out",
        exact=True,
    )
] = _randperm_into  # fmt: skip


# ------------------------------------------------------------------------------------------------- like another tensor


def _like(signature: str, fill: Callable[..., Result], *, exact: bool) -> None:
    def kernel(input: Tensor, *values: Any) -> Tensor:
        *given, source, d, _, device, pin_memory, requires_grad, memory_format = values
        check_place(device, pin_memory)
        strides = strides_for(input, memory_format)
        return finish(
            _fresh(input._sizes, d or input.dtype, strides, lambda t: fill(t, *given, source)), requires_grad
        )

    op(
        f"{signature[:-1]}, {_GENERATOR}, {OPTIONS}, memory_format? memory_format=None)", kind=COMPOSITE, kernel=kernel,
        family="random", forms="function", exact=exact,
    )  # fmt: skip


def _bound_of(high: Tensor) -> int:
    if high._sizes:
        raise RuntimeError("high must be a scalar tensor and on CPU")
    return int(high.detach().item())


_like("rand_like(Tensor input)", lambda t, source: _uniform(t, 0.0, 1.0, source), exact=True)
_like("randn_like(Tensor input)", lambda t, source: _normal(t, 0.0, 1.0, source), exact=False)
_like(
    "randint_like(Tensor input, int high)",
    lambda t, high, source: _random_range(t, 0, high, source),
    exact=True,
)
_like(
    "randint_like(Tensor input, Tensor high)", lambda t, high, source: _random_range(t, 0, _bound_of(high), source), exact=True,
)  # fmt: skip
_like("randint_like(Tensor input, int low, int high)", _random_range, exact=True)


# ------------------------------------------------------------------------------------ distributions of tensor parameters


def _check_std(std: Tensor) -> None:
    if std.dtype.is_complex:
        raise RuntimeError("normal expects standard deviation to be non-complex")
    if not (std._array() >= 0).all():
        raise RuntimeError("normal expects all elements of std >= 0.0")


def _scaled_into(out: Tensor, mean: Any, std: Tensor, source: Any) -> None:
    """Standard normal values, rounded to the destination's dtype, times `std`, plus `mean`: one write of `out`."""
    steps: Any = out.data
    write(steps, _normal(steps, 0.0, 1.0, source))
    steps.mul_(std.detach()).add_(mean.detach() if isinstance(mean, Tensor) else mean)
    bump_version(out)


def _normal_tensors_into(out: Tensor, mean: Tensor, std: Tensor, source: Any) -> None:
    _check_std(std)
    resize_output(out, layout.broadcast_two(mean._sizes, std._sizes))
    _scaled_into(out, mean, std, source)


def _normal_mean_into(out: Tensor, mean: Tensor, std: float, source: Any) -> None:
    _check_number_std(std)  # alone among its overloads, this one draws as many numbers as `out` has elements
    steps: Any = out.data
    write(steps, _normal(steps, 0.0, std, source))
    F.add(steps, mean.detach(), out=out)


def _check_number_std(std: float) -> None:
    if not std >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {float(std):g}")


def _normal_std_into(out: Tensor, mean: float, std: Tensor, source: Any) -> None:
    _check_std(std)
    resize_output(out, std._sizes)
    if out.numel():
        _scaled_into(out, mean, std, source)


def _made(into: Callable[..., None], of: int) -> Callable[..., np.ndarray]:
    """The kernel that fills a fresh row-major tensor of the dtype of parameter `of`."""

    def kernel(mean: Any, std: Any, source: Any) -> np.ndarray:
        tensors = [t for t in (mean, std) if isinstance(t, Tensor)]
        if is_grad_enabled() and (mean, std)[of].dtype.is_complex and any(t.requires_grad for t in tensors):
            raise RuntimeError(
                "normal does not support automatic differentiation for outputs with complex dtype."
            )
        out = blank(layout.broadcast_shapes([t._sizes for t in tensors]), (mean, std)[of].dtype)
        into(out, mean, std, source)
        return out._array()

    return kernel


_MEAN_FLAT = {"mean": lambda grad, mean_sizes: grad.new_zeros(mean_sizes)}
_STD_FLAT = {"std": lambda grad, std_sizes: grad.new_zeros(std_sizes)}
for _text, _into, _of, _node, _derivatives in (
    ("Tensor mean, Tensor std", _normal_tensors_into, 0, "NormalBackward3", _MEAN_FLAT | _STD_FLAT),
    ("Tensor mean, float std=1.0", _normal_mean_into, 0, "NormalBackward1", _MEAN_FLAT),
    ("float mean, Tensor std", _normal_std_into, 1, "NormalBackward2", _STD_FLAT),
):
    _INTO[
        op(
            f"normal({_text}, {_GENERATOR})", kind=GENERAL, kernel=_made(_into, _of), family="random", forms="function out",
            node=_node, derivatives=_derivatives,
        )
    ] = _into  # fmt: skip
_factory("normal(float mean, float std, int[] size)", _normal, dtypes.get_default_dtype, exact=False)


def _bernoulli(input: Tensor, source: Any) -> Result:
    return _bernoulli_tensor(blank(input._sizes, input.dtype), input, source)


def _bernoulli_into(out: Tensor, input: Tensor, source: Any) -> None:
    _resize(out, input._sizes)
    _write(out, _bernoulli_tensor(out, input, source))


def _bernoulli_like(input: Tensor, p: float, source: Any) -> Result:
    return _bernoulli_number(blank(input._sizes, input.dtype), p, source)


_INTO[
    op(
        f"bernoulli(Tensor input, {_GENERATOR})", kind=GENERAL, kernel=_bernoulli, family="random",
        forms="function method out", exact=True, derivatives=_FLAT,
    )
] = _bernoulli_into  # fmt: skip
op(
    f"bernoulli(Tensor input, float p, {_GENERATOR})", kind=GENERAL, kernel=_bernoulli_like, family="random", exact=True,
    node="NotImplemented", derivatives=not_implemented("bernoulli", "input"),
)  # fmt: skip


def _multinomial(input: Tensor, num_samples: int, replacement: bool, source: Any) -> Result:
    stream, weights = stream_of(source), input._array()
    before = stream.clone()
    drawn = generator.multinomial(stream, weights, num_samples, replacement)
    if replacement and num_samples > 1:
        return Result(drawn)
    return Result(drawn, None, _tied(before, weights, drawn))


def _tied(stream: Any, weights: np.ndarray, drawn: np.ndarray) -> np.ndarray | None:
    """Which samples were a choice among equal quotients, that torch leaves to its sorting."""
    divisors = generator.exponential(stream, weights.size, weights.dtype.name).reshape(weights.shape)
    wide = np.float64 if weights.dtype == np.float64 else np.float32
    with np.errstate(all="ignore"):
        quotients = (weights.astype(wide) / divisors.astype(wide)).astype(weights.dtype).astype(wide)
    ranked = -np.sort(-quotients, axis=-1)
    same = ranked[..., 1:] == ranked[..., :-1]
    edge = np.zeros((*ranked.shape[:-1], 1), np.bool_)
    tied = (
        np.concatenate([edge, same], -1)
        | np.concatenate([same, edge], -1)
        | np.isnan(quotients).any(-1, keepdims=True)
    )
    tied = tied[..., : drawn.shape[-1]]
    return tied if tied.any() else None


def _multinomial_into(out: Tensor, input: Tensor, num_samples: int, replacement: bool, source: Any) -> None:
    if out.dtype is not dtypes.int64:
        raise RuntimeError(f"multinomial expects Long tensor out, got: {out.dtype.legacy}")
    result = _multinomial(input, num_samples, replacement, source)
    _resize(out, result.values.shape)
    _write(out, result)


_INTO[
    op(
        f"multinomial(Tensor input, int num_samples, bool replacement=False, {_GENERATOR})", kind=GENERAL,
        kernel=_multinomial, family="random", forms="function method out", exact=True,
    )
] = _multinomial_into  # fmt: skip


# ------------------------------------------------------------------------------------------------------------ out= forms


def _with_out(name: str) -> Callable[..., Any]:
    plain = getattr(F, name)

    def function(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        if out is None:
            return plain(*args, **kwargs)
        for record in OPS[name]:
            if record not in _INTO:
                continue
            try:
                values = signatures.bind(record.signature, args, dict(kwargs))
            except signatures.Mismatch:
                continue
            return _run_into(record, values, out, kwargs)
        raise TypeError(f"{name}() received an invalid combination of arguments")

    function.__name__ = function.__qualname__ = name
    function.__doc__ = plain.__doc__
    return function


def _run_into(record: Op, values: list[Any], out: Any, kwargs: dict[str, Any]) -> Tensor:
    name = record.name
    if not isinstance(out, Tensor):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    d = kwargs.get("dtype")
    if isinstance(d, dtype) and d is not out.dtype:
        raise RuntimeError(f"dtype {d.legacy} does not match dtype of out parameter ({out.dtype.legacy})")
    operands = [v for v in values if isinstance(v, Tensor)]
    if is_grad_enabled() and any(t.requires_grad for t in (out, *operands)):
        prefix = "" if operands else "aten::"
        raise RuntimeError(
            f"{prefix}{name}(): functions with out=... arguments don't support automatic differentiation, but one of the "
            "arguments requires grad."
        )
    check_inplace(out, False)
    _INTO[record](out, *values)
    return finish(out, kwargs.get("requires_grad", False))


for _name in dict.fromkeys(record.name for record in _INTO):
    setattr(F, _name, _with_out(_name))

# --------------------------------------------------------------------------------------------------------------- dropout


def _dropped(input: Tensor, p: float, train: bool, multiply: Callable[[Any, Tensor], Tensor]) -> Tensor:
    if not 0 <= p <= 1:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {float(p):g}")
    if p == 0 or not train or input.numel() == 0:
        return input
    if p == 1:
        return multiply(input, F.zeros((), dtype=input.dtype))
    mask = F.empty_like(input).bernoulli_(1 - p).div_(1 - p)
    return multiply(input, mask)


def _dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """Zeros with probability p, the other elements divided by 1 - p; the input itself when not training."""
    return _dropped(input, p, train, lambda x, mask: x * mask)


def _dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """Dropout in place."""
    return _dropped(input, p, train, lambda x, mask: x.mul_(mask))


op(
    "dropout(Tensor input, float p, bool train)", kind=COMPOSITE, kernel=_dropout, family="random", forms="function",
    exact=True,
)  # fmt: skip
op(
    "dropout_(Tensor input, float p, bool train)", kind=COMPOSITE, kernel=_dropout_, family="random", forms="function",
    exact=True,
)  # fmt: skip
