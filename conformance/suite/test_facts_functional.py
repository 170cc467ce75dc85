"""Section 12: derivatives of functions: `autograd.functional` and `torch.func`.

Pages named in docstrings are relative to https://docs.pytorch.org/docs/stable/.
"""

import pytest

from conformance.suite.expectations import fact, holds

# --- 12.1: autograd.functional ----------------------------------------------------------------------------------------


@fact("12.1", "jacobian")
def test_a_jacobian_has_the_shape_of_the_output_and_then_of_the_input(check):
    """12.1, generated/torch.autograd.functional.jacobian.html"""
    shown = check("""
        x = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
        j = torch.autograd.functional.jacobian(lambda a: (a * a).sum(1), x)
        """)
    holds(shown.j, [[[2.0, 4.0, 6.0], [0.0, 0.0, 0.0]], [[0.0, 0.0, 0.0], [8.0, 10.0, 12.0]]])
    assert not shown.j.requires_grad


@fact("12.1", "jacobian_tuples")
def test_a_jacobian_of_tuples_is_a_tuple_over_outputs_of_tuples_over_inputs(check):
    """12.1, generated/torch.autograd.functional.jacobian.html"""
    shown = check("""
        x = torch.tensor([1.0, 2.0])
        y = torch.tensor([3.0, 5.0])
        one = torch.autograd.functional.jacobian(lambda a, b: 2 * a + 3 * b, (x, y))
        two = torch.autograd.functional.jacobian(lambda a: (a * 2, a.sum()), x)
        both = torch.autograd.functional.jacobian(lambda a, b: (a * b, b.sum()), (x, y))
        """)
    holds(shown.one[0], [[2.0, 0.0], [0.0, 2.0]])
    holds(shown.one[1], [[3.0, 0.0], [0.0, 3.0]])
    holds(shown.two[0], [[2.0, 0.0], [0.0, 2.0]])
    holds(shown.two[1], [1.0, 1.0])
    holds(shown.both[0][1], [[1.0, 0.0], [0.0, 2.0]])
    holds(shown.both[1][0], [0.0, 0.0])


@fact("12.1", "create_graph")
def test_with_create_graph_a_jacobian_can_be_differentiated(check):
    """12.1, generated/torch.autograd.functional.jacobian.html"""
    shown = check("""
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        j = torch.autograd.functional.jacobian(lambda a: a * a * a, x, create_graph=True)
        j.sum().backward()
        """)
    holds(shown.j, [[3.0, 0.0], [0.0, 12.0]])
    assert shown.j.requires_grad
    holds(shown.x.grad, [6.0, 12.0])


@fact("12.1", "strict")
def test_an_independent_input_has_zeros_and_is_an_error_where_that_is_strict(check):
    """12.1, generated/torch.autograd.functional.jacobian.html"""
    shown = check("""
        x = torch.tensor([1.0, 2.0])
        y = torch.tensor([3.0, 5.0])
        j = torch.autograd.functional.jacobian(lambda a, b: a * 2, (x, y))
        k = torch.autograd.functional.jacobian(lambda a, b: a * 2, (x, y), strict=True)
        """)
    holds(shown.j[1], [[0.0, 0.0], [0.0, 0.0]])
    assert shown.errors == [
        (
            "RuntimeError",
            "Output 0 of the user-provided function is independent of input 1. This is not allowed in strict mode.",
        )
    ]


@fact("12.1", "strategy")
@pytest.mark.parametrize("options", ["vectorize=True", "vectorize=True, strategy='forward-mode'"])
def test_how_a_jacobian_is_computed_does_not_change_it(check, options):
    """12.1, generated/torch.autograd.functional.jacobian.html"""
    shown = check(f"""
        x = torch.tensor([1.0, 2.0])
        j = torch.autograd.functional.jacobian(lambda a: torch.stack([a.prod(), a.sum(), a[1] * a[1]]), x, {options})
        """)
    holds(shown.j, [[2.0, 1.0], [1.0, 1.0], [0.0, 4.0]])


