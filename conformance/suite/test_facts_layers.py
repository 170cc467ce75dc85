"""Section 11: parameters, layers, their initial values, containers and losses.

Pages named in docstrings are relative to https://docs.pytorch.org/docs/stable/.
"""

import copy

import pytest

from conformance.suite.expectations import fact, flat, holds, raising

# --- 11.1: Parameter --------------------------------------------------------------------------------------------------


@fact("11.1", "nn.Parameter")
def test_a_parameter_is_a_leaf_tensor_on_the_memory_of_its_data(torch):
    """11.1, generated/torch.nn.parameter.Parameter.html"""
    data = torch.tensor([1.0, 2.0])
    parameter = torch.nn.Parameter(data * 1)
    assert isinstance(parameter, torch.Tensor)
    assert (parameter.requires_grad, parameter.is_leaf, parameter.grad_fn) == (True, True, None)
    assert torch.nn.Parameter(data).data_ptr() == data.data_ptr()
    assert not torch.nn.Parameter(data, requires_grad=False).requires_grad
    assert repr(parameter) == "Parameter containing:\ntensor([1., 2.], requires_grad=True)"


@fact("11.1", "nn.Parameter")
def test_what_is_computed_from_a_parameter_is_none(torch):
    """11.1, generated/torch.nn.parameter.Parameter.html"""
    parameter = torch.nn.Parameter(torch.ones(2))
    made = [
        parameter + 1,
        parameter.clone(),
        parameter[0],
        parameter.detach(),
        parameter.data,
        parameter.double(),
    ]
    assert not any(isinstance(one, torch.nn.Parameter) for one in made)
    assert not isinstance(torch.ones(2), torch.nn.Parameter)
    assert parameter.to(torch.float32) is parameter


@fact("11.1", "nn.Parameter")
def test_a_parameter_with_gradients_needs_a_dtype_that_has_them(torch):
    """11.1, generated/torch.nn.parameter.Parameter.html"""
    text = "Only Tensors of floating point and complex dtype can require gradients"
    with raising("RuntimeError", text):
        torch.nn.Parameter(torch.tensor([1, 2]))
    holds(torch.nn.Parameter(torch.tensor([1, 2]), requires_grad=False), [1, 2], "int64")


@fact("11.1", "nn.Parameter")
def test_a_copied_parameter_is_a_parameter_with_memory_of_its_own(torch):
    """11.1, generated/torch.nn.parameter.Parameter.html"""
    parameter = torch.nn.Parameter(torch.ones(2))
    first, second = copy.deepcopy([parameter, parameter])
    assert first is second
    assert isinstance(first, torch.nn.Parameter)
    assert first.data_ptr() != parameter.data_ptr()
    with raising(
        "RuntimeError",
        "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment.  If you were "
        "attempting to deepcopy a module, this may be because of a torch.nn.utils.weight_norm usage, see "
        "https://github.com/pytorch/pytorch/pull/103001",
    ):
        copy.deepcopy(parameter * 2)


# --- 11.1: Linear, ReLU, initial values, containers -------------------------------------------------------------------


