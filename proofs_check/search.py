"""Look for an instance on which a check disagrees, with Hypothesis, and shrink it.

Hypothesis is used as a library here. A run depends on its seed and on nothing else: no example
database, no deadline, no health check that looks at a clock. The search of one check is
cut into shards of at most `SHARD` examples, each with its own seed derived from (seed, id, shard):
Hypothesis remembers every example it tried, so memory stays bounded by the shard whatever the
number of examples, and shards can run on any number of cores without changing the result.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, replace
from pprint import pformat
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings, target
from hypothesis import seed as with_seed

from steering_strength.proofs_check.check import Check
from steering_strength.proofs_check.comparison import Comparison

SHARD = 100

SHRINK = 1000
"""Evaluations spent on making a counterexample simpler; most are done after `ENOUGH`."""

ENOUGH = 100
"""The same where a counterexample is expected: the simplest there is comes from `tables`."""

# Time-dependent, or about sizes that our strategies need: a verdict must not depend on either.
_SUPPRESSED = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)


class _RefutedError(Exception):
    """Carries the evidence through Hypothesis; the last one raised is the shrunk one."""

    def __init__(self, case: Any, comparison: Comparison) -> None:
        super().__init__(comparison.what)
        self.case = case
        self.comparison = comparison


class _CrashedError(_RefutedError):
    """The formula raised instead of answering; a class of its own, so shrinking keeps to it."""


class _OutOfPatience(BaseException):
    """Ends a run of Hypothesis from inside; it only catches `Exception`s."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of a search."""

    examples: int  # instances looked at before the first disagreement, or all
    max_error: float  # the largest error among them, in units of the tolerance
    case: Any = None  # the shrunk instance that disagrees; None if all agree
    comparison: Comparison | None = None  # what happens on it
    undecided: int = 0  # instances of which nothing is known
    crashed: bool = False  # the formula raised an exception on `case` instead of answering
    seconds: float = 0.0

    def after(self, earlier: Outcome) -> Outcome:
        """Of both searches, this one being the later."""
        return replace(
            self,
            examples=earlier.examples + self.examples,
            max_error=max(earlier.max_error, self.max_error),
            undecided=earlier.undecided + self.undecided,
            seconds=earlier.seconds + self.seconds,
        )

    @property
    def what(self) -> str:
        """The disagreement in words, if there is one."""
        return self.comparison.what if self.comparison else ""


def shards(examples: int) -> list[int]:
    """`examples` cut into pieces of at most `SHARD`."""
    full, rest = divmod(examples, SHARD)
    return [SHARD] * full + ([rest] if rest else [])


def _seed(seed: int, name: str, shard: int) -> int:
    digest = hashlib.sha256(f"{seed} {name} {shard}".encode()).digest()
    return int.from_bytes(digest[:8], "big")


def search(
    check: Check, *, examples: int, seed: int, shard: int = 0, shrink: int | None = None
) -> Outcome:
    """Look at `examples` instances, from that shard on, or at fewer if one disagrees.

    Then it is shrunk, with at most `shrink` further evaluations (`SHRINK` or `ENOUGH`).
    """
    if shrink is None:
        shrink = SHRINK if check.expected else ENOUGH
    found = Outcome(0, 0.0)
    for k, size in enumerate(shards(examples)):
        found = _search(check, size, _seed(seed, check.id, shard + k), shrink).after(found)
        if found.case is not None:
            break
    return found


def _search(check: Check, examples: int, seed: int, shrink: int) -> Outcome:
    """One shard."""
    count, undecided, largest = 0, 0, 0.0
    failures: dict[Any, _RefutedError] = {}
    phases = [Phase.generate]
    phases += [Phase.target] if check.aim is not None else []
    phases += [Phase.shrink] if shrink else []
    patience = shrink

    @with_seed(seed)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=phases,
        suppress_health_check=_SUPPRESSED,
        report_multiple_bugs=False,
        print_blob=False,
    )
    @given(check.cases)
    def look(case: Any) -> None:
        nonlocal count, undecided, largest, patience
        if failures:
            # Shrinking, bounded by a count and not by a clock, so that it stays deterministic.
            if case in failures:
                raise failures[case]
            patience -= 1
            if patience < 0:
                raise _OutOfPatience
        try:
            comparison = check.measure(case)
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            failures[case] = _CrashedError(case, Comparison(float("inf"), text))
            raise failures[case] from None
        if not failures:
            count += 1
            undecided += comparison.undecided
            largest = max(largest, comparison.error)
            if check.aim is not None:
                target(check.aim(case))
        if not comparison.agrees:
            failures[case] = _RefutedError(case, comparison)
            raise failures[case] from None

    started, refuted = time.process_time(), None
    try:
        look()
    except _OutOfPatience:
        refuted = min(failures.values(), key=lambda each: (len(repr(each.case)), repr(each.case)))
    except _RefutedError as shrunk:
        refuted = shrunk
    found = Outcome(count, largest, undecided=undecided, seconds=time.process_time() - started)
    if refuted is None:
        return found
    return replace(
        found,
        max_error=max(largest, refuted.comparison.error),
        case=refuted.case,
        comparison=refuted.comparison,
        crashed=isinstance(refuted, _CrashedError),
    )


def as_code(case: Any, call: str, module: str = "proofs_check", note: str = "") -> str:
    """A counterexample as a program: builds `case`, and prints a call of a name of `module`."""
    text = pformat(case, width=96).replace("Fraction(", "F(")
    return (
        "from fractions import Fraction as F\n"
        f"from {module} import {call.partition('(')[0]}\n"
        "from proofs_check.instances import *\n\n"
        f"case = {text}\n"
        f"print({call})" + (f"  # {note}" if note else "") + "\n"
    )


def code(name: str, outcome: Outcome, method: str = "property") -> str:
    """A counterexample as a program that reproduces it."""
    extra = "" if method == "property" else f", {method!r}"
    # One line, whatever an exception had to say: it ends up in a comment.
    what = " ".join(outcome.what.split())
    return as_code(outcome.case, f"reproduce({name!r}, case{extra})", note=what)
