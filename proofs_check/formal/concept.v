(** * The probability of a concept

    A concept is a boolean test on tokens.  Its probability obeys a logistic equation, driven by the
    difference of the mean log-odds inside and outside; so it is a hyperbolic tangent of a primitive
    that has a closed form. *)

From SteeringStrength Require Import analysis tilting limits.

Section Concept.

Context {T : Type} (vocab : list T) (p M : T -> R).

(** Probability of a concept, its weight in the partition function, its conditional mean log-odds,
    and the gain in probability of an average token of it. *)
Definition F (C : T -> bool) (alpha : R) : R := Sum (filter C vocab) (tilted vocab p M alpha).
Definition weight (C : T -> bool) (alpha : R) : R :=
  Sum (filter C vocab) (fun z => p z * exp (alpha * M z)).
Definition mu (C : T -> bool) (alpha : R) : R :=
  Sum (filter C vocab) (fun z => tilted vocab p M alpha z * M z) / F C alpha.
Definition size (C : T -> bool) : R := INR (length (filter C vocab)).
Definition gain (C : T -> bool) (alpha : R) : R := (F C alpha - F C 0) / size C.

Hypothesis p_pos : forall z, In z vocab -> 0 < p z.
Hypothesis p_total : Sum vocab p = 1.

(** The concept and its complement both hold a token. *)
Definition inhabited (C : T -> bool) : Prop := exists z, In z vocab /\ C z = true.
Definition proper (C : T -> bool) : Prop := inhabited C /\ inhabited (outside C).

Notation tilted := (tilted vocab p M).
Notation mean := (mean vocab p M).

Lemma F_pos C alpha : inhabited C -> 0 < F C alpha.
Proof.
  intros [z [Hz HC]]; apply Sum_pos; [now apply (In_filter_nonempty _ _ z)|].
  intros y Hy; apply filter_In in Hy; now apply tilted_pos.
Qed.

Lemma weight_pos C alpha : inhabited C -> 0 < weight C alpha.
Proof.
  intros [z [Hz HC]]; apply Sum_pos; [now apply (In_filter_nonempty _ _ z)|].
  intros y Hy; apply filter_In in Hy; apply Rmult_lt_0_compat; [now apply p_pos|apply exp_pos].
Qed.

Lemma size_pos C : inhabited C -> 0 < size C.
Proof. intros [z [Hz HC]]; apply length_pos; now apply (In_filter_nonempty _ _ z). Qed.

Lemma F_total C alpha : F C alpha + F (outside C) alpha = 1.
Proof. unfold F; rewrite <- Sum_split; now apply tilted_total. Qed.

Lemma F_ratio C alpha : F C alpha = weight C alpha / Z vocab p M alpha.
Proof.
  unfold F, weight; rewrite <- Sum_div; apply Sum_ext; intros; now apply tilted_ratio.
Qed.

Lemma Z_concept C alpha : Z vocab p M alpha = weight C alpha + weight (outside C) alpha.
Proof. apply Sum_split. Qed.

Lemma F_0 C : F C 0 = Sum (filter C vocab) p.
Proof. apply Sum_ext; intros; now apply tilted_0. Qed.

Lemma mean_concept C alpha :
  proper C ->
  mean alpha = F C alpha * mu C alpha + F (outside C) alpha * mu (outside C) alpha.
Proof.
  intros [HC HO]; generalize (F_pos C alpha HC) (F_pos (outside C) alpha HO); intros.
  unfold mu; unfold tilting.mean, E; rewrite (Sum_split vocab C); field; lra.
Qed.

Lemma F_derive C alpha :
  is_derive (F C) alpha (Sum (filter C vocab) (fun z => tilted alpha z * (M z - mean alpha))).
Proof.
  apply (is_derive_Sum _ (fun z a => tilted a z) (fun z a => tilted a z * (M z - mean a))).
  intros; now apply slope.
Qed.

(** ** The logistic equation *)

(** [concept-ode] Eq. (12).  The probability of a concept grows logistically, at a rate equal to the
    difference of the mean log-odds inside and outside. *)
Theorem concept_ode C alpha :
  proper C ->
  is_derive (F C) alpha
    (F C alpha * (1 - F C alpha) * (mu C alpha - mu (outside C) alpha)).
