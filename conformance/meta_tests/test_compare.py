"""The comparison: one aspect at a time, its tier, the tolerances and their limits."""

import dataclasses

import ml_dtypes
import numpy as np
import pytest

from conformance import numeric
from conformance.compare import ASPECT_FIELDS, Context, compare_steps, same, tier_of
from conformance.facts import ArrayFact, PlainFact, Raised, SequenceFact, Step, TensorFact
from conformance.showing import show
from conformance.tiers import DOCUMENTED_TEXTS, TIERS


def tensor(values, dtype="float32", **changes):
    array = np.asarray(values, dtype=ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    strides = (
        tuple(stride // array.itemsize for stride in np.ascontiguousarray(array).strides)
        if array.ndim
        else ()
    )
    fact = TensorFact(
        dtype,
        array.shape,
        strides,
        0,
        True,
        array.tobytes(),
        False,
        True,
        None,
        False,
        0,
        0,
        "cpu",
        None,
        None,
    )
    return fact._replace(**changes)


def step(raised=None, warnings=(), **names):
    return Step(0, "0", raised, warnings, names)


def aspects(got, want, **context):
    return [(item.aspect, item.tier, item.name) for item in compare_steps(got, want, Context(**context))]


def values(got, want, dtype="float32", exact=False, **context):
    found = compare_steps(
        step(x=tensor(got, dtype)),
        step(x=tensor(want, dtype)),
        Context(operands=frozenset("x"), is_exact=lambda calls, dtype: exact, **context),
    )
    return [item.aspect for item in found]


# --- One aspect at a time -------------------------------------------------------------------------------------------

CHANGES = {
    "dtype": {"dtype": "int32"},
    "shape": {"shape": (4,), "strides": (1,)},
    "offset": {"offset": 3},
    "contiguity": {"contiguous": False},
    "requires_grad": {"requires_grad": True},
    "is_leaf": {"is_leaf": False},
    "grad_fn": {"grad_fn": "AddBackward0"},
    "retains_grad": {"retains_grad": True},
    "version": {"version": 1},
}


@pytest.mark.parametrize("aspect", CHANGES)
def test_one_attribute_is_one_aspect(aspect):
    want = tensor([[1, 2], [3, 4]])
    found = aspects(step(x=want._replace(**CHANGES[aspect])), step(x=want))
    assert (aspect, "documented", "x") in found
    assert {name for name, _, _ in found} <= {aspect, "strides"}


def test_every_field_of_a_tensor_is_compared():
    compared = {name for name, _ in ASPECT_FIELDS} | {
        "values", "grad", "graph", "storage", "undefined", "device",
    }  # fmt: skip
    assert compared == set(TensorFact._fields)


def test_equal_steps_take_the_fast_path():
    assert same(step(x=tensor([1.0])), step(x=tensor([1.0])))
    assert not same(step(x=tensor([1.0])), step(x=tensor([2.0])))
    assert not same(step(warnings=("UserWarning",)), step())


def test_values_are_not_compared_where_dtype_or_shape_differ():
    found = aspects(step(x=tensor([1.0, 2.0], "float64")), step(x=tensor([5.0, 6.0])))
    assert [aspect for aspect, _, _ in found] == ["dtype"]


def test_aspects_of_a_gradient_are_named_so():
    want = tensor([1.0], grad=tensor([1.0]))
    found = aspects(
        step(x=tensor([1.0], grad=tensor([3.0]))), step(x=want), is_exact=lambda calls, dtype: True
    )
    assert found == [("grad.values", "documented", "x.grad")]
    assert aspects(step(x=tensor([1.0])), step(x=want)) == [("grad", "documented", "x.grad")]


def test_strides_that_address_nothing_are_incidental():
    want = tensor([[1.0], [2.0]])
    assert aspects(step(x=want._replace(strides=(1, 7))), step(x=want)) == [("strides", "incidental", "x")]
    assert aspects(step(x=want._replace(strides=(2, 1))), step(x=want)) == [("strides", "documented", "x")]


def test_layout_of_autograd_grad_is_incidental_and_reading_grad_is_not_it():
    want = tensor([[1.0, 2.0], [3.0, 4.0]])
    got = want._replace(strides=(1, 2))
    assert aspects(step(x=got), step(x=want), calls=("autograd.grad", "getitem"))[0][1] == "incidental"
    assert aspects(step(x=got), step(x=want), calls=("attr.grad",))[0][1] == "documented"


@pytest.mark.parametrize(
    ("got", "want", "calls", "tier"),
    [
        (None, "AddBackward0", ("add",), "documented"),
        ("MulBackward0", "AddBackward0", ("operator.add",), "documented"),
        ("CopyBackwards", "CopySlices", ("setitem",), "documented"),
        ("NormBackward0", "LinalgVectorNormBackward0", ("norm",), "incidental"),
        ("ViewBackward0", "UnsafeViewBackward0", ("matmul",), "incidental"),
        ("MulBackward0", "MulBackward1", ("operator.mul", "autograd.grad"), "incidental"),
    ],
)
def test_the_name_of_a_node_is_documented_where_it_is_the_operations(got, want, calls, tier):
    found = aspects(step(x=tensor(1.0, grad_fn=got)), step(x=tensor(1.0, grad_fn=want)), calls=calls)
    assert found == [("grad_fn", tier, "x")]


# --- Other kinds of facts -------------------------------------------------------------------------------------------


def test_kinds_of_facts_and_lengths_are_the_aspect_type():
    assert aspects(step(x=PlainFact("int", "1")), step(x=tensor(1))) == [("type", "documented", "x")]
    pair = SequenceFact("max", (tensor(1.0), tensor(2.0)))
    assert aspects(step(x=SequenceFact("tuple", pair.items)), step(x=pair)) == [("type", "documented", "x")]
    assert aspects(step(x=SequenceFact("max", pair.items[:1])), step(x=pair)) == [("type", "documented", "x")]
    assert aspects(step(), step(x=pair)) == [("type", "documented", "x")]


def test_items_of_a_sequence_are_compared_one_by_one():
    got, want = (SequenceFact("max", (tensor(1.0), tensor(value, "int64"))) for value in (1, 2))
    assert aspects(step(x=got), step(x=want)) == [("values", "documented", "x[1]")]


def test_plain_facts():
    assert aspects(step(x=PlainFact("int", "1")), step(x=PlainFact("int", "2"))) == [
        ("values", "documented", "x")
    ]
    assert aspects(step(x=PlainFact("int", "1")), step(x=PlainFact("float", "0x1p+0"))) == [
        ("type", "documented", "x")
    ]
    third = float(np.float32(1 / 3))
    above = float(np.nextafter(np.float32(third), np.float32(1)))
    near = (PlainFact("float", number.hex()) for number in (third, above))
    assert aspects(*(step(x=fact) for fact in near)) == []
    complexes = (PlainFact("complex", f"{(1.0).hex()} {number.hex()}") for number in (2.0, 5.0))
    assert aspects(*(step(x=fact) for fact in complexes))[0][0] == "values"


def test_an_attribute_that_raises_on_one_side():
    raised = Raised("RuntimeError", "no version")
    assert aspects(step(x=tensor(1.0, version=raised)), step(x=tensor(1.0))) == [
        ("attribute", "documented", "x")
    ]
    assert aspects(step(x=tensor(1.0)._replace(values=raised)), step(x=tensor(1.0))) == [
        ("attribute", "documented", "x")
    ]
    assert aspects(step(x=tensor(1.0, grad=raised)), step(x=tensor(1.0))) == [
        ("grad", "documented", "x.grad")
    ]
    other = Raised("RuntimeError", "no version counter")
    assert aspects(step(x=tensor(1.0, version=raised)), step(x=tensor(1.0, version=other))) == [
        ("error text", "incidental", "x")
    ]


def test_numpy_arrays():
    want = ArrayFact("float32", (2,), (4,), np.float32([1, 2]).tobytes(), 0)
    assert aspects(step(x=want._replace(strides=(8,))), step(x=want)) == [("strides", "documented", "x")]
    changed = want._replace(values=np.float32([1, 9]).tobytes())
    assert aspects(step(x=changed), step(x=want), is_exact=lambda calls, dtype: True)[0][0] == "values"


def test_numbers_of_storages_mean_nothing_but_their_partition_does():
    def pair(a, b, c):
        return step(a=tensor(1.0, storage=a), b=tensor(1.0, storage=b), c=tensor(1.0, storage=c))

    assert aspects(pair(4, 4, 1), pair(0, 0, 2)) == []
    found = aspects(pair(0, 1, 2), pair(0, 0, 1))
    assert found == [("aliasing", "documented", "a"), ("aliasing", "documented", "b")]
    assert aspects(pair(0, 1, 2), pair(0, 0, 1), ignore=lambda name, aspect: name == "b") == []


def test_gradients_and_arrays_are_in_the_partition():
    want = step(x=tensor(1.0, grad=tensor(1.0, storage=1)), y=ArrayFact("float32", (), (), b"\0\0\x80?", 1))
    got = step(x=tensor(1.0, grad=tensor(1.0, storage=2)), y=ArrayFact("float32", (), (), b"\0\0\x80?", 1))
    assert [item[0::2] for item in aspects(got, want)] == [("aliasing", "x.grad"), ("aliasing", "y")]


# --- Exceptions and warnings ----------------------------------------------------------------------------------------


def test_exceptions():
    error = Raised("RuntimeError", "sizes 2 and 3 do not match")
    assert aspects(step(error), step()) == [("raised", "documented", "")]
    assert aspects(step(), step(error)) == [("not raised", "documented", "")]
    other = dataclasses.replace(error, type="ValueError")
    assert aspects(step(other), step(error)) == [("error type", "documented", "")]
    other = dataclasses.replace(error, text="no")
    assert aspects(step(other), step(error)) == [("error text", "incidental", "")]
    assert aspects(step(warnings=("UserWarning",)), step()) == [("warnings", "documented", "")]


TEXTS = (
    "grad can be implicitly created only for scalar outputs",
    "element 0 of tensors does not require grad and does not have a grad_fn",
    "Trying to backward through the graph a second time (or ...). Specify retain_graph=True if you need to ...",
    "a leaf Variable that requires grad is being used in an in-place operation.",
    "one of the variables needed for gradient computation has been modified by an inplace operation: "
    "[torch.FloatTensor [2, 3]], which is output 0 of ExpBackward0, is at version 1; expected version 0 instead. ...",
    "Mismatch in shape: grad_output[0] has a shape of torch.Size([2]) and output[0] has a shape of torch.Size([3]).",
    "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.",
    "add(): functions with out=... arguments don't support automatic differentiation, but one of the arguments "
    "requires grad.",
    "you can only change requires_grad flags of leaf variables. If you ...",
    "view size is not compatible with input tensor's size and stride (at least ...). Use .reshape(...) instead.",
)


@pytest.mark.parametrize(("pattern", "text"), list(zip(DOCUMENTED_TEXTS, TEXTS, strict=True)))
def test_the_texts_that_the_documents_show_are_documented(pattern, text):
    assert pattern.search(text)
    want = step(Raised("RuntimeError", text))
    assert aspects(step(Raised("RuntimeError", "something else")), want) == [("error text", "documented", "")]
    longer = step(Raised("RuntimeError", text.replace("...", "and so on")))
    if longer != want:
        found = aspects(longer, want)
        assert found == [
            ("error text", "documented" if "out=" in text or "reshape" in text else "incidental", "")
        ]


def test_versions_in_a_documented_text_are_part_of_it():
    got = step(Raised("RuntimeError", TEXTS[4].replace("at version 1", "at version 2")))
    assert aspects(got, step(Raised("RuntimeError", TEXTS[4]))) == [("error text", "documented", "")]


@pytest.mark.parametrize(
    ("got", "want", "differs"),
    [
        ("size (3) at dim 1", "size (2) at dim 0", False),
        ("shape [2, 3] is invalid", "shape [4] is invalid", False),
        ("<f at 0x7f01>", "<f at 0x7fee>", False),
        ("expected 1.5e-05", "expected 2.0", False),
        ("no kernel for float32", "no kernel for float64", True),
        ("size (3) at dim 1", "size (3) of dim 1", True),
    ],
)
def test_other_texts_are_compared_without_addresses_sizes_and_numbers(got, want, differs):
    found = aspects(step(Raised("RuntimeError", got)), step(Raised("RuntimeError", want)))
    assert found == ([("error text", "incidental", "")] if differs else [])


def test_partial_effects_after_an_exception():
    error = Raised("RuntimeError", "no")
    got, want = step(error, x=tensor([1.0, 0.0])), step(error, x=tensor([1.0, 5.0]))
    assert aspects(got, want, can_write=frozenset("x")) == [("partial effect", "incidental", "x")]
    assert aspects(got, want, can_write=frozenset("y")) == [("partial effect", "documented", "x")]


def test_words_of_what_cannot_be_read_are_no_effect_of_what_raises():
    got, want = (
        step(Raised("RuntimeError", "no"), x=tensor(1.0, version=Raised("RuntimeError", f"Output of {name}")))
        for name in ("Unbind", "UnbindBackward0")
    )
    assert aspects(got, want, can_write=frozenset("y")) == [("partial effect", "incidental", "x")]


# --- Values ---------------------------------------------------------------------------------------------------------

FORMATS = {
    "float16": np.float16,
    "bfloat16": ml_dtypes.bfloat16,
    "float32": np.float32,
    "float64": np.float64,
}


def steps_above(dtype, value, count):
    form = FORMATS[dtype]
    bits = np.array(value, form).view({2: np.uint16, 4: np.uint32, 8: np.uint64}[np.dtype(form).itemsize])
    return (bits + bits.dtype.type(count)).view(form)


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("value", [1.0, -1.0, 0.1, 2.0**-14, 1000.0])
def test_four_units_agree_and_five_are_weighed(dtype, value):
    assert values(steps_above(dtype, value, 4), value, dtype) == []
    assert values(steps_above(dtype, value, 5), value, dtype) == ["values"]
    assert values(steps_above(dtype, value, 1), value, dtype, exact=True) == ["values"]


class Answers:
    """Verdicts that are given beforehand, and what was asked."""

    def __init__(self, aspect="", disagree=False, undefined=False):
        self.aspect, self.answer, self.asked, self.undefined = aspect, disagree, [], undefined

    def weigh(self, question):
        self.asked.append(question)
        return self.aspect, question.number

    def disagree(self, path, name):
        self.asked.append((path, name))
        return self.answer

    def met_undefined(self, path):
        return self.undefined


def test_the_verdict_has_the_last_word_on_values():
    tiers = {
        "values": "documented",
        "reference values": "reference",
        "range": "range",
        "undecided": "undecided",
    }
    for aspect, tier in tiers.items():
        found = aspects(step(x=tensor([1, 3])), step(x=tensor([1, 2])), verdicts=Answers(aspect), path="4")
        assert found == [(aspect, tier, "x")]
    answers = Answers("")
    assert aspects(step(x=tensor([1, 3])), step(x=tensor([1, 2])), verdicts=answers, path="4") == []
    (asked,) = answers.asked
    assert (asked.path, asked.name, asked.dtype, asked.shape) == ("4", "x", "float32", (2,))
    assert asked.beyond.tolist() == [False, True]


def test_what_the_runs_disagree_about_is_undecided():
    want = tensor([1, 3])
    other = want._replace(shape=(1,), values=want.values[:4])
    for answer, tier in ((True, "undecided"), (False, "documented")):
        verdicts = Answers("values", answer)
        assert aspects(step(x=other), step(x=want), verdicts=verdicts) == [("shape", tier, "x")]
        raised = step(Raised("RuntimeError", "singular"))
        assert aspects(raised, step(), verdicts=verdicts) == [("raised", tier, "")]
        refused = step(Raised("TypeError", "no"))
        assert aspects(refused, step(), verdicts=verdicts) == [("raised", "documented", "")]


def test_nobody_is_asked_about_the_shape_that_an_exact_statement_gives():
    want = tensor([1, 3])
    other = want._replace(shape=(1,), values=want.values[:4])
    answers = Answers("values", True)
    options = {"is_exact": lambda calls, dtype: True, "followed": True, "verdicts": answers}
    assert aspects(step(x=other), step(x=want), **options) == [("shape", "documented", "x")]
    assert answers.asked == []
    options["verdicts"] = Answers("values", True, undefined=True)
    assert aspects(step(x=other), step(x=want), **options) == [("shape", "undecided", "x")]


def test_nan_payloads_are_one_value_and_nan_is_no_number():
    payload = np.array([0x7FC00001], np.uint32).view(np.float32)
    assert values(payload, [np.nan], exact=True) == []
    assert values([1.0], [np.nan]) == ["values"]
    assert values([np.nan], [1.0]) == ["values"]


@pytest.mark.parametrize("dtype", FORMATS)
def test_infinity_is_weighed_against_any_number(dtype):
    form = FORMATS[dtype]
    largest = ml_dtypes.finfo(form).max if dtype == "bfloat16" else np.finfo(form).max
    assert values([largest], [np.inf], dtype) == ["values"]
    assert values([-np.inf], [np.inf], dtype) == ["values"]


@pytest.mark.parametrize("dtype", [*FORMATS, "complex64", "complex128"])
def test_signed_zero_is_an_aspect_of_its_own(dtype):
    assert values([-0.0, 1.0], [0.0, 1.0], dtype) == ["signed zero"]
    assert values([-0.0], [0.0], dtype, exact=True) == ["signed zero"]
    assert values([-0.0, 3.0], [0.0, 1.0], dtype) == ["values", "signed zero"]


def test_subnormals_are_counted_in_their_own_steps():
    tiny = np.float32(2.0**-149)
    assert values([tiny * 4], [0.0]) == []
    assert values([tiny * 5], [-0.0]) == ["values"]


def test_complex_components_are_judged_against_the_modulus():
    eps = 2.0**-23
    assert values([1 + 2j * eps], [1 + 0j], "complex64") == []
    assert values([1 + 9j * eps], [1 + 0j], "complex64") == ["values"]
    assert values([1 + 0.5j], [1 + 0j], "complex64") == ["values"]
    assert values([1 + 2j * eps], [1 + 0j], "complex64", exact=True) == ["values"]
    assert values([complex(np.nan, 1)], [complex(1, np.nan)], "complex64") == []
    assert values([complex(np.nan, 1)], [complex(1, np.nan)], "complex64", exact=True) == ["values"]


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int16", "int32", "int64"])
def test_integers_are_exact(dtype):
    assert values([1, 0], [1, 1], dtype) == ["values"]
    assert values([1, 0], [1, 0], dtype) == []


@pytest.mark.parametrize(("call", "tier"), [("torch.maximum", "incidental"), ("torch.neg", "documented")])
def test_which_of_two_zeros_is_the_greater_is_incidental(call, tier):
    found = aspects(
        step(x=tensor([0.0])), step(x=tensor([-0.0])), calls=(call,), is_exact=lambda calls, dtype: True
    )
    assert found == [("signed zero", tier, "x")]


def test_undefined_elements_are_not_compared():
    for side in (0, 1):
        pair = [tensor([1.0, 7.0]), tensor([1.0, 2.0])]
        pair[side] = pair[side]._replace(undefined=b"\0\1")
        assert aspects(step(x=pair[0]), step(x=pair[1])) == []
    pair = [tensor([1.0, 7.0], undefined=b"\1\0"), tensor([1.0, 2.0], undefined=b"\0\0")]
    assert aspects(*(step(x=fact) for fact in pair))[0][0] == "values"


def test_the_numeric_summary_says_how_many_how_far_and_where():
    (found,) = compare_steps(step(x=tensor([[1, 2], [3, 9]])), step(x=tensor([[1, 2], [3, 4]])), Context())
    assert found.numeric == numeric.Numeric(4, 1, 5.0, found.numeric.max_ulp, (1, 1))
    assert (found.got, found.should_be) == ("[[1.0, 2.0], [3.0, 9.0]]", "[[1.0, 2.0], [3.0, 4.0]]")


def test_ulp_distance_across_zero_and_at_the_ends():
    def distance(a, b):
        return int(numeric.ulp_distance("float64", np.float64([a]).tobytes(), np.float64([b]).tobytes())[0])

    assert distance(5e-324, -5e-324) == 3  # the two zeros are neighbours
    assert distance(1.0, np.nextafter(1.0, 2)) == 1
    assert distance(-1.0, np.nextafter(-1.0, -2)) == 1
    assert distance(-np.inf, np.inf) > 2**60


# --- Tables and text ------------------------------------------------------------------------------------------------


def test_every_aspect_of_the_table_has_a_tier_and_a_reason():
    for aspect, (tier, reason) in TIERS.items():
        assert tier in ("documented", "incidental", "reference", "range")
        assert len(reason) > 10
        assert tier_of(aspect, Context(), "A(x)", "B(x)") == tier
    assert tier_of("grad.range", Context()) == "range"
    assert tier_of("grad.reference values", Context()) == "reference"


def test_text_of_facts():
    assert show(tensor([[1.5]])) == "tensor float32 (1, 1) [[1.5]]"
    assert show(tensor(1.0, "bfloat16")) == "tensor bfloat16 () 1.0"
    assert (
        show(tensor(np.zeros(100))) == f"tensor float32 (100,) [{', '.join(['0.0'] * 24)}, ... 100 elements]"
    )
    assert show(tensor(np.zeros((2, 0)))) == "tensor float32 (2, 0) []"
    assert show(PlainFact("float", (0.5).hex())) == "0.5"
    assert show(Raised("E", "x" * 1000)).startswith("E: xxx")
    assert len(show(Raised("E", "x" * 1000))) == 600
