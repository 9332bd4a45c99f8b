"""What the report says, as frozen records: no formatting, no computing.

A *statement* joins what is known under one id: the law with its derivation, the verdicts of the
checks on it, the false readings that were refuted, and the figures that show it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from steering_strength.figures.gallery import FIGURES
from steering_strength.figures.report.real_model import RealModel
from steering_strength.proofs_check.verdict import Verdict
from steering_strength.theory.laws import Law
from steering_strength.theory.laws.assumptions import ASSUMPTIONS

__all__ = ["FAMILY_TITLES", "Content", "Reading", "Statement", "Tally", "assemble"]

_FAMILIES = {  # modules of theory.laws, in reading order
    "tilting": "Tilting",
    "separation": "Tilting",
    "limits": "Tilting",
    "peaks": "Probability of the next token",
    "peak_sign": "Probability of the next token",
    "concept": "Probability of a concept",
    "concept_shape": "Probability of a concept",
    "cross_entropy": "Cross-entropy",
    "radius": "Cross-entropy",
    "transformer": "Transformers",
    "advice": "Choosing the strength",
}
_OTHER = "Further statements"
FAMILY_TITLES = tuple(dict.fromkeys([*_FAMILIES.values(), _OTHER]))
"""What families of statements there are, in reading order."""


@dataclass(frozen=True)
class Tally:
    """Steps of a derivation, or verdicts, by status."""

    proved: int = 0
    assumed: int = 0
    unknown: int = 0

    @classmethod
    def of(cls, statuses: Iterable[str]) -> Tally:
        """Count; a status that is none of the three is an error, not a success."""
        found = [str(status) for status in statuses]
        counts = {name: found.count(name) for name in ("proved", "assumed", "unknown")}
        if sum(counts.values()) != len(found):
            raise ValueError(f"statuses {sorted(set(found))} go beyond {sorted(counts)}")
        return cls(**counts)


@dataclass(frozen=True)
class Reading:
    """A claim close to a statement that is false, and how it was refuted.

    Attributes
    ----------
    id : str
        ``statement/reading``.
    claim, truth : str
        What is said, or easily understood, and what is true; no truth where only a search knows.
    law : dict or None
        The derivation whose steps refute it.
    verdicts : tuple of Verdict
        Of the searches for a counterexample.
    """

    id: str
    claim: str
    truth: str
    law: Mapping[str, Any] | None
    verdicts: tuple[Verdict, ...]

    @property
    def disproved(self) -> bool:
        """Whether a derivation refutes it."""
        return self.law is not None and self.law["status"] != "unknown"


@dataclass(frozen=True)
class Statement:
    """Everything known under one id.

    Attributes
    ----------
    id, title, source, family : str
    law : dict or None
        The derivation as plain data (`theory.laws.page.record`); None if there is only a check.
    tally : Tally
        Steps of the derivation by status.
    verdicts : tuple of Verdict
        Of the statement itself, and of true claims close to it.
    readings : tuple of Verdict
        Of claims close to it that are known to be false.
    claims : tuple of dict
        Such claims again, as laws whose steps prove the refutation.
    figures : tuple of str
        Names of the figures that show it.
    """

    id: str
    title: str
    source: str
    family: str
    law: Mapping[str, Any] | None
    tally: Tally
    verdicts: tuple[Verdict, ...]
    readings: tuple[Verdict, ...]
    claims: tuple[Mapping[str, Any], ...]
    figures: tuple[str, ...]

    def verdict(self, method: str) -> Verdict | None:
        """The verdict by one method, if that method was used."""
        return next((v for v in self.verdicts if v.method == method), None)

    @property
    def false_readings(self) -> tuple[Reading, ...]:
        """Every false reading once, with all that refutes it."""
        laws = {claim["id"]: claim for claim in self.claims}
        # The verdict on a derivation says no more than the derivation itself.
        searched = [v for v in self.readings if v.method != "symbolic" or v.id not in laws]
        names = dict.fromkeys([*laws, *(v.id for v in searched)])
        return tuple(_reading(n, laws.get(n), [v for v in searched if v.id == n]) for n in names)


@dataclass(frozen=True)
class Content:
    """The whole report.

    Attributes
    ----------
    statements : tuple of Statement
        In reading order.
    principles : tuple of dict
        The named theorems that derivations appeal to: name, statement, reference, used_by.
    assumptions : tuple of dict
        The paper's assumptions: name, statement, source, used_by.
    seed, examples : int
        They repeat the run.
    versions : mapping
    seconds : float
        Wall time of deriving, checking and drawing.
    real_model : RealModel or None
        What the bridge found, if it was run.
    """

    statements: tuple[Statement, ...]
    principles: tuple[Mapping[str, Any], ...]
    assumptions: tuple[Mapping[str, Any], ...]
    seed: int
    examples: int
    versions: Mapping[str, str]
    seconds: float
    real_model: RealModel | None = None

    @property
    def families(self) -> dict[str, list[Statement]]:
        """Statements by family, in reading order."""
        found: dict[str, list[Statement]] = {}
        for statement in self.statements:
            found.setdefault(statement.family, []).append(statement)
        return found

    @property
    def false_readings(self) -> tuple[Reading, ...]:
        """All false readings of all statements."""
        return tuple(reading for s in self.statements for reading in s.false_readings)

    @property
    def steps(self) -> Tally:
        """All steps of all derivations."""
        tallies = [statement.tally for statement in self.statements]
        return Tally(
            sum(t.proved for t in tallies),
            sum(t.assumed for t in tallies),
            sum(t.unknown for t in tallies),
        )

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """All verdicts, of statements and of false readings."""
        return tuple(v for s in self.statements for v in (*s.verdicts, *s.readings))

    @property
    def wrong(self) -> tuple[Verdict, ...]:
        """Verdicts that are not as they should be."""
        return tuple(v for v in self.verdicts if not v.as_it_should_be)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Ids of statements with an undecided step or check."""
        return tuple(
            s.id
            for s in self.statements
            if s.tally.unknown
            or any(v.status == "unknown" for v in (*s.verdicts, *s.readings))
            or any(claim["status"] == "unknown" for claim in s.claims)
        )


