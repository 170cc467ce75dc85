# Truth values of single numbers have memory of their own, each.
x = torch.tensor(1.0)
a = torch.signbit(x)
b = torch.signbit(x)
a.fill_(True)
c = torch.isnan(x)
d = torch.isnan(x)
c.logical_not_()
e = torch.eq(x, 2.0)
f = torch.eq(x, 2.0)
e |= True
g = torch.signbit(x)
