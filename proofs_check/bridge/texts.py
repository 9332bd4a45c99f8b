"""Texts: what a concept is made of, how texts become tokens, and text that is always there.

One rule for BOS: it stands in front where the tokenizer has one, and only once. Padding is on the
right: under a causal mask every real position stays exactly as it would be alone. Nothing is cut
silently. A text may be a chat, a list of `{"role": ..., "content": ...}`: the tokenizer's own
template then decides on every token, BOS included.

A concept file is JSON with the keys `name`, `positive`, `neutral`, `contexts` (lists of strings)
and `words` (whose total probability is reported as F_T). Twenty sentences in a plain text file, one
in a line, will do as well: N is then sampled from the model, as the paper's random negatives are,
and the contexts are those of the packaged concept. torch is imported only where tokens are made.
"""

from __future__ import annotations

import importlib
import inspect
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steering_strength.proofs_check.bridge.loading import ModelError
from steering_strength.theory.errors import SteeringSetError, UnknownNameError
from steering_strength.theory.files import read_json, read_text

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

Text = str | Sequence[Mapping[str, str]]

_CONCEPTS = resources.files("steering_strength.proofs_check.bridge.concepts")
_FORMAT = "see proofs_check/bridge/concepts/joy.json for the format"


@dataclass(frozen=True)
class TokenBatch:
    """Token ids (B, T) padded on the right, on the CPU, all int64.

    `last`, (B,), is the index of the last real token; `prompts`, (B,), how many tokens of each text
    were given to be continued: what stands behind them was written, and is what a text costs.
    """

    ids: torch.Tensor
    last: torch.Tensor
    prompts: torch.Tensor

    @property
    def rows(self) -> int:
        """B, the number of texts."""
        return int(self.ids.shape[0])

    @property
    def mask(self) -> torch.Tensor:
        """1 at real tokens, (B, T)."""
        return (self._places() <= self.last[:, None]).long()

    @property
    def padded(self) -> bool:
        """Whether some text is shorter than the longest."""
        return int(self.last.min()) + 1 < self.ids.shape[1]

    @property
    def written(self) -> list[NDArray[np.int64]]:
        """The tokens of each text behind its prompt, (n,) each."""
        rows = zip(self.ids.numpy(), self.prompts.tolist(), self.last.tolist(), strict=True)
        return [row[prompt : last + 1] for row, prompt, last in rows]

    def steered(self, apply: str) -> torch.Tensor | None:
        """Which positions are, (B, T): None for "all", from the prompt's last one on for "last"."""
        return None if apply == "all" else self._places() >= self.prompts[:, None] - 1

    def at_last(self, states: torch.Tensor) -> torch.Tensor:
        """The entries at the last real positions, (B, ...), of `states`, (B, T, ...)."""
        import torch

        return states[torch.arange(self.rows), self.last.to(states.device)]

    def take(self, rows: Sequence[int]) -> TokenBatch:
        """These rows, in this order, repeated where asked, without common padding."""
        index = list(rows)
        last = self.last[index]
        return TokenBatch(self.ids[index, : int(last.max()) + 1], last, self.prompts[index])

    def chunks(self, rows: int) -> Iterator[TokenBatch]:
        """The batch in pieces of at most `rows` texts, in order."""
        for start in range(0, self.rows, rows):
            yield self.take(range(start, min(start + rows, self.rows)))

    def _places(self) -> torch.Tensor:
        import torch

        return torch.arange(self.ids.shape[1])[None, :]


def encode(tokenizer: Any, texts: Sequence[Text], longest: int | None = None) -> TokenBatch:
    """Tokenise `texts`, put BOS in front where the model has one, pad on the right.

    Tokenizers read from GGUF files often add no BOS although the model was trained with one:
    the cross-entropy of SmolLM2-135M on English text falls by about 2 nats once it is there.

    Raises SteeringSetError: there is no text, or one has no token, or more than `longest`: nothing
    is cut off unnoticed.
    """
    if not texts:
        raise SteeringSetError(
            "0 texts to read", remedy="give texts; neutral ones can be sampled from the model"
        )
    rows = []
    for text in texts:
        ids = _ids(tokenizer, text)
        if longest is not None and len(ids) > longest:
            raise SteeringSetError(
                f"the text {str(text)[:40]!r} has {len(ids)} tokens, the model reads {longest}",
                remedy="shorten the text: cutting it would move its last position",
            )
        rows.append(ids)
    return pad(rows)