@fact("12.1", "strategy")
def test_the_forward_strategy_needs_vectorize_and_is_not_strict(check):
    """12.1, generated/torch.autograd.functional.jacobian.html"""
    shown = check("""
        x = torch.tensor([1.0, 2.0])
        torch.autograd.functional.jacobian(lambda a: a, x, strategy='forward-mode')
        torch.autograd.functional.jacobian(lambda a: a, x, strategy='forward-mode', vectorize=True, strict=True)
        torch.autograd.functional.jacobian(lambda a: a, x, strategy='forward-mode', create_graph=True)
        """)
    assert [kind for kind, _ in shown.errors] == [
        "NotImplementedError",
        "RuntimeError",
        "NotImplementedError",
    ]


@fact("12.1", "hessian")
def test_a_hessian_is_the_jacobian_of_the_gradient(check):
    """12.1, generated/torch.autograd.functional.hessian.html"""
    shown = check("""
        x = torch.tensor([1.0, 2.0])
        y = torch.tensor([3.0, 5.0])
        h = torch.autograd.functional.hessian(lambda a: (a ** 3).sum(), x)
        k = torch.autograd.functional.hessian(lambda a, b: (a * a * b).sum(), (x, y))
        """)
    holds(shown.h, [[6.0, 0.0], [0.0, 12.0]])
    holds(shown.k[0][0], [[6.0, 0.0], [0.0, 10.0]])
    holds(shown.k[0][1], [[2.0, 0.0], [0.0, 4.0]])
    holds(shown.k[1][1], [[0.0, 0.0], [0.0, 0.0]])


@fact("12.1", "vjp jvp")
def test_vjp_and_jvp_give_the_output_and_the_product_with_the_jacobian(check):
    """12.1, generated/torch.autograd.functional.vjp.html and generated/torch.autograd.functional.jvp.html"""
    shown = check("""
        x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        u, v = torch.autograd.functional.vjp(lambda a: (a * a).sum(1), x, torch.tensor([1.0, 10.0]))
        s, t = torch.autograd.functional.jvp(lambda a: (a * a).sum(1), x, torch.ones(2, 2))
        """)
    holds(shown.u, [5.0, 25.0])
    holds(shown.v, [[2.0, 4.0], [60.0, 80.0]])
    holds(shown.s, [5.0, 25.0])
    holds(shown.t, [6.0, 14.0])


@fact("12.1", "v")
def test_the_vector_may_be_left_out_for_one_element_and_has_to_fit(check):
    """12.1, generated/torch.autograd.functional.vjp.html"""
    shown = check("""
        x = torch.tensor([1.0, 2.0])
        u, v = torch.autograd.functional.vjp(lambda a: a.sum(), x)
        torch.autograd.functional.vjp(lambda a: a * 2, x)
        torch.autograd.functional.vjp(lambda a: a * 2, x, torch.ones(3))
        torch.autograd.functional.jvp(lambda a: a * 2, x, (x, x))
        """)
    holds(shown.v, [1.0, 1.0])
    assert [kind for kind, _ in shown.errors] == ["RuntimeError"] * 3


@fact("12.1", "vhp hvp")
def test_vhp_and_hvp_agree_for_functions_that_are_twice_differentiable(check):
    """12.1, generated/torch.autograd.functional.vhp.html and generated/torch.autograd.functional.hvp.html"""
    shown = check("""
        x = torch.tensor([1.0, 2.0])
        v = torch.tensor([1.0, 10.0])
        a, b = torch.autograd.functional.vhp(lambda t: (t ** 3).sum() + t.prod(), x, v)
        c, d = torch.autograd.functional.hvp(lambda t: (t ** 3).sum() + t.prod(), x, v)
        torch.autograd.functional.hvp(lambda t: t * t, x, v)
        """)
    holds(shown.a, 11.0)
    holds(shown.b, [16.0, 121.0])
    holds(shown.d, [16.0, 121.0])
    assert shown.errors == [
        ("RuntimeError", "The Tensor returned by the function given to hvp should contain a single element")
    ]


