"""The laws: complete, decided, acyclic, readable, and honest about what they assume."""

from __future__ import annotations

import json

import pytest
from sympy import Derivative, IndexedBase, Integer, Symbol, exp, log

from steering_strength.theory.__main__ import main
from steering_strength.theory.laws import (
    CLAIMS,
    LAWS,
    Appeal,
    Identity,
    Inequality,
    Law,
    LawError,
    Limit,
    Status,
)
from steering_strength.theory.laws.assumptions import PRINCIPLES
from steering_strength.theory.laws.graph import dot, tree
from steering_strength.theory.laws.latex import latex_document, latex_page, prose
from steering_strength.theory.laws.notation import Named, define, unfold
from steering_strength.theory.laws.page import record, text_page
from steering_strength.theory.laws.symbols import (
    K,
    M,
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
]
EVERY = [pytest.param(law, id=law.id) for law in (*LAWS.values(), *CLAIMS.values())]


def test_all_statements_are_there():
    assert sorted(LAWS) == sorted(IDS)


@pytest.mark.parametrize("law", EVERY)
def test_no_step_is_unknown(law):
    assert Status.UNKNOWN not in law.prove()
    assert len(law.prove()) == len(law.steps)


@pytest.mark.parametrize("law", EVERY)
def test_only_appeals_are_assumed(law):
    for step, status in zip(law.steps, law.prove(), strict=True):
        assert (status == Status.ASSUMED) == isinstance(step, Appeal)


@pytest.mark.parametrize("law", EVERY)
def test_the_statement_is_decided_by_the_kernel(law):
    """What a law says in its formula is never taken on trust; appeals only carry it further."""
    assert not isinstance(law.statement, Appeal)
    assert law.statement.decide() == Status.PROVED


def test_false_claims_are_refuted_without_appeals():
    assert all(claim.status() == Status.PROVED and not claim.expected for claim in CLAIMS.values())
    assert all(law.expected for law in LAWS.values())


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
    from importlib import import_module

    for law in (*LAWS.values(), *CLAIMS.values()):
        module, _, rest = law.twin.partition(".")
        found, parts = import_module(module), rest.split(".")
        for part in parts:
            try:
                found = getattr(found, part)
            except AttributeError:
                found = import_module(f"{found.__name__}.{part}")
        assert callable(found), law.twin


