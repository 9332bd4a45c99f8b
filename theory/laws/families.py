"""Closed forms on the paper's two dataset families, decided by the same kernel.

*Smoothed*: a = (1 - ε)/s, b = ε/((G - 1) s). *Weighted*: a_z = (1 - ε) γ_z, b_z = ε ω_z/(G - 1).
For the smoothed family in the contrastive setting M takes three levels, L in T, -L in the concept
of N and 0 elsewhere, and every peak between the extremes has a closed form.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

from mpmath import mp, mpf
from sympy import Expr, Integer, Rational, Symbol, lambdify, log

from steering_strength.theory.errors import AssumptionError, UnknownNameError
from steering_strength.theory.laws.kernel import Sign, decide_equal
from steering_strength.theory.laws.notation import unfold
from steering_strength.theory.laws.peaks import down, explicit, mass_down, mass_up, up
from steering_strength.theory.laws.peaks_sign import Q_D, G, delta_D, lam, margin, rest

epsilon = Symbol("epsilon", positive=True)
concepts = Symbol("G", integer=True, positive=True)
s = Symbol("s", integer=True, positive=True)


def two_level_peak(s_up: Expr, s_down: Expr, p_up: Expr, p_down: Expr) -> Expr:
    """The peak of a token if the others sit `s_up` above it and `s_down` below it.

    `p_up` and `p_down` are the unsteered masses of those levels: `peak`, the explicit case.
    """
    values = {up: s_up, down: s_down, mass_up: p_up, mass_down: p_down}
    return unfold(explicit()).xreplace(values)


@dataclass(frozen=True)
class Smoothed:
    """The smoothed family with symbolic ε, G and s (arXiv:2602.02712, App. B.1)."""

    epsilon: Expr = epsilon
    concepts: Expr = concepts
    tokens: Expr = s

    @property
    def in_concept(self) -> Expr:
        """a."""
        return (1 - self.epsilon) / self.tokens

    @property
    def off_concept(self) -> Expr:
        """b."""
        return self.epsilon / ((self.concepts - 1) * self.tokens)

    @property
    def level(self) -> Expr:
        """L = log(a/b): M in the target concept."""
        return log((1 - self.epsilon) * (self.concepts - 1) / self.epsilon)

    def log_odds(self, share: Expr) -> Expr:
        """M outside T, in a concept that holds the share `share` of N."""
        return -share * self.level

    def neutral_masses(self, context: str) -> tuple[Expr, Expr]:
        """p(T) and p(concept of N) under a context in "T", in "N" or in an "other" concept."""
        low, high = self.epsilon / (self.concepts - 1), 1 - self.epsilon
        masses = {"T": (high, low), "N": (low, high), "other": (low, low)}
        if context not in masses:
            raise UnknownNameError("context", context, masses)
        return masses[context]

    def neutral_peak(self, context: str) -> Expr:
        """Peak of the tokens with M = 0, N in one concept: (1/2L) log(p(concept of N)/p(T)).

        They sit halfway between T and the concept of N, which makes the peak -1/2, 1/2 or 0,
        whatever ε, G and s are; `prove_neutral_peak` has the kernel decide it.
        """
        return (
            NEUTRAL_PEAKS[context]
            if self.prove_neutral_peak(context)
            else two_level_peak(self.level, self.level, *self.neutral_masses(context))
        )

    def prove_neutral_peak(self, context: str) -> bool:
        """Whether log(P_-/P_+) = 2 L times the claimed peak is proved."""
        p_up, p_down = self.neutral_masses(context)
        claimed = 2 * NEUTRAL_PEAKS[context] * self.level
        given = (Sign(self.concepts - 1, strict=True), Sign(1 - self.epsilon, strict=True))
        return decide_equal(log(p_down) - log(p_up), claimed, given)


NEUTRAL_PEAKS: dict[str, Expr] = {"T": Rational(-1, 2), "N": Rational(1, 2), "other": Integer(0)}


def epsilon_threshold(
    *, concepts: int, share: Any, ratio: Any, kappa_target: Any, kappa_negative: Any, delta: Any
) -> tuple[Any, Any]:
    """Bracket of ε*: target peaks are positive exactly for 0 < ε < ε* (`peak-sign`).

    Parameters
    ----------
    concepts : int
        G, at least 2.
    share : number in [0, 1]
        Share Q_D of N in the concept of the context.
    ratio : number
        min over T of log(γ_z/ω_z).
    kappa_target, kappa_negative, delta : numbers, in nats
        KL(ω_T ‖ γ_T), the N-weighted sum of KL(ω_C ‖ γ_C) over the other concepts, and
        KL(γ_D ‖ ω_D).

    Returns
    -------
    (lower, upper)
        Equal up to 1e-16 relative, g positive at `lower` and not at `upper`. ``(bound, inf)`` if
        g stays positive up to the `bound` that Assumption 1 sets, the ε at which
        log((1 - ε)(G - 1)/ε) + ratio reaches 0: every admissible ε works then.

    Raises
    ------
    AssumptionError
        If no ε satisfies Assumption 1 for this ratio.
    """
    if ratio == -inf:
        raise AssumptionError(
            "Assumption 1", "the target concept", "some γ_z is 0", remedy="give positive weights"
        )
    with mp.workdps(30):
        bound = (concepts - 1) / (concepts - 1 + mp.exp(-mpf(ratio)))
        bound = min(bound, mpf(concepts - 1) / concepts)
        values = {
            G: concepts,
            Q_D: mpf(share),
            lam: mpf(ratio),
            rest: (mpf(kappa_target) - mpf(kappa_negative)) / (concepts - 1),
            delta_D: mpf(delta),
        }
        x = next(iter(margin.parameters))
        g = lambdify([x], unfold(margin(x)).xreplace(values), "mpmath")
        low, high = bound * mpf("1e-25"), bound * (1 - mpf("1e-25"))
        if g(low) <= 0:
            return (mpf(0), low)
        if g(high) > 0:
            return (bound, inf)
        while high - low > mpf("1e-16") * high:  # g(low) > 0 >= g(high) throughout
            middle = (low + high) / 2
            low, high = (middle, high) if g(middle) > 0 else (low, middle)
        return (low, high)
