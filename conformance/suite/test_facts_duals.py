"""Section 12, second part: dual numbers and `gradcheck`.

Pages named in docstrings are relative to https://docs.pytorch.org/docs/stable/.
"""

from conformance.suite.expectations import fact, holds

# --- 12.3: dual numbers -----------------------------------------------------------------------------------------------


@fact("12.3", "make_dual unpack_dual")
def test_the_tangent_of_a_result_is_the_jacobian_times_the_tangent(check):
    """12.3, generated/torch.autograd.forward_ad.make_dual.html"""
    shown = check("""
        x = torch.tensor([1.0, 2.0])
        v = torch.tensor([1.0, 10.0])
        with torch.autograd.forward_ad.dual_level():
            d = torch.autograd.forward_ad.make_dual(x, v)
            p, t = torch.autograd.forward_ad.unpack_dual((d * d).cumsum(0))
            n = torch.autograd.forward_ad.unpack_dual(x * 2).tangent
        """)
    holds(shown.p, [1.0, 5.0])
    holds(shown.t, [2.0, 42.0])
    assert shown.n is None


@fact("12.3", "level_deletes")
def test_tangents_are_gone_when_their_level_ends(check):
    """12.3, generated/torch.autograd.forward_ad.dual_level.html"""
    shown = check("""
        x = torch.tensor([1.0, 2.0])
        with torch.autograd.forward_ad.dual_level():
            d = torch.autograd.forward_ad.make_dual(x, x)
        with torch.autograd.forward_ad.dual_level():
            t = torch.autograd.forward_ad.unpack_dual(d).tangent
        """)
    assert shown.t is None


@fact("12.3", "one_level")
def test_there_is_one_level_at_a_time_and_a_dual_tensor_needs_one(check):
    """12.3, generated/torch.autograd.forward_ad.dual_level.html"""
    shown = check("""
        x = torch.tensor([1.0, 2.0])
        torch.autograd.forward_ad.make_dual(x, x)
        torch.autograd.forward_ad.enter_dual_level()
        torch.autograd.forward_ad.enter_dual_level()
        torch.autograd.forward_ad.exit_dual_level()
        torch.autograd.forward_ad.exit_dual_level()
        """)
    assert [text for _, text in shown.errors][:2] == [
        "Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first.",
        "Nested forward mode AD is not supported at the moment",
    ]
    assert len(shown.errors) == 3


