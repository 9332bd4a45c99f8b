"""The law report on random models: exact statements hold, expansions hold where they should."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from steering_strength.proofs_check.bridge.__main__ import main
from steering_strength.proofs_check.bridge._old.anatomy import inspect_model
from steering_strength.proofs_check.bridge._old.corpus import library_text, text_windows
from steering_strength.proofs_check.bridge._old.encoding import pad
from steering_strength.proofs_check.bridge._old.norms import identify_norm
from steering_strength.proofs_check.bridge._old.upper import Upper, read_out
from steering_strength.proofs_check.bridge.measure.local import local_tilt, measure_budgets
from steering_strength.proofs_check.bridge.measure.plateau import approach_plateau
from steering_strength.proofs_check.bridge.measure.text_slope import text_slope, token_losses
from steering_strength.proofs_check.bridge.shapes import count_shapes, shape_of
from steering_strength.proofs_check.bridge.sites import FINAL_NORM, Site
from steering_strength.proofs_check.bridge.steering.making import sample_texts
from steering_strength.proofs_check.bridge.verdicts.survey import asinh_grid
from steering_strength.theory.errors import ShapeError, SteeringSetError

from .conftest import random_model, status_of

pytestmark = pytest.mark.bridge


def _upper(kind: str, site: Site, rows: list[list[int]] | None = None) -> Any:
    model = random_model(kind)
    anatomy = inspect_model(model)
    upper = Upper(model, anatomy, pad(rows or [[5, 1, 7, 9, 2, 30]]), site)
    generator = torch.Generator().manual_seed(4)
    return model, anatomy, upper, torch.randn(32, generator=generator, dtype=torch.float64)


def test_at_the_final_norm_the_local_tilt_is_the_law(load_random: Any) -> None:
    _, anatomy, upper, vector = _upper("llama", FINAL_NORM)
    tilt = local_tilt(anatomy, upper, vector)
    exact = anatomy.unembedding(vector[None])[0].numpy()
    # Differences of an affine function: only rounding over the step.
    np.testing.assert_allclose(tilt.slope, exact, atol=1e-11)
    assert np.abs(tilt.bend).max() < 1e-7
    for point in measure_budgets(anatomy, upper, vector, tilt, budgets=(1e-4, 0.1)):
        assert point.total_variation < 1e-11
        assert abs(point.predicted / point.measured - 1) < (0.01 if point.budget < 0.01 else 0.3)


@pytest.mark.parametrize("kind", ["gpt2", "gemma3"])
@pytest.mark.parametrize("layer", [0, 2])
def test_the_local_tilt_is_the_derivative(kind: str, layer: int) -> None:
    _, anatomy, upper, vector = _upper(kind, Site(layer))
    tilt = local_tilt(anatomy, upper, vector)
    # The same derivatives from a fourth-order formula with another step.
    h = 4 * tilt.step
    f = read_out(anatomy, upper.last_normed(vector, h * np.arange(-2, 3))).numpy()
    slope = (8 * (f[3] - f[1]) - (f[4] - f[0])) / (12 * h)
    scale = np.abs(slope).max()
    np.testing.assert_allclose(tilt.slope, slope, atol=1e-3 * scale)
    p = np.exp(tilt.log_p)
    assert tilt.variance == pytest.approx(float(p @ (slope - p @ slope) ** 2), rel=1e-3)


def test_a_small_budget_is_predicted_and_an_impossible_one_admitted() -> None:
    _, anatomy, upper, vector = _upper("gpt2", Site(1))
    tilt = local_tilt(anatomy, upper, vector)
    for point in measure_budgets(anatomy, upper, vector, tilt, budgets=(1e-4,)):
        assert point.predicted / point.measured == pytest.approx(1, abs=0.02)
        assert np.sign(point.measured) == point.sign
    # The plateau of this model is nearer than 100 nats.
    for point in measure_budgets(anatomy, upper, vector, tilt, budgets=(100.0,)):
        assert np.isnan(point.measured)


@pytest.mark.parametrize("kind", ["gpt2", "llama", "gemma3"])
@pytest.mark.parametrize("apply", ["all", "last"])
def test_the_plateau_is_approached_like_one_over_alpha(kind: str, apply: Any) -> None:
    _, anatomy, upper, vector = _upper(kind, Site(0))
    norm = identify_norm(anatomy)
    for sign in (1, -1):
        found = approach_plateau(
            anatomy, upper, norm, vector, np.array([1e1, 1e2, 1e3]), sign, apply
        )
        assert found.rate == pytest.approx(-1, abs=0.01)
        # One order better with R_inf, until the float32 inside RMSNorm is all that is left.
        assert found.to_refined[1] < 0.03 * found.to_limit[1] + 1e-6
        assert found.to_refined[2] < 0.003 * found.to_limit[2] + 1e-6


def test_the_wrong_plateau_is_not_approached() -> None:
    _, anatomy, upper, vector = _upper("llama", Site(0))
    norm = identify_norm(anatomy)
    right = approach_plateau(anatomy, upper, norm, vector, np.array([1e2, 1e3]), 1)
    left = approach_plateau(anatomy, upper, norm, vector, np.array([1e2, 1e3]), -1)
    assert set(right.top) != set(left.top)
    flipped = approach_plateau(anatomy, upper, norm, -vector, np.array([1e2, 1e3]), -1)
    np.testing.assert_allclose(flipped.to_limit, right.to_limit, rtol=1e-4)


def test_losses_are_the_models_own() -> None:
    model, anatomy, upper, _ = _upper("gpt2", Site(1), [[5, 1, 7, 9], [8, 8, 2, 3]])
    losses = token_losses(anatomy, upper.normed(upper.residual), upper.batch.ids)
    expected = model(upper.batch.ids, labels=upper.batch.ids).loss
    assert losses.shape == (2, 3)
    # transformers takes its own loss in float32.
    assert losses.mean() == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize("site", [Site(0), Site(2), FINAL_NORM])
def test_the_slope_on_text_is_a_miscalibration(load_random: Any, site: Site) -> None:
    loaded = load_random("gpt2")
    anatomy = inspect_model(loaded.model)
    # Most words of real text are unknown to this vocabulary, and the model does not expect that.
    vector = anatomy.unembedding.weight[loaded.tokenizer.unk_token_id].clone()
    windows = text_windows(loaded.tokenizer, 6, 32)
    upper = Upper(loaded.model, anatomy, windows, site)
    variance = local_tilt(
        anatomy, Upper(loaded.model, anatomy, windows.row(0), site), vector
    ).variance
    sd = variance**0.5
    real = text_slope(anatomy, upper, vector, sd)
    assert real.measured_slope == pytest.approx(real.predicted_slope, rel=0.01)
    assert real.measured_curvature == pytest.approx(
        real.predicted_curvature, abs=0.02 * real.variance
    )
    assert abs(real.z) > 4
    own = sample_texts(loaded, 24, 32, seed=1)[1]
    sampled = text_slope(anatomy, Upper(loaded.model, anatomy, own, site), vector, sd)
    assert abs(sampled.z) < 4
    assert sampled.measured_slope == pytest.approx(
        sampled.predicted_slope, abs=0.05 * sampled.standard_error
    )


def test_windows_of_text_are_deterministic_and_whole(tokenizer: Any) -> None:
    assert len(library_text()) > 500
    one, two = (text_windows(tokenizer, 5, 20, seed=2) for _ in range(2))
    assert torch.equal(one.ids, two.ids)
    assert one.ids.shape == (5, 21)
    assert (one.mask == 1).all()
    assert (one.ids[:, 0] == 0).all()
    with pytest.raises(SteeringSetError, match="ask for fewer or shorter"):
        text_windows(tokenizer, 5, 10_000)


GRID = np.linspace(-3, 3, 121)


@pytest.mark.parametrize(
    ("curve", "name", "turns"),
    [
        (GRID, "rise", 0),
        (-GRID, "fall", 0),
        (-(GRID**2), "bump", 1),
        (GRID**2, "dip", 1),
        (np.sin(2 * GRID), "multi", 4),
        (0 * GRID, "flat", 0),
        (np.where(GRID > 0, GRID, 0), "rise", 0),
        (GRID + 1e-4 * np.sin(50 * GRID), "rise", 0),
        (1e-4 * np.sin(50 * GRID), "flat", 0),
    ],
)
def test_shapes(curve: Any, name: str, turns: int) -> None:
    shape = shape_of(curve, 1e-3)
    assert (shape.name, len(shape.turns)) == (name, turns)
    assert shape.allowed == (name in ("rise", "fall", "bump", "flat"))


def test_turns_are_where_the_extrema_are() -> None:
    assert shape_of([0, 1, 3, 2, 0, 5], 0.5).turns == (2, 4)
    assert count_shapes(np.array([[0, 1.0], [1, 0.0], [0, -1.0]]), 0.1)["bump"] == 1
    for values, tolerance in (([1.0], 0.1), ([1.0, np.nan], 0.1), ([1.0, 2.0], -1.0)):
        with pytest.raises(ShapeError):
            shape_of(values, tolerance)


def test_asinh_grids_are_symmetric_and_hold_zero() -> None:
    grid = asinh_grid(200.0, 1.0, 24)
    assert grid.size == 49
    assert grid[24] == 0.0
    assert grid[-1] == 200.0
    assert (grid == -grid[::-1]).all()
    assert (np.diff(grid) > 0).all()


@pytest.fixture(scope="module")
def report(model_folder: Path, concept_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("laws")
    status = main(
        [
            "laws",
            f"--model={model_folder}",
            f"--concept={concept_file}",
            f"--out={folder}",
            "--contexts=2",
            "--windows=4",
            "--layers=0,2",
            f"--json={folder / 'copy.json'}",
        ]
    )
    return status, folder, json.loads((folder / "laws.json").read_text())


def test_the_report_holds_every_statement_for_every_site(report: Any) -> None:
    status, folder, content = report
    assert status == 0
    assert json.loads((folder / "copy.json").read_text()) == content
    ids = {result["id"]: result for result in content["results"]}
    for site in ("block_out 0", "block_out 2"):
        for statement in (
            "local 0.01 nat",
            "tilting by M_loc",
            "norm-limit",
            "norm-limit with R_inf",
            "ce-linear",
            "ce-linear (calibrated)",
        ):
            assert ids[f"{statement}@{site}"]["method"] == "real-model"
    assert ids["last-block@block_out 2"]["status"] == "passed"
    assert "last-block@block_out 0" not in ids
    assert all(ids[f"norm-limit@{s}"]["status"] == "passed" for s in ("block_out 0", "block_out 2"))


def test_figure_data_and_vectors_are_there(report: Any) -> None:
    _, folder, _ = report
    names = {path.name for path in folder.iterdir()}
    assert {"laws.png", "laws.pdf", "laws.npz", "cheer_block_out_0.npz"} <= names
    page = (folder / "laws.html").read_text(encoding="utf-8")
    assert "data:image/png;base64," in page
    assert page.count("<tr>") == 7 + 12 + 13 + 3  # a head for each site
    with np.load(folder / "laws.npz", allow_pickle=False) as data:
        assert data["ratio"].shape == (2, 3, 4)
        assert data["to_limit"].shape == (2, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("--layers=3", "give a block between 0 and 2"),
        ("--layers=one", "such as --layers 7,15,29"),
        ("--layers=-1", "such as --layers 7,15,29"),
        ("--contexts=0", "not a whole number of at least 1"),
        ("--windows=0", "not a whole number of at least 1"),
    ],
)
def test_bad_options(
    change: str,
    message: str,
    model_folder: Path,
    concept_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = [f"--model={model_folder}", f"--concept={concept_file}", f"--out={tmp_path}"]
    assert status_of(["laws", *arguments, change]) == 2
    assert message in capsys.readouterr().err
