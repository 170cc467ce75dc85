# By dual numbers each input of gradcheck has a tangent of its own, by differences a tensor that is given twice changes twice.
a = torch.tensor([-1.5, 0.125], dtype=torch.float64, requires_grad=True)
b = torch.autograd.gradcheck(lambda u, v: u * u, (a, a), raise_exception=False)
c = torch.autograd.gradcheck(lambda u, v: u * u, (a, a), raise_exception=False, check_forward_ad=True)
d = torch.autograd.gradcheck(lambda u, v: u * u, (a, a), raise_exception=False, check_forward_ad=True, fast_mode=True)
e = torch.autograd.gradcheck(lambda u, v: u * v, (a, a.detach()), check_forward_ad=True, fast_mode=True)
