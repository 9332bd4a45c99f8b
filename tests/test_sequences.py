"""Whole texts: the rule of induction, what the engine refuses, errors that mean what they say."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from mpmath import exp, log, mp, mpf
from sympy import Integer

from steering_strength.theory.engine import SampledTexts
from steering_strength.theory.errors import (
    BudgetError,
    ProbabilityError,
    ShapeError,
    SteeringSetError,
    UnknownNameError,
)
from steering_strength.theory.laws import Instance, LawError
from steering_strength.theory.laws import sequences as laws
from steering_strength.theory.laws.rules import one_root, over_prefixes
from steering_strength.theory.laws.symbols import M, over_tokens, z
from steering_strength.theory.model.sequences import SequenceFeatures

INDUCTIONS = [
    laws.CHAIN,
    laws.CHAIN_BACK,
    laws.TOTAL,
    laws.MEAN_ZERO,
    laws.INFORMATION,
    laws.SECOND,
    laws.DECAYS,
]


def tree(**wrong):
    """All texts of two tokens over three, steered at 3/2, as the laws number them."""
    rows = [[Fraction(x, 8) for x in row] for row in ([1, 4, 3], [6, 1, 1], [1, 6, 1], [2, 3, 3])]
    odds, alpha = [Fraction(-1), Fraction(1, 2), Fraction(2)], Fraction(3, 2)
    with mp.workdps(60):
        w, u, S, t = [Fraction(1)], [mpf(1)], [mpf(0)], [Fraction(0)]
        for j, row in enumerate(rows):
            odds_mp = [mpf(m.numerator) / m.denominator for m in odds]
            p_mp = [mpf(p.numerator) / p.denominator for p in row]
            weights = [p * exp(mpf(3) / 2 * m) for p, m in zip(p_mp, odds_mp, strict=True)]
            tilted = [x / sum(weights) for x in weights]
            mean = sum(x * m for x, m in zip(tilted, odds_mp, strict=True))
            w += [w[j] * p for p in row]
            u += [u[j] * x for x in tilted]
            S += [S[j] + m - mean for m in odds_mp]
            t += [t[j] + 1] * 3
        found = {"p": rows, "M": odds, "w": w, "u": u, "S": S, "t": t, **wrong}
        return Instance({"V": 3, "J": 4, "alpha": alpha, "c": Fraction(9)}, found)


class TestInduction:
    @pytest.mark.parametrize("claim", INDUCTIONS, ids=lambda c: c.text())
    def test_its_conclusions_hold_on_a_tree_and_are_silent_on_what_is_none(self, claim):
        assert claim.holds(tree()) is True
        assert claim.holds(tree(u=[mpf(1)] * 13)) is None  # not the products of a tree
        assert str(claim.decide()) == "proved with rules"

    def test_a_wrong_gain_is_seen_on_a_tree(self):
        wrong = replace(laws.CHAIN, rhs=laws.CHAIN.rhs + Integer(1))
        assert wrong.holds(tree()) is False

    @pytest.mark.parametrize("f", [laws.w[laws.k] * laws.k, laws.w[laws.k] ** 2, laws.u[laws.k]])
    def test_a_step_of_another_quantity_is_refused(self, f):
        with pytest.raises(LawError, match="induction over prefixes"):
            over_prefixes(laws.SEQUENCE_CE.statement, f, laws.j, laws.UNSTEERED)

    def test_what_holds_of_one_prefix_only_is_refused(self):
        step = laws.SEQUENCE_SCORE.steps[3]
        bound = laws.Sign(laws.u[laws.j] - 1)
        with pytest.raises(LawError, match="a hypothesis of the step is about j"):
            over_prefixes(replace(step, given=(bound,)), laws.u[laws.k], laws.j, laws.STEERED)

    def test_an_entry_that_knows_its_place_is_refused(self):
        odd = (laws.STEERED[0], replace(laws.STEERED[1], value=laws.STEERED[1].value * laws.k))
        with pytest.raises(LawError, match="depends on"):
            over_prefixes(laws.SEQUENCE_SCORE.steps[3], laws.u[laws.k], laws.j, odd)

    def test_a_sum_over_some_tokens_is_refused(self):
        step = laws.SEQUENCE_SCORE.steps[3]
        some = replace(step, lhs=over_tokens(step.lhs.function, z, Integer(2)))
        with pytest.raises(LawError, match="not over all tokens"):
            over_prefixes(some, laws.u[laws.k], laws.j, laws.STEERED)

    def test_one_root_needs_strict_convexity(self):
        weak = replace(laws.CONVEX, strict=False)
        with pytest.raises(LawError, match="no strict convexity"):
            one_root(weak, *laws.ONE_ROOT.premises[1:])

    def test_one_root_is_true_of_a_price_and_false_of_what_starts_elsewhere(self):
        numbers = {"V": 3, "J": 1, "|A|": 1, "m": 2, "alpha": 0}
        half = Fraction(1, 2)
        row = [half, half / 2, half / 2]
        arrays = {"p": [row], "M": [2, half, -1], "d": [1, 3 * half, 3], "w": [1]}
        assert laws.ONE_ROOT.holds(Instance(numbers, arrays)) is True
        lift = replace(laws.ONE_ROOT, given=(), f=laws.price(laws.alpha) + M[0])
        assert lift.holds(Instance(numbers, arrays)) is False
        turn = replace(laws.ONE_ROOT, given=(), f=laws.price(laws.alpha) * (laws.alpha - 2))
        assert turn.holds(Instance(numbers, arrays)) is False


@pytest.fixture(scope="module")
def model():
    rows = np.random.default_rng(5).dirichlet(np.ones(4), size=5) * 0.96 + 0.01
    return SequenceFeatures.chain(rows, 1)


@pytest.fixture(scope="module")
def vector(model):
    return model.steering_vector([1, 2], [3])


class TestSamples:
    def test_errors_are_those_of_repeated_samples(self, model, vector):
        """At |alpha| with a third of the texts left: value and error against 200 samples."""
        alpha, judge = 0.4, lambda texts: np.bincount(texts.text, texts.tokens == 2)
        found = []
        for seed in range(200):
            texts = model.observed(model.sample(80, 6, seed, vector), vector)
            judged = judge(texts)
            found.append(
                [
                    texts.cross_entropy_increase(alpha),
                    texts.reverse_kl(alpha),
                    texts.expectation(judged, alpha),
                    texts.slope(judged),
                    texts.information(),
                ]
            )
        values, errors = np.moveaxis(np.array(found), -1, 0)
        # 200 samples know a standard deviation to 5 %; a normalised mean is biased by O(1/N).
        np.testing.assert_allclose(errors.mean(axis=0), values.std(axis=0), rtol=0.2)
        paths = model.all_texts(6)
        share = np.exp(model.text_log_probability(paths, vector))
        every = model.observed(paths, vector, share / share.sum())
        judged = judge(every)
        truth = [
            every.cross_entropy_increase(alpha)[0],
            every.reverse_kl(alpha)[0],
            every.expectation(judged, alpha)[0],
            every.slope(judged)[0],
            every.information()[0],
        ]
        deviations = np.abs(values.mean(axis=0) - truth) / values.std(axis=0)
        assert (deviations < 0.35).all()  # 5 standard errors of the mean of 200

    def test_the_interval_of_whole_texts_covers(self, model, vector):
        paths = model.all_texts(6)
        share = np.exp(model.text_log_probability(paths, vector))
        truth = float(model.observed(paths, vector, share / share.sum()).per_token(0.5))
        covered = 0
        for seed in range(100):
            texts = model.observed(model.sample(40, 6, seed, vector), vector)
            low, high = texts.interval(0.5)
            covered += low <= truth <= high
        assert 78 <= covered <= 98  # of a 90 % interval; four standard deviations

    def test_texts_drawn_are_as_likely_as_they_should_be(self, model, vector):
        states, tokens = model.sample(4000, 3, 7, vector, alpha=0.8)
        assert (states[:, 0] == 0).all()
        assert (states[:, 1:] == model.after[states[:, :-1], tokens[:, :-1]]).all()
        paths = model.all_texts(3)
        expected = 4000 * np.exp(model.text_log_probability(paths, vector, 0.8))
        counts = np.array([(tokens == row).all(axis=1).sum() for row in paths[1]])
        chi_square = ((counts - expected) ** 2 / expected).sum()
        assert chi_square < 63 + 5 * np.sqrt(2 * 63)
        again = model.sample(4000, 3, 7, vector, alpha=0.8)
        assert (again[1] == tokens).all()

    def test_one_text_has_no_error_and_extremes_no_warning(self, model, vector):
        texts = model.observed(model.sample(1, 4, 0, vector), vector)
        assert texts.cross_entropy_increase([0.0, 1.0])[1].tolist() == [np.inf, np.inf]
        many = model.observed(model.sample(5, 4, 0, vector), vector)
        for alpha in (0.0, 1e-12, -1e4, 1e4):
            value, error = many.reverse_kl(alpha)
            assert np.isfinite([value, error]).all()
            assert 1.0 - 1e-9 <= many.effective_sample_size(alpha) <= 5.0 + 1e-9


class TestRefusals:
    rows = np.log(np.full((3, 2), 0.5))

    @pytest.mark.parametrize(
        ("change", "error", "words"),
        [
            ({"log_p": np.zeros((0, 2))}, ShapeError, "shape (0, 2)"),
            ({"log_p": np.zeros((3, 2))}, ProbabilityError, "not normalised"),
            ({"tokens": [0, 1]}, ShapeError, "tokens has shape (2,)"),
            ({"tokens": [0, 1, 2]}, ShapeError, "0..1"),
            ({"tokens": [0.0, 1.0, 0.0]}, ShapeError, "give integers"),
            ({"text": [0, 2, 2]}, ShapeError, "one after the other"),
            ({"text": [1, 1, 1]}, ShapeError, "one after the other"),
            ({"log_odds": np.zeros((2, 2))}, ShapeError, "one value of M"),
            ({"weights": [0.5, 0.6]}, ProbabilityError, "sum to 1"),
            ({"log_p": [[0, -np.inf]] * 3, "tokens": [0, 1, 0]}, ShapeError, "position 1"),
        ],
    )
    def test_of_texts(self, change, error, words):
        whole = {
            "log_p": self.rows, "log_odds": [0.0, 1.0], "tokens": [0, 1, 0], "text": [0, 0, 1],
        }  # fmt: skip
        SampledTexts(**whole)
        with pytest.raises(error) as caught:
            SampledTexts(**{**whole, **change})
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_of_questions(self):
        texts = SampledTexts(self.rows, [0.0, 1.0], [0, 1, 0], [0, 0, 1])
        with pytest.raises(ShapeError, match="one number per text"):
            texts.slope([1.0, 2.0, 3.0])
        with pytest.raises(ShapeError):
            texts.expectation([1.0, np.nan], 0.5)
        with pytest.raises(BudgetError):
            texts.root(-1.0, 1)
        with pytest.raises(BudgetError):
            texts.root(0.1, 1, percentile=95)
        with pytest.raises(UnknownNameError):
            texts.token_costs(1.0, "backward")
        never = texts.root(1.0, 1, direction="reverse")  # at most log 2
        assert not never.reached
        assert f"below {float(log(2)):.6g}" in never.reason
        assert texts.root(0.0, -1).alpha == 0.0

    def test_of_models(self, model, vector):
        with pytest.raises(SteeringSetError, match="share a state"):
            model.steering_vector([1], [1])
        with pytest.raises(SteeringSetError, match="P or N has shape"):
            model.steering_vector([], [1])
        with pytest.raises(ShapeError, match="sample them"):
            model.all_texts(40)
        with pytest.raises(ShapeError, match="one number per feature"):
            model.log_probability([0], vector[:-1])
        for states in (["a"], [[1], [1, 2]], [2**70], [0.5]):
            with pytest.raises(ShapeError):
                model.log_probability(states, vector)
        with pytest.raises(ShapeError, match="different lengths"):
            model.steering_vector([[1], [1, 2]], [3])
        with pytest.raises(SteeringSetError, match="several axes"):
            model.steering_vector([[1, 2]], [3])
        with pytest.raises(ShapeError, match="5: the start"):
            SequenceFeatures.chain(np.full((3, 4), 0.25), 0)
        with pytest.raises(ProbabilityError):
            SequenceFeatures.tree([[0.5, 0.6]], 0)
