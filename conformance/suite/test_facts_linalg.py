"""Section 6: linear algebra.

Pages named in docstrings are relative to https://docs.pytorch.org/docs/stable/.
"""

import math
from typing import Any

import numpy as np
import pytest

from conformance.suite.expectations import fact, holds

SETUP = """
a = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
b = torch.tensor([[0.0, 1.0], [2.0, 3.0]])
c = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])
v = torch.tensor([1.0, 2.0])
w = torch.tensor([3.0, 4.0])
s = torch.stack([a, b])
r = torch.stack([b, a])
"""
AB = [[4.0, 7.0], [8.0, 15.0]]
BA = [[3.0, 4.0], [11.0, 16.0]]

RESULTS: dict[str, list[tuple[str, Any]]] = {
    "trace": [("torch.trace(c)", 15.0)],
    "diag": [
        ("torch.diag(c)", [1.0, 5.0, 9.0]),
        ("c.diag(1)", [2.0, 6.0]),
        ("torch.diag(v)", [[1.0, 0.0], [0.0, 2.0]]),
    ],
    "triu": [
        ("torch.triu(c)", [[1.0, 2.0, 3.0], [0.0, 5.0, 6.0], [0.0, 0.0, 9.0]]),
        ("c.triu(1)", [[0.0, 2.0, 3.0], [0.0, 0.0, 6.0], [0.0, 0.0, 0.0]]),
    ],
    "tril": [
        ("torch.tril(c)", [[1.0, 0.0, 0.0], [4.0, 5.0, 0.0], [7.0, 8.0, 9.0]]),
        ("c.tril(-1)", [[0.0, 0.0, 0.0], [4.0, 0.0, 0.0], [7.0, 8.0, 0.0]]),
    ],
    "mm": [("torch.mm(a, b)", AB), ("a.mm(b)", AB)],
    "bmm": [("torch.bmm(s, r)", [AB, BA])],
    "mv": [("torch.mv(a, v)", [5.0, 11.0])],
    "matmul": [
        ("torch.matmul(a, b)", AB),
        ("a @ b", AB),
        ("a @ v", [5.0, 11.0]),
        ("v @ a", [7.0, 10.0]),
        ("v @ w", 11.0),
        ("s @ b", [AB, [[2.0, 3.0], [6.0, 11.0]]]),
    ],
    "addmm": [
        ("torch.addmm(a, a, b)", [[5.0, 9.0], [11.0, 19.0]]),
        ("torch.addmm(a, a, b, beta=2, alpha=-1)", [[-2.0, -3.0], [-2.0, -7.0]]),
        ("torch.addmm(v, a, b)", [[5.0, 9.0], [9.0, 17.0]]),
    ],
    "addbmm": [("torch.addbmm(a, s, r)", [[8.0, 13.0], [22.0, 35.0]])],
    "baddbmm": [("torch.baddbmm(s, s, r)", [[[5.0, 9.0], [11.0, 19.0]], [[3.0, 5.0], [13.0, 19.0]]])],
    "addmv": [("torch.addmv(w, a, v)", [8.0, 15.0]), ("torch.addmv(w, a, v, beta=0, alpha=2)", [10.0, 22.0])],
    "addr": [("torch.addr(a, v, w)", [[4.0, 6.0], [9.0, 12.0]])],
    "t": [("torch.t(a)", [[1.0, 3.0], [2.0, 4.0]]), ("v.t()", [1.0, 2.0])],
    "dot": [("torch.dot(v, w)", 11.0), ("v.dot(w)", 11.0)],
    "cross": [
        ("torch.cross(c[0], c[1], dim=0)", [-3.0, 6.0, -3.0]),
        ("torch.linalg.cross(c[0], c[1])", [-3.0, 6.0, -3.0]),
    ],
    "inverse": [("torch.inverse(torch.tensor([[2.0, 0.0], [0.0, 4.0]]))", [[0.5, 0.0], [0.0, 0.25]])],
}
CASES = [(name, call, values) for name, rows in RESULTS.items() for call, values in rows]


@fact("6.1", " ".join(RESULTS))
@pytest.mark.parametrize(("name", "call", "values"), CASES, ids=[call for _, call, _ in CASES])
def test_products_and_parts_of_matrices(check, name, call, values):
    """6.1, torch.html#blas-and-lapack-operations"""
    holds(check(f"{SETUP}\nx = {call}").x, values)


