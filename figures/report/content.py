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
    "advice": "Choosing the strength",
}
_OTHER = "Further statements"
FAMILY_TITLES = tuple(dict.fromkeys([*_FAMILIES.values(), _OTHER]))
"""What families of statements there are, in reading order."""

STEP_STATUSES = ("proved", "proved with rules", "assumed", "unknown", "refuted")
"""What may be known of a step, the strongest first."""

Record = Mapping[str, Any]


def tally(statuses: Iterable[str]) -> dict[str, int]:
    """How many steps have each status, the strongest first.

    Raises ValueError: a status is none of `STEP_STATUSES`: an error, and no success.
    """
    found = Counter(map(str, statuses))
    if beyond := set(found) - set(STEP_STATUSES):
        raise ValueError(f"statuses {sorted(beyond)} go beyond {', '.join(STEP_STATUSES)}")
    return {name: found[name] for name in STEP_STATUSES if found[name]}


@dataclass(frozen=True)
class RealModel:
    """What ``make bridge`` found on one language model.

    Attributes
    ----------
    model, concept, measured : mapping
        As the bridge wrote them: name, width, vocabulary; texts; numbers.
    verdicts : tuple of Verdict
        Method "real-model".
    picture : bytes or None
        The figure as PNG.
    """

    model: Record
    concept: Record
    measured: Record
    verdicts: tuple[Verdict, ...]
    picture: bytes | None


def read_real_model(folder: Path, stem: str = "final_norm") -> RealModel | None:
    """The bridge's result in `folder`, or None if there is none: the report runs no model.

    Raises OutputError: there is a file, but not one that the bridge wrote whole.
    """
    path, image = folder / f"{stem}.json", folder / f"{stem}.png"
    if not path.is_file():
        return None
    try:
        content = read_json(path, "run make bridge again, or move the file away")
        parts = {name: dict(content[name]) for name in ("model", "concept", "measured")}
        names = [field.name for field in fields(Verdict)]
        verdicts = tuple(
            Verdict(
                **{name: entry[name] for name in names if name != "expected"},
                expected={"true": True, "false": False}[entry["expected"]],
            )
            for entry in content["results"]
        )
        # What the report says of it, so that a missing number is found here.
        _ = [parts["model"][key] for key in ("name", "blocks", "width", "vocabulary", "dtype")]
    except (ValueError, KeyError, TypeError) as error:
        raise OutputError(
            f"{path} is no result of the bridge ({type(error).__name__}: {error})",
            remedy="run make bridge again, or move the file away",
        ) from error
    return RealModel(
        **parts, verdicts=verdicts, picture=image.read_bytes() if image.is_file() else None
    )


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
    law: Record | None
    verdicts: tuple[Verdict, ...]

    @property
    def disproved(self) -> bool:
        """Whether a derivation refutes it."""
        return self.law is not None and self.law["status"] != "unknown"

    @property
    def anchor(self) -> str:
        """Where it is described on its page."""
        return "reading-" + self.id.replace("/", "-")


