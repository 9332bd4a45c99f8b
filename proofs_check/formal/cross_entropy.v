(** * The cross-entropy of a steered model

    Contexts [j] with probabilities [pi j], one distribution [p j] each, one vector of log-odds [M]
    for all of them.  The increase of the cross-entropy is a mean of Kullback-Leibler divergences:
    never negative, convex, quadratic near 0 and linear far out. *)

From SteeringStrength Require Import analysis tilting limits asymptotics.

Section Population.

Context {T J : Type} (vocab : list T) (contexts : list J) (pi : J -> R) (p : J -> T -> R)
  (M : T -> R).

(** The model's distribution in context [j] at strength [alpha], and what is read off it. *)
Notation steered j alpha := (tilted vocab (p j) M alpha).
Notation K j := (K vocab (p j) M).
Notation mean j := (mean vocab (p j) M).
Notation Var j := (Var vocab (p j) M).

(** A mean over the contexts. *)
Definition over (f : J -> R) : R := Sum contexts (fun j => pi j * f j).

(** The cross-entropy of the steered model under data with probabilities [r], and its increase over
    the unsteered model where the data are what the model was trained on. *)
Definition cross_entropy (r : J -> T -> R) (alpha : R) : R :=
  over (fun j => Sum vocab (fun z => r j z * - ln (steered j alpha z))).
Definition increase (alpha : R) : R := cross_entropy p alpha - cross_entropy p 0.

Hypothesis pi_pos : forall j, In j contexts -> 0 < pi j.
Hypothesis pi_total : Sum contexts pi = 1.
Hypothesis p_pos : forall j z, In z vocab -> 0 < p j z.
Hypothesis p_total : forall j, Sum vocab (p j) = 1.

Lemma over_ext f g : (forall j, In j contexts -> f j = g j) -> over f = over g.
Proof. intros H; apply Sum_ext; intros j Hj; now rewrite H. Qed.

Lemma over_minus f g : over (fun j => f j - g j) = over f - over g.
Proof. unfold over; rewrite <- Sum_minus; apply Sum_ext; intros; ring. Qed.

Lemma over_plus f g : over (fun j => f j + g j) = over f + over g.
Proof. unfold over; rewrite <- Sum_plus; apply Sum_ext; intros; ring. Qed.

Lemma over_scal c f : over (fun j => c * f j) = c * over f.
Proof. unfold over; rewrite <- Sum_scal; apply Sum_ext; intros; ring. Qed.

Lemma over_const c : over (fun _ => c) = c.
Proof. unfold over; rewrite Sum_scal_r, pi_total; ring. Qed.

Lemma over_zero f : (forall j, In j contexts -> f j = 0) -> over f = 0.
Proof. intros H; unfold over; apply Sum_zero; intros j Hj; rewrite H by easy; ring. Qed.

Lemma over_le f g : (forall j, In j contexts -> f j <= g j) -> over f <= over g.
Proof.
  intros H; apply Sum_le; intros j Hj; apply Rmult_le_compat_l; [now apply Rlt_le, pi_pos|auto].
Qed.

Lemma over_Rabs f g : (forall j, In j contexts -> Rabs (f j) <= g j) -> Rabs (over f) <= over g.
Proof.
  intros H; assert (Hj := fun j Hj => proj1 (Rabs_le_between _ _) (H j Hj)).
  apply Rabs_le; split; [|apply over_le; intros; now apply Hj].
  enough (0 <= over (fun j => f j + g j)) by (rewrite over_plus in *; lra).
  rewrite <- (over_const 0); apply over_le; intros j Hin; specialize (Hj j Hin); lra.
Qed.

Lemma over_nonneg f : (forall j, In j contexts -> 0 <= f j) -> 0 <= over f.
Proof. intros H; rewrite <- (over_const 0); now apply over_le. Qed.

Lemma over_lt f g : (forall j, In j contexts -> f j < g j) -> over f < over g.
Proof.
  intros H; apply Sum_lt.
  - intros j Hj; apply Rmult_le_compat_l; [now apply Rlt_le, pi_pos|now apply Rlt_le, H].
  - assert (Hne : contexts <> []) by (intros E; rewrite E in pi_total; simpl in pi_total; lra).
    destruct contexts as [|j l]; [easy|]; exists j; split; [now left|].
    apply Rmult_lt_compat_l; [apply pi_pos|apply H]; now left.
Qed.

Lemma over_pos f : (forall j, In j contexts -> 0 < f j) -> 0 < over f.
Proof. intros H; rewrite <- (over_const 0); now apply over_lt. Qed.

Lemma over_derive (f df : J -> R -> R) alpha :
  (forall j, is_derive (f j) alpha (df j alpha)) ->
  is_derive (fun t => over (fun j => f j t)) alpha (over (fun j => df j alpha)).
Proof.
  intros H; apply (is_derive_Sum contexts (fun j t => pi j * f j t) (fun j t => pi j * df j t)).
  intros; apply @is_derive_scal, H.
Qed.

Lemma over_lim (f : J -> R -> R) x (a : J -> R) :
  (forall j, is_lim (f j) x (a j)) -> is_lim (fun t => over (fun j => f j t)) x (over a).
Proof.
  intros H; apply (is_lim_Sum contexts (fun j t => pi j * f j t)); intros.
  apply lim_mult; [apply is_lim_const|apply H].
Qed.

Lemma mean_unsteered j : mean j 0 = Sum vocab (fun z => p j z * M z).
Proof. unfold tilting.mean; apply E_0; auto. Qed.

(** ** Any data: the slope at 0 measures miscalibration *)

Section Data.

Variable r : J -> T -> R.
Hypothesis r_total : forall j, Sum vocab (r j) = 1.

Definition data_mean (j : J) : R := Sum vocab (fun z => r j z * M z).
Definition data_entropy (j : J) : R := Sum vocab (fun z => r j z * - ln (p j z)).

Lemma ln_steered j alpha z :
  In z vocab -> ln (steered j alpha z) = ln (p j z) + alpha * M z - K j alpha.
Proof.
  intros Hz; unfold tilted; rewrite ln_mult, ln_exp; [ring|auto|apply exp_pos].
Qed.

Lemma cross_entropy_value alpha :
  cross_entropy r alpha = over (fun j => data_entropy j + (K j alpha - alpha * data_mean j)).
Proof.
  apply over_ext; intros j _; unfold data_entropy, data_mean.
  rewrite (Sum_ext _ _ (fun z =>
    r j z * - ln (p j z) + (r j z * K j alpha - alpha * (r j z * M z))))
    by (intros; rewrite ln_steered by easy; ring).
  rewrite Sum_plus, Sum_minus, Sum_scal_r, Sum_scal, r_total; ring.
Qed.

(** [ce-linear] Thm 3.8 without Assumption 2, slope.  For any model with linear logits, trained or
    not, the slope of the cross-entropy is the model's mean log-odds less the data's: at 0 it is a
    measurement of miscalibration along the steering vector. *)
Theorem ce_linear alpha :
  is_derive (cross_entropy r) alpha (over (fun j => mean j alpha - data_mean j)).
Proof.
  eapply is_derive_ext; [intros; symmetry; apply cross_entropy_value|].
  apply (over_derive (fun j t => data_entropy j + (K j t - t * data_mean j))
           (fun j t => mean j t - data_mean j)); intros j.
  eapply is_derive_value.
  - apply @is_derive_plus; [apply @is_derive_const|].
    apply (is_derive_minus (K j) (fun t => t * data_mean j) alpha (mean j alpha) (data_mean j)).
    + apply mean_slope; auto.
    + auto_derive; [easy|ring].
  - unfold plus, minus, opp, zero; simpl; unfold plus; simpl; ring.
Qed.

(** [ce-linear] Thm 3.8 without Assumption 2, curvature.  The curvature does not see the data: it is
    the model's own variance of the log-odds, so the cross-entropy is convex on any data. *)
Theorem ce_linear_curvature alpha :
  is_derive (fun t => over (fun j => mean j t - data_mean j)) alpha (over (fun j => Var j alpha)) /\
  0 <= over (fun j => Var j alpha).
Proof.
  split.
  - apply (over_derive (fun j t => mean j t - data_mean j) (fun j t => Var j t)); intros j.
    eapply is_derive_value.
    + apply @is_derive_minus; [apply mean_slope_second; auto|apply @is_derive_const].
    + unfold minus, plus, opp, zero; simpl; ring.
  - apply over_nonneg; intros; apply mean_slope_nonnegative; auto.
Qed.

(** [ce-linear] Thm 3.8 without Assumption 2, calibration.  The slope at 0 vanishes where the model
    agrees with the data on the mean log-odds, as a perfectly trained model does. *)
Theorem ce_linear_calibrated :
  (forall j, In j contexts -> Sum vocab (fun z => p j z * M z) = data_mean j) ->
  is_derive (cross_entropy r) 0 0.
Proof.
  intros H; eapply is_derive_value; [apply ce_linear|].
  apply over_zero; intros j Hj; rewrite <- H by easy.
  rewrite mean_unsteered; ring.
Qed.

(** [ce-linear] Thm 3.8 without Assumption 2, sign.  Where the slope at 0 does not vanish, a small
    step against it lowers the cross-entropy: steering does not necessarily degrade. *)
Theorem ce_linear_step :
  let slope := over (fun j => Sum vocab (fun z => p j z * M z) - data_mean j) in
  slope <> 0 ->
  exists delta, 0 < delta /\ forall alpha,
    0 < Rabs alpha < delta -> alpha * slope < 0 -> cross_entropy r alpha < cross_entropy r 0.
Proof.
  intros slope H0; assert (Hd : is_derive (cross_entropy r) 0 slope).
  { eapply is_derive_value; [apply ce_linear|].
    apply over_ext; intros; now rewrite mean_unsteered. }
  apply is_derive_Reals in Hd; destruct (Hd (Rabs slope)) as [delta Hdelta];
    [now apply Rabs_pos_lt|].
  exists delta; split; [apply cond_pos|]; intros alpha Ha Hs.
  assert (alpha <> 0) by (intros E; rewrite E in Ha; rewrite Rabs_R0 in Ha; lra).
  specialize (Hdelta alpha); rewrite Rplus_0_l in Hdelta.
  set (q := (cross_entropy r alpha - cross_entropy r 0) / alpha) in *.
  assert (Hq : cross_entropy r alpha - cross_entropy r 0 = q * alpha) by (unfold q; now field).
  assert (Hc : Rabs (q - slope) < Rabs slope) by (apply Hdelta; easy || apply Ha).
  (* q has the sign of the slope, hence the increase, q alpha, is negative *)
  unfold Rabs in Hc; destruct (Rcase_abs (q - slope)), (Rcase_abs slope); nra.
Qed.

End Data.

(** ** Data from the model itself: Assumption 2 *)

(** [ce-exact] Def. 3.7.  At every strength the increase is the mean over the contexts of
    K_j(alpha) - alpha K_j'(0): one cumulant generating function per context says it all. *)
Theorem ce_exact alpha : increase alpha = over (fun j => K j alpha - alpha * mean j 0).
Proof.
  unfold increase; rewrite !cross_entropy_value by easy; rewrite <- over_minus.
  apply over_ext; intros j _; rewrite K_0 by auto; rewrite mean_unsteered; unfold data_mean; ring.
Qed.

(** [ce-exact] Def. 3.7.  The increase is the mean divergence of the steered from the unsteered
    distribution. *)
Theorem ce_exact_divergence alpha :
  increase alpha = over (fun j => divergence vocab (p j) (steered j alpha)).
Proof.
  rewrite ce_exact; apply over_ext; intros; symmetry; apply divergence_to_tilted; auto.
Qed.

(** [ce-exact] Def. 3.7, the reverse divergence.  Read the other way round, the divergence is
    alpha K_j' - K_j. *)
Theorem ce_exact_reverse alpha :
  over (fun j => divergence vocab (steered j alpha) (p j))
  = over (fun j => alpha * mean j alpha - K j alpha).
Proof. apply over_ext; intros; apply divergence_tilted; auto. Qed.

Lemma increase_0 : increase 0 = 0.
Proof. unfold increase; ring. Qed.

Lemma increase_derive alpha :
  is_derive increase alpha (over (fun j => mean j alpha - mean j 0)).
Proof.
  eapply is_derive_value.
  - apply @is_derive_minus; [apply ce_linear; easy|apply @is_derive_const].
  - unfold minus, plus, opp, zero; simpl; rewrite Ropp_0, Rplus_0_r.
    apply over_ext; intros j _; now rewrite (mean_unsteered j).
Qed.

Lemma increase_slope_derive alpha :
  is_derive (fun t => over (fun j => mean j t - mean j 0)) alpha (over (fun j => Var j alpha)).
Proof.
  apply (over_derive (fun j t => mean j t - mean j 0) (fun j t => Var j t)); intros j.
  eapply is_derive_value.
  - apply @is_derive_minus; [apply mean_slope_second; auto|apply @is_derive_const].
  - unfold minus, plus, opp, zero; simpl; ring.
Qed.

Lemma increase_slope_0 : over (fun j => mean j 0 - mean j 0) = 0.
Proof. apply over_zero; intros; ring. Qed.

(** [ce-exact] Def. 3.7, derivatives.  The slope is the mean shift of the log-odds, the curvature
    their mean variance, at every strength. *)
Theorem ce_exact_derivatives alpha :
  is_derive increase alpha (over (fun j => mean j alpha - mean j 0)) /\
  is_derive (fun t => over (fun j => mean j t - mean j 0)) alpha (over (fun j => Var j alpha)).
Proof. split; [apply increase_derive|apply increase_slope_derive]. Qed.

Section NotConstant.

Hypothesis varied : not_constant vocab M.

Lemma slope_increasing a b :
  a < b -> over (fun j => mean j a - mean j 0) < over (fun j => mean j b - mean j 0).
Proof.
  intros Hab; apply over_lt; intros j _; apply Rplus_lt_compat_r.
  apply mean_slope_increasing; auto.
Qed.

(** [ce-exact] Def. 3.7, convexity.  Unless the log-odds are constant, the increase is strictly
    convex on the whole line. *)
Theorem ce_exact_convex a b s :
  a < b -> 0 < s < 1 ->
  increase ((1 - s) * a + s * b) < (1 - s) * increase a + s * increase b.
Proof.
  apply strictly_convex with (fun t => over (fun j => mean j t - mean j 0));
    [apply increase_derive|apply slope_increasing].
Qed.

(** [ce-exact] Def. 3.7, monotony.  The increase grows with the strength on each side of 0. *)
Theorem ce_exact_valley :
  (forall a b, 0 <= a < b -> increase a < increase b) /\
  (forall a b, a < b <= 0 -> increase b < increase a).
Proof.
  apply valley with (fun t => over (fun j => mean j t - mean j 0));
    [apply increase_derive|apply slope_increasing|apply increase_slope_0].
Qed.

(** [ce-exact] Def. 3.7, strictness.  Any steering at all of a perfectly trained model costs
    something. *)
Theorem ce_exact_positive alpha : alpha <> 0 -> 0 < increase alpha.
Proof.
  intros Ha; rewrite <- increase_0.
  destruct ce_exact_valley as [Hr Hl], (Rdichotomy _ _ Ha); [apply Hl|apply Hr]; lra.
Qed.

End NotConstant.

(** [ce-exact] Def. 3.7, sign.  The increase is never negative, for any log-odds, constant or
    not. *)
Theorem ce_exact_nonnegative alpha : 0 <= increase alpha.
Proof.
  assert (H : forall s, is_derive (fun t => over (fun j => mean j t - mean j 0)) s
    (over (fun j => Var j s))) by apply increase_slope_derive.
  assert (Hv : forall s, 0 <= over (fun j => Var j s)).
  { intros s; apply over_nonneg; intros.
    apply mean_slope_nonnegative; auto. }
  pose proof (nondecreasing _ _ H Hv) as Hs; pose proof increase_slope_0 as H0.
  pose proof increase_0 as Hi0.
  destruct (Rtotal_order alpha 0) as [Ha|[->|Ha]]; [|lra|].
  - destruct (mean_value increase _ alpha 0 Ha (fun x _ => increase_derive x)) as [c [Hc He]].
    specialize (Hs c 0 ltac:(lra)); simpl in Hs; nra.
  - destruct (mean_value increase _ 0 alpha Ha (fun x _ => increase_derive x)) as [c [Hc He]].
    specialize (Hs 0 c ltac:(lra)); simpl in Hs; nra.
Qed.

(** [ce-quadratic] Thm 3.8.  Near 0 the increase is half the mean variance of the log-odds within
    the contexts, times the strength squared; there is no linear term. *)
Theorem ce_quadratic :
  is_lim (fun alpha => increase alpha / alpha ^ 2) 0 (/ 2 * over (fun j => Var j 0)).
Proof.
  apply (is_lim_value _ _ (over (fun j => Var j 0) / 2)); [|field].
  apply second_order with (fun t => over (fun j => mean j t - mean j 0));
    [apply increase_derive|apply increase_0|apply increase_slope_0|apply increase_slope_derive].
Qed.

End Population.
