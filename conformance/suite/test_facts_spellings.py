"""Section 2, row 2: a function of torch and the method of the same name agree, for everything that has both forms.

Pages named in docstrings are relative to https://docs.pytorch.org/docs/stable/.
"""

import pytest

from conformance.suite.expectations import dtype_name, fact
from strategies.program import vocabulary

OPERANDS = {
    "unit": "torch.tensor([[0.25, -0.5, 0.75], [0.125, 0.5, -0.25]])",
    "positive": "torch.tensor([[0.5, 1.5, 2.0], [3.0, 1.0, 4.0]])",
    "above_one": "torch.tensor([[1.5, 2.5], [4.0, 1.25]])",
    "integers": "torch.tensor([[12, 18, 5], [7, 6, 9]])",
    "bools": "torch.tensor([[True, False, True], [False, True, True]])",
    "vector": "torch.tensor([1.0, 4.0, 2.0])",
    "counts": "torch.tensor([1, 4, 2, 1])",
    "square": "torch.tensor([[4.0, 1.0], [1.0, 3.0]])",
    "lower": "torch.tensor([[2.0, 0.0], [0.5, 1.5]])",
    "cube": "torch.arange(8.0).view(2, 2, 2)",
    "complex": "torch.tensor([1 + 2j, 3 - 1j])",
}

# operand: name(arguments after it) ...; "v" is a vector of three numbers, "i" of two indices, "m" a mask, "x" the operand
CALLS = {
    "unit": """
        abs() absolute() neg() negative() positive() sign() sgn() signbit() square() ceil() floor() round() trunc() fix()
        frac() clamp(-0.5,0.5) clamp_min(0.0) clamp_max(0.0) clip(-0.5,0.5) nan_to_num()
        exp() exp2() expm1() sigmoid() relu() sin() cos() tan() asin() acos() atan()
        arcsin() arccos() arctan() sinc() deg2rad() rad2deg() sinh() cosh() tanh() asinh() atanh() arcsinh() arctanh()
        erf() erfc() erfinv() conj_physical() angle() log1p() softmax(1) log_softmax(1)
        isnan() isinf() isfinite() isposinf() isneginf() isreal() is_floating_point() is_complex() is_signed() numel()
        sum() nansum() prod() mean() nanmean() median() nanmedian() mode() std() var() norm() logsumexp(1)
        max() min() amax(0) amin(0) aminmax() argmax() argmin() count_nonzero() quantile(0.5) nanquantile(0.5)
        cumsum(0) cumprod(0) cummax(1) cummin(1) logcumsumexp(1) diff() sort()
        argsort() msort() topk(2) kthvalue(2) unique() unique_consecutive()
        nonzero() argwhere() detach() resolve_neg() clone() is_inference() is_conj() tile((2,1)) repeat_interleave(2) flip([0])
        fliplr() flipud() roll(1) rot90() squeeze() unsqueeze(0) permute((1,0)) transpose(0,1) swapaxes(0,1) swapdims(0,1)
        movedim(0,1) moveaxis(0,1) t() narrow(1,0,2) select(0,1) diagonal() split(2) split_with_sizes([1,1])
        chunk(2) unbind() tensor_split(2) hsplit([1]) vsplit(2) broadcast_to((2,2,3)) unflatten(1,(3,1)) reshape((3,2))
        flatten() ravel() as_strided((2,2),(1,1)) trace() diag() triu() tril() svd()
        get_device() is_same_size(x)
        hardshrink(0.3) prelu(v[:1]) i0() is_neg() nonzero_static(size=2) narrow_copy(1,0,2) select_scatter(v,0,0)
        slice_scatter(x[:,:1],1,0,1) diagonal_scatter(v[:2]) as_strided_scatter(x[:1,:2],(1,2),(1,1))
        renorm(2,0,0.5) histc(4,-1.0,1.0) histogram(4) cov() corrcoef()
        pinverse() qr()
    """,
    "positive": """
        reciprocal() sqrt() rsqrt() log() log2() log10() lgamma() digamma()
        add(v) sub(v) subtract(v) mul(v) multiply(v) div(v) divide(v) true_divide(v) floor_divide(v) fmod(v) remainder(v)
        pow(2) float_power(2) addcmul(v,v) addcdiv(v,v) lerp(x*2,0.5) copysign(-x) hypot(v)
        logaddexp(v) logaddexp2(v) heaviside(v) xlogy(v) atan2(v) arctan2(v) maximum(v) minimum(v) fmax(v) fmin(v)
        eq(v) ne(v) lt(v) le(v) gt(v) ge(v) not_equal(v) less(v) less_equal(v) greater(v)
        greater_equal(v) equal(x) isclose(x) allclose(x) dist(x*2) all() any() logical_and(v) logical_or(v)
        logical_xor(v) logical_not() multinomial(2) matmul(v) mv(v) kron(x) inner(x)
        index_select(1,i) masked_select(m) masked_fill(m,9.0) masked_scatter(m,x) gather(0,i.view(1,2))
        scatter(0,i.view(1,2),7.0) scatter_add(0,i.view(1,2),x) take(i)
        take_along_dim(i.view(1,2),1) put(i,v[:2]) index_put((i,),v) index_add(0,i,x) index_copy(0,i,x)
        index_fill(1,i,0.0) diag_embed() diagflat()
        mvlgamma(1) igamma(x) igammac(x) nextafter(x*2) ldexp(v) frexp()
        scatter_reduce(0,i.view(1,2),x,"sum") index_reduce(0,i,x,"prod")
    """,
    "above_one": "acosh() arccosh()",
    "integers": """
        gcd(x+6) lcm(x+6) bitwise_and(x+1) bitwise_or(x+1) bitwise_xor(x+1) bitwise_not() bitwise_left_shift(1)
        bitwise_right_shift(1)
    """,
    "bools": "logical_not()",
    "vector": "dot(v) vdot(v) outer(v) ger(v) cross(v,dim=0) addmv(torch.ones(3,3),v)",
    "counts": "bincount()",
    "square": """
        mm(x) addmm(x,x) addr(v[:2],v[1:]) inverse() det() logdet() slogdet() matrix_power(2)
        cholesky() matrix_exp() lu()
    """,
    "lower": "cholesky_solve(torch.eye(2)) cholesky_inverse() triangular_solve(torch.eye(2))",
    "cube": "bmm(x) baddbmm(x,x) dsplit(2)",
    "complex": "abs() angle()",
}
FURTHER = {  # calls whose operand is none of the above
    "logit": ("torch.tensor([0.25, 0.5])", ""),
    "bernoulli": ("torch.full((20,), 0.5)", ""),
    "is_nonzero": ("torch.tensor([2.0])", ""),
    "addbmm": ("torch.zeros(2, 2)", "torch.ones(3, 2, 4), torch.ones(3, 4, 2)"),
}

