"""Difference-of-means vectors read from a model's states at any site.

v = mean of the states over P minus mean over N (arXiv:2602.02712, Eq. 3). The read rule says which
states of a text count: the last one, or the mean over its tokens without the first.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from steering_strength.proofs_check.bridge._old.anatomy import Anatomy
from steering_strength.proofs_check.bridge._old.encoding import TokenBatch, pad
from steering_strength.proofs_check.bridge._old.hooks import Captured
from steering_strength.proofs_check.bridge._old.models import LoadedModel
from steering_strength.proofs_check.bridge.concept_texts import ConceptTexts
from steering_strength.proofs_check.bridge.sites import Apply, Read, Site
from steering_strength.proofs_check.bridge.steering.vectors import (
    SteeringVector,
    VectorMetadata,
    text_hash,
)

__all__ = [
    "TextStates",
    "difference_of_means",
    "difference_vectors",
    "read_states",
    "require_fit",
    "sample_texts",
    "tokenizer_hash",
    "with_residual_norm",
    "with_sampled_negatives",
]

_TEXTS_PER_PIECE = 16
_ATTEMPTS = 4


def tokenizer_hash(tokenizer: Any) -> str:
    """Sixteen hexadecimal digits of the vocabulary: token strings with their ids."""
    listed = sorted(tokenizer.get_vocab().items())
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class TextStates:
    """One state per text and read rule at one site, each (B, d).

    Parameters
    ----------
    last : torch.Tensor
        The last token's.
    mean : torch.Tensor
        The mean over the tokens without the first; of a text of one token, that one.
    with_first : torch.Tensor
        The mean over all tokens: never used for a vector, only to show what the first one does.
    """

    last: torch.Tensor
    mean: torch.Tensor
    with_first: torch.Tensor

    def by(self, read: Read) -> torch.Tensor:
        """The states of a read rule."""
        return self.last if read == "last" else self.mean


def read_states(
    model: Any, anatomy: Anatomy, batch: TokenBatch, sites: Sequence[Site]
) -> tuple[TextStates, ...]:
    """States of every text at each of `sites`, from one pass over the texts."""
    columns: list[tuple[list[torch.Tensor], ...]] = [([], [], []) for _ in sites]
    for piece in batch.chunks(_TEXTS_PER_PIECE):
        with torch.no_grad(), ExitStack() as stack:
            seen = [stack.enter_context(Captured(site.module(anatomy))) for site in sites]
            model(input_ids=piece.ids, attention_mask=piece.mask, use_cache=False)
        for state, column in zip(seen, columns, strict=True):
            value = state.value
            real = piece.mask.to(value.dtype)
            late = real.clone()
            late[piece.last > 0, 0] = 0.0
            column[0].append(value[torch.arange(piece.rows), piece.last])
            for weights, into in ((late, column[1]), (real, column[2])):
                into.append((value * weights[:, :, None]).sum(1) / weights.sum(1, keepdim=True))
    return tuple(TextStates(*(torch.cat(part) for part in column)) for column in columns)


def difference_of_means(
    loaded: LoadedModel,
    anatomy: Anatomy,
    positive: Sequence[str],
    negative: Sequence[str],
    site: Site,
    *,
    read: Read = "mean",
    apply: Apply = "all",
) -> SteeringVector:
    """The paper's v at `site`, with its metadata.

    Raises
    ------
    SteeringSetError
        A text is empty or too long.
    VectorError
        The two means coincide.
    """
    return difference_vectors(loaded, anatomy, positive, negative, (site,), read=read, apply=apply)[
        0
    ][0]


def difference_vectors(
    loaded: LoadedModel,
    anatomy: Anatomy,
    positive: Sequence[str],
    negative: Sequence[str],
    sites: Sequence[Site],
    *,
    read: Read = "mean",
    apply: Apply = "all",
) -> list[tuple[SteeringVector, float]]:
    """The vectors of several sites from one pass over P and N, and what the first token would do.

    The number beside each vector is the cosine between the token-mean vectors without and with the
    first token. Far from 1, a plain token mean would have been mostly the attention sink.
    """
    states = [
        read_states(loaded.model, anatomy, loaded.encode(texts), sites)
        for texts in (positive, negative)
    ]
    found = []
    for site, plus, minus in zip(sites, *states, strict=True):
        both = [plus.by(read), minus.by(read)]
        vector = _described(loaded, both, positive, negative, site, read, apply)
        clean = (plus.mean.mean(0) - minus.mean.mean(0)).to(torch.float64)
        plain = (plus.with_first.mean(0) - minus.with_first.mean(0)).to(torch.float64)
        cosine = torch.nn.functional.cosine_similarity(clean, plain, dim=0)
        found.append((vector, float(cosine)))
    return found


def _described(
    loaded: LoadedModel,
    states: list[torch.Tensor],
    positive: Sequence[str],
    negative: Sequence[str],
    site: Site,
    read: Read,
    apply: Apply,
) -> SteeringVector:
    values = (states[0].mean(0) - states[1].mean(0)).to(torch.float64).numpy()
    lengths = torch.cat(states).to(torch.float64).norm(dim=-1)
    return SteeringVector(
        values,
        VectorMetadata(
            model=loaded.label,
            fingerprint=loaded.fingerprint,
            tokenizer=tokenizer_hash(loaded.tokenizer),
            site=site.name,
            read=read,
            apply=apply,
            operation="add",
            norm=float(np.linalg.norm(values)),
            residual_norm=float(lengths.median()),
            positives=len(positive),
            negatives=len(negative),
            positive_hash=text_hash(positive),
            negative_hash=text_hash(negative),
            dtype=str(states[0].dtype).removeprefix("torch."),
        ),
    )


def require_fit(vector: SteeringVector, loaded: LoadedModel, anatomy: Anatomy, site: Site) -> None:
    """Refuse a vector that was made for another model, another vocabulary or another site.

    Raises
    ------
    VectorError
        What differs, and what the vector was made for.
    """
    vector.require(
        model=loaded.label,
        fingerprint=loaded.fingerprint,
        tokenizer=tokenizer_hash(loaded.tokenizer),
        width=anatomy.width,
    )
    vector.require_site(site)


def with_residual_norm(
    vector: SteeringVector, loaded: LoadedModel, anatomy: Anatomy, texts: Sequence[str]
) -> SteeringVector:
    """The vector with the median length of a state at its site, if its file did not say it."""
    if np.isfinite(vector.metadata.residual_norm):
        return vector
    (states,) = read_states(loaded.model, anatomy, loaded.encode(texts), (vector.site,))
    read = states.last if vector.metadata.read == "last" else states.mean
    length = float(read.to(torch.float64).norm(dim=-1).median())
    return replace(vector, metadata=replace(vector.metadata, residual_norm=length))


def sample_texts(
    loaded: LoadedModel, count: int, length: int, *, seed: int = 0
) -> tuple[list[str], TokenBatch]:
    """`count` texts of `length` tokens sampled from the model itself, and their token ids.

    Temperature 1 and the whole vocabulary: the texts are draws from the model's distribution, so
    its cross-entropy on them is calibrated. They also serve as random negatives.
    """
    generator = torch.Generator().manual_seed(seed)
    model, tokenizer = loaded.model, loaded.tokenizer
    start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else 0
    ids = torch.full((count, 1), start, dtype=torch.int64)
    cache = None
    with torch.no_grad():
        for _ in range(length):
            fed = ids if cache is None else ids[:, -1:]
            out = model(input_ids=fed, past_key_values=cache, use_cache=True)
            cache = out.past_key_values
            p = torch.softmax(out.logits[:, -1].to(torch.float64), dim=-1)
            ids = torch.cat([ids, torch.multinomial(p, 1, generator=generator)], dim=1)
    rows = ids.tolist()
    return [tokenizer.decode(row[1:]) for row in rows], pad(rows)


def with_sampled_negatives(
    loaded: LoadedModel, concept: ConceptTexts, *, seed: int = 0
) -> ConceptTexts:
    """The same concept with N sampled from the model: as many texts as P has, about as long.

    The paper's random negatives: generations from the beginning-of-text token.

    Raises
    ------
    SteeringSetError
        A text of P is empty or too long.
    """
    count = len(concept.positive)
    length = int(loaded.encode(concept.positive).last.median())
    taken = {*concept.positive, *concept.contexts}
    found: list[str] = []
    # An end-of-text token can leave a blank or a repeated text; another seed replaces it.
    for attempt in range(_ATTEMPTS):
        texts, _ = sample_texts(loaded, count, max(2, length), seed=seed + attempt)
        for text in texts:
            if text.strip() and text not in taken:
                taken.add(text)
                found.append(text)
        if len(found) >= count:
            break
    return replace(concept, neutral=tuple(found[:count]))
