(** * Any block of any model: what the first strengths cost

    Logits are any twice differentiable functions of the strength: steer where you like, in any
    model.  [l j z] is the logit of token [z] in context [j], [M j z] its first derivative, the
    local log-odds, and [bend j z] its second. *)

From SteeringStrength Require Import analysis tilting asymptotics.

Section Local.

Context {token context : Type} (vocab : list token) (l M bend : context -> token -> R -> R).
Hypothesis vocab_inhabited : vocab <> [].
Hypothesis l_derive : forall j z alpha, is_derive (l j z) alpha (M j z alpha).
Hypothesis M_derive : forall j z alpha, is_derive (M j z) alpha (bend j z alpha).

Definition at_strength j alpha : token -> R := softmax vocab (fun z => l j z alpha).
Definition expected j alpha (f : token -> R) : R :=
  Sum vocab (fun z => at_strength j alpha z * f z).
Definition local_mean j alpha : R := expected j alpha (fun z => M j z alpha).
Definition local_variance j alpha : R :=
  expected j alpha (fun z => (M j z alpha - local_mean j alpha) ^ 2).
(** The cross-entropy of the model under data with probabilities [r]. *)
Definition cross_entropy j alpha (r : token -> R) : R :=
  Sum vocab (fun z => r z * - ln (at_strength j alpha z)).

Let total j alpha : R := Sum vocab (fun z => exp (l j z alpha)).

Lemma total_pos j alpha : 0 < total j alpha.
Proof. now apply partition_pos. Qed.

Lemma at_strength_pos j alpha z : 0 < at_strength j alpha z.
Proof. apply Rdiv_lt_0_compat; [apply exp_pos|apply total_pos]. Qed.

Lemma at_strength_total j alpha : Sum vocab (at_strength j alpha) = 1.
Proof.
  unfold at_strength, softmax; rewrite Sum_div; apply Rinv_r, Rgt_not_eq, total_pos.
Qed.

Lemma ln_at_strength j alpha z : ln (at_strength j alpha z) = l j z alpha - ln (total j alpha).
Proof.
  unfold at_strength, softmax; fold (total j alpha); rewrite ln_div, ln_exp;
    [easy|apply exp_pos|apply total_pos].
Qed.

Lemma ln_total_derive j alpha : is_derive (fun t => ln (total j t)) alpha (local_mean j alpha).
Proof.
  eapply is_derive_value.
  - apply (is_derive_comp ln (total j)); [apply is_derive_ln, total_pos|].
    apply (is_derive_Sum vocab (fun z t => exp (l j z t)) (fun z t => M j z t * exp (l j z t))).
    intros z _; apply (is_derive_comp exp (l j z)); [apply is_derive_exp|apply l_derive].
  - unfold scal; simpl; unfold mult; simpl; unfold local_mean, expected.
    rewrite Rmult_comm, <- Sum_scal; apply Sum_ext; intros z _.
    unfold at_strength, softmax; fold (total j alpha); unfold Rdiv; ring.
Qed.

Lemma at_strength_derive j z alpha :
  is_derive (fun t => at_strength j t z) alpha
    (at_strength j alpha z * (M j z alpha - local_mean j alpha)).
Proof.
  apply is_derive_ext with (fun t => exp (l j z t - ln (total j t))).
  { intros t; now rewrite <- ln_at_strength, exp_ln by apply at_strength_pos. }
  eapply is_derive_value.
  - apply (is_derive_comp exp); [apply is_derive_exp|].
    apply @is_derive_minus; [apply l_derive|apply ln_total_derive].
  - rewrite <- ln_at_strength, exp_ln by apply at_strength_pos; unfold scal; simpl.
    unfold mult, minus, plus, opp; simpl; ring.
Qed.

Section OneContext.

Context (j : context) (r : token -> R).
Hypothesis r_total : Sum vocab r = 1.

Definition data_mean (f : token -> R) : R := Sum vocab (fun z => r z * f z).

Lemma cross_entropy_value alpha :
  cross_entropy j alpha r = ln (total j alpha) - data_mean (fun z => l j z alpha).
Proof.
  unfold cross_entropy, data_mean; rewrite (Sum_ext _ _
    (fun z => r z * ln (total j alpha) - r z * l j z alpha))
    by (intros; rewrite ln_at_strength; ring).
  rewrite Sum_minus, Sum_scal_r, r_total; ring.
Qed.

Lemma cross_entropy_slope alpha :
  is_derive (fun t => cross_entropy j t r) alpha
    (local_mean j alpha - data_mean (fun z => M j z alpha)).
Proof.
  apply is_derive_ext with (fun t => ln (total j t) - data_mean (fun z => l j z t)).
  { intros; symmetry; apply cross_entropy_value. }
  apply @is_derive_minus; [apply ln_total_derive|].
  apply (is_derive_Sum vocab (fun z t => r z * l j z t) (fun z t => r z * M j z t)).
  intros; apply @is_derive_scal, l_derive.
Qed.

Lemma cross_entropy_curvature alpha :
  is_derive (fun t => local_mean j t - data_mean (fun z => M j z t)) alpha
    (local_variance j alpha + expected j alpha (fun z => bend j z alpha)
     - data_mean (fun z => bend j z alpha)).
