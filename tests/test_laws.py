"""The laws: complete, decided, acyclic, readable, and honest about what they assume."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pydoc import locate

import pytest
from mpmath import mp
from sympy import Derivative, IndexedBase, Integer, Sum, Symbol, exp, log

from steering_strength.proofs_check.formal.library import FOLDER, theorems
from steering_strength.theory.__main__ import main
from steering_strength.theory.laws import (
    CLAIMS,
    LAWS,
    Identity,
    Inequality,
    Law,
    LawError,
    Limit,
    Monotone,
    Sign,
    Status,
)
from steering_strength.theory.laws.instances import Instance, draw, satisfied
from steering_strength.theory.laws.kernel import Let
from steering_strength.theory.laws.kernel.binding import rename_bound
from steering_strength.theory.laws.notation import Named, define, unfold
from steering_strength.theory.laws.order_rules import instance, reflected
from steering_strength.theory.laws.page import (
    THROUGHOUT,
    dot,
    latex_document,
    latex_page,
    text_page,
    tree,
)
from steering_strength.theory.laws.printing import tex, text
from steering_strength.theory.laws.prose import latex, plain
from steering_strength.theory.laws.rules import PRINCIPLES, derivative_sign, valley
from steering_strength.theory.laws.symbols import (
    K,
    M,
    V,
    alpha,
    mean,
    over_tokens,
    p,
    tilted,
    variance,
    x,
    y,
    z,
)
from tests.report_content import derivation

IDS = [  # in the order of the paper
    "steering-shift",
    "tilting",
    "sign-separation",
    "slope",
    "mean-slope",
    "peak",
    "peak-order",
    "monotone",
    "peak-sign",
    "limit",
    "concept-ode",
    "concept-tanh",
    "concept-monotone",
    "concept-limit",
    "concept-shape",
    "ce-quadratic",
    "ce-exact",
    "ce-cumulants",
    "ce-radius",
    "ce-linear",
    "ce-asymptote",
    "norm-limit",
    "last-block",
    "final-norm",
    "local",
    "mixed-contexts",
    "operator",
    "temperature",
    "renormalised",
    "greedy",
    "influence",
    "standard-error",
    "text-bias",
    "sequence-ratio",
    "sequence-ce",
    "sequence-reverse",
    "sequence-score",
    "sequence-weights",
    "allocation",
]


def unfolded(e):
    """In sums over entries, bound indices numbered in order, so that equal sums are equal.

    A variable is the same on the line and on a half-line, which is printed as a sign.
    """
    e = unfold(e)
    halves = {s for s in e.free_symbols if isinstance(s, Symbol) and s.name in ("alpha", "r")}
    e = e.xreplace({s: Symbol(s.name, real=True) for s in halves})
    indices = sorted({i for s in e.atoms(Sum) for i, *_ in s.limits}, key=str)
    return rename_bound(e).as_dummy() if indices else e


EVERY = [pytest.param(law, id=law.id) for law in (*LAWS.values(), *CLAIMS.values())]


def test_all_statements_are_there():
    assert sorted(LAWS) == sorted(IDS)


@pytest.mark.parametrize("law", EVERY)
def test_every_step_is_proved_by_the_kernel_or_by_a_rule(law):
    for step, status in zip(law.steps, law.prove(), strict=True):
        wanted = Status.PROVED if step.by is None else Status.WITH_RULES
        assert status == wanted, step.why()


def _two_peaks():
    """Four tokens, M = (2, 1, -1, -2), with peaks of the inner two at strengths 0 and -1."""
    with mp.workdps(60):
        last = (6 * mp.exp(-2) + 2 * mp.exp(-1)) / (mp.exp(2) - 9 * mp.exp(-2))
        return Instance(
            {"V": 4, "|A|": 1, "m": 2, "z": 1, "x": 2, "alpha_z": 0, "alpha_x": -1},
            {"M": [2, 1, -1, -2], "p": [2 + 3 * last, 1, 1, last], "d": [1, 1, 3, 4]},
        )


def test_hypotheses_can_hold_together():
    """Also those that a rule has collected from its premises: nothing is proved of nothing."""
    steps = [s for law in (*LAWS.values(), *CLAIMS.values()) for s in law.steps if s.by]
    for given in {s.hypotheses(): s for s in steps}:
        if satisfied(_two_peaks(), given) is not True:
            assert next(draw((), given, tries=400), None) is not None, given


def test_two_peaks_are_in_the_order_of_their_log_odds():
    assert LAWS["peak-order"].claim.holds(_two_peaks()) is True
    assert all(part.holds(_two_peaks()) is not False for part in LAWS["peak"].headline)


@pytest.mark.parametrize("law", EVERY)
def test_what_holds_of_a_law_is_said_by_its_headline(law):
    assert law.claim.decide() in (Status.PROVED, Status.WITH_RULES)
    assert law.statement.decide() == Status.PROVED


def test_statuses_are_one_word_everywhere():
    assert {law.status() for law in LAWS.values()} == {Status.PROVED, Status.WITH_RULES}
    assert {claim.status() for claim in CLAIMS.values()} == {Status.REFUTED}
    assert not any(claim.expected for claim in CLAIMS.values())
    assert all(law.expected for law in LAWS.values())
    for law in (*LAWS.values(), *CLAIMS.values()):
        assert derivation(law.id)["status"] == law.status()
        assert f"Concluded {law.status()}" in text_page(derivation(law.id))


def test_the_paper_is_cited():
    assert all("arXiv:2602.02712" in law.source for law in (*LAWS.values(), *CLAIMS.values()))


def test_which_laws_need_assumption_1():
    needs = {law.id for law in LAWS.values() if "Assumption 1" in map(str, law.assumptions)}
    assert needs == {"sign-separation", "peak-order", "peak-sign", "concept-monotone"}


@pytest.mark.parametrize("law", EVERY)
def test_statements_are_plain_sympy(law):
    for side in (law.lhs, law.rhs):
        assert not side.atoms(Named)


def test_numeric_twins_exist():
    for law in (*LAWS.values(), *CLAIMS.values()):
        assert callable(locate(law.twin)), law.twin


class TestDecisions:
    """A step is decided by mathematics: change the formula and the status changes."""

    def test_a_false_identity_is_refuted(self):
        step = Identity(Derivative(K(alpha), alpha), 2 * mean(alpha), reason="wrong")
        assert step.decide() == Status.REFUTED

    def test_a_false_inequality_is_refuted(self):
        step = Inequality(-variance(alpha), Integer(0), relation=">=", reason="wrong")
        assert step.decide() == Status.REFUTED

    def test_a_false_limit_is_refuted(self):
        step = Limit(exp(-alpha), Integer(1), variable=alpha, reason="wrong")
        assert step.decide() == Status.REFUTED

    def test_an_indeterminate_limit_is_refuted_where_it_fails(self):
        step = Limit(tilted(x, alpha), Integer(0), variable=alpha, reason="undetermined")
        assert step.decide() == Status.REFUTED

    def test_one_unproved_step_makes_a_law_unproved(self):
        good = Identity(Derivative(K(alpha), alpha), mean(alpha))
        bad = Identity(mean(alpha), variance(alpha))
        law = _law(good, (good, bad))
        assert law.prove() == (Status.PROVED, Status.REFUTED)
        assert law.status() == Status.REFUTED
        assert "not proved" in law.text()


class TestRules:
    """A rule refuses premises of the wrong form, and concludes no more than they say."""

    steeper = Inequality(Derivative(mean(alpha), alpha), 0, relation=">=", form=variance(alpha))

    def test_the_conclusion_comes_from_the_premises(self):
        claim = derivative_sign(self.steeper)
        assert (claim.f, claim.increasing, claim.strict) == (mean(alpha), True, False)
        assert claim.decide() == Status.WITH_RULES

    def test_a_conclusion_is_as_good_as_its_premises(self):
        wrong = Inequality(Derivative(mean(alpha), alpha), 0, relation="<")
        assert derivative_sign(wrong).decide() == Status.UNKNOWN

    def test_a_claim_that_no_rule_produced_is_not_proved(self):
        assert Monotone(alpha**3, alpha).decide() == Status.UNKNOWN
        assert Monotone(alpha**3, alpha, increasing=False).decide() == Status.REFUTED
        assert "rules" in Monotone(alpha**3, alpha).why()

    @pytest.mark.parametrize(
        "premise",
        [
            Identity(Derivative(K(alpha), alpha), mean(alpha)),
            Inequality(Derivative(K(alpha), alpha), alpha),
            Inequality(Derivative(K(alpha), (alpha, 2)), 0),
            Inequality(Derivative(K(alpha), alpha), 0, relation="!="),
            Inequality(variance(alpha), 0),
        ],
    )
    def test_the_wrong_form_is_refused(self, premise):
        with pytest.raises(LawError, match="sign of the derivative"):
            derivative_sign(premise)

    def test_a_hypothesis_that_moves_with_the_variable_is_refused(self):
        w = IndexedBase("w", real=True)
        moving = Let(M[y], alpha * w[y], y, Integer(0), V - 1)
        with pytest.raises(LawError, match="moves with"):
            derivative_sign(
                Inequality(Derivative(mean(alpha), alpha), 0, relation=">=", given=(moving,))
            )

    def test_an_order_needs_a_strict_rise(self):
        at = (Identity(mean(alpha), M[x]), Identity(mean(alpha), M[z]))
        with pytest.raises(LawError, match="no rise"):
            reflected(derivative_sign(self.steeper), *at)

    def test_a_valley_needs_both_ends(self):
        from steering_strength.theory.laws.peaks import PEAK

        convex, right, left = (PEAK.steps[k] for k in (7, 4, 5))
        assert valley(convex, right, left).decide() == Status.WITH_RULES
        with pytest.raises(LawError, match="no limit"):
            valley(convex, right, right)

    def test_an_instance_lies_in_the_domain(self):
        forward = Symbol("alpha", nonnegative=True)
        claim = Inequality(forward + 1, 0)
        assert instance(claim, forward, Integer(2)).lhs == 3
        with pytest.raises(LawError, match="no value of"):
            instance(claim, forward, Integer(-2))


def _law(statement, steps, **changes):
    fields = {
        "id": "mine",
        "title": "Mine",
        "source": "here",
        "paper": "",
        "sharper": "",
        "assumptions": (),
        "statement": statement,
        "steps": steps,
        "twin": "",
    }
    return Law(**(fields | changes))


class TestMistakes:
    """Each check of a law's construction is seen to pass and to fail."""

    good = Identity(Derivative(K(alpha), alpha), mean(alpha), reason="slope of K")

    def test_the_statement_must_be_a_step(self):
        assert _law(self.good, (self.good,)).status() == Status.PROVED
        with pytest.raises(LawError, match="none of its steps"):
            _law(self.good, ())

    def test_premises_come_earlier(self):
        slope = Inequality(Derivative(mean(alpha), alpha), 0, relation=">=", form=variance(alpha))
        rise = derivative_sign(slope)
        assert _law(self.good, (self.good, slope, rise)).status() == Status.WITH_RULES
        for steps in ((self.good, rise, slope), (self.good, rise)):
            assert _law(self.good, steps).steps == (self.good, slope, rise)

    def test_a_premise_that_is_not_given_is_decided(self):
        false = Inequality(Derivative(-mean(alpha), alpha), 0, relation=">=")
        law = _law(self.good, (self.good, derivative_sign(false)))
        assert law.steps[1] == false
        assert law.prove() == (Status.PROVED, Status.REFUTED, Status.UNKNOWN)

    def test_a_headline_is_a_step(self):
        other = Identity(K(alpha), K(alpha))
        with pytest.raises(LawError, match="none of its steps"):
            _law(self.good, (self.good,), headline=(other,))

    def test_a_step_of_a_law_that_it_builds_on_is_cited_and_not_shown_again(self):
        peak = LAWS["peak"]
        law = _law(self.good, (self.good, peak.headline[-1]), builds_on=(LAWS["mean-slope"],))
        rise = peak.headline[-1].premises[0]
        assert rise not in law.steps
        assert law.premises(law.steps[-1])[0].startswith("`mean-slope` (")

    def test_relations(self):
        with pytest.raises(LawError, match="is no inequality"):
            Inequality(alpha, alpha, relation="=", reason="")


