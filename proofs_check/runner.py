"""Run checks and derivations, on one core or on many, and put the pieces together.

The work is cut into tasks that depend on (id, seed, shard) alone; how many run at a time, where
and in which order changes nothing in the verdicts except the seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pprint import pformat
from threading import Lock
from types import MappingProxyType
from typing import Any, Literal

from steering_strength.proofs_check import DEFAULT_EXAMPLES
from steering_strength.proofs_check.check import Check
from steering_strength.proofs_check.comparison import Comparison
from steering_strength.proofs_check.registry import CERTIFICATES, CHECKS, DERIVATIONS, select
from steering_strength.proofs_check.search import SHARD, Outcome, search, shards
from steering_strength.proofs_check.verdict import Status, Verdict, Verdicts
from steering_strength.theory.errors import MissingExtraError, SteeringError
from steering_strength.theory.laws.prose import plain

__all__ = [
    "Executor",
    "Part",
    "Progress",
    "Task",
    "Tick",
    "execute",
    "reproduce",
    "run",
]

CERTIFIED: Mapping[str, Check] = MappingProxyType(
    {each.id: each.as_check() for each in CERTIFICATES}
)
"""id -> what ball arithmetic certifies of a statement."""

_TASKS = 200
"""Tasks per verdict at most: with more examples each does more, so that what is kept stays small
(a few hundred bytes per task) whatever the number of examples."""

Progress = Callable[[Verdict, int, int], None]
"""Called as each verdict is reached: (verdict, verdicts so far, verdicts in all)."""

Tick = Callable[[int, int], None]
"""Called after each task: (tasks so far, tasks in all)."""


@dataclass(frozen=True)
class Task:
    """A piece of work that can be sent to another process: names and numbers only.

    Attributes
    ----------
    name, method : str
        The verdict it is a part of.
    seed : int
    shard : int
        The first of its shards (`proofs_check.search`); as many as `examples` need.
    examples : int
    """

    name: str
    method: Literal["symbolic", "certified", "property"]
    seed: int
    shard: int = 0
    examples: int = 0


@dataclass(frozen=True)
class Part:
    """What came of a task; a `Outcome` or a proof in words and numbers."""

    task: Task
    status: Status
    examples: int
    max_error: float | None
    counterexample: str | None
    note: str
    seconds: float


Executor = Callable[[Callable[[Task], Part], Sequence[Task]], Iterable[Part]]
"""Applies a function to tasks and yields results in any order: a pool's `imap_unordered`, say."""


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
    known = CHECKS if method == "property" else CERTIFIED
    if name not in known:
        select([name])  # raises with close matches, if the name is not known at all
        raise SteeringError(f"{name} has no {method} check", remedy="see its derivation")
    return known[name](case)


def code(name: str, outcome: Outcome, method: str = "property") -> str:
    """A counterexample as a program that reproduces it."""
    case = pformat(outcome.case, width=96).replace("Fraction(", "F(")
    # One line, whatever an exception had to say: it ends up in a comment.
    what = " ".join(outcome.comparison.what.split()) if outcome.comparison else ""
    extra = "" if method == "property" else f", {method!r}"
    return (
        "from fractions import Fraction as F\n"
        "from proofs_check import reproduce\n"
        "from proofs_check.instances import *\n\n"
        f"case = {case}\n"
        f"print(reproduce({name!r}, case{extra}))  # {what}\n"
    )


def _prove(task: Task) -> Part:
    """Decide the steps; those of a false reading are a refutation, with its numbers in words."""
    started = time.process_time()
    law = DERIVATIONS[task.name]
    statuses = [str(status) for status in law.prove()]
    unknown = [k for k, status in enumerate(statuses, start=1) if status == "unknown"]
    principles = ", ".join(principle.name for principle in law.principles())
    note = f"{statuses.count('proved')} of {len(statuses)} steps by the kernel"
    if principles:
        note += f"; by the rules: {principles}"
    if unknown:
        note += f"; unknown steps: {', '.join(map(str, unknown))}"
    found: Status = law.status().value
    refuted = not law.expected and found == "refuted"
    return Part(
        task=task,
        status=found,
        examples=len(statuses),
        max_error=None,
        counterexample="\n".join(
            [plain(law.sharper), *(f"{s.text()}: {plain(s.reason)}" for s in law.steps)]
        )
        if refuted
        else None,
        note=note,
        seconds=time.process_time() - started,
    )


def _check(task: Task) -> Check:
    return CHECKS[task.name] if task.method == "property" else CERTIFIED[task.name]


def _claim(task: Task) -> str:
    """What is proved, or what is read and refuted."""
    if task.method != "symbolic":
        return _check(task).claim
    law = DERIVATIONS[task.name]
    return law.claim.text() if law.expected else plain(law.paper)


def _search(task: Task) -> Part:
    check = _check(task)
    certified = task.method == "certified"
    pieces = shards(task.examples)
    count, undecided, largest, seconds = 0, 0, 0.0, 0.0
    outcome = Outcome(0, 0.0)
    for k, examples in enumerate(pieces):
        outcome = search(check, examples=examples, seed=task.seed, shard=task.shard + k)
        count += outcome.examples
        undecided += outcome.undecided
        largest = max(largest, outcome.max_error)
        seconds += outcome.seconds
        if outcome.case is not None:
            break
    status: Status = "certified" if certified else "passed"
    note = outcome.comparison.what if outcome.comparison else ""
    if undecided:
        status, note = "unknown", f"undecided on {undecided} of {count} instances"
    if outcome.case is not None:
        # A formula that raises has refuted itself, but it is no evidence against a claim that is
        # expected to be false.
        status = "unknown" if outcome.crashed and not check.expected else "refuted"
    return Part(
        task=task,
        status=status,
        examples=count,
        max_error=None if certified else largest,
        counterexample=None if outcome.case is None else code(task.name, outcome, task.method),
        note=note,
        seconds=seconds,
    )


