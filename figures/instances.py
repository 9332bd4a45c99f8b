"""The dataset behind the figures, and how it was chosen.

The paper prints neither the probabilities nor the code behind its Figures 2 to 5. What is
known is the vocabulary (Eq. 2), two contexts, and the shapes. The paper's third concept α β γ is
called φ χ ψ here: α is the strength, on the axis of the same pictures. One dataset of the paper's
*weighted* family (App. B.3) has all of these shapes at once, with weights in whole percent:

    a_z = (1 - eps) gamma_z,   b_z = eps / (G - 1) omega_z,   eps = 1/10,   G = 3

========  ==================  ==================  ==========================
concept   gamma (percent)     omega (percent)     role
========  ==================  ==================  ==========================
a b c     57  36   7          60  34   6          target T, where P lies
A B C     40  35  25          45  33  22          opposite, where N lies
φ χ ψ     50  30  20          50  30  20          neither
========  ==================  ==================  ==========================

How it was chosen. Within a concept the log-odds differ only by log(gamma_z / omega_z). In
Figure 3 the competition among target tokens lasts until alpha = 60, so these differences must
be of the order of a tenth of a nat: gamma must be close to omega. The middle token then peaks
near log(p_first d_first / (p_last d_last)) / (d_first + d_last), where d are its distances in
log-odds to the other two; this is far from 0 only if the token with the largest log-odds is
rare, hence the falling weights. Finally eps = 1/10 puts Delta CE(1) near 1, as in Figure 5.
The first weights in whole percent that did this were kept; nothing was fitted further.

N is contrastive (all of it in A B C), so M = 0 exactly on φ χ ψ: a concept with neither the
largest nor the smallest log-odds, whose probability vanishes at both ends, as in Figure 4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from steering_strength.theory import ConceptDataset, TiltedFamily, UnconstrainedFeatures

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_ROWS = 32  # strengths at a time: a vocabulary of 262,144 then takes 64 MiB
_TOKENS = tuple("abcABCφχψ")
_CONCEPTS = ("a b c", "A B C", "φ χ ψ")
_GAMMA = (57, 36, 7, 40, 35, 25, 50, 30, 20)  # percent, in concept
_OMEGA = (60, 34, 6, 45, 33, 22, 50, 30, 20)  # percent, off concept
# P and N as in Section 2.2 of the paper; four contexts of the third concept complete them.
_POSITIVE = ("aab", "bba", "acc", "cca")
_NEGATIVE = ("ABB", "AAB", "CAC", "CBA")
_OTHER = ("φχψ", "ψχψ", "φφχ", "χψφ")


@dataclass(frozen=True)
class Example:
    """A dataset with a steering direction and one simulated model of it.

    Attributes
    ----------
    data : ConceptDataset
    positive, negative : tuple of int
        P and N, as indices of contexts.
    target : int
        The concept T of P.
    simulation : UnconstrainedFeatures
        Interpolates the data exactly, in a random gauge: W A^-1 and A H with random A, and
        random logit shifts. Curves that depended on the gauge would not match the laws.
    """

    data: ConceptDataset
    positive: tuple[int, ...]
    negative: tuple[int, ...]
    target: int
    simulation: UnconstrainedFeatures

    def log_odds(self) -> FloatArray:
        """M(z), shape (V,), in nats per unit of alpha (Def. 3.2)."""
        return self.data.log_odds(self.positive, self.negative)

    @property
    def token_names(self) -> tuple[str, ...]:
        """What to call the tokens: their names, or their numbers."""
        return self.data.token_names or tuple(map(str, range(len(self.data.token_concept))))

    @property
    def concept_names(self) -> tuple[str, ...]:
        """What to call the concepts: their names, or their numbers."""
        return self.data.concept_names or tuple(map(str, range(len(self.data.concepts))))

    def context(self, name: str) -> int:
        """The index of a context from its name, such as ``"ABB"``."""
        return self.data.context_names.index(name)

    def family(self, name: str) -> TiltedFamily:
        """A context by name, steered, by the closed forms."""
        return self.data.family(self.context(name), self.log_odds())

    def simulated(self, alpha: FloatArray) -> FloatArray:
        """log p_alpha(z|c_j) of the simulated model, (A, m, V): matrix product and softmax."""
        vector = self.simulation.steering_vector(self.positive, self.negative)
        return self.simulation.steered_log_probability(vector, alpha)

    def increase(self, name: str, alpha: FloatArray) -> FloatArray:
        """p_alpha(z) - p(z) of the simulated model in a context by name, (A, V)."""
        index = self.context(name)
        before, after = (self.simulated(at)[:, index] for at in (np.zeros(1), alpha))
        return np.exp(after) - np.exp(before)


@cache
def paper_example(seed: int = 0) -> Example:
    """The nine-token example of the paper with the weights above; `seed` draws the gauge."""
    weighted = ConceptDataset.weighted(
        gamma=np.array(_GAMMA) / 100,
        omega=np.array(_OMEGA) / 100,
        token_concept=np.repeat([0, 1, 2], 3),
        epsilon=0.1,
        contexts_per_concept=4,
    )
    data = replace(
        weighted,
        token_names=_TOKENS,
        context_names=_POSITIVE + _NEGATIVE + _OTHER,
        concept_names=_CONCEPTS,
    )
    return Example(
        data=data,
        positive=tuple(range(4)),
        negative=tuple(range(4, 8)),
        target=0,
        simulation=UnconstrainedFeatures.interpolating(data, np.random.default_rng(seed)),
    )


def mixed_prompts(
    count: int, seed: int, heaviest: float
) -> tuple[UnconstrainedFeatures, FloatArray]:
    """Contexts that mix the example's concepts: a model that interpolates them, and v, (d,).

    Weights are drawn from a symmetric Dirichlet distribution with parameter `heaviest`, v is the
    difference of the means of the contexts that count to the first concept and to the second.
    """
    data, rng = paper_example().data, np.random.default_rng(seed)
    b = data.off_concept
    gaps = (data.in_concept - b) / (1.0 - b.sum())
    weights = rng.dirichlet([heaviest] * 3, size=count)
    mixed = ConceptDataset.mixed(b, gaps, data.token_concept, weights)
    ufm = UnconstrainedFeatures.interpolating(mixed, rng)
    first, second = (ufm.H[:, mixed.context_concept == c].mean(axis=1) for c in (0, 1))
    return ufm, np.asarray(first - second)


def columns(
    law: Callable[[FloatArray], FloatArray], alpha: FloatArray, tokens: NDArray[np.intp]
) -> FloatArray:
    """Some tokens of a law of shape (A, V), a few strengths at a time: (n, A)."""
    parts = [law(alpha[i : i + _ROWS])[:, tokens] for i in range(0, alpha.size, _ROWS)]
    return np.concatenate(parts).T


def highest(family: TiltedFamily, low: float, high: float) -> FloatArray:
    """The largest log p_alpha(z) of each token over low <= alpha <= high, (V,), low <= 0 <= high.

    A token is largest at its peak or, if that is outside, at the end next to it.
    """
    peaks, heights = family.peaks(), family.peak_log_probability()
    ends = family.log_probability([low, 0.0, high])
    inside = (peaks > low) & (peaks < high)
    return np.where(inside, np.maximum(heights, ends[1]), ends.max(axis=0))
