"""A one-layer GPT trained here in minutes, from text to steering: the paper's Fig. A.4.

The text is the standard library's own. Every window is written in lower or in UPPER case, and each
word flips its case with probability 3 %: two concepts that share their contexts' words, which is
the dataset family of arXiv:2602.02712, Def. 2.1, in a language model. The concept "uppercase words"
is known token by token, so what Assumption 1 predicts can be counted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from steering_strength.proofs_check.bridge.loading import progress
from steering_strength.proofs_check.bridge.model import SteeredModel
from steering_strength.proofs_check.bridge.texts import ConceptTexts, library_text
from steering_strength.theory.errors import ShapeError
from steering_strength.theory.files import write_json

# Probability that a word is written in the other case than its window.
_FLIP = 0.03
_LENGTH = 32
_WORD = re.compile(r"[A-Za-z]+|[.,;:()]")
_HELD_OUT = 60
_RATE = 6e-3


def train(
    steps: int = 500,
    *,
    batch: int = 64,
    width: int = 128,
    words: int = 1500,
    seed: int = 0,
) -> tuple[SteeredModel, ConceptTexts]:
    """Train on the standard library's text; the model in float64, and the concept that it knows.

    `steps` of AdamW with a cosine schedule, 500 of them half a minute on two cores, on `batch`
    windows each; `words` distinct words have a lower and an UPPER token each. The concept has P in
    UPPER case, N and contexts in lower case, from paragraphs that were not trained on.
    """
    if min(steps, batch, width, words) < 1:
        raise ShapeError(f"{steps} steps on {batch} windows", remedy="give 1 or more of each")
    paragraphs = [_WORD.findall(text.lower()) for text in library_text()]
    paragraphs = [found for found in paragraphs if len(found) > _LENGTH]
    rng = np.random.default_rng(seed)
    rng.shuffle(paragraphs)
    held_out = paragraphs[:_HELD_OUT]
    training = [word for found in paragraphs[_HELD_OUT:] for word in found]
    counts = Counter(training)
    marks = sorted(token for token in counts if not token.isalpha())
    # Ties by spelling, so that one text gives one vocabulary. A word of one letter like "a"
    # has twins too; "i" and "I" are simply one of them.
    lower = sorted((w for w in counts if w.isalpha()), key=lambda w: (-counts[w], w))[:words]
    tokens = ["<bos>", "<unk>", *marks, *lower, *map(str.upper, lower)]
    first, index = 2 + len(marks), {token: i for i, token in enumerate(tokens[: -len(lower)])}
    stream = np.array([index.get(word, 1) for word in training])

    def windows() -> Iterator[torch.Tensor]:
        """Windows behind BOS, (batch, 33), each in one case with flips; marks have no case."""
        while True:
            starts = rng.integers(0, stream.size - _LENGTH, batch)
            ids = stream[starts[:, None] + np.arange(_LENGTH)]
            upper = (rng.random((batch, 1)) < 0.5) ^ (rng.random(ids.shape) < _FLIP)
            ids = np.where(upper & (ids >= first), ids + len(lower), ids)
            yield torch.as_tensor(np.pad(ids, ((0, 0), (1, 0))))

    torch.manual_seed(seed)
    # Five times the usual width of weights: with 0.02 the first thousand steps find the scale.
    config = transformers.GPT2Config(
        vocab_size=len(tokens), n_positions=_LENGTH + 1, n_embd=width, n_layer=1, n_head=4,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, initializer_range=0.1,
        tie_word_embeddings=False, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    model = transformers.GPT2LMHeadModel(config)
    _optimise(model, steps, windows())
    model = model.to(torch.float64).eval().requires_grad_(False)
    steered = SteeredModel(model, _tokenizer(tokens), name="one-layer GPT")
    return steered, _concept(tokens, tuple(tokens[-len(lower) :]), held_out)


def save(model: SteeredModel, concept: ConceptTexts, folder: Path) -> tuple[Path, Path]:
    """Write the model as transformers does, with its concept file, and return both paths."""
    target = folder / "one-layer-gpt"
    model.hf_model.save_pretrained(target)
    model.tokenizer.save_pretrained(target)
    return target, write_json(target / "uppercase.json", asdict(concept))


def sign_separation(model: SteeredModel, log_odds: np.ndarray) -> str:
    """Count what Assumption 1 predicts: M > 0 on UPPER words, M < 0 on lower ones.

    The peak of a token is an increasing function of its M, so the order of M is the order of the
    peaks (`peak-order`).
    """
    names = np.array(model.tokenizer.convert_ids_to_tokens(range(log_odds.size)))
    upper = np.array([name.isupper() for name in names])
    lower = np.array([name.isalpha() and name.islower() for name in names])
    high, low = log_odds[upper], log_odds[lower]
    order = float((np.searchsorted(np.sort(low), high) / low.size).mean())
    return (
        f"M > 0 for {np.mean(high > 0):.2%} of {high.size} UPPER words and"
        f" {np.mean(low > 0):.2%} of {low.size} lower ones; the UPPER word peaks later in"
        f" {order:.2%} of all pairs"
    )


def _tokenizer(tokens: Sequence[str]) -> Any:
    """One word, one token."""
    import tokenizers  # type: ignore[import-not-found]

    vocabulary = {token: i for i, token in enumerate(tokens)}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<bos>", unk_token="<unk>"
    )


def _optimise(model: Any, steps: int, windows: Iterator[torch.Tensor]) -> None:
    optimiser = torch.optim.AdamW(model.parameters(), lr=_RATE, weight_decay=0.01)
    warm = max(1, steps // 20)
    cosine = transformers.get_cosine_schedule_with_warmup(optimiser, warm, steps)
    tenth, recent = max(1, steps // 10), list[float]()
    model.train()
    for step in range(1, steps + 1):
        ids = next(windows)
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        cosine.step()
        recent.append(float(loss.detach()))
        if step % tenth == 0:
            mean = sum(recent) / len(recent)
            progress(f"step {step} of {steps}: loss {mean:.3f} nats per token")
            recent.clear()


def _concept(
    tokens: Sequence[str], upper: tuple[str, ...], held_out: Sequence[Sequence[str]]
) -> ConceptTexts:
    known = set(tokens)
    texts = [
        " ".join(word if word in known else "<unk>" for word in words[: 12 + i % 7])
        for i, words in enumerate(held_out)
    ]
    return ConceptTexts(
        name="uppercase words",
        positive=tuple(text.upper().replace("<UNK>", "<unk>") for text in texts[:24]),
        neutral=tuple(texts[24:48]),
        contexts=tuple(texts[48:60]),
        words=upper,
    )