def _formal(names: Sequence[str]) -> dict[str, Verdict]:
    """What the proof assistant says of the statements that have a theorem; one call for all.

    Without it their status is "unchecked": the theorems are there, and nobody has looked.
    """
    from steering_strength.proofs_check.formal import coq, library

    if not (library.FOLDER / "_CoqProject").exists():
        return {}
    wanted = [theorem for theorem in library.theorems() if theorem.id in names]
    verdicts = {
        name: _without_theorem(name)
        for name in library.WITHOUT_THEOREM.difference(theorem.id for theorem in wanted)
        if name in names
    }
    if not wanted:
        return verdicts
    started = time.perf_counter()
    try:
        answers, missing = coq.accept(ids=set(names)), ""
    except MissingExtraError as error:
        answers, missing = {}, error.problem
    seconds = (time.perf_counter() - started) / len(wanted)
    for name in dict.fromkeys(theorem.id for theorem in wanted):
        own = [theorem for theorem in wanted if theorem.id == name]
        expected = _expected(name)
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
            max_error=None,
            counterexample=own[0].statement if status == "refuted" else None,
            seconds=seconds * len(own),
            note=missing or "; ".join(problems) or ", ".join(theorem.name for theorem in own),
        )
    return verdicts


def _without_theorem(name: str) -> Verdict:
    return Verdict(
        id=name,
        method="formal",
        status="unchecked",
        expected=True,
        claim=DERIVATIONS[name].claim.text() if name in DERIVATIONS else CHECKS[name].claim,
        examples=0,
        max_error=None,
        counterexample=None,
        seconds=0.0,
        note="no theorem yet",
    )


def _expected(name: str) -> bool:
    """Whether the statement of that name is true."""
    return DERIVATIONS[name].expected if name in DERIVATIONS else CHECKS[name].expected


_ONE_AT_A_TIME = Lock()
"""The precision of the oracle and of the balls belongs to the process: in a pool of threads, a task
that raised it would raise it for, or lower it under, its neighbours."""


def execute(task: Task) -> Part:
    """Do one task; a module-level function, so that it can be sent to another process."""
    with _ONE_AT_A_TIME:
        return _prove(task) if task.method == "symbolic" else _search(task)


def _tasks(names: Sequence[str], examples: int, seed: int) -> list[list[Task]]:
    """The tasks of each verdict, in the order of the table."""
    groups: list[list[Task]] = []
    for name in names:
        if name in DERIVATIONS:
            groups.append([Task(name, "symbolic", seed)])
        if name in CERTIFIED:
            budget = CERTIFIED[name].budget(examples)
            groups.append([Task(name, "certified", seed, k, size) for k, size in _portions(budget)])
        if name in CHECKS:
            budget = CHECKS[name].budget(examples)
            # A false claim is one task: the search ends with the first counterexample.
            portions = _portions(budget) if CHECKS[name].expected else [(0, budget)]
            groups.append([Task(name, "property", seed, k, size) for k, size in portions])
    return groups


def _portions(examples: int) -> list[tuple[int, int]]:
    """(first shard, examples) of at most `_TASKS` tasks of whole shards."""
    each = -(-examples // (SHARD * _TASKS))
    whole = each * SHARD
    return [(k * each, min(whole, examples - k * whole)) for k in range(-(-examples // whole))]


def _merge(parts: Sequence[Part]) -> Verdict:
    """One verdict from the parts of a statement; shards after a refuted one do not count."""
    parts = sorted(parts, key=lambda part: part.task.shard)
    name, method = parts[0].task.name, parts[0].task.method
    failed = next((k for k, part in enumerate(parts) if part.status == "refuted"), None)
    counted = parts if failed is None else parts[: failed + 1]
    # Of several shards the worst status counts: refuted, unknown, and only then good news.
    last = next(
        (part for part in counted[::-1] if part.status in ("refuted", "unknown")), counted[-1]
    )
    errors = [part.max_error for part in counted if part.max_error is not None]
    return Verdict(
        id=name,
        method=method,
        status=last.status,
        expected=DERIVATIONS[name].expected
        if method == "symbolic"
        else _check(parts[0].task).expected,
        claim=_claim(parts[0].task),
        examples=sum(part.examples for part in counted),
        max_error=max(errors) if errors else None,
        counterexample=last.counterexample,
        seconds=sum(part.seconds for part in parts),
        note=last.note,
    )


def _one_by_one(function: Callable[[Task], Part], tasks: Sequence[Task]) -> Iterable[Part]:
    return map(function, tasks)


def run(
    ids: Iterable[str] | None = None,
    *,
    examples: int = DEFAULT_EXAMPLES,
    seed: int = 0,
    progress: Progress | None = None,
    tick: Tick | None = None,
    executor: Executor = _one_by_one,
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
    progress, tick : callable, optional
        See `Progress` and `Tick`.
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
    parts: list[list[Part]] = [[] for _ in groups]
    verdicts: dict[int, Verdict] = {}
    for done, part in enumerate(executor(execute, list(waiting)), start=1):
        k = waiting[part.task]
        parts[k].append(part)
        if tick is not None:
            tick(done, len(waiting))
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
