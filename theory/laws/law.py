"""A law is a value: what it says, what it assumes, and the steps that prove it.

A step is decided by the kernel (`Identity`, `Inequality`, `Limit`) or appeals to a named theorem
of analysis (`Appeal`). What the kernel cannot decide is `unknown`, is shown, and the law that
contains it is not proved.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import final

from sympy import Expr, Symbol, oo

from steering_strength.theory.errors import SteeringError
from steering_strength.theory.laws.assumptions import PRINCIPLES, Assumption, Principle
from steering_strength.theory.laws.kernel import (
    Given,
    NormalForm,
    Sign,
    Undecided,
    decide_equal,
    decide_sign,
    limit_at_infinity,
)
from steering_strength.theory.laws.notation import unfold
from steering_strength.theory.laws.printing import tex, text

__all__ = ["Appeal", "Identity", "Inequality", "Law", "LawError", "Limit", "Status", "Step"]


class LawError(SteeringError):
    """A law is put together wrongly: its statement is no step of it, or a name is unknown."""


class Status(StrEnum):
    """What is known of a step or of a law; `unknown` never counts as proved."""

    PROVED = "proved"
    ASSUMED = "assumed"
    UNKNOWN = "unknown"


_ACCEPTED = {  # sign of lhs - rhs that proves the relation
    ">": {"+"},
    ">=": {"+", "0+", "0"},
    "<": {"-"},
    "<=": {"-", "0-", "0"},
    "!=": {"+", "-", "!0"},
}
_SIGNS = {">=": ("≥", r"\geq"), "<=": ("≤", r"\leq"), "!=": ("≠", r"\neq"), "->": ("→", r"\to")}


@dataclass(frozen=True)
class Step(ABC):
    """One assertion of a derivation: `lhs relation rhs`, because `reason`."""

    lhs: Expr
    rhs: Expr
    reason: str = field(kw_only=True)
    given: tuple[Given, ...] = field(default=(), kw_only=True)

    relation = "="

    @abstractmethod
    def decide(self) -> Status:
        """`proved`, `assumed` or `unknown`; never raises on a well-formed step."""

    def text(self) -> str:
        """The assertion as one line of Unicode."""
        sign = _SIGNS.get(self.relation, (self.relation, self.relation))[0]
        return f"{text(self.lhs)} {sign} {text(self.rhs)}"

    def latex(self) -> str:
        """The assertion in LaTeX mathematics, without delimiters."""
        sign = _SIGNS.get(self.relation, (self.relation, self.relation))[1]
        return f"{tex(self.lhs)} {sign} {tex(self.rhs)}"

    def _repr_latex_(self) -> str | None:
        return f"${self.latex()}$" if self.latex() else None


@final
@dataclass(frozen=True)
class Identity(Step):
    """`lhs = rhs` for all values of the symbols: decided by the normal form."""

    def decide(self) -> Status:
        """Proved if the numerator of the normal form of `lhs - rhs` vanishes identically."""
        proved = decide_equal(unfold(self.lhs), unfold(self.rhs), _unfold_given(self.given))
        return Status.PROVED if proved else Status.UNKNOWN


@final
@dataclass(frozen=True)
class Inequality(Step):
    """`lhs relation rhs` with relation >, >=, <, <= or != : decided by signs."""

    relation: str = field(default=">", kw_only=True)

    def __post_init__(self) -> None:
        if self.relation not in _ACCEPTED:
            raise LawError(
                f"relation {self.relation!r} is no inequality", remedy="use >, >=, <, <= or !="
            )

    def decide(self) -> Status:
        """Proved if the sign of `lhs - rhs` follows from the structure of the terms."""
        try:
            code = decide_sign(unfold(self.lhs - self.rhs), _unfold_given(self.given))
        except Undecided:
            return Status.UNKNOWN
        return Status.PROVED if code in _ACCEPTED[self.relation] else Status.UNKNOWN


@final
@dataclass(frozen=True)
class Limit(Step):
    """`lhs -> rhs` as `variable -> end`: decided by the strict algebra of limits."""

    variable: Symbol = field(kw_only=True)
    end: Expr = field(default=oo, kw_only=True)

    relation = "->"

    def decide(self) -> Status:
        """Proved if no indeterminate form occurs and the limit found equals `rhs`."""
        given = _unfold_given(self.given)
        signs = tuple(g for g in given if isinstance(g, Sign))
        wanted = unfold(self.rhs)
        if self.variable in wanted.free_symbols or any(g.mentions(self.variable) for g in given):
            return Status.UNKNOWN  # neither the limit nor a hypothesis may move with the variable
        try:
            found = limit_at_infinity(unfold(self.lhs), self.variable, self.end, signs)
        except Undecided:
            return Status.UNKNOWN
        if found in (oo, -oo) or wanted in (oo, -oo):
            return Status.PROVED if found == wanted else Status.UNKNOWN
        return Status.PROVED if decide_equal(found, wanted, given) else Status.UNKNOWN

    def text(self) -> str:
        """The limit as one line of Unicode."""
        return f"{super().text()} as {text(self.variable)} → {text(self.end)}"

    def latex(self) -> str:
        """The limit in LaTeX mathematics."""
        return rf"{super().latex()} \quad ({tex(self.variable)} \to {tex(self.end)})"


@final
@dataclass(frozen=True)
class Appeal(Step):
    """`lhs relation rhs`, or a conclusion in words, by a named principle from earlier steps.

    `premises` are the numbers (from 1) of the steps the principle is applied to. Appeals are the
    only places where a derivation trusts anything but the kernel.
    """

    lhs: Expr | None = None
    rhs: Expr | None = None
    principle: str = field(kw_only=True)
    conclusion: str = field(kw_only=True)
    premises: tuple[int, ...] = field(default=(), kw_only=True)
    reason: str = field(default="", kw_only=True)
    relation: str = field(default="=", kw_only=True)

    def __post_init__(self) -> None:
        if self.principle not in PRINCIPLES:
            raise LawError(
                f"no principle is called {self.principle!r}",
                remedy=f"name one of: {', '.join(PRINCIPLES)}",
            )

    @property
    def theorem(self) -> Principle:
        """The principle appealed to."""
        return PRINCIPLES[self.principle]

    def decide(self) -> Status:
        """Always `assumed`: the kernel does not check an appeal."""
        return Status.ASSUMED

    def text(self) -> str:
        """The conclusion, with its formula if it has one."""
        return self.conclusion if self.lhs is None else super().text()

    def latex(self) -> str:
        """The formula in LaTeX; empty for a conclusion in words."""
        return "" if self.lhs is None else super().latex()


def _unfold_given(given: tuple[Given, ...]) -> tuple[Given, ...]:
    return tuple(g.map(unfold) for g in given)


@lru_cache(maxsize=4096)
def _decide(step: Step) -> Status:
    return step.decide()


@final
@dataclass(frozen=True)
class Law:
    """A statement of the theory with its derivation.

    Attributes
    ----------
    id : str
        The name that checks, figures and tests carry.
    title, source : str
        What it is called; where the paper states it.
    paper, sharper : str
        The paper's form and ours, in words.
    assumptions : tuple of Assumption
        Those the derivation uses; the paper's others are not needed.
    statement : Step
        The assertion to show; one of `steps`.
    steps : tuple of Step
        The derivation.
    builds_on : tuple of str
        Ids of laws whose statements are used.
    twin : str
        The numeric twin in `theory.engine` or `theory.model`, as ``module.name``.
    expected : bool
        False for a false reading of the paper; its steps then prove the refutation.
    care : str
        What goes wrong if one reads too fast.
    """

    id: str
    title: str
    source: str
    paper: str
    sharper: str
    assumptions: tuple[Assumption, ...]
    statement: Step
    steps: tuple[Step, ...]
    twin: str
    builds_on: tuple[str, ...] = ()
    expected: bool = True
    care: str = ""

    def __post_init__(self) -> None:
        if self.statement not in self.steps:
            raise LawError(
                f"law {self.id!r}: the statement {self.statement.text()} is none of its steps",
                remedy="make it a step, so that it is decided",
            )
        for number, step in enumerate(self.steps, start=1):
            for premise in getattr(step, "premises", ()):
                if not 1 <= premise < number:
                    raise LawError(
                        f"law {self.id!r}: step {number} rests on step {premise}",
                        remedy="premises are earlier steps, counted from 1",
                    )

    @property
    def lhs(self) -> Expr:
        """Left side of the statement in SymPy's own terms: sums over the vocabulary."""
        return unfold(self.statement.lhs)

    @property
    def rhs(self) -> Expr:
        """Right side of the statement in SymPy's own terms."""
        return unfold(self.statement.rhs)

    @property
    def relation(self) -> str:
        """`=`, an inequality, or `->`."""
        return self.statement.relation

    def prove(self) -> tuple[Status, ...]:
        """Decide every step: one `proved`, `unknown` or `assumed` per step."""
        return tuple(_decide(step) for step in self.steps)

    def status(self) -> Status:
        """The law's own: `unknown` if any step is, else `assumed` if any, else `proved`."""
        found = set(self.prove())
        for status in (Status.UNKNOWN, Status.ASSUMED):
            if status in found:
                return status
        return Status.PROVED

    def principles(self) -> tuple[Principle, ...]:
        """The named theorems the derivation appeals to, in order, once each."""
        names = dict.fromkeys(s.principle for s in self.steps if isinstance(s, Appeal))
        return tuple(PRINCIPLES[n] for n in names)

    def latex(self) -> str:
        """Statement and derivation as LaTeX, for `amsmath` and `enumerate`-like lists."""
        from steering_strength.theory.laws.latex import latex_page

        return latex_page(self)

    def _repr_latex_(self) -> str:
        return rf"$\displaystyle {self.statement.latex()}$"


def why_unknown(step: Step) -> str:
    """The kernel's own words on the step it could not decide; for people who write laws."""
    form = NormalForm(_unfold_given(step.given))
    try:
        form.is_zero(unfold(step.lhs) - unfold(step.rhs))
    except Undecided as reason:
        return str(reason)
    return f"the difference does not vanish: {text(form.canonical(unfold(step.lhs - step.rhs)))}"
