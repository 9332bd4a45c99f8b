"""``python -m figures explore``: what it opens, what it refuses in one line, what it leaves."""

from __future__ import annotations

import json
import re
import sys

import numpy as np
import pytest

from steering_strength.figures.__main__ import main
from steering_strength.figures.explorer import cases
from steering_strength.figures.explorer.curves import SHOWN, curves
from steering_strength.figures.explorer.files import CONTEXTS, open_case
from steering_strength.theory import ConceptDataset, TiltedFamily


@pytest.fixture
def family():
    rng = np.random.default_rng(3)
    return TiltedFamily.from_logits(rng.normal(size=40), rng.normal(size=40))


@pytest.fixture
def short(monkeypatch):
    """The menu without its longer entries: these tests are about the file."""
    monkeypatch.setattr(cases, "menu", lambda: (cases.tie(),))


def model_arrays(**other):
    rng = np.random.default_rng(5)
    logits = rng.normal(size=(8, 30))
    arrays = {
        "log_p": logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)),
        "log_odds": rng.normal(size=30),
        "tokens": np.array([f"·w{z}" for z in range(30)]),
        "named": np.arange(30) < 20,
        "target": np.arange(30) % 3 == 0,
        "contexts": np.array([f"text {j}" for j in range(8)]),
        "meta": np.array(json.dumps({"model": "Tiny", "concept": "joy", "vocabulary": 30})),
    }
    return arrays | other


def test_writes_one_page_and_says_where(tmp_path, capsys, short):
    page = tmp_path / "new" / "page.html"
    assert main(["explore", "--out", str(page)]) == 0
    assert [path.name for path in page.parent.iterdir()] == ["page.html"]
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    out = capsys.readouterr().out
    assert out.startswith(f"{page}  1.")
    assert out.count("\n") == 1