Proof.
  apply @is_derive_minus.
  - eapply is_derive_value.
    + apply (is_derive_Sum vocab (fun z t => at_strength j t z * M j z t)
        (fun z t => at_strength j t z * (M j z t - local_mean j t) * M j z t
                    + at_strength j t z * bend j z t)).
      intros z _; eapply is_derive_value.
      * apply (is_derive_mult (fun t => at_strength j t z) (M j z));
          [apply at_strength_derive|apply M_derive|intros; apply Rmult_comm].
      * reflexivity.
    + rewrite Sum_plus; f_equal; unfold local_variance, expected.
      set (m := local_mean j alpha).
      rewrite (Sum_ext _ (fun z => at_strength j alpha z * (M j z alpha - m) ^ 2)
        (fun z => at_strength j alpha z * (M j z alpha - m) * M j z alpha
                  - m * (at_strength j alpha z * M j z alpha - m * at_strength j alpha z)))
        by (intros; ring).
      rewrite Sum_minus, Sum_scal, Sum_minus, Sum_scal, at_strength_total.
      fold (expected j alpha (fun z => M j z alpha)); fold (local_mean j alpha); unfold m; ring.
  - apply (is_derive_Sum vocab (fun z t => r z * M j z t) (fun z t => r z * bend j z t)).
    intros; apply @is_derive_scal, M_derive.
Qed.

End OneContext.

Context (contexts : list context) (pi : context -> R).

(** [local] Sharpens Thm 3.8.  On text the slope of the cross-entropy is the model's mean of the
    local log-odds less the data's, at every strength, wherever one steers: it is zero only for a
    model that is calibrated along the vector. *)
Theorem local_slope (r : context -> token -> R) alpha :
  (forall j, Sum vocab (r j) = 1) ->
  is_derive (fun t => Sum contexts (fun j => pi j * cross_entropy j t (r j))) alpha
    (Sum contexts (fun j => pi j * (local_mean j alpha - data_mean (r j) (fun z => M j z alpha)))).
Proof.
  intros Hr; apply (is_derive_Sum contexts (fun j t => pi j * cross_entropy j t (r j))
    (fun j t => pi j * (local_mean j t - data_mean (r j) (fun z => M j z t)))).
  intros j _; apply @is_derive_scal; now apply cross_entropy_slope.
Qed.

(** [local] Sharpens Thm 3.8.  The curvature is the variance of the local log-odds under the model
    plus what the bending of the logits adds; that part vanishes in mean for a calibrated model. *)
Theorem local_curvature (r : context -> token -> R) alpha :
  is_derive
    (fun t => Sum contexts (fun j =>
       pi j * (local_mean j t - data_mean (r j) (fun z => M j z t)))) alpha
    (Sum contexts (fun j =>
       pi j * (local_variance j alpha + expected j alpha (fun z => bend j z alpha)
               - data_mean (r j) (fun z => bend j z alpha)))).
Proof.
  apply (is_derive_Sum contexts
    (fun j t => pi j * (local_mean j t - data_mean (r j) (fun z => M j z t)))
    (fun j t => pi j * (local_variance j t + expected j t (fun z => bend j z t)
               - data_mean (r j) (fun z => bend j z t)))).
  intros j _; apply @is_derive_scal; now apply cross_entropy_curvature.
Qed.

Lemma divergence_value j alpha :
  divergence vocab (at_strength j 0) (at_strength j alpha)
  = cross_entropy j alpha (at_strength j 0) - cross_entropy j 0 (at_strength j 0).
Proof.
  unfold divergence, cross_entropy; rewrite <- Sum_minus; apply Sum_ext; intros z _.
  rewrite ln_div by apply at_strength_pos; ring.
Qed.

(** [local] Sharpens Thm 3.8.  At any block of any model the first strengths cost half the Fisher
    information along the vector times the strength squared: one derivative of the logits, no
    sweep. *)
Theorem local :
  is_lim (fun alpha => Sum contexts (fun j =>
            pi j * divergence vocab (at_strength j 0) (at_strength j alpha)) / alpha ^ 2) 0
    (/ 2 * Sum contexts (fun j => pi j * local_variance j 0)).
Proof.
  apply (is_lim_value _ _ (Sum contexts (fun j => pi j * (local_variance j 0 / 2)))).
  2: { rewrite <- Sum_scal; apply Sum_ext; intros; field. }
  apply is_lim_ext with (fun t => Sum contexts (fun j =>
    pi j * (divergence vocab (at_strength j 0) (at_strength j t) / t ^ 2))).
  { intros t; rewrite <- Sum_div; apply Sum_ext; intros; unfold Rdiv; ring. }
  apply (is_lim_Sum contexts (fun j t =>
    pi j * (divergence vocab (at_strength j 0) (at_strength j t) / t ^ 2))); intros j _.
  apply lim_mult; [apply is_lim_const|].
  apply second_order with
    (fun t => local_mean j t - data_mean (at_strength j 0) (fun z => M j z t)).
  - intros t; eapply is_derive_ext; [intros; symmetry; apply divergence_value|].
    eapply is_derive_value.
    + apply @is_derive_minus; [apply cross_entropy_slope, at_strength_total|].
      apply @is_derive_const.
    + unfold minus, plus, opp, zero; simpl; ring.
  - rewrite divergence_value; ring.
  - apply Rminus_diag_eq; reflexivity.
  - eapply is_derive_value; [apply cross_entropy_curvature|].
    unfold expected, data_mean; ring.
Qed.

End Local.
