"""The shape of the project: who may import whom, what is public, how long a file may be.

Three derivations of the same laws are worth three only while they share no code: SymPy in
`theory.laws`, NumPy in `theory.engine` and `theory.model`, exact arithmetic in
`proofs_check.oracles`. The rules below are read off the syntax trees of all files, and again
in fresh interpreters in which the forbidden packages cannot be imported.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("theory", "proofs_check", "figures")
EXTRAS = ("torch", "transformers", "gguf", "accelerate", "safetensors", "huggingface_hub")
BRIDGE = "proofs_check/bridge"


@dataclass(frozen=True)
class Rule:
    """What the files under `folder` may import: of this project `internal` only, never `banned`."""

    folder: str
    internal: tuple[str, ...]
    banned: tuple[str, ...] = ()


RULES = (
    Rule(
        "theory/laws",
        ("theory.laws", "theory.errors", "theory.files"),
        ("numpy", "scipy", "flint", "numba"),
    ),
    Rule(
        "theory/engine",
        ("theory.engine", "theory.errors", "theory.files"),
        ("sympy", "mpmath", "flint"),
    ),
    Rule(
        "theory/model",
        ("theory.model", "theory.engine", "theory.errors", "theory.files"),
        ("sympy", "mpmath", "flint"),
    ),
    Rule("theory/errors.py", ()),
    Rule("theory/files.py", ("theory.errors",), ("numpy", "sympy")),
    Rule("theory", ("theory",), ("matplotlib", "hypothesis")),
    Rule("proofs_check/oracles", ("proofs_check.oracles",), ("numpy", "scipy", "sympy", "flint")),
    Rule("proofs_check", ("theory", "proofs_check")),
    Rule("figures", ("theory", "proofs_check", "figures"), ("proofs_check.bridge",)),
)


def source_files(root: Path, packages: tuple[str, ...] = PACKAGES) -> list[Path]:
    return sorted(path for package in packages for path in (root / package).rglob("*.py"))


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.AST, package: str) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything a module imports, wherever in the file.

    Relative names are made absolute; `from a import b` counts as `a.b`, since b may be a module;
    `import_module` and `__import__` count when their argument is written out. The installed name
    `steering_strength.theory` is the room `theory`.
    """
    for line, name in _imported(tree, package):
        yield line, name.removeprefix("steering_strength.")


def _imported(tree: ast.AST, package: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, *([base] if base else [])])
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else None
            name = node.func.id if isinstance(node.func, ast.Name) else name
            if name in ("import_module", "__import__", "importorskip"):
                yield node.lineno, str(node.args[0].value)


