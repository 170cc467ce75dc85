"""Records as campaigns write them, for the tests of reports."""

import json

CANDIDATES = ["engine", "thirdlib"]
FAMILIES = {
    "add": "pointwise", "mul_": "pointwise", "exp": "pointwise", "sum": "reduction", "max": "reduction",
    "eq": "comparison", "zeros": "creation", "tensor": "creation", "getitem": "indexing", "setitem": "indexing",
    "expand": "view", "transpose": "view", "cat": "shape", "matmul": "linalg", "backward": "autograd",
    "to": "conversion", "operator.add": "operator", "scatter_": "indexing", "svd": "linalg", "logsumexp": "reduction",
}  # fmt: skip
LONG = """\
torch.manual_seed(7)
a = torch.tensor([[1.0, -2.0], [0.5, 4.0]], requires_grad=True)
b = a.transpose(0, 1)
with torch.no_grad():
    c = b + 1
d = (a * b).exp()
d.mul_(2)
d.sum().backward()
a.grad[0] = 3
"""
ENTRY = {
    "id": "expand-write", "reason": "A write to an expanded tensor is refused by torch and accepted by the candidate.",
    "citation": "https://docs.example.org/notes/broadcasting.html", "verdict": "documented", "aspect": "raised",
    "program": "x = torch.zeros(1).expand(3)\nx.add_(1)",
}  # fmt: skip
UNSEEN = ENTRY | {"id": "old-entry", "citation": "issue 12", "verdict": "bug"}


def sample_run(run="2024-a", **changes):
    """The first record of a file; with the optional catalogue of ops."""
    backends = {
        "torch-cpu": {"version": "2.13.0", "device": "cpu"},
        "engine": {"version": "0.1.0", "device": "cpu"},
        "thirdlib": {"version": "3.2rc1", "device": "accel:0"},
    }
    return {
        "schema": 1, "record": "run", "run": run, "command": f"python -m conformance run --seed 7 --records {run}",
        "seed": 7, "profile": "default", "follow": True, "reference": "torch-cpu", "candidates": CANDIDATES,
        "environment": {"python": "3.11.7", "platform": "Linux x86_64", "numpy": "2.4.0", "hypothesis": "6.170.0",
                        "backends": backends},
        "lacks": {"thirdlib": {"ops": ["svd", "scatter_"], "dtypes": ["complex128"], "aspects": ["grad_fn"]}},
        "families": FAMILIES,
    } | changes  # fmt: skip


def sample_discrepancy(**changes):
    """A wrong value after an in-place multiplication of a view."""
    return {
        "candidate": "engine", "aspect": "values", "tier": "documented", "op": "mul_", "dtypes": ["float32"],
        "statement": 2, "line": 3, "statement_text": "y.mul_(x)", "name": "x",
        "got": "tensor([[1.0, 4.0], [0.25, 16.0]])", "should_be": "tensor([[1.0, -1.0], [-1.0, 16.0]])",
        "numeric": {"elements": 4, "differ": 2, "max_abs": 5.0, "max_ulp": 2147483648.0, "index": [0, 1]},
        "fingerprint": "values:mul_:overlap:9f3a", "ledger": None, "consequences": 2,
        "reduced": "x = torch.tensor([[1.0, -2.0], [0.5, 4.0]])\ny = x.transpose(0, 1)\ny.mul_(x)\n",
    } | changes  # fmt: skip


