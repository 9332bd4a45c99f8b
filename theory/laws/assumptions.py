"""What a law may assume, and the analytic principles it may appeal to, each by name.

Assumptions are the paper's (arXiv:2602.02712, Sec. 2 and 3); a law lists those it uses, and a
law that lists none holds for any positive p and any real M. Principles are theorems of analysis
that SymPy does not prove; a step that appeals to one has the status `assumed`.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "ASSUMPTIONS",
    "ASSUMPTION_1",
    "ASSUMPTION_2",
    "LINEAR_LOGITS",
    "PRINCIPLES",
    "Assumption",
    "Principle",
]


@dataclass(frozen=True)
class Assumption:
    """A hypothesis on the data or the model: its name, what it says, where the paper states it."""

    name: str
    statement: str
    source: str

    def __str__(self) -> str:
        return self.name


ASSUMPTION_1 = Assumption(
    "Assumption 1",
    "p(z|c_j) = a_z if token z and context c_j share a concept, and b_z otherwise, "
    "with 1 > a_z > b_z > 0",
    "arXiv:2602.02712, Sec. 2.1",
)
ASSUMPTION_2 = Assumption(
    "Assumption 2",
    "the model is perfectly trained: softmax(W h_j) = p(.|c_j) for every context",
    "arXiv:2602.02712, Sec. 3.1",
)
LINEAR_LOGITS = Assumption(
    "Linear logits",
    "the logits are an affine function W h + c of the steered state h, "
    "as in the UFM or after the final norm of a transformer",
    "arXiv:2602.02712, Def. 2.2",
)
ASSUMPTIONS = (ASSUMPTION_1, ASSUMPTION_2, LINEAR_LOGITS)


@dataclass(frozen=True)
class Principle:
    """A theorem that is appealed to by name: what it says and a place to read it."""

    name: str
    statement: str
    reference: str


_RUDIN = "W. Rudin, Principles of Mathematical Analysis, 3rd ed."
_KARLIN = "S. Karlin, Total Positivity, vol. I, Stanford University Press, 1968"

PRINCIPLES = {
    p.name: p
    for p in (
        Principle(
            "intermediate value theorem",
            "A continuous strictly increasing function that tends to a at -∞ and to b at +∞ takes "
            "every value strictly between a and b exactly once.",
            f"{_RUDIN}, Thm 4.23",
        ),
        Principle(
            "single crossing",
            "A differentiable function on an interval whose derivative is negative wherever the "
            "function is zero has at most one zero, is positive before it and negative after it.",
            f"{_RUDIN}, Thm 4.23: between two zeros crossed downwards one is crossed upwards",
        ),
        Principle(
            "sign of the derivative",
            "A differentiable function with a positive (negative, non-negative, non-positive) "
            "derivative on an interval is strictly increasing (strictly decreasing, "
            "non-decreasing, non-increasing) there.",
            f"{_RUDIN}, Thm 5.11",
        ),
        Principle(
            "strict convexity",
            "A twice differentiable function on the line with a positive second derivative that "
            "tends to +∞ at both ends has exactly one stationary point; it strictly falls before "
            "it and strictly rises after it.",
            "S. Boyd and L. Vandenberghe, Convex Optimization, Sec. 3.1",
        ),
        Principle(
            "reciprocal",
            "If 1/f is positive and strictly falls (rises) on an interval, then f strictly rises "
            "(falls) there.",
            "order reversal of x -> 1/x on the positive half-line",
        ),
        Principle(
            "inverse of an increasing function",
            "The inverse of a continuous strictly increasing function is strictly increasing: it "
            "preserves and reflects the order of its arguments.",
            "order of the real line",
        ),
        Principle(
            "relabelling",
            "Tokens may be renumbered, so that those of a given set come first, and M may be "
            "replaced by -M together with α by -α: nothing here depends on either.",
            "a finite sum does not depend on the order of its terms, nor α M on the two signs",
        ),
        Principle(
            "vanishing sum",
            "A finite sum of non-negative terms is zero only if every term is.",
            "order of the real line",
        ),
        Principle(
            "Taylor's theorem",
            "f(α) = f(0) + f'(0) α + f''(0) α²/2 + ... + f⁽ⁿ⁾(0) αⁿ/n! + o(αⁿ) for a function with "
            "n derivatives at 0.",
            f"{_RUDIN}, Thm 5.15",
        ),
        Principle(
            "integration of inequalities",
            "If f(0) = g(0), f'(0) = g'(0) and f'' <= g'' on an interval around 0, then f <= g "
            "there.",
            f"{_RUDIN}, Thm 5.11 applied twice to g - f",
        ),
        Principle(
            "Grönwall's inequality",
            "If f > 0 and |f'| <= R f on the line, then f(0) e^(-R|α|) <= f(α) <= f(0) e^(R|α|).",
            "the derivative of log f lies in [-R, R]",
        ),
        Principle(
            "fundamental theorem of calculus",
            "A continuously differentiable function is its value at 0 plus the integral of its "
            "derivative.",
            f"{_RUDIN}, Thm 6.21",
        ),
        Principle(
            "squeeze",
            "If a function lies between two functions with a common limit, it has that limit.",
            "order of limits",
        ),
        Principle(
            "Rolle's theorem",
            "If a differentiable function changes sign n times, its derivative changes sign at "
            "least n - 1 times: it is negative somewhere between a positive value and a later "
            "negative one, and positive in the opposite case.",
            f"{_RUDIN}, Thm 5.10",
        ),
        Principle(
            "total positivity",
            "The minors of the matrix e^(α_j m_l), α_j and m_l increasing, are positive; and a "
            "matrix whose minors on adjacent rows and any columns are all positive has no other "
            "minor that is not (Fekete).",
            f"{_KARLIN}, Ch. 1 and 2",
        ),
        Principle(
            "variation diminishing",
            "If no minor of the matrix w_l(α_j), l and α_j increasing, is negative, then "
            "Σ_l c_l w_l(α) changes sign in α at most as often as (c_l) does in l.",
            f"{_KARLIN}, Ch. 5",
        ),
        Principle(
            "induction",
            "A statement that holds for 0 sign changes, and for n whenever it holds for n - 1, "
            "holds for every number of sign changes.",
            "Peano's axioms",
        ),
        Principle(
            "counting turns",
            "A function whose slope has the same sign near both ends has an even number of "
            "interior "
            "extrema, and an odd number otherwise; between two peaks of a sequence lies one "
            "valley.",
            "elementary; spelled out in the step that uses it",
        ),
        Principle(
            "triangle inequality",
            "|a - b| <= |a - c| + |c - b|, and the length of a vector is at most the sum of the "
            "lengths of its parts.",
            "Euclidean norm",
        ),
        Principle(
            "continuity on a compact set",
            "A continuous function is bounded on a bounded closed set, and its value at a limit is "
            "the limit of its values.",
            f"{_RUDIN}, Thm 4.15",
        ),
        Principle(
            "Gibbs' inequality",
            "Σ_z p_z log(p_z/q_z) >= 0 for probability vectors p and q > 0, with equality only for "
            "p = q.",
            "T. M. Cover and J. A. Thomas, Elements of Information Theory, Thm 2.6.3",
        ),
    )
}
