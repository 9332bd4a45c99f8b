"""Texts to token batches: one rule for BOS, right padding, and no silent truncation.

Right padding under a causal mask leaves every real position exactly as it would be alone;
left padding would shift the absolute positions of GPT-2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from steering_strength.proofs_check.bridge.errors import ModelError
from steering_strength.theory.errors import SteeringSetError

__all__ = ["TokenBatch", "encode", "pad", "word_tokens"]


@dataclass(frozen=True)
class TokenBatch:
    """Token ids padded on the right.

    Parameters
    ----------
    ids : torch.Tensor
        Shape (B, T), int64.
    mask : torch.Tensor
        Shape (B, T), int64: 1 at real tokens, 0 at padding.
    last : torch.Tensor
        Shape (B,), int64: index of the last real token.
    """

    ids: torch.Tensor
    mask: torch.Tensor
    last: torch.Tensor

    @property
    def rows(self) -> int:
        """B, the number of texts."""
        return int(self.ids.shape[0])

    def row(self, index: int) -> TokenBatch:
        """One text alone, without its padding."""
        length = int(self.last[index]) + 1
        return TokenBatch(
            self.ids[index : index + 1, :length],
            self.mask[index : index + 1, :length],
            self.last[index : index + 1],
        )

    def chunks(self, rows: int) -> Iterator[TokenBatch]:
        """The batch in pieces of at most `rows` texts, in order."""
        for start in range(0, self.rows, rows):
            piece = slice(start, start + rows)
            yield TokenBatch(self.ids[piece], self.mask[piece], self.last[piece])


def encode(tokenizer: Any, texts: Sequence[str], max_length: int | None = None) -> TokenBatch:
    """Tokenise `texts`, put BOS in front where the model has one, pad on the right.

    Tokenizers read from GGUF files often add no BOS although the model was trained with one:
    the cross-entropy of SmolLM2-135M on English text falls by about 2 nats once it is there.

    Raises
    ------
    SteeringSetError
        There is no text, or one has no token, or more than `max_length`: nothing is cut off
        unnoticed.
    """
    if not texts:
        raise SteeringSetError(
            "0 texts to read",
            remedy="give texts; neutral ones can be sampled from the model: --negatives sampled",
        )
    bos = tokenizer.bos_token_id
    rows = []
    for text in texts:
        ids = list(tokenizer(text, add_special_tokens=False)["input_ids"])
        if not ids:
            raise SteeringSetError(
                f"the text {text[:40]!r} has 0 tokens", remedy="remove the empty text"
            )
        if bos is not None and ids[0] != bos:
            ids.insert(0, bos)
        if max_length is not None and len(ids) > max_length:
            raise SteeringSetError(
                f"the text {text[:40]!r} has {len(ids)} tokens, the model reads {max_length}",
                remedy="shorten the text: cutting it would move its last position",
            )
        rows.append(ids)
    return pad(rows)


def pad(rows: Sequence[Sequence[int]]) -> TokenBatch:
    """Right-pad lists of token ids; the padding id is 0 and masked, so its value never matters."""
    lengths = torch.tensor([len(row) for row in rows])
    ids = torch.zeros((len(rows), int(lengths.max())), dtype=torch.int64)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(list(row), dtype=torch.int64)
    mask = (torch.arange(ids.shape[1])[None, :] < lengths[:, None]).to(torch.int64)
    return TokenBatch(ids, mask, lengths - 1)


def word_tokens(tokenizer: Any, words: Sequence[str], vocabulary: int) -> tuple[int, ...]:
    """Ids of all single tokens that spell one of `words`, with or without a space before it.

    A word in lower case matches any case, one with a capital matches as written.

    Raises
    ------
    SteeringSetError
        No token of the vocabulary spells any of the words, so F_T has no T.
    """
    spellings = set()
    for word in words:
        bare = word.strip()
        cases = {bare}
        if bare == bare.lower():
            cases |= {bare.capitalize(), bare.upper()}
        spellings |= {space + case for case in cases for space in ("", " ")}
    # A thousand short texts at most, where decoding the vocabulary would be a hundred thousand.
    tokens = tokenizer(sorted(spellings), add_special_tokens=False)["input_ids"]
    alone = {ids[0] for ids in tokens if len(ids) == 1}
    unknown = tokenizer.unk_token_id
    found = sorted(token for token in alone if token < vocabulary and token != unknown)
    if not found:
        raise SteeringSetError(
            f"no single token of this model spells any of the concept's words: {', '.join(words)}",
            remedy="name common words of the concept, such as --words happy,glad,smile",
        )
    if len(found) >= vocabulary:
        raise ModelError(
            f"the concept words cover all {vocabulary} tokens",
            remedy="a concept needs at least one token outside it",
        )
    return tuple(found)
