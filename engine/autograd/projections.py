"""What `gradcheck(fast_mode=True)` compares: instead of whole Jacobians J their products with random vectors, v' J u.

For a complex input u has a real and an imaginary part, each of which goes with its own part of the gradient; forward mode is
compared in all elements of J u.

Source: https://docs.pytorch.org/docs/stable/notes/gradcheck.html#fast-mode
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine import dtypes, functions, precision, promotion
from engine.autograd import grad
from engine.autograd.forward_ad import dual_level, unpack_dual
from engine.autograd.jacobians import Check, GradcheckError, as_tuple, differentiable
from engine.random import Generator
from engine.tensor import Tensor

Vector = tuple[Tensor, ...]  # the real part, and for complex inputs the imaginary one


class FastCheck(Check):
    """One function at one place, seen along random directions."""

    def compare_backward(self, made: Sequence[Tensor]) -> None:
        """Raise GradcheckError where v' J by backward, times u, is not v' times J u by differences."""
        outputs = differentiable(made)
        inputs = self.differentiated
        source = Generator()  # its seed is always the same, and the user's numbers are left alone
        us = [_direction(x, source) for x in inputs]
        vs = [_unit(out, out.dtype, source) for out in outputs]
        pushed = [self._pushed(x, u) for x, u in zip(inputs, us, strict=True)]
        if not outputs:
            if any(j.numel() and functions.abs(j).max() > self._nondet_tol for row in pushed for j in row):
                raise GradcheckError("Numerical gradient for function expected to be zero")
            return
        positions = [k for k, out in enumerate(made) if out.requires_grad]
        for i, (out, v) in enumerate(zip(outputs, vs, strict=True)):
            rows = self._pulled(out, v)
            for j, u in enumerate(us):
                analytical = _projected(rows[j].reshape(-1), u)
                numerical = functions.mul(v, pushed[j][positions[i]]).sum()
                scale = sum([float(part.sum()) for part in u], 0.0) * float(v.sum())
                self._compare_projected(analytical, numerical, scale, (i, j), made, "")

    def compare_forward(self, made: Sequence[Tensor]) -> None:
        """Raise GradcheckError where J u by dual numbers is not J u by differences."""
        source = Generator()
        inputs = self.differentiated
        floating = [k for k, out in enumerate(made) if out.dtype.category >= dtypes.FLOAT]
        for j, x in enumerate(inputs):
            u = _direction(x, source)
            numerical, analytical = self._pushed(x, u), self._along(j, u[0])
            for i, k in enumerate(floating):
                self._compare_projected(
                    analytical[k],
                    numerical[k],
                    float(u[0].sum()),
                    (i, j),
                    made,
                    "computed with forward mode ",
                )

    def _compare_projected(
        self, analytical: Tensor, numerical: Tensor, scale: float, place: tuple[int, int], made: Sequence[Tensor],
        mode: str,
    ) -> None:  # fmt: skip
        """`scale`: what a difference of one in each element of the Jacobian would make."""
        common = promotion.promote_types(analytical.dtype, numerical.dtype)
        if functions.allclose(analytical.to(common), numerical.to(common), self._rtol, self._atol * scale):
            return
        i, j = place
        text = (
            f"{self._note}Jacobian {mode}mismatch for output {i} with respect to input {j},\nnumerical:{numerical}\n"
            f"analytical:{analytical}\n"
        )
        raise GradcheckError(text + self._in_slow_mode(place, made, forwards=bool(mode)))

    def _in_slow_mode(self, place: tuple[int, int], made: Sequence[Tensor], *, forwards: bool) -> str:
        """The whole Jacobians, which say more than their projections."""
        i, j = place
        position = [k for k, out in enumerate(made) if out.requires_grad][i]
        slow = self._numerical(self.differentiated[j], made)[position]
        exact = self._tangents(made)[j][position] if forwards else self._analytical(made[position])[j]
        return (
            "\nThe above quantities relating the numerical and analytical jacobians are computed \nin fast mode. See: "
            "https://github.com/pytorch/pytorch/issues/53876 for more background \nabout fast mode. Below, we recompute "
            f"numerical and analytical jacobians in slow mode:\n\nNumerical:\n {slow}\nAnalytical:\n{exact}\n\n"
            f"The max per-element difference (slow mode) is: {functions.abs(functions.sub(slow, exact)).max()}.\n"
        )

    def _pushed(self, x: Tensor, u: Vector) -> list[Tensor]:
        """J u for all outputs, by central differences along u."""
        data = x.data
        parts = [part.reshape(x._sizes) for part in u]
        real = self._difference(data, functions.mul(parts[0], self._eps))
        if len(parts) == 1:
            return real
        imaginary = self._difference(data, functions.mul(parts[1], self._eps * 1j))
        return [functions.add(a, functions.mul(b, 1j)) for a, b in zip(real, imaginary, strict=True)]

    def _pulled(self, output: Tensor, v: Tensor) -> list[Tensor]:
        """v' J with respect to each input by backward, twice, which has to give the same."""
        inputs = self.differentiated
        first, again = precision.twice(
            lambda: grad(output, inputs, v.reshape(output._sizes), retain_graph=True, allow_unused=True)
        )
        self.require_proper(first, again)
        return [
            functions.zeros_like(x) if g is None else g.detach() for x, g in zip(inputs, first, strict=True)
        ]

    def _along(self, position: int, u: Tensor) -> list[Tensor]:
        """J u for all outputs by dual numbers, in a row each, by the input at a position."""
        with dual_level():
            found = []
            tangent: Any
            for out in as_tuple(self.func(*self._duals(position, u))):
                primal, tangent = unpack_dual(out)
                if tangent is None:
                    tangent = functions.zeros_like(primal)
                elif self._check_dtypes and primal.dtype.is_complex != tangent.dtype.is_complex:
                    raise GradcheckError("Forward AD gradient has dtype mismatch.")
                found.append(tangent.detach().reshape(-1))
        return found


def _unit(like: Tensor, d: dtypes.dtype, source: Generator) -> Tensor:
    """A random vector of length one, with as many elements as a tensor."""
    vector: Any = functions.rand(like.numel(), generator=source).to(d)
    return vector / vector.norm()


def _direction(x: Tensor, source: Generator) -> Vector:
    real = x.dtype.to_real() if x.dtype.is_complex else x.dtype
    return tuple(_unit(x, real, source) for _ in range(1 + x.dtype.is_complex))


def _projected(row: Tensor, u: Vector) -> Tensor:
    """A row of the Jacobian times a direction, part by part."""
    if len(u) == 1:
        return functions.dot(row, u[0])
    imaginary = functions.mul(functions.dot(functions.imag(row), u[1]), 1j)
    return functions.add(functions.dot(functions.real(row), u[0]), imaginary)
