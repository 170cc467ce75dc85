# What an in-place operation on a view saves of its result has the history of the view, which goes by way of its base.
x = torch.tensor([[1.0, 2.0, 3.0, 4.0]], requires_grad=True)
a = x * 2
b = a[0]
b.retain_grad()
b.tanh_()
y = (a * a).sum()
y.backward(create_graph=True)
(x.grad * x.grad).sum().backward()
c = x * 2
d = c[0]
d.tanh_()
del d
e = torch.autograd.grad((c * c).sum(), [x], create_graph=True)
e[0].sum().backward()
