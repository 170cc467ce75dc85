# What is written by an operation without a derivative has no edge to what else the operation read.
x = torch.tensor([[1.0]])
y = torch.transpose(x, 1, 1)
z = torch.tensor(1.0, requires_grad=True)
y.floor_divide_(z)
y.sum().backward()
