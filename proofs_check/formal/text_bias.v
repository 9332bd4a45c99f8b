(** * Few texts make steering look dearer than it is

    The cost of a vector is convex in what it adds to the logits, so the reciprocal of the strength
    that spends a budget is convex in the vector, and noise in the vector is paid for. *)

From Coq Require Import Reals List Lra.
From Coquelicot Require Import Coquelicot.
From SteeringStrength Require Import tokens analysis tilting cross_entropy peak_sign.
Import ListNotations.
Open Scope R_scope.

Section Bias.

Context {T J O : Type}.
Variable vocab : list T.
Variable contexts : list J.
Variable pi : J -> R.
Variable p : J -> T -> R.
Hypothesis pi_pos : forall j, In j contexts -> 0 < pi j.
Hypothesis pi_total : Sum contexts pi = 1.
Hypothesis p_pos : forall j z, In z vocab -> 0 < p j z.
Hypothesis p_total : forall j, Sum vocab (p j) = 1.

Notation increase := (increase vocab contexts pi p).

(** The cumulant generating function lies above its tangents. *)
Lemma K_tangent (q u v : T -> R) :
  (forall z, In z vocab -> 0 < q z) -> Sum vocab q = 1 ->
  K vocab q u 1 + Sum vocab (fun z => tilted vocab q u 1 z * (v z - u z)) <= K vocab q v 1.
Proof.
  intros Hq Hq1; set (r := tilted vocab q u 1); set (w := fun z => v z - u z).
  assert (Hr : forall z, In z vocab -> 0 < r z) by (intros; now apply tilted_pos).
  assert (Hr1 : Sum vocab r = 1) by now apply tilted_total.
  assert (Hshift : K vocab q v 1 = K vocab q u 1 + K vocab r w 1).
  { unfold K; rewrite <- ln_mult by now apply Z_pos. f_equal.
    unfold Z at 1 3; rewrite <- Sum_scal; apply Sum_ext; intros z _; unfold r, w.
    assert (0 < Z vocab q u 1) by now apply Z_pos.
    rewrite tilted_ratio by easy; rewrite !Rmult_1_l.
    replace (v z) with (u z + (v z - u z)) at 1 by ring; rewrite exp_plus; field; lra. }
  pose proof (divergence_to_tilted vocab r w Hr Hr1 1) as Hd.
  pose proof (divergence_nonneg vocab r (tilted vocab r w 1) Hr (tilted_pos vocab r w Hr 1) Hr1
    (tilted_total vocab r w Hr Hr1 1)) as Hn.
  unfold mean in Hd; rewrite E_0 in Hd by easy; rewrite Hshift.
  change (Sum vocab (fun z => r z * (v z - u z))) with (Sum vocab (fun z => r z * w z)); lra.
Qed.

(** A strength times the log-odds is what is added to the logits. *)
Lemma increase_added M alpha :
  increase M alpha = over contexts pi (fun j =>
    K vocab (p j) (fun z => alpha * M z) 1 - Sum vocab (fun z => p j z * (alpha * M z))).
Proof.
  rewrite ce_exact by auto; apply over_ext; intros j _; f_equal.
  - unfold K, Z; f_equal; apply Sum_ext; intros; now rewrite Rmult_1_l.
  - rewrite (mean_unsteered vocab p M p_total), <- Sum_scal; apply Sum_ext; intros; ring.
Qed.

(** A vector that depends on chance, the sample of texts say: it is [M k] with probability [r k]. *)
Variable outcomes : list O.
Variable r : O -> R.
Variable M : O -> T -> R.
Variable alpha : O -> R.
Hypothesis r_pos : forall k, In k outcomes -> 0 < r k.
Hypothesis r_total : Sum outcomes r = 1.
Hypothesis alpha_pos : forall k, 0 < alpha k.

Definition mean_vector (z : T) : R := Sum outcomes (fun k => r k * M k z).
Definition harmonic : R := / Sum outcomes (fun k => r k * / alpha k).

Lemma harmonic_pos : 0 < Sum outcomes (fun k => r k * / alpha k).
Proof.
  apply Sum_pos; [intros E; rewrite E in r_total; simpl in r_total; lra|].
  intros k Hk; apply Rmult_lt_0_compat; [auto|apply Rinv_0_lt_compat, alpha_pos].
