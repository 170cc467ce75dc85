# The gradient of the pseudo-inverse is computed over the shorter side, and its history says so.
x = torch.tensor([[1.0], [2.0], [1.0]], requires_grad=True)
a = torch.autograd.grad(torch.pinverse(x), [x], torch.tensor([[1.0, 1.0, 2.0]]), create_graph=True)
y = torch.tensor([[1.0, 2.0, 3.0]], requires_grad=True)
b = torch.autograd.grad(torch.pinverse(y), [y], torch.tensor([[1.0], [1.0], [2.0]]), create_graph=True)
a[0].sum().backward()
