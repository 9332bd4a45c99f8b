"""The explorer's page in a real browser: what it shows is what the engine says.

Driven through the keyboard and the mouse in a headless Chromium of the system. Skipped only where
there is none; `.ci/run` installs it.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

from steering_strength.figures.explorer.curves import BUDGETS, LEVELS
from steering_strength.theory import TiltedFamily
from tests.explorer_window import LOW_CONTRAST, NUMBERS, Window, agree, cases, computed, rendered

WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 500, "height": 900}


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    path = tmp_path_factory.mktemp("explorer") / "page.html"
    path.write_text(rendered(), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def opened(chromium, address):
    window = Window(chromium, address, WIDE)
    yield window
    window.page.close()


@pytest.fixture
def window(opened):
    opened.page.set_viewport_size(WIDE)
    opened.open("paper")
    return opened


@pytest.mark.parametrize(
    ("text", "number", "same"),
    [
        ("0.1234", 0.12344, True),
        ("0.1234", 0.12346, False),
        ("−1.500", -1.4996, True),
        ("+0.0010", 0.00104, True),
        ("1.234×10⁻⁵", 1.2344e-5, True),
        ("1.234×10⁻⁵", 1.2346e-5, False),
        ("0", 1e-9, False),
        ("+∞", np.inf, True),
    ],
)
def test_numbers_are_compared_to_the_digits_shown(text, number, same):
    assert agree(text, number) == same


def check_values(window, key, context=0, view=0):
    """Everything written at this position of the slider, against the engine."""
    case, record = cases()[key], computed(key)[context]
    family: TiltedFamily = case.family(context)
    alpha = record.views[view].alpha[window.index()]
    assert agree(window.text("#alpha-value"), alpha)

    p = np.exp(family.log_probability(alpha))
    target = case.masks()[case.target]
    F = 1 / (1 + np.exp(-family.concept_log_odds(target, [0.0, alpha])))
    price = family.cross_entropy_increase(alpha)
    quadratic = 0.5 * alpha**2 * family.variance(0.0)
    number = r"([+−]?[\d.]+(?:×10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)?)"
    readout = re.match(
        rf"Target {{.*}}: {number}, unsteered {number}\. "
        rf"Price: {number} nats, by the quadratic {number}\.(?: |$)",
        window.text("#readout"),
    )
    for shown, expected in zip(readout.groups(), (F[1], F[0], price, quadratic), strict=True):
        assert agree(shown, expected), (shown, expected)
    assert agree(window.text("#value-price").removesuffix(" nats"), price)
    assert agree(window.text("#value-concepts").split(" = ")[1], F[1])
    average = window.text("#value-tokens").removeprefix("average M = ")
    mean = float(family.mean(alpha))
    assert agree(average, mean if abs(mean) > 1e-12 * np.abs(case.log_odds).max() else 0.0)

    window.page.evaluate("document.getElementById('values').open = true")
    rows = window.page.eval_on_selector_all(
        "#table tbody tr", "rows => rows.map((r) => [...r.cells].map((c) => c.textContent))"
    )
    increase, peaks = family.probability_increase(alpha), family.peaks()
    heights = np.exp(family.peak_log_probability()) - np.exp(family.log_p)
    ends = np.exp([family.limit(-1), family.limit(1)])
    for z, cells in zip(record.shown, rows, strict=False):
        assert cells[0] == case.tokens[z]
        expected = (case.log_odds[z], np.exp(family.log_p[z]), p[z], increase[z], peaks[z])
        expected += (heights[z], ends[0, z], ends[1, z])
        for shown, number in zip(cells[2:], expected, strict=True):
            # Below half of the fourth decimal a probability that is 0 in exact arithmetic may
            # carry the rounding of one that is not.
            assert agree(shown, number) or abs(number) < 1e-15, (cells, number)
    assert len(rows) == len(record.shown) + (record.views[view].rest.size > 0)


def test_the_slider_moves_by_keyboard_and_every_value_is_the_engine_s(window):
    keyboard = window.page.keyboard
    window.page.focus("#alpha")
    start = window.index()
    check_values(window, "paper")
    for key, expected in (
        ("ArrowRight", start + 1),
        ("ArrowUp", start + 2),
        ("ArrowLeft", start + 1),
        ("Home", 0),
        ("End", computed("paper")[0].views[0].alpha.size - 1),
    ):
        keyboard.press(key)
        assert window.index() == expected
        check_values(window, "paper")
    keyboard.press("PageDown")
    assert window.index() < expected - 1
    check_values(window, "paper")


ALWAYS = ("bumps-twice", "smollm2-joy")  # and the paper's, by keyboard above


@pytest.mark.parametrize(
    "key", [key if key in ALWAYS else pytest.param(key, marks=pytest.mark.long) for key in NUMBERS]
)
def test_every_instance_shows_the_engine_s_values(opened, key):
    window = opened
    window.page.set_viewport_size(WIDE)
    window.open(key)
    record = computed(key)
    assert window.text("#story") == cases()[key].story
    for context, view in dict.fromkeys(
        [(0, 0), (0, len(record[0].views) - 1), (len(record) - 1, 0)]
    ):
        for select, wanted in (("#context", context), ("#view", view)):
            if window.page.input_value(select) != str(wanted):
                window.page.select_option(select, str(wanted))
        window.page.focus("#alpha")
        window.page.keyboard.press("End")
        for _ in range(3):
            window.page.keyboard.press("PageDown")
        check_values(window, key, context, view)
    window.settle()
    assert window.page.locator(".plot canvas").count() >= 4


def test_the_moving_line_stands_where_the_slider_does(window):
    window.page.focus("#alpha")
    window.page.keyboard.press("End")
    window.page.keyboard.press("PageDown")
    found = window.page.evaluate(
        """() => Bokeh.documents.map((d) => d.roots()[0]).map((plot) => plot.center
             .filter((r) => r.type === "Span" && r.level === "overlay").map((r) => r.location))"""
    )
    alpha = computed("paper")[0].views[0].alpha[window.index()]
    assert found == [[], [alpha], [alpha], [alpha]]


def test_buttons_stop_at_landmarks(window):
    context = computed("paper")[0]
    alpha = context.views[0].alpha
    marks = {mark.alpha for mark in context.landmarks}
    found = context.windows
    marks |= {found.level_alpha[LEVELS.index(0.5)], *found.budget_alpha[:, BUDGETS.index(1.0)]}
    for button, sign in (("#next", 1), ("#previous", -1)):
        window.page.click("#zero")
        assert alpha[window.index()] == 0.0
        assert "no steering" in window.text("#readout")
        end = alpha[-1] if sign > 0 else alpha[0]
        stops = sorted(sign * m for m in marks if 0 < sign * m <= sign * end)
        for stop in stops:
            window.page.click(button)
            assert alpha[window.index()] == sign * stop
            assert "Here: " in window.text("#readout")


def test_windows_are_the_engine_s(window):
    for key in ("paper", "smollm2-joy"):
        window.open(key)
        found = computed(key)[0].windows
        for budget, level in ((4, 3), (2, 5), (5, 0), (0, 6)):
            window.page.select_option("#budget", str(budget))
            window.page.select_option("#level", str(level))
            text = window.text("#window")
            low, high = found.level_alpha[level], found.budget_alpha[1, budget]
            numbers = re.findall(r"[\d.]+(?:×10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)?", text.replace("%", ""))
            if low <= high:
                assert text.startswith("α from "), text
                assert agree(numbers[0], low)
                assert agree(numbers[1], high)
            else:
                assert text.startswith("no α does both: "), text
                wanted = (low, found.level_cost[level], high, found.budget_probability[budget])
                shown = (numbers[1], numbers[2], numbers[4], numbers[5])
                assert all(map(agree, shown, wanted)), (text, wanted)


def test_a_click_into_a_curve_moves_the_slider_there(window):
    box = window.page.locator("#plot-concepts").bounding_box()
    window.page.mouse.click(box["x"] + 0.8 * box["width"], box["y"] + 0.4 * box["height"])
    window.until("document.getElementById('alpha-value').textContent !== '0'")
    alpha = computed("paper")[0].views[0].alpha[window.index()]
    # 80 % of the picture, axis included, of the window from -6 to 16.
    assert alpha == pytest.approx(10.5, abs=1.5)
    check_values(window, "paper")


def test_hovering_over_a_bar_gives_its_exact_value(window):
    window.open("bumps")
    box = window.page.locator("#plot-bars").bounding_box()
    window.page.mouse.move(box["x"] + 0.54 * box["width"], box["y"] + 0.55 * box["height"])
    window.until("document.querySelector('.bk-Tooltip') !== null")
    tip = window.page.evaluate("document.querySelector('.bk-Tooltip').shadowRoot.textContent")
    tip = tip[tip.rindex("token ") :]
    fine = np.exp(cases()["bumps"].log_p[0, 4])
    assert re.fullmatch(r"token fine\s*log-odds M 0\s*probability (\S+)\s*unsteered \1\s*", tip)
    shown = re.search(r"probability ([\d.]+?)(?=unsteered|\s)", tip)[1]
    assert len(shown) == len("0.2533100000")
    assert agree(shown, fine)


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["1280x800", "500x900"])
@pytest.mark.parametrize("keys", [ALWAYS, pytest.param(tuple(NUMBERS), marks=pytest.mark.long)])
def test_nothing_sticks_out_and_the_core_fits(opened, size, keys):
    window = opened
    window.page.set_viewport_size(size)
    for key in keys:
        window.open(key)
        measured = window.page.evaluate(
            """() => ({ width: document.documentElement.scrollWidth,
                 bottom: document.querySelector(".panels").getBoundingClientRect().bottom
                   + window.scrollY,
                 out: [...document.querySelectorAll("main *")].filter((e) =>
                   !e.closest(".scroll, .hidden") && e.getBoundingClientRect().right
                   > document.documentElement.clientWidth + 1).map((e) => e.outerHTML) })"""
        )
        assert measured["width"] <= size["width"], key
        assert measured["out"] == [], key
        if size is WIDE:
            assert measured["bottom"] <= size["height"], key


def test_controls_are_labelled_and_show_their_focus(window):
    unnamed = window.page.evaluate(
        """() => [...document.querySelectorAll("input, select, button")].filter((e) =>
             !(e.labels && e.labels.length) && !e.textContent.trim()).map((e) => e.id)"""
    )
    assert unnamed == []
    window.page.focus("#instance")
    window.page.keyboard.press("Tab")
    window.page.keyboard.press("Shift+Tab")
    window.page.keyboard.press("Shift+Tab")
    seen = set()
    for _ in range(14):
        window.page.keyboard.press("Tab")
        state = window.page.evaluate(
            """() => { const e = document.activeElement, s = getComputedStyle(e);
                 return [e.id, s.outlineStyle, parseFloat(s.outlineWidth)]; }"""
        )
        if state[0] in ("instance", "context", "view", "alpha", "zero", "play", "level", "budget"):
            assert state[1] == "solid", state
            assert state[2] >= 2, state
            seen.add(state[0])
    assert {"instance", "context", "view", "alpha", "level", "budget"} <= seen
    assert window.page.get_attribute("#alpha", "aria-valuetext").startswith("alpha ")
    assert window.page.get_attribute("#readout", "aria-live") == "polite"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(chromium, address, scheme):
    window = Window(chromium, f"{address}#paper", WIDE, color_scheme=scheme)
    assert window.complaints == []
    assert window.page.evaluate(LOW_CONTRAST) == []


def test_who_asks_for_less_motion_gets_none(chromium, address):
    window = Window(chromium, f"{address}#tie", NARROW, reduced_motion="reduce")
    assert window.page.input_value("#instance") == str(NUMBERS["tie"])
    assert not window.page.is_visible("#play")
    window.page.emulate_media(reduced_motion="no-preference")
    before = window.index()
    window.page.click("#play")
    window.until(f"Number(document.getElementById('alpha').value) > {before + 1}")
    window.page.click("#play")
    assert window.page.get_attribute("#play", "aria-pressed") == "false"
    assert window.complaints == []
    window.page.close()


def test_at_the_end_no_complaint_no_request_and_no_picture_left_behind(opened):
    opened.open("paper")
    assert opened.complaints == []
    assert all(url.startswith(("file:", "data:")) for url in opened.requests)
    assert sum(url.startswith("file:") for url in opened.requests) == 1
    assert opened.page.evaluate("Bokeh.documents.length") == 4