def _ids(tokenizer: Any, text: Text) -> list[int]:
    if not isinstance(text, str):
        if not getattr(tokenizer, "chat_template", None):
            raise SteeringSetError(
                "a chat was given, and the tokenizer has no chat template",
                remedy="give plain text, or set tokenizer.chat_template",
            )
        rendered = tokenizer.apply_chat_template(
            list(text), add_generation_prompt=True, tokenize=False
        )
        return list(tokenizer(rendered, add_special_tokens=False)["input_ids"])
    ids = list(tokenizer(text, add_special_tokens=False)["input_ids"])
    if not ids:
        raise SteeringSetError(
            f"the text {text[:40]!r} has 0 tokens", remedy="remove the empty text"
        )
    bos = tokenizer.bos_token_id
    return [bos, *ids] if bos is not None and ids[0] != bos else ids


def pad(rows: Sequence[Sequence[int]], prompts: Sequence[int] | None = None) -> TokenBatch:
    """Right-pad lists of token ids; by default all of them are prompts.

    The padding id is 0 and masked, so its value never matters.
    """
    import torch

    texts = [torch.tensor(list(row), dtype=torch.int64) for row in rows]
    lengths = torch.tensor([len(row) for row in rows])
    ids = torch.nn.utils.rnn.pad_sequence(texts, batch_first=True)
    return TokenBatch(ids, lengths - 1, lengths if prompts is None else torch.tensor(prompts))


def word_tokens(tokenizer: Any, words: Sequence[str], vocabulary: int) -> tuple[int, ...]:
    """Ids of all single tokens that spell one of `words`, with or without a space before it.

    A word in lower case matches any case, one with a capital matches as written.

    Raises SteeringSetError: no token of the vocabulary spells any of the words, so F_T has no T.
    """
    bare = {word.strip() for word in words}
    cased = bare | {f(w) for w in bare if w == w.lower() for f in (str.capitalize, str.upper)}
    spellings = {space + word for word in cased for space in ("", " ")}
    # A thousand short texts at most, where decoding the vocabulary would be a hundred thousand.
    tokens = tokenizer(sorted(spellings), add_special_tokens=False)["input_ids"]
    alone = {ids[0] for ids in tokens if len(ids) == 1}
    unknown = tokenizer.unk_token_id
    found = sorted(token for token in alone if token < vocabulary and token != unknown)
    if not found:
        raise SteeringSetError(
            f"no single token of this model spells any of the concept's words: {', '.join(words)}",
            remedy="name common words of the concept, such as happy, glad, smile",
        )
    if len(found) >= vocabulary:
        raise ModelError(
            f"the concept words cover all {vocabulary} tokens",
            remedy="a concept needs at least one token outside it",
        )
    return tuple(found)


@dataclass(frozen=True)
class ConceptTexts:
    """Texts of P and N (arXiv:2602.02712, Eq. 3), held-out contexts, and the words of the concept.

    The sizes of P and N may differ: a difference of means needs no pairing. Without neutral texts,
    N is to be sampled from the model (`SteeredModel.with_sampled_negatives`). Contexts, where
    steering is applied, may be chats; the tokens that spell one of the words form T of F_T.

    Raises SteeringSetError: a list is empty, a text is blank or repeated, or a text occurs in two
    lists.
    """

    name: str
    positive: tuple[str, ...]
    neutral: tuple[str, ...]
    contexts: tuple[Any, ...]
    words: tuple[str, ...]

    def __post_init__(self) -> None:
        seen: dict[str, str] = {}
        for field in ("positive", "neutral", "contexts", "words"):
            texts = getattr(self, field)
            if not texts and field != "neutral":
                kind = "words" if field == "words" else f"{field} texts"
                raise SteeringSetError(
                    f"concept {self.name!r} has 0 {kind}, at least 1 is needed",
                    remedy=f"add them under the key {field!r}",
                )
            for index, text in enumerate(texts if field != "words" else ()):
                where, shown = f"concept {self.name!r}: {field}[{index}]", str(text)
                if not shown.strip():
                    raise SteeringSetError(f"{where} is blank", remedy="remove it: it has no state")
                if shown in seen:
                    raise SteeringSetError(
                        f"{where} repeats {seen[shown]}: {shown[:40]!r}",
                        remedy="P, N and the held-out contexts must be disjoint: remove one",
                    )
                seen[shown] = f"{field}[{index}]"

    @classmethod
    def from_mapping(cls, mapping: Any, origin: str) -> ConceptTexts:
        """Build from a decoded JSON object; `origin` names it in error messages."""
        lists = ("positive", "neutral", "contexts", "words")
        if not isinstance(mapping, dict):
            raise SteeringSetError(f"{origin} holds a {type(mapping).__name__}", remedy=_FORMAT)
        for key in ("name", *lists):
            if key not in mapping:
                raise SteeringSetError(f"{origin} lacks the key {key!r}", remedy=_FORMAT)
            given = mapping[key] if key in lists else []
            if not isinstance(given, list) or not all(isinstance(text, str) for text in given):
                raise SteeringSetError(
                    f"{origin}: {key!r} is not a list of strings", remedy=_FORMAT
                )
        return cls(str(mapping["name"]), *(tuple(mapping[key]) for key in lists))


