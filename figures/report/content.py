"""What the report says, as frozen records: no formatting, no computing.

A *statement* joins what is known under one id: the law with its derivation, the verdicts of the
checks on it, the false readings that were refuted, and the figures that show it. `Content` is the
whole, and the numbers counted from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import Any

from steering_strength.figures.gallery import FIGURES
from steering_strength.proofs_check.verdict import Verdict
from steering_strength.theory.errors import OutputError
from steering_strength.theory.files import read_json
from steering_strength.theory.laws import Law
from steering_strength.theory.laws.assumptions import ASSUMPTIONS
from steering_strength.theory.laws.claims import Status

_FAMILIES = {  # modules of theory.laws, in reading order
    "tilting": "Tilting",
    "mixed": "Tilting",
    "peaks": "Probability of the next token",
    "peaks_sign": "Probability of the next token",
    "concept": "Probability of a concept",
    "concept_shape": "Probability of a concept",
    "cross_entropy": "Cross-entropy",
    "cross_entropy_radius": "Cross-entropy",
    "transformer": "Transformers",
    "operators": "Other ways to steer",
    "sequences": "Generated text",
    "estimation": "Finitely many texts",
    "allocation": "Choosing the strength",
}
_OTHER = "Further statements"
FAMILY_TITLES = tuple(dict.fromkeys([*_FAMILIES.values(), _OTHER]))
"""What families of statements there are, in reading order."""

Record = Mapping[str, Any]


def families() -> dict[str, str]:
    """Which family a law belongs to: the title of the module it is written in."""
    found: dict[str, str] = {}
    for stem, title in _FAMILIES.items():
        for value in vars(import_module(f"steering_strength.theory.laws.{stem}")).values():
            if isinstance(value, Law):
                found.setdefault(value.id, title)  # a module may import the laws it builds on
    return found


def tally(statuses: Iterable[str]) -> dict[str, int]:
    """How many steps have each status, the strongest first; ValueError for one that is none."""
    found = Counter(map(Status, statuses))
    return {str(status): found[status] for status in Status if found[status]}


def read_real_model(folder: Path) -> Record | None:
    """What ``make bridge`` found on a language model, or None: the report runs no model.

    Returns
    -------
    model, concept, measured : mapping
        As the bridge wrote them: name, width, vocabulary; texts; numbers.
    verdicts : list of Verdict
        Method "real-model".
    picture : bytes or None
        The figure as PNG.

    Raises OutputError: there is a file, but not one that the bridge wrote whole.
    """
    path, image = folder / "final_norm.json", folder / "final_norm.png"
    remedy = "run make bridge again, or move the file away"
    if not path.is_file():
        return None
    try:
        content = read_json(path, remedy)
        found: dict[str, Any] = {
            name: dict(content[name]) for name in ("model", "concept", "measured")
        }
        names = {field.name for field in fields(Verdict)}
        found["verdicts"] = [
            Verdict(
                **{name: entry[name] for name in names - {"expected"}},
                expected={"true": True, "false": False}[entry["expected"]],
            )
            for entry in content["results"]
        ]
        # What the report says of it, so that a missing number is found here.
        _ = [found["model"][key] for key in ("name", "blocks", "width", "vocabulary", "dtype")]
    except (ValueError, KeyError, TypeError) as error:
        raise OutputError(
            f"{path} is no result of the bridge ({type(error).__name__}: {error})", remedy=remedy
        ) from error
    return found | {"picture": image.read_bytes() if image.is_file() else None}


@dataclass(frozen=True)
class Statement:
    """Everything known under one id: a statement, or a false reading, ``statement/reading``.

    Attributes
    ----------
    id, family : str
    law : dict or None
        The derivation as plain data (`Law.record`), that of a reading its refutation; None if there
        is only a check.
    verdicts : tuple of Verdict
        Of the statement and of true claims close to it; of a reading, all on it.
    readings : tuple of Statement
        Claims close to it that are false.
    """

    id: str
    family: str
    law: Record | None
    verdicts: tuple[Verdict, ...]
    readings: tuple[Statement, ...] = ()

    @property
    def title(self) -> str:
        """The law's, or what is claimed; of a reading what is said, or easily understood."""
        if self.law is not None:
            return str(self.law["title" if self.law["expected"] == "true" else "paper"])
        return self.all_verdicts[0].claim

    @property
    def anchor(self) -> str:
        """Where it is described on its page."""
        return f"reading-{self.id.replace('/', '-')}" if "/" in self.id else self.id

    @property
    def figures(self) -> tuple[str, ...]:
        """Names of the figures that show it."""
        return tuple(figure.name for figure in FIGURES.values() if self.id in figure.laws)

    @property
    def steps(self) -> dict[str, int]:
        """Steps of the derivation by status."""
        return tally(step["status"] for step in (self.law["steps"] if self.law else ()))

    @property
    def searched(self) -> list[Verdict]:
        """Its verdicts without that on the derivation, which says no more than the derivation."""
        return [v for v in self.verdicts if v.method != "symbolic" or self.law is None]

    @property
    def disproved(self) -> bool:
        """Whether a derivation refutes it."""
        return self.law is not None and self.law["status"] == "refuted"

    @property
    def all_verdicts(self) -> tuple[Verdict, ...]:
        """Those on its readings included."""
        return (*self.verdicts, *(v for reading in self.readings for v in reading.verdicts))

    @property
    def unknown(self) -> bool:
        """Whether a step, a check or a refutation is undecided."""
        derivations = [each.law["status"] for each in (self, *self.readings) if each.law]
        found = [v.status for v in self.all_verdicts]
        return "unknown" in [*self.steps, *derivations, *found]


