"""A law is a value: its headline claim, what it assumes, and the steps that prove it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

from sympy import Expr

from steering_strength.theory.laws import claims
from steering_strength.theory.laws.assumptions import ASSUMPTIONS, Assumption, Principle
from steering_strength.theory.laws.claims import Claim, LawError, Status
from steering_strength.theory.laws.notation import unfold
from steering_strength.theory.laws.page import latex_page, text_page
from steering_strength.theory.laws.printing import sets, tex, text
from steering_strength.theory.laws.prose import plain


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
    statement : Claim
        The key formula, `lhs relation rhs`; one of `steps`, the first unless named.
    steps : tuple of Claim
        The derivation. Premises need not be given: each goes before the first step that rests on
        it, unless a law in `builds_on` states it.
    headline : tuple of Claim
        The steps that together say what the title says; the statement, if empty.
    builds_on : tuple of Law
        Laws whose steps are used.
    twin : str
        The numeric twin in `theory.engine` or `theory.model`, as ``module.name``.
    care : str
        What goes wrong if one reads too fast.
    formal : tuple of (Claim, str)
        Steps that are theorems of the formal library as they stand, each as "THEOREM in FILE".
    """

    id: str
    title: str
    source: str
    paper: str
    sharper: str
    steps: tuple[Any, ...]
    twin: str
    assumptions: tuple[Assumption, ...] = ()
    statement: Any = None
    headline: tuple[Any, ...] = ()
    builds_on: tuple[Law, ...] = ()
    care: str = ""
    formal: tuple[tuple[Any, str], ...] = ()

    def __post_init__(self) -> None:
        derivation: list[Claim] = []

        def add(step: Claim) -> None:
            if step not in derivation:
                for premise in step.premises:
                    if self._cited(premise) is None:
                        add(premise)
                derivation.append(step)

        for step in self.steps:
            add(step)
        object.__setattr__(self, "steps", tuple(derivation))
        object.__setattr__(self, "statement", self.statement or self.steps[0])
        for claim in (self.statement, *self.headline, *(claim for claim, _ in self.formal)):
            if claim not in self.steps:
                raise LawError(
                    f"law {self.id!r}: {claim.text()} is none of its steps",
                    remedy="make it a step, so that it is decided",
                )

    def _cited(self, premise: Claim) -> str | None:
        for law in self.builds_on:
            if premise in law.steps:
                return f"`{law.id}` ({law.steps.index(premise) + 1})"
        return None

    @property
    def expected(self) -> bool:
        """False for a false reading of a law, whose id is ``law/reading``: its steps refute it."""
        return "/" not in self.id

    @property
    def claim(self) -> Any:
        """The headline: one claim, or several joined in an `All`."""
        parts = self.headline or (self.statement,)
        return parts[0] if len(parts) == 1 else claims.All(parts)

    @property
    def lhs(self) -> Expr:
        """Left side of the key formula in SymPy's own terms: sums over the vocabulary."""
        return unfold(self.statement.lhs)

    @property
    def rhs(self) -> Expr:
        """Right side of the key formula in SymPy's own terms."""
        return unfold(self.statement.rhs)

    @property
    def relation(self) -> str:
        """`=`, an inequality, or `->`."""
        return str(self.statement.relation)

    def prove(self) -> tuple[Status, ...]:
        """Decide every step: `proved`, `proved with rules`, `unknown` or `refuted`."""
        return tuple(step.decide() for step in self.steps)

    def status(self) -> Status:
        """The weakest status of its steps; `refuted` for a false reading whose steps hold."""
        found = claims.weakest(*self.prove())
        if self.expected:
            return found
        return Status.REFUTED if found in (Status.PROVED, Status.WITH_RULES) else Status.UNKNOWN

    def principles(self) -> tuple[Principle, ...]:
        """The rules of analysis the derivation applies, in order, once each."""
        return tuple(dict.fromkeys(s.by for s in self.steps if s.by is not None))

    def premises(self, step: Claim) -> tuple[str, ...]:
        """The premises of a step as a reader finds them: its number, or a law's id and number."""
        return tuple(
            f"({self.steps.index(p) + 1})" if p in self.steps else str(self._cited(p))
            for p in step.premises
        )

    def text(self) -> str:
        """Statement and derivation as plain text."""
        return text_page(self.record())

    def latex(self) -> str:
        """Statement and derivation as LaTeX, for `amsmath` and `enumerate`-like lists."""
        return latex_page(self.record())

    def _repr_latex_(self) -> str:
        return rf"$\displaystyle {self.claim.latex()}$"

    def __str__(self) -> str:
        parts = "; ".join(p.text() for p in (self.headline or (self.statement,)))
        return f"{self.id}: {plain(self.title)} [{self.status()}]\n{parts}"

    def record(self) -> dict[str, Any]:
        """The law as plain data: everything that its page shows, SymPy forms included."""
        parts = self.headline or (self.statement,)
        return {
            "id": self.id,
            "title": self.title,
            "source": self.source,
            "expected": str(self.expected).lower(),
            "paper": self.paper,
            "sharper": self.sharper,
            "care": self.care,
            "assumptions": [a.name for a in self.assumptions],
            "not_used": [a.name for a in ASSUMPTIONS if a not in self.assumptions],
            "builds_on": [law.id for law in self.builds_on],
            "numeric_twin": self.twin,
            "claim": [
                {
                    "kind": type(p).__name__,
                    "step": self.steps.index(p) + 1,
                    "text": p.text(),
                    "latex": p.latex(),
                    "given": "; ".join(p.assumed()),
                    "given_latex": p.assumed(latex=True),
                }
                for p in parts
            ],
            "statement": {
                "text": self.statement.text(),
                "latex": self.statement.latex(),
                "relation": self.relation,
                "lhs": str(self.lhs),
                "rhs": str(self.rhs),
            },
            "notation": [
                {"text": f"{text(n)} = {text(n.body)}", "latex": f"{tex(n)} = {tex(n.body)}"}
                for n in claims.names_in(self.steps)
            ]
            + [
                {"text": plain_set, "latex": latex_set}
                for plain_set, latex_set in zip(
                    sets(claims.ranges_in(self.steps)),
                    sets(claims.ranges_in(self.steps), latex=True),
                    strict=True,
                )
            ],
            "status": str(self.status()),
            "steps": [self._step(k, s) for k, s in enumerate(self.steps, start=1)],
            "assumed": [
                {
                    "name": p.name,
                    "statement": p.statement,
                    "reference": p.reference,
                    "formal": p.formal,
                }
                for p in self.principles()
            ],
        }

    def _step(self, number: int, step: Claim) -> dict[str, Any]:
        status = step.decide()
        premises = self.premises(step)
        rule = f"{step.by.name}, from {', '.join(premises)}" if step.by else ""
        formula = hasattr(step, "relation")
        form = getattr(step, "form", None)
        return {
            "number": number,
            "kind": type(step).__name__.lower(),
            "status": str(status),
            "text": step.text(),
            "latex": step.latex() if formula else "",
            "words": step.latex(),
            "given": "; ".join(step.assumed()),
            "given_latex": step.assumed(latex=True),
            "form": text(form) if form is not None else "",
            "form_latex": tex(form) if form is not None else "",
            "rule": rule,
            "formal": dict(self.formal).get(step, ""),
            "reason": step.reason,
            "principle": step.by.name if step.by else "",
            "premises": list(premises),
            "why": step.why() if status in ("unknown", "refuted") else "",
        }
