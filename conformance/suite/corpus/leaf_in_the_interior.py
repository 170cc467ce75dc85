# A leaf of one graph that is then written with what it led to is no leaf when the gradient arrives.
x = torch.tensor(1.0, requires_grad=True)
y = torch.neg(x)
x.requires_grad_(False)
x[...] = y
x.backward()
g = x.grad
