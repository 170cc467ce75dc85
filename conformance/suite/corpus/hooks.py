# Hooks see the gradient, may replace it, and are gone once removed; a retained gradient is the one behind the hooks.
x = torch.tensor([1.0, 2.0], requires_grad=True)
y = x * 3
y.retain_grad()
h = y.register_hook(lambda g: g * 10)
k = x.register_hook(lambda g: g + 1)
y.sum().backward()
h.remove()
x.grad = None
z = x * 3
z.sum().backward()
k.remove()
x.sum().backward()
z.detach().register_hook(lambda g: g)
