# What requires grad only since its base does is an argument of transforms like any: the result requires grad, and its gradient
# goes nowhere.
a = torch.tensor([[1.0]], requires_grad=True)
with torch.no_grad():
    b = torch.transpose(a, 1, 1)
c = torch.func.jacrev(lambda u: torch.exp(u))(b)
d = torch.func.grad(lambda u: torch.exp(u).sum())(b)
e = torch.func.vjp(lambda u: torch.exp(u), b)[0]
e.sum().backward()
f = torch.tensor([[1.0]])
g = f.view(1, 1)
f.requires_grad_()
h = torch.func.grad(lambda u: torch.exp(u).sum())(g)
i = torch.func.grad(lambda u: (torch.exp(u) * g).sum())(torch.ones(1, 1))
j = torch.func.jacrev(lambda u: u * 2)(b)
