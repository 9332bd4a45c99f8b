"""The command line: every job on a small saved model, refusals before it is loaded, exit codes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from steering_strength.figures.real_model import draw_folder
from steering_strength.figures.report.content import read_real_model
from steering_strength.proofs_check.bridge.__main__ import JOBS, folder_of, main, parse
from steering_strength.proofs_check.bridge.vectors import (
    Site,
    SteeringVector,
    import_vectors,
    save_vector,
)
from steering_strength.theory import TiltedFamily

from .conftest import status_of

pytestmark = pytest.mark.bridge


@pytest.fixture
def given(model_folder: Path, concept_file: Path, tmp_path: Path) -> list[str]:
    return [f"--model={model_folder}", f"--concept={concept_file}", f"--out={tmp_path / 'out'}"]


def test_the_default_job_writes_data_and_says_the_same(
    given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy, folder = tmp_path / "verdicts.json", tmp_path / "out"
    assert main([*given, "--alphas=9", f"--json={copy}"]) == 0
    out, _ = capsys.readouterr()
    assert sorted(p.suffix for p in folder.iterdir()) == [".json", ".md", ".npz"]
    content = json.loads(copy.read_text())
    assert content == json.loads((folder / "final_norm.json").read_text())
    assert {"seed", "examples", "versions", "results"} <= set(content)
    fields = {"id", "method", "status", "expected", "examples", "max_error", "counterexample"}
    for result in content["results"]:
        assert fields <= set(result)
        assert result["method"] == "real-model"
        assert result["expected"] == "true"
        assert result["id"] in out
    # The pictures come from the records alone, in the same folder.
    drawn = draw_folder(folder, formats=("png",))
    assert [path.name for path in drawn] == ["final_norm.png"]
    # The report reads the same folder.
    shown = read_real_model(folder)
    assert shown is not None
    assert shown["picture"] is not None
    assert all(verdict.status == "passed" for verdict in shown["verdicts"])


def test_a_run_repeats_itself(given: list[str], tmp_path: Path) -> None:
    numbers = []
    for name in ("one.json", "two.json"):
        arguments = [*given, "--alphas=9", "--seed=5", "--negatives=sampled"]
        assert main([*arguments, f"--json={tmp_path / name}"]) == 0
        content = json.loads((tmp_path / name).read_text())
        for result in content["results"]:
            result.pop("seconds")
        numbers.append(content)
    assert numbers[0] == numbers[1]


def test_a_refuted_exact_statement_is_exit_code_1(
    given: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import steering_strength.proofs_check.bridge.laws as laws

    monkeypatch.setattr(laws, "TiltedFamily", lambda p, odds: TiltedFamily(p, 1.01 * odds))
    assert main(given) == 1


@pytest.mark.parametrize(
    ("job", "changes", "message"),
    [
        ("final-norm", ["--model=no/such-model"], "no/such-model"),
        ("final-norm", ["--concept=jooy"], "did you mean joy?"),
        ("final-norm", ["--alphas=8"], "give --alphas 9"),
        ("final-norm", ["--alpha-max=-1"], "positive finite number"),
        ("laws", ["--windows=0"], "not a whole number of at least 1"),
        ("final-norm", ["--contexts=3"], "--contexts, it belongs to laws, explore-data, advise"),
        ("final-norm", ["--alpha=3"], "did you mean --alphas?"),
        ("final-norm", ["x.csv"], "takes no files, got x.csv"),
        ("final-norm", ["--vector=absent.pt"], "no file absent.pt"),
        ("final-norm", ["--context=4"], "give --context between 0 and 3"),
        ("final-norm", ["--out=/proc/nowhere"], "give a folder that you may write to"),
        ("laws", ["--layers=1,x"], "give numbers from 0, such as 7,15"),
        ("laws", ["--layers=9"], "give a block between 0 and 2"),
        ("figures", ["--only=bumpz"], "did you mean bumps?"),
        ("figures", ["--only=judge", "--judge=no_such_module:f"], "cannot import"),
        ("advise", [], "nothing is demanded of alpha"),
        ("advise", ["--budget=-1"], "-1"),
        ("advise", ["--budget=1", "--samples=4", "--out="], "--samples needs --out"),
        ("advise", ["--budget=1", "--export=v.bin"], "v.bin"),
        ("advise", ["--budget=1", "--tokens=1", "--largest=2"], "choose one"),
        ("advise", ["--rank-layers=some"], "--rank-layers"),
        ("advise", ["--per-token=0.1", "--budget=1"], "choose one"),
        ("advise", ["--per-token=0"], "positive finite number"),
        ("advise", ["--per-token=1", "--percentile=95"], "strictly between 0 and 1"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    given: list[str], job: str, changes: list[str], message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert status_of([job, *given, *changes]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    last = err.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert message in last


def test_what_can_be_refused_is_refused_before_the_model_is_loaded(
    given: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import steering_strength.proofs_check.bridge.jobs as jobs

    wide = tmp_path / "wide.npy"
    np.save(wide, np.ones(33))

    def never(*_given: Any) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(jobs.SteeredModel, "load", never)
    for words in (
        ["--alphas=8"], ["--vector=absent.pt"], ["laws", "--layers=x"], ["figures", "--only=x"],
        ["advise", "--budget=nan"], ["advise", "--budget=1", "--export=x.y"], ["--context=9"],
        ["--site=1", f"--vector={wide}"],
    ):  # fmt: skip
        job = words[:1] if not words[0].startswith("-") else []
        assert status_of([*job, *given, *words[len(job) :]]) == 2


def test_laws_of_a_few_blocks(
    given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import steering_strength.proofs_check.bridge.beyond as beyond

    for name in ("_STRENGTHS", "_DRAWS_AT_BLOCK"):  # judged elsewhere
        monkeypatch.setattr(beyond, name, 2)
    assert main(["laws", *given, "--layers=1,2", "--contexts=2", "--windows=2"]) == 0
    folder = tmp_path / "out"
    content = json.loads((folder / "laws.json").read_text())
    assert {"final-norm", "last-block@block_out 2", "norm-limit@block_out 1"} <= {*content["exact"]}
    # The vectors can be used again, and the one of the last block is what it was.
    again = ["laws", *given, f"--vector={folder / 'cheer_block_out_2.npz'}", "--contexts=2"]
    assert main([*again, "--windows=2", f"--out={tmp_path / 'again'}"]) == 0
    ids = [result["id"] for result in content["results"]]
    later = json.loads((tmp_path / "again" / "laws.json").read_text())["results"]
    name = "local 0.1 nat@block_out 2"
    at = [result["id"] for result in later].index(name)
    assert later[at]["note"] == content["results"][ids.index(name)]["note"]
    names = {path.name for path in draw_folder(folder, formats=("png",))}
    assert names == {"final_norm.png", "laws.png", "laws_texts.png"}


def test_advice_is_written_exported_and_drawn(
    given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export, folder = tmp_path / "v.npz", tmp_path / "out"
    arguments = ["advise", *given, "--site=1", "--budget=0.1", f"--export={export}", "--samples=3"]
    assert main([*arguments, "--contexts=2"]) == 0
    assert "forward passes" in capsys.readouterr().out
    content = json.loads((folder / "advice.json").read_text())
    assert len(content["advice"]["contexts"]) == 2
    assert (folder / "samples.md").read_text().count("- alpha = ") == 8
    assert [path.name for path in draw_folder(folder, formats=("png",))] == ["advice.png"]
    # The exported file steers the same model again, with its alpha on record.
    with np.load(export, allow_pickle=False) as stored:
        said = json.loads(str(stored["metadata"]))
    assert 0 < float(said["alpha"]) < np.inf
    assert main(["laws", *given, f"--vector={export}", "--contexts=1", "--windows=2"]) == 0


def test_a_cost_per_generated_token_is_one_command(
    given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export = tmp_path / "v.npy"
    arguments = ["advise", *given, "--per-token=0.05", "--contexts=2", f"--export={export}"]
    assert main([*arguments, "--samples=2"]) == 0
    content = json.loads((tmp_path / "out" / "advice.json").read_text())
    alpha = content["advice"]["alpha"]
    assert content["advice"]["rollouts"] == 0
    assert content["advice"]["achieved"] == pytest.approx(0.05, rel=0.05)
    # A bare array holds alpha times the vector.
    about = json.loads(export.with_suffix(".json").read_text())
    norm = np.linalg.norm(np.load(export))
    assert float(about["alpha"]) == pytest.approx(alpha)
    assert norm == pytest.approx(alpha * float(about["norm"]))
    assert "per generated token" in capsys.readouterr().out


def test_a_file_of_several_layers_is_one_vector(
    given: list[str], model_folder: Path, tmp_path: Path
) -> None:
    rng, files = np.random.default_rng(1), [tmp_path / "theirs.gguf", tmp_path / "ours.gguf"]
    layers = [SteeringVector(rng.standard_normal(32), Site(i), model="llama") for i in (1, 2)]
    save_vector(layers, files[0])
    arguments = ["advise", *given, f"--vector={files[0]}", "--budget=0.1", f"--export={files[1]}"]
    assert main([*arguments, "--contexts=2", "--samples=2"]) == 0
    content = json.loads((tmp_path / "out" / "advice.json").read_text())
    assert content["site"] == "block_out 1, block_out 2"
    alpha = content["advice"]["window"]["high"]["alpha"]
    for one, back in zip(layers, import_vectors(files[1]), strict=True):
        assert back.site == one.site
        np.testing.assert_allclose(back.values, alpha * one.values, rtol=1e-5)
    # The other jobs look at one site: it has to be named.
    assert status_of(["laws", *given, f"--vector={files[0]}"]) == 2
    assert status_of(["final-norm", *given, f"--vector={files[0]}", "--site=1"]) == 2


def test_sentences_alone_are_enough_with_sampled_negatives(
    given: list[str], tmp_path: Path
) -> None:
    sentences = tmp_path / "joy.txt"
    sentences.write_text("the child laughs so\na warm bright day\nthe sun was bright\n")
    contexts = tmp_path / "contexts.jsonl"
    contexts.write_text('"the day was"\n"a child is never"\n')
    arguments = ["advise", *given, f"--concept={sentences}", f"--context-texts={contexts}"]
    assert main([*arguments, "--negatives=sampled", "--budget=0.1"]) == 0


def test_no_alpha_meets_the_demands(given: list[str]) -> None:
    assert main(["advise", *given, "--budget=1e-6", "--level=0.999"]) == 1


def test_layers_are_ranked(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["advise", *given, "--rank-layers=all", "--contexts=2"]) == 0
    assert capsys.readouterr().out.count("block_out") == 3


def test_every_job_has_every_remedy_it_may_name() -> None:
    # Errors of all jobs that read texts send the reader to --negatives sampled and --words.
    for job in set(JOBS) - {"read", "train"}:
        options = vars(parse([job]))
        assert {"negatives", "words", "concept", "model", "dtype"} <= set(options), job


def test_the_folder_of_a_job() -> None:
    assert folder_of([]) == Path("out/bridge")
    assert folder_of(["laws", "--out", "x"]) == Path("x")
    assert folder_of(["advise", "--budget", "1"]) is None
    assert folder_of(["read", "x.csv"]) is None
    assert folder_of(["explore-data"]) is None


def test_help_is_short_and_complete(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(job in shown for job in JOBS)
    assert len(shown.splitlines()) < 40
    for job in JOBS:
        assert status_of([job, "--help"]) == 0
        assert ("--model" in capsys.readouterr().out) == (job not in ("read", "train"))


@pytest.mark.parametrize("absent", ["torch", "transformers"])
def test_a_missing_extra_names_the_command_that_installs_it(
    given: list[str], absent: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setitem(sys.modules, absent, None)
    assert main(given) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert repr(absent) in last
    assert "pip install 'steering-strength[bridge]'" in last


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
    ],
)
def test_memory_is_one_line_and_other_failures_are_not_hidden(
    given: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    error: Exception,
) -> None:  # fmt: skip
    def fails(*_arguments: object) -> None:
        raise error

    monkeypatch.setattr("steering_strength.proofs_check.bridge.jobs.run", fails)
    if "mat1" in str(error):
        with pytest.raises(RuntimeError, match="mat1"):
            main(given)
        return
    assert main(given) == 2
    assert "the memory is used up" in capsys.readouterr().err.strip().splitlines()[-1]