class TestNewLaw:
    """A user states a law of their own, and the same kernel decides it."""

    def test_two_steering_vectors_at_once(self):
        other = IndexedBase("M'", real=True)
        beta = Symbol("beta", real=True)
        weight = p[z] * exp(alpha * M[z] + beta * other[z])
        joint = define("J", (alpha, beta), log(over_tokens(weight)))
        q = define("q", (z,), weight / over_tokens(weight.xreplace({z: x}), x))
        covariance = over_tokens(q(y) * M[y] * other[y], y) - over_tokens(
            q(y) * M[y], y
        ) * over_tokens(q(y) * other[y], y)
        step = Identity(
            Derivative(joint(alpha, beta), alpha, beta), covariance, reason="interference"
        )
        assert step.decide() == Status.PROVED
        assert Identity(step.lhs, -covariance, reason="wrong sign").decide() == Status.REFUTED
        assert "d²/dα dβ" in step.text()


class TestNotation:
    def test_unfolding_does_not_capture(self):
        f = define("f", (x,), over_tokens(p[z] * M[x]))
        assert unfold(over_tokens(f(z))).doit != unfold(f(x))
        outer = over_tokens(f(z))
        step = Identity(outer, over_tokens(M[y], y) * over_tokens(p[x], x), reason="separate")
        assert step.decide() == Status.PROVED

    def test_names_are_kept_in_print_and_dropped_in_unfold(self):
        step = LAWS["mean-slope"].statement
        assert step.text() == "d/dα K(α) = E_α[M]"
        assert "K" not in str(LAWS["mean-slope"].lhs).replace("Kd", "")

    def test_wrong_number_of_arguments(self):
        with pytest.raises(TypeError, match="takes 1 arguments, not 2"):
            K(alpha, alpha)


