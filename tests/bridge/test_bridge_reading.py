"""Curves of others: read without torch, judged by what they can decide."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steering_strength.proofs_check.bridge.curves.curve_files import Curves, read_curves
from steering_strength.proofs_check.bridge.curves.curve_laws import curve_rows
from steering_strength.proofs_check.bridge.errors import CurveError
from steering_strength.theory import TiltedFamily

from .conftest import status_of

pytestmark = pytest.mark.bridge

ROOT = Path(__file__).resolve().parents[2]
ALPHAS = np.linspace(-6, 6, 121)


@pytest.fixture(scope="module")
def family() -> TiltedFamily:
    rng = np.random.default_rng(3)
    log_p = np.log(rng.dirichlet(np.ones(40)))
    return TiltedFamily(log_p - np.logaddexp.reduce(log_p), rng.standard_normal(40))


def _rows(curves: Curves) -> dict[str, Any]:
    return {row.statement: row for row in curve_rows(curves)}


def test_curves_that_obey_the_theory_pass(family: TiltedFamily) -> None:
    p = np.exp(family.log_probability(ALPHAS))
    top = np.argsort(-p[-1])
    entropy = 2.0 + family.cross_entropy_increase(ALPHAS)
    effect = 1 / (1 + np.exp(-family.concept_log_odds(top[:1], ALPHAS)))
    curves = Curves("x", ALPHAS, p[:, top], top, effect, entropy)
    rows = _rows(curves)
    assert rows["peak (alpha >= 0, first 8)"].status == "passed"
    assert rows["peak (alpha <= 0, first 40)"].status == "passed"
    assert rows["concept-monotone"].status == "passed"
    assert rows["ce-quadratic, ce-linear"].status == "passed"
    assert "no slope beyond its error" in rows["ce-quadratic, ce-linear"].shown
    shown = float(rows["ce-quadratic, ce-linear"].shown.split()[1])
    assert shown == pytest.approx(float(family.variance(0.0)), rel=0.01)
    # The UFM's cross-entropy grows for ever: no plateau is claimed.
    assert rows["norm-limit (plateau at +inf)"].status == "unknown"


def test_curves_that_do_not_are_refuted() -> None:
    wave = 0.5 + 0.4 * np.sin(2 * ALPHAS)
    rows = _rows(Curves("x", ALPHAS, wave[:, None], None, wave, 3 - 0.1 * ALPHAS**2))
    assert rows["peak (alpha >= 0, first 1)"].status == "refuted"
    assert rows["concept-monotone"].status == "refuted"
    assert "turns at alpha" in rows["concept-monotone"].shown
    assert rows["concept-tanh, linear nu"].status == "refuted"
    assert rows["ce-quadratic, ce-linear"].status == "refuted"


def test_a_sigmoid_a_slope_and_a_plateau_are_recognised() -> None:
    effect = 1 / (1 + np.exp(1 - 2 * ALPHAS))
    entropy = 3 + 5 * np.tanh(0.02 * (4 * ALPHAS + 10 * ALPHAS**2))
    rows = _rows(Curves("x", ALPHAS, None, None, effect, entropy))
    assert rows["concept-tanh, linear nu"].status == "passed"
    assert "-1 +2 alpha" in rows["concept-tanh, linear nu"].shown
    assert rows["norm-limit (plateau at +inf)"].status == "passed"
    assert "measures miscalibration" in rows["ce-quadratic, ce-linear"].shown
    found = rows["ce-quadratic, ce-linear"].shown
    assert float(found.split("slope ")[1].split()[0]) == pytest.approx(0.4, rel=0.02)


def test_ratios_of_tokens_tell_tilting_from_something_else() -> None:
    log_odds = np.array([0.0, 0.5, -0.7, 1.5])
    logits = np.log([0.5, 0.3, 0.15, 0.05]) + ALPHAS[:, None] * log_odds
    tilted = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    row = _rows(Curves("x", ALPHAS, tilted.astype(np.float32)))["tilting (ratios of tokens)"]
    assert row.status == "passed"
    assert "up to |alpha| = 6" in row.shown
    # A bend of 0.1 alpha^2 reaches a tenth of a nat at 1.
    logits[:, 1] += 0.1 * ALPHAS**2
    bent = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    row = _rows(Curves("x", ALPHAS, bent))["tilting (ratios of tokens)"]
    assert row.status == "refuted"
    reach = float(row.shown.split("|alpha| = ")[1].split(",")[0])
    assert reach == pytest.approx(1.0, abs=0.11)
    rare = _rows(Curves("x", ALPHAS, np.full((121, 3), 1e-6)))["tilting (ratios of tokens)"]
    assert rare.status == "unknown"


def test_sparse_curves_are_unknown() -> None:
    coarse = np.linspace(-200, 200, 21)
    rows = _rows(Curves("x", coarse, None, None, (coarse > 0) * 1.0, 3 + 0.01 * coarse**2))
    assert rows["concept-tanh, linear nu"].status == "unknown"
    assert rows["ce-quadratic, ce-linear"].status == "unknown"
    assert "sample more densely" in rows["ce-quadratic, ce-linear"].shown


def _authors(path: Path, **changes: Any) -> Path:
    arrays = {
        "alphas": ALPHAS[::-1],
        "probs_alphamax": np.full((121, 3), 0.1),
        "token_alphamax": np.arange(3),
        "meta": np.array("{}"),
    }
    np.savez(path, **{**arrays, **changes})
    return path


def test_the_authors_files_are_read_without_their_objects(tmp_path: Path) -> None:
    # Token strings are arrays of Python objects there: reading them would need pickle.
    strings = np.array(["a", "b", "c"], dtype=object)
    curves = read_curves(_authors(tmp_path / "layer_5_ctx_0.npz", token_strs_alphamax=strings))
    assert curves.alphas[0] == -6
    assert curves.probabilities is not None
    assert curves.probabilities.shape == (121, 3)
    entropy = tmp_path / "layer_5_cross_entropy.npz"
    np.savez(entropy, alphas=ALPHAS, cross_entropy=3 + ALPHAS**2)
    assert read_curves(entropy).cross_entropy is not None
    behaviour = tmp_path / "layer_5_behavior.npz"
    np.savez(behaviour, alphas=ALPHAS, mean_all=0.5 + 0 * ALPHAS)
    assert read_curves(behaviour).effect is not None


def test_csv_columns_by_name_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    lines = ["Cross entropy,Alpha,effect", *(f"{3 + a * a},{a},{0.5}" for a in range(-4, 5))]
    path.write_text("\n".join(lines) + "\n\n")
    curves = read_curves(path)
    assert curves.alphas.tolist() == list(range(-4, 5))
    assert curves.cross_entropy is not None
    assert curves.cross_entropy[0] == 19


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("alpha,effect\n1,x\n2,0.1\n", r"line 2: 'x' is not a number"),
        ("alpha,effect\n1\n", r"line 2: '' is not a number"),
        ("alpha,loss\n1,2\n", "the columns of x.csv are alpha, loss"),
        ("alpha,effect\n", "has 1 lines"),
        ("alpha,effect\n1,0.1\n2,0.2\n", "2 values of alpha"),
        ("alpha,effect\n1,0.1\n1,0.2\n2,0\n3,0\n4,0\n", "an alpha occurs twice"),
        ("alpha,effect\n1,10\n5,20\n2,0\n3,0\n4,0\n", "runs from 0 to 20"),
        ("alpha,effect\n1,nan\n5,0\n2,0\n3,0\n4,0\n", "holds 1 values that are not finite"),
    ],
)
def test_bad_csv(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(content)
    with pytest.raises(CurveError, match=message):
        read_curves(path)


def test_bad_npz_and_names(tmp_path: Path) -> None:
    with pytest.raises(CurveError, match="has 121 rows for 5 alphas"):
        read_curves(_authors(tmp_path / "a.npz", alphas=np.arange(5.0)))
    np.savez(tmp_path / "b.npz", alphas=ALPHAS, meta=np.array("{}"))
    with pytest.raises(CurveError, match="holds alphas, meta"):
        read_curves(tmp_path / "b.npz")
    for damaged in (b"no zip", b"PK\x03\x04 the rest is gone", b""):
        (tmp_path / "c.npz").write_bytes(damaged)
        with pytest.raises(CurveError, match=r"cannot read c\.npz"):
            read_curves(tmp_path / "c.npz")
    with pytest.raises(CurveError, match="no file"):
        read_curves(tmp_path / "d.csv")
    (tmp_path / "e.txt").write_text("x")
    with pytest.raises(CurveError, match=r"neither \.npz nor \.csv"):
        read_curves(tmp_path / "e.txt")


def test_the_command_line_needs_no_torch(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("alpha,effect\n" + "\n".join(f"{a},{0.1 + 0.01 * a}" for a in range(9)))
    code = (
        "import sys; sys.modules['torch'] = None; sys.modules['transformers'] = None\n"
        "from proofs_check.bridge.__main__ import main\n"
        f"sys.exit(main(['read', {str(path)!r}]))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "concept-monotone" in run.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["read"], "required: FILE"),
        (["read", "absent.csv"], "no file absent.csv"),
        (["laws", "x.csv"], "takes no files, got x.csv"),
    ],
)
def test_bad_arguments(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(arguments) == 2
    assert message in capsys.readouterr().err
