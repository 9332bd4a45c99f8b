"""Every argument of every public function: what is no documented value is refused in one line.

A zoo of values that are nearly right (ragged, masked, complex, text, objects, tensors that NumPy
cannot read, NaN, +-1e308, integers of five thousand digits) takes the place of one good argument at
a time. The call answers without NaN, or raises a `SteeringError` of one short line: no other
exception, no warning (they are errors here), nothing that takes seconds.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from steering_strength.theory import (
    ConceptDataset,
    NormedSteering,
    TiltedFamily,
    UnconstrainedFeatures,
    advise,
)
from steering_strength.theory.advice import JointFamily, equivalents
from steering_strength.theory.engine import LastBlock, TiltedPopulation, allocate
from steering_strength.theory.engine.estimation import estimate, sensitivity
from steering_strength.theory.engine.operators import (
    Ablation,
    Addition,
    Affine,
    Clamp,
    Conditional,
    Rotation,
    norm_preserving,
    norm_scale,
)
from steering_strength.theory.engine.sequences import SampledTexts
from steering_strength.theory.engine.transformer import (
    local_cross_entropy,
    local_divergence,
    readout_family,
)
from steering_strength.theory.errors import SteeringError
from steering_strength.theory.model.peak_sign import weighted_margin, weighted_threshold
from steering_strength.theory.model.sequences import SequenceFeatures


class Foreign:
    """Something with `__array__`: a column of a data frame, or a tensor on another device."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def __array__(self, dtype: object = None, copy: object = None) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def tensors(good: Any) -> Iterator[tuple[str, Any]]:
    try:
        import torch
    except ModuleNotFoundError:
        return
    tensor = torch.tensor(np.array(good, dtype=float))
    yield "bfloat16", tensor.to(torch.bfloat16)
    yield "needs a gradient", tensor.requires_grad_()
    yield "sparse", tensor.detach().to_sparse()
    yield "meta", tensor.to("meta")


def zoo(good: Any, rng: np.random.Generator) -> Iterator[tuple[str, Any]]:
    """Values in the place of `good`, an array, a list or a number."""
    array = np.asarray(good) if isinstance(good, list | np.ndarray | float | int) else np.ones(2)
    yield from tensors(array)
    yield "no value", None
    yield "text", "text"
    yield "bytes", b"bytes"
    yield "object", object()
    yield "dict", {"a": 1}
    yield "generator", (x for x in [1.0])
    yield "function", lambda: None
    yield "complex", array + 1j
    yield "texts", array.astype(str)
    yield "list of texts", array.astype(str).tolist()
    yield "dates", np.zeros(array.shape, dtype="datetime64[s]")
    yield "structured", np.zeros(array.shape, dtype=[("x", float)])
    yield "objects", np.full(array.shape, None)
    yield "empty", []
    yield "empty rows", np.zeros((0, 3))
    yield "more axes", array[None, None]
    yield "masked", np.ma.masked_array(array, mask=np.ones(array.shape, dtype=bool))
    yield "one masked", np.ma.masked_array(np.atleast_1d(array), mask=rng.random(array.size) < 2)
    yield "ragged", [[1.0], [1.0, 2.0]]
    yield "ragged deep", [[[1.0]], [1.0, [2.0]]]
    yield "foreign, no data", Foreign(TypeError("can't convert meta tensor"))
    yield "foreign, gradient", Foreign(RuntimeError("Can't call numpy() on\nTensor that requires"))
    yield "foreign, missing", Foreign(np.array([1.0, None], dtype=object))
    yield "huge integer", 10**5000
    yield "huge integers", [10**400] * max(array.size, 1)
    yield "time span", np.timedelta64(1)
    yield "one for all", np.broadcast_to(np.int8(1), (10**12,))
    yield "longdouble", np.full(array.shape, np.longdouble("1e4000"))
    if array.dtype.kind in "fiu":
        for value in (np.nan, np.inf, -np.inf, 1e308, -1e308, 1e200, 5e-324, -1.0, 0.0, 2.0**63):
            spoilt = array.astype(float)
            spoilt.flat[int(rng.integers(array.size))] = value
            yield f"one {value:g}", spoilt if spoilt.ndim else float(spoilt)
            yield f"all {value:g}", np.full(array.shape, value) if array.ndim else value
        yield "one less", array[..., :-1] if array.ndim else [array]
        yield "negative", -array
        yield "floats", array.astype(float)
        yield "float16", array.astype(np.float16)
        yield "uint64", np.full(array.shape, 2**64 - 1, dtype=np.uint64)
        yield "booleans", array.astype(bool)