@fact("6.1", "diag trace")
def test_diagonals_of_tensors_that_are_not_square(check):
    """6.1, generated/torch.diag.html, generated/torch.trace.html"""
    shown = check(
        "x = torch.arange(6.0).view(2, 3)\nd = torch.diag(x, 1)\nt = x.trace()\nm = torch.diag(torch.ones(1), -1)"
    )
    holds(shown.d, [1.0, 5.0])
    holds(shown.t, 4.0)
    holds(shown.m, [[0.0, 0.0], [1.0, 0.0]])


@fact("6.1", "dot_1d_only")
def test_dot_takes_one_dimensional_tensors_only(check):
    """6.1, generated/torch.dot.html"""
    shown = check("""
        x = torch.dot(torch.ones(2, 2), torch.ones(2, 2))
        y = torch.dot(torch.ones(2), torch.ones(3))
        """)
    assert shown.errors == [
        ("RuntimeError", "1D tensors expected, but got 2D and 2D tensors"),
        (
            "RuntimeError",
            "inconsistent tensor size, expected tensor [2] and src [3] to have the same number of elements, "
            "but got 2 and 3 elements respectively",
        ),
    ]
    assert np.dot(np.ones((2, 2)), np.ones((2, 2))).shape == (2, 2)


@fact("6.1", "mm bmm mv")
@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            "torch.mm(torch.ones(2, 3), torch.ones(2, 3))",
            "mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)",
        ),
        ("torch.mm(torch.ones(2), torch.ones(2, 2))", "self must be a matrix"),
        ("torch.mv(torch.ones(2, 2), torch.ones(3))", "size mismatch, got input (2), mat (2x2), vec (3)"),
        ("torch.bmm(torch.ones(2, 2), torch.ones(2, 2))", "batch1 must be a 3D tensor"),
    ],
)
def test_products_of_sizes_that_do_not_fit_are_refused(check, call, text):
    """6.1, generated/torch.mm.html"""
    assert check(f"x = {call}").errors == [("RuntimeError", text)]


@fact("6.1", "inverse")
def test_inverse_times_the_matrix_is_the_identity(torch):
    """6.1, generated/torch.inverse.html"""
    a = torch.tensor([[4.0, 1.0, 0.0], [2.0, 3.0, -1.0], [0.0, 1.0, 2.0]], dtype=torch.float64)
    product = (torch.inverse(a) @ a).tolist()
    assert np.allclose(product, np.eye(3), atol=1e-14)


@fact("6.1", "inverse")
def test_a_singular_matrix_has_no_inverse(torch):
    """6.1, generated/torch.linalg.inv.html"""
    with pytest.raises(RuntimeError) as caught:
        torch.inverse(torch.zeros(2, 2))
    assert type(caught.value).__name__ in ("_LinAlgError", "LinAlgError")
    assert str(caught.value) == (
        "linalg.inv: The diagonal element 1 is zero, the inversion could not be completed because the input matrix is singular."
    )


@fact("6.1", "svd")
@pytest.mark.parametrize("shape", [(3, 2), (2, 3), (2, 2)])
def test_svd_is_unique_up_to_sign_or_rotation(torch, shape):
    """6.1, generated/torch.svd.html"""
    x = torch.arange(1.0, 1.0 + math.prod(shape), dtype=torch.float64).view(shape)
    u, s, v = torch.svd(x)
    k = min(shape)
    assert (tuple(u.shape), tuple(s.shape), tuple(v.shape)) == ((shape[0], k), (k,), (shape[1], k))
    assert s.tolist() == sorted(s.tolist(), reverse=True)
    assert np.allclose(s.tolist(), np.linalg.svd(np.array(x.tolist()), compute_uv=False))
    assert np.allclose((u @ torch.diag(s) @ v.t()).tolist(), x.tolist())
    for q in (u, v):
        assert np.allclose((q.t() @ q).tolist(), np.eye(k), atol=1e-12)


@fact("6.1", "svd")
def test_svd_is_a_named_tuple(torch):
    """6.1, generated/torch.svd.html"""
    result = torch.svd(torch.tensor([[3.0, 0.0], [0.0, -2.0]]))
    assert isinstance(result, tuple)
    holds(result.S, [3.0, 2.0], ulp=4)
    assert (tuple(result.U.shape), tuple(result.V.shape)) == ((2, 2), (2, 2))
