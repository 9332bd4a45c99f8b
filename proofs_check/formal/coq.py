"""Coq's own answer: which theorems are accepted, as what, and on which axioms.

Nothing is written into the project: what is compiled lies in the user's cache, named after its
content, what it builds on and Coq's version, so the same library is compiled once. Only the axioms
of Coq's classical real numbers are allowed; a theorem that needs another one does not count.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import textwrap
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from steering_strength.proofs_check.formal.agreement import agreement_files, agreements
from steering_strength.proofs_check.formal.library import FOLDER, Theorem, files, theorems
from steering_strength.proofs_check.formal.steps import step_file
from steering_strength.theory.errors import MissingExtraError, SteeringError
from steering_strength.theory.files import write_json, write_text

__all__ = [
    "ALLOWED",
    "REMEDY",
    "Acceptance",
    "accept",
    "coqc",
    "disagreements",
    "recheck",
    "step_problems",
]

ALLOWED = frozenset(
    {
        "ClassicalDedekindReals.sig_forall_dec",
        "ClassicalDedekindReals.sig_not_dec",
        "FunctionalExtensionality.functional_extensionality_dep",
        "Classical_Prop.classic",
    }
)
"""The axioms under Coq's real numbers and classical logic."""

REMEDY = (
    "install Coq (8.16 or newer) with Coquelicot: Debian's packages coq and libcoq-coquelicot, or"
    " opam's coq and coq-coquelicot"
)

_MARK = "=== statement ==="

_TIMEOUT = 600.0
"""Seconds for one file; the longest takes a few."""


class Acceptance(NamedTuple):
    """What Coq says of one theorem.

    Attributes
    ----------
    statement : str
        The complete statement, every hypothesis in it, as Coq prints it.
    axioms : frozenset of str
        What it rests on; all of `ALLOWED` where single theorems were not asked for.
    problem : str
        Why it is not accepted; empty if it is.
    """

    statement: str
    axioms: frozenset[str]
    problem: str


def coqc() -> str:
    """The compiler.

    Raises
    ------
    MissingExtraError
        There is none, or it is without Coquelicot.
    """
    found = shutil.which("coqc")
    if found is None:
        raise MissingExtraError("coqc is not on PATH", remedy=REMEDY)
    if not _has_coquelicot(found):
        raise MissingExtraError(f"{found} has no Coquelicot", remedy=REMEDY)
    return found


def accept(
    progress: Callable[[str], None] = lambda line: None, ids: Container[str] | None = None
) -> Mapping[str, Acceptance]:
    """Let Coq check the headlines of these statements, of all by default: name -> `Acceptance`.

    Only the files that they need are compiled, each once.

    Raises
    ------
    MissingExtraError
        Coq or Coquelicot is not installed.
    """
    wanted = [theorem for theorem in theorems() if ids is None or theorem.id in ids]
    with _library([theorem.file for theorem in wanted], progress) as (folder, broken):
        good = [theorem for theorem in wanted if theorem.file not in broken]
        answers = _remembered(folder, good)
    return {
        theorem.name: answers[theorem.name]
        if theorem.file not in broken
        else Acceptance("", frozenset(), broken[theorem.file])
        for theorem in wanted
    }


def disagreements() -> Mapping[str, str]:
    """The laws whose key formula, printed from SymPy, is not the library's: id -> what Coq says.

    Raises
    ------
    MissingExtraError
        Coq or Coquelicot is not installed.
    SteeringError
        The library itself does not compile.
    """
    whole = tuple(agreement_files())
    with _library(_named("".join(whole)), lambda line: None) as (folder, broken):
        if broken:
            raise _broken(broken)
        if not any(_problem(folder, code) for code in whole):
            return {}
        found = {
            name: _problem(folder, code) for name in agreements() for code in agreement_files(name)
        }
    return {name: problem for name, problem in found.items() if problem}


def step_problems(
    names: Iterable[str], progress: Callable[[str], None] = lambda line: None
) -> Mapping[str, str]:
    """The laws with a step that Coq refuses, as `steps` prints them: id -> what Coq says.

    What was accepted once is not asked for again, as long as nothing of it has changed.

    Raises
    ------
    MissingExtraError
        Coq or Coquelicot is not installed.
    SteeringError
        The library itself does not compile.
    """
    found, built_on = {}, _key("steps.v")
    with _library(["steps.v"], progress) as (folder, broken):
        if broken:
            raise _broken(broken)
        for name in names:
            code = step_file(name)
            known = hashlib.sha256((built_on + code).encode()).hexdigest()[:24]
            accepted = _cache() / f"{known}.ok"
            if accepted.is_file():
                continue
            progress(f"coqc the steps of {name}")
            if problem := _problem(folder, code):
                found[name] = problem
            else:
                write_text(accepted, name)
    return found


