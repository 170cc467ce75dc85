# A complex power is C's: infinite exponents of 0 give 0 or an infinity, and no NaN.
a = 0.0 ** torch.tensor([1e+60 - 1e+60j, 1e+60 + 1e+60j, -1e+60 + 1e+60j, -1 + 2j, 1j, -1e+60 - 1e+60j])
b = torch.tensor([0j]) ** torch.tensor([1e+60 - 1e+60j, 1e+60 + 1e+60j, -1e+60 + 1e+60j])
c = torch.pow(torch.tensor([0j], dtype=torch.complex128), torch.complex(torch.tensor([inf, inf, -inf, nan]).double(), torch.tensor([-inf, nan, inf, inf]).double()))
