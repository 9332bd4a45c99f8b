"""From n observed (context, next token) pairs to the table of arXiv:2602.02712, Def. 2.1.

p(z|c_j) is the share of z among the pairs with context c_j, pi_j the share of c_j among all
pairs. A context consists of tokens of one concept, whose context it then is.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from steering_strength.theory.errors import AssumptionError, ProbabilityError, ShapeError
from steering_strength.theory.model.inputs import (
    FloatArray,
    IntArray,
    concept_labels,
    finite_array,
    number,
)

__all__ = ["Counts", "count_pairs", "frequencies"]

Token = Hashable
TokenConcept = Mapping[Token, Hashable] | ArrayLike


@dataclass(frozen=True, eq=False)
class Counts:
    """Counted pairs: `counts` (m, V), the labels of tokens and contexts, and their names."""

    counts: FloatArray
    token_concept: IntArray
    context_concept: IntArray
    token_names: tuple[str, ...]
    context_names: tuple[str, ...]
    concept_names: tuple[str, ...]


@dataclass(frozen=True)
class _Vocabulary:
    """Tokens in the order of their columns, and what they are called."""

    column: Mapping[Token, int]
    concept: IntArray
    token_names: tuple[str, ...]
    concept_number: Mapping[Hashable, int]
    concept_names: tuple[str, ...]

    def concept_label(self, column: int) -> Hashable:
        """The concept of a column as the user calls it."""
        return list(self.concept_number)[int(self.concept[column])]

    def find(self, token: Token, place: str) -> int:
        """Column of `token`; `ShapeError` naming it and the pair if it is unknown."""
        try:
            return self.column[token]
        except (KeyError, TypeError):
            raise ShapeError(
                f"{place} is {token!r}, which is not one of the {len(self.column)} tokens of "
                "token_concept",
                remedy="add it with its concept, or drop the pair",
            ) from None


def count_pairs(
    contexts: Iterable[Hashable | Sequence[Token]],
    tokens: Iterable[Token],
    token_concept: TokenConcept,
    context_concept: Mapping[Hashable, Hashable] | None = None,
) -> Counts:
    """Count the pairs zip(contexts, tokens); contexts are numbered in order of appearance.

    Raises
    ------
    ShapeError
        No pairs, different lengths, an unknown token, or a label without a concept.
    AssumptionError
        A context mixes tokens of two concepts; names the context and the two tokens.
    """
    try:
        context_list, token_list = list(contexts), list(tokens)
    except Exception as error:  # what a foreign iterable raises is its own affair
        raise ShapeError(
            f"contexts or tokens are no list ({error})", remedy="give one context for each token"
        ) from None
    if len(context_list) != len(token_list) or not token_list:
        raise ShapeError(
            f"{len(context_list)} contexts and {len(token_list)} next tokens",
            remedy="give one context for each next token, and at least one pair",
        )
    vocabulary = _vocabulary(token_concept)
    number: dict[Hashable, int] = {}
    labels: list[int] = []
    rows = np.empty(len(token_list), dtype=np.int64)
    columns = np.empty(len(token_list), dtype=np.int64)
    for i, (context, token) in enumerate(zip(context_list, token_list, strict=True)):
        key = _key(context, vocabulary, i) if context_concept is None else _label(context, i)
        if key not in number:
            number[key] = len(number)
            labels.append(
                _concept_of_tokens(key, vocabulary, i)
                if context_concept is None
                else _concept_of_label(key, context_concept, vocabulary, i)
            )
        rows[i] = number[key]
        columns[i] = vocabulary.find(token, f"next token of pair {i}")
    counts = np.zeros((len(number), len(vocabulary.column)))
    np.add.at(counts, (rows, columns), 1.0)
    return Counts(
        counts=counts,
        token_concept=vocabulary.concept,
        context_concept=np.array(labels, dtype=np.int64),
        token_names=vocabulary.token_names,
        context_names=tuple(_context_name(key) for key in number),
        concept_names=vocabulary.concept_names,
    )


def frequencies(counts: ArrayLike, pseudo_count: float = 0.0) -> tuple[FloatArray, FloatArray]:
    """(p, pi) of a table of counts (m, V): p = (k + c) / (n_j + c V), pi_j = n_j / n.

    Raises
    ------
    ProbabilityError
        A negative count, a negative pseudo-count, or a context that was never observed.
    """
    table = finite_array("counts", counts, 2)
    if table.min() < 0:
        j, z = (int(i) for i in np.unravel_index(int(table.argmin()), table.shape))
        raise ProbabilityError(
            f"counts[{j}, {z}] = {table[j, z]:g} is negative", remedy="counts are 0 or more"
        )
    pseudo = number("pseudo_count", pseudo_count)
    if pseudo < 0:
        raise ProbabilityError(
            f"pseudo_count = {pseudo!r} is negative", remedy="0.5 and 1 are usual"
        )
    with np.errstate(over="ignore"):
        totals, most = table.sum(axis=1), table.sum() + pseudo * table.size
    if not np.isfinite(most):
        raise ProbabilityError("the counts sum to infinity", remedy="scale them down")
    if totals.min() == 0:
        raise ProbabilityError(
            f"context {int(totals.argmin())} was never observed (its counts are all 0)",
            remedy="drop its row",
        )
    smooth = table + pseudo
    return smooth / smooth.sum(axis=1, keepdims=True), totals / totals.sum()


def _vocabulary(token_concept: TokenConcept) -> _Vocabulary:
    if not isinstance(token_concept, Mapping):
        labels = concept_labels("token_concept", token_concept)
        number: dict[Hashable, int] = {concept: concept for concept in range(int(labels.max()) + 1)}
        columns: dict[Token, int] = {z: z for z in range(len(labels))}
        return _Vocabulary(columns, labels, (), number, ())
    if not token_concept:
        raise ShapeError("token_concept is empty", remedy="map each token to its concept")
    numbers: dict[Hashable, int] = {}
    for concept in token_concept.values():
        numbers.setdefault(concept, len(numbers))
    return _Vocabulary(
        column={token: z for z, token in enumerate(token_concept)},
        concept=concept_labels("token_concept", [numbers[c] for c in token_concept.values()]),
        token_names=tuple(str(token) for token in token_concept),
        concept_number=numbers,
        concept_names=tuple(str(concept) for concept in numbers),
    )


def _key(context: object, vocabulary: _Vocabulary, pair: int) -> tuple[Token, ...]:
    # A string, or any token by itself, is a context of length one; a string that is no token
    # would otherwise be taken apart into characters.
    scalar = getattr(context, "ndim", None) == 0
    if isinstance(context, str) or scalar or not isinstance(context, Iterable):
        vocabulary.find(context, f"context of pair {pair}")
        return (context,)
    key = tuple(token.item() if isinstance(token, np.generic) else token for token in context)
    if not key:
        raise ShapeError(
            f"context of pair {pair} is empty", remedy="a context has at least one token"
        )
    try:
        hash(key)
    except TypeError:
        for token in key:  # one of them is unhashable, hence not in the vocabulary: name it
            vocabulary.find(token, f"a token in the context of pair {pair}")
    return key


def _label(context: Hashable | Sequence[Token], pair: int) -> Hashable:
    if not isinstance(context, Hashable):
        raise ShapeError(
            f"context of pair {pair} is a {type(context).__name__}, which cannot be a label",
            remedy="use tuples or strings as labels",
        )
    return context


def _concept_of_tokens(key: Hashable, vocabulary: _Vocabulary, pair: int) -> int:
    context: tuple[Token, ...] = key if isinstance(key, tuple) else (key,)
    columns = [
        vocabulary.find(token, f"a token in the context of pair {pair}") for token in context
    ]
    first = int(vocabulary.concept[columns[0]])
    for token, column in zip(context, columns, strict=True):
        if vocabulary.concept[column] != first:
            raise AssumptionError(
                "Assumption 1",
                f"context {_context_name(key)!r} (pair {pair})",
                f"token {context[0]!r} has concept {vocabulary.concept_label(columns[0])!r} and "
                f"token {token!r} has concept {vocabulary.concept_label(column)!r}",
                remedy="a context must consist of tokens of one concept; split or drop it",
            )
    return first


def _concept_of_label(
    key: Hashable,
    context_concept: Mapping[Hashable, Hashable],
    vocabulary: _Vocabulary,
    pair: int,
) -> int:
    if key not in context_concept:
        raise ShapeError(
            f"context {key!r} (pair {pair}) is not in context_concept",
            remedy="map it to the concept it belongs to",
        )
    concept = context_concept[key]
    if concept not in vocabulary.concept_number:
        raise ShapeError(
            f"context_concept[{key!r}] = {concept!r}, which no token has",
            remedy=f"known concepts: {', '.join(map(str, vocabulary.concept_number))}",
        )
    return vocabulary.concept_number[concept]


def _context_name(key: Hashable) -> str:
    return " ".join(map(str, key)) if isinstance(key, tuple) else str(key)
