"""Where the tasks of a run are done: the cores of this machine, or whatever joblib can reach.

An executor applies a function to a sequence of tasks and yields the results as they come. The
tasks are small (names and numbers), the results are small (verdicts in words), so nothing grows
with the number of examples.
"""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from threading import Thread
from typing import Any

from steering_strength.theory.errors import MissingExtraError, SteeringError

Executor = Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]
"""Applies a function to tasks and yields results in any order: a pool's `imap_unordered`, say."""


def _guarded(function: Callable[[Any], Any], task: Any) -> Any:
    """Exceptions with arguments of their own do not survive pickling: this one is text."""
    try:
        return function(task)
    except Exception:
        trace = traceback.format_exc()
        raise RuntimeError(f"{task!r} failed in another process\n{trace}") from None


def _end_with_parent() -> None:
    """A worker whose parent is killed would wait for its next task for ever."""

    def wait() -> None:
        if parent := multiprocessing.parent_process():
            parent.join()
            os._exit(1)

    Thread(target=wait, daemon=True).start()


def _died() -> SteeringError:
    return SteeringError(
        "a process has died (killed, or out of memory)",
        remedy="run again, with fewer --jobs if memory is short",
    )


def on_cores(jobs: int) -> Executor:
    """An executor over `jobs` processes of this machine; 1 means this process.

    Raises
    ------
    SteeringError
        `jobs` is below 1, or while it runs: a process has died.
    """
    if jobs < 1:
        raise SteeringError(f"jobs = {jobs} is below 1", remedy="ask for at least one process")

    def apply(function: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[Any]:
        if jobs == 1 or len(tasks) < 2:
            yield from map(function, tasks)
            return
        # spawn: a forked copy of a process with running threads (BLAS, matplotlib) can hang.
        context = multiprocessing.get_context("spawn")
        workers = min(jobs, len(tasks))
        with ProcessPoolExecutor(workers, context, initializer=_end_with_parent) as pool:
            waiting = [pool.submit(_guarded, function, task) for task in tasks]
            try:
                yield from (done.result() for done in as_completed(waiting))
            except BrokenProcessPool:
                raise _died() from None
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    return apply


def on_joblib(jobs: int = -1, backend: str | None = None) -> Executor:
    """An executor over a joblib backend: "loky", "threading", "dask" once a Dask client is there.

    Without `backend`, the one that `joblib.parallel_config` has set.

    Raises
    ------
    MissingExtraError
        joblib is not installed.
    SteeringError
        joblib has no such backend, or cannot start it (Dask without a client).
    """
    try:
        import joblib
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "joblib is not installed",
            remedy="python -m pip install 'steering-strength[cluster]', or use --jobs",
        ) from error

    def parallel() -> Any:
        # joblib learns of Dask and Ray only when a configuration names them.
        config = joblib.parallel_config(**({} if backend is None else {"backend": backend}))
        with config:
            return joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")

    try:
        parallel()
    except (ValueError, ImportError) as error:
        reason = " ".join(str(error).split())  # Dask's has five lines
        raise SteeringError(
            f"joblib cannot use the backend {backend!r}: {reason}",
            remedy="name one of joblib's, and start its cluster first",
        ) from error

    def apply(function: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[Any]:
        try:
            yield from parallel()(joblib.delayed(function)(task) for task in tasks)
        except BrokenProcessPool:  # loky's is one of these
            raise _died() from None

    return apply
