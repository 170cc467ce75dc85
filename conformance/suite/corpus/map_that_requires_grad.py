# A map of what requires grad has the gradients of a loop, whatever it records; what returns its argument returns what was mapped.
x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
a = torch.func.vmap(lambda u: torch.softmax(u, 0) * u)(x)
b = torch.func.vmap(torch.func.grad(lambda u: (u * u * u).sum()), in_dims=1)(x)
(a * b).sum().backward()
c = torch.func.vmap(lambda u: u)(x)
d = torch.func.vmap(lambda u: u, in_dims=1)(x)
e = torch.func.vmap(lambda u: u * u)(x)
with torch.no_grad():
    x.add_(1)
e.sum().backward()
