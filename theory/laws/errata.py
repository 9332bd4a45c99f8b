"""False readings of the paper, each refuted by an instance small enough to check by hand.

A claim is a `Law` whose steps prove that it fails. Datasets are given as
counts over a common denominator: b_z off the concept, b_z + g_z inside it, with the same sum of
gaps g in every concept, so that Assumption 1 holds exactly (N = sum of all b plus that sum).
"""

from __future__ import annotations

from collections.abc import Sequence

from sympy import Derivative, Expr, Integer, Rational, Symbol, exp, log, sqrt

from steering_strength.theory.laws.allocation import ALONG_V, EQUAL_PROMPTS, EVERY_PROMPT
from steering_strength.theory.laws.assumptions import ASSUMPTION_1
from steering_strength.theory.laws.claims import Identity, Inequality, Limit
from steering_strength.theory.laws.concept import CONCEPT_LIMIT
from steering_strength.theory.laws.concept_shape import CONCEPT_SHAPE
from steering_strength.theory.laws.cross_entropy import CE_LINEAR
from steering_strength.theory.laws.estimation import INFLUENCE, STANDARD_ERROR, TEXT_BIAS
from steering_strength.theory.laws.kernel import Sum
from steering_strength.theory.laws.law import Law
from steering_strength.theory.laws.mixed import MIXED_CONTEXTS
from steering_strength.theory.laws.notation import define
from steering_strength.theory.laws.operators import OPERATOR
from steering_strength.theory.laws.peaks_sign import PEAK_SIGN
from steering_strength.theory.laws.symbols import alpha, x, z
from steering_strength.theory.laws.tilting import LIMIT, b_z, d, k, odds, rows
from steering_strength.theory.laws.transformer import NORM_LIMIT, h


def _number(latex: str, value: Expr) -> Expr:
    """A number with a name."""
    return define("", (), value, latex=latex)()


# -- sign-separation -----------------------------------------------------------------------

_strict = Identity(
    odds(z),
    0,
    reason="a token whose concept does not occur in $N$: $q_z = 0$, and $P$ and $N$ both give "
    "$b_z$",
    given=rows(b_z, b_z),
)
STRICT = Law(
    id="sign-separation/outside-negative",
    title="$M$ is negative outside the target",
    source="a reading of arXiv:2602.02712, Lemma B.4",
    paper="$z$ outside $T$ implies $M(z) < 0$.",
    sharper="With three concepts and $N$ in one of them, tokens of the third have $M = 0$.",
    assumptions=(ASSUMPTION_1,),
    steps=(_strict,),
    twin="steering_strength.theory.model.dataset.ConceptDataset.log_odds",
)
_context_b = Inequality(
    log(Rational(1, 10) / Rational(2, 10)),
    0,
    relation="<",
    reason="one context each in $P$ and $N$, $z$ in $T$: $p(z|P) = 1/10$ is its in-concept value "
    "there, $p(z|N) = 2/10$ its off-concept value elsewhere; $1/10$ may exceed the off-concept "
    "value of its own context and still be less",
)
CONTEXT_DEPENDENT_B = Law(
    id="sign-separation/any-rows",
    title="Sign separation survives off-concept probabilities that depend on the context",
    source="a reading of arXiv:2602.02712, App. B.1",
    paper="$a_{j,z} > b_{j,z}$ for every context is enough for $z$ in $T$ to imply $M(z) > 0$.",
    sharper="It is not: $M$ compares different contexts, so $b$ must be common to all of them.",
    steps=(_context_b,),
    twin="steering_strength.theory.model.dataset.ConceptDataset.log_odds",
)

# -- limit ---------------------------------------------------------------------------------

_shared = Limit(
    Rational(1, 2) / (Rational(3, 4) + Rational(1, 4) * exp(-alpha)),
    Rational(2, 3),
    variable=alpha,
    reason=r"$p = (1/2, 1/4, 1/4)$ and $M = (1, 1, 0)$: the first token, divided by $e^{\alpha}$",
)
UNIFORM_SHARE = Law(
    id="limit/uniform-share",
    title=r"Ties at $\max M$ share the limit equally",
    source="a reading of arXiv:2602.02712, Prop. B.1",
    paper=r"If several tokens attain $\max M$, each has the same probability in the limit.",
    sharper="They share in proportion to $p$.",
    steps=(_shared, Inequality(Rational(2, 3), Rational(1, 2), reason="equal shares would be 1/2")),
    twin="steering_strength.theory.engine.family.TiltedFamily.limit",
)

