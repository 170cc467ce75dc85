# Where the dimensions of advanced indices go, and that the results are copies.
x = torch.arange(24).reshape(2, 3, 4)
a = x[:, [0, 2]]
b = x[[0, 1], :, [1, 3]]
c = x[0, [1, 2], 1:3]
d = x[torch.tensor([[0, 1], [1, 0]])]
e = x[x > 12]
f = x[..., torch.tensor([True, False, True, False])]
g = x[None, 1, ..., -1]
h = x[torch.tensor(1)]
k = x[[]]
m = x[True]
n = x[1, 2, 3]
a[0] = -1
x[x % 2 == 0] = 0
x[[0, 1], [1, 2]] = torch.tensor([[9], [8]])
o = x[2]
p = x[0, 0, 0, 0]
q = x[torch.tensor([0.5])]
