"""One model, one concept, one steering vector: everything the comparisons start from.

The vector is the difference of means of the normed last-position states; M(z) is the difference
of means of the log-probabilities read from the very same forward passes. `final-norm` says that
the two describe the same intervention, for any texts and any |P|, |N|.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from steering_strength.proofs_check.bridge._old.anatomy import (
    Anatomy,
    inspect_model,
    rounding_bound,
)
from steering_strength.proofs_check.bridge._old.encoding import TokenBatch, word_tokens
from steering_strength.proofs_check.bridge._old.models import LoadedModel
from steering_strength.proofs_check.bridge._old.observe import Observation, observe
from steering_strength.proofs_check.bridge.concept_texts import ConceptTexts
from steering_strength.proofs_check.bridge.progress import Progress, silent
from steering_strength.proofs_check.bridge.sites import FINAL_NORM
from steering_strength.proofs_check.bridge.steering.making import require_fit
from steering_strength.proofs_check.bridge.steering.vectors import SteeringVector
from steering_strength.theory import TiltedFamily

__all__ = ["Setting", "prepare"]


@dataclass(frozen=True)
class Setting:
    """A steering experiment before any steering.

    Parameters
    ----------
    loaded : LoadedModel
    anatomy : Anatomy
    concept : ConceptTexts
    batch : TokenBatch
        The m held-out contexts.
    baseline : Observation
        Their unsteered log-probabilities (m, V) and normed states (m, d).
    vector : torch.Tensor
        Shape (d,), v: mean normed state over P minus mean over N.
    log_odds : numpy.ndarray
        Shape (V,), the paper's M: mean log p over P minus mean over N, in nats per unit alpha.
    words : numpy.ndarray
        Token ids, T: the tokens that spell a word of the concept.
    state_length : float
        Largest Euclidean norm of a normed state; scales the rounding error.
    """

    loaded: LoadedModel
    anatomy: Anatomy
    concept: ConceptTexts
    batch: TokenBatch
    baseline: Observation
    vector: torch.Tensor
    log_odds: NDArray[np.float64]
    words: NDArray[np.int64]
    state_length: float

    @property
    def model(self) -> Any:
        """The transformers model."""
        return self.loaded.model

    def family(self, context: int) -> TiltedFamily:
        """The law for one context: base p_0 and log-odds M."""
        return TiltedFamily(self.baseline.log_p[context], self.log_odds)

    def rounding(self, alpha: float) -> float:
        """Attainable error, in nats, of a log-probability at |alpha|.

        The steered state is at most |h| + |alpha| |v| long, and alpha M carries the error of two
        means of log-probabilities.
        """
        reach = self.state_length * (1 + 2 * abs(alpha))
        return rounding_bound(self.anatomy, reach + abs(alpha) * float(self.vector.norm()))

    def token_text(self, token: int) -> str:
        """The token as a reader sees it, with a middle dot for its leading space."""
        text = self.loaded.tokenizer.decode([int(token)])
        return ascii(text)[1:-1].replace(" ", "\N{MIDDLE DOT}") if text.strip() else f"<{token}>"


def prepare(
    loaded: LoadedModel,
    concept: ConceptTexts,
    *,
    vector: SteeringVector | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Setting:
    """Verify the model's structure, read P, N and the contexts, and form v and M.

    Parameters
    ----------
    vector : SteeringVector, optional
        One made elsewhere for the final norm. Then P and N are not read, and M = W v, which
        differs from the log-odds of Def. 3.2 by a constant that changes no distribution.

    Raises
    ------
    ModelError, AssumptionError
        The model lacks a part, or its logits are not affine in the final norm's output.
    SteeringSetError
        A text is empty or too long for the model.
    VectorError
        `vector` belongs to another model or site.
    """
    anatomy = inspect_model(loaded.model, seed=seed)
    progress(
        f"structure: {len(anatomy.blocks)} blocks, d = {anatomy.width}, V = {anatomy.vocabulary:,},"
        f" final norm {anatomy.final_norm_name!r}, affine read-out verified"
    )
    batch = loaded.encode(concept.contexts)
    baseline = observe(loaded.model, anatomy, batch)
    states = [baseline.states]
    if vector is None:
        plus = observe(loaded.model, anatomy, loaded.encode(concept.positive))
        minus = observe(loaded.model, anatomy, loaded.encode(concept.neutral))
        states += [plus.states, minus.states]
        v = plus.states.mean(0) - minus.states.mean(0)
        log_odds = plus.log_p.mean(0) - minus.log_p.mean(0)
    else:
        require_fit(vector, loaded, anatomy, FINAL_NORM)
        v = torch.as_tensor(vector.values).to(baseline.states.dtype)
        log_odds = _unembedded(anatomy, v)
    return Setting(
        loaded=loaded,
        anatomy=anatomy,
        concept=concept,
        batch=batch,
        baseline=baseline,
        vector=v,
        log_odds=log_odds,
        words=np.array(word_tokens(loaded.tokenizer, concept.words, anatomy.vocabulary)),
        state_length=max(float(torch.linalg.vector_norm(s, dim=-1).max()) for s in states),
    )


def _unembedded(anatomy: Anatomy, vector: torch.Tensor) -> NDArray[np.float64]:
    """W v, (V,), centred: the difference of two read-outs, so that a bias drops out."""
    zero = torch.zeros_like(vector)
    with torch.no_grad():
        logits = anatomy.unembedding(torch.stack([vector, zero])).to(torch.float64)
    odds = ((logits[0] - logits[1]) * anatomy.logit_scale).numpy()
    return np.asarray(odds - odds.mean())
