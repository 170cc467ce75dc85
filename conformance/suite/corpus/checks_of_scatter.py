# What scatter is to reduce with is looked at after shapes and before indices.
x = torch.zeros(1, 1)
y = torch.scatter(x, 0, torch.tensor([[0]]), torch.ones(1), reduce='bad')
z = torch.scatter(x, 0, torch.tensor([[5]]), x, reduce='bad')
w = torch.scatter(x, 0, torch.tensor([[5]]), x, reduce='add')
e = torch.scatter(x, 0, torch.empty(0, 2, dtype=torch.int64), x, reduce='bad')
