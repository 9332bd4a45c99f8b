"""Generated text: what steering costs per token, the strength for a target, a budgeted decoder.

At the final norm v is the same at every step, so the costs of all strengths follow from texts that
were never steered (`sequence-ce`): a target per token is a root, and no steered text is generated.
At a block the same prediction is made with the derivative at every position, good to a quarter;
then at most two steered roll-outs correct it. A percentile over a few hundred tokens is noisy: the
correction stops inside its bootstrap interval. The mean is smoother, and forward it is convex:
prefer it. What a nat is: on SmolLM2 a next-token budget of 0.5 nats read steered and fluent, 2 nats
was the edge and 4 broke the text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from steering_strength.proofs_check.bridge.steer import Normed
from steering_strength.proofs_check.bridge.structure import precision
from steering_strength.proofs_check.bridge.texts import TokenBatch, pad
from steering_strength.proofs_check.bridge.vectors import FINAL_NORM, SteeringVector
from steering_strength.theory import TiltedFamily
from steering_strength.theory.engine.sequences import (
    Direction,
    SampledTexts,
    interval,
    statistic,
)
from steering_strength.theory.engine.validation import as_budget, as_level, as_sign
from steering_strength.theory.errors import BudgetError

if TYPE_CHECKING:
    from steering_strength.proofs_check.bridge.model import SteeredModel

__all__ = [
    "KLBudget",
    "TokenCosts",
    "TrajectoryAdvice",
    "advise_trajectories",
    "repeated",
    "roll_out",
    "sampled_texts",
    "token_costs",
]

Floats = NDArray[np.float64]

_STEP = {True: 0.1, False: 0.01}  # of the central difference, in units of 1 / sd(M)
_STRETCH = 2.0


@dataclass(frozen=True, eq=False)
class TokenCosts:
    """What each of n generated tokens cost; texts one after the other.

    Parameters
    ----------
    forward, reverse : numpy.ndarray
        Shape (n,), nats: KL(base || steered) and KL(steered || base) where the token was chosen.
    surprise : numpy.ndarray
        Shape (n,), nats: -log p of the token in the unsteered model.
    text : numpy.ndarray
        Shape (n,): which text it belongs to.
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
    """The strength for a cost per generated token, and what it took to find it.

    Parameters
    ----------
    alpha : float
    target : float
        Nats per generated token.
    percentile : float or None
        Of which the target speaks; None is the mean.
    direction : {"forward", "reverse"}
    predicted : float
        The alpha from unsteered texts alone.
    achieved : float
        The statistic at `alpha`: predicted at the final norm, measured on steered texts at a block.
    interval : tuple of float
        Of the statistic, 90 %.
    rollouts : int
        Steered roll-outs used: 0 at the final norm, at most 2 at a block.
    costs : TokenCosts
        At `alpha`.
    settled : bool
        Whether the target lies in the interval.
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
        lines = [
            f"alpha = {self.alpha:.4g} for {self.target:g} nats per generated token"
            f" ({what} of {self.direction} KL)",
            f"  there: {self.achieved:.4g}, 90 % interval {low:.4g} to {high:.4g},"
            f" {self.costs.forward.size} tokens, {self.rollouts} steered roll-outs",
            f"  predicted from unsteered texts: alpha = {self.predicted:.4g}",
            f"  mean forward / reverse: {self.costs.forward.mean():.3g} /"
            f" {self.costs.reverse.mean():.3g} nats; unsteered surprise of the text:"
            f" {self.costs.surprise.mean():.3g} nats per token",
        ]
        if not self.settled:
            lines.append("  NOT SETTLED: the target is outside the interval")
        return "\n".join(lines)


def roll_out(
    model: SteeredModel,
    contexts: Any,
    length: int,
    vector: SteeringVector | None = None,
    alpha: float = 0.0,
    *,
    temperature: float = 0.0,
    seed: int = 0,
) -> tuple[TokenBatch, list[int]]:
    """Continue each context by up to `length` tokens with the model's own `generate`.

    Greedy at temperature 0; a text ends with its end-of-text token. Returns the texts, prompts
    included, and the prompts' lengths.
    """
    from transformers import GenerationConfig

    batch = model.encode(contexts)
    prompts = (batch.last + 1).tolist()
    width = batch.ids.shape[1]
    # generate wants its padding on the left.
    ids = torch.stack([batch.ids[j].roll(width - n) for j, n in enumerate(prompts)])
    mask = torch.stack([batch.mask[j].roll(width - n) for j, n in enumerate(prompts)])
    end = model.tokenizer.eos_token_id
    sampled = {"temperature": temperature, "top_k": 0, "top_p": 1.0} if temperature > 0.0 else {}
    config = GenerationConfig(
        max_new_tokens=length,
        do_sample=temperature > 0.0,
        eos_token_id=end,
        pad_token_id=0 if end is None else end,
        **sampled,
    )
    with torch.random.fork_rng(), torch.no_grad(), ExitStack() as stack:
        torch.manual_seed(seed)
        if vector is not None and alpha != 0.0:
            stack.enter_context(model.steered(vector, alpha))
        made = model.hf_model.generate(
            ids.to(model.device), attention_mask=mask.to(model.device), generation_config=config
        ).cpu()
    model.cost.add(batch.rows, made.shape[1], 1.0)
    rows = []
    for row, prompt in zip(made.tolist(), prompts, strict=True):
        new = row[width:]
        if end in new:
            new = new[: new.index(end) + 1]
        rows.append(row[width - prompt : width] + new)
    return pad(rows), prompts


def token_costs(
    model: SteeredModel,
    vector: SteeringVector,
    alpha: float,
    texts: TokenBatch,
    prompts: Sequence[int],
) -> TokenCosts:
    """Costs of the tokens behind each prompt, measured by an unsteered and a steered pass."""
    columns: list[list[Floats]] = [[], [], []]
    for j, prompt in enumerate(prompts):
        row, chosen = texts.row(j), texts.row(j).ids[0, prompt:].numpy()
        base = _log_probability(model, row, prompt)
        steered = _log_probability(model, row, prompt, vector, alpha)
        change = base - steered
        columns[0].append((np.exp(base) * change).sum(axis=1).clip(0.0))
        columns[1].append(-(np.exp(steered) * change).sum(axis=1).clip(None, 0.0))
        columns[2].append(-base[np.arange(chosen.size), chosen])
    forward, reverse, surprise = (np.concatenate(column) for column in columns)
    return TokenCosts(forward, reverse, surprise, _owners(texts, prompts))


def advise_trajectories(
    model: SteeredModel,
    vector: SteeringVector,
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
    per_token : float
        Nats.
    percentile : float, optional
        Between 0 and 1: the target is this quantile over all tokens; default the mean. The pooled
        95th percentile of the reverse KL on greedy texts at 1 nat is the one target others use.
    direction : {"forward", "reverse"}
        KL(base || steered) or KL(steered || base) of each next-token distribution.
    length : int
        Tokens generated behind each context.
    rollouts : int
        Steered roll-outs allowed at a block.

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
    texts, prompts = roll_out(model, contexts, length, temperature=temperature, seed=seed)
    unsteered = sampled_texts(model, vector, texts, prompts)
    root = unsteered.root(goal, side, share, direction)
    if not root.reached:
        raise BudgetError(f"per_token is {goal:g}: {root.reason}", remedy="ask for less")
    predicted = alpha = root.alpha
    exact = vector.site == FINAL_NORM
    costs, used = _priced(unsteered, alpha), 0
    while not exact and used < rollouts:
        steered, prompts = roll_out(
            model, contexts, length, vector, alpha, temperature=temperature, seed=seed
        )
        costs, used = token_costs(model, vector, alpha, steered, prompts), used + 1
        low, high = costs.interval(direction, share, seed)
        if low <= goal <= high or used == rollouts:
            break
        # As a power of alpha: 2 near 0, less further out, by as much as the prediction says.
        near, far = unsteered.per_token([alpha, 1.1 * alpha], share, direction)
        rise = float(far / near)
        power = min(max(math.log(rise) / math.log(1.1), 0.7), 2.0)
        found = costs.statistic(direction, share)
        alpha *= min((goal / found) ** (1.0 / power), _STRETCH)
    low, high = costs.interval(direction, share, seed)
    return TrajectoryAdvice(
        alpha=alpha,
        target=goal,
        percentile=share,
        direction=direction,
        predicted=predicted,
        achieved=costs.statistic(direction, share),
        interval=(low, high),
        rollouts=used,
        costs=costs,
        settled=exact or low <= goal <= high,
    )


class KLBudget:
    """A logits processor that steers at the final norm and spends `nats` on every token, no more.

    Each step's alpha is the root of KL(p || p_alpha) = nats in closed form, so the strength adapts
    to prompt and token: where the concept is out of place a small alpha is all that a nat buys.

        budget = KLBudget(model, vector, 0.3)
        hf_model.generate(..., logits_processor=LogitsProcessorList([budget]))

    Parameters
    ----------
    model : SteeredModel
    vector : SteeringVector
        At the final norm.
    nats : float
    sign : {+1, -1}
    largest : float
        No alpha is larger.

    Attributes
    ----------
    alphas, costs : list of numpy.ndarray
        Each step's strengths and what they cost, one per row of the batch.
    """

    def __init__(
        self,
        model: SteeredModel,
        vector: SteeringVector,
        nats: float,
        *,
        sign: int = 1,
        largest: float = math.inf,
    ) -> None:
        vector = model.fitting(vector, FINAL_NORM)
        if model.structure.not_affine is not None:
            raise model.structure.not_affine
        self._odds, self._nats, self._sign = model.direction(vector), nats, as_sign(sign)
        self._largest = largest
        as_budget(nats, "nats")
        self.alphas: list[Floats] = []
        self.costs: list[Floats] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Tilt the scores, (B, V), of the next token."""
        base = torch.log_softmax(scores.double().cpu(), dim=-1).numpy()
        alphas, costs = [], []
        for row in base:
            family = TiltedFamily(row, self._odds)
            root = family.cross_entropy_root(self._nats, self._sign)
            alpha = self._sign * min(abs(root.alpha), self._largest)
            alphas.append(alpha if math.isfinite(alpha) else 0.0)
            costs.append(float(family.cross_entropy_increase(alphas[-1])))
        self.alphas.append(np.array(alphas))
        self.costs.append(np.array(costs))
        shift = torch.as_tensor(np.outer(alphas, self._odds))
        return scores + shift.to(scores)


