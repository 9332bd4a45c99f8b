"""The report: what it says, that it loads nothing, and that unknown never looks like passed."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from functools import cache
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import figures.report.__main__ as command
from figures.gallery import FIGURES, Figure
from figures.report.content import Content, Tally, assemble
from figures.report.markdown import markdown_page
from figures.report.page import html_page
from figures.report.real_model import read_real_model
from figures.report.sheet import Sheet
from figures.report.words import badges, main_status
from proofs_check.verdict import Verdict, as_json
from theory.errors import OutputError
from theory.laws import CLAIMS, LAWS
from theory.laws.page import record

PNG = b"\x89PNG, or what stands for it here"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"/>'


def verdict(name: str, status: str, *, expected: bool = True, **more: object) -> Verdict:
    values = {
        "method": "property",
        "claim": f"claim of {name} with a | bar and a < sign",
        "examples": 12,
        "max_error": 0.25,
        "counterexample": None,
        "seconds": 0.1,
        **more,
    }
    return Verdict(id=name, status=status, expected=expected, **values)  # type: ignore[arg-type]


VERDICTS = (
    verdict("tilting", "passed"),
    verdict("tilting", "certified", method="certified", examples=3, max_error=None),
    verdict("slope", "unknown", note="ran out of <budget>"),
    verdict("sign-separation", "passed"),
    verdict(
        "sign-separation/any-rows", "refuted", expected=False, counterexample="data = f(1 < 2)"
    ),
    verdict("only-checked", "passed"),
)


FEW = ("steering-shift", "tilting", "sign-separation", "slope")


@cache
def derivation(name: str) -> dict[str, Any]:
    return record(LAWS[name])


def content(
    verdicts: Iterable[Verdict] = VERDICTS,
    names: Iterable[str] = FEW,
    claims: Sequence[dict[str, Any]] = (),
    **more: object,
) -> Content:
    return assemble(
        {name: derivation(name) for name in names},
        tuple(verdicts),
        claims,
        seed=3,
        examples=12,
        versions={"python": "3.x"},
        seconds=1.0,
        **more,  # type: ignore[arg-type]
    )


@pytest.fixture(scope="module")
def page() -> str:
    return html_page(content(names=LAWS), dict.fromkeys(FIGURES, SVG))


class _Reader(HTMLParser):
    """Ids, links, loads, and whether every tag that is opened is closed in order."""

    VOID = frozenset({"meta", "img", "br", "path", "use"})

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if values.get("id"):
            self.ids.append(str(values["id"]))
        if tag == "a":
            self.links.append(str(values["href"]))
        for name in ("src", "srcset", "data", "poster"):
            if name in values:
                self.loads.append(str(values[name]))
        if tag in ("link", "iframe", "object", "embed", "base"):
            raise AssertionError(f"<{tag}> in the report")
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            raise AssertionError(f"<{tag}/> is not closed by browsers")
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def read(page: str) -> _Reader:
    reader = _Reader()
    reader.feed(page)
    assert reader.stack == []
    return reader


def test_every_statement_has_its_section_title_source_and_steps(page, read):
    for name, law in LAWS.items():
        assert name in read.ids
        section = re.search(
            rf'<details class="statement" id="{name}">.*?(?=<details class="statement"|<h2)',
            page,
            re.S,
        )
        assert section, name
        text = section.group()
        assert "<svg" in text
        assert escape(law.source) in text
        assert f"Derivation, {len(law.steps)} step" in text
        derived = text[text.index('<ol class="steps">') : text.index("</ol>")]
        badges_of_steps = re.findall(r'<span class="badge (\w+)">\1</span>', derived)
        assert badges_of_steps == [str(status) for status in law.prove()]
    assert "only-checked" in read.ids


def test_nothing_is_loaded_from_anywhere(page, read):
    assert read.loads
    assert all(load.startswith("data:image/") for load in read.loads)
    assert "url(" not in page
    assert "@import" not in page
    assert not re.search(r"<script[^>]+src", page)
    for link in read.links:
        assert link.startswith("#") or re.fullmatch(r"[\w./-]+\.(json|md|pdf|png|svg|npz)", link)


def test_every_link_within_the_page_arrives_and_ids_are_unique(page, read):
    assert len(read.ids) == len(set(read.ids))
    targets = {link[1:] for link in read.links if link.startswith("#")}
    glyphs = set(re.findall(r'<use href="#([^"]+)"', page))
    assert targets | glyphs <= set(read.ids)


def test_every_figure_is_shown_once_with_its_files(page):
    for name in FIGURES:
        assert page.count(f'<figure id="figure-{name}"') == 1
        for kind in ("pdf", "png", "svg", "npz"):
            assert f'href="{name}.{kind}"' in page


def test_user_text_is_escaped(page):
    assert "ran out of &lt;budget&gt;" in page
    assert "data = f(1 &lt; 2)" in page


def test_unknown_never_looks_like_passed(page):
    found = content()
    assert found.unknown == ("slope",)
    (slope,) = (s for s in found.statements if s.id == "slope")
    kinds = [kind for kind, _ in badges(slope)]
    assert "unknown" in kinds
    assert "passed" not in kinds
    row = re.search(r'<tr><td><a class="mono" href="#slope">.*?</tr>', page, re.S)
    assert row
    assert 'badge unknown">unknown' in row.group()
    assert 'badge passed">passed' not in row.group()


@pytest.mark.parametrize(
    ("case", "kind"),
    [
        (verdict("x", "passed"), "passed"),
        (verdict("x", "certified"), "certified"),
        (verdict("x", "unknown"), "unknown"),
        (verdict("x", "refuted"), "wrong"),
        (verdict("x/y", "refuted", expected=False), "refuted"),
        (verdict("x/y", "unknown", expected=False), "unknown"),
        (verdict("x/y", "passed", expected=False), "unknown"),
    ],
)
def test_a_verdict_looks_like_what_it_means(case, kind):
    assert main_status(case)[0] == kind


def test_what_should_not_be_is_counted_and_shown():
    bad = (*VERDICTS, verdict("tilting", "refuted", counterexample="peak = 3"))
    found = content(bad)
    assert [v.id for v in found.wrong] == ["tilting"]
    html = html_page(found, dict.fromkeys(FIGURES, SVG))
    assert 'badge wrong">REFUTED' in html
    assert "true statements REFUTED" in html
    missed = content(
        (*VERDICTS[:-2], verdict("sign-separation/any-rows", "passed", expected=False))
    )
    assert [v.id for v in missed.wrong] == ["sign-separation/any-rows"]
    html = html_page(missed, dict.fromkeys(FIGURES, SVG))
    assert "a false reading was not refuted" in html
    assert "searches that did not find a known counterexample" in html
    assert 'badge unknown">not refuted' in html


def test_readings_belong_to_their_statement_and_are_listed_as_refuted(page):
    (owner,) = (s for s in content().statements if s.id == "sign-separation")
    assert [v.id for v in owner.readings] == ["sign-separation/any-rows"]
    assert [v.id for v in owner.verdicts] == ["sign-separation"]
    chapter = page[page.index('id="refuted"') : page.index('id="family-')]
    assert 'badge refuted">refuted' in chapter
    assert 'href="#sign-separation"' in chapter


def test_false_readings_with_a_derivation_are_listed_with_it():
    claims = tuple(record(claim) for claim in CLAIMS.values())
    found = content(claims=claims, names=(*FEW, "limit"))
    owners = {c["id"]: s.id for s in found.statements for c in s.claims}
    assert owners["sign-separation/outside-negative"] == "sign-separation"
    assert owners["limit/uniform-share"] == "limit"
    html = html_page(found, dict.fromkeys(FIGURES, SVG))
    assert html.count("refuted by derivation") == len(owners)
    assert "Refutation, 1 step" in html
    assert f"{len(owners)} by derivation, 1 by search" in html
    undecided = {**claims[0], "status": "unknown"}
    page = html_page(content(claims=(undecided,)), dict.fromkeys(FIGURES, SVG))
    assert "refuted by derivation" not in page
    assert "In truth: " in markdown_page(found)


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


def test_the_table_says_by_which_method_and_on_what(page):
    row = re.search(r'<tr><td><a class="mono" href="#tilting">.*?</tr>', page, re.S)
    assert row
    cells = re.findall(r"<td[^>]*>(.*?)</td>", row.group(), re.S)
    proved, certified, passed = (re.sub(r"<[^>]+>", "", cell) for cell in cells[1:4])
    assert proved == f"proved {len(LAWS['tilting'].steps)}"
    assert certified == "certified 3"
    assert passed == "passed 12, error 0.2"
    unchecked = re.search(r'<tr><td><a class="mono" href="#peak">.*?</tr>', page, re.S)
    assert unchecked
    assert unchecked.group().count('class="none"') == 2


def test_the_table_has_a_column_for_a_real_model(tmp_path, page):
    assert 'data-on="Small"' not in page
    bridge_result(tmp_path / "bridge")
    found = content(names=(*FEW, "final-norm"), real_model=read_real_model(tmp_path / "bridge"))
    html = html_page(found, dict.fromkeys(FIGURES, SVG))
    assert "<th>on Small</th>" in html
    row = re.search(r'<tr><td><a class="mono" href="#final-norm">.*?</tr>', html, re.S)
    assert row
    assert re.search(r'data-on="Small"><span class="badge passed">', row.group())


def test_statements_fold_and_say_how_to_repeat_them(page):
    assert page.count('<details class="statement"') >= len(LAWS) + 1
    assert "python -m theory derive tilting\npython -m proofs_check tilting --examples 12" in page
    assert "details::details-content { content-visibility: visible" in page  # on paper


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


def test_a_true_claim_close_to_a_statement_is_no_false_reading():
    found = content((*VERDICTS, verdict("tilting/composition", "passed")))
    (tilting,) = (s for s in found.statements if s.id == "tilting")
    assert "tilting/composition" in [v.id for v in tilting.verdicts]
    assert tilting.readings == ()


def test_tally_refuses_a_status_it_does_not_know():
    assert Tally.of(["proved", "assumed", "proved"]) == Tally(2, 1, 0)
    with pytest.raises(ValueError, match="go beyond"):
        Tally.of(["proved", "maybe"])


def test_markdown_has_the_same_statements_and_even_tables():
    text = markdown_page(content(names=LAWS))
    for name, law in LAWS.items():
        assert f"### `{name}`: {law.title}" in text
        assert law.statement.text() in text
    assert "### `only-checked`" in text
    assert "**unknown**" in text
    for block in re.findall(r"(?:^\|.*\n)+", text, re.M):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(widths) == 1, block
    assert "http://" not in text
    assert "https://" not in text


def bridge_result(folder: Path) -> None:
    found = verdict("final-norm", "passed", method="real-model", note="worst at alpha = 8")
    data = as_json([found], seed=0, examples=1)
    data |= {
        "model": {"name": "Small", "blocks": 2, "width": 8, "vocabulary": 1000, "dtype": "float64"},
        "concept": {"name": "joy"},
        "measured": {
            "max_error_nats": 3e-15,
            "total_variation_at_the_ends": 0.5,
            "alpha_max": 8.0,
        },
    }
    folder.mkdir()
    (folder / "final_norm.json").write_text(json.dumps(data))
    (folder / "final_norm.png").write_bytes(PNG)


def test_the_real_model_is_shown_if_the_bridge_was_run(tmp_path, page):
    assert read_real_model(tmp_path / "bridge") is None
    assert "<code>make bridge</code>" in page
    bridge_result(tmp_path / "bridge")
    found = content(real_model=read_real_model(tmp_path / "bridge"))
    html = html_page(found, dict.fromkeys(FIGURES, SVG))
    assert "differ by at most 3.0e-15 nats, while steering moves 50%" in html
    assert f"data:image/png;base64,{b64encode(PNG).decode()}" in html
    assert "worst at alpha = 8" in html
    assert "<b>1 of 1</b><span>statements found to hold on Small</span>" in html
    assert "**passed**" in markdown_page(found)


def test_a_broken_result_of_the_bridge_is_named(tmp_path):
    (tmp_path / "final_norm.json").write_text('{"results": [{}]}')
    with pytest.raises(OutputError, match=r"final_norm\.json is no result of the bridge"):
        read_real_model(tmp_path)


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
