"""Section 18: gradients of complex numbers, and how gradcheck looks at them.

Pages named in docstrings are relative to https://docs.pytorch.org/docs/stable/. The note on autograd calls the gradient the
conjugate Wirtinger derivative dL/dz*; what PyTorch computes is twice that, as the note on gradcheck says.
"""

import pytest

from conformance.suite.expectations import fact, holds

Z = "z = torch.tensor([1 + 2j, 3 - 1j], requires_grad=True)\n"


@fact("18.1", "conjugate")
def test_the_gradient_of_a_squared_magnitude_is_twice_the_number(check):
    """18.1, notes/autograd.html#autograd-for-complex-numbers; the factor 2 is that of notes/gradcheck.html"""
    shown = check(f"{Z}(z * z.conj_physical()).real.sum().backward()\n")
    holds(shown.z.grad, [2 + 4j, 6 - 2j], "complex64")


@fact("18.1", "conjugate")
def test_a_step_against_the_gradient_lowers_the_loss(check):
    """18.1, notes/autograd.html#how-is-wirtinger-calculus-useful-in-optimization"""
    shown = check(f"""{Z}
a = (z - 1j).abs().square().sum()
a.backward()
with torch.no_grad():
    z.sub_(z.grad, alpha=0.25)
    b = (z - 1j).abs().square().sum()
""")
    holds(shown.b, shown.a.item() / 4, ulp=4)


@fact("18.1", "conjugate")
def test_the_gradient_is_that_of_real_and_imaginary_part(check):
    """18.1, notes/autograd.html#wirtinger-calculus-comes-into-the-picture"""
    shown = check("""
        z = torch.tensor(1 + 2j, requires_grad=True)
        a = torch.tensor(1.0, requires_grad=True)
        b = torch.tensor(2.0, requires_grad=True)
        ((z * z).real + 3 * z.imag).backward()
        (a * a - b * b + 3 * b).backward()
        """)
    assert shown.z.grad.item() == complex(shown.a.grad.item(), shown.b.grad.item())


@fact("18.1", "real_to_real")
def test_a_real_function_by_way_of_complex_numbers_has_the_real_gradient(check):
    """18.1, notes/autograd.html#autograd-for-complex-numbers"""
    shown = check("""
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        y = torch.tensor([1.0, 2.0], requires_grad=True)
        torch.complex(x, 2 * x).abs().square().sum().backward()
        (5 * y * y).sum().backward()
        """)
    holds(shown.x.grad, [10.0, 20.0], ulp=2)
    holds(shown.y.grad, [10.0, 20.0])


@fact("18.1", "holomorphic")
def test_a_holomorphic_function_multiplies_by_its_conjugated_derivative(check):
    """18.1, notes/autograd.html#what-are-complex-derivatives"""
    shown = check(f"{Z}(z * z).backward(torch.tensor([1 + 0j, 1j]))\n")
    holds(shown.z.grad, [2 - 4j, -2 + 6j], "complex64")


@fact("18.1", "boxed_formula")
@pytest.mark.parametrize(
    ("call", "gradient"),
    [
        ("z.conj_physical()", [1 - 1j, complex(2, -0.0)]),  # ds/dz = 0, ds/dz* = 1
        ("z * 3", [3 + 3j, 6 + 0j]),  # ds/dz = 3, ds/dz* = 0
        ("z * z.conj_physical()", [2 + 4j, 12 - 4j]),  # ds/dz = z*, ds/dz* = z
    ],
)
def test_the_gradient_follows_from_both_wirtinger_derivatives(check, call, gradient):
    """18.1, notes/autograd.html#how-does-pytorch-compute-the-conjugate-wirtinger-derivative"""
    shown = check(f"{Z}({call}).backward(torch.tensor([1 + 1j, 2 + 0j]))\n")
    holds(shown.z.grad, gradient, "complex64")


@fact("18.1", "product_with_a_number")
@pytest.mark.parametrize(
    ("number", "gradient"), [("3", 3 + 0j), ("3j", complex(0, -3)), ("(2 + 1j)", 2 - 1j)]
)
def test_the_gradient_of_a_multiple_is_the_conjugated_number(check, number, gradient):
    """18.1, notes/autograd.html#how-can-i-write-my-own-derivative-formula-for-a-complex-function"""
    shown = check(
        f"z = torch.tensor(1 + 2j, requires_grad=True)\n(z * {number}).backward(torch.tensor(1 + 0j))\n"
    )
    holds(shown.z.grad, gradient, "complex64")


