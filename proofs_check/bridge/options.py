"""The options of `python -m proofs_check.bridge`: each is defined once, each job names its own.

Everything that can be refused before a model is loaded is refused by `checked`. No torch here.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from steering_strength.proofs_check.bridge.errors import VectorError
from steering_strength.theory.advice.demand import BEFORE_PEAK, Demand
from steering_strength.theory.command_line import Parser, at_least
from steering_strength.theory.errors import (
    AlphaError,
    BudgetError,
    OutputError,
    ShapeError,
    UnknownNameError,
)
from steering_strength.theory.files import output_folder

__all__ = ["DEFAULT_JOB", "FIGURES", "JOBS", "checked", "demands_of", "folder_of", "parse"]

DEFAULT_JOB = "final-norm"

JOBS = {
    "final-norm": "steer the output of the final norm; every log-probability against the closed"
    " form (the default)",
    "laws": "which statements hold on this model, at the final norm and at blocks, how far, and why"
    " not further",
    "figures": "the paper's real-model figures on this model, as arrays with their predictions",
    "train": "train a one-layer GPT with the concept “uppercase words” and steer it (Fig. A.4)",
    "explore-data": "the law of a few contexts in one small .npz, vocabulary reduced",
    "advise": "which alpha: from a vector, or from log-probabilities without torch, to a window of"
    " strengths and why",
    "read": "judge curves that others measured (npz, CSV, JSON lines); needs no torch",
}

FIGURES = {
    "bumps": "Fig. 6, A.7 to A.9: next-token probabilities, α from 0 to 200",
    "negative": "Fig. A.10: next-token probabilities, α from -200 to 0",
    "last-position": "Fig. A.2: all positions steered, and only the last",
    "negatives": "Fig. A.5: N of neutral texts (contrastive), and sampled from the model (random)",
    "bootstrap": "Fig. A.3: P and N resampled 12 times, mean and central 80 %",
    "normalised": "Fig. A.1: v of length 1, α to 2,000",
    "cross-entropy": "Fig. 7 bottom, A.13: cross-entropy on library text",
    "concept": "Fig. 7 top, A.11, A.12 from token sets: probability of the concept's words",
    "judge": "Fig. 7 top, A.11, A.12 from a judge of generated texts, middle block",
    "benchmark": "Fig. A.6 from a benchmark, middle block",
}

_EPILOG = """\
examples:
  python -m proofs_check.bridge --out DIR
  python -m proofs_check.bridge laws --model ./my-model --concept sentences.txt --words joy,happy
  python -m proofs_check.bridge laws --vector layer_6.pt --model ./my-model
  python -m proofs_check.bridge advise --site 15 --budget 1 --level 0.2
  python -m proofs_check.bridge advise --per-token 0.3 --samples 30 --out DIR --export v.gguf
  python -m proofs_check.bridge advise --data logs.npz --largest 20 --level 0.5   (needs no torch)
  python -m proofs_check.bridge read layer_6_ctx_0.npz sweep.csv

