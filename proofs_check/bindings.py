"""Instances as values for the symbols of the symbolic laws.

`theory.laws` numbers tokens 0 .. V - 1 and calls its arrays p, M, W, H, ...; a case is brought to
these names here, once, and `law_voices` puts both sides of a law's statement next to the oracle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from steering_strength.proofs_check.formulas import Formulas
from steering_strength.proofs_check.instances import ConceptCase, FamilyCase, ReadoutCase
from steering_strength.proofs_check.law_values import value
from steering_strength.proofs_check.meeting import LAW, Voice
from steering_strength.proofs_check.oracles.norms import logits
from steering_strength.proofs_check.oracles.precise import CTX, Number, number, softmax

__all__ = [
    "Binding",
    "at_maximum",
    "concept_first",
    "law_voices",
    "of_case",
    "of_contexts",
    "of_normed_texts",
    "of_readout",
]


@dataclass(frozen=True)
class Binding:
    """Values by name: scalars and (nested) arrays."""

    numbers: Mapping[str, Any]
    arrays: Mapping[str, Any] = field(default_factory=dict)

    def with_numbers(self, **more: Any) -> Binding:
        """The same with more scalars."""
        return Binding({**self.numbers, **more}, self.arrays)

    def with_arrays(self, **more: Sequence[Any]) -> Binding:
        """The same with more arrays."""
        return Binding(self.numbers, {**self.arrays, **more})

    def as_single_context(self) -> Binding:
        """For the laws that sum over contexts: one context with weight 1."""
        single = self.with_numbers(m=1)
        return single.with_arrays(pi=[1], p=[self.arrays["p"]])


def of_case(case: FamilyCase | ConceptCase) -> Binding:
    """p, M, V, alpha; for a dataset also the rows of P and N as p^P and p^N."""
    numbers: dict[str, Any] = {"V": len(case.p), "alpha": case.alpha}
    arrays: dict[str, Sequence[Any]] = {"p": case.p, "M": case.M}
    if isinstance(case, ConceptCase):
        # The logits may carry any shift per context; the law must be blind to these.
        numbers |= {"q_P": case.q, "q_N": case.q, "b": case.gauge - 7}
        arrays |= {
            "p^P": [case.dataset.rows[i] for i in case.positive],
            "p^N": [case.dataset.rows[i] for i in case.negative],
            "b^P": [3 * i - case.gauge for i in range(case.q)],
            "b^N": [case.gauge - i for i in range(case.q)],
        }
    return Binding(numbers, arrays)


def of_contexts(case: ConceptCase) -> Binding:
    """All rows as p[j, z], their weights pi, and M."""
    rows, weights = case.dataset.rows, case.dataset.context_weights
    return Binding(
        {"V": len(case.M), "m": len(rows), "alpha": case.alpha},
        {"p": rows, "pi": weights, "M": case.M},
    )


def of_normed_texts(
    case: ReadoutCase,
    states: Sequence[Sequence[Number]],
    W: Sequence[Sequence[Number]],
    bias: Sequence[Number],
) -> Binding:
    """p, p^P, p^N: next-token probabilities of the texts; the shifts of their logits are free."""

    def p(text: int) -> list[Number]:
        return softmax([a + b for a, b in zip(logits(W, states[text]), bias, strict=True)])

    return Binding(
        {
            "V": len(W),
            "q_P": len(case.positive),
            "q_N": len(case.negative),
            "b": 2,
            "alpha": case.alpha,
        },
        {
            "p": p(case.context),
            "p^P": [p(i) for i in case.positive],
            "p^N": [p(i) for i in case.negative],
            "b^P": [3 - i for i in range(len(case.positive))],
            "b^N": [5 * i for i in range(len(case.negative))],
        },
    )


def _ordered(case: FamilyCase | ConceptCase, order: Sequence[int], **numbers: Any) -> Binding:
    """p, M and d = max M - M in another order of the tokens."""
    top = max(case.M)
    return Binding(
        {
            "V": len(case.p),
            "alpha": case.alpha,
            "m": top,
            "|A|": list(case.M).count(top),
            **numbers,
        },
        {
            "p": [case.p[z] for z in order],
            "M": [case.M[z] for z in order],
            "d": [top - case.M[z] for z in order],
        },
    )


def _mirrored(case: FamilyCase, sign: int) -> FamilyCase:
    """With -M and -alpha for M and alpha: the laws state one end, the other is its mirror image."""
    if sign > 0:
        return case
    return replace(case, log_odds=tuple(-m for m in case.log_odds), alpha=-case.alpha)


def at_maximum(case: FamilyCase, sign: int) -> tuple[Binding, int]:
    """Tokens at the extreme of M on the side `sign` first; and which comes first."""
    case = _mirrored(case, sign)
    order = sorted(range(len(case.p)), key=lambda z: -case.M[z])
    return _ordered(case, order), order[0]


def concept_first(case: FamilyCase, *, extreme: int = 0) -> Binding:
    """Tokens of C first; with `extreme` = +-1, the tokens at that end of M before them."""
    if extreme:
        case = _mirrored(case, extreme)
    top = max(case.M)

    def block(z: int) -> int:
        if extreme and case.M[z] == top:
            return 0
        return 1 if z in case.tokens else 2

    order = sorted(range(len(case.p)), key=block)
    return _ordered(case, order, **{"|C|": len(case.tokens)})


def of_readout(
    W: Sequence[Sequence[Number]], H: Sequence[Sequence[Number]], case: ConceptCase
) -> Binding:
    """W (V, d) and H given by columns (m, d), with P and N as index arrays and j the context."""
    return Binding(
        {
            "V": len(W),
            "d": len(W[0]),
            "q_P": case.q,
            "q_N": case.q,
            "j": case.context,
            "alpha": case.alpha,
        },
        {
            "W": W,
            "H": [list(row) for row in zip(*H, strict=True)],
            "P": case.positive,
            "N": case.negative,
        },
    )


@lru_cache(maxsize=256)
def _sides(law: Any) -> tuple[Any, Any]:
    """Both sides in sums over the vocabulary; unfolding the names takes SymPy milliseconds."""
    return law.lhs, law.rhs


def law_voices(
    on_trial: Formulas, name: str, binding: Binding, oracle: Any, **token: int
) -> list[Voice]:
    """Both sides of the law's statement on the instance, as voices next to `oracle`.

    A free token index of the law is given by name: ``law_voices(..., oracle[2], x=2)``.
    """
    law = on_trial.law(name)
    expected = number(oracle)
    # Cancellation inside a side is relative to its largest term, not to what is left of it.
    allowed = LAW * max(1, abs(expected)) if CTX.isfinite(expected) else LAW
    scope = {**binding.numbers, **token}
    return [
        Voice(f"law, {side}", value(expression, scope, binding.arrays), allowed)
        for side, expression in zip(("left side", "right side"), _sides(law), strict=True)
    ]
