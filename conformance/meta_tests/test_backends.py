"""Backends are found by name, fail with one clear message, and leave nothing behind; lacks are skipped."""

import sys
import types

import pytest

from conformance.backends import Backend, BackendError, resolve
from conformance.capabilities import Capabilities, CapabilityError, load_capabilities
from strategies.program import parse


@pytest.fixture
def module(monkeypatch):
    """A third party's module with a namespace of little more than a Tensor."""
    namespace = types.SimpleNamespace(Tensor=type("Tensor", (), {}), __version__="1.2")
    result = types.ModuleType("third_party")
    result.namespace = namespace
    result.make = lambda: namespace
    result.ready = Backend("ready", namespace)
    result.broken = lambda: 1 / 0
    result.other = 3
    monkeypatch.setitem(sys.modules, "third_party", result)
    return result


@pytest.mark.parametrize("target", ["namespace", "make"])
def test_a_third_party_is_found_by_module_and_object(module, target):
    backend = resolve(f"third_party:{target}")
    assert (backend.namespace, backend.version, backend.device) == (module.namespace, "1.2", "cpu")
    assert not backend.addressable
    assert not backend.capabilities.incidental


def test_a_module_may_hand_out_a_backend(module):
    assert resolve("third_party:ready") is module.ready


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("pytorch", "unknown backend 'pytorch' (allowed: engine, torch-cpu, torch-cuda, module:object)"),
        ("third_party:nothing", "third_party has no object 'nothing'"),
        ("third_party:other", "it has no 'Tensor'"),
        ("third_party:broken", "ZeroDivisionError"),
        ("no_such_module:x", "cannot import no_such_module: ModuleNotFoundError"),
    ],
)
def test_one_clear_message_where_a_backend_cannot_be_used(module, spec, message):
    with pytest.raises(BackendError) as caught:
        resolve(spec)
    assert message in str(caught.value)
    assert not caught.value.skipped


def test_a_missing_gpu_is_a_skip():
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        assert resolve("torch-cuda").device == "cuda"
        return
    with pytest.raises(BackendError, match="skipped: no CUDA device") as caught:
        resolve("torch-cuda")
    assert caught.value.skipped


def test_reset_and_restore_of_torch():
    torch = pytest.importorskip("torch")
    backend = resolve("torch-cpu")
    torch.set_grad_enabled(False)
    torch.set_default_dtype(torch.float64)
    try:
        backend.reset()
        assert torch.is_grad_enabled()
        assert torch.get_default_dtype() is torch.float32
        first = torch.rand(2)
        backend.restore()
        assert not torch.is_grad_enabled()
        assert torch.get_default_dtype() is torch.float64
        backend.reset()
        assert torch.equal(first, torch.rand(2))
        backend.restore()
    finally:
        torch.set_grad_enabled(True)
        torch.set_default_dtype(torch.float32)


def test_an_inference_mode_that_stays_is_left_before_the_next_program(module):
    class Staying:
        enabled = False

        def __init__(self, mode=True):
            self.mode = mode

        def __enter__(self):
            Staying.enabled = self.mode

        def __exit__(self, *exc):
            pass

    module.namespace.inference_mode = Staying
    module.namespace.is_inference_mode_enabled = lambda: Staying.enabled
    backend = resolve("third_party:namespace")
    with Staying():
        pass
    assert Staying.enabled
    backend.reset()
    assert not Staying.enabled


def test_reset_is_tolerant_of_what_a_library_lacks(module):
    backend = resolve("third_party:namespace")
    backend.reset()
    backend.restore()


# --- capability files ---


def write(tmp_path, text):
    path = tmp_path / "caps.toml"
    path.write_text(text)
    return path


def test_a_capability_file_changes_what_it_names(module, tmp_path):
    path = write(tmp_path, 'random_stream = false\n[lacks]\nops = ["svd", "fft.*"]\naspects = ["grad"]\n')
    capabilities = resolve("third_party:namespace", path).capabilities
    assert not capabilities.random_stream
    assert capabilities.shares_numpy
    assert capabilities.lacks() == {"ops": ["fft.*", "svd"], "dtypes": [], "aspects": ["grad"]}
    assert capabilities.lacks_aspect("grad.values")
    assert not capabilities.lacks_aspect("grad_fn")


