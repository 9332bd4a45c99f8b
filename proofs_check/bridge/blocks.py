"""The same statements at blocks, where nothing is linear: how far each of them carries, and why.

Two claim equality there: the closed form of the last block (`last-block`), and the distance to the
plateau, which is at most `NormedSteering.bound` (`norm-limit`). The others are expansions around
alpha = 0 or properties of the linear read-out, and a verdict `refuted` is a finding, with its
reason. Predictions come from one central difference at alpha = 0 and from `theory.engine`; measured
is the model above the block, steered.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, logsumexp

from steering_strength.proofs_check.bridge.errors import ModelError, SelfCheckError
from steering_strength.proofs_check.bridge.laws import LawReport, final_norm_laws, law_verdict
from steering_strength.proofs_check.bridge.local import Local, derivatives, last_block, remainders
from steering_strength.proofs_check.bridge.read import count_shapes
from steering_strength.proofs_check.bridge.steer import Held
from steering_strength.proofs_check.bridge.structure import precision
from steering_strength.proofs_check.bridge.texts import text_windows
from steering_strength.proofs_check.bridge.vectors import FINAL_NORM, Apply, Read, SteeringVector
from steering_strength.proofs_check.verdict import Verdict
from steering_strength.theory.engine.transformer import local_cross_entropy, local_divergence
from steering_strength.theory.errors import ShapeError

if TYPE_CHECKING:
    from steering_strength.proofs_check.bridge.model import SteeredModel
    from steering_strength.proofs_check.bridge.texts import ConceptTexts, TokenBatch

__all__ = [
    "asinh_grid",
    "block_laws",
    "budget_alphas",
    "plateau",
    "text_derivatives",
    "text_losses",
]

Floats = NDArray[np.float64]
Progress = Callable[[str], None]

# What "holds" means for a second-order prediction: the next order is of relative size
# skewness * sqrt(2 budget) / 6, a few per cent, ten and thirty per cent at these budgets.
_BUDGETS = {0.01: 0.1, 0.1: 0.2, 1.0: 0.5}
_CLOSE, _ROUNDS = 3e-3, 8
_TILT, _SHAPE, _CONCEPT, _LINE = 0.1, 1e-3, 0.05, 0.25
_REACH_NATS = 0.1
_SLOPE, _NOISE = 0.02, 4.0
# The paper's sweeps end at 200, whatever the length of v.
_PAPER = 200.0
# The steering's length in units of |h + R_inf|.
_DISTANCES = np.array([1e1, 1e2, 1e3])
_TOP = 8
_HALF = 24
# Positions of text whose logits are held at once, in numbers.
_CELLS = 1 << 22
_SCANNED = 2
_WHY = {
    "local": "KL is half Var(M_loc) alpha^2 only while the third order is small",
    "tilting": "the blocks above bend the logits in alpha, so M_loc alone does not describe them",
    "concept-tanh": "nu(alpha) bends: at a block M changes with alpha",
    "norm-limit": "the blocks above may not have settled at these alphas",
    "peak": "M changes with alpha at a block, so K'(alpha) = M(z) may have several roots",
    "ce-linear": "the logits bend within a fifth of a standard deviation of M_loc",
    "ce-linear (calibrated)": "the text is not what this model samples, or there is too little",
}


def asinh_grid(reach: float, unit: float, half: int) -> Floats:
    """2 half + 1 alphas on [-reach, reach], uniform in asinh(alpha / unit), with an exact 0.

    Dense where the distribution changes, geometric where it approaches its plateau.
    """
    positive = unit * np.sinh(np.linspace(0.0, np.arcsinh(reach / unit), half + 1))
    positive[0], positive[-1] = 0.0, reach
    return np.concatenate([-positive[:0:-1], positive])


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
    progress: Progress,
) -> LawReport:
    """The law report: the final norm, then every statement at blocks.

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

    Raises
    ------
    SteeringError
        The model's structure, a layer it does not have, bad texts, a vector of another model.
    """
    report = LawReport(model, concept)
    if vector is None or vector.site == FINAL_NORM:
        if model.structure.not_affine is None:
            report.extend(final_norm_laws(model, concept, vector=vector, progress=progress))
        else:
            report.paragraphs.append(f"Final norm: {model.structure.not_affine}.")
    if vector is not None and vector.site == FINAL_NORM:
        return report
    vectors = _vectors(model, concept, vector, layers, read, apply)
    batch = model.encode(concept.contexts)
    chosen = vectors
    if vector is None and layers is None:
        report.extend(_every_block(model, concept, vectors, batch, progress))
        depth = len(vectors)
        chosen = [vectors[i] for i in sorted({depth // 4, depth // 2, 3 * depth // 4, depth - 1})]
    window = min(64, (model.longest or 65) - 1)
    texts = (
        text_windows(model.tokenizer, windows, window, seed=seed),
        model.sample(windows, window, seed=seed)[1],
    )
    if vector is None:
        report.vectors += chosen
    words = model.tokens(concept.words)
    sites = [_Block(model, v, batch, words, texts, progress) for v in chosen]
    for site in sites:
        site.judge(report)
    report.arrays["laws"] = {
        "model": model.name,
        "concept": concept.name,
        "layers": [site.layer for site in sites],
        **{name: np.stack([s.arrays[name] for s in sites]) for name in sites[0].arrays},
    }
    report.paragraphs.append(f"Spent: {model.cost}.")
    return report


def _vectors(
    model: SteeredModel, concept: ConceptTexts, vector: SteeringVector | None,
    layers: Sequence[int] | None, read: Read, apply: Apply,
) -> list[SteeringVector]:  # fmt: skip
    if vector is not None:
        return [model.fitting(vector, contexts=concept.contexts)]
    if not model.blocks:
        raise ShapeError(
            f"{model.name} has no chain of blocks that map states to states",
            remedy="only the final norm can be examined: use the job final-norm",
        )
    sites = range(len(model.blocks)) if layers is None else dict.fromkeys(layers)
    return model.vectors(
        concept.positive, concept.neutral, [model.site(site) for site in sites],
        read=read, apply=apply,
    )  # fmt: skip


def budget_alphas(
    held: Held, vector: SteeringVector, locals_: Sequence[Local], budgets: Sequence[float]
) -> dict[str, Floats]:
    """The alphas that spend each budget of KL(p_0 || p_alpha), predicted and measured.

    Predicted by half Var(M_loc) alpha^2. Measured from there: sqrt(KL) / |alpha| changes slowly, so
    alpha <- alpha sqrt(budget / KL) is a secant through the origin; all contexts, budgets and signs
    share each pass.

    Returns
    -------
    dict of numpy.ndarray
        `budget`, `predicted`, `measured` (nan if it did not settle within 0.3 %), `evaluations`,
        and `variation`, the total variation there to the tilt by M_loc; shape (n,) each.
    """
    model = held.model
    rows = [(j, b, s) for j in range(held.count) for b in budgets for s in (1, -1)]
    context, budget, sign = (np.array(column) for column in zip(*rows, strict=True))
    half = np.array([local_divergence(one.log_p, one.slope) for one in locals_])
    predicted = sign * np.sqrt(budget / half[context])
    alpha, open_ = predicted.copy(), np.ones(len(rows), dtype=bool)
    count, variation = np.zeros(len(rows), dtype=int), np.full(len(rows), np.nan)
    step = max(1, _CELLS // model.vocabulary)
    for _ in range(_ROUNDS):
        left = np.flatnonzero(open_)
        for start in range(0, left.size, step):
            index = left[start : start + step]
            normed = held.last_normed(context[index].tolist(), alpha[index], vector)
            log_q = model.log_softmax(normed)
            for i, row in zip(index, log_q, strict=True):
                log_p = locals_[context[i]].log_p
                spent = float(np.exp(log_p) @ (log_p - row))
                count[i] += 1
                if abs(spent / budget[i] - 1) <= _CLOSE:
                    tilted = locals_[context[i]].family().log_probability(float(alpha[i]))
                    variation[i] = 0.5 * np.abs(np.exp(tilted) - np.exp(row)).sum()
                    open_[i] = False
                else:
                    # A factor of 4 at most: far from the origin the ratio may be anything.
                    alpha[i] *= np.clip(math.sqrt(budget[i] / max(spent, 1e-300)), 0.25, 4.0)
    return {
        "budget": budget,
        "predicted": predicted,
        "measured": np.where(open_, np.nan, alpha),
        "evaluations": count.astype(float),
        "variation": variation,
    }


def _budget_verdicts(found: dict[str, Floats], where: str, more: str = "") -> list[Verdict]:
    verdicts = []
    for budget, tolerance in _BUDGETS.items():
        asked = found["budget"] == budget
        seen = asked & np.isfinite(found["measured"])
        if not seen.any():
            note = "no measured alpha settled: the divergence may never reach this budget"
            claim = f"|alpha| of {budget:g} nat = sqrt(2 budget / Var M_loc)"
            name = f"local {budget:g} nat@{where}"
            verdicts.append(law_verdict(name, claim, np.nan, int(asked.sum()), note, unknown=True))
            continue
        ratio = found["predicted"][seen] / found["measured"][seen]
        note = (
            f"median |alpha| {np.median(np.abs(found['measured'][seen])):.4g}; predicted / true"
            f" {ratio.min():.3f} to {ratio.max():.3f}; {found['evaluations'][seen].mean():.1f}"
            f" divergences each{more}"
        )
        if seen.sum() < asked.sum():
            note += f"; {asked.sum() - seen.sum()} of {asked.sum()} did not settle"
        verdicts.append(
            _finding(
                f"local {budget:g} nat",
                where,
                f"|alpha| of {budget:g} nat = sqrt(2 budget / Var M_loc), within {tolerance:.0%}",
                np.abs(ratio - 1).max() / tolerance,
                int(seen.sum()),
                note,
            )
        )
    return verdicts


def _every_block(
    model: SteeredModel, concept: ConceptTexts, vectors: Sequence[SteeringVector],
    batch: TokenBatch, progress: Progress,
) -> LawReport:  # fmt: skip
    """`local` at every block: cheap, and says more about a model than a sweep at one block."""
    report, rows = LawReport(model, concept), []
    few = batch.take(list(range(min(_SCANNED, batch.rows))))
    for number, vector in enumerate(vectors, start=1):
        held = model.hold(few, vector.site, "last" if vector.apply == "last" else "all")
        rows.append(budget_alphas(held, vector, derivatives(held, vector), list(_BUDGETS)))
        if number % 5 == 0 or number == len(vectors):
            progress(f"budgets at {number} of {len(vectors)} blocks measured")
    table = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    off = np.abs(table["predicted"] / table["measured"] - 1)
    settled = np.where(np.isfinite(off), off, -1.0)
    worst = [
        int(np.where(table["budget"] == b, settled, -1.0).max(axis=1).argmax()) for b in _BUDGETS
    ]
    flat = {name: values.ravel() for name, values in table.items()}
    found = _budget_verdicts(flat, "every block", f"; {len(vectors)} blocks")
    report.add(
        *(
            replace(v, note=f"{v.note}; worst at block {layer}")
            for v, layer in zip(found, worst, strict=True)
        )
    )
    report.arrays["laws_depth"] = {
        "model": model.name,
        "concept": concept.name,
        "layers": np.arange(len(vectors)),
        "units": np.array([v.residual_norm / v.norm for v in vectors]),
        **table,
    }
    return report


def plateau(model: SteeredModel, vector: SteeringVector) -> Floats:
    """Log-probabilities at alpha -> -inf and +inf, (2, V): LN(-+v) W^T, whatever the prompt."""
    form = last_block(model, np.zeros(model.width), vector)
    return np.stack([form.limit(sign) for sign in (-1, 1)])


def text_losses(model: SteeredModel, states: torch.Tensor, ids: torch.Tensor) -> Floats:
    """-log p of each next token, (R (T - 1),), from normed states (R, T, d), in pieces."""
    flat, goal = states[:, :-1].reshape(-1, states.shape[-1]), ids[:, 1:].reshape(-1).numpy()
    step = max(1, _CELLS // model.vocabulary)
    pieces = [
        -model.log_softmax(part)[np.arange(len(part)), goal[i * step : i * step + len(part)]]
        for i, part in enumerate(flat.split(step))
    ]
    return np.concatenate(pieces)


def text_derivatives(
    model: SteeredModel, states: Sequence[torch.Tensor], goal: NDArray[np.int64], step: float
) -> tuple[Floats, Floats, Floats]:
    """Slope and curvature of the cross-entropy at 0, and Var(M_loc), of each position: (n,) each.

    `states` are the normed states, (n, d), at -step, 0 and step; `goal` the tokens that follow.
    """
    found: list[tuple[Floats, Floats, Floats]] = []
    size = max(1, _CELLS // (4 * model.vocabulary))
    for start in range(0, goal.size, size):
        piece = slice(start, start + size)
        low, middle, high = (model.read_out(s[piece]).numpy() for s in states)
        log_p = model.log_softmax(states[1][piece])
        labels = np.zeros_like(log_p)
        labels[np.arange(len(labels)), goal[piece]] = 1.0
        slope, bend = (high - low) / (2 * step), (high - 2 * middle + low) / step**2
        first, second = local_cross_entropy(log_p, labels, slope, bend)
        found.append((first, second, 2.0 * local_divergence(log_p, slope)))
    slopes, curvatures, variances = (np.concatenate(column) for column in zip(*found, strict=True))
    return slopes, curvatures, variances


def _finding(
    name: str, where: str, claim: str, error: Any, examples: int, note: str, *,
    unknown: bool = False,
) -> Verdict:  # fmt: skip
    """A verdict on an expansion; where it is refuted, the note says why it need not hold."""
    verdict = law_verdict(f"{name}@{where}", claim, error, examples, note, unknown=unknown)
    reason = _WHY.get(name) or _WHY.get(name.split(" ")[0].rstrip(","), "")
    if verdict.status == "refuted" and reason:
        return replace(verdict, note=f"{note}; why: {reason}")
    return verdict


class _Block:
    """Everything that is measured at one block, judged statement by statement."""

    def __init__(
        self, model: SteeredModel, vector: SteeringVector, batch: TokenBatch,
        words: NDArray[np.int64], texts: tuple[TokenBatch, TokenBatch], progress: Progress,
    ) -> None:  # fmt: skip
        self.model, self.vector, self.words = model, vector, words
        self.layer, self.where = int(vector.site.layer or 0), vector.site.name
        self.held = model.hold(batch, vector.site, "last" if vector.apply == "last" else "all")
        self._self_check(batch)
        self.locals = derivatives(self.held, vector)
        self.unit = vector.residual_norm / vector.norm
        self.alphas = asinh_grid(max(_PAPER, self.unit), 1.0, _HALF)
        self.budgets = budget_alphas(self.held, vector, self.locals, list(_BUDGETS))
        self.arrays: dict[str, Any] = {}
        progress(f"{self.where}: derivatives and budgets of {self.held.count} contexts")
        self._sweep()
        progress(f"{self.where}: {self.alphas.size} alphas measured")
        self._approach()
        sd = float(np.median([one.variance for one in self.locals])) ** 0.5
        self.text = [self._text(windows, sd) for windows in texts]
        progress(f"{self.where}: plateau and cross-entropy on text measured")

    def _self_check(self, batch: TokenBatch) -> None:
        """By the model's own hooked passes: 0 is the identity, steering does something."""
        model, step = self.model, 0.1 * self.vector.residual_norm / self.vector.norm
        base = model.log_probability(batch)
        steered = []
        for alpha in (0.0, step, -step):
            with model.steered(self.vector, alpha):
                steered.append(model.log_probability(batch))
        if not np.array_equal(steered[0], base):
            raise SelfCheckError(
                f"steering {self.where} with alpha = 0 changes the log-probabilities",
                remedy="the forward pass is not deterministic, or another hook is still attached",
            )
        if np.array_equal(steered[1], steered[2]):
            raise SelfCheckError(
                f"steering {self.where} changes nothing at the last position",
                remedy="the model does not pass that block's output on: choose another site",
            )
        p = [np.exp(log_q[:, self.words]).sum(axis=1) for log_q in steered[1:]]
        self.rises = int((p[0] > p[1]).sum())

    def _sweep(self) -> None:
        """Every context on the grid; kept are curves, not distributions."""
        outside = np.ones(self.model.vocabulary, dtype=bool)
        outside[self.words] = False
        self.near = np.abs(self.alphas) <= self.unit
        self.closed = np.full(self.held.count, np.nan)
        self.closed_tolerance = 0.0
        self.tracks, self.near_tracks = [], []
        rows: dict[str, list[Floats]] = {name: [] for name in ("f", "f_law", "kl", "kl_law")}
        for j, one in enumerate(self.locals):
            states = self.held.last_normed([j] * self.alphas.size, self.alphas, self.vector)
            log_q = self.model.log_softmax(states)
            family = one.family()
            top = np.argsort(-log_q[-1], kind="stable")[:_TOP]
            near = np.argsort(-log_q[self.near].max(axis=0), kind="stable")[:_TOP]
            self.tracks.append(np.exp(log_q[:, top]))
            self.near_tracks.append(np.exp(log_q[:, near]))
            rows["f"].append(
                logsumexp(log_q[:, self.words], axis=1) - logsumexp(log_q[:, outside], axis=1)
            )
            rows["f_law"].append(family.concept_log_odds(self.words, self.alphas))
            rows["kl"].append((one.log_p - log_q) @ np.exp(one.log_p))
            rows["kl_law"].append(family.cross_entropy_increase(self.alphas))
            self._closed_form(j, log_q, states)
        self.f, self.f_law, self.kl, self.kl_law = (np.stack(rows[name]) for name in rows)
        self.arrays |= {
            "alphas": self.alphas,
            "concept_measured": expit(self.f[0]),
            "concept_predicted": expit(self.f_law[0]),
            "ratio": np.stack(
                [
                    (self.budgets["predicted"] / self.budgets["measured"])[
                        self.budgets["budget"] == budget
                    ]
                    for budget in _BUDGETS
                ]
            ),
            "budgets": np.array(list(_BUDGETS)),
        }

    def _closed_form(self, context: int, log_q: Floats, states: torch.Tensor) -> None:
        model = self.model
        if self.layer != len(model.blocks) - 1 or model.structure.not_affine is not None:
            return
        try:
            last = int(self.held.batch.last[context])
            h = self.held.residual[context, last].double().cpu().numpy()
            form = last_block(model, h, self.vector)
        except ModelError:
            return  # the norm is neither of the two known ones: there is no closed form
        self.closed[context] = max(
            float(np.abs(form.log_probability(float(a)) - row).max())
            for a, row in zip(self.alphas, log_q, strict=True)
        )
        # The norm's own arithmetic, relative to the state, dominates a float64 read-out.
        eps = precision(torch.promote_types(model.dtype, torch.float32))
        length = float(states.double().norm(dim=-1).max())
        bound = model.rounding(length) * max(1.0, model.norm.precision / eps)
        # The steered state h + alpha v is rounded to the model's precision before the norm.
        self.closed_tolerance = max(self.closed_tolerance, bound * precision(model.dtype) / eps)

    def _approach(self) -> None:
        """The final norm's output against its limit, its bound, and the prediction with R_inf."""
        model, v = self.model, self.vector.values
        self.to_limit, self.to_refined, self.rates, self.beyond = [], [], [], []
        self.paper, self.scales = [], []
        try:
            norm, limits = model.norm, np.exp(plateau(model, self.vector))
        except ModelError:
            return  # an unknown norm: no prediction
        for sign, limit in zip((-1, 1), limits, strict=True):
            for j, rest in enumerate(remainders(self.held, self.vector, sign)):
                length = float(np.linalg.norm(norm.centred(v)))
                scale = float(np.linalg.norm(norm.centred(rest))) / length
                strengths = sign * np.concatenate([[_PAPER], scale * _DISTANCES])
                states = self.held.last_normed([j] * strengths.size, strengths, self.vector)
                inputs = self.held.norm_inputs([j] * strengths.size, strengths, self.vector)
                q = np.exp(model.log_softmax(states))
                refined = norm.steering(rest, v).output(strengths)
                r = np.exp(model.log_softmax(torch.as_tensor(refined)))
                to_limit = 0.5 * np.abs(q - limit).sum(axis=1)
                to_refined = 0.5 * np.abs(q - r).sum(axis=1)
                goal = norm.steering(np.zeros_like(v), v).limit(sign)
                gap = np.linalg.norm(states.double().cpu().numpy() - goal, axis=1)
                self.rates.append(
                    float(np.log(gap[-1] / gap[-2]) / np.log(_DISTANCES[-1] / _DISTANCES[-2]))
                )
                # What is left of the input beside alpha v, as it is at each alpha.
                own = inputs.double().cpu().numpy() - strengths[:, None] * v
                allowed = np.array(
                    [
                        float(norm.steering(one, v).bound(float(a)))
                        for one, a in zip(own, strengths, strict=True)
                    ]
                )
                rounding = 8 * precision(model.dtype) * float(np.linalg.norm(goal))
                eps = norm.eps / np.mean(norm.centred(v * strengths[:, None]) ** 2, axis=1)
                slack = rounding + 0.5 * eps * float(np.linalg.norm(goal))
                self.beyond.append(float((gap / (allowed + slack)).max()))
                self.to_limit.append(to_limit[1:])
                self.to_refined.append(to_refined[1:])
                self.paper.append((float(to_limit[0]), float(to_refined[0])))
                self.scales.append(scale)
        self.arrays |= {
            "distance": _DISTANCES,
            "to_limit": np.median(self.to_limit, axis=0),
            "to_refined": np.median(self.to_refined, axis=0),
        }

    def _text(self, windows: TokenBatch, sd: float) -> dict[str, Any]:
        """Slope and curvature of the cross-entropy on text: from derivatives, and from losses.

        The derivative is taken at 0.03 sd, because the second one divides rounding by the step's
        square; the losses are measured at 0.1 and 0.2 sd: different passes, so that agreement is
        not an identity of floating-point numbers.
        """
        model = self.model
        held = model.hold(windows, self.vector.site)
        step, far = 0.03 / sd, 0.1 / sd
        states = [held.all_normed(a, self.vector)[:, :-1] for a in (-step, 0.0, step)]
        flat = [s.reshape(-1, s.shape[-1]) for s in states]
        goal = windows.ids[:, 1:].reshape(-1).numpy()
        slopes, curvature, variances = text_derivatives(model, flat, goal, step)
        alphas = far * np.arange(-2.0, 3.0)
        f = np.array(
            [
                text_losses(model, held.all_normed(a, self.vector), windows.ids).mean()
                for a in alphas
            ]
        )
        spread = float(np.std(slopes, ddof=1)) / math.sqrt(len(slopes))
        return {
            "tokens": len(slopes),
            "slope": float(np.mean(slopes)),
            "error": spread,
            "curvature": float(np.mean(curvature)),
            "variance": float(np.mean(variances)),
            "measured_slope": float((8 * (f[3] - f[1]) - (f[4] - f[0])) / (12 * far)),
            "measured_curvature": float(
                (-f[4] + 16 * f[3] - 30 * f[2] + 16 * f[1] - f[0]) / (12 * far * far)
            ),
            "alphas": alphas,
            "losses": f - f[2],
        }

    def judge(self, report: LawReport) -> None:
        """Append every statement at this block to the report."""
        if np.isfinite(self.closed).any():
            worst = float(np.nanmax(self.closed))
            report.add(
                law_verdict(
                    f"last-block@{self.where}",
                    "logits (a + alpha b) / sqrt(Q(alpha)) + c",
                    worst / self.closed_tolerance,
                    self.alphas.size * self.held.count,
                    f"max |difference| {worst:.1e} nats over all tokens, alpha to"
                    f" {self.alphas[-1]:.3g} (rounding {self.closed_tolerance:.1e})",
                ),
                exact=True,
            )
        if self.beyond:
            report.add(self._bound(), exact=True)
            report.add(self._limit(), self._refined())
        report.add(*_budget_verdicts(self.budgets, self.where), self._tilting())
        report.add(self._concept(), self._sigmoid(), *self._shapes())
        report.add(self._linear(self.text[0]), self._calibrated(self.text[1]))
        v = self.vector
        report.paragraphs.append(
            f"{self.where}: |h| / |v| = {self.unit:.3g}, cosine with the vector whose mean counts"
            f" the first token {v.sink_cosine:.3f}; along +v the words of the concept get likelier"
            f" in {self.rises} of {self.held.count} contexts; blocks below"
            f" {'run once' if self.held.substituted else 'run every time'}."
        )
        text = self.text[0]
        self.arrays |= {
            "text_alphas": text["alphas"],
            "text_losses": text["losses"],
            "text_slope": text["slope"],
            "text_curvature": text["curvature"],
        }

    def _bound(self) -> Verdict:
        return law_verdict(
            f"norm-limit@{self.where}",
            "|LN(h + R + alpha v) - LN(+-v)| <= 2 sqrt(d) |P(h + R)| max|gain| / (|alpha| |P v|)",
            max(self.beyond),
            len(self.beyond) * (_DISTANCES.size + 1),
            f"gap at most {max(self.beyond):.3f} of the bound, at alpha = {_PAPER:g} and where"
            f" |alpha v| is 10 to 1000 times |h + R_inf|",
        )

    def _limit(self) -> Verdict:
        rates, ends = np.array(self.rates), np.array(self.to_limit)[:, -1]
        return _finding(
            "norm-limit (rate)",
            self.where,
            "the gap to the plateau falls like 1 / alpha, within 5 %",
            np.abs(rates + 1).max() / 0.05,
            rates.size,
            f"exponent {rates.min():.4f} to {rates.max():.4f}; total variation to LN(+-v) W^T"
            f" {ends.max():.2g} at |alpha v| = {_DISTANCES[-1]:g} |h + R_inf|, but"
            f" {max(p[0] for p in self.paper):.2g} at alpha = {_PAPER:g}: |h + R_inf| / |v| ="
            f" {np.median(self.scales):.3g}",
        )

    def _refined(self) -> Verdict:
        limit, refined = np.array(self.to_limit), np.array(self.to_refined)
        near, far = (
            f"{refined[:, i].max():.2g} instead of {limit[:, i].max():.2g}" for i in (0, 1)
        )
        return _finding(
            "norm-limit (R_inf)",
            self.where,
            "LN(h + R_inf + alpha v) W^T is closer than the plateau",
            (refined[:, 1] / np.maximum(limit[:, 1], 1e-300)).max(),
            len(refined),
            f"total variation {near} where |alpha v| = {_DISTANCES[0]:g} |h + R_inf|, {far} at"
            f" {_DISTANCES[1]:g}, {max(p[1] for p in self.paper):.2g} instead of"
            f" {max(p[0] for p in self.paper):.2g} at alpha = {_PAPER:g}",
        )

    def _tilting(self) -> Verdict:
        found = self.budgets
        seen = np.isfinite(found["variation"])
        most = {b: found["variation"][seen & (found["budget"] == b)] for b in _BUDGETS}
        shown = ", ".join(f"{v.max():.3f} at {b:g} nat" for b, v in most.items() if v.size)
        worst = max((v.max() for b, v in most.items() if v.size and b <= 0.1), default=np.nan)
        return _finding(
            "tilting by M_loc",
            self.where,
            f"p_0 exp(alpha M_loc - K), total variation at most {_TILT:g} up to 0.1 nat",
            worst / _TILT,
            int(seen.sum()),
            f"total variation {shown or '-'}, largest over contexts and signs",
            unknown=not np.isfinite(worst),
        )

    def _concept(self) -> Verdict:
        off = np.abs(expit(self.f) - expit(self.f_law)) > _CONCEPT
        limit = min((np.abs(self.alphas[row]).min() for row in off if row.any()), default=np.inf)
        spent = float(self.kl[off].min()) if off.any() else np.inf
        rising = sum(count_shapes(expit(f)[:, None], _SHAPE)["rise"] for f in self.f)
        return _finding(
            "concept-tanh by M_loc",
            self.where,
            f"F_T of the tilt, within {_CONCEPT:g} up to {_REACH_NATS:g} nat",
            _REACH_NATS / max(spent, 1e-300),
            len(self.f),
            f"holds up to |alpha| = {limit:.3g}, KL {spent:.2g} nats at the earliest; F_T rises"
            f" throughout in {rising} of {len(self.f)} contexts",
        )

    def _sigmoid(self) -> Verdict:
        """The widest window around 0 in which a straight line stays close to the logit of F_T."""
        middle, ends, spent = self.alphas.size // 2, [], []
        for f, kl in zip(self.f, self.kl, strict=True):
            best = 0
            for half in range(2, middle + 1):
                inside = slice(middle - half, middle + half + 1)
                slope, offset = np.polyfit(self.alphas[inside], f[inside], 1)
                if np.abs(f[inside] - slope * self.alphas[inside] - offset).max() > _LINE:
                    break
                best = half
            ends.append(float(self.alphas[middle + best]))
            spent.append(float(kl[[middle - best, middle + best]].max()))
        return _finding(
            "concept-tanh, linear nu",
            self.where,
            f"logit F_T is a line within {_LINE:g}, up to {_REACH_NATS:g} nat",
            _REACH_NATS / max(min(spent), 1e-300),
            len(ends),
            f"up to |alpha| = {min(ends):.3g} to {max(ends):.3g}, KL {min(spent):.2g} to"
            f" {max(spent):.2g} nats, beyond which nu bends",
        )

    def _shapes(self) -> list[Verdict]:
        found = []
        for name, below, tracks in (
            (f"0 to {_PAPER:g}", self.alphas <= _PAPER, self.tracks),
            ("0 to |h|/|v|", self.near, self.near_tracks),
        ):
            inside = below & (self.alphas >= 0)
            enough = int(inside.sum()) >= 5
            counts = [count_shapes(t[inside], _SHAPE) for t in tracks] if enough else []
            total = {k: sum(c[k] for c in counts) for k in count_shapes(np.zeros((2, 0)), 0.0)}
            number = sum(total.values())
            wrong = total["dip"] + total["multi"]
            listed = ", ".join(f"{n} {k}" for k, n in total.items() if n)
            found.append(
                _finding(
                    f"peak (alpha {name})",
                    self.where,
                    "the likeliest tokens bump, rise or fall",
                    1.0 + wrong / number if wrong else 0.0,
                    number,
                    f"{number - wrong} of {number}: {listed}; turns of at most {_SHAPE:g} ignored",
                    unknown=not enough,
                )
            )
        return found

    def _linear(self, text: dict[str, Any]) -> Verdict:
        # Both are differences of larger terms: the slope of two means of M_loc, known to a
        # standard error, the curvature of terms of the size of E Var(M_loc).
        slope = abs(text["measured_slope"] - text["slope"]) / (abs(text["slope"]) + text["error"])
        bend = abs(text["measured_curvature"] - text["curvature"]) / text["variance"]
        return _finding(
            "ce-linear",
            self.where,
            "slope E_model[M] - E_data[M], curvature E Var(M) + E_model[l''] - E_data[l'']",
            max(slope, bend) / _SLOPE,
            text["tokens"],
            f"library text: slope {text['slope']:+.5f} predicted, {text['measured_slope']:+.5f}"
            f" measured, {text['slope'] / text['error']:+.1f} standard errors from 0; curvature"
            f" {text['curvature']:.4f}, {text['measured_curvature']:.4f}; lowest near alpha ="
            f" {-text['slope'] / text['curvature']:+.2f}",
        )

    def _calibrated(self, text: dict[str, Any]) -> Verdict:
        z = text["slope"] / text["error"]
        return _finding(
            "ce-linear (calibrated)",
            self.where,
            f"slope 0 on text sampled from the model, within {_NOISE:g} standard errors",
            abs(z) / _NOISE,
            text["tokens"],
            f"slope {text['measured_slope']:+.5f} +- {text['error']:.5f}, {z:+.1f} standard errors;"
            f" curvature {text['measured_curvature']:.4f}, E Var(M_loc) {text['variance']:.4f}",
        )
