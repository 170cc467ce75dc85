"""Render merged records as one self-contained HTML file.

Everything from a record is escaped by Jinja2 after `visible` has made control characters plain. The page allows
itself, by its content security policy, its own style and its own script and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from reports import text, view
from reports.load import PathLike, load
from reports.merge import merge
from reports.records import ReportError
from reports.summaries import Merged

TEMPLATES = Path(__file__).parent / "templates"


def render(records_paths: PathLike | Iterable[PathLike]) -> str:
    """The report about the record files at `records_paths` (files, or directories of `*.jsonl`), as HTML text.

    The same records give the same text, in whatever order or however many files. Raises `RecordError`.
    """
    return render_merged(merge(load(records_paths)))


def render_merged(merged: Merged) -> str:
    """The report about a summary, as HTML text."""
    page = view.page(merged)
    style, script = f"{_asset('style.css')}\n{_asset('graph.css')}", _asset("report.js")
    return _template().render(
        page=page,
        merged=page.merged,
        ledger=view.ledger_rows(page.merged),
        backend=view.backend,
        style=Markup(style),
        script=Markup(script),
        policy=_policy(style, script),
    )


def write(records_paths: PathLike | Iterable[PathLike], out: PathLike) -> Path:
    """Render to the file `out`, which appears whole or not at all: a report that is there is replaced in one step.

    Raises `RecordError` for the records, `ReportError` where `out` cannot be written.
    """
    return write_merged(merge(load(records_paths)), out)


def write_merged(merged: Merged, out: PathLike) -> Path:
    """`write` for a summary that is at hand. Raises `ReportError`."""
    check_target(out)
    content = render_merged(merged).encode("utf-8")
    out = Path(out)
    try:
        _replace(out, content)
    except (OSError, ValueError) as error:
        raise _unwritable(out, error) from None
    return out


def check_target(out: PathLike) -> None:
    """Raises `ReportError` where a report cannot be written, or would take the place of something that is no report.

    To be asked before the work that the report is about.
    """
    out = Path(out)
    try:
        if out.exists():
            if out.is_dir():
                raise ReportError(f"{out}: the report cannot be written: this is a directory")
            if not out.is_file() or not _is_report(out):
                raise ReportError(f"{out}: is there and is no report, so it is not overwritten")
        at = next(parent for parent in out.absolute().parents if parent.exists())
        if not at.is_dir():
            raise ReportError(f"{out}: the report cannot be written: {at} is no directory")
        if not os.access(at, os.W_OK):
            raise ReportError(f"{out}: the report cannot be written: no permission to write in {at}")
    except (OSError, ValueError) as error:
        raise _unwritable(out, error) from None


def _is_report(path: Path) -> bool:
    """Whether a file is a page of this package, or empty."""
    with path.open("rb") as file:
        beginning = file.read(8192)
    return not beginning or (
        beginning.startswith(b"<!DOCTYPE html>") and b"tensor conformance report</title>" in beginning
    )


def _unwritable(out: Path, error: Exception) -> ReportError:
    reason = getattr(error, "strerror", None) or "not a usable name"
    return ReportError(f"{out}: the report cannot be written: {reason}")


def _replace(out: Path, content: bytes) -> None:
    """Write beside `out`, then rename: the rename alone is seen by readers."""
    draft = out.with_name(f".{out.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open(draft, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, out)
    finally:
        draft.unlink(missing_ok=True)


def _finalize(value: Any) -> Any:
    """Every expression of the template passes through here before it is escaped."""
    return text.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        finalize=_finalize,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        count=lambda number: f"{number:,}",
        plural=text.plural,
        clip=text.clip,
        duration=text.duration,
        term=text.term,
        source=text.source,
        percent=lambda part, whole: f"{100 * part / whole:.0f}%" if whole else "–",
    )
    environment.tests["link"] = lambda value: value.startswith(("https://", "http://"))
    return environment.get_template("report.html.j2")


@cache
def _asset(name: str) -> str:
    return (TEMPLATES / name).read_text("utf-8").strip()


def _policy(style: str, script: str) -> str:
    hashes = [base64.b64encode(hashlib.sha256(asset.encode()).digest()).decode() for asset in (style, script)]
    return (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )
