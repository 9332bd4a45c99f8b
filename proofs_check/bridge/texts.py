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
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steering_strength.proofs_check.bridge.errors import ModelError
from steering_strength.theory.errors import SteeringSetError, UnknownNameError

if TYPE_CHECKING:
    import torch

__all__ = [
    "ConceptTexts",
    "Text",
    "TokenBatch",
    "encode",
    "library_text",
    "load_concept",
    "packaged_concepts",
    "pad",
    "text_windows",
    "word_tokens",
]

Text = str | Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class TokenBatch:
    """Token ids padded on the right, on the CPU.

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

    @property
    def padded(self) -> bool:
        """Whether some text is shorter than the longest."""
        return int(self.last.min()) + 1 < self.ids.shape[1]

    def row(self, index: int) -> TokenBatch:
        """One text alone, without its padding."""
        return self.take([index])

    def take(self, rows: Sequence[int]) -> TokenBatch:
        """These rows, in this order, repeated where asked, without common padding."""
        index = list(rows)
        last = self.last[index]
        length = int(last.max()) + 1
        return TokenBatch(self.ids[index, :length], self.mask[index, :length], last)

    def chunks(self, rows: int) -> Iterator[TokenBatch]:
        """The batch in pieces of at most `rows` texts, in order."""
        for start in range(0, self.rows, rows):
            yield self.take(range(start, min(start + rows, self.rows)))


def encode(tokenizer: Any, texts: Sequence[Text], longest: int | None = None) -> TokenBatch:
    """Tokenise `texts`, put BOS in front where the model has one, pad on the right.

    Tokenizers read from GGUF files often add no BOS although the model was trained with one:
    the cross-entropy of SmolLM2-135M on English text falls by about 2 nats once it is there.

    Raises
    ------
    SteeringSetError
        There is no text, or one has no token, or more than `longest`: nothing is cut off unnoticed.
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


def pad(rows: Sequence[Sequence[int]]) -> TokenBatch:
    """Right-pad lists of token ids; the padding id is 0 and masked, so its value never matters."""
    import torch

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
    """Texts of P and N, held-out contexts, and the words of the concept.

    Parameters
    ----------
    name : str
    positive, neutral : tuple of str
        The sets P and N of arXiv:2602.02712, Eq. 3. Their sizes may differ: at the output of
        the final norm the difference of means needs no pairing. Without neutral texts, N is to
        be sampled from the model (`SteeredModel.with_sampled_negatives`).
    contexts : tuple of str
        Where steering is applied; disjoint from P and N.
    words : tuple of str
        Words of the concept; the tokens that spell one of them form the set T of F_T.

    Raises
    ------
    SteeringSetError
        A list is empty, a text is blank or repeated, or a text occurs in two lists.
    """

    name: str
    positive: tuple[str, ...]
    neutral: tuple[str, ...]
    contexts: tuple[str, ...]
    words: tuple[str, ...]

    def __post_init__(self) -> None:
        seen: dict[str, str] = {}
        for field in ("positive", "neutral", "contexts"):
            texts = getattr(self, field)
            if not texts and field != "neutral":
                raise SteeringSetError(
                    f"concept {self.name!r} has 0 {field} texts, at least 1 is needed",
                    remedy=f"add texts under the key {field!r}",
                )
            for index, text in enumerate(texts):
                where = f"{field}[{index}]"
                if not text.strip():
                    raise SteeringSetError(
                        f"concept {self.name!r}: {where} is blank",
                        remedy="a mean over an empty text is not defined: remove it",
                    )
                if text in seen:
                    raise SteeringSetError(
                        f"concept {self.name!r}: {where} repeats {seen[text]}: {text[:40]!r}",
                        remedy="P, N and the held-out contexts must be disjoint: remove one",
                    )
                seen[text] = where
        if not self.words:
            raise SteeringSetError(
                f"concept {self.name!r} has 0 words, at least 1 is needed",
                remedy="add the words whose probability is to be reported under the key 'words'",
            )

    @classmethod
    def from_mapping(cls, mapping: Any, origin: str) -> ConceptTexts:
        """Build from a decoded JSON object; `origin` names it in error messages."""
        if not isinstance(mapping, dict):
            raise SteeringSetError(
                f"{origin} holds a {type(mapping).__name__}, an object is needed",
                remedy="see proofs_check/bridge/concepts/joy.json for the format",
            )
        lists = ("positive", "neutral", "contexts", "words")
        for key in ("name", *lists):
            if key not in mapping:
                raise SteeringSetError(
                    f"{origin} lacks the key {key!r}",
                    remedy="see proofs_check/bridge/concepts/joy.json for the format",
                )
        for key in lists:
            value = mapping[key]
            if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
                raise SteeringSetError(
                    f"{origin}: {key!r} is not a list of strings",
                    remedy=f"write {key!r} as a JSON list of strings",
                )
        return cls(str(mapping["name"]), *(tuple(mapping[key]) for key in lists))


