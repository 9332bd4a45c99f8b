"""The theorems of Coq: which there are, that Coq accepts them, and that wrong ones fail.

What needs Coq is skipped, with the reason, where it is not installed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from sympy import Dummy, IndexedBase, Sum, Symbol

from steering_strength.proofs_check.formal import agreement, coq, library
from steering_strength.proofs_check.formal.__main__ import main
from steering_strength.proofs_check.formal.agreement import FILES, agreement_files, agreements
from steering_strength.proofs_check.formal.printed import Printer
from steering_strength.proofs_check.registry import STATEMENTS
from steering_strength.theory.errors import MissingExtraError
from steering_strength.theory.laws import LAWS, Law
from steering_strength.theory.laws.prose import plain


@pytest.fixture(scope="module")
def answers() -> Mapping[str, coq.Acceptance]:
    try:
        return coq.accept()
    except MissingExtraError as error:
        pytest.skip(str(error))


def test_every_law_has_a_theorem() -> None:
    assert set(LAWS) <= {theorem.id for theorem in library.theorems()}


def test_every_theorem_is_about_a_statement_of_the_theory() -> None:
    known = {*STATEMENTS, "advise-target", "sweet-spot"}  # these two are checked as one: advice
    assert [t.name for t in library.theorems() if t.id.partition("/")[0] not in known] == []
    names = [theorem.name for theorem in library.theorems()]
    assert len(names) == len(set(names))


def test_every_file_is_listed_and_nothing_is_assumed() -> None:
    assert {*library.files(), *FILES} == {path.name for path in library.FOLDER.glob("*.v")}
    for name in (*library.files(), *FILES):
        text = re.sub(r"\(\*.*?\*\)", "", (library.FOLDER / name).read_text(), flags=re.DOTALL)
        found = re.findall(r"\b(?:Admitted|Axiom|Axioms|Parameter|Conjecture|admit)\b", text)
        assert found == [], name


def test_every_headline_comment_belongs_to_a_theorem_that_is_read() -> None:
    for name in library.files():
        text = (library.FOLDER / name).read_text(encoding="utf-8")
        marked = len(re.findall(r"\(\*\*\s*\[[a-z-]+(?:/[a-z-]+)?\] (?=[A-Z])", text))
        assert marked == sum(theorem.file == name for theorem in library.theorems()), name
        assert len(re.findall(r"(?m)^Theorem\b", text)) == marked, name


def test_coq_accepts_every_theorem_on_the_allowed_axioms(
    answers: Mapping[str, coq.Acceptance],
) -> None:
    assert {name: answer.problem for name, answer in answers.items() if answer.problem} == {}
    for answer in answers.values():
        assert answer.statement
        assert answer.axioms <= coq.ALLOWED


def test_an_axiom_of_ones_own_and_a_wrong_proof_are_noticed(
    answers: Mapping[str, coq.Acceptance], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    axiom = (
        "Axiom wish : 1 = 2.\n(** [slope] A wish. *)\nTheorem slope_wish : 2 = 1.\n"
        "Proof. symmetry; exact wish. Qed.\n"
    )
    wrong = "(** [peak] Wrong. *)\nTheorem peak_wish : 1 = 2.\nProof. reflexivity. Qed.\n"
    plant(tmp_path, monkeypatch, axiom, wrong)
    found = coq.accept()
    assert "wish" in found["slope_wish"].problem
    assert found["peak_wish"].problem
    assert found["peak_wish"].statement == ""


@pytest.mark.long
def test_the_formulas_of_sympy_are_those_of_the_theorems(
    answers: Mapping[str, coq.Acceptance],
) -> None:
    assert coq.disagreements() == {}


def test_the_formula_of_every_law_is_printed() -> None:
    assert sorted(agreements()) == sorted(LAWS)
    assert "PRINTED." not in "".join(agreement_files())


class Wrong:
    """A law with one sign flipped: of its right side or, where that is 0, of the inequality."""

    def __init__(self, law: Law) -> None:
        self.lhs, self.statement = law.lhs, law.statement
        self.rhs = -law.rhs
        self.relation = law.relation if law.rhs != 0 else {"<": ">"}[law.relation]


def test_a_sign_flipped_in_a_law_is_refused(
    answers: Mapping[str, coq.Acceptance], monkeypatch: pytest.MonkeyPatch
) -> None:
    (right,) = agreement_files("slope")
    monkeypatch.setattr(agreement, "LAWS", {**LAWS, "slope": Wrong(LAWS["slope"])})
    (wrong,) = agreement_files("slope")
    paths = coq._sound_library(coq._named(right))
    assert not coq._problem(paths, right)
    assert coq._problem(paths, wrong)


@pytest.mark.long
def test_a_sign_flipped_in_any_law_is_refused(
    answers: Mapping[str, coq.Acceptance], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = {name: Wrong(law) for name, law in LAWS.items()}
    monkeypatch.setattr(agreement, "LAWS", wrong)
    assert set(coq.disagreements()) == set(LAWS)


def test_indices_of_the_same_name_are_told_apart() -> None:
    y, inner = Symbol("y", integer=True), Dummy("y", integer=True)
    size, p = Symbol("V", integer=True, positive=True), IndexedBase("p")
    double = Sum(Sum(p[inner] * p[y] ** 2, (inner, 0, size - 1)), (y, 0, size - 1))
    assert Printer().term(double) == (
        "(Sum vocab (fun y' => (Sum vocab (fun y => ((p y) * ((p y') ^ 2))))))"
    )


def plant(folder: Path, monkeypatch: pytest.MonkeyPatch, *texts: str) -> None:
    """Let the library be these files."""
    names = [f"planted{number}.v" for number in range(len(texts))]
    for name, text in zip(names, texts, strict=True):
        (folder / name).write_text(text)
    (folder / "_CoqProject").write_text("\n".join(["-Q . SteeringStrength", *names, ""]))
    for module in (coq, library):
        monkeypatch.setattr(module, "FOLDER", folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    library.theorems.cache_clear()
    monkeypatch.setattr(coq, "theorems", lambda: tuple(t for n in names for t in library._read(n)))


def test_without_coq_the_packages_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert main([]) == 2
    error = capsys.readouterr().err
    assert "libcoq-coquelicot" in error
    assert error.count("\n") == 1


@pytest.mark.long
def test_the_independent_checker_agrees(answers: Mapping[str, coq.Acceptance]) -> None:
    summary = coq.recheck()
    axioms = re.findall(r"(?m)^\s+Coq\.\S*\.(\w+\.\w+)$", summary)
    assert set(axioms) <= coq.ALLOWED
    assert "type-in-type: <none>" in summary


_WRONG = (
    (" <= ", " >= "),
    (" < ", " > "),
    (" + ", " - "),
    (" - ", " + "),
    (" * ", " + "),
    ("1", "2"),
)


def _mutations(theorem: library.Theorem) -> list[str]:
    """Statements that differ from the right one by one sign, in its conclusion."""
    return [
        theorem.statement[::-1].replace(right[::-1], wrong[::-1], 1)[::-1]
        for right, wrong in _WRONG
        if right in theorem.statement
    ]


@pytest.mark.long
def test_a_wrong_statement_is_not_proved(answers: Mapping[str, coq.Acceptance]) -> None:
    """One changed sign in the statement of a headline: its proof must not go through.

    Not of a refutation: a false reading with another sign may be false as well.
    """
    tried, survived = 0, []
    headlines = [theorem for theorem in library.theorems() if "/" not in theorem.id]
    paths = coq._sound_library(library.files())
    for theorem in headlines[::3]:
        for wrong in _mutations(theorem)[:1]:
            tried += 1
            if not coq._problem(paths, _mutant(theorem, wrong)):
                survived.append(theorem.name)
    assert tried >= 40
    assert survived == []


def _mutant(theorem: library.Theorem, wrong: str) -> str:
    """The file up to the headline, with another statement over the same proof."""
    text = (library.FOLDER / theorem.file).read_text(encoding="utf-8")
    head, tail = re.split(rf"Theorem {theorem.name}\b", text, maxsplit=1)
    proof = tail.partition("Qed.")[0].replace(theorem.statement, wrong, 1)
    closing = "".join(f"End {section}.\n" for section in reversed(_open_sections(head)))
    return f"{head}Theorem {theorem.name}{proof}Qed.\n{closing}"


def _open_sections(text: str) -> list[str]:
    found: list[str] = []
    for line in re.findall(r"(?m)^(Section|End) (\w+)\.", text):
        if line[0] == "Section":
            found.append(line[1])
        else:
            found.remove(line[1])
    return found


def test_the_table_of_the_readme_is_true() -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"(?m)^\| `([a-z-]+)` \| (.+) \| (\d+) \| `(\w+\.v)` \|$", readme)
    assert [row[0] for row in rows] == [*LAWS]
    for name, title, count, file in rows:
        assert title == plain(LAWS[name].title)
        own = [theorem for theorem in library.theorems() if theorem.id == name]
        assert len(own) == int(count)
        headline = name.replace("-", "_")
        assert (headline, file) in [(theorem.name, theorem.file) for theorem in own]
