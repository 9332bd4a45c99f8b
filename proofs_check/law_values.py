"""The number a symbolic law gives on a concrete instance: with the oracle's digits, or as a ball.

The walk over the expression is that of `theory.laws.evaluation`. A derivative is taken as the
difference quotient in its definition, so that SymPy's rules for it are on trial too. The same walk
in ball arithmetic (`value(expression, values, balls)`) encloses the law's value rigorously; there a
derivative has no value, for a difference quotient encloses nothing, nor has a sign, which may be
unknown.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from steering_strength.proofs_check.balls import Balls
from steering_strength.proofs_check.comparison import LAW, Comparison, compare
from steering_strength.proofs_check.instances import ConceptCase, FamilyCase
from steering_strength.proofs_check.oracles.precise import CTX, Number, number
from steering_strength.theory.laws import LAWS
from steering_strength.theory.laws.evaluation import Numbers, Walk
from steering_strength.theory.laws.instances import Instance
from steering_strength.theory.laws.notation import unfold

Values = Mapping[str, Any]
"""Name of a symbol, an IndexedBase or a function -> a number, (nested) entries, a callable."""

_DIGITS = Numbers(CTX)


def value(expression: Any, values: Values, arithmetic: Balls | Numbers = _DIGITS) -> Number:
    """Evaluate a SymPy expression, with the oracle's digits by default.

    NoValueError if a symbol has no value, or a node has no rule.
    """
    return Walk(Instance(values, values), arithmetic).of(unfold(expression))


def of_case(case: FamilyCase | ConceptCase) -> dict[str, Any]:
    """p, M, V, alpha; for a dataset also the rows of P and N as p^P and p^N."""
    values: dict[str, Any] = {"V": len(case.p), "alpha": case.alpha, "p": case.p, "M": case.M}
    if isinstance(case, ConceptCase):
        # The logits may carry any shift per context; the law must be blind to these.
        values |= {
            "q_P": case.q,
            "q_N": case.q,
            "b": case.gauge - 7,
            "p^P": [case.dataset.rows[i] for i in case.positive],
            "p^N": [case.dataset.rows[i] for i in case.negative],
            "b^P": [3 * i - case.gauge for i in range(case.q)],
            "b^N": [case.gauge - i for i in range(case.q)],
        }
    return values


def of_contexts(case: ConceptCase) -> dict[str, Any]:
    """All rows as p[j, z], their weights pi, and M."""
    rows, weights = case.dataset.rows, case.dataset.context_weights
    return {"V": len(case.M), "m": len(rows), "alpha": case.alpha,
            "p": rows, "pi": weights, "M": case.M}  # fmt: skip


def single(values: Values) -> dict[str, Any]:
    """For the laws that average over contexts: one context of weight 1."""
    return {**values, "m": 1, "pi": [1], "p": [values["p"]]}


def _mirrored(case: FamilyCase, sign: int) -> FamilyCase:
    """With -M and -alpha for M and alpha: the laws state one end, the other is its mirror image."""
    if sign > 0:
        return case
    return replace(case, log_odds=tuple(-m for m in case.log_odds), alpha=-case.alpha)


def _ordered(case: FamilyCase, order: Sequence[int]) -> dict[str, Any]:
    """p, M and d = max M - M in another order of the tokens."""
    top = max(case.M)
    p, M = ([part[z] for z in order] for part in (case.p, case.M))
    sizes = {"V": len(p), "|A|": M.count(top), "|C|": len(case.tokens)}
    return {**sizes, "alpha": case.alpha, "m": top, "p": p, "M": M, "d": [top - m for m in M]}


def at_maximum(case: FamilyCase, sign: int) -> tuple[dict[str, Any], int]:
    """Tokens at the extreme of M on the side `sign` first; and which comes first."""
    case = _mirrored(case, sign)
    order = sorted(range(len(case.p)), key=lambda z: -case.M[z])
    return _ordered(case, order), order[0]


def concept_first(case: FamilyCase, *, extreme: int = 0) -> dict[str, Any]:
    """Tokens of C first; with `extreme` = +-1, the tokens at that end of M before them."""
    case = _mirrored(case, extreme or 1)
    top = max(case.M)

    def block(z: int) -> int:
        return 0 if extreme and case.M[z] == top else 1 if z in case.tokens else 2

    return _ordered(case, sorted(range(len(case.p)), key=block))


def law(
    name: str,
    values: Values,
    oracle: Any,
    *,
    allowed: Any = None,
    slack: Any = 0,
    sides: Collection[str] = ("left", "right"),
    **token: int,
) -> Comparison:
    """The sides of the law's statement on the instance, against the oracle's number.

    `values` are what its symbols stand for, and `token` its free index, as in ``x=2``. Allowed is
    `LAW`, relative to the oracle's number where that is above 1, or what is said; and `slack`.
    """
    expected = number(oracle)
    if allowed is None:
        # Cancellation inside a side is relative to its largest term, not to what is left of it.
        allowed = LAW * max(1, abs(expected)) if CTX.isfinite(expected) else LAW
    scope = {**values, **token}
    both = {"left": LAWS[name].lhs, "right": LAWS[name].rhs}
    found = {f"{side}_side": (value(both[side], scope), allowed + slack) for side in sides}
    return compare(f"the law {name}", expected, **found)
