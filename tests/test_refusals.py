"""What the engine and the advice refuse, in one line each: the value, its place, and a remedy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from steering_strength.theory import ConceptDataset, NormedSteering, TiltedFamily, advise
from steering_strength.theory.advice import JointFamily
from steering_strength.theory.engine import (
    Ablation,
    Addition,
    Affine,
    Clamp,
    Conditional,
    Rotation,
    TiltedPopulation,
    norm_preserving,
    norm_scale,
)
from steering_strength.theory.engine.estimation import estimate, sensitivity
from steering_strength.theory.errors import (
    AlphaError,
    BudgetError,
    ProbabilityError,
    ShapeError,
    SteeringError,
    UnknownNameError,
)

NAN, INF = np.nan, np.inf
P, ODDS = np.array([0.2, 0.3, 0.1, 0.4]), np.array([1.0, -1.0, 0.5, 3.0])
LOG_P = np.log(P)
HALF = np.log([0.5, 0.5])
FAMILY = TiltedFamily(LOG_P, ODDS)
TABLE = np.log([[0.5, 0.5], [0.25, 0.75]])
MANY = TiltedPopulation(TABLE, [0, 1])
H, V = np.random.default_rng(11).normal(size=(2, 6))
U, W = np.array([0.6, 0.8]), np.array([-0.8, 0.6])
STATES = np.array([[1.0, -2.0], [0.5, 1.0]])
TWO = TiltedFamily(HALF, [0.0, 1.0])
JOINT = JointFamily(LOG_P, np.stack([ODDS, ODDS[::-1] + 0.7 * ODDS]))
POSITIVE = np.log([P, P[::-1], np.full(4, 0.25)])
NEGATIVE = np.log([[0.4, 0.3, 0.2, 0.1], [0.1, 0.3, 0.2, 0.4]])
KNOWN = TiltedFamily.from_tables(LOG_P, POSITIVE, NEGATIVE)
IMPOSSIBLE = np.where(np.arange(12).reshape(3, 4) == 11, -np.inf, POSITIVE)

Refusals = list[tuple[Callable[[], Any], type[SteeringError], str]]

FAMILIES: Refusals = [
    (lambda: TiltedFamily(np.log([0.2, 0.3, 0.1, 0.3]), ODDS), ProbabilityError, "sum-exp is -0.1"),
    (lambda: TiltedFamily(P, ODDS), ProbabilityError, "not normalised"),
    (lambda: TiltedFamily([0.0, NAN, -1.0, -1.0], ODDS), ProbabilityError, "nan at token 1"),
    (lambda: TiltedFamily([INF, 0.0, 0.0, 0.0], ODDS), ProbabilityError, "inf at token 0"),
    (lambda: TiltedFamily([], []), ShapeError, "shape"),
    (lambda: TiltedFamily(np.full(4, -INF), ODDS), ProbabilityError, "log-sum-exp is -inf"),
    (lambda: TiltedFamily(LOG_P[None], ODDS), ShapeError, r"shape \(1, 4\)"),
    (lambda: TiltedFamily(LOG_P + 0j, ODDS), ShapeError, "complex"),
    (lambda: TiltedFamily(["a"] * 4, ODDS), ShapeError, "real numbers"),
    (lambda: TiltedFamily(LOG_P, ODDS[:3]), ShapeError, r"\(3,\).*V = 4"),
    (lambda: TiltedFamily(LOG_P, [0.0, NAN, 1.0, 2.0]), ProbabilityError, "nan at token 1"),
    (lambda: TiltedFamily(LOG_P, [0.0, 1.0, 2.0, -INF]), ProbabilityError, "-inf at token 3"),
    (lambda: TiltedFamily(LOG_P, ODDS * 1e200), ProbabilityError, "1e150"),
    (lambda: TiltedFamily.from_logits([0.0, NAN], [1, 2]), SteeringError, "token 1"),
    (lambda: TiltedFamily.from_logits([-INF] * 2, [1, 2]), SteeringError, "-inf"),
    (lambda: TiltedFamily.from_tables(LOG_P, [LOG_P, LOG_P + 1.0], [LOG_P]), SteeringError,
     "log_p_positive, row 1"),
    (lambda: TiltedFamily.from_tables(LOG_P, LOG_P, np.zeros((0, 4))), SteeringError, "log_p_neg"),
    (lambda: TiltedFamily.from_tables(LOG_P, LOG_P, HALF), SteeringError, "one vocabulary"),
    (lambda: TiltedFamily.from_tables(LOG_P, [[*HALF, -INF, -INF]], LOG_P), SteeringError,
     "-inf at token 2.*smooth"),
    (lambda: TiltedFamily.from_unembedding(LOG_P, np.ones((4, 3)), np.ones(2)), SteeringError,
     r"\(4, 3\)"),
    (lambda: FAMILY.cgf(INF), AlphaError, r"limit\(sign\)"),
    (lambda: FAMILY.cgf([[1.0]]), ShapeError, "alpha"),
    (lambda: FAMILY.at_temperature(0.0), AlphaError, "temperature is 0.0"),
    (lambda: FAMILY.at_temperature(-1.0), AlphaError, "positive"),
    (lambda: FAMILY.at_temperature("hot"), AlphaError, "'hot'"),
    (lambda: FAMILY.greedy_path().winner(NAN), AlphaError, "nan"),
    (lambda: FAMILY.alpha_for_concept([0], 0.5, 0), AlphaError, "sign"),
    (lambda: FAMILY.alpha_for_concept(np.ones((2, 4), dtype=bool), 0.5), ShapeError, "mask"),
    *((lambda name=name, at=at: getattr(FAMILY, name)(at), AlphaError, "must be finite")
      for at in (NAN, INF, [0.0, -INF])
      for name in ("log_probability", "probability_increase", "slope", "cgf", "mean", "variance",
                   "cross_entropy_increase", "reverse_kl")),
    *((lambda ask=ask, sign=sign: ask(sign), AlphaError, "sign")
      for sign in (0, 2, "up", None, 1.5, [1])
      for ask in (FAMILY.limit, lambda s: FAMILY.alpha_for_cross_entropy(0.1, s))),
    *((lambda order=order: FAMILY.cumulants(order), ShapeError, "order")
      for order in (0, -1, 2.0, "two")),
    *((lambda ask=ask, budget=budget: ask(budget, 1), BudgetError, "budget")
      for budget in (-1.0, NAN, "much", None, [1.0, 2.0])
      for ask in (FAMILY.alpha_for_cross_entropy, FAMILY.alpha_for_reverse_kl)),
    *((lambda ask=ask, level=level: ask(level), BudgetError, "level|tolerance")
      for level in (0.0, 1.0, -0.5, NAN, "half")
      for ask in (lambda v: FAMILY.alpha_for_concept([0], v),
                  lambda v: FAMILY.alpha_for_limit(v, 1))),
    *((lambda ask=ask, tokens=tokens: ask(tokens, 1.0), ShapeError, text)
      for tokens, text in (
          ([], "empty"), ([0, 4], r"tokens\[1\] = 4"), ([-1], r"tokens\[0\] = -1"),
          (np.ones(3, dtype=bool), "mask"), (np.zeros(4, dtype=bool), "empty"),
          (np.array([[True] * 4, [False] * 4]), "set 1"), ([0.0, 1.0], "dtype float64"),
          (["joy"], "<U3 entries"))
      for ask in (FAMILY.concept_log_odds, FAMILY.concept_increase)),
]  # fmt: skip

POPULATIONS: Refusals = [
    (lambda: TiltedPopulation(TABLE[0], [0, 1]), ShapeError, r"\(2,\)"),
    (lambda: TiltedPopulation(TABLE, [0]), ShapeError, "V = 2"),
    (lambda: TiltedPopulation(np.add(TABLE, [[0], [1]]), [0, 1]), ProbabilityError, "context 1"),
    (lambda: TiltedPopulation(TABLE * [[1], [NAN]], [0, 1]), ProbabilityError, "token 0"),
    (lambda: TiltedPopulation(TABLE, [0, INF]), ProbabilityError, "token 1.*p > 0"),
    (lambda: TiltedPopulation(TABLE, [0, 1], [0.5, 0.6]), ProbabilityError, "1.1"),
    (lambda: TiltedPopulation(TABLE, [0, 1], [1.0]), ShapeError, "weights"),
    (lambda: MANY.family(2), ShapeError, "from 0 to 1"),
    (lambda: MANY.cgf(NAN), AlphaError, "nan"),
    (lambda: MANY.concept_log_odds([2], 0), ShapeError, r"tokens\[0\] = 2"),
    (lambda: MANY.average_cross_entropy_root(-1.0, 1), BudgetError, "at least 0"),
]

NORMS_AND_EDITS: Refusals = [
    (lambda: NormedSteering(H, V[:5]), ShapeError, "v has shape"),
    (lambda: NormedSteering(H, V, gain=[1.0]), ShapeError, "gain has shape"),
    (lambda: NormedSteering([1.0, NAN], [1.0, 1.0]), ShapeError, r"h\[1\] is nan"),
    (lambda: NormedSteering(H[None], V), ShapeError, "h has shape"),
    (lambda: NormedSteering(H, V, "layr"), UnknownNameError, "layer"),
    (lambda: NormedSteering(H, V, eps=-1e-5), ShapeError, "eps"),
    (lambda: NormedSteering(H, V).output(INF), AlphaError, r"limit\(sign\)"),
    (lambda: NormedSteering(H, V).limit(0), AlphaError, "sign"),
    (lambda: norm_scale(U, -U, 1.0), AlphaError, "is 0 at alpha = 1"),
    (lambda: norm_scale(0.0 * U, U, 1.0), ShapeError, "h is 0"),
    (lambda: norm_preserving(TWO, U, [1.0], 1.0), ShapeError, r"v has shape \(1,\)"),
    (lambda: Ablation(2.0 * U), ShapeError, "length 2"),
    (lambda: Ablation(0.0 * U), ShapeError, "u is 0"),
    (lambda: Ablation([0.6, NAN]), ShapeError, "nan"),
    (lambda: Ablation([[0.6, 0.8]]), ShapeError, "shape"),
    (lambda: Affine(U, INF), AlphaError, "alpha is inf"),
    (lambda: Affine(2.0 * U, 1.0), ShapeError, "length 2"),
    (lambda: Addition(0.0 * U, 1.0), ShapeError, "u is 0"),
    (lambda: Addition(U, "much"), AlphaError, "alpha is 'much'"),
    (lambda: Clamp(U, NAN, U), AlphaError, "value is nan"),
    (lambda: Clamp(U, 1.0, [1.0, 2.0, 3.0]), ShapeError, r"encoder has shape \(3,\)"),
    (lambda: Conditional(Addition(U, 1.0), [1.0], 0.0), ShapeError, r"probe has shape \(1,\)"),
    (lambda: Conditional(Addition(U, 1.0), U, NAN), AlphaError, "threshold is nan"),
    (lambda: Rotation(U, U, 1.0), ShapeError, "must be 0"),
    (lambda: Rotation(U, 3.0 * W, 1.0), ShapeError, "u2 has length 3"),
    (lambda: Rotation(U, W, NAN), AlphaError, "theta is nan"),
    (lambda: Ablation(U).strengths(np.ones((3, 4))), ShapeError, "d = 2"),
    (lambda: Ablation(U).strengths([1.0, NAN]), ShapeError, "nan"),
    (lambda: Ablation(U).population(np.ones((5, 3)), STATES), ShapeError, "W has shape"),
    (lambda: Ablation(U).population(np.eye(2), STATES, weights=[1, 1]), SteeringError, "sum to 2"),
    (lambda: Addition(U, 1e150).population(1e150 * np.eye(2), STATES), ProbabilityError, "log_od"),
    (lambda: Ablation(U).population(np.eye(2), STATES).family(2), ShapeError, "context = 2"),
    *((lambda shares=shares: ConceptDataset.mixed([.1, .2, .3], [.5, .5, 1.0], [0, 0, 1], shares),
       error, text)
      for shares, error, text in (
          ([[1.0, 0.5]], ProbabilityError, "sums to 1.5"),
          ([[1.5, -0.5]], ProbabilityError, r"weights\[0, 1\]"),
          ([[1.0, 0.0, 0.0]], ShapeError, "2 concepts"))),
]  # fmt: skip


def asked(source: Any = FAMILY, tokens: Any = (1,), **demands: Any) -> Any:
    return lambda: advise(source, None if tokens is None else list(tokens), **demands)


ADVICE: Refusals = [
    (asked(), BudgetError, "nothing is demanded"),
    (asked(level=0.5, tokens=None), ShapeError, "level needs target tokens"),
    (asked(level=0.0), BudgetError, "level is 0.0"),
    (asked(level=NAN), BudgetError, "level is nan"),
    (asked(cross_entropy=-1.0), BudgetError, "cross_entropy is -1.0"),
    (asked(cross_entropy=INF), BudgetError, "cross_entropy is infinite"),
    (asked(reverse_kl=NAN), BudgetError, "reverse_kl is nan"),
    (asked(cross_entropy=1.0, sign=0), AlphaError, "sign"),
    (asked(before_peak="maybe"), UnknownNameError, "maybe"),
    (asked(before_peak="any", tokens=None), ShapeError, "before_peak needs target tokens"),
    (asked(level=0.5, tokens=range(4)), ShapeError, "all 4 tokens"),
    (asked(level=0.5, tokens=[4]), ShapeError, "tokens.0. = 4"),
    (asked(level=0.5, tokens=[]), ShapeError, "empty"),
    (asked(cross_entropy=1.0, plateau=0.0), BudgetError, "plateau is 0.0"),
    (asked([], None, cross_entropy=1.0), ShapeError, "0 contexts"),
    (asked([1.0], None, cross_entropy=1.0), ShapeError, "1 contexts of type list"),
    (asked([FAMILY, TWO], None, cross_entropy=1.0), ShapeError, "context 1 has V = 2"),
    (asked([FAMILY] * 2, None, cross_entropy=1.0, weights=[0.5]), ShapeError, "weights has shape"),
    (asked([FAMILY] * 2, None, cross_entropy=1.0, weights=[0.5, 0.6]), ProbabilityError, "to 1.1"),
    (asked([FAMILY] * 2, None, cross_entropy=1.0, weights=[NAN, 1.0]), ProbabilityError, "is nan"),
    (asked([FAMILY] * 2, None, cross_entropy=1.0, quantile=1.5), BudgetError, "quantile is 1.5"),
    (lambda: JOINT.along([0.0, 0.0]), AlphaError, "vanishes"),
    (lambda: JOINT.along([1.0]), ShapeError, r"\(2,\)"),
    (lambda: JOINT.cross_entropy_increase([NAN, 0.0]), AlphaError, "nan"),
    (lambda: JOINT.remaining([9.0, 0.0], 1, 0.1, 1), BudgetError, "already spend"),
    (lambda: JOINT.remaining([0.0, 0.0], 2, 0.1, 1), ShapeError, "vector = 2"),
    (lambda: JOINT.ellipse(-1.0), BudgetError, "budget is -1.0"),
    (lambda: JointFamily(LOG_P, ODDS), ShapeError, "2 non-empty axes"),
    (lambda: JointFamily(LOG_P, np.ones((2, 4))).steepest([1]), BudgetError, "no vector moves F_T"),
    (asked(KNOWN, None, cross_entropy=1, texts=(POSITIVE[:1], NEGATIVE)), SteeringError, "1 text"),
    (asked(KNOWN, None, cross_entropy=1, texts=(POSITIVE[:, :3], NEGATIVE)), SteeringError,
     r"shape \(3, 3\)"),
    (asked(KNOWN, None, cross_entropy=1, texts=(POSITIVE[:2], NEGATIVE)), SteeringError, "differs"),
    (asked(KNOWN, None, cross_entropy=1, texts=(IMPOSSIBLE, NEGATIVE)), SteeringError,
     "row 2 at token"),
    (lambda: sensitivity(TiltedFamily(LOG_P, 0 * LOG_P), 1.0, "reverse_kl"), SteeringError, "not"),
    *((lambda given=given: estimate(KNOWN, *given[:2], POSITIVE, NEGATIVE, *given[2:]),
       SteeringError, text)
      for given, text in (
          ((0.0, "level", [0]), "nothing is estimated at 0"),
          ((INF, "level", [0]), "must be finite"), ((1.0, "entropy"), "unknown goal 'entropy'"),
          ((1.0, "level"), "no tokens"), ((1.0, "peak", [0, 1]), "peak of 2 tokens"),
          ((1.0, "level", range(4)), "does not move"))),
    (lambda: estimate(KNOWN, 1.0, "cross_entropy", POSITIVE, NEGATIVE).interval(1.0),
     SteeringError, "confidence"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        pytest.param(*row, id=f"{kind}-{number}")
        for kind, rows in {
            "family": FAMILIES,
            "population": POPULATIONS,
            "norm or edit": NORMS_AND_EDITS,
            "advice": ADVICE,
        }.items()
        for number, row in enumerate(rows)
    ],
)
def test_it_is_refused_in_one_line(
    call: Callable[[], Any], error: type[SteeringError], text: str
) -> None:
    with pytest.raises(error, match=text) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, SteeringError)
    assert caught.value.remedy


def test_the_neighbours_of_mistakes_are_taken() -> None:
    FAMILY.limit(1.0)
    assert advise([FAMILY] * 2, cross_entropy=1.0, quantile=1.0).window.usable
