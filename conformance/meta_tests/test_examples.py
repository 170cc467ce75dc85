"""What README shows is what is there: the example candidate, its difference, the capability file, the commands."""

import re
from pathlib import Path

from conformance.backends import resolve
from conformance.capabilities import load_capabilities
from conformance.cli import parser
from conformance.session import Session

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def blocks() -> list[str]:
    """The indented blocks of README, without their indentation."""
    found = re.findall(r"(?:^    .*\n|^\n(?=    ))+", README, re.MULTILINE)
    return [re.sub(r"^    ", "", block, flags=re.MULTILINE).strip() for block in found]


def test_the_example_is_the_one_in_readme():
    code = (ROOT / "examples" / "own_tanh.py").read_text("utf-8").partition('"""\n\n')[2]
    squeezed = re.sub(r"\n\n+", "\n\n", code).strip()
    assert any(block.startswith(squeezed) for block in blocks())


def test_the_example_shows_the_difference_that_readme_says():
    session = Session(resolve("torch-cpu"), [resolve("examples.own_tanh:torch")])
    text = "x = torch.tensor([inf])\ny = torch.neg(torch.tanh(x))"
    (shown,) = session.show(text)
    found, _ = session.settle(text, shown)
    assert found.text == "x = torch.tensor([inf])\ny = torch.tanh(x)"  # not a difference of neg
    assert (found.op, found.discrepancy.got, found.discrepancy.should_be) == ("tanh", "[nan]", "[1.0]")
    assert f"[{found.fingerprint}]" in README


def test_the_capability_file_in_readme_can_be_read(tmp_path):
    (text,) = [block for block in blocks() if "[lacks]" in block]
    path = tmp_path / "conformance.toml"
    path.write_text(text.partition("\n.venv")[0])
    assert "fft.*" in load_capabilities(path).lacks()["ops"]


def test_the_commands_in_readme_are_understood():
    lines = re.findall(r"python -m conformance (.*?)(?:  +#.*)?$", "\n".join(blocks()), re.MULTILINE)
    assert len(lines) >= 5
    for line in lines:
        assert parser().parse_args(line.split()).command


def test_every_command_is_in_the_table():
    for name in ("run", "replay", "reduce", "report", "trace", "compare", "coverage", "bench", "accuracy"):
        assert re.search(rf"^\|.*`{name}[` ]", README, re.MULTILINE), name


def test_the_picture_is_there():
    for path in re.findall(r"!\[.*?\]\((.*?)\)", README):
        assert (ROOT / path).stat().st_size < 300_000
