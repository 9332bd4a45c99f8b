"""The laws of steering strength as SymPy objects: `LAWS` maps an id to its derivation.

Reading order: `assumptions` (what may be assumed, and the named principles), `symbols` (the
paper's notation), `kernel` (what decides a step), `claims` and `rules` (what is claimed, and what
follows), `law`, then one stem per family: `tilting`, `mixed`, `peaks`, `concept`,
`cross_entropy`, `transformer`, `operators`, `sequences`, `estimation`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from steering_strength.theory.errors import UnknownNameError
from steering_strength.theory.laws import (
    allocation,
    concept,
    concept_shape,
    cross_entropy,
    cross_entropy_radius,
    errata,
    estimation,
    mixed,
    operators,
    peaks,
    peaks_sign,
    sequences,
    tilting,
    transformer,
)
from steering_strength.theory.laws.claims import (
    All,
    Between,
    Case,
    Claim,
    Identity,
    Iff,
    Inequality,
    LawError,
    Limit,
    Status,
)
from steering_strength.theory.laws.instances import Instance
from steering_strength.theory.laws.kernel import Bounded, Fact, Let, Sign, Split
from steering_strength.theory.laws.law import Law
from steering_strength.theory.laws.prose import plain
from steering_strength.theory.laws.shapes import (
    Along,
    AtMost,
    Convex,
    Crosses,
    Envelope,
    Expansion,
    Extrema,
    FewExtrema,
    Follows,
    Monotone,
    OnePeak,
    OneRoot,
)
from steering_strength.theory.laws.symbols import (
    NORMALISED,
    K,
    M,
    V,
    alpha,
    beta,
    mean,
    over_tokens,
    p,
    tilted,
    variance,
    x,
    y,
    z,
)

__all__ = [
    "CLAIMS",
    "LAWS",
    "NORMALISED",
    "All",
    "Along",
    "AtMost",
    "Between",
    "Bounded",
    "Case",
    "Claim",
    "Convex",
    "Crosses",
    "Envelope",
    "Expansion",
    "Extrema",
    "Fact",
    "FewExtrema",
    "Follows",
    "Identity",
    "Iff",
    "Inequality",
    "Instance",
    "K",
    "Law",
    "LawError",
    "Let",
    "Limit",
    "M",
    "Monotone",
    "OnePeak",
    "OneRoot",
    "Sign",
    "Split",
    "Status",
    "V",
    "alpha",
    "beta",
    "mean",
    "over_tokens",
    "p",
    "tilted",
    "variance",
    "x",
    "y",
    "z",
]


class _ById(dict[str, Law]):
    """Laws by id, where an unknown id is answered with its close matches."""

    def __str__(self) -> str:
        width = max(map(len, self), default=0)
        return "\n".join(f"{name:<{width}}  {plain(law.title)}" for name, law in self.items())

    def __missing__(self, name: str) -> Law:
        raise UnknownNameError("law", str(name), self)


def _collect(laws: Iterable[Law]) -> Mapping[str, Law]:
    """Laws by id, in reading order; a law may build only on laws before it (so no cycles)."""
    found = _ById()
    for law in laws:
        missing = [b.id for b in law.builds_on if b.id not in found]
        if missing or law.id in found:
            raise LawError(
                f"law {law.id!r} is defined twice or builds on later laws {missing}",
                remedy="list it once, after the laws it uses",
            )
        found[law.id] = law
    return MappingProxyType(found)


LAWS = _collect(
    (
        tilting.STEERING_SHIFT,
        tilting.TILTING,
        tilting.SIGN_SEPARATION,
        tilting.SLOPE,
        tilting.MEAN_SLOPE,
        tilting.LIMIT,
        peaks.PEAK,
        peaks.MONOTONE,
        peaks.PEAK_ORDER,
        peaks_sign.PEAK_SIGN,
        concept.CONCEPT_ODE,
        concept.CONCEPT_TANH,
        concept.CONCEPT_MONOTONE,
        concept.CONCEPT_LIMIT,
        concept_shape.CONCEPT_SHAPE,
        cross_entropy.CE_EXACT,
        cross_entropy.CE_QUADRATIC,
        cross_entropy.CE_CUMULANTS,
        cross_entropy_radius.CE_RADIUS,
        cross_entropy.CE_LINEAR,
        cross_entropy.CE_ASYMPTOTE,
        transformer.NORM_LIMIT,
        transformer.LAST_BLOCK,
        transformer.FINAL_NORM,
        transformer.LOCAL,
        mixed.MIXED_CONTEXTS,
        operators.OPERATOR,
        operators.TEMPERATURE,
        operators.RENORMALISED,
        operators.GREEDY,
        estimation.INFLUENCE,
        estimation.STANDARD_ERROR,
        estimation.TEXT_BIAS,
        sequences.SEQUENCE_RATIO,
        sequences.SEQUENCE_CE,
        sequences.SEQUENCE_REVERSE,
        sequences.SEQUENCE_SCORE,
        sequences.SEQUENCE_WEIGHTS,
        allocation.ALLOCATION,
    )
)

CLAIMS: Mapping[str, Law] = MappingProxyType(_ById({claim.id: claim for claim in errata.CLAIMS}))
"""False readings of the paper by id; the steps of each prove its refutation."""
