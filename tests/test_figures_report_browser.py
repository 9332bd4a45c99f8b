"""The report in a real browser: it fits a telephone, and can be read by day and by night."""

from __future__ import annotations

import pytest

from tests.explorer_window import LOW_CONTRAST
from tests.report_content import content, page_of


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(page_of(content()), encoding="utf-8")
    return path.as_uri()


@pytest.mark.parametrize(
    ("scheme", "width"),
    [("dark", 420), ("light", 1280), pytest.param("light", 420, marks=pytest.mark.long),
     pytest.param("dark", 1280, marks=pytest.mark.long)],
)  # fmt: skip
def test_everything_unfolded_can_be_read_without_scrolling_sideways(
    chromium, address, scheme, width
):
    page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(address)
    page.click("#toggle")
    assert page.evaluate("document.querySelectorAll('details:not([open])').length") == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(LOW_CONTRAST) == []
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    # Pictures are drawn for white.
    assert page.evaluate("getComputedStyle(document.querySelector('img')).backgroundColor") == (
        "rgb(255, 255, 255)"
    )
    page.close()