Proof.
  intros HC; eapply is_derive_value; [apply F_derive|].
  rewrite (Sum_ext _ _ (fun z => tilted alpha z * M z - tilted alpha z * mean alpha))
    by (intros; ring).
  rewrite Sum_minus, Sum_scal_r; fold (F C alpha).
  replace (Sum (filter C vocab) (fun z => tilted alpha z * M z)) with (F C alpha * mu C alpha).
  - rewrite (mean_concept C) by easy.
    replace (F (outside C) alpha) with (1 - F C alpha) by (rewrite <- (F_total C alpha); ring).
    ring.
  - unfold mu; generalize (F_pos C alpha (proj1 HC)); intros; field; lra.
Qed.

(** The conditional mean is the slope of the logarithm of the weight. *)
Lemma mu_weight C alpha :
  inhabited C ->
  mu C alpha = Sum (filter C vocab) (fun z => p z * (M z * exp (alpha * M z))) / weight C alpha.
Proof.
  intros HC; generalize (Z_pos vocab p M p_pos p_total alpha) (weight_pos C alpha HC); intros.
  unfold mu; rewrite F_ratio.
  rewrite (Sum_ext _ _ (fun z => p z * (M z * exp (alpha * M z)) / Z vocab p M alpha))
    by (intros; rewrite tilted_ratio by easy; field; lra).
  rewrite Sum_div; field; lra.
Qed.

Lemma ln_weight_derive C alpha :
  inhabited C -> is_derive (fun a => ln (weight C a)) alpha (mu C alpha).
Proof.
  intros HC; eapply is_derive_value.
  - apply (is_derive_comp ln (weight C)); [apply is_derive_ln; now apply weight_pos|].
    apply (is_derive_Sum _ (fun z a => p z * exp (a * M z))
             (fun z a => p z * (M z * exp (a * M z)))).
    intros z _; apply @is_derive_scal, is_derive_exp_scal.
  - rewrite mu_weight by easy; unfold scal; simpl; unfold mult; simpl; reflexivity.
Qed.

Lemma mu_continuous C alpha : inhabited C -> continuous (mu C) alpha.
Proof.
  intros HC; apply (continuous_ext
    (fun a => Sum (filter C vocab) (fun z => p z * (M z * exp (a * M z))) * / weight C a)).
  - intros a; now rewrite mu_weight.
  - apply continuity_pt_filterlim, continuity_pt_mult.
    + eapply derive_continuity, (is_derive_Sum _ (fun z a => p z * (M z * exp (a * M z)))
               (fun z a => p z * (M z * (M z * exp (a * M z))))).
      intros z _; do 2 apply @is_derive_scal; apply is_derive_exp_scal.
    + apply continuity_pt_inv; [|apply Rgt_not_eq; now apply weight_pos].
      eapply derive_continuity, (is_derive_Sum _ (fun z a => p z * exp (a * M z))
               (fun z a => p z * (M z * exp (a * M z)))).
      intros z _; apply @is_derive_scal, is_derive_exp_scal.
Qed.

(** ** The hyperbolic tangent *)

(** The primitive of Definition 3.5. *)
Definition nu (C : T -> bool) (alpha : R) : R :=
  RInt (fun a => mu C a - mu (outside C) a) 0 alpha.

(** Log-odds of a concept at no steering. *)
Definition logit (C : T -> bool) : R := ln (F C 0 / (1 - F C 0)).

(** [concept-tanh] Def. 3.5.  The integral that defines nu exists and has a closed form: the gain in
    log-odds of the concept, a difference of the logarithms of two weights. *)
Theorem concept_tanh_integral C alpha :
  proper C ->
  is_RInt (fun a => mu C a - mu (outside C) a) 0 alpha
    (ln (weight C alpha) - ln (weight (outside C) alpha)
     - (ln (weight C 0) - ln (weight (outside C) 0))).
Proof.
  intros [HC HO].
  apply (is_RInt_derive (fun a => ln (weight C a) - ln (weight (outside C) a))
           (fun a => mu C a - mu (outside C) a)).
  - intros a _; apply @is_derive_minus; now apply ln_weight_derive.
  - intros a _; apply @continuous_minus; now apply mu_continuous.
Qed.

(** [concept-tanh] Def. 3.5, closed form.  Shifted by the log-odds of the unsteered concept, nu is
    the logarithm of a ratio of weights: no integral is left. *)
Theorem concept_tanh_closed C alpha :
  proper C -> nu C alpha + logit C = ln (weight C alpha) - ln (weight (outside C) alpha).
