# lu with its infos is a named tuple, without them a plain one.
x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
y = torch.lu(x, True, True)
a, b, c = torch.lu(x, True, True)
a.sum().backward()
d, e = x.lu()
