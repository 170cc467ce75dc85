# Dimensioned tensors outrank 0-d ones, which outrank numbers, within a category; a higher category always wins.
i = torch.tensor([1, 2, 3], dtype=torch.int8)
f = torch.tensor([0.5, 1.5, -2.0], dtype=torch.float16)
zero = torch.tensor(2.5, dtype=torch.float64)
long = torch.tensor(300)
a = i + long
b = i * zero
c = f + zero
d = f * 1e30
e = i / 2
g = torch.tensor([True, False, True]) + 1
h = torch.tensor([True]) * 2.5
k = f.float() * (1 + 2j)
m = torch.result_type(i, 3.0)
n = i.add(torch.tensor([1.0], dtype=torch.bfloat16), alpha=2)
i += 1.5
i *= long
