"""The words a concept is made of: texts that show it, neutral ones, contexts held out from both.

A concept file is JSON with the keys `name`, `positive`, `neutral`, `contexts` (lists of strings)
and `words` (the words whose total probability is reported as F_T). Twenty sentences in a plain
text file, one in a line, will do as well: N is then sampled from the model, as the paper's random
negatives are, and the contexts are those of the packaged concept. No torch here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

from steering_strength.theory.errors import SteeringSetError, UnknownNameError

__all__ = ["ConceptTexts", "load_concept"]


@dataclass(frozen=True)
class ConceptTexts:
    """Texts of P and N, held-out contexts, and the words of the concept.

    Parameters
    ----------
    name : str
    positive, neutral : tuple of str
        The sets P and N of arXiv:2602.02712, Eq. 3. Their sizes may differ: at the output of
        the final norm the difference of means needs no pairing. Without neutral texts, N is to
        be sampled from the model (`making.with_sampled_negatives`).
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
