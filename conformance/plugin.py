"""The pytest plugin: which backends the suite compares, how much it draws, and what it writes down.

    pytest -p conformance.plugin --candidate mylib.torch_api:namespace --records out --html report.html

Works under pytest-xdist: every worker writes its own record file, the controller merges them when all have ended.

Hooks: https://docs.pytest.org/en/stable/reference/reference.html#hooks
"""

from __future__ import annotations

import argparse
import re
import secrets
import shlex
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance.judged import Judging, Options, message

JUDGING = pytest.StashKey[Judging]()
FORMS = pytest.StashKey[dict[str, Judging]]()
COUNTS = pytest.StashKey[Counter[str]]()
SKIPPED = pytest.StashKey[list[str]]()
TEMPORARY = pytest.StashKey[Path]()
DEFAULT = Options()
HYPOTHESIS_PROFILE = "conformance"


# --- options ---


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance", "tensor conformance")
    backends = "engine, torch-cpu, torch-cuda or module:object"
    for name, options in {
        "--reference": dict(
            metavar="BACKEND", help=f"what results should be: {backends} (default: torch-cpu)"
        ),
        "--candidate": dict(
            action="append",
            metavar="BACKEND",
            help=f"what is tested, repeatable: {backends} (default: engine)",
        ),
        "--max-examples": dict(
            type=_positive,
            metavar="N",
            help=f"programs a profile; the operands of each operation grow with it (default: {DEFAULT.max_examples})",
        ),
        "--programs-profile": dict(
            action="append",
            metavar="NAME",
            help="mix of random programs, repeatable (default: every profile)",
        ),
        "--records": dict(
            type=Path, metavar="DIR", help="write every program and difference there, as JSON Lines"
        ),
        "--html": dict(type=Path, metavar="FILE", help="write a report about the programs of this run"),
    }.items():
        try:
            group.addoption(name, **options)  # type: ignore[arg-type]
        except ValueError:
            raise pytest.UsageError(
                f"{name} is an option of another plugin, too; leave that one out (for pytest-html: -p no:html)"
            ) from None


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 0 < int(text) <= 10**6:
        raise argparse.ArgumentTypeError(f"should be a whole number from 1 to 1000000, but is {text!r}")
    return int(text)


def options_of(config: pytest.Config) -> Options:
    """The options as given, defaults filled in."""
    get = config.getoption
    return Options(
        reference=get("reference") or DEFAULT.reference,
        candidates=tuple(dict.fromkeys(get("candidate") or DEFAULT.candidates)),
        max_examples=get("max_examples") or DEFAULT.max_examples,
        profiles=tuple(dict.fromkeys(get("programs_profile") or ())),
        records=get("records"),
        html=get("html"),
        command=shlex.join(["pytest", *map(str, config.invocation_params.args)]),
    )


def check(config: pytest.Config, options: Options) -> list[str]:
    """Which candidates are left out on this machine, and why.

    Raises UsageError with one message for the first value that cannot be used.
    Default values are not looked at: importing torch takes seconds, which tests of the suite itself need not spend.
    """
    if options.profiles:
        from strategies.profiles import PROFILES

        for name in options.profiles:
            if name not in PROFILES:
                raise pytest.UsageError(
                    f"--programs-profile: unknown profile {name!r} (allowed: {', '.join(PROFILES)})"
                )
    _check_targets(options)
    given = [("--reference", config.getoption("reference"))]
    given.extend(("--candidate", name) for name in config.getoption("candidate") or ())
    return [why for why in (_check_backend(*pair) for pair in given if pair[1]) if why]


def _check_targets(options: Options) -> None:
    if options.records is not None:
        from conformance.records import RecordError, check_directory

        try:
            check_directory(options.records)
        except RecordError as error:
            raise pytest.UsageError(f"--records: {error}") from None
    if options.html is not None:
        from reports import ReportError, check_target

        try:
            check_target(options.html)
        except ReportError as error:
            raise pytest.UsageError(f"--html: {error}") from None


def _check_backend(option: str, name: str) -> str | None:
    """Why a candidate is left out on this machine, or None."""
    from conformance.backends import BackendError, resolve
    from conformance.capabilities import CapabilityError

    try:
        resolve(name)
    except BackendError as error:
        if not error.skipped:
            raise pytest.UsageError(f"{option}: {error}") from None
        if option == "--reference":
            raise pytest.UsageError(f"{option}: {name}: {error}") from None
        return f"{name}: {error}"
    except CapabilityError as error:
        raise pytest.UsageError(f"{option}: {error}") from None
    return None


# --- a run and its workers ---


def pytest_configure(config: pytest.Config) -> None:
    options = options_of(config)
    given = getattr(config, "workerinput", {}).get("conformance")
    if given is None:
        config.stash[SKIPPED] = check(config, options)
        run = f"{time.strftime('%Y%m%d-%H%M%S')}-pytest-{secrets.token_hex(3)}"
        judging = Judging(options, run, records=_directory(config, options))
    else:
        # the controller knows the command; a worker's own is how xdist started it
        options = Options(**{**_fields(options), "command": given["command"]})
        directory = Path(given["records"]) if given["records"] else None
        judging = Judging(options, given["run"], config.workerinput["workerid"], directory)  # type: ignore[attr-defined]
    config.stash[JUDGING] = judging
    config.stash[FORMS] = {}
    config.stash[COUNTS] = Counter()
    _hypothesis(config, options)


