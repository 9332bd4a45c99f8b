(** * The shape of a concept curve

    Let [rho m] be the probability of the concept among the tokens with log-odds [m]: steering does
    not change it.  The concept curve is the mean of [rho] under the steered distribution of the
    levels, and it is never more complicated than [rho] is: it crosses a value at most as often, and
    it turns at most as often, with the same parity. *)

From Coq Require Import Reals List Bool Sorted Lra Lia.
From Coquelicot Require Import Coquelicot.
From SteeringStrength Require Import tokens analysis tilting limits variation extrema concept.
Import ListNotations.
Open Scope R_scope.

(** ** The levels of the log-odds *)

Section Shape.

Context {T : Type}.
Variable vocab : list T.
Variables p M : T -> R.
Variable C : T -> bool.
Hypothesis p_pos : forall z, In z vocab -> 0 < p z.
Hypothesis p_total : Sum vocab p = 1.

(** The distinct log-odds of the vocabulary in ascending order. *)
Definition levels : list R := fold_right insert [] (map M vocab).

(** The probability of the concept within a level. *)
Definition rho (m : R) : R := Sum (filter C (filter (at_level M m) vocab)) p / mass vocab p M m.

Notation F := (F vocab p M C).
Notation q := (mass vocab p M).

Lemma levels_sorted : StronglySorted Rlt levels.
Proof.
  unfold levels; induction (map M vocab); simpl; [constructor|now apply insert_ascending].
Qed.

Lemma In_levels m : In m levels <-> exists z, In z vocab /\ M z = m.
Proof.
  assert (H : In m levels <-> In m (map M vocab)).
  { unfold levels; induction (map M vocab) as [|x l IH]; simpl; [easy|].
    rewrite In_insert, IH; intuition. }
  rewrite H, in_map_iff; split; intros [z [? ?]]; exists z; tauto.
Qed.

Lemma levels_nonempty : levels <> [].
Proof.
  destruct (max_exists vocab p M p_total) as [m [Hm _]].
  intros H; apply In_levels in Hm; now rewrite H in Hm.
Qed.

Lemma levels_mass m : In m levels -> 0 < q m.
Proof. intros Hm; apply In_levels in Hm; now apply mass_pos. Qed.

(** Sum over the vocabulary level by level. *)
Lemma Sum_levels (f : T -> R) (g : R -> R) :
  Sum vocab (fun z => f z * g (M z))
  = Sum levels (fun m => Sum (filter (at_level M m) vocab) f * g m).
Proof.
  rewrite (Sum_ext levels _
    (fun m => Sum vocab (fun z => if Req_EM_T (M z) m then f z * g m else 0))).
  - rewrite Sum_swap; apply Sum_ext; intros z Hz; symmetry.
    apply (Sum_select levels (M z) (fun m => f z * g m));
      [apply ascending_NoDup, levels_sorted|].
    apply In_levels; now exists z.
  - intros m _; rewrite Sum_filter, <- Sum_scal_r; apply Sum_ext; intros z _.
    unfold at_level; destruct (Req_EM_T (M z) m); ring.
Qed.

(** The concept curve is the mean of [rho] over the tilted levels. *)
Lemma F_levels alpha : F alpha = ratio levels q rho alpha.
Proof.
  rewrite F_ratio by easy; unfold ratio; f_equal.
  - unfold S, exponential_sum; rewrite Sum_filter.
    rewrite (Sum_ext vocab _ (fun z => (if C z then p z else 0) * exp (alpha * M z)))
      by (intros; destruct (C z); ring).
    rewrite (Sum_levels _ (fun m => exp (alpha * m))); apply Sum_ext; intros m Hm.
    f_equal; unfold rho; rewrite (Sum_filter (filter _ _) C).
    assert (H := levels_mass m Hm); field; lra.
  - unfold Z; apply (Sum_levels p (fun m => exp (alpha * m))).
Qed.

(** ** Crossings, turns, monotony *)

(** [concept-shape] Thm 3.6, crossings.  Along any increasing list of strengths, the concept curve
    crosses a value at most as often as [rho] does along the levels. *)