def packaged_concepts() -> tuple[str, ...]:
    """Names of the concepts that ship with the package."""
    return tuple(sorted(f.name[:-5] for f in _CONCEPTS.iterdir() if f.name.endswith(".json")))


def load_concept(name_or_path: str, words: Sequence[str] = ()) -> ConceptTexts:
    """Read a packaged concept by name, a JSON file, or a ``.txt`` file with one text of P a line.

    `words` replace those of the file; a text file without them is reported by its own name.

    Raises UnknownNameError: neither a packaged concept nor an existing file; SteeringError: the
    file is no JSON in UTF-8, or its texts cannot define P, N and contexts.
    """
    path: Any = Path(name_or_path)
    if name_or_path in packaged_concepts():
        path = _CONCEPTS / f"{name_or_path}.json"
    elif not path.is_file():
        raise UnknownNameError("concept or concept file", name_or_path, packaged_concepts())
    if path.name.endswith(".txt"):
        lines = map(str.strip, read_text(path, _FORMAT).splitlines())
        contexts = load_concept("joy").contexts
        concept = ConceptTexts(path.stem, tuple(filter(None, lines)), (), contexts, (path.stem,))
    else:
        concept = ConceptTexts.from_mapping(read_json(path, _FORMAT), name_or_path)
    return replace(concept, words=tuple(words)) if words else concept


# Modules with long prose docstrings; each is cheap to import and has no side effect.
_MODULES = (
    "argparse collections contextlib csv dataclasses datetime decimal difflib doctest enum"
    " fractions functools heapq inspect itertools json logging math operator os pathlib pickle"
    " random re shutil statistics string subprocess tempfile textwrap threading unittest"
    " uuid zipfile"
)


def library_text() -> tuple[str, ...]:
    """Paragraphs of the topics of `pydoc` and of the docstrings of the standard library."""
    from pydoc_data.topics import topics

    documents = [topics[name] for name in sorted(topics)]
    for name in _MODULES.split():
        module = importlib.import_module(name)
        members = [member for _, member in sorted(vars(module).items())]
        kept = [m for m in members if inspect.isclass(m) or inspect.isfunction(m)]
        documents += [inspect.getdoc(each) or "" for each in (module, *kept)]
    paragraphs = (" ".join(part.split()) for text in documents for part in text.split("\n\n"))
    # Prose only: code, tables and signatures have little punctuation and many symbols.
    return tuple(
        part
        for part in dict.fromkeys(paragraphs)
        if len(part) > 200 and sum(c.isalpha() or c.isspace() for c in part) > 0.85 * len(part)
    )


def text_windows(tokenizer: Any, count: int, length: int, *, seed: int = 0) -> TokenBatch:
    """`count` windows of `length` tokens behind BOS, each from the beginning of one paragraph.

    Raises SteeringSetError: the installation holds fewer paragraphs of that many tokens.
    """
    paragraphs = list(library_text())
    random.Random(seed).shuffle(paragraphs)
    bos = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    rows = []
    for text in paragraphs:
        ids = list(tokenizer(text, add_special_tokens=False)["input_ids"])
        if len(ids) >= length:
            rows.append(bos + ids[:length])
        if len(rows) == count:
            return pad(rows, [1] * count)
    raise SteeringSetError(
        f"the standard library's text gives {len(rows)} windows of {length} tokens, not {count}",
        remedy="ask for fewer or shorter windows",
    )
