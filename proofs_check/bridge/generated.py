"""Generated text: what steering costs per token, the strength for a target, budgeted decoders.

At the final norm v is the same at every step, so the costs of all strengths follow from texts that
were never steered (`sequence-ce`): a target per token is a root, and no steered text is generated.
At a block the derivative at every position seeds the same prediction, and one pass reads given
texts again at any alpha, so each set of texts has an alpha at which it costs the target. At most
two steered roll-outs move the texts there: alpha is settled if they were written close to it, or
cost the target within their bootstrap interval as they were written. A percentile over a few
hundred tokens is noisy; the mean is smoother, and forward it is convex: prefer it. What a nat is:
on SmolLM2 a next-token budget of 0.5 nats read steered and fluent, 2 nats was the edge and 4 broke
the text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from steering_strength.proofs_check.bridge.curve import derivatives
from steering_strength.proofs_check.bridge.steer import Normed, several
from steering_strength.proofs_check.bridge.structure import precision
from steering_strength.proofs_check.bridge.texts import TokenBatch, pad
from steering_strength.proofs_check.bridge.vectors import FINAL_NORM
from steering_strength.theory import TiltedFamily
from steering_strength.theory.engine.sequences import Direction, SampledTexts, interval, statistic
from steering_strength.theory.engine.validation import as_budget, as_level, as_sign
from steering_strength.theory.errors import BudgetError

if TYPE_CHECKING:
    from steering_strength.proofs_check.bridge.model import SteeredModel

Floats = NDArray[np.float64]

_STEP = {True: 0.1, False: 0.01}  # of the central difference, in units of 1 / sd(M)
# A correction on given texts: log alpha by at most so much a step, until the target is met this
# closely, in so many passes; and how far from the alpha they were written at texts speak for it.
_STRETCH, _CLOSE, _READS, _NEAR = math.log(2.0), 0.01, 4, 0.1
_TOGETHER = 16  # texts in a pass
# A decoder at a block aims at this share of its budget, is content above the other, and measures
# so many strengths a token at most.
_AIM, _CONTENT, _TRIES = 0.97, 0.8, 4


class TokenCosts(NamedTuple):
    """What each of n generated tokens cost, (n,) each; texts one after the other.

    In nats: `forward` KL(base || steered) and `reverse` KL(steered || base) where the token was
    chosen, `surprise` -log p of the token in the unsteered model. `text` says whose it is.
    """

    forward: Floats
    reverse: Floats
    surprise: Floats
    text: NDArray[np.int64]

    def statistic(self, direction: Direction, percentile: float | None) -> float:
        """The mean per token, or a percentile pooled over all tokens."""
        return float(statistic(getattr(self, direction), percentile))

    def interval(
        self, direction: Direction, percentile: float | None, seed: int = 0
    ) -> tuple[float, float]:
        """Bootstrap interval of the statistic, 90 %."""
        return interval(getattr(self, direction), self.text, percentile, seed)


@dataclass(frozen=True, eq=False)
class TrajectoryAdvice:
    """The strength `alpha` for a cost per generated token, and what it took to find it.

    `target` nats, of the mean or (`percentile`) of a quantile over tokens, in that `direction`, are
    reached at `predicted` by unsteered texts alone. `achieved` is the statistic at `alpha`, with
    its 90 % `interval` and all `costs`: predicted at the final norm, at a block measured on texts
    of the last of at most two steered `rollouts`. `settled`: whether these cost the target, and
    were written within 10 % of `alpha` or cost it, within the interval, as they were written.
    """

    alpha: float
    target: float
    percentile: float | None
    direction: Direction
    predicted: float
    achieved: float
    interval: tuple[float, float]
    rollouts: int
    costs: TokenCosts
    settled: bool

    def __str__(self) -> str:
        what = "the mean" if self.percentile is None else f"percentile {100 * self.percentile:g}"
        low, high = self.interval
        costs = self.costs
        lines = [
            f"alpha = {self.alpha:.4g} for {self.target:g} nats per generated token"
            f" ({what} of {self.direction} KL)",
            f"  there: {self.achieved:.4g}, 90 % interval {low:.4g} to {high:.4g},"
            f" {costs.forward.size} tokens, {self.rollouts} steered roll-outs",
            f"  predicted from unsteered texts: alpha = {self.predicted:.4g}",
            f"  mean forward / reverse: {costs.forward.mean():.3g} / {costs.reverse.mean():.3g}"
            f" nats; unsteered surprise of the text: {costs.surprise.mean():.3g} nats per token",
        ]
        if not self.settled:
            lines.append("  NOT SETTLED: texts written that strongly may cost something else")
        return "\n".join(lines)


def token_costs(
    model: SteeredModel, vector: Any, alpha: float, texts: TokenBatch, prompts: Sequence[int]
) -> TokenCosts:
    """Costs of the tokens behind each prompt, measured by an unsteered and a steered pass."""
    return _reader(model, vector, texts, prompts)(alpha)


def _reader(
    model: SteeredModel, vector: Any, texts: TokenBatch, prompts: Sequence[int],
    base: Floats | None = None,
) -> Callable[[float], TokenCosts]:  # fmt: skip
    """`token_costs` of these texts at any alpha; the unsteered pass is made once, or is `base`."""
    if base is None:
        base = _log_probabilities(model, texts, prompts)
    chosen, owners = _written(texts, prompts)
    surprise = -base[np.arange(chosen.size), chosen]

    def read(alpha: float) -> TokenCosts:
        steered = _log_probabilities(model, texts, prompts, vector, alpha)
        change = base - steered
        forward = (np.exp(base) * change).sum(axis=1).clip(0.0)
        reverse = -(np.exp(steered) * change).sum(axis=1).clip(None, 0.0)
        return TokenCosts(forward, reverse, surprise, owners)

    return read


def advise_trajectories(
    model: SteeredModel,
    vector: Any,
    contexts: Any,
    per_token: float,
    *,
    percentile: float | None = None,
    direction: Direction = "forward",
    length: int = 24,
    sign: int = 1,
    rollouts: int = 2,
    temperature: float = 0.0,
    seed: int = 0,
) -> TrajectoryAdvice:
    """The alpha at which generated tokens cost `per_token` nats, by mean or by percentile.

    Parameters
    ----------
    percentile : float, optional
        Between 0 and 1: the target is this quantile over all tokens; default the mean. The pooled
        95th percentile of the reverse KL on greedy texts at 1 nat is the one target others use.
    direction : {"forward", "reverse"}
        KL(base || steered) or KL(steered || base) of each next-token distribution.
    length, rollouts : int
        Tokens generated behind each context; steered roll-outs allowed at a block.

    Raises
    ------
    BudgetError
        The target is not positive and finite, or costs stay below it.
    """
    goal, side = as_budget(per_token, "per_token"), as_sign(sign)
    if not 0.0 < goal < math.inf:
        raise BudgetError(f"per_token is {per_token}", remedy="give a positive number of nats")
    share = None if percentile is None else as_level(percentile, "percentile")
    vector = model.fitting(vector)
    how: Any = {"temperature": temperature, "seed": seed}
    texts = model.continued(contexts, length, **how)
    unsteered = sampled_texts(model, vector, *texts)
    root = unsteered.root(goal, side, share, direction)
    if not root.reached:
        raise BudgetError(f"per_token is {goal:g}: {root.reason}", remedy="ask for less")
    alpha, used, settled = root.alpha, 0, _at_norm(vector)
    if settled:
        surprise = -unsteered.log_p[np.arange(unsteered.tokens.size), unsteered.tokens]
        both = unsteered.token_costs(alpha), unsteered.token_costs(alpha, "reverse")
        costs = TokenCosts(*both, surprise, unsteered.text)
    else:
        read = _reader(model, vector, *texts, unsteered.log_p)
        alpha, costs = _costing(read, alpha, read(alpha), goal, direction, share)
    # Where texts cost the target depends on where they were written: `place`, at first 0. It is
    # moved to where the two agree, by secants.
    predicted, place, before, gap = alpha, alpha, 0.0, alpha
    while not settled and used < rollouts:
        with model.steered(vector, place):
            texts = model.continued(contexts, length, **how)
        read = _reader(model, vector, *texts)
        used, costs = used + 1, read(place)
        low, high = costs.interval(direction, share, seed)
        inside = low <= goal <= high
        alpha, costs = _costing(read, place, costs, goal, direction, share)
        settled = inside or abs(math.log(alpha / place)) <= _NEAR
        change = alpha - place - gap
        aim = place - (alpha - place) * (place - before) / change if change else alpha
        before, gap = place, alpha - place
        place = alpha * float(np.clip(aim / alpha, 0.5, 2.0))
    low, high = costs.interval(direction, share, seed)
    return TrajectoryAdvice(
        alpha, goal, share, direction, predicted=predicted,
        achieved=costs.statistic(direction, share), interval=(low, high), rollouts=used,
        costs=costs, settled=settled and low <= goal <= high,
    )  # fmt: skip


def _costing(
    read: Callable[[float], TokenCosts], alpha: float, costs: TokenCosts, goal: float,
    direction: Direction, share: float | None,
) -> tuple[float, TokenCosts]:  # fmt: skip
    """The alpha at which texts cost the goal, and these costs, from what they cost at `alpha`.

    By steps along a power of alpha: 2 near 0 and less further out, as the last step showed.
    """
    power = 2.0
    for _ in range(_READS):
        found = costs.statistic(direction, share)
        if abs(found / goal - 1.0) < _CLOSE or not found > 0.0:
            break
        step = float(np.clip(math.log(goal / found) / power, -_STRETCH, _STRETCH))
        alpha *= math.exp(step)
        costs = read(alpha)
        slope = math.log(max(costs.statistic(direction, share), 1e-300) / found) / step
        power = float(np.clip(slope, 0.5, 4.0))
    return alpha, costs


def judge_slope(
    model: SteeredModel,
    vector: Any,
    contexts: Any,
    judge: Callable[[str], float],
    *,
    samples: int = 8,
    length: int = 16,
    seed: int = 0,
) -> tuple[float, float, float]:
    """(mean, slope at alpha = 0, its standard error) of a judge of texts, from unsteered samples.

    `sequence-score`: d/dalpha E f = Cov(f, sum_t (M(x_t) - K_t'(0))), exact at the final norm, and
    at a block with M_loc at every position. The error is that of `samples` texts per context.
    """
    batch = model.encode(contexts)
    batch = batch.take([j for j in range(batch.rows) for _ in range(samples)])
    texts, prompts = model.continued(batch, length, temperature=1.0, seed=seed)
    rows = texts.behind(prompts)
    judged = np.array([float(judge(model.tokenizer.decode(row.tolist()))) for row in rows])
    slope, error = sampled_texts(model, model.fitting(vector), texts, prompts).slope(judged)
    return float(judged.mean()), float(slope), float(error)


class KLBudget:
    """A logits processor that steers, and spends at most `nats` of KL(p || p_alpha) on every token.

    So the strength adapts to prompt and token: where the concept is out of place a small alpha is
    all that a nat buys. Put it first: it forms the distributions itself.

        budget = KLBudget(model, vector, 0.3)
        hf_model.generate(..., logits_processor=LogitsProcessorList([budget]))

    At the final norm each step's alpha is a root in closed form, and costs no pass. Elsewhere (one
    block, or several vectors) the derivative of the logits along the steering gives it to first
    order, the steered text so far is read once, and again if more than the budget, or less than
    four fifths of it, was spent: three to five passes over the text a token, from the site on.

    Parameters
    ----------
    model : SteeredModel
    vector : SteeringVector, or several
    nats : float
    sign : {+1, -1}
    largest : float
        No alpha is larger.
    mask : torch.Tensor, optional
        Shape (B, T): the prompts' attention mask, where they are padded on the left.

    Attributes
    ----------
    alphas, costs : list of numpy.ndarray
        Each step's strengths and what they really cost, one per row of the batch.
    """

    def __init__(
        self,
        model: SteeredModel,
        vector: Any,
        nats: float,
        *,
        sign: int = 1,
        largest: float = math.inf,
        mask: torch.Tensor | None = None,
    ) -> None:
        self._model, self._vector = model, model.fitting(vector)
        self._nats, self._sign, self._largest = as_budget(nats, "nats"), as_sign(sign), largest
        self._odds: Floats | None = None
        if _at_norm(self._vector):
            if model.structure.not_affine is not None:
                raise model.structure.not_affine
            self._odds = model.direction(self._vector)
        self._padding = None if mask is None else (mask == 0).sum(dim=1).tolist()
        self.alphas: list[Floats] = []
        self.costs: list[Floats] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Steer the scores, (B, V), of the next token."""
        if self._odds is not None:
            base = torch.log_softmax(scores.cpu().double(), dim=-1).numpy()
            families = [TiltedFamily(row, self._odds) for row in base]
            alphas = np.array([self._seed(family) for family in families])
            pairs = zip(families, alphas.tolist(), strict=True)
            costs = np.array([float(family.cross_entropy_increase(a)) for family, a in pairs])
            shift = np.outer(alphas, self._odds)
        else:
            alphas, costs, shift = self._measured(input_ids.cpu())
        self.alphas.append(alphas)
        self.costs.append(costs)
        return scores + torch.as_tensor(shift).to(scores)

    def _seed(self, family: TiltedFamily) -> float:
        """The alpha of the budget, 0 where none spends it."""
        alpha = family.cross_entropy_root(self._nats, self._sign).alpha
        alpha = self._sign * min(abs(alpha), self._largest)
        return alpha if math.isfinite(alpha) else 0.0

    def _measured(self, ids: torch.Tensor) -> tuple[Floats, Floats, Floats]:
        """Strengths, costs, and the change of the log-probabilities, (B, V), at a block."""
        model, vector, goal = self._model, self._vector, self._nats
        padding = self._padding or [0] * len(ids)
        batch = pad([row[skip:] for row, skip in zip(ids.tolist(), padding, strict=True)])
        first, *_ = several(vector)
        held = model.hold(batch, first.site, first.apply)
        base, rows = model.log_softmax(held.base), list(range(held.count))
        tried = np.array([self._seed(one.family()) for one in derivatives(held, vector)])
        alphas, costs, change = np.zeros(len(rows)), np.zeros(len(rows)), np.zeros_like(base)
        for _ in range(_TRIES):
            moved = model.log_softmax(held.last_normed(rows, tried[rows], vector)) - base[rows]
            spent = -(np.exp(base[rows]) * moved).sum(axis=1).clip(None, 0.0)
            best = (spent <= goal) & (spent >= costs[rows])
            kept = np.array(rows)[best]
            alphas[kept], costs[kept], change[kept] = tried[kept], spent[best], moved[best]
            # sqrt(KL) / |alpha| changes slowly: a secant through the origin.
            with np.errstate(divide="ignore"):
                factor = np.clip(np.sqrt(_AIM * goal / spent), 0.1, 2.0)
            tried[rows] = np.clip(tried[rows] * factor, -self._largest, self._largest)
            far = (spent > goal) | ((spent < _CONTENT * goal) & (np.abs(tried[rows]) > 0.0))
            rows = np.array(rows)[far & (np.abs(tried[rows]) != np.abs(alphas[rows]))].tolist()
            if not rows:
                break
        return alphas, costs, change


def repeated(tokens: Sequence[int], size: int = 3) -> float:
    """Share of the n-grams of a text that occurred before in it: broken text repeats itself."""
    grams = [tuple(tokens[i : i + size]) for i in range(len(tokens) - size + 1)]
    return 1.0 - len(set(grams)) / len(grams) if grams else 0.0


def sampled_texts(
    model: SteeredModel, vector: Any, texts: TokenBatch, prompts: Sequence[int]
) -> SampledTexts:
    """Unsteered texts with M at every position: exact at the final norm, else the derivative."""
    log_p = _log_probabilities(model, texts, prompts)
    chosen, owners = _written(texts, prompts)
    if _at_norm(vector):
        if model.structure.not_affine is not None:
            raise model.structure.not_affine
        return SampledTexts(log_p, model.direction(vector), chosen, owners)
    # sd(M_loc) at the ends of a few prompts is the scale of the difference's step.
    few = [texts.row(j).ids[0, : prompts[j]].tolist() for j in range(min(texts.rows, 4))]
    variances = [local.variance for local in model.derivative(None, vector, pad(few))]
    step = _STEP[precision(model.dtype) > 1e-5] / math.sqrt(float(np.mean(variances)))
    low, high = (_log_probabilities(model, texts, prompts, vector, a) for a in (-step, step))
    return SampledTexts(log_p, (high - low) / (2.0 * step), chosen, owners)


def _at_norm(vector: Any) -> bool:
    return getattr(vector, "site", None) == FINAL_NORM


def _written(
    texts: TokenBatch, prompts: Sequence[int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The tokens behind all prompts, (n,), and whose they are, (n,)."""
    rows = texts.behind(prompts)
    return np.concatenate(rows), np.repeat(np.arange(len(rows)), [row.size for row in rows])


def _log_probabilities(
    model: SteeredModel, texts: TokenBatch, prompts: Sequence[int], vector: Any = None,
    alpha: float = 0.0,
) -> Floats:  # fmt: skip
    """Log-probabilities, (n, V), from which the tokens behind all prompts were chosen."""
    found, first = [], 0
    for piece in texts.chunks(_TOGETHER):
        starts = torch.as_tensor(prompts[first : first + piece.rows]) - 1
        first += piece.rows
        with ExitStack() as stack:
            if vector is not None and alpha != 0.0:
                places: torch.Tensor = torch.ones(piece.ids.shape, dtype=torch.bool)
                if several(vector)[0].apply == "last":
                    places = torch.arange(piece.ids.shape[1]) >= starts[:, None]
                stack.enter_context(model.steered(vector, alpha, positions=places))
            out = stack.enter_context(Normed(model))
            model.forward(piece.ids, piece.mask if piece.padded else None, last_only=True)
        model.cost.add(piece.rows, piece.ids.shape[1], 1.0)
        for row, start, end in zip(out.value, starts.tolist(), piece.last.tolist(), strict=True):
            found.append(model.log_softmax(row[start:end]))
    return np.concatenate(found)