Proof.
  intros HC; assert (H := concept_tanh_integral C alpha HC).
  unfold nu; rewrite (is_RInt_unique _ _ _ _ H); unfold logit.
  replace (1 - F C 0) with (F (outside C) 0) by (rewrite <- (F_total C 0); ring).
  rewrite !F_ratio, Z_0 by easy; unfold Rdiv; rewrite Rinv_1, !Rmult_1_r.
  destruct HC as [HC HO]; generalize (weight_pos C 0 HC) (weight_pos (outside C) 0 HO); intros.
  rewrite ln_mult, ln_Rinv by (try apply Rinv_0_lt_compat; easy); ring.
Qed.

Lemma mu_range C low high alpha :
  inhabited C -> (forall z, In z vocab -> low <= M z <= high) -> low <= mu C alpha <= high.
Proof.
  intros HC H; assert (HF := F_pos C alpha HC); unfold mu.
  assert (Ht : forall z, In z (filter C vocab) -> 0 <= tilted alpha z /\ low <= M z <= high).
  { intros z Hz; apply filter_In in Hz; destruct Hz as [Hz _].
    split; [apply Rlt_le, tilted_pos; auto|auto]. }
  split; [apply Rle_div_r|apply Rle_div_l]; try easy; unfold F; rewrite <- Sum_scal;
    apply Sum_le; intros z Hz; destruct (Ht z Hz); nra.
Qed.

(** [concept-tanh] Def. 3.5, bound.  Per unit of strength nu gains at most the range of the
    log-odds. *)
Theorem concept_tanh_bound C low high alpha :
  proper C -> (forall z, In z vocab -> low <= M z <= high) ->
  Rabs (nu C alpha) <= (high - low) * Rabs alpha.
Proof.
  intros HC H; unfold nu; rewrite (is_RInt_unique _ _ _ _ (concept_tanh_integral C alpha HC)).
  destruct (mean_value_between (fun a => ln (weight C a) - ln (weight (outside C) a))
    (fun a => mu C a - mu (outside C) a) 0 alpha) as [c [_ E]].
  { intros a; apply is_derive_difference; apply ln_weight_derive, HC. }
  rewrite E, Rminus_0_r, Rabs_mult; apply Rmult_le_compat_r; [apply Rabs_pos|]; apply Rabs_le.
  generalize (mu_range C low high c (proj1 HC) H) (mu_range _ low high c (proj2 HC) H); lra.
Qed.

(** The hyperbolic tangent of half a difference of logarithms is a ratio. *)
Lemma tanh_half (x y : R) : 0 < x -> 0 < y -> tanh ((ln x - ln y) / 2) = (x - y) / (x + y).
Proof.
  intros Hx Hy; unfold tanh, sinh, cosh; set (h := (ln x - ln y) / 2).
  assert (Hsquare : exp h * exp h = x / y).
  { rewrite <- exp_plus; replace (h + h) with (ln x + - ln y) by (unfold h; field).
    now rewrite exp_plus, exp_Ropp, !exp_ln. }
  assert (Hu := exp_pos h); rewrite exp_Ropp.
  transitivity ((exp h * exp h - 1) / (exp h * exp h + 1)); [field; split; nra|].
  rewrite Hsquare; field; split; lra.
Qed.

Lemma F_tanh C alpha :
  proper C -> tanh ((nu C alpha + logit C) / 2) = 2 * F C alpha - 1.
Proof.
  intros HC; rewrite concept_tanh_closed by easy; destruct HC as [HC HO].
  generalize (weight_pos C alpha HC) (weight_pos (outside C) alpha HO); intros.
  rewrite tanh_half, F_ratio, (Z_concept C) by easy; field; lra.
Qed.

(** [concept-tanh] Thm 3.6.  The gain of a concept is a hyperbolic tangent of nu: shifted and
    scaled by constants of the unsteered context. *)
Theorem concept_tanh C alpha :
  proper C ->
  gain C alpha = (tanh ((nu C alpha + logit C) / 2) - tanh (logit C / 2)) / (2 * size C).
Proof.
  intros HC; assert (Hs := size_pos C (proj1 HC)).
  assert (H0 : nu C 0 = 0) by (unfold nu; now rewrite RInt_point).
  replace (logit C / 2) with ((nu C 0 + logit C) / 2) by (rewrite H0; f_equal; ring).
  rewrite !F_tanh by easy; unfold gain; field; lra.
Qed.

(** ** Monotony *)

