"""Run checks and derivations, on one core or on many, and put the pieces together.

The work is cut into tasks that depend on (id, seed, shard) alone; how many run at a time, where
and in which order changes nothing in the verdicts except the seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, Literal

from steering_strength.proofs_check import DEFAULT_EXAMPLES
from steering_strength.proofs_check.check import Check
from steering_strength.proofs_check.comparison import Comparison
from steering_strength.proofs_check.executors import Executor
from steering_strength.proofs_check.registry import CERTIFICATES, CHECKS, DERIVATIONS, select
from steering_strength.proofs_check.search import SHARD, code, search
from steering_strength.proofs_check.verdict import Method, Status, Verdict, Verdicts
from steering_strength.theory.errors import MissingExtraError, SteeringError
from steering_strength.theory.laws.prose import plain

_TASKS = 200
"""Tasks per verdict at most: with more examples each does more, so that what is kept stays small
(a few hundred bytes per task) whatever the number of examples."""

Progress = Callable[[Verdict, int, int], None]
"""Called as each verdict is reached: (verdict, verdicts so far, verdicts in all)."""


@dataclass(frozen=True)
class Task:
    """A piece of work that can be sent to another process: names and numbers only."""

    name: str  # of the verdict it is a part of, with its method
    method: Method
    seed: int
    shard: int = 0  # the first of its shards (`proofs_check.search`)
    examples: int = 0


Done = tuple[Task, Verdict]
"""A task and what came of it, which is a verdict on its instances alone."""


def reproduce(
    name: str, case: Any, method: Literal["certified", "property"] = "property"
) -> Comparison:
    """The disagreement of one check on one instance: what a printed counterexample calls.

    Raises
    ------
    UnknownNameError
        No such statement.
    SteeringError
        The statement is not checked on instances by this method.
    """
    known = _BY_INSTANCES[method]
    if name not in known:
        select([name])  # raises with close matches, if the name is not known at all
        raise SteeringError(f"{name} has no {method} check", remedy="see its derivation")
    return known[name](case)


def _prove(task: Task) -> Verdict:
    """Decide the steps; those of a false reading are a refutation, with its numbers in words."""
    started = time.process_time()
    law = DERIVATIONS[task.name]
    statuses = [str(status) for status in law.prove()]
    unknown = [str(k) for k, status in enumerate(statuses, start=1) if status == "unknown"]
    principles = ", ".join(principle.name for principle in law.principles())
    note = f"{statuses.count('proved')} of {len(statuses)} steps by the kernel"
    note += f"; by the rules: {principles}" if principles else ""
    note += f"; unknown steps: {', '.join(unknown)}" if unknown else ""
    found: Status = law.status().value
    shown = [plain(law.sharper), *(f"{s.text()}: {plain(s.reason)}" for s in law.steps)]
    return Verdict(
        id=task.name,
        method="symbolic",
        status=found,
        expected=law.expected,
        claim=law.claim.text() if law.expected else plain(law.paper),
        examples=len(statuses),
        counterexample="\n".join(shown) if found == "refuted" and not law.expected else None,
        note=note,
        seconds=time.process_time() - started,
    )


_BY_INSTANCES: Mapping[Method, Mapping[str, Check]] = {
    "certified": CERTIFICATES,
    "property": CHECKS,
}


def _search(task: Task) -> Verdict:
    certified, check = task.method == "certified", _BY_INSTANCES[task.method][task.name]
    found = search(check, examples=task.examples, seed=task.seed, shard=task.shard)
    status: Status = "certified" if certified else "passed"
    note = found.what
    if found.undecided:
        status, note = "unknown", f"undecided on {found.undecided} of {found.examples} instances"
    if found.case is not None:
        # A formula that raises has refuted itself, but it is no evidence against a claim that is
        # expected to be false.
        status = "unknown" if found.crashed and not check.expected else "refuted"
    return Verdict(
        id=task.name,
        method=task.method,
        status=status,
        expected=check.expected,
        claim=check.claim,
        examples=found.examples,
        max_error=None if certified else found.max_error,
        counterexample=None if found.case is None else code(task.name, found, task.method),
        note=note,
        seconds=found.seconds,
    )


def _formal(names: Sequence[str]) -> dict[str, Verdict]:
    """What the proof assistant says of the statements that have a theorem; one call for all.

    Without it their status is "unchecked": the theorems are there, and nobody has looked.
    """
    from steering_strength.proofs_check.formal import coq, library

    if not (library.FOLDER / "_CoqProject").exists():
        return {}
    wanted = [theorem for theorem in library.theorems() if theorem.id in names]
    if not wanted:
        return {}
    started = time.perf_counter()
    try:
        answers, missing = coq.accept(ids=set(names)), ""
    except MissingExtraError as error:
        answers, missing = {}, error.problem
    seconds = (time.perf_counter() - started) / len(wanted)
    verdicts: dict[str, Verdict] = {}
    for name in dict.fromkeys(theorem.id for theorem in wanted):
        own = [theorem for theorem in wanted if theorem.id == name]
        expected = DERIVATIONS[name].expected if name in DERIVATIONS else CHECKS[name].expected
        problems = [] if missing else [p for t in own if (p := answers[t.name].problem)]
        status: Status = "formal" if expected else "refuted"
        if missing or problems:
            status = "unchecked" if missing else "unknown"
        verdicts[name] = Verdict(
            id=name,
            method="formal",
            status=status,
            expected=expected,
            claim=own[0].words,
            examples=len(own),
            counterexample=own[0].statement if status == "refuted" else None,
            seconds=seconds * len(own),
            note=missing or "; ".join(problems) or ", ".join(theorem.name for theorem in own),
        )
    return verdicts


_ONE_AT_A_TIME = Lock()
"""The precision of the oracle and of the balls belongs to the process: in a pool of threads, a task
that raised it would raise it for, or lower it under, its neighbours."""


def execute(task: Task) -> Done:
    """Do one task; a module-level function, so that it can be sent to another process."""
    with _ONE_AT_A_TIME:
        return task, _prove(task) if task.method == "symbolic" else _search(task)


def _tasks(names: Sequence[str], examples: int, seed: int) -> list[list[Task]]:
    """The tasks of each verdict, in the order of the table."""
    groups: list[list[Task]] = []
    for name in names:
        if name in DERIVATIONS:
            groups.append([Task(name, "symbolic", seed)])
        for method, known in _BY_INSTANCES.items():
            if name in known:
                budget = known[name].budget(examples)
                # A false claim is one task: the search ends with the first counterexample.
                portions = _portions(budget) if known[name].expected else [(0, budget)]
                groups.append([Task(name, method, seed, k, size) for k, size in portions])
    return groups


def _portions(examples: int) -> list[tuple[int, int]]:
    """(first shard, examples) of at most `_TASKS` tasks of whole shards."""
    each = -(-examples // (SHARD * _TASKS))
    whole = each * SHARD
    return [(k * each, min(whole, examples - k * whole)) for k in range(-(-examples // whole))]


def _merge(parts: Sequence[Done]) -> Verdict:
    """One verdict from those of its tasks; what comes after a refuted one does not count."""
    verdicts = [verdict for _, verdict in sorted(parts, key=lambda part: part[0].shard)]
    failed = next((k for k, v in enumerate(verdicts) if v.status == "refuted"), len(verdicts))
    counted = verdicts[: failed + 1]
    # Of several the worst status counts: refuted, unknown, and only then good news.
    last = next((v for v in counted[::-1] if v.status in ("refuted", "unknown")), counted[-1])
    return replace(
        last,
        examples=sum(v.examples for v in counted),
        max_error=max((v.max_error for v in counted if v.max_error is not None), default=None),
        seconds=sum(v.seconds for v in verdicts),
    )


def run(
    ids: Iterable[str] | None = None,
    *,
    examples: int = DEFAULT_EXAMPLES,
    seed: int = 0,
    progress: Progress | None = None,
    executor: Executor = map,
) -> Verdicts:
    """Verdicts on statements, in the order of the theory.

    Parameters
    ----------
    ids : iterable of str, optional
        Statements, or single readings ``statement/reading``; all by default.
    examples : int
        Instances per check.
    seed : int
        The same seed gives the same verdicts, counterexamples and worst errors.
    progress : callable, optional
        See `Progress`.
    executor : callable, optional
        How the tasks are run; one by one in this process by default. See `proofs_check.executors`.

    Raises
    ------
    UnknownNameError
        No such statement.
    SteeringError
        `examples` is not positive.
    """
    if examples < 1:
        raise SteeringError(f"examples = {examples} is below 1", remedy="ask for at least one")
    names = select(ids)
    groups = _tasks(names, examples, seed)
    waiting = {task: k for k, group in enumerate(groups) for task in group}
    parts: list[list[Done]] = [[] for _ in groups]
    verdicts: dict[int, Verdict] = {}
    for part in executor(execute, list(waiting)):
        k = waiting[part[0]]
        parts[k].append(part)
        if len(parts[k]) == len(groups[k]):
            verdicts[k] = _merge(parts[k])
            if progress is not None:
                progress(verdicts[k], len(verdicts), len(groups))
    found = [verdicts[k] for k in range(len(groups))]
    for name, verdict in _formal(names).items():
        # After what SymPy says of the same statement.
        place = next(
            (k for k, v in enumerate(found) if v.id == name and v.method != "symbolic"), len(found)
        )
        found.insert(place, verdict)
    return Verdicts(found)
