# A first gradient that nobody else holds becomes .grad as it is, whatever hooks did before; one that is held is copied.
a = torch.tensor(1.0, requires_grad=True)
x = torch.tensor([3.0])
h = a.register_hook(lambda g: g)
c = torch.neg(a)
with torch.no_grad():
    a.unsqueeze_(-1)
c.backward()
h.remove()
y = a.detach().requires_grad_()
h = y.register_hook(lambda g: x)
(y * 2).backward()
h.remove()
y.grad = None
h = y.register_hook(lambda g: x.view(1))
(y * 2).backward()
x.zero_()
