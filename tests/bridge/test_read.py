"""Curves of others: read without torch, judged by what they can decide."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steering_strength.proofs_check.bridge.loading import CurveError
from steering_strength.proofs_check.bridge.read import Curves, count_shapes, shape_of
from steering_strength.theory import TiltedFamily
from steering_strength.theory.errors import SteeringError

ROOT = Path(__file__).resolve().parents[2]
ALPHAS = np.linspace(-6, 6, 121)


@pytest.fixture(scope="module")
def family() -> TiltedFamily:
    rng = np.random.default_rng(3)
    log_p = np.log(rng.dirichlet(np.ones(40)))
    return TiltedFamily(log_p - np.logaddexp.reduce(log_p), rng.standard_normal(40))


def _judged(curves: Curves) -> dict[str, Any]:
    return {verdict.claim: verdict for verdict in curves.judge()}


def test_curves_that_obey_the_theory_pass(family: TiltedFamily) -> None:
    p = np.exp(family.log_probability(ALPHAS))
    top = np.argsort(-p[-1])
    effect = 1 / (1 + np.exp(-family.concept_log_odds(top[:1], ALPHAS)))
    kl = family.cross_entropy_increase(ALPHAS)
    found = _judged(Curves("x", ALPHAS, p[:, top], effect, 2.0 + kl, kl))
    for claim in (
        "peak (alpha >= 0, first 8)", "peak (alpha <= 0, first 40)", "concept-monotone",
        "ce-quadratic, ce-linear", "ce-exact (convexity of KL)", "tilting (ratios of tokens)",
    ):  # fmt: skip
        assert found[claim].status == "passed", claim
    shown = float(found["ce-quadratic, ce-linear"].note.split()[1])
    assert shown == pytest.approx(float(family.variance(0.0)), rel=0.01)
    # The UFM's cross-entropy grows for ever: no plateau is claimed.
    assert found["norm-limit (plateau at +inf)"].status == "unknown"


def test_curves_that_do_not_are_refuted() -> None:
    wave = 0.5 + 0.4 * np.sin(2 * ALPHAS)
    kl = 5 * (1 - np.exp(-(ALPHAS**2)))
    found = _judged(Curves("x", ALPHAS, wave[:, None], wave, 3 - 0.1 * ALPHAS**2, kl))
    for claim in (
        "peak (alpha >= 0, first 1)", "concept-monotone", "concept-tanh, linear nu",
        "ce-quadratic, ce-linear", "ce-exact (convexity of KL)",
    ):  # fmt: skip
        assert found[claim].status == "refuted", claim
    shifted = _judged(Curves("x", ALPHAS, kl=(ALPHAS - 1) ** 2))
    assert shifted["ce-exact (convexity of KL)"].status == "refuted"


def test_a_sigmoid_a_slope_and_a_plateau_are_recognised() -> None:
    effect = 1 / (1 + np.exp(1 - 2 * ALPHAS))
    entropy = 3 + 5 * np.tanh(0.02 * (4 * ALPHAS + 10 * ALPHAS**2))
    found = _judged(Curves("x", ALPHAS, effect=effect, cross_entropy=entropy))
    assert found["concept-tanh, linear nu"].status == "passed"
    assert "-1 +2 alpha" in found["concept-tanh, linear nu"].note
    assert found["norm-limit (plateau at +inf)"].status == "passed"
    shown = found["ce-quadratic, ce-linear"].note
    assert float(shown.split("slope ")[1].split()[0]) == pytest.approx(0.4, rel=0.02)


def test_ratios_of_tokens_tell_tilting_from_something_else() -> None:
    log_odds = np.array([0.0, 0.5, -0.7, 1.5])
    logits = np.log([0.5, 0.3, 0.15, 0.05]) + ALPHAS[:, None] * log_odds
    tilted = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    name = "tilting (ratios of tokens)"
    assert _judged(Curves("x", ALPHAS, tilted.astype(np.float32)))[name].status == "passed"
    # A bend of 0.1 alpha^2 reaches a tenth of a nat at 1.
    logits[:, 1] += 0.1 * ALPHAS**2
    bent = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    verdict = _judged(Curves("x", ALPHAS, bent))[name]
    assert verdict.status == "refuted"
    reach = float(verdict.note.split("|alpha| = ")[1].split(",")[0])
    assert reach == pytest.approx(1.0, abs=0.11)
    assert _judged(Curves("x", ALPHAS, np.full((121, 3), 1e-6)))[name].status == "unknown"


def test_sparse_curves_are_unknown() -> None:
    coarse = np.linspace(-200, 200, 21)
    found = _judged(Curves("x", coarse, None, (coarse > 0) * 1.0, 3 + 0.01 * coarse**2))
    assert found["concept-tanh, linear nu"].status == "unknown"
    assert found["ce-quadratic, ce-linear"].status == "unknown"


def test_the_papers_files_are_read_without_their_objects(tmp_path: Path) -> None:
    path = tmp_path / "layer_5_ctx_0.npz"
    # Token strings are arrays of Python objects there: reading them would need pickle.
    strings = np.array(["a", "b", "c"], dtype=object)
    arrays = {"probs_alphamax": np.full((121, 3), 0.1), "token_strs_alphamax": strings}
    np.savez(path, alphas=ALPHAS[::-1], **arrays)
    curves = Curves.read(path)
    assert curves.alphas[0] == -6
    assert curves.probabilities is not None
    assert curves.probabilities.shape == (121, 3)
    np.savez(tmp_path / "a.npz", alphas=ALPHAS, cross_entropy=3 + ALPHAS**2)
    assert Curves.read(tmp_path / "a.npz").cross_entropy is not None
    np.savez(tmp_path / "b.npz", alphas=ALPHAS, mean_all=0.5 + 0 * ALPHAS)
    assert Curves.read(tmp_path / "b.npz").effect is not None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.csv", "Cross entropy,Alpha\n{}"),
        ("x.csv", "\ufeffce;alpha\n{}"),
        ("x.tsv", "loss\talpha\n{}"),
        ("x.jsonl", "{}"),
        ("x.json", "{}"),
        ("x.csv", "ppl,alpha\n{}"),
    ],
)
def test_tables_in_every_dress_say_the_same(tmp_path: Path, name: str, text: str) -> None:
    values = [(3 + a * a / 8, a / 2) for a in range(4, -5, -1)]
    if name.endswith("l"):
        body = "\n".join(json.dumps({"ce": ce, "alpha": a}) for ce, a in values)
    elif name.endswith("json"):
        body = json.dumps([{"perplexity": np.exp(ce), "strength": a} for ce, a in values])
    elif ";" in text:
        body = "\n".join(f"{ce};{a}".replace(".", ",") for ce, a in values)
    elif "\t" in text:
        body = "\n".join(f"{ce}\t{a}" for ce, a in values)
    else:
        body = "\n".join(f"{np.exp(ce) if 'ppl' in text else ce},{a}" for ce, a in values)
    path = tmp_path / name
    path.write_text(text.format(body) + "\n\n", encoding="utf-8")
    curves = Curves.read(path)
    np.testing.assert_array_equal(curves.alphas, np.arange(-4, 5) / 2)
    np.testing.assert_allclose(curves.cross_entropy, 3 + curves.alphas**2 / 2, rtol=1e-14)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("alpha,effect\n1,x\n2,0.1\n", r"line 2: 'x' is not a number"),
        ("alpha,effect\n1\n", r"line 2: '' is not a number"),
        ("alpha,price\n1,2\n", "holds alpha, price"),
        ("alpha,effect\n", "0 values of alpha"),
        ("alpha,effect\n1,0.1\n2,0.2\n", "2 values of alpha"),
        ("alpha,effect\n1,0.1\n1,0.2\n2,0\n3,0\n4,0\n", "an alpha occurs twice"),
        ("alpha,effect\n1,10\n5,20\n2,0\n3,0\n4,0\n", "runs from 0 to 20"),
        ("alpha,effect\n1,nan\n5,0\n2,0\n3,0\n4,0\n", "is nan; only finite"),
        ("alpha,kl\n1,-1\n5,0\n2,0\n3,0\n4,0\n", "kl is -1"),
        ("alpha,ppl\n1,0.5\n5,2\n2,2\n3,2\n4,2\n", "perplexity is 0.5"),
    ],
)
def test_bad_tables(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(content)
    with pytest.raises(CurveError, match=message):
        Curves.read(path)


def test_bad_files(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", alphas=np.arange(5.0), ce=np.ones(4))
    with pytest.raises(CurveError, match="has 4 rows for 5 alphas"):
        Curves.read(tmp_path / "a.npz")
    for damaged in (b"no zip", b"PK\x03\x04 the rest is gone", b""):
        (tmp_path / "c.npz").write_bytes(damaged)
        with pytest.raises(SteeringError, match=r"cannot read .*c\.npz"):
            Curves.read(tmp_path / "c.npz")
    (tmp_path / "c.jsonl").write_text("[1, 2]")
    with pytest.raises(CurveError, match="no rows"):
        Curves.read(tmp_path / "c.jsonl")
    with pytest.raises(SteeringError, match="no file"):
        Curves.read(tmp_path / "d.csv")
    (tmp_path / "e.txt").write_text("x")
    with pytest.raises(CurveError, match="neither"):
        Curves.read(tmp_path / "e.txt")


def test_shapes() -> None:
    x = np.linspace(0, 3, 31)
    assert shape_of(x, 1e-3)[0] == "rise"
    assert shape_of(-x, 1e-3)[0] == "fall"
    assert shape_of(np.sin(x), 1e-3) == ("bump", (16,))
    assert shape_of(-np.sin(x), 1e-3)[0] == "dip"
    assert shape_of(np.sin(3 * x), 1e-3)[0] == "multi"
    # What retreats by less than the tolerance is no turn.
    assert shape_of(x + 0.01 * np.sin(40 * x), 0.1)[0] == "rise"
    assert count_shapes(np.stack([x, x, -x], axis=1), 0.0)["rise"] == 2


def test_the_command_line_needs_no_torch(tmp_path: Path) -> None:
    path, copy = tmp_path / "x.csv", tmp_path / "x.json"
    path.write_text("alpha,effect\n" + "\n".join(f"{a},{0.1 + 0.01 * a}" for a in range(9)))
    code = (
        "import sys; sys.modules['torch'] = None; sys.modules['transformers'] = None\n"
        "from proofs_check.bridge.__main__ import main\n"
        f"sys.exit(main(['read', {str(path)!r}, '--json', {str(copy)!r}]))"
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
    # What the file cannot decide is said as well.
    assert "no kl (ce-exact)" in run.stdout
    results = json.loads(copy.read_text())["results"]
    assert results[0]["id"] == "concept-monotone@x.csv"
    assert results[0]["status"] == "passed"
