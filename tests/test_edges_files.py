"""Files: whatever lies where one is written or read, the answer is a result or one line.

Writers never replace what is no regular file, and a run that is killed leaves nothing half-written
and nothing behind for good. Readers name a damaged file and say no more than a line about it.
"""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
import zipfile
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steering_strength.figures.explorer.files import open_case
from steering_strength.figures.real_model import draw_folder
from steering_strength.figures.report.content import read_real_model
from steering_strength.proofs_check.bridge.data import read_input
from steering_strength.proofs_check.bridge.read import Curves
from steering_strength.theory import ConceptDataset, TiltedFamily, UnconstrainedFeatures
from steering_strength.theory.command_line import named_path
from steering_strength.theory.engine.storage import read_archive, write_npz
from steering_strength.theory.errors import OutputError, SteeringError
from steering_strength.theory.files import (
    output_folder,
    read_json,
    read_text,
    require_writable,
    staged,
    write_json,
    write_text,
)

ROOT = Path(__file__).resolve().parent.parent
FAMILY = TiltedFamily(np.log([0.25, 0.75]), [1.0, -1.0], {"unit": "nats"})
DATA = ConceptDataset.smoothed(2, 2, 0.1)
UFM = UnconstrainedFeatures.interpolating(DATA, 0)


def stage_one(path: Path) -> None:
    with staged(path.parent) as stage:
        (stage / "other").write_text("other")
        (stage / path.name).write_text("staged")


WRITERS: dict[str, Callable[[Any], object]] = {
    "text": lambda path: write_text(path, "text"),
    "JSON": lambda path: write_json(path, {"α": 1}),
    "archive": lambda path: write_npz(path, "kind", {"x": np.zeros(2)}),
    "family": FAMILY.save,
    "dataset": DATA.save,
    "model": UFM.save,
    "trial": require_writable,
    "staged": lambda path: stage_one(Path(path)),
}


def one_line(error: SteeringError) -> bool:
    return "\n" not in str(error) and len(str(error)) < 900 and str(error).isprintable()


def places(folder: Path) -> Iterator[tuple[Path, int]]:
    """What must survive, and the kind of file it is."""
    os.mkfifo(folder / "pipe")
    (folder / "link to a pipe").symlink_to(folder / "pipe")
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "folder").mkdir()
    (folder / "read only").write_text("old")
    (folder / "read only").chmod(0o444)
    with socket.socket(socket.AF_UNIX) as plug:
        plug.bind(os.path.relpath(folder / "s"))
    for name in ("pipe", "link to a pipe", "loop", "folder", "read only", "s"):
        path = folder / name
        yield path, path.lstat().st_mode
    yield Path("/dev/null"), Path("/dev/null").lstat().st_mode


@pytest.mark.parametrize("writer", WRITERS)
def test_what_is_no_regular_file_is_never_replaced(writer: str, tmp_path: Path) -> None:
    for path, mode in places(tmp_path):
        before = sorted(tmp_path.iterdir())
        with pytest.raises(OutputError) as caught:
            WRITERS[writer](path)
        assert one_line(caught.value)
        assert path.lstat().st_mode == mode
        assert sorted(tmp_path.iterdir()) == before, "a staged neighbour was moved all the same"
    assert (tmp_path / "read only").read_text() == "old"
    for name in ("", "\0", "x" * 5000, tmp_path / "no" / "x", None, 5, b"\xff\0"):
        if writer != "staged":
            with pytest.raises(OutputError) as caught:
                WRITERS[writer](name)
            assert one_line(caught.value)


@pytest.mark.parametrize("writer", [name for name in WRITERS if name != "trial"])
def test_links_are_followed_and_permissions_kept(writer: str, tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "real").chmod(0o640)
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "dangling").symlink_to("new")
    for name in ("link", "dangling"):
        WRITERS[writer](tmp_path / name)
        assert (tmp_path / name).is_symlink()
    assert stat.S_IMODE((tmp_path / "real").stat().st_mode) == 0o640
    assert (tmp_path / "real").read_bytes() != b"old"
    assert (tmp_path / "new").is_file()