class TestPages:
    @pytest.mark.parametrize("law", EVERY)
    def test_text_shows_every_step_with_what_it_assumes_and_its_status(self, law):
        page = " ".join(text_page(derivation(law.id)).split())
        for number, (step, status) in enumerate(zip(law.steps, law.prove(), strict=True), start=1):
            assert f"({number}) {' '.join(step.text().split())}" in page
            assert f"[{status}]" in page
            for hypothesis in step.assumed():
                assert " ".join(hypothesis.split()) in page
        for principle in law.principles():
            assert principle.name in page

    @pytest.mark.parametrize("law", EVERY)
    def test_latex_is_balanced_and_carries_the_hypotheses(self, law):
        body = latex_page(derivation(law.id))
        assert body.count("{") - body.count(r"\{") == body.count("}") - body.count(r"\}")
        assert body.count(r"\begin{enumerate}") == body.count(r"\end{enumerate}") == 1
        assert body.count(r"\[") == body.count(r"\]")
        assert body.count("$") % 2 == 0
        assert body.count(r"\begin{multline*}") == body.count(r"\end{multline*}")
        assert body.count(r"\left") == body.count(r"\right") + body.count(r"\leftarrow")
        assert body.count(r"\item") == len(law.steps)
        assert body.isascii(), [c for c in body if not c.isascii()]
        for step in law.steps:
            assert all(hypothesis in body for hypothesis in step.assumed(latex=True))

    @pytest.mark.parametrize("law", EVERY)
    def test_different_sums_do_not_print_alike(self, law):
        """Within a law, one string is one sum, and one quantity."""
        seen = {}
        every = [e for step in law.steps for e in step.expressions()]
        while every:
            e = every.pop()
            for node in e.atoms(Sum, Named):
                shown = text(node)
                same = seen.setdefault(shown, node)
                assert same == node or unfolded(same) == unfolded(node), shown
                if isinstance(node, Named):
                    every.append(node.body)

    @pytest.mark.parametrize("law", EVERY)
    def test_a_referee_finds_every_hypothesis_once_and_no_idle_step(self, law):
        claims = [(step.text(), *step.assumed()) for step in law.steps]
        assert len(set(claims)) == len(claims), "two steps say the same"
        for step, (shown, *assumed) in zip(law.steps, claims, strict=True):
            assert len(set(assumed)) == len(assumed)
            for formula in (shown, *assumed):
                left, is_equation, right = formula.partition(" for ")[0].partition(" = ")
                assert not (is_equation and left == right), formula
            assert not any(s.function == 0 for e in step.expressions() for s in e.atoms(Sum))
        page = " ".join(text_page(derivation(law.id)).split())
        for part in derivation(law.id)["claim"]:
            assert not part["given"] or f"({part['step']}) given {part['given']}" in page

    def test_an_index_of_a_sum_inside_has_a_name_of_its_own(self):
        inner = Sum(p[y], (y, 0, V - 1))
        assert text(Sum(p[y] * inner, (y, 0, V - 1))) == "Σ_y p_y Σ_y' p_(y')"
        assert text(M[y] * over_tokens(p[y] * M[y], y)) == "M_y Σ_y p_y M_y"

    def test_ranges_print_as_they_are(self):
        n = Symbol("n", integer=True, positive=True)
        ranges = [(0, V - 1), (0, n - 1), (n, V - 1), (1, V), (0, V - 2)]
        assert len({text(Sum(p[z], (z, *r))) for r in ranges}) == len(ranges)
        assert len({tex(Sum(p[z], (z, *r))) for r in ranges}) == len(ranges)
        a, c = (Symbol(name, integer=True, positive=True) for name in ("|A|", "|C|"))
        blocks = [(0, a - 1), (a, V - 1), (0, c - 1), (a, a + c - 1), (a, 2 * a - 1), (c, n)]
        assert len({text(Sum(p[z], (z, *r))) for r in blocks}) == len(blocks)

    def test_signs_for_alls_and_splits_are_printed(self):
        t = Symbol("t", positive=True)
        assert Inequality(log(1 + t), 0).assumed() == ["t > 0"]
        assert "every token x" in Identity(tilted(x, alpha), tilted(x, alpha)).assumed()
        given = (Sign(M[y] - M[z], for_all=(y, z)),)
        assert Identity(alpha, alpha, given=given).assumed() == ["M_z ≤ M_y for all y, z"]

    @pytest.mark.parametrize(
        ("words", "unicode"),
        [
            (r"of $e^{\alpha M_z}$ in", "of e^(α M_z) in"),
            (r"$\sum_{z \in C} p_z \le 1$", "Σ_(z ∈ C) p_z ≤ 1"),
            (r"$\tfrac{1}{2} \mathrm{Var}(M) \alpha^2$", "½ Var(M) α²"),
            (r"$\frac{a + b}{c} \to \pm\infty$", "(a + b)/c → ±∞"),
            (r"$\Delta p(z|\alpha)$, $S_{\bar C}$", "Δp(z|α), S_C\u0304"),
            (r"$\sqrt{R^2 - 4 K''}$, $\varepsilon^*$", "√(R² - 4 K''), ε*"),
        ],
    )
    def test_prose_in_a_terminal(self, words, unicode):
        assert plain(words) == unicode

    def test_prose_in_latex_is_escaped_outside_of_formulas_only(self):
        words = r"5 % of $a_z \le b$, as in `mean_slope`"
        assert latex(words) == r"5 \% of $a_z \le b$, as in \texttt{mean\_slope}"

    def test_all_prose_is_read_to_the_end(self):
        """No formula of a law leaves LaTeX behind, and no mathematics is outside of dollars."""
        for law in (*LAWS.values(), *CLAIMS.values()):
            reasons = [s.reason for s in law.steps]
            for words in (law.title, law.paper, law.sharper, law.care, *reasons):
                assert words.count("$") % 2 == 0, words
                assert not set(plain(words)) & set("\\${}"), words
                outside = "".join(words.split("$")[::2])
                assert not any("α" <= c <= "ω" or c in "^_" for c in re.sub("`.*?`", "", outside))

    def test_document(self):
        text = latex_document(LAWS["slope"], LAWS["limit"])
        assert latex_page(derivation("slope")) in text
        assert text.startswith(r"\documentclass")
        assert text.rstrip().endswith(r"\end{document}")

    @pytest.mark.parametrize("law", EVERY)
    def test_record_is_complete_json(self, law):
        data = json.loads(json.dumps(derivation(law.id)))
        assert data["id"] == law.id
        assert [s["status"] for s in data["steps"]] == [str(s) for s in law.prove()]
        assert {"source", "assumptions", "statement", "assumed", "builds_on", "notation"} <= set(
            data
        )

    def test_notebooks_get_latex(self):
        assert LAWS["tilting"]._repr_latex_().startswith("$")
        assert len(str(LAWS["ce-radius"]).splitlines()) <= 30
        assert LAWS["tilting"].statement._repr_latex_().startswith("$")
        assert r"\begin{enumerate}" in LAWS["tilting"].latex()


