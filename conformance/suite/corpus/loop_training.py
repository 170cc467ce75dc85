# Gradient descent on a line: steps under no_grad, gradients cleared in between.
torch.manual_seed(3)
x = torch.linspace(-1, 1, 8)
y = 3 * x + 2
w = torch.randn(1, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
for _ in range(4):
    loss = ((x * w + b - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
        b -= 0.1 * b.grad
    w.grad.zero_()
    b.grad = None
