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
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logsumexp

from steering_strength.proofs_check.bridge.data import alpha_grid, columns, write_arrays
from steering_strength.proofs_check.bridge.loading import SelfCheckError, progress, versions
from steering_strength.proofs_check.bridge.model import SteeredModel
from steering_strength.proofs_check.bridge.structure import precision
from steering_strength.proofs_check.bridge.texts import ConceptTexts, TokenBatch
from steering_strength.proofs_check.bridge.vectors import FINAL_NORM, SteeringVector, save_vector
from steering_strength.proofs_check.verdict import Status, Verdict, as_json
from steering_strength.theory import TiltedFamily
from steering_strength.theory.files import write_json, write_text

Floats = NDArray[np.float64]

# Below this total variation at the ends of the grid, agreement would say little.
_EFFECT = 0.3
# Another order of summation shows at 1e-7 relative, amplified by the depth. A padding that leaks
# into attention, or positions that shift, change log-probabilities by far more than this.
_BATCH_NATS = 1e-3
_DENSE, _TOKENS = 4, 8
# Step of the difference that locates a peak, in standard deviations of M: its truncation, of fourth
# order, is then a hundred times below what rounding leaves.
_PEAK_STEP = 2e-3


class LawReport:
    """Verdicts on one model and concept, the arrays behind them, and what to say about them.

    A verdict's `id` is the statement at the final norm, `statement@block_out l` elsewhere; `exact`
    are the ids that claim equality where they stand, and only these decide `holds`. `arrays` maps
    the stem of a file to the arrays of one figure; `paragraphs` stand in front of the table;
    `measured` goes into the JSON; `vectors` were judged, and are written to be used again.
    """

    def __init__(self, model: SteeredModel, concept: ConceptTexts) -> None:
        self.model, self.concept = model, concept
        self.verdicts: list[Verdict] = []
        self.exact: set[str] = set()
        self.arrays: dict[str, dict[str, Any]] = {}
        self.paragraphs: list[str] = []
        self.measured: dict[str, Any] = {}
        self.vectors: list[SteeringVector] = []
        self._clock = time.process_time()

    def judge(
        self, name: str, claim: str, error: Any, note: str, *, examples: int | None = None,
        exact: bool = False, unknown: bool = False, why: str = "",
    ) -> None:  # fmt: skip
        """Append a verdict from errors in units of their tolerance: passed if the worst is <= 1.

        No error decides nothing: unknown. NaN compares false, so a number that is missing cannot
        pass. `examples` is by default the number of errors; `why` is said if it is refuted.
        """
        count = int(np.size(error))
        worst = float(np.max(error)) if count else float("nan")
        status: Status = "passed" if worst <= 1 else "refuted"
        status = "unknown" if unknown or not count else status
        now = time.process_time()
        self.verdicts.append(
            Verdict(
                id=name, method="real-model", status=status, expected=True, claim=claim,
                examples=count if examples is None else examples, max_error=worst,
                counterexample=None, seconds=now - self._clock,
                note=f"{note}; why: {why}" if why and status == "refuted" else note,
            )
        )  # fmt: skip
        self._clock = now
        if exact:
            self.exact.add(name)

    @property
    def holds(self) -> bool:
        """Whether no statement that claims equality was refuted."""
        return not any(v.id in self.exact and v.status == "refuted" for v in self.verdicts)

    def text(self) -> str:
        """For the terminal: what was examined, and one line for each statement."""
        rows = [(*row[:5], row[6]) for row in self._rows()]
        return "\n\n".join([self._title(), *self.paragraphs, columns(rows)])

    def markdown(self) -> str:
        """The same with the claims, as a Markdown page."""
        head, *rest = self._rows()
        table = [
            "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
            for row in (head, ("---",) * len(head), *((f"`{v}`", *more) for v, *more in rest))
        ]
        legend = (
            "Statements marked exact claim equality where they stand; the others are expansions or"
            " limits, and how far they carry is the question: *refuted* there is a finding."
        )
        parts = [f"# {self._title()}", *self.paragraphs, legend, "\n".join(table)]
        return "\n\n".join(parts) + "\n"

    def _rows(self) -> Iterator[tuple[str, ...]]:
        """The head of the table, and its rows: errors are in units of the tolerance."""
        yield "statement", "", "status", "error/tol", "n", "claim", "compared"
        for v in self.verdicts:
            error = v.max_error if v.max_error is not None else float("nan")
            shown = f"{error:.2g}" if np.isfinite(error) else "-"
            kind = "exact" if v.id in self.exact else ""
            yield v.id, kind, v.status, shown, str(v.examples), v.claim, v.note

    def write(self, folder: Path, stem: str, *, seed: int, json_copy: str | None) -> list[Path]:
        """Write `stem`.json, `stem`.md, the arrays and the vectors; return the paths."""
        model, concept = self.model, self.concept
        content = as_json(self.verdicts, seed=seed, examples=len(concept.contexts))
        content["versions"] |= versions()
        content["exact"] = [verdict.id for verdict in self.verdicts if verdict.id in self.exact]
        names = ("name", "fingerprint", "width", "vocabulary", "logit_scale")
        content["model"] = {name: getattr(model, name) for name in names} | {
            "dtype": str(model.dtype).removeprefix("torch."), "blocks": len(model.blocks),
        }  # fmt: skip
        content["concept"] = {"name": concept.name} | {
            name: len(getattr(concept, name)) for name in ("positive", "neutral", "contexts")
        }
        content["measured"] = self.measured
        paths = [write_text(folder / f"{stem}.md", self.markdown())]
        targets = [folder / f"{stem}.json", *([Path(json_copy)] if json_copy else [])]
        paths += [write_json(target, content) for target in targets]
        paths += [write_arrays(folder / f"{name}.npz", a) for name, a in self.arrays.items()]
        for vector in self.vectors:
            name = f"{concept.name}_{vector.site.name}.npz".replace(" ", "_")
            paths += save_vector(vector, folder / name)
        return paths

    def _title(self) -> str:
        return (
            f"{self.model.name}, weights {self.model.fingerprint}, concept"
            f" {self.concept.name!r}: |P| = {len(self.concept.positive)}, |N| ="
            f" {len(self.concept.neutral)}, {len(self.concept.contexts)} held-out contexts"
        )


