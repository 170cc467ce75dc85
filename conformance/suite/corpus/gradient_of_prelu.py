# The gradient of prelu has a history that reaches the input, too.
x = torch.tensor([1.0, -2.0, 0.0, 3.0], requires_grad=True)
w = torch.tensor([0.25], requires_grad=True)
g = torch.autograd.grad(torch.prelu(x, w).sum(), [x, w], create_graph=True)
g[0].sum().backward(retain_graph=True)
g[1].backward()