def test_data_come_first_in_the_menu(tmp_path, family, short):
    family.save(tmp_path / "mine.npz")
    page = tmp_path / "page.html"
    assert main(["explore", "--data", str(tmp_path / "mine.npz"), "--out", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert text.index('"title":"mine.npz"') < text.index('"title":"A tie in the limit"')


def test_a_family_without_words_is_split_where_it_gains(tmp_path, family):
    family.save(tmp_path / "f.npz")
    case = open_case(tmp_path / "f.npz")
    np.testing.assert_array_equal(case.concept == 0, family.log_odds > family.mean(0.0))
    (context,) = curves(case)
    assert len(context.shown) == SHOWN
    assert (np.diff(context.log_odds) >= 0).all()


def test_a_family_may_bring_its_words(tmp_path, family):
    words = [f"<w{z}>" for z in range(40)]
    metadata = {"tokens": words, "target": [3, 5], "concept": "joy", "context": "I feel"}
    TiltedFamily(family.log_p, family.log_odds, metadata).save(tmp_path / "f.npz")
    case = open_case(tmp_path / "f.npz")
    assert case.tokens == tuple(words)
    assert np.flatnonzero(case.concept == case.target).tolist() == [3, 5]
    assert case.concept_names[0] == "joy"
    assert case.contexts == ("I feel",)


def test_tokens_without_support_are_left_out(tmp_path):
    log_p = np.array([np.log(0.5), np.log(0.25), np.log(0.25), -np.inf])
    family = TiltedFamily(log_p, [1.0, 0.0, -1.0, 9.0])
    family.save(tmp_path / "f.npz")
    (context,) = curves(open_case(tmp_path / "f.npz"))
    assert context.shown.tolist() == [2, 1, 0]


def test_a_large_vocabulary_is_no_trouble(tmp_path):
    rng = np.random.default_rng(0)
    TiltedFamily.from_logits(3 * rng.normal(size=20_000), rng.normal(size=20_000)).save(
        tmp_path / "large.npz"
    )
    (context,) = curves(open_case(tmp_path / "large.npz"))
    for view in context.views:
        np.testing.assert_allclose(view.probability.sum(axis=0) + view.rest, 1.0, rtol=1e-9)


def test_a_dataset_is_steered_from_its_second_concept_to_its_first(tmp_path):
    data = ConceptDataset.smoothed(contexts_per_concept=2)
    data.save(tmp_path / "data.npz")
    case = open_case(tmp_path / "data.npz")
    np.testing.assert_array_equal(case.log_odds, data.log_odds([0, 1], [2, 3]))
    assert len(case.contexts) == 3  # the two contexts of a concept have one row
    np.testing.assert_allclose(case.weights, 1 / 3)


def test_a_large_dataset_is_shown_in_part_and_says_so(tmp_path, short):
    data = ConceptDataset.smoothed(concepts=7, tokens_per_concept=4)
    data.save(tmp_path / "data.npz")
    case = open_case(tmp_path / "data.npz")
    assert len(case.contexts) == 4
    assert case.contexts[0] == "context 2, of concept 2"
    assert "are 4 of its 7 distinct contexts" in case.story
    assert case.concept_names[-1] == "other concepts"
    assert (case.concept == 4).sum() == 12
    # Beside the whole menu, which takes less than 3.9 MB, the page stays below 5.
    page = tmp_path / "page.html"
    assert main(["explore", "--data", str(tmp_path / "data.npz"), "--out", str(page)]) == 0
    alone = page.stat().st_size
    assert main(["explore", "--out", str(page)]) == 0
    assert alone - page.stat().st_size < 1.1e6


@pytest.mark.parametrize(
    ("p", "log_odds"),
    [
        ([1e-12, 1 - 1e-12], [5.0, 0.0]),
        ([1 - 1e-12, 1e-12], [5.0, 0.0]),
        ([0.2, 0.3, 0.5], [1e-9, 0.0, 2e-9]),
        ([0.2, 0.3, 0.5], [1e9, 0.0, -2e9]),
    ],
)
def test_extreme_families_have_windows_and_finite_curves(tmp_path, p, log_odds):
    TiltedFamily(np.log(p), log_odds).save(tmp_path / "f.npz")
    (context,) = curves(open_case(tmp_path / "f.npz"))
    for view in context.views:
        assert view.alpha[0] < 0.0 < view.alpha[-1]
        assert (np.diff(view.alpha) > 0).all()
        assert np.isfinite(view.cross_entropy).all()
        np.testing.assert_allclose(view.probability.sum(axis=0), 1.0, rtol=1e-9)


def test_contexts_of_a_model_are_as_many_as_fit(tmp_path):
    np.savez(tmp_path / "joy.npz", **model_arrays())
    case = open_case(tmp_path / "joy.npz")
    assert case.title == "Tiny, steered towards joy"
    assert case.contexts == tuple(f"text {j}" for j in range(CONTEXTS))
    assert case.tokens[0] == "w0"
    meta = np.array(json.dumps({"alpha_range": [-0.5, 0.25]}))
    np.savez(tmp_path / "joy.npz", **model_arrays(meta=meta))
    assert {(v.low, v.high) for v in open_case(tmp_path / "joy.npz").views} == {(-0.5, 0.25)}
    assert all(case.named[z] for context in curves(case) for z in context.shown)


def unsupported():
    """Probability only on tokens without a name."""
    return {
        "log_p": np.tile(np.where(np.arange(30) < 28, -np.inf, -np.log(2)), (8, 1)),
        "target": np.arange(30) == 29,
    }


def saved(tmp_path, name="file.npz", **arrays):
    np.savez(tmp_path / name, **arrays)
    return tmp_path / name


def pickled(tmp_path):
    return saved(tmp_path, log_p=np.array([{}], dtype=object))


def constant(tmp_path):
    TiltedFamily(np.log([0.5, 0.5]), [1.0, 1.0]).save(tmp_path / "file.npz")
    return tmp_path / "file.npz"


def misspelt(tmp_path):
    saved(tmp_path, "family.npz", x=np.zeros(1))
    return tmp_path / "famly.npz"


def one_sided(tmp_path):
    data = ConceptDataset.smoothed(contexts_per_concept=[2, 0, 1])
    data.save(tmp_path / "file.npz")
    return tmp_path / "file.npz"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path / "no" / "x.npz", "no file .*x.npz; .*no is no folder either"),
        (misspelt, "no file .*famly.npz; did you mean .*family.npz?"),
        (pickled, "it is no .npz archive of plain arrays, or it is damaged"),
        (lambda path: saved(path, a=np.zeros(2), b=np.zeros(2)), "holds a, b, which is no inst"),
        (lambda path: saved(path, kind="UnconstrainedFeatures"), "holds UnconstrainedFeatures"),
        (constant, "has no token in the target concept"),
        (one_sided, "has 2 contexts of concept 0 and 0 of concept 1"),
        (
            lambda path: saved(path, **model_arrays(tokens=np.array(["a"]))),
            "tokens of .* shape .1,.",
        ),
        (lambda path: saved(path, **model_arrays(meta=np.array("{"))), "is not JSON"),
        (lambda path: saved(path, **model_arrays(meta=np.array("[1]"))), "is no mapping"),
        (
            lambda path: saved(path, **model_arrays(meta=np.array('{"alpha_range": [1, 2]}'))),
            "its alpha_range no two numbers round 0",
        ),
        (
            lambda path: saved(path, **model_arrays(contexts=np.array([]))),
            "contexts of .* beside log_p of shape .8, 30.",
        ),
        (lambda path: saved(path, **model_arrays(named=np.zeros(30, bool))), "names no token"),
        (lambda path: saved(path, **model_arrays(target=np.arange(30))), "target of .* holds int"),
        (lambda path: saved(path, **model_arrays(**unsupported())), "no named token of Tiny"),
        (lambda path: saved(path, **model_arrays(target=np.ones(30, bool))), "every token in the"),
        (lambda path: saved(path, **model_arrays(log_p=np.zeros((8, 30)))), "is not normalised"),
        (lambda path: saved(path, **model_arrays(log_odds=np.full(30, np.nan))), "is nan at token"),
    ],
)
def test_bad_files_are_refused_in_one_line(tmp_path, capsys, short, make, message):
    page = tmp_path / "page.html"
    assert main(["explore", "--data", str(make(tmp_path)), "--out", str(page)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert "pickle" not in captured.err
    assert re.search(message, captured.err), captured.err
    assert not page.exists()


@pytest.mark.parametrize("target", [[99], [-1], [True, False], "joy", [[1]]])
def test_a_family_s_target_must_exist(tmp_path, family, capsys, short, target):
    TiltedFamily(family.log_p, family.log_odds, {"target": target}).save(tmp_path / "f.npz")
    page = str(tmp_path / "page.html")
    assert main(["explore", "--data", str(tmp_path / "f.npz"), "--out", page]) == 2
    assert "is no list of indices in 0..39" in capsys.readouterr().err


def test_the_page_never_replaces_the_data(tmp_path, family, capsys, short):
    path = tmp_path / "family.npz"
    family.save(path)
    before = path.read_bytes()
    assert main(["explore", "--data", str(path), "--out", str(path)]) == 2
    assert "let --out end in .html" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_a_folder_is_no_page(tmp_path, capsys, short):
    assert main(["explore", "--out", str(tmp_path)]) == 2
    assert f"name the page: --out {tmp_path / 'page.html'}" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_an_old_page_survives_a_failure(tmp_path, capsys, short):
    page = tmp_path / "page.html"
    page.write_text("old")
    assert main(["explore", "--data", str(tmp_path / "none.npz"), "--out", str(page)]) == 2
    assert page.read_text() == "old"


def test_a_missing_extra_names_the_command(tmp_path, capsys, short, monkeypatch):
    monkeypatch.setitem(sys.modules, "bokeh.resources", None)
    assert main(["explore", "--out", str(tmp_path / "page.html")]) == 2
    error = capsys.readouterr().err
    assert "python -m pip install 'steering-strength[explorer]'" in error
    assert error.count("\n") == 1


def test_half_a_letter_in_a_name_is_escaped(tmp_path, short):
    data, out = tmp_path / "half.npz", tmp_path / "page.html"
    metadata = {"tokens": ["a", "\ud800", "c"], "target": [1]}
    TiltedFamily.from_logits([0.0, 1.0, 2.0], [1.0, -1.0, 0.0], metadata).save(data)
    assert main(["explore", "--data", str(data), "--out", str(out)]) == 0
    assert out.read_text(encoding="utf-8")
