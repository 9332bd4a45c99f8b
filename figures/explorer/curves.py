"""Every number of the page, computed by the engine: one record per context of an instance.

The page looks numbers up and computes no law. A window of strengths gets nodes spaced like the
values of sinh, closer round 0, and on top of them every landmark inside it exactly: 0, the peaks,
the turning points of concepts, the ends of the quadratic's guarantee and of strength windows. The
slider moves over these nodes only, so whatever the page shows was computed at that very strength.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from steering_strength.figures.explorer.cases import Case, View
from steering_strength.figures.instances import BoolArray, FloatArray, columns, highest
from steering_strength.figures.store import Record
from steering_strength.theory import TiltedFamily
from steering_strength.theory.engine.population import TiltedPopulation
from steering_strength.theory.errors import ProbabilityError

BUDGETS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
SHOWN = 14
"""Tokens with a bar of their own; the others share one."""

PROMISE = 0.10
"""The radius marked on the page is where the quadratic is guaranteed within this share."""

_NODES = 160
_FINEST = 4.0
"""asinh units from 0 to the far end: neighbours at 0 are about four times closer than there."""


def curves(case: Case) -> tuple[Record, ...]:
    """All contexts of an instance.

    Returns
    -------
    name : str
    shown : (n,) int
        The tokens with a bar of their own, by increasing log-odds.
    log_odds, base : (n,)
        M(z), and p(z|c_j).
    peak, peak_increase : (n,)
        alpha_(j,z), and Delta p there or in the limit.
    limit : (2, n)
        Probabilities as alpha -> -inf and +inf.
    rest_base : float
        Probability of all tokens that are not shown, at alpha = 0.
    concept_base : (G,)
        F_C(0).
    concept_limit : (2, G)
        F_C as alpha -> -inf and +inf.
    turns : tuple of tuples of float, length G
        Extrema of F_C inside the windows.
    radius : float
        |alpha| within which the quadratic is guaranteed within `PROMISE`; inf for constant M.
    windows : Record
        See `windows`.
    landmarks : tuple of Record
        Strengths worth stopping at: alpha, and why as text.
    views : tuple of Record
        Curves over one window each, see `view_curves`.
    """
    return tuple(_context(case, j) for j in range(len(case.contexts)))


def _context(case: Case, context: int) -> Record:
    family, masks, chosen = case.family(context), case.masks(), views(case)
    peaks, heights = family.peaks(), family.peak_log_probability()
    limit = np.exp(np.stack([family.limit(-1), family.limit(+1)]))
    shown = _shown(case, family, chosen[0])
    concept_base = expit(family.concept_log_odds(masks, 0.0))
    at = np.unique(np.concatenate([grid(view.low, view.high) for view in chosen]))
    turns = tuple(turning_points(family, mask, at) for mask in masks)
    radius = family.quadratic_radius(PROMISE)
    found = windows(family, masks[case.target])
    sure = "the quadratic is sure to 10 % up to here"
    marks = [
        (0.0, "no steering"),
        *((float(peaks[z]), f"‘{case.tokens[z]}’ peaks") for z in shown),
        *((at, f"{{{case.concept_names[c]}}} turns") for c, row in enumerate(turns) for at in row),
        *((-radius, sure), (radius, sure)),
    ]
    marks = [(at, text) for at, text in marks if np.isfinite(at)]
    # The slider also stops where windows begin and end, so that the price there can be read.
    stops = [*(at for at, _ in marks), *found.budget_alpha.ravel(), *found.level_alpha]
    base = np.exp(family.log_probability(0.0)[shown])
    return Record(
        name=case.contexts[context],
        shown=shown,
        log_odds=case.log_odds[shown],
        base=base,
        peak=peaks[shown],
        peak_increase=np.exp(heights[shown]) - base,
        limit=limit[:, shown],
        rest_base=float(rest[0]) if (rest := _rest(family, shown, np.zeros(1))).size else 0.0,
        concept_base=concept_base,
        concept_limit=np.array(
            [[expit(family.concept_limit(mask, sign)) for mask in masks] for sign in (-1, 1)]
        ),
        turns=turns,
        radius=radius,
        windows=found,
        landmarks=tuple(Record(alpha=at, text=text) for at, text in marks),
        views=tuple(view_curves(case, family, view, nodes(view, stops), shown) for view in chosen),
    )


def _shown(case: Case, family: TiltedFamily, view: View) -> np.ndarray:
    """The `SHOWN` named tokens that get largest somewhere in the window, sorted by M."""
    best = np.where(case.named, highest(family, view.low, view.high), -np.inf)
    first = np.argsort(-best, kind="stable")[:SHOWN]
    first = first[np.isfinite(best[first])]
    if not first.size:
        raise ProbabilityError(
            f"no named token of {case.title} has support in one of its contexts",
            remedy="name a token with p > 0 in each",
        )
    return np.asarray(first[np.lexsort((first, case.log_odds[first]))])


def view_curves(
    case: Case, family: TiltedFamily, view: View, alpha: FloatArray, shown: np.ndarray
) -> Record:
    """The curves of one context over one window.

    Returns
    -------
    label, low, high
        The window.
    alpha : (A,)
        The nodes, increasing.
    probability, increase : (n, A)
        p_alpha(z) and Delta p(z|alpha), Def. 3.1, of the tokens shown.
    rest : (A,)
        Probability of all tokens that are not shown; empty if there are none.
    mean : (A,)
        E_alpha[M], nats per unit of alpha.
    concept, concept_increase : (G, A)
        F_C(alpha), and Delta p(C|alpha) of Def. 3.5.
    cross_entropy, average : (A,)
        KL(p || p_alpha) of this context, and Delta CE over those of the instance, nats.
    quadratic, lower, upper : (A,)
        alpha^2 Var(M) / 2, and where the range of M guarantees the cross-entropy to lie.
    asymptote : (A,)
        The line it approaches on the side of alpha.
    """
    masks = case.masks()
    lower, upper = family.cross_entropy_bounds(alpha)
    (down, falling), (up, rising) = (family.cross_entropy_asymptote(sign) for sign in (-1, 1))
    average = TiltedPopulation(case.log_p, case.log_odds, case.weights)
    return Record(
        **view._asdict(),
        alpha=alpha,
        probability=np.exp(columns(family.log_probability, alpha, shown)),
        increase=columns(family.probability_increase, alpha, shown),
        rest=_rest(family, shown, alpha),
        mean=family.mean(alpha),
        concept=expit(family.concept_log_odds(masks, alpha)).T,
        concept_increase=family.concept_increase(masks, alpha).T,
        cross_entropy=family.cross_entropy_increase(alpha),
        average=average.average_cross_entropy_increase(alpha),
        quadratic=family.taylor(2)[-1] * alpha**2,
        lower=lower,
        upper=upper,
        asymptote=np.where(alpha < 0.0, down * -alpha + falling, up * alpha + rising),
    )


def _rest(family: TiltedFamily, shown: np.ndarray, alpha: FloatArray) -> FloatArray:
    others = np.ones(family.size, dtype=bool)
    others[shown] = False
    if not others.any():
        return np.zeros(0)
    return np.asarray(expit(family.concept_log_odds(others, alpha)))


def grid(low: float, high: float) -> FloatArray:
    """160 strengths from low < 0 to high > 0, spaced like sinh, with 0 among them."""
    scale = max(-low, high) / _FINEST
    ends = np.arcsinh(np.array([low, high]) / scale)
    values = scale * np.sinh(np.linspace(ends[0], ends[1], _NODES))
    values[0], values[-1] = low, high
    values[np.abs(values).argmin()] = 0.0
    return values


def nodes(view: View, stops: Sequence[float]) -> FloatArray:
    """The strengths of a window: its grid, and every stop inside it exactly."""
    plain = grid(view.low, view.high)
    special = np.unique([at for at in stops if view.low <= at <= view.high])
    # A grid point right beside a stop would only be a step that shows nothing.
    distance = np.abs(plain[:, None] - special).min(axis=1)
    step = np.gradient(plain)
    kept = plain[distance > 0.25 * step]
    return np.unique(np.concatenate((kept, special, [view.low, view.high])))


def views(case: Case) -> tuple[View, ...]:
    """The windows of an instance: its own, or from its divergences and its limits.

    Close is where steering costs at most 0.2 nat on either side in the first context, middle 2
    nats, and wide where the distribution is within 5 % of its limit (total variation).
    """
    if case.views:
        return case.views
    family = case.family(0)
    if not np.ptp(family.log_odds[family.log_p > -np.inf]) > 0.0:
        return (View("all", -1.0, 1.0),)
    close = [_rounded(family.alpha_for_cross_entropy(0.2, sign)) for sign in (-1, 1)]
    middle = [_rounded(family.alpha_for_cross_entropy(4.0, sign)) for sign in (-1, 1)]
    far = [_rounded(family.alpha_for_limit(0.05, sign)) for sign in (-1, 1)]
    wide = [min(far[0], 1.5 * middle[0]), max(far[1], 1.5 * middle[1])]
    return (
        View("middle", *_even(middle)),
        View("close", *_even(close)),
        View("wide", *_even(wide)),
    )


def _even(ends: Sequence[float]) -> tuple[float, float]:
    """At most eight times as far to one side as to the other, so that neither is squeezed flat."""
    low, high = ends
    return max(low, -8.0 * high), min(high, -8.0 * low)


def _rounded(alpha: float) -> float:
    """Away from 0 to two significant digits: round ends for an axis."""
    if alpha == 0.0:
        return 0.0
    unit = 10.0 ** (np.floor(np.log10(abs(alpha))) - 1)
    return float(f"{np.sign(alpha) * np.ceil(abs(alpha) / unit) * unit:.2g}")


def turning_points(family: TiltedFamily, tokens: BoolArray, at: FloatArray) -> tuple[float, ...]:
    """Where F_C rises and falls by turns: roots of mu_C - mu_rest.

    Each root is a sign change between neighbours of `at`; two turns between two neighbours would
    be missed, no turn is invented.
    """
    support = family.log_p > -np.inf
    parts = [mask & support for mask in (tokens, ~tokens)]
    if not all(mask.any() for mask in parts):
        return ()
    inside, outside = (family.conditional(mask) for mask in parts)

    def difference(alpha: FloatArray | float) -> FloatArray:
        return np.asarray(inside.mean(alpha) - outside.mean(alpha))

    values = difference(at)
    crossings = np.flatnonzero(values[:-1] * values[1:] < 0.0)
    return tuple(float(brentq(lambda a: float(difference(a)), at[i], at[i + 1])) for i in crossings)


def windows(family: TiltedFamily, target: BoolArray) -> Record:
    """Solve for every budget and level of the menu.

    Returns
    -------
    budget_alpha : (2, B)
        Where each budget is spent on the negative and on the positive side; +-inf if never.
    budget_probability : (B,)
        F_T at the positive one: the most that the budget buys where F_T increases.
    level_alpha : (L,)
        First alpha >= 0 with F_T >= level; inf if never.
    level_cost : (L,)
        KL(p || p_alpha) there, nats; inf if never.
    reason : tuple of str, length L
        Why a level is never reached, else empty.
    """
    budgets = np.array(
        [[family.alpha_for_cross_entropy(b, sign) for b in BUDGETS] for sign in (-1, 1)]
    )
    roots = [family.concept_root(target, level, 1) for level in LEVELS]
    reached = np.array([root.alpha for root in roots])
    return Record(
        budget_alpha=budgets,
        budget_probability=_where_finite(
            budgets[1], lambda at: expit(family.concept_log_odds(target, at)), np.nan
        ),
        level_alpha=reached,
        level_cost=_where_finite(reached, family.cross_entropy_increase, np.inf),
        reason=tuple(root.reason for root in roots),
    )


def _where_finite(
    alpha: FloatArray, law: Callable[[FloatArray], FloatArray], otherwise: float
) -> FloatArray:
    result = np.full(alpha.shape, otherwise)
    finite = np.isfinite(alpha)
    result[finite] = law(alpha[finite])
    return result
