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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import logsumexp

from steering_strength.proofs_check.bridge.curve import MeasuredCurve, measured
from steering_strength.proofs_check.bridge.loading import SelfCheckError
from steering_strength.proofs_check.bridge.structure import precision
from steering_strength.proofs_check.bridge.texts import TokenBatch, pad
from steering_strength.proofs_check.bridge.vectors import FINAL_NORM
from steering_strength.theory import TiltedFamily
from steering_strength.theory.engine.sequences import Direction, SampledTexts, interval, statistic
from steering_strength.theory.engine.transformer import local_cross_entropy, local_divergence
from steering_strength.theory.engine.validation import as_budget, as_level, as_positive, as_sign
from steering_strength.theory.errors import BudgetError

if TYPE_CHECKING:
    from steering_strength.proofs_check.bridge.model import SteeredModel

Floats = NDArray[np.float64]

# Logits that are held at once.
_CELLS = 1 << 22
_STEP = {True: 0.1, False: 0.01}  # of the central difference, in units of 1 / sd(M)
# A correction on given texts: log alpha by at most so much a step, until the target is met this
# closely, in so many passes; and how far from the alpha they were written at texts speak for it.
_STRETCH, _CLOSE, _READS, _NEAR = math.log(2.0), 0.01, 4, 0.1


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
    its 90 % `interval` and all `costs`: at the final norm of the unsteered texts, at a block of the
    texts of the last of at most two steered `rollouts`. `settled`: whether these cost the target,
    and were written within 10 % of `alpha` or cost it, within the interval, as they were written.
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


