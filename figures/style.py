"""House style: one look for every picture, the same on every machine.

**The target concept is blue, other concepts are orange, brown, plum and grey in their order**
(`concept_colours`; as in the paper, off-target is warm), green is kept for what is guaranteed or
advised, and prices, which belong to no concept, are drawn in ink. Who sees no red or no green tells
orange from brown by lightness, and each concept has a line and a mark of its own as well
(`concept_line`, `concept_mark`). A law is a line and a simulation always a ring on it, so a reader
can tell derivation from experiment without a legend. Matplotlib's defaults are restored before the
style is laid over them: a private `matplotlibrc` changes nothing, and the bundled DejaVu fonts need
no installation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context, rc_params_from_file, rcParamsDefault
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.font_manager import findfont, get_font
from numpy.typing import ArrayLike

Artists = dict[str, list[Artist]]
"""What a figure has drawn, by role."""

BLUE = "#0072B2"  # target
ORANGE = "#D55E00"  # off-target
BROWN = "#7A4B00"  # a second: far darker than orange, since without red or green both are olive
PLUM = "#8F4A7A"  # a third off-target concept
SLATE = "#4D4D4D"  # all further ones
GREEN = "#007A5A"  # a bound that is guaranteed: the palette's green, darkened likewise
GREY = "#6B6B6B"
INK = "#222222"
AXIS = "#8A8A8A"

PANEL = (6.4, 4.0)  # inches, one panel

LAW: dict[str, Any] = {"linewidth": 1.6, "solid_capstyle": "round", "zorder": 3}
SIMULATION: dict[str, Any] = {
    "linestyle": "none",
    "marker": "o",
    "markersize": 4.2,
    "markerfacecolor": "white",
    "markeredgewidth": 1.0,
    "zorder": 4,
    "clip_on": False,
}
PEAK: dict[str, Any] = {
    "linestyle": "none",
    "marker": "v",
    "markersize": 6.5,
    "markeredgecolor": "white",
    "markeredgewidth": 0.6,
    "zorder": 5,
}
LIMIT: dict[str, Any] = {"linestyle": (0, (1, 2)), "linewidth": 1.1, "zorder": 2}
ZERO: dict[str, Any] = {"color": AXIS, "linewidth": 0.8, "zorder": 1}
_HALO = {"boxstyle": "square,pad=0.12", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
STRENGTH = r"steering strength $\alpha$  (in steering vectors)"


@contextmanager
def style() -> Iterator[None]:
    """Draw inside this context: Matplotlib's defaults with the house style over them."""
    base = {key: value for key, value in rcParamsDefault.items() if not key.startswith("backend")}
    with rc_context({**base, **_house()}):
        yield


@cache
def _house() -> dict[str, Any]:
    path = Path(__file__).with_name("house.mplstyle")
    return dict(rc_params_from_file(path, use_default_template=False))


def concept_colours(target: int, count: int) -> list[str]:
    """The colour of each of `count` concepts, the same in every picture."""
    others = iter((ORANGE, BROWN, PLUM))
    return [BLUE if c == target else next(others, SLATE) for c in range(count)]


def token_colours(concept: Sequence[int], target: int) -> list[str]:
    """The colour of each token, that of its concept."""
    colours = concept_colours(target, max(concept) + 1)
    return [colours[c] for c in concept]


def concept_line(colour: str) -> dict[str, Any]:
    """How a law of that colour is drawn: no two concepts are told apart by hue alone."""
    dashes = {ORANGE: (0, (8, 1.6)), BROWN: (0, (3.2, 1.4)), PLUM: (0, (8, 1.6, 1.6, 1.6))}
    return {**LAW, "color": colour, "linestyle": dashes.get(colour, "-"), "dash_capstyle": "butt"}


def concept_mark(colour: str) -> str:
    """The mark of that concept where points are drawn and no lines."""
    return {ORANGE: "s", BROWN: "^", PLUM: "D", SLATE: "P"}.get(colour, "o")


def shown(text: str, most: int = 24) -> str:
    """Text of others, such as a token, as it may stand in a picture.

    A dollar never begins mathematics; letters that the font lacks, or that do not print, are
    written as escapes; blank text is quoted, and long text cut at `most` letters.
    """
    if not text.strip():
        text = repr(text)
    if len(text) > most:
        text = text[: most - 1] + "…"
    glyphs = _glyphs()
    letters = (c if c.isprintable() and ord(c) in glyphs else ascii(c)[1:-1] for c in text)
    escaped = "".join(letters).replace("$", r"\$")
    # A legend leaves out what begins with an underscore.
    return f" {escaped}" if escaped.startswith("_") else escaped


@cache
def _glyphs() -> frozenset[int]:
    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())


def signed(value: float, digits: int = 2) -> str:
    """A number for a label, with a true minus sign."""
    return f"{value:.{digits}f}".replace("-", "\u2212")


def spread(positions: Sequence[float], gap: float) -> list[float]:
    """Move label positions apart to at least `gap`, keeping their order and their centre.

    Neighbours that collide form a block; a block is spaced evenly round the mean of its
    members' wished positions and may then swallow the next one. One pass settles all.
    """
    order = sorted(range(len(positions)), key=lambda i: positions[i])
    blocks: list[tuple[float, list[int]]] = []  # mean wished position, members
    for index in order:
        blocks.append((positions[index], [index]))
        while len(blocks) > 1:
            (low, below), (high, above) = blocks[-2], blocks[-1]
            if high - low >= gap * (len(below) + len(above)) / 2:
                break
            members = below + above
            mean = sum(positions[i] for i in members) / len(members)
            blocks[-2:] = [(mean, members)]
    placed = [0.0] * len(positions)
    for mean, members in blocks:
        for rank, index in enumerate(members):
            placed[index] = mean + gap * (rank - (len(members) - 1) / 2)
    return placed