_a, _b = Rational(19, 60), Rational(1, 120)  # smoothed, V = 9, ε = 1/20: a and b
_step = Symbol("L", positive=True)  # log(a/b): M is L in T, -L in the concept of N, else 0
_off_target = Limit(
    _b * exp(-_step * alpha) / (3 * _a + 3 * _b * exp(-_step * alpha)
    + 3 * _b * exp(-2 * _step * alpha)) - _b,
    -_b,
    variable=alpha,
    reason=r"three concepts of three tokens, $\varepsilon = 1/20$: $a = 19/60$, $b = 1/120$; the "
    r"context in $T$, $z$ in the concept of neither $P$ nor $N$, so $M(z) = 0$; divided by $e^{L "
    r"\alpha}$",
)  # fmt: skip
PRINTED_SIGNS = Law(
    id="limit/printed-signs",
    title="Off-target tokens lose $a_z$ in the limit where the context lies in $T$",
    source="arXiv:2602.02712, App. B.1, Eq. 8 and 9",
    paper=r"For $z$ outside $T$ the limit of $\Delta p(z|\alpha)$ at $+\infty$ is $-a_z$ where "
    r"$c_j$ lies in $T$, and $-b_z$ where it does not.",
    sharper=r"It is $-p(z|c_j)$: $-b_z$ where $c_j$ lies in $T$, $-a_z$ where $c_j$ shares the "
    r"concept of $z$. The split by $c_j \in T$ is right for $z$ in $T$ only.",
    assumptions=(ASSUMPTION_1,),
    steps=(_off_target, Inequality(-_b, -_a, reason="-1/120, not -19/60 as printed")),
    builds_on=(LIMIT,),
    twin="steering_strength.theory.engine.family.TiltedFamily.limit",
)

# -- peak-sign -----------------------------------------------------------------------------

_T = ((7, 19), (12, 1))  # (b_z, g_z) of the two target tokens; gaps sum to 20 in every concept
_C = ((1, 19), (18, 1))  # the concept of N; b sums to 19 in every concept: the weighted family
_N_TOTAL = 3 * 19 + 20
_z_odds = _number("M_2", log(Rational(13, 12)))
_average = _number(
    r"\mathbb{{E}}[M]",
    sum((Rational(bz, _N_TOTAL) * log(Rational(bz + gz, bz)) for bz, gz in _T), Integer(0))
    - sum((Rational(bz, _N_TOTAL) * log(Rational(bz + gz, bz)) for bz, gz in _C), Integer(0)),
)
_late = Inequality(
    _z_odds,
    _average,
    relation="<",
    reason="three concepts of two tokens, over 77: target $b = (7, 12)$, $a = (26, 13)$; the "
    "concept of $N$ $b = (1, 18)$, $a = (20, 19)$; the third likewise, and the context lies in it. "
    "By `peak-sign` the second target token peaks at negative strength",
)
EVERY_EPSILON = Law(
    id="peak-sign/every-eps",
    title=r"Target peaks are at positive strength for every admissible $\varepsilon$",
    source="a reading of arXiv:2602.02712, Remark 3.4",
    paper="With $c_j$ outside $T$ in the weighted family, peaks of target tokens are positive.",
    sharper=r"Only for $\varepsilon$ below the threshold of `peak-sign`; here $\varepsilon = 38/77 "
    r"< (G - 1)/G = 2/3$.",
    assumptions=(ASSUMPTION_1,),
    statement=_late,
    steps=(
        Identity(
            _number(r"\sum_T a", Rational(26 + 13, _N_TOTAL)),
            1 - Rational(38, _N_TOTAL),
            reason=r"a sums to $1 - \varepsilon$ and $b$ to $\varepsilon/(G - 1) = 19/77$ in every "
            r"concept: weighted family",
        ),
        _late,
    ),
    builds_on=(PEAK_SIGN,),
    twin="steering_strength.theory.engine.family.TiltedFamily.peaks",
)