def met(good: Any, place: int, every: int) -> list[tuple[str, Any]]:
    """One in `every` of the zoo, others for each argument."""
    return [*zoo(good, np.random.default_rng(place))][place % every :: every]


P = np.array([0.1, 0.2, 0.3, 0.4])
LOG_P, ODDS = np.log(P), np.array([-1.0, 0.5, 0.25, 2.0])
FAMILY = TiltedFamily(LOG_P, ODDS)
TABLE = np.log([P, P[::-1]])
POPULATION = TiltedPopulation(TABLE, ODDS)
DATA = ConceptDataset.smoothed(2, 2, 0.1, contexts_per_concept=2)
UFM = UnconstrainedFeatures.interpolating(DATA, 0)
V = UFM.steering_vector([0], [2])
NORM = NormedSteering([1.0, 2.0, -1.0], [0.5, 0.0, 1.0])
BLOCK = NORM.last_block(np.arange(12.0).reshape(4, 3))
JOINT = JointFamily(LOG_P, np.stack([ODDS, ODDS[::-1]]))
LABELS, GAMMA = np.array([0, 0, 1, 1]), np.array([0.4, 0.6, 0.5, 0.5])
TOKENS, ALPHA, SIGN = [1, 2], np.array([0.0, 2.5]), 1
TEXTS = SampledTexts(np.log([P, P[::-1], P]), ODDS, [3, 1, 2], [0, 0, 1])
POSITIVE = np.log([P, P[::-1], [0.25, 0.25, 0.25, 0.25]])
NEGATIVE = np.log([[0.4, 0.3, 0.2, 0.1], [0.1, 0.3, 0.2, 0.4]])
TEXTED = TiltedFamily.from_tables(LOG_P, POSITIVE, NEGATIVE)
STATES = np.array([[1.0, 2.0], [0.5, -1.0], [0.0, 1.0]])
UNIT, OTHER = np.array([0.6, 0.8, 0.0]), np.array([0.0, 0.0, 1.0])
FOUND = estimate(TEXTED, 0.5, "cross_entropy", POSITIVE, NEGATIVE)

