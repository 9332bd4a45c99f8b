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
from pathlib import Path
from typing import Any

import numpy as np
import torch

from steering_strength.proofs_check.bridge.model import SteeredModel
from steering_strength.proofs_check.bridge.texts import ConceptTexts, library_text
from steering_strength.theory.errors import ShapeError
from steering_strength.theory.files import write_json

__all__ = ["FLIP", "Recipe", "Trained", "save", "train"]

Progress = Callable[[str], None]

# Probability that a word is written in the other case than its window.
FLIP = 0.03
_LENGTH = 32
_WORD = re.compile(r"[A-Za-z]+|[.,;:()]")
_HELD_OUT = 60


@dataclass(frozen=True)
class Recipe:
    """How the model is trained.

    Parameters
    ----------
    steps : int
        Of AdamW with a cosine schedule; 500 take about half a minute on two cores.
    batch : int
        Windows per step.
    width : int
        d.
    words : int
        Distinct words; each has a lower and an UPPER token.
    rate : float
        Peak learning rate.
    seed : int
    """

    steps: int = 500
    batch: int = 64
    width: int = 128
    words: int = 1500
    rate: float = 6e-3
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "width", "words"):
            if getattr(self, name) < 1:
                raise ShapeError(f"{name} is {getattr(self, name)}", remedy="give 1 or more")


@dataclass(frozen=True)
class Trained:
    """The model, and the concept it knows.

    Parameters
    ----------
    model : SteeredModel
        In float64, ready for every job of this package.
    concept : ConceptTexts
        P in UPPER case, N and contexts in lower case, from text that was not trained on.
    losses : tuple of float
        Training cross-entropy in nats per token, averaged over tenths of the run.
    agreement : float
        Probability, on held-out windows, of the case of the window for the next word.
    recipe : Recipe
    """

    model: SteeredModel
    concept: ConceptTexts
    losses: tuple[float, ...]
    agreement: float
    recipe: Recipe

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


def train(recipe: Recipe | None = None, *, progress: Progress) -> Trained:
    """Train on the standard library's text, and build the concept from held-out paragraphs."""
    recipe = recipe or Recipe()
    paragraphs = [_WORD.findall(text.lower()) for text in library_text()]
    paragraphs = [words for words in paragraphs if len(words) > _LENGTH]
    rng = np.random.default_rng(recipe.seed)
    rng.shuffle(paragraphs)
    held_out, training = paragraphs[:_HELD_OUT], paragraphs[_HELD_OUT:]
    counts = Counter(word for words in training for word in words)
    vocabulary = _Vocabulary.of(counts, recipe.words)
    model = _model(recipe, len(vocabulary.tokens))
    stream = vocabulary.encode([word for words in training for word in words])
    losses = _optimise(model, recipe, vocabulary, stream, rng, progress)
    model = model.to(torch.float64).eval().requires_grad_(False)
    agreement = _case_agreement(model, vocabulary, held_out, rng)
    progress(f"the next word has the case of its window with probability {agreement:.3f}")
    steered = SteeredModel(model, vocabulary.tokenizer(), name="one-layer GPT", seed=recipe.seed)
    return Trained(steered, _concept(vocabulary, held_out), losses, agreement, recipe)


def save(trained: Trained, folder: Path) -> tuple[Path, Path]:
    """Write the model as transformers does, with its concept file, and return both paths."""
    target = folder / "one-layer-gpt"
    trained.model.hf_model.save_pretrained(target)
    trained.model.tokenizer.save_pretrained(target)
    return target, write_json(target / "uppercase.json", asdict(trained.concept))


@dataclass(frozen=True)
class _Vocabulary:
    """Tokens: `<bos>`, `<unk>`, punctuation, lower words, then their UPPER twins in order."""

    tokens: tuple[str, ...]
    first_lower: int
    words: int

    @classmethod
    def of(cls, counts: Counter[str], size: int) -> _Vocabulary:
        marks = sorted(token for token in counts if not token.isalpha())
        # Ties by spelling, so that one text gives one vocabulary. A word of one letter like "a"
        # has twins too; "i" and "I" are simply one of them.
        ranked = sorted((w for w in counts if w.isalpha()), key=lambda w: (-counts[w], w))[:size]
        tokens = ("<bos>", "<unk>", *marks, *ranked, *(w.upper() for w in ranked))
        return cls(tokens, 2 + len(marks), len(ranked))

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


def _model(recipe: Recipe, size: int) -> Any:
    import transformers

    torch.manual_seed(recipe.seed)
    return transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            vocab_size=size,
            n_positions=_LENGTH + 1,
            n_embd=recipe.width,
            n_layer=1,
            n_head=4,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            # Five times the usual width: with 0.02 the first thousand steps only find the scale.
            initializer_range=0.1,
            tie_word_embeddings=False,
            bos_token_id=0,
            eos_token_id=0,
        )
    )


def _windows(
    vocabulary: _Vocabulary, stream: np.ndarray, count: int, rng: np.random.Generator
) -> torch.Tensor:
    """`count` windows behind BOS, each in one case with flips, (count, 33)."""
    starts = rng.integers(0, stream.size - _LENGTH, count)
    ids = stream[starts[:, None] + np.arange(_LENGTH)]
    upper = rng.random((count, 1)) < 0.5
    flipped = rng.random(ids.shape) < FLIP
    rows = vocabulary.cased(ids, upper ^ flipped)
    return torch.as_tensor(np.concatenate([np.zeros((count, 1), dtype=np.int64), rows], axis=1))


def _optimise(
    model: Any,
    recipe: Recipe,
    vocabulary: _Vocabulary,
    stream: np.ndarray,
    rng: np.random.Generator,
    progress: Progress,
) -> tuple[float, ...]:
    optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.rate, weight_decay=0.01)
    warm = max(1, recipe.steps // 20)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser,
        lambda step: min((step + 1) / warm, 0.5 + 0.5 * math.cos(math.pi * step / recipe.steps)),
    )
    model.train()
    tenth = max(1, recipe.steps // 10)
    losses: list[float] = []
    recent: list[float] = []
    for step in range(recipe.steps):
        ids = _windows(vocabulary, stream, recipe.batch, rng)
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
            progress(f"step {step + 1} of {recipe.steps}: loss {losses[-1]:.3f} nats per token")
    return tuple(losses)


def _case_agreement(
    model: Any, vocabulary: _Vocabulary, held_out: Sequence[Sequence[str]], rng: np.random.Generator
) -> float:
    stream = vocabulary.encode([word for words in held_out for word in words])
    ids = _windows(vocabulary, stream, 64, rng)
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
