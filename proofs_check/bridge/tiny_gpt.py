"""A one-layer GPT trained here in minutes, from text to steering: the paper's Fig. A.4.

The text is the standard library's own. Every window is written in lower or in UPPER case, and each
word flips its case with probability 3 %: two concepts that share their contexts' words, which is
the dataset family of arXiv:2602.02712, Def. 2.1, in a language model. The concept "uppercase words"
is known token by token, so what Assumption 1 predicts can be counted.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from steering_strength.proofs_check.bridge.model import SteeredModel
from steering_strength.proofs_check.bridge.texts import ConceptTexts, library_text
from steering_strength.theory.errors import ShapeError
from steering_strength.theory.files import write_json

__all__ = ["Trained", "save", "train"]

Progress = Callable[[str], None]

# Probability that a word is written in the other case than its window.
_FLIP = 0.03
_LENGTH = 32
_WORD = re.compile(r"[A-Za-z]+|[.,;:()]")
_HELD_OUT = 60
_RATE = 6e-3


@dataclass(frozen=True)
class Trained:
    """The model in float64, ready for every job of this package, and the concept it knows.

    `concept` has P in UPPER case, N and contexts in lower case, from text that was not trained on;
    `losses` is the training cross-entropy in nats per token over tenths of the run, `agreement` the
    probability, on held-out windows, of the case of the window for the next word.
    """

    model: SteeredModel
    concept: ConceptTexts
    losses: tuple[float, ...]
    agreement: float

    def sign_separation(self, log_odds: np.ndarray) -> str:
        """Count what Assumption 1 predicts: M > 0 on UPPER words, M < 0 on lower ones.

        The peak of a token is an increasing function of its M, so the order of M is the order of
        the peaks (`peak-order`).
        """
        names = np.array(self.model.tokenizer.convert_ids_to_tokens(range(log_odds.size)))
        upper = np.array([name.isupper() for name in names])
        lower = np.array([name.isalpha() and name.islower() for name in names])
        high, low = log_odds[upper], log_odds[lower]
        order = float((np.searchsorted(np.sort(low), high) / low.size).mean())
        return (
            f"M > 0 for {np.mean(high > 0):.2%} of {high.size} UPPER words and"
            f" {np.mean(low > 0):.2%} of {low.size} lower ones; the UPPER word peaks later in"
            f" {order:.2%} of all pairs"
        )


def train(
    steps: int = 500,
    *,
    batch: int = 64,
    width: int = 128,
    words: int = 1500,
    seed: int = 0,
    progress: Progress,
) -> Trained:
    """Train on the standard library's text, and build the concept from held-out paragraphs.

    `steps` of AdamW with a cosine schedule, 500 of them half a minute on two cores, on `batch`
    windows each; `words` distinct words have a lower and an UPPER token each.
    """
    if min(steps, batch, width, words) < 1:
        raise ShapeError(f"{steps} steps on {batch} windows", remedy="give 1 or more of each")
    paragraphs = [_WORD.findall(text.lower()) for text in library_text()]
    paragraphs = [found for found in paragraphs if len(found) > _LENGTH]
    rng = np.random.default_rng(seed)
    rng.shuffle(paragraphs)
    held_out, training = paragraphs[:_HELD_OUT], paragraphs[_HELD_OUT:]
    vocabulary = _Vocabulary([word for found in training for word in found], words)
    model = _model(width, len(vocabulary.tokens), seed)
    windows = partial(_windows, vocabulary, rng)
    stream = vocabulary.encode([word for found in training for word in found])
    losses = _optimise(model, steps, partial(windows, batch, stream), progress)
    model = model.to(torch.float64).eval().requires_grad_(False)
    stream = vocabulary.encode([word for found in held_out for word in found])
    agreement = _case_agreement(model, vocabulary, windows(64, stream))
    progress(f"the next word has the case of its window with probability {agreement:.3f}")
    steered = SteeredModel(model, vocabulary.tokenizer(), name="one-layer GPT", seed=seed)
    return Trained(steered, _concept(vocabulary, held_out), losses, agreement)


def save(trained: Trained, folder: Path) -> tuple[Path, Path]:
    """Write the model as transformers does, with its concept file, and return both paths."""
    target = folder / "one-layer-gpt"
    trained.model.hf_model.save_pretrained(target)
    trained.model.tokenizer.save_pretrained(target)
    return target, write_json(target / "uppercase.json", asdict(trained.concept))


class _Vocabulary:
    """Tokens: `<bos>`, `<unk>`, punctuation, lower words, then their UPPER twins in order."""

    def __init__(self, text: Sequence[str], size: int) -> None:
        counts = Counter(text)
        marks = sorted(token for token in counts if not token.isalpha())
        # Ties by spelling, so that one text gives one vocabulary. A word of one letter like "a"
        # has twins too; "i" and "I" are simply one of them.
        ranked = sorted((w for w in counts if w.isalpha()), key=lambda w: (-counts[w], w))[:size]
        self.tokens = ("<bos>", "<unk>", *marks, *ranked, *(w.upper() for w in ranked))
        self.first_lower, self.words = 2 + len(marks), len(ranked)

    def encode(self, words: Sequence[str]) -> np.ndarray:
        index = {token: i for i, token in enumerate(self.tokens[: self.first_lower + self.words])}
        return np.array([index.get(word, 1) for word in words])

    def cased(self, ids: np.ndarray, upper: np.ndarray) -> np.ndarray:
        """Replace words by their UPPER twins where `upper`; marks have no case."""
        return np.where(upper & (ids >= self.first_lower), ids + self.words, ids)

    def tokenizer(self) -> Any:
        import tokenizers  # type: ignore[import-not-found]
        import transformers

        model = tokenizers.models.WordLevel(
            {token: i for i, token in enumerate(self.tokens)}, unk_token="<unk>"
        )
        tokenizer = tokenizers.Tokenizer(model)
        tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
        return transformers.PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, bos_token="<bos>", unk_token="<unk>"
        )


def _model(width: int, size: int, seed: int) -> Any:
    import transformers

    torch.manual_seed(seed)
    # Five times the usual width of weights: with 0.02 the first thousand steps find the scale.
    config = transformers.GPT2Config(
        vocab_size=size, n_positions=_LENGTH + 1, n_embd=width, n_layer=1, n_head=4,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, initializer_range=0.1,
        tie_word_embeddings=False, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    return transformers.GPT2LMHeadModel(config)


def _windows(
    vocabulary: _Vocabulary, rng: np.random.Generator, count: int, stream: np.ndarray
) -> torch.Tensor:
    """`count` windows behind BOS, each in one case with flips, (count, 33)."""
    starts = rng.integers(0, stream.size - _LENGTH, count)
    ids = stream[starts[:, None] + np.arange(_LENGTH)]
    upper = rng.random((count, 1)) < 0.5
    flipped = rng.random(ids.shape) < _FLIP
    rows = vocabulary.cased(ids, upper ^ flipped)
    return torch.as_tensor(np.concatenate([np.zeros((count, 1), dtype=np.int64), rows], axis=1))


def _optimise(
    model: Any, steps: int, windows: Callable[[], torch.Tensor], progress: Progress
) -> tuple[float, ...]:
    optimiser = torch.optim.AdamW(model.parameters(), lr=_RATE, weight_decay=0.01)
    warm = max(1, steps // 20)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser,
        lambda step: min((step + 1) / warm, 0.5 + 0.5 * math.cos(math.pi * step / steps)),
    )
    model.train()
    tenth = max(1, steps // 10)
    losses, recent = list[float](), list[float]()
    for step in range(steps):
        ids = windows()
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        recent.append(float(loss.detach()))
        if (step + 1) % tenth == 0:
            losses.append(sum(recent) / len(recent))
            recent.clear()
            progress(f"step {step + 1} of {steps}: loss {losses[-1]:.3f} nats per token")
    return tuple(losses)


def _case_agreement(model: Any, vocabulary: _Vocabulary, ids: torch.Tensor) -> float:
    with torch.no_grad():
        p = torch.softmax(model(input_ids=ids, use_cache=False).logits, dim=-1)
    lower = p[..., vocabulary.first_lower : vocabulary.first_lower + vocabulary.words].sum(-1)
    upper = p[..., vocabulary.first_lower + vocabulary.words :].sum(-1)
    is_upper = (ids >= vocabulary.first_lower + vocabulary.words).sum(1) > _LENGTH // 3
    share = torch.where(is_upper[:, None], upper, lower) / (upper + lower)
    # The first half of a window is still finding out which case it is in.
    return float(share[:, _LENGTH // 2 :].mean())


def _concept(vocabulary: _Vocabulary, held_out: Sequence[Sequence[str]]) -> ConceptTexts:
    known = set(vocabulary.tokens)
    texts = [
        " ".join(word if word in known else "<unk>" for word in words[: 12 + i % 7])
        for i, words in enumerate(held_out)
    ]
    upper = vocabulary.tokens[vocabulary.first_lower + vocabulary.words :]
    return ConceptTexts(
        name="uppercase words",
        positive=tuple(text.upper().replace("<UNK>", "<unk>") for text in texts[:24]),
        neutral=tuple(texts[24:48]),
        contexts=tuple(texts[48:60]),
        words=upper,
    )
