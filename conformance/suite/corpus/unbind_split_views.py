# Views that come in lists: written without grad, refused in place with grad.
x = torch.arange(6.0).reshape(3, 2)
a, b, c = x.unbind()
b.zero_()
parts = x.split(2)
parts[0].add_(1)
y = x.clone().requires_grad_()
z = y * 2
p, q = z.chunk(2)
p.mul_(2)
r = z.select(0, 1)
r.mul_(3)
(q.sum() + z.sum()).backward()
