# Gradients accumulate into the memory of .grad, whose layout follows the leaf's; a shared .grad changes with it.
x = torch.arange(6.0).reshape(2, 3).t().requires_grad_()
(x * x).sum().backward()
kept = x.grad
x.sum().backward()
x.grad = torch.zeros_like(x.grad)
(x * 3).sum().backward()
x.grad.data.zero_()
with torch.no_grad():
    x -= 1
x.grad = torch.ones(3)
x.grad = torch.ones(3, 2, dtype=torch.float64)