def within(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


def broken_rules(root: Path) -> list[str]:
    """Every import under `root` that a rule forbids, as ``path:line: imports name``."""
    found = []
    for path in source_files(root):
        where = path.relative_to(root)
        package = ".".join(where.parent.parts)
        dotted = ".".join(where.parts)
        rules = [rule for rule in RULES if within(dotted, _dotted(rule.folder))]
        names = list(imported(parsed(path), package))
        for line, name in names:
            internal = within(name, (*PACKAGES, "tests"))
            extra = within(name, EXTRAS) and not str(where).startswith(BRIDGE)
            forbidden = any(
                within(name, rule.banned) or (internal and not within(name, rule.internal))
                for rule in rules
            )
            if extra or forbidden:
                found.append(f"{where}:{line}: imports {name}")
    return found


def _dotted(folder: str) -> tuple[str, ...]:
    return (folder.replace("/", "."),)


def test_every_import_obeys_the_rules() -> None:
    assert broken_rules(ROOT) == []


def test_the_rules_look_at_real_folders() -> None:
    # A renamed folder would make its rule true of nothing.
    for rule in RULES:
        assert (ROOT / rule.folder).exists(), rule.folder
        assert source_files(ROOT, (rule.folder,)) or rule.folder.endswith(".py"), rule.folder


@pytest.mark.parametrize(
    ("path", "code", "name"),
    [
        ("theory/laws/tilting.py", "import numpy as np", "numpy"),
        (
            "theory/laws/tilting.py",
            "def f():\n    from numpy.linalg import svd",
            "numpy.linalg.svd",
        ),
        ("theory/laws/kernel/sums.py", "from ...engine import tilting", "theory.engine.tilting"),
        ("theory/laws/tilting.py", "from theory import TiltedFamily", "theory.TiltedFamily"),
        ("theory/laws/tilting.py", "from .. import model", "theory.model"),
        ("theory/engine/tilting.py", "import sympy", "sympy"),
        ("theory/engine/tilting.py", "from theory.laws.tilting import law", "theory.laws.tilting"),
        ("theory/engine/tilting.py", "import theory.model.ufm", "theory.model.ufm"),
        ("theory/model/ufm.py", "importlib.import_module('sympy')", "sympy"),
        ("theory/model/ufm.py", "from theory import LAWS", "theory.LAWS"),
        ("theory/errors.py", "from theory.model import ufm", "theory.model.ufm"),
        ("theory/__main__.py", "import proofs_check.report", "proofs_check.report"),
        ("theory/__main__.py", "import figures", "figures"),
        ("proofs_check/oracles/exact.py", "import numpy", "numpy"),
        ("proofs_check/oracles/exact.py", "from theory.errors import ShapeError", "theory.errors"),
        ("proofs_check/oracles/exact.py", "from ..instances import Case", "proofs_check.instances"),
        ("proofs_check/oracles.py", "import sympy", "sympy"),
        ("proofs_check/check_peaks.py", "from figures import style", "figures.style"),
        ("proofs_check/check_peaks.py", "import torch", "torch"),
        ("figures/peaks.py", "def f():\n    import torch.nn", "torch.nn"),
        ("figures/peaks.py", "import proofs_check.bridge.read", "proofs_check.bridge.read"),
        ("proofs_check/bridge/steer.py", "import tests.law_instances", "tests.law_instances"),
        ("proofs_check/bridge/jobs.py", "import figures.style", "figures.style"),
        ("figures/peaks.py", "from transformers import AutoModel", "transformers.AutoModel"),
        ("figures/peaks.py", "__import__('tests.test_layout')", "tests.test_layout"),
    ],
)
def test_the_checker_sees_a_planted_violation(
    tmp_path: Path, path: str, code: str, name: str
) -> None:
    planted = tmp_path / path
    planted.parent.mkdir(parents=True)
    planted.write_text("import math\n" + code + "\n")
    found = broken_rules(tmp_path)
    assert len(found) == 1
    assert found[0].startswith(f"{path}:")
    assert f"imports {name}" in found[0]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("theory/laws/tilting.py", "import sympy\nfrom . import kernel\nimport theory.errors"),
        ("theory/engine/tilting.py", "import numpy, scipy.special\nfrom .measure import Measure"),
        ("theory/model/ufm.py", "from theory.engine.family import TiltedFamily\nimport numpy"),
        ("theory/__init__.py", "from theory.laws import LAWS\nimport theory.engine"),
        ("proofs_check/oracles/exact.py", "import mpmath, fractions\nfrom .norms import rms"),
        ("proofs_check/bridge/steer.py", "import torch, gguf\nimport theory, proofs_check"),
        ("figures/peaks.py", "import theory, proofs_check, matplotlib, numpy"),
        ("figures/numpyish.py", "import theory_of_everything\nprint('import torch')"),
    ],
)
def test_the_checker_lets_allowed_imports_pass(tmp_path: Path, path: str, code: str) -> None:
    planted = tmp_path / path
    planted.parent.mkdir(parents=True)
    planted.write_text(code + "\n")
    assert broken_rules(tmp_path) == []


def run_without(masked: tuple[str, ...], code: str) -> str:
    """Run `code` in a fresh interpreter in which importing any of `masked` fails."""
    lines = ["import sys", f"sys.modules.update(dict.fromkeys({masked!r}))", code]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(lines)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_masking_works() -> None:
    code = "try:\n    import numpy.linalg\nexcept ImportError:\n    print('masked')"
    assert run_without(("numpy",), code) == "masked\n"


def test_importing_theory_loads_neither_side() -> None:
    code = "import steering_strength.theory as s; print(s.__all__)"
    run_without(("numpy", "scipy", "sympy", "mpmath"), code)


def test_the_engine_and_the_model_work_without_sympy() -> None:
    code = """
from steering_strength.theory import ConceptDataset, NormedSteering, TiltedFamily
from steering_strength.theory import UnconstrainedFeatures
data = ConceptDataset.smoothed(contexts_per_concept=2)
M = data.log_odds([0, 1], [2, 4])
family = data.family(0, M)
family.peaks(), family.limit(1), family.cumulants(4), family.alpha_for_cross_entropy(0.1, 1)
family.concept_increase(data.concepts[0], 1.0), family.cross_entropy_increase([0.1])
for ufm in (UnconstrainedFeatures.interpolating(data, 0), UnconstrainedFeatures.trained(data)):
    ufm.steered_log_probability(ufm.steering_vector([0, 1], [2, 4]), [-1.0, 1.0])
    ufm.law_error_bound([0, 1], [2, 4], 1.0)
NormedSteering([1.0, 2.0], [0.5, 0.0], kind="layer").output([1.0, 3.0])
print(sorted(name for name in sys.modules if name.startswith("steering_strength.theory.laws")))
"""
    assert run_without(("sympy", "mpmath"), code) == "[]\n"


