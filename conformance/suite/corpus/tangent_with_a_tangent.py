# A tangent that is itself written to with a tangent is refused wherever its own is needed, but not by a flat function.
x = torch.tensor(1.0)
with torch.autograd.forward_ad.dual_level():
    y = x
    z = torch.autograd.forward_ad.make_dual(y, x)
    x /= z
    a = z.sign()
    b = torch.neg(z)
    c = z.view(1)
    z.exp_()
