"""State a property of (dataset, P, N, alpha) in a few lines, and have it judged.

    from steering_strength.proofs_check import conjecture

    def even(data, positive, negative, alpha):
        \"\"\"Steering by alpha and by -alpha costs the same cross-entropy.\"\"\"
        M = data.log_odds(positive, negative)
        up, down = data.cross_entropy_increase(M, [alpha, -alpha])
        return abs(up - down) <= 1e-9 * up

    print(conjecture(even))   # refuted, with the smallest dataset found, as code

A claim returns a bool, or a margin that must be positive; a margin is better, for the search then
climbs towards instances on which it is small. It is evaluated in float64: leave room for rounding,
or refutations will be about rounding. A claim that is an inequality can also be given in ball
arithmetic (`certify`), which decides it on every instance with zero tolerance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from math import isfinite
from typing import Any, Literal

import numpy as np

from steering_strength.proofs_check.balls import Ball, Balls
from steering_strength.proofs_check.certificate import decided
from steering_strength.proofs_check.check import Check
from steering_strength.proofs_check.comparison import AGREED, Comparison
from steering_strength.proofs_check.comparison import claim as statement
from steering_strength.proofs_check.instances import ConceptCase, ExactDataset
from steering_strength.proofs_check.search import search
from steering_strength.proofs_check.strategies import Assumption, concept_cases
from steering_strength.theory import ConceptDataset
from steering_strength.theory.errors import SteeringError

Claim = Callable[[ConceptDataset, tuple[int, ...], tuple[int, ...], float], Any]
"""(data, positive, negative, alpha) -> bool, or a margin that must be positive."""


@dataclass(frozen=True)
class BallCase:
    """An instance in balls, to be used with + - * / and `balls`."""

    case: ConceptCase  # the instance in fractions
    balls: Balls  # exp, log, sqrt, exact, total

    @cached_property
    def alpha(self) -> Ball:
        """The strength."""
        return self.balls.exact(self.case.alpha)

    @cached_property
    def M(self) -> list[Ball]:
        """The log-odds, (V,)."""
        return [self.case.level(key, self.balls) for key in self.case.keys]

    @cached_property
    def weights(self) -> list[Ball]:
        """pi_j, (m,)."""
        return [self.balls.exact(w) for w in self.case.dataset.context_weights]

    def p(self, context: int) -> list[Ball]:
        """p(.|c_j), (V,)."""
        return [self.balls.exact(x) for x in self.case.dataset.rows[context]]

    def cgf(self, context: int) -> Ball:
        """K_j(alpha)."""
        terms = zip(self.p(context), self.M, strict=True)
        return self.balls.log(self.balls.total([p * self._exp(m) for p, m in terms]))

    def steered(self, context: int) -> list[Ball]:
        """p_{j,alpha}, (V,)."""
        total = self.balls.exp(self.cgf(context))
        return [p * self._exp(m) / total for p, m in zip(self.p(context), self.M, strict=True)]

    def _exp(self, log_odds: Ball) -> Ball:
        return self.balls.exp(self.alpha * log_odds)


@dataclass(frozen=True)
class Judgement:
    """What became of a conjecture.

    Attributes
    ----------
    claim : str
        Its docstring, or its name.
    status : str
        "holds", "certified", "refuted", or "raised" where the claim raised an exception.
    examples : int
        Instances looked at.
    undecided : int
        Instances on which `certify` could not decide; 0 for "certified".
    what : str
        What happened on the counterexample.
    code : str
        A program that builds the counterexample; empty if there is none.
    case : ConceptCase or None
        The counterexample, in fractions.
    seed : int
        Repeats the search.
    """

    claim: str
    status: Literal["holds", "certified", "refuted", "raised"]
    examples: int
    undecided: int = 0
    what: str = ""
    code: str = ""
    case: ConceptCase | None = None
    seed: int = 0

    def __str__(self) -> str:
        """The judgement and, if there is one, the counterexample."""
        head = {
            "holds": f"holds on {self.examples} examples",
            "certified": f"certified on each of {self.examples} examples",
            "refuted": f"refuted by example {self.examples}, made as simple as possible",
            "raised": f"raised an exception on example {self.examples}: {self.what}",
        }[self.status] + f" (seed {self.seed})"
        if self.undecided:
            head += f"; ball arithmetic undecided on {self.undecided}"
        return "\n\n".join(part for part in (f"{self.claim}\n{head}", self.code) if part)


def _program(case: ConceptCase, name: str) -> str:
    data: ExactDataset = case.dataset

    def fractions(values: tuple[Any, ...]) -> str:
        return ", ".join(str(value) for value in values)

    rows = "".join(f"        [{fractions(row)}],\n" for row in data.rows)
    return (
        "import numpy as np\n"
        "from theory import ConceptDataset\n"
        "data = ConceptDataset(\n"
        f"    probabilities=np.array([\n{rows}    ]),\n"
        f"    token_concept=np.array({list(data.token_concept)}),\n"
        f"    context_concept=np.array({list(data.context_concept)}),\n"
        f"    context_weights=np.array([{fractions(data.context_weights)}]),\n"
        ")\n"
        f"print({name}(data, {case.positive}, {case.negative}, {case.alpha!r}))"
    )


def conjecture(
    claim: Claim,
    *,
    examples: int = 500,
    seed: int = 0,
    assumption: Assumption = "1",
    wild: bool = False,
    certify: Callable[[BallCase], Ball | bool] | None = None,
) -> Judgement:
    """Judge a claim about every dataset, steering set and strength.

    Parameters
    ----------
    claim : callable
        (data, positive, negative, alpha) -> bool, or a number that must be positive.
    examples : int
        Instances to look at.
    seed : int
        The same seed gives the same instances.
    assumption : str
        "1" (Assumption 1), "B.1" (a may depend on the context) or "none" (any rows).
    wild : bool
        Also probabilities down to 1e-200 and rows deterministic to 1e-9.
    certify : callable, optional
        `BallCase` -> a ball that must be positive: the same claim without rounding. Where there is
        nothing to decide (alpha = 0, say) it may return True.

    Raises
    ------
    SteeringError
        `examples` is below 1.
    """
    if examples < 1:
        raise SteeringError(f"examples = {examples} is below 1", remedy="ask for at least one")
    name = getattr(claim, "__name__", "claim")
    text = " ".join((claim.__doc__ or name).split())

    margin = 0.0

    def measure(case: ConceptCase) -> Comparison:
        nonlocal margin
        answer = claim(case.data, case.positive, case.negative, case.alpha)
        if answer is None:
            raise TypeError(f"{name} returned None, not a bool or a margin")
        yes_or_no = isinstance(answer, bool | np.bool_)
        margin = 0.0 if yes_or_no else float(answer)
        if not (answer if yes_or_no else margin > 0):
            return statement(text, False)
        if certify is None:
            return AGREED
        return decided(f"{text} (ball arithmetic)", partial(_positive, certify, case))

    # `measure` has just looked at the case; infinities are no slope to climb.
    def aim(case: ConceptCase) -> float:
        return -margin if isfinite(margin) else 0.0

    cases = concept_cases(assumption, wild=wild)
    check = Check(name, text, cases, measure, aim=aim)
    found = search(check, examples=examples, seed=seed)
    if found.case is not None:
        return Judgement(
            claim=text,
            status="raised" if found.crashed else "refuted",
            examples=found.examples + found.crashed,
            what=found.what,
            code=_program(found.case, name),
            case=found.case,
            seed=seed,
        )
    certified = certify is not None and found.undecided == 0
    status: Literal["certified", "holds"] = "certified" if certified else "holds"
    return Judgement(text, status, found.examples, found.undecided, seed=seed)


def _positive(
    certify: Callable[[BallCase], Ball | bool], case: ConceptCase, balls: Balls
) -> bool | None:
    value = certify(BallCase(case, balls))
    return value if isinstance(value, bool) else balls.positive(value)