class TestDecisions:
    """A step is decided by mathematics: change the formula and the status changes."""

    def test_a_false_identity_is_unknown(self):
        step = Identity(Derivative(K(alpha), alpha), 2 * mean(alpha), reason="wrong")
        assert step.decide() == Status.UNKNOWN

    def test_a_false_inequality_is_unknown(self):
        step = Inequality(-variance(alpha), Integer(0), relation=">=", reason="wrong")
        assert step.decide() == Status.UNKNOWN

    def test_a_false_limit_is_unknown(self):
        step = Limit(exp(-alpha), Integer(1), variable=alpha, reason="wrong")
        assert step.decide() == Status.UNKNOWN

    def test_an_indeterminate_limit_is_unknown(self):
        step = Limit(tilted(x, alpha), Integer(0), variable=alpha, reason="undetermined")
        assert step.decide() == Status.UNKNOWN

    def test_one_unknown_step_makes_a_law_unknown(self):
        good = Identity(Derivative(K(alpha), alpha), mean(alpha), reason="slope of K")
        bad = Identity(mean(alpha), variance(alpha), reason="wrong")
        law = _law(good, (good, bad))
        assert law.prove() == (Status.PROVED, Status.UNKNOWN)
        assert law.status() == Status.UNKNOWN
        assert "UNKNOWN" in text_page(law)
        assert "not proved" in text_page(law)


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
        def appeal(premise):
            return Appeal(principle="squeeze", conclusion="so", premises=(premise,))

        assert _law(self.good, (self.good, appeal(1))).status() == Status.ASSUMED
        for late in (0, 2, 3):
            with pytest.raises(LawError, match="earlier steps"):
                _law(self.good, (self.good, appeal(late)))

    def test_principles_have_names(self):
        assert set(PRINCIPLES) >= {"induction"}
        with pytest.raises(LawError, match="no principle is called"):
            Appeal(principle="obviously", conclusion="so")

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
        assert Identity(step.lhs, -covariance, reason="wrong sign").decide() == Status.UNKNOWN
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
    def test_text_shows_every_step_with_its_status(self, law):
        page = text_page(law)
        for number, (step, status) in enumerate(zip(law.steps, law.prove(), strict=True), start=1):
            assert f"({number})" in page
            assert str(status) in page
            if not isinstance(step, Appeal):
                assert step.text() in page
        for principle in law.principles():
            assert f"Assumed   {principle.name}" in page

    @pytest.mark.parametrize("law", EVERY)
    def test_latex_is_balanced(self, law):
        body = latex_page(law)
        assert body.count("{") - body.count(r"\{") == body.count("}") - body.count(r"\}")
        assert body.count(r"\begin{enumerate}") == body.count(r"\end{enumerate}") == 1
        assert body.count(r"\[") == body.count(r"\]")
        assert body.count("$") % 2 == 0
        assert body.count(r"\begin{multline*}") == body.count(r"\end{multline*}")
        assert body.count(r"\left") == body.count(r"\right")
        assert body.count(r"\item") == len(law.steps)
        assert body.isascii(), [c for c in body if not c.isascii()]

    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            ("of e^(α M_z) in", r"of $e^{\alpha M_{z}}$ in"),
            ("Σ_(z∈C) p_z", r"$\sum_{z\in C}$ $p_{z}$"),
            ("x <= y & z", r"x $\leq$ y \& z"),
            ("(K')⁻¹(M_x)", r"(K')$^{-1}$($M_{x}$)"),
        ],
    )
    def test_prose_is_typeset(self, words, expected):
        assert prose(words) == expected

    def test_document(self):
        text = latex_document(*LAWS.values())
        assert text.startswith(r"\documentclass")
        assert text.rstrip().endswith(r"\end{document}")

    @pytest.mark.parametrize("law", EVERY)
    def test_record_is_complete_json(self, law):
        data = json.loads(json.dumps(record(law)))
        assert data["id"] == law.id
        assert [s["status"] for s in data["steps"]] == [str(s) for s in law.prove()]
        assert {"source", "assumptions", "statement", "assumed", "builds_on", "notation"} <= set(
            data
        )

    def test_notebooks_get_latex(self):
        assert LAWS["tilting"]._repr_latex_().startswith("$")
        assert LAWS["tilting"].statement._repr_latex_().startswith("$")
        assert r"\begin{enumerate}" in LAWS["tilting"].latex()


class TestGraph:
    def test_laws_build_on_earlier_laws(self):
        order = list(LAWS)
        for law in LAWS.values():
            assert all(order.index(b) < order.index(law.id) for b in law.builds_on)

    def test_drawings(self):
        assert "concept-tanh" in tree(LAWS)
        assert '"concept-ode" -> "concept-tanh";' in dot(LAWS)


class TestCommandLine:
    def test_list(self, capsys):
        assert main(["list"]) == 0
        out = capsys.readouterr().out
        assert all(name in out for name in (*IDS, *CLAIMS))

    def test_derive(self, capsys):
        assert main(["derive", "concept-tanh"]) == 0
        assert "(7)" in capsys.readouterr().out

    def test_derive_json(self, capsys):
        assert main(["derive", "ce-exact", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["id"] == "ce-exact"

    def test_derive_latex(self, capsys):
        assert main(["derive", "limit", "--latex"]) == 0
        assert r"\documentclass" in capsys.readouterr().out

    def test_graph(self, capsys):
        assert main(["graph", "--dot"]) == 0
        assert capsys.readouterr().out.startswith("digraph")

    def test_unknown_id_suggests(self, capsys):
        assert main(["derive", "concept-tan"]) == 2
        message = capsys.readouterr().err
        assert message.count("\n") == 1
        assert "did you mean concept-tanh" in message

    def test_neither_id_nor_all(self, capsys):
        assert main(["derive"]) == 2
        assert "either one id or --all" in capsys.readouterr().err
