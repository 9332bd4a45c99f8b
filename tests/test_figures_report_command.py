"""``python -m figures.report``, and what pages elsewhere make of its pieces."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import steering_strength.figures.report.__main__ as command
from steering_strength.figures.gallery import FIGURES, Figure
from steering_strength.figures.report.markdown import markdown_page
from steering_strength.figures.report.page import html_page
from steering_strength.figures.report.sheet import Sheet
from steering_strength.theory.laws import CLAIMS, LAWS
from steering_strength.theory.laws.page import record
from tests.report_content import FEW, SVG, VERDICTS, content, verdict


def test_a_reading_refuted_twice_is_one_reading():
    claims = (record(CLAIMS["limit/uniform-share"]),)
    verdicts = (
        verdict("limit/uniform-share", "refuted", expected=False, method="symbolic"),
        verdict("limit/uniform-share", "refuted", expected=False, counterexample="x = 1"),
    )
    found = content(verdicts, claims=claims, names=(*FEW, "limit"))
    (reading,) = found.false_readings
    # The verdict on the derivation says no more than the derivation, which is shown.
    assert [v.method for v in reading.verdicts] == ["property"]
    assert reading.disproved
    html = html_page(found, dict.fromkeys(FIGURES, SVG))
    assert "<b>1 of 1</b><span>false readings refuted: 1 by derivation, 1 by search" in html
    assert html.count('id="reading-limit-uniform-share"') == 1
    assert 'href="#reading-limit-uniform-share"' in html
    assert markdown_page(found).count("**refuted by derivation, refuted by search**") == 1


def test_a_reading_that_only_a_search_refutes_has_no_derivation():
    (reading,) = content().false_readings
    assert reading.id == "sign-separation/any-rows"
    assert reading.law is None
    assert not reading.disproved


def test_a_page_elsewhere_links_statements_and_figures_where_they_are():
    found = content(names=(*FEW, "peak"))
    sheet = Sheet(
        found, {}, pages={"slope": "a.html", "peak": "b.html", "overview": "i.html"}, files="f/"
    )
    assert 'href="a.html#slope"' in sheet.link("slope")
    assert 'href="#tilting"' in sheet.link("tilting")
    assert 'href="a.html#slope"' in sheet.prose("by `slope`")
    assert 'href="b.html#figure-fig3"' in sheet.figure_link("fig3")
    assert 'href="i.html#figure-overview"' in sheet.figure_link("overview")
    shown = sheet.figure(FIGURES["fig3"])
    assert 'src="f/fig3.svg"' in shown
    assert 'href="f/fig3.npz"' in shown


# -- the command ---------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    few = {name: LAWS[name] for name in ("steering-shift", "tilting", "slope")}
    monkeypatch.setattr(command, "LAWS", few)
    monkeypatch.setattr(command, "CLAIMS", {"limit/uniform-share": CLAIMS["limit/uniform-share"]})
    monkeypatch.setattr(command, "_check", lambda examples, seed: VERDICTS[:3])


@pytest.mark.usefixtures("quick")
def test_the_command_writes_everything_into_one_folder(tmp_path, capsys):
    assert command.main(["--out", str(tmp_path / "out"), "--examples", "12", "--seed", "3"]) == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    pictures = {f"{name}.{kind}" for name in FIGURES for kind in ("pdf", "png", "svg", "npz")}
    assert names == pictures | {"report.html", "report.md", "derivations.json", "checks.json"}
    out = capsys.readouterr().out
    assert [f"[{k}/4]" in out for k in (1, 3, 4)] == [True] * 3
    checks = json.loads((tmp_path / "out" / "checks.json").read_text(encoding="utf-8"))
    assert checks["seed"] == 3
    assert checks["examples"] == 12
    assert [entry["status"] for entry in checks["results"]] == ["passed", "certified", "unknown"]
    derivations = json.loads((tmp_path / "out" / "derivations.json").read_text(encoding="utf-8"))
    assert set(derivations) == {"steering-shift", "tilting", "slope", "limit/uniform-share"}
    assert derivations["tilting"]["status"] == "proved"
    html = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "--examples 12 --seed 3" in html


@pytest.mark.usefixtures("quick")
def test_the_command_fails_if_a_true_statement_is_refuted(tmp_path, capsys, monkeypatch):
    bad = (verdict("tilting", "refuted", counterexample="x = 1"),)
    monkeypatch.setattr(command, "_check", lambda examples, seed: bad)

    def write(figure: Figure, folder: Path, formats: object) -> None:
        (folder / f"{figure.name}.svg").write_bytes(SVG)

    monkeypatch.setattr(Figure, "write", write)
    assert command.main(["--out", str(tmp_path)]) == 1
    assert "not as it should be: tilting (property) is refuted" in capsys.readouterr().out
    assert (tmp_path / "report.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--examples", "0"], "argument --examples: '0' is not a whole number of at least 1"),
        (["--seed", "-1"], "argument --seed: '-1' is not a whole number of at least 0"),
        (["--examples", "many"], "'many' is not a whole number of at least 1"),
        (["--what"], "unrecognized arguments: --what"),
    ],
)
def test_bad_arguments_are_one_line_and_exit_2(capsys, arguments, message):
    with pytest.raises(SystemExit) as stop:
        command.main(arguments)
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.usefixtures("quick")
def test_a_folder_that_cannot_be_written_is_one_line_and_exit_2(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    assert command.main(["--out", str(tmp_path / "file")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: cannot write to")
    assert error.count("\n") == 1
    assert (tmp_path / "file").read_text() == "mine"
