# Where nothing is multiplied, alpha is not looked at, and beta is, for matrices, only where there is a summand to scale.
a = torch.zeros(0, 3, dtype=torch.uint8)
b = torch.addmm(a, a[:, :1], torch.ones(1, 3, dtype=torch.uint8), beta=-2.0, alpha=1j)
c = torch.ones(3, 2, dtype=torch.uint8)
d = torch.addmm(c, c[:, :0], c[:0], beta=2, alpha=-300)
e = torch.addmm(c, c[:, :0], c[:0], beta=-2.0)
f = torch.addmv(c[:, 0], c[:, :0], c[0, :0], beta=2, alpha=-300)
