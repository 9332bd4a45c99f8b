"""The options of `python -m proofs_check.bridge`, one set for each job. No torch here."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import NoReturn

from steering_strength.proofs_check.bridge.sites import APPLY_RULES, READ_RULES
from steering_strength.theory.command_line import Parser, at_least
from steering_strength.theory.errors import ShapeError

__all__ = ["DEFAULT_JOB", "JOBS", "layers_of", "parse"]

DEFAULT_JOB = "final-norm"

JOBS = {
    "final-norm": "steer the output of the final norm; every log-probability against the closed"
    " form (the default)",
    "laws": "which statements hold on this model, at the final norm and at blocks, how far, and why"
    " not further",
    "figures": "the paper's real-model figures on this model, predictions drawn",
    "train": "train a one-layer GPT with the concept “uppercase words” and steer it (Fig. A.4)",
    "explore-data": "the law of a few contexts in one small .npz, vocabulary reduced",
    "advise": "which alpha: from a vector, or from log-probabilities without torch, to a window of"
    " strengths and why",
    "read": "judge curves that others measured (npz of the paper's tool, CSV); needs no torch",
}

_EPILOG = """\
examples:
  python -m proofs_check.bridge --out DIR
  python -m proofs_check.bridge laws --model ./my-model --concept sentences.txt --words joy,happy
  python -m proofs_check.bridge laws --vector layer_6.pt --model ./my-model
  python -m proofs_check.bridge advise --site 15 --budget 1 --level 0.2
  python -m proofs_check.bridge read layer_6_ctx_0.npz sweep.csv

