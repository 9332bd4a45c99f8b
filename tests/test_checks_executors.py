"""Where a run is done changes nothing in it: cores, threads, joblib's backends, a Dask cluster."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from steering_strength.proofs_check import executors, run
from steering_strength.proofs_check.__main__ import main
from steering_strength.proofs_check.executors import on_cores, on_joblib
from steering_strength.proofs_check.verdict import Verdict
from steering_strength.theory.errors import SteeringError
from tests.accidents import dying, failing

# A property in two shards, and a false claim: a derivation and a search that is one task.
IDS, EXAMPLES, SEED = ["norm-limit/invisible", "limit/uniform-share"], 110, 7


def untimed(verdicts: tuple[Verdict, ...]) -> list[Verdict]:
    return [replace(verdict, seconds=0.0) for verdict in verdicts]


class counting:  # noqa: N801 - wraps an executor like a function
    """The same executor, and how many tasks it has done."""

    def __init__(self, executor: Any) -> None:
        self.executor, self.tasks = executor, 0

    def __call__(self, function: Any, tasks: Any) -> Any:
        for done in self.executor(function, tasks):
            self.tasks += 1
            yield done


@pytest.fixture(scope="module")
def reference() -> list[Verdict]:
    verdicts = untimed(run(IDS, examples=EXAMPLES, seed=SEED))
    assert {v.method for v in verdicts} - {"formal"} == {"symbolic", "property"}
    assert {v.examples for v in verdicts if v.expected and v.method == "property"} == {EXAMPLES}
    assert all(v.as_it_should_be for v in verdicts)
    return verdicts


def test_another_seed_gives_other_instances() -> None:
    first, again, other = (
        [v for v in untimed(run(["slope"], examples=8, seed=seed)) if v.method == "property"]
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first[0].max_error != other[0].max_error


@pytest.mark.long
def test_processes_give_the_same_verdicts(reference: list[Verdict]) -> None:
    counted = counting(on_cores(2))
    assert untimed(run(IDS, examples=EXAMPLES, seed=SEED, executor=counted)) == reference
    assert counted.tasks > sum(v.method != "formal" for v in reference)


@pytest.mark.long
def test_loky_gives_the_same_verdicts(reference: list[Verdict]) -> None:
    pytest.importorskip("joblib")
    found = run(IDS, examples=EXAMPLES, seed=SEED, executor=on_joblib(2, "loky"))
    assert untimed(found) == reference


def test_threads_do_not_disturb_the_digits_of_each_other() -> None:
    # The precision of the oracle and of the balls belongs to the process, and so to all threads.
    pytest.importorskip("joblib")
    alone = untimed(run(["slope"], examples=12, seed=SEED))
    assert {v.method for v in alone} - {"formal"} == {"symbolic", "certified", "property"}
    together = run(["slope"], examples=12, seed=SEED, executor=on_joblib(3, "threading"))
    assert untimed(together) == alone


@pytest.mark.long
def test_dask_gives_the_same_verdicts(reference: list[Verdict]) -> None:
    pytest.importorskip("joblib")
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=2, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
    ):
        found = run(IDS, examples=EXAMPLES, seed=SEED, executor=on_joblib(-1, "dask"))
    assert untimed(found) == reference


def test_a_backend_that_joblib_does_not_have_is_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("joblib")
    with pytest.raises(SteeringError, match="nosuch"):
        on_joblib(1, "nosuch")
    assert main(["slope", "--backend", "nosuch"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_an_accident_in_a_worker_is_reported_with_its_place() -> None:
    tasks = ["first", "second", "third"]
    with pytest.raises(RuntimeError, match="a worker has an accident") as caught:
        list(on_cores(2)(failing, tasks))
    assert "'second' failed in another process" in str(caught.value)
    with pytest.raises(ValueError, match="accident"):
        list(on_cores(1)(failing, tasks))


def test_bad_numbers_of_jobs_and_examples() -> None:
    with pytest.raises(SteeringError, match="jobs = 0"):
        on_cores(0)
    with pytest.raises(SteeringError, match="examples = 0"):
        run(["slope"], examples=0)


def _kept(examples: int) -> int:
    """Bytes at the most, beyond what was there before, while a run of that length is put together.

    The searches themselves are played: each of their shards is bounded, and what grows with their
    number is what this process keeps of them.
    """

    def played(function: Any, tasks: Any) -> Any:
        for task in tasks:
            yield task, Verdict(task.name, task.method, "passed", True, "", task.examples, 0.1)

    tracemalloc.start()
    try:
        verdicts = run(["slope"], examples=examples, executor=played)
        assert next(v for v in verdicts if v.method == "property").examples == examples
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_number_of_examples() -> None:
    _kept(100)
    few, many = _kept(100_000), _kept(10_000_000)
    assert many < 2 * few + 1_000_000


def test_shards_are_put_together_alike_in_few_tasks_or_many(
    reference: list[Verdict], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(run.__globals__, "_TASKS", 1)
    counted = counting(map)
    again = run(IDS[:1], examples=EXAMPLES, seed=SEED, executor=counted)
    assert untimed(again) == [v for v in reference if v.id == IDS[0]]
    assert counted.tasks == 1  # of two shards, where there were two


def test_json_has_every_method_and_the_false_claims(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(executors, "on_cores", lambda jobs: asked.append(jobs) or map)
    path = tmp_path / "verdicts.json"
    assert main(["concept-limit", "--examples", "5", "--jobs", "2", "--json", str(path)]) == 0
    assert asked == [2]
    assert "seed 0, 5 examples per check" in capsys.readouterr().out
    data = json.loads(path.read_text())
    assert set(data) == {"seed", "examples", "versions", "results"}
    assert (data["seed"], data["examples"]) == (0, 5)
    assert {"python", "sympy", "numpy", "hypothesis"} <= set(data["versions"])
    fields = {"id", "method", "status", "expected", "examples", "max_error", "counterexample",
              "seconds"}  # fmt: skip
    assert all(fields <= set(result) for result in data["results"])
    rows = {(r["id"], r["method"]): (r["status"], r["expected"]) for r in data["results"]}
    for name, expected in (("concept-limit", "true"), ("concept-limit/returns", "false")):
        status = {"true": "formal", "false": "refuted"}[expected]
        assert rows.pop((name, "formal")) in {(status, expected), ("unchecked", expected)}
    assert rows == {
        ("concept-limit", "symbolic"): ("proved with rules", "true"),
        ("concept-limit", "property"): ("passed", "true"),
        ("concept-limit/returns", "symbolic"): ("refuted", "false"),
        ("concept-limit/returns", "property"): ("refuted", "false"),
    }
    for result in data["results"]:
        assert bool(result["counterexample"]) == (result["status"] == "refuted")


def test_a_dead_process_is_noticed() -> None:
    with pytest.raises(SteeringError, match="has died"):
        list(on_cores(2)(dying, range(6)))


@pytest.mark.parametrize("option", ["--examples", "--seed"])
def test_errata_refuse_what_they_would_ignore(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["errata", option, "5"]) == 2
    assert option in capsys.readouterr().err
