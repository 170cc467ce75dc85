"""Section 7: devices and conversions between dtypes.

Pages named in docstrings are relative to https://docs.pytorch.org/docs/stable/.
"""

import pytest

from conformance.suite.expectations import dtype_name, fact, holds


@fact("7.1", "to_device")
def test_to_the_device_it_is_on_is_the_tensor_itself(backend, torch):
    """7.1, generated/torch.Tensor.to.html"""
    x = torch.ones(2)
    assert x.to(backend.device) is x
    assert x.to(x.device) is x
    assert x.to(backend.device, copy=True) is not x


@fact("7.1", "to_dtype")
def test_to_a_dtype_copies_unless_it_has_it_already(check):
    """7.1, generated/torch.Tensor.to.html"""
    shown = check("""
        x = torch.tensor([1.7, -1.7])
        y = x.to(torch.int64)
        z = x.to(torch.float32)
        w = x.to(y)
        """)
    holds(shown.y, [1, -1], "int64")
    assert shown.z is shown.x
    holds(shown.w, [1, -1], "int64")


@fact("7.1", "to_both")
def test_to_takes_device_and_dtype_at_once(check):
    """7.1, generated/torch.Tensor.to.html"""
    shown = check("""
        x = torch.tensor([1, 2])
        y = x.to("cpu", torch.float64)
        z = x.to(device="cpu", dtype=torch.float16)
        """)
    holds(shown.y, [1.0, 2.0], "float64")
    holds(shown.z, [1.0, 2.0], "float16")
    assert shown.y.device.type == shown.z.device.type == "cpu"


@fact("7.1", "cuda.is_available")
def test_whether_cuda_is_available_is_a_bool(backend, torch):
    """7.1, generated/torch.cuda.is_available.html"""
    available = torch.cuda.is_available()
    assert isinstance(available, bool)
    assert available or backend.device != "cuda"


@fact("7.1", "factories_device=")
def test_factories_take_a_device_as_text_or_object(backend, torch):
    """7.1, tensor_attributes.html#torch.device"""
    device = torch.device(backend.device)
    for made in (
        torch.zeros(2, device=device),
        torch.ones(2, device=backend.device),
        torch.tensor([1], device=device),
    ):
        assert made.device.type == device.type
    like = torch.ones_like(torch.zeros(2), device=device)
    assert like.device.type == device.type
    assert repr(torch.device("cpu")) == "device(type='cpu')"


@fact("7.1", "factories_device=")
def test_an_unknown_device_is_refused(torch):
    """7.1, tensor_attributes.html#torch.device"""
    with pytest.raises(
        RuntimeError, match=r"Expected one of cpu, cuda, .* device type at start of device string: nowhere"
    ):
        torch.zeros(2, device="nowhere")


PROGRAM = """
x = torch.arange(6.0).view(2, 3)
x.requires_grad_()
y = (x * 2 + 1).view(3, 2)
z = torch.mm(x, y)
w = z.max(1)
(z * z).sum().backward()
d = x.dtype
"""


@fact("7.1", "same_program_same_result")
def test_the_same_program_gives_the_same_result_on_every_backend(check):
    """7.1, notes/cuda.html"""
    shown = check(PROGRAM)
    holds(shown.z, [[23.0, 29.0], [68.0, 92.0]])
    holds(shown.w.values, [29.0, 92.0])
    holds(shown.x.grad, [[1036.0, 1740.0, 2232.0], [2276.0, 3512.0, 5320.0]])
    assert dtype_name(shown.d) == "float32"


@pytest.mark.cuda
@fact("7.1", "same_program_same_result")
def test_the_same_program_gives_the_same_result_on_cpu_and_cuda(torch):
    """7.1, notes/cuda.html"""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    results = []
    for device in ("cpu", "cuda"):
        x = torch.arange(6.0, device=device).view(2, 3).requires_grad_()
        (torch.mm(x, x.t()) ** 2).sum().backward()
        results.append(x.grad.to("cpu", torch.float64).tolist())
    assert results[0] == results[1]