`JOB --help` lists the options of a job. Exit status: 0 if every statement that claims equality
holds, 1 if not, 2 for bad input. Nothing is downloaded."""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Options of the job that `arguments` begin with, `final-norm` if they name none.

    Exits with status 2 and one line for a mistake, with 0 after --help.
    """
    given = list(arguments)
    if not given or (given[0].startswith("-") and given[0] not in ("-h", "--help")):
        given.insert(0, DEFAULT_JOB)
    parser = Parser(
        prog="python -m proofs_check.bridge",
        description="Does the theory hold on this language model?",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    jobs = parser.add_subparsers(dest="job", required=True, metavar="JOB")
    parsers = {
        name: jobs.add_parser(name, help=text, description=f"{name}: {text}.", allow_abbrev=False)
        for name, text in JOBS.items()
    }
    for name, own in parsers.items():
        if name != "read":
            _common(own, trained_here=name == "train")
    _grid(parsers["final-norm"])
    _grid(parsers["train"])
    _grid(parsers["explore-data"])
    for name in ("final-norm", "train", "figures"):
        parsers[name].add_argument(
            "--context", type=int, default=0, metavar="N",
            help="which held-out context is shown, from 0 (default: 0)",
        )  # fmt: skip
    for name in ("final-norm", "train"):
        _number(parsers[name], "--tokens", 8, "tokens per context")
    for name in ("final-norm", "laws"):
        parsers[name].add_argument(
            "--vector",
            metavar="FILE",
            help="a steering vector made elsewhere: .npz or .safetensors of this package, the"
            " paper's layer_<i>.pt, repeng's .gguf, steering-lite's .safetensors, or .npy",
        )
        parsers[name].add_argument(
            "--site",
            help="where a .npy, or which of a file's vectors, belongs: final_norm, or a block"
            " such as 15",
        )
    _laws(parsers["laws"])
    _figures(parsers["figures"])
    _number(parsers["train"], "--steps", 500, "steps of training")
    _number(parsers["explore-data"], "--contexts", 6, "how many contexts")
    parsers["explore-data"].set_defaults(out="out/bridge/explore.npz")
    reading = parsers["read"]
    reading.add_argument("files", nargs="+", metavar="FILE", help=".npz or .csv")
    reading.add_argument("--json", metavar="FILE", help="also write the verdicts to FILE")
    options, left = parser.parse_known_args(given)
    if left:
        _refuse(parsers, options.job, left[0].split("=")[0])
    return options


def _refuse(parsers: Mapping[str, argparse.ArgumentParser], job: str, word: str) -> NoReturn:
    """Say where a word would belong that `job` does not know; exit with status 2."""
    prog = "python -m proofs_check.bridge"
    # argparse keeps its options in an attribute with an underscore and offers no other way.
    others = [name for name, parser in parsers.items() if word in parser._option_string_actions]
    if word in JOBS:
        problem = f"the job comes first: {prog} {word} ..."
    elif word.startswith("-") and others:
        problem = f"the job {job} has no {word}, it belongs to {', '.join(others)}"
    elif word.startswith("-"):
        known = [name for name in parsers[job]._option_string_actions if name.startswith("--")]
        close = get_close_matches(word, known, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        problem = f"the job {job} has no {word}; {hint}see {prog} {job} --help"
    else:
        problem = f"the job {job} takes no files, got {word}; only `read` does"
    parsers[job].exit(2, f"error: {problem}\n")
    raise SystemExit(2)


def layers_of(text: str | None) -> tuple[int, ...] | None:
    """Block numbers from text such as ``7,15,29``; None stays None.

    Raises
    ------
    ShapeError
        Something else.
    """
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdigit() for part in parts):
        raise ShapeError(
            f"--layers is {text!r}", remedy="give block numbers from 0, such as --layers 7,15,29"
        )
    return tuple(int(part) for part in parts)


def _common(parser: argparse.ArgumentParser, *, trained_here: bool) -> None:
    add = parser.add_argument
    if not trained_here:
        add(
            "--model",
            default="smollm2",
            help="smollm2, a folder, a .gguf file, or a hub id in the local cache"
            " (default: smollm2)",
        )
        add(
            "--concept",
            default="joy",
            help="a packaged concept, a JSON file with name, positive, neutral, contexts, words,"
            " or a .txt file with one sentence in a line (default: joy)",
        )
        add("--words", help="words of the concept, such as joy,happy; replace those of the file")
        add(
            "--negatives",
            choices=("neutral", "sampled"),
            default="neutral",
            help="N: the concept's neutral texts (if it has any), or texts sampled from the model",
        )
    add("--out", default="out/bridge", metavar="PATH", help="where to write (default: %(default)s)")
    add("--json", metavar="FILE", help="also write the verdicts to FILE")
    add(
        "--dtype",
        choices=("float64", "float32"),
        help="default: float64; for laws and figures float32",
    )
    add("--seed", type=int, default=0, help="of probing, sampling and training (default: 0)")
    add("--threads", type=at_least(1), help="threads of torch (default: its own choice)")


def _grid(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--alpha-max", type=float, default=8.0, help="default: 8")
    parser.add_argument("--alphas", type=int, default=33, help="grid points, odd (default: 33)")


def _laws(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--layers",
        help="blocks from 0, such as 7,15,29 (default: four depths, and budgets at every block)",
    )
    _number(parser, "--contexts", 4, "how many contexts")
    _number(parser, "--windows", 6, "windows of 64 tokens of text")
    parser.add_argument(
        "--read", default="mean", choices=READ_RULES,
        help="states of P and N: mean over the tokens but the first, or the last (default: mean)",
    )  # fmt: skip
    parser.add_argument(
        "--apply", default="all", choices=APPLY_RULES,
        help="positions of a context that are steered (default: all)",
    )  # fmt: skip


def _figures(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--only", metavar="NAMES", help="such as bumps,cross-entropy (default: all)"
    )
    _number(parser, "--windows", 4, "windows of 64 tokens of text")
    parser.add_argument(
        "--judge",
        metavar="MODULE:NAME",
        help="a function of a text that returns the probability that it shows the concept"
        " (default: whether a word of the concept occurs)",
    )
    parser.add_argument(
        "--benchmark",
        metavar="MODULE:NAME",
        help="a function of (model, tokenizer) that returns a score and is called under steering"
        " (default: a four-way cloze on library text)",
    )


def _number(parser: argparse.ArgumentParser, name: str, default: int, what: str) -> None:
    parser.add_argument(
        name, type=at_least(1), default=default, metavar="N", help=f"{what} (default: {default})"
    )
