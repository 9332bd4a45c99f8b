"""No drift: the identities of `LAWS`, printed in Coq from their SymPy objects, and proved there.

What SymPy derives and what Coq proves must be the same statement. So the key identity of a law is
printed by a program, from `law.lhs` and `law.rhs`, and proved from the library's theorem of that
law: a sign flipped in the SymPy law is an equation that Coq refuses. The proofs are short and know
nothing of the printed form but that it is equal, by algebra, to the library's.
"""

from __future__ import annotations

from collections.abc import Mapping

from sympy import Derivative, Expr, Indexed, Integer, Pow, Rational, Sum, Symbol, exp, log

from steering_strength.theory.errors import SteeringError
from steering_strength.theory.laws import LAWS
from steering_strength.theory.laws.notation import unfold

__all__ = ["AGREEMENTS", "agreement_file", "coq_term"]

_PRELUDE = """\
(** Printed from the laws of [steering_strength.theory.laws]; see [agreement.py]. *)

From Coq Require Import Reals List Bool Lra.
From Coquelicot Require Import Coquelicot.
From SteeringStrength Require Import tokens analysis tilting concept cross_entropy transformer.
Open Scope R_scope.

"""

_FIRST = """\
Section Laws.

Context {T : Type}.
Variable vocab : list T.
Variables p M : T -> R.
Variable C : T -> bool.
Hypothesis p_pos : forall z, In z vocab -> 0 < p z.
Hypothesis p_total : Sum vocab p = 1.
Hypothesis C_proper : proper vocab C.

Notation Z := (Z vocab p M).
Notation K := (K vocab p M).
Notation tilted := (tilted vocab p M).
Notation mean := (mean vocab p M).
Notation F := (F vocab p M).

Lemma is_derive_unique_value (f : R -> R) (x a b : R) :
  is_derive f x a -> is_derive f x b -> a = b.
Proof. intros Ha Hb; rewrite <- (is_derive_unique f x a Ha); now apply is_derive_unique. Qed.

Lemma positive alpha : 0 < Z alpha.
Proof. now apply Z_pos. Qed.

Lemma ratio alpha z : tilted alpha z = p z * exp (alpha * M z) / Z alpha.
Proof. now apply tilted_ratio. Qed.

(** A printed sum of weights is the normaliser. *)
Ltac weigh :=
  repeat match goal with
  | |- context [Sum vocab (fun z => p z * exp (?a * M z))] =>
      change (Sum vocab (fun z => p z * exp (a * M z))) with (Z a)
  end.

(** Equal up to algebra, the normaliser being positive. *)
Ltac algebra alpha :=
  intros; cbv beta; weigh; rewrite ?ratio;
  match goal with |- @eq _ ?left ?right => change (@eq R left right) end;
  generalize (positive alpha); intros;
  field; lra.

(** A printed sum over [l] is the sum of [f]. *)
Ltac print_as alpha l f :=
  match goal with
  | |- context [Sum l ?w] =>
      lazymatch w with f => fail | _ => idtac end;
      replace (Sum l w) with (Sum l f) by (apply Sum_ext; algebra alpha)
  end.

Ltac probabilities alpha l := print_as alpha l (tilted alpha).
Ltac means alpha l := print_as alpha l (fun z => tilted alpha z * M z).

"""

