"""What advice asks of a steered context, whoever answers: a law, a file, or a model that is run.

`TiltedFamily` answers in closed form and every root is certified. `ScannedCurve` has a closed form
that is no tilting. A model steered at a block below its final norm answers by measuring, and its
brackets are what was measured. Advice is written once against these questions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steering_strength.theory.engine.inverse import Root

Floats = NDArray[np.float64]
Method = Literal["closed form", "scanned", "measured"]
Question = tuple["SteeredCurve", str, tuple[Any, ...]]


@runtime_checkable
class SteeredCurve(Protocol):
    """One context under one steering vector, at every strength alpha (units of the vector).

    Roots are on the side of `sign` and carry it: `alpha` is signed, and what is asked for happens
    in the bracket `lower <= alpha <= upper`. A root that was not found is infinite and says why in
    `reason`. If its bracket is infinite too, that is a proof: never. A bracket with one finite end
    says up to which strength it was looked for.

    A curve remembers what it measured. Where many curves can share the work, their class has a
    function `together` that takes questions and answers them at the price of the longest.
    """

    @property
    def method(self) -> Method:
        """How answers come about."""

    @property
    def size(self) -> int:
        """V."""

    @property
    def log_p(self) -> Floats:
        """Log-probabilities at alpha = 0, shape (V,)."""

    @property
    def log_odds(self) -> Floats:
        """M, shape (V,), in nats per unit alpha; no tilting: d logits/d alpha at 0."""

    def log_probability(self, alpha: ArrayLike) -> Floats:
        """log p_alpha(z), shape (A, V)."""

    def cross_entropy_increase(self, alpha: ArrayLike) -> Floats:
        """KL(p || p_alpha) in nats, shape (A,)."""

    def reverse_kl(self, alpha: ArrayLike) -> Floats:
        """KL(p_alpha || p) in nats, shape (A,)."""

    def concept_log_odds(self, tokens: ArrayLike, alpha: ArrayLike) -> Floats:
        """Logit of F_C(alpha), shape (A,)."""

    def limit(self, sign: int) -> Floats:
        """Log-probabilities as alpha -> sign * inf, shape (V,)."""

    def cross_entropy_root(self, budget: float, sign: int) -> Root:
        """Where KL(p || p_alpha) first exceeds `budget` nats; alpha keeps it."""

    def reverse_kl_root(self, budget: float, sign: int) -> Root:
        """Where KL(p_alpha || p) first exceeds `budget` nats; alpha keeps it."""

    def concept_root(self, tokens: ArrayLike, level: float, sign: int = 1) -> Root:
        """Where F_C first reaches the probability `level`; 0 if it is there already."""

    def concept_loss_root(
        self, tokens: ArrayLike, level: float, start: float, sign: int = 1
    ) -> Root:
        """Where beyond `start` F_C falls below `level` again; alpha still is at the level."""

    def concept_maximum(self, tokens: ArrayLike, sign: int = 1) -> Root:
        """Where F_C is largest on that side, infinite with an empty reason if in the limit.

        A reason says that something higher is not excluded.
        """

    def peak_root(self, token: int, sign: int = 1) -> Root:
        """Where the token's probability first turns down; 0 if it falls from the start."""

    def limit_root(self, tolerance: float, sign: int) -> Root:
        """Beyond which alpha p_alpha stays within `tolerance` of `limit` in total variation."""


def ask_together(questions: Sequence[Question]) -> None:
    """Let curves that can share work find their answers at once; others are asked one by one."""
    shared: dict[Callable[[Sequence[Question]], None], list[Question]] = {}
    for question in questions:
        together = getattr(type(question[0]), "together", None)
        if together is not None:
            shared.setdefault(together, []).append(question)
    for together, asked in shared.items():
        together(asked)
