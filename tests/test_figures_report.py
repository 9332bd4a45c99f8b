"""The report: what it says, that it loads nothing, and that unknown never looks like passed."""

from __future__ import annotations

import re
from base64 import b64encode
from html import escape
from html.parser import HTMLParser

import pytest

from steering_strength.figures.gallery import FIGURES
from steering_strength.figures.report.content import Tally
from steering_strength.figures.report.markdown import markdown_page
from steering_strength.figures.report.page import html_page
from steering_strength.figures.report.real_model import read_real_model
from steering_strength.figures.report.words import badges, main_status
from steering_strength.theory.errors import OutputError
from steering_strength.theory.laws import CLAIMS, LAWS
from steering_strength.theory.laws.page import record
from tests.report_content import FEW, PNG, SVG, VERDICTS, bridge_result, content, verdict


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
