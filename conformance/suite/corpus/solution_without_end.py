# Nothing is promised of what is not finite in systems of linear equations.
x = torch.tensor(1)
y = torch.tensor([[x, x], [2j, x]])
z = torch.tensor([[inf - 1j, 1.0], [1 - 1j, x]])
a = torch.linalg.solve(y, z)
b = torch.linalg.solve(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([inf, 1.0]))
