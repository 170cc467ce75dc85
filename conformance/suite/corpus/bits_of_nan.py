# Which NaN an operation gives is seen through a view of another dtype, and left open by IEEE 754.
x = torch.tensor([1.0, nan], dtype=torch.bfloat16)
y = torch.neg(x)
z = y.view(torch.int32)
a = torch.tensor([0.0, 1.0], dtype=torch.bfloat16)
b = a / a
c = b.view(torch.float32)
d = torch.tensor([nan, 2.0])
e = d.view(torch.uint8)
f = e[4:]
g = torch.tensor([inf, 2.0], dtype=torch.bfloat16)
h = g.view(torch.int32)
g -= g.var(True)
i = h + 1
