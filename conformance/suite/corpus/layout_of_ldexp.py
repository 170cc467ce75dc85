# ldexp by floating exponents is written into a tensor of the first operand's shape, which is resized where it has to grow.
x = torch.tensor(1.0)
y = torch.tensor([[1.0, 1.0], [1.0, 1.0]])
z = torch.transpose(y, 0, 1)
a = torch.ldexp(x, z)
b = torch.ldexp(z, x)
c = torch.ldexp(y, z)
d = torch.ldexp(y[:1], z)