def assemble(
    derivations: Mapping[str, Mapping[str, Any]],
    verdicts: Sequence[Verdict],
    claims: Sequence[Mapping[str, Any]] = (),
    *,
    seed: int,
    examples: int,
    versions: Mapping[str, str],
    seconds: float,
    real_model: RealModel | None = None,
) -> Content:
    """Join derivations, verdicts and figures by id; other ids follow those of the laws.

    `derivations` are laws as plain data (`theory.laws.page.record`), by id in reading order;
    `claims` are false readings in the same form, named ``id.reading``; a check of a claim close
    to a statement is named ``id/reading``.
    """
    family = _families()
    checked = dict.fromkeys(v.id.split("/")[0] for v in verdicts)
    statements = [
        _statement(name, derivations.get(name), verdicts, claims, family.get(name, _OTHER))
        for name in dict.fromkeys([*derivations, *checked])
    ]
    statements.sort(key=lambda s: _rank(s.family))  # stable: order within a family
    assumptions = {a.name: (a.statement, a.source) for a in ASSUMPTIONS}
    principles = {
        entry["name"]: (entry["statement"], entry["reference"])
        for law in derivations.values()
        for entry in law["assumed"]
    }
    laws = derivations.values()
    return Content(
        statements=tuple(statements),
        principles=_used(
            principles, {law["id"]: [entry["name"] for entry in law["assumed"]] for law in laws}
        ),
        assumptions=_used(assumptions, {law["id"]: law["assumptions"] for law in laws}),
        seed=seed,
        examples=examples,
        versions=versions,
        seconds=seconds,
        real_model=real_model,
    )


def _statement(
    name: str,
    law: Mapping[str, Any] | None,
    verdicts: Sequence[Verdict],
    claims: Sequence[Mapping[str, Any]],
    family: str,
) -> Statement:
    close = tuple(v for v in verdicts if v.id.partition("/")[0] == name)
    own = tuple(v for v in close if v.expected)
    readings = tuple(v for v in close if not v.expected)
    return Statement(
        id=name,
        title=law["title"] if law else (own or readings)[0].claim,
        source=law["source"] if law else "",
        family=family,
        law=law,
        tally=Tally.of(step["status"] for step in law["steps"]) if law else Tally(),
        verdicts=own,
        readings=readings,
        claims=tuple(claim for claim in claims if claim["id"].partition("/")[0] == name),
        figures=tuple(f.name for f in FIGURES.values() if name in f.laws),
    )


def _reading(name: str, law: Mapping[str, Any] | None, verdicts: Sequence[Verdict]) -> Reading:
    return Reading(
        id=name,
        claim=law["paper"] if law else verdicts[0].claim,
        truth=law["sharper"] if law else "",
        law=law,
        verdicts=tuple(verdicts),
    )


def _families() -> dict[str, str]:
    """Which family a law belongs to: the title of the module it is written in."""
    found: dict[str, str] = {}
    for stem, title in _FAMILIES.items():
        try:
            module = import_module(f"steering_strength.theory.laws.{stem}")
        except ModuleNotFoundError:
            continue
        for value in vars(module).values():
            if isinstance(value, Law):
                found.setdefault(value.id, title)  # a module may import the laws it builds on
    return found


def _rank(family: str) -> int:
    return FAMILY_TITLES.index(family)


def _used(
    known: Mapping[str, tuple[str, str]], uses: Mapping[str, Sequence[str]]
) -> tuple[Mapping[str, Any], ...]:
    """What is used at all, by name, with the ids of the laws that use it."""
    entries = (
        {
            "name": name,
            "statement": statement,
            "reference": reference,
            "used_by": [law for law, names in uses.items() if name in names],
        }
        for name, (statement, reference) in sorted(known.items(), key=lambda item: item[0].lower())
    )
    return tuple(entry for entry in entries if entry["used_by"])
