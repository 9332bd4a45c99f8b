"""``python -m figures [NAMES] [--out DIR] [--format pdf,png,svg]``: pictures and their data.

``python -m figures explore`` writes the interactive page (`figures.explorer`), ``python -m figures
paper`` the companion paper (`figures.report.paper`), and ``python -m figures real DIR`` draws what
was measured on a language model (`figures.real_model`).
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Sequence

from steering_strength.figures.gallery import FIGURES, Figure
from steering_strength.figures.store import FORMATS, parse_formats
from steering_strength.theory.command_line import Parser, finish, named_path, say
from steering_strength.theory.errors import OutputError, SteeringError, UnknownNameError
from steering_strength.theory.files import staged

# Figures 6, 7 and A.1 to A.13 of arXiv:2602.02712.
_REAL = re.compile(r"fig(?:ure)?[ ._]?(?:[67]|A[._]?\d+)", re.IGNORECASE)


def _find(name: str) -> Figure:
    """The figure of that name; a mistake may also have meant a command."""
    if name in _COMMANDS:
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
        raise UnknownNameError("figure", name, [*FIGURES, *_COMMANDS])
    return FIGURES[name]


def _draw(words: Sequence[str]) -> int:
    """Draw figures of the theory by name."""
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
    _add_format(parser, "pdf,png,svg", " (default: all)")
    options = parser.parse_args(words)
    chosen = [_find(name) for name in dict.fromkeys(options.names or FIGURES)]
    formats = parse_formats(options.format)
    suffix = options.out.suffix.lower().removeprefix(".")
    if suffix in FORMATS and not options.out.is_dir():  # a folder of that name would be made
        raise OutputError(
            f"{options.out} is the name of a picture, --out that of a folder",
            remedy=f"write --out {options.out.parent} --format {suffix}",
        )
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


def _add_format(parser: Parser, default: str, more: str = "") -> None:
    parser.add_argument("--format", default=default, help=f"comma-separated: pdf, png, svg{more}")


def _real(words: Sequence[str]) -> int:
    """Draw what the bridge wrote."""
    parser = Parser(
        prog="python -m figures real",
        description="Draw the records that python -m proofs_check.bridge wrote into a folder.",
    )
    parser.add_argument("folder", metavar="DIR", type=named_path)
    _add_format(parser, "png,pdf")
    options = parser.parse_args(words)
    from steering_strength.figures.real_model import draw_folder

    paths = draw_folder(options.folder, parse_formats(options.format))
    if not paths:
        raise SteeringError(
            f"{options.folder} holds no record of a model",
            remedy="write some with python -m proofs_check.bridge --out DIR",
        )
    say("\n".join(map(str, paths)))
    return 0


def _explore(words: Sequence[str]) -> int:
    """Write the page with the slider."""
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
    options = parser.parse_args(words)
    from steering_strength.figures.explorer import cases, files, page

    start = time.perf_counter()
    own = () if options.data is None else (files.open_case(options.data),)
    size = page.write(options.out, (*own, *cases.menu()))
    say(f"{options.out}  {size / 1e6:.1f} MB  {time.perf_counter() - start:.1f} s")
    return 0


def _paper(words: Sequence[str]) -> int:
    """Write the companion paper as LaTeX."""
    parser = Parser(
        prog="python -m figures paper",
        description="Write every statement with its proof, and the false readings with their "
        "counterexamples, as one LaTeX file with its figures.",
        epilog="Compile it with `latexmk -pdf steering-strength` in that folder (Debian: "
        "texlive-latex-recommended, texlive-fonts-recommended, lmodern, latexmk).",
    )
    parser.add_out("out/paper")
    options = parser.parse_args(words)
    from steering_strength.figures.report.paper import write

    start = time.perf_counter()
    with staged(options.out) as stage:
        name = write(stage).name
    say(f"{options.out / name}  {time.perf_counter() - start:.1f} s")
    return 0


_COMMANDS = {"explore": _explore, "real": _real, "paper": _paper}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 on success, 2 on a mistake in the arguments or the destination."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] and words[0] in _COMMANDS:
        return finish(lambda: _COMMANDS[words[0]](words[1:]))
    return finish(lambda: _draw(words))


if __name__ == "__main__":
    sys.exit(main())
