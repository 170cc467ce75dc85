# set_ has no forward derivative: it is refused where an operand has a tangent, but the memory of one may be shown in part.
x = torch.ones(2)
with torch.autograd.forward_ad.dual_level():
    b = torch.autograd.forward_ad.make_dual(x, x * 2)
    c = torch.ones(3)
    c.set_(b, 0, (1,), (1,))
    with torch.inference_mode():
        c.set_(b)
    b.set_(c)
with torch.autograd.forward_ad.dual_level():
    d = torch.autograd.forward_ad.make_dual(x, x * 2)
    c.set_(d)
