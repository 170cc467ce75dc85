# The tangent of a copy of rows is a copy of rows, also where none is copied.
x = torch.tensor(-1.0)
with torch.autograd.forward_ad.dual_level():
    d = torch.autograd.forward_ad.make_dual(x, torch.tensor(-2.0))
    a = torch.autograd.forward_ad.unpack_dual(torch.index_copy(d, -1, torch.tensor([], dtype=torch.int64), d.expand(0))).tangent
    b = torch.autograd.forward_ad.unpack_dual(torch.index_copy(torch.ones(2), 0, torch.tensor([1]), d.expand(1))).tangent
