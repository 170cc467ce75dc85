# Gradients where several elements are the extremum: shared by amax and max, one element's by max along a dimension.
x = torch.tensor([[2.0, 2.0, 1.0], [3.0, 0.0, 3.0]], requires_grad=True)
x.max().backward()
a = x.grad.clone()
x.grad = None
x.amax(1).sum().backward()
b = x.grad.clone()
x.grad = None
v = x.max(1)
v.values.sum().backward()
c = x.grad.clone()
x.grad = None
torch.maximum(x, torch.tensor(2.0)).sum().backward()
d = x.grad.clone()
x.grad = None
x.clamp(1, 2).sum().backward()
e = x.grad.clone()
x.grad = None
x.relu().sum().backward()
