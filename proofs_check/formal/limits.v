(** * Infinite strength

    At plus infinity all the probability goes to the tokens with the largest log-odds, who share it
    in proportion to what they had.  The distance to that limit has an exact formula.  Minus
    infinity is plus infinity along the opposite vector. *)

From SteeringStrength Require Import analysis tilting.

Section Levels.

Context {T : Type} (vocab : list T) (p M : T -> R).

(** The tokens whose log-odds are exactly [m]: there is no tolerance for near-ties. *)
Definition at_level (m : R) (z : T) : bool := if Req_EM_T (M z) m then true else false.

Definition is_max (m : R) : Prop :=
  (exists z, In z vocab /\ M z = m) /\ (forall z, In z vocab -> M z <= m).
Definition is_min (m : R) : Prop :=
  (exists z, In z vocab /\ M z = m) /\ (forall z, In z vocab -> m <= M z).

(** The probability of a level, and the weight of the other tokens relative to it. *)
Definition mass (m : R) : R := Sum (filter (at_level m) vocab) p.
Definition rest (m alpha : R) : R :=
  Sum (filter (outside (at_level m)) vocab) (fun y => p y * exp (- alpha * (m - M y))).

(** The distribution [p] conditioned on a level. *)
Definition share (m : R) (z : T) : R := if at_level m z then p z / mass m else 0.

Lemma at_level_true m z : at_level m z = true <-> M z = m.
Proof. unfold at_level; now destruct (Req_EM_T (M z) m). Qed.

Lemma at_level_false m z : at_level m z = false <-> M z <> m.
Proof. unfold at_level; now destruct (Req_EM_T (M z) m). Qed.

Hypothesis p_pos : forall z, In z vocab -> 0 < p z.
Hypothesis p_total : Sum vocab p = 1.

(** A vocabulary has a largest log-odds. *)
Lemma max_exists : exists m, is_max m.
Proof.
  generalize (vocab_nonempty vocab p p_total); clear p_pos p_total; unfold is_max.
  induction vocab as [|z l IH]; intros H; [easy|].
  destruct l as [|y l]; [exists (M z); split; [exists z; simpl; auto|]|].
  - intros y [->|[]]; lra.
  - destruct IH as [m [[x [Hx Hm]] Hb]]; [easy|].
    destruct (Rle_dec (M z) m) as [Hle|Hgt].
    + exists m; split; [exists x; simpl in *; tauto|]; intros w [<-|Hw]; auto.
    + exists (M z); split; [exists z; simpl; auto|]; intros w [<-|Hw]; [lra|].
      specialize (Hb w Hw); lra.
Qed.

Section Level.

Variable m : R.
Hypothesis reached : exists z, In z vocab /\ M z = m.

Lemma mass_pos : 0 < mass m.
Proof.
  destruct reached as [z [Hz Hm]]; apply Sum_pos.
  - apply (In_filter_nonempty _ _ z); [easy|now apply at_level_true].
  - intros y Hy; apply filter_In in Hy; now apply p_pos.
Qed.

Lemma rest_nonneg alpha : 0 <= rest m alpha.
Proof.
  apply Sum_nonneg; intros y Hy; apply filter_In in Hy.
  apply Rmult_le_pos; [now apply Rlt_le, p_pos|apply Rlt_le, exp_pos].
Qed.

(** The partition function, seen from the level [m]. *)
Lemma Z_level alpha : Z vocab p M alpha = exp (alpha * m) * (mass m + rest m alpha).
Proof.
  unfold Z; rewrite (Sum_split vocab (at_level m)), Rmult_plus_distr_l.
  unfold mass, rest; rewrite <- !Sum_scal; f_equal; apply Sum_ext; intros y Hy.
  - apply filter_In in Hy; destruct Hy as [_ Hy]; apply at_level_true in Hy; rewrite Hy; ring.
  - replace (alpha * M y) with (alpha * m + - alpha * (m - M y)) by ring; rewrite exp_plus; ring.
Qed.

Lemma tilted_level alpha z :
  tilted vocab p M alpha z = p z * exp (- alpha * (m - M z)) / (mass m + rest m alpha).
Proof.
  rewrite tilted_ratio, Z_level by easy.
  replace (alpha * M z) with (alpha * m + - alpha * (m - M z)) by ring; rewrite exp_plus.
  generalize mass_pos (rest_nonneg alpha) (exp_pos (alpha * m)); intros; field; lra.
Qed.

