"""Mathematics in the report: formulas are set from shared outlines, or show their source."""

from __future__ import annotations

import re

import pytest

from steering_strength.figures.report.formula import Typesetter, mathtext_lines


def test_outlines_are_shared_and_every_use_is_defined():
    typesetter = Typesetter()
    once = typesetter.formula(r"p_{\alpha}(z)")
    known = len(typesetter.glyphs)
    again = typesetter.formula(r"p_{\alpha}(z) = p_{\alpha}(z)")
    assert len(typesetter.glyphs) == known + 1  # only the equals sign is new
    defined = set(re.findall(r'<path id="([^"]+)"', typesetter.definitions()))
    used = set(re.findall(r'href="#([^"]+)"', once + again))
    assert used == defined


def test_a_formula_that_cannot_be_set_shows_its_source():
    html = Typesetter().formula(r"\underbrace{a<b}_{c}")
    assert html == r'<code class="tex">\underbrace{a&lt;b}_{c}</code>'


def test_the_source_is_kept_for_readers_who_cannot_see_the_picture():
    html = Typesetter().formula(r'a < b \text{ "x"}')
    assert 'aria-label="a &lt; b \\text{ &quot;x&quot;}"' in html


@pytest.mark.parametrize(
    ("latex", "lines"),
    [
        (r"\frac{a}{\frac{b}{c}}", [r"\dfrac{a}{\frac{b}{c}}"]),
        (r"x^{\frac{a}{b}}", [r"x^{\frac{a}{b}}"]),
        (r"\log\left(x\right)", [r"\log(x)"]),
        (r"\left(\frac{a}{b}\right)", [r"\left(\dfrac{a}{b}\right)"]),
        (r"\left(a \left(b\right)\right)", ["(a (b))"]),
        (r"\left\{a\right.", [r"\left\{a\right."]),
        (r"\sum_{z}^{V} p", [r"\sum_{z}^{V}\, p"]),
        (r"q \log x", [r"q \,\log x"]),
        (r"a = b \\ \le c", ["a = b", r"\leq c"]),
        (r"$a \implies b$", [r"a \Longrightarrow b"]),
        (r"$\displaystyle a$", ["a"]),
        (r"\tfrac12", [r"\dfrac{1}{2}"]),
        (r"\left(a", [r"\left(a"]),
        (r"\frac{a", [r"\dfrac{a}{}"]),
    ],
)
def test_latex_is_rewritten_into_what_mathtext_knows(latex, lines):
    assert mathtext_lines(latex, display=True) == lines


def test_fractions_stay_small_within_a_line():
    assert mathtext_lines(r"\dfrac{a}{b}") == [r"\frac{a}{b}"]