@fact("11.1", "nn.Linear")
@pytest.mark.parametrize(
    ("shape", "bias", "node"),
    [
        ((3,), True, "ViewBackward0"), ((3,), False, "SqueezeBackward4"), ((4, 3), True, "AddmmBackward0"),
        ((4, 3), False, "MmBackward0"), ((5, 4, 3), True, "ViewBackward0"), ((5, 4, 3), False, "UnsafeViewBackward0"),
        ((5, 0, 3), True, "ViewBackward0"),
    ],
)  # fmt: skip
def test_linear_maps_the_last_dimension(torch, shape, bias, node):
    """11.1, generated/torch.nn.functional.linear.html"""
    weight = torch.tensor([[1.0, 2.0, 3.0], [0.5, 0.0, -1.0]], requires_grad=True)
    y = torch.nn.functional.linear(torch.ones(shape), weight, torch.tensor([10.0, 20.0]) if bias else None)
    row = [16.0, 19.5] if bias else [6.0, -0.5]
    assert tuple(y.shape) == (*shape[:-1], 2)
    assert flat(y.tolist()) == row * (y.numel() // 2)
    assert type(y.grad_fn).__name__ == node


@fact("11.1", "nn.Linear")
def test_linear_with_a_vector_as_weight_drops_the_dimension(torch):
    """11.1, generated/torch.nn.functional.linear.html"""
    holds(torch.nn.functional.linear(torch.ones(2, 3), torch.tensor([1.0, 2.0, 3.0])), [6.0, 6.0])


@fact("11.1", "nn.Linear")
def test_linear_names_sizes_and_dtypes_that_do_not_fit(torch):
    """11.1, generated/torch.nn.functional.linear.html"""
    with raising("RuntimeError", "mat1 and mat2 shapes cannot be multiplied (1x4 and 2x3)"):
        torch.nn.Linear(2, 3)(torch.ones(4))
    with raising("RuntimeError", "mat1 and mat2 must have the same dtype, but got Double and Float"):
        torch.nn.Linear(4, 3)(torch.ones(4).double())
    with raising("RuntimeError", "both arguments to linear need to be at least 1D, but they are 0D and 2D"):
        torch.nn.functional.linear(torch.tensor(1.0), torch.ones(2, 3))


@fact("11.1", "nn.Linear nn.init")
def test_initial_values_of_a_linear_layer(torch, cpu_stream):
    """11.1, generated/torch.nn.Linear.html"""
    torch.manual_seed(0)
    layer = torch.nn.Linear(2, 2)
    holds(
        layer.weight, [[-0.005293981172144413, 0.37932288646698], [-0.5819807648658752, -0.5203874707221985]]
    )
    holds(layer.bias, [-0.27234524488449097, 0.1896158903837204])
    wide = torch.nn.Linear(100, 7)
    assert max(map(abs, flat([wide.weight.tolist(), wide.bias.tolist()]))) <= 0.1
    assert torch.nn.Linear(2, 2, bias=False).bias is None


@fact("11.1", "nn.init")
def test_initial_values_are_written_in_place_and_not_recorded(torch):
    """11.1, nn.init.html"""
    init = torch.nn.init
    x = torch.zeros(2, 3, requires_grad=True)
    for filled in (
        init.uniform_,
        init.normal_,
        init.xavier_uniform_,
        init.xavier_normal_,
        init.kaiming_normal_,
        init.eye_,
    ):
        assert filled(x) is x
    assert (x.requires_grad, x.is_leaf) == (True, True)
    holds(x, [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    holds(init.constant_(x, 3), [[3.0] * 3] * 2)
    holds(init.ones_(x), [[1.0] * 3] * 2)
    holds(init.zeros_(x), [[0.0] * 3] * 2)


@fact("11.1", "nn.init")
def test_bounds_of_initial_values(torch):
    """11.1, nn.init.html"""
    init, x = torch.nn.init, torch.empty(50, 30)
    gains = [
        init.calculate_gain(*of) for of in (("linear",), ("tanh",), ("relu",), ("leaky_relu", 0.2), ("selu",))
    ]
    assert gains == [1, 5 / 3, 2**0.5, (2 / 1.04) ** 0.5, 0.75]
    assert 0.25 < init.xavier_uniform_(x).abs().max().item() <= (6 / 80) ** 0.5
    assert 0.4 < init.kaiming_uniform_(x, nonlinearity="relu").abs().max().item() <= (6 / 30) ** 0.5
    assert 0.3 < init.kaiming_uniform_(x, mode="fan_out").abs().max().item() <= (6 / 50) ** 0.5
    with raising(
        "ValueError", "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions"
    ):
        init.kaiming_uniform_(torch.empty(3))
    with raising("ValueError", "Mode up not supported, please use one of ['fan_in', 'fan_out']"):
        init.kaiming_uniform_(x, mode="up")
    with raising("ValueError", "Unsupported nonlinearity step"):
        init.calculate_gain("step")


@fact("11.1", "nn.ReLU")
def test_relu_also_in_place(torch):
    """11.1, generated/torch.nn.ReLU.html"""
    x = torch.tensor([-1.0, 2.0])
    y = torch.nn.functional.relu(x)
    holds(torch.nn.ReLU()(x), [0.0, 2.0])
    assert y is not x
    assert torch.nn.ReLU(inplace=True)(x) is x
    holds(x, [0.0, 2.0])


@fact("11.1", "nn.containers")
def test_a_sequence_of_modules(torch):
    """11.1, generated/torch.nn.Sequential.html"""
    nn = torch.nn
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU())
    assert tuple(net(torch.ones(5, 2, 2)).shape) == (5, 3)
    assert (len(net), net[-1], list(net[:2])) == (3, list(net)[2], list(net)[:2])
    assert list(dict(net.named_parameters())) == ["1.weight", "1.bias"]
    net.append(nn.Identity())
    net.insert(0, nn.ReLU())
    del net[1]
    assert [type(module).__name__ for module in net] == ["ReLU", "Linear", "ReLU", "Identity"]
    assert list(dict(net.named_children())) == ["0", "1", "2", "3"]
    assert len(net + net) == 8
    with raising("IndexError", "index 4 is out of range"):
        net[4]
    with raising("TypeError", "int is not a Module subclass"):
        nn.Sequential(3)


@fact("11.1", "nn.containers")
def test_a_list_of_modules(torch):
    """11.1, generated/torch.nn.ModuleList.html"""
    nn = torch.nn
    layers = nn.ModuleList([nn.Linear(1, 1, bias=False)])
    layers.append(nn.ReLU())
    layers.extend([nn.Flatten()])
    layers.insert(1, nn.Identity())
    layers[2] = nn.Identity()
    assert [type(module).__name__ for module in layers] == ["Linear", "Identity", "Identity", "Flatten"]
    assert isinstance(layers.pop(3), nn.Flatten)
    assert list(dict(layers.named_children())) == ["0", "1", "2"]
    assert isinstance(layers[:2], nn.ModuleList)
    with raising("NotImplementedError", 'Module [ModuleList] is missing the required "forward" function'):
        layers(1)


# --- 11.2: a regression -----------------------------------------------------------------------------------------------


@fact("11.2", "nn.MSELoss")
def test_the_mean_squared_error_and_its_gradients(torch):
    """11.2, generated/torch.nn.MSELoss.html"""
    x = torch.tensor([1.0, 2.0, 4.0], requires_grad=True)
    target = torch.tensor([1.0, 0.0, 1.0], requires_grad=True)
    loss = torch.nn.MSELoss()(x, target)
    holds(loss, 13 / 3)
    assert type(loss.grad_fn).__name__ == "MseLossBackward0"
    loss.backward()
    holds(x.grad, [0.0, 4 / 3, 2.0], ulp=1)
    holds(target.grad, [0.0, -4 / 3, -2.0], ulp=1)
    holds(torch.nn.MSELoss(reduction="sum")(x, target), 13.0)
    holds(torch.nn.MSELoss(reduction="none")(x, target), [0.0, 4.0, 9.0])
    holds(torch.nn.functional.mse_loss(x, target, weight=torch.tensor([1.0, 2.0, 1.0])), 17 / 4)


@fact("11.2", "nn.MSELoss")
def test_the_mean_squared_error_warns_of_broadcasting_and_refuses(torch):
    """11.2, generated/torch.nn.functional.mse_loss.html"""
    mse_loss = torch.nn.functional.mse_loss
    with pytest.warns(
        UserWarning, match=r"Using a target size \(torch.Size\(\[1\]\)\) that is different to the input size"
    ):
        holds(mse_loss(torch.ones(2), torch.zeros(1)), 1.0)
    with raising("ValueError", "max is not a valid value for reduction"):
        mse_loss(torch.ones(2), torch.ones(2), reduction="max")
    with raising("NotImplementedError", "\"mse_cpu\" not implemented for 'Long'"):
        mse_loss(torch.tensor([1]), torch.tensor([1]))


@fact("11.2", "nn.one_linear_layer")
def test_one_linear_layer_learns_a_line(torch):
    """11.2, generated/torch.nn.Linear.html"""
    layer, loss_of = torch.nn.Linear(1, 1), torch.nn.MSELoss()
    x = torch.linspace(-1, 1, 8).unsqueeze(1)
    losses = []
    for _ in range(60):
        layer.zero_grad()
        loss = loss_of(layer(x), 3 * x + 2)
        loss.backward()
        losses.append(loss.item())
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter -= 0.4 * parameter.grad
    assert losses[-1] < 1e-6 < losses[0]
    assert abs(layer.weight.item() - 3) < 1e-2
    assert abs(layer.bias.item() - 2) < 1e-2