def test_a_capability_file_beside_the_module_is_found(monkeypatch, tmp_path):
    (tmp_path / "lib_with_caps.py").write_text("class Tensor: pass\n")
    (tmp_path / "conformance.toml").write_text('[lacks]\ndtypes = ["float16"]\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    assert resolve("lib_with_caps:").capabilities.lacks_dtypes == {"float16"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ops = 3", "unknown key 'ops' (allowed: device, random_stream"),
        ("[lacks]\nops = 3", "key 'lacks.ops': should be a list of texts, but is 3"),
        ("[lacks]\nop = []", "unknown key 'lacks.op' (allowed: ops, dtypes, aspects)"),
        ('[lacks]\ndtypes = ["f16"]', "key 'lacks.dtypes': unknown 'f16'"),
        ('[lacks]\naspects = ["speed"]', "key 'lacks.aspects': unknown 'speed'"),
        ("incidental = 1", "key 'incidental': should be true or false, but is 1"),
        ("device = ", "not TOML"),
    ],
)
def test_errors_in_a_capability_file_name_file_and_key(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(CapabilityError) as caught:
        load_capabilities(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


def test_a_missing_capability_file(tmp_path):
    with pytest.raises(CapabilityError, match="cannot be read"):
        load_capabilities(tmp_path / "absent.toml")


# --- skips ---


def skipped(text, reference=(), follow=True, **lacks):
    plan = Capabilities(**lacks).skips(parse(text), reference, follow=follow)
    return plan.reasons, plan.unknown


def test_what_depends_on_a_lacking_op_is_skipped_until_the_name_is_bound_anew():
    text = "x = torch.ones(2)\ny = torch.exp(x)\nz = y + 1\ny = x * 2\nw = y + 1\n"
    reasons, unknown = skipped(text, lacks_ops=frozenset({"exp"}))
    assert reasons == {1: "lacks the op exp", 2: "depends on y, which a skipped statement writes"}
    assert unknown == {1: ("y",), 2: ("y", "z")}


def test_a_skipped_write_makes_all_that_may_share_memory_unknown():
    text = "x = torch.ones(2)\nv = x[0]\nu = torch.ones(2)\nx.exp_()\nw = v + 1\nt = u + 1\n"
    reasons, unknown = skipped(text, lacks_ops=frozenset({"exp_"}))
    assert set(reasons) == {3, 4}
    assert unknown[3] == ("v", "x")


def test_a_block_is_skipped_as_a_whole():
    text = "x = torch.ones(2)\nwith torch.no_grad():\n    y = x * 2\n    z = torch.exp(x)\nw = y + 1\n"
    reasons, _ = skipped(text, lacks_ops=frozenset({"exp"}))
    assert set(reasons) == {1, 4}


def test_deleting_an_unknown_name_is_skipped():
    reasons, unknown = skipped("x = torch.exp(torch.ones(1))\ndel x\n", lacks_ops=frozenset({"ex*"}))
    assert set(reasons) == {0, 1}
    assert unknown[1] == ()


def test_random_numbers_after_a_skipped_draw_cannot_be_judged():
    text = "x = torch.randn(2)\ny = torch.rand(2)\nseed = torch.manual_seed(1)\nz = torch.rand(2)\n"
    reasons, _ = skipped(text, lacks_ops=frozenset({"randn"}))
    assert set(reasons) == {0, 1}


def test_another_random_stream_skips_draws_only_where_nothing_is_followed():
    text = "x = torch.rand(2)\ny = torch.ones(2)\n"
    assert skipped(text, random_stream=False) == ({}, {})
    assert set(skipped(text, random_stream=False, follow=False)[0]) == {0}


def test_numpy_sharing_that_a_backend_lacks():
    reasons, _ = skipped("x = torch.ones(2)\na = x.numpy()\nb = a + 1\n", shares_numpy=False)
    assert set(reasons) == {1, 2}


@pytest.mark.parametrize("spelling", ["x = torch.ones(2, dtype=torch.float64)", "x = torch.ones(2).double()"])
def test_a_lacking_dtype_in_the_text(spelling):
    reasons, _ = skipped(f"{spelling}\ny = torch.ones(2)\n", lacks_dtypes=frozenset({"float64"}))
    assert reasons == {0: "lacks the dtype float64"}


def test_a_lacking_dtype_that_only_the_reference_shows():
    pytest.importorskip("torch")
    from conformance.runner import run_program

    text = "x = torch.tensor(1)\ny = torch.ones(2)\n"
    steps = run_program(parse(text), resolve("torch-cpu")).steps
    assert skipped(text, lacks_dtypes=frozenset({"int64"})) == ({}, {})
    assert set(skipped(text, steps, lacks_dtypes=frozenset({"int64"}))[0]) == {0}
