"""All figures by name: what each shows, where it comes from, which laws it draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas


@dataclass(frozen=True)
class Figure:
    """One picture of the gallery.

    Attributes
    ----------
    name : str
        As on the command line, and the stem of its files.
    title, caption : str
        Plain text; the caption says what to look at.
    source : str
        Where the paper has it.
    laws : tuple of str
        Ids of the statements it draws; the report shows it at the first.
    stem : str
        The module of `figures` with its `curves` and `draw`, imported when they are called; of the
        same name unless it is given.
    strengths : tuple of float
        Further arguments of that `curves`.
    layout : mapping
        Further arguments of that `draw`.
    model : str
        What the law is compared with: the interpolating simulation, or a trained model.
    panels : int
        Side by side.
    size : (width, height), inches
        Default: one panel of the house style.
    """

    name: str
    title: str
    caption: str
    source: str
    laws: tuple[str, ...]
    stem: str = ""
    strengths: tuple[float, ...] = ()
    layout: Mapping[str, Any] = field(default_factory=dict)
    model: str = "simulation"
    panels: int = 1
    size: tuple[float, float] | None = None

    def curves(self) -> Any:
        """Compute a frozen record of arrays with a `deviation` between law and simulation."""
        return self._module.curves(*self.strengths)

    def draw(self, record: Any, axes: Any) -> dict[str, list[Any]]:
        """Draw into Axes, or a row of them if there are several panels; artists by role."""
        artists: dict[str, list[Any]] = self._module.draw(record, axes, **self.layout)
        return artists

    @property
    def _module(self) -> Any:
        return import_module(f"steering_strength.figures.{self.stem or self.name}")

    def canvas(self, record: Any) -> Canvas:
        """Draw a record in the house style."""
        from matplotlib.figure import Figure as Canvas

        from steering_strength.figures.style import PANEL, style

        with style():
            canvas = Canvas(figsize=self.size or PANEL)
            axes = canvas.subplots(1, self.panels)
            self.draw(record, axes)
        return canvas

    def write(self, folder: Path, formats: tuple[str, ...]) -> Any:
        """Compute, draw and write ``NAME.npz`` and one picture per format; returns the record."""
        import matplotlib
        import numpy as np

        from steering_strength.figures.store import save_arrays, save_picture
        from steering_strength.figures.style import style

        record = self.curves()
        canvas = self.canvas(record)
        metadata = {
            "figure": self.name,
            "title": self.title,
            "caption": self.caption,
            "source": self.source,
            "laws": list(self.laws),
            "units": "alpha: multiples of the steering vector; log-odds and cross-entropy: nats",
            "versions": {"numpy": np.__version__, "matplotlib": matplotlib.__version__},
        }
        save_arrays(folder / f"{self.name}.npz", record, metadata)
        with style():
            for kind in formats:
                save_picture(canvas, folder / f"{self.name}.{kind}")
        return record


FIGURES: dict[str, Figure] = {
    figure.name: figure
    for figure in (
        Figure(
            name="overview",
            title="Steering strength in one picture",
            caption=(
                "One dataset, one steering vector. Left: every token's probability bumps once, "
                "except the one with the largest log-odds, which takes over, and the one with the "
                "smallest, which only falls. Middle: the target concept saturates. Right: the "
                "cross-entropy is quadratic near 0 and linear far out. Lines are closed forms, "
                "rings the simulated model."
            ),
            source="arXiv:2602.02712, Thm 3.3, 3.6 and 3.8",
            laws=("tilting", "peak", "concept-tanh", "ce-exact"),
            panels=3,
            size=(10.6, 3.5),
        ),
        Figure(
            name="fig2",
            title="The dataset: probabilities of the next token in two contexts",
            caption=(
                "A token is likelier in a context of its own concept (height a) than in any other "
                "(height b): Assumption 1. Stems: dataset. Rings: softmax of the simulated model's "
                "logits, which coincide by Assumption 2."
            ),
            source="arXiv:2602.02712, Fig. 2",
            laws=("sign-separation", "steering-shift"),
            stem="dataset",
        ),
        Figure(
            name="fig3",
            title="Next-token probabilities under positive steering",
            caption=(
                "The token with the largest log-odds rises to its limit; every other target token "
                "bumps. Off-target tokens peak before all target tokens (inset). Triangles: "
                "computed peaks, the roots of K'(alpha) = M(z)."
            ),
            source="arXiv:2602.02712, Fig. 3",
            laws=("peak", "peak-order", "tilting", "limit"),
            stem="peaks",
            strengths=(0.0, 60.0),
            layout={"shifts": {"a": (36, 15), "b": (12, 11)}},
        ),
        Figure(
            name="figB1",
            title="Next-token probabilities under negative steering",
            caption=(
                "The mirror image: the token with the smallest log-odds takes over as alpha goes "
                "to minus infinity, the other tokens of its concept bump on the way, and target "
                "tokens only lose. Triangles: computed peaks."
            ),
            source="arXiv:2602.02712, Fig. B.1",
            laws=("monotone", "peak", "limit"),
            stem="peaks",
            strengths=(-60.0, 0.0),
            layout={"shifts": {"B": (-36, 12)}},
        ),
        Figure(
            name="fig4",
            title="Concept probabilities: rise, fall, and extinction at both ends",
            caption=(
                "The target concept rises as a sigmoid in its log-odds, the opposite concept "
                "falls, and a concept without an extremal token tends to the same limit at both "
                "ends: probability 0, not its unsteered value."
            ),
            source="arXiv:2602.02712, Fig. 4",
            laws=("concept-tanh", "concept-monotone", "concept-limit"),
            stem="concept",
        ),
        Figure(
            name="fig5",
            title="Cross-entropy: the exact law and its quadratic",
            caption=(
                "Solid: the exact law, a Kullback-Leibler divergence. Dashed: the quadratic of "
                "Thm 3.8. Green: where the range of the log-odds alone guarantees the curve to "
                "lie, and the radius within which the quadratic is guaranteed to 10 %."
            ),
            source="arXiv:2602.02712, Fig. 5",
            laws=("ce-quadratic", "ce-exact", "ce-radius"),
            stem="cross_entropy",
        ),
        Figure(
            name="mixed",
            title="Mixed contexts: the sign of the log-odds, token by token",
            caption=(
                "Log-odds of four tokens of the target concept while both negative contexts mix "
                "it in with a growing weight. All are positive, then all negative; in between "
                "(shaded) the sign depends on the token's ratio a/b. Diamonds: where two geometric "
                "means are equal."
            ),
            source="beyond arXiv:2602.02712, Sec. 6",
            laws=("mixed-contexts",),
        ),
        Figure(
            name="edits",
            title="Ablation, clamp and condition: a strength for each context",
            caption=(
                "Four edits of the same direction in forty contexts. Addition has one strength, an "
                "ablation or a clamp as many as there are contexts; each price lies where its "
                "strength puts it on the curve of its context. Blue circles are contexts of the "
                "target concept, orange squares and brown triangles of the two others."
            ),
            source="beyond arXiv:2602.02712, Sec. 6",
            laws=("operator",),
            panels=2,
            size=(8.4, 3.9),
        ),
        Figure(
            name="sampling",
            title="Temperature and a kept norm",
            caption=(
                "Probability of the target concept. A temperature divides the strength and "
                "flattens or sharpens the start; a kept norm bounds the logits, so that the "
                "effect levels off."
            ),
            source="beyond arXiv:2602.02712, Sec. 6",
            laws=("temperature", "renormalised"),
        ),
        Figure(
            name="greedy",
            title="Greedy decoding: who wins where",
            caption=(
                "Log-probabilities of all tokens, bold the likeliest. It changes at the corners "
                "of a convex hull, each time to a token with larger log-odds; some tokens never "
                "win."
            ),
            source="beyond arXiv:2602.02712, Sec. 6",
            laws=("greedy",),
        ),
        Figure(
            name="allocation",
            title="Strength that adapts to the prompt",
            caption=(
                "Forty prompts, one steering vector. Left: what a budget buys with one strength "
                "per prompt and with one for all; rings: the steered model itself; dotted: the "
                "law for small budgets, and (green, hidden by the blue line where the two meet) "
                "what no allocation exceeds. Right: the strengths, for small budgets proportional "
                "to the slope of the target on the log-odds."
            ),
            source="beyond arXiv:2602.02712, Sec. 6 (conclusion)",
            laws=("allocation",),
            panels=2,
            size=(8.8, 3.7),
        ),
        Figure(
            name="texts",
            title="Whole texts: every strength from one set of unsteered texts",
            caption=(
                "Left: what steering costs per text of six tokens, for all strengths, from 300 "
                "texts drawn without steering, with two standard errors; rings: the steered "
                "model itself. Solid: the divergence from the unsteered texts, dashed: its "
                "reverse. Right: the reverse divergence of whole texts is not monotone; triangles: "
                "the roots of one budget."
            ),
            source="arXiv:2602.02712, Sec. 6 (conclusion), and beyond it",
            laws=("sequence-ce", "sequence-reverse", "sequence-weights"),
            stem="sequences",
            panels=2,
            size=(8.8, 3.7),
        ),
        Figure(
            name="training",
            title="Training reaches the entropy of the data",
            caption=(
                "Gradient descent on the cross-entropy of the paper's example (V = 9, G = 3, "
                "eps = 0.05). The loss cannot go below the entropy of the data, and approaches "
                "it: Assumption 2 is attainable."
            ),
            source="arXiv:2602.02712, App. B.1",
            laws=(),
            model="trained model",
            panels=2,
            size=(8.4, 3.6),
        ),
        Figure(
            name="estimation",
            title="How many texts: confidence of an advised strength",
            caption=(
                "The strength that spends half a nat, for vectors made of n + n drawn texts. Left: "
                "rings are resampled texts, steered by matrix product and softmax; line and band "
                "are what the laws say of any n. Few texts make steering look dearer than it is. "
                "Middle: the interval of 1/alpha, its bias removed, holds the strength of "
                "unlimited texts about as often as it says; alpha with 1.96 standard errors does "
                "not. Right: the influence of every text in one pass, against refits."
            ),
            source="beyond arXiv:2602.02712",
            laws=("standard-error", "text-bias", "influence"),
            model="resampled texts",
            panels=3,
            size=(10.6, 3.5),
        ),
    )
}