VARIANTS = [
    {},
    {"aspect": "error type", "op": "expand", "got": "ValueError", "should_be": "RuntimeError", "numeric": None,
     "dtypes": ["int64", "float16"], "fingerprint": "error type:expand:77aa", "consequences": 0, "name": "",
     "reduced": "x = torch.zeros(2, 3)\nx.expand(4)\n", "line": 2, "statement_text": "x.expand(4)"},
    {"aspect": "version", "op": "setitem", "got": "1", "should_be": "2", "numeric": None, "candidate": "thirdlib",
     "fingerprint": "version:setitem:0b0b", "reduced": "x = torch.zeros(2)\nx[0] = 1\n", "line": 2,
     "statement_text": "x[0] = 1"},
    {"aspect": "crash", "op": "cat", "got": "the process ended by signal 11 (SIGSEGV)", "should_be": "a result",
     "numeric": None, "candidate": "thirdlib", "fingerprint": "crash:cat:5e5e", "line": 1, "name": "",
     "reduced": "torch.cat([torch.zeros(0), torch.zeros(0)])\n", "statement_text": "torch.cat([...])"},
    {"aspect": "raised", "op": "expand", "ledger": "expand-write", "fingerprint": "raised:expand:1c1c",
     "got": "no exception", "should_be": "RuntimeError", "numeric": None, "reduced": ENTRY["program"], "line": 2},
    {"aspect": "range", "tier": "range", "op": "exp", "fingerprint": "range:exp:3d3d", "side": "candidate",
     "got": "[inf]", "should_be": "[3.4e+38]", "dtypes": ["float32"], "line": 1,
     "numeric": {"elements": 1, "differ": 1, "max_abs": None, "max_ulp": None, "index": [], "candidate_ulp": None,
                 "reference_ulp": 0.5, "spread_ulp": 2.25, "runs": 8, "truth": "wide", "side": "candidate"},
     "reduced": "x = torch.tensor([1.0]).exp()\n", "statement_text": "x = torch.tensor([1.0]).exp()"},
    {"aspect": "grad_fn", "tier": "incidental", "op": "matmul", "fingerprint": "grad_fn:matmul:2b2b", "numeric": None,
     "got": "MmBackward0", "should_be": "MvBackward0", "dtypes": ["float64"], "graphs": {"name": "y", "got": [
         {"name": "AddBackward0", "leaf": False, "edges": [[1, 0], None], "differs": False},
         {"name": "MmBackward0", "leaf": False, "edges": [[2, 1], None], "differs": True},
         {"name": "x", "leaf": True, "edges": [], "differs": False}], "should_be": []}},
    {"aspect": "grad.strides", "op": "backward", "got": "(1, 2)", "should_be": "(2, 1)", "numeric": None,
     "fingerprint": "grad.strides:backward:4f4f", "dtypes": ["float64"], "candidate": "thirdlib"},
]  # fmt: skip


def sample_program(block, index, run="2024-a", discrepancies=(), **changes):
    """A program that ran; which ops it calls depends on its place alone."""
    names = list(FAMILIES)[:17]
    ops = {names[(block * 5 + index * 3 + step) % 17]: 1 + (index + step) % 3 for step in range(6)}
    return {
        "schema": 1, "record": "program", "run": run, "block": block, "index": index, "text": LONG,
        "statements": 6 + (block + index) % 7, "ops": ops, "raised": index % 2,
        "facts": {"engine": 212, "thirdlib": 190},
        "dtypes": ["float32", ["int64", "float16", "bool", "complex64"][index % 4]],
        "kinds": {"assign": 4, "call": 3, "with": 1, "setitem": index % 2, "augassign": 0},
        "skipped": {"thirdlib": "dtype complex128"} if index % 10 == 9 else {}, "discrepancies": list(discrepancies),
    } | changes  # fmt: skip


def sample_finding(run="2024-a", **changes):
    found = sample_discrepancy(**changes)
    family = FAMILIES.get(found["op"], "other")
    reproduction = (
        f"import numpy as np\nimport torch\nfrom math import inf, nan\n\n{found['reduced']}print(x)\n"
    )
    return (
        {"schema": 1, "record": "finding", "run": run}
        | found
        | {"family": family, "reproduction": reproduction}
    )


def sample_records(run="2024-a", *, worker=0, programs=30, variants=VARIANTS, end=True):
    """Every kind of record, as one worker process of a campaign writes them."""
    records = [sample_run(run), {"schema": 1, "record": "ledger", "run": run, "entries": [ENTRY, UNSEEN]}]
    for index in range(programs):
        found = [sample_discrepancy(**variants[index % 11])] if index % 11 < len(variants) else []
        if 0 < index % 11 < len(variants) and index < 11:
            records.append(sample_finding(run, **variants[index]))
        records.append(sample_program(worker, index, run, found))
        if index == 0 and variants:  # a finding may also stand after its program
            records.append(sample_finding(run, **variants[0]))
    if end:
        timings = {"draw": 0.1 * worker + 0.7, "compile": 0.1, "engine": 0.3, "torch": 0.1, "compare": 0.3}
        records.append({"schema": 1, "record": "end", "run": run, "programs": programs, "seconds": 1.7 + 0.1 * worker,
                        "timings": timings})  # fmt: skip
    return records


def clean_records(**changes):
    """A campaign in which nothing differs."""
    return sample_records(variants=[], **changes)


def lines(records):
    return "".join(json.dumps(record) + "\n" for record in records)


def save(folder, name, records):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(lines(records) if not isinstance(records, str) else records)
    return path
