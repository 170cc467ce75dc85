# The greatest element is filled into out=, which has to hold it; a sum wraps around.
x = torch.tensor([1, 9223372036854775807])
a = torch.max(x, out=torch.tensor(0, dtype=torch.int32))
b = torch.min(x, out=torch.tensor(0, dtype=torch.int32))
c = torch.max(torch.tensor([-3, -1]), out=torch.tensor(0, dtype=torch.uint8))
d = torch.max(torch.tensor([1e300, 2.0], dtype=torch.float64), out=torch.tensor(0.0))
e = torch.max(torch.tensor([1e300, 2.0], dtype=torch.float64), out=torch.tensor(0.0, dtype=torch.float16))
f = torch.max(torch.tensor([inf, 2.0], dtype=torch.float64), out=torch.tensor(0.0))