# --- 12.2: torch.func -------------------------------------------------------------------------------------------------


@fact("12.2", "grad")
def test_grad_is_a_function_of_the_same_arguments_and_composes(check):
    """12.2, generated/torch.func.grad.html"""
    shown = check("""
        x = torch.tensor(2.0)
        y = torch.func.grad(lambda a: a * a * a)(x)
        z = torch.func.grad(torch.func.grad(lambda a: a * a * a))(x)
        w = torch.func.grad(torch.func.grad(torch.func.grad(lambda a: a * a * a)))(x)
        torch.func.grad(lambda a: a * a)(torch.ones(2))
        """)
    holds(shown.y, 12.0)
    holds(shown.z, 12.0)
    holds(shown.w, 6.0)
    assert not shown.y.requires_grad
    assert [kind for kind, _ in shown.errors] == ["RuntimeError"]


@fact("12.2", "argnums has_aux grad_and_value")
def test_argnums_choose_what_is_differentiated_and_has_aux_passes_data_on(check):
    """12.2, generated/torch.func.grad.html and generated/torch.func.grad_and_value.html"""
    shown = check("""
        x = torch.tensor([1.0, 2.0])
        y = torch.tensor([3.0, 5.0])
        a = torch.func.grad(lambda u, v: (u * v).sum(), argnums=1)(x, y)
        b, c = torch.func.grad(lambda u, v: (u * v).sum(), argnums=(0, 1))(x, y)
        d, e = torch.func.grad(lambda u: ((u * u).sum(), u + 1), has_aux=True)(x)
        f, g = torch.func.grad_and_value(lambda u: (u * u).sum())(x)
        """)
    holds(shown.a, [1.0, 2.0])
    holds(shown.b, [3.0, 5.0])
    holds(shown.e, [2.0, 3.0])
    holds(shown.f, [2.0, 4.0])
    holds(shown.g, 5.0)


@fact("12.2", "no_grad")
def test_grad_respects_a_no_grad_inside_of_the_function_and_not_one_outside(check):
    """12.2, generated/torch.func.grad.html"""
    shown = check("""
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        with torch.no_grad():
            y = torch.func.grad(lambda a: (a * a).sum())(x)
        z = torch.func.grad(lambda a: (a * a.detach()).sum())(x)
        """)
    holds(shown.y, [2.0, 4.0])
    assert not shown.y.requires_grad
    holds(shown.z, [1.0, 2.0])


@fact("12.2", "with_backward")
def test_what_a_transform_returns_can_be_differentiated_by_backward(check):
    """12.2, func.whirlwind_tour.html"""
    shown = check("""
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        w = torch.tensor([3.0, 4.0], requires_grad=True)
        y = torch.func.grad(lambda a: (a * a * a).sum())(x)
        z = torch.func.grad(lambda a: (a * w).sum())(torch.ones(2))
        y.sum().backward()
        (z * z).sum().backward()
        """)
    holds(shown.y, [3.0, 12.0])
    holds(shown.x.grad, [6.0, 12.0])
    holds(shown.w.grad, [6.0, 8.0])


@fact("12.2", "vjp jvp")
def test_vjp_gives_a_function_of_cotangents_and_jvp_the_tangent(check):
    """12.2, generated/torch.func.vjp.html and generated/torch.func.jvp.html"""
    shown = check("""
        x = torch.tensor([1.0, 2.0])
        y = torch.func.vjp(lambda a: a * a, x)[0]
        (z,) = torch.func.vjp(lambda a: a * a, x)[1](torch.tensor([1.0, 10.0]))
        p, t = torch.func.jvp(lambda a: a * a, (x,), (torch.tensor([1.0, 10.0]),))
        torch.func.jvp(lambda a: a * a, x, x)
        """)
    holds(shown.y, [1.0, 4.0])
    holds(shown.z, [2.0, 40.0])
    holds(shown.p, [1.0, 4.0])
    holds(shown.t, [2.0, 40.0])
    assert [kind for kind, _ in shown.errors] == ["RuntimeError"]