def repeated(tokens: Sequence[int], size: int = 3) -> float:
    """Share of the n-grams of a text that occurred before in it: broken text repeats itself."""
    grams = [tuple(tokens[i : i + size]) for i in range(len(tokens) - size + 1)]
    return 1.0 - len(set(grams)) / len(grams) if grams else 0.0


def _owners(texts: TokenBatch, prompts: Sequence[int]) -> NDArray[np.int64]:
    lengths = [int(last) + 1 - prompt for last, prompt in zip(texts.last, prompts, strict=True)]
    return np.repeat(np.arange(len(lengths)), lengths)


def _log_probability(
    model: SteeredModel,
    row: TokenBatch,
    prompt: int,
    vector: SteeringVector | None = None,
    alpha: float = 0.0,
) -> Floats:
    """Log-probabilities, (n, V), from which the tokens behind the prompt were chosen."""
    if vector is None or alpha == 0.0:
        with Normed(model) as out:
            model.forward(row.ids, last_only=True)
    else:
        places = torch.ones(row.ids.shape, dtype=torch.bool)
        if vector.apply == "last":
            places[:, : prompt - 1] = False
        with model.steered(vector, alpha, positions=places), Normed(model) as out:
            model.forward(row.ids, last_only=True)
    model.cost.add(1, row.ids.shape[1], 1.0)
    return model.log_softmax(out.value[0, prompt - 1 : -1])


