# What a transformed function captures keeps its own history, however long that is: gradients outside find the way to it.
g = torch.tensor([1.0, 2.0], requires_grad=True)
d = torch.neg(torch.neg(g))
a = torch.func.grad(lambda v: (torch.exp(v) * d).sum())(g)
b = torch.autograd.grad(a, [d, g], torch.ones(2), allow_unused=True)
k, e = torch.func.jvp(lambda u: torch.neg(torch.neg(u)), (g,), (g,))
c = torch.func.jacrev(lambda v: torch.exp(v) * e)(g)
f = torch.autograd.grad(c, [e], torch.ones(2, 2), allow_unused=True)