CALLS: list[tuple[str, Callable[..., Any], list[Any]]] = [
    ("TiltedFamily", TiltedFamily, [LOG_P, ODDS]),
    ("from_logits", TiltedFamily.from_logits, [LOG_P, ODDS]),
    ("from_tables", TiltedFamily.from_tables, [LOG_P, TABLE, TABLE[::-1]]),
    ("from_unembedding", TiltedFamily.from_unembedding, [LOG_P, np.eye(4), ODDS]),
    *((name, getattr(FAMILY, name), [ALPHA]) for name in (
        "log_probability", "probability_increase", "slope", "cgf", "mean", "variance",
        "cross_entropy_increase", "reverse_kl", "cross_entropy_bounds", "limit_distance")),
    ("cumulants", FAMILY.cumulants, [3, ALPHA]),
    ("taylor", FAMILY.taylor, [4]),
    ("conditional", FAMILY.conditional, [TOKENS]),
    *((name, getattr(FAMILY, name), [TOKENS, ALPHA]) for name in (
        "concept_log_odds", "concept_increase", "concept_slope")),
    *((name, getattr(FAMILY, name), [TOKENS, SIGN]) for name in (
        "concept_limit", "concept_increase_limit", "concept_maximum")),
    *((name, getattr(FAMILY, name), [TOKENS]) for name in (
        "level_shares", "extrema_bound", "concept_rises", "concept_falls")),
    *((name, getattr(FAMILY, name), [0.3, SIGN]) for name in (
        "cross_entropy_root", "reverse_kl_root", "limit_root", "alpha_for_cross_entropy")),
    ("concept_root", FAMILY.concept_root, [TOKENS, 0.6, SIGN]),
    ("concept_loss_root", FAMILY.concept_loss_root, [TOKENS, 0.3, 0.1, SIGN]),
    ("peak_root", FAMILY.peak_root, [1, SIGN]),
    ("limit", FAMILY.limit, [SIGN]),
    ("asymptote", FAMILY.cross_entropy_asymptote, [SIGN]),
    ("radius", FAMILY.quadratic_radius, [0.1]),
    ("TiltedPopulation", TiltedPopulation, [TABLE, ODDS, np.array([0.25, 0.75])]),
    ("population.family", POPULATION.family, [1]),
    *((f"population.{name}", getattr(POPULATION, name), [ALPHA]) for name in (
        "cgf", "mean", "variance", "average_cross_entropy_increase", "reverse_kl")),
    ("average_root", POPULATION.average_cross_entropy_root, [0.3, SIGN]),
    ("population.concept", POPULATION.concept_log_odds, [TOKENS, ALPHA]),
    ("NormedSteering", lambda *a, **k: NormedSteering(*a[:2], "rms", *a[2:]).output(2.0),
     [NORM.h, NORM.v, np.ones(3), np.zeros(3), 0.1]),
    ("LayerNorm", lambda *a: NormedSteering(*a, "layer").output(2.0), [NORM.h, NORM.v]),
    ("norm.output", NORM.output, [ALPHA]),
    ("norm.limit", NORM.limit, [SIGN]),
    ("norm.bound", NORM.bound, [ALPHA[1:]]),
    ("last_block", NORM.last_block, [np.arange(12.0).reshape(4, 3), np.ones(4)]),
    ("LastBlock", LastBlock, [BLOCK.a, BLOCK.b, BLOCK.A, BLOCK.B, BLOCK.C, np.zeros(4)]),
    ("block.logits", BLOCK.log_probability, [ALPHA]),
    ("block.limit", BLOCK.limit, [SIGN]),
    ("readout", readout_family, [LOG_P, TABLE, TABLE]),
    ("local", local_divergence, [LOG_P, ODDS]),
    ("local text", local_cross_entropy, [LOG_P, P, ODDS, ODDS]),
    ("dataset", ConceptDataset, [DATA.probabilities, LABELS, LABELS, np.full(4, 0.25)]),
    ("smoothed", ConceptDataset.smoothed, [2, 2, 0.1, 2, np.full(4, 0.25)]),
    ("weighted", ConceptDataset.weighted, [GAMMA, GAMMA[::-1], LABELS, 0.1]),
    ("from_gaps", ConceptDataset.from_gaps, [np.full(4, 0.1), GAMMA, LABELS]),
    ("from_counts", ConceptDataset.from_counts, [[0, 1, 2, 3], [0, 1, 2, 3], LABELS]),
    ("steering_sets", DATA.steering_sets, [[0], [2]]),
    ("log_odds", DATA.log_odds, [[0], [2]]),
    ("closeness", DATA.closeness, [0, [0], [2]]),
    ("data.family", DATA.family, [0, ODDS]),
    ("data.price", DATA.cross_entropy_increase, [ODDS, ALPHA]),
    ("data.quadratic", DATA.quadratic, [ODDS]),
    ("data.asymptote", DATA.cross_entropy_asymptote, [ODDS, SIGN]),
    ("data.linear", DATA.linear_coefficient, [ODDS, DATA.probabilities]),
    ("contexts_of", DATA.contexts_of, [1]),
    ("margin", lambda *a: weighted_margin(*a, target=0, own=1, negative_share=[0.0, 1.0]),
     [GAMMA, GAMMA[::-1], LABELS, 0.1]),
    ("threshold", lambda *a: weighted_threshold(*a[:3], target=0, own=1, negative_share=a[3]),
     [GAMMA, GAMMA[::-1], LABELS, [0.0, 1.0]]),
    ("ufm", lambda w, h: UnconstrainedFeatures(w, h, DATA).log_probability(), [UFM.W, UFM.H]),
    ("interpolating", lambda r, d: UnconstrainedFeatures.interpolating(DATA, r, d).W, [0, 3]),
    ("trained", lambda s, d, t: UnconstrainedFeatures.trained(
        DATA, s, d, tolerance=t, max_steps=500).loss(), [0, 3, 1e-2]),
    ("vector", UFM.steering_vector, [[0], [2]]),
    ("steered", UFM.steered_log_probability, [V, ALPHA]),
    ("shifted", UFM.shifted_logits, [[0], [2], ALPHA]),
    ("error bound", lambda p, n, a, e: UFM.law_error_bound(p, n, a, excess=e),
     [[0], [2], ALPHA, 1e-3]),
    ("JointFamily", JointFamily, [LOG_P, JOINT.log_odds]),
    ("along", JOINT.along, [[1.0, -0.5]]),
    ("joint price", JOINT.cross_entropy_increase, [[1.0, -0.5]]),
    ("interference", JOINT.interference, [[1.0, -0.5]]),
    ("ellipse", JOINT.ellipse, [0.5]),
    ("remaining", JOINT.remaining, [[0.1, 0.1], 1, 0.5, SIGN]),
    ("steepest", JOINT.steepest, [TOKENS]),
    ("equivalents", equivalents, [2.0, 3.0, 1.0, 1.0]),
    ("advise", lambda t, level, ce, kl, s, q: advise(
        [FAMILY, FAMILY], t, level=level, cross_entropy=ce, reverse_kl=kl, sign=s, quantile=q),
     [TOKENS, 0.6, 0.5, 0.5, SIGN, 0.9]),
    ("texts", SampledTexts, [TEXTS.log_p, ODDS, [3, 1, 2], [0, 0, 1], [0.5, 0.5]]),
    *((f"texts.{name}", getattr(TEXTS, name), [ALPHA]) for name in (
        "token_costs", "per_token", "cross_entropy_increase", "log_weights", "reverse_kl",
        "information", "effective_sample_size")),
    ("texts.interval", TEXTS.interval, [0.5, 0.5]),
    ("texts.root", TEXTS.root, [0.1, SIGN, 0.5]),
    ("texts.expectation", TEXTS.expectation, [[1.0, 2.0], ALPHA]),
    ("texts.slope", TEXTS.slope, [[1.0, 2.0], ALPHA]),
    ("addition", lambda u, a, H: Addition(u, a).edited(H), [UNIT, 0.5, STATES]),
    ("ablation", lambda u, H: Ablation(u).edited(H), [UNIT, STATES]),
    ("affine", lambda u, a, H: Affine(u, a).edited(H), [UNIT, 0.5, STATES]),
    ("clamp", lambda u, c, e, b, H: Clamp(u, c, e, b).edited(H), [UNIT, 2.0, OTHER, 0.1, STATES]),
    ("conditional", lambda p, t, H: Conditional(Ablation(UNIT), p, t).edited(H),
     [OTHER, 0.5, STATES]),
    ("rotation", lambda u, w, t, H: Rotation(u, w, t).edited(H), [UNIT, OTHER, 0.5, STATES]),
    ("population of edits", lambda W, H, b, w: Ablation(UNIT).population(
        W, H, bias=b, weights=w).average_cross_entropy_increase(1.0),
     [np.arange(12.0).reshape(4, 3) / 10.0, STATES, np.zeros(4), [0.5, 0.5]]),
    ("norm_scale", norm_scale, [UNIT, OTHER, ALPHA]),
    ("norm_preserving", lambda h, v, a, b: norm_preserving(FAMILY, h, v, a, bias=b),
     [UNIT, OTHER, ALPHA, np.zeros(4)]),
    ("temperature", FAMILY.at_temperature, [0.7]),
    ("greedy", lambda a: FAMILY.greedy_path().winner(a), [ALPHA]),
    ("greedy interval", lambda t: FAMILY.greedy_path().interval(t), [3]),
    ("sensitivity", lambda a, t: sensitivity(FAMILY, a, "level", t), [0.5, TOKENS]),
    ("estimate", lambda a, p, n: estimate(TEXTED, a, "cross_entropy", p, n),
     [0.5, POSITIVE, NEGATIVE]),
    ("estimate.interval", FOUND.interval, [0.9]),
    ("estimate.texts_for", FOUND.texts_for, [0.5]),
    ("estimate.largest", FOUND.largest, [2]),
    ("allocate", allocate, [POPULATION, TOKENS, 0.1]),
    ("advise allocate", lambda a: advise(
        POPULATION, TOKENS, cross_entropy=0.1, allocate=a), [True]),
    ("advise texts", lambda p, n: advise(TEXTED, cross_entropy=0.1, texts=(p, n)),
     [POSITIVE, NEGATIVE]),
    ("estimate of", lambda s, g: estimate(s, 0.5, g, POSITIVE, NEGATIVE), [TEXTED, "reverse_kl"]),
    ("texts.direction", TEXTS.per_token, [ALPHA, 0.5, "reverse"]),
    ("steepest norm", lambda k: NormedSteering(NORM.h, NORM.v, k).rate(), ["layer"]),
    ("rules", lambda b: advise(FAMILY, TOKENS, before_peak=b), ["rising"]),
    ("flags", lambda r: Clamp(UNIT, 2.0, OTHER, 0.1, r).reading(STATES), [True]),
    ("metadata", lambda m: TiltedFamily.from_logits(LOG_P, ODDS, m), [{"unit": "nats"}]),
    ("mixed", lambda b, g, w: ConceptDataset.mixed(b, g, LABELS, w),
     [np.full(4, 0.1), GAMMA, [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]]),
    ("tree", lambda p, r: SequenceFeatures.tree(p, r).W, [[[0.5, 0.5], [0.25, 0.75]], 0]),
    ("advise one", lambda f, w: advise(f, cross_entropy=0.5, weights=w), [[FAMILY], [1.0]]),
]  # fmt: skip

