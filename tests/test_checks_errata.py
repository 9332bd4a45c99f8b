"""The errata: every printed number is right, every counterexample refutes, none is larger than due.

The arithmetic is recomputed here from the printed text alone, as its reader would.
"""

from __future__ import annotations

import json
import math
import re
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from steering_strength.proofs_check import errata
from steering_strength.proofs_check.__main__ import main
from steering_strength.proofs_check.errata import ERRATA, Erratum, as_records, find, table
from steering_strength.proofs_check.instances import ConceptCase, NormCase, WeightedCase
from steering_strength.proofs_check.registry import CHECKS
from steering_strength.proofs_check.tables import (
    interleaved_tables,
    norm_tables,
    small_tables,
    weighted_tables,
)
from steering_strength.theory.errors import SteeringError

IDS = [each.id for each in ERRATA]
TABLES = [
    name
    for name in IDS
    if not name.startswith(
        ("norm-limit", "sequence", "mixed-contexts", "operator", "ce-linear", "allocation")
    )
]


@pytest.fixture(scope="module")
def found() -> dict[str, Erratum]:
    return {each.id: find(each) for each in ERRATA}


def numbers(text: str) -> list[Fraction]:
    return [Fraction(x) for x in re.findall(r"-?\d+(?:/\d+)?", text)]


def after(lines: tuple[str, ...], start: str) -> str:
    return next(line for line in lines if line.startswith(start)).partition(start)[2]


class Printed:
    """A counterexample as a reader has it: its lines, and nothing else."""

    def __init__(self, lines: tuple[str, ...]) -> None:
        self.lines = lines
        self.concepts = after(lines, "concept of each token: ").split(", ")
        self.rows: dict[str, list[tuple[Fraction, ...]]] = {"P": [], "N": [], "c_j": []}
        for line in lines:
            if match := re.match(r"(\d+) p\(\.\|c\) = (.+)   for (.+)", line):
                row = tuple(x / int(match[1]) for x in numbers(match[2]))
                for who in match[3].split(" and "):
                    count, _, name = who.rpartition(" x ")
                    self.rows[name] += [row] * int(count or 1)
        line = next(line for line in lines if " = prod_P p / prod_N p = " in line)
        self.q = int((re.match(r"e\^\((\d+) M\)", line) or ["", "1"])[1])
        self.ratios = numbers(line.rpartition(" = ")[2])

    def of(self, concept: str) -> list[int]:
        return [z for z, c in enumerate(self.concepts) if c == concept]

    def curve(self) -> list[tuple[int, list[Fraction], Fraction]]:
        """alpha, weights, F."""
        return [
            (int(alpha), numbers(weights), Fraction(share))
            for alpha, weights, share in re.findall(
                r"alpha = +(-?\d+): (.+); F = (\S+) = ", "\n".join(self.lines)
            )
        ]


@pytest.mark.parametrize("name", IDS)
def test_the_reading_is_refuted_by_a_program_that_runs(
    name: str, found: dict[str, Erratum]
) -> None:
    assert not CHECKS[name].expected
    assert not CHECKS[name](found[name].case).agrees
    printed: list[Any] = []
    exec(found[name].code, {"print": printed.append})
    assert len(printed) == 1
    assert not printed[0].agrees


def test_all_claims_are_there() -> None:
    assert [each.id for each in ERRATA if not (each.reading and each.instead)] == []
    places = [each.where for each in ERRATA]
    paper = {"Lemma B.4", "Thm 3.6", "after Thm 3.6", "Remark 3.4", "Prop. 4.1"}
    paper |= {"App. B.1", "after Thm 3.8"}
    assert paper | {"Sec. 6", "Sec. 6, texts"} == set(places)
    assert {
        "sign-separation/outside-negative",
        "concept-shape/one-bump",
        "concept-shape/falls-rises-falls",
        "concept-monotone/necessary",
        "concept-limit/returns",
        "peak-sign/every-eps",
        "peak-sign/any-context",
        "limit/printed-signs",
        "ce-linear/always-degrades",
        "norm-limit/eps-of-v",
        "norm-limit/constant-v",
        "mixed-contexts/one-sign",
        "operator/ablation-limit",
        "sequence-reverse/monotone",
        "sequence-reverse/convex",
        "sequence-weights/falls",
        "allocation/every-prompt",
        "allocation/along-v",
        "allocation/equal-prompts",
    } == set(IDS)


