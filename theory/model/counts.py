"""From n observed (context, next token) pairs to the table of arXiv:2602.02712, Def. 2.1.

p(z|c_j) is the share of z among the pairs with context c_j, pi_j the share of c_j among all
pairs. A context consists of tokens of one concept, whose context it then is.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from steering_strength.theory.engine.validation import SQUARABLE, as_real
from steering_strength.theory.errors import AssumptionError, ProbabilityError, ShapeError
from steering_strength.theory.model.inputs import FloatArray, IntArray, concept_labels

Token = Hashable
TokenConcept = Mapping[Token, Hashable] | ArrayLike
Names = tuple[str, ...]


def count_pairs(
    contexts: Iterable[Hashable | Sequence[Token]],
    tokens: Iterable[Token],
    token_concept: TokenConcept,
    context_concept: Mapping[Hashable, Hashable] | None = None,
) -> tuple[FloatArray, IntArray, IntArray, Names, Names, Names]:
    """Count the pairs zip(contexts, tokens); contexts are numbered in order of appearance.

    Returns counts (m, V), concepts of tokens (V,) and of contexts (m,), and the names of tokens,
    contexts and concepts.

    Raises ShapeError: no pairs, different lengths, an unknown token, or a label without a concept;
    AssumptionError: a context mixes tokens of two concepts; names the context and the two tokens.
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
    known = _Vocabulary(token_concept)
    rows: dict[Hashable, int] = {}
    labels: list[int] = []
    places = np.empty((2, len(token_list)), dtype=np.int64)
    for i, (context, token) in enumerate(zip(context_list, token_list, strict=True)):
        key = context if context_concept is not None else known.context(context, i)
        if not isinstance(key, Hashable):
            raise ShapeError(
                f"context of pair {i} is a {type(key).__name__}, which cannot be a label",
                remedy="use tuples or strings as labels",
            )
        if key not in rows:
            rows[key] = len(rows)
            labels.append(known.concept(key, i, context_concept))
        places[:, i] = rows[key], known.find(token, f"next token of pair {i}")
    counts = np.zeros((len(rows), len(known.column)))
    np.add.at(counts, tuple(places), 1.0)
    names = tuple(map(_context_name, rows))
    return counts, known.labels, np.array(labels), known.tokens, names, known.concepts


class _Vocabulary:
    """Tokens in the order of their columns, the concept of each, and what they are called."""

    def __init__(self, token_concept: TokenConcept) -> None:
        self.tokens: Names = ()
        self.concepts: Names = ()
        if isinstance(token_concept, Mapping):
            if not token_concept:
                raise ShapeError("token_concept is empty", remedy="map each token to its concept")
            order = dict.fromkeys(token_concept.values())
            self.number = {concept: c for c, concept in enumerate(order)}
            self.column = {token: z for z, token in enumerate(token_concept)}
            given: ArrayLike = [self.number[concept] for concept in token_concept.values()]
            self.tokens, self.concepts = tuple(map(str, token_concept)), tuple(map(str, order))
        else:
            given = token_concept
        self.labels = concept_labels("token_concept", given)
        if not self.tokens:
            self.column = {z: z for z in range(len(self.labels))}
            self.number = {c: c for c in range(int(self.labels.max()) + 1)}

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

    def context(self, context: object, pair: int) -> tuple[Token, ...]:
        """A context as a tuple of tokens.

        A string, or any token by itself, is a context of length one; a string that is no token
        would otherwise be taken apart into characters.
        """
        scalar = getattr(context, "ndim", None) == 0
        if isinstance(context, str) or scalar or not isinstance(context, Iterable):
            context = (context,)
        key = tuple(token.item() if isinstance(token, np.generic) else token for token in context)
        if not key:
            raise ShapeError(
                f"context of pair {pair} is empty", remedy="a context has at least one token"
            )
        try:
            hash(key)
        except TypeError:  # one of them is unhashable, hence not in the vocabulary: name it
            self._columns(key, pair)
        return key

    def _columns(self, context: tuple[Token, ...], pair: int) -> list[int]:
        return [self.find(token, f"a token in the context of pair {pair}") for token in context]

    def concept(
        self, key: Hashable, pair: int, context_concept: Mapping[Hashable, Hashable] | None
    ) -> int:
        """The concept that the user gives a context, or the one of all of its tokens."""
        called = list(self.number)
        if context_concept is None:
            tokens: tuple[Token, ...] = key if isinstance(key, tuple) else (key,)
            found = self.labels[self._columns(tokens, pair)]
            other = int(np.argmax(found != found[0]))
            if not other:
                return int(found[0])
            raise AssumptionError(
                "Assumption 1",
                f"context {_context_name(key)!r} (pair {pair})",
                f"token {tokens[0]!r} has concept {called[found[0]]!r} and "
                f"token {tokens[other]!r} has concept {called[found[other]]!r}",
                remedy="a context must consist of tokens of one concept; split or drop it",
            )
        if key not in context_concept or context_concept[key] not in self.number:
            given = context_concept.get(key)
            raise ShapeError(
                f"context_concept[{key!r}] is {given!r} (pair {pair}), which no token has",
                remedy=f"map it to one of {', '.join(map(str, called))}",
            )
        return self.number[context_concept[key]]


def frequencies(counts: FloatArray, pseudo_count: float) -> tuple[FloatArray, FloatArray]:
    """(p, pi) of counts (m, V), as `count_pairs`: p = (k + c) / (n_j + c V), pi_j = n_j / n.

    Raises ProbabilityError for a negative pseudo-count c.
    """
    remedy = "give a number of at least 0; 0.5 and 1 are usual"
    smooth = counts + as_real(
        "pseudo_count", pseudo_count, lambda x: 0.0 <= x <= SQUARABLE, ProbabilityError, remedy
    )
    return smooth / smooth.sum(axis=1, keepdims=True), counts.sum(axis=1) / counts.sum()


def _context_name(key: Hashable) -> str:
    return " ".join(map(str, key)) if isinstance(key, tuple) else str(key)