_SECOND = r"""
Section Population.

Context {T J : Type}.
Variable vocab : list T.
Variable contexts : list J.
Variable pi : J -> R.
Variables p r : J -> T -> R.
Variable M : T -> R.
Hypothesis pi_pos : forall j, In j contexts -> 0 < pi j.
Hypothesis pi_total : Sum contexts pi = 1.
Hypothesis p_pos : forall j z, In z vocab -> 0 < p j z.
Hypothesis p_total : forall j, Sum vocab (p j) = 1.
Hypothesis r_total : forall j, Sum vocab (r j) = 1.

Notation Z j := (tilting.Z vocab (p j) M).
Notation K j := (tilting.K vocab (p j) M).
Notation tilted j := (tilting.tilted vocab (p j) M).

Lemma ratios j alpha z : tilted j alpha z = p j z * exp (alpha * M z) / Z j alpha.
Proof. apply tilted_ratio; auto. Qed.

(** A printed sum of weights is the normaliser of its context. *)
Ltac weigh :=
  repeat match goal with
  | |- context [Sum vocab (fun z => p ?j z * exp (?a * M z))] =>
      change (Sum vocab (fun z => p j z * exp (a * M z))) with (Z j a)
  end.

(** The printed logarithms are those of the steered probabilities. *)
Ltac logs j a :=
  weigh;
  match goal with
  | |- - _ = pi j * Sum vocab (fun z => ?q j z * - ln _) =>
      rewrite Ropp_mult_distr_r, <- Sum_opp; f_equal
  | |- - (pi j * _) = - 1 * (pi j * _) =>
      match goal with |- - ?x = - 1 * ?y => cut (x = y); [intros ->; ring|f_equal] end
  end;
  apply Sum_ext; intros z Hz; rewrite ratios;
  match goal with
  | |- _ * ln ?x = _ * ln ?y => replace x with y by (unfold Rdiv; ring); ring
  | |- - (_ * ln ?x) = _ * - ln ?y => replace x with y by (unfold Rdiv; ring); ring
  end.

"""


_ONE_CONTEXT: Mapping[str, tuple[str, str]] = {
    "slope": (
        "forall alpha x",
        "intros; apply (is_derive_ext (fun a => tilted a x)); [intros a; algebra a|].\n"
        "eapply is_derive_value; [now apply slope|].\n"
        "unfold tilting.mean, E; means alpha vocab; algebra alpha.",
    ),
    "mean-slope": (
        "forall alpha",
        "intros; eapply is_derive_value; [now apply mean_slope|].\n"
        "unfold tilting.mean, E; means alpha vocab; reflexivity.",
    ),
    "peak": (
        "forall alpha z",
        "intros; apply (is_derive_ext (fun a => tilted a z)); [intros a; algebra a|].\n"
        "eapply is_derive_value; [now apply slope|].\n"
        "replace d1 with (mean alpha)\n"
        "  by (eapply is_derive_unique_value; [now apply mean_slope|eassumption]).\n"
        "algebra alpha.",
    ),
    "concept-ode": (
        "forall alpha",
        "intros; apply (is_derive_ext (F C)); [intros a; probabilities a (filter C vocab);"
        " reflexivity|].\n"
        "eapply is_derive_value; [now apply concept_ode|].\n"
        "probabilities alpha (filter C vocab); means alpha (filter C vocab);\n"
        "means alpha (filter (outside C) vocab).\n"
        "assert (H := F_total vocab p M p_pos p_total C alpha); unfold concept.mu.\n"
        "replace (F (outside C) alpha) with (1 - F C alpha) by lra.\n"
        "change (Sum (filter C vocab) (tilted alpha)) with (F C alpha);"
        " generalize (F_pos vocab p M p_pos C alpha (proj1 C_proper))"
        " (F_pos vocab p M p_pos (outside C) alpha (proj2 C_proper)); intros.\n"
        "set (a := Sum (filter C vocab) _); set (b := Sum (filter (outside C) vocab) _).\n"
        "match goal with |- @eq _ ?l ?r => change (@eq R l r) end; field; lra.",
    ),
    "concept-monotone": (
        "forall alpha",
        "intros; apply (is_derive_ext (F C)); [intros a; probabilities a (filter C vocab);"
        " reflexivity|].\n"
        "eapply is_derive_value; [now apply F_derive_pairs|].\n"
        "apply Sum_ext; intros x _; apply Sum_ext; intros y _; algebra alpha.",
    ),
    "peak-order": (
        "forall alpha_x alpha_z x z, mean alpha_x = M x -> mean alpha_z = M z ->",
        "intros alpha_x alpha_z x z Hx Hz; rewrite <- Hx, <- Hz; unfold tilting.mean, E.\n"
        "means alpha_x vocab; means alpha_z vocab; ring.",
    ),
}

