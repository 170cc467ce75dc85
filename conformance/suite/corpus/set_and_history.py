# set_ of what requires grad is recorded like any write, though nothing of it can be differentiated; without grad it is not.
x = torch.ones(2, 4, requires_grad=True)
a = x * 2
b = a.view(-1)
b.set_(torch.ones(3))
b.sum().backward()
c = x * 2
d = c.view(-1)
with torch.no_grad():
    d.set_()
    c.set_(torch.ones(3))
c.sum().backward()
e = x.t()
e.set_(torch.ones(2, 3).t(), 1, (2,), (2,))
f = torch.ones(2, requires_grad=True)
g = f.view(2, 1)
with torch.no_grad():
    f.set_()
g.sum().backward()
h = torch.ones(4)[2:]
h.set_(h, 0, (1,), (1,))