# What may be nan by its documentation: units not given, a token that never wins.
NAN_IS_AN_ANSWER = {"equivalents", "ellipse", "greedy interval"}


def numbers(answer: Any) -> Iterator[np.ndarray]:
    """The arrays and numbers of an answer, however it holds them."""
    if isinstance(answer, np.ndarray | float):
        yield np.asarray(answer)
    elif isinstance(answer, tuple | list):
        for part in answer:
            yield from numbers(part)
    elif hasattr(answer, "__dataclass_fields__"):
        for name in ("log_p", "alpha", "lower", "probabilities", "log_odds", "covariance"):
            yield from numbers(getattr(answer, name, None))


def trouble(name: str, function: Callable[..., Any], arguments: list[Any]) -> str:
    """What is wrong with how the call ends; empty if nothing."""
    try:
        answer = function(*arguments)
    except SteeringError as error:
        text = str(error)
        return "" if "\n" not in text and 10 < len(text) < 900 else f"message of {len(text)}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:300]
    nan = any(a.dtype.kind == "f" and np.isnan(a).any() for a in numbers(answer))
    return "a silent nan" if nan and name not in NAN_IS_AN_ANSWER else ""


# A part of the zoo, smaller where an answer takes a twentieth of a second; the long run has it all.
SLOW = ("advise", "advise texts", "advise allocate", "remaining", "allocate")


