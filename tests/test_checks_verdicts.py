"""What agreement means, how a search ends, and what is said of it."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy as sp
from hypothesis import strategies as st

from steering_strength.proofs_check import Verdict, reproduce, run, runner, write_json
from steering_strength.proofs_check import verdict as report
from steering_strength.proofs_check.__main__ import main
from steering_strength.proofs_check.check import Check
from steering_strength.proofs_check.comparison import (
    AGREED,
    Comparison,
    claim,
    compare,
    not_above,
    worst,
)
from steering_strength.proofs_check.instances import FamilyCase
from steering_strength.proofs_check.law_values import value
from steering_strength.proofs_check.oracles.precise import CTX
from steering_strength.proofs_check.runner import code
from steering_strength.proofs_check.search import search, shards
from steering_strength.theory.errors import OutputError, SteeringError, UnknownNameError
from steering_strength.theory.laws.evaluation import NoValueError

INF, NAN = float("inf"), float("nan")


@pytest.mark.parametrize(
    ("said", "oracle", "error"),
    [
        (1.0, 1.0, 0.0),
        (1.0, 1.5, 0.5),
        (1.0, 4.0, 3.0),
        (NAN, 1.0, INF),
        (1.0, NAN, INF),
        (NAN, NAN, 0.0),
        (INF, INF, 0.0),
        (INF, -INF, INF),
        (INF, 1.0, INF),
        ([1.0, 2.0], [1.0, 3.0], 1.0),
        ([1.0], [1.0, 1.0], INF),
        (np.array([[1.0], [2.0]]), [[1.0], [4.0]], 2.0),
    ],
)
def test_a_disagreement_is_in_units_of_its_tolerance(said: Any, oracle: Any, error: float) -> None:
    comparison = compare("x", oracle, engine=(said, 1.0))
    assert comparison.error == error
    assert comparison.agrees == (error <= 1.0)
    assert ("engine" in comparison.what) == (error > 0)


def test_a_tolerance_of_zero_allows_nothing() -> None:
    assert compare("x", 1, law=(1, 0)).agrees
    assert not compare("x", 1, law=(1 + 1e-15, 0)).agrees


def test_the_worst_value_speaks_for_all() -> None:
    comparison = compare("x", 0, law=(1, 10), engine=(5, 10), simulation=(2, 10))
    assert (comparison.error, comparison.what[:9]) == (0.5, "x: engine")
    assert worst([AGREED, comparison, Comparison(0.1)]) is comparison
    assert worst([]) is AGREED


def test_orders_and_claims() -> None:
    assert not_above("x", [1, 2], [1, 3]).error == 0
    assert not_above("x", [1, 5], [1, 3], 4).error == 0.5
    assert not_above("x", 1, [0.5, 2], [1, 1]).error == 0.5
    assert claim("so it is", True).agrees
    assert claim("so it is", False).what == "false: so it is"


# The search -----------------------------------------------------------------------------------


def checking(measure: Any, **options: Any) -> Check:
    return Check("toy", "a toy", st.integers(0, 99), measure, **options)


def test_shards_add_up() -> None:
    assert shards(250) == [100, 100, 50]
    assert shards(100) == [100]
    assert shards(3) == [3]


def test_a_counterexample_is_shrunk() -> None:
    found = search(checking(lambda n: claim("small", n < 37)), examples=100, seed=0)
    assert found.case == 37
    assert not found.crashed


def test_shrinking_has_an_end() -> None:
    looked: list[int] = []

    def measure(n: int) -> Comparison:
        looked.append(n)
        return claim("small", n < 5)

    found = search(checking(measure), examples=100, seed=0, shrink=0)
    assert found.case == looked[-1] >= 5
    assert looked[:-1] == [n for n in looked if n < 5]


def test_a_crash_is_told_from_a_disagreement() -> None:
    def measure(n: int) -> Comparison:
        if n > 50:
            raise ZeroDivisionError("at\nlarge n")
        return AGREED

    found = search(checking(measure), examples=100, seed=0)
    assert found.crashed
    assert found.case == 51
    assert found.comparison is not None
    assert "ZeroDivisionError" in found.comparison.what
    # The message has two lines, and the program with it in a comment must still run.
    compile(
        code("slope", replace(found, case=FamilyCase((Fraction(1),), (0.0,), (0,)))), "x", "exec"
    )


def test_errors_and_ignorance_are_counted() -> None:
    found = search(
        checking(lambda n: Comparison(0.25, "", undecided=n % 2 == 0)), examples=40, seed=1
    )
    assert found.examples == 40
    assert 0 < found.undecided < 40
    assert found.max_error == 0.25


def test_the_seed_and_the_shard_decide_the_instances() -> None:
    def drawn(seed: int, shard: int) -> list[int]:
        seen: list[int] = []
        search(checking(lambda n: seen.append(n) or AGREED), examples=30, seed=seed, shard=shard)
        return seen

    assert drawn(1, 0) == drawn(1, 0)
    assert len({tuple(drawn(*each)) for each in ((1, 0), (1, 1), (2, 0))}) == 3


def test_a_formula_that_raises_is_no_evidence_against_a_false_claim(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def measure(case: Any) -> Comparison:
        raise ZeroDivisionError("by nothing")

    for expected, status in ((True, "refuted"), (False, "unknown")):
        broken = Check("toy", "a toy", st.integers(0, 9), measure, expected=expected)
        known = {"certified": {}, "property": {"slope": broken}}
        monkeypatch.setattr(runner, "_BY_INSTANCES", known)
        verdict = next(v for v in run(["slope"], examples=5) if v.method == "property")
        assert verdict.status == status
        assert not verdict.as_it_should_be


# Verdicts and reports -------------------------------------------------------------------------

PASSED = Verdict("slope", "property", "passed", True, "it holds", 100, 0.25, None, 1.26)
FALSE = Verdict("slope/other", "property", "refuted", False, "nonsense", 7, INF, "print(1)", 0.5)


def test_as_it_should_be() -> None:
    assert PASSED.as_it_should_be
    assert FALSE.as_it_should_be
    assert not replace(PASSED, status="refuted").as_it_should_be
    assert replace(PASSED, status="unknown").as_it_should_be  # shown, and not counted as held
    assert not replace(FALSE, status="passed").as_it_should_be
    assert not replace(FALSE, status="unknown").as_it_should_be


def test_the_table_and_the_summary_say_what_is_wrong() -> None:
    table = report.table([PASSED, FALSE]).splitlines()
    assert table[2].split() == ["slope", "property", "passed", "100", "0.25", "1.3"]
    assert "refuted, as it should be" in table[3]
    assert "1 verdicts hold, 1 of 1 false claims refuted; seed 3" in report.summary(
        [PASSED, FALSE], seed=3, examples=100
    )
    bad = replace(PASSED, status="refuted", counterexample="print('here')", note="off by 2")
    text = report.summary([bad, replace(FALSE, status="passed")], seed=0, examples=9)
    for part in ("REFUTED: slope", "off by 2", "print('here')", "NOT REFUTED: slope/other",
                 "0 of 1 false claims"):  # fmt: skip
        assert part in text
    unknown = replace(PASSED, status="unknown")
    text = report.summary([unknown], seed=0, examples=9)
    assert "unknown, which is not passed: slope" in text
    assert "0 verdicts hold" in text


def test_a_false_claim_counts_once_however_many_methods_refute_it() -> None:
    symbolic = replace(FALSE, method="symbolic", max_error=None)
    text = report.summary([symbolic, FALSE], seed=0, examples=9)
    assert "1 of 1 false claims refuted" in text
    text = report.summary([replace(symbolic, status="unknown"), FALSE], seed=0, examples=9)
    assert "0 of 1 false claims refuted" in text


def test_verdicts_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.json"
    path.write_text("precious")
    with pytest.raises(ValueError, match="Out of range float"):
        write_json(path, [replace(PASSED, seconds=NAN)], seed=0, examples=1)
    assert path.read_text() == "precious"
    write_json(path, [PASSED, FALSE], seed=5, examples=100)
    data = json.loads(path.read_text())
    assert [r["max_error"] for r in data["results"]] == [0.25, None]  # JSON has no infinity
    assert [r["expected"] for r in data["results"]] == ["true", "false"]
    assert data["versions"]["sympy"] == sp.__version__
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(OutputError, match="cannot write"):
        write_json(tmp_path, [PASSED], seed=0, examples=1)


def test_a_printed_counterexample_reproduces_the_disagreement() -> None:
    verdict = next(v for v in run(["limit/uniform-share"]) if v.method == "property")
    assert verdict.status == "refuted"
    printed: list[Comparison] = []
    exec(verdict.counterexample or "", {"print": printed.append})
    assert [comparison.agrees for comparison in printed] == [False]
    assert verdict.note in printed[0].what


def test_symbolic_verdicts_on_false_readings_carry_their_numbers() -> None:
    found = run(["concept-limit/returns"], examples=1)
    verdict = next(v for v in found if v.method == "symbolic")
    assert (verdict.status, verdict.expected) == ("refuted", False)
    assert verdict.as_it_should_be
    assert verdict.max_error is None
    assert "1/3" in (verdict.counterexample or "")


def test_reproduce_knows_what_can_be_reproduced() -> None:
    case = FamilyCase((Fraction(1), Fraction(2)), (0.0, 1.0), (0,))
    assert reproduce("slope", case).agrees
    assert reproduce("slope", case, "certified").agrees
    with pytest.raises(SteeringError, match="no certified check"):
        reproduce("limit", case, "certified")
    with pytest.raises(UnknownNameError, match="did you mean slope"):
        reproduce("slop", case)


# Values of laws -------------------------------------------------------------------------------


def test_what_has_no_value_says_so() -> None:
    x = sp.Symbol("x")
    assert value(x**2 / 2 + sp.sqrt(x), {"x": 4}) == 10
    assert value(x**-2, {"x": 2}) == CTX.mpf(1) / 4
    with pytest.raises(NoValueError, match="x has no value"):
        value(x, {})
    with pytest.raises(NoValueError, match="array p has no value"):
        value(sp.IndexedBase("p")[0], {})
    with pytest.raises(NoValueError, match="no rule for gamma"):
        value(sp.gamma(x), {"x": 4})


def test_bound_indices_are_told_apart_though_they_share_a_name() -> None:
    # sum_z sum_z' p_z p_z' with both indices called z: (1 + 2)^2 and not 1 + 4.
    p = sp.IndexedBase("p")
    first, second = sp.Dummy("z", integer=True), sp.Dummy("z", integer=True)
    double = sp.Sum(sp.Sum(p[first] * p[second], (first, 0, 1)), (second, 0, 1))
    assert value(double, {"p": [1, 2]}) == 9


# The command ----------------------------------------------------------------------------------


def test_an_interruption_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "run", interrupted)
    assert main(["slope"]) == 130
    assert capsys.readouterr().err == "interrupted; nothing half-written is left\n"