def test_the_printed_mixture_is_one_and_its_signs_follow(found: dict[str, Erratum]) -> None:
    lines = found["mixed-contexts/one-sign"].lines
    matches = [
        re.match(r"(\d+) p\(\.\|c\) = (.+)   for (.), with weight (\S+) on T", x) for x in lines
    ]
    rows = [
        (match[3], Fraction(match[4]), [x / int(match[1]) for x in numbers(match[2])])
        for match in matches
        if match
    ]
    pure = {weight: row for _, weight, row in rows if weight in (0, 1)}
    for _, w, row in rows:
        assert sum(row) == 1
        assert row == [w * a + (1 - w) * b for a, b in zip(pure[1], pure[0], strict=True)]
    printed = re.findall(r"(\d+) ([<>]) (\d+), so M ([<>]) 0", lines[-1])
    total = int(matches[1][1]) if matches[1] else 0
    for z, (left, sign, right, of_m) in enumerate(printed):
        sides = [[row[z] * total for who, _, row in rows if who == name] for name in "PN"]
        assert [a * b for a, b in sides] == [int(left), int(right)]
        assert sign == of_m == (">" if int(left) > int(right) else "<")
    assert {sign for _, sign, _, _ in printed} == {"<", ">"}


@pytest.mark.parametrize("name", TABLES)
def test_the_printed_table_satisfies_assumption_1(name: str, found: dict[str, Erratum]) -> None:
    printed = Printed(found[name].lines)
    rows = [row for group in printed.rows.values() for row in group]
    assert all(sum(row) == 1 for row in rows)
    assert len(printed.rows["P"]) == len(printed.rows["N"]) == printed.q
    assert len(printed.rows["c_j"]) == 1
    for z, column in enumerate(zip(*rows, strict=True)):
        assert len(set(column)) <= 2, z
    # The rows of P are highest on T, and the same sum of gaps a - b is printed for each concept.
    gaps = re.findall(r"([TCDE]): (\d+(?: \+ \d+)*)", after(found[name].lines, "Assumption 1: "))
    assert len(gaps) >= 2
    assert len({sum(numbers(terms)) for _, terms in gaps}) == 1


@pytest.mark.parametrize("name", TABLES)
def test_the_printed_log_odds_follow_from_the_rows(name: str, found: dict[str, Erratum]) -> None:
    printed = Printed(found[name].lines)
    for z, ratio in enumerate(printed.ratios):
        product = Fraction(1)
        for plus, minus in zip(printed.rows["P"], printed.rows["N"], strict=True):
            product *= plus[z] / minus[z]
        assert product == ratio


@pytest.mark.parametrize(
    ("name", "concept", "moves"),
    [
        ("concept-shape/falls-rises-falls", "C", [-1, 1, -1]),
        ("concept-shape/one-bump", "C", [1, -1, 1, -1]),
        ("concept-monotone/necessary", "C", [-1, -1, -1]),
        ("concept-limit/returns", "D", [1, -1]),
    ],
)
def test_the_printed_curve_is_right_and_moves_as_claimed(
    name: str, concept: str, moves: list[int], found: dict[str, Erratum]
) -> None:
    printed = Printed(found[name].lines)
    (row,) = printed.rows["c_j"]
    curve = printed.curve()
    scale = curve[0][1][0] ** (2 * printed.q) / (
        row[0] ** (2 * printed.q) * printed.ratios[0] ** (2 * curve[0][0])
    )
    for alpha, weights, share in curve:
        # The weights are p e^{alpha M} up to one factor; powers of 2q, so that no root is taken.
        power = 2 * printed.q
        for weight, p, ratio in zip(weights, row, printed.ratios, strict=True):
            assert weight**power == scale * p**power * ratio ** (2 * alpha)
        assert sum(weights[z] for z in printed.of(concept)) / sum(weights) == share
    shares = [share for _, _, share in curve]
    assert [1 if b > a else -1 for a, b in pairwise(shares)] == moves
    assert [alpha for alpha, _, _ in curve] == sorted({alpha for alpha, _, _ in curve})


def test_the_share_falls_where_the_condition_fails(found: dict[str, Erratum]) -> None:
    printed = Printed(found["concept-monotone/necessary"].lines)
    inside = [printed.ratios[z] for z in printed.of("C")]
    outside = [r for z, r in enumerate(printed.ratios) if printed.concepts[z] != "C"]
    assert max(inside) > min(outside)
    (row,) = printed.rows["c_j"]
    shares = []
    for level in sorted(set(printed.ratios)):
        tied = [z for z, ratio in enumerate(printed.ratios) if ratio == level]
        part = sum(row[z] for z in tied if printed.concepts[z] == "C")
        shares.append(part / sum(row[z] for z in tied))
    assert shares == sorted(set(shares), reverse=True)
    text = " ".join(printed.lines)
    assert ", ".join(map(str, shares)) in text


