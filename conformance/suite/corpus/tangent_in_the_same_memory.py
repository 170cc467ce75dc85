# A tensor may be its own tangent: what is written in place is differentiated with the tangent that it had.
x = torch.tensor(1.0)
with torch.autograd.forward_ad.dual_level():
    y = torch.autograd.forward_ad.make_dual(x, x)
    torch.sin_(y)
    z = torch.autograd.forward_ad.unpack_dual(y).tangent
