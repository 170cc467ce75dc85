# An inference tensor with a tangent that is one, too, is no dual.
with torch.inference_mode():
    x = torch.tensor(1.0)
n = torch.tensor(2.0)
with torch.autograd.forward_ad.dual_level():
    a = torch.autograd.forward_ad.unpack_dual(torch.autograd.forward_ad.make_dual(x, x))
    b = torch.autograd.forward_ad.unpack_dual(torch.autograd.forward_ad.make_dual(x, n))
    c = torch.autograd.forward_ad.unpack_dual(torch.autograd.forward_ad.make_dual(n, x))
