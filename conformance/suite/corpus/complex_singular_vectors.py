# Tangents of singular values and vectors; a phase that is free does not move them.
x = torch.tensor([[1 + 2j, 0.5, 3j], [2.0, -1j, 1 + 1j]], dtype=torch.complex128)
t = torch.tensor([[1j, 2.0, 0.5], [1.0, 1j, -2.0]], dtype=torch.complex128)
with torch.autograd.forward_ad.dual_level():
    d = torch.autograd.forward_ad.make_dual(x, t)
    u, s, vh = torch.linalg.svd(d, full_matrices=False)
    a = torch.autograd.forward_ad.unpack_dual(s).tangent
    b = torch.autograd.forward_ad.unpack_dual(torch.linalg.svdvals(d)).tangent
    c = torch.autograd.forward_ad.unpack_dual(u).tangent.abs()
    e = torch.autograd.forward_ad.unpack_dual(vh).tangent.abs()
    f = torch.autograd.forward_ad.unpack_dual((u * s) @ vh).tangent
