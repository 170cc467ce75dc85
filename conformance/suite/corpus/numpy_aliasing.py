# Memory shared with NumPy is written from both sides; a copy is not.
x = torch.zeros(2, 3)
n = x.numpy()
n[0] = 5
x.add_(1)
t = n.T
y = torch.from_numpy(t)
y[2, 1] = -1
copied = torch.tensor(n)
n += 10
m = np.arange(4, dtype=np.int16)
z = torch.from_numpy(m)
z *= 3
m[1:3] = 0
w = x.requires_grad_()
w.numpy()
d = w.detach().numpy()
d[1, 1] = 99
