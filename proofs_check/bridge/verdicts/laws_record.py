"""The law report for programs: verdicts in the common schema, and the numbers behind them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from steering_strength.proofs_check.bridge._old.models import LoadedModel
from steering_strength.proofs_check.bridge.concept_texts import ConceptTexts
from steering_strength.proofs_check.bridge.extra import versions
from steering_strength.proofs_check.bridge.verdicts.depth import DepthScan
from steering_strength.proofs_check.bridge.verdicts.law_row import LawRow, as_verdict
from steering_strength.proofs_check.bridge.verdicts.survey import SiteSurvey
from steering_strength.proofs_check.verdict import as_json
from steering_strength.theory.files import write_whole

__all__ = ["laws_record", "write_record"]


def laws_record(
    loaded: LoadedModel,
    concept: ConceptTexts,
    plan: dict[str, Any],
    surveys: Sequence[SiteSurvey],
    rows: Sequence[LawRow],
    depth: DepthScan | None,
) -> dict[str, Any]:
    """Everything in plain data; `results` has the schema of `python -m proofs_check --json`."""
    verdicts = [as_verdict(row) for row in rows]
    content = as_json(verdicts, seed=int(plan["seed"]), examples=len(surveys))
    content["versions"] |= versions()
    content["model"] = {"name": loaded.label, "fingerprint": loaded.fingerprint}
    content["concept"] = {
        "name": concept.name,
        "positive": len(concept.positive),
        "negative": len(concept.neutral),
    }
    content["plan"] = plan
    content["sites"] = [_site_numbers(survey) for survey in surveys]
    content["every_block"] = (
        None
        if depth is None
        else {name: _plain(values.tolist()) for name, values in depth.table().items()}
    )
    return content


def _site_numbers(survey: SiteSurvey) -> dict[str, Any]:
    """The numbers behind the rows of one site, for programs."""
    return {
        "site": survey.vector.metadata.site,
        "norm": survey.vector.metadata.norm,
        "residual_norm": survey.vector.metadata.residual_norm,
        "cost": survey.cost,
        "substituted": survey.substituted,
        "budgets": [
            _plain(asdict(point) | {"context": index})
            for index, context in enumerate(survey.contexts)
            for point in context.budgets
        ],
        "plateaus": [
            {
                "context": index,
                "sign": plateau.sign,
                "scale": plateau.scale,
                "rate": plateau.rate,
                "to_limit": plateau.to_limit.tolist(),
                "to_refined": plateau.to_refined.tolist(),
                "at_200": plateau.paper,
            }
            for index, context in enumerate(survey.contexts)
            for plateau in context.plateaus
        ],
        "text_slope": survey.real.measured_slope,
        "text_slope_predicted": survey.real.predicted_slope,
        "text_slope_standard_error": survey.real.standard_error,
        "sampled_slope": survey.sampled.measured_slope,
        "sampled_slope_standard_error": survey.sampled.standard_error,
    }


def _plain(value: Any) -> Any:
    """JSON has no NaN: what did not settle is null."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def write_record(target: Path, content: dict[str, Any]) -> Path:
    """Write the record as JSON.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    return write_whole(target, lambda path: path.write_text(text, encoding="utf-8"))