Lemma tilted_at_level alpha z :
  M z = m -> tilted vocab p M alpha z = p z / (mass m + rest m alpha).
Proof.
  intros Hz; rewrite tilted_level, Hz.
  replace (- alpha * (m - m)) with 0 by ring; rewrite exp_0; f_equal; ring.
Qed.

(** [limit] Prop. B.1, exact rate.  What a token of a level still lacks of its share of that level
    is its share times the relative weight of all other tokens: no error term. *)
Theorem limit_rate alpha z :
  M z = m ->
  p z / mass m - tilted vocab p M alpha z
  = p z / mass m * (rest m alpha / (mass m + rest m alpha)).
Proof.
  intros Hz; rewrite tilted_at_level by easy.
  generalize mass_pos (rest_nonneg alpha); intros; field; lra.
Qed.

(** [limit] Prop. B.1, exact distance.  The total variation between the steered distribution and
    the conditional distribution on a level is the probability of all other tokens. *)
Theorem limit_total_variation alpha :
  / 2 * Sum vocab (fun z => Rabs (tilted vocab p M alpha z - share m z))
  = rest m alpha / (mass m + rest m alpha).
Proof.
  generalize mass_pos (rest_nonneg alpha); intros Hm Hr.
  rewrite (Sum_split vocab (at_level m)).
  set (d := rest m alpha / (mass m + rest m alpha)).
  assert (Hd : 0 <= d) by (apply Rmult_le_pos; [easy|apply Rlt_le, Rinv_0_lt_compat; lra]).
  rewrite (Sum_ext (filter (at_level m) vocab) _ (fun z => d / mass m * p z)).
  2:{ intros z Hz; apply filter_In in Hz; destruct Hz as [Hz Ha]; unfold share; rewrite Ha.
      apply at_level_true in Ha; rewrite Rabs_minus_sym, limit_rate by easy; fold d.
      specialize (p_pos z Hz); rewrite Rabs_right; [field; lra|].
      apply Rle_ge, Rmult_le_pos; [|easy].
      apply Rmult_le_pos; [lra|now apply Rlt_le, Rinv_0_lt_compat]. }
  rewrite (Sum_ext (filter (outside (at_level m)) vocab) _
             (fun z => p z * exp (- alpha * (m - M z)) / (mass m + rest m alpha))).
  2:{ intros z Hz; apply filter_In in Hz; destruct Hz as [Hz Ha]; unfold share.
      apply negb_true_iff in Ha; rewrite Ha, Rminus_0_r, <- tilted_level by easy.
      apply Rabs_right, Rle_ge, Rlt_le; now apply tilted_pos. }
  rewrite Sum_div, Sum_scal; fold (rest m alpha) (mass m) d; field; lra.
Qed.

Lemma share_total : Sum vocab (share m) = 1.
Proof.
  unfold share; rewrite <- Sum_filter, Sum_div; apply Rinv_r, Rgt_not_eq, mass_pos.
Qed.

End Level.

(** ** Plus infinity *)

Section Top.

Variable m : R.
Hypothesis top : is_max m.

Lemma below_top z : In z vocab -> outside (at_level m) z = true -> 0 < m - M z.
Proof.
  intros Hz Ho; apply negb_true_iff, at_level_false in Ho.
  destruct top as [_ H]; specialize (H z Hz); lra.
Qed.

Lemma rest_vanishes : is_lim (rest m) p_infty 0.
Proof.
  eapply is_lim_value; [apply is_lim_Sum|].
  - intros y Hy; apply filter_In in Hy; apply is_lim_scal, is_lim_decay; now apply below_top.
  - simpl; apply Sum_zero; intros; ring.
Qed.

(** [limit] Prop. B.1, plus infinity.  Each token with the largest log-odds keeps its share, in
    proportion to its unsteered probability; every other token vanishes. *)
Theorem limit z :
  In z vocab ->
  is_lim (fun alpha => tilted vocab p M alpha z) p_infty (share m z).
