"""The advisor on models: advised alphas meet their budgets under a plain hook, at every site."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from scipy.special import log_softmax, logsumexp

from steering_strength.proofs_check.bridge.__main__ import main
from steering_strength.proofs_check.bridge._old.anatomy import inspect_model
from steering_strength.proofs_check.bridge._old.encoding import encode
from steering_strength.proofs_check.bridge._old.hooks import Steered
from steering_strength.proofs_check.bridge.advisor._old_advice.demand import Demand
from steering_strength.proofs_check.bridge.advisor.export import AdvisedAlpha, export_vector
from steering_strength.proofs_check.bridge.advisor.layers import rank_layers, ranking_text
from steering_strength.proofs_check.bridge.advisor.model import advise_model
from steering_strength.proofs_check.bridge.advisor.samples import generate
from steering_strength.proofs_check.bridge.errors import VectorError
from steering_strength.proofs_check.bridge.sites import FINAL_NORM, Site
from steering_strength.proofs_check.bridge.steering.importing import import_vector
from steering_strength.proofs_check.bridge.steering.making import difference_vectors
from steering_strength.proofs_check.bridge.steering.vectors import load_vector
from steering_strength.theory.errors import ShapeError

pytestmark = pytest.mark.bridge

TARGET = [13, 14]


def demand(size: int, **options: Any) -> Demand:
    asked = {
        "level": None,
        "cross_entropy": None,
        "reverse_kl": None,
        "before_peak": "no",
        "sign": 1,
        "plateau": 0.01,
    }
    return Demand.of(size, TARGET, **{**asked, **options})


def prepared(loaded: Any, concept: Any, site: Site) -> tuple[Any, Any, Any]:
    anatomy = inspect_model(loaded.model)
    read = "last" if site.layer is None else "mean"
    vector = difference_vectors(
        loaded, anatomy, concept.positive, concept.neutral, [site], read=read
    )[0][0]
    return anatomy, vector, encode(loaded.tokenizer, concept.contexts)


def hooked(loaded: Any, anatomy: Any, vector: Any, row: Any, alpha: float) -> np.ndarray:
    """log p of the last position, by a forward pass with a hook and nothing else."""
    v = torch.as_tensor(vector.values)
    with torch.no_grad(), Steered(vector.site.module(anatomy), v, alpha):
        logits = loaded.model(input_ids=row.ids, use_cache=False).logits
    return np.asarray(log_softmax(logits[0, -1].to(torch.float64).numpy()))


def price(loaded: Any, anatomy: Any, vector: Any, row: Any, alpha: float) -> float:
    base = hooked(loaded, anatomy, vector, row, 0.0)
    steered = hooked(loaded, anatomy, vector, row, alpha)
    return float(np.exp(base) @ (base - steered))


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("layer", [None, 2])
@pytest.mark.parametrize("sign", [1, -1])
def test_closed_forms_meet_the_budget_under_a_hook(
    load_random: Any, concept: Any, kind: str, layer: int | None, sign: int
) -> None:
    loaded = load_random(kind)
    anatomy, vector, batch = prepared(loaded, concept, Site(layer))
    found = advise_model(
        loaded, anatomy, vector, batch, demand(64, cross_entropy=0.2, level=0.5, sign=sign)
    )
    # One pass for each context, whatever is demanded.
    assert found.passes == batch.rows
    exact = 1e-9 if layer is None else 1e-5  # RMSNorm keeps float32 inside a float64 model
    for j, advice in enumerate(found.advice.contexts):
        row = batch.row(j)
        for end in advice.ends:
            if end.demand == "cross_entropy" and math.isfinite(end.alpha):
                assert np.sign(end.alpha) == sign
                spent = price(loaded, anatomy, vector, row, end.alpha)
                assert spent == pytest.approx(0.2, rel=exact)
            if end.demand == "level" and math.isfinite(end.alpha) and end.alpha:
                log_p = hooked(loaded, anatomy, vector, row, end.alpha)
                assert np.exp(logsumexp(log_p[TARGET])) == pytest.approx(0.5, rel=exact)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_a_middle_block_is_measured_within_one_per_cent(
    load_random: Any, concept: Any, kind: str
) -> None:
    loaded = load_random(kind)
    anatomy, vector, batch = prepared(loaded, concept, Site(0))
    asked = demand(64, cross_entropy=0.1, reverse_kl=0.08)
    found = advise_model(loaded, anatomy, vector, batch, asked, limits=False)
    # One pass, one derivative of two, at most five measurements of two demands each.
    assert found.texts <= batch.rows * (1 + 2 + 10)
    assert found.passes < found.texts
    settled = 0
    for j, advice in enumerate(found.advice.contexts):
        row = batch.row(j)
        assert advice.method == "measured"
        assert advice.guarantee is None
        ends = {end.demand: end for end in advice.ends}
        if any("did not settle" in caution for caution in advice.cautions):
            continue
        settled += 1
        spent = price(loaded, anatomy, vector, row, ends["cross_entropy"].alpha)
        # 1 % is asked for; the shortcut over the lower blocks adds rounding only.
        assert spent == pytest.approx(0.1, rel=0.0101)
        base = hooked(loaded, anatomy, vector, row, 0.0)
        log_q = hooked(loaded, anatomy, vector, row, ends["reverse_kl"].alpha)
        assert float(np.exp(log_q) @ (log_q - base)) == pytest.approx(0.08, rel=0.0101)
    assert settled >= batch.rows - 1


def test_a_level_out_of_reach_at_a_block_is_said(load_random: Any, concept: Any) -> None:
    loaded = load_random("llama")
    anatomy, vector, batch = prepared(loaded, concept, Site(1))
    found = advise_model(loaded, anatomy, vector, batch, demand(64, level=0.9999999))
    for advice in found.advice.contexts:
        assert advice.window.status == "never"
        assert "of what was evaluated" in advice.window.words
        assert "Cov(1_T, M)" in advice.window.words
        assert advice.plateau is not None
        assert math.isfinite(advice.plateau.alpha)


def test_the_plateau_of_a_block_is_where_it_says(load_random: Any, concept: Any) -> None:
    loaded = load_random("gpt2")
    anatomy, vector, batch = prepared(loaded, concept, Site(1))
    found = advise_model(loaded, anatomy, vector, batch, demand(64, cross_entropy=0.1))
    for j, advice in enumerate(found.advice.contexts):
        row, far = batch.row(j), advice.plateau.alpha
        limit = np.exp(hooked(loaded, anatomy, vector, row, 1e6 * far))
        there = np.exp(hooked(loaded, anatomy, vector, row, 2 * far))
        assert 0.5 * np.abs(there - limit).sum() <= 0.011
        token, p = advice.plateau.tokens[0]
        assert limit[token] == pytest.approx(p, rel=1e-4)
        assert token == int(np.argmax(limit))


def test_derivatives_rank_layers(load_random: Any, concept: Any) -> None:
    loaded = load_random("llama")
    anatomy = inspect_model(loaded.model)
    made = difference_vectors(
        loaded, anatomy, concept.positive, concept.neutral, [Site(i) for i in range(3)]
    )
    vectors = [vector for vector, _ in made]
    batch = encode(loaded.tokenizer, concept.contexts)
    target = np.zeros(64, dtype=bool)
    target[TARGET] = True
    ranks = rank_layers(loaded, anatomy, vectors, batch, target, 0.02, measure=True)
    assert [rank.gain for rank in ranks] == sorted((rank.gain for rank in ranks), reverse=True)
    by_site = {vector.site.name: vector for vector in vectors}
    for rank in ranks:
        vector = by_site[rank.site]
        slopes, step = [], 1e-4
        for j in range(batch.rows):
            up, down = (
                np.exp(hooked(loaded, anatomy, vector, batch.row(j), a))[TARGET].sum()
                for a in (step, -step)
            )
            slopes.append((up - down) / (2 * step))
        assert rank.slope == pytest.approx(float(np.mean(slopes)), rel=2e-2, abs=1e-5)
        assert math.isfinite(rank.measured)
    text = ranking_text(ranks, 0.02)
    assert "rank correlation" in text
    assert text.index(ranks[0].site) < text.index(ranks[2].site)


@pytest.mark.parametrize("ending", [".safetensors", ".npz", ".npy", ".pt"])
def test_exports_say_what_they_hold(
    load_random: Any, concept: Any, tmp_path: Path, ending: str
) -> None:
    loaded = load_random("llama")
    _, vector, _ = prepared(loaded, concept, Site(1))
    advised = AdvisedAlpha(0.75, 0.5, 0.75, "use alpha from 0.5 to 0.75")
    paths = export_vector(vector, advised, tmp_path / f"joy{ending}", "Cheer up")
    assert all(path.is_file() for path in paths)
    target = tmp_path / f"joy{ending}"
    if ending == ".npy":
        np.testing.assert_allclose(np.load(target), 0.75 * vector.values)
        said = json.loads((tmp_path / "joy.json").read_text())
        assert said["site"] == "block_out 1"
        assert said["content"] == "alpha times the vector"
    elif ending == ".pt":
        said = torch.load(target, weights_only=True)
        assert said["layer_idx"] == 1
        assert said["hidden_size"] == vector.values.size
        assert said["concept_slug"] == "cheer-up"
        back = import_vector(target)
        np.testing.assert_allclose(back.values, vector.values, rtol=1e-6)
    else:
        back = load_vector(target)
        np.testing.assert_array_equal(back.values, vector.values)
        assert back.metadata == vector.metadata
        if ending == ".npz":
            with np.load(target, allow_pickle=False) as content:
                said = json.loads(str(content["metadata"]))
        else:
            from safetensors import safe_open

            with safe_open(str(target), framework="np") as opened:
                said = opened.metadata()
    assert float(said["alpha"]) == 0.75
    assert float(said["alpha_low"]) == 0.5
    assert said["advice"] == advised.advice
    assert said["fingerprint"] == loaded.fingerprint


def test_exports_refuse_what_they_cannot_say(
    load_random: Any, concept: Any, tmp_path: Path
) -> None:
    loaded = load_random("llama")
    _, vector, _ = prepared(loaded, concept, FINAL_NORM)
    advised = AdvisedAlpha(0.75, 0.5, 0.75, "words")
    nowhere = AdvisedAlpha(math.nan, math.inf, 0.5, "F_T never reaches 0.9")
    endless = AdvisedAlpha(math.inf, 0.5, math.inf, "no demand limits alpha on this side")
    for given, name, message in (
        (advised, "joy.pt", "belongs to the final norm"),
        (advised, "joy.gguf", "cannot write a vector to 'joy.gguf'"),
        (endless, "joy.npz", "the advised alpha is inf: no demand limits"),
        (nowhere, "joy.npz", "no alpha is advised: F_T never reaches 0.9; ask for less"),
    ):
        with pytest.raises(VectorError, match=message):
            export_vector(vector, given, tmp_path / name, "cheer")
    assert not list(tmp_path.iterdir())


def test_generation_steers_every_decoded_token(load_random: Any, concept: Any) -> None:
    loaded = load_random("gpt2")
    anatomy, vector, batch = prepared(loaded, concept, Site(1))
    row = batch.row(0)
    alphas, count = (0.0, 1.5), 6
    texts = generate(loaded, anatomy, vector, row, alphas, count)
    v = torch.as_tensor(vector.values)
    for alpha, text in zip(alphas, texts, strict=True):
        # Without a cache, the whole text steered again for every token: the slow twin.
        ids = row.ids
        for _ in range(count):
            with torch.no_grad(), Steered(vector.site.module(anatomy), v, alpha):
                logits = loaded.model(input_ids=ids, use_cache=False).logits
            ids = torch.cat([ids, logits[:, -1].argmax(-1, keepdim=True)], dim=1)
        new = ids[0, row.ids.shape[1] :].tolist()
        assert text == loaded.tokenizer.decode(new)
    hot = generate(loaded, anatomy, vector, row, alphas, count, temperature=1.0, seed=3)
    assert hot == generate(loaded, anatomy, vector, row, alphas, count, temperature=1.0, seed=3)


def test_one_command(
    model_folder: Path, concept_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, file = tmp_path / "out", tmp_path / "cheer.safetensors"
    arguments = [
        "advise", f"--model={model_folder}", f"--concept={concept_file}", "--site=1",
        "--budget=0.1", f"--out={out}", f"--export={file}", "--samples=4", "--dtype=float64",
    ]  # fmt: skip
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert "4 contexts: use alpha from 0" in text
    assert "forward passes" in text
    names = {path.name for path in out.iterdir()}
    assert {"advice.json", "advice_context_0.png", "samples.html", "samples.md"} <= names
    content = json.loads((out / "advice.json").read_text())
    assert content["site"] == "block_out 1"
    alpha = content["advice"]["window"]["high"]["alpha"]
    assert f"alpha = {alpha:.3g} (advised)" in (out / "samples.md").read_text()
    # The exported file is accepted again, and says the same.
    again = ["advise", f"--model={model_folder}", f"--concept={concept_file}", "--budget=0.1"]
    assert main([*again, f"--vector={file}", "--dtype=float64"]) == 0
    assert text.splitlines()[0] == capsys.readouterr().out.splitlines()[0]
    assert main([*again, "--rank-layers=0,2"]) == 0
    assert "block_out 2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--site=7"], "block 7, the model has 3"),
        (["--vector=none.npz"], "no file none.npz"),
        (["--words=xylophone"], "xylophone"),
        (["--tokens=999"], "token 999 is not in the vocabulary"),
        (["--rank-layers=9"], "--rank-layers is '9'"),
        (["--context-texts=none.txt"], "cannot read none.txt"),
        (["--budget=-1"], "cross_entropy is -1.0"),
        (["--export=joy.gguf"], "cannot write a vector to 'joy.gguf'"),
        (["--samples=3"], "--samples needs --out"),
        (["--data=none.npz", "--samples=3"], "--samples needs a model"),
    ],
)
def test_mistakes_are_one_line(
    model_folder: Path,
    concept_file: Path,
    change: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["advise", f"--model={model_folder}", f"--concept={concept_file}", "--budget=0.1"]
    assert main([*arguments, *change]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    last = err.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert message in last


def test_a_block_beyond_the_model(load_random: Any, concept: Any) -> None:
    loaded = load_random("llama")
    anatomy = inspect_model(loaded.model)
    with pytest.raises(ShapeError, match="block 3, the model has 3"):
        difference_vectors(loaded, anatomy, concept.positive, concept.neutral, [Site(3)])


def test_smollm2_keeps_its_budgets(smollm2: Any) -> None:
    from steering_strength.proofs_check.bridge.concept_texts import load_concept

    joy = load_concept("joy")
    anatomy = inspect_model(smollm2.model)
    contexts = encode(smollm2.tokenizer, joy.contexts[:2])
    sites = [FINAL_NORM, Site(29), Site(15)]
    made = difference_vectors(
        smollm2, anatomy, joy.positive[:4], joy.neutral[:4], sites, read="last"
    )
    for (vector, _), tolerance in zip(made, (1e-9, 1e-4, 0.0101), strict=True):
        asked = demand(anatomy.vocabulary, cross_entropy=0.2)
        found = advise_model(smollm2, anatomy, vector, contexts, asked, limits=False)
        for j, advice in enumerate(found.advice.contexts):
            alpha = advice.window.high.alpha
            spent = price(smollm2, anatomy, vector, contexts.row(j), alpha)
            assert spent == pytest.approx(0.2, rel=tolerance), vector.site.name


def test_a_peak_at_a_block_is_predicted_and_described_as_measured(
    load_random: Any, concept: Any
) -> None:
    loaded = load_random("llama")
    anatomy, vector, batch = prepared(loaded, concept, Site(1))
    found = advise_model(
        loaded, anatomy, vector, batch, demand(64, before_peak="rising"), limits=False
    )
    bound = 0
    for j, advice in enumerate(found.advice.contexts):
        end = next(end for end in advice.ends if end.demand == "peak")
        assert "by the local law, not measured" in end.words
        if advice.window.usable and math.isfinite(advice.window.high.alpha):
            bound += 1
            spent = price(loaded, anatomy, vector, batch.row(j), end.alpha)
            assert advice.high.cross_entropy == pytest.approx(spent, rel=1e-4, abs=1e-9)
    assert bound
