"""The steps of the laws, generated in Coq: stated and type-checked, and many of them proved.

Every step that has a form in Coq becomes a proposition, with all its hypotheses. Where a script of
`proofs` goes through it is a theorem; the steps in `PROVED` must be theorems, and a sign flipped in
one of them is refused. The others are type-checked only, which is not a proof and never counts as
one. A step that is a theorem of the library by name (`Law.formal`) says so besides.
"""

from __future__ import annotations

from collections.abc import Mapping

from steering_strength.proofs_check.formal.proofs import proof
from steering_strength.proofs_check.formal.propositions import Proposition
from steering_strength.theory.laws import LAWS
from steering_strength.theory.laws.claims import Claim
from steering_strength.theory.laws.kernel import Undecided

__all__ = ["NOT_PRINTED", "PROVED", "status", "step_file"]

_PROVED = {
    "tilting": "1-2 5-6",
    "sign-separation": "1-4 6-7",
    "slope": "1-3",
    "mean-slope": "1 4-5 8-13",
    "limit": "1-14",
    "peak": "1-3 7 12 14-15 17 24",
    "monotone": "1 4 6-9",
    "peak-order": "1-2",
    "peak-sign": "1 6 11-17",
    "concept-ode": "1-2",
    "concept-tanh": "2 4 9",
    "concept-monotone": "1-2",
    "concept-limit": "1-7",
    "concept-shape": "2 6 8 14 17",
    "ce-exact": "2 4 21",
    "ce-radius": "7-9 11-13 15-16 25 29-30 33 38-39 42 48 67-68 70-71 76-77 79 82-83",
    "ce-asymptote": "1-2 4 7-9",
    "norm-limit": "7 10 14-15",
    "last-block": "1-2 4",
    "final-norm": "1-2",
    "local": "6",
    "mixed-contexts": "1 4 9-13",
    "greedy": "1-4 6 8 10 13",
}


NOT_PRINTED: Mapping[str, tuple[int, ...]] = {
    "concept-shape": (10, 11, 12, 19, 20),
    "greedy": (12,),
}
"""id -> the steps that count sign changes or extrema, which the printer does not say."""


def _numbers(ranges: str) -> tuple[int, ...]:
    """`1 3-5` as 1, 3, 4, 5."""
    ends = [part.split("-") for part in ranges.split()]
    return tuple(n for end in ends for n in range(int(end[0]), int(end[-1]) + 1))


PROVED: Mapping[str, tuple[int, ...]] = {name: _numbers(text) for name, text in _PROVED.items()}
"""id -> the numbers of the steps that Coq proves as they are printed."""

_HEAD = """\
(** Printed from the law [{name}] of [steering_strength.theory.laws]. *)

From Coq Require Import Reals List Lra Lia.
From Coquelicot Require Import Coquelicot.
From SteeringStrength Require Import tokens analysis steps.
Open Scope R_scope.
"""


def status(name: str, number: int) -> str:
    """What Coq says of a step as it is printed: "proved", "type-checked" or "not printed".

    Nothing of a false reading, which has no theorem but its refutation.
    """
    if name not in LAWS:
        return ""
    if number in PROVED.get(name, ()):
        return "proved"
    return "not printed" if number in NOT_PRINTED.get(name, ()) else "type-checked"


def step_file(name: str, steps: tuple[Claim, ...] | None = None) -> str:
    """The file that Coq has to accept: each step as a theorem, or as a proposition.

    `steps` are those of the law unless they are given.
    """
    steps = LAWS[name].steps if steps is None else steps
    parts = [_HEAD.format(name=name)]

    def theorem(premise: Claim) -> str:
        if premise not in steps:
            raise Undecided("a premise of another law")
        return f"step_{steps.index(premise) + 1}"

    for number, step in enumerate(steps, start=1):
        if number in NOT_PRINTED.get(name, ()):
            continue
        stated = Proposition(step)
        if number in PROVED.get(name, ()):
            opening = f"Theorem step_{number} : {stated.text()}.\nProof.\n{stated.intros()}\n"
            parts.append(f"{opening}{proof(stated, theorem)}\nQed.\n")
        else:
            parts.append(f"Definition stated_{number} : Prop :=\n  {stated.text()}.\n")
    return "\n".join(parts)