def test_the_target_token_lies_below_the_mean(found: dict[str, Erratum]) -> None:
    each = found["peak-sign/every-eps"]
    printed = Printed(each.lines)
    (row,) = printed.rows["c_j"]
    assert isinstance(each.case, WeightedCase)
    N = int(1 / min(row))  # the smallest entry is 1/N
    assert all((p * N).denominator == 1 for p in row)
    mean = Fraction(1)
    for p, ratio in zip(row, printed.ratios, strict=True):
        mean *= ratio ** int(p * N)
    least = min(printed.ratios[z] for z in printed.of("T"))
    assert least**N < mean
    assert f"log {float(least**N):.4f}" in " ".join(each.lines)
    assert f"log {float(mean):.4f}" in " ".join(each.lines)
    peak = float(re.findall(r"its peak is at alpha = (\S+)", each.lines[-1])[0])
    full = each.case.case()
    z = printed.ratios.index(least)
    assert peak == pytest.approx(float(full.family.peaks()[z]), abs=1e-6)
    assert peak < 0


def test_a_target_token_below_the_mean_of_its_own_context(found: dict[str, Erratum]) -> None:
    printed = Printed(found["peak-sign/any-context"].lines)
    (row,) = printed.rows["c_j"]
    assert row in printed.rows["P"]
    N = int(1 / min(row))
    mean = Fraction(1)
    for p, ratio in zip(row, printed.ratios, strict=True):
        mean *= ratio ** int(p * N)
    assert min(printed.ratios[z] for z in printed.of("T")) ** N < mean


def test_an_off_target_token_loses_what_it_has(found: dict[str, Erratum]) -> None:
    printed = Printed(found["limit/printed-signs"].lines)
    (row,) = printed.rows["c_j"]
    z, loss, wrong = re.findall(
        r"token (\d+), .* -> -p\(z\|c_j\) = -(\S+); printed is -(\S+)", printed.lines[-1]
    )[0]
    z = int(z) - 1
    assert Fraction(loss) == row[z] != Fraction(wrong)
    assert printed.concepts[z] != "T"
    assert printed.ratios[z] < max(printed.ratios)


def test_steering_may_improve_a_model_that_is_not_calibrated(found: dict[str, Erratum]) -> None:
    case = found["ce-linear/always-degrades"].case
    numbers_ = re.findall(
        r"cross-entropy (\S+) at alpha = 0, (\S+) at", found["ce-linear/always-degrades"].lines[-1]
    )[0]
    assert float(numbers_[1]) < float(numbers_[0])
    assert case.dataset.rows[0] != case.dataset.rows[1]


def test_the_norm_forgets_eps_and_never_a_prompt_it_cannot_see(found: dict[str, Erratum]) -> None:
    text = "\n".join(found["norm-limit/eps-of-v"].lines)
    assert "eps = 3; h = (0, 1), v = (1, 1)" in text
    assert "LN_eps(v) = v/sqrt(1 + 3) = (0.5, 0.5)" in text
    x, root = 1000, ((1000**2 + 1001**2) / 2 + 3) ** 0.5
    assert f"({x / root:.6g}, {1001 / root:.6g})".replace("1.00050", "1.0005") in text
    text = "\n".join(found["norm-limit/constant-v"].lines)
    assert "h = (0, 1), v = (1, 1)" in text
    assert "(-1/2, 1/2) for every alpha" in text
    assert "(-1, 1) = LN(h) for every alpha" in text


def test_extrema_are_certified_on_the_whole_line(found: dict[str, Erratum]) -> None:
    for name, count in (("falls-rises-falls", 2), ("one-bump", 3)):
        text = " ".join(found[f"concept-shape/{name}"].lines)
        assert f"exactly {count} extrema" in text
        assert f"{count} turns" in text
    assert "0 extrema" in " ".join(found["concept-monotone/necessary"].lines)


