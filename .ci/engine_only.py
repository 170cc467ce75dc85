"""What the base install must do in an environment without torch or Hypothesis. Run outside the checkout."""

import importlib.util
import pathlib
import subprocess
import sys

PROGRAM = """\
x = torch.tensor([[1., 2.], [3., 4.]], requires_grad=True)
y = (x.t() * x).sum()
y.backward()
v = x.detach()[0]
v.mul_(2)
"""

for absent in ("torch", "hypothesis", "pytest"):
    assert importlib.util.find_spec(absent) is None, f"{absent} is installed: this environment proves nothing"

import engine as torch

assert "site-packages" in torch.__file__, f"not the installed engine: {torch.__file__}"

scope: dict = {"torch": torch}
exec(PROGRAM, scope)
x = scope["x"]
assert x.grad.tolist() == [[2.0, 6.0], [4.0, 8.0]], x.grad
assert x.tolist() == [[2.0, 4.0], [3.0, 4.0]], x
assert repr(torch.ones(2, dtype=torch.bfloat16)) == "tensor([1., 1.], dtype=torch.bfloat16)"
torch.manual_seed(0)
assert torch.rand(1).item() == 0.49625658988952637
try:
    torch.ones(2) + torch.ones(3)
except RuntimeError as error:
    assert "must match the size of tensor b (3)" in str(error), error
else:
    raise AssertionError("adding shapes [2] and [3] raised nothing")

# Trace files are how machines without Hypothesis take part: write two, compare them.
pathlib.Path("program.py").write_text(PROGRAM)
for out in ("one.trace", "two.trace"):
    command = ["trace", "program.py", "--backend", "engine", "--out", out]
    subprocess.run([sys.executable, "-m", "conformance", *command], check=True)
subprocess.run([sys.executable, "-m", "conformance", "compare", "one.trace", "two.trace"], check=True)

assert "torch" not in sys.modules
print(f"Python {sys.version.split()[0]}: the engine and trace files work without torch")
