"""`docs/autograd.md` is true: every program runs on both libraries and shows what the page says of it."""

import pytest

from conformance.autograd_page import PAGE, examples, pictures
from conformance.backends import resolve

TEXT = PAGE.read_text("utf-8")
EXAMPLES = list(examples(TEXT))
BACKENDS = ("torch-cpu", "engine")


def test_the_page_has_ten_programs_and_says_something_of_each():
    assert [example.number for example in EXAMPLES] == list(range(1, 11))
    for example in EXAMPLES:
        assert f"\n## {example.number}. " in TEXT
        assert example.said
        assert example.pictures
        assert all(file.startswith(f"graphs/{example.number}-") for file in example.pictures)


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: str(example.number))
def test_a_program_shows_what_the_page_says(example, name):
    names, steps = example.run(resolve(name))
    for key, said in example.said.items():
        tensor = names[key]
        node = None if tensor.grad_fn is None else tensor.grad_fn.name().rpartition("::")[2]
        found = (tensor.is_leaf, tensor.requires_grad, node, tensor._version)
        assert tuple(map(str, found)) == tuple(said), key
    lines = [statement.line for statement in example.program.walk()]
    raised = {lines[step.statement]: step.raised.text for step in steps if step.raised is not None}
    assert raised.keys() == example.raises.keys()
    assert all(raised[line].startswith(begins) for line, begins in example.raises.items())


@pytest.mark.parametrize("name", BACKENDS)
def test_the_pictures_are_what_both_libraries_record(name):
    drawn = pictures(TEXT, resolve(name))
    kept = {f"graphs/{path.name}": path.read_text("utf-8") for path in (PAGE.parent / "graphs").iterdir()}
    assert kept == drawn, "draw them anew: python -m conformance.autograd_page"