`JOB --help` lists the options of a job. Budgets are in nats of the next token's distribution: 0.1
is hardly seen, 1 is strong. Exit status: 0 if no statement that claims equality failed (advise: if
some alpha meets all demands), 1 if one did (advise: if none does), 2 for bad input. Nothing is
downloaded, and nothing is drawn here: python -m figures real DIR draws what a job wrote."""

# Every option, once: its arguments for argparse, and where a job differs, its own default.
_OPTIONS: dict[str, dict[str, Any]] = {
    "--model": {
        "default": "smollm2",
        "help": "smollm2, a folder, a .gguf file, or a hub id in the local cache",
    },
    "--concept": {
        "default": "joy",
        "help": "a packaged concept, a JSON file with name, positive, neutral, contexts, words,"
        " or a .txt file with one sentence in a line",
    },
    "--words": {"help": "words of the concept, such as joy,happy; replace those of the file"},
    "--negatives": {
        "choices": ("neutral", "sampled"),
        "default": "neutral",
        "help": "N: the concept's neutral texts (if it has any), or texts sampled from the model",
    },
    "--vector": {
        "metavar": "FILE",
        "help": "a steering vector made elsewhere, in any format that can be read",
    },
    "--site": {
        "help": "final_norm or a block such as 15: where a vector belongs, or which one of a file",
    },
    "--read": {
        "default": "mean",
        "choices": ("last", "mean"),
        "help": "states of P and N at blocks: mean over the tokens but the first, or the last",
    },
    "--apply": {
        "default": "all",
        "choices": ("all", "last"),
        "help": "positions of a context that are steered",
    },
    "--out": {"default": "out/bridge", "metavar": "DIR", "help": "where to write"},
    "--json": {"metavar": "FILE", "help": "also write the verdicts to FILE"},
    "--dtype": {
        "choices": ("float64", "float32", "bfloat16", "float16"),
        "help": "default: that of the weights; the read-out is float64 either way",
    },
    "--seed": {"type": int, "default": 0, "help": "of probing, sampling and training"},
    "--threads": {"type": at_least(1), "metavar": "N", "help": "threads of torch"},
    "--alpha-max": {"type": float, "default": 8.0, "help": "end of the grid"},
    "--alphas": {"type": int, "default": 33, "help": "grid points, odd"},
    "--context": {
        "type": int,
        "default": 0,
        "metavar": "N",
        "help": "which held-out context is shown, from 0",
    },
    "--contexts": {"type": at_least(1), "metavar": "N", "help": "how many contexts"},
    "--context-texts": {
        "metavar": "FILE",
        "help": "contexts instead of the concept's: one a line, or JSON lines (texts or chats)",
    },
    "--windows": {
        "type": at_least(1),
        "default": 6,
        "metavar": "N",
        "help": "windows of 64 tokens of text",
    },
    "--layers": {"help": "blocks from 0, such as 7,15,29 (default: four depths and every block)"},
    "--only": {"metavar": "NAMES", "help": "such as bumps,cross-entropy (default: all)"},
    "--judge": {
        "metavar": "MODULE:NAME",
        "help": "a function of a text that returns the probability that it shows the concept"
        " (default: whether a word of the concept occurs)",
    },
    "--benchmark": {
        "metavar": "MODULE:NAME",
        "help": "a function of (model, tokenizer) that returns a score and is called under steering"
        " (default: a four-way cloze on library text)",
    },
    "--steps": {"type": at_least(1), "default": 500, "metavar": "N", "help": "of training"},
    "--budget": {"type": float, "metavar": "NATS", "help": "at most this KL(p || p_alpha)"},
    "--reverse-budget": {"type": float, "metavar": "NATS", "help": "at most this KL(p_alpha || p)"},
    "--per-token": {
        "type": float,
        "metavar": "NATS",
        "help": "instead: this cost per generated token, the mean over texts that go on from the"
        " contexts",
    },
    "--percentile": {
        "type": float,
        "metavar": "Q",
        "help": "with --per-token: of this quantile over all tokens, such as 0.95, not of the mean",
    },
    "--direction": {
        "choices": ("forward", "reverse"),
        "default": "forward",
        "help": "with --per-token: KL(base || steered), or KL(steered || base)",
    },
    "--level": {"type": float, "metavar": "F", "help": "at least this probability of the target"},
    "--before-peak": {
        "choices": BEFORE_PEAK,
        "default": "no",
        "help": "stay before a target token turns down: one of those that rise at 0, or any",
    },
    "--sign": {"type": int, "choices": (1, -1), "default": 1, "help": "along v or against it"},
    "--tokens": {"metavar": "IDS", "help": "target token ids, such as 7,42 (default: the words)"},
    "--largest": {
        "type": at_least(1),
        "metavar": "K",
        "help": "target: the K tokens of largest M",
    },
    "--quantile": {
        "type": float,
        "default": 0.9,
        "metavar": "Q",
        "help": "the share of the contexts that the window has to serve",
    },
    "--data": {"metavar": "FILE", "help": "log-probabilities in a .npz or .csv; needs no torch"},
    "--max-activation": {"type": float, "metavar": "A", "help": "for AxBench's unit"},
    "--rank-layers": {"metavar": "LAYERS", "help": "all, or such as 7,15: rank them instead"},
    "--check-ranking": {"action": "store_true", "help": "with --rank-layers: measure it as well"},
    "--export": {
        "metavar": "FILE",
        "help": "the vector with its alpha: .safetensors, .npz, .gguf or the paper's .pt; .npy is"
        " alpha times the vector",
    },
    "--samples": {
        "type": at_least(1),
        "metavar": "N",
        "help": "also generate N tokens at 0, 0.5, 1 and 2 times the advised alpha (needs --out)",
    },
}

_RUN = "--out --seed --threads"
_TEXTS = f"--model --dtype --concept --words --negatives {_RUN}"
_GRID = "--alpha-max --alphas"
_OWN = {
    "final-norm": f"{_TEXTS} --vector --site --json {_GRID} --context",
    "laws": f"{_TEXTS} --vector --site --json --layers --contexts --windows --read --apply",
    "figures": f"{_TEXTS} --only --context --windows --judge --benchmark",
    "train": f"{_RUN} --json {_GRID} --context --steps",
    "explore-data": f"{_TEXTS} {_GRID} --contexts",
    "advise": f"{_TEXTS} --vector --site --read --apply --data --budget --reverse-budget"
    " --per-token --percentile --direction --level --before-peak --sign --tokens --largest"
    " --quantile --context-texts --contexts --max-activation --rank-layers --check-ranking"
    " --export --samples",
    "read": "--json",
}
_DEFAULTS: dict[str, dict[str, Any]] = {
    "laws": {"contexts": 4},
    "figures": {"windows": 4},
    "explore-data": {"contexts": 6, "out": "out/bridge/explore.npz"},
    "advise": {"out": None},
}


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Options of the job that `arguments` begin with, `final-norm` if they name none.

    Exits with status 2 and one line for a mistake, with 0 after --help.
    """
    given = list(arguments)
    if not given or (given[0].startswith("-") and given[0] not in ("-h", "--help")):
        given.insert(0, DEFAULT_JOB)
    parser = Parser(
        prog="python -m proofs_check.bridge",
        description="Does the theory hold on this language model, and which alpha is right?",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    jobs = parser.add_subparsers(dest="job", required=True, metavar="JOB")
    parsers = {}
    for name, text in JOBS.items():
        own = jobs.add_parser(name, help=text, description=f"{name}: {text}.", allow_abbrev=False)
        own.set_defaults(**_DEFAULTS.get(name, {}))
        if name == "read":
            own.add_argument("files", nargs="+", metavar="FILE", help=".npz, .csv, .jsonl")
        for option in _OWN[name].split():
            settings = dict(_OPTIONS[option])
            dest = option[2:].replace("-", "_")
            default = _DEFAULTS.get(name, {}).get(dest, settings.get("default"))
            if default is not None:
                settings["help"] += f" (default: {default})"
            if "action" not in settings:
                settings["default"] = default
            own.add_argument(option, **settings)
        parsers[name] = own
    options, left = parser.parse_known_args(given)
    if left:
        _refuse(parsers, options.job, left[0].split("=")[0])
    return options


def _refuse(parsers: Mapping[str, argparse.ArgumentParser], job: str, word: str) -> NoReturn:
    """Say where a word would belong that `job` does not know; exit with status 2."""
    prog = "python -m proofs_check.bridge"
    others = [name for name in JOBS if word in _OWN[name].split()]
    if word in JOBS:
        problem = f"the job comes first: {prog} {word} ..."
    elif word.startswith("-") and others:
        problem = f"the job {job} has no {word}, it belongs to {', '.join(others)}"
    elif word.startswith("-"):
        close = get_close_matches(word, _OWN[job].split(), n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        problem = f"the job {job} has no {word}; {hint}see {prog} {job} --help"
    else:
        problem = f"the job {job} takes no files, got {word}; see {prog} --help"
    parsers[job].exit(2, f"error: {problem}\n")


def checked(options: argparse.Namespace) -> argparse.Namespace:
    """Refuse what is wrong before half a minute is spent on loading a model.

    `layers` and `only` become tuples.

    Raises
    ------
    SteeringError
        A grid, layer, figure, demand or path that cannot be.
    """
    said = vars(options)
    if "alphas" in said:
        _grid(options)
    if "layers" in said:
        options.layers = numbers(options.layers, "--layers")
    if "only" in said:
        options.only = tuple(options.only.split(",")) if options.only else tuple(FIGURES)
        for name in options.only:
            if name not in FIGURES:
                raise UnknownNameError("figure of the bridge", name, FIGURES)
    vector = said.get("vector")
    if vector and not Path(vector).is_file():
        raise VectorError(f"no file {vector}", remedy="check the path given with --vector")
    if said.get("json"):
        output_folder(Path(options.json).parent)
    if options.job == "advise":
        _advice(options)
    if said.get("out"):
        target = Path(options.out)
        output_folder(target.parent if target.suffix == ".npz" else target)
    return options


def _grid(options: argparse.Namespace) -> None:
    if not 0 < options.alpha_max < float("inf"):
        raise AlphaError(
            f"the largest alpha is {options.alpha_max}, a positive finite number is needed",
            remedy="give for instance --alpha-max 8",
        )
    if options.alphas < 5 or options.alphas % 2 == 0:
        raise AlphaError(
            f"a grid of {options.alphas} alphas, an odd number of at least 5 is needed",
            remedy=f"give --alphas {max(5, options.alphas + 1 - options.alphas % 2)}",
        )


def _advice(options: argparse.Namespace) -> None:
    if options.per_token is not None:
        _per_token(options)
    elif not options.rank_layers:
        Demand.of(2, [0], plateau=0.01, **demands_of(options))
    elif options.rank_layers != "all":
        numbers(options.rank_layers, "--rank-layers")
    ways = [name for name in ("tokens", "largest") if getattr(options, name)]
    if len(ways) > 1:
        raise BudgetError("--tokens and --largest were given", remedy="choose one of them")
    numbers(options.tokens, "--tokens")
    if options.samples and not options.out:
        raise OutputError("--samples needs --out", remedy="give a folder with --out")
    if options.export:
        from steering_strength.proofs_check.bridge.vector_files import require_ending

        require_ending(Path(options.export))
        output_folder(Path(options.export).parent)
    if options.data:
        for name in ("vector", "site", "rank_layers", "samples", "export", "context_texts"):
            if getattr(options, name):
                raise VectorError(
                    f"--{name.replace('_', '-')} needs a model, --data holds numbers only",
                    remedy="leave one of them out",
                )


def _per_token(options: argparse.Namespace) -> None:
    """A cost per generated token stands alone: one alpha follows from it, not a window."""
    for name in ("budget", "reverse_budget", "level", "data", "rank_layers"):
        if getattr(options, name) is not None:
            raise BudgetError(
                f"--per-token and --{name.replace('_', '-')} were given", remedy="choose one"
            )
    if not 0 < options.per_token < float("inf"):
        raise BudgetError(f"--per-token is {options.per_token}", remedy="give nats, above 0")
    if options.percentile is not None and not 0 < options.percentile < 1:
        raise BudgetError(f"--percentile is {options.percentile}", remedy="give 0.95 for the 95th")


def demands_of(options: argparse.Namespace) -> dict[str, Any]:
    """The keywords of `theory.advise` that the options ask for.

    Raises
    ------
    BudgetError
        They ask for nothing.
    """
    asked = {
        "cross_entropy": options.budget,
        "reverse_kl": options.reverse_budget,
        "level": options.level,
        "before_peak": options.before_peak,
    }
    if all(value in (None, "no") for value in asked.values()):
        raise BudgetError(
            "nothing is demanded of alpha",
            remedy="give --budget or --reverse-budget (nats), --level (0 to 1), or --before-peak",
        )
    return {**asked, "sign": options.sign}


def numbers(text: str | None, option: str) -> tuple[int, ...] | None:
    """Whole numbers from 0 between commas; None where nothing was given.

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
            f"{option} is {text!r}", remedy=f"give numbers from 0, such as {option} 7,15"
        )
    return tuple(int(part) for part in parts)


def folder_of(words: Sequence[str]) -> Path | None:
    """The folder into which a job, called with `words`, writes what can be drawn; None if none."""
    options = parse(words)
    target = getattr(options, "out", None)
    if target is None or options.job == "explore-data":
        return None
    return Path(target)
