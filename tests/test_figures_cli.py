"""``python -m figures``: what it writes, what it says, and what it leaves behind."""

from __future__ import annotations

import json

import numpy as np
import pytest

from steering_strength.figures import gallery, store
from steering_strength.figures.__main__ import main


def test_writes_pictures_and_arrays_straight_into_the_folder(tmp_path, capsys):
    assert main(["fig4", "fig2", "fig4", "--out", str(tmp_path / "new" / "out")]) == 0
    names = sorted(path.name for path in (tmp_path / "new" / "out").iterdir())
    assert names == sorted(
        f"{figure}.{kind}" for figure in ("fig2", "fig4") for kind in ("npz", "pdf", "png", "svg")
    )
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["fig4", "fig2"]
    with np.load(tmp_path / "new" / "out" / "fig4.npz", allow_pickle=False) as data:
        metadata = json.loads(str(data["metadata"]))
        assert metadata["figure"] == "fig4"
        assert "concept-tanh" in metadata["laws"]
        assert data["law"].shape == data["simulated"].shape


def test_only_the_formats_asked_for(tmp_path):
    assert main(["fig2", "--out", str(tmp_path), "--format", "svg, PNG,svg"]) == 0
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["fig2.npz", "fig2.png", "fig2.svg"]


def test_all_figures_without_names(tmp_path, monkeypatch):
    done = []
    monkeypatch.setattr(gallery.Figure, "write", lambda self, *_: done.append(self) or _Empty)
    assert main(["--out", str(tmp_path)]) == 0
    assert [figure.name for figure in done] == list(gallery.FIGURES)


class _Empty:
    deviation = 0.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fg3"], "unknown figure 'fg3'; did you mean fig3"),
        (["explor"], "unknown figure 'explor'; did you mean explore?"),
        (["fig6"], "fig6 of the paper shows a language model, not the theory alone"),
        (["figA.10"], "figA.10 of the paper shows a language model"),
        (["figB2"], "unknown figure 'figB2'; did you mean"),
        (["all"], "'all' is no figure; without a name all of them are drawn"),
        (["fig3", "explore"], "explore is a command, no figure; write it first"),
        (["fig3", "--format", "jpeg"], "unknown picture format 'jpeg'; did you mean png?"),
        (["fig3", "--format", ""], "unknown picture format ''; known: pdf, png, svg"),
        (["fig3", "--format", " , "], "unknown picture format ''; known: pdf, png, svg"),
    ],
)
def test_mistakes_give_one_line_and_exit_code_2(tmp_path, capsys, arguments, message):
    assert main([*arguments, "--out", str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"error: {message}")
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert not list(tmp_path.iterdir())


def test_a_destination_that_is_a_file_is_refused(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    for folder in ("file", "file/below"):
        assert main(["fig2", "--out", str(tmp_path / folder)]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"error: cannot write into '{tmp_path / folder}': ")
        assert "give a folder that you may write to with --out" in error
        assert error.count("\n") == 1
    assert (tmp_path / "file").read_text() == "mine"


def test_a_picture_s_name_is_no_folder(tmp_path, capsys):
    assert main(["fig2", "--out", str(tmp_path / "fig2.png")]) == 2
    error = capsys.readouterr().err
    assert f"write --out {tmp_path} --format png" in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())
    (tmp_path / "all.png").mkdir()
    assert main(["fig2", "--out", str(tmp_path / "all.png"), "--format", "svg"]) == 0


def test_a_run_that_breaks_half_way_leaves_the_old_files_alone(tmp_path, capsys, monkeypatch):
    assert main(["fig2", "--out", str(tmp_path), "--format", "png"]) == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full_disk(canvas: object, path: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "save_picture", full_disk)
    assert main(["fig2", "--out", str(tmp_path), "--format", "png"]) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