Proof.
  intros Hz.
  destruct top as [Hreach _]; generalize (mass_pos m Hreach); intros Hm.
  apply (is_lim_by_bound _ (fun alpha => 2 / mass m * rest m alpha)).
  - intros alpha; generalize (limit_total_variation m Hreach alpha) (rest_nonneg m alpha).
    intros Htv Hr.
    assert (Hone : Rabs (tilted vocab p M alpha z - share m z)
                   <= Sum vocab (fun y => Rabs (tilted vocab p M alpha y - share m y))).
    { apply (Sum_term_le _ (fun y => Rabs (tilted vocab p M alpha y - share m y)));
        [intros; apply Rabs_pos|easy]. }
    apply Rle_trans with (1 := Hone).
    apply Rmult_eq_compat_l with (r := 2) in Htv; rewrite <- Rmult_assoc in Htv.
    rewrite Rinv_r, Rmult_1_l in Htv by lra; rewrite Htv.
    unfold Rdiv; rewrite (Rmult_comm (rest m alpha)), <- Rmult_assoc.
    apply Rmult_le_compat_r; [easy|]; apply Rmult_le_compat_l; [lra|].
    apply Rinv_le_contravar; lra.
  - eapply is_lim_value; [apply is_lim_scal, rest_vanishes|ring].
Qed.

(** An expectation tends to the conditional expectation on the top level. *)
Lemma limit_expectation f :
  is_lim (fun alpha => E vocab p M alpha f) p_infty (Sum vocab (fun z => share m z * f z)).
Proof.
  apply (is_lim_Sum vocab (fun z alpha => tilted vocab p M alpha z * f z)); intros z Hz.
  apply (is_lim_ext (fun alpha => f z * tilted vocab p M alpha z)); [intros; ring|].
  rewrite Rmult_comm; apply is_lim_scal; now apply limit.
Qed.

(** [mean-slope] Eq. (10), upper end.  The mean log-odds tend to the largest log-odds. *)
Theorem mean_slope_plus_infinity : is_lim (mean vocab p M) p_infty m.
Proof.
  destruct top as [Hreach _].
  eapply is_lim_value; [apply limit_expectation|].
  rewrite (Sum_ext _ _ (fun z => share m z * m)).
  - rewrite Sum_scal_r, share_total by easy; ring.
  - intros z _; unfold share; destruct (at_level m z) eqn:Ha; [|ring].
    apply at_level_true in Ha; now rewrite Ha.
Qed.

(** [limit] Prop. B.1, how far is far.  If every other log-odds are below the largest by at least
    a gap, the distance to the limit decays exponentially in the gap. *)
Theorem limit_gap gap alpha :
  0 <= alpha -> (forall z, In z vocab -> M z <> m -> M z <= m - gap) ->
  rest m alpha / (mass m + rest m alpha) <= (1 - mass m) / mass m * exp (- alpha * gap).
Proof.
  intros Ha Hgap; destruct top as [Hreach _]; generalize (mass_pos m Hreach) (rest_nonneg m alpha).
  intros Hm Hr.
  assert (Hrest : rest m alpha <= (1 - mass m) * exp (- alpha * gap)).
  { replace (1 - mass m) with (Sum (filter (outside (at_level m)) vocab) p)
      by (rewrite <- p_total, (Sum_split vocab (at_level m) p); unfold mass; ring).
    unfold rest; rewrite <- Sum_scal_r; apply Sum_le; intros y Hy; apply filter_In in Hy.
    destruct Hy as [Hy Ho]; apply Rmult_le_compat_l; [now apply Rlt_le, p_pos|].
    apply negb_true_iff, at_level_false in Ho; specialize (Hgap y Hy Ho).
    apply exp_nondecreasing; rewrite !Ropp_mult_distr_l_reverse; apply Ropp_le_contravar.
    apply Rmult_le_compat_l; lra. }
  apply Rle_trans with (rest m alpha / mass m).
  - apply Rmult_le_compat_l; [easy|]; apply Rinv_le_contravar; lra.
  - unfold Rdiv; rewrite Rmult_assoc, (Rmult_comm (/ mass m)), <- Rmult_assoc.
    apply Rmult_le_compat_r; [now apply Rlt_le, Rinv_0_lt_compat|easy].
Qed.

(** [limit] Prop. B.1, a strength that suffices.  Beyond an explicit strength the limit holds within
    any given tolerance. *)
Theorem limit_tolerance gap tolerance alpha :
  0 < gap -> (forall z, In z vocab -> M z <> m -> M z <= m - gap) ->
  0 < tolerance -> 0 <= alpha -> mass m < 1 ->
  ln ((1 - mass m) / (mass m * tolerance)) / gap <= alpha ->
  / 2 * Sum vocab (fun z => Rabs (tilted vocab p M alpha z - share m z)) <= tolerance.
