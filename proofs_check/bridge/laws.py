"""Which statements hold on a model, where, and to how many digits: the report, and the final norm.

At the output of the final norm steering is tilting, so seven statements are exact there. Predicted:
a `TiltedFamily` from the unsteered distribution and M alone, no free parameter. Measured twice: the
unembedding of h + alpha v in float64, at every alpha and token, which shows ten digits of a float32
model without converting it; and the model's own forward pass with a hook on the norm, at three
alphas, to that pass's own rounding. Neither side sees the other's numbers.

An error counts in units of its tolerance, and every tolerance is the rounding of the arithmetic or
the measurement's own uncertainty: nothing is fitted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, logsumexp

from steering_strength.proofs_check.bridge.data import write_arrays
from steering_strength.proofs_check.bridge.errors import SelfCheckError
from steering_strength.proofs_check.bridge.extra import versions
from steering_strength.proofs_check.bridge.steer import vector_tensor
from steering_strength.proofs_check.bridge.structure import precision
from steering_strength.proofs_check.bridge.vector_files import save_vector
from steering_strength.proofs_check.bridge.vectors import FINAL_NORM, SteeringVector
from steering_strength.proofs_check.verdict import Status, Verdict, as_json
from steering_strength.theory import TiltedFamily
from steering_strength.theory.errors import AlphaError
from steering_strength.theory.files import write_json, write_text

if TYPE_CHECKING:
    from steering_strength.proofs_check.bridge.model import SteeredModel
    from steering_strength.proofs_check.bridge.texts import ConceptTexts

__all__ = ["LawReport", "alpha_grid", "columns", "final_norm_laws", "law_verdict"]

Floats = NDArray[np.float64]
Progress = Callable[[str], None]

# Below this total variation at the ends of the grid, agreement would say little.
_EFFECT = 0.3
# Another order of summation shows at 1e-7 relative, amplified by the depth. A padding that leaks
# into attention, or positions that shift, change log-probabilities by far more than this.
_BATCH_NATS = 1e-3
_DENSE = 4


def alpha_grid(reach: float, count: int) -> Floats:
    """`count` equally spaced alphas on [-reach, reach] with an exact 0 among them.

    Raises
    ------
    AlphaError
        `reach` is not positive and finite, or `count` is even or below 5.
    """
    if not (np.isfinite(reach) and reach > 0):
        raise AlphaError(
            f"the largest alpha is {reach}, a positive finite number is needed",
            remedy="give for instance --alpha-max 8",
        )
    if count < 5 or count % 2 == 0:
        raise AlphaError(
            f"a grid of {count} alphas, an odd number of at least 5 is needed so that 0 is on it",
            remedy=f"give --alphas {max(5, count + 1 - count % 2)}",
        )
    half = np.linspace(0.0, reach, count // 2 + 1)
    return np.concatenate([-half[:0:-1], half])


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Left-aligned columns, two spaces apart; the last one is not padded."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def law_verdict(
    name: str,
    claim: str,
    error: Any,
    examples: int,
    note: str,
    *,
    seconds: float = 0.0,
    unknown: bool = False,
) -> Verdict:
    """A verdict from errors in units of their tolerance: passed if the worst is at most 1.

    NaN compares false, so a number that is missing cannot pass.
    """
    worst = float(np.max(error)) if np.size(error) else float("nan")
    status: Status = "unknown" if unknown else ("passed" if worst <= 1 else "refuted")
    return Verdict(
        id=name,
        method="real-model",
        status=status,
        expected=True,
        claim=claim,
        examples=examples,
        max_error=worst,
        counterexample=None,
        seconds=seconds,
        note=note,
    )


@dataclass
class LawReport:
    """Verdicts on one model and concept, the arrays behind them, and what to say about them.

    Parameters
    ----------
    model : SteeredModel
    concept : ConceptTexts
    verdicts : list of Verdict
        `id` is the statement at the final norm, `statement@block_out l` elsewhere.
    exact : set of str
        The ids that claim equality where they stand; only these decide `holds`.
    arrays : dict
        File stem -> arrays of one figure.
    paragraphs : list of str
        In front of the table.
    measured : dict
        Numbers for the JSON.
    vectors : list of SteeringVector
        Those that were judged; written to be used again.
    """

    model: SteeredModel
    concept: ConceptTexts
    verdicts: list[Verdict] = field(default_factory=list)
    exact: set[str] = field(default_factory=set)
    arrays: dict[str, dict[str, Any]] = field(default_factory=dict)
    paragraphs: list[str] = field(default_factory=list)
    measured: dict[str, Any] = field(default_factory=dict)
    vectors: list[SteeringVector] = field(default_factory=list)

    def add(self, *verdicts: Verdict, exact: bool = False) -> None:
        """Append verdicts; `exact` ones claim equality."""
        self.verdicts += verdicts
        if exact:
            self.exact |= {verdict.id for verdict in verdicts}

    def extend(self, other: LawReport) -> None:
        """Append another report on the same model and concept."""
        self.verdicts += other.verdicts
        self.exact |= other.exact
        self.arrays |= other.arrays
        self.paragraphs += other.paragraphs
        self.measured |= other.measured
        self.vectors += other.vectors

    @property
    def holds(self) -> bool:
        """Whether no statement that claims equality was refuted."""
        return not any(v.id in self.exact and v.status == "refuted" for v in self.verdicts)

    def text(self) -> str:
        """For the terminal: what was examined, and one line for each statement."""
        rows = [("statement", "", "status", "error/tol", "n", "compared")]
        for verdict in self.verdicts:
            kind = "exact" if verdict.id in self.exact else ""
            rows.append((verdict.id, kind, verdict.status, *_numbers(verdict), verdict.note))
        return "\n\n".join([self._title(), *self.paragraphs, columns(rows)])

    def markdown(self) -> str:
        """The same with the claims, as a Markdown page."""
        lines = [f"# {self._title()}", *self.paragraphs]
        lines.append(
            "Statements marked *exact* claim equality where they stand; the others are expansions"
            " or limits, and how far they carry is the question: *refuted* there is a finding."
        )
        table = ["| statement | status | error/tolerance | n | claim | compared |"]
        table.append("| --- | --- | --- | --- | --- | --- |")
        for v in self.verdicts:
            kind = " *exact*" if v.id in self.exact else ""
            cells = (f"`{v.id}`{kind}", v.status, *_numbers(v), v.claim, v.note)
            table.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        return "\n\n".join([*lines, "\n".join(table)]) + "\n"

    def write(self, folder: Path, stem: str, *, seed: int, json_copy: str | None) -> list[Path]:
        """Write `stem`.json, `stem`.md, the arrays and the vectors; return the paths."""
        content = as_json(self.verdicts, seed=seed, examples=len(self.concept.contexts))
        content["versions"] |= versions()
        content["exact"] = [verdict.id for verdict in self.verdicts if verdict.id in self.exact]
        content["model"] = {
            "name": self.model.name,
            "fingerprint": self.model.fingerprint,
            "dtype": str(self.model.dtype).removeprefix("torch."),
            "blocks": len(self.model.blocks),
            "width": self.model.width,
            "vocabulary": self.model.vocabulary,
            "logit_scale": self.model.logit_scale,
        }
        content["concept"] = {
            "name": self.concept.name,
            "positive": len(self.concept.positive),
            "neutral": len(self.concept.neutral),
            "contexts": len(self.concept.contexts),
        }
        content["measured"] = self.measured
        paths = [write_text(folder / f"{stem}.md", self.markdown())]
        targets = [folder / f"{stem}.json", *([Path(json_copy)] if json_copy else [])]
        paths += [write_json(target, content) for target in targets]
        paths += [write_arrays(folder / f"{name}.npz", a) for name, a in self.arrays.items()]
        for vector in self.vectors:
            name = f"{self.concept.name}_{vector.site.name}.npz".replace(" ", "_")
            paths += save_vector(vector, folder / name)
        return paths

    def _title(self) -> str:
        return (
            f"{self.model.name}, weights {self.model.fingerprint}, concept"
            f" {self.concept.name!r}: |P| = {len(self.concept.positive)}, |N| ="
            f" {len(self.concept.neutral)}, {len(self.concept.contexts)} held-out contexts"
        )


def _numbers(verdict: Verdict) -> tuple[str, str]:
    error = verdict.max_error
    shown = "-" if error is None or not np.isfinite(error) else f"{error:.2g}"
    return shown, str(verdict.examples)


def final_norm_laws(
    model: SteeredModel,
    concept: ConceptTexts,
    alphas: Floats | None = None,
    *,
    vector: SteeringVector | None = None,
    context: int = 0,
    tokens: int = 8,
    progress: Progress,
) -> LawReport:
    """Judge `final-norm` and everything that follows from K there.

    Parameters
    ----------
    alphas : numpy.ndarray, optional
        Shape (A,), increasing, with an exact 0; default 33 to 12 standard deviations of M.
    vector : SteeringVector, optional
        One made elsewhere for the final norm; without it, the difference of means.
    context, tokens : int
        Whose likeliest tokens are drawn and their peaks located, and how many.

    Raises
    ------
    SteeringError
        A model without an affine read-out, unusable texts, or a failed self-check.
    """
    return _FinalNorm(model, concept, vector, alphas, context, tokens, progress).judge()


class _FinalNorm:
    """The measurements at the final norm: states once, then one matrix product for all alphas."""

    def __init__(
        self, model: SteeredModel, concept: ConceptTexts, vector: SteeringVector | None,
        alphas: Floats | None, context: int, tokens: int, progress: Progress,
    ) -> None:  # fmt: skip
        if model.structure.not_affine is not None:
            raise model.structure.not_affine
        self._started = time.process_time()
        self.model, self.concept, self.context, self.say = model, concept, context, progress
        self.batch = model.encode(concept.contexts)
        self.words = model.tokens(concept.words)
        if vector is None:
            self.vector = model.vector(concept.positive, concept.neutral, FINAL_NORM)
            sides = (concept.positive, concept.neutral)
            plus, minus = (_mean_log_p(model, texts) for texts in sides)
            self.log_odds = plus - minus
        else:
            self.vector = model.fitting(vector, FINAL_NORM)
            self.log_odds = model.direction(self.vector)
        self.v = vector_tensor(self.vector)
        self.states = model.normed(self.batch).double().cpu()
        self.base = model.log_softmax(self.states)
        self.sd = float(np.std(self.log_odds))
        self.alphas = alpha_grid(12.0 / self.sd, 33) if alphas is None else alphas
        self.families = [TiltedFamily(row, self.log_odds) for row in self.base]
        self.say(f"{self.batch.rows} contexts read; sd of M {self.sd:.3g} nats per unit alpha")
        self._self_checks()
        self._sweep(tokens)
        self.peaks = self._locate_peaks()
        self.say(f"{self.peaks['token'].size} peaks located")

    def rounding(self, alpha: Any, *, hooked: bool = False) -> Any:
        """Error, in nats, of a log-probability at alpha: of the hooked pass, or of the law itself.

        The law also takes alpha times M, which was read from states as long as h.
        """
        longest, model = float(self.states.norm(dim=-1).max()), self.model
        length = longest + np.abs(alpha) * (self.vector.norm + (0.0 if hooked else longest))
        eps = precision(model.dtype) if hooked else self._read_eps()
        wide = precision(torch.promote_types(model.dtype, torch.float32))
        return model.rounding(1.0) * length * eps / wide

    def _read_eps(self) -> float:
        """Precision of the read-out: float64 where it is W h + b, else the model's own."""
        return 2.0**-52 if self.model.structure.plain else precision(self.model.dtype)

    def _self_checks(self) -> None:
        """Apparatus, not laws: if one fails, what follows would not mean what it says."""
        model = self.model
        own = model.log_probability(self.batch)
        with model.steered(self.vector, 0.0):
            steered = model.log_probability(self.batch)
        allowed = 0.0 if model.structure.wide_norm is None else 1.0
        if not np.abs(steered - own).max() <= allowed:
            raise SelfCheckError(
                "steering with alpha = 0 changes the log-probabilities",
                remedy="the forward pass is not deterministic, or another hook is still attached",
            )
        self.say("self-check: alpha = 0 is the identity; the hook fires in every pass")
        coarse = _BATCH_NATS * max(1.0, precision(model.dtype) / 1e-7)
        for index in sorted({int(self.batch.last.argmin()), int(self.batch.last.argmax())}):
            alone = model.log_probability(self.batch.row(index))[0]
            error = float(np.abs(alone - own[index]).max())
            if not error <= coarse:
                raise SelfCheckError(
                    f"context {index} alone and in the padded batch differ by {error:.3g} nats,"
                    f" at most {coarse:.2g} is rounding",
                    remedy="the model ignores the attention mask or shifts positions by padding",
                )
        self.say("self-check: padding and batching change nothing but rounding")

    def read_out(self, context: int, strengths: Floats) -> Floats:
        """Log-probabilities, (n, V), of the unembedding of h + alpha v, in float64."""
        steps = torch.as_tensor(strengths)[:, None]
        return self.model.log_softmax(self.states[context] + steps * self.v)

    def _sweep(self, count: int) -> None:
        alphas, m = self.alphas, self.batch.rows
        outside = np.ones(self.model.vocabulary)
        outside[self.words] = 0.0
        names = ("error", "variation", "concept", "concept_law", "kl", "kl_law", "mean")
        found = {name: np.empty((alphas.size, m)) for name in names}
        self.ends = np.empty((alphas.size, m, 2))
        self.tokens = np.empty((m, count), dtype=np.int64)
        self.tracks = np.empty((alphas.size, m, count))
        extremes = [int(self.log_odds.argmin()), int(self.log_odds.argmax())]
        checked = [0, alphas.size // 4, alphas.size - 1]
        hooked = {row: self._hooked(float(alphas[row])) for row in checked}
        self.hook_error = np.zeros(len(checked))
        for j, family in enumerate(self.families):
            log_q = self.read_out(j, alphas)
            for i, row in enumerate(checked):
                gap = float(np.abs(log_q[row] - hooked[row][j]).max())
                self.hook_error[i] = max(self.hook_error[i], gap)
            self.tokens[j] = np.argsort(-log_q.max(axis=0), kind="stable")[:count]
            self.tracks[:, j] = log_q[:, self.tokens[j]]
            self.ends[:, j] = log_q[:, extremes]
            p = np.exp(self.base[j])
            found["kl"][:, j] = np.sum(p * self.base[j]) - log_q @ p
            inside = logsumexp(log_q[:, self.words], axis=1)
            found["error"][:, j] = [
                np.abs(family.log_probability(float(a)) - row).max()
                for a, row in zip(alphas, log_q, strict=True)
            ]
            q = np.exp(log_q, out=log_q)
            found["mean"][:, j] = q @ self.log_odds
            # Summed on its own: 1 - F_T would lose everything near F_T = 1.
            found["concept"][:, j] = inside - np.log(q @ outside)
            found["concept_law"][:, j] = family.concept_log_odds(self.words, alphas)
            found["kl_law"][:, j] = family.cross_entropy_increase(alphas)
            found["variation"][:, j] = [0.5 * np.abs(row - p).sum() for row in q]
            self.say(f"context {j + 1} of {m}: {alphas.size} alphas, every token compared")
        self.found = found
        self.hook_tolerance = np.array([self.rounding(alphas[row], hooked=True) for row in checked])

    def _hooked(self, alpha: float) -> Floats:
        """The model's own forward pass with the hook, (m, V)."""
        with self.model.steered(self.vector, alpha):
            return self.model.log_probability(self.batch)

    def _locate_peaks(self) -> dict[str, NDArray[Any]]:
        """Maxima of the tracked tokens of one context, from the read-out alone.

        The grid brackets each; parabolas on shrinking stencils follow it; the last step is one
        Newton step on seven-point differences. The uncertainty is what differences of fourth and
        sixth order disagree by, the remainder of the Newton step, and rounding over curvature.
        """
        track = self.tracks[:, self.context]
        top = track.argmax(axis=0)
        chosen = np.flatnonzero((top > 0) & (top < self.alphas.size - 1))
        tokens = self.tokens[self.context, chosen]
        low, high = self.alphas[top[chosen] - 1], self.alphas[top[chosen] + 1]
        law = self.families[self.context]
        predicted = law.peaks()[tokens]

        def heights(alpha: Floats) -> Floats:
            rows = self.read_out(self.context, alpha.ravel())
            return rows[np.arange(alpha.size), np.tile(tokens, len(alpha))].reshape(alpha.shape)

        step, centre = 0.5 * (high - low), 0.5 * (high + low)
        # The last stage only recentres: the Newton step below is then as short as it can be.
        for shrink in (1, 8, 8, 1):
            step = step / shrink
            f = heights(centre + np.outer([-1, 0, 1], step))
            bend = f[0] - 2 * f[1] + f[2]
            move = np.where(bend < 0, 0.5 * step * (f[0] - f[2]) / np.minimum(bend, -1e-300), 0.0)
            # At most one stencil per stage: an inflection nearby must not throw the search away.
            centre = np.clip(centre + np.clip(move, -8 * step, 8 * step), low, high)
        f = heights(centre + np.outer(np.arange(-3, 4), step))
        odd, even = f[4:] - f[2::-1], f[4:] + f[2::-1] - 2 * f[3]
        slope = (45 * odd[0] - 9 * odd[1] + odd[2]) / (60 * step)
        bend = (270 * even[0] - 27 * even[1] + 2 * even[2]) / (180 * step**2)
        coarse = (8 * odd[0] - odd[1]) / (12 * step) / ((16 * even[0] - even[1]) / (12 * step**2))
        noise = self.rounding(float(np.abs(self.alphas).max()))
        inside = (f[3] > np.maximum(f[2], f[4]) + noise) & (bend < 0)
        move = -slope / bend
        third = (odd[1] - 2 * odd[0]) / (2 * step**3)
        uncertainty = (
            np.abs(coarse + move)
            + np.abs(0.5 * third / bend) * move**2
            + 2 * noise / (step * np.abs(bend))
        )
        return {
            "token": tokens,
            "alpha": np.where(inside, centre + move, np.nan),
            "uncertainty": np.where(inside, uncertainty, np.nan),
            "log_height": f[3] + 0.5 * slope * move,
            "predicted": predicted,
        }

    def judge(self) -> LawReport:
        """Seven verdicts, the figure's arrays, and the tables."""
        report = LawReport(self.model, self.concept)
        report.add(*self._verdicts(), exact=True)
        report.arrays["final_norm"] = self._arrays()
        inside = self.log_odds[self.words]
        others = np.delete(self.log_odds, self.words)
        length = float(self.states.norm(dim=-1).median())
        report.paragraphs += [
            f"Final norm: sd of M {self.sd:.2f} nats per unit alpha, |v| / median |h| ="
            f" {self.vector.norm / length:.3f}. Not assumed, measured (`sign-separation` needs"
            f" Assumption 1): M > 0 for {np.mean(inside > 0):.0%} of the {inside.size} tokens that"
            f" spell a word of the concept and for {np.mean(others > 0):.0%} of all others.",
            self._peak_table(),
        ]
        report.measured |= {
            "max_error_nats": float(self.found["error"].max()),
            "hook_error_nats": float(self.hook_error.max()),
            "total_variation_at_the_ends": float(self.found["variation"][[0, -1]].min()),
            "alpha_max": float(self.alphas[-1]),
            "log_odds_sd": self.sd,
            "positive_log_odds_share_of_words": float(np.mean(inside > 0)),
            "positive_log_odds_share_of_others": float(np.mean(others > 0)),
            "peaks": [
                {
                    "token": self.model.token_text(int(token)),
                    "predicted": float(at),
                    "measured": float(alpha) if np.isfinite(alpha) else None,
                }
                for token, at, alpha in zip(
                    self.peaks["token"], self.peaks["predicted"], self.peaks["alpha"], strict=True
                )
                if np.isfinite(at)
            ],
        }
        return report

    def _verdicts(self) -> list[Verdict]:
        found, tolerance = self.found, self.rounding(self.alphas)[:, None]
        effect = float(found["variation"][[0, -1]].min())
        trivial = effect <= _EFFECT
        weak = f", below {_EFFECT}: the test says little, raise --alpha-max" if trivial else ""
        hooked = float((self.hook_error / self.hook_tolerance).max())
        tilted = law_verdict(
            "final-norm",
            "p_alpha(z) = p(z) exp(alpha M(z) - K(alpha)) at the output of the final norm",
            max(float((found["error"] / tolerance).max()), hooked),
            found["error"].size,
            f"max |predicted - measured| log p = {found['error'].max():.1e} nats over all tokens"
            f" (rounding {tolerance.max():.1e}), {self.hook_error.max():.1e} in the model's own"
            f" hooked pass ({self.hook_tolerance.max():.1e}); total variation at the ends >="
            f" {effect:.2f}{weak}",
            seconds=time.process_time() - self._started,
            unknown=trivial,
        )
        rise = np.diff(self.ends, axis=0) * np.array([-1.0, 1.0])
        # A step backwards beyond the rounding of both its ends refutes.
        slack = (tolerance[1:] + tolerance[:-1])[:, :, None]
        monotone = law_verdict(
            "monotone",
            "the token at max M only rises with alpha, the one at min M only falls",
            np.maximum(-rise / slack, 0.0),
            rise.size,
            f"smallest step in log p = {rise.min():.1e} nats over {rise.size} steps",
        )
        mean = np.abs(
            np.stack([f.mean(self.alphas) for f in self.families], axis=1) - found["mean"]
        )
        # An error eps in every log p moves E[M] by at most eps (max M - min M).
        spread = float(np.ptp(self.log_odds))
        slope = law_verdict(
            "mean-slope",
            "E_alpha[M] = K'(alpha)",
            mean / (tolerance * spread),
            mean.size,
            f"max |predicted - measured| = {mean.max():.1e} nats per unit alpha,"
            f" range of M {spread:.1f}",
        )
        concept = np.abs(found["concept"] - found["concept_law"])
        tanh = law_verdict(
            "concept-tanh",
            "logit F_T(alpha) = log S_T(alpha) - log S_rest(alpha)",
            # The logit is a difference of two log-sums, each as exact as one log-probability.
            concept / (2 * tolerance),
            concept.size,
            f"max |predicted - measured| logit = {concept.max():.1e}; logit F_T from"
            f" {found['concept'].min():.1f} to {found['concept'].max():.1f}",
        )
        kl = np.abs(found["kl"] - found["kl_law"])
        exact = law_verdict(
            "ce-exact",
            "KL(p_0 || p_alpha) = K(alpha) - alpha K'(0)",
            kl / tolerance,
            kl.size,
            f"max |predicted - measured| = {kl.max():.1e} nats, largest divergence"
            f" {found['kl'].max():.1f} nats",
        )
        bounds = [family.cross_entropy_bounds(self.alphas) for family in self.families]
        low, high = (np.stack([pair[i] for pair in bounds], axis=1) for i in (0, 1))
        out = np.maximum(low - found["kl"], found["kl"] - high)
        radius = law_verdict(
            "ce-radius",
            "Delta CE lies in the envelope that Var(M) and max M - min M allow",
            np.maximum(out / tolerance, 0.0),
            out.size,
            f"room to the envelope {-out.max():.1e} nats where it is least",
        )
        return [tilted, self._peak(), monotone, slope, tanh, exact, radius]

    def _peak(self) -> Verdict:
        claim = "a token's probability peaks where K'(alpha) = M(z)"
        peaks = self.peaks
        seen = np.isfinite(peaks["alpha"])
        if not seen.any():
            note = f"none of {seen.size} maxima on the grid could be bracketed"
            return law_verdict("peak", claim, np.nan, 0, note, unknown=True)
        distance = np.abs(peaks["alpha"] - peaks["predicted"])[seen]
        width = peaks["uncertainty"][seen]
        return law_verdict(
            "peak",
            claim,
            distance / width,
            int(seen.sum()),
            f"{seen.sum()} of {seen.size} maxima bracketed; max |predicted - measured| alpha ="
            f" {distance.max():.1e}, measured to {width.max():.1e}",
        )

    def _peak_table(self) -> str:
        peaks, family = self.peaks, self.families[self.context]
        rows = [("token", "M(z)", "alpha predicted", "measured", "+-", "p predicted", "measured")]
        for i, token in enumerate(peaks["token"].tolist()):
            at, alpha = float(peaks["predicted"][i]), float(peaks["alpha"][i])
            log_height = family.log_p[token] + at * self.log_odds[token] - float(family.cgf(at))
            rows.append(
                (
                    self.model.token_text(token),
                    f"{self.log_odds[token]:+.3f}",
                    f"{at:.9f}",
                    f"{alpha:.9f}" if np.isfinite(alpha) else "not bracketed",
                    f"{peaks['uncertainty'][i]:.0e}",
                    f"{np.exp(log_height):.9f}",
                    f"{np.exp(peaks['log_height'][i]):.9f}",
                )
            )
        shown = self.concept.contexts[self.context]
        return f"Peaks of the likeliest tokens after {shown!r}:\n\n{columns(rows)}"

    def _arrays(self) -> dict[str, Any]:
        reach = float(self.alphas[-1])
        dense = np.linspace(-reach, reach, _DENSE * (self.alphas.size - 1) + 1)
        tokens, family = self.tokens[self.context], self.families[self.context]
        # K is needed once for all tokens: V of them at every dense alpha would take a minute.
        log_p = family.log_p[tokens] + np.outer(dense, self.log_odds[tokens])
        log_p -= family.cgf(dense)[:, None]
        logits = np.stack([f.concept_log_odds(self.words, dense) for f in self.families], axis=1)
        variance = float(np.mean([float(f.variance(0.0)) for f in self.families]))
        seen = np.isfinite(self.peaks["alpha"])
        return {
            "model": self.model.name,
            "concept": self.concept.name,
            "context": self.concept.contexts[self.context],
            "token_text": [self.model.token_text(int(t)) for t in tokens],
            "alphas": self.alphas,
            "dense": dense,
            "token_predicted": np.exp(log_p),
            "token_measured": np.exp(self.tracks[:, self.context]),
            "peak_alpha": self.peaks["alpha"][seen],
            "peak_height": np.exp(self.peaks["log_height"][seen]),
            "concept_predicted": expit(logits),
            "concept_measured": expit(self.found["concept"]),
            "ce_predicted": np.mean(
                [f.cross_entropy_increase(dense) for f in self.families], axis=0
            ),
            "ce_measured": self.found["kl"].mean(axis=1),
            "ce_quadratic": 0.5 * variance * dense**2,
            "error": self.found["error"].max(axis=1),
            "rounding": self.rounding(self.alphas),
        }


def _mean_log_p(model: SteeredModel, texts: Sequence[str]) -> Floats:
    """Mean over the texts of log p(z|.), (V,), a few texts at a time."""
    states = model.normed(texts).double()
    total = np.zeros(model.vocabulary)
    for piece in states.split(8):
        total += model.log_softmax(piece).sum(axis=0)
    return np.asarray(total / len(texts))
