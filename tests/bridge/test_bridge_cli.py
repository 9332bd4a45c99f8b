"""The command line on a small saved model: files, JSON, exit codes, one-line errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from steering_strength.proofs_check.bridge.__main__ import main
from steering_strength.proofs_check.bridge._old.models import fingerprint, load_model
from steering_strength.proofs_check.bridge.options import JOBS
from steering_strength.theory import TiltedFamily

from .conftest import random_model, status_of

pytestmark = pytest.mark.bridge

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def arguments(model_folder: Path, concept_file: Path, tmp_path: Path) -> list[str]:
    return [
        f"--model={model_folder}",
        f"--concept={concept_file}",
        f"--out={tmp_path / 'out'}",
        "--alphas=9",
        "--tokens=4",
    ]


def test_everything_is_written_and_says_the_same(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "verdicts.json"
    assert main([*arguments, f"--json={copy}"]) == 0
    out, err = capsys.readouterr()
    folder = tmp_path / "out"
    assert sorted(p.name for p in folder.iterdir()) == [
        "final_norm.json",
        "final_norm.npz",
        "final_norm.pdf",
        "final_norm.png",
    ]
    assert "final-norm    passed" in out
    assert "self-check: alpha = 0 is the identity" in err
    content = json.loads(copy.read_text())
    assert content == json.loads((folder / "final_norm.json").read_text())
    assert {"seed", "examples", "versions", "results"} <= set(content)
    fields = {"id", "method", "status", "expected", "examples", "max_error", "counterexample"}
    for result in content["results"]:
        assert fields <= set(result)
        assert result["method"] == "real-model"
        assert result["expected"] == "true"
    assert content["results"][0]["id"] == "final-norm"
    assert content["model"]["site"] == "final_norm"
    with np.load(folder / "final_norm.npz", allow_pickle=False) as data:
        assert data["alphas"].shape == (9,)
        measured = data["token_measured"]
        at = np.searchsorted(data["dense"], data["alphas"])
        np.testing.assert_allclose(data["token_predicted"][at], measured, atol=1e-12)
        assert data["error"].max() == content["measured"]["max_error_nats"]


def test_a_run_repeats_itself(arguments: list[str], tmp_path: Path) -> None:
    numbers = []
    for name in ("one.json", "two.json"):
        assert main([*arguments, "--seed=5", f"--json={tmp_path / name}"]) == 0
        content = json.loads((tmp_path / name).read_text())
        for result in content["results"]:
            result.pop("seconds")
        numbers.append(content)
    assert numbers[0] == numbers[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--model=no/such-model"], "cannot load the model 'no/such-model'"),
        (["--model=missing.gguf"], "no file missing.gguf"),
        (["--concept=jooy"], "did you mean joy?"),
        (["--alphas=8"], "give --alphas 9"),
        (["--alpha-max=-1"], "positive finite number"),
        (["--tokens=0"], "not a whole number of at least 1"),
        (["--threads=0"], "not a whole number of at least 1"),
        (["--contexts=3"], "--contexts, it belongs to laws, explore-data"),
        (["--alpha=3"], "did you mean --alphas?"),
        (["laws"], "the job comes first: python -m proofs_check.bridge laws"),
        (["x.csv"], "takes no files, got x.csv"),
        (["--vector=absent.pt"], "no file absent.pt"),
        (["--context=4"], "give --context between 0 and 3"),
        (["--context=-1"], "give --context between 0 and 3"),
        (["--out=/proc/nowhere"], "give a folder that you may write to"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: list[str], change: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of([*arguments, *change]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    last = err.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert message in last


def test_a_failed_write_leaves_nothing_behind(arguments: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "out"
    (folder / "final_norm.pdf").mkdir(parents=True)
    assert main(arguments) == 2
    assert sorted(p.name for p in folder.iterdir()) == ["final_norm.pdf", "final_norm.png"]


def test_a_refuted_statement_is_exit_code_1(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from steering_strength.proofs_check.bridge.steering.setting import Setting

    def one_percent_too_steep(self: Setting, context: int) -> TiltedFamily:
        return TiltedFamily(self.baseline.log_p[context], 1.01 * self.log_odds)

    monkeypatch.setattr(Setting, "family", one_percent_too_steep)
    assert main(arguments) == 1
    assert "refuted" in capsys.readouterr().out


@pytest.mark.parametrize("absent", ["torch", "transformers"])
def test_a_missing_extra_names_the_command_that_installs_it(absent: str) -> None:
    code = (
        f"import sys; sys.modules[{absent!r}] = None\n"
        "from proofs_check.bridge.__main__ import main\n"
        "sys.exit(main(['--out', 'unused']))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert run.returncode == 2
    assert "Traceback" not in run.stderr
    last = run.stderr.strip().splitlines()[-1]
    assert repr(absent) in last
    assert "pip install 'steering-strength[bridge]'" in last


def test_importing_the_package_needs_no_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = None; sys.modules['transformers'] = None\n"
        "import proofs_check.bridge as bridge\n"
        "print(bridge.load_concept('joy').name)\n"
        "try:\n    bridge.load_model\n"
        "except Exception as error:\n    print(type(error).__name__)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["joy", "MissingExtraError"]


def test_every_public_name_is_there_and_no_module_hides_it() -> None:
    import importlib
    from types import ModuleType

    import steering_strength.proofs_check.bridge as bridge

    for name in bridge.__all__:
        importlib.import_module(f"proofs_check.bridge.{bridge._HOME[name]}")
    assert set(bridge._HOME.values()) >= bridge._WITHOUT_TORCH
    found = [getattr(bridge, name) for name in bridge.__all__]
    assert not any(isinstance(value, ModuleType) for value in found)
    assert set(bridge.__all__) <= set(dir(bridge))
    with pytest.raises(AttributeError, match="it has Anatomy"):
        _ = bridge.absent


def test_the_fingerprint_sees_the_weights_and_not_the_dtype(model_folder: Path) -> None:
    one, two = (load_model(str(model_folder), dtype) for dtype in ("float64", "float32"))
    assert one.fingerprint == two.fingerprint
    changed = random_model("llama")
    assert fingerprint(changed) == one.fingerprint
    changed.model.layers[1].mlp.up_proj.weight.data[0, 0] += 1e-3
    assert fingerprint(changed) != one.fingerprint


def test_an_unknown_dtype_is_refused(model_folder: Path) -> None:
    from steering_strength.proofs_check.bridge.errors import ModelError

    with pytest.raises(ModelError, match="choose one of float64, float32"):
        load_model(str(model_folder), "bfloat16")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_too_little_memory_is_one_line_too(
    arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
) -> None:
    def fails(*_arguments: object) -> None:
        raise error

    monkeypatch.setattr("steering_strength.proofs_check.bridge.commands.run", fails)
    assert main(arguments) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("error: the memory is used up; use --dtype float32")


def test_other_failures_are_not_hidden(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_arguments: object) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr("steering_strength.proofs_check.bridge.commands.run", fails)
    with pytest.raises(RuntimeError, match="mat1"):
        main(arguments)


def test_help_is_short_and_complete(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(job in shown for job in JOBS)
    assert len(shown.splitlines()) < 40
    for job, options in {
        "final-norm": ("--model", "--concept", "--json", "--dtype", "--vector"),
        "laws": ("--layers", "--read", "--apply", "--negatives", "--site"),
        "figures": ("--only", "--judge", "--benchmark"),
        "read": ("FILE", "--json"),
        "train": ("--steps",),
    }.items():
        assert status_of([job, "--help"]) == 0
        own = capsys.readouterr().out
        assert all(option in own for option in options), job
        assert ("--model" in own) == (job not in ("read", "train"))
