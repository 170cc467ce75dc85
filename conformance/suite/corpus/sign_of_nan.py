# The sign of what is not a number is nowhere specified, so neither is what takes it over.
torch.set_default_dtype(torch.bfloat16)
x = torch.tensor([inf, -1.0])
y = torch.div(x, x)
z = torch.sqrt(x - x)
s = torch.signbit(y)
c = torch.copysign(x, z)
d = torch.copysign(x, y)