Qed.

(** [text-bias] Beyond the paper, Sec. 6 (conclusion).  If each outcome of a random vector bears its
    strength within a budget, the mean vector bears the harmonic mean of the strengths. *)
Theorem text_bias budget :
  (forall k, In k outcomes -> increase (M k) (alpha k) <= budget) ->
  increase mean_vector harmonic <= budget.
Proof.
  intros Hk; pose proof harmonic_pos as Hpos; set (s := fun k => harmonic * (r k * / alpha k)).
  assert (Hs1 : Sum outcomes s = 1) by (unfold s, harmonic; rewrite Sum_scal; field; lra).
  assert (Hs : forall k, In k outcomes -> 0 < s k).
  { intros k Hin; repeat apply Rmult_lt_0_compat; auto; apply Rinv_0_lt_compat; auto. }
  assert (Hmean : forall z, harmonic * mean_vector z
                            = Sum outcomes (fun k => s k * (alpha k * M k z))).
  { intros z; unfold mean_vector; rewrite <- Sum_scal; apply Sum_ext; intros k _; unfold s.
    field; apply Rgt_not_eq, alpha_pos. }
  apply Rle_trans with (Sum outcomes (fun k => s k * increase (M k) (alpha k))).
  2: { rewrite <- (Rmult_1_l budget), <- Hs1, <- Sum_scal_r; apply Sum_le; intros k Hin.
       apply Rmult_le_compat_l; [now apply Rlt_le, Hs|auto]. }
  rewrite increase_added.
  rewrite (Sum_ext outcomes _ (fun k => over contexts pi (fun j => s k * (
    K vocab (p j) (fun z => alpha k * M k z) 1
    - Sum vocab (fun z => p j z * (alpha k * M k z))))))
    by (intros; rewrite increase_added; symmetry; apply over_scal).
  unfold over; rewrite Sum_swap; apply Sum_le; intros j Hj.
  rewrite Sum_scal; apply Rmult_le_compat_l; [now apply Rlt_le, pi_pos|].
  set (u := fun z => harmonic * mean_vector z).
  assert (Htangent : Sum outcomes (fun k => s k * (K vocab (p j) u 1
      + Sum vocab (fun z => tilted vocab (p j) u 1 z * (alpha k * M k z - u z))))
    <= Sum outcomes (fun k => s k * K vocab (p j) (fun z => alpha k * M k z) 1)).
  { apply Sum_le; intros k Hin; apply Rmult_le_compat_l; [now apply Rlt_le, Hs|].
    apply K_tangent; auto. }
  assert (Hflat : forall f : T -> R, Sum outcomes (fun k => s k * Sum vocab (fun z =>
      f z * (alpha k * M k z))) = Sum vocab (fun z => f z * u z)).
  { intros f; rewrite (Sum_ext outcomes _ (fun k => Sum vocab (fun z =>
      f z * (s k * (alpha k * M k z)))))
      by (intros; rewrite <- Sum_scal; apply Sum_ext; intros; ring).
    rewrite Sum_swap; apply Sum_ext; intros z _; rewrite Sum_scal; unfold u; now rewrite Hmean. }
  rewrite (Sum_ext outcomes _ (fun k => s k * K vocab (p j) (fun z => alpha k * M k z) 1
    - s k * Sum vocab (fun z => p j z * (alpha k * M k z)))) by (intros; ring).
  rewrite Sum_minus, Hflat; fold u; apply Rplus_le_compat_r; eapply Rle_trans; [|exact Htangent].
  rewrite (Sum_ext outcomes _ (fun k => s k * (K vocab (p j) u 1
      - Sum vocab (fun z => tilted vocab (p j) u 1 z * u z))
    + s k * Sum vocab (fun z => tilted vocab (p j) u 1 z * (alpha k * M k z)))).
  - rewrite Sum_plus, Sum_scal_r, Hs1, Hflat; lra.
  - intros k _; rewrite <- Rmult_plus_distr_l; f_equal.
    rewrite (Sum_ext vocab (fun z => tilted vocab (p j) u 1 z * (alpha k * M k z - u z)) (fun z =>
      tilted vocab (p j) u 1 z * (alpha k * M k z) - tilted vocab (p j) u 1 z * u z))
      by (intros; ring).
    rewrite Sum_minus; ring.