class Reading:
    """Texts read again under steering: what the tokens behind their prompts cost at any alpha.

    The texts are held at the lowest site of the vector, so that each strength costs a pass above.
    `tokens` and `text`, (n,), are those tokens, one text after the other, and whose they are.
    """

    def __init__(self, model: SteeredModel, vector: Any, texts: TokenBatch) -> None:
        self.model, self.vector, self.texts = model, vector, texts
        rows = texts.written
        self.tokens = np.concatenate(rows)
        self.text = np.repeat(np.arange(len(rows)), [row.size for row in rows])
        self._held = model.hold(texts, vector.site, vector.apply)

    def _log_probability(self, alpha: float) -> Floats:
        """Log-probabilities, (n, V), from which the tokens were chosen."""
        return self.model.log_softmax(self._held.writing(alpha, self.vector))

    @cached_property
    def _base(self) -> Floats:
        return self._log_probability(0.0)

    def losses(self, *alphas: float) -> Floats:
        """-log p of each token under steering, (A, n), in pieces of the vocabulary's size."""
        found = []
        for labels, *rows in self._pieces(alphas):
            place = np.arange(labels.size), labels
            found.append(np.stack([-self.model.log_softmax(row)[place] for row in rows]))
        return np.concatenate(found, axis=1)

    def derivatives(self, step: float) -> Floats:
        """Slope and curvature of each token's loss at alpha = 0, and Var(M_loc) there, (3, n).

        By central differences of the logits at -step, 0 and step.
        """
        found = []
        for labels, *rows in self._pieces((-step, 0.0, step)):
            low, middle, high = (self.model.logits(row).cpu().numpy() for row in rows)
            log_p = middle - logsumexp(middle, axis=1, keepdims=True)
            data = np.zeros_like(log_p)
            data[np.arange(labels.size), labels] = 1.0
            slope, bend = (high - low) / (2 * step), (high - 2 * middle + low) / step**2
            variance = 2.0 * local_divergence(log_p, slope)
            found.append((*local_cross_entropy(log_p, data, slope, bend), variance))
        return np.concatenate(found, axis=1)

    def _pieces(self, alphas: Sequence[float]) -> Iterator[tuple[Any, ...]]:
        """A few tokens at a time, with the normed states before them at every alpha."""
        size = max(1, _CELLS // (4 * self.model.vocabulary))
        states = (self._held.writing(a, self.vector).split(size) for a in alphas)
        cuts = range(size, self.tokens.size, size)
        return zip(np.split(self.tokens, cuts), *states, strict=True)

    def costs(self, alpha: float) -> TokenCosts:
        """Measured."""
        base, steered = self._base, self._log_probability(alpha)
        change = base - steered
        return TokenCosts(
            forward=(np.exp(base) * change).sum(axis=1).clip(0.0),
            reverse=-(np.exp(steered) * change).sum(axis=1).clip(None, 0.0),
            surprise=-base[np.arange(self.tokens.size), self.tokens],
            text=self.text,
        )

    def sampled(self) -> SampledTexts:
        """The texts, written without steering, with M at every position: what any alpha does.

        Exact at the final norm; elsewhere M is the derivative.
        """
        model, vector = self.model, self.vector
        if _at_norm(vector):
            model.require_affine()
            odds = model.direction(vector.values)
        else:
            # sd(M_loc) at the ends of a few texts is the scale of the difference's step.
            few = self.texts.take(range(min(self.texts.rows, 4)))
            families = model.derivative(None, vector, few)
            variance = float(np.mean([family.variance(0.0) for family in families]))
            step = _STEP[precision(model.dtype) > 1e-5] / math.sqrt(variance)
            low, high = (self._log_probability(a) for a in (-step, step))
            odds = (high - low) / (2.0 * step)
        return SampledTexts(self._base, odds, self.tokens, self.text)


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
    goal, side = as_positive(per_token, "per_token", BudgetError), as_sign(sign)
    share = None if percentile is None else as_level(percentile, "percentile")
    vector = model.fitting(vector)
    how: Any = {"temperature": temperature, "seed": seed}
    reading = Reading(model, vector, model.continued(contexts, length, **how))
    root = reading.sampled().root(goal, side, share, direction)
    if not root.reached:
        raise BudgetError(f"per_token is {goal:g}: {root.reason}", remedy="ask for less")
    alpha, used, settled = root.alpha, 0, _at_norm(vector)
    costs = reading.costs(alpha)
    if not settled:
        alpha, costs = _costing(reading, alpha, costs, goal, direction, share)
    # Where texts cost the target depends on where they were written: `place`, at first 0. It is
    # moved to where the two agree, by secants.
    predicted, place, before, gap = alpha, alpha, 0.0, alpha
    while not settled and used < rollouts:
        with model.steered(vector, place):
            texts = model.continued(contexts, length, **how)
        reading = Reading(model, vector, texts)
        used, costs = used + 1, reading.costs(place)
        low, high = costs.interval(direction, share, seed)
        inside = low <= goal <= high
        alpha, costs = _costing(reading, place, costs, goal, direction, share)
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
    reading: Reading, alpha: float, costs: TokenCosts, goal: float, direction: Direction,
    share: float | None,
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
        costs = reading.costs(alpha)
        slope = math.log(max(costs.statistic(direction, share), 1e-300) / found) / step
        power = float(np.clip(slope, 0.5, 4.0))
    return alpha, costs


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
        if _at_norm(self._vector):
            model.require_affine()
            self._odds = model.direction(self._vector.values)
        self._padding = None if mask is None else (mask == 0).sum(dim=1).tolist()
        self.alphas: list[Floats] = []
        self.costs: list[Floats] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Steer the scores, (B, V), of the next token."""
        if _at_norm(self._vector):
            base = torch.log_softmax(scores.cpu().double(), dim=-1).numpy()
            curves: list[Any] = [TiltedFamily(row, self._odds) for row in base]
            roots = [abs(c.cross_entropy_root(self._nats, self._sign).alpha) for c in curves]
            # Where no alpha spends the budget, and none is the largest, there is no steering.
            found = [min(root, self._largest) for root in roots]
            alphas = [self._sign * a if math.isfinite(a) else 0.0 for a in found]
        else:
            curves, asked = self._measured(input_ids.cpu()), (self._nats, self._sign, self._largest)
            MeasuredCurve.together([(curve, "spending", asked) for curve in curves])
            alphas = [curve.spending(*asked).alpha for curve in curves]
        pairs = list(zip(curves, alphas, strict=True))
        self.alphas.append(np.array(alphas))
        self.costs.append(np.array([float(c.cross_entropy_increase(a)) for c, a in pairs]))
        with np.errstate(invalid="ignore"):  # tokens that another processor has ruled out stay so
            shift = np.stack([curve.log_probability(alpha) - curve.log_p for curve, alpha in pairs])
        return scores + torch.as_tensor(np.nan_to_num(shift, nan=0.0)).to(scores)

    def _measured(self, ids: torch.Tensor) -> list[MeasuredCurve]:
        """Curves of the texts so far, without their padding."""
        padding = self._padding or [0] * len(ids)
        rows = [row[skip:] for row, skip in zip(ids.tolist(), padding, strict=True)]
        held = self._model.hold(pad(rows), self._vector.site, self._vector.apply)
        return measured(held, self._vector)


def samples(
    model: SteeredModel, vector: Any, context: Any, alphas: Sequence[float], length: int
) -> list[tuple[str, float, float, float]]:
    """Continue one context by the `length` likeliest tokens under each of `alphas`, in one batch.

    Each comes as (text, cost, surprise, repeated): the mean KL(base || steered) and the mean -log p
    in the unsteered model, nats per generated token, and the share of its trigrams that occurred
    before: whether it is still fluent.

    Raises SelfCheckError: the steering hook did not fire in some decoding step.
    """
    batch = model.encode([context]).take([0] * len(alphas))
    with model.steered(vector, list(alphas)) as steering:
        texts = model.continued(batch, length)
    new = texts.written
    if steering.fired < max(map(len, new)):
        raise SelfCheckError(
            f"the steering hook fired {steering.fired} times for {max(map(len, new))} tokens",
            remedy="the model decodes without passing through the site",
        )
    end, found = model.tokenizer.eos_token_id, []
    for j, (row, alpha) in enumerate(zip(new, alphas, strict=True)):
        costs = Reading(model, vector, texts.take([j])).costs(alpha)
        ids = [z for z in row.tolist() if z != end]
        means = float(costs.forward.mean()), float(costs.surprise.mean())
        found.append((str(model.tokenizer.decode(ids)), *means, repeated(ids)))
    return found


def repeated(tokens: Sequence[int], size: int = 3) -> float:
    """Share of the n-grams of a text that occurred before in it: broken text repeats itself."""
    grams = [tuple(tokens[i : i + size]) for i in range(len(tokens) - size + 1)]
    return 1.0 - len(set(grams)) / len(grams) if grams else 0.0


def _at_norm(vector: Any) -> bool:
    return len(vector.parts) == 1 and bool(vector.site == FINAL_NORM)