@pytest.mark.parametrize("writer", ["family", "dataset", "model", "archive"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    writer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.npz"
    WRITERS[writer](path)
    before = path.read_bytes()

    def full(stream: Any, **_: Any) -> None:
        stream.write(b"half a file")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OutputError, match="No space left on device") as caught:
        WRITERS[writer](path)
    assert "name a file in an existing folder" in caught.value.remedy
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == before


READERS: dict[str, Callable[[Any], object]] = {
    "family": TiltedFamily.load,
    "dataset": ConceptDataset.load,
    "model": UnconstrainedFeatures.load,
    "archive": lambda path: read_archive(path, "give another"),
    "explorer": lambda path: open_case(Path(path)),
    "JSON": lambda path: read_json(path, "give another"),
    "text": read_text,
    "curves": lambda path: Curves.read(Path(path)).judge(),
    "advice": lambda path: read_input(Path(path)),
}
SWEEP = {
    "alpha": np.linspace(-2.0, 2.0, 21),
    "kl": np.linspace(-2.0, 2.0, 21) ** 2,
    "effect": np.linspace(0.1, 0.9, 21),
}
CONTEXTS = {
    "log_p": np.log([[0.25, 0.75], [0.5, 0.5]]),
    "log_odds": np.array([1.0, -1.0]),
    "token_text": np.array(["a", "b"]),
    "weights": np.array([0.5, 0.5]),
}


def refused(read: Callable[[Any], object], path: Any) -> str:
    """What is wrong with how a file is read; empty if it is read, or refused in one line."""
    try:
        read(path)
    except SteeringError as error:
        return "" if one_line(error) else f"not one line: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:300]
    return ""


def npy(header: bytes, data: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    size = len(header).to_bytes(2 if version[0] == 1 else 4, "little")
    return b"\x93NUMPY" + version + size + header + data


def damaged_members() -> Iterator[tuple[str, bytes]]:
    good = io.BytesIO()
    np.save(good, np.zeros(3))
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': %s, }\n"
    yield "huge shape", npy(header % b"(1000000000000000,)")
    yield "huge product", npy(header % (b"(" + b"99999," * 60 + b")"))
    yield "negative shape", npy(header % b"(-3,)", bytes(24))
    yield "bottomless", npy(b"(" * 9000)
    yield "huge number", npy(header % (b"(" + b"9" * 6000 + b",)"))
    yield "no dict", npy(b"[1, 2]\n")
    yield "no Python", npy(b"\xff{}[;\n")
    yield "missing keys", npy(b"{'descr': '<f8'}\n")
    yield "pickle", npy(header.replace(b"<f8", b"|O") % b"(1,)", b"cos\nsystem\n(S'true'\ntR.")
    yield "strange type", npy(header.replace(b"'<f8'", b"[('x', 'Q9')]") % b"(1,)", bytes(8))
    yield "another version", npy(header % b"(1,)", bytes(8), b"\x09\x09")
    yield "short data", npy(header % b"(4,)", bytes(8))
    yield "truncated", good.getvalue()[:40]
    yield "text", b"no array"
    yield "nothing", b""


def archives(good: dict[str, np.ndarray]) -> Iterator[tuple[str, bytes]]:
    """Every array of a good file in turn replaced by something damaged, or of another kind."""
    for name in good:
        for kind, member in damaged_members():
            stream = io.BytesIO()
            with zipfile.ZipFile(stream, "w") as archive:
                for other, array in good.items():
                    buffer = io.BytesIO()
                    np.save(buffer, array)
                    archive.writestr(f"{other}.npy", member if other == name else buffer.getvalue())
            yield f"{name}: {kind}", stream.getvalue()
        for kind, value in {
            "a number": np.float64(1), "text": np.array("x"), "empty": np.zeros(0),
            "not a number": np.full(3, np.nan), "other shape": np.zeros((2, 3, 4)),
            "deep JSON": np.array("[" * 5000), "long number": np.array("[" + "1" * 6000 + "]"),
            "half JSON": np.array('{"a": '), "list": np.array("[1]"), "huge": np.full(3, 1e308),
            "bytes": np.array(b"\xff"), "dates": np.zeros(3, "datetime64[s]"),
            "complex": np.zeros(3, complex), "negative": np.full(4, -1), "structured":
            np.zeros(2, [("x", int)]),
            "no letters": np.full(2, 0x110000, "<u4").view("<U1"),
            "foreign letters": np.full(2, 0x110000, ">u4").view(">U2"),
        }.items():  # fmt: skip
            stream = io.BytesIO()
            np.savez(stream, **{**good, name: value})
            yield f"{name}: {kind}", stream.getvalue()


@pytest.mark.parametrize("record", [FAMILY, DATA, UFM], ids=["family", "dataset", "model"])
def test_damaged_archives_are_refused_in_one_line(record: Any, tmp_path: Path) -> None:
    path, found = tmp_path / "file.npz", []
    record.save(path)
    good = dict(np.load(path))
    readers = [type(record).load, READERS["archive"]]
    readers += [READERS["explorer"]] if record is FAMILY else []
    rng, content = np.random.default_rng(0), path.read_bytes()
    spoilt = list(archives(good))
    for _ in range(60):
        cut = bytearray(
            content[: int(rng.integers(len(content)))] if rng.random() < 0.4 else content
        )
        for place in rng.integers(max(len(cut), 1), size=int(rng.integers(1, 9))):
            if len(cut):
                cut[place] = int(rng.integers(256))
        spoilt.append(("noise", bytes(cut)))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("readme.txt", "no array")
    spoilt += [("no arrays", stream.getvalue()), ("zeros", bytes(100)), ("nothing", b"")]
    for kind, damaged in spoilt:
        path.write_bytes(damaged)
        found += [f"{kind}: {p}" for read in readers if (p := refused(read, path))]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(("reader", "good"), [("curves", SWEEP), ("advice", CONTEXTS)])
def test_damaged_archives_of_others_are_refused_in_one_line(
    reader: str, good: dict[str, np.ndarray], tmp_path: Path
) -> None:
    path = tmp_path / "file.npz"
    np.savez(path, **good)
    READERS[reader](path)
    found = []
    for kind, damaged in archives(good):
        path.write_bytes(damaged)
        found += [f"{kind}: {problem}" for problem in [refused(READERS[reader], path)] if problem]
    assert not found, "\n".join(found)


TABLES = [
    "", "alpha,kl\n", "alpha,kl\n1\n", "alpha,kl\n1,2,3\n", "alpha;kl\n1,5;2,5\n", "kind,a,b\n",
    "alpha,kl\nx,1\n", "alpha,kl\n1,1,1,1,1\n", "alpha,kl\n1,nan\n", "\0", 'alpha,kl\n"1,1\n',
    'alpha,kl\n"' + "a" * 200_000 + '",1\n', "alpha,kl\n" + "1" * 5000 + ",1\n", ",,\n,,\n",
    "kind,a,b\ncontext,x,1\n", "kind,a,b\ncontext,-1e999,0\nlog_odds,1e308,1\n", "\ud800",
    "[" * 100_000, "{}", '["a"]', '[{"alpha": 1e999, "kl": 1}]', '[{"alpha": [1], "kl": {}}]',
    '[{"alpha": ' + "1" * 6000 + ', "kl": 1}]', '{"alpha": 1, "kl": 2}\n{"alpha":', "null", "1",
]  # fmt: skip


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".json", ".jsonl"])
def test_damaged_tables_are_refused_in_one_line(ending: str, tmp_path: Path) -> None:
    path, found = tmp_path / f"table{ending}", []
    for text in TABLES:
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        problems = (refused(READERS[reader], path) for reader in ("curves", "advice"))
        found += [f"{text[:40]!r}: {problem}" for problem in problems if problem]
    assert not found, "\n".join(found)


