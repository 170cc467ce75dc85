# What multiplication saved is changed before backward; what addition did not save may change.
x = torch.tensor([1.0, -2.0], requires_grad=True)
a = x * 3
b = a * a
a.add_(1)
b.sum().backward()
c = x * 3
d = c + c
c.add_(1)
d.sum().backward()
e = x.exp()
e += 1
e.sum().backward()
