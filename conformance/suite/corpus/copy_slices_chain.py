# Item assignment into a tensor with history rewrites the history of the base and of views made before.
x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
y = x * 1
before = y[1:]
y[0] = x[1] * x[2]
before.mul_(2)
after = y[:2]
z = (y * y).sum() + after.prod()
z.backward()
