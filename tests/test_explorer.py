"""The explorer's records, page and command line, without a browser.

What the page holds is decoded again and compared with the engine at single strengths, and with a
plain softmax; what its texts claim is checked on the records.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser

import numpy as np
import pytest

from steering_strength.figures.explorer import cases as instances
from steering_strength.figures.explorer.cases import View
from steering_strength.figures.explorer.curves import (
    BUDGETS,
    LEVELS,
    SHOWN,
    grid,
    nodes,
    turning_points,
    views,
)
from steering_strength.figures.explorer.page import COLOURS, render, to_json
from steering_strength.figures.instances import paper_example
from steering_strength.theory import LAWS, TiltedFamily
from tests.explorer_window import cases, computed, rendered

KEYS = ("paper", "bumps", "bumps-twice", "tie", "near-tie", "remark-3-4", "smollm2-joy")


def test_the_menu_opens_on_the_paper():
    assert tuple(cases()) == KEYS


def decoded(node):
    if isinstance(node, list):
        return [decoded(entry) for entry in node]
    if isinstance(node, dict) and "f64" in node:
        return np.frombuffer(base64.b64decode(node["f64"]), "<f8").reshape(node["shape"])
    if isinstance(node, dict):
        return {key: decoded(value) for key, value in node.items()}
    return node


@cache
def record() -> dict:
    (text,) = re.findall(
        r'<script type="application/json" id="data">(.*?)</script>', rendered(), re.S
    )
    return decoded(json.loads(text))


@pytest.mark.parametrize("number", range(len(KEYS)))
def test_what_the_page_holds_is_what_the_engine_says(number):
    entry, case = record()["cases"][number], cases()[KEYS[number]]
    masks = case.masks()
    for j, context in enumerate(entry["contexts"]):
        family = case.family(j)
        shown = [case.tokens.index(token) for token in context["tokens"]]
        np.testing.assert_array_equal(context["peak"], family.peaks()[shown])
        np.testing.assert_array_equal(
            context["limit"], np.exp([family.limit(-1)[shown], family.limit(1)[shown]])
        )
        for view in context["views"]:
            for i in (0, len(view["alpha"]) // 3, len(view["alpha"]) - 2):
                alpha = view["alpha"][i]
                # Powers of e in the engine may differ in their last bit with the number of
                # strengths asked for at once; no digit that is shown comes near that.
                close = {"rtol": 1e-12, "atol": 1e-300}
                p = np.exp(family.log_probability(alpha))
                np.testing.assert_allclose(view["probability"][:, i], p[shown], **close)
                increase = family.probability_increase(alpha)[shown]
                np.testing.assert_allclose(view["increase"][:, i], increase, **close)
                odds = family.concept_log_odds(masks, alpha)
                F = np.exp(-np.logaddexp(0.0, -odds))
                np.testing.assert_allclose(view["concept"][:, i], F, **close)
                price = family.cross_entropy_increase(alpha)
                np.testing.assert_allclose(view["cross_entropy"][i], price, **close)
                np.testing.assert_allclose(
                    view["quadratic"][i], 0.5 * alpha**2 * family.variance(0.0), **close
                )


@pytest.mark.parametrize("key", KEYS)
def test_the_slider_stops_at_every_landmark(key):
    for context in computed(key):
        for view in context.views:
            alpha = view.alpha
            assert (np.diff(alpha) > 0).all()
            assert (alpha[0], alpha[-1]) == (view.low, view.high)
            assert 140 < alpha.size < 230
            inside = {m.alpha for m in context.landmarks if alpha[0] <= m.alpha <= alpha[-1]}
            assert 0.0 in inside
            assert inside <= set(alpha)
            ends = [*context.windows.budget_alpha.ravel(), *context.windows.level_alpha]
            assert {end for end in ends if alpha[0] <= end <= alpha[-1]} <= set(alpha)
            # No step of the slider jumps: neighbours are at most 5 % of the window apart.
            assert np.diff(alpha).max() < 0.05 * (alpha[-1] - alpha[0])


@pytest.mark.parametrize("key", KEYS)
def test_landmarks_are_where_they_say(key):
    case = cases()[key]
    for j, context in enumerate(computed(key)):
        family = case.family(j)
        for mark in context.landmarks:
            name = re.fullmatch(r"‘(.*)’ peaks", mark.text)
            if name is None:
                continue
            z = case.tokens.index(name[1])
            # A step of a millionth of the scale of M to either side loses probability, or nothing
            # within rounding.
            step = 1e-4 / np.ptp(case.log_odds)
            left, here, right = family.log_probability(mark.alpha + step * np.array([-1, 0, 1]))[
                :, z
            ]
            slack = 1e-14 * (1 + abs(mark.alpha) * np.abs(case.log_odds).max())
            assert here >= max(left, right) - slack


@pytest.mark.parametrize("key", KEYS)
def test_windows_begin_at_the_level_and_end_at_the_budget(key):
    case = cases()[key]
    target = case.masks()[case.target]
    for j, context in enumerate(computed(key)):
        family, found = case.family(j), context.windows
        for level, at, cost, reason in zip(
            LEVELS, found.level_alpha, found.level_cost, found.reason, strict=True
        ):
            if not np.isfinite(at):
                assert reason
                continue
            F = 1 / (1 + np.exp(-family.concept_log_odds(target, [at, at * (1 - 1e-9)])))
            assert F[0] >= level * (1 - 1e-12)
            assert at == 0.0 or F[1] < level
            assert cost == pytest.approx(family.cross_entropy_increase(at), rel=1e-12)
        for budget, at, probability in zip(
            BUDGETS, found.budget_alpha[1], found.budget_probability, strict=True
        ):
            assert family.cross_entropy_increase(at) == pytest.approx(budget, rel=1e-9)
            F = 1 / (1 + np.exp(-family.concept_log_odds(target, at)))
            assert probability == pytest.approx(F, rel=1e-12)


def test_the_average_of_the_paper_is_that_of_its_whole_dataset():
    example = paper_example()
    for context in computed("paper"):
        view = context.views[0]
        whole = example.data.cross_entropy_increase(example.log_odds(), view.alpha)
        np.testing.assert_allclose(view.average, whole, rtol=1e-11, atol=1e-300)


def extrema(values) -> int:
    """Sign changes of the differences of a curve, rounding left out."""
    steps = np.diff(values)
    signs = np.sign(steps[np.abs(steps) > 1e-12])
    return int((signs[1:] != signs[:-1]).sum())


def test_the_concept_that_bumps_twice_does_within_assumption_1():
    instances.twice_dataset().require_assumption_1()
    (context,) = computed("bumps-twice")
    assert len(context.turns[1]) == 3
    view = context.views[0]
    heights = [float(view.concept[1][view.alpha == at][0]) for at in context.turns[1]]
    assert heights[0] - heights[1] > 0.1
    assert heights[2] - heights[1] > 0.1
    fine = np.linspace(-6.5, 1.5, 4001)
    odds = cases()["bumps-twice"].family(0).concept_log_odds([1, 2], fine)
    assert extrema(1 / (1 + np.exp(-odds))) == 3


def test_the_tie_is_one_and_the_near_tie_none():
    case = cases()["tie"]
    colours = case.log_odds[case.concept == 0]
    assert (colours == colours[0]).all()
    assert colours[0] > case.log_odds[case.concept == 1].max()
    (context,) = computed("tie")
    ending = dict(zip((case.tokens[z] for z in context.shown), context.limit[1], strict=True))
    assert ending == pytest.approx(
        {"one": 0, "two": 0, "three": 0, "red": 0.6, "blue": 0.25, "green": 0.15}, abs=1e-12
    )

    case = cases()["near-tie"]
    assert case.log_odds[0] - case.log_odds[1] == 2.0**-40
    (context,) = computed("near-tie")
    coffee, tea = (list(context.shown).index(z) for z in (0, 1))
    first, second = context.views
    assert first.probability[[coffee, tea], -1] == pytest.approx([0.25, 0.75], abs=1e-3)
    assert second.probability[coffee, -1] > 0.99
    assert context.limit[1, coffee] == 1.0


def test_the_target_token_of_remark_3_4_peaks_below_0():
    data = instances.remark_dataset()
    data.require_assumption_1()
    case = cases()["remark-3-4"]
    (context,) = computed("remark-3-4")
    t1 = list(context.shown).index(case.tokens.index("t1"))
    assert case.concept[case.tokens.index("t1")] == case.target
    assert context.log_odds[t1] > 0
    assert context.peak[t1] == pytest.approx(-0.32, abs=0.005)
    assert "−0.32" in case.story
    assert "0.52" in case.story


def test_the_words_on_the_scale_take_turns():
    (context,) = computed("bumps")
    assert (np.diff(context.peak) > 0).all()
    assert np.isinf(context.peak[[0, -1]]).all()


def test_the_paper_s_target_tokens_take_turns_as_the_text_says():
    context = computed("paper")[0]
    tokens = [cases()["paper"].tokens[z] for z in context.shown]
    peak = dict(zip(tokens, context.peak, strict=True))
    assert 0 < peak["a"] < peak["b"] < np.inf
    assert peak["c"] == np.inf


def test_a_real_model_shows_its_likeliest_tokens_and_how_exact_they_are():
    case = cases()["smollm2-joy"]
    assert "SmolLM2" in case.title
    assert re.search(r"at most [\d.e-]+ in the log-odds", case.note)
    for context in computed("smollm2-joy"):
        assert len(context.shown) == SHOWN
        assert case.named[context.shown].all()
        assert context.views[0].rest.size


# ---- nodes -----------------------------------------------------------------------------------


def test_the_grid_is_finest_round_0():
    values = grid(-3.0, 9.0)
    assert 0.0 in values
    steps = np.diff(values)
    assert steps[np.searchsorted(values, 0.0)] < 0.35 * steps[-1]


def test_a_landmark_replaces_the_node_beside_it():
    view = View("", -1.0, 1.0)
    plain = grid(-1.0, 1.0)
    marked = nodes(view, [plain[90] + 1e-9, 5.0])
    assert plain[90] + 1e-9 in marked
    assert plain[90] not in marked
    assert marked.size == plain.size


def test_windows_of_an_instance_follow_from_the_laws():
    case = replace(cases()["bumps"], views=())
    family = case.family(0)
    middle, close, wide = views(case)
    assert 0.2 < family.cross_entropy_increase(close.high) < 0.3
    assert wide.high >= family.alpha_for_limit(0.05, 1)
    assert middle.low < close.low < 0 < close.high < middle.high


def test_turning_points_are_roots_and_none_is_invented():
    family = TiltedFamily(np.log([0.2, 0.5, 0.3]), [-1.0, 0.0, 1.0])
    middle = np.array([False, True, False])
    (at,) = turning_points(family, middle, np.linspace(-5, 5, 51))
    F = family.concept_log_odds(middle, [at - 1e-3, at, at + 1e-3])
    assert F[1] > max(F[0], F[2])
    assert turning_points(family, np.array([False, False, True]), np.linspace(-5, 5, 51)) == ()


# ---- the page --------------------------------------------------------------------------------


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.policy = ""

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.found += [
            f"{tag} {name}={given[name]}"
            for name in ("src", "href", "srcset", "data", "action")
            if name in given and not given[name].startswith(("data:", "#"))
        ]
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"]


def test_the_page_is_one_file_under_5_mb_that_asks_nobody_for_anything():
    size = len(rendered().encode())
    assert size < 3.9e6  # a file of the reader's adds less than 1.1 MB
    links = Links()
    links.feed(rendered())
    assert links.found == []
    assert "default-src 'none'" in links.policy
    assert "http" not in links.policy
    css = re.search(r"<style>(.*?)</style>", rendered(), re.S)[1]
    assert "url(" not in css
    assert "@import" not in css


def test_the_check_for_links_sees_one():
    links = Links()
    links.feed('<script src="https://example.org/x.js"></script><a href="#x">')
    assert links.found == ["script src=https://example.org/x.js"]


def test_the_laws_the_page_names_exist_where_it_says():
    section = re.search(r'<section class="laws">(.*?)</section>', rendered(), re.S)[1]
    found = re.findall(r"\((Theorem|Proposition) ([\w.]+), laws? (.*?)\)", section, re.S)
    assert len(found) == 4
    for _, number, names in found:
        for name in re.findall(r"<code>([\w-]+)</code>", names):
            assert number in LAWS[name].source, (name, LAWS[name].source)


def test_the_same_page_every_time():
    assert render([cases()["tie"]]) == render([cases()["tie"]])


def test_a_token_cannot_end_the_script():
    text = to_json({"tokens": ["</script><b>", "a\u2028b"]})
    assert "<" not in text
    assert "\u2028" not in text
    assert json.loads(text) == {"tokens": ["</script><b>", "a\u2028b"]}


def contrast(first: str, second: str) -> float:
    """WCAG 2.2's contrast of two colours #rrggbb."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear))

    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_computed_as_wcag_does():
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize(("line", "text", "night"), COLOURS)
def test_colours_of_concepts_can_be_read(line, text, night):
    assert contrast(line, "#ffffff") >= 3.0
    assert contrast(text, "#ffffff") >= 4.5
    assert contrast(night, "#15171b") >= 4.5
