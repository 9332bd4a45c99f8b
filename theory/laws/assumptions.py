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
            f"{_RUDIN}, Thm 4.17",
        ),
        Principle(
            "relabelling",
            "Tokens may be renumbered, so that those of a given set come first: nothing here "
            "depends on their order.",
            "sums over a finite set do not depend on the order of summation",
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
            "Between two consecutive zeros of a differentiable function its derivative has a zero, "
            "and a sign change of the function's derivative separates them: a function with n sign "
            "changes has a derivative with at least n - 1.",
            f"{_RUDIN}, Thm 5.10",
        ),
        Principle(
            "variation diminishing",
            "If ρ has T turns along the levels of X, then α -> E_α[ρ(X)] has at most T interior "
            "extrema when the law of X is an exponential family with natural parameter α.",
            "S. Karlin, Total Positivity, vol. I, Stanford University Press, 1968, Ch. 5 and 6",
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