_own = _number(
    r"\mathbb{{E}}[M]",
    Rational(8, 12) * log(8)
    + Rational(2, 12) * log(2)
    - Rational(1, 12) * log(8)
    - Rational(1, 12) * log(2),
)
_own_peak = Inequality(
    log(2),
    _own,
    relation="<",
    reason=r"two concepts of two tokens, over 12: $b = (1, 1)$ and $a = (8, 2)$ in both, $N$ in "
    r"the other concept, the context in $T$, $p = (8, 2, 1, 1)/12$. By `peak-sign` the second "
    r"target token, with $M = \log 2$, peaks at negative strength",
)
ANY_CONTEXT = Law(
    id="peak-sign/any-context",
    title=r"Target peaks are at positive strength for every context, $\varepsilon$ small",
    source="arXiv:2602.02712, Remark 3.4 as printed in the main text",
    paper=r"In the weighted family, with $\varepsilon$ small enough, peaks of target tokens are "
    r"positive, whatever the context $c_j$.",
    sharper=r"$c_j$ must lie outside $T$. In $T$ the mean log-odds are close to those of the "
    r"likeliest target tokens, and exceed the least of them by $\mathrm{KL}(\gamma_T \| \omega_T) "
    r"- \min_T \log(\gamma/\omega)$ as $\varepsilon$ tends to 0: its peak is at negative strength "
    r"for every small $\varepsilon$.",
    assumptions=(ASSUMPTION_1,),
    steps=(_own_peak,),
    builds_on=(PEAK_SIGN,),
    twin="steering_strength.theory.engine.family.TiltedFamily.peaks",
)

# -- concepts ------------------------------------------------------------------------------

t = Symbol("t", positive=True)  # 2^(-alpha/2)
_share = define("share", (t,), (2 * t**2 + t) / (3 * t**2 + 5 * t + 8 / t**6), latex="F_C")
_decreasing = Inequality(
    (7 * t**14 + 128 * t**7 + 56 * t**6) / (3 * t**8 + 5 * t**7 + 8) ** 2,
    0,
    reason=r"positive: $F_C$ rises with $t$, so it strictly falls with $\alpha$",
)
NECESSARY = Law(
    id="concept-monotone/necessary",
    title=r"A concept falls only if $\max_C M \le \min_{\bar C} M$",
    source="a reading of arXiv:2602.02712, Thm 3.6",
    paper=r"$\Delta p(C|\alpha)$ is decreasing only if $\max_C M \le \min_{\bar C} M$.",
    sharper="Monotone shares across levels are enough (`concept-shape`). Over 16, $c_j$ in $T$ and "
    "$N$ half in $C$, half in $D$: $T$ has $b = 1$, $a = 8$; $C$ has $b = (2, 1)$, $a = (8, 2)$; "
    "$D$ has $b = (1, 4)$, $a = (4, 8)$.",
    assumptions=(ASSUMPTION_1,),
    statement=_decreasing,
    steps=(
        Inequality(
            -log(2) / 2,
            -log(4) / 2,
            reason=r"$\max_C M = -\log(2)/2$ exceeds $\min_D M = -\log(4)/2$: the condition fails",
        ),
        Identity(
            Derivative(_share(t), t),
            _decreasing.lhs,
            reason=r"$F_C$ with $t = 2^{-\alpha/2}$: $e^{\alpha M}$ is $t^2$ at the lower level, "
            r"$t$ at the upper, $t^{-6}$ in $T$",
        ),
        _decreasing,
    ),
    builds_on=(CONCEPT_SHAPE,),
    twin="steering_strength.theory.engine.family.TiltedFamily.concept_log_odds",
)


