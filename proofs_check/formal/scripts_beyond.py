"""The proofs of the printed formulas of the laws beyond the paper; see `scripts`."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["SECTIONS_BEYOND"]

_PRICES = r"""
Section Prices.

Context {T J : Type}.
Variable vocab : list T.
Variable contexts : list J.
Variable pi : J -> R.
Variable p : J -> T -> R.
Variables M D : T -> R.
Hypothesis pi_pos : forall j, In j contexts -> 0 < pi j.
Hypothesis pi_total : Sum contexts pi = 1.
Hypothesis p_pos : forall j z, In z vocab -> 0 < p j z.
Hypothesis p_total : forall j, Sum vocab (p j) = 1.

Notation moved t := (fun z => M z + t * D z).

(** A printed ratio of sums is a tilted probability. *)
Lemma moved_ratio j alpha t z :
  tilted vocab (p j) (moved t) alpha z
  = p j z * / Sum vocab (fun y => p j y * exp (alpha * (M y + t * D y)))
    * exp (alpha * (M z + t * D z)).
Proof. rewrite tilted_ratio by auto; unfold Z, Rdiv; ring. Qed.

"""

_PRICES_LAWS: Mapping[str, tuple[str, str]] = {
    "influence": (
        "forall alpha t,",
        """\
intros alpha t _; assert (E : forall s : R, t + (s - t) = s) by (intros; ring).
apply (is_derive_ext (fun s => increase vocab contexts pi p (moved (t + (s - t))) alpha)).
- intros s; reals; rewrite ce_exact_divergence by assumption; apply Sum_ext; intros j _; f_equal.
  apply Sum_ext; intros z Hz; do 2 f_equal; rewrite (E s).
  rewrite moved_ratio; assert (0 < p j z) by auto.
  assert (0 < Sum vocab (fun y => p j y * exp (alpha * (M y + s * D y))))
    by (apply (Z_pos vocab (p j) (moved s)); auto).
  replace (-1 * alpha * (M z + s * D z)) with (- (alpha * (M z + s * D z))) by ring.
  rewrite exp_Ropp; generalize (exp_pos (alpha * (M z + s * D z))); intros; field; lra.
- eapply is_derive_value.
  + apply (is_derive_comp (fun s => increase vocab contexts pi p (moved (t + s)) alpha)
      (fun s => s - t)); [|auto_derive; [easy|reflexivity]].
    rewrite Rminus_eq_0.
    apply (estimation.increase_change vocab contexts pi p p_pos p_total (fun s => moved (t + s)) D).
    intros z; auto_derive; [easy|ring].
  + unfold scal; simpl; unfold mult; simpl; rewrite Rmult_1_l, Rplus_0_r.
    unfold over; rewrite <- Sum_scal; apply Sum_ext; intros j _.
    print vocab (fun z => (tilted vocab (p j) (moved t) alpha z - p j z) * D z)
      by (rewrite moved_ratio; ring).
    ring.""",
    ),
}

_TEXTS = r"""
Section Texts.

Context {T S : Type}.
Variable vocab : list T.
Variable P N : list S.
Variable L : S -> T -> R.
Variable a : T -> R.

Lemma printed_covariance l z y :
  / (- 1 + INR (length l)) * / INR (length l)
  * Sum l (fun i => (L i y + - 1 * / INR (length l) * Sum l (fun k => L k y))
                    * (L i z + - 1 * / INR (length l) * Sum l (fun k => L k z)))
  = estimation.sample_covariance L l z y / INR (length l).
Proof.
  unfold estimation.sample_covariance, average, Rdiv.
  rewrite (Sum_ext l _ (fun i => (L i z - Sum l (fun k => L k z) * / INR (length l))
    * (L i y - Sum l (fun k => L k y) * / INR (length l)))) by (intros; ring).
  replace (INR (length l) - 1) with (- 1 + INR (length l)) by ring; ring.
Qed.

Lemma printed_influence l i :
  Sum vocab (fun z => a z * (L i z + - 1 * / INR (length l) * Sum l (fun k => L k z))) ^ 2
  * / INR (length l) ^ 2
  = (Sum vocab (fun z => a z * (L i z - average l (fun k => L k z))) / INR (length l)) ^ 2.
Proof.
  unfold average, Rdiv; rewrite Rpow_mult_distr, pow_inv; do 2 f_equal.
  apply Sum_ext; intros; ring.
Qed.

"""

_TEXTS_LAWS: Mapping[str, tuple[str, str]] = {
    "standard-error": (
        "",
        """\
intros HP HN.
assert (Hle : forall l : list S, 0 < - 1 + INR (length l) -> (2 <= length l)%nat)
  by (intros l Hl; apply INR_lt; simpl INR; lra).
etransitivity; [|etransitivity; [apply (estimation.standard_error vocab L a P N)|]]; auto.
- apply Sum_ext; intros z _; apply Sum_ext; intros y _; rewrite !printed_covariance; ring.
- cbv zeta; rewrite Rplus_comm; unfold Rdiv at 1 3.
  assert (minus : forall x, x - 1 = - 1 + x) by (intros; ring); rewrite !minus.
  apply f_equal2; f_equal; apply Sum_ext; intros; symmetry; apply printed_influence.""",
    ),
}

SECTIONS_BEYOND: tuple[tuple[str, Mapping[str, tuple[str, str]]], ...] = (
    (_PRICES, _PRICES_LAWS),
    (_TEXTS, _TEXTS_LAWS),
)
"""The opening of a section, and id -> (binders of the printed statement, its proof)."""