@pytest.mark.parametrize(
    ("call", "every"),
    [pytest.param(call, 6 if call[0] in SLOW else 2, id=call[0]) for call in CALLS]
    + [pytest.param(call, 1, id=f"{call[0]}, all", marks=pytest.mark.long) for call in CALLS],
)  # fmt: skip
def test_what_is_no_documented_value_is_refused_in_one_line(
    call: tuple[str, Callable[..., Any], list[Any]], every: int
) -> None:
    name, function, good = call
    assert not trouble(name, function, copy.deepcopy(good))
    function(*copy.deepcopy(good))  # the good call is no error at all
    found = [
        f"argument {place} {kind}: {problem}"
        for place, value in enumerate(good)
        for kind, bad in met(value if name != "advise one" else [1.0], place, every)
        if (problem := trouble(name, function, [*good[:place], bad, *good[place + 1 :]]))
    ]
    assert not found, "\n".join(found)


def test_real_numbers_of_any_make_are_taken() -> None:
    exact = [Fraction(1, 10), Fraction(1, 5), Fraction(3, 10), Fraction(2, 5)]
    data = ConceptDataset([exact, exact], LABELS, [0, 1])
    assert data.probabilities.tolist() == [P.tolist()] * 2
    for odds in (np.float32(ODDS), [*map(Fraction, ODDS.tolist())], np.ma.masked_array(ODDS),
                 Foreign(ODDS), tuple(ODDS)):  # fmt: skip
        assert TiltedFamily(LOG_P, odds).log_odds.tolist() == ODDS.tolist()
    assert FAMILY.cross_entropy_root(Fraction(1, 2), np.int8(1)) == FAMILY.cross_entropy_root(
        0.5, 1
    )


@pytest.mark.parametrize(
    "record", [FAMILY, POPULATION, DATA, UFM, NORM, BLOCK, JOINT], ids=lambda r: type(r).__name__
)
def test_no_record_can_be_written_to(record: Any) -> None:
    for name in record.__dataclass_fields__:
        value = getattr(record, name)
        if isinstance(value, np.ndarray) and not (record is POPULATION and name == "log_p"):
            assert not value.flags.writeable, name  # the table of a population is the caller's