def _concept_probability(
    labels: str, off: Sequence[int], gaps: Sequence[int], context: str, strength: int
) -> Expr:
    """F_C at an even strength, each token in the concept of its label, N half in C, half in D."""
    total, inside = Integer(0), Integer(0)
    for bz, gz, label in zip(off, gaps, labels, strict=True):
        ratio = Rational(bz + gz, bz)
        weight = (bz + gz) if label == context else bz
        term = weight * ratio ** (strength if label == "T" else Rational(-strength, 2))
        total += term
        inside += term if label == "C" else 0
    return inside / total


def _sequence(
    labels: str,
    off: Sequence[int],
    gaps: Sequence[int],
    context: str,
    path: Sequence[tuple[int, str, int]],
    name: str = "F_C",
) -> tuple[Inequality, ...]:
    def at(strength: int) -> Expr:
        value = _concept_probability(labels, off, gaps, context, strength)
        return _number(f"{name}({strength})", value)

    return tuple(
        Inequality(at(first), at(second), relation=relation, reason="a comparison of two rationals")
        for first, relation, second in path
    )


_two_bumps = _sequence(
    "TCCDD",
    (2, 4, 4, 3, 3),
    (6, 5, 1, 2, 4),
    "C",
    [(-20, "<", -10), (-10, ">", -6), (-6, "<", -2), (-2, ">", 0)],
)
_falls_rises_falls = _sequence(
    "TCCDD",
    (1, 3, 1, 2, 1),
    (2, 1, 1, 1, 1),
    "C",
    [(-20, ">", -8), (-8, "<", -2), (-2, ">", 0)],
    "F'_C",
)
_equal_sizes = _sequence(
    "TTCCDD",
    (1, 3, 1, 3, 1, 3),
    (8, 1, 3, 6, 1, 8),
    "C",
    [(-40, ">", -10), (-10, "<", -4), (-4, ">", 0)],
    "F''_C",
)
THREE_BEHAVIOURS = Law(
    id="concept-shape/three-behaviours",
    title="A concept's probability has exactly three behaviours",
    source="arXiv:2602.02712, prose after Thm 3.6",
    paper="Every concept rises, dies at both ends with one bump, or falls.",
    sharper=r"Tokens $T$, $C$, $C$, $D$, $D$, $N$ half in $C$ and half in $D$, context in $C$. "
    r"Over 22, $b = (2, 4, 4, 3, 3)$ and gaps $(6, 5, 1, 2, 4)$: $C$ bumps twice. Over 10, $b = "
    r"(1, 3, 1, 2, 1)$ and gaps $(2, 1, 1, 1, 1)$: $C$ falls, rises and falls. So it does with "
    r"tokens $T$, $T$, $C$, $C$, $D$, $D$ over 21, $b = (1, 3)$ in each concept and gaps $(8, 1), "
    r"(3, 6), (1, 8)$: concepts of equal size, and the weighted family with $\varepsilon = 8/21$, "
    r"$\gamma$ proportional to $(9, 4), (4, 9), (2, 11)$ and $\omega$ to $(1, 3)$.",
    assumptions=(ASSUMPTION_1,),
    steps=(*_two_bumps, *_falls_rises_falls, *_equal_sizes),
    builds_on=(CONCEPT_SHAPE,),
    twin="steering_strength.theory.engine.family.TiltedFamily.concept_log_odds",
)
_dies = Limit(
    exp(-alpha) / (1 + exp(-alpha) + exp(-2 * alpha)),
    0,
    variable=alpha,
    reason=r"$p = (1/3, 1/3, 1/3)$, $M = (1, 0, -1)$, $C$ the middle token, divided by "
    r"$e^{\alpha}$",
)
RETURNS = Law(
    id="concept-limit/returns",
    title="A concept without extremal tokens converges back to its unsteered value",
    source="arXiv:2602.02712, prose after Thm 3.6",
    paper=r"$\Delta p(C'|\alpha)$ converges back to its unsteered value.",
    sharper="Its probability goes to 0; the displayed formula of Thm 3.6 is right.",
    steps=(_dies, Inequality(Integer(0), Rational(1, 3), relation="<", reason="$F_C(0) = 1/3$")),
    builds_on=(CONCEPT_LIMIT,),
    twin="steering_strength.theory.engine.family.TiltedFamily.concept_increase",
)

# -- norm-limit ----------------------------------------------------------------------------

