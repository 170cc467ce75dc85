# Integers wrap around, round toward minus infinity where torch does, and refuse what has no integer result.
a = torch.tensor([127, -128, 7, -7], dtype=torch.int8)
b = a + 1
c = a * a
d = a // 2
e = a % 3
f = torch.div(a, 2, rounding_mode='trunc')
g = torch.fmod(a, 3)
h = a / torch.tensor([2, 0, 3, -2], dtype=torch.int8)
k = a // 0
m = a ** 2
n = a ** -1
o = torch.tensor([2, 3]) ** torch.tensor([2, 0])
p = ~a
q = a << 1
r = a.abs()
s = -torch.tensor([0, 1, 255], dtype=torch.uint8)