def test_an_archive_that_would_not_fit_into_memory_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "large.npz"
    np.savez_compressed(path, x=np.zeros(1 << 20))
    assert path.stat().st_size < 1 << 14
    assert READERS["archive"](path)
    memory = {"SC_PAGE_SIZE": 1 << 10, "SC_PHYS_PAGES": 1 << 10}
    monkeypatch.setattr(os, "sysconf", memory.__getitem__)
    with pytest.raises(SteeringError, match=r"large\.npz would take 1e7 bytes"):
        READERS["archive"](path)


@pytest.mark.parametrize("reader", READERS)
def test_what_cannot_be_opened_is_refused_in_one_line(reader: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path / "pipe", tmp_path / "loop", tmp_path, tmp_path / "missing", "/dev/zero",
                 "x" * 5000, "a\0b", tmp_path / "a\nb\x1b[31m\udcff"):  # fmt: skip
        problem = refused(READERS[reader], path)
        assert not problem, f"{str(path)[:80]!r}: {problem}"
        with pytest.raises(SteeringError):
            READERS[reader](path)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[" * 100_000, "1" * 10_000, '{"a": NaN', "\ud800", "null", "[]", '{"model": 3}',
     '{"model": {}, "concept": {}, "measured": {}, "results": [{}]}', '"\\ud800"', "\0"],
)  # fmt: skip
def test_no_json_text_ends_in_a_traceback(text: str, tmp_path: Path) -> None:
    path = tmp_path / "final_norm.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    assert not refused(READERS["JSON"], path)
    assert not refused(lambda _: read_real_model(tmp_path), path)
    (tmp_path / "final_norm.npz").write_bytes(text.encode("utf-8", "surrogatepass"))
    assert not refused(draw_folder, tmp_path)


