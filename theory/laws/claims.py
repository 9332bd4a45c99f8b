"""Claims: what a law says and what its steps say, as objects that can be decided and evaluated.

Three forms are decided by the kernel: `Identity`, `Inequality`, `Limit`. The others, `Between`,
`Case`, `Iff` and what is said of a whole function (`theory.laws.shapes`), come out of a rule of
analysis (`theory.laws.rules`) applied to claims before them. Every claim has a status and a meaning
on an instance: `claim.holds(instance)` is True, False, or None where that instance cannot tell.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, final

from mpmath import mp, mpf
from sympy import Derivative, Expr, Indexed, KroneckerDelta, Sum, Symbol, oo, sympify
from sympy.core.function import AppliedUndef

from steering_strength.theory.errors import SteeringError
from steering_strength.theory.laws.assumptions import Principle
from steering_strength.theory.laws.evaluation import NoValueError
from steering_strength.theory.laws.instances import (
    DIGITS,
    Instance,
    compare,
    draw,
    mp_of,
    near,
    satisfied,
)
from steering_strength.theory.laws.kernel import (
    Bounded,
    Given,
    Let,
    NormalForm,
    Sign,
    Undecided,
    decide_equal,
    decide_sign,
    limit_at_infinity,
)
from steering_strength.theory.laws.kernel.signs import real
from steering_strength.theory.laws.notation import Named, unfold
from steering_strength.theory.laws.printing import hypothesis, tex, text, worded
from steering_strength.theory.laws.prose import plain
from steering_strength.theory.laws.symbols import TOKENS, V


class LawError(SteeringError):
    """A claim or a law is put together wrongly: a premise of the wrong form, an unknown name."""


class Status(StrEnum):
    """What is known of a claim or of a law; only the first two count as proved."""

    PROVED = "proved"
    WITH_RULES = "proved with rules"
    UNKNOWN = "unknown"
    REFUTED = "refuted"


def weakest(*found: Status) -> Status:
    """What is known of claims that are needed together."""
    return max(found, key=list(Status).index, default=Status.PROVED)


_ACCEPTED = {  # sign of lhs - rhs that proves the relation
    ">": {"+"},
    ">=": {"+", "0+", "0"},
    "<": {"-"},
    "<=": {"-", "0-", "0"},
    "!=": {"+", "-", "!0"},
}
_SIGNS = {">=": ("≥", r"\geq"), "<=": ("≤", r"\leq"), "!=": ("≠", r"\neq"), "->": ("→", r"\to")}
Show = Callable[[Expr], str]  # a printer: `text`, or `tex` for LaTeX


@dataclass(frozen=True)
class Claim(ABC):
    """One assertion under hypotheses; `reason` explains it and proves nothing.

    Attributes
    ----------
    reason : str
        Why it holds, for the reader.
    given : tuple
        The hypotheses, in the forms of `theory.laws.kernel.facts`.
    by, premises
        The rule that produced it and the claims the rule was applied to; None if the kernel is
        to decide it.
    """

    _stated: ClassVar[tuple[str, ...]] = ()  # fields of expressions, claims or tuples of them

    reason: str = field(default="", kw_only=True)
    given: tuple[Given, ...] = field(default=(), kw_only=True)
    by: Principle | None = field(default=None, kw_only=True)
    premises: tuple[Claim, ...] = field(default=(), kw_only=True)

    # -- status ------------------------------------------------------------------------

    def decide(self) -> Status:
        """The status of this claim; never raises on a well-formed one."""
        return _decide(self)

    def _decided(self) -> Status:
        if self.by is not None:
            found = {p.decide() for p in self.premises}
            return Status.WITH_RULES if found <= {"proved", "proved with rules"} else Status.UNKNOWN
        given = self.hypotheses()
        if not _can_hold(given):
            return Status.UNKNOWN  # from hypotheses that nothing satisfies everything follows
        try:
            if self._prove(tuple(g.map(unfold) for g in given)):
                return Status.PROVED
        except (Undecided, RecursionError):
            pass
        return Status.REFUTED if self.counterexample() is not None else Status.UNKNOWN

    def _prove(self, given: tuple[Given, ...]) -> bool:
        """Whether the kernel proves it under unfolded hypotheses; may raise Undecided."""
        return False

    def counterexample(self) -> Any:
        """The smallest instance found on which the hypotheses hold and the claim does not."""
        best, size = None, 0
        for instance in draw(self.expressions(), self.hypotheses(), tries=48):
            if self._test(instance) is False:
                length = len(instance.code())
                if best is None or length < size:
                    best, size = instance, length
        return best

    def why(self) -> str:
        """Why it has no proof: the counterexample, or what the kernel could not decide."""
        status = self.decide()
        if status == Status.REFUTED:
            instance = self.counterexample()
            values = ", ".join(
                f"{text(e)} = {_shown(instance, e)}"
                for e in self.expressions()
                if e.is_finite is not False
            )
            return f"false at {instance.code()}: {values}"
        if status == Status.UNKNOWN:
            given = self.hypotheses()
            if not _can_hold(given):
                return "no instance was found that satisfies the hypotheses together"
            if self.by is not None:
                return "; ".join(p.why() for p in self.premises if p.decide() == Status.UNKNOWN)
            return self._hint(tuple(g.map(unfold) for g in given))
        return f"it is {status}"

    def _hint(self, given: tuple[Given, ...]) -> str:
        return (
            f"a claim of the form {type(self).__name__} is proved by a rule from other claims "
            "(theory.laws.rules); the kernel decides Identity, Inequality and Limit"
        )

    # -- meaning -----------------------------------------------------------------------

    def holds(self, instance: Any) -> bool | None:
        """Whether it holds on an instance (anything with `numbers` and `arrays` by name).

        None where the hypotheses fail there, a value is missing, or numbers cannot tell.
        """
        if not hasattr(instance, "value"):
            instance = Instance(instance.numbers, instance.arrays)
        if satisfied(instance, self.hypotheses()) is not True:
            return None
        return self._test(instance)

    def _test(self, instance: Any) -> bool | None:
        with mp.workdps(DIGITS):
            try:
                return self._evaluate(instance)
            except NoValueError:
                return None

    @abstractmethod
    def _evaluate(self, instance: Any) -> bool | None:
        """The meaning on an instance on which the hypotheses hold."""

    def expressions(self) -> tuple[Expr, ...]:
        """Every expression in it."""
        return tuple(_within(*(getattr(self, name) for name in self._stated)))

    # -- hypotheses and print ----------------------------------------------------------

    def hypotheses(self) -> tuple[Given, ...]:
        """`given`, and that every free token index is one of 0 .. V - 1."""
        return (*self.given, *_inside(self))

    def free(self) -> set[Any]:
        """The free symbols of its expressions and hypotheses, names unfolded."""
        every = (*self.expressions(), *(e for g in self.given for e in g.expressions()))
        return set().union(*(unfold(e).free_symbols for e in every))

    def assumed(self, *, latex: bool = False) -> list[str]:
        """Everything it assumes, each as a formula: for-alls, signs, ranges, hypotheses."""
        show = tex if latex else text
        free = set().union(*(e.free_symbols for e in self.expressions()))
        for g in self.given:
            own = {*getattr(g, "for_all", ()), getattr(g, "index", None)}
            free |= set().union(*(e.free_symbols for e in g.expressions())) - own
        tokens = [t for t in TOKENS if t in free]
        others = sorted(free & _INDICES - self._placed(), key=str)
        what = "coordinate" if _of_coordinates(self.expressions()) else "token"
        every = []
        for kind, names in ((f"every {what} ", tokens), ("every ", others)):
            words = rf"\text{{{kind}}}" if latex else kind
            every += [words + ", ".join(map(show, names))] if names else []
        return [*every, *hypothesis(self.given, self.expressions(), latex=latex)]

    def _placed(self) -> set[Any]:
        """The indices of which a hypothesis says where they lie."""
        return {g.expr for g in self.given if isinstance(g, Sign) and g.expr.is_Symbol}

    def text(self) -> str:
        """The assertion as one line of Unicode."""
        return self._shown(text)

    def latex(self) -> str:
        """The assertion in LaTeX mathematics, without delimiters."""
        return self._shown(tex)

    @abstractmethod
    def _shown(self, show: Show) -> str:
        """The assertion in the alphabet of `show`, which is `text` or `tex`."""

    def _repr_latex_(self) -> str:
        return f"${self.latex()}$"


_INDICES = frozenset(Symbol(name, integer=True) for name in "ijklt")
_COORDINATES = {"h", "v", "R"}  # arrays and functions of a state, by their names in laws


def _of_coordinates(expressions: tuple[Expr, ...]) -> bool:
    """Whether the free indices number the coordinates of a state, not tokens."""
    carried = {
        str(n.base if isinstance(n, Indexed) else n.func)
        for e in expressions
        for n in unfold(e).atoms(Indexed, AppliedUndef)
        if n.free_symbols & set(TOKENS)
    }
    return bool(carried) and carried <= _COORDINATES


def _within(*parts: Any) -> Iterator[Expr]:
    """The expressions in fields of a claim."""
    for part in parts:
        if isinstance(part, Claim):
            yield from part.expressions()
        elif isinstance(part, tuple):
            yield from _within(*part)
        elif part is not None:
            yield part


def _shown(instance: Any, e: Expr) -> str:
    v = instance.value(e)
    return str(v) if isinstance(v, Fraction) else str(mp.nstr(v, 15))


def _inside(claim: Claim) -> tuple[Sign, ...]:
    """Where an entry is differentiated by, that its free token indices are tokens."""
    if not any(
        e.has(KroneckerDelta)
        or any(isinstance(v, Indexed) for d in e.atoms(Derivative) for v in d.variables)
        for e in claim.expressions()
    ):
        return ()
    free = claim.free()
    tokens = [t for t in TOKENS if t in free and V in free]
    return tuple(s for t in tokens for s in (Sign(t), Sign(V - 1 - t)))


@lru_cache(maxsize=4096)
def _can_hold(given: tuple[Given, ...]) -> bool:
    """Whether an instance is found on which hypotheses hold together."""
    return not given or next(draw((), given, tries=200), None) is not None


@lru_cache(maxsize=8192)
def _decide(claim: Claim) -> Status:
    return claim._decided()


def _sympified(claim: Any, *names: str) -> None:
    for name in names:
        object.__setattr__(claim, name, sympify(getattr(claim, name)))


class _Relation(Claim):
    """`lhs relation rhs`."""

    if TYPE_CHECKING:
        lhs: Any
        rhs: Any

        @property
        def relation(self) -> Any: ...

    _stated = ("lhs", "rhs")

    def _shown(self, show: Show) -> str:
        sign = _SIGNS.get(self.relation, (self.relation, self.relation))[show is tex]
        return f"{show(self.lhs)} {sign} {show(self.rhs)}"


@final
@dataclass(frozen=True)
class Identity(_Relation):
    """`lhs = rhs` for all values of the symbols: decided by the normal form."""

    lhs: Any
    rhs: Any
    relation: ClassVar[Any] = "="

    def __post_init__(self) -> None:
        _sympified(self, "lhs", "rhs")

    def _prove(self, given: tuple[Given, ...]) -> bool:
        return decide_equal(unfold(self.lhs), unfold(self.rhs), given)

    def _evaluate(self, instance: Any) -> bool | None:
        return near(instance.value(self.lhs), instance.value(self.rhs))

    def _hint(self, given: tuple[Given, ...]) -> str:
        form = NormalForm(given)
        difference = unfold(self.lhs) - unfold(self.rhs)
        try:
            form.is_zero(difference)
            left = form.canonical(difference)
        except (Undecided, RecursionError) as reason:
            return f"the kernel stops at: {reason}"
        return f"no instance refutes it, but its normal form does not vanish: {text(left)}"


@final
@dataclass(frozen=True)
class Inequality(_Relation):
    """`lhs relation rhs` with relation >, >=, <, <= or != : decided by signs.

    `form`, if given, is another form of `lhs - rhs` whose sign shows in its structure: the kernel
    proves that they are equal, and takes the sign of `form`.
    """

    lhs: Any
    rhs: Any
    relation: str = field(default=">", kw_only=True)
    form: Expr | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self.relation not in _ACCEPTED:
            raise LawError(
                f"relation {self.relation!r} is no inequality", remedy="use >, >=, <, <= or !="
            )
        _sympified(self, "lhs", "rhs")

    def _prove(self, given: tuple[Given, ...]) -> bool:
        left, right = unfold(self.lhs), unfold(self.rhs)
        signs = tuple(g for g in given if isinstance(g, Sign))
        if not (real(left, signs) and real(right, signs)):
            raise Undecided(f"{text(self.lhs)} or {text(self.rhs)} may not be real")
        wanted = left - right
        if self.form is not None:
            if not decide_equal(wanted, unfold(self.form), given):
                raise Undecided(f"the difference is not shown to equal {text(self.form)}")
            wanted = unfold(self.form)
        return decide_sign(wanted, given) in _ACCEPTED[self.relation]

    def _evaluate(self, instance: Any) -> bool | None:
        a, b = instance.value(self.lhs), instance.value(self.rhs)
        order = compare(a, b)
        if order == 0 and not (isinstance(a, Fraction) and isinstance(b, Fraction)):
            return True if self.relation in {">=", "<="} else None
        return {
            ">": order > 0, ">=": order >= 0, "<": order < 0, "<=": order <= 0, "!=": order != 0,
        }[self.relation]  # fmt: skip

    def _hint(self, given: tuple[Given, ...]) -> str:
        try:
            self._prove(given)
            what = "its sign is not the one claimed, but no instance refutes it"
        except (Undecided, RecursionError) as reason:
            what = f"the kernel stops at: {reason}"
        return (
            f"{what}. It decides sums of terms that each have the sign: give such a form of "
            f"the difference, `form=...`, for instance a sum of squares with positive weights"
        )


_EXPONENTIAL = 1200


@final
@dataclass(frozen=True)
class Limit(_Relation):
    """`lhs -> rhs` as `variable -> end`: decided by the strict algebra of limits."""

    lhs: Any
    rhs: Any
    variable: Symbol = field(kw_only=True)
    end: Expr = field(default=oo, kw_only=True)
    relation: ClassVar[str] = "->"

    def __post_init__(self) -> None:
        _sympified(self, "lhs", "rhs", "end")

    def _prove(self, given: tuple[Given, ...]) -> bool:
        signs = tuple(g for g in given if isinstance(g, Sign | Bounded))
        wanted = unfold(self.rhs)
        moving = [g for g in given if not isinstance(g, Bounded) and g.mentions(self.variable)]
        if self.variable in wanted.free_symbols or moving:
            raise Undecided(f"neither the limit nor a hypothesis may move with {self.variable}")
        found = limit_at_infinity(unfold(self.lhs), self.variable, self.end, signs)
        if found in (oo, -oo) or wanted in (oo, -oo):
            return bool(found == wanted)
        return decide_equal(found, wanted, given)

    def expressions(self) -> tuple[Expr, ...]:
        """Both sides, unless the limit is infinite."""
        return (self.lhs,) if self.rhs.is_infinite else (self.lhs, self.rhs)

    def _evaluate(self, instance: Any) -> bool | None:
        side = 1 if self.end == oo else -1

        def at(strength: int, digits: int = DIGITS) -> Any:
            there = instance.with_number(self.variable.name, Fraction(side * strength))
            return mp_of(there.value(self.lhs, digits))

        if self.rhs.is_infinite:
            up = 1 if self.rhs == oo else -1
            near_end, end = up * at(10**3), up * at(10**9)
            return True if end > 1000 and end > near_end else None
        wanted = mp_of(instance.value(self.rhs))
        scale = 1 + abs(wanted)
        with mp.workdps(_EXPONENTIAL):  # differences of size e^(-256 d) are not lost
            before, close = at(128, _EXPONENTIAL), at(256, _EXPONENTIAL)
            if abs(close - wanted) <= mpf(10) ** -6 * scale:
                return True
            settled = abs(close - before) <= mpf(10) ** -8 * scale
        if settled and abs(close - wanted) > mpf(10) ** -3 * scale:
            return False
        return True if abs(at(10**9) - wanted) <= mpf(10) ** -6 * scale else None

    def _hint(self, given: tuple[Given, ...]) -> str:
        try:
            self._prove(given)
        except (Undecided, RecursionError) as reason:
            return (
                f"the kernel stops at: {reason}. Bring it to a determinate form first: divide "
                "by what dominates, as an Identity of its own"
            )
        return "the limit that is found is not shown to equal the one claimed"

    def _shown(self, show: Show) -> str:
        limit, variable, end = super()._shown(show), show(self.variable), show(self.end)
        as_it_moves = rf"\quad ({variable} \to {end})" if show is tex else f"as {variable} → {end}"
        return f"{limit} {as_it_moves}"


@final
@dataclass(frozen=True)
class Between(Claim):
    """`lower <= f <= upper`."""

    lower: Expr
    f: Expr
    upper: Expr
    _stated = ("lower", "f", "upper")

    def _evaluate(self, instance: Any) -> bool | None:
        a, b, c = map(instance.value, self.expressions())
        return compare(a, b) <= 0 and compare(b, c) <= 0

    def _shown(self, show: Show) -> str:
        return (r" \leq " if show is tex else " ≤ ").join(map(show, self.expressions()))


@final
@dataclass(frozen=True)
class Case(Claim):
    """One of two cases, by name: that of the hypotheses `when`, or else of `otherwise`."""

    name: str
    when: tuple[Given, ...]
    otherwise: tuple[Given, ...]

    def _evaluate(self, instance: Any) -> bool | None:
        if satisfied(instance, self.when) is True:
            return True
        return False if satisfied(instance, self.otherwise) is True else None

    def _shown(self, show: Show) -> str:
        when, otherwise = (
            ", ".join(hypothesis(g, (), latex=show is tex)) for g in (self.when, self.otherwise)
        )
        if show is tex:
            return rf"{worded(self.name)}\ \left[{when}; \text{{ else }} {otherwise}\right]"
        return f"{plain(self.name)} ({when}; else {otherwise})"


@final
@dataclass(frozen=True)
class Iff(Claim):
    """One claim holds if and only if the other does."""

    left: Claim
    right: Claim
    _stated = ("left", "right")

    def _evaluate(self, instance: Any) -> bool | None:
        a, b = self.left._test(instance), self.right._test(instance)
        return None if a is None or b is None else a == b

    def _shown(self, show: Show) -> str:
        iff = r" \iff " if show is tex else " if and only if "
        return iff.join(side._shown(show) for side in (self.left, self.right))


@final
@dataclass(frozen=True)
class All(Claim):
    """Several claims at once: a headline of more than one part."""

    parts: tuple[Claim, ...]
    _stated = ("parts",)

    def _decided(self) -> Status:
        return weakest(*(p.decide() for p in self.parts))

    def holds(self, instance: Any) -> bool | None:
        """False if a part fails, True if none does and one holds, else None."""
        found = [p.holds(instance) for p in self.parts]
        return False if False in found else True if True in found else None

    def _evaluate(self, instance: Any) -> bool | None:
        return self.holds(instance)

    def _shown(self, show: Show) -> str:
        return (r";\quad " if show is tex else "; ").join(p._shown(show) for p in self.parts)


def parts_of(claim: Claim) -> tuple[Expr, ...]:
    """Every expression that is printed with a claim: its own, and those of its hypotheses."""
    given = list(claim.given)
    for case in (claim, getattr(claim, "left", claim)):
        given += [*case.when, *case.otherwise] if isinstance(case, Case) else []
    return (*claim.expressions(), *(e for g in given for e in g.expressions()))


def names_in(claims: tuple[Claim, ...]) -> list[Named]:
    """The named quantities of some claims, in order of first use, each that prints alike once.

    What a definition needs comes right after it.
    """
    found: dict[str, Named] = {}
    seen: set[type] = set()
    pending = [e for c in claims for e in parts_of(c)]
    while pending:
        new = {type(n): n for n in sorted(pending.pop(0).atoms(Named), key=str)}
        fresh = [kind(*n.parameters) for kind, n in new.items() if kind not in seen]
        seen |= {*new}
        for name in fresh:
            found.setdefault(text(name), name)
        pending = [n.body for n in fresh] + pending
    return [n for shown, n in found.items() if shown != text(n.body)]


def ranges_in(claims: tuple[Claim, ...]) -> list[tuple[Symbol, Expr, Expr]]:
    """The ranges of sums and of parametrisations in some claims, names and hypotheses included."""
    every = [e for c in claims for e in parts_of(c)] + [n.body for n in names_in(claims)]
    found = [(g.index, g.lower, g.upper) for c in claims for g in c.given if isinstance(g, Let)]
    found += [limit for e in every for s in sorted(e.atoms(Sum), key=str) for limit in s.limits]
    return sorted(dict.fromkeys(found), key=lambda r: (len(str(r[1])), str(r[1])))
