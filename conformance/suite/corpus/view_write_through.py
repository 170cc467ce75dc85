# A write through a view of a view reaches the base and every other view, and all share one version.
base = torch.arange(12.0).reshape(3, 4)
row = base[1]
part = row[1:3]
column = base[:, 2]
part.mul_(10)
column += 100
base[..., ::2] = -1.0
part[0] = 7