@fact("18.1", "product_with_a_number")
def test_no_gradient_is_made_up_for_a_complex_root(check):
    """18.1, notes/autograd.html#how-can-i-write-my-own-derivative-formula-for-a-complex-function; the note has 1.0 made up"""
    shown = check("z = torch.tensor(1 + 2j, requires_grad=True)\n(z * 3).backward()\n")
    assert shown.errors == [
        (
            "RuntimeError",
            "grad can be implicitly created only for real scalar outputs but got torch.complex64",
        )
    ]


@fact("18.1", "cross_domain")
@pytest.mark.parametrize(
    ("call", "gradient"),
    [("z.real", [1 + 0j, 2 + 0j]), ("z.imag", [1j, 2j]), ("z.abs().square()", [2 + 4j, 12 - 4j])],
)
def test_a_real_function_of_complex_numbers_has_twice_the_conjugate_derivative(check, call, gradient):
    """18.1, notes/autograd.html#what-about-cross-domain-functions"""
    shown = check(f"{Z}({call}).backward(torch.tensor([1.0, 2.0]))\n")
    assert shown.z.grad.dtype == shown.z.dtype
    assert [abs(g - w) < 1e-5 for g, w in zip(shown.z.grad.tolist(), gradient)] == [True, True]


@fact("18.1", "cross_domain")
@pytest.mark.parametrize(
    ("call", "gradient"),
    [("x * (1 + 2j)", [3.0, 2.0]), ("torch.complex(x, x * x)", [3.0, 2.0]), ("x * 1j", [1.0, 0.0])],
)
def test_a_complex_function_of_real_numbers_has_a_real_gradient(check, call, gradient):
    """18.1, notes/autograd.html#what-about-cross-domain-functions"""
    shown = check(
        f"x = torch.tensor([1.0, 2.0], requires_grad=True)\n({call}).backward(torch.tensor([1 + 1j, 2 + 0j]))\n"
    )
    holds(shown.x.grad, gradient)


# --- 18.2: gradcheck --------------------------------------------------------------------------------------------------


