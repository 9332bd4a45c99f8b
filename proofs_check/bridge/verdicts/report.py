"""What a person reads on the terminal, and what a program reads as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from steering_strength.proofs_check.bridge.extra import versions
from steering_strength.proofs_check.bridge.measure.final_norm import FinalNormSweep
from steering_strength.proofs_check.bridge.measure.measured_peaks import MeasuredPeak
from steering_strength.proofs_check.bridge.steering.setting import Setting
from steering_strength.proofs_check.bridge.tables import columns
from steering_strength.proofs_check.verdict import Verdict, as_json
from steering_strength.theory.files import write_whole

__all__ = [
    "alpha_table",
    "full_text",
    "measurements",
    "peak_table",
    "verdict_table",
    "write_json",
]


def verdict_table(verdicts: Sequence[Verdict]) -> str:
    """One line per statement: id, status, worst error in tolerances, what was compared."""
    rows = [("statement", "status", "error/tol", "compared", "")]
    for verdict in verdicts:
        error = verdict.max_error
        shown = "-" if error is None or not np.isfinite(error) else f"{error:.2g}"
        rows.append((verdict.id, verdict.status, shown, str(verdict.examples), verdict.note))
    return columns(rows)


def peak_table(setting: Setting, peaks: Sequence[MeasuredPeak]) -> str:
    """Predicted and measured peaks, one line per token."""
    head = ("token", "M(z)", "alpha predicted", "alpha measured", "+-", "p predicted", "p measured")
    return columns(
        [
            head,
            *(
                (
                    setting.token_text(peak.token),
                    f"{setting.log_odds[peak.token]:+.3f}",
                    f"{peak.predicted_alpha:.9f}",
                    f"{peak.alpha:.9f}" if np.isfinite(peak.alpha) else "not bracketed",
                    f"{peak.uncertainty:.0e}",
                    f"{np.exp(peak.predicted_log_height):.9f}",
                    f"{np.exp(peak.log_height):.9f}",
                )
                for peak in peaks
            ),
        ]
    )


def alpha_table(curves: FinalNormSweep, rows: int = 9) -> str:
    """F_T and the increase of the cross-entropy, means over the contexts, on part of the grid."""
    chosen = np.unique(np.linspace(0, curves.alphas.size - 1, rows).round().astype(int))
    lines = [("alpha", "F_T predicted", "F_T measured", "KL predicted", "KL measured", "TV")]
    for i in chosen:
        f_predicted, f_measured = (
            float(np.mean(1 / (1 + np.exp(-logit[i]))))
            for logit in (curves.concept_predicted, curves.concept_measured)
        )
        lines.append(
            (
                f"{curves.alphas[i]:+g}",
                f"{f_predicted:.9e}",
                f"{f_measured:.9e}",
                f"{curves.divergence_predicted[i].mean():.9f}",
                f"{curves.divergence_measured[i].mean():.9f}",
                f"{curves.total_variation[i].mean():.3f}",
            )
        )
    return columns(lines)


def write_json(
    target: Path,
    setting: Setting,
    verdicts: Sequence[Verdict],
    *,
    seed: int,
    measured: dict[str, Any],
) -> Path:
    """Verdicts in the schema of `python -m proofs_check --json`, with the model beside them."""
    content = as_json(verdicts, seed=seed, examples=setting.batch.rows)
    content["versions"] |= versions()
    content["model"] = {
        "name": setting.loaded.label,
        "fingerprint": setting.loaded.fingerprint,
        "dtype": str(setting.vector.dtype).removeprefix("torch."),
        "site": "final_norm",
        "blocks": len(setting.anatomy.blocks),
        "width": setting.anatomy.width,
        "vocabulary": setting.anatomy.vocabulary,
        "logit_scale": setting.anatomy.logit_scale,
    }
    content["concept"] = {
        "name": setting.concept.name,
        "positive": len(setting.concept.positive),
        "neutral": len(setting.concept.neutral),
        "contexts": len(setting.concept.contexts),
        "word_tokens": int(setting.words.size),
    }
    content["measured"] = measured
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    return write_whole(target, lambda path: path.write_text(text, encoding="utf-8"))


def full_text(
    setting: Setting,
    curves: FinalNormSweep,
    peaks: Sequence[MeasuredPeak],
    verdicts: Sequence[Verdict],
    context: int,
) -> str:
    """The whole report of one run."""
    median = float(np.median(torch.linalg.vector_norm(setting.baseline.states, dim=-1)))
    length = float(setting.vector.norm())
    target = setting.log_odds[setting.words]
    share = float(np.mean(np.delete(setting.log_odds, setting.words) > 0))
    rising = sum(1 for track in curves.measured[:, context].T if track.argmax() == len(track) - 1)
    falling = sum(1 for track in curves.measured[:, context].T if track.argmax() == 0)
    return "\n\n".join(
        (
            f"{setting.loaded.label} ({setting.loaded.source}), weights"
            f" {setting.loaded.fingerprint}; concept {setting.concept.name!r}:"
            f" |P| = {len(setting.concept.positive)}, |N| = {len(setting.concept.neutral)},"
            f" {setting.batch.rows} held-out contexts;"
            f"\nsd of M over the vocabulary {np.std(setting.log_odds):.2f} nats per unit alpha;"
            f" |v| / median |h| = {length / median:.3f}",
            "Not assumed, measured (`sign-separation` needs Assumption 1, which real texts do not"
            f" satisfy):\nM > 0 for {np.mean(target > 0):.0%} of the {target.size} tokens that"
            f" spell a word of the concept and for {share:.0%} of all others.",
            verdict_table(verdicts),
            f"Peaks of the likeliest tokens after {setting.concept.contexts[context]!r}"
            f" ({rising} more only rise and {falling} only fall on the grid):\n"
            + peak_table(setting, peaks),
            f"Means over the {setting.batch.rows} contexts; F_T is the probability of the"
            " concept's words, KL = KL(p_0 || p_alpha) in nats:\n" + alpha_table(curves),
        )
    )


def measurements(
    setting: Setting, curves: FinalNormSweep, peaks: Sequence[MeasuredPeak]
) -> dict[str, Any]:
    """The numbers behind the verdicts, as plain data."""
    target = setting.log_odds[setting.words]
    return {
        "max_error_nats": float(curves.error.max()),
        "total_variation_at_the_ends": float(curves.total_variation[[0, -1]].min()),
        "alpha_max": float(curves.alphas[-1]),
        "alphas": int(curves.alphas.size),
        "log_odds_sd": float(np.std(setting.log_odds)),
        "positive_log_odds_share_of_words": float(np.mean(target > 0)),
        "positive_log_odds_share_of_others": float(
            np.mean(np.delete(setting.log_odds, setting.words) > 0)
        ),
        "peaks": [
            {
                "context": peak.context,
                "token": setting.token_text(peak.token),
                "log_odds": float(setting.log_odds[peak.token]),
                "predicted": peak.predicted_alpha,
                "measured": peak.alpha if np.isfinite(peak.alpha) else None,
                "uncertainty": peak.uncertainty if np.isfinite(peak.uncertainty) else None,
            }
            for peak in peaks
        ],
    }
