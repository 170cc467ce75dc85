# A tensor that is its own tangent is written once: adding to it what has no tangent leaves the tangent as it is.
x = torch.tensor(3.0)
w = torch.tensor(5.0)
with torch.autograd.forward_ad.dual_level():
    y = torch.autograd.forward_ad.make_dual(x, x)
    y += w
    y -= 1
    a = torch.autograd.forward_ad.unpack_dual(y)
    y *= 2
    b = torch.autograd.forward_ad.unpack_dual(y)