@pytest.mark.parametrize("laws", ["['slope']", pytest.param("LAWS", marks=pytest.mark.long)])
def test_a_law_is_derived_without_numpy(laws: str) -> None:
    code = f"""
from steering_strength.theory import LAWS
for name in {laws}:
    LAWS[name].prove()
print([m for m in ("engine", "model") if f"steering_strength.theory.{{m}}" in sys.modules])
"""
    assert run_without(("numpy", "scipy"), code) == "[]\n"


def test_the_oracles_import_without_numpy_sympy_and_theory() -> None:
    modules = _modules("proofs_check/oracles")
    assert modules
    # The package itself may load the checks, which need everything: an empty one stands in for it.
    code = f"""
from importlib import import_module
from types import ModuleType
room = "steering_strength.proofs_check"
sys.modules[room] = ModuleType(room)
sys.modules[room].__path__ = ["proofs_check"]
for module in {modules!r}:
    import_module(module)
"""
    run_without(("numpy", "scipy", "sympy", "steering_strength.theory"), code)


def test_everything_but_the_bridge_imports_without_the_extras() -> None:
    modules = [
        name
        for package in PACKAGES
        for name in _modules(package)
        if not within(name, _dotted(f"steering_strength/{BRIDGE}"))
    ]
    room = "steering_strength."
    assert {room + "theory.model.ufm", room + "figures.__main__"} <= set(modules)
    code = f"from importlib import import_module\nfor m in {modules!r}:\n    import_module(m)"
    run_without((*EXTRAS, "flint", "numba", "bokeh"), code)


def test_without_torch_the_bridge_names_the_command_that_installs_it() -> None:
    code = """
from steering_strength.__main__ import main
sys.stderr = sys.stdout
print(main(["model"]))
"""
    line, status = run_without(("torch", "transformers"), code).splitlines()
    assert status == "2"
    assert "'torch'" in line
    assert "pip install 'steering-strength[bridge]'" in line


def _modules(folder: str) -> list[str]:
    names = []
    for path in source_files(ROOT, (folder,)):
        parts = path.relative_to(ROOT).with_suffix("").parts
        names.append(".".join(("steering_strength", *parts)).removesuffix(".__init__"))
    return names


def control_flow_asserts(root: Path) -> list[str]:
    """`assert` statements outside the tests: gone under ``python -O``, so never control flow."""
    return [
        f"{path.relative_to(root)}:{node.lineno}"
        for path in source_files(root)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Assert)
    ]


def test_no_assert_decides_anything() -> None:
    assert control_flow_asserts(ROOT) == []


def test_the_assert_check_sees_an_assert(tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "bad.py").write_text('"""assert"""\nassert 1 + 1 == 2\n')
    assert control_flow_asserts(tmp_path) == ["figures/bad.py:2"]


def undocumented(root: Path) -> list[str]:
    return [
        str(path.relative_to(root))
        for path in source_files(root)
        if ast.get_docstring(parsed(path)) is None
    ]


def test_every_module_says_what_it_is_for() -> None:
    assert undocumented(ROOT) == []


def test_the_short_names_of_a_checkout_are_the_same_objects() -> None:
    code = """
import theory, figures.peaks, proofs_check
from theory.engine.family import TiltedFamily
import steering_strength
assert TiltedFamily is steering_strength.TiltedFamily is theory.TiltedFamily
assert sys.modules["figures.peaks"] is sys.modules["steering_strength.figures.peaks"]
assert sys.modules["theory.engine.family"].__spec__.name == "steering_strength.theory.engine.family"
import theory.engine.sums
print(theory.__name__, proofs_check.__name__, theory.engine.sums.__name__)
"""
    printed = run_without((), code).split()
    assert printed == [
        "steering_strength.theory",
        "steering_strength.proofs_check",
        "steering_strength.theory.engine.sums",
    ]


def test_every_room_answers_under_its_short_name() -> None:
    rooms = ["theory", "proofs_check", "proofs_check.mutants", "proofs_check.bridge",
             "proofs_check.formal", "figures", "figures.report"]  # fmt: skip
    code = f"""
import runpy
for room in {rooms!r}:
    sys.argv = [room, "--help"]
    try:
        runpy.run_module(room, run_name="__main__", alter_sys=True)
    except SystemExit as stop:
        print(room, "ended with", stop.code)
"""
    shown = run_without((), code)
    for room in rooms:
        assert f"{room} ended with 0\n" in shown
        assert f"python -m {room}" in shown