class TestFormalProofs:
    """A step that a theorem of Coq covers says which, and the theorem is there."""

    NAMED = sorted(
        {name for law in LAWS.values() for _, name in law.formal}
        | {rule.formal for rule in PRINCIPLES.values() if rule.formal}
    )

    @pytest.mark.parametrize("name", NAMED)
    def test_the_theorem_exists(self, name):
        theorem, file = name.split(" in ")
        code = (FOLDER / file).read_text(encoding="utf-8")
        assert re.search(rf"^(?:Theorem|Lemma) {theorem}\b", code, re.M), name

    def test_a_headline_of_the_library_is_of_the_law_that_names_it(self):
        ids = {(t.name, t.file): t.id for t in theorems()}
        for law in LAWS.values():
            for step, name in law.formal:
                assert step.by is not None, "the kernel needs no theorem"
                found = ids.get(tuple(name.split(" in ")))
                assert found in (None, law.id), name

    def test_the_printed_step_says_so(self):
        law = LAWS["mean-slope"]
        record = law.record()
        (step,) = (s for s in record["steps"] if s["kind"] == "monotone")
        assert step["formal"] == "mean_slope_increasing in tilting.v"
        assert step["status"] == "proved with rules"
        assert "mean_slope_increasing in tilting.v" in " ".join(law.text().replace("`", "").split())
        assert r"\texttt{mean\_slope\_increasing} in tilting.v" in law.latex()

    def test_only_steps_are_covered(self):
        with pytest.raises(LawError, match="none of its steps"):
            replace(LAWS["slope"], formal=((LAWS["peak"].statement, "peak in peaks.v"),))