def final_norm_laws(
    model: SteeredModel,
    concept: ConceptTexts,
    alphas: Floats | None = None,
    *,
    vector: SteeringVector | None = None,
    context: int = 0,
    report: LawReport | None = None,
) -> LawReport:
    """Judge `final-norm` and everything that follows from K there.

    Raises SteeringError: a model without an affine read-out, unusable texts, or a failed self-
    check.

    Parameters
    ----------
    alphas : numpy.ndarray, optional
        Shape (A,), increasing, with an exact 0; default 33 to 12 standard deviations of M.
    vector : SteeringVector, optional
        One made elsewhere for the final norm; without it, the difference of means.
    context : int
        Whose likeliest tokens are drawn and their peaks located.
    report : LawReport, optional
        Where to append; default a new one.
    """
    model.require_affine()
    report = LawReport(model, concept) if report is None else report
    _FinalNorm(report, vector, alphas, context).judge()
    return report


def require_identity(model: SteeredModel, vector: SteeringVector, batch: TokenBatch) -> Floats:
    """Log-probabilities, (m, V), which a hook with alpha = 0 leaves alone; else SelfCheckError."""
    own = model.log_probability(batch)
    with model.steered(vector, 0.0):
        hooked = model.log_probability(batch)
    # With a hook on it the final norm of a 16-bit model is not read in float32.
    coarse = vector.site == FINAL_NORM and model.structure.wide_norm is not None
    if not np.abs(hooked - own).max() <= (1.0 if coarse else 0.0):
        raise SelfCheckError(
            f"steering {vector.site.name} with alpha = 0 changes the log-probabilities",
            remedy="the forward pass is not deterministic, or another hook is still attached",
        )
    return own


