# A second operand of one element, of a wider dtype, is not rounded to the 16-bit float that a result has.
x = torch.tensor([inf, 3.0], dtype=torch.float16)
y = x / torch.tensor([9223372036854775807])
z = torch.floor_divide(x, torch.tensor([[70000]]))
x *= torch.tensor([100000])
b = torch.tensor([inf, 3.0], dtype=torch.bfloat16)
c = torch.div(b, torch.tensor([[257]]), rounding_mode="trunc")
d = b * torch.tensor([[257]])