(** The slope of a concept's probability compares each token inside with each token outside. *)
Lemma F_derive_pairs C alpha :
  is_derive (F C) alpha
    (Sum (filter C vocab) (fun z => Sum (filter (outside C) vocab)
      (fun y => tilted alpha z * tilted alpha y * (M z - M y)))).
Proof.
  eapply is_derive_value; [apply F_derive|].
  set (t := tilted alpha); set (O := filter (outside C) vocab).
  assert (Hmean : mean alpha = Sum (filter C vocab) (fun z => t z * M z)
                              + Sum O (fun z => t z * M z)) by apply Sum_split.
  assert (Htotal : Sum (filter C vocab) t + Sum O t = 1)
    by (unfold t, O; rewrite <- Sum_split; now apply tilted_total).
  rewrite (Sum_ext (filter C vocab)
             (fun z => Sum O (fun y => t z * t y * (M z - M y)))
             (fun z => t z * M z * Sum O t - t z * Sum O (fun y => t y * M y))).
  - rewrite Sum_minus, !Sum_scal_r.
    rewrite (Sum_ext _ _ (fun z => t z * M z - t z * mean alpha)) by (intros; ring).
    rewrite Sum_minus, Sum_scal_r, Hmean.
    replace (Sum O t) with (1 - Sum (filter C vocab) t) by lra; ring.
  - intros z _; rewrite <- !Sum_scal, <- Sum_minus; apply Sum_ext; intros; ring.
Qed.

(** If no token outside exceeds a token inside, some token outside is strictly below one inside. *)
Lemma separated_pair C :
  proper C -> not_constant vocab M ->
  (forall z y, In z vocab -> In y vocab -> C z = true -> C y = false -> M y <= M z) ->
  exists z y, In z vocab /\ In y vocab /\ C z = true /\ C y = false /\ M y < M z.
Proof.
  intros [[i [Hi Ci]] [o [Ho Co]]] (a & b & Ha & Hb & Hab) Hsep.
  apply negb_true_iff in Co; destruct (C a) eqn:Ca, (C b) eqn:Cb.
  - exists b, o; specialize (Hsep a o Ha Ho Ca Co); repeat split; lra || easy.
  - specialize (Hsep a b Ha Hb Ca Cb); lra.
  - exists b, a; repeat split; lra || easy.
  - exists i, a; specialize (Hsep i b Hi Hb Ci Cb); repeat split; lra || easy.
Qed.

Lemma F_increasing C :
  proper C -> not_constant vocab M ->
  (forall z y, In z vocab -> In y vocab -> C z = true -> C y = false -> M y <= M z) ->
  forall a b, a < b -> F C a < F C b.
Proof.
  intros HC Hn Hsep; eapply increasing; [intros; apply F_derive_pairs|]; intros alpha.
  destruct (separated_pair C HC Hn Hsep) as (z & y & Hz & Hy & Cz & Cy & Hlt).
  assert (Hterm : forall z y, In z (filter C vocab) -> In y (filter (outside C) vocab) ->
    0 <= tilted alpha z * tilted alpha y * (M z - M y)).
  { intros z' y' Hz' Hy'; apply filter_In in Hz', Hy'; destruct Hz' as [Hz' Cz'], Hy' as [Hy' Cy'].
    apply negb_true_iff in Cy'; specialize (Hsep z' y' Hz' Hy' Cz' Cy').
    apply Rmult_le_pos; [|lra].
    apply Rmult_le_pos; apply Rlt_le; now apply tilted_pos. }
  apply (Sum_pos_term _ _ z); [| now apply filter_In|].
  - intros z' Hz'; apply Sum_nonneg; auto.
  - assert (Hyo : In y (filter (outside C) vocab)).
    { apply filter_In; split; [easy|unfold outside; now rewrite Cy]. }
    apply (Sum_pos_term _ _ y); [|easy|].
    + intros y' Hy'; apply Hterm; [now apply filter_In|easy].
    + apply Rmult_lt_0_compat; [|lra].
      apply Rmult_lt_0_compat; now apply tilted_pos.
Qed.

(** [concept-monotone] Thm 3.6, increase.  A concept whose tokens all have log-odds at least those
    of the other tokens strictly gains at every strength. *)
Theorem concept_monotone C :
  proper C -> not_constant vocab M ->
  (forall z y, In z vocab -> In y vocab -> C z = true -> C y = false -> M y <= M z) ->
  forall a b, a < b -> gain C a < gain C b.
Proof.
  intros HC Hn Hsep a b Hab; assert (Hs := size_pos C (proj1 HC)).
  apply Rmult_lt_compat_r; [now apply Rinv_0_lt_compat|].
  apply Rplus_lt_compat_r; now apply F_increasing.
Qed.

(** [concept-monotone] Thm 3.6, decrease.  A concept whose tokens all have log-odds at most those of
    the other tokens strictly loses at every strength. *)
Theorem concept_monotone_decreasing C :
  proper C -> not_constant vocab M ->
  (forall z y, In z vocab -> In y vocab -> C z = true -> C y = false -> M z <= M y) ->
  forall a b, a < b -> gain C b < gain C a.
Proof.
  intros HC Hn Hsep a b Hab; assert (Hs := size_pos C (proj1 HC)).
  apply Rmult_lt_compat_r; [now apply Rinv_0_lt_compat|]; apply Rplus_lt_compat_r.
  generalize (F_total C a) (F_total C b).
  enough (F (outside C) a < F (outside C) b) by lra.
  apply F_increasing; [|easy| |easy].
  - destruct HC as [[i [Hi Ci]] HO]; split; [easy|]; exists i; split; [easy|].
    unfold outside; now rewrite negb_involutive.
  - intros z y Hz Hy Cz Cy; apply negb_true_iff in Cz; apply negb_false_iff in Cy; auto.
Qed.

(** ** Infinite strength *)

Lemma F_plus_infinity C m :
  is_max vocab M m -> is_lim (F C) p_infty (Sum (filter C vocab) (share vocab p M m)).
Proof.
  intros Hm; apply (is_lim_Sum _ (fun z alpha => tilted alpha z)); intros z Hz.
  apply filter_In in Hz; now apply limit.
Qed.

Lemma F_minus_infinity C m :
  is_min vocab M m -> is_lim (F C) m_infty (Sum (filter C vocab) (share vocab p M m)).
Proof.
  intros Hm; apply (is_lim_Sum _ (fun z alpha => tilted alpha z)); intros z Hz.
  apply filter_In in Hz; now apply limit_minus_infinity.
Qed.

Lemma gain_limit C x (l : R) :
  is_lim (F C) x l -> is_lim (gain C) x ((l - Sum (filter C vocab) p) / size C).
Proof.
  intros HF; apply (is_lim_ext (fun a => / size C * (F C a - F C 0)));
    [intros; unfold gain; unfold Rdiv; ring|].
  eapply is_lim_value; [apply is_lim_scal, is_lim_minus'; [apply HF|apply is_lim_const]|].
  rewrite F_0; unfold Rdiv; ring.
Qed.

Lemma no_share C m :
  (forall z, In z vocab -> C z = true -> M z <> m) ->
  Sum (filter C vocab) (share vocab p M m) = 0.
Proof.
  intros HC; apply Sum_zero; intros z Hz; apply filter_In in Hz; destruct Hz as [Hz Cz].
  unfold share; replace (at_level M m z) with false; [easy|].
  symmetry; apply at_level_false; auto.
Qed.

(** [concept-limit] Thm 3.6, plus infinity.  A concept with no token of largest log-odds loses all
    its probability. *)
Theorem concept_limit C m :
  is_max vocab M m -> (forall z, In z vocab -> C z = true -> M z <> m) ->
  is_lim (gain C) p_infty (- (/ size C * Sum (filter C vocab) p)).
Proof.
  intros Hm HC; eapply is_lim_value; [now apply gain_limit, (F_plus_infinity C m)|].
  rewrite no_share by easy; unfold Rdiv; ring.
Qed.

(** [concept-limit] Thm 3.6, minus infinity.  A concept with no token of smallest log-odds loses all
    its probability. *)
Theorem concept_limit_minus_infinity C m :
  is_min vocab M m -> (forall z, In z vocab -> C z = true -> M z <> m) ->
  is_lim (gain C) m_infty (- (/ size C * Sum (filter C vocab) p)).
Proof.
  intros Hm HC; eapply is_lim_value; [now apply gain_limit, (F_minus_infinity C m)|].
  rewrite no_share by easy; unfold Rdiv; ring.
Qed.

(** [concept-limit] Thm 3.6, in general.  At plus infinity a concept keeps the share that it has,
    without steering, among the tokens of largest log-odds. *)
Theorem concept_limit_share C m :
  is_max vocab M m ->
  is_lim (F C) p_infty
    (Sum (filter C (filter (at_level M m) vocab)) p / mass vocab p M m).
Proof.
  intros Hm; eapply is_lim_value; [now apply (F_plus_infinity C m)|].
  unfold share; rewrite !Sum_filter, <- Sum_div; apply Sum_ext; intros z _.
  destruct (C z), (at_level M m z); unfold Rdiv; ring.
Qed.

End Concept.
