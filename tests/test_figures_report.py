"""The report: every statement is there, what is unknown never looks like success, nothing loads."""

from __future__ import annotations

import re
from base64 import b64encode
from html import escape
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from steering_strength.figures.gallery import FIGURES
from steering_strength.figures.report.content import assemble, read_real_model, tally
from steering_strength.figures.report.formula import Typesetter
from steering_strength.figures.report.html import Renderer
from steering_strength.figures.report.markdown import badges, main_status, report
from steering_strength.figures.report.words import plain, words
from steering_strength.theory.errors import OutputError
from steering_strength.theory.laws import CLAIMS, LAWS
from tests.report_content import (
    FEW,
    PNG,
    VERDICTS,
    bridge_result,
    content,
    derivation,
    page_of,
    verdict,
)

RENDERER = Renderer(Typesetter())
VOID = {"meta", "img", "br", "hr", "link", "use", "path"}


class _Reader(HTMLParser):
    """Ids, links and loads of a page; every element must be closed where it was opened."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.stack: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        if tag not in VOID:
            self.stack.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif tag == "a" and name == "href":
                self.links.append(value or "")
            elif name in ("src", "srcset", "data", "poster"):
                self.loads.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.stack.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag


# Formulas of every kind; to set those of all laws takes a quarter of a minute.
SAMPLE = (*FEW, "peak", "concept-tanh", "ce-exact")


@pytest.fixture(
    scope="module", params=[SAMPLE, pytest.param(tuple(LAWS), marks=pytest.mark.long)],
    ids=["sample", "all laws"],
)  # fmt: skip
def names(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return request.param


@pytest.fixture(scope="module")
def page(names: tuple[str, ...]) -> str:
    return page_of(content(names=names))


@pytest.fixture(scope="module")
def read(page: str) -> _Reader:
    reader = _Reader()
    reader.feed(page)
    assert reader.stack == []
    return reader


def section_of(page: str, name: str) -> str:
    found = re.search(
        rf'<details class="statement" id="{name}">.*?(?=<details class="statement"|<h2)', page, re.S
    )
    assert found, name
    return found.group()


def row_of(page: str, name: str) -> list[str]:
    """The cells of a statement in the table on top, without markup."""
    found = re.search(rf'<tr>\s*<td[^>]*><a href="#{name}"><code>.*?</tr>', page, re.S)
    assert found, name
    cells = re.findall(r"<td[^>]*>(.*?)</td>", found.group(), re.S)
    return [re.sub(r"<[^>]+>", "", cell.replace("<br>", " ")) for cell in cells]


def test_every_statement_has_its_section_title_source_and_steps(page, read, names):
    for name in names:
        law = LAWS[name]
        section = section_of(page, name)
        assert "<svg" in section
        assert escape(law.source, quote=False) in re.sub("</?a[^>]*>", "", section)
        derived = section[section.index("<ol>") : section.index("</ol>")]
        badges_of_steps = re.findall(r'<p><strong class="badge [a-z]+">([^<]+)</strong>', derived)
        assert badges_of_steps == [step["status"] for step in derivation(name)["steps"]]
    assert "only-checked" in read.ids


def test_nothing_is_loaded_from_anywhere(page, read):
    assert read.loads
    assert all(load.startswith("data:image/") for load in read.loads)
    assert "url(" not in page
    assert "@import" not in page
    for link in read.links:
        assert re.match(
            r"#|https://arxiv\.org/abs/|[\w./-]+\.(json|md|pdf|png|svg|npz|v)$", link
        ), link


def _left_out(names: tuple[str, ...]) -> set[str]:
    """Figures of laws that are not on the page: a figure is shown at the first of its laws."""
    return {
        name for name, figure in FIGURES.items()
        if name != "overview" and figure.laws and figure.laws[0] not in names
    }  # fmt: skip


def test_every_link_within_the_page_arrives_and_ids_are_unique(page, read, names):
    assert len(read.ids) == len(set(read.ids))
    targets = {link[1:] for link in read.links if link.startswith("#")}
    glyphs = set(re.findall(r'<use href="#([^"]+)"', page))
    absent = set(LAWS).difference(names) | {f"figure-{name}" for name in _left_out(names)}
    assert targets | glyphs <= set(read.ids) | absent


def test_every_figure_is_shown_once_with_its_files(page, names):
    for name in FIGURES:
        shown = name not in _left_out(names)
        assert page.count(f'<figure id="figure-{name}"') == shown
        for kind in ("pdf", "png", "svg", "npz"):
            assert (f'href="{name}.{kind}"' in page) == shown


HOSTILE = (
    "ran out of <budget> & *time*",
    "<script>alert(1)</script>",
    "</details><b>",
    "a_b_c and $x^2$ or $$ or \\alpha",
    "[a](javascript:alert(1)) ![x](y.png) `code` ``` ~~~",
    "| bar | bar |\n# heading\n- item\n    code\n1. one",
    "中文 \u202e 😀",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_others_is_shown_as_it_is(text):
    html = Renderer(Typesetter()).html(f"before {plain(text)}")
    reader = HTMLParser()
    shown: list[str] = []
    reader.handle_data = shown.append  # type: ignore[method-assign]
    reader.feed(html)
    assert "".join(shown).strip() == "before " + text.replace("\n", " ")
    assert html.startswith("<p>before ")
    assert re.findall(r"<\w+", html) == ["<p"]


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30))
@example("1. a")
@example("a\\")
@example("&amp;")
def test_any_text_is_shown_as_it_is(text):
    reader = HTMLParser()
    shown: list[str] = []
    reader.handle_data = shown.append  # type: ignore[method-assign]
    reader.feed(RENDERER.html(f"**x** {plain(text)}"))
    printed = re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", text)
    assert "".join(shown).split() == f"x {printed}".split()


def test_notes_claims_and_counterexamples_cannot_break_the_page():
    bad = [
        verdict("tilting", "unknown", note=text, claim=text, counterexample=f"{text}\n````\nx")
        for text in HOSTILE
    ]
    reader = _Reader()
    html = page_of(content((*VERDICTS, *bad)))
    reader.feed(html)
    assert reader.stack == []
    assert "<script>alert" not in html
    assert "javascript:" not in " ".join(reader.links)


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("p(z|c_j) > 0", "p(z|c<sub>j</sub>) &gt; 0"),
        ("α_(j,z) and a_{j,z}", "α<sub>j,z</sub> and a<sub>j,z</sub>"),
        ("p_alpha(z) = e^{alpha M(z)}", "p<sub>α</sub>(z) = e<sup>α M(z)</sup>"),
        ("max_C M <= min_{C^c} M", "max<sub>C</sub> M ≤ min<sub>C<sup>c</sup></sub> M"),
        ("2^-40, as α → -∞; 1 - P_A", "2<sup>−40</sup>, as α → −∞; 1 − P<sub>A</sub>"),
        ("from_gaps is a well-known name", "from_gaps is a well-known name"),
        ("`slope`", '<a href="#slope"><code>slope</code></a>'),
        ("`other_thing`", "<code>other_thing</code>"),
    ],
)
def test_prose_gets_its_indices_and_links(text, html):
    assert Renderer(Typesetter()).html(words(text)) == f"<p>{html}</p>\n"


def test_prose_with_dollars_is_set_as_mathematics():
    html = Renderer(Typesetter()).html(words("the slope $K_j'(\\alpha) < 0$ and p_alpha"))
    assert r'(\alpha) &lt; 0"' in html
    assert "and p_alpha" in html  # beside mathematics, text is text


def test_a_piece_elsewhere_has_addresses_of_its_own():
    pages = {"#slope": "a.html#slope", "fig3.png": "f/fig3.svg"}
    at = {"link": lambda at: pages.get(at, at), "picture": lambda at: pages.get(at, at)}
    setter = Renderer(Typesetter(), **at, names={"theory.f": "api.html#f"})
    html = setter.html(words("by `slope`, `tilting` and `theory.f`") + " ![x](fig3.png)")
    assert 'href="a.html#slope"' in html
    assert 'href="#tilting"' in html
    assert '<a href="api.html#f"><code>theory.f</code></a>' in html
    assert 'src="f/fig3.svg"' in html


def test_unknown_never_looks_like_passed(page):
    found = content()
    assert found.unknown == ("slope",)
    (slope,) = (s for s in found.statements if s.id == "slope")
    assert "**unknown**" in badges(slope)
    assert "**passed**" not in badges(slope)
    assert row_of(page, "slope")[3].startswith("unknown")


@pytest.mark.parametrize(
    ("case", "word"),
    [
        (verdict("x", "passed"), "passed"),
        (verdict("x", "certified"), "certified"),
        (verdict("x", "unknown"), "unknown"),
        (verdict("x", "refuted"), "REFUTED"),
        (verdict("x/y", "refuted", expected=False), "refuted"),
        (verdict("x/y", "unknown", expected=False), "not refuted"),
        (verdict("x/y", "passed", expected=False), "not refuted"),
    ],
)
def test_a_verdict_says_what_it_means(case, word):
    assert main_status(case) == word
    kind = {"REFUTED": "wrong", "not refuted": "unknown"}.get(word, word)
    html = Renderer(Typesetter()).html(f"**{word}**")
    assert html == f'<p><strong class="badge {kind}">{word}</strong></p>\n'


def test_what_should_not_be_is_counted_and_shown():
    found = content((*VERDICTS, verdict("tilting", "refuted", counterexample="peak = 3")))
    assert [v.id for v in found.wrong] == ["tilting"]
    html = page_of(found)
    assert 'badge wrong">REFUTED' in section_of(html, "tilting")
    assert "peak = 3" in section_of(html, "tilting")
    missed = content(
        (*VERDICTS[:-2], verdict("sign-separation/any-rows", "passed", expected=False))
    )
    assert [v.id for v in missed.wrong] == ["sign-separation/any-rows"]
    assert 'badge unknown">not refuted' in page_of(missed)


def test_false_readings_belong_to_their_statement_and_have_their_refutation():
    claims = tuple(map(derivation, CLAIMS))
    found = content(claims=claims, names=(*FEW, "limit"))
    owners = {r.id: s.id for s in found.statements for r in s.readings if r.law}
    assert owners["sign-separation/outside-negative"] == "sign-separation"
    assert owners["limit/uniform-share"] == "limit"
    html = page_of(found)
    assert html.count("refuted by derivation</strong>") == len(owners)
    for reading in found.readings:
        section = section_of(html, reading.anchor)
        assert f'<a href="#{reading.id.partition("/")[0]}">' in section
        assert ("In truth:" in section) == (reading.law is not None)
    undecided = {**claims[0], "status": "unknown"}
    assert "refuted by derivation" not in page_of(content(claims=(undecided,)))


def test_a_reading_refuted_twice_is_one_reading():
    claims = (derivation("limit/uniform-share"),)
    verdicts = (
        verdict("limit/uniform-share", "refuted", expected=False, method="symbolic"),
        verdict("limit/uniform-share", "refuted", expected=False, counterexample="x = 1"),
    )
    found = content(verdicts, claims=claims, names=(*FEW, "limit"))
    (reading,) = found.readings
    # The verdict on the derivation says no more than the derivation, which is shown.
    assert [v.method for v in reading.searched] == ["property"]
    assert reading.disproved
    html = page_of(found)
    assert html.count('id="reading-limit-uniform-share"') == 1
    assert 'href="#reading-limit-uniform-share"' in html


def test_a_reading_that_only_a_search_refutes_has_no_derivation():
    (reading,) = content().readings
    assert reading.id == "sign-separation/any-rows"
    assert reading.law is None
    assert not reading.disproved


def test_the_table_says_by_which_method_and_on_what(page):
    title, proved, certified, passed, figures = row_of(page, "tilting")
    assert LAWS["tilting"].title in title
    assert proved == f"proved {len(LAWS['tilting'].steps)}"
    assert certified == "certified 3"
    assert passed == "passed 12, error 0.2"
    assert figures == "overview, fig3"
    assert row_of(page, "peak")[2:4] == ["–", "–"]


def test_formal_proofs_and_a_real_model_have_columns_where_they_exist(tmp_path, page):
    assert 'data-column="on Small"' not in page
    assert "formal proof" not in page
    bridge_result(tmp_path / "bridge")
    formal = (
        verdict("tilting", "formal", method="formal", max_error=None),
        verdict("slope", "unchecked", method="formal", max_error=None),
    )
    found = content(
        (*VERDICTS, *formal),
        names=(*FEW, "final-norm"),
        real_model=read_real_model(tmp_path / "bridge"),
    )
    html = page_of(found)
    assert row_of(html, "tilting")[2] == "formal 12"
    assert row_of(html, "slope")[2] == "unchecked 12"
    assert 'class="badge formal">formal' in section_of(html, "tilting")
    assert 'class="badge unknown">unchecked' in section_of(html, "slope")
    assert row_of(html, "final-norm")[5].startswith("passed")


def test_statements_fold_and_say_how_to_repeat_them(page, names):
    assert page.count('<details class="statement"') >= len(names) + 1
    assert "python -m theory derive tilting\npython -m proofs_check tilting --examples 12" in page
    assert "details::details-content { content-visibility: visible" in page  # on paper


def test_a_true_claim_close_to_a_statement_is_no_false_reading():
    found = content((*VERDICTS, verdict("tilting/composition", "passed")))
    (tilting,) = (s for s in found.statements if s.id == "tilting")
    assert "tilting/composition" in [v.id for v in tilting.verdicts]
    assert tilting.readings == ()


def test_words_inside_formulas_are_prose_and_conditions_are_set():
    law = dict(derivation("slope"))
    law["claim"] = [
        {"latex": r"f(\alpha) \text{ rises, where } x_z > 0 \text{, up to } 1", "given_latex": []}
    ]
    step = {
        **law["steps"][0],
        "latex": "",
        "words": r"g_z \text{ is convex}",
        "status": "proved with rules",
        "given_latex": [r"\left[a \text{ for all } y\right] \iff b", "R > 0"],
        "form_latex": r"\frac{a}{b}",
    }
    law |= {"steps": [step], "status": "proved with rules"}
    found = assemble({"slope": law}, (), seed=0, examples=1, versions={}, seconds=0.0)
    section = section_of(page_of(found), "slope")
    text = re.sub(
        r'<span class="math" role="img" aria-label="([^"]*)">.*?</svg></span>', r"$\1$", section
    )
    assert r"<p>$f(\alpha)$ rises, where $x_z &gt; 0$, up to $1$</p>" in text
    assert "<p>$g_z$ is convex</p>" in text
    assert 'class="badge proved">proved with rules' in section
    assert r"difference $\frac{a}{b}$" in text
    assert "given $[a$ for all $y] \\iff b$; $R &gt; 0$" in text


def test_tally_refuses_a_status_it_does_not_know():
    assert tally(["proved", "proved with rules", "proved"]) == {"proved": 2, "proved with rules": 1}
    with pytest.raises(ValueError, match="maybe"):
        tally(["proved", "maybe"])


def test_every_formula_of_a_law_is_set_and_fits_the_column(page, names):
    assert '<code class="tex">' not in page
    formulas = re.findall(
        r'<span class="math[^"]*" role="img" aria-label="([^"]*)">(.*?)</svg></span>', page, re.S
    )
    assert len(formulas) > sum(len(LAWS[name].steps) for name in names)
    for latex, shown in formulas:
        # About 45 em fit into the report's column; wider ones scroll, but none should.
        assert max(float(w) for w in re.findall(r"width:([\d.]+)em", shown)) < 45, latex


def test_tables_of_the_markdown_are_even(names):
    text = report(content(names=names))
    for block in re.findall(r"(?:^\|.*\n)+", text, re.M):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(widths) == 1, block


def test_the_real_model_is_shown_if_the_bridge_was_run(tmp_path, page):
    assert read_real_model(tmp_path / "bridge") is None
    assert "<code>make bridge</code>" in page
    bridge_result(tmp_path / "bridge")
    html = page_of(content(real_model=read_real_model(tmp_path / "bridge")))
    assert "differ by at most 3.0e-15 nats" in html
    assert f"data:image/png;base64,{b64encode(PNG).decode()}" in html
    assert "worst at alpha = 8" in html


def test_a_broken_result_of_the_bridge_is_named(tmp_path):
    (tmp_path / "final_norm.json").write_text('{"results": [{}]}')
    with pytest.raises(OutputError, match=r"final_norm\.json is no result of the bridge"):
        read_real_model(tmp_path)
