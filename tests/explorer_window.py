"""The explorer's cases, computed once, and its page as a person sees it: an open window."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pytest

from steering_strength.figures.explorer import cases as instances
from steering_strength.figures.explorer import page
from steering_strength.figures.explorer.cases import Case
from steering_strength.figures.explorer.curves import curves
from steering_strength.figures.store import Record


@cache
def cases() -> dict[str, Case]:
    return {case.key: case for case in instances.menu()}


@cache
def computed(key: str) -> tuple[Record, ...]:
    return curves(cases()[key])


@cache
def rendered() -> str:
    """The page of all cases."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "curves", lambda case: computed(case.key))
        return page.render(list(cases().values()))


NUMBERS = {"paper": 0, "bumps": 1, "bumps-twice": 2, "tie": 3, "near-tie": 4, "remark-3-4": 5}
NUMBERS["smollm2-joy"] = 6

LOW_CONTRAST = r"""() => {
  const parse = (c) => c.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) =>
    v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (e) => { for (; e; e = e.parentElement) {
    const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length === 3 || c[3] > 0) return c; } return [255, 255, 255]; };
  const out = [];
  for (const e of document.querySelectorAll("main *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || e.closest("[disabled]") || !e.getClientRects().length) continue;
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(ground(e))]
      .sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) out.push([e.outerHTML.slice(0, 80)]);
  }
  return out;
}"""
"""What of a page's text has a contrast below 4.5, as WCAG 2.2 asks for."""


class Window:
    """One open page, and everything it complained about or asked the network for."""

    def __init__(self, browser, address, size, **options):
        self.complaints, self.requests = [], []
        self.page = browser.new_page(viewport=size, **options)
        self.page.set_default_timeout(10_000)
        self.page.on(
            "console",
            lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None,
        )
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(address)
        self.page.wait_for_selector("html[data-ready]")

    def text(self, selector):
        return self.page.inner_text(selector)

    def open(self, key):
        """The instance as it opens; drawn again only if something else is shown."""
        now = [self.page.input_value(select) for select in ("#instance", "#context", "#view")]
        if now != [str(NUMBERS[key]), "0", "0"]:
            self.page.select_option("#instance", str(NUMBERS[key]))
        self.page.click("#zero")
        self.settle()

    def settle(self):
        """Wait until the four pictures are drawn and those before them are gone."""
        self.until("Bokeh.documents.length === 4 && Bokeh.documents.every((d) => d.is_idle)")

    def until(self, expression):
        """Poll: Playwright's own waiting evaluates strings, which the page's policy forbids."""
        for _ in range(800):
            if self.page.evaluate(expression):
                return
            self.page.wait_for_timeout(25)
        raise TimeoutError(expression)

    def index(self):
        return int(self.page.input_value("#alpha"))


def value(text: str) -> tuple[float, float]:
    """(number, half a unit of its last digit) of a number as the page writes it."""
    raised = dict(zip("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789", strict=True))
    match = re.fullmatch(r"([+−]?)(\d+)(?:\.(\d+))?(?:×10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))?", text.strip())
    assert match, text
    sign, whole, decimals, power = match.groups()
    decimals = decimals or ""
    exponent = int("".join(raised[c] for c in power)) if power else 0
    number = float(f"{'-' if sign == '−' else ''}{whole}.{decimals or 0}e{exponent}")
    return number, 0.5 * 10.0 ** (exponent - len(decimals))


def agree(text: str, number: float) -> bool:
    """Whether a text is `number`, rounded to the digits it shows."""
    if np.isinf(number):
        return text == ("+∞" if number > 0 else "−∞")
    shown, half = value(text)
    if text == "0":
        return number == 0
    return abs(shown - number) <= half * (1 + 1e-9)
