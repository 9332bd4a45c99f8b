"""``python -m figures.report``: derive, check, draw and report, into one folder."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from steering_strength.theory.command_line import Parser, at_least, finish, say

_EXAMPLES = 30


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="python -m figures.report",
        description="Derive all laws, check them, draw the figures, and write the report.",
        epilog="Example: python -m figures.report --out out --examples 20 --seed 1",
    )
    parser.add_out("out")
    parser.add_argument(
        "--examples",
        type=at_least(1),
        default=_EXAMPLES,
        help=f"random instances per check (default: {_EXAMPLES})",
    )
    parser.add_argument("--seed", type=at_least(0), default=0, help="of the instances (default: 0)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 if all is as it should be, 1 if a verdict is not, 2 for bad input."""

    def work() -> int:
        options = _arguments(argv)
        say("derive, check and draw, on all cores")
        from steering_strength.figures.report.job import make

        return make(options.out, options.examples, options.seed)

    return finish(work)


if __name__ == "__main__":
    sys.exit(main())
