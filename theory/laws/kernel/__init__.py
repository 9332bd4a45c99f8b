"""The kernel that decides steps: identities, signs and limits, each sound before complete.

`normal_form` proves equations, `signs` inequalities, `limits` limits at infinity, all for sums
of symbolic length and under hypotheses of the forms in `facts`. None of them searches; what a
rule does not settle is undecided, which a derivation shows as `unknown`.
"""

from steering_strength.theory.laws.kernel.binding import Sum
from steering_strength.theory.laws.kernel.facts import (
    Bounded,
    Fact,
    Given,
    Let,
    Sign,
    Split,
    Undecided,
)
from steering_strength.theory.laws.kernel.limits import limit_at_infinity
from steering_strength.theory.laws.kernel.normal_form import NormalForm, decide_equal, decide_sign

__all__ = [
    "Bounded",
    "Fact",
    "Given",
    "Let",
    "NormalForm",
    "Sign",
    "Split",
    "Sum",
    "Undecided",
    "decide_equal",
    "decide_sign",
    "limit_at_infinity",
]
