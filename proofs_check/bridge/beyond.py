"""The laws beyond the paper on a real model: other edits, whole texts, other texts.

At the output of the final norm they are exact, or hold within Monte Carlo errors that are said:
six operators by hooks on the state against the engine's prediction; the cost of steered generation
at ten strengths from one set of unsteered texts; the standard error of an advised alpha against
texts drawn again. At a block the same predictions are made with the derivative of the logits, and
how far they carry is measured.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from steering_strength.proofs_check.bridge.curve import derivatives
from steering_strength.proofs_check.bridge.generated import Reading
from steering_strength.proofs_check.bridge.laws import LawReport
from steering_strength.proofs_check.bridge.steer import Held
from steering_strength.proofs_check.bridge.structure import precision
from steering_strength.proofs_check.bridge.vectors import FINAL_NORM, SteeringVector
from steering_strength.theory import TiltedFamily
from steering_strength.theory.engine.estimation import estimate
from steering_strength.theory.engine.operators import (
    Ablation,
    Addition,
    Affine,
    Clamp,
    Conditional,
    Operator,
    Rotation,
)

Floats = NDArray[np.float64]

_CONTEXTS, _TEXTS, _LENGTH, _STRENGTHS = 4, 32, 10, 10
# Nats per generated token at the largest strength: there the weights of a hundred tokens' texts
# still leave a few texts that count, see `sequence-weights`.
_PER_TOKEN = 0.04
_DRAWS, _DRAWS_AT_BLOCK, _BUDGET = 200, 24, 0.5
# Monte Carlo: the largest of ten errors exceeds four standard errors once in 1,600 runs.
_NOISE = 4.0


def operators_at(report: LawReport, vector: SteeringVector) -> None:
    """`operator`: addition, ablation, affine, clamp, conditional and rotation, by real hooks.

    Each edits the last position; predicted is a tilt by the strengths that the engine computes from
    the unsteered states, along W u at the final norm and along the derivative at a block.
    """
    model, exact = report.model, vector.site == FINAL_NORM
    batch = model.encode(report.concept.contexts[:_CONTEXTS])
    held = model.hold(batch, vector.site, "last")
    states = batch.at_last(held.residual).cpu().double()
    # At the final norm the law and its reading are in float64, whatever made the states.
    base = model.log_softmax(states if exact else held.base)
    effects: dict[bytes, Floats] = {}

    def effect(u: Floats) -> Floats:
        """What a unit of u at the last position adds to the logits of every context, (m, V)."""
        if u.tobytes() not in effects:
            one = SteeringVector(u, vector.site, apply="last")
            rows = [model.direction(u)] * batch.rows if exact else _slopes(held, one)
            effects[u.tobytes()] = np.stack(rows)
        return effects[u.tobytes()]

    operators = _operators(vector.values, states.numpy())
    errors, kls, gaps = list[float](), list[float](), list[float]()
    for operator in operators:
        with model.edited(vector.site, partial(_last, operator)):
            rows = [model.log_probability(batch.take([j])) for j in range(batch.rows)]
            hooked = np.concatenate(rows)
        along = np.stack([effect(u) for u in operator.directions.T])
        strengths = operator.strengths(states.numpy().T)
        predicted = np.stack(
            [
                TiltedFamily(base[j], strengths[j] @ along[:, j]).log_probability(1.0)
                for j in range(batch.rows)
            ]
        )
        kls.append(float((np.exp(base) * (base - hooked)).sum(axis=1).mean()))
        gaps.append(float(0.5 * np.abs(np.exp(predicted) - np.exp(hooked)).sum(axis=1).max()))
        if exact:
            # Read out in float64, and in the model's own hooked pass: each to its own rounding, of
            # the states and of the strengths, which are products of d terms like the logits.
            edited = torch.as_tensor(operator.edited(states.numpy().T).T)
            read, wide = model.log_softmax(edited), torch.promote_types(model.dtype, torch.float32)
            length = float(states.norm(dim=-1).max() + edited.norm(dim=-1).max())
            rounding = model.rounding(length) / precision(wide)
            own = 2.0**-52 if model.structure.plain else precision(model.dtype)
            for seen, eps in ((read, own), (hooked, precision(model.dtype))):
                errors.append(float(np.abs(predicted - seen).max()) / (rounding * eps))
    names = [type(operator).__name__.lower() for operator in operators]
    spent = ", ".join(f"{n} {k:.2g}" for n, k in zip(names, kls, strict=True))
    claim = "h + sum_k c_k(h) u_k tilts by sum_k c_k(h) M_k: addition, ablation, affine, clamp,"
    claim += " conditional, rotation"
    if exact:
        report.judge(
            "operator", claim, max(errors),
            f"worst {names[int(np.argmax(errors)) // 2]}; nats spent: {spent}",
            examples=6 * batch.rows, exact=True,
        )  # fmt: skip
        return
    listed = ", ".join(
        f"{n} {d:.2g} at {k:.2g} nat" for n, d, k in zip(names, gaps, kls, strict=True)
    )
    within = [d for d, k in zip(gaps, kls, strict=True) if k <= 0.1]
    report.judge(
        f"operator@{vector.site.name}", f"{claim}; along M_loc, total variation 0.1 up to 0.1 nat",
        np.array(within) / 0.1, f"total variation {listed}", examples=len(within) * batch.rows,
        why="the logits bend in the edit",
    )  # fmt: skip


def _last(operator: Operator, hidden: torch.Tensor) -> torch.Tensor:
    """States (B, T, d) with the last position edited."""
    moved = hidden.double().cpu().clone()
    moved[:, -1] = torch.as_tensor(operator.edited(moved[:, -1].numpy().T).T)
    return moved


def _operators(v: Floats, states: Floats) -> list[Operator]:
    """Six operators with typical numbers.

    The steering spends a few tenths of a nat, a clamp sets the feature to what it reads in the
    first context, a third of a right angle is turned.
    """
    u, alpha = v / np.linalg.norm(v), 0.5
    other = states.mean(axis=0) - (states.mean(axis=0) @ u) * u
    w = other / np.linalg.norm(other)
    encoder, reads = u + 0.1 * w, states @ u
    value, threshold = float(np.abs(reads).max()), float(np.median(reads))
    bias = -float((states @ encoder).mean())
    return [
        Addition(v, alpha),
        Ablation(u),
        Affine(u, value),
        Clamp(u, value, encoder, bias, rectified=True),
        Conditional(Addition(v, alpha), u, threshold),
        Rotation(u, w, math.pi / 6),
    ]


def texts_at(report: LawReport, vector: SteeringVector, *, seed: int = 0) -> None:
    """`sequence-reverse`: what steered texts cost, at ten strengths, from unsteered texts alone.

    Predicted by the weights of one set of unsteered texts; measured on texts generated at each
    strength. Both have Monte Carlo errors, which is the unit.
    """
    model, name = report.model, vector.site.name
    prompts = model.encode(report.concept.contexts[:_CONTEXTS])
    batch = prompts.take([j for j in range(prompts.rows) for _ in range(_TEXTS // prompts.rows)])
    how: dict[str, Any] = {"temperature": 1.0, "stop": False}
    drawn = Reading(model, vector, model.continued(batch, _LENGTH, seed=seed, **how)).sampled()
    # Half the information times alpha^2 is the cost of a text, to second order.
    largest = math.sqrt(2.0 * _PER_TOKEN * _LENGTH / float(drawn.information()[0]))
    alphas = largest * np.arange(1, _STRENGTHS + 1) / _STRENGTHS
    predicted, error = drawn.reverse_kl(alphas)
    left = drawn.effective_sample_size(alphas)
    measured, noise = np.empty(_STRENGTHS), np.empty(_STRENGTHS)
    for i, alpha in enumerate(alphas.tolist()):
        with model.steered(vector, alpha):
            texts = model.continued(batch, _LENGTH, seed=seed + 1 + i, **how)
        costs = Reading(model, vector, texts).costs(alpha)
        totals = np.bincount(costs.text, costs.reverse)
        measured[i] = totals.mean()
        noise[i] = totals.std(ddof=1) / math.sqrt(totals.size)
    off = np.abs(predicted - measured) / np.hypot(error, noise)
    ratio = predicted / measured
    exact = vector.site == FINAL_NORM
    title = {"title": f"{model.name}, “{report.concept.name}”", "tokens": _LENGTH, "panels": 0}
    record = report.arrays.setdefault("laws_texts", title)
    panel = {
        "site": name, "alphas": alphas, "predicted": predicted, "error": error,
        "measured": measured, "noise": noise,
    }  # fmt: skip
    record |= {f"{key}_{record['panels']}": value for key, value in panel.items()}
    record["panels"] += 1
    report.judge(
        f"sequence-reverse{'' if exact else '@' + name}",
        f"KL(P_alpha || P_0) of {_LENGTH} tokens from unsteered texts, within"
        f" {_NOISE:g} Monte Carlo errors",
        off / _NOISE,
        f"{_STRENGTHS} strengths to alpha = {largest:.3g} from {drawn.count} texts: off by"
        f" {off.min():.1f} to {off.max():.1f} Monte Carlo errors; predicted / measured"
        f" {ratio.min():.3f} to {ratio.max():.3f}, {measured[-1] / _LENGTH:.3g} nats per token"
        f" at the end, where {left[-1]:.3g} texts are left",
        why="the weights take M_loc for M at every token",
    )


def standard_error_at(report: LawReport, vector: SteeringVector, *, seed: int = 0) -> None:
    """`standard-error`: how far alpha moves if P and N are drawn again, against its prediction.

    At the final norm 200 times, each alpha in closed form; at a block 24 times, each alpha found by
    the search.
    """
    model, concept, exact = report.model, report.concept, vector.site == FINAL_NORM
    rng, text = np.random.default_rng(seed), concept.contexts[:1]
    read: Any = vector.read
    states = [model.states(side, vector.site, read) for side in (concept.positive, concept.neutral)]
    draws = _DRAWS if exact else _DRAWS_AT_BLOCK
    picked = [[rng.integers(0, len(s), len(s)) for s in states] for _ in range(draws)]
    if exact:
        rows = [model.log_softmax(side.double()) for side in states]
        log_p = model.log_probability(text)[0]
        found = []
        for plus, minus in picked:
            odds = rows[0][plus].mean(axis=0) - rows[1][minus].mean(axis=0)
            found.append(TiltedFamily(log_p, odds).cross_entropy_root(_BUDGET, 1).alpha)
    else:
        held = model.hold(text, vector.site, vector.apply)
        # M_loc is linear in the vector: the effect of each state.
        rows = [
            np.stack([_slopes(held, replace(vector, values=one))[0] for one in side])
            for side in (side.double().numpy() for side in states)
        ]
        log_p = derivatives(held, vector)[0].log_p
        found = []
        for chosen in picked:
            plus, minus = (
                side.double().numpy()[index].mean(axis=0)
                for side, index in zip(states, chosen, strict=True)
            )
            again = replace(vector, values=plus - minus)
            found.append(model.at(None, again, text)[0].cross_entropy_root(_BUDGET, 1).alpha)
    family = TiltedFamily(log_p, rows[0].mean(axis=0) - rows[1].mean(axis=0))
    sure = estimate(family, family.cross_entropy_root(_BUDGET, 1).alpha, "cross_entropy", *rows)
    # Texts drawn with replacement vary by (n - 1) / n of what new texts would.
    shares = [(len(s) - 1) / len(s) * v for s, v in zip(states, sure.variances, strict=True)]
    # In 1/alpha, which is Gaussian further than alpha is.
    seen = float(np.std(1.0 / np.array(found), ddof=1)) * sure.alpha**2
    predicted = math.sqrt(sum(shares))
    # Three standard errors of a standard deviation, and what a first-order formula leaves: the
    # next order is of the relative size of the error itself.
    allowed = 3.0 / math.sqrt(2.0 * draws) + predicted / abs(sure.alpha)
    low, high = sure.interval()
    report.judge(
        f"standard-error{'' if exact else '@' + vector.site.name}",
        f"the error of the alpha of {_BUDGET:g} nat over other texts, within {allowed:.0%}",
        abs(predicted / seen - 1.0) / allowed,
        f"alpha = {sure.alpha:.4g}: predicted {predicted:.4f}, {seen:.4f} over {draws} resamplings"
        f" of {len(states[0])} + {len(states[1])} texts; 95 % from {low:.3g} to {high:.3g},"
        f" {sure.positive_share:.0%} of the variance from P",
        examples=draws,
        why="at a block alpha is no function of M_loc alone",
    )


def _slopes(held: Held, vector: SteeringVector) -> list[Floats]:
    """The derivative of every context's logits along a vector, (V,) each."""
    return [family.log_odds for family in derivatives(held, vector)]
