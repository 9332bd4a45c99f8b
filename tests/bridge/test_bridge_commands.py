"""Twenty sentences, a vector from elsewhere, sampled negatives: a report on one's own model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from steering_strength.proofs_check.bridge._old.models import load_model
from steering_strength.proofs_check.bridge.concept_texts import load_concept
from steering_strength.proofs_check.bridge.sites import FINAL_NORM, Site
from steering_strength.proofs_check.bridge.steering.making import (
    difference_of_means,
    with_sampled_negatives,
)
from steering_strength.proofs_check.bridge.steering.setting import prepare
from steering_strength.proofs_check.bridge.steering.vectors import save_vector
from steering_strength.proofs_check.bridge.verdicts.law_row import judged
from steering_strength.proofs_check.bridge.verdicts.laws import Plan, law_report
from steering_strength.proofs_check.bridge.verdicts.laws_text import at_a_glance
from steering_strength.theory.errors import SteeringSetError

from .conftest import random_model, status_of

pytestmark = pytest.mark.bridge


@pytest.fixture
def sentences(concept: Any, tmp_path: Path) -> Path:
    path = tmp_path / "cheer.txt"
    path.write_text("\n".join((*concept.positive, "", "  ")), encoding="utf-8")
    return path


def test_a_text_file_is_a_concept(sentences: Path, concept: Any) -> None:
    found = load_concept(str(sentences), ("joy", "glad"))
    assert found.name == "cheer"
    assert found.positive == concept.positive
    assert found.neutral == ()
    assert found.words == ("joy", "glad")
    assert load_concept(str(sentences)).words == ("cheer",)
    assert len(found.contexts) == 12
    sentences.write_text("\n \n", encoding="utf-8")
    with pytest.raises(SteeringSetError, match="0 positive texts"):
        load_concept(str(sentences))


def test_negatives_are_sampled_and_repeat(load_random: Any, concept: Any) -> None:
    loaded = load_random("gpt2")
    bare = replace(concept, neutral=())
    one, two = (with_sampled_negatives(loaded, bare, seed=4) for _ in range(2))
    assert one.neutral == two.neutral != with_sampled_negatives(loaded, bare, seed=5).neutral
    assert len(one.neutral) == len(concept.positive) == len(set(one.neutral))
    assert all(text.strip() for text in one.neutral)
    with pytest.raises(SteeringSetError, match="--negatives sampled"):
        prepare(loaded, bare)


def test_one_command_and_twenty_sentences(
    model_folder: Path, sentences: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    status = status_of(
        ["laws", f"--model={model_folder}", f"--concept={sentences}", "--words=joy,happy",
         f"--out={out}", "--contexts=2", "--windows=3", "--apply=last"]
    )  # fmt: skip
    shown = capsys.readouterr().out
    assert status == 0, shown
    assert "At a glance" in shown
    content = json.loads((out / "laws.json").read_text())
    assert content["concept"] == {"name": "cheer", "positive": 5, "negative": 5}
    assert content["plan"]["apply"] == "last"
    depth = content["every_block"]
    assert depth["layers"] == [0, 1, 2]
    # Two contexts, three budgets, two signs at each block.
    assert np.array(depth["predicted"]).shape == (3, 12)
    ids = {result["id"] for result in content["results"]}
    assert {"local 1 nat@every block", "final-norm@final_norm", "peak@final_norm"} <= ids
    assert (out / "laws_depth.png").stat().st_size > 1000


@pytest.mark.parametrize("layer", [None, 1])
def test_a_vector_from_elsewhere_is_judged_at_its_site(
    model_folder: Path, concept_file: Path, concept: Any, tmp_path: Path, layer: int | None
) -> None:
    loaded = load_model(str(model_folder), "float32")
    site = Site(layer)
    from steering_strength.proofs_check.bridge._old.anatomy import inspect_model

    made = difference_of_means(
        loaded, inspect_model(loaded.model), concept.positive[:3], concept.neutral[:2], site
    )
    # A file of another tool knows the vector, its site and the model's name, and nothing else.
    path = tmp_path / "v.npy"
    np.save(path, made.values.astype(np.float32))
    out = tmp_path / "out"
    arguments = ["laws", f"--model={model_folder}", f"--concept={concept_file}", f"--out={out}"]
    arguments += ["--contexts=2", "--windows=3", f"--vector={path}"]
    assert status_of([*arguments, f"--site={site.name}"]) == 0
    content = json.loads((out / "laws.json").read_text())
    sites = {result["id"].split("@")[1] for result in content["results"]}
    assert sites == {site.name}
    if layer is not None:
        assert content["sites"][0]["residual_norm"] > 0


def test_a_vector_of_another_model_or_site_is_refused(
    model_folder: Path,
    concept_file: Path,
    concept: Any,
    tmp_path: Path,
    load_random: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from steering_strength.proofs_check.bridge._old.anatomy import inspect_model

    other = load_random("llama", seed=7)
    made = difference_of_means(
        other, inspect_model(other.model), concept.positive, concept.neutral, Site(1)
    )
    path = save_vector(made, tmp_path / "v.npz")
    arguments = [f"--model={model_folder}", f"--concept={concept_file}", f"--out={tmp_path}"]
    np.save(tmp_path / "short.npy", np.ones(7))
    np.save(tmp_path / "wide.npy", np.ones(32))
    np.save(tmp_path / "table.npy", np.ones((2, 32)))
    for change, message in (
        (["laws", f"--vector={path}"], "made for other weights"),
        (["laws", f"--vector={path}", "--site=2"], "belongs to block_out 1"),
        ([f"--vector={tmp_path / 'short.npy'}", "--site=final_norm"], "has 7 coordinates"),
        ([f"--vector={tmp_path / 'table.npy'}", "--site=final_norm"], "shape (2, 32)"),
        ([f"--vector={tmp_path / 'short.npy'}"], "names neither its site"),
        (["laws", f"--vector={tmp_path / 'wide.npy'}", "--site=9"], "between 0 and 2"),
    ):
        assert status_of([*change[:1], *arguments, *change[1:]] if change[0] == "laws"
                         else [*arguments, *change]) == 2  # fmt: skip
        last = capsys.readouterr().err.strip().splitlines()[-1]
        assert last.startswith("error: ")
        assert message in last, last


def test_a_vector_at_the_final_norm_tilts_like_its_own_unembedding(
    load_random: Any, concept: Any
) -> None:
    from steering_strength.proofs_check.bridge._old.anatomy import inspect_model
    from steering_strength.proofs_check.bridge.measure.final_norm import sweep

    loaded = load_random("qwen3")
    made = difference_of_means(
        loaded, inspect_model(loaded.model), concept.positive, concept.neutral, FINAL_NORM,
        read="last",
    )  # fmt: skip
    given = prepare(loaded, concept, vector=made)
    own = prepare(loaded, concept)
    difference = given.log_odds - own.log_odds
    np.testing.assert_allclose(difference, difference[0], atol=1e-12)
    curves = sweep(given, np.linspace(-6, 6, 5))
    assert curves.error.max() < 1e-12


def test_the_model_is_given_back_in_its_own_precision(concept: Any, load_random: Any,
                                                      tmp_path: Path) -> None:  # fmt: skip
    loaded = load_random("llama", "float32")
    before = {name: p.clone() for name, p in loaded.model.state_dict().items()}
    report = law_report(loaded, concept, tmp_path, Plan(layers=(2,), contexts=1, windows=2))
    after = loaded.model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert next(loaded.model.parameters()).dtype == torch.float32
    exact = next(row for row in report.rows if row.statement == "final-norm")
    assert "e-14" in exact.measured or "e-15" in exact.measured


def test_self_checks_at_a_block(load_random: Any, concept: Any) -> None:
    from steering_strength.proofs_check.bridge._old.anatomy import inspect_model
    from steering_strength.proofs_check.bridge.errors import SelfCheckError
    from steering_strength.proofs_check.bridge.verdicts.selfchecks import check_site

    loaded = load_random("gpt2")
    anatomy = inspect_model(loaded.model)
    made = difference_of_means(
        loaded, anatomy, concept.positive, concept.neutral, Site(1), read="last"
    )
    batch, words = loaded.encode(concept.contexts), np.array([13, 14])
    (line,) = check_site(loaded.model, anatomy, made, batch, words)
    assert "of 4 contexts" in line
    noisy = anatomy.blocks[2].register_forward_hook(
        lambda _module, _args, out: (
            out + 1e-3 * torch.randn_like(out)
            if isinstance(out, torch.Tensor)
            else (out[0] + 1e-3 * torch.randn_like(out[0]), *out[1:])
        )
    )
    with pytest.raises(SelfCheckError, match="alpha = 0 changes"):
        check_site(loaded.model, anatomy, made, batch, words)
    noisy.remove()
    deaf = anatomy.blocks[2].register_forward_hook(
        lambda _module, _args, out: (
            torch.zeros_like(out)
            if isinstance(out, torch.Tensor)
            else (torch.zeros_like(out[0]), *out[1:])
        )
    )
    with pytest.raises(SelfCheckError, match="changes nothing at the last position"):
        check_site(loaded.model, anatomy, made, batch, words)
    deaf.remove()


def test_a_text_that_is_too_long_is_refused_and_not_cut(
    concept: Any, tokenizer: Any, tmp_path: Path
) -> None:
    from steering_strength.proofs_check.bridge._old.models import LoadedModel

    model = random_model("gpt2", n_positions=12)
    loaded = LoadedModel(model, tokenizer, "short", "here", "0")
    assert loaded.longest == 12
    assert loaded.window(64) == 11
    long = replace(concept, contexts=("the sun " * 9,))
    with pytest.raises(SteeringSetError, match="has 19 tokens, the model reads 12"):
        law_report(loaded, long, tmp_path, Plan(layers=(1,)))


def test_a_refuted_row_says_why() -> None:
    rows = [
        judged("block_out 3", "tilting by M_loc", "x", "y", 2.5, "seen", 4),
        judged("block_out 3", "peak (alpha 0 to 200)", "x", "y", 0.2, "seen", 4),
        judged("final_norm", "peak", "x", "y", float("nan"), "seen", 0, unknown=True),
        judged("final_norm", "ce-linear (calibrated)", "x", "y", float("nan"), "seen", 0),
    ]
    assert "why: the blocks above bend" in rows[0].note
    assert rows[1].note == "seen"
    assert [row.status for row in rows] == ["refuted", "passed", "unknown", "refuted"]
    assert "what this model samples" in rows[3].note
    table = at_a_glance(rows).splitlines()
    assert table[0].split()[-3:] == ["block", "3", "final_norm"]
    assert "no, 2.5" in table[1]
    assert table[3].endswith("unknown")
