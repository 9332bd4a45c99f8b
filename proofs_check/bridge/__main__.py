"""`python -m proofs_check.bridge`: the theory against a real language model; its options and jobs.

Each option is defined once, and each job names its own. Everything that can be refused before a
model is loaded is refused by `checked`. What `--help` does not need is imported where it is used:
it waits for nothing.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from steering_strength.proofs_check.bridge.loading import ModelError, quiet, require
from steering_strength.theory.command_line import Parser, at_least, finish, say
from steering_strength.theory.errors import BudgetError, OutputError, UnknownNameError, shown
from steering_strength.theory.files import opened, output_folder

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

_PROG = "python -m proofs_check.bridge"
_EPILOG = f"""\
examples:
  {_PROG} --out DIR
  {_PROG} laws --model ./my-model --concept sentences.txt --words joy,happy
  {_PROG} laws --vector layer_6.pt --model ./my-model
  {_PROG} advise --site 15 --budget 1 --level 0.2
  {_PROG} advise --per-token 0.3 --samples 30 --out DIR --export v.gguf
  {_PROG} advise --data logs.npz --largest 20 --level 0.5   (needs no torch)
  {_PROG} read layer_6_ctx_0.npz sweep.csv

`JOB --help` lists the options of a job. Budgets are in nats of the next token's distribution: 0.1
is hardly seen, 1 is strong. Exit status: 0 if no statement that claims equality failed (advise: if
some alpha meets all demands), 1 if one did (advise: if none does), 2 for bad input. Nothing is
downloaded, and nothing is drawn here: python -m figures real DIR draws what a job wrote."""


def _take(text: str, default: Any = None, **more: Any) -> dict[str, Any]:
    return {"help": text, "default": default, **more}


def _words(text: str) -> tuple[str, ...]:
    """The type of an option: what stands between commas."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _numbers(text: str) -> tuple[int, ...]:
    """The type of an option: whole numbers from 0 between commas."""
    parts = _words(text)
    if not parts or not all(part.isdigit() for part in parts):
        raise argparse.ArgumentTypeError(f"{shown(text)}: give numbers from 0, such as 7,15")
    return tuple(int(part) for part in parts)


def _layers(text: str) -> tuple[int, ...] | str:
    """The type of an option: all, or numbers."""
    return text if text == "all" else _numbers(text)


def _figures(text: str) -> tuple[str, ...]:
    """The type of an option: names of the bridge's figures."""
    from steering_strength.proofs_check.bridge.data import FIGURES

    for name in _words(text):
        if name not in FIGURES:
            unknown = UnknownNameError("figure of the bridge", name, FIGURES)
            raise argparse.ArgumentTypeError(str(unknown))
    return _words(text)


