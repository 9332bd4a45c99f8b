"""``python -m figures explore``: write the page with the slider for alpha."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from steering_strength.theory.command_line import Parser, finish, named_path, say

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 on success, 2 on a mistake in the arguments, the data or the page."""
    parser = Parser(
        prog="python -m figures explore",
        description="Write one page, to be opened in a browser, with a slider for alpha.",
        epilog="Your own numbers: TiltedFamily(...).save('mine.npz'), then --data mine.npz. "
        "Example: python -m figures explore --out out/explorer.html",
    )
    parser.add_argument(
        "--data",
        type=named_path,
        metavar="FILE.npz",
        help="open this as well, first in the menu: what TiltedFamily.save or "
        "ConceptDataset.save wrote, or a file of python -m proofs_check.bridge explore-data",
    )
    parser.add_argument(
        "--out",
        type=named_path,
        default=Path("out/explorer.html"),
        metavar="PAGE.html",
        help="the page (default: out/explorer.html)",
    )
    return finish(lambda: _write(parser.parse_args(argv)))


def _write(options: argparse.Namespace) -> int:
    from steering_strength.figures.explorer import cases, files, page

    start = time.perf_counter()
    own = () if options.data is None else (files.open_case(options.data),)
    size = page.write(options.out, (*own, *cases.menu()))
    say(f"{options.out}  {size / 1e6:.1f} MB  {time.perf_counter() - start:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
