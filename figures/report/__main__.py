"""``python -m figures.report``: derive, check, draw and report, into one folder."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from steering_strength.theory.command_line import Parser, at_least, finish, say


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 if all is as it should be, 1 if a verdict is not, 2 for bad input."""
    parser = Parser(
        prog="python -m figures.report",
        description="Derive all laws, check them, draw the figures, and write the report.",
        epilog="Example: python -m figures.report --out out --examples 20 --seed 1",
    )
    parser.add_out("out")
    words = "random instances per check (default: 30)"
    parser.add_argument("--examples", type=at_least(1), default=30, help=words)
    parser.add_argument("--seed", type=at_least(0), default=0, help="of the instances (default: 0)")

    def work() -> int:
        options = parser.parse_args(argv)
        say("derive, check and draw, on all cores")
        from steering_strength.figures.report import job

        return job.make(options.out, options.examples, options.seed)

    return finish(work)


if __name__ == "__main__":
    sys.exit(main())