def sampled_texts(
    model: SteeredModel, vector: SteeringVector, texts: TokenBatch, prompts: Sequence[int]
) -> SampledTexts:
    """Unsteered texts with M at every position: exact at the final norm, else the derivative."""
    rows = [_log_probability(model, texts.row(j), p) for j, p in enumerate(prompts)]
    chosen = np.concatenate([texts.row(j).ids[0, p:].numpy() for j, p in enumerate(prompts)])
    log_p, owners = np.concatenate(rows), _owners(texts, prompts)
    if vector.site == FINAL_NORM:
        if model.structure.not_affine is not None:
            raise model.structure.not_affine
        return SampledTexts(log_p, model.direction(vector), chosen, owners)
    step = _STEP[precision(model.dtype) > 1e-5] / _spread(model, vector, texts, prompts)
    slopes = []
    for j, prompt in enumerate(prompts):
        ends = [_log_probability(model, texts.row(j), prompt, vector, a) for a in (-step, step)]
        slopes.append((ends[1] - ends[0]) / (2.0 * step))
    return SampledTexts(log_p, np.concatenate(slopes), chosen, owners)


def _priced(texts: SampledTexts, alpha: float) -> TokenCosts:
    surprise = -texts.log_p[np.arange(texts.tokens.size), texts.tokens]
    forward, reverse = (texts.token_costs(alpha, d) for d in ("forward", "reverse"))
    return TokenCosts(forward, reverse, surprise, texts.text)


def _spread(
    model: SteeredModel, vector: SteeringVector, texts: TokenBatch, prompts: Sequence[int]
) -> float:
    """sd(M_loc) behind the prompts, nats per unit alpha: the scale of the difference's step."""
    first = texts.take(range(min(texts.rows, 4)))
    prompt_ends = [first.row(j).ids[0, : prompts[j]].tolist() for j in range(first.rows)]
    found = model.derivative(vector.site, vector, pad(prompt_ends))
    return math.sqrt(float(np.mean([local.variance for local in found])))