_POPULATION: Mapping[str, tuple[str, str]] = {
    "ce-exact": (
        "forall alpha",
        "intros; transitivity (increase vocab contexts pi p M alpha).\n"
        "- unfold increase, cross_entropy, over; rewrite Rplus_comm; unfold Rminus.\n"
        "  assert (Hm : forall x y, - x = y -> - 1 * x = y) by (intros; lra).\n"
        "  rewrite (Rplus_comm (Sum contexts _)); apply f_equal2.\n"
        "  + apply Hm; rewrite <- Sum_opp; apply Sum_ext; intros j Hj; logs j alpha.\n"
        "  + rewrite <- Sum_opp; apply Sum_ext; intros j Hj.\n"
        "    rewrite Ropp_mult_distr_r, <- Sum_opp; f_equal; apply Sum_ext; intros z Hz.\n"
        "    rewrite tilted_0 by auto; ring.\n"
        "- rewrite ce_exact by assumption; apply Sum_ext; intros j Hj.\n"
        "  rewrite mean_unsteered by assumption; weigh.\n"
        "  rewrite (Sum_ext vocab (fun y => M y * p j y) (fun z => p j z * M z))\n"
        "    by (intros; ring).\n"
        "  unfold K; ring.",
    ),
    "ce-linear": (
        "forall alpha",
        "intros; apply (is_derive_ext (cross_entropy vocab contexts pi p M r)).\n"
        "- intros a; match goal with |- @eq _ ?l ?r => change (@eq R l r) end.\n"
        "  unfold cross_entropy, over; rewrite <- Sum_scal; apply Sum_ext; intros j Hj.\n"
        "  transitivity (- (pi j * Sum vocab (fun z => r j z * ln (tilted j a z)))).\n"
        "  { rewrite Ropp_mult_distr_r, <- Sum_opp; f_equal; apply Sum_ext; intros; ring. }\n"
        "  logs j a.\n"
        "- eapply is_derive_value; [now apply ce_linear|].\n"
        "  apply Sum_ext; intros j Hj; unfold data_mean, tilting.mean, E; weigh.\n"
        "  rewrite (Sum_ext vocab (fun y => M y * r j y) (fun z => r j z * M z))\n"
        "    by (intros; ring).\n"
        "  match goal with |- context [Sum vocab (fun y => / _ * M y * _ * _)] =>\n"
        "    rewrite (Sum_ext vocab (fun y => / Z j alpha * M y * p j y * exp (alpha * M y))\n"
        "      (fun z => tilted j alpha z * M z)) by (intros; rewrite ratios; unfold Rdiv; ring)\n"
        "  end.\n"
        "  ring.",
    ),
}

_REAL: Mapping[str, tuple[str, str]] = {
    "last-block": (
        "forall A B C alpha (a b : unit -> R) z, 0 < A * alpha ^ 2 + 2 * B * alpha + C ->",
        "intros A B C alpha a b z HQ; pose proof (last_block_slope A B C (a z) (b z) alpha HQ)"
        " as H.\n"
        "cbv zeta in H; eapply is_derive_ext; [|eapply is_derive_value; [exact H|]].\n"
        "- intros t; cbv beta; match goal with |- @eq _ ?l ?r => change (@eq R l r) end.\n"
        "  match goal with |- context [sqrt (C + ?u + ?w)] =>\n"
        "    replace (C + u + w) with (A * t ^ 2 + 2 * B * t + C) by ring end.\n"
        "  rewrite Rmult_1_l; unfold Rdiv; ring.\n"
        "- match goal with |- @eq _ ?l ?r => change (@eq R l r) end.\n"
        "  match goal with |- context [sqrt (C + ?u + ?w)] =>\n"
        "    replace (C + u + w) with (A * alpha ^ 2 + 2 * B * alpha + C) by ring end.\n"
        "  unfold Rdiv; ring.",
    ),
}

_SECTIONS: tuple[tuple[str, Mapping[str, tuple[str, str]]], ...] = (
    (_FIRST, _ONE_CONTEXT), (_SECOND, _POPULATION), ("Section Reals.\n", _REAL),
)  # fmt: skip

AGREEMENTS: Mapping[str, tuple[str, str]] = {**_ONE_CONTEXT, **_POPULATION, **_REAL}
"""id -> (binders of the printed statement, its proof from the library's theorem)."""


