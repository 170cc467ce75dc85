# An output filled by item assignment has a Jacobian, row by row.
x = torch.tensor([2.0, 5.0], requires_grad=True)
out = torch.zeros(3)
out[0] = x[0] ** 2 + 3 * x[1]
out[1] = x[0] * x[1]
out[2] = x[1].exp()
out.backward(gradient=torch.tensor([1.0, 0.0, 0.0]), retain_graph=True)
first = x.grad.clone()
x.grad.zero_()
out.backward(gradient=torch.tensor([0.0, 1.0, 0.0]), retain_graph=True)
second = x.grad.clone()
x.grad = None
out.backward(gradient=torch.tensor([0.0, 0.0, 1.0]))
