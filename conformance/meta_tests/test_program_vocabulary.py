"""The vocabulary of the program language against the real PyTorch and NumPy."""

import pytest

from strategies.program import vocabulary

FORBIDDEN = """
    system popen load save from_file hub jit compile export package serialization utils multiprocessing distributed os
    sys tofile dump dumps fromfile memmap frombuffer ctypes ctypeslib lib data_ptr storage untyped_storage share_memory_
    resize setflags apply_ map_ map2_ vectorize fromfunction set_num_threads set_default_tensor_type set_default_device
    set_printoptions set_flush_denormal seed format join encode decode metadata flags obj
""".split()


def test_no_name_of_the_vocabulary_is_one_of_those_that_reach_outside():
    names = {part for name in vocabulary.FUNCTIONS | vocabulary.VALUES for part in name.split(".")}
    names |= vocabulary.METHODS | vocabulary.ATTRIBUTES | vocabulary.KEYWORDS
    assert not names & set(FORBIDDEN)
    assert not any(name.startswith("__") for name in names)
    assert {name for name in names if name.startswith("_")} == {"_version", "_base", "_is_view"}


def test_every_name_of_the_vocabulary_is_somewhere_in_torch_or_numpy():
    torch = pytest.importorskip("torch")
    np = pytest.importorskip("numpy")
    for dotted in vocabulary.FUNCTIONS | vocabulary.VALUES | vocabulary.GRAD_MODES:
        found = {"torch": torch, "np": np}[dotted.split(".")[0]]
        for part in dotted.split(".")[1:]:
            found = getattr(found, part)
        assert callable(found) or dotted in vocabulary.VALUES, dotted
    x = torch.ones(2, 2, requires_grad=True)
    handle = x.register_hook(lambda g: g)
    objects = [
        x,
        x.detach().numpy(),
        x.sum().grad_fn,
        handle,
        torch.Generator(),
        np.float32(1),
        torch.device("cpu"),
    ]
    missing = [name for name in vocabulary.METHODS if not any(hasattr(type(item), name) for item in objects)]
    assert missing == []


def test_no_attribute_gives_a_function():
    """What is read without a call is data on every object that has it."""
    torch = pytest.importorskip("torch")
    np = pytest.importorskip("numpy")
    x = torch.ones(2, 2, requires_grad=True)
    handle = x.register_hook(lambda g: g)
    objects = [
        x,
        np.ones((2, 2)),
        np.float32(1),
        np.dtype("f4"),
        x.shape,
        [],
        (),
        x.sum().grad_fn,
        handle,
        1,
        1.5,
        2j,
    ]
    objects += [
        torch.Generator(),
        torch.float32,
        torch.device("cpu"),
        torch.finfo(torch.float32),
        torch.strided,
        "s",
    ]
    objects += [memoryview(b""), True, None, ..., np.float32, torch.sort(x), lambda g: g]
    functions = set()
    for name in vocabulary.ATTRIBUTES:
        for item in objects:
            try:
                found = getattr(item, name)
            except (AttributeError, RuntimeError):
                continue
            if callable(found):
                functions.add(name)
    assert functions == {
        "values",
        "indices",
    }  # of a tensor; they are parts of the named tuples of max, sort, ...


@pytest.mark.parametrize(
    ("call", "family"),
    [
        ("add_", "pointwise"),
        ("operator.add", "operator"),
        ("getitem", "indexing"),
        ("np.sum", "reduction"),
        ("linalg.svd", "linalg"),
        ("attr.grad", "other"),
        ("as_strided", "view"),
        ("autograd.grad", "autograd"),
        ("randn", "random"),
        ("no_such_op", "other"),
    ],
)
def test_family_of(call, family):
    assert vocabulary.family_of(call) == family


def test_each_name_stands_in_one_family():
    seen: dict[str, str] = {}
    for family, tables in vocabulary.FAMILIES.items():
        for names in tables:
            for name in " ".join(names).split():
                assert seen.setdefault(name, family) == family, name
