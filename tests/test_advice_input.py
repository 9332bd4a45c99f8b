"""The advisor without torch: files of log-probabilities, the search, the command line."""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from steering_strength.proofs_check.bridge.__main__ import main
from steering_strength.proofs_check.bridge.data import plain, read_input
from steering_strength.proofs_check.bridge.loading import CurveError
from steering_strength.theory import TiltedFamily
from steering_strength.theory.errors import SteeringError

ROOT = Path(__file__).resolve().parent.parent
TEXT = ("joy", " joy", "grey", "rain", "sun")


@pytest.fixture
def tables():
    rng = np.random.default_rng(0)

    def rows(count):
        logits = rng.normal(size=(count, 5))
        return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)

    return {"log_p": rows(3), "log_p_positive": rows(4), "log_p_negative": rows(2)}


@pytest.fixture
def npz(tables, tmp_path):
    path = tmp_path / "logs.npz"
    np.savez(path, **tables, token_text=np.array(TEXT), norm=2.0, residual_norm=8.0)
    return path


def test_npz_and_csv_say_the_same(tables, npz, tmp_path):
    path = tmp_path / "logs.csv"
    kinds = {"log_p": "context", "log_p_positive": "positive", "log_p_negative": "negative"}
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["kind", *TEXT])
        for name, kind in kinds.items():
            writer.writerows([kind, *(f"{x:.6f}" for x in row)] for row in tables[name])
    exact, rounded = read_input(npz), read_input(path)
    assert exact.notes == ()
    assert len(rounded.notes) == 3
    assert "was normalised" in rounded.notes[0]
    for one, other in zip(exact.families, rounded.families, strict=True):
        np.testing.assert_allclose(one.log_p, other.log_p, atol=2e-6)
        np.testing.assert_allclose(one.log_odds, other.log_odds, atol=3e-6)
    odds = tables["log_p_positive"].mean(axis=0) - tables["log_p_negative"].mean(axis=0)
    np.testing.assert_allclose(exact.families[0].log_odds, odds, atol=1e-14)
    assert exact.token_text == rounded.token_text == TEXT
    assert (exact.norm, exact.residual_norm) == (2.0, 8.0)
    assert math.isnan(rounded.norm)
    assert exact.name(1) == "' joy'"


def test_a_saved_family_is_one_context(tables, tmp_path):
    family = TiltedFamily(tables["log_p"][0], [0.0, 1.0, 2.0, 3.0, 4.0])
    family.save(tmp_path / "one.npz")
    given = read_input(tmp_path / "one.npz")
    assert len(given.families) == 1
    np.testing.assert_allclose(given.families[0].log_p, family.log_p, atol=1e-15)
    assert given.name(3) == "token 3"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"log_p": None}, "log_p, the contexts' log-probabilities"),
        ({"log_p_negative": None}, "does not say what steering does"),
        ({"log_odds": np.zeros(5)}, "leave one of them out"),
        ({"token_text": np.array(["a"])}, "names 1 tokens"),
        ({"norm": -1.0}, "norm is -1.0"),
        ({"norm": np.nan}, "norm is nan"),
        ({"log_p": np.zeros((1, 5))}, "bad.npz, context 0: .*not normalised"),
        ({"log_p": np.full((1, 5), np.nan)}, "nan"),
        ({"log_p": np.array([1])}, "differ|vocabulary|V ="),
    ],
)
def test_a_bad_npz_is_named(tables, tmp_path, changes, message):
    content = {**tables, **changes}
    path = tmp_path / "bad.npz"
    np.savez(path, **{name: value for name, value in content.items() if value is not None})
    with pytest.raises(SteeringError, match=message):
        read_input(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "begins with nothing"),
        ("token,a,b\n", "header is `kind`"),
        ("kind,a,b\ncontexts,0,0\n", "line 2: kind 'contexts'"),
        ("kind,a,b\ncontext,0\n", "1 numbers, the header 2 tokens"),
        ("kind,a,b\ncontext,0,x\n", "could not convert"),
        ("kind,a,b\nlog_odds,0,1\nlog_odds,0,1\n", "2 rows log_odds"),
        ("kind,a,b\nlog_odds,0,1\n", "log_p, the contexts"),
    ],
)
def test_a_bad_csv_is_named(tmp_path, text, message):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(CurveError, match=message):
        read_input(path)


def test_targets(npz, tables, tmp_path):
    given = read_input(npz)
    np.testing.assert_array_equal(given.tokens((1, 4), (), None), [1, 4])
    np.testing.assert_array_equal(given.tokens(None, ("JOY",), None), [0, 1])
    odds = given.families[0].log_odds
    np.testing.assert_array_equal(given.tokens(None, (), 2), np.argsort(-odds)[:2])
    assert given.tokens(None, (), None) is None
    for arguments, message in (
        ((None, ("fog",), None), "no token spells"),
        ((None, (), 5), "--largest = 5 is above 4"),
    ):
        with pytest.raises(SteeringError, match=message):
            given.tokens(*arguments)
    np.savez(tmp_path / "bare.npz", **tables)
    with pytest.raises(CurveError, match="does not hold"):
        read_input(tmp_path / "bare.npz").tokens(None, ("joy",), None)


def test_the_command_line_without_torch(npz, tmp_path):
    out = tmp_path / "out"
    code = f"""
import sys
class Absent:
    def find_spec(self, name, *rest):
        if name.split(".")[0] in ("torch", "transformers", "safetensors"):
            raise ImportError(name)
sys.meta_path.insert(0, Absent())
from steering_strength.proofs_check.bridge.__main__ import main
sys.exit(main(["advise", "--data", {str(npz)!r}, "--words", "joy", "--level", "0.3",
               "--budget", "2", "--out", {str(out)!r}, "--quantile", "0.3"]))
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode in (0, 1)
    assert "3 contexts: " in done.stdout
    assert "AISteer360" in done.stdout
    names = sorted(path.name for path in out.iterdir())
    assert names == ["advice.json", "advice.npz"]
    with np.load(out / "advice.npz") as record:
        assert record["effect"].shape == record["price"].shape == (25, 3)
    content = json.loads((out / "advice.json").read_text())
    assert content["advice"]["window"]["status"] == ("ok" if done.returncode == 0 else "empty")
    assert len(content["advice"]["contexts"]) == 3
    assert content["advice"]["demand"]["target"] == [0, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing is demanded of alpha"),
        (["--budget", "-1"], "cross_entropy is -1.0"),
        (["--budget", "nan"], "cross_entropy is nan"),
        (["--level", "0.5"], "level needs target tokens"),
        (["--level", "0.5", "--tokens", "9"], "tokens[0] = 9 does not exist"),
        (["--budget", "1", "--site", "3"], "--site were given"),
        (["--budget", "1", "--quantile", "2"], "quantile is 2.0"),
        (["--budget", "1", "--data", "none.npz"], "no file none.npz"),
        (["--budget", "1", "--out", "/proc/nowhere"], "cannot write"),
    ],
)
def test_mistakes_are_one_line(npz, arguments, message, capsys):
    assert main(["advise", "--data", str(npz), *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert message in err


def test_an_empty_window_is_exit_status_1(npz, capsys):
    arguments = ["--words", "joy", "--level", "0.99", "--budget", "0.001", "--contexts", "1"]
    assert main(["advise", "--data", str(npz), *arguments]) == 1
    assert "empty: " in capsys.readouterr().out


def test_json_has_no_number_that_json_lacks():
    assert plain((math.inf, -math.inf, math.nan, 0.5)) == ["inf", "-inf", None, 0.5]
    assert plain(np.array([True, False, True])) == [0, 2]