_SOME, _NATS = at_least(1), {"type": float, "metavar": "NATS"}
# fmt: off
_OPTIONS: dict[str, dict[str, Any]] = {
    "--model": _take("smollm2, a folder, a .gguf file, or a hub id in the local cache", "smollm2"),
    "--dtype": _take("default: that of the weights; the read-out is float64 either way",
                     choices=("float64", "float32", "bfloat16", "float16")),
    "--concept": _take("a packaged concept, a JSON file with name, positive, neutral, contexts,"
                       " words, or a .txt file with one sentence in a line", "joy"),
    "--words": _take("words of the concept, such as joy,happy; replace those of the file", (),
                     type=_words),
    "--negatives": _take("N: the concept's neutral texts (if it has any), or texts sampled from the"
                         " model", "neutral", choices=("neutral", "sampled")),
    "--vector": _take("a steering vector made elsewhere, in any format that can be read",
                      metavar="FILE"),
    "--site": _take("final_norm or a block such as 15: where a vector belongs, or which one of a"
                    " file"),
    "--read": _take("states of P and N at blocks: mean over the tokens but the first, or the last",
                    "mean", choices=("last", "mean")),
    "--apply": _take("positions of a context that are steered", "all", choices=("all", "last")),
    "--out": _take("where to write", "out/bridge", metavar="DIR"),
    "--json": _take("also write the verdicts to FILE", metavar="FILE"),
    "--seed": _take("of probing, sampling and training", 0, type=int),
    "--alpha-max": _take("end of the grid", 8.0, type=float),
    "--alphas": _take("grid points, odd", 33, type=int),
    "--context": _take("which held-out context is shown, from 0", 0, type=int, metavar="N"),
    "--contexts": _take("how many contexts", type=_SOME, metavar="N"),
    "--context-texts": _take("contexts instead of the concept's: one a line, or JSON lines (texts"
                             " or chats)", metavar="FILE"),
    "--windows": _take("windows of 64 tokens of text", 6, type=_SOME, metavar="N"),
    "--layers": _take("blocks from 0, such as 7,15,29 (default: four depths and every block)",
                      type=_numbers),
    "--only": _take("such as bumps,cross-entropy (default: all)", type=_figures, metavar="NAMES"),
    "--judge": _take("a function of a text that returns the probability that it shows the concept"
                     " (default: whether a word of the concept occurs)", metavar="MODULE:NAME"),
    "--benchmark": _take("a function of (model, tokenizer) that returns a score and is called under"
                         " steering", metavar="MODULE:NAME"),
    "--steps": _take("of training", 500, type=_SOME, metavar="N"),
    "--budget": _take("at most this KL(p || p_alpha)", **_NATS),
    "--reverse-budget": _take("at most this KL(p_alpha || p)", **_NATS),
    "--per-token": _take("instead: this cost per generated token, the mean over texts that go on"
                         " from the contexts", **_NATS),
    "--percentile": _take("with --per-token: of this quantile over all tokens, such as 0.95, not of"
                          " the mean", type=float, metavar="Q"),
    "--direction": _take("with --per-token: KL(base || steered), or KL(steered || base)",
                         "forward", choices=("forward", "reverse")),
    "--level": _take("at least this probability of the target", type=float, metavar="F"),
    "--before-peak": _take("stay before a target token turns down: one of those that rise at 0, or"
                           " any", "no", choices=("no", "rising", "any")),
    "--sign": _take("along v or against it", 1, type=int, choices=(1, -1)),
    "--tokens": _take("target token ids, such as 7,42 (default: the words)", type=_numbers,
                      metavar="IDS"),
    "--largest": _take("target: the K tokens of largest M", type=_SOME, metavar="K"),
    "--quantile": _take("the share of the contexts that the window has to serve", 0.9, type=float,
                        metavar="Q"),
    "--allocate": {"help": "also share --budget out: an alpha for each context, what it gains",
                   "action": "store_true"},
    "--data": _take("log-probabilities in a .npz or .csv; needs no torch", metavar="FILE"),
    "--max-activation": _take("for AxBench's unit", type=float, metavar="A"),
    "--rank-layers": _take("all, or such as 7,15: rank them instead", type=_layers,
                           metavar="LAYERS"),
    "--export": _take("the vector with its alpha: .safetensors, .npz, .gguf or the paper's .pt;"
                      " .npy is alpha times the vector", metavar="FILE"),
    "--samples": _take("also generate N tokens at 0, 0.5, 1 and 2 times the advised alpha (needs"
                       " --out)", type=_SOME, metavar="N"),
}
_RUN = "--out --seed"
_TEXTS = f"--model --dtype --concept --words --negatives {_RUN}"
_GRID = "--alpha-max --alphas"
_OWN = {
    "final-norm": f"{_TEXTS} --vector --site --json {_GRID} --context",
    "laws": f"{_TEXTS} --vector --site --json --layers --contexts --windows --read --apply",
    "figures": f"{_TEXTS} --only --context --windows --judge --benchmark",
    "train": f"{_RUN} --json {_GRID} --context --steps",
    "explore-data": f"{_TEXTS} {_GRID} --contexts",
    "advise": f"{_TEXTS} --vector --site --read --apply --data --budget --reverse-budget"
              " --per-token --percentile --direction --level --before-peak --sign --tokens"
              " --largest --quantile --allocate --context-texts --contexts --max-activation"
              " --rank-layers --export --samples",
    "read": "--json",
}
# fmt: on
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
        given.insert(0, next(iter(JOBS)))
    parser = Parser(
        prog=_PROG,
        description="Does the theory hold on this language model, and which alpha is right?",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    jobs = parser.add_subparsers(dest="job", required=True, metavar="JOB")
    for name, text in JOBS.items():
        own = jobs.add_parser(name, help=text, description=f"{name}: {text}.", allow_abbrev=False)
        if name == "read":
            own.add_argument("files", nargs="+", metavar="FILE", help=".npz, .csv, .jsonl")
        for option in _OWN[name].split():
            settings = dict(_OPTIONS[option])
            changed = _DEFAULTS.get(name, {}).get(option[2:], settings.get("default"))
            if "default" in settings:
                settings["default"] = changed
            if changed is not None:
                settings["help"] += f" (default: {changed})"
            own.add_argument(option, **settings)
    options, left = parser.parse_known_args(given)
    if left:
        _refuse(parser, options.job, left[0].split("=")[0])
    return options


def _refuse(parser: Parser, job: str, word: str) -> NoReturn:
    """Say where a word would belong that `job` does not know; exit with status 2."""
    others = [name for name in JOBS if word in _OWN[name].split()]
    close = get_close_matches(word, _OWN[job].split(), n=1)
    problem = f"the job {job} has no {word}"
    if word in JOBS:
        problem = f"the job comes first: {parser.prog} {word} ..."
    elif not word.startswith("-"):
        problem = f"the job {job} takes no files, got {word}"
    elif others:
        problem += f", it belongs to {', '.join(others)}"
    elif close:
        problem += f"; did you mean {close[0]}?"
    parser.exit(2, f"error: {problem}; see {parser.prog} {job} --help\n")


def checked(options: argparse.Namespace) -> argparse.Namespace:
    """Refuse what is wrong before half a minute is spent on loading a model; `alphas` is the grid.

    Raises SteeringError: a grid, demand or path that cannot be.
    """
    said = vars(options)
    if "alphas" in said:
        from steering_strength.proofs_check.bridge.data import alpha_grid

        options.alphas = alpha_grid(options.alpha_max, options.alphas)
    if said.get("vector"):
        with opened(options.vector):
            pass
    if options.job == "advise":
        _advice(options)
    if said.get("json"):
        output_folder(Path(options.json).parent)
    if said.get("out"):
        target = Path(options.out)
        output_folder(target.parent if target.suffix == ".npz" else target)
    return options


def _advice(options: argparse.Namespace) -> None:
    """One way to say each thing, and numbers that can be met."""
    from steering_strength.theory.engine.validation import as_level, as_positive

    against = {
        "per_token": ("budget", "reverse_budget", "level", "data", "rank_layers", "allocate"),
        "data": ("vector", "site", "rank_layers", "samples", "export", "context_texts"),
        "tokens": ("largest",),
    }
    for one, others in against.items():
        for other in others:
            if getattr(options, one) is not None and getattr(options, other) not in (None, False):
                pair = " and ".join(f"--{name.replace('_', '-')}" for name in (one, other))
                raise BudgetError(f"{pair} were given", remedy="choose one of them")
    if options.percentile is not None:
        as_level(options.percentile, "--percentile")
    if options.per_token is not None:
        as_positive(options.per_token, "--per-token", BudgetError)
    elif options.rank_layers is None:
        from steering_strength.theory.advice import Demand

        Demand.of(2, [0], plateau=0.01, **demands_of(options))
    if options.samples and not options.out:
        raise OutputError("--samples needs --out", remedy="give a folder with --out")
    if options.export:
        from steering_strength.proofs_check.bridge.vectors import require_ending

        output_folder(require_ending(Path(options.export)).parent)


def demands_of(options: argparse.Namespace) -> dict[str, Any]:
    """The keywords of `theory.advise` that the options ask for.

    Raises BudgetError: they ask for nothing.
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


def folder_of(arguments: Sequence[str]) -> Path | None:
    """The folder into which a job, called with `arguments`, writes what can be drawn, or None."""
    options = parse(arguments)
    target = getattr(options, "out", None)
    return None if target is None or options.job == "explore-data" else Path(target)


def _read(options: argparse.Namespace) -> int:
    """Judge curves of others."""
    from steering_strength.proofs_check.bridge.read import Curves
    from steering_strength.proofs_check.verdict import write_json

    curves = [Curves.read(Path(name)) for name in options.files]
    verdicts = [verdict for one in curves for verdict in one.judge()]
    for verdict in verdicts:
        say(f"{verdict.id}: {verdict.status}\n    {verdict.note}")
    for silence in filter(None, (one.silence() for one in curves)):
        say(silence)
    if options.json:
        write_json(Path(options.json), verdicts, seed=0, examples=len(options.files))
    return 0


def _advise_from_file(options: argparse.Namespace) -> int:
    """The final norm, from log-probabilities alone."""
    from steering_strength.proofs_check.bridge.data import read_input, write_advice
    from steering_strength.theory.advice import advise

    given = read_input(Path(options.data))
    families = list(given.families[: options.contexts])
    weights = None if given.weights is None else given.weights[: options.contexts]
    target = given.tokens(options.tokens, options.words, options.largest)
    asked: Any = {**demands_of(options), "name": given.name, "texts": given.texts}
    found = advise(
        families, target, quantile=options.quantile, allocate=options.allocate,
        weights=None if weights is None else weights / weights.sum(), **asked,
    )  # fmt: skip
    for note in given.notes:
        say(f"note: {note}")
    units = {"norm": given.norm, "residual_norm": given.residual_norm}
    shown: Any = advise(families[0], target, **asked) if len(families) == 1 else found
    say(shown.summary(max_activation=options.max_activation or math.nan, **units))
    if options.out:
        about = {"data": options.data, **units}
        paths = write_advice(Path(options.out), found, families[:4], about)
        say("written: " + ", ".join(map(str, paths)))
    return 0 if found.window.usable else 1


def _run(options: argparse.Namespace) -> int:
    if options.job == "read":
        return _read(options)
    if options.job == "advise" and options.data:
        return _advise_from_file(options)
    quiet()
    require()
    # Only now: everything there imports torch.
    status: int = import_module("steering_strength.proofs_check.bridge.jobs").run(options)
    return status


def _work(arguments: Sequence[str]) -> int:
    try:
        return _run(checked(parse(arguments)))
    except (MemoryError, RuntimeError) as error:
        # torch reports what the allocator refuses as a RuntimeError.
        if isinstance(error, RuntimeError) and "allocate memory" not in str(error):
            raise
        remedy = "use --dtype bfloat16, fewer --contexts or --windows, or a smaller model"
        raise ModelError("the memory is used up", remedy=remedy) from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one job; 0 if no exact statement failed, 1 if one did, 2 for bad input."""
    return finish(lambda: _work(sys.argv[1:] if arguments is None else arguments))


if __name__ == "__main__":
    sys.exit(main())
