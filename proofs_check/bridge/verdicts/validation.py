"""The whole validation of one model at the `final-norm` site, from texts to files."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from steering_strength.proofs_check.bridge._old.models import LoadedModel
from steering_strength.proofs_check.bridge.concept_texts import ConceptTexts
from steering_strength.proofs_check.bridge.measure.final_norm import FinalNormSweep, sweep
from steering_strength.proofs_check.bridge.measure.measured_peaks import MeasuredPeak, locate_peaks
from steering_strength.proofs_check.bridge.progress import Progress, silent
from steering_strength.proofs_check.bridge.steering.setting import Setting, prepare
from steering_strength.proofs_check.bridge.steering.vectors import SteeringVector
from steering_strength.proofs_check.bridge.verdicts import drawing, report
from steering_strength.proofs_check.bridge.verdicts.judge import judge_final_norm
from steering_strength.proofs_check.bridge.verdicts.selfchecks import check_all
from steering_strength.proofs_check.verdict import Verdict

__all__ = ["Outcome", "validate_final_norm"]


@dataclass(frozen=True)
class Outcome:
    """Everything one validation found.

    Parameters
    ----------
    setting : Setting
    curves : FinalNormSweep
    peaks : tuple of MeasuredPeak
    verdicts : tuple of Verdict
    text : str
        The report for the terminal.
    paths : tuple of Path
        Files written.
    """

    setting: Setting
    curves: FinalNormSweep
    peaks: tuple[MeasuredPeak, ...]
    verdicts: tuple[Verdict, ...]
    text: str
    paths: tuple[Path, ...]

    @property
    def holds(self) -> bool:
        """Whether every statement passed."""
        return all(verdict.status == "passed" for verdict in self.verdicts)


def validate_final_norm(
    loaded: LoadedModel,
    concept: ConceptTexts,
    alphas: NDArray[np.float64],
    folder: Path,
    *,
    vector: SteeringVector | None = None,
    context: int = 0,
    tokens_per_context: int = 8,
    seed: int = 0,
    json_copy: Path | None = None,
    progress: Progress = silent,
) -> Outcome:
    """Verify the model, check the apparatus, sweep, compare, and write figure, data and JSON.

    `vector` is one made elsewhere for the final norm; without it, the difference of means.

    Raises
    ------
    SteeringError
        Any of its subclasses: a model without an affine read-out, unusable texts, a failed
        self-check, or a file that cannot be written.
    """
    setting = prepare(loaded, concept, vector=vector, seed=seed, progress=progress)
    for line in check_all(setting):
        progress(f"self-check: {line}")
    started = time.perf_counter()
    curves = sweep(setting, alphas, tokens_per_context=tokens_per_context, progress=progress)
    seconds = time.perf_counter() - started
    peaks = locate_peaks(setting, curves, context, progress=progress)
    verdicts = judge_final_norm(setting, curves, peaks, seconds)
    progress("drawing")
    paths = list(drawing.save(drawing.curves_of(setting, curves, peaks, context), folder))
    measured = report.measurements(setting, curves, peaks)
    targets = [folder / "final_norm.json", *([json_copy] if json_copy else [])]
    paths.extend(
        report.write_json(target, setting, verdicts, seed=seed, measured=measured)
        for target in targets
    )
    text = report.full_text(setting, curves, peaks, verdicts, context)
    return Outcome(setting, curves, peaks, verdicts, text, tuple(paths))
