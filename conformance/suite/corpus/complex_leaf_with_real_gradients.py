# A real dtype that was chosen for the gradients of a complex leaf casts them, with the warning of such casts.
a = torch.tensor([1.0 + 2.0j], requires_grad=True)
a.grad_dtype = torch.float32
b = a * 3
b.backward(torch.ones_like(b))
g = a.grad
x = torch.tensor([1.0], requires_grad=True)
y = x * 2j
y.backward(torch.ones_like(y))
h = x.grad