Proof.
  intros Hg Hgap Ht Ha H1 Hfar; destruct top as [Hreach _].
  rewrite limit_total_variation by easy; generalize (mass_pos m Hreach); intros Hm.
  apply Rle_trans with (1 := limit_gap gap alpha Ha Hgap).
  set (x := (1 - mass m) / (mass m * tolerance)) in *.
  assert (Hx : 0 < x) by (apply Rdiv_lt_0_compat; [lra|now apply Rmult_lt_0_compat]).
  replace ((1 - mass m) / mass m) with (tolerance * x) by (unfold x; field; lra).
  rewrite Rmult_assoc; rewrite <- (Rmult_1_r tolerance) at 2.
  apply Rmult_le_compat_l; [lra|].
  rewrite <- (exp_ln x Hx), <- exp_plus, <- exp_0; apply exp_nondecreasing.
  apply Rmult_le_compat_r with (r := gap) in Hfar; [|lra].
  unfold Rdiv in Hfar; rewrite Rmult_assoc, Rinv_l in Hfar; lra.
Qed.

End Top.

End Levels.

(** ** Minus infinity *)

Section Bottom.

Context {T : Type} (vocab : list T) (p M : T -> R).
Hypothesis p_pos : forall z, In z vocab -> 0 < p z.
Hypothesis p_total : Sum vocab p = 1.

Notation opposite := (fun z => - M z).

Lemma at_level_opposite m z : at_level opposite (- m) z = at_level M m z.
Proof. unfold at_level; destruct (Req_EM_T (- M z) (- m)), (Req_EM_T (M z) m); lra || easy. Qed.

Lemma share_opposite m z : share vocab p opposite (- m) z = share vocab p M m z.
Proof.
  unfold share, mass; rewrite at_level_opposite.
  now rewrite (filter_ext _ (at_level M m)) by (intros; apply at_level_opposite).
Qed.

Lemma is_max_opposite m : is_min vocab M m -> is_max vocab opposite (- m).
Proof.
  intros [[z [Hz He]] Hb]; split; [exists z; now rewrite He|].
  intros y Hy; specialize (Hb y Hy); lra.
Qed.

(** [limit] Prop. B.1, minus infinity.  Each token with the smallest log-odds keeps its share, in
    proportion to its unsteered probability; every other token vanishes. *)
Theorem limit_minus_infinity m z :
  is_min vocab M m -> In z vocab ->
  is_lim (fun alpha => tilted vocab p M alpha z) m_infty (share vocab p M m z).
Proof.
  intros Hm Hz; apply is_lim_reflect.
  apply (is_lim_ext (fun alpha => tilted vocab p opposite alpha z));
    [intros; apply tilted_opposite|].
  rewrite <- share_opposite; apply limit; [easy|easy|now apply is_max_opposite|easy].
Qed.

(** [mean-slope] Eq. (10), lower end.  The mean log-odds come from the smallest log-odds. *)
Theorem mean_slope_minus_infinity m :
  is_min vocab M m -> is_lim (mean vocab p M) m_infty m.
Proof.
  intros Hm; apply is_lim_reflect.
  apply (is_lim_ext (fun alpha => - mean vocab p opposite alpha));
    [intros; rewrite mean_opposite; ring|].
  rewrite <- (Ropp_involutive m); apply (is_lim_opp _ p_infty (- m)).
  apply mean_slope_plus_infinity; [easy|easy|now apply is_max_opposite].
Qed.

Lemma min_exists : exists m, is_min vocab M m.
Proof.
  destruct (max_exists vocab p opposite p_total) as [m [[z [Hz He]] Hb]].
  exists (- m); split; [exists z; split; [easy|lra]|].
  intros y Hy; specialize (Hb y Hy); lra.
Qed.

(** [mean-slope] Eq. (10), range.  Every level strictly between the smallest and the largest
    log-odds is the mean log-odds at exactly one strength. *)
Theorem mean_slope_range lower upper m :
  is_min vocab M lower -> is_max vocab M upper -> lower < m < upper ->
  exists! alpha, mean vocab p M alpha = m.
Proof.
  intros Hl Hu Hm; apply (increasing_unique_root _ lower upper); [| | | |easy].
  - intros; now apply mean_continuity.
  - apply mean_slope_increasing; [easy|easy|].
    destruct Hl as [[y [Hy Ey]] _], Hu as [[z [Hz Ez]] _]; exists y, z; repeat split; lra || easy.
  - now apply mean_slope_minus_infinity.
  - now apply mean_slope_plus_infinity.
Qed.

End Bottom.
