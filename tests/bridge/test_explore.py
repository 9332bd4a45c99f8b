"""The reduced vocabulary: what it keeps exactly, and that it says how far off the rest is."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steering_strength.proofs_check.bridge.data import lump
from steering_strength.theory import TiltedFamily

ALPHAS = np.linspace(-6.0, 6.0, 25)


@pytest.fixture(scope="module")
def families() -> list[TiltedFamily]:
    rng = np.random.default_rng(3)
    log_odds = rng.normal(size=3000)
    return [
        TiltedFamily.from_logits(rng.normal(scale=3, size=3000) - 0.3 * log_odds, log_odds)
        for _ in range(3)
    ]


@pytest.mark.parametrize("size", [30, 900])
def test_the_reduced_families_answer_like_the_whole_ones(
    families: list[TiltedFamily], size: int
) -> None:
    inside = np.zeros(3000, dtype=bool)
    inside[:size] = True
    lumped, (mean_error, logit_error, divergence_error) = lump(families, inside, ALPHAS, nodes=256)
    named, target = lumped["ids"] >= 0, lumped["target"]
    assert named.size < 3000 / 5
    assert (target & ~named).any() == (size > 40)
    for family, log_p in zip(families, lumped["log_p"], strict=True):
        small = TiltedFamily(log_p, lumped["log_odds"])
        # Sharing keeps total mass and first moment, and the sides never mix: rounding only.
        assert small.mean(0.0) == pytest.approx(family.mean(0.0), abs=1e-13)
        assert small.concept_log_odds(target, 0.0) == pytest.approx(
            family.concept_log_odds(inside, 0.0), abs=1e-12
        )
        assert np.abs(small.mean(ALPHAS) - family.mean(ALPHAS)).max() <= mean_error
        logit = small.concept_log_odds(target, ALPHAS)
        error = np.abs(logit - family.concept_log_odds(inside, ALPHAS)).max()
        assert error <= logit_error <= 1e-2
        kept = family.log_probability(ALPHAS)[:, lumped["ids"][named]]
        # log p_alpha of a named token errs by K alone, which the two reported errors bound.
        bound = divergence_error + 1e-12
        assert np.abs(small.log_probability(ALPHAS)[:, named] - kept).max() <= bound


def test_few_nodes_are_reported_as_such(families: list[TiltedFamily]) -> None:
    inside = np.arange(3000) < 900
    _, coarse = lump(families, inside, ALPHAS, nodes=32)
    _, fine = lump(families, inside, ALPHAS)
    assert coarse[1] > 1e-2 > 1e-3 >= fine[1]


@pytest.mark.bridge
@pytest.mark.skipif(find_spec("torch") is None, reason="needs the extra `bridge`")
def test_the_command_writes_what_it_says(
    model_folder: Path, concept_file: Path, tmp_path: Path, capsys: Any
) -> None:
    from steering_strength.proofs_check.bridge.__main__ import main
    from steering_strength.proofs_check.bridge.model import SteeredModel
    from steering_strength.proofs_check.bridge.texts import load_concept

    target = tmp_path / "cheer.npz"
    arguments = ["explore-data", "--model", str(model_folder), "--concept", str(concept_file)]
    assert main([*arguments, "--contexts", "3", "--out", str(target)]) == 0
    assert "3 contexts" in capsys.readouterr().out
    with np.load(target, allow_pickle=False) as file:
        arrays = dict(file)
    assert arrays["log_p"].shape == (3, arrays["log_odds"].size)
    assert arrays["tokens"].dtype.kind == "U"
    assert arrays["contexts"].tolist()[0] == "the day was"
    meta = json.loads(str(arrays["meta"]))
    assert meta["concept"] == "cheer"
    assert meta["max_error_concept_log_odds"] <= 1e-2
    model, concept = SteeredModel.load(str(model_folder)), load_concept(str(concept_file))
    vector = model.vector(concept.positive, concept.neutral)
    families = model.at("final_norm", vector, concept.contexts)
    inside = np.isin(np.arange(model.vocabulary), model.tokens(concept.words))
    alphas = np.linspace(*meta["alpha_range"], meta["alphas_checked"])
    for context, log_p in enumerate(arrays["log_p"]):
        small = TiltedFamily(log_p, arrays["log_odds"])
        whole = families[context].concept_log_odds(inside, alphas)
        error = np.abs(small.concept_log_odds(arrays["target"], alphas) - whole).max()
        # The whole families are computed again, in another run: rounding on top.
        assert error <= meta["max_error_concept_log_odds"] + 1e-9