@fact("12.3", "as_is_or_copied")
def test_a_tangent_is_kept_as_it_is_if_it_is_laid_out_alike_and_copied_if_not(check):
    """12.3, generated/torch.autograd.forward_ad.make_dual.html"""
    shown = check("""
        x = torch.ones(2, 3)
        v = torch.zeros(2, 3)
        w = torch.zeros(3, 2).t()
        with torch.autograd.forward_ad.dual_level():
            s = torch.autograd.forward_ad.unpack_dual(torch.autograd.forward_ad.make_dual(x, v)).tangent
            t = torch.autograd.forward_ad.unpack_dual(torch.autograd.forward_ad.make_dual(x, w)).tangent
        v[0] = 1.0
        w[0] = 1.0
        """)
    holds(shown.s, [[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]])
    holds(shown.t, [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    assert tuple(shown.t.stride()) == (3, 1)


@fact("12.3", "views in_place")
def test_views_of_tangents_follow_views_and_writes(check):
    """12.3, notes/extending.html"""
    shown = check("""
        x = torch.tensor([1.0, 2.0])
        z = torch.zeros(2, 2)
        row = z[0]
        with torch.autograd.forward_ad.dual_level():
            d = torch.autograd.forward_ad.make_dual(x, torch.tensor([1.0, 10.0]))
            row.copy_(d)
            z.mul_(2)
            a = torch.autograd.forward_ad.unpack_dual(z).tangent
            b = torch.autograd.forward_ad.unpack_dual(z.t()[1]).tangent
            c = torch.autograd.forward_ad.unpack_dual(row).tangent
        """)
    holds(shown.a, [[2.0, 20.0], [0.0, 0.0]])
    holds(shown.b, [20.0, 0.0])
    holds(shown.c, [2.0, 20.0])


@fact("12.3", "detach")
def test_a_detached_tensor_has_no_tangent(check):
    """12.3, generated/torch.Tensor.detach.html"""
    shown = check("""
        x = torch.tensor([1.0, 2.0])
        with torch.autograd.forward_ad.dual_level():
            d = torch.autograd.forward_ad.make_dual(x, x)
            t = torch.autograd.forward_ad.unpack_dual(d.detach()).tangent
            with torch.no_grad():
                n = torch.autograd.forward_ad.unpack_dual(d * 3).tangent
        """)
    assert shown.t is None
    holds(shown.n, [3.0, 6.0])


@fact("12.3", "with_backward")
def test_a_tangent_can_be_differentiated_by_backward_and_a_gradient_forwards(check):
    """12.3, generated/torch.autograd.forward_ad.make_dual.html"""
    shown = check("""
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        with torch.autograd.forward_ad.dual_level():
            d = torch.autograd.forward_ad.make_dual(x, torch.tensor([1.0, 10.0]))
            t = torch.autograd.forward_ad.unpack_dual(d * d * d).tangent
            g = torch.autograd.grad((d * d * d).sum(), x, create_graph=True)[0]
            h = torch.autograd.forward_ad.unpack_dual(g).tangent
        t.sum().backward()
        """)
    holds(shown.t, [3.0, 120.0])
    holds(shown.h, [6.0, 120.0])
    holds(shown.x.grad, [6.0, 120.0])


@fact("12.3", "no_formula")
def test_what_has_no_forward_mode_raises(check):
    """12.3, generated/torch.autograd.forward_ad.make_dual.html"""
    shown = check("""
        x = torch.tensor([1.5, 2.0])
        with torch.autograd.forward_ad.dual_level():
            d = torch.autograd.forward_ad.make_dual(x, x)
            torch.igamma(x, d)
        with torch.autograd.forward_ad.dual_level():
            e = torch.autograd.forward_ad.make_dual(x, x)
            torch.add(e, e, out=torch.zeros(2))
        """)
    assert [kind for kind, _ in shown.errors] == ["NotImplementedError"] * 2


# --- 12.4: gradcheck --------------------------------------------------------------------------------------------------


@fact("12.4", "passes fails")
def test_gradcheck_tells_whether_gradients_are_those_of_finite_differences(check):
    """12.4, generated/torch.autograd.gradcheck.gradcheck.html"""
    shown = check("""
        x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
        a = torch.autograd.gradcheck(lambda t: t.sin() * t, x)
        b = torch.autograd.gradcheck(lambda t: t.sin() * t, x, check_forward_ad=True)
        c = torch.autograd.gradcheck(lambda t: t.sin() * t.detach(), x, raise_exception=False)
        torch.autograd.gradcheck(lambda t: t.sin() * t.detach(), x)
        """)
    assert (shown.a, shown.b, shown.c) == (True, True, False)
    assert [kind for kind, _ in shown.errors] == ["GradcheckError"]
    holds(shown.x, [1.0, 2.0], "float64")


@fact("12.4", "double")
def test_gradcheck_warns_of_single_precision(check):
    """12.4, generated/torch.autograd.gradcheck.gradcheck.html"""
    shown = check("""
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        a = torch.autograd.gradcheck(lambda t: t * t * 3, x, eps=0.25, atol=0.1)
        """)
    assert shown.a is True
    assert shown.warned == ["UserWarning"]


@fact("12.4", "overlapping")
def test_gradcheck_refuses_memory_that_overlaps_and_inputs_without_grad(check):
    """12.4, generated/torch.autograd.gradcheck.gradcheck.html"""
    shown = check("""
        x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
        torch.autograd.gradcheck(lambda t: t * t, x[0].expand(2))
        torch.autograd.gradcheck(lambda t: t * t, x.detach())
        """)
    assert [kind for kind, _ in shown.errors] == ["RuntimeError", "ValueError"]


@fact("12.4", "gradgradcheck")
def test_gradgradcheck_checks_gradients_of_gradients(check):
    """12.4, generated/torch.autograd.gradcheck.gradgradcheck.html"""
    shown = check("""
        x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
        a = torch.autograd.gradgradcheck(lambda t: t * t * t, x)
        b = torch.autograd.gradgradcheck(lambda t: t * t * t.detach(), x, raise_exception=False)
        """)
    assert (shown.a, shown.b) == (True, False)
