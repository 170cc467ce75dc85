# What may be written in place and what may change requires_grad.
x = torch.ones(3, requires_grad=True)
x.add_(1)
v = x[0]
v.zero_()
x[0] = 2
y = x * 2
y.requires_grad_(False)
y.requires_grad = False
z = y.detach()
z.requires_grad_()
k = z.is_leaf
i = torch.tensor([1, 2])
i.requires_grad_()
p = torch.tensor([1, 2], requires_grad=True)
q = torch.zeros(3)
q.add_(y)
torch.add(x, 1, out=q)
x.bitwise_not_()
x.gcd_(torch.ones(3))