@dataclass(frozen=True)
class Statement:
    """Everything known under one id.

    Attributes
    ----------
    id, title, source, family : str
    law : dict or None
        The derivation as plain data (`theory.laws.page.record`); None if there is only a check.
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
    law: Record | None
    verdicts: tuple[Verdict, ...]
    readings: tuple[Verdict, ...]
    claims: tuple[Record, ...]
    figures: tuple[str, ...]

    @property
    def steps(self) -> dict[str, int]:
        """Steps of the derivation by status."""
        return tally(step["status"] for step in (self.law["steps"] if self.law else ()))

    @property
    def unknown(self) -> bool:
        """Whether a step, a check or a refutation is undecided."""
        return (
            "unknown" in self.steps
            or any(v.status == "unknown" for v in (*self.verdicts, *self.readings))
            or any(claim["status"] == "unknown" for claim in self.claims)
        )

    @property
    def false_readings(self) -> tuple[Reading, ...]:
        """Every false reading once, with all that refutes it."""
        laws = {claim["id"]: claim for claim in self.claims}
        # The verdict on a derivation says no more than the derivation itself.
        searched = [v for v in self.readings if v.method != "symbolic" or v.id not in laws]
        names = dict.fromkeys([*laws, *(v.id for v in searched)])
        found = ((laws.get(n), tuple(v for v in searched if v.id == n), n) for n in names)
        return tuple(
            Reading(n, law["paper"], law["sharper"], law, verdicts)
            if law
            else Reading(n, verdicts[0].claim, "", None, verdicts)
            for law, verdicts, n in found
        )


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
        The paper's assumptions, likewise.
    seed, examples : int
        They repeat the run.
    versions : mapping
    seconds : float
        Wall time of deriving, checking and drawing.
    real_model : RealModel or None
        What the bridge found, if it was run.
    """

    statements: tuple[Statement, ...]
    principles: tuple[Record, ...]
    assumptions: tuple[Record, ...]
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
        return tuple(s.id for s in self.statements if s.unknown)

    @property
    def homes(self) -> dict[str, str]:
        """Where a figure is shown: at the first statement it names; elsewhere it is linked."""
        ids = {s.id for s in self.statements}
        return {
            figure.name: next((name for name in figure.laws if name in ids), "")
            for figure in FIGURES.values()
            if figure.name != "overview"
        }


def assemble(
    derivations: Mapping[str, Record],
    verdicts: Sequence[Verdict],
    claims: Sequence[Record] = (),
    *,
    seed: int,
    examples: int,
    versions: Mapping[str, str],
    seconds: float,
    real_model: RealModel | None = None,
) -> Content:
    """Join derivations, verdicts and figures by id; other ids follow those of the laws.

    `derivations` are laws as plain data (`theory.laws.page.record`), by id in reading order;
    `claims` are false readings in the same form; a check of a claim close to a statement is named
    ``id/reading``, like the false reading it may be.
    """
    family = families()
    checked = dict.fromkeys(v.id.partition("/")[0] for v in verdicts)
    statements = [
        _statement(name, derivations.get(name), verdicts, claims, family.get(name, _OTHER))
        for name in dict.fromkeys([*derivations, *checked])
    ]
    statements.sort(key=lambda s: FAMILY_TITLES.index(s.family))  # stable: order within a family
    laws = derivations.values()
    principles = {
        entry["name"]: (entry["statement"], entry["reference"], entry["formal"])
        for law in laws
        for entry in law["assumed"]
    }
    return Content(
        statements=tuple(statements),
        principles=_used(
            principles, {law["id"]: [entry["name"] for entry in law["assumed"]] for law in laws}
        ),
        assumptions=_used(
            {a.name: (a.statement, a.source, "") for a in ASSUMPTIONS},
            {law["id"]: law["assumptions"] for law in laws},
        ),
        seed=seed,
        examples=examples,
        versions=versions,
        seconds=seconds,
        real_model=real_model,
    )


def _statement(
    name: str,
    law: Record | None,
    verdicts: Sequence[Verdict],
    claims: Sequence[Record],
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
        verdicts=own,
        readings=readings,
        claims=tuple(claim for claim in claims if claim["id"].partition("/")[0] == name),
        figures=tuple(f.name for f in FIGURES.values() if name in f.laws),
    )


def families() -> dict[str, str]:
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


def _used(
    known: Mapping[str, tuple[str, str, str]], uses: Mapping[str, Sequence[str]]
) -> tuple[Record, ...]:
    """What is used at all, by name, with the ids of the laws that use it."""
    entries = (
        {
            "name": name,
            "statement": statement,
            "reference": reference,
            "formal": formal,
            "used_by": [law for law, names in uses.items() if name in names],
        }
        for name, (statement, reference, formal) in sorted(
            known.items(), key=lambda item: item[0].lower()
        )
    )
    return tuple(entry for entry in entries if entry["used_by"])
