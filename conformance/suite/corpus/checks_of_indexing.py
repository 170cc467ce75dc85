# A view whose base was written is refused before it is sliced; a single int of a 0-dim tensor has an error of its own, when
# it is assigned to as well.
x = torch.tensor([1.0], requires_grad=True)
y = torch.neg(x)
z = torch.unbind(y)
a = z[0]
torch.neg_(y)
a[:1] = x
b = a[:1]
a[0] = x
c = torch.tensor(1.0)
c[0] = 2
c[0, 0] = 2
c[:1] = 2
d = c[:1]
d = c[0]