def packaged_concepts() -> tuple[str, ...]:
    """Names of the concepts that ship with the package."""
    folder = resources.files("steering_strength.proofs_check.bridge.concepts")
    return tuple(sorted(f.name[:-5] for f in folder.iterdir() if f.name.endswith(".json")))


def load_concept(name_or_path: str, words: Sequence[str] = ()) -> ConceptTexts:
    """Read a packaged concept by name, or any concept file by path.

    Parameters
    ----------
    name_or_path : str
        A packaged name, a JSON file, or a ``.txt`` file with one text of P in each line.
    words : sequence of str
        Replace the words of the file; a text file without them is reported by its own name.

    Raises
    ------
    UnknownNameError
        Neither a packaged concept nor an existing file.
    SteeringSetError
        The file is not valid JSON, or its texts cannot define P, N and contexts.
    """
    concept = _load(name_or_path)
    return replace(concept, words=tuple(words)) if words else concept


def _load(name_or_path: str) -> ConceptTexts:
    path = Path(name_or_path)
    if name_or_path in packaged_concepts():
        folder = resources.files("steering_strength.proofs_check.bridge.concepts")
        content = (folder / f"{name_or_path}.json").read_text(encoding="utf-8")
    elif path.is_file():
        try:
            content = path.read_text(encoding="utf-8")
        except (UnicodeDecodeError, OSError) as error:
            raise SteeringSetError(
                f"{name_or_path} cannot be read as UTF-8 text: {error}",
                remedy="see proofs_check/bridge/concepts/joy.json for the format",
            ) from error
        if path.suffix == ".txt":
            lines = tuple(line.strip() for line in content.splitlines() if line.strip())
            return ConceptTexts(path.stem, lines, (), _load("joy").contexts, (path.stem,))
    else:
        raise UnknownNameError("concept or concept file", name_or_path, packaged_concepts())
    try:
        mapping = json.loads(content)
    except json.JSONDecodeError as error:
        raise SteeringSetError(
            f"{name_or_path} is not valid JSON: {error}",
            remedy="see proofs_check/bridge/concepts/joy.json for the format",
        ) from error
    return ConceptTexts.from_mapping(mapping, name_or_path)


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
        documents.append(inspect.getdoc(module) or "")
        members = sorted(vars(module).items())
        documents += [
            inspect.getdoc(member) or ""
            for _, member in members
            if inspect.isclass(member) or inspect.isfunction(member)
        ]
    paragraphs = (" ".join(part.split()) for text in documents for part in text.split("\n\n"))
    # Prose only: code, tables and signatures have little punctuation and many symbols.
    return tuple(
        part
        for part in dict.fromkeys(paragraphs)
        if len(part) > 200 and sum(c.isalpha() or c.isspace() for c in part) > 0.85 * len(part)
    )


def text_windows(tokenizer: Any, count: int, length: int, *, seed: int = 0) -> TokenBatch:
    """`count` windows of BOS and `length` tokens, each from the beginning of one paragraph.

    Raises
    ------
    SteeringSetError
        The installation holds fewer paragraphs of that many tokens.
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
            return pad(rows)
    raise SteeringSetError(
        f"the standard library's text gives {len(rows)} windows of {length} tokens, not {count}",
        remedy="ask for fewer or shorter windows",
    )
