"""What a law may assume, and the analytic principles its rules rest on, each by name.

Assumptions are the paper's (arXiv:2602.02712, Sec. 2 and 3); a law lists those it uses, and a
law that lists none holds for any positive p and any real M. Principles are theorems of analysis
that the kernel does not prove; each is applied by a rule of `theory.laws.rules` to claims of a
checked form, and a step that comes out of one has the status `proved with rules`.
"""

from __future__ import annotations

from dataclasses import dataclass


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
    "$p(z|c_j) = a_z$ if token $z$ and context $c_j$ share a concept, and $b_z$ otherwise, with $1 "
    "> a_z > b_z > 0$",
    "arXiv:2602.02712, Sec. 2.1",
)
ASSUMPTION_2 = Assumption(
    "Assumption 2",
    r"the model is perfectly trained: $\mathrm{softmax}(W h_j) = p(\cdot|c_j)$ for every context",
    "arXiv:2602.02712, Sec. 3.1",
)
LINEAR_LOGITS = Assumption(
    "Linear logits",
    "the logits are an affine function $W h + c$ of the steered state $h$, as in the UFM or after "
    "the final norm of a transformer",
    "arXiv:2602.02712, Def. 2.2",
)
ASSUMPTIONS = (ASSUMPTION_1, ASSUMPTION_2, LINEAR_LOGITS)


@dataclass(frozen=True)
class Principle:
    """A theorem that a rule applies: what it says, a place to read it, its formal proof if any.

    `formal` is "THEOREM in FILE" of `proofs_check/formal`, a theorem that says the same.
    """

    name: str
    statement: str
    reference: str
    formal: str = ""


_RUDIN = "W. Rudin, Principles of Mathematical Analysis, 3rd ed."

