"""One model and concept in one small file: what a page needs to tilt real contexts by itself.

The file is an .npz without pickle: `log_p` (contexts, n), `log_odds` (n,), `tokens` (n,) as text,
`named` (n,), `target` (n,), `contexts` (contexts,), and `meta`, a JSON string that says where the
numbers come from and how far the reduced vocabulary is from the whole one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steering_strength.proofs_check.bridge.extra import versions
from steering_strength.proofs_check.bridge.measure.lumping import Lumped, lump
from steering_strength.proofs_check.bridge.steering.setting import Setting
from steering_strength.theory.files import write_whole

__all__ = ["explore_file"]


def explore_file(
    setting: Setting,
    alphas: NDArray[np.float64],
    target: Path,
    *,
    contexts: int = 6,
    tokens: int = 40,
) -> tuple[Lumped, Path]:
    """Write the laws at the final norm of the first `contexts` contexts to `target`.

    `alphas`, shape (A,), is the range to be shown: tokens are chosen, and errors reported, on it.

    Raises
    ------
    ShapeError
        `tokens` is not between 2 and V - 1.
    OutputError
        The file cannot be written.
    """
    count = min(contexts, setting.batch.rows)
    families = [setting.family(context) for context in range(count)]
    inside = np.zeros(setting.log_odds.size, dtype=bool)
    inside[setting.words] = True
    lumped = lump(families, inside, alphas, tokens=tokens)
    named = lumped.tokens >= 0
    texts = [
        setting.token_text(int(token)) if token >= 0 else f"(others, M near {odds:+.2f})"
        for token, odds in zip(lumped.tokens, lumped.log_odds, strict=True)
    ]
    meta = {
        "model": setting.loaded.label,
        "fingerprint": setting.loaded.fingerprint,
        "site": "final_norm",
        "concept": setting.concept.name,
        "positive": len(setting.concept.positive),
        "negative": len(setting.concept.neutral),
        "unit": "alpha multiplies the difference of means; log_odds in nats per unit alpha",
        "vocabulary": int(setting.log_odds.size),
        "named_tokens": int(named.sum()),
        "nodes": int((~named).sum()),
        "alpha_range": [float(alphas.min()), float(alphas.max())],
        "alphas_checked": int(alphas.size),
        "log_odds_sd": float(np.std(setting.log_odds)),
        "max_error_mean": lumped.mean_error,
        "max_error_concept_log_odds": lumped.log_odds_error,
        "max_error_cross_entropy": lumped.divergence_error,
        "versions": versions(),
    }
    arrays: dict[str, Any] = {
        "log_p": lumped.log_p,
        "log_odds": lumped.log_odds,
        "tokens": np.array(texts),
        "named": named,
        "target": lumped.inside,
        "contexts": np.array(setting.concept.contexts[:count]),
        "meta": np.array(json.dumps(meta)),
    }
    path = write_whole(target, lambda path: np.savez_compressed(path, **arrays))
    return lumped, path
