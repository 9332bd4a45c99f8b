"""The instances on offer: contexts, one steering direction, and words on what to look at.

Most are small enough to check by hand. The texts say what to look at, and the tests hold them to
their word: that the concept of `bumps-twice` has three extrema, that the tie is a tie and the
near-tie none, that the token of `remark-3-4` peaks below 0 within Assumption 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np

from steering_strength.figures.instances import BoolArray, FloatArray, paper_example
from steering_strength.theory import ConceptDataset, TiltedFamily


class View(NamedTuple):
    """A window of strengths: what it is called on the page, and its ends, low < 0 < high."""

    label: str
    low: float
    high: float


@dataclass(frozen=True)
class Case:
    """Contexts steered along one direction, with the words that go with them.

    Attributes
    ----------
    key, title : str
        A short name, and the entry of the menu.
    story : str
        What to look at, for a reader who has not read the paper.
    tokens : tuple of str, length V
    concept : (V,) int
        The concept of each token, an index of `concept_names`.
    concept_names : tuple of str, length G
        The first is the concept that is steered towards.
    log_odds : (V,)
        M(z), nats per unit of alpha.
    log_p : (m, V)
        log p(z|c_j), one normalised row per context; -inf where a row has no support.
    contexts : tuple of str, length m
    weights : (m,)
        pi_j, summing to 1; by default of one context.
    views : tuple of View
        Empty: chosen from the laws (`figures.explorer.curves.views`).
    named : (V,) bool
        Tokens with a name of their own, by default all; the others only count as mass.
    note : str
        How exact the numbers are, where it is not the engine alone that decides.
    """

    target: ClassVar[int] = 0

    key: str
    title: str
    story: str
    tokens: tuple[str, ...]
    concept: np.ndarray
    concept_names: tuple[str, ...]
    log_odds: FloatArray
    log_p: FloatArray
    contexts: tuple[str, ...]
    named: BoolArray | bool = True
    weights: FloatArray = field(default_factory=lambda: np.ones(1))
    views: tuple[View, ...] = ()
    note: str = ""

    def family(self, context: int) -> TiltedFamily:
        """One context, steered."""
        return TiltedFamily(self.log_p[context], self.log_odds)

    def masks(self) -> BoolArray:
        """The tokens of each concept, shape (G, V)."""
        labels = np.arange(len(self.concept_names))
        return np.asarray(self.concept == labels[:, None])


def case_of_dataset(
    data: ConceptDataset,
    positive: tuple[int, ...],
    negative: tuple[int, ...],
    contexts: tuple[int, ...],
    **words: Any,
) -> Case:
    """Some contexts of a dataset, steered by the difference of means of P and N (Def. 3.2).

    Weights are those of all contexts of the dataset with the same probabilities as the one shown,
    so that the average over `contexts` is that of the dataset if every row is represented. `words`
    are the key, title, story and windows of the `Case`.
    """
    rows = data.log_probabilities
    same = (rows[list(contexts)][:, None, :] == rows[None, :, :]).all(axis=2)
    weights = same @ data.context_weights
    names = data.concept_names or tuple(f"concept {c}" for c in range(data.concept_count))
    labels = data.context_names or tuple(
        f"context {j}, of {names[c]}" for j, c in enumerate(data.context_concept)
    )
    return Case(
        tokens=data.token_names or tuple(f"token {z}" for z in range(data.vocabulary_size)),
        concept=np.asarray(data.token_concept),
        concept_names=names,
        log_odds=data.log_odds(positive, negative),
        log_p=rows[list(contexts)],
        contexts=tuple(labels[j] for j in contexts),
        weights=weights / weights.sum(),
        **words,
    )


def paper() -> Case:
    """The nine-token example of the paper, seen from a context of each concept."""
    example = paper_example()
    contexts = tuple(example.context(name) for name in ("φχψ", "ABB", "aab"))
    case = case_of_dataset(
        example.data,
        example.positive,
        example.negative,
        contexts,
        key="paper",
        title="The paper's example: nine tokens, three concepts",
        story=(
            "Steering towards {a b c} and away from {A B C}. Move the slider to the right: the "
            "blue concept wins, yet inside it a and then b rise first and give way to c, the token "
            "with the largest log-odds, which keeps rising. The third concept {φ χ ψ} is pushed "
            "neither way, and still dies out at both ends."
        ),
        views=(View("middle", -6.0, 16.0), View("close", -1.5, 1.5), View("wide", -60.0, 60.0)),
    )
    # Four contexts each of the first and second concept are P and N, four of the third complete
    # them: every row of the dataset is one of these three.
    return replace(
        case,
        contexts=("φχψ (third concept)", "ABB (concept steered away from)", "aab (target concept)"),
    )


def bumps() -> Case:
    """Nine words on a scale with equally spaced log-odds: each has its turn."""
    words = ("horrid", "awful", "bad", "poor", "fine", "nice", "good", "great", "superb")
    log_odds = np.arange(-4.0, 5.0)
    weights = -(log_odds**2) / 5.0
    return Case(
        key="bumps",
        title="Bumps: nine words on a scale",
        story=(
            "Log-odds −4 to 4, made up. Move the slider: the words take turns, as a wave, and the "
            "order of the peaks is the order of the log-odds, whatever the probabilities. "
            "Whoever wants ‘good’ and steers on gets ‘superb’."
        ),
        tokens=words,
        concept=np.repeat([1, 2, 0], [4, 1, 4]),
        concept_names=("praise", "blame", "neutral"),
        log_odds=log_odds,
        log_p=(weights - np.log(np.exp(weights).sum()))[None],
        contexts=("The film was",),
        views=(View("all words", -3.2, 3.2), View("close", -0.6, 0.6)),
    )


def twice_dataset() -> ConceptDataset:
    """Assumption 1 holds, and C bumps twice in the contexts of T.

    With two contexts of T in P, one of C and one of D in N, the log-odds of C and D interleave at
    -1.5, -3, -4.5, -6. With the rates b falling in steps that grow (by e^-1.5, e^-4.5, e^-7.5)
    each of the four tokens has a range of alpha in which it outweighs the others, so that C, D, C,
    D lead in turn.
    """
    ratio = 3.0 * np.array([1.0, 3.0, 2.0, 4.0])  # log(a/b) of c1 c2 (C), d1 d2 (D)
    b = np.exp([0.0, -6.0, -1.5, -13.5])
    gap = b * np.expm1(ratio)
    # Assumption 1 asks for the same sum of a - b in C and in D.
    scale = np.repeat([1.0, gap[:2].sum() / gap[2:].sum()], 2)
    b, gap = b * scale, gap * scale
    whole = gap[:2].sum() + b.sum() + 0.3
    data = ConceptDataset.from_gaps(
        np.array([0.3, *b]) / whole,
        np.array([1.0, *(gap[:2] / gap[:2].sum()), *(gap[2:] / gap[2:].sum())]),
        [0, 1, 1, 2, 2],
        contexts_per_concept=2,
    )
    return replace_names(data, ("t", "c1", "c2", "d1", "d2"), ("T", "C", "D"))


def twice() -> Case:
    """A concept with two bumps."""
    return case_of_dataset(
        twice_dataset(),
        (0, 1),
        (2, 4),
        (0,),
        key="bumps-twice",
        title="A concept that bumps twice",
        story=(
            "The paper's prose knows three behaviours of a concept: rise, fall, or one bump. Move "
            "the slider to the left and watch C (orange): it bumps twice, because its tokens and "
            "those of D take turns. The paper's assumption on the data holds exactly here."
        ),
        views=(View("both bumps", -6.5, 1.5), View("close", -1.5, 1.0)),
    )


def tie() -> Case:
    """Two tokens share the largest log-odds exactly: gamma = omega in the target concept."""
    share = np.array([60, 25, 15, 50, 30, 20]) / 100
    other = np.array([60, 25, 15, 30, 45, 25]) / 100
    data = ConceptDataset.weighted(share, other, [0, 0, 0, 1, 1, 1], 0.3)
    data = replace_names(data, ("red", "blue", "green", "one", "two", "three"), ("colour", "count"))
    return case_of_dataset(
        data,
        (0,),
        (1,),
        (1,),
        key="tie",
        title="A tie in the limit",
        story=(
            "All colours have the same log-odds, to the last bit. However hard one steers, none "
            "wins: the limit shares the probability among them in proportion to what they had, "
            "60 : 25 : 15, not equally."
        ),
        views=(View("to the limit", -6.0, 6.0), View("close", -1.0, 1.0)),
    )


def near_tie() -> Case:
    """The two largest log-odds differ by 2^-40: not a tie."""
    p = np.array([0.02, 0.06, 0.52, 0.40])
    return Case(
        key="near-tie",
        title="A near-tie: log-odds that differ by 2⁻⁴⁰",
        story=(
            "In the first window ‘tea’ seems to win for good, at 75 % against 25 % for ‘coffee’. "
            "But ‘coffee’ is ahead by 2⁻⁴⁰ nats. Choose the second window, where α is "
            "counted in units of 10¹²: there the limit turns over. A near-tie is no tie."
        ),
        tokens=("coffee", "tea", "water", "soup"),
        concept=np.array([0, 0, 1, 1]),
        concept_names=("hot drinks", "the rest"),
        log_odds=np.array([2.0, 2.0 - 2.0**-40, 0.0, -1.0]),
        log_p=np.log(p)[None],
        contexts=("I would like some",),
        views=(View("it looks like a tie", -3.0, 6.0), View("it was none", -2e12, 8e12)),
    )


def remark_dataset() -> ConceptDataset:
    """The weighted family with eps = 0.52; Assumption 1 holds up to 0.526."""
    data = ConceptDataset.weighted(
        np.array([30, 70, 100, 58, 42]) / 100,
        np.array([54, 46, 100, 99, 1]) / 100,
        [0, 0, 1, 2, 2],
        0.52,
    )
    return replace_names(data, ("t1", "t2", "o", "n1", "n2"), ("T", "O", "N"))


def remark() -> Case:
    """A target token that peaks at a negative alpha, within Assumption 1 and its bound on eps."""
    return case_of_dataset(
        remark_dataset(),
        (0,),
        (2,),
        (1,),
        key="remark-3-4",
        title="Remark 3.4 failing: a target token that falls",
        story=(
            "Remark 3.4: seen from outside the target, target tokens peak at positive α if the "
            "noise eps is small. Here eps = 0.52, which the data allow, and t1 peaks at α = −0.32: "
            "steering towards its own concept lowers it from the start. What decides is whether "
            "its log-odds exceed their average: at α = 0 the triangle has already passed t1."
        ),
        views=(View("around the peak", -0.6, 0.3), View("middle", -6.0, 6.0)),
    )


def smollm2() -> Case:
    """SmolLM2-135M steered towards joy at the output of its final norm, from a packaged file."""
    from steering_strength.figures.explorer.files import packaged_case

    views = (View("middle", -3.0, 6.0), View("close", -0.4, 0.4), View("wide", -8.0, 8.0))
    return packaged_case("smollm2_joy.npz", views)


def menu() -> tuple[Case, ...]:
    """Every entry, the paper's example first."""
    return (paper(), bumps(), twice(), tie(), near_tie(), remark(), smollm2())


def replace_names(
    data: ConceptDataset, tokens: tuple[str, ...], concepts: tuple[str, ...]
) -> ConceptDataset:
    """The same dataset with names for its tokens and concepts."""
    contexts = tuple(f"a context of {concepts[c]}" for c in data.context_concept)
    return replace(data, token_names=tokens, concept_names=concepts, context_names=contexts)
