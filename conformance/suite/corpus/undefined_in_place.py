# What an in-place operation does not write stays as undefined as it was.
a = torch.empty_strided((2, 2), (2, 1))
a[torch.tensor([False, False])] = torch.ones(0, 2)
b = a.abs_()
c = a.tril_()
d = a.nan_to_num_()
e = torch.empty_strided((2,), (1,), dtype=torch.complex64).conj_physical_()
f = a[0, 1].clone()
