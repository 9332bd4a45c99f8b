"""A benchmark that needs no download: which of four tokens comes next in library text.

Fig. A.6 of the paper runs a multiple-choice benchmark under steering. This one asks the same kind
of question of any causal model: at every position of a few windows of text, is the token that
follows given a higher logit than three others drawn from the same text? Chance is a quarter. Like
any score of argmaxes it has predictions: near 0 from the logits' derivative along v, far out from
the plateau, one fixed distribution that no longer reads the text.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from steering_strength.proofs_check.bridge._old.anatomy import Anatomy
from steering_strength.proofs_check.bridge._old.encoding import TokenBatch
from steering_strength.proofs_check.bridge._old.models import LoadedModel
from steering_strength.proofs_check.bridge._old.norms import FinalNorm
from steering_strength.proofs_check.bridge._old.upper import Upper, position_mask, read_out
from steering_strength.proofs_check.bridge.sites import Site

__all__ = ["Cloze", "make_cloze"]

Floats = NDArray[np.float64]

_CHOICES = 4
_CELLS = 1 << 22


@dataclass(frozen=True, eq=False)
class Cloze:
    """The questions.

    Parameters
    ----------
    batch : TokenBatch
        R windows of T tokens.
    candidates : torch.Tensor
        Shape (R (T - 1), 4), token ids: the one that follows first, then three others.
    """

    batch: TokenBatch
    candidates: torch.Tensor

    def score(self, loaded: LoadedModel) -> float:
        """Share of questions that the model answers, as it is steered at the moment."""
        with torch.no_grad():
            logits = loaded.model(input_ids=self.batch.ids, use_cache=False).logits[:, :-1]
            chosen = logits.reshape(-1, logits.shape[-1]).gather(1, self.candidates)
        return _share(np.asarray(chosen.to(torch.float64).numpy()))

    def predicted(
        self,
        loaded: LoadedModel,
        anatomy: Anatomy,
        norm: FinalNorm,
        vector: torch.Tensor,
        site: Site,
        alphas: Floats,
        step: float,
    ) -> tuple[Floats, Floats]:
        """The score to first order in alpha, (A,), and at -inf and +inf, (2,).

        `step` is the alpha of the central difference, small against 1 / sd(M_loc).
        """
        upper = Upper(loaded.model, anatomy, self.batch, site)
        everywhere = position_mask(self.batch, "all")
        low, middle, high = (
            self._logits(anatomy, upper.normed(upper.steered(vector, alpha, everywhere))[:, :-1])
            for alpha in (-step, 0.0, step)
        )
        slope = (high - low) / (2 * step)
        near = np.array([_share(middle + alpha * slope) for alpha in alphas])
        v = vector.to(torch.float64).numpy()
        ends = []
        for sign in (-1, 1):
            state = torch.as_tensor(norm.steering(np.zeros_like(v), v).limit(sign))
            row = read_out(anatomy, state[None].to(vector.dtype))[0]
            ends.append(_share(row[self.candidates].numpy()))
        return near, np.array(ends)

    def _logits(self, anatomy: Anatomy, states: torch.Tensor) -> Floats:
        """Logits of the candidates, (R (T - 1), 4), in pieces of positions."""
        flat = states.reshape(-1, states.shape[-1])
        size = max(1, _CELLS // anatomy.vocabulary)
        pieces = zip(flat.split(size), self.candidates.split(size), strict=True)
        return np.concatenate([read_out(anatomy, s).gather(1, c).numpy() for s, c in pieces])


def make_cloze(batch: TokenBatch, *, seed: int = 0) -> Cloze:
    """Questions on windows of one length: wrong choices are tokens of the same text, at random."""
    generator = torch.Generator().manual_seed(seed)
    following = batch.ids[:, 1:].reshape(-1)
    kinds = following.unique()
    drawn = torch.randint(kinds.numel(), (following.numel(), _CHOICES - 1), generator=generator)
    others = kinds[drawn]
    # A wrong choice that is the right one is replaced by its neighbour among the kinds.
    same = others == following[:, None]
    others[same] = kinds[(drawn[same] + 1) % kinds.numel()]
    return Cloze(batch, torch.cat([following[:, None], others], dim=1))


def _share(logits: Floats) -> float:
    # A tie is not an answer: the right choice must be above all others.
    return float((logits[:, 0] > logits[:, 1:].max(axis=1)).mean())
