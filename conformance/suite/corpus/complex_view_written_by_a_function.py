# A complex view of real numbers whose history was asked for in inference mode is a leaf to a Function that writes it.
b = torch.tensor([3.0, 1.5, -6.0, 3.0], requires_grad=True)
c = b * 2
d = torch.view_as_complex(c.view(-1, 2))
with torch.inference_mode():
    c.mul_(2)
prelude.double_(d)