def recheck(progress: Callable[[str], None] = lambda line: None) -> str:
    """Let ``coqchk``, a checker independent of the compiler, go through everything once more.

    Returns its summary of the axioms.

    Raises
    ------
    MissingExtraError
        It is not installed.
    SteeringError
        It rejects the library.
    """
    checker = shutil.which("coqchk")
    if checker is None:
        raise MissingExtraError("coqchk is not on PATH", remedy=REMEDY)
    names = [f"SteeringStrength.{name.removesuffix('.v')}" for name in files()]
    with _library(files(), progress) as (folder, broken):
        if broken:
            raise _broken(broken)
        done = subprocess.run(
            [checker, "-silent", "-o", "-Q", str(folder), "SteeringStrength", *names],
            capture_output=True, text=True, timeout=_TIMEOUT, check=False,
        )  # fmt: skip
    if done.returncode != 0:
        raise SteeringError(f"coqchk: {done.stderr[-500:]}", remedy="mend the proof it names")
    return done.stdout + done.stderr


def _broken(broken: Mapping[str, str]) -> SteeringError:
    name, problem = next(iter(broken.items()))
    return SteeringError(f"{name} does not compile: {problem}", remedy="mend the proof it names")


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "steering-strength" / "formal"


@contextmanager
def _library(
    names: Iterable[str], progress: Callable[[str], None]
) -> Iterator[tuple[Path, dict[str, str]]]:
    """A folder with these files and all they need, compiled; what is wrong with those that are not.

    A compiled file is kept in the cache under the hash of all that it depends on.
    """
    coqc()  # before anything is written
    cache = _cache()
    cache.mkdir(parents=True, exist_ok=True)
    needed = set().union(*({name, *_required(name)} for name in names))
    broken: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        for name in (name for name in files() if name in needed):
            missing = next((other for other in _required(name) if other in broken), None)
            if missing:
                broken[name] = f"it needs {missing}, which does not compile"
                continue
            kept, made = cache / f"{_key(name)}.vo", (folder / name).with_suffix(".vo")
            if not kept.is_file():
                progress(f"coqc {name}")
                problem = _compile(name, folder)
                if problem:
                    broken[name] = problem
                    continue
                _keep(made, kept)
            # Of two runs at a time the first one's file counts: what builds on it has to fit it.
            shutil.copyfile(kept, made)
        yield folder, broken


def _keep(made: Path, kept: Path) -> None:
    """Put a file into the cache, whole, unless there is one."""
    whole = kept.with_name(f".{os.getpid()}-{kept.name}")
    shutil.copyfile(made, whole)
    try:
        whole.rename(kept)
    finally:
        whole.unlink(missing_ok=True)


@cache
def _version() -> bytes:
    return subprocess.run([coqc(), "--print-version"], capture_output=True, check=False).stdout


def _key(name: str) -> str:
    content = hashlib.sha256(_version())
    for each in (*_required(name), name):
        content.update(each.encode() + (FOLDER / each).read_bytes())
    return content.hexdigest()[:24]


def _required(name: str) -> tuple[str, ...]:
    """The files that a file builds on, directly or not, in the order of the library."""
    direct = _named((FOLDER / name).read_text(encoding="utf-8"))
    found = set(direct).union(*(_required(other) for other in direct))
    return tuple(other for other in files() if other in found)


def _named(code: str) -> list[str]:
    """The files of the library that a text imports."""
    words = " ".join(re.findall(r"From SteeringStrength Require[^.]*", code)).split()
    return [name for name in files() if name.removesuffix(".v") in words]


def _compile(name: str, folder: Path) -> str:
    """Compile one file inside `folder`; what is wrong with it, or nothing."""
    done = _read(Path(shutil.copy(FOLDER / name, folder)), folder)
    if done.returncode == 0:
        return ""
    return " ".join(done.stderr.split())[:500] or f"coqc ended with {done.returncode}"