class TestGraph:
    def test_laws_build_on_earlier_laws(self):
        order = list(LAWS)
        for law in LAWS.values():
            assert all(order.index(b.id) < order.index(law.id) for b in law.builds_on)

    def test_drawings(self):
        assert "concept-tanh" in tree(LAWS)
        assert '"concept-ode" -> "concept-tanh";' in dot(LAWS)


class TestCommandLine:  # its other commands are tried as examples of their help texts
    def test_derive_latex(self, capsys):
        assert main(["derive", "limit", "--latex"]) == 0
        assert r"\documentclass" in capsys.readouterr().out


@pytest.mark.parametrize("name", LAWS)
def test_every_symbol_is_introduced(name):
    """By the words of the law, its notation or a hypothesis; sizes and indices by what is always.

    That a symbol has a sign is printed by itself, and says nothing of what it is.
    """
    record = derivation(name)
    given = [g for step in record["steps"] for g in step["given_latex"]]
    words = [record[key] for key in ("title", "paper", "sharper", "care")]
    words += [n["latex"] for n in record["notation"]] + [s["reason"] for s in record["steps"]]
    words += [g for g in given if not re.fullmatch(r"\S+ (>|\\geq|\\neq) 0", g)]
    said = re.sub("[{}]", "", " ".join([THROUGHOUT, *words]))
    symbols = {s for step in LAWS[name].steps for s in step.free() if isinstance(s, Symbol)}
    sizes = {s for s in symbols if s.is_integer and s.is_positive}
    for s in symbols - sizes - {s for s in symbols if s.name in {*"xyzijklt"}}:
        shown = re.escape(re.sub("[{}]", "", tex(Symbol(s.name))))
        assert re.search(rf"(?<![A-Za-z\\]){shown}(?![A-Za-z])", said), s
