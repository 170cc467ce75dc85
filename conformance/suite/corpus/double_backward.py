# Gradients of gradients, by grad with create_graph and by a backward over them.
x = torch.tensor([[0.5, -1.0], [2.0, 3.0]], requires_grad=True)
v = torch.tensor([[1.0, 2.0], [-1.0, 0.5]], requires_grad=True)
y = (x.tanh() @ x).exp()
(g,) = torch.autograd.grad(y, x, v, create_graph=True)
(g * g).sum().backward()
h = torch.autograd.grad(torch.ones(2, 2, requires_grad=True).sum(), [x], allow_unused=True)
k = torch.autograd.grad((x * 2).sum(), [v])
