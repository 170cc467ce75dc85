# A graph is freed by backward unless it is retained; what saved nothing can be used twice.
x = torch.tensor([2.0], requires_grad=True)
y = x ** 3
y.backward(retain_graph=True)
y.backward()
y.backward()
z = x + 1
z.backward()
z.backward()
g = x.grad
