"""Real text that every Python installation carries: the language reference and docstrings.

Nothing is downloaded, and two machines with one Python version read the same text.
"""

from __future__ import annotations

import importlib
import inspect
import random
from typing import Any

from steering_strength.proofs_check.bridge._old.encoding import TokenBatch, pad
from steering_strength.theory.errors import SteeringSetError

__all__ = ["library_text", "text_windows"]

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
