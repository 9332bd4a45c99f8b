"""Which alpha? The paper's open question, answered with its own laws.

The one idea: all that a user asks of a strength is a level of some function of alpha, the price
Delta CE, the effect F_T, a token's peak, and each of those levels is a bracketed root. Where the
logits are linear in the steered state (the Unconstrained Features Model, any causal language model
at the output of its final norm) no forward pass per alpha is needed at all, and every root is
certified.

Three instances: at most one nat of Delta CE (`cross_entropy=1`); the target tokens at half of the
probability or more (`level=0.5`); as strong as possible before a target token turns down
(`before_peak="rising"`). Any number of them at once gives a window [low, high], which may be empty
and says so.

Reading order: `demand` (what is asked), `curve` (of whom), `window` (the shape of the answer),
`context` (one context), `population` (many), `searched` (curves without certified roots), `scanned`
(closed forms that are no tilting), `joint` (several vectors), `summary` (in words, and in other
libraries' units).
"""

from __future__ import annotations

from steering_strength.theory.advice.advise import advise
from steering_strength.theory.advice.context import ContextAdvice, Guarantee
from steering_strength.theory.advice.curve import SteeredCurve
from steering_strength.theory.advice.demand import Demand
from steering_strength.theory.advice.joint import BudgetEllipse, JointFamily
from steering_strength.theory.advice.population import PopulationAdvice
from steering_strength.theory.advice.scanned import ScannedCurve
from steering_strength.theory.advice.summary import Equivalent, equivalents
from steering_strength.theory.advice.window import End, Point, Window

__all__ = [
    "BudgetEllipse",
    "ContextAdvice",
    "Demand",
    "End",
    "Equivalent",
    "Guarantee",
    "JointFamily",
    "Point",
    "PopulationAdvice",
    "ScannedCurve",
    "SteeredCurve",
    "Window",
    "advise",
    "equivalents",
]