@pytest.mark.parametrize("name", ["sequence-reverse/monotone", "sequence-weights/falls"])
def test_the_printed_prices_of_texts_are_right_and_fall(
    name: str, found: dict[str, Erratum]
) -> None:
    lines = found[name].lines
    rows = [numbers(line.partition(" = ")[2].partition(" after")[0]) for line in lines[:4]]
    P, N, ratios = (numbers(part.rpartition(" = ")[2]) for part in lines[4].split(";"))
    assert [p / n for p, n in zip(P, N, strict=True)] == ratios
    assert all(sum(row) == 1 for row in (*rows, P, N))

    def steered(row: list[Fraction], alpha: int) -> list[Fraction]:
        weights = [p * r**alpha for p, r in zip(row, ratios, strict=True)]
        return [w / sum(weights) for w in weights]

    def price(alpha: int) -> float:
        total = 0.0
        for first, (p, u) in enumerate(zip(rows[0], steered(rows[0], alpha), strict=True)):
            for q, v in zip(rows[1 + first], steered(rows[1 + first], alpha), strict=True):
                after, before = float(u * v), float(p * q)
                square = name.startswith("sequence-weights")
                total += after**2 / before if square else after * math.log(after / before)
        return total

    printed = {int(n): float(v) for v, n in re.findall(r"(\d\S*) at (\d+)", lines[5])}
    assert printed == {n: pytest.approx(price(n), rel=1e-6) for n in printed}
    assert any(after < before - 1e-4 for before, after in pairwise(printed.values()))


# The tables that are searched ------------------------------------------------------------------


@pytest.mark.parametrize(
    "tables", [lambda: small_tables((1, 2, 1), (1, 2)), interleaved_tables], ids=["small", "square"]
)
def test_tables_satisfy_assumption_1_and_differ(tables: Any) -> None:
    seen = set()
    for _, case in zip(range(300), tables(), strict=False):
        assert isinstance(case, ConceptCase)
        assert all(sum(row) == 1 for row in case.dataset.rows)
        data = case.dataset
        for z, own in enumerate(data.token_concept):
            off = {row[z] for row, c in zip(data.rows, data.context_concept, strict=True)
                   if c != own}  # fmt: skip
            assert len(off) == 1
            assert all(data.rows[j][z] > min(off) for j in data.contexts(own))
        seen.add(case)
    assert len(seen) > 280  # a table comes again with all its entries doubled


def test_the_first_table_is_the_smallest_there_is() -> None:
    # Three concepts of one token: b >= 1 each and a gap of at least 1, over 3 + 1.
    first = next(small_tables((1, 1, 1), (1,)))
    assert first.row == (Fraction(1, 2), Fraction(1, 4), Fraction(1, 4))


def test_weighted_and_norm_tables_are_legal() -> None:
    for _, weighted in zip(range(50), weighted_tables(), strict=False):
        assert isinstance(weighted, WeightedCase)
        assert 0 < weighted.epsilon < weighted.bound
    for kind in ("rms", "layer"):
        cases = list(norm_tables(kind))
        assert cases
        assert all(isinstance(case, NormCase) and case.kind == kind for case in cases)


def test_a_reading_that_is_not_refuted_is_no_erratum() -> None:
    erratum = ERRATA[IDS.index("concept-shape/one-bump")]
    without = type(erratum)(
        **{**vars(erratum), "candidates": lambda: iter([next(small_tables((1, 1, 1), (1,)))])}
    )
    with pytest.raises(SteeringError, match="no small counterexample"):
        find(without)


# The command ----------------------------------------------------------------------------------


def test_the_table_fits_into_an_e_mail(found: dict[str, Erratum]) -> None:
    text = table(list(found.values()))
    assert max(map(len, text.splitlines())) <= 100
    assert len(text) < 1000 * len(ERRATA)
    for k, each in enumerate(ERRATA, start=1):
        assert f"\n\n{k}. {each.where}\n   read:    {each.reading}\n" in text
    records = as_records(list(found.values()))
    assert [record["id"] for record in records] == IDS


def test_the_command_prints_it_and_writes_it(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    found: dict[str, Erratum],
) -> None:
    path = tmp_path / "errata.json"
    monkeypatch.setattr(errata, "find", lambda each: found[each.id])
    assert main(["errata", "--json", str(path)]) == 0
    out, err = capsys.readouterr()
    assert out.rstrip() == table(list(found.values()))
    assert err.count("\n") == len(ERRATA)
    data = json.loads(path.read_text())
    assert [entry["id"] for entry in data["errata"]] == IDS
    assert all(entry["counterexample"] and entry["arithmetic"] for entry in data["errata"])
    assert main(["errata", "peak"]) == 2
    assert capsys.readouterr().err == "error: `errata` stands alone; name it without other ids\n"
    assert main(["errata", "--json", str(tmp_path / "no" / "x.json")]) == 2
