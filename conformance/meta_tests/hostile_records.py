"""Texts that try to become something else on a page, and records made of them."""

from conformance.meta_tests.sample_records import (
    ENTRY,
    sample_discrepancy,
    sample_finding,
    sample_program,
    sample_run,
)

HOSTILE = [
    "</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\"' onmouseover=alert(1) x='", "<!--", "]]>",
    "</pre></code></details></main>", "{{ 7 * 7 }}{% raw %}", "\0\x01\x1b[31m\x7f\x85", "\ud800 \udfff", "&lt;b&gt;",
    "\u202egnp.exe\u2066", "\u2028\u2029\ufeff\u200b", "line\r\nnext", "</style><style>*{display:none}", "𝔘 é 漢",
    "javascript:alert(1)", "PROGRAM\n$(touch /tmp/x)\nPROGRAM_1\n`id`", "../../etc", "x" * 50_000, "%s%n {0}", "",
]  # fmt: skip


def hostile_records(bad):
    """Every text of every kind of record is `bad`, as a value and as a name."""
    numeric = {"elements": 1, "differ": 1, "max_abs": float("nan"), "max_ulp": float("inf"), "index": [-1]}
    found = dict.fromkeys(("aspect", "op", "statement_text", "name", "got", "fingerprint", "reduced"), bad)
    found |= {"should_be": bad + "!", "candidate": bad, "dtypes": [bad, bad], "line": -3, "numeric": numeric}
    run = sample_run(
        bad, command=bad, profile=bad, reference=bad, candidates=[bad, bad + "2"], families={bad: bad}
    )
    run["environment"] = {bad: bad, "backends": {bad: {"version": bad, "device": bad, bad: bad}}}
    run["lacks"] = {bad: {bad: [bad], "aspects": [bad], "dtypes": [bad]}}
    entry = dict.fromkeys(ENTRY, bad)
    known = sample_discrepancy(**found) | {"ledger": bad, "fingerprint": bad + "k"}
    program = sample_program(0, 0, bad, [sample_discrepancy(**found), known], text=bad)
    program |= {
        "ops": {bad: 1},
        "dtypes": [bad],
        "kinds": {bad: 1},
        "skipped": {bad + "2": bad},
        "facts": {bad: 1},
    }
    finding = sample_finding(bad, **found) | {"family": bad, "reproduction": bad}
    end = {"schema": 1, "record": "end", "run": bad, "programs": 9, "seconds": 1e300, "timings": {bad: 1.0}}
    return [run, program, finding, {"schema": 1, "record": "ledger", "run": bad, "entries": [entry]}, end]
