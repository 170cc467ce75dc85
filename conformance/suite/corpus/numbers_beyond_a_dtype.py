# One element of a 16-bit float takes infinity for a number beyond its range, as items do; several, or none, refuse it.
a = torch.zeros(1, 1, dtype=torch.float16)
a.fill_(1e9)
b = torch.full((1,), 1e9, dtype=torch.float16)
c = torch.zeros(2, dtype=torch.float16)
c.fill_(1e9)
d = torch.full((0,), 1e9, dtype=torch.float16)
e = torch.full((1,), 300, dtype=torch.int8)
