"""Steering strength: what happens to a language model when `h <- h + alpha v`.

The one idea: **steering is exponential tilting.** Adding `alpha v` to the hidden state of a
model whose logits are linear in it multiplies the probability of every token z by
`exp(alpha M(z))` and renormalises, where M(z) are the log-odds of the steering vector. The
normaliser's logarithm K(alpha) is the cumulant generating function of M, and every law of
the theory is a property of K.

Three instances of the idea:

* a token's probability bumps once, where K'(alpha) = M(z) (`peak`, Thm 3.3);
* a concept's log-odds is a difference of two such K, hence the tanh law (`concept-tanh`, Thm 3.6);
* the cross-entropy grows by K(alpha) - alpha K'(0), a Kullback-Leibler divergence
  (`ce-exact`, which contains the quadratic law of Thm 3.8).

Reading order: `theory.laws.assumptions` (what is assumed), `theory.model` (datasets and the
Unconstrained Features Model), `theory.laws` (the laws, derived step by step with SymPy),
`theory.engine` (the same laws as numbers, in log space with NumPy), `theory.advice` (which alpha
meets a demand: those numbers the other way round). Theorem numbers refer to
arXiv:2602.02712. The laws never import NumPy and the engine never imports SymPy, so that the
two derivations stay independent; names below are loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from steering_strength import _on_first_use

if TYPE_CHECKING:
    from steering_strength.theory.advice import advise
    from steering_strength.theory.engine.family import TiltedFamily
    from steering_strength.theory.engine.transformer import NormedSteering
    from steering_strength.theory.laws import LAWS
    from steering_strength.theory.model.dataset import ConceptDataset
    from steering_strength.theory.model.ufm import UnconstrainedFeatures

__all__ = [
    "LAWS",
    "ConceptDataset",
    "NormedSteering",
    "TiltedFamily",
    "UnconstrainedFeatures",
    "advise",
]

_HOME = {
    "LAWS": "steering_strength.theory.laws",
    "ConceptDataset": "steering_strength.theory.model.dataset",
    "NormedSteering": "steering_strength.theory.engine.transformer",
    "TiltedFamily": "steering_strength.theory.engine.family",
    "UnconstrainedFeatures": "steering_strength.theory.model.ufm",
    "advise": "steering_strength.theory.advice",
}


__getattr__, __dir__ = _on_first_use(__name__, _HOME)


if __name__ == "theory":  # in a checkout
    from steering_strength import _under_short_name

    _under_short_name("theory")