eps = Symbol("epsilon", positive=True)
far = Symbol("alpha", positive=True)
_eps_limit = Limit(
    1 / sqrt(1 + eps / far**2),
    Integer(1),
    variable=far,
    reason=r"$d = 1$, $v = 1$, $h = 0$, divided by $\alpha$: $\varepsilon$ is washed out",
)
EPSILON = Law(
    id="norm-limit/eps-of-v",
    title=r"The limit of steering under a final norm is $\mathrm{LN}_{\varepsilon}(\pm v)$",
    source="arXiv:2602.02712, Prop. 4.1, read with the norm of an implementation",
    paper=r"$\mathrm{LN}_{\varepsilon}(h + \alpha v) \to \mathrm{LN}_{\varepsilon}(\pm v)$ with "
    r"the $\varepsilon$ of the norm.",
    sharper=r"The limit is the norm of $\pm v$ at $\varepsilon = 0$; "
    r"$\mathrm{LN}_{\varepsilon}(\pm v)$ is shorter by the factor $\sqrt{1 + "
    r"\varepsilon/\mathrm{mean}\, v^2}$, which is 1 only for $|v|$ far above $\sqrt{d "
    r"\varepsilon}$.",
    steps=(
        _eps_limit,
        Inequality(
            1 / (1 + eps),
            Integer(1),
            relation="<",
            reason=r"$\mathrm{LN}_{\varepsilon}(v)$ is $1/\sqrt{1 + \varepsilon}$: its square is "
            r"not 1",
        ),
    ),
    builds_on=(NORM_LIMIT,),
    twin="steering_strength.theory.engine.transformer.NormedSteering.limit",
)
_level = Symbol("c", real=True)
_centred = Identity(
    (h[x] + alpha * _level) - Sum(h[k] + alpha * _level, (k, 0, d - 1)) / d,
    h[x] - Sum(h[k], (k, 0, d - 1)) / d,
    reason=r"$v = (c, \dots, c)$: centring removes $\alpha$ altogether, so the output is "
    r"$\mathrm{LN}(h)$ at every strength and never forgets the prompt",
)
CONSTANT_VECTOR = Law(
    id="norm-limit/constant-v",
    title="Under LayerNorm large strength forgets the prompt for every $v$",
    source="arXiv:2602.02712, Prop. 4.1",
    paper=r"$y(\alpha) \to \mathrm{LN}(\pm v) W^{\top}$ for every $v$.",
    sharper="Not if $v$ is constant across coordinates (or zero): LayerNorm does not see it.",
    steps=(_centred,),
    builds_on=(NORM_LIMIT,),
    twin="steering_strength.theory.engine.transformer.NormedSteering.limit",
)

# -- ce-linear -----------------------------------------------------------------------------

_steered = _number(
    r"\mathrm{{CE}}(\log 2)",
    -Rational(2, 3) * log(Rational(2, 3)) - Rational(1, 3) * log(Rational(1, 3)),
)
_better = Inequality(
    _steered,
    log(2),
    relation="<",
    reason=r"two tokens, the model says $(1/2, 1/2)$, the data $(2/3, 1/3)$, $M = (1, 0)$: steered "
    r"by $\log 2$ the model is $(2/3, 1/3)$, and its cross-entropy is below the $\log 2$ it starts "
    r"from",
)
ALWAYS_DEGRADES = Law(
    id="ce-linear/always-degrades",
    title="Steering necessarily degrades global performance",
    source="arXiv:2602.02712, prose on Thm 3.8",
    paper="Every steering strength other than 0 raises the cross-entropy.",
    sharper="Only if the model is calibrated along $v$, as under Assumption 2; else small steps "
    "one way lower it (`ce-linear`).",
    statement=_better,
    steps=(
        Identity(
            Rational(1, 2) * exp(alpha) / (Rational(1, 2) * exp(alpha) + Rational(1, 2))
            - Rational(2, 3),
            Rational(1, 3) - 1 / (exp(alpha) + 1),
            reason=r"the slope of the cross-entropy, $E_{\alpha}[M] - E_{\mathrm{data}}[M]$: "
            r"$-1/6$ at $\alpha = 0$",
        ),
        _better,
    ),
    builds_on=(CE_LINEAR,),
    twin="steering_strength.theory.engine.family.TiltedFamily.mean",
)

