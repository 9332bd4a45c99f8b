"""The same statements at blocks, where nothing is linear: how far each of them carries, and why.

Two claim equality there: the closed form of the last block (`last-block`), and the distance to the
plateau, which is at most `NormedSteering.bound` (`norm-limit`). The others are expansions around
alpha = 0 or properties of the linear read-out, and a verdict `refuted` is a finding, with its
reason. Predictions come from one central difference at alpha = 0 and from `theory.engine`; measured
is the model above the block, steered, and the budgets are those that `SteeredModel.at` finds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, logsumexp

from steering_strength.proofs_check.bridge.beyond import (
    operators_at,
    standard_error_at,
    texts_at,
)
from steering_strength.proofs_check.bridge.curve import (
    MeasuredCurve,
    closed_forms,
    measured,
    plateau,
)
from steering_strength.proofs_check.bridge.data import asinh_grid
from steering_strength.proofs_check.bridge.generated import Reading
from steering_strength.proofs_check.bridge.laws import LawReport, final_norm_laws, require_identity
from steering_strength.proofs_check.bridge.loading import ModelError, SelfCheckError, progress
from steering_strength.proofs_check.bridge.model import SteeredModel
from steering_strength.proofs_check.bridge.read import SHAPES, count_shapes
from steering_strength.proofs_check.bridge.structure import precision
from steering_strength.proofs_check.bridge.texts import ConceptTexts, TokenBatch, text_windows
from steering_strength.proofs_check.bridge.vectors import FINAL_NORM, Apply, Read, SteeringVector

Floats = NDArray[np.float64]

# What "holds" means for a second-order prediction: the next order is of relative size
# skewness * sqrt(2 budget) / 6, a few per cent, ten and thirty per cent at these budgets.
_BUDGETS = {0.01: 0.1, 0.1: 0.2, 1.0: 0.5}
_TILT, _SHAPE, _CONCEPT, _LINE = 0.1, 1e-3, 0.05, 0.25
_REACH_NATS = 0.1
_SLOPE, _NOISE = 0.02, 4.0
# The paper's sweeps end at 200, whatever the length of v.
_PAPER = 200.0
# The steering's length in units of |h + R_inf|.
_DISTANCES = np.array([1e1, 1e2, 1e3])
# R is read off as the final residual minus alpha v, at |alpha v| this many times |h + R|.
_RATIO = {1e-12: 1e6, 1e-5: 1e3}
_TOP, _HALF, _SCANNED = 8, 24, 2
_WHY = {
    "local": "KL is half Var(M_loc) alpha^2 only while the third order is small",
    "tilting by M_loc": "the blocks above bend the logits in alpha, so M_loc alone does not do",
    "concept-tanh": "nu(alpha) bends: at a block M changes with alpha",
    "norm-limit": "the blocks above may not have settled at these alphas",
    "peak": "M changes with alpha at a block, so K'(alpha) = M(z) may have several roots",
    "ce-linear": "the logits bend within a fifth of a standard deviation of M_loc",
    "ce-linear (calibrated)": "the text is not what this model samples, or there is too little",
}


def block_laws(
    model: SteeredModel,
    concept: ConceptTexts,
    *,
    layers: Sequence[int] | None = None,
    vector: SteeringVector | None = None,
    windows: int = 6,
    read: Read = "mean",
    apply: Apply = "all",
    seed: int = 0,
    beyond: bool = True,
) -> LawReport:
    """The law report: the final norm, then every statement at blocks.

    Raises SteeringError: the model's structure, a layer it does not have, bad texts, a vector of
    another model.

    Parameters
    ----------
    layers : sequence of int, optional
        Blocks from 0; default four depths, and the budgets at every block.
    vector : SteeringVector, optional
        One made elsewhere; then only its own site is examined.
    windows : int
        Windows of 64 tokens of library text, and as many of text sampled from the model.
    read, apply : str
        Which states of P and N are averaged, and which positions of a context are steered.
    beyond : bool
        Whether other edits, whole texts and other texts are examined too, where the vectors are
        made here: at the final norm, and at the middle one of the depths.
    """
    report = LawReport(model, concept)
    if vector is None or vector.site == FINAL_NORM:
        if model.structure.not_affine is None:
            final_norm_laws(model, concept, vector=vector, report=report)
        else:
            report.paragraphs.append(f"Final norm: {model.structure.not_affine}.")
    if vector is not None and vector.site == FINAL_NORM:
        return report
    batch, depth = model.encode(concept.contexts), model.depth
    if vector is not None:
        chosen = [model.fitting(vector, contexts=concept.contexts)]
    else:
        sites = range(depth) if layers is None else dict.fromkeys(layers)
        chosen = model.vectors(
            concept.positive, concept.neutral, list(sites), read=read, apply=apply
        )
        if layers is None:
            _every_block(report, chosen, batch)
            four = {depth // 4, depth // 2, 3 * depth // 4, depth - 1}
            chosen = [chosen[i] for i in sorted(four)]
        report.vectors += chosen
    length = model.window
    texts = (
        text_windows(model.tokenizer, windows, length, seed=seed),
        model.sample(windows, length, seed=seed)[1],
    )
    if beyond and vector is None:
        middle = chosen[len(chosen) // 2]
        own = (
            [] if model.structure.not_affine else [model.vector(concept.positive, concept.neutral)]
        )
        for one in (*own, middle):
            for judge in (operators_at, texts_at, standard_error_at):
                judge(report, one)
            progress(f"{one.site.name}: other edits, whole texts, other texts")
    tables = []
    for one in chosen:
        site = _Judge(report, one, batch)
        progress(f"{site.where}: derivatives and budgets of {batch.rows} contexts")
        site.budgets()
        site.sweep()
        progress(f"{site.where}: {site.alphas.size} alphas measured")
        with suppress(ModelError):  # an unknown norm: no prediction
            site.approach()
        site.text(texts[0], calibrated=False)
        site.text(texts[1], calibrated=True)
        site.summary()
        progress(f"{site.where}: plateau and cross-entropy on text measured")
        tables.append(site.arrays)
    stacked = {name: np.stack([table[name] for table in tables]) for name in tables[0]}
    where = {"layers": [one.site.layer for one in chosen]}
    report.arrays["laws"] = {"model": model.name, "concept": concept.name, **where, **stacked}
    report.paragraphs.append(f"Spent: {model.cost}.")
    return report


def budget_alphas(
    curves: Sequence[MeasuredCurve], budgets: Sequence[float]
) -> dict[str, NDArray[np.float64]]:
    """The alphas that spend each budget of KL(p_0 || p_alpha), predicted and measured.

    Predicted by half Var(M_loc) alpha^2; measured by the search of the curves, within 1 % of the
    budget.

    Returns
    -------
    dict of numpy.ndarray
        `budget`, `predicted`, `measured` (nan if it was not found), and `variation`, the total
        variation there to the tilt by M_loc; shape (n,) each; and `evaluations`, for each curve.
    """
    asked = [(c, b, s) for c in curves for b in budgets for s in (1, -1)]
    MeasuredCurve.together([(c, "cross_entropy_root", (b, s)) for c, b, s in asked])
    rows = []
    for curve, budget, sign in asked:
        alpha = curve.cross_entropy_root(budget, sign).alpha
        variance, variation = max(float(curve.local.variance(0.0)), 1e-300), math.nan
        seed = math.sqrt(2.0 * budget / variance)
        if math.isfinite(alpha):
            tilted = np.exp(curve.local.log_probability(alpha))
            variation = 0.5 * np.abs(tilted - np.exp(curve.log_probability(alpha))).sum()
        rows.append((budget, sign * seed, alpha if math.isfinite(alpha) else math.nan, variation))
    names = ("budget", "predicted", "measured", "variation")
    found = dict(zip(names, np.array(rows).T, strict=True))
    return {**found, "evaluations": np.array([float(curve.measured) for curve in curves])}


def _judge_budgets(report: LawReport, found: dict[str, Floats], where: str, more: str = "") -> None:
    for budget, tolerance in _BUDGETS.items():
        name, asked = f"local {budget:g} nat@{where}", found["budget"] == budget
        claim = f"|alpha| of {budget:g} nat = sqrt(2 budget / Var M_loc), within {tolerance:.0%}"
        seen = asked & np.isfinite(found["measured"])
        ratio = found["predicted"][seen] / found["measured"][seen]
        note = "no alpha was found: the divergence may never reach this budget"
        if seen.any():
            note = (
                f"median |alpha| {np.median(np.abs(found['measured'][seen])):.4g}; predicted /"
                f" true {ratio.min():.3f} to {ratio.max():.3f}; {found['evaluations'].mean():.3g}"
                f" distributions a context for all budgets{more}"
            )
        if 0 < seen.sum() < asked.sum():
            note += f"; {asked.sum() - seen.sum()} of {asked.sum()} were not found"
        error = np.abs(ratio - 1) / tolerance
        report.judge(name, claim, error, note, why=_WHY["local"])


def _every_block(report: LawReport, vectors: Sequence[SteeringVector], batch: TokenBatch) -> None:
    """`local` at every block: cheap, and says more about a model than a sweep at one block."""
    rows, few = [], batch.take(range(min(_SCANNED, batch.rows)))
    for number, vector in enumerate(vectors, start=1):
        held = report.model.hold(few, vector.site, vector.apply)
        rows.append(budget_alphas(measured(held, vector), list(_BUDGETS)))
        if number % 5 == 0 or number == len(vectors):
            progress(f"budgets at {number} of {len(vectors)} blocks measured")
    table = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    flat = {name: values.ravel() for name, values in table.items()}
    off = np.abs(np.nan_to_num(flat["predicted"] / flat["measured"], nan=1.0) - 1)
    worst = [
        int(np.where(flat["budget"] == b, off, -1.0).argmax()) // table["budget"].shape[1]
        for b in _BUDGETS
    ]
    more = f"; {len(vectors)} blocks, worst at {', '.join(map(str, worst))} for the three budgets"
    _judge_budgets(report, flat, "every block", more)
    report.arrays["laws_depth"] = {
        "model": report.model.name,
        "concept": report.concept.name,
        "layers": np.arange(len(vectors)),
        "units": np.array([v.residual_norm / v.norm for v in vectors]),
        **table,
    }


class Block:
    """Contexts held at a block: curves that measure, and what is predicted of them.

    `forms` are the closed forms of the last block, and `unit` the |alpha| at which alpha v is as
    long as a state.
    """

    def __init__(self, model: SteeredModel, vector: SteeringVector, batch: TokenBatch) -> None:
        self.model, self.vector, self.layer = model, vector, vector.site.layer
        self.held = model.hold(batch, vector.site, vector.apply)
        self.curves, self.forms = measured(self.held, vector), closed_forms(self.held, vector)
        self.unit = vector.residual_norm / vector.norm

    @cached_property
    def plateaus(self) -> Floats:
        """LN(-+v) W^T as distributions, whatever the prompt."""
        return np.exp(plateau(self.model, self.vector))

    def rests(self, sign: int) -> list[tuple[Floats, float]]:
        """h + R_inf of each context, (d,): the final norm's input minus alpha v, far out.

        And the |alpha| at which alpha v is as long. Two passes for all contexts: the first, from
        the length of h, finds how long h + R is; at early blocks it is twenty times longer than h.
        """
        held, norm, v = self.held, self.model.norm, self.vector.values
        eps = precision(self.model.dtype)
        ratio = next((r for bound, r in _RATIO.items() if eps < bound), 16.0)
        lengths = held.lengths
        for _ in range(2):
            alphas = sign * ratio * lengths / self.vector.norm
            _, seen = held.last(range(held.count), alphas, self.vector)
            if not seen.shape[0]:
                raise ModelError("the final norm takes no tensor", remedy="it cannot be read here")
            found = seen.cpu().double().numpy() - alphas[:, None] * v
            lengths = np.linalg.norm(found, axis=1)
        scales = np.linalg.norm(norm.centred(found), axis=1) / np.linalg.norm(norm.centred(v))
        return list(zip(found, scales.tolist(), strict=True))

    def refined(self, rest: Floats, alphas: Floats) -> Floats:
        """The distributions of LN(h + R_inf + alpha v), (A, V)."""
        states = self.model.norm.steering(rest, self.vector.values).output(alphas)
        return np.exp(self.model.log_softmax(torch.as_tensor(states)))


class _Judge:
    """Of one block: each method measures, judges a few statements, and keeps arrays to draw."""

    def __init__(self, report: LawReport, vector: SteeringVector, batch: TokenBatch) -> None:
        self.report, self.model, self.vector = report, report.model, vector
        self.where, self.words = vector.site.name, self.model.tokens(report.concept.words)
        self.block = Block(self.model, vector, batch)
        self.held, self.unit = self.block.held, self.block.unit
        self.locals = [curve.local for curve in self.block.curves]
        self.alphas = asinh_grid(max(_PAPER, self.unit), _HALF)
        self.arrays: dict[str, Any] = {"alphas": self.alphas, "budgets": np.array(list(_BUDGETS))}
        self.rises = self._self_check(batch)

    def _finding(self, name: str, claim: str, error: Any, note: str, **how: Any) -> None:
        """A verdict on an expansion; where it is refuted, the note says why it need not hold."""
        family = name.split(" (")[0].split(",")[0].removesuffix(" by M_loc")
        why = _WHY.get(name) or _WHY.get(family, "")
        self.report.judge(f"{name}@{self.where}", claim, error, note, why=why, **how)

    def _self_check(self, batch: TokenBatch) -> int:
        """By the model's own hooked passes: 0 is the identity, steering does something."""
        model, steered = self.model, []
        require_identity(model, self.vector, batch)
        for alpha in (0.1 * self.unit, -0.1 * self.unit):
            with model.steered(self.vector, alpha):
                steered.append(model.log_probability(batch))
        if np.array_equal(steered[0], steered[1]):
            raise SelfCheckError(
                f"steering {self.where} changes nothing at the last position",
                remedy="the model does not pass that block's output on: choose another site",
            )
        plus, minus = (np.exp(log_q[:, self.words]).sum(axis=1) for log_q in steered)
        return int((plus > minus).sum())

    def budgets(self) -> None:
        """`local`, and tilting by M_loc."""
        found = budget_alphas(self.block.curves, list(_BUDGETS))
        _judge_budgets(self.report, found, self.where)
        ratio = found["predicted"] / found["measured"]
        self.arrays["ratio"] = np.stack([ratio[found["budget"] == b] for b in _BUDGETS])
        seen = np.isfinite(found["variation"])
        most = {b: found["variation"][seen & (found["budget"] == b)] for b in _BUDGETS}
        shown = ", ".join(f"{v.max():.3f} at {b:g} nat" for b, v in most.items() if v.size)
        self._finding(
            "tilting by M_loc",
            f"p_0 exp(alpha M_loc - K), total variation at most {_TILT:g} up to 0.1 nat",
            np.concatenate([v for b, v in most.items() if b <= 0.1]) / _TILT,
            f"total variation {shown or '-'}, largest over contexts and signs",
            examples=int(seen.sum()),
        )

    def sweep(self) -> None:
        """Every context on the grid: the closed form, F_T, and the shapes of the likeliest."""
        model, alphas, near = self.model, self.alphas, np.abs(self.alphas) <= self.unit
        outside = np.isin(np.arange(model.vocabulary), self.words, invert=True)
        rows: dict[str, list[Floats]] = {"f": [], "f_law": [], "kl": []}
        tracks: dict[str, list[Floats]] = {"far": [], "near": []}
        closed, forms = list[tuple[float, float]](), self.block.forms
        for j, one in enumerate(self.locals):
            states = self.held.last_normed([j] * alphas.size, alphas, self.vector)
            log_q = model.log_softmax(states)
            for name, score in (("far", log_q[-1]), ("near", log_q[near].max(axis=0))):
                top = np.argsort(-score, kind="stable")[:_TOP]
                tracks[name].append(np.exp(log_q[:, top]))
            inside = logsumexp(log_q[:, self.words], axis=1)
            rows["f"].append(inside - logsumexp(log_q[:, outside], axis=1))
            rows["f_law"].append(one.concept_log_odds(self.words, alphas))
            rows["kl"].append((one.log_p - log_q) @ np.exp(one.log_p))
            if forms:
                gap = float(np.abs(forms[j].log_probability(alphas) - log_q).max())
                closed.append((gap, self._rounding(states)))
        f, f_law, kl = (np.stack(values) for values in rows.values())
        self.arrays |= {"concept_measured": expit(f[0]), "concept_predicted": expit(f_law[0])}
        if closed:
            worst, tolerance = np.max(closed, axis=0)
            self.report.judge(
                f"last-block@{self.where}",
                "logits (a + alpha b) / sqrt(Q(alpha)) + c",
                worst / tolerance,
                f"max |difference| {worst:.1e} nats over all tokens, alpha to"
                f" {alphas[-1]:.3g} (rounding {tolerance:.1e})",
                examples=alphas.size * len(f),
                exact=True,
            )
        off = np.abs(expit(f) - expit(f_law)) > _CONCEPT
        limit = np.min(np.abs(np.broadcast_to(alphas, off.shape))[off], initial=np.inf)
        spent = np.where(off, kl, np.inf).min(axis=1)
        rising = sum(count_shapes(expit(row)[:, None], _SHAPE)["rise"] for row in f)
        self._finding(
            "concept-tanh by M_loc",
            f"F_T of the tilt, within {_CONCEPT:g} up to {_REACH_NATS:g} nat",
            _REACH_NATS / np.maximum(spent, 1e-300),
            f"holds up to |alpha| = {limit:.3g}, KL {spent.min():.2g} nats at the earliest; F_T"
            f" rises throughout in {rising} of {len(f)} contexts",
        )
        ends = np.array([_straight(alphas, *pair) for pair in zip(f, kl, strict=True)])
        self._finding(
            "concept-tanh, linear nu",
            f"logit F_T is a line within {_LINE:g}, up to {_REACH_NATS:g} nat",
            _REACH_NATS / np.maximum(ends[:, 1], 1e-300),
            f"up to |alpha| = {ends[:, 0].min():.3g} to {ends[:, 0].max():.3g}, KL"
            f" {ends[:, 1].min():.2g} to {ends[:, 1].max():.2g} nats, beyond which nu bends",
        )
        self._shapes(f"0 to {_PAPER:g}", (alphas >= 0) & (alphas <= _PAPER), tracks["far"])
        self._shapes("0 to |h|/|v|", (alphas >= 0) & near, tracks["near"])

    def _rounding(self, states: torch.Tensor) -> float:
        """Of log-probabilities read from normed states, in nats.

        The norm's own arithmetic, relative to the state, dominates a float64 read-out; the steered
        state h + alpha v is rounded to the model's precision before the norm.
        """
        model, length = self.model, float(states.double().norm(dim=-1).max())
        eps = precision(torch.promote_types(model.dtype, torch.float32))
        bound = model.rounding(length) * max(1.0, model.norm.precision / eps)
        return bound * precision(model.dtype) / eps

    def _shapes(self, name: str, inside: NDArray[Any], tracks: Sequence[Floats]) -> None:
        enough = int(inside.sum()) >= 5
        counts = [count_shapes(t[inside], _SHAPE) for t in tracks] if enough else []
        total = {k: sum(c[k] for c in counts) for k in SHAPES}
        number, wrong = sum(total.values()), total["dip"] + total["multi"]
        listed = ", ".join(f"{n} {k}" for k, n in total.items() if n)
        self._finding(
            f"peak (alpha {name})",
            "the likeliest tokens bump, rise or fall",
            1.0 + wrong / number if wrong else 0.0,
            f"{number - wrong} of {number}: {listed}; turns of at most {_SHAPE:g} ignored",
            examples=number,
            unknown=not enough,
        )

    def approach(self) -> None:
        """The final norm's output against its limit, its bound, and the prediction with R_inf."""
        model, v = self.model, self.vector.values
        norm, rows = model.norm, []
        for sign, limit in zip((-1, 1), self.block.plateaus, strict=True):
            goal = norm.steering(np.zeros_like(v), v).limit(sign)
            for j, (rest, scale) in enumerate(self.block.rests(sign)):
                strengths = sign * np.concatenate([[_PAPER], scale * _DISTANCES])
                states, inputs = self.held.last([j] * strengths.size, strengths, self.vector)
                q = np.exp(model.log_softmax(states))
                r = self.block.refined(rest, strengths)
                gap = np.linalg.norm(states.cpu().double().numpy() - goal, axis=1)
                # What is left of the input beside alpha v, as it is at each alpha.
                own = inputs.cpu().double().numpy() - strengths[:, None] * v
                pairs = zip(own, strengths.tolist(), strict=True)
                allowed = np.array([float(norm.steering(o, v).bound(a)) for o, a in pairs])
                eps = norm.eps / np.mean(norm.centred(v * strengths[:, None]) ** 2, axis=1)
                slack = (8 * precision(model.dtype) + 0.5 * eps) * float(np.linalg.norm(goal))
                rows.append(
                    (
                        0.5 * np.abs(q - limit).sum(axis=1),
                        0.5 * np.abs(q - r).sum(axis=1),
                        gap / (allowed + slack),
                        np.full(gap.size, math.log(gap[-1] / gap[-2])),
                        np.full(gap.size, scale),
                    )
                )
        to_limit, to_refined, beyond, rate, scales = np.moveaxis(np.array(rows), 1, 0)
        self.report.judge(
            f"norm-limit@{self.where}",
            "|LN(h + R + alpha v) - LN(+-v)| <= 2 sqrt(d) |P(h + R)| max|gain| / (|alpha| |P v|)",
            beyond,
            f"gap at most {beyond.max():.3f} of the bound, at alpha = {_PAPER:g} and where"
            f" |alpha v| is 10 to 1000 times |h + R_inf|",
            exact=True,
        )
        rates = rate[:, 0] / math.log(_DISTANCES[-1] / _DISTANCES[-2])
        self._finding(
            "norm-limit (rate)",
            "the gap to the plateau falls like 1 / alpha, within 5 %",
            np.abs(rates + 1) / 0.05,
            f"exponent {rates.min():.4f} to {rates.max():.4f}; total variation to LN(+-v) W^T"
            f" {to_limit[:, -1].max():.2g} at |alpha v| = {_DISTANCES[-1]:g} |h + R_inf|, but"
            f" {to_limit[:, 0].max():.2g} at alpha = {_PAPER:g}: |h + R_inf| / |v| ="
            f" {np.median(scales):.3g}",
        )
        most = zip(to_refined.max(axis=0), to_limit.max(axis=0), strict=True)
        worst = [f"{refined:.2g} instead of {limit:.2g}" for refined, limit in most]
        self._finding(
            "norm-limit (R_inf)",
            "LN(h + R_inf + alpha v) W^T is closer than the plateau",
            to_refined[:, 2] / np.maximum(to_limit[:, 2], 1e-300),
            f"total variation {worst[1]} where |alpha v| = {_DISTANCES[0]:g} |h + R_inf|,"
            f" {worst[2]} at {_DISTANCES[1]:g}, {worst[0]} at alpha = {_PAPER:g}",
        )
        self.arrays |= {
            "distance": _DISTANCES,
            "to_limit": np.median(to_limit[:, 1:], axis=0),
            "to_refined": np.median(to_refined[:, 1:], axis=0),
        }

    def text(self, windows: TokenBatch, *, calibrated: bool) -> None:
        """Slope and curvature of the cross-entropy on text: from derivatives, and from losses.

        The derivative is taken at 0.03 sd, because the second one divides rounding by the step's
        square; the losses are measured at 0.1 and 0.2 sd: different passes, so that agreement is
        not an identity of floating-point numbers.
        """
        sd = float(np.median([one.variance(0.0) for one in self.locals])) ** 0.5
        reading = Reading(self.model, self.vector, windows)
        slopes, curvatures, variances = reading.derivatives(0.03 / sd)
        h = 0.1 / sd
        alphas = h * np.arange(-2.0, 3.0)
        f = reading.losses(*alphas.tolist()).mean(axis=1)
        slope, bend, variance = slopes.mean(), curvatures.mean(), variances.mean()
        error = float(np.std(slopes, ddof=1)) / math.sqrt(slopes.size)
        seen = (8 * (f[3] - f[1]) - (f[4] - f[0])) / (12 * h)
        seen_bend = (-f[4] + 16 * f[3] - 30 * f[2] + 16 * f[1] - f[0]) / (12 * h * h)
        if calibrated:
            self._finding(
                "ce-linear (calibrated)",
                f"slope 0 on text sampled from the model, within {_NOISE:g} standard errors",
                abs(slope / error) / _NOISE,
                f"slope {seen:+.5f} +- {error:.5f}, {slope / error:+.1f} standard errors;"
                f" curvature {seen_bend:.4f}, E Var(M_loc) {variance:.4f}",
                examples=slopes.size,
            )
            return
        # Both are differences of larger terms: the slope of two means of M_loc, known to a
        # standard error, the curvature of terms of the size of E Var(M_loc).
        off = max(abs(seen - slope) / (abs(slope) + error), abs(seen_bend - bend) / variance)
        self._finding(
            "ce-linear",
            "slope E_model[M] - E_data[M], curvature E Var(M) + E_model[l''] - E_data[l'']",
            off / _SLOPE,
            f"library text: slope {slope:+.5f} predicted, {seen:+.5f} measured,"
            f" {slope / error:+.1f} standard errors from 0; curvature {bend:.4f}, {seen_bend:.4f};"
            f" lowest near alpha = {-slope / bend:+.2f}",
            examples=slopes.size,
        )
        self.arrays |= {
            "text_alphas": alphas, "text_losses": f - f[2], "text_slope": slope,
            "text_curvature": bend,
        }  # fmt: skip

    def summary(self) -> None:
        """What the numbers rest on, in front of the table."""
        self.report.paragraphs.append(
            f"{self.where}: |h| / |v| = {self.unit:.3g}, cosine with the vector whose mean counts"
            f" the first token {self.vector.sink_cosine:.3f}; along +v the words of the concept get"
            f" likelier in {self.rises} of {len(self.locals)} contexts; blocks below run"
            f" {'once' if self.held.substituted else 'every time'}."
        )


def _straight(alphas: Floats, f: Floats, kl: Floats) -> tuple[float, float]:
    """The widest window around 0 in which a straight line stays close to f: its end, and KL."""
    middle, best = alphas.size // 2, 0
    for half in range(2, middle + 1):
        inside = slice(middle - half, middle + half + 1)
        fit = np.polyval(np.polyfit(alphas[inside], f[inside], 1), alphas[inside])
        if np.abs(f[inside] - fit).max() > _LINE:
            break
        best = half
    return float(alphas[middle + best]), float(kl[[middle - best, middle + best]].max())
