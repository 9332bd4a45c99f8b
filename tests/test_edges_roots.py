"""Roots and values of families at the edges of float64: bounded work, no NaN, ends that are close.

Families of every size of M, 1e-320 to 1e149, tied up to an ulp or spread over 400 powers of ten
within one context, with probabilities down to e^-1e5, are asked everything, for budgets from 1e-165
to 1e4 nats. Each call ends in processor time of seconds; what is reached is finite and bracketed.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from steering_strength.theory import TiltedFamily, advise
from steering_strength.theory.advice import JointFamily
from steering_strength.theory.engine import LastBlock
from steering_strength.theory.engine.inverse import Root
from steering_strength.theory.errors import SteeringError

SECONDS = 6.0


class TooLong(BaseException):
    """The processor time of one call is used up."""


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TooLong

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.signal(signal.SIGPROF, before)


def logits(rng: np.random.Generator, size: int) -> np.ndarray:
    made = [
        lambda: rng.normal(size=size),
        lambda: rng.normal(size=size) * 10.0 ** rng.uniform(0, 5),
        lambda: -rng.exponential(size=size) * 10.0 ** rng.uniform(0, 3),
        lambda: np.log(rng.integers(1, 5, size)),
        lambda: np.where(rng.random(size) < 0.5, 0.0, -(10.0 ** rng.uniform(0, 4, size))),
    ][int(rng.integers(5))]()
    if size > 2 and rng.random() < 0.2:
        made[int(rng.integers(size))] = -np.inf
    return made


def log_odds(rng: np.random.Generator, size: int) -> np.ndarray:
    def tied() -> np.ndarray:
        values = np.full(size, float(rng.normal() * 10.0 ** rng.uniform(-10, 10)))
        for _ in range(int(rng.integers(1, 4))):
            values = np.where(rng.random(size) < 0.5, np.nextafter(values, np.inf), values)
        return values

    normal = rng.normal(size=size)
    return [
        lambda: normal,
        lambda: normal * 10.0 ** rng.uniform(-320, 149),
        tied,
        lambda: rng.integers(-2, 3, size) * 10.0 ** rng.uniform(-5, 5),
        lambda: normal * 10.0 ** rng.uniform(-320, 149, size),
        lambda: normal + 10.0 ** rng.uniform(0, 16),
        lambda: normal * 10.0 ** rng.uniform(-300, -150),
        lambda: np.where(rng.random(size) < 0.5, 0.0, normal * 10.0 ** rng.uniform(-20, 1, size)),
    ][int(rng.integers(8))]()


def checked(root: Root, sign: int, value: Callable[[float], Any] | None = None, goal: float = 0.0
            ) -> None:  # fmt: skip
    """A root is reached at a finite alpha inside a narrow bracket in which the level is crossed."""
    if any(math.isnan(end) for end in (root.alpha, root.lower, root.upper)):
        raise ValueError(f"nan in {root}")
    if not (root.lower <= root.alpha <= root.upper and root.alpha * sign >= 0.0):
        raise ValueError(f"order or side of {root}")
    if not root.reached:
        return
    if math.isinf(root.alpha):
        raise ValueError(f"reached at infinity: {root}")
    near, far = sorted((root.lower, root.upper), key=abs)
    # Neighbouring floats; where a maximum touches the level, 1e-13 of alpha.
    if abs(far - near) > max(2e-13 * abs(far), 5e-324):
        raise ValueError(f"wide: {root}")
    if value is None or near == far:
        return
    below, above = float(value(near)), float(value(far))
    # Rounding of the divergences: 1e-9 of them, their documented accuracy is far better.
    if not below <= goal * (1 + 1e-9) or not above >= goal * (1 - 1e-9):
        raise ValueError(f"{below!r} and {above!r} around {goal!r} at {root}")


def number(*values: Any) -> None:
    for value in values:
        if np.isnan(value).any():
            raise ValueError("nan")


def questions(seed: int) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Everything that can be asked of the family of this seed."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 9))
    f = TiltedFamily.from_logits(logits(rng, size), log_odds(rng, size))
    sign = int(rng.choice([1, -1]))
    budget = 10.0 ** float(rng.uniform(-165, 4) if rng.random() < 0.5 else rng.uniform(-3, 2))
    tokens = rng.choice(size, int(rng.integers(1, size + 1)), replace=False)
    level = float(rng.choice([0.5, 0.9, 1e-9, 1 - 1e-9, rng.uniform(1e-3, 1 - 1e-3), 1e-200]))
    alphas = [
        0.0,
        sign * 1e-300,
        sign * 1e300,
        float(rng.normal() * 10.0 ** rng.uniform(-300, 300)),
    ]
    yield (
        "cross-entropy",
        lambda: checked(f.cross_entropy_root(budget, sign), sign, f.cross_entropy_increase, budget),
    )
    yield "reverse", lambda: checked(f.reverse_kl_root(budget, sign), sign, f.reverse_kl, budget)
    yield "concept", lambda: checked(f.concept_root(tokens, level, sign), sign)
    root = f.concept_root(tokens, level, sign)
    if root.reached:
        yield "loss", lambda: checked(f.concept_loss_root(tokens, level, root.alpha, sign), sign)
    yield "maximum", lambda: number(f.concept_maximum(tokens, sign).alpha)
    yield "limit", lambda: checked(f.limit_root(min(level, 0.999), sign), sign)
    yield "peaks", lambda: (f.peaks(), f.peak_brackets(), number(f.peak_log_probability()))
    yield "peak", lambda: [f.peak_root(int(z), sign) for z in tokens if f.log_p[z] > -np.inf]
    for name in (
        "log_probability",
        "probability_increase",
        "slope",
        "cgf",
        "mean",
        "variance",
        "cross_entropy_increase",
        "reverse_kl",
        "limit_distance",
    ):
        yield name, lambda name=name: number(getattr(f, name)(alphas[-1]))
        if name != "cgf":  # K overflows where alpha M does
            yield name, lambda name=name: number(getattr(f, name)(alphas))
    yield "cumulants", lambda: number(f.cumulants(5, float(rng.normal())))
    yield "bounds", lambda: number(*f.cross_entropy_bounds(alphas))
    yield "asymptote", lambda: number(f.cross_entropy_asymptote(sign), f.quadratic_radius(budget))
    yield (
        "levels",
        lambda: number(
            f.extrema_bound(tokens),
            f.level_shares(tokens),
            f.concept_slope(tokens, alphas),
            f.concept_increase_limit(tokens, sign),
            f.concept_log_odds(tokens, alphas[0]),
        ),
    )
    demands: dict[str, Any] = {"cross_entropy": budget, "reverse_kl": budget, "sign": sign}
    if tokens.size < size:
        demands |= {"tokens": tokens, "level": level, "before_peak": "any"}
    yield "advise", lambda: str(advise(f, **demands))
    other = TiltedFamily.from_logits(
        rng.normal(size=size), rng.normal(size=size) * 10.0 ** rng.uniform(-300, 140)
    )
    yield "advise both", lambda: str(advise([f, other], **demands))


def problems(seed: int) -> list[str]:
    found = []
    for name, ask in questions(seed):
        try:
            with bounded(SECONDS):
                ask()
        except SteeringError as error:
            if "\n" in str(error) or "should not happen" in str(error):
                found.append(f"{seed} {name}: {error}")
        except TooLong:
            found.append(f"{seed} {name}: more than {SECONDS} s")
        except Exception as error:
            found.append(f"{seed} {name}: {type(error).__name__}: {error}"[:300])
    return found


@pytest.mark.parametrize("seed", [0, 1, 26, 38, 78, 103, 117, 166, 242])
def test_what_once_broke(seed: int) -> None:
    assert not problems(seed)


@pytest.mark.parametrize(
    "seeds", [range(300, 305), pytest.param(range(305, 310), marks=pytest.mark.long)], ids=str
)
def test_nothing_hangs_or_turns_to_nan_at_the_edges(seeds: range) -> None:
    assert not [line for seed in seeds for line in problems(seed)]


@pytest.mark.soak
def test_nothing_hangs_or_turns_to_nan_at_the_edges_at_length() -> None:
    assert not [line for seed in range(10_000, 12_000) for line in problems(seed)]


def test_the_examples_of_a_range_of_m_at_rounding_level() -> None:
    tiny = TiltedFamily(np.log([0.3, 0.3, 0.4]), np.array([-1.9, 5.9, 1.8]) * 1e-320)
    tied = TiltedFamily(np.log([0.3, 0.3, 0.4]), [1.0, 1.0 + 2e-16, 1.0 - 1e-16])
    small = TiltedFamily(np.log([0.3, 0.7, 1e-200]), np.array([1.0, 2.0, 3.0]) * 1e-278)
    with bounded(SECONDS):
        assert not tiny.limit_root(0.1, 1).reached
        assert advise(tiny, [1], level=0.9, cross_entropy=1.0).window.status == "unmoved"
        assert advise(tied, [1], level=0.9, cross_entropy=1.0).window.status == "unmoved"
        assert advise([tied, tied], cross_entropy=1.0).window.status == "unmoved"
        assert advise(small, [1], level=0.9, cross_entropy=1.0).window.status == "ok"


def test_budgets_and_vectors_at_the_ends_of_float64() -> None:
    log_p = np.log([0.2, 0.3, 0.5])
    wide = TiltedFamily(log_p, [1e60, -2e60, 3e59])
    for budget in (1e308, 1e-300):
        root = wide.cross_entropy_root(budget, 1)
        assert root.reached
        checked(root, 1, wide.cross_entropy_increase, budget)
    for scale in (1e-320, 1e-200, 1e149):
        joint = JointFamily(log_p, np.array([[1.0, -2.0, 0.5], [0.0, 1.0, 3.0]]) * scale)
        found = joint.ellipse(0.5)
        number(found.semi_axes, found.correlation, joint.steepest([1]))
        checked(joint.remaining([0.0, 0.0], 0, 0.5, -1), -1)
    block = LastBlock([1e150, 0.0], [-1e150, 1.0], 1.0, 0.5, 1.0)
    number(block.logits([1e300, 0.0]), block.slope(1e300), block.stationary(), block.limit(1))
    with pytest.raises(SteeringError, match="overflow"):
        LastBlock([1e150, 0.0], [-1e150, 1.0], 1e-320, 0.0, 1e-320).log_probability(0.0)


def test_a_family_in_half_precision_can_be_saved_copied_and_advised_on(tmp_path: Any) -> None:
    rng = np.random.default_rng(0)
    raw = rng.normal(size=5000).astype(np.float32)
    f = TiltedFamily(raw - np.log(np.exp(raw).sum()), rng.normal(size=5000), {"unit": "v"})
    f.save(tmp_path / "f.npz")
    import copy
    import pickle

    for twin in (TiltedFamily.load(tmp_path / "f.npz"), copy.deepcopy(f),
                 pickle.loads(pickle.dumps(f))):  # fmt: skip
        assert np.array_equal(twin.log_p, f.log_p)
        assert twin.metadata == f.metadata
    assert advise([f, f], [1, 2], level=0.5, cross_entropy=20.0, sign=-1).average is not None