def coq_term(expr: Expr, bound: frozenset[Symbol] = frozenset()) -> str:
    """A SymPy expression over one vocabulary as a term of Coq, in parentheses where needed.

    Raises
    ------
    SteeringError
        It holds something that has no translation.
    """
    if isinstance(expr, Integer):
        return str(expr) if expr >= 0 else f"(- {-expr})"
    if isinstance(expr, Rational):
        return f"({expr.p} / {expr.q})"
    if isinstance(expr, Symbol):
        if expr.name == "|C|":
            return "(size vocab C)"
        name: str = expr.name
        return name
    if isinstance(expr, Indexed):
        return "(" + " ".join([str(expr.base), *map(coq_term, expr.indices)]) + ")"
    if expr.is_Add:
        return "(" + " + ".join(map(coq_term, expr.args)) + ")"
    if expr.is_Mul:
        return "(" + " * ".join(map(coq_term, expr.args)) + ")"
    if isinstance(expr, exp):
        return f"(exp {coq_term(expr.args[0])})"
    if isinstance(expr, log):
        return f"(ln {coq_term(expr.args[0])})"
    if isinstance(expr, Pow) and expr.exp.is_Rational and expr.exp.q == 2:
        root = f"(sqrt {coq_term(expr.base)})"
        whole = coq_term(expr.base ** ((abs(expr.exp.p) - 1) // 2))
        power = f"({whole} * {root})"
        return power if expr.exp > 0 else f"(/ {power})"
    if isinstance(expr, Pow) and expr.exp.is_Integer:
        base = coq_term(expr.base)
        power = base if abs(expr.exp) == 1 else f"({base} ^ {abs(expr.exp)})"
        return power if expr.exp > 0 else f"(/ {power})"
    if isinstance(expr, Sum):
        term = coq_term(expr.function)
        for index, low, high in expr.limits:
            term = f"(Sum {_range(low, high)} (fun {coq_term(index)} => {term}))"
        return term
    raise SteeringError(f"{expr} has no form in Coq", remedy="extend coq_term")


def _range(low: Expr, high: Expr) -> str:
    V, size = Symbol("V", integer=True, positive=True), "|C|"
    if low == 0 and high == V - 1:
        return "vocab"
    if low == 0 and str(high) == "m - 1":
        return "contexts"
    if low == 0 and str(high) == f"{size} - 1":
        return "(filter C vocab)"
    if str(low) == size and high == V - 1:
        return "(filter (outside C) vocab)"
    raise SteeringError(f"tokens {low} to {high} have no name in Coq", remedy="extend _range")


def statement(name: str) -> str:
    """The key identity of a law as a proposition of Coq.

    A derivative inside of it becomes a number d1, d2, ... of which Coq is told that it is one.
    """
    law = LAWS[name]
    left, right = unfold(law.lhs), unfold(law.rhs)
    inner: dict[Derivative, Symbol] = {}
    for side in (left.expr if isinstance(left, Derivative) else left, right):
        for found in sorted(side.atoms(Derivative), key=str):
            inner.setdefault(found, Symbol(f"d{len(inner) + 1}", real=True))
    right = right.xreplace(inner)
    premises = "".join(
        f"forall {value} : R, {_derivative(found, coq_term(value))} ->\n  "
        for found, value in inner.items()
    )
    if isinstance(left, Derivative):
        return premises + _derivative(left, coq_term(right))
    return f"{premises}{coq_term(left.xreplace(inner))} = {coq_term(right)}"


def _derivative(found: Derivative, value: str) -> str:
    ((variable, order),) = found.variable_count
    v = coq_term(variable)
    function = f"(fun {v} : R => {coq_term(found.expr)})"
    if order == 1:
        return f"is_derive {function} {v} {value}"
    return f"is_derive_n {function} {order} {v} {value}"


def agreement_file(only: str | None = None) -> str:
    """The file that Coq has to accept; of one law, or of all of them."""
    parts = [_PRELUDE]
    for opening, laws in _SECTIONS:
        section = opening.split("Section ")[1].split(".")[0]
        theorems = [
            f"Theorem {name.replace('-', '_')}_agrees : {binders}{'' if '->' in binders else ','}\n"
            f"  {statement(name)}.\nProof.\n{proof}\nQed.\n"
            for name, (binders, proof) in laws.items()
            if only in (None, name)
        ]
        parts += [opening, *theorems, f"End {section}.\n"]
    return "\n".join(parts)
