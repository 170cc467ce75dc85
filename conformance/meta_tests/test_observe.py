"""Facts say what a user could see, and seeing changes nothing."""

import timeit
import types
import warnings

import numpy as np
import pytest

from conformance.backends import Backend, resolve
from conformance.facts import ArrayFact, PlainFact, Raised, SequenceFact, TensorFact, tensor_facts
from conformance.observe import Observer, raised

torch = pytest.importorskip("torch")


@pytest.fixture
def observe():
    backend = resolve("torch-cpu")
    observer = Observer(backend)
    return lambda **variables: observer.observe(variables)


def test_every_field_of_a_leaf(observe):
    x = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], requires_grad=True)
    (x * 2).sum().backward()
    fact = observe(x=x)["x"]
    grad = np.full((2, 3), 2, np.float32).tobytes()
    values = np.arange(1, 7, dtype=np.float32).tobytes()
    flags = (False, True, None, False)
    expected_grad = TensorFact("float32", (2, 3), (3, 1), 0, True, grad, *flags, 0, 1, "cpu", None, None)
    flags = (True, True, None, False)
    expected = TensorFact(
        "float32", (2, 3), (3, 1), 0, True, values, *flags, 0, 0, "cpu", expected_grad, None
    )
    assert fact == expected
    assert type(fact.shape) is tuple


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "bfloat16", "float64", "complex64"])
def test_values_are_native_bytes_in_row_major_order(observe, dtype):
    t = torch.arange(6).reshape(2, 3).to(getattr(torch, dtype))
    for view in (t, t.t(), t[:, ::2], t[0, 1], t[:, :1].expand(2, 4), t[:0]):
        expected = bytes(
            view.clone(memory_format=torch.contiguous_format).flatten().view(torch.uint8).tolist()
        )
        fact = observe(x=view)["x"]
        assert fact.values == expected
        assert (fact.dtype, fact.shape, fact.strides) == (dtype, tuple(view.shape), view.stride())


def test_lazily_conjugated_and_negated_values(observe):
    c = torch.tensor([1 + 2j, 3 - 4j]).conj()
    facts = observe(c=c, d=c.imag)
    assert facts["c"].values == np.array([1 - 2j, 3 + 4j], np.complex64).tobytes()
    assert facts["d"].values == np.array([-2, 4], np.float32).tobytes()


def test_versions_count_from_where_an_object_is_first_seen_under_a_name(observe):
    x = torch.ones(2).add_(1)
    assert observe(x=x)["x"].version == 0
    x.add_(1)
    facts = observe(x=x, y=x)
    assert (facts["x"].version, facts["y"].version) == (1, 0)
    assert observe(x=torch.ones(2).add_(1))["x"].version == 0


def test_inference_tensors_have_no_version(observe):
    with torch.inference_mode():
        x = torch.ones(2)
    fact = observe(x=x)["x"]
    assert fact.version == "untracked"
    assert fact.values == np.ones(2, np.float32).tobytes()


def test_an_attribute_that_raises_is_its_exception(observe):
    x = torch.ones(2, 3)
    parts = x.unbind(0)
    x.mul_(torch.ones(3, requires_grad=True))
    fact = observe(p=parts)["p"].items[0]
    assert isinstance(fact.grad_fn, Raised)
    assert fact.grad_fn.type == "RuntimeError"
    assert fact.shape == (3,)


def test_the_partition_by_storage(observe):
    x, other, empty = torch.ones(4), torch.ones(4), torch.ones(0)
    array = x.numpy()
    facts = observe(a=other, b=x[1:], c=array[2:], d=x.detach(), e=empty, f=[other[0]], g=array.copy())
    assert [facts[name].storage for name in "abcdeg"] == [0, 1, 1, 1, None, 2]
    assert facts["f"].items[0].storage == 0


def test_tensors_made_from_overlapping_arrays_share_memory(observe):
    array = np.ones(4)
    facts = observe(t=torch.from_numpy(array[1:]), u=torch.from_numpy(array), v=torch.ones(4))
    assert (facts["t"].storage, facts["u"].storage, facts["v"].storage) == (0, 0, 1)


def test_a_grad_that_shares_memory_is_in_its_class(observe):
    x = torch.ones(2, requires_grad=True)
    x.grad = shared = torch.ones(2)
    facts = observe(x=x, y=shared)
    assert (facts["x"].storage, facts["x"].grad.storage, facts["y"].storage) == (0, 1, 1)
    assert [name for name, _ in tensor_facts(facts)] == ["x", "x.grad", "y"]


def test_grads_that_contain_each_other_end(observe):
    x, y = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    x.grad, y.grad = y, x
    assert observe(x=x)["x"].grad.grad.shape == (2,)