@fact("18.2", "forward_and_backward")
def test_backward_gives_vectors_times_the_jacobian_and_forward_the_jacobian_times_vectors(check):
    """18.2, notes/gradcheck.html#notations-and-background-information"""
    shown = check("""
        x = torch.tensor([1.0, 2.0])
        j = torch.func.jacrev(lambda a: torch.stack([a.prod(), a.sum(), a[0]]))(x)
        v = torch.func.vjp(lambda a: torch.stack([a.prod(), a.sum(), a[0]]), x)[1](torch.tensor([1.0, 2.0, 3.0]))
        b, u = torch.func.jvp(lambda a: torch.stack([a.prod(), a.sum(), a[0]]), (x,), (torch.tensor([1.0, 10.0]),))
        """)
    holds(shown.j, [[2.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
    holds(shown.v[0], [7.0, 3.0])
    holds(shown.u, [12.0, 11.0, 1.0])


@fact("18.2", "one_convention")
def test_forward_mode_has_the_factor_of_backward_mode(check):
    """18.2, notes/gradcheck.html#notations-and-background-information"""
    shown = check("""
        z = torch.tensor(3 + 4j)
        g = torch.func.grad(lambda a: a.abs())(z)
        a, t = torch.func.jvp(lambda a: a.abs(), (z,), (torch.tensor(1 + 0j),))
        b, u = torch.func.jvp(lambda a: a.abs(), (z,), (torch.tensor(1j),))
        """)
    assert (shown.g.item(), shown.t.item(), shown.u.item()) == pytest.approx((0.6 + 0.8j, 0.6, 0.8))


@fact("18.2", "domains")
@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize(
    ("made", "function"),
    [
        ("torch.tensor([0.5, 2.0], dtype=torch.float64)", "lambda a: a * a.sin()"),
        ("torch.tensor([0.5 + 1j, 2 - 1j], dtype=torch.complex128)", "lambda a: a.abs()"),
        ("torch.tensor([0.5 + 1j, 2 - 1j], dtype=torch.complex128)", "lambda a: a * a.conj_physical() * a"),
        ("torch.tensor([0.5, 2.0], dtype=torch.float64)", "lambda a: torch.complex(a, a * a)"),
    ],
    ids=["real to real", "complex to real", "complex to complex", "real to complex"],
)
def test_gradcheck_knows_real_and_complex_inputs_and_outputs(check, made, function, fast):
    """18.2, notes/gradcheck.html#default-backward-mode-gradcheck-behavior"""
    shown = check(f"""
        x = {made}.requires_grad_()
        a = torch.autograd.gradcheck({function}, (x,), fast_mode={fast})
        b = torch.autograd.gradgradcheck({function}, (x,), fast_mode={fast})
        """)
    assert (shown.a, shown.b) == (True, True)


@fact("18.2", "parts_of_complex_outputs")
def test_both_parts_of_a_complex_output_are_checked(torch):
    """18.2, notes/gradcheck.html#functions-with-complex-outputs"""

    class WrongImaginary(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return torch.complex(x, x)

        @staticmethod
        def backward(ctx, grad):
            return grad.real  # the imaginary part is left out

    x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    with pytest.raises(Exception, match="imaginary part of complex outputs only"):
        torch.autograd.gradcheck(WrongImaginary.apply, (x,))
    assert torch.autograd.gradcheck(lambda t: torch.complex(t, t), (x,))


@fact("18.2", "fast_mode")
def test_fast_mode_catches_what_the_slow_one_does(torch):
    """18.2, notes/gradcheck.html#fast-backward-mode-gradcheck"""

    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            return grad * 3

    x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    for fast in (False, True):
        assert not torch.autograd.gradcheck(Wrong.apply, (x,), fast_mode=fast, raise_exception=False)
        with pytest.raises(
            RuntimeError, match=r"Jacobian (computed with complex step )?mismatch for output 0"
        ):
            torch.autograd.gradcheck(Wrong.apply, (x,), fast_mode=fast)


@fact("18.2", "second_order")
def test_gradgradcheck_catches_a_backward_that_is_not_differentiated_right(torch):
    """18.2, notes/gradcheck.html#gradgradcheck-implementation"""

    class Detached(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            return grad * 2 * x.detach()

    x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(Detached.apply, (x,))
    assert not torch.autograd.gradgradcheck(Detached.apply, (x,), raise_exception=False)


@fact("18.2", "forward_mode")
def test_forward_mode_is_checked_on_request_and_alone(torch):
    """18.2, generated/torch.autograd.gradcheck.gradcheck.html"""

    class ForwardOnly(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.factor = 2
            return x * 2

        @staticmethod
        def jvp(ctx, tangent):
            return tangent * ctx.factor

    x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: t * t.sin(), (x,), check_forward_ad=True)
    assert torch.autograd.gradcheck(
        ForwardOnly.apply, (x,), check_forward_ad=True, check_backward_ad=False, check_undefined_grad=False
    )


@fact("18.2", "tolerances")
def test_gradcheck_compares_within_tolerances(check):
    """18.2, generated/torch.autograd.gradcheck.gradcheck.html"""
    shown = check("""
        x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
        a = torch.autograd.gradcheck(lambda t: t ** 3, (x,), eps=0.125, raise_exception=False)
        b = torch.autograd.gradcheck(lambda t: t ** 3, (x,), eps=0.125, atol=0.03)
        """)
    assert (shown.a, shown.b) == (False, True)


@fact("18.2", "kinks")
def test_gradcheck_fails_at_a_kink(check):
    """18.2, generated/torch.autograd.gradcheck.gradcheck.html"""
    shown = check("""
        x = torch.tensor([0.0, 2.0], dtype=torch.float64, requires_grad=True)
        a = torch.autograd.gradcheck(lambda t: t.clamp(min=0), (x,), raise_exception=False)
        b = torch.autograd.gradcheck(lambda t: t.abs(), (x,), raise_exception=False)
        """)
    assert (shown.a, shown.b) == (False, True)  # finite differences of abs cancel at 0


@fact("18.2", "nondeterminism")
def test_gradients_that_differ_from_run_to_run_fail_unless_that_is_tolerated(torch):
    """18.2, generated/torch.autograd.gradcheck.gradcheck.html"""
    runs = []

    class Drifting(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            runs.append(1)
            return grad * (2 + 1e-9 * len(runs))

    x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    assert not torch.autograd.gradcheck(Drifting.apply, (x,), raise_exception=False)
    assert torch.autograd.gradcheck(Drifting.apply, (x,), nondet_tol=1e-6)


@fact("18.2", "undefined_gradients")
def test_gradients_that_are_not_there_have_to_count_as_zeros(torch):
    """18.2, generated/torch.autograd.gradcheck.gradcheck.html"""

    class Careless(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            return torch.ones(2, dtype=torch.float64) if grad is None else grad * 2

    x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    with pytest.raises(Exception, match="undefined"):
        torch.autograd.gradcheck(Careless.apply, (x,))
    assert torch.autograd.gradcheck(Careless.apply, (x,), check_undefined_grad=False)


@fact("18.2", "batches")
def test_batches_of_gradients_are_checked_on_request(check):
    """18.2, generated/torch.autograd.gradcheck.gradcheck.html"""
    shown = check("""
        x = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)
        a = torch.autograd.gradcheck(lambda t: t * t.sin(), (x,), check_batched_grad=True)
        """)
    assert shown.a is True
