"""What the user asks for: a price that may be paid, an effect that must be reached, a side."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steering_strength.theory.engine.validation import (
    as_budget,
    as_choice,
    as_level,
    as_sign,
    as_tokens,
)
from steering_strength.theory.errors import BudgetError, ShapeError

BeforePeak = Literal["no", "rising", "any"]
BEFORE_PEAK: tuple[BeforePeak, ...] = ("no", "rising", "any")


@dataclass(frozen=True, eq=False)
class Demand:
    """The demands on alpha, checked: at least one of the four, all of them on one side of 0.

    `target`, (V,) bool or None, is T, whose total probability F_T is the wanted effect; the others
    are the parameters of `advise` of that name.
    """

    target: NDArray[np.bool_] | None
    level: float | None
    cross_entropy: float | None
    reverse_kl: float | None
    before_peak: BeforePeak
    sign: int
    plateau: float | None

    @classmethod
    def of(
        cls,
        size: int,
        tokens: ArrayLike | None,
        *,
        level: Any,
        cross_entropy: Any,
        reverse_kl: Any,
        before_peak: Any,
        sign: Any,
        plateau: Any,
    ) -> Demand:
        """Check everything for a vocabulary of `size` tokens.

        Raises BudgetError: nothing is demanded, a budget is negative, NaN or infinite, or a level
        is not strictly between 0 and 1; ShapeError: a target is needed and missing, empty, all of
        the vocabulary, or outside of it; AlphaError or UnknownNameError for another sign or another
        rule about peaks.
        """
        as_choice("rule before_peak", before_peak, BEFORE_PEAK)
        target = None if tokens is None else as_tokens(tokens, size, single=True)
        wanted = ["level"] * (level is not None) + ["before_peak"] * (before_peak != "no")
        if target is None and wanted:
            raise ShapeError(
                f"{' and '.join(wanted)} needs target tokens, none are given",
                remedy="give tokens: indices or a boolean mask, shape (V,)",
            )
        if target is not None:
            target.flags.writeable = False
            if target.all():
                raise ShapeError(
                    f"all {size} tokens are targets, so F_T = 1 at every alpha",
                    remedy="leave at least one token out of the target",
                )
        if not wanted and cross_entropy is None and reverse_kl is None:
            raise BudgetError(
                "nothing is demanded of alpha",
                remedy="give cross_entropy or reverse_kl (nats), level (0 to 1), or before_peak",
            )
        budgets = {"cross_entropy": cross_entropy, "reverse_kl": reverse_kl}
        nats = {name: None if b is None else as_budget(b, name) for name, b in budgets.items()}
        for name, budget in nats.items():
            if budget == math.inf:
                raise BudgetError(
                    f"{name} is infinite", remedy="leave it out to spend without a limit"
                )
        return cls(
            target=target,
            level=None if level is None else as_level(level),
            **nats,
            before_peak=before_peak,
            sign=as_sign(sign),
            plateau=None if plateau is None else as_level(plateau, "plateau"),
        )

    @property
    def tokens(self) -> tuple[int, ...]:
        """The target as indices."""
        return () if self.target is None else tuple(np.flatnonzero(self.target).tolist())

    @property
    def budgets(self) -> list[tuple[str, str, float]]:
        """(name, what it is called, nats) of each budget that is given."""
        both = (
            ("cross_entropy", "Delta CE", self.cross_entropy),
            ("reverse_kl", "KL(p_alpha || p)", self.reverse_kl),
        )
        return [(name, title, nats) for name, title, nats in both if nats is not None]

    @property
    def limits(self) -> bool:
        """Whether something besides the level was demanded: a far end."""
        return bool(self.budgets) or self.before_peak != "no"