def test_plain_values(observe):
    facts = observe(
        a=1, b=0.1, c=-0.0, d=True, e=None, f="x", g=torch.float32, h=torch.Size([2]), i=torch.device("cpu"),
        j=1 - 2j, k=np.float64(0.5), l=torch.Generator(), m=float("nan"), n=np.dtype("int64"), o=lambda g: g,
    )  # fmt: skip
    assert {name: (fact.type, fact.text) for name, fact in facts.items()} == {
        "a": ("int", "1"),
        "b": ("float", (0.1).hex()),
        "c": ("float", "-0x0.0p+0"),
        "d": ("bool", "True"),
        "e": ("NoneType", "None"),
        "f": ("str", "'x'"),
        "g": ("dtype", "torch.float32"),
        "h": ("Size", "torch.Size([2])"),
        "i": ("device", "device(type='cpu')"),
        "j": ("complex", "0x1.0000000000000p+0 -0x1.0000000000000p+1"),
        "k": ("numpy.float64", "0x1.0000000000000p-1"),
        "l": ("Generator", "<Generator>"),
        "m": ("float", "nan"),
        "n": ("Int64DType", "dtype('int64')"),
        "o": ("function", "<function>"),
    }


def test_sequences_and_named_tuples(observe):
    facts = observe(m=torch.ones(2, 2).max(0), n=[1, (2,)])
    assert facts["m"].type == "max"
    assert [item.dtype for item in facts["m"].items] == ["float32", "int64"]
    assert facts["n"] == SequenceFact(
        "list", (PlainFact("int", "1"), SequenceFact("tuple", (PlainFact("int", "2"),)))
    )


def test_arrays(observe):
    array = np.arange(4, dtype=np.int32).reshape(2, 2).T
    assert observe(a=array)["a"] == ArrayFact("int32", (2, 2), (4, 8), array.tobytes(), 0)
    assert observe(a=np.ones(0))["a"].storage is None


def test_the_text_of_an_exception_names_torch():
    assert (
        raised(AttributeError("module 'lib' has no attribute 'f'"), "lib").text
        == "module 'torch' has no attribute 'f'"
    )

    class Odd(Exception):
        def __str__(self):
            raise ValueError

    assert raised(Odd()) == Raised("Odd", "<str() raised ValueError>")


# --- seeing changes nothing ---


def test_a_tensor_that_was_seen_can_still_be_resized(observe):
    x = torch.ones(2, 2)
    observe(x=x, y=x.t())
    x.resize_(100)  # after x.numpy() torch refuses this


def test_seeing_neither_warns_nor_bumps_versions_nor_changes_the_graph(observe):
    x = torch.ones(3, requires_grad=True)
    y = x * 2
    z = y[1:]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = y._version, y.grad_fn, x._version
        for _ in range(3):
            observe(x=x, y=y, z=z)
        assert (y._version, y.grad_fn, x._version) == before
    z.mul_(3)
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 6.0, 6.0]


def test_nothing_is_kept_of_a_name_that_is_gone(observe):
    import weakref

    x = torch.ones(2)
    gone = weakref.ref(x)
    observe(x=x)
    del x
    observe()
    assert gone() is None


# --- other libraries ---


class Minimal:
    """A tensor with a few of torch's names over a NumPy array, without storages, flags or versions."""

    dtype, device, requires_grad, is_leaf = "lib.float32", "cpu", False, True

    def __init__(self, array):
        self._array = array
        self.shape = array.shape

    def stride(self):
        return tuple(step // 4 for step in self._array.strides)

    def element_size(self):
        return 4

    def numel(self):
        return self._array.size

    def data_ptr(self):
        return self._array.ctypes.data

    def detach(self):
        return self

    def clone(self):
        return Minimal(self._array.copy())

    def numpy(self):
        return self._array


def test_a_library_that_lacks_attributes_is_observed_without_them():
    namespace = types.SimpleNamespace(Tensor=Minimal, __name__="lib")
    array = np.arange(6, dtype=np.float32)
    facts = Observer(Backend("lib", namespace)).observe({"x": Minimal(array), "y": Minimal(array[2:4])})
    x = facts["x"]
    assert (x.dtype, x.shape, x.strides, x.values, x.device) == (
        "float32",
        (6,),
        (1,),
        array.tobytes(),
        "cpu",
    )
    assert x.storage == facts["y"].storage == 0
    assert isinstance(x.grad_fn, Raised)
    assert x.grad_fn.type == "AttributeError"
    assert isinstance(x.version, Raised)


def test_hooks_for_storages_and_undefined_elements():
    namespace = types.SimpleNamespace(
        Tensor=Minimal,
        storage_key=lambda t: "one",
        undefined_mask=lambda t: np.array([False, True]) if t.shape == (2,) else None,
    )
    variables = {"x": Minimal(np.ones(2, np.float32)), "y": Minimal(np.ones(3, np.float32))}
    facts = Observer(Backend("lib", namespace)).observe(variables)
    assert facts["x"].storage == facts["y"].storage == 0
    assert (facts["x"].undefined, facts["y"].undefined) == (b"\x00\x01", None)


def test_observing_is_fast(observe):
    """Every live name is read after every statement: a tensor costs about 4 microseconds, never tens of them."""
    backend = resolve("torch-cpu")
    observer = Observer(backend, spans=False)
    x = torch.ones(2, 3, requires_grad=True)
    variables = {"x": x, "y": x * 2, "z": torch.ones(4), "i": torch.arange(3)}
    seconds = (
        min(timeit.repeat(lambda: observer.observe(variables), number=50, repeat=40)) / 50 / len(variables)
    )
    assert seconds < 40e-6
