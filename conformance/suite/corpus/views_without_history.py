# What needs the history of a view that has lost it is refused; what does not, is not.
x = torch.ones(2, 3, requires_grad=True)
a = x * 2
with torch.no_grad():
    b = a[0]
a.t_()
c = b > 3
d = b.to(torch.int32)
e = b.detach()
f = b.grad
b.retain_grad()
b.requires_grad_()
b.requires_grad = True
g = b * 2
h = b.masked_fill_(c, 0.0)
