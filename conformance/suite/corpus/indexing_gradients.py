# Gradients of gathered and scattered elements; an index that repeats adds up.
x = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], requires_grad=True)
i = torch.tensor([[0, 0, 2], [1, 1, 1]])
a = x.gather(1, i)
b = x[[0, 0, 1], [1, 1, 2]]
c = x.index_select(0, torch.tensor([1, 1]))
d = torch.zeros(2, 3).scatter_add(1, i, x)
e = x.masked_fill(x > 3, 0.0)
f = x.clone()
f[0] = 10.0
(a.sum() + (b * b).sum() + c.prod() + (d * 2).sum() + e.sum() + f.sum()).backward()
