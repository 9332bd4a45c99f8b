"""``python -m figures [NAMES] [--out DIR] [--format pdf,png,svg]``: pictures and their data.

``python -m figures explore`` writes the interactive page (`figures.explorer`), ``python -m figures
paper`` the companion paper (`figures.report.paper`), and ``python -m figures real DIR`` draws what
was measured on a language model (`figures.real_model`).
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from steering_strength.figures.gallery import FIGURES, Figure
from steering_strength.figures.store import FORMATS, parse_formats
from steering_strength.theory.command_line import Parser, finish, named_path, say
from steering_strength.theory.errors import OutputError, SteeringError, UnknownNameError
from steering_strength.theory.files import staged


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="python -m figures",
        description="Draw the figures of the theory and write the arrays behind them.",
        epilog="figures: "
        + "; ".join(f"{name} ({figure.title})" for name, figure in FIGURES.items())
        + ". An interactive page: python -m figures explore --help. "
        "Example: python -m figures fig3 fig4 --out out --format pdf",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="figures to draw (default: all)")
    parser.add_out("out")
    parser.add_argument(
        "--format", default="pdf,png,svg", help="comma-separated: pdf, png, svg (default: all)"
    )
    return parser.parse_args(argv)


# Figures 6, 7 and A.1 to A.13 of arXiv:2602.02712.
_REAL = re.compile(r"fig(?:ure)?[ ._]?(?:[67]|A[._]?\d+)", re.IGNORECASE)


def _find(name: str) -> Figure:
    """The figure of that name; a mistake may also have meant the command `explore`."""
    if name in ("explore", "real", "paper"):
        raise SteeringError(
            f"{name} is a command, no figure", remedy=f"write it first: python -m figures {name}"
        )
    if _REAL.fullmatch(name):
        raise SteeringError(
            f"{name} of the paper shows a language model, not the theory alone",
            remedy="measure it: python -m proofs_check.bridge figures, then python -m figures real",
        )
    if name == "all":
        raise SteeringError("'all' is no figure", remedy="without a name all of them are drawn")
    if name not in FIGURES:
        raise UnknownNameError("figure", name, [*FIGURES, "explore", "real", "paper"])
    return FIGURES[name]


def _refuse_picture(out: Path) -> None:
    """``--out fig3.png`` asks for a file, and would get a folder of that name."""
    suffix = out.suffix.lower().removeprefix(".")
    if suffix in FORMATS and not out.is_dir():
        raise OutputError(
            f"{out} is the name of a picture, --out that of a folder",
            remedy=f"write --out {out.parent} --format {suffix}",
        )


def _real(argv: Sequence[str]) -> int:
    """``python -m figures real DIR``: draw what the bridge wrote; 0, or 2 for a mistake."""
    parser = Parser(
        prog="python -m figures real",
        description="Draw the records that python -m proofs_check.bridge wrote into a folder.",
    )
    parser.add_argument("folder", metavar="DIR", type=named_path)
    parser.add_argument("--format", default="png,pdf", help="comma-separated: pdf, png, svg")
    options = parser.parse_args(list(argv))
    from steering_strength.figures.real_model import draw_folder

    paths = draw_folder(options.folder, parse_formats(options.format))
    if not paths:
        raise SteeringError(
            f"{options.folder} holds no record of a model",
            remedy="write some with python -m proofs_check.bridge --out DIR",
        )
    say("\n".join(map(str, paths)))
    return 0


def _explore(argv: Sequence[str]) -> int:
    """``python -m figures explore``: the page with the slider; 0, or 2 for a mistake."""
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
    parser.add_out("out/explorer.html", "the page", "PAGE.html")
    options = parser.parse_args(list(argv))
    from steering_strength.figures.explorer import cases, files, page

    start = time.perf_counter()
    own = () if options.data is None else (files.open_case(options.data),)
    size = page.write(options.out, (*own, *cases.menu()))
    say(f"{options.out}  {size / 1e6:.1f} MB  {time.perf_counter() - start:.1f} s")
    return 0


def _paper(argv: Sequence[str]) -> int:
    """``python -m figures paper``: the companion paper as LaTeX; 0, or 2 for a mistake."""
    parser = Parser(
        prog="python -m figures paper",
        description="Write every statement with its proof, and the false readings with their "
        "counterexamples, as one LaTeX file with its figures.",
        epilog="Compile it with `latexmk -pdf steering-strength` in that folder (Debian: "
        "texlive-latex-recommended, texlive-fonts-recommended, lmodern, latexmk).",
    )
    parser.add_out("out/paper")
    options = parser.parse_args(list(argv))
    from steering_strength.figures.report.paper import write

    start = time.perf_counter()
    with staged(options.out) as stage:
        name = write(stage).name
    say(f"{options.out / name}  {time.perf_counter() - start:.1f} s")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 on success, 2 on a mistake in the arguments or the destination."""
    words = list(sys.argv[1:] if argv is None else argv)
    commands = {"explore": _explore, "real": _real, "paper": _paper}
    if words[:1] and words[0] in commands:
        return finish(lambda: commands[words[0]](words[1:]))
    return finish(lambda: _draw(_arguments(words)))


def _draw(options: argparse.Namespace) -> int:
    chosen = [_find(name) for name in dict.fromkeys(options.names or FIGURES)]
    formats = parse_formats(options.format)
    _refuse_picture(options.out)
    for figure in chosen:
        start = time.perf_counter()
        with staged(options.out) as stage:
            record = figure.write(stage, formats)
        say(
            f"{figure.name:9} {', '.join((*formats, 'npz')):20} "
            f"law and {figure.model:13} within {record.deviation:.1e}  "
            f"{time.perf_counter() - start:5.1f} s"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