@fact("12.2", "jacrev jacfwd hessian")
def test_jacrev_jacfwd_and_hessian_give_the_same_matrices(check):
    """12.2, generated/torch.func.jacrev.html, generated/torch.func.jacfwd.html and generated/torch.func.hessian.html"""
    shown = check("""
        x = torch.tensor([1.0, 2.0])
        a = torch.func.jacrev(lambda t: torch.stack([t.prod(), t.sum(), t[1] * t[1]]))(x)
        b = torch.func.jacfwd(lambda t: torch.stack([t.prod(), t.sum(), t[1] * t[1]]))(x)
        c = torch.func.hessian(lambda t: (t ** 3).sum() + t.prod())(x)
        d = torch.func.jacrev(torch.func.grad(lambda t: (t ** 3).sum() + t.prod()))(x)
        """)
    for found in (shown.a, shown.b):
        holds(found, [[2.0, 1.0], [1.0, 1.0], [0.0, 4.0]])
    for found in (shown.c, shown.d):
        holds(found, [[6.0, 1.0], [1.0, 12.0]])


@fact("12.2", "vmap in_dims out_dims")
def test_vmap_calls_a_function_for_each_index_of_a_dimension(check):
    """12.2, generated/torch.func.vmap.html"""
    shown = check("""
        x = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
        a = torch.func.vmap(lambda t: t.sum())(x)
        b = torch.func.vmap(lambda t: t.sum(), in_dims=1)(x)
        c = torch.func.vmap(lambda t, s: t * s, in_dims=(0, None))(x, torch.tensor([1.0, 0.0, 2.0]))
        d = torch.func.vmap(lambda t: t * 2, out_dims=1)(x)
        e = torch.func.vmap(torch.func.grad(lambda t: (t * t).sum()))(x)
        """)
    holds(shown.a, [6.0, 15.0])
    holds(shown.b, [5.0, 7.0, 9.0])
    holds(shown.c, [[1.0, 0.0, 6.0], [4.0, 0.0, 12.0]])
    holds(shown.d, [[2.0, 8.0], [4.0, 10.0], [6.0, 12.0]])
    holds(shown.e, [[2.0, 4.0, 6.0], [8.0, 10.0, 12.0]])


@fact("12.2", "vmap_errors")
@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("(lambda a: a, in_dims=2)(x)", "ValueError"),
        ("(lambda a, b: a)(x, torch.ones(2))", "ValueError"),
        ("(lambda a: a, in_dims=(0, 0))(x)", "ValueError"),
        ("(lambda a: 1.0)(x)", "ValueError"),
        ("(lambda a: a, out_dims=None)(x)", "ValueError"),
        ("(lambda a: a, randomness='bad')(x)", "RuntimeError"),
        ("(lambda a: torch.rand(2))(x)", "RuntimeError"),
        ("(lambda a: a.sum().item())(x)", "RuntimeError"),
        ("(lambda a: a.nonzero())(x)", "RuntimeError"),
        ("(lambda a: torch.zeros(2).add_(a))(x)", "RuntimeError"),
    ],
)
def test_vmap_refuses(check, call, error):
    """12.2, func.ux_limitations.html"""
    shown = check(f"x = torch.ones(3, 2)\ny = torch.func.vmap{call}")
    assert [kind for kind, _ in shown.errors] == [error]


@fact("12.2", "captured_write")
def test_a_transformed_function_may_write_what_it_made_and_not_what_it_captured(check):
    """12.2, func.ux_limitations.html"""
    shown = check("""
        x = torch.tensor([1.0, 2.0])
        y = torch.tensor([3.0, 4.0])
        a = torch.func.grad(lambda t: (t * 2).mul_(t).sum())(x)
        b = torch.func.grad(lambda t: y.mul_(t).sum())(x)
        """)
    holds(shown.a, [4.0, 8.0])
    holds(shown.y, [3.0, 4.0])
    assert [kind for kind, _ in shown.errors] == ["RuntimeError"]
