"""The drawings: artists carry the records' arrays, nothing is clipped, bytes repeat."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure as Canvas
from matplotlib.font_manager import findfont, get_font
from matplotlib.text import Text

from steering_strength.figures import concept, cross_entropy, dataset, peaks, store, training
from steering_strength.figures.gallery import FIGURES
from steering_strength.figures.instances import paper_example
from steering_strength.figures.store import Record, arrays, save_arrays
from steering_strength.figures.style import (
    BLUE,
    BROWN,
    ORANGE,
    concept_colours,
    concept_line,
    concept_mark,
    shown,
    signed,
    spread,
    style,
)


def drawn(name: str, record: Any) -> tuple[Canvas, dict[str, list[Any]]]:
    figure = FIGURES[name]
    with style():
        canvas = Canvas(figsize=figure.size)
        artists = figure.draw(record, canvas.subplots(1, figure.panels))
    return canvas, artists


@pytest.mark.parametrize("name", ["fig3", "figB1"])
def test_token_curves_are_drawn_as_they_are_recorded(records, name):
    record = records[name]
    _, artists = drawn(name, record)
    assert len(artists["law"]) == len(artists["simulation"]) == len(record.tokens)
    for z, (law, rings) in enumerate(zip(artists["law"], artists["simulation"], strict=True)):
        np.testing.assert_array_equal(law.get_xdata(), record.alpha)
        np.testing.assert_array_equal(law.get_ydata(), record.law[:, z])
        np.testing.assert_array_equal(rings.get_ydata(), record.simulated[:, z])
        colour = (BLUE, ORANGE, BROWN)[record.concept[z]]
        assert to_hex(law.get_color()).upper() == colour
    low, high = record.alpha[0], record.alpha[-1]
    inside = np.flatnonzero((record.peak > low) & (record.peak < high))
    marks = [(line.get_xdata()[0], line.get_ydata()[0]) for line in artists["peaks"]]
    assert marks == [(record.peak[z], record.peak_increase[z]) for z in inside]
    assert len(artists["limits"]) == 1


def test_computed_peaks_and_limits_are_written_into_fig3(records):
    canvas, _ = drawn("fig3", records["fig3"])
    words = " | ".join(text.get_text() for text in canvas.findobj(Text))
    for wanted in ("a peaks at 1.50", "b peaks at 11.75", "limit of c: 0.997", "peak at 0.50"):
        assert wanted in words


def test_concept_curves_are_drawn_as_they_are_recorded(records):
    record = records["fig4"]
    _, artists = drawn("fig4", record)
    for c, (law, rings) in enumerate(zip(artists["law"], artists["simulation"], strict=True)):
        np.testing.assert_array_equal(law.get_ydata(), record.law[:, c])
        np.testing.assert_array_equal(rings.get_ydata(), record.simulated[:, c])
    drawn_limits = sorted({line.get_ydata()[0] for line in artists["limits"]})
    np.testing.assert_allclose(drawn_limits, np.unique(record.limit.round(12)), atol=1e-12)


def test_fig5_draws_law_quadratic_simulation_and_guarantee(records):
    record = records["fig5"]
    _, artists = drawn("fig5", record)
    np.testing.assert_array_equal(artists["law"][0].get_ydata(), record.law)
    np.testing.assert_array_equal(artists["quadratic"][0].get_ydata(), record.quadratic)
    np.testing.assert_array_equal(artists["simulation"][0].get_ydata(), record.simulated)
    corners = artists["guarantee"][0].get_paths()[0].vertices
    assert set(record.lower) <= set(corners[:, 1])


def test_fig2_and_training_draw_their_arrays(records):
    _, artists = drawn("fig2", records["fig2"])
    np.testing.assert_array_equal(
        [dots.get_offsets()[:, 1] for dots in artists["data"]], records["fig2"].probability
    )
    _, artists = drawn("training", records["training"])
    np.testing.assert_array_equal(artists["excess"][0].get_ydata(), records["training"].excess)
    np.testing.assert_array_equal(artists["loss"][0].get_ydata(), records["training"].loss)


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_leaves_the_page_and_axes_say_what_they_show(records, name):
    canvas, _ = drawn(name, records[name])
    with style():
        canvas.draw_without_rendering()
        # Ticks beyond the ends of an axis exist as labels, but are never drawn.
        ticks = {
            label
            for ax in canvas.findobj(Axes)
            for axis in (ax.xaxis, ax.yaxis)
            for label in axis.get_ticklabels(which="both")
        }
        for text in canvas.findobj(Text):
            if text.get_visible() and text.get_text().strip() and text not in ticks:
                box = text.get_window_extent()
                assert box.x0 >= -1, text.get_text()
                assert box.y0 >= -1, text.get_text()
                assert box.x1 <= canvas.bbox.x1 + 1, text.get_text()
                assert box.y1 <= canvas.bbox.y1 + 1, text.get_text()
    for ax in canvas.axes:
        assert ax.get_xlabel()
        assert ax.get_ylabel()


@pytest.mark.parametrize(
    ("module", "extra"), [(peaks, (0.0, 5.0)), (concept, ()), (cross_entropy, ()), (dataset, ())]
)
def test_draw_works_on_an_axes_of_ones_own(module, extra):
    ax = Canvas().subplots()
    artists = module.draw(module.curves(*extra), ax)
    assert artists
    assert ax.has_data()


def test_a_window_that_does_not_touch_zero_needs_no_inset():
    ax = Canvas().subplots()
    assert "inset" not in peaks.draw(peaks.curves(-3.0, 7.0), ax)


@pytest.mark.long
@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_written_in_every_format(records, tmp_path, name):
    with style():
        canvas = FIGURES[name].canvas(records[name])
        for kind, start in (("pdf", b"%PDF"), ("png", b"\x89PNG"), ("svg", b"<?xml")):
            store.save_picture(canvas, tmp_path / f"x.{kind}")
            assert (tmp_path / f"x.{kind}").read_bytes().startswith(start)


@pytest.mark.parametrize("kind", ["pdf", "png", "svg"])
def test_the_same_picture_has_the_same_bytes(records, tmp_path, kind):
    found = set()
    for attempt in range(2):
        figure = FIGURES["fig4"]
        with style():
            store.save_picture(figure.canvas(records["fig4"]), tmp_path / f"{attempt}.{kind}")
        found.add(hashlib.sha256((tmp_path / f"{attempt}.{kind}").read_bytes()).hexdigest())
    assert len(found) == 1


def test_private_settings_of_matplotlib_change_nothing(records):
    figure = FIGURES["fig2"]

    def picture() -> bytes:
        buffer = BytesIO()
        canvas = figure.canvas(records["fig2"])
        with style():
            canvas.savefig(buffer, format="png", metadata={"Software": None})
        return buffer.getvalue()

    plain = picture()
    with mpl.rc_context({"font.size": 30, "axes.grid": False, "lines.linewidth": 9}):
        assert picture() == plain


def test_fonts_are_embedded_in_pdf_and_letters_are_outlines_in_svg(records, tmp_path):
    canvas = FIGURES["fig2"].canvas(records["fig2"])
    with style():
        store.save_picture(canvas, tmp_path / "x.pdf")
        store.save_picture(canvas, tmp_path / "x.svg")
    assert b"/FontFile2" in (tmp_path / "x.pdf").read_bytes()
    svg = (tmp_path / "x.svg").read_text(encoding="utf-8")
    assert "<text" not in svg
    assert "<path" in svg


@pytest.mark.parametrize("name", FIGURES)
def test_npz_holds_every_array_and_reads_without_pickle(records, tmp_path, name):
    path = tmp_path / "x.npz"
    save_arrays(path, records[name], {"figure": name})
    expected = arrays(records[name])
    with np.load(path, allow_pickle=False) as data:
        assert set(data.files) == {*expected, "metadata"}
        for key, value in expected.items():
            np.testing.assert_array_equal(data[key], value)
        assert json.loads(str(data["metadata"])) == {"figure": name}


def test_a_record_that_would_need_a_pickle_is_refused(tmp_path):
    with pytest.raises(TypeError, match="thing would need a pickle"):
        save_arrays(tmp_path / "x.npz", Record(thing=object()), {})


def test_a_record_is_fixed_and_says_what_it_has():
    record = Record(alpha=1.0, law=2.0)
    with pytest.raises(AttributeError, match="alpha, law, and no price"):
        _ = record.price
    with pytest.raises(AttributeError, match="alpha of a record is fixed"):
        record.alpha = 2.0
    assert vars(record.changed(law=3.0)) == {"alpha": 1.0, "law": 3.0}


def test_spread_keeps_order_and_distance():
    placed = spread([0.0, 0.1, 5.0, 0.05], 1.0)
    ordered = [placed[i] for i in (0, 3, 1, 2)]
    assert ordered == sorted(ordered)
    assert min(np.diff(ordered)) >= 1.0 - 1e-12
    assert placed[2] == 5.0  # a label with room stays where it belongs
    assert spread([3.0, 1.0], 0.5) == [3.0, 1.0]
    assert spread([], 1.0) == []


@pytest.mark.parametrize(
    ("token", "text"),
    [
        ("joy", "joy"),
        ("$$", r"\$\$"),
        ("$x^2$", r"\$x^2\$"),
        (r"\alpha", r"\alpha"),
        (r"a\$b", r"a\\$b"),
        ("中", r"\u4e2d"),
        ("é☃", "é☃"),
        ("😀\n\x00", r"😀\n\x00"),
        ("\u202egnp", r"\u202egnp"),
        ("\ud800", r"\ud800"),
        ("", "''"),
        ("  ", "'  '"),
        ("x" * 99, "x" * 23 + "…"),
    ],
)
def test_text_of_others_is_never_mathematics_and_has_its_glyphs(token, text):
    assert shown(token) == text
    canvas = Canvas()
    with style():
        drawn = canvas.text(0.5, 0.5, f"{shown(token)} peaks at 1.50")
        canvas.draw_without_rendering()  # a missing glyph is a warning, and a warning an error
    assert not drawn._preprocess_math(drawn.get_text())[1]  # Matplotlib's own decision


@given(st.text(max_size=40))
def test_any_text_can_stand_in_a_picture(token):
    text = shown(token)
    assert text.strip()
    glyphs = get_font(findfont("DejaVu Sans")).get_charmap()
    assert all(ord(letter) in glyphs for letter in text)
    drawn = Canvas().text(0.5, 0.5, f"{text} peaks")
    assert not drawn._preprocess_math(drawn.get_text())[1]


def test_hostile_names_are_drawn_everywhere():
    example = paper_example()
    names = ("$$", "$x^2$", r"\frac{", "中文", "😀", "a\nb", "$", "_^", "\x00")
    data = replace(
        example.data,
        token_names=names,
        concept_names=("$a$", r"\b", "中"),
        context_names=tuple(f"${j}$^" for j in range(12)),
    )
    hostile = replace(example, data=data)
    for module, record in (
        (peaks, peaks.curves(-6.0, 16.0, context="$4$^", example=hostile)),
        (concept, concept.curves(context="$8$^", example=hostile)),
        (dataset, dataset.curves(hostile, ("$0$^", "$4$^"))),
    ):
        with style():
            canvas = Canvas()
            module.draw(record, canvas.subplots())
            canvas.draw_without_rendering()


def test_a_concept_has_one_colour_in_every_figure(records):
    def colours(artists):
        return [to_hex(line.get_color()).upper() for line in artists["law"]]

    palette = [colour.upper() for colour in concept_colours(0, 3)]
    assert colours(drawn("fig4", records["fig4"])[1]) == palette
    by_token = [palette[c] for c in records["fig3"].concept]
    assert colours(drawn("fig3", records["fig3"])[1]) == by_token
    (first, _) = drawn("fig2", records["fig2"])[1]["data"]
    assert [to_hex(colour).upper() for colour in first.get_facecolors()] == by_token


def test_no_two_concepts_differ_by_hue_alone():
    colours = concept_colours(0, 5)
    assert len({concept_mark(colour) for colour in colours}) == 5
    assert len({str(concept_line(colour)["linestyle"]) for colour in colours[:4]}) == 4


def test_signed_writes_a_minus_sign():
    assert signed(-5.744) == "\u22125.74"
    assert signed(1.5) == "1.50"


def test_every_figure_names_its_laws_and_its_source():
    for figure in FIGURES.values():
        assert "arXiv:2602.02712" in figure.source
        assert figure.title
        assert len(figure.caption.split()) > 10
    assert Path(training.__file__).name == "training.py"