class Panel:
    """Axes in the house style; what is drawn is filed by role, for tests that read its data.

    Attributes
    ----------
    ax : Axes
    artists : dict
        From a role, such as ``"law"`` or ``"simulation"``, to the artists drawn in it.
    """

    def __init__(self, ax: Axes, artists: Artists | None = None) -> None:
        self.ax = ax
        self.artists: Artists = defaultdict(list) if artists is None else artists

    @classmethod
    def row(cls, axes: Iterable[Axes]) -> list[Panel]:
        """Panels side by side, whose artists are filed together."""
        artists: Artists = defaultdict(list)
        return [cls(ax, artists) for ax in axes]

    def plot(self, role: str, x: ArrayLike, y: ArrayLike, color: str, **look: Any) -> None:
        """Draw a curve or marks that look like that."""
        self.artists[role] += self.ax.plot(x, y, color=color, **look)

    def line(self, role: str, x: ArrayLike, y: ArrayLike, colour: str, **look: Any) -> None:
        """Draw a line, as laws are."""
        self.plot(role, x, y, colour, **LAW | look)

    def rings(self, x: ArrayLike, y: ArrayLike, colour: str, **look: Any) -> None:
        """Draw rings, as simulations are."""
        self.plot("simulation", x, y, colour, **SIMULATION | look)

    def dots(
        self, role: str, x: ArrayLike, y: ArrayLike, colour: Any, size: float = 16, **look: Any
    ) -> None:
        """Draw filled marks, one for each thing; `colour` is one for all, or one for each."""
        fixed = {"s": size, "c": colour, "linewidths": 0, "zorder": 3}
        self.artists[role].append(self.ax.scatter(x, y, **fixed | look))

    def peaks(self, role: str, x: ArrayLike, y: ArrayLike, colour: str) -> None:
        """Draw triangles, as computed peaks are."""
        self.plot(role, x, y, colour, **PEAK)

    def both(
        self, x: ArrayLike, law: ArrayLike, simulated: ArrayLike, colour: str, every: Any = 1,
        *, clip: bool = False, **look: Any,
    ) -> None:  # fmt: skip
        """Draw a law as the line of that colour, its simulation as rings on every so many."""
        self.plot("law", x, law, **concept_line(colour) | look)
        self.rings(x, simulated, colour, markevery=every, clip_on=clip)

    def level(self, role: str, height: float, colour: str = GREY) -> None:
        """Draw a dotted line across: a limit, or a bound."""
        self.artists[role].append(self.ax.axhline(height, color=colour, **LIMIT))

    def band(
        self, role: str, x: ArrayLike, low: ArrayLike, high: ArrayLike, colour: str,
        opacity: float = 0.2, **look: Any,
    ) -> None:  # fmt: skip
        """Shade what lies between two curves."""
        look |= {"color": colour, "alpha": opacity, "linewidth": 0}
        self.artists[role].append(self.ax.fill_between(x, low, high, **look))

    def span(self, role: str, low: float, high: float, colour: str, opacity: float) -> None:
        """Shade an interval of the horizontal axis."""
        look: dict[str, Any] = {"color": colour, "alpha": opacity, "linewidth": 0, "zorder": 0}
        self.artists[role].append(self.ax.axvspan(low, high, **look))

    def zero(self) -> None:
        """Draw the axis of abscissas."""
        self.ax.axhline(0.0, **ZERO)

    def strengths(self, alpha: ArrayLike) -> None:
        """Label the horizontal axis: alpha counts steering vectors, so it has no unit."""
        values = np.asarray(alpha)
        self.ax.set_xlim(float(values.min()), float(values.max()))
        self.ax.set_xlabel(STRENGTH)
        self.zero()
        if values.min() < 0 < values.max():
            self.ax.axvline(0.0, **ZERO)

    def label(
        self, text: str, point: tuple[float, float], shift: tuple[float, float], **look: Any
    ) -> None:
        """Write next to a data point, `shift` in typographic points, on a white halo."""
        options: dict[str, Any] = {"fontsize": 8.5, "zorder": 6, "bbox": _HALO, **look}
        self.ax.annotate(text, point, xytext=shift, textcoords="offset points", **options)

    def name_ends(self, entries: Sequence[tuple[str, float, str]], side: str = "right") -> None:
        """Name curves where they leave the picture: (text, height, colour) each.

        Names keep a distance of 11 typographic points, on the scale and at the height that the
        axes have now.
        """
        scale = self.ax.yaxis.get_transform()
        low, high = scale.transform(np.array(self.ax.get_ylim()))
        wished = np.clip(scale.transform(np.array([y for _, y, _ in entries])), low, high)
        points = self.ax.get_window_extent().height * 72 / self.ax.figure.get_dpi()
        places = scale.inverted().transform(spread(wished, 11.0 * (high - low) / points))
        edge = self.ax.get_xlim()[1 if side == "right" else 0]
        shift, align = ((6, 0), "left") if side == "right" else ((-6, 0), "right")
        look: dict[str, Any] = {"ha": align, "va": "center", "fontsize": 9, "zorder": 3}
        for (text, _, colour), place in zip(entries, places, strict=True):
            self.label(
                text, (edge, place), shift, color=colour, bbox=None, annotation_clip=False, **look
            )