def _fields(options: Options) -> dict[str, Any]:
    return {name: getattr(options, name) for name in Options.__dataclass_fields__}


def _directory(config: pytest.Config, options: Options) -> Path | None:
    """Where record files go; a report alone is made from a directory that is gone afterwards."""
    if options.records is None and options.html is None:
        return None
    directory = options.records
    if directory is None:
        directory = config.stash[TEMPORARY] = Path(tempfile.mkdtemp(prefix="conformance-"))
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise pytest.UsageError(f"--records: {directory} cannot be made: {error.strerror}") from None
    return directory.resolve()


def _hypothesis(config: pytest.Config, options: Options) -> None:
    """The same examples in every run and process, whatever ran before; a profile that the user names goes first."""
    if config.getoption("hypothesis_profile", None) or config.getoption("--hypothesis-profile", None):
        return
    import hypothesis

    hypothesis.settings.register_profile(
        HYPOTHESIS_PROFILE,
        derandomize=True,
        database=None,
        deadline=None,
        print_blob=False,
        max_examples=options.max_examples,
    )
    hypothesis.settings.load_profile(HYPOTHESIS_PROFILE)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """pytest-xdist, on the controller: what a worker must know."""
    judging = node.config.stash[JUDGING]
    records = str(judging.records) if judging.records else None
    node.workerinput["conformance"] = {
        "run": judging.run,
        "records": records,
        "command": judging.options.command,
    }


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: Any) -> None:
    """pytest-xdist, on the controller: a worker has ended, or died."""
    node.config.stash[COUNTS].update(getattr(node, "workeroutput", {}).get("conformance", {}))


def pytest_sessionfinish(session: pytest.Session) -> None:
    config = session.config
    judging = config.stash[JUDGING]
    for one in (judging, *config.stash[FORMS].values()):
        one.close()
    if hasattr(config, "workeroutput"):
        config.workeroutput["conformance"] = dict(judging.counts)
        return
    config.stash[COUNTS].update(judging.counts)


# --- what is said ---


def pytest_report_header(config: pytest.Config) -> list[str]:
    options = config.stash[JUDGING].options
    against = f"conformance: {', '.join(options.candidates)} against {options.reference}"
    return [against, *(f"conformance: left out: {why}" for why in config.stash.get(SKIPPED, []))]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """On the controller all workers have ended by now, so that every record file is complete."""
    counts, judging = config.stash[COUNTS], config.stash[JUDGING]
    if not counts["programs"]:
        if judging.options.html is not None:
            terminalreporter.write_line("no program was judged, so there is no report")
        return
    from conformance.listing import share

    options = judging.options
    terminalreporter.write_sep("-", "conformance")
    terminalreporter.write_line(
        f"{counts['programs']} programs, {', '.join(options.candidates)} against {options.reference}: "
        f"{counts['documented']} differences, {counts['ledger']} known by the ledger, "
        f"{counts['reference']} of the reference alone, {counts['range']} range, {counts['incidental']} incidental, "
        f"{share(counts['undecided'], counts['floats'])}"
    )
    for why in config.stash.get(SKIPPED, []):
        terminalreporter.write_line(f"left out: {why}")
    if options.records is not None:
        terminalreporter.write_line(f"records: {options.records / judging.run}*.jsonl")
    if options.html is not None:
        terminalreporter.write_line(_report(judging))


def _report(judging: Judging) -> str:
    from reports import ReportError, write

    assert judging.records is not None
    assert judging.options.html is not None
    try:
        files = sorted(judging.records.glob(f"{judging.run}*.jsonl"))
        return f"report:  {write(files, judging.options.html)}"
    except ReportError as error:
        return f"report:  {error}"


def pytest_unconfigure(config: pytest.Config) -> None:
    temporary = config.stash.get(TEMPORARY, None)
    if temporary is not None:
        shutil.rmtree(temporary, ignore_errors=True)


# --- fixtures ---


@pytest.fixture(scope="session")
def judging(request: pytest.FixtureRequest) -> Judging:
    """The session of this process. Skips where no candidate is to be had on this machine."""
    from conformance.backends import BackendError

    found = request.config.stash[JUDGING]
    try:
        found.session  # noqa: B018  (opens it)
    except BackendError as error:
        if error.skipped:
            pytest.skip(str(error))
        pytest.fail(str(error), pytrace=False)
    return found


@pytest.fixture(scope="session")
def judging_of(request: pytest.FixtureRequest) -> Callable[[str], Judging]:
    """The session that compares a backend with its own forms (`conformance.equivalences`), by the backend's name."""
    from conformance.equivalences import forms_of

    kept, known = request.config.stash[JUDGING], request.config.stash[FORMS]

    def judging_of(backend: str) -> Judging:
        if backend not in known:
            options = replace(kept.options, reference=backend, candidates=forms_of(backend))
            run = f"{kept.run}-forms-{re.sub(r'[^a-z0-9]', '-', backend)}"
            known[backend] = Judging(options, run, kept.worker, kept.records)
        return known[backend]

    return judging_of


@pytest.fixture
def agree(judging: Judging, request: pytest.FixtureRequest) -> Callable[[Iterable[str]], None]:
    """Fails where programs show a documented difference that the ledger does not know, on any candidate."""

    def agree(texts: Iterable[str]) -> None:
        found = judging.programs(texts, request.node.nodeid)
        if found:
            pytest.fail(message(found), pytrace=False)

    return agree