ORDER_DIFFERS = {  # the tensor is not the first argument of the function
    "polygamma": ("torch.polygamma(1, x)", "x.polygamma(1)"),
    "where": ("torch.where(x > 1, x, v)", "x.where(x > 1, v)"),
}


def cases() -> dict[str, tuple[str, str, str]]:
    """Test id -> (name, operand, arguments)."""
    found = {}
    for operand, calls in CALLS.items():
        for call in calls.split():
            name, _, arguments = call[:-1].partition("(")
            found[f"{name}-{operand}"] = (name, OPERANDS[operand], arguments)
    found.update({name: (name, operand, arguments) for name, (operand, arguments) in FURTHER.items()})
    found.update({name: (name, OPERANDS["positive"], "") for name in ORDER_DIFFERS})
    return found


CASES = cases()


def seen(value):
    """Values, dtypes and shapes of a result; NaNs compare equal in this form."""
    if isinstance(value, (tuple, list)):
        return [seen(item) for item in value]
    if hasattr(value, "tolist"):
        return (dtype_name(value.dtype), tuple(value.shape), repr(value.tolist()))
    return (type(value).__name__, repr(value))


@fact("2.2", "function_and_method_agree")
@pytest.mark.filterwarnings("ignore::UserWarning")  # some functions are deprecated and say so; both forms do
@pytest.mark.parametrize("case", CASES)
def test_function_and_method_agree(torch, case):
    """2.2, tensors.html#tensor-class-reference"""
    name, operand, arguments = CASES[case]
    if not (hasattr(torch, name) or hasattr(torch.Tensor, name)):
        pytest.skip(f"this library has no {name}")
    results = []
    for call in ORDER_DIFFERS.get(name, (f"torch.{name}(x, {arguments})", f"x.{name}({arguments})")):
        torch.manual_seed(0)
        names = {"torch": torch, "x": eval(operand, {"torch": torch})}
        names["v"] = torch.tensor([2.0, 0.5, 3.0])
        names["i"] = torch.tensor([1, 0])
        names["m"] = torch.tensor([True, False, True])
        results.append(seen(eval(call, names)))
    assert results[0] == results[1]


@fact("2.2", "function_and_method_agree")
def test_every_function_of_the_language_with_both_forms_is_in_the_table():
    """2.2, tensors.html#tensor-class-reference"""
    both = {
        name for tables in vocabulary.FAMILIES.values() for table in tables for name in table.both.split()
    }
    tested = {name for name, _, _ in CASES.values()}
    assert both == tested