def _remembered(folder: Path, asked: list[Theorem]) -> dict[str, Acceptance]:
    """Coq's answers, from the cache where the file and all it depends on are what they were."""
    answers: dict[str, Acceptance] = {}
    stores = {name: _cache() / f"{_key(name)}.json" for name in {t.file for t in asked}}
    for store in stores.values():
        with suppress(OSError, ValueError, KeyError, TypeError):
            for name, known in json.loads(store.read_text(encoding="utf-8")).items():
                axioms = frozenset(known["axioms"])
                answers[name] = Acceptance(known["statement"], axioms, known["problem"])
    missing = {theorem.file for theorem in asked if theorem.name not in answers}
    # All the headlines of a file together, so that what is kept of it is complete.
    fresh = [theorem for theorem in theorems() if theorem.file in missing]
    answers |= _asked(folder, fresh)
    for name in missing:
        own = [theorem.name for theorem in fresh if theorem.file == name]
        data = {n: {**answers[n]._asdict(), "axioms": sorted(answers[n].axioms)} for n in own}
        write_json(stores[name], data)
    return answers


def _asked(folder: Path, asked: list[Theorem]) -> dict[str, Acceptance]:
    """The complete statements and the axioms of theorems in compiled files."""
    if not asked:
        return {}
    statements = _statements(folder, asked)
    together = _axioms(folder, asked)
    if together <= ALLOWED:
        return {t.name: Acceptance(statements[t.name], together, "") for t in asked}
    # One of them rests on more: only now is it worth a second for each to find out which.
    found = {}
    for theorem in asked:
        axioms = _axioms(folder, [theorem])
        more = ", ".join(sorted(axioms - ALLOWED))
        problem = f"it rests on {more}, which is not allowed" if more else ""
        found[theorem.name] = Acceptance(statements[theorem.name], axioms, problem)
    return found


def _imports(asked: list[Theorem]) -> str:
    modules = " ".join(dict.fromkeys(theorem.file.removesuffix(".v") for theorem in asked))
    # Opened, so that Coq prints `0 < p z` and not the constants behind it.
    return (
        "From Coq Require Import Reals List.\nFrom Coquelicot Require Import Coquelicot.\n"
        f"From SteeringStrength Require Import {modules}.\nOpen Scope R_scope.\n"
    )


def _path(theorem: Theorem) -> str:
    return f"{theorem.file.removesuffix('.v')}.{theorem.name}"


def _ask(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as work:
        source = Path(work) / "ask.v"
        source.write_text(code, encoding="utf-8")
        return _read(source, folder)


def _read(source: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Let Coq read a file, which may build on the compiled files in `folder`."""
    command = [coqc(), "-q", "-noglob", "-w", "none", "-Q", str(folder), "SteeringStrength"]
    command.append(source.name)
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT, check=False,
            cwd=source.parent,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        late = f"Error: {source.name} takes more than {_TIMEOUT:g} s"
        return subprocess.CompletedProcess(command, 1, "", late)


def _problem(folder: Path, code: str) -> str:
    """What Coq finds wrong with a file; nothing if it accepts it."""
    done = _ask(folder, code)
    return "" if done.returncode == 0 else " ".join(done.stderr.split("Error:")[-1].split())[:300]


def _answer(folder: Path, code: str) -> str:
    done = _ask(folder, code)
    if done.returncode != 0:
        raise SteeringError(
            f"coqc does not answer: {' '.join(done.stderr.split())[:300]}", remedy=REMEDY
        )
    return done.stdout


def _statements(folder: Path, asked: list[Theorem]) -> dict[str, str]:
    marks = "".join(f'Goal True. idtac "{_MARK}". Abort.\nCheck @{_path(t)}.\n' for t in asked)
    printed = _answer(folder, f"{_imports(asked)}Set Printing Width 96.\n{marks}")
    parts = printed.split(_MARK)[1:]
    # `name : statement`, the statement indented
    bodies = [textwrap.dedent(part.split(":", 1)[1]).strip() for part in parts]
    return {theorem.name: body for theorem, body in zip(asked, bodies, strict=True)}


def _axioms(folder: Path, asked: list[Theorem]) -> frozenset[str]:
    """The axioms of all of them together: asking for a tuple costs what asking for one does."""
    pair = "I"
    for theorem in asked:
        pair = f"({pair}, @{_path(theorem)})"
    printed = _answer(
        folder,
        f"{_imports(asked)}Definition all_of_them := {pair}.\nPrint Assumptions all_of_them.\n",
    )
    if "Closed under the global context" in printed:
        return frozenset()
    return frozenset(re.findall(r"(?m)^(\S+)", printed.partition("Axioms:\n")[2]))


@cache
def _has_coquelicot(compiler: str) -> bool:
    with tempfile.TemporaryDirectory() as work:
        source = Path(work) / "probe.v"
        source.write_text("From Coquelicot Require Import Coquelicot.\n", encoding="utf-8")
        done = subprocess.run(
            [compiler, "-q", "-noglob", str(source)],
            capture_output=True, timeout=_TIMEOUT, check=False, cwd=work,
        )  # fmt: skip
    return done.returncode == 0
