# A sum of products whose partial sums overflow is left open where not all terms have one sign, and infinite where they have.
a = torch.tensor([[3e38, 3e38, -3e38], [3e38, 3e38, 3e38], [inf, 2.0, -1.0]])
b = torch.ones(3, 1)
c = a @ b
d = torch.tensordot(a, a, 1)
e = torch.addmm(torch.tensor([[-3e38]]), a[1:2], b)
f = torch.addmm(torch.tensor([[-3e38]]), a[1:2], b, alpha=0)