@dataclass(frozen=True)
class Content:
    """The whole report.

    Attributes
    ----------
    statements : tuple of Statement
        In reading order.
    seed, examples : int
        They repeat the run.
    versions : mapping
    seconds : float
        Wall time of deriving, checking and drawing.
    real_model : mapping or None
        What the bridge found, if it was run (`read_real_model`).
    """

    statements: tuple[Statement, ...]
    seed: int
    examples: int
    versions: Mapping[str, str]
    seconds: float
    real_model: Record | None = None

    @property
    def laws(self) -> list[Record]:
        """The derivations."""
        return [s.law for s in self.statements if s.law is not None]

    @property
    def families(self) -> dict[str, list[Statement]]:
        """Statements by family, in reading order."""
        found: dict[str, list[Statement]] = {}
        for statement in self.statements:
            found.setdefault(statement.family, []).append(statement)
        return found

    @property
    def principles(self) -> list[Record]:
        """The named theorems that derivations appeal to, each with the laws that use it."""
        known = {entry["name"]: entry for law in self.laws for entry in law["assumed"]}
        uses = {law["id"]: [entry["name"] for entry in law["assumed"]] for law in self.laws}
        return _used(known.values(), uses)

    @property
    def assumptions(self) -> list[Record]:
        """The paper's assumptions, likewise."""
        known = [
            {"name": a.name, "statement": a.statement, "reference": a.source, "formal": ""}
            for a in ASSUMPTIONS
        ]
        return _used(known, {law["id"]: law["assumptions"] for law in self.laws})

    @property
    def readings(self) -> tuple[Statement, ...]:
        """All false readings of all statements."""
        return tuple(reading for s in self.statements for reading in s.readings)

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """All verdicts, of statements and of false readings."""
        return tuple(v for s in self.statements for v in s.all_verdicts)

    @property
    def wrong(self) -> tuple[Verdict, ...]:
        """Verdicts that are not as they should be."""
        return tuple(v for v in self.verdicts if not v.as_it_should_be)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Ids of statements with an undecided step or check."""
        return tuple(s.id for s in self.statements if s.unknown)


def assemble(
    derivations: Mapping[str, Record],
    verdicts: Sequence[Verdict],
    claims: Sequence[Record] = (),
    **run: Any,
) -> Content:
    """Join derivations, verdicts and figures by id; other ids follow those of the laws.

    `derivations` are laws as plain data (`Law.record`), by id in reading order; `claims` are false
    readings in the same form; a check of a claim close to a statement is named ``id/reading``, like
    the false reading it may be. `run` has the other fields of `Content`.
    """
    home = families()
    refuted = {claim["id"]: claim for claim in claims}

    def statement(name: str) -> Statement:
        family = home.get(name, _OTHER)
        close = [v for v in verdicts if v.id.partition("/")[0] == name]
        near = [claim for claim in refuted if claim.partition("/")[0] == name]
        readings = tuple(
            Statement(each, family, refuted.get(each), tuple(v for v in close if v.id == each))
            for each in dict.fromkeys([*near, *(v.id for v in close if not v.expected)])
        )
        own = tuple(v for v in close if v.expected)
        return Statement(name, family, derivations.get(name), own, readings)

    names = dict.fromkeys([*derivations, *(v.id.partition("/")[0] for v in verdicts)])
    # A stable sort keeps the order within a family.
    found = sorted(map(statement, names), key=lambda s: FAMILY_TITLES.index(s.family))
    return Content(tuple(found), **run)


def _used(known: Iterable[Record], uses: Mapping[str, Sequence[str]]) -> list[Record]:
    """What is used at all, by name, with the ids of the laws that use it."""
    entries = [
        {**entry, "used_by": [law for law, names in uses.items() if entry["name"] in names]}
        for entry in sorted(known, key=lambda entry: str(entry["name"]).lower())
    ]
    return [entry for entry in entries if entry["used_by"]]