# -- influence, standard-error, text-bias: readings of what is beyond the paper -------------

_P_1 = (Integer(0), log(2) / 2, -log(2) / 2)  # a text of P minus the mean of P
_N_1 = (log(Rational(5, 4)) / 2, -log(Rational(16, 15)) / 2, -log(Rational(16, 15)) / 2)
_push = (Rational(50, 93), -Rational(25, 93), -Rational(25, 93))  # p_α - p


def _product(left: Sequence[Expr], right: Sequence[Expr]) -> Expr:
    return sum((a * b for a, b in zip(left, right, strict=True)), Integer(0))


_idle = Identity(
    _number(r"\langle p_\alpha - p, D_P \rangle", _product(_push, _P_1)),
    0,
    reason=r"P = $(1/2, 1/3, 1/6)$ and $(1/2, 1/6, 1/3)$, N = $(1/4, 3/8, 3/8)$ and "
    r"$(1/5, 2/5, 2/5)$, $p$ uniform, $\alpha = 2$: $e^{2 M} = (5, 10/27, 10/27)$ and $p_\alpha = "
    r"(27, 2, 2)/31$. Each text of P differs from the other on two tokens that steering moves "
    "alike: it moves no price",
)
LARGEST_NORM = Law(
    id="influence/largest-norm",
    title="The text that differs most from the others moves the strength most",
    source="a reading of `influence`, beyond arXiv:2602.02712, Def. 3.2",
    paper=r"The larger $|L_i - \mathrm{mean} L|$, the larger the influence of text $i$.",
    sharper=r"What counts is $\langle p_\alpha - p, L_i - \mathrm{mean} L \rangle$: a text may "
    "differ in directions that cost nothing.",
    steps=(
        _idle,
        Inequality(
            _number("|D_P|^2", _product(_P_1, _P_1)),
            _number("|D_N|^2", _product(_N_1, _N_1)),
            reason="yet it differs more than a text of N does,",
        ),
        Inequality(
            _number(r"\langle p_\alpha - p, D_N \rangle", _product(_push, _N_1)),
            0,
            reason="which moves it",
        ),
    ),
    builds_on=(INFLUENCE,),
    twin="steering_strength.theory.engine.estimation.estimate",
)

_alike, _unlike = log(Rational(9, 2)), log(Rational(4, 9))


def _squares(*scores: Expr) -> Expr:
    mean = sum(scores, 0) / len(scores)
    return sum(((score - mean) ** 2 for score in scores), Integer(0))


_none = Identity(
    _number(r"\sum_2 s^2", _squares(_alike, _alike)),
    0,
    reason=r"P = $(1/2, 1/3, 1/6)$ and $(1/2, 1/6, 1/3)$, N twice $(1/4, 3/8, 3/8)$, $p$ uniform: "
    r"$p_\alpha - p$ is a multiple of $(2, -1, -1)$, on which both texts of P have the score "
    r"$\log(9/2)$: no error at any $\alpha$",
)
MORE_TEXTS = Law(
    id="standard-error/more-texts",
    title="With one more text the standard error is smaller",
    source="a reading of `standard-error`, beyond arXiv:2602.02712, Def. 3.2",
    paper="More texts always make the strength surer.",
    sharper="On average they do; one that is unlike the others raises the estimated error, and "
    "rightly so.",
    steps=(
        _none,
        Inequality(
            _number(r"\sum_3 s^2", _squares(_alike, _alike, _unlike)),
            0,
            reason=r"with a third text $(1/4, 3/8, 3/8)$, of score $\log(4/9)$, there is one",
        ),
    ),
    builds_on=(STANDARD_ERROR,),
    twin="steering_strength.theory.engine.estimation.estimate",
)

