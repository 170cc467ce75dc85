"""The vocabulary of the program language against the real PyTorch and NumPy."""

import contextlib
import inspect
import operator

import numpy as np
import pytest

import engine
from engine import functions
from engine.registry import OPS
from strategies.catalogue.derive import public_name
from strategies.program import Prelude, vocabulary

FORBIDDEN = """
    system popen load save from_file hub jit compile export package serialization utils multiprocessing distributed os
    sys tofile dump dumps fromfile memmap frombuffer ctypes ctypeslib lib data_ptr storage untyped_storage share_memory_
    resize setflags apply_ map_ map2_ vectorize fromfunction set_num_threads set_default_tensor_type set_default_device
    set_printoptions set_flush_denormal seed format join encode decode flags obj
""".split()


def test_no_name_of_the_vocabulary_is_one_of_those_that_reach_outside():
    names = {part for name in vocabulary.FUNCTIONS | vocabulary.VALUES for part in name.split(".")}
    names |= vocabulary.METHODS | vocabulary.ATTRIBUTES | (vocabulary.KEYWORDS - {"vectorize"})  # of jacobian
    assert not names & set(FORBIDDEN)
    assert not any(name.startswith("__") for name in names)
    assert {name for name in names if name.startswith("_")} == {"_version", "_base", "_is_view"}


def held(torch):
    """One of each kind of object of a library and of NumPy that a program can hold and call methods of."""
    x = torch.ones(2, 2, requires_grad=True)
    return [
        x,
        x.detach().numpy(),
        x.sum().grad_fn,
        x.register_hook(lambda g: g),
        torch.Generator(),
        np.float32(1),
        torch.device("cpu"),
        torch.autograd.graph.get_gradient_edge(x),
        Prelude(torch).square(x).grad_fn,
        x.sum().grad_fn.metadata,
    ]


@pytest.mark.parametrize("library", ["engine", "torch"])
def test_every_name_of_the_vocabulary_is_in_the_engine_and_in_torch(library):
    torch = pytest.importorskip(library)
    for dotted in vocabulary.FUNCTIONS | vocabulary.VALUES | vocabulary.MANAGERS.keys():
        found = {"torch": torch, "np": np, "prelude": Prelude(torch)}[dotted.split(".")[0]]
        for part in dotted.split(".")[1:]:
            found = getattr(found, part)
        assert callable(found) or dotted in vocabulary.VALUES, dotted
    objects = held(torch)
    assert [name for name in vocabulary.METHODS if not any(hasattr(type(one), name) for one in objects)] == []


def test_every_attribute_is_of_something_that_the_engine_has():
    names = {name for overloads in OPS.values() for op in overloads for name in op.signature.outputs or ()}
    names |= {"U", "S", "V", "Vh", "sign", "logabsdet"}  # of composites, which name them themselves
    names |= set(engine.autograd.forward_ad.UnpackedDualTensor._fields)
    names.update(*map(dir, (*held(engine), np.ones(2), engine.finfo(engine.float32))))
    assert sorted(vocabulary.ATTRIBUTES - names) == []


# What the engine has under torch's name and programs may not use: torch conjugates lazily, so that conj is a view there
# and a copy here; the default device is the process's; the others have no page in the documentation.
NOT_IN_THE_LANGUAGE = {
    "conj", "adjoint", "resolve_conj", "get_default_device", "set_default_device",
    "dropout_", "diagonal_copy", "resize_as_",
}  # fmt: skip


def test_the_vocabulary_has_every_operation_of_the_engine():
    torch = pytest.importorskip("torch")
    missing = set()
    for registered in vars(functions):
        dotted = public_name(registered)
        try:
            operator.attrgetter(dotted)(torch)
        except AttributeError:
            continue  # a step of an operation, and no function of torch
        if not registered.startswith("_") and "torch." + dotted not in vocabulary.FUNCTIONS:
            missing.add(dotted)
    assert missing == NOT_IN_THE_LANGUAGE


def test_the_vocabulary_has_every_function_that_differentiates_functions():
    from engine.autograd import forward_ad, functional

    names = {f"torch.func.{name}" for name in engine.func.__all__} | {"torch.vmap"}
    names |= {"torch.autograd.gradcheck", "torch.autograd.gradgradcheck"}
    names |= {
        f"torch.autograd.functional.{name}" for name in ("jacobian", "hessian", "vjp", "jvp", "vhp", "hvp")
    }
    assert all(hasattr(functional, name.rpartition(".")[2]) for name in names if "functional" in name)
    assert names == {f"torch.{name}" for name in vocabulary.TAKES_FUNCTION}
    names |= {f"torch.autograd.forward_ad.{name}" for name in forward_ad.__all__}
    names -= {
        "torch.autograd.forward_ad.UnpackedDualTensor",
        "torch.autograd.forward_ad.dual_level",
    }
    assert names <= vocabulary.FUNCTIONS
    assert "torch.autograd.forward_ad.dual_level" in vocabulary.MANAGERS


def test_every_keyword_is_a_parameter_of_something():
    taken = {"out"}
    for registered, overloads in OPS.items():
        name = public_name(registered)
        spellings = {f"torch.{name}", f"torch.{name}_", name, name + "_"}
        if spellings & (vocabulary.FUNCTIONS | vocabulary.METHODS):
            taken |= {parameter.name for op in overloads for parameter in op.signature.parameters}
    others = [
        operator.attrgetter(dotted.partition(".")[2])({"torch": engine, "np": np}[dotted.partition(".")[0]])
        for dotted in vocabulary.FUNCTIONS | vocabulary.MANAGERS.keys()
        if not dotted.startswith("prelude.")
    ]
    for one in held(engine):
        others += [getattr(one, name) for name in vocabulary.METHODS if hasattr(type(one), name)]
    for function in others:
        with contextlib.suppress(ValueError, TypeError):  # some of NumPy's have no signature that can be read
            taken |= set(inspect.signature(function).parameters)
    assert sorted(vocabulary.KEYWORDS - taken) == []


def test_every_size_rule_is_of_a_call():
    calls = {name.removeprefix("torch.") for name in vocabulary.FUNCTIONS} | vocabulary.METHODS
    assert set(vocabulary.SIZES) <= calls
    assert vocabulary.SIZE_KEYWORDS <= vocabulary.KEYWORDS


def test_no_attribute_gives_a_function():
    """What is read without a call is data on every object that has it."""
    torch = pytest.importorskip("torch")
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
        x.sum().grad_fn.metadata,
        torch.autograd.graph.get_gradient_edge(x),
        Prelude(torch).square(x).grad_fn,
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
    # The first two are of a tensor, and parts of the named tuples of max, sort, ... A node can be called, not by a program.
    assert functions == {"values", "indices", "node"}


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
        ("autograd.graph.increment_version", "autograd"),
        ("prelude.square", "autograd"),
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