class _FinalNorm:
    """The measurements at the final norm: states once, then one matrix product for all alphas."""

    def __init__(
        self, report: LawReport, vector: SteeringVector | None, alphas: Floats | None,
        context: int,
    ) -> None:  # fmt: skip
        self.report, self.context = report, context
        self.model, self.concept = model, concept = report.model, report.concept
        self.batch = model.encode(concept.contexts)
        self.words = model.tokens(concept.words)
        if vector is None:
            sides = (concept.positive, concept.neutral)
            self.vector = model.vector(*sides, FINAL_NORM)
            states = (model.states(texts, FINAL_NORM).double() for texts in sides)
            plus, minus = (model.log_softmax(one).mean(axis=0) for one in states)
            self.log_odds = plus - minus
        else:
            self.vector = model.fitting(vector, FINAL_NORM)
            self.log_odds = model.direction(self.vector.values)
        self.v = torch.as_tensor(self.vector.values)
        self.states = model.states(self.batch, FINAL_NORM).double()
        base = model.log_softmax(self.states)
        self.sd = float(np.std(self.log_odds))
        self.alphas = alpha_grid(12.0 / self.sd, 33) if alphas is None else alphas
        self.families = [TiltedFamily(row, self.log_odds) for row in base]
        progress(f"{self.batch.rows} contexts read; sd of M {self.sd:.3g} nats per unit alpha")
        self._self_checks()

    def rounding(self, alpha: Any, *, hooked: bool = False) -> Any:
        """Error, in nats, of a log-probability at alpha: of the hooked pass, or of the law itself.

        The law also takes alpha times M, which was read from states as long as h; the read-out is
        in float64 where it is W h + b, else the model's own.
        """
        longest, model = float(self.states.norm(dim=-1).max()), self.model
        length = longest + np.abs(alpha) * (self.vector.norm + (0.0 if hooked else longest))
        own = hooked or not model.structure.plain
        eps = precision(model.dtype) if own else 2.0**-52
        wide = precision(torch.promote_types(model.dtype, torch.float32))
        return model.rounding(1.0) * length * eps / wide

    def _self_checks(self) -> None:
        """Apparatus, not laws: if one fails, what follows would not mean what it says."""
        model = self.model
        own = require_identity(model, self.vector, self.batch)
        coarse = _BATCH_NATS * max(1.0, precision(model.dtype) / 1e-7)
        for index in sorted({int(self.batch.last.argmin()), int(self.batch.last.argmax())}):
            alone = model.log_probability(self.batch.take([index]))[0]
            error = float(np.abs(alone - own[index]).max())
            if not error <= coarse:
                raise SelfCheckError(
                    f"context {index} alone and in the padded batch differ by {error:.3g} nats,"
                    f" at most {coarse:.2g} is rounding",
                    remedy="the model ignores the attention mask or shifts positions by padding",
                )
        progress("self-checks: alpha = 0 is the identity; padding changes nothing but rounding")

    def _hooked(self, alpha: float) -> Floats:
        """The model's own forward pass with the hook, (m, V)."""
        with self.model.steered(self.vector, alpha):
            return self.model.log_probability(self.batch)

    def read_out(self, context: int, strengths: Floats) -> Floats:
        """Log-probabilities, (n, V), of the unembedding of h + alpha v, in float64."""
        steps = torch.as_tensor(strengths)[:, None]
        return self.model.log_softmax(self.states[context] + steps * self.v)

    def judge(self) -> None:
        """Seven verdicts, the figure's arrays, and the tables."""
        alphas, m, words = self.alphas, self.batch.rows, self.words
        outside = np.isin(np.arange(self.model.vocabulary), words, invert=True).astype(float)
        names = ("error", "variation", "concept", "kl", "mean")
        found = {name: np.empty((alphas.size, m)) for name in names}
        extremes = [self.log_odds.argmin(), self.log_odds.argmax()]
        ends = np.empty((alphas.size, m, 2))
        checked = [0, alphas.size // 4, alphas.size - 1]
        hooked = np.stack([self._hooked(float(alphas[row])) for row in checked])
        hook_error = np.zeros(len(checked))
        for j, family in enumerate(self.families):
            log_q, p = self.read_out(j, alphas), np.exp(family.log_p)
            hook_error = np.maximum(hook_error, np.abs(log_q[checked] - hooked[:, j]).max(axis=1))
            ends[:, j] = log_q[:, extremes]
            if j == self.context:
                tokens = np.argsort(-log_q.max(axis=0), kind="stable")[:_TOKENS]
                tracks = log_q[:, tokens]
            for i, alpha in enumerate(alphas.tolist()):
                found["error"][i, j] = np.abs(family.log_probability(alpha) - log_q[i]).max()
            found["kl"][:, j] = p @ family.log_p - log_q @ p
            inside = logsumexp(log_q[:, words], axis=1)
            q = np.exp(log_q, out=log_q)
            found["mean"][:, j] = q @ self.log_odds
            # Summed on its own: 1 - F_T would lose everything near F_T = 1.
            found["concept"][:, j] = inside - np.log(q @ outside)
            found["variation"][:, j] = [0.5 * np.abs(row - p).sum() for row in q]
            progress(f"context {j + 1} of {m}: {alphas.size} alphas, every token compared")
        hook_allowed = self.rounding(alphas[checked], hooked=True)
        self._tilting(found["error"], found["variation"], hook_error, hook_allowed)
        peaks = self._peaks(tokens, tracks)
        self._consequences(found, ends)
        self._say(found, peaks)
        self.report.measured["hook_error_nats"] = float(hook_error.max())
        self.report.arrays["final_norm"] = self._arrays(found, tokens, tracks, peaks)

    def _tilting(self, error: Floats, variation: Floats, hooked: Floats, allowed: Floats) -> None:
        tolerance, effect = self.rounding(self.alphas)[:, None], float(variation[[0, -1]].min())
        trivial = effect <= _EFFECT
        weak = f", below {_EFFECT}: the test says little, raise --alpha-max" if trivial else ""
        self.report.judge(
            "final-norm",
            "p_alpha(z) = p(z) exp(alpha M(z) - K(alpha)) at the output of the final norm",
            max((error / tolerance).max(), (hooked / allowed).max()),
            f"max |predicted - measured| log p = {error.max():.1e} nats over all tokens"
            f" (rounding {tolerance.max():.1e}), {hooked.max():.1e} in the model's own"
            f" hooked pass ({allowed.max():.1e}); total variation at the ends >="
            f" {effect:.2f}{weak}",
            examples=error.size, unknown=trivial, exact=True,
        )  # fmt: skip

    def _peaks(self, tokens: NDArray[Any], tracks: Floats) -> dict[str, NDArray[Any]]:
        """Maxima of the tracked tokens of one context, from the read-out alone, and `peak`.

        The grid brackets each; the root of a four-point difference is the peak, and what rounding
        makes of that difference, over the curvature, its uncertainty.
        """
        top = tracks.argmax(axis=0)
        chosen = np.flatnonzero((top > 0) & (top < self.alphas.size - 1))
        step, rows = _PEAK_STEP / self.sd, []
        for i in chosen:

            def slope(alpha: float, token: int = int(tokens[i])) -> float:
                at = alpha + step * np.array([-2.0, -1.0, 1.0, 2.0])
                f = self.read_out(self.context, at)[:, token]
                return float((8 * (f[2] - f[1]) - (f[3] - f[0])) / (12 * step))

            low, high = self.alphas[top[i] - 1], self.alphas[top[i] + 1]
            alpha = width = height = np.nan
            if slope(low) > 0 > slope(high):
                alpha = float(brentq(slope, low, high, xtol=1e-12))
                bend = (slope(alpha + step) - slope(alpha - step)) / (2 * step)
                width = 2 * float(self.rounding(alpha)) / (step * abs(bend))
                height = self.read_out(self.context, np.array([alpha]))[0, tokens[i]]
            rows.append((alpha, width, height))
        alphas, widths, heights = np.array(rows).reshape(-1, 3).T
        predicted = self.families[self.context].peaks()[tokens[chosen]]
        progress(f"{chosen.size} peaks located")
        seen = np.isfinite(alphas)
        off = np.abs(alphas - predicted)[seen]
        note = f"none of {seen.size} maxima on the grid could be bracketed"
        if seen.any():
            note = (
                f"{seen.sum()} of {seen.size} maxima bracketed; max |predicted - measured| alpha ="
                f" {off.max():.1e}, measured to {widths[seen].max():.1e}"
            )
        claim = "a token's probability peaks where K'(alpha) = M(z)"
        self.report.judge("peak", claim, off / widths[seen], note, exact=True)
        return {
            "token": tokens[chosen], "alpha": alphas, "uncertainty": widths, "height": heights,
            "predicted": predicted,
        }  # fmt: skip

    def _consequences(self, found: dict[str, Floats], ends: Floats) -> None:
        """The other five: rising and falling tokens, K', F_T, and the cross-entropy."""
        report, tolerance = self.report, self.rounding(self.alphas)[:, None]
        rise = np.diff(ends, axis=0) * np.array([-1.0, 1.0])
        # A step backwards beyond the rounding of both its ends refutes.
        slack = (tolerance[1:] + tolerance[:-1])[:, :, None]
        report.judge(
            "monotone",
            "the token at max M only rises with alpha, the one at min M only falls",
            np.maximum(-rise / slack, 0.0),
            f"smallest step in log p = {rise.min():.1e} nats over {rise.size} steps",
            exact=True,
        )
        f, kl, spread = found["concept"], found["kl"], float(np.ptp(self.log_odds))
        for name, claim, law, seen, unit, more in (
            # An error eps in every log p moves E[M] by at most eps (max M - min M); the logit is a
            # difference of two log-sums, each as exact as one log-probability.
            ("mean-slope", "E_alpha[M] = K'(alpha)", self._each("mean"), found["mean"], spread,
             f"nats per unit alpha, range of M {spread:.1f}"),
            ("concept-tanh", "logit F_T(alpha) = log S_T(alpha) - log S_rest(alpha)",
             self._each("concept_log_odds", self.words), f, 2.0,
             f"in the logit of F_T, {f.min():.1f} to {f.max():.1f}"),
            ("ce-exact", "KL(p_0 || p_alpha) = K(alpha) - alpha K'(0)",
             self._each("cross_entropy_increase"), kl, 1.0,
             f"nats, largest divergence {kl.max():.1f} nats"),
        ):  # fmt: skip
            gap = np.abs(law - seen)
            note = f"max |predicted - measured| = {gap.max():.1e} {more}"
            report.judge(name, claim, gap / (tolerance * unit), note, exact=True)
        low, high = self._each("cross_entropy_bounds")
        out = np.maximum(low - kl, kl - high)
        report.judge(
            "ce-radius",
            "Delta CE lies in the envelope that Var(M) and max M - min M allow",
            np.maximum(out / tolerance, 0.0),
            f"room to the envelope {-out.max():.1e} nats where it is least",
            exact=True,
        )

    def _each(self, question: str, *given: Any) -> Floats:
        """What the family of each context answers on the grid, (..., A, m)."""
        rows = [getattr(family, question)(*given, self.alphas) for family in self.families]
        return np.stack(rows, axis=-1)

    def _say(self, found: dict[str, Floats], peaks: dict[str, NDArray[Any]]) -> None:
        report, family, model = self.report, self.families[self.context], self.model
        inside, others = self.log_odds[self.words], np.delete(self.log_odds, self.words)
        length = float(self.states.norm(dim=-1).median())
        shares = [float(np.mean(odds > 0)) for odds in (inside, others)]
        rows = [("token", "M(z)", "alpha predicted", "measured", "+-", "p predicted", "measured")]
        listed = []
        for token, alpha, width, height, at in zip(*(peaks[k] for k in peaks), strict=True):
            log_height = family.log_p[token] + at * self.log_odds[token] - float(family.cgf(at))
            seen = f"{alpha:.9f}" if np.isfinite(alpha) else "not bracketed"
            name, odds = model.token_text(int(token)), f"{self.log_odds[token]:+.3f}"
            p = f"{np.exp(log_height):.9f}", f"{np.exp(height):.9f}"
            rows.append((name, odds, f"{at:.9f}", seen, f"{width:.0e}", *p))
            if np.isfinite(at):
                measured = float(alpha) if np.isfinite(alpha) else None
                listed.append({"token": name, "predicted": float(at), "measured": measured})
        report.paragraphs += [
            f"Final norm: sd of M {self.sd:.2f} nats per unit alpha, |v| / median |h| ="
            f" {self.vector.norm / length:.3f}. Not assumed, measured (`sign-separation` needs"
            f" Assumption 1): M > 0 for {shares[0]:.0%} of the {inside.size} tokens that"
            f" spell a word of the concept and for {shares[1]:.0%} of all others.",
            f"Peaks of the likeliest tokens after {self.concept.contexts[self.context]!r}:\n\n"
            + columns(rows),
        ]
        report.measured |= {
            "max_error_nats": float(found["error"].max()),
            "total_variation_at_the_ends": float(found["variation"][[0, -1]].min()),
            "alpha_max": float(self.alphas[-1]),
            "log_odds_sd": self.sd,
            "positive_log_odds_share_of_words": shares[0],
            "positive_log_odds_share_of_others": shares[1],
            "peaks": listed,
        }

    def _arrays(
        self, found: dict[str, Floats], tokens: NDArray[Any], tracks: Floats,
        peaks: dict[str, NDArray[Any]],
    ) -> dict[str, Any]:  # fmt: skip
        reach, family = float(self.alphas[-1]), self.families[self.context]
        dense = np.linspace(-reach, reach, _DENSE * (self.alphas.size - 1) + 1)
        # K is needed once for all tokens: V of them at every dense alpha would take a minute.
        log_p = family.log_p[tokens] + np.outer(dense, self.log_odds[tokens])
        log_p -= family.cgf(dense)[:, None]
        logits = np.stack([f.concept_log_odds(self.words, dense) for f in self.families], axis=1)
        variance = float(np.mean([float(f.variance(0.0)) for f in self.families]))
        costs = [f.cross_entropy_increase(dense) for f in self.families]
        seen = np.isfinite(peaks["alpha"])
        return {
            "model": self.model.name,
            "concept": self.concept.name,
            "context": self.concept.contexts[self.context],
            "token_text": [self.model.token_text(int(t)) for t in tokens],
            "alphas": self.alphas,
            "dense": dense,
            "token_predicted": np.exp(log_p),
            "token_measured": np.exp(tracks),
            "peak_alpha": peaks["alpha"][seen],
            "peak_height": np.exp(peaks["height"][seen]),
            "concept_predicted": expit(logits),
            "concept_measured": expit(found["concept"]),
            "ce_predicted": np.mean(costs, axis=0),
            "ce_measured": found["kl"].mean(axis=1),
            "ce_quadratic": 0.5 * variance * dense**2,
            "error": found["error"].max(axis=1),
            "rounding": self.rounding(self.alphas),
        }
