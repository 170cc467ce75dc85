"""Runs of engines with a planted fault, as the default run of a profile would be: the same programs, judged and settled."""

import functools
from collections import Counter
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from conformance.backends import resolve
from conformance.campaign import Settings
from conformance.runner import Run
from conformance.session import Examined, Session
from strategies.program import ProgramError, parse
from strategies.programs import draw_block


@functools.cache
def drawn(profile):
    """The programs of the default run of a profile, each with what torch shows: the reference runs once for all faults."""
    settings, reference, found = Settings(records=Path(), profile=profile), resolve("torch-cpu"), {}
    for block, size in settings.blocks():
        for text in islice(draw_block(settings.seed, block, settings.profile, settings.block_size), size):
            try:
                program = parse(text)
            except ProgramError:  # counted by the run, and no program
                continue
            with Run(program, reference) as run:
                found[text] = program, tuple(run)
    return found


@dataclass
class Planted(Session):
    """The session of a run whose engine has a fault. A statement at which the engine without it differs from torch, too,
    is left out, so that the tests are about the faults alone."""

    profile: str = "default"

    @functools.cached_property
    def healthy(self):
        return resolve("engine")

    def examine(self, program, candidates=None, reference=None):
        known = drawn(self.profile).get(program.text) if candidates is None else None
        if known is None:
            examined = super().examine(program, candidates, reference)
        else:
            with self.few_runs():  # what is found is judged with all of them once it is reduced
                verdicts = [self._judge(program, known[1], one) for one in self.candidates]
            examined = Examined(program, known[1], tuple(verdicts))
        return self.without_known(examined) if examined.discrepancies else examined

    def without_known(self, examined):
        with self.few_runs():
            known = self._judge(examined.program, examined.reference, self.healthy).discrepancies
        paths = {one.path for one in known}
        kept = (
            replace(one, discrepancies=tuple(item for item in one.discrepancies if item.path not in paths))
            for one in examined.verdicts
        )
        return replace(examined, verdicts=tuple(kept))

    def shown(self, text):
        """The finding of a program that shows one difference."""
        (discrepancy,) = self.show(text, "engine")
        return self.settle(text, discrepancy)[0]

    def run(self, texts, enough):
        """Examines drawn programs until so many differences are settled: how many there are of each fingerprint."""
        shows = Counter()
        for text in texts:
            for discrepancy in self.examine(drawn(self.profile)[text][0]).discrepancies:
                shows[self.settle(text, discrepancy)[0].fingerprint] += 1
            if shows.total() >= enough:
                break
        return shows

    def described(self):
        findings = self.findings.values()
        return "\n\n".join(f"{one.discrepancy.aspect} of {one.op}:\n{one.text}" for one in findings)
