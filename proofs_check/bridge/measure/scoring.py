"""Scores under steering that need more than one token: a judge of generated text, a benchmark.

Fig. 7 (top), A.11 and A.12 of the paper ask a language model whether a generated text shows the
concept; A.6 runs a benchmark. Both are callables here: whatever the user has. A keyword judge is
included; it counts words and knows nothing of meaning, so its curve is not the paper's.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from steering_strength.proofs_check.bridge._old.anatomy import Anatomy
from steering_strength.proofs_check.bridge._old.hooks import Steered
from steering_strength.proofs_check.bridge._old.models import LoadedModel
from steering_strength.proofs_check.bridge.curves.curve_files import Curves
from steering_strength.proofs_check.bridge.errors import ModelError, SelfCheckError
from steering_strength.proofs_check.bridge.progress import Progress, silent
from steering_strength.proofs_check.bridge.sites import Site
from steering_strength.theory.files import write_whole

__all__ = [
    "Judge",
    "KeywordJudge",
    "generate",
    "generate_ids",
    "judged_curve",
    "score_curve",
    "write_csv",
]

Floats = NDArray[np.float64]

# A generated text -> the probability, in [0, 1], that it shows the concept.
Judge = Callable[[str], float]


@dataclass(frozen=True)
class KeywordJudge:
    """1 if a text contains one of `words` as a word of its own, else 0.

    Parameters
    ----------
    words : tuple of str
        In any case.
    """

    words: tuple[str, ...]

    def __call__(self, text: str) -> float:
        """Judge one text."""
        found = set(re.findall(r"\w+", text.lower()))
        return float(any(word.lower() in found for word in self.words))


def generate(
    loaded: LoadedModel,
    prompt: str,
    samples: int,
    length: int,
    *,
    seed: int = 0,
) -> list[str]:
    """`samples` continuations of `length` tokens at temperature 1, sampled with cached keys.

    Call it inside `Steered` to generate under steering: the hook fires at every decoded token.
    """
    ids = generate_ids(loaded, prompt, samples, length, seed=seed)
    return [loaded.tokenizer.decode(row[-length:]) for row in ids.tolist()]


def generate_ids(
    loaded: LoadedModel, prompt: str, samples: int, length: int, *, seed: int = 0
) -> torch.Tensor:
    """Token ids of prompt and continuation, (samples, T + length)."""
    generator = torch.Generator().manual_seed(seed)
    ids = loaded.encode([prompt]).ids.expand(samples, -1)
    cache, fed = None, ids
    with torch.no_grad():
        for _ in range(length):
            out = loaded.model(input_ids=fed, past_key_values=cache, use_cache=True)
            cache = out.past_key_values
            p = torch.softmax(out.logits[:, -1].to(torch.float64), dim=-1)
            fed = torch.multinomial(p, 1, generator=generator)
            ids = torch.cat([ids, fed], dim=1)
    return ids


def judged_curve(
    loaded: LoadedModel,
    anatomy: Anatomy,
    site: Site,
    vector: torch.Tensor,
    alphas: Floats,
    prompts: Sequence[str],
    judge: Judge,
    *,
    samples: int = 8,
    length: int = 20,
    seed: int = 0,
    progress: Progress = silent,
) -> Curves:
    """Mean judgement of texts generated under steering: the paper's concept probability.

    Every alpha and prompt uses the same random numbers, so neighbouring alphas differ by the
    steering more than by the draw.

    Raises
    ------
    SelfCheckError
        The hook did not fire at every decoded token.
    ModelError
        The judge returns something outside [0, 1].
    """
    means = []
    for alpha in np.asarray(alphas, dtype=np.float64).tolist():
        verdicts = []
        for index, prompt in enumerate(prompts):
            with Steered(site.module(anatomy), vector, alpha) as steering:
                texts = generate(loaded, prompt, samples, length, seed=seed + index)
            if steering.fired != length:
                raise SelfCheckError(
                    f"the hook fired {steering.fired} times for {length} decoded tokens",
                    remedy="the model decodes without passing through the site",
                )
            verdicts += [float(judge(text)) for text in texts]
        if not all(0 <= verdict <= 1 for verdict in verdicts):
            raise ModelError(
                f"the judge returned a value from {min(verdicts)} to {max(verdicts)}",
                remedy="a judge returns a probability between 0 and 1",
            )
        means.append(sum(verdicts) / len(verdicts))
        progress(f"alpha = {alpha:g}: {means[-1]:.2f} of {len(verdicts)} texts")
    return Curves("judge", np.asarray(alphas, dtype=np.float64), effect=np.array(means))


def score_curve(
    anatomy: Anatomy,
    site: Site,
    vector: torch.Tensor,
    alphas: Floats,
    score: Callable[[], float],
    *,
    progress: Progress = silent,
) -> Floats:
    """Any score of the steered model, (A,): `score` is called once inside each steering.

    Raises
    ------
    SelfCheckError
        The score did not run the model.
    ModelError
        It returned something that is not a finite number.
    """
    found = []
    for alpha in np.asarray(alphas, dtype=np.float64).tolist():
        with Steered(site.module(anatomy), vector, alpha):
            value = float(score())
        if not np.isfinite(value):
            raise ModelError(
                f"the benchmark returned {value} at alpha = {alpha:g}",
                remedy="a benchmark returns a finite number",
            )
        found.append(value)
        progress(f"alpha = {alpha:g}: score {value:.3f}")
    return np.array(found)


def write_csv(curves: Curves, path: Path) -> Path:
    """Write alpha and effect as the CSV that `python -m proofs_check.bridge read` takes."""
    rows: list[tuple[Any, ...]] = [("alpha", "effect")]
    if curves.effect is not None:
        rows += zip(curves.alphas.tolist(), curves.effect.tolist(), strict=True)

    def write(target: Path) -> None:
        with target.open("w", encoding="utf-8", newline="") as handle:
            csv.writer(handle).writerows(rows)

    return write_whole(path, write)
