# Several tensors that an operation without a derivative fills have its history, each its own output.
x = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
y = torch.tensor([1.0], dtype=torch.float64)
z = torch.tensor([1.0, 2.0], dtype=torch.float64)
torch.histogram(x, 1, out=(y, z))
a = y + 1
b = z.sum()
b.backward()
