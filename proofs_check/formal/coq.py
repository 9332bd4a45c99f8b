"""Coq's own answer: which theorems are accepted, as what, and on which axioms.

Nothing is written into the project: what is compiled lies in the user's cache, named after its
content, what it builds on and Coq's version, so the same library is compiled once. Only the axioms
of Coq's classical real numbers are allowed; a theorem that needs another one does not count.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import textwrap
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache, reduce
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from steering_strength.proofs_check.formal.agreement import agreement_files, agreements
from steering_strength.proofs_check.formal.library import FOLDER, files, theorems
from steering_strength.proofs_check.formal.steps import step_file
from steering_strength.theory.errors import MissingExtraError, SteeringError
from steering_strength.theory.files import write_text

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

_MARK = "=== answer ==="

_TIMEOUT = 600.0
"""Seconds for one file; the longest takes a few."""

Progress = Callable[[str], None]


def _silent(line: str) -> None:
    """Show no progress."""


class Acceptance(NamedTuple):
    """What Coq says of one theorem.

    Attributes
    ----------
    statement : str
        The complete statement, every hypothesis in it, as Coq prints it.
    axioms : frozenset of str
        What the headlines of its file rest on together.
    problem : str
        Why it is not accepted; empty if it is.
    """

    statement: str
    axioms: frozenset[str]
    problem: str


def accept(
    progress: Progress = _silent, ids: Container[str] | None = None
) -> Mapping[str, Acceptance]:
    """Let Coq check the headlines of these statements, of all by default: name -> `Acceptance`.

    Only the files that they need are compiled, each once.

    Raises
    ------
    MissingExtraError
        Coq or Coquelicot is not installed.
    """
    wanted = [theorem for theorem in theorems() if ids is None or theorem.id in ids]
    paths, broken = _library([theorem.file for theorem in wanted], progress)
    answers = _answers(paths, dict.fromkeys(t.file for t in wanted if t.file not in broken))
    return {
        t.name: answers.get(t.name) or Acceptance("", frozenset(), broken[t.file]) for t in wanted
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
    paths = _sound_library(_named("".join(whole)))
    if not any(_problem(paths, code) for code in whole):
        return {}
    found = {name: _problem(paths, code) for name in agreements() for code in agreement_files(name)}
    return {name: problem for name, problem in found.items() if problem}


def step_problems(names: Iterable[str], progress: Progress = _silent) -> Mapping[str, str]:
    """The laws with a step that Coq refuses, as `steps` prints them: id -> what Coq says.

    Raises
    ------
    MissingExtraError
        Coq or Coquelicot is not installed.
    SteeringError
        The library itself does not compile.
    """
    paths = _sound_library(["steps.v"], progress)
    found = {}
    for name in names:
        progress(f"coqc the steps of {name}")
        if problem := _problem(paths, step_file(name)):
            found[name] = problem
    return found


def recheck() -> str:
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
    done = subprocess.run(
        [checker, "-silent", "-o", *_sound_library(files()), *names],
        capture_output=True, text=True, timeout=_TIMEOUT, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise SteeringError(f"coqchk: {done.stderr[-500:]}", remedy="mend the proof it names")
    return done.stdout + done.stderr


# ---- the compiled library ------------------------------------------------------------------------


def _require_coq() -> None:
    compiler = shutil.which("coqc")
    if compiler is None:
        raise MissingExtraError("coqc is not on PATH", remedy=REMEDY)
    if not _has_coquelicot(compiler):
        raise MissingExtraError(f"{compiler} has no Coquelicot", remedy=REMEDY)


@cache
def _has_coquelicot(compiler: str) -> bool:
    return _asked((), "From Coquelicot Require Import Coquelicot.\n").returncode == 0


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "steering-strength" / "formal"


def _home(name: str) -> Path:
    """The folder of a compiled file: its name is a hash of all that it depends on."""
    content = hashlib.sha256(_version())
    for each in (*_required(name), name):
        content.update(each.encode() + (FOLDER / each).read_bytes())
    return _cache() / content.hexdigest()[:24]


@cache
def _version() -> bytes:
    return subprocess.run(["coqc", "--print-version"], capture_output=True, check=False).stdout


def _library(names: Iterable[str], progress: Progress) -> tuple[list[str], dict[str, str]]:
    """These files and all they need, compiled: the options with which Coq finds them.

    And what is wrong with those that do not compile.
    """
    _require_coq()  # before anything is written
    _cache().mkdir(parents=True, exist_ok=True)
    needed = set().union(*({name, *_required(name)} for name in names))
    paths: list[str] = []
    broken: dict[str, str] = {}
    for name in (name for name in files() if name in needed):
        home = _home(name)
        missing = next((other for other in _required(name) if other in broken), None)
        problem = f"it needs {missing}, which does not compile" if missing else ""
        if not missing and not home.is_dir():
            progress(f"coqc {name}")
            problem = _compile(name, home, paths)
        if problem:
            broken[name] = problem
        else:
            paths += ["-Q", str(home), "SteeringStrength"]
    return paths, broken


def _sound_library(names: Iterable[str], progress: Progress = _silent) -> list[str]:
    paths, broken = _library(names, progress)
    for name, problem in broken.items():
        raise SteeringError(f"{name} does not compile: {problem}", remedy="mend the proof it names")
    return paths


def _compile(name: str, home: Path, paths: Sequence[str]) -> str:
    """Compile a file into a folder of its own; what is wrong with it, or nothing."""
    with tempfile.TemporaryDirectory(dir=home.parent) as work:
        source = Path(shutil.copy(FOLDER / name, work))
        done = _read(source, [*paths, "-Q", ".", "SteeringStrength"])
        if done.returncode != 0:
            return " ".join(done.stderr.split())[:500] or f"coqc ended with {done.returncode}"
        # Of two runs at a time the first one's folder counts: what builds on it has to fit it.
        with suppress(OSError):
            source.parent.rename(home)
    return ""


def _answers(paths: Sequence[str], names: Iterable[str]) -> dict[str, Acceptance]:
    """What Coq says of the headlines of compiled files, each of which is asked about once."""
    stores = {name: _home(name) / "answers" for name in names}
    own = {name: [t.name for t in theorems() if t.file == name] for name in stores}
    if fresh := [name for name, store in stores.items() if not store.is_file()]:
        done = _asked(paths, _questions({name: own[name] for name in fresh}))
        if done.returncode != 0:
            words = " ".join(done.stderr.split())[:300]
            raise SteeringError(f"coqc does not answer: {words}", remedy=REMEDY)
        said = iter(done.stdout.split(_MARK)[1:])
        for name in fresh:
            write_text(stores[name], _MARK.join(islice(said, len(own[name]) + 1)))
    found = {}
    for name, store in stores.items():
        *statements, axioms = store.read_text(encoding="utf-8").split(_MARK)
        used = frozenset(re.findall(r"(?m)^(\S+)", axioms.partition("Axioms:\n")[2]))
        more = ", ".join(sorted(used - ALLOWED))
        problem = f"{name} rests on {more}, which is not allowed" if more else ""
        for theorem, text in zip(own[name], statements, strict=True):
            # `name : statement`, the statement indented
            statement = textwrap.dedent(text.split(":", 1)[1]).strip()
            found[theorem] = Acceptance(statement, used, problem)
    return found


def _questions(headlines: Mapping[str, Sequence[str]]) -> str:
    """What the headlines of each file say, and what all of a file together rest on.

    Asking for a tuple costs what asking for one theorem does.
    """
    mark = f'Goal True. idtac "{_MARK}". Abort.\n'
    modules = {name: name.removesuffix(".v") for name in headlines}
    # Opened, so that Coq prints `0 < p z` and not the constants behind it.
    text = (
        "From Coq Require Import Reals List.\nFrom Coquelicot Require Import Coquelicot.\n"
        f"From SteeringStrength Require Import {' '.join(modules.values())}.\n"
        "Open Scope R_scope.\nSet Printing Width 96.\n"
    )
    for name, own in headlines.items():
        places = [f"@{modules[name]}.{theorem}" for theorem in own]
        text += "".join(f"{mark}Check {place}.\n" for place in places)
        pairs = reduce(lambda pair, place: f"({pair}, {place})", places, "I")
        together = f"all_of_{modules[name]}"
        text += f"Definition {together} := {pairs}.\n{mark}Print Assumptions {together}.\n"
    return text


def _required(name: str) -> tuple[str, ...]:
    """The files that a file builds on, directly or not, in the order of the library."""
    direct = _named((FOLDER / name).read_text(encoding="utf-8"))
    found = set(direct).union(*(_required(other) for other in direct))
    return tuple(other for other in files() if other in found)


def _named(code: str) -> list[str]:
    """The files of the library that a text imports."""
    words = " ".join(re.findall(r"From SteeringStrength Require[^.]*", code)).split()
    return [name for name in files() if name.removesuffix(".v") in words]


# ---- single texts --------------------------------------------------------------------------------


def _problem(paths: Sequence[str], code: str) -> str:
    """What Coq finds wrong with a text that builds on the library; nothing if it accepts it.

    What was accepted once is not asked for again, as long as nothing of it has changed.
    """
    known = hashlib.sha256("\n".join((*paths, code)).encode()).hexdigest()[:24]
    accepted = _cache() / f"{known}.ok"
    if accepted.is_file():
        return ""
    done = _asked(paths, code)
    if done.returncode != 0:
        return " ".join(done.stderr.split("Error:")[-1].split())[:300]
    write_text(accepted, "")
    return ""


def _asked(paths: Sequence[str], code: str) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as work:
        return _read(write_text(Path(work) / "ask.v", code), paths)


def _read(source: Path, paths: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Let Coq read a file, which may build on compiled files."""
    command = ["coqc", "-q", "-noglob", "-w", "none", *paths, source.name]
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT, check=False,
            cwd=source.parent,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        late = f"Error: {source.name} takes more than {_TIMEOUT:g} s"
        return subprocess.CompletedProcess(command, 1, "", late)