Qed.

(** [text-bias] Beyond the paper, the reciprocal.  So the reciprocal of the strength that spends a
    budget is convex in the vector.  An unbiased vector overestimates it in the mean: noise in the
    vector spends part of the budget. *)
Theorem text_bias_reciprocal budget root :
  not_constant vocab mean_vector -> 0 < root ->
  (forall k, In k outcomes -> increase (M k) (alpha k) = budget) ->
  increase mean_vector root = budget ->
  / root <= Sum outcomes (fun k => r k * / alpha k).
Proof.
  intros HM Hroot Hk He; pose proof harmonic_pos as Hpos.
  assert (Hle : increase mean_vector harmonic <= budget)
    by (apply text_bias; intros; rewrite Hk; [apply Rle_refl|easy]).
  rewrite <- (Rinv_inv (Sum outcomes _)); fold harmonic.
  assert (0 < harmonic) by now apply Rinv_0_lt_compat.
  apply Rinv_le_contravar; [easy|]; apply Rnot_lt_le; intros Hlt.
  destruct (ce_exact_valley vocab contexts pi p mean_vector) as [Hr _]; auto.
  specialize (Hr root harmonic ltac:(lra)); lra.
Qed.

End Bias.

(** [text-bias/arithmetic] A reading of the law: the mean of two vectors bears the arithmetic mean
    of their strengths.  Two vectors of one direction, one twice the other, bear strengths of which
    one is half the other, and their mean bears less than the mean of the two. *)
Theorem text_bias_arithmetic :
  ~ (forall (p : bool -> R) (M N : bool -> R) (alpha beta budget : R),
       (forall z, In z [true; false] -> 0 < p z) -> Sum [true; false] p = 1 ->
       0 < alpha -> 0 < beta ->
       let cost V t := increase [true; false] [tt] (fun _ => 1) (fun _ => p) V t in
       cost M alpha = budget -> cost N beta = budget ->
       cost (fun z => (M z + N z) / 2) ((alpha + beta) / 2) <= budget).
Proof.
  intros H; set (p := fun _ : bool => / 2); set (M := fun z : bool => if z then 1 else 0).
  set (cost := fun V t => increase [true; false] [tt] (fun _ : unit => 1) (fun _ => p) V t).
  assert (Hp : forall (j : unit) z, In z [true; false] -> 0 < p z) by (intros; unfold p; lra).
  assert (Hp1 : forall j : unit, Sum [true; false] p = 1) by (intros; unfold p; simpl; lra).
  assert (Hscaled : forall c t, cost (fun z => c * M z) t = cost M (c * t)).
  { intros c t; unfold cost; rewrite !ce_exact by auto; apply over_ext; intros j _.
    assert (HK : K [true; false] p (fun z => c * M z) t = K [true; false] p M (c * t))
      by (unfold K, Z; f_equal; apply Sum_ext; intros; do 2 f_equal; ring).
    rewrite HK; unfold mean; rewrite !E_0 by apply (Hp1 tt); simpl; ring. }
  specialize (H p M (fun z => 2 * M z) 2 1 (cost M 2) (Hp tt) (Hp1 tt) ltac:(lra) ltac:(lra)
    eq_refl); cbv zeta in H; fold (cost (fun z => 2 * M z) 1) in H.
  rewrite Hscaled in H; specialize (H ltac:(f_equal; ring)).
  destruct (ce_exact_valley [true; false] [tt] (fun _ => 1) (fun _ => p) M) as [Hr _]; auto.
  - intros; lra.
  - simpl; ring.
  - exists false, true; unfold M; repeat split; simpl; auto; lra.
  - specialize (Hr 2 (3 / 2 * ((2 + 1) / 2)) ltac:(lra)).
    enough (cost M (3 / 2 * ((2 + 1) / 2)) <= cost M 2) by (unfold cost in *; lra).
    rewrite <- Hscaled; replace (fun z => 3 / 2 * M z) with (fun z => (M z + 2 * M z) / 2);
      [exact H|apply FunctionalExtensionality.functional_extensionality; intros; field].
Qed.