def test_half_a_letter_is_written_and_named_files_that_are_not_there(tmp_path: Path) -> None:
    write_text(tmp_path / "page.html", "\ud800")
    assert (tmp_path / "page.html").read_text() == "\\ud800"
    with pytest.raises(SteeringError, match=r"no file .*pages\.html; did you mean .*page\.html"):
        read_text(tmp_path / "pages.html")
    for name in ("x" * 256, "a/" * 3000, "\ud83d", "\0", ""):
        with pytest.raises(ArgumentTypeError, match="is no name of a file"):
            named_path(name)


def test_json_is_ascii(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"α": "Δ – 漢 \ud800"})
    assert json.loads((tmp_path / "x.json").read_bytes().decode("ascii")) == {"α": "Δ – 漢 \ud800"}


WRITE_FOR_EVER = """
import signal, sys, numpy as np
from steering_strength.theory import TiltedFamily
from steering_strength.theory.files import staged
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
size, k = 20_000, 0
print("ready", flush=True)
while True:
    k += 1
    TiltedFamily(np.full(size, -np.log(size)), np.full(size, float(k))).save("family.npz")
    with staged(".") as stage:
        for name in ("a", "b"):
            (stage / name).write_text(str(k) * 50_000)
"""


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_writer_leaves_whole_files_and_the_next_start_sweeps(
    sign: signal.Signals, tmp_path: Path
) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    rng = np.random.default_rng(int(sign))
    process = subprocess.Popen([sys.executable, "-c", WRITE_FOR_EVER], cwd=tmp_path,
                               env=environment, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL)  # fmt: skip
    assert process.stdout is not None
    with process.stdout as stream:
        assert stream.readline() == b"ready\n"
        while not (tmp_path / "b").exists():
            time.sleep(0.01)
        time.sleep(float(rng.uniform(0.0, 0.3)))
        process.send_signal(sign)
        try:
            process.wait(timeout=60)
        finally:
            process.kill()
    odds = TiltedFamily.load(tmp_path / "family.npz").log_odds
    assert np.ptp(odds) == 0.0
    for name in ("a", "b"):
        text = (tmp_path / name).read_text()
        assert text == text[: len(text) // 50_000] * 50_000
    if sign != signal.SIGKILL:  # even then, mostly; but there is no promise
        output_folder(tmp_path)
    alive = tmp_path / ".writing-elsewhere-1-x"
    alive.touch()
    (tmp_path / f".writing-{os.getpid()}").mkdir()
    output_folder(tmp_path)  # the next start
    names = {path.name for path in tmp_path.iterdir()}
    assert {"family.npz", "a", "b"} <= names
    assert [name for name in names if name.startswith(".writing-") and "elsewhere" not in name] == [
        f".writing-{os.getpid()}"
    ]  # nothing of the killed run; what others may be writing is left to them for a day
    assert alive.exists()
