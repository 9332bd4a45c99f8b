"""Difference-of-means vectors read from a model's states at any site.

v = mean of the states over P minus mean over N (arXiv:2602.02712, Eq. 3). The read rule says which
states of a text count: the last one, or the mean over its tokens without the first.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from proofs_check.bridge.anatomy import Anatomy
from proofs_check.bridge.encoding import TokenBatch, encode, pad
from proofs_check.bridge.hooks import Captured
from proofs_check.bridge.models import LoadedModel
from proofs_check.bridge.sites import Apply, Read, Site
from proofs_check.bridge.vectors import SteeringVector, VectorMetadata, text_hash

__all__ = [
    "difference_of_means",
    "read_states",
    "sample_texts",
    "sink_cosine",
    "tokenizer_hash",
]

_TEXTS_PER_PIECE = 16


def tokenizer_hash(tokenizer: Any) -> str:
    """Sixteen hexadecimal digits of the vocabulary: token strings with their ids."""
    listed = sorted(tokenizer.get_vocab().items())
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()[:16]


def read_states(
    model: Any, anatomy: Anatomy, batch: TokenBatch, site: Site, read: Read
) -> torch.Tensor:
    """One state per text, (B, d), at the site, by the read rule."""
    keep = {"logits_to_keep": 1}
    found = []
    for piece in batch.chunks(_TEXTS_PER_PIECE):
        with torch.no_grad(), Captured(site.module(anatomy)) as state:
            model(input_ids=piece.ids, attention_mask=piece.mask, use_cache=False, **keep)
        if read == "last":
            found.append(state.value[torch.arange(piece.rows), piece.last])
            continue
        weights = piece.mask.to(state.value.dtype)
        # A text of one token has nothing but its first: then that one is its mean.
        weights[piece.last > 0, 0] = 0.0
        sums = (state.value * weights[:, :, None]).sum(1)
        found.append(sums / weights.sum(1, keepdim=True))
    return torch.cat(found)


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
    states = [
        read_states(loaded.model, anatomy, encode(loaded.tokenizer, texts), site, read)
        for texts in (positive, negative)
    ]
    return _described(loaded, states, positive, negative, site, read, apply)


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


def sink_cosine(
    loaded: LoadedModel,
    anatomy: Anatomy,
    positive: Sequence[str],
    negative: Sequence[str],
    site: Site,
) -> float:
    """Cosine between the token-mean vectors with and without the first token.

    Far from 1, a plain token mean would have been mostly the attention sink.
    """
    vectors = []
    for keep_first in (False, True):
        means = []
        for texts in (positive, negative):
            batch = encode(loaded.tokenizer, texts)
            states = read_states(loaded.model, anatomy, batch, site, "mean").to(torch.float64)
            if keep_first:
                first = read_states(
                    loaded.model,
                    anatomy,
                    pad([row[:1] for row in batch.ids.tolist()]),
                    site,
                    "last",
                ).to(torch.float64)
                count = batch.last.to(torch.float64)[:, None]
                states = (states * count + first) / (count + 1)
            means.append(states.mean(0))
        vectors.append(means[0] - means[1])
    return float(torch.nn.functional.cosine_similarity(vectors[0], vectors[1], dim=0))


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
