"""What `gradcheck` compares: Jacobians by backward, by dual numbers and by central differences, at one place of a function."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from engine import dtypes, functions, precision, promotion, signatures
from engine.autograd import grad
from engine.autograd.forward_ad import dual_level, make_dual, unpack_dual
from engine.autograd.node import Node, gradient_edge
from engine.size import contiguous_format
from engine.tensor import Tensor

Function = Callable[..., Any]


class GradcheckError(RuntimeError):
    """Raised where a gradient is not what the finite differences say, or is no proper gradient."""


class Check:
    """One function at one place."""

    def __init__(
        self, func: Function, inputs: tuple[Any, ...], eps: float, atol: float, rtol: float, nondet_tol: float,
        check_dtypes: bool,
    ) -> None:  # fmt: skip
        self.func, self.inputs = func, inputs
        self._eps, self._atol, self._rtol = eps, atol, rtol
        self._nondet_tol, self._check_dtypes = nondet_tol, check_dtypes
        self._note = ""

    @property
    def differentiated(self) -> list[Tensor]:
        """The inputs that require grad."""
        return [x for x in self.inputs if signatures.is_tensor(x) and x.requires_grad]

    def require_inputs(self) -> None:
        """Raise ValueError where no input requires grad, RuntimeError for expanded ones; warn of low precision."""
        for i, x in enumerate(self.inputs):
            if not (signatures.is_tensor(x) and x.requires_grad):
                continue
            if x.dtype not in (dtypes.float64, dtypes.complex128):
                warnings.warn(
                    f"Input #{i} requires gradient and is not a double precision floating point or complex. This check will "
                    "likely fail if all the inputs are not of double precision floating point or complex. ",
                    UserWarning,
                    stacklevel=3,
                )
            if any(stride <= 0 and size > 1 for stride, size in zip(x._strides, x._sizes, strict=True)):
                raise RuntimeError(
                    f"The {i}th input has a dimension with stride 0. gradcheck only supports inputs that are non-overlapping to "
                    "be able to compute the numerical gradients correctly. You should call .contiguous on the input before "
                    "passing it to gradcheck."
                )
        if not self.differentiated:
            raise ValueError(
                "gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True."
            )

    # ------------------------------------------------------------------------------------------------ Jacobians compared

    def run(self, backwards: bool, forwards: bool) -> tuple[Tensor, ...]:
        """Compare the Jacobians. Returns the outputs that require grad."""
        made = as_tuple(self.func(*self.inputs))
        outputs = differentiable(made)
        if backwards:
            if any(out.dtype.is_complex for out in made):
                for part in ("imaginary", "real"):
                    other = self._of_part(part)
                    other.compare_backward(as_tuple(other.func(*other.inputs)))
            else:
                self.compare_backward(made)
        if forwards:
            if any(signatures.is_tensor(x) and x.dtype.is_complex for x in self.inputs):
                for part in ("imaginary", "real"):
                    other = self._along_part(part)
                    other.compare_forward(as_tuple(other.func(*other.inputs)))
            else:
                self.compare_forward(made)
        return outputs

    def _like(self, func: Function, inputs: tuple[Any, ...], part: str, element: str) -> Check:
        other = type(self)(
            func, inputs, self._eps, self._atol, self._rtol, self._nondet_tol, self._check_dtypes
        )
        other._note = f"While considering the {part} part of complex {element} only, "
        return other

    def _of_part(self, part: str) -> Check:
        """The check of the real or imaginary parts of complex outputs."""
        take = functions.imag if part == "imaginary" else functions.real

        def func(*args: Any) -> tuple[Any, ...]:
            return tuple(take(out) if out.dtype.is_complex else out for out in as_tuple(self.func(*args)))

        return self._like(func, self.inputs, part, "outputs")

    def _along_part(self, part: str) -> Check:
        """The check along the real or imaginary parts of complex inputs."""
        imaginary = part == "imaginary"

        def func(*args: Any) -> tuple[Any, ...]:
            whole = [
                (x.real + arg * 1j if imaginary else arg + x.imag * 1j)
                if signatures.is_tensor(x) and x.dtype.is_complex
                else arg
                for x, arg in zip(self.inputs, args, strict=True)
            ]
            return as_tuple(self.func(*whole))

        inputs = tuple(
            (x.imag if imaginary else x.real) if signatures.is_tensor(x) and x.dtype.is_complex else x
            for x in self.inputs
        )
        return self._like(func, inputs, part, "inputs")

    def compare_backward(self, made: Sequence[Tensor]) -> None:
        """Raise GradcheckError where the gradients of outputs are not those of the differences."""
        numerical = [self._numerical(x, made) for x in self.differentiated]
        outputs = differentiable(made)
        if not outputs:
            if any(j.ne(0).sum() > 0 for row in numerical for j in row):
                raise GradcheckError("Numerical gradient for function expected to be zero")
            return
        for i, (position, out) in enumerate((k, o) for k, o in enumerate(made) if o.requires_grad):
            for j, analytical in enumerate(self._analytical(out)):
                self._compare(analytical, numerical[j][position], i, j, "")

    def compare_forward(self, made: Sequence[Tensor]) -> None:
        """Raise GradcheckError where the tangents of outputs are not those of the differences."""
        numerical = [self._numerical(x, made) for x in self.differentiated]
        if not differentiable(made):
            if any(j.ne(0).sum() > 0 for row in numerical for j in row):
                raise GradcheckError("Numerical gradient for function expected to be zero")
            return
        analytical = self._tangents(made)
        positions = [k for k, out in enumerate(made) if out.requires_grad]
        for i, position in enumerate(positions):
            for j in range(len(numerical)):
                self._compare(
                    analytical[j][position], numerical[j][position], i, j, "computed with forward mode "
                )

    def _compare(self, analytical: Tensor, numerical: Tensor, i: int, j: int, mode: str) -> None:
        common = promotion.promote_types(analytical.dtype, numerical.dtype)
        if not functions.allclose(analytical.to(common), numerical.to(common), self._rtol, self._atol):
            raise GradcheckError(
                f"{self._note}Jacobian {mode}mismatch for output {i} with respect to input {j},\nnumerical:{numerical}\n"
                f"analytical:{analytical}\n"
            )

    def _numerical(self, x: Tensor, made: Sequence[Tensor]) -> list[Tensor]:
        """The Jacobians of all outputs with respect to an input, by central differences: input's elements x output's."""
        columns = [list(self._differences(x.data[place])) for place in _places(x)]
        empty = [
            functions.zeros((0, out.numel()), dtype=x.dtype if x.dtype.is_complex else out.dtype)
            for out in made
        ]
        return [
            functions.stack([column[k] for column in columns]) if columns else empty[k]
            for k in range(len(made))
        ]

    def _differences(self, entry: Tensor) -> Iterator[Tensor]:
        real = self._difference(entry, self._eps)
        if not entry.dtype.is_complex:
            return iter(real)
        imaginary = self._difference(entry, self._eps * 1j)
        return (functions.add(a, functions.mul(b, 1j)) for a, b in zip(real, imaginary, strict=True))

    def _difference(self, entry: Tensor, step: Any) -> list[Tensor]:
        before = entry.clone()
        entry.copy_(before - step)
        low = [out.clone() for out in as_tuple(self.func(*self.inputs))]
        entry.copy_(before + step)
        high = [out.clone() for out in as_tuple(self.func(*self.inputs))]
        entry.copy_(before)
        for a, b in zip(low, high, strict=True):
            for what, x, y in (("shape", a.shape, b.shape), ("dtype", a.dtype, b.dtype)):
                if x != y:
                    raise AssertionError(
                        f"Expected `func` to return outputs with the same {what} when inputs are perturbed on index () by "
                        f"{self._eps}, but got: {what}s {x} and {y}."
                    )
        return [((b - a) / (2 * self._eps)).detach().reshape(-1) for a, b in zip(low, high, strict=True)]

    def _analytical(self, output: Tensor) -> list[Tensor]:
        """The Jacobian of an output with respect to each input by backward, twice, which has to give the same."""
        (rows, sizes_ok, dtypes_ok), (again, *_) = precision.twice(lambda: self._rows(output))
        self._require(rows, again, sizes_ok, dtypes_ok)
        return rows

    def require_proper(self, gradients: Sequence[Tensor | None], again: Sequence[Tensor | None]) -> None:
        """Raise GradcheckError for gradients that are not like the inputs, or came out differently a second time."""
        pairs = [
            (g, x, other)
            for g, x, other in zip(gradients, self.differentiated, again, strict=True)
            if g is not None and other is not None
        ]
        sizes_ok = all(g._sizes == x._sizes for g, x, _ in pairs)
        dtypes_ok = all(g.dtype is x.dtype for g, x, _ in pairs)
        self._require([g for g, *_ in pairs], [other for *_, other in pairs], sizes_ok, dtypes_ok)

    def _require(
        self, rows: Sequence[Tensor], again: Sequence[Tensor], sizes_ok: bool, dtypes_ok: bool
    ) -> None:
        if not dtypes_ok and self._check_dtypes:
            raise GradcheckError("Gradient has dtype mismatch")
        if not sizes_ok:
            raise GradcheckError("Analytical gradient has incorrect size")
        if any(
            a.numel() and functions.dist(a, b, float("inf")) > self._nondet_tol
            for a, b in zip(rows, again, strict=True)
        ):
            raise GradcheckError(
                "Backward is not reentrant, i.e., running backward with same input and grad_output multiple times gives "
                "different values, although analytical gradient matches numerical gradient.The tolerance for nondeterminism was "
                f"{self._nondet_tol}."
            )

    def _rows(self, output: Tensor) -> tuple[list[Tensor], bool, bool]:
        inputs = self.differentiated
        made = [functions.zeros((x.numel(), output.numel()), dtype=x.dtype) for x in inputs]
        sizes_ok = dtypes_ok = True
        weight = functions.zeros_like(output, memory_format=contiguous_format)
        flat = weight.view(-1)
        for j in range(output.numel()):
            flat.zero_()
            flat[j] = 1.0
            found = grad(output, inputs, weight, retain_graph=True, allow_unused=True)
            for x, g, jacobian in zip(inputs, found, made, strict=True):
                if g is not None:
                    sizes_ok = sizes_ok and g._sizes == x._sizes
                    dtypes_ok = dtypes_ok and g.dtype is x.dtype
                    jacobian[:, j] = g.detach().reshape(-1)
        return made, sizes_ok, dtypes_ok

    def _tangents(self, made: Sequence[Tensor]) -> list[list[Tensor]]:
        """The Jacobians of all outputs with respect to each input by dual numbers."""
        jacobians = []
        for position, x in enumerate(self.differentiated):
            rows = [functions.zeros((x.numel(), out.numel()), dtype=out.dtype) for out in made]
            for index, place in enumerate(_places(x)):
                with dual_level():
                    tangent = functions.zeros_like(x)
                    tangent.detach()[place] = 1.0
                    duals = self._duals(position, tangent)
                    for row, out in zip(rows, as_tuple(self.func(*duals)), strict=True):
                        primal, found = unpack_dual(out)
                        if found is None:
                            continue
                        if self._check_dtypes and primal.dtype.is_complex != found.dtype.is_complex:
                            raise GradcheckError("Forward AD gradient has dtype mismatch.")
                        row[index] = found.detach().reshape(-1)
            jacobians.append(rows)
        return jacobians

    def _duals(self, position: int, tangent: Tensor) -> list[Any]:
        """The inputs, those that are differentiated as duals: the one at a position with a tangent, also where it is given
        once more, the others with zeros."""
        duals, count = [], 0
        for x in self.inputs:
            if signatures.is_tensor(x) and x.requires_grad:
                own = tangent.reshape(x._sizes) if count == position else functions.zeros_like(x)
                x, count = make_dual(x.detach(), own), count + 1
            duals.append(x)
        return duals

    # ------------------------------------------------------------------------------------------- gradients of zero, or none

    def multiplies(self, outputs: Sequence[Tensor]) -> None:
        """Raise GradcheckError where zeros do not give zeros."""
        inputs = self.differentiated
        zeros = [functions.zeros_like(out, memory_format=contiguous_format) for out in outputs]
        for g, x in zip(grad(outputs, inputs, zeros, allow_unused=True), inputs, strict=True):
            if g is None:
                continue
            if not g.eq(0).all():
                raise GradcheckError("backward not multiplied by grad_output")
            if g.dtype is not x.dtype:
                raise GradcheckError("grad is incorrect type")
            if g._sizes != x._sizes:
                raise GradcheckError("grad is incorrect size")

    def takes_undefined(self, count: int) -> None:
        """Raise GradcheckError where no gradient at all, for all outputs or for one, is not taken for zero."""
        outputs = differentiable(self.func(*self.inputs))
        self._undefined([_undefined(out) for out in outputs])
        for i in range(count if len(outputs) > 1 else 0):
            outputs = differentiable(self.func(*self.inputs))
            self._undefined([_undefined(out) if k == i else out for k, out in enumerate(outputs)])

    def _undefined(self, outputs: list[Tensor]) -> None:
        zeros = [functions.zeros_like(out, memory_format=contiguous_format) for out in outputs]
        try:
            found = grad(outputs, self.differentiated, zeros, allow_unused=True)
        except RuntimeError as error:
            _warn_of_undefined()
            raise GradcheckError(
                'Expected backward function to handle undefined output grads. Please look at "Notes about undefined output '
                'gradients" in "tools/autograd/derivatives.yaml"'
            ) from error
        if any(g is not None and not g.eq(0).all() for g in found):
            _warn_of_undefined()
            raise GradcheckError(
                "Expected all input grads to be undefined or zero when all output grads are undefined or zero. Please look at "
                '"Notes about undefined output gradients" in "tools/autograd/derivatives.yaml"'
            )


class UndefinedGradBackward(Node):
    """Passes no gradient on."""

    def apply(self, grads: list[Tensor | None]) -> Sequence[Tensor | None]:
        return [None]


def _undefined(output: Tensor) -> Tensor:
    node = UndefinedGradBackward([gradient_edge(output)])
    made: Tensor = output.detach()
    node.add_output(made)
    return made


def _warn_of_undefined() -> None:
    warnings.warn(
        "Backwards compatibility: New undefined gradient support checking feature is enabled by default, but it may break "
        "existing callers of this function. If this is true for you, you can call this function with "
        '"check_undefined_grad=False" to disable the feature',
        UserWarning,
        stacklevel=3,
    )


def as_tuple(x: Any) -> tuple[Any, ...]:
    return tuple(x) if isinstance(x, (tuple, list)) else (x,)


def differentiable(made: Any) -> tuple[Tensor, ...]:
    return tuple(out for out in as_tuple(made) if out.requires_grad)


def _places(x: Tensor) -> Iterator[tuple[int, ...]]:
    """The index of each element."""
    return itertools.product(*map(range, x._sizes))
