"""The options of `python -m proofs_check.bridge advise`. No torch here."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from steering_strength.proofs_check.bridge.advisor._old_advice.demand import BEFORE_PEAK
from steering_strength.proofs_check.bridge.sites import APPLY_RULES, READ_RULES
from steering_strength.theory.command_line import Parser, at_least

__all__ = ["parse"]

_EPILOG = """\
examples:
  python -m proofs_check.bridge advise --budget 1 --level 0.2
  python -m proofs_check.bridge advise --site 15 --budget 0.5 --export joy.safetensors
  python -m proofs_check.bridge advise --vector layer_15.pt --model ./my-model --budget 1
  python -m proofs_check.bridge advise --data logs.npz --largest 20 --level 0.5   (needs no torch)
  python -m proofs_check.bridge advise --rank-layers all --budget 0.5

Budgets are in nats of the next token's distribution: 0.1 is hardly seen, 1 is strong. Exit status:
0 if some alpha meets all demands, 1 if none does, 2 for bad input. Nothing is downloaded."""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options; exits with status 2 and one line for a mistake."""
    parser = Parser(
        prog="python -m proofs_check.bridge advise",
        description="Which alpha? From a steering vector to a window of strengths, and why.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _demands(parser.add_argument_group("what is wanted"))
    _source(parser.add_argument_group("where from"))
    add = parser.add_argument_group("what is written").add_argument
    add("--out", metavar="DIR", help="write advice.json, a picture and its arrays there")
    add(
        "--export", metavar="FILE",
        help="the vector with its alpha: .safetensors, .npz, .npy (times alpha, with a .json beside"
        " it), or the paper's .pt",
    )  # fmt: skip
    add(
        "--samples", type=at_least(1), metavar="N",
        help="also generate N tokens at 0, 0.5, 1 and 2 times the advised alpha (needs --out)",
    )  # fmt: skip
    return parser.parse_args(list(arguments))


def _demands(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--budget", type=float, metavar="NATS", help="at most this Delta CE = KL(p || p_alpha)")
    add("--reverse-budget", type=float, metavar="NATS", help="at most this KL(p_alpha || p)")
    add("--level", type=float, metavar="F", help="at least this probability of the target tokens")
    add(
        "--before-peak", choices=BEFORE_PEAK, default="no",
        help="stay before a target token turns down: one of those that rise at 0, or any",
    )  # fmt: skip
    add("--sign", type=int, choices=(1, -1), default=1, help="along v or against it (default: 1)")
    add("--tokens", metavar="IDS", help="target token ids, such as 7,42")
    add("--words", help="target words, such as joy,happy (default: those of the concept)")
    add("--largest", type=at_least(1), metavar="K", help="target: the K tokens of largest M")
    add(
        "--quantile", type=float, default=0.9, metavar="Q",
        help="the share of the contexts that the window has to serve (default: 0.9)",
    )  # fmt: skip


def _source(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--data", metavar="FILE", help="log-probabilities in a .npz or .csv; needs no torch")
    add("--model", default="smollm2", help="as for the other jobs (default: smollm2)")
    add("--concept", default="joy", help="P, N and contexts: a packaged name or a JSON file")
    add("--vector", metavar="FILE", help="a steering vector, in any format that can be read")
    add("--site", help="final_norm or a block such as 15 (default: final_norm, or the vector's)")
    add("--read", default="mean", choices=READ_RULES, help="states of P and N at a block")
    add("--apply", default="all", choices=APPLY_RULES, help="positions that are steered")
    add("--context-texts", metavar="FILE", help="one context a line, instead of the concept's")
    add("--contexts", type=at_least(1), metavar="N", help="only the first N contexts")
    add("--max-activation", type=float, metavar="A", help="for AxBench's unit")
    add("--rank-layers", metavar="LAYERS", help="all, or such as 7,15,22: rank them instead")
    add("--check-ranking", action="store_true", help="with --rank-layers: measure it as well")
    add("--dtype", choices=("float64", "float32"), default="float32", help="default: float32")
    add("--seed", type=int, default=0, help="of probing and sampling (default: 0)")
    add("--threads", type=at_least(1), help="threads of torch (default: its own choice)")
