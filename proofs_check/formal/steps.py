"""The steps of the laws, generated in Coq: stated and type-checked, and many of them proved.

Every step that has a form in Coq becomes a proposition, with all its hypotheses. Where a script of
`proofs` goes through it is a theorem; the steps in `PROVED` must be theorems, and a sign flipped in
one of them is refused. The others are type-checked only, which is not a proof and never counts as
one. A step that is a theorem of the library by name (`Law.formal`) says so besides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from steering_strength.proofs_check.formal.propositions import Proposition
from steering_strength.proofs_check.formal.rule_proofs import proof
from steering_strength.theory.laws import LAWS
from steering_strength.theory.laws.claims import Claim
from steering_strength.theory.laws.kernel import Undecided

_PROVED = {
    "steering-shift": "1-2",
    "tilting": "1-3 5-6",
    "sign-separation": "1-7",
    "slope": "1-3",
    "mean-slope": "1-13",
    "limit": "1-15",
    "peak": "1-15 17 19 21 24-25",
    "monotone": "1-10",
    "peak-order": "1-3",
    "peak-sign": "1-9 11-17",
    "concept-ode": "1-2",
    "concept-tanh": "2-4 6-9",
    "concept-monotone": "1-12",
    "concept-limit": "1-7",
    "concept-shape": "1-2 6 8 14 17",
    "ce-exact": "1-21",
    "ce-quadratic": "1-5",
    "ce-cumulants": "1-10",
    "ce-radius": "2-25 27-57 67-72 74-88 92-95",
    "ce-linear": "1-3",
    "ce-asymptote": "1-9",
    "norm-limit": "7 9-15",
    "last-block": "1-11",
    "final-norm": "1-3",
    "local": "6",
    "mixed-contexts": "1-4 9-13",
    "operator": "1-12",
    "temperature": "1-2 4-5",
    "renormalised": "1-3",
    "greedy": "1-11 13",
    "influence": "1-3 6-9 11-13 15-17 20",
    "standard-error": "1 5-6",
    "text-bias": "2-3 5 7 9-15 17",
    "sequence-ratio": "2-3",
    "sequence-ce": "1 3-9",
    "sequence-reverse": "1",
    "sequence-score": "1-8",
    "sequence-weights": "1-3 5",
    "allocation": "1-3 5 7-8 10 13-22 24-25 27 29 31 33",
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
    others: dict[str, str] = {}

    def of_another_law(premise: Claim) -> str:
        """The theorem of a step of another law, which comes first, with all that it rests on."""
        for law in (law for law in LAWS.values() if premise in law.steps):
            number = law.steps.index(premise) + 1
            label = f"{law.id.replace('-', '_')}_step_{number}"
            if number in PROVED.get(law.id, ()) and label not in others:
                others[label] = _theorem(label, Proposition(premise), of_another_law)
            if label in others:
                return label
        raise Undecided("a premise that is not proved")

    def theorem(premise: Claim) -> str:
        return f"step_{steps.index(premise) + 1}" if premise in steps else of_another_law(premise)

    for number, step in enumerate(steps, start=1):
        if number in NOT_PRINTED.get(name, ()):
            continue
        stated = Proposition(step)
        if number in PROVED.get(name, ()):
            parts.append(_theorem(f"step_{number}", stated, theorem))
        else:
            parts.append(f"Definition stated_{number} : Prop :=\n  {stated.text()}.\n")
    return "\n".join([parts[0], *others.values(), *parts[1:]])


def _theorem(label: str, stated: Proposition, name: Callable[[Claim], str]) -> str:
    opening = f"Theorem {label} : {stated.text()}.\nProof.\n{stated.intros()}\n"
    return f"{opening}{proof(stated, name)}\nQed.\n"