Theorem concept_shape_crossings (c : R) alphas :
  Sorted Rlt alphas ->
  (sign_changes (map (fun alpha => F alpha - c)%R alphas)
   <= sign_changes (map (fun m => rho m - c)%R levels))%nat.
Proof.
  intros Ha; unfold sign_changes.
  set (d := fun m => q m * (rho m - c)).
  rewrite (changes_map_aligned alphas _ (exponential_sum levels d)).
  - rewrite <- (changes_map_aligned levels d (fun m => rho m - c)).
    + apply exponential_sum_changes; [apply levels_sorted|easy].
    + intros m Hm; exists (q m); split; [now apply levels_mass|easy].
  - intros alpha _; assert (H := exponential_sum_pos levels q alpha levels_nonempty levels_mass).
    exists (/ exponential_sum levels q alpha); split; [now apply Rinv_0_lt_compat|].
    rewrite F_levels; unfold ratio, d.
    replace (exponential_sum levels (fun m => q m * (rho m - c)) alpha)
      with (exponential_sum levels (fun m => q m * rho m) alpha
            - c * exponential_sum levels q alpha); [field; lra|].
    unfold exponential_sum; rewrite <- Sum_scal, <- Sum_minus; apply Sum_ext; intros; ring.
Qed.

Definition slope_of_F : R -> R := ratio_slope levels q rho.

Lemma slope_of_F_derive alpha : is_derive F alpha (slope_of_F alpha).
Proof.
  apply (is_derive_ext (ratio levels q rho)); [intros; symmetry; apply F_levels|].
  apply ratio_derive; [apply levels_nonempty|apply levels_mass].
Qed.

Lemma slope_of_F_changes s alphas :
  Sorted Rlt alphas ->
  (changes s (map slope_of_F alphas) <= changes s (differences (map rho levels)))%nat.
Proof.
  intros Ha; apply ratio_slope_changes; [apply levels_sorted|apply levels_mass|easy].
Qed.

(** [concept-shape] Thm 3.6, slopes.  The slope of the concept curve changes sign at most as often
    as [rho] turns. *)
Theorem concept_shape_slope :
  exists slope : R -> R,
    (forall alpha, is_derive F alpha (slope alpha))
    /\ (forall alphas, Sorted Rlt alphas ->
        (sign_changes (map slope alphas) <= turns (map rho levels))%nat).
Proof.
  exists slope_of_F; split; [apply slope_of_F_derive|]; intros; now apply slope_of_F_changes.
Qed.

(** [concept-shape] Thm 3.6, turns.  Along any increasing list of strengths, the concept curve turns
    at most as often as [rho] does along the levels. *)
Theorem concept_shape_turns alphas :
  Sorted Rlt alphas -> (turns (map F alphas) <= turns (map rho levels))%nat.
Proof.
  destruct alphas as [|a l]; [intros; apply Nat.le_0_l|]; intros Ha.
  destruct (differences_derivative F slope_of_F slope_of_F_derive l a Ha) as (k & Hk & _ & Hd).
  unfold turns, sign_changes; rewrite (changes_aligned _ _ 0 0 Hd) by apply aligned_refl.
  now apply slope_of_F_changes.
Qed.

(** [concept-shape] Thm 3.6, ends.  The concept curve comes from [rho] at the smallest log-odds. *)
Theorem concept_shape_minus_infinity m :
  is_min vocab M m -> is_lim F m_infty (rho m).
Proof.
  intros Hm; eapply is_lim_value; [now apply (F_minus_infinity vocab p M p_pos p_total C m)|].
  unfold share, rho; rewrite !Sum_filter, <- Sum_div; apply Sum_ext; intros z _.
  destruct (C z), (at_level M m z); unfold Rdiv; ring.
Qed.

(** [concept-shape] Thm 3.6, ends.  The concept curve tends to [rho] at the largest log-odds. *)
Theorem concept_shape_plus_infinity m :
  is_max vocab M m -> is_lim F p_infty (rho m).
Proof.
  intros Hm; eapply is_lim_value; [now apply (F_plus_infinity vocab p M p_pos p_total C m)|].
  unfold share, rho; rewrite !Sum_filter, <- Sum_div; apply Sum_ext; intros z _.
  destruct (C z), (at_level M m z); unfold Rdiv; ring.
Qed.

End Shape.