PRINCIPLES = {
    p.name: p
    for p in (
        Principle(
            "sign of the derivative",
            r"If $f' > 0$ ($<$, $\ge$, $\le$) on an interval, $f$ strictly increases (strictly "
            r"decreases, does not decrease, does not increase) there.",
            f"{_RUDIN}, Thm 5.11",
            "increasing_between in analysis.v",
        ),
        Principle(
            "convexity",
            r"If $f'' \ge 0$ on an interval, $f$ is convex there; strictly if $f'' > 0$.",
            "S. Boyd and L. Vandenberghe, Convex Optimization, Sec. 3.1.4",
        ),
        Principle(
            "strict convexity",
            r"A strictly convex differentiable function on the line that tends to $+\infty$ at "
            r"both ends strictly falls to exactly one minimum and strictly rises after it.",
            f"{_RUDIN}, Thms 4.16 and 5.11: f' strictly increases and changes sign",
        ),
        Principle(
            "reciprocal",
            "If $f > 0$ and $1/f$ strictly falls (rises) on an interval, then $f$ strictly rises "
            "(falls) there.",
            r"order reversal of $x \to 1/x$ on the positive half-line",
        ),
        Principle(
            "affine image",
            "If $h = a f + c$ with $a > 0$ and $c$ constant, $h$ rises and falls where $f$ does.",
            "order of the real line",
        ),
        Principle(
            "instance",
            "What is claimed for all values of a variable holds at each of them.",
            "first-order logic",
        ),
        Principle(
            "equals for equals",
            "What is claimed of $g$ holds of $f$ if $f = g$ under the same hypotheses.",
            "equality",
        ),
        Principle(
            "stationary point",
            "A differentiable $f > 0$ with one peak and $f' = f (a - b)$ has its peak where $a = "
            "b$.",
            f"{_RUDIN}, Thm 5.8",
        ),
        Principle(
            "order of the logarithm",
            r"$0 < a \le b$ implies $\log a \le \log b$, and $\log(f/c)$ is largest where $f > 0$ "
            r"is.",
            "the logarithm increases",
        ),
        Principle(
            "order of an increasing function",
            "If $f$ strictly increases, $f(a) = u$ and $f(b) = w$, then $a < b$ if and only if $u "
            "< w$.",
            "order of the real line",
            "increasing_lt_iff in analysis.v",
        ),
        Principle(
            "two cases",
            r"If exactly one of two cases holds, $f > c$ in the first and $f \le c$ in the second, "
            r"then the first holds if and only if $f > c$.",
            "propositional logic",
        ),
        Principle(
            "combination of inequalities",
            r"If $a_i \geq 0$ and $c_i > 0$, then $\sum_i c_i a_i \geq 0$.",
            "arithmetic of real numbers",
        ),
        Principle(
            "order of the winners",
            "If functions of equal rank never change order, and one that is largest later has no "
            "smaller rank than one that is largest earlier, then the largest of $V$ functions, the "
            "first among exact ties, changes only to larger ranks, so at most $V - 1$ times.",
            "a strictly increasing sequence of $V$ ranks has at most $V$ terms",
        ),
        Principle(
            "both bounds",
            r"$a \le f$ and $f \le b$ is $a \le f \le b$.",
            "propositional logic",
        ),
        Principle(
            "zero of a quotient",
            "If $f = n/g$ with $g > 0$, $f$ vanishes exactly where $n$ does.",
            "arithmetic of real numbers",
        ),
        Principle(
            "detachment",
            "From `A if and only if B` and one of $A$, $B$ follows the other.",
            "propositional logic",
        ),
        Principle(
            "single crossing",
            "If $g$ is differentiable on an interval of positive $x$ and $x g' - g < 0$ there, "
            "then $g' < 0$ wherever $g = 0$; so $g$ has at most one zero there, is positive before "
            "it and negative after it.",
            f"{_RUDIN}, Thm 4.23: between two zeros crossed downwards one is crossed upwards",
        ),
        Principle(
            "Taylor's theorem",
            r"$f(\alpha) = f(0) + f'(0) \alpha + f''(0) \alpha^2/2 + \dots + f^{(n)}(0) "
            r"\alpha^n/n! + o(\alpha^n)$ for a function with $n$ derivatives at 0.",
            f"{_RUDIN}, Thm 5.15",
        ),
        Principle(
            "a convex function lies above its tangents",
            r"If $f$ is convex and differentiable, $f(0) = 0$ and $f'(0) = 0$, then $f \ge 0$, and "
            r"$f > 0$ away from 0 if it is strictly convex.",
            "S. Boyd and L. Vandenberghe, Convex Optimization, Sec. 3.1.3",
        ),
        Principle(
            "transitivity",
            r"$a \le b$ and $b \le c$ is $a \le c$, strictly if one of them is.",
            "order of the real line",
        ),
        Principle(
            "proved hypothesis",
            "What holds under a hypothesis holds where the hypothesis is proved.",
            "first-order logic",
        ),
        Principle(
            "value of an increasing function",
            r"If $f$ does not decrease and $f(b) \le c$, then $f(x) \le c$ for every $x \le b$.",
            "order of the real line",
        ),
        Principle(
            "square root",
            r"If $u^2 \le v$, then $u \le \sqrt{v}$.",
            r"the square root increases, and $u \le |u|$",
        ),
        Principle(
            "quotient of leading terms",
            r"If $f = a x + o(x)$ and $g = b x + o(x)$ with $b > 0$, then $f/g = a/b + o(1)$.",
            "limits of quotients",
        ),
        Principle(
            "one root on each side",
            "If $f$ is strictly convex and differentiable on the line, $f(0) = 0$ and "
            "$f'(0) = 0$, then $f$ strictly falls to 0 and strictly rises from it, without bound: "
            "every $c > 0$ is reached exactly once on each side.",
            f"{_RUDIN}, Thms 4.23 and 5.11: $f'$ strictly increases through 0, and "
            "$f(\\alpha) \\geq f(1) + f'(1) (\\alpha - 1)$",
        ),
        Principle(
            "induction over prefixes",
            "Prefixes are numbered by length: 0 is the empty one, and $V j + 1 + z$ is prefix "
            "$j$ followed by token $z$. If the sum of $F$ over the $V$ continuations of any "
            "prefix $j$ is $F(j) + g(j)$ (at most $F(j)$), then its sum over the texts "
            "$J, \\ldots, V J$ of the tree with the inner prefixes $0, \\ldots, J - 1$ is "
            "$F(0) + g(0) + \\ldots + g(J - 1)$ (at most $F(0)$).",
            "mathematical induction over $J$: prefix $J$ is a text until it gets its "
            "continuations $V J + 1, \\ldots, V J + V$",
        ),
        Principle(
            "mean value inequality",
            r"If $f$ is differentiable, $f(0) = 0$ and $|f'| \le R$, then $|f(\alpha)| \le R "
            r"|\alpha|$.",
            f"{_RUDIN}, Thm 5.10",
        ),
        Principle(
            "Grönwall's inequality",
            r"If $f \ge 0$ and $|f'| \le R f$ on the half-line $\alpha \ge 0$, then $f(0) e^{-R "
            r"\alpha} \le f(\alpha) \le f(0) e^{R \alpha}$.",
            r"$e^{R \alpha} f$ does not decrease, $e^{-R \alpha} f$ does not increase",
            "gronwall in radius.v",
        ),
        Principle(
            "integration of inequalities",
            r"If $l'' \le f'' \le u''$ for $\alpha \ge 0$, and $l$, $f$, $u$ and their slopes "
            r"vanish at 0, then $l \le f \le u$ for $\alpha \ge 0$.",
            f"{_RUDIN}, Thm 5.11 applied twice to the differences",
            "compare_second in asymptotics.v",
        ),
        Principle(
            "fundamental theorem of calculus",
            "A continuously differentiable function that vanishes at 0 is the integral of its "
            "derivative from 0.",
            f"{_RUDIN}, Thm 6.21",
        ),
        Principle(
            "Rolle's theorem",
            r"If $g' = b h$ with $b > 0$ and $g \to L$ at $-\infty$, then $g$ changes sign at most "
            r"as often as $L$ followed by $h$: between two signs of $g$, and between $L$ and a "
            r"value of $g$ on its other side, $g'$ has the sign of the difference.",
            f"{_RUDIN}, Thm 5.10",
            "diminish in variation.v",
        ),
        Principle(
            "positive factor",
            "If $f = a g$ with $a > 0$, then $f$ changes sign where $g$ does.",
            "order of the real line",
            "changes_map_aligned in variation.v",
        ),
        Principle(
            "one level at a time",
            r"If for all rising levels $m_0 < m_1 < \dots$ and weights $g_l > 0$ the slope of the "
            r"mean $F$ of $r$ changes sign at most as often as $r_1 - r_0$ followed by the slope "
            r"of the mean over the levels from $m_1$ on under some positive weights, then $F'$ "
            r"changes sign at most as often as $r_1 - r_0$, $r_2 - r_1$, $\dots$; over one level "
            r"$F' = 0$.",
            "induction on the number of levels",
            "ratio_slope_changes in variation.v",
        ),
        Principle(
            "parity of sign changes",
            r"If $F = \sum_l r_l g_l e^{x m_l} / \sum_l g_l e^{x m_l}$, if $F'$ changes sign at "
            r"most as often as the steps $r_{l+1} - r_l$, and if $F$ comes from $r_0$ on the side "
            r"of the first share that differs and goes to the last share from the side of the last "
            r"that differs, then the extrema of $F$ are finitely many, at most as many as the "
            r"turns of $r$, and of the same parity; for constant $r$ there are none.",
            "$F'$ is a finite sum of exponentials over a positive one, so it is 0 or has finitely "
            "many zeros; a sequence of signs changes an even number of times exactly if it ends as "
            "it begins",
            "ratio_extrema in extrema.v",
        ),
        Principle(
            "turns around zero",
            r"A sequence of numbers $\ge 0$ of which at least one and at most $N$ are not 0 turns "
            r"at most $2 N - 1$ times.",
            "counting: a turn upwards or downwards next to each number that is not 0",
            "turns_nonzero in variation.v",
        ),
        Principle(
            "implicit function",
            r"If $f$ has continuous derivatives and $f_\alpha \neq 0$, then along the curve of "
            r"constant $f$ through the point $d\alpha/dt = -f_t / f_\alpha$.",
            f"{_RUDIN}, Thm 9.28",
        ),
        Principle(
            "chain rule",
            r"If $\alpha$ moves with $t$ at the rate $\alpha'$, then $h(\alpha, t)$ moves at the "
            r"rate $h_t + h_\alpha \alpha'$.",
            f"{_RUDIN}, Thm 9.15",
        ),
        Principle(
            "chords of a convex function",
            r"If $f$ is convex, $f(0) \leq b$ and $f(1) \leq b$, then $f(x) \leq b$ for $0 \leq x "
            r"\leq 1$.",
            "S. Boyd and L. Vandenberghe, Convex Optimization, Sec. 3.1.1",
        ),
    )
}