_strength, _a, _b = (Symbol(name, positive=True) for name in ("alpha", "a", "b"))
_harmonic = define("h", (_a, _b), 2 / (1 / _a + 1 / _b))
_shorter = Inequality(
    _strength / Rational(3, 2),
    (_strength + _strength / 2) / 2,
    relation="<",
    reason=r"$M$ and $2 M$ have the strengths $\alpha$ and $\alpha/2$ at any budget, their mean, "
    r"$\frac{3}{2} M$, has $\frac{2}{3} \alpha$",
)
ARITHMETIC = Law(
    id="text-bias/arithmetic",
    title="The mean of two vectors bears at least the mean of their strengths",
    source="a reading of `text-bias`, beyond arXiv:2602.02712, Def. 3.2",
    paper=r"Few texts make $\alpha$ too small on average.",
    sharper=r"They make $1/\alpha$ too large: the harmonic mean is the bound, and it is attained.",
    statement=_shorter,
    steps=(
        Identity(
            _harmonic(_strength, _strength / 2),
            _strength / Rational(3, 2),
            reason="it is their harmonic mean",
        ),
        _shorter,
    ),
    builds_on=(TEXT_BIAS,),
    twin="steering_strength.theory.engine.estimation.estimate",
)

# -- mixed-contexts, operator: readings of what is beyond the paper -------------------------

_opposite = Inequality(
    log(Rational(6 * 3, 4 * 4)) / 2,
    0,
    reason=r"over 24: two tokens of $T$ and one of $C$; $P$ has a pure context of each, (6, 15, 3) "
    r"and (3, 3, 18), and $N$ twice the mixture (4, 7, 13) with the weight 1/3 on $T$. The first "
    r"token of $T$: $6 \cdot 3 > 4 \cdot 4$",
)
_other_sign = Inequality(
    log(Rational(15 * 3, 7 * 7)) / 2,
    0,
    relation="<",
    reason=r"the second: $15 \cdot 3 < 7 \cdot 7$",
)
ONE_SIGN = Law(
    id="mixed-contexts/one-sign",
    title="In mixed contexts $M$ has one sign on each concept",
    source="a reading of Lemma B.4 for the mixed contexts of arXiv:2602.02712, Sec. 6",
    paper="All tokens of a concept have $M$ of one sign, as in pure contexts.",
    sharper=r"Only if $\min_P w \geq \max_N w$ or the reverse; else it depends on $a_z / b_z$.",
    steps=(_opposite, _other_sign),
    builds_on=(MIXED_CONTEXTS,),
    twin="steering_strength.theory.model.mixed.mixed_log_odds",
)
_subtracted = Limit(
    exp(1 - alpha) / (exp(1 - alpha) + 1),
    0,
    variable=alpha,
    reason=r"two tokens, $W = 1$, $h = (1, 0)$, $u = (1, 0)$: subtracting $\alpha u$ leaves the "
    r"logits $(1 - \alpha, 0)$",
)
ABLATION_LIMIT = Law(
    id="operator/ablation-limit",
    title="Ablation is the limit of subtraction",
    source="a reading of arXiv:2602.02712, Sec. 6 (other steering methods)",
    paper=r"Projecting $u$ out of the state does what subtracting $\alpha u$ does as "
    r"$\alpha \to \infty$.",
    sharper=r"It is steering at the finite strength $-\langle u, h_j \rangle$ (`operator`).",
    steps=(
        _subtracted,
        Inequality(
            Rational(1, 2),
            0,
            reason=r"ablation leaves the logits $(0, 0)$, and the first token keeps 1/2",
        ),
    ),
    builds_on=(OPERATOR,),
    twin="steering_strength.theory.engine.population.TiltedPopulation.log_probability",
)

CLAIMS = (
    STRICT,
    CONTEXT_DEPENDENT_B,
    UNIFORM_SHARE,
    PRINTED_SIGNS,
    EVERY_EPSILON,
    ANY_CONTEXT,
    NECESSARY,
    RETURNS,
    THREE_BEHAVIOURS,
    EPSILON,
    CONSTANT_VECTOR,
    ALWAYS_DEGRADES,
    LARGEST_NORM,
    MORE_TEXTS,
    ARITHMETIC,
    ONE_SIGN,
    ABLATION_LIMIT,
    EVERY_PROMPT,
    ALONG_V,
    EQUAL_PROMPTS,
)
