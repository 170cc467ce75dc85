# fill makes a tensor of the same layout; fill_diagonal_ writes a view of the diagonal, and a second one where it wraps.
x = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]], requires_grad=True)
v = torch.tensor(2.5, requires_grad=True)
a = torch.fill(x.t(), v)
b = torch.fill(torch.zeros(1).expand(3), 2)
c = torch.autograd.grad(a.sum(), [x, v])
y = x * 1
z = y[1:]
d = z.fill_diagonal_(3)
e = y.fill_diagonal_(v.detach(), wrap=True)
f = torch.autograd.grad(y.sum(), [x])
g = torch.zeros(2, 2, 2).fill_diagonal_(1)
h = torch.zeros(2, 2, 3).fill_diagonal_(1)
h = torch.zeros(2).fill_diagonal_(1)
h = x.fill_diagonal_(1)
h = torch.fill(x, torch.zeros(1))
h = torch.fill(x.half(), 1e6)
h = torch.zeros(2, 2).fill_diagonal_(2j)
with torch.autograd.forward_ad.dual_level():
    i = torch.autograd.forward_ad.make_dual(torch.zeros(2, 2), torch.ones(2, 2))
    j = torch.autograd.forward_ad.unpack_dual(i.fill_diagonal_(1))
    k = torch.autograd.forward_ad.unpack_dual(torch.fill(i, i[0, 0]))
