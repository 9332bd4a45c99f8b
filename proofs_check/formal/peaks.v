(** * One bump for each token between the extremes

    The reciprocal of a steered probability is a sum of exponentials, hence strictly convex; so a
    token whose log-odds are neither the largest nor the smallest has exactly one peak, where the
    mean log-odds equal its own.  A token with extremal log-odds has none. *)

From SteeringStrength Require Import analysis tilting limits.

Section Peaks.

Context {T : Type} (vocab : list T) (p M : T -> R).
Hypothesis p_pos : forall z, In z vocab -> 0 < p z.
Hypothesis p_total : Sum vocab p = 1.

Notation K := (K vocab p M).
Notation tilted := (tilted vocab p M).
Notation mean := (mean vocab p M).

(** Neither the largest nor the smallest log-odds of the vocabulary. *)
Definition between (z : T) : Prop :=
  (exists y, In y vocab /\ M y < M z) /\ (exists w, In w vocab /\ M z < M w).

Lemma between_not_constant z : between z -> not_constant vocab M.
Proof. intros [[y [Hy Hlow]] [w [Hw Hhigh]]]; exists y, w; repeat split; auto; lra. Qed.

Lemma mean_increasing : not_constant vocab M -> forall a b, a < b -> mean a < mean b.
Proof. intros H; now apply mean_slope_increasing. Qed.

(** ** The peak *)

(** [peak] Thm 3.3.  The slope of a token's probability vanishes exactly where the slope of the
    cumulant generating function equals the token's log-odds. *)
Theorem peak_equation z alpha :
  In z vocab -> is_derive (fun a => tilted a z) alpha 0 <-> is_derive K alpha (M z).
Proof.
  intros Hz; generalize (slope vocab p M p_pos p_total alpha z); intros Hs.
  generalize (mean_slope vocab p M p_pos p_total alpha); intros Hk; split; intros H.
  - apply is_derive_value with (1 := Hk).
    assert (H0 : tilted alpha z * (M z - mean alpha) = 0).
    { rewrite <- (is_derive_unique _ _ _ Hs); now apply is_derive_unique. }
    generalize (tilted_pos vocab p M p_pos alpha z Hz); intros Hpos.
    apply Rmult_integral in H0; lra.
  - apply is_derive_value with (1 := Hs).
    replace (mean alpha) with (M z); [ring|].
    rewrite <- (is_derive_unique _ _ _ Hk); symmetry; now apply is_derive_unique.
Qed.

(** The mean log-odds cross the log-odds of a token between the extremes exactly once. *)
Lemma crossing z : In z vocab -> between z -> exists! c, mean c = M z.
Proof.
  intros Hz [[y [Hy Hlow]] [w [Hw Hhigh]]].
  destruct (min_exists vocab p M p_total) as [lower Hl].
  destruct (max_exists vocab p M p_total) as [upper Hu].
  apply (mean_slope_range vocab p M p_pos p_total lower upper); [easy|easy|].
  destruct Hl as [_ Hl], Hu as [_ Hu]; specialize (Hl y Hy); specialize (Hu w Hw); lra.
Qed.

Lemma rises_before z c :
  In z vocab -> not_constant vocab M -> mean c = M z ->
  forall a b, a < b -> b <= c -> tilted a z < tilted b z.
Proof.
  intros Hz Hn Hc a b Hab Hbc; apply (increasing_between (fun x => tilted x z)
    (fun x => tilted x z * (M z - mean x)) a b); [| |easy].
  - intros; now apply slope.
  - intros x Hx; apply Rmult_lt_0_compat; [now apply tilted_pos|].
    assert (mean x < mean c) by (apply mean_increasing; [easy|lra]); lra.
Qed.

Lemma falls_after z c :
  In z vocab -> not_constant vocab M -> mean c = M z ->
  forall a b, c <= a -> a < b -> tilted b z < tilted a z.
Proof.
  intros Hz Hn Hc a b Hca Hab; apply (decreasing_between (fun x => tilted x z)
    (fun x => tilted x z * (M z - mean x)) a b); [| |easy].
  - intros; now apply slope.
  - intros x Hx; generalize (tilted_pos vocab p M p_pos x z Hz); intros Hpos.
    assert (mean c < mean x) by (apply mean_increasing; [easy|lra]).
    rewrite <- (Rmult_0_r (tilted x z)); apply Rmult_lt_compat_l; lra.
Qed.

(** [peak] Thm 3.3, one critical point.  The probability of a token between the extremes is
    stationary at exactly one strength. *)
Theorem peak_critical z :
  In z vocab -> between z -> exists! c, is_derive (fun a => tilted a z) c 0.
Proof.
  intros Hz Hb; destruct (crossing z Hz Hb) as [c [Hc Huniq]]; exists c; split.
  - apply peak_equation; [easy|]; rewrite <- Hc; now apply mean_slope.
  - intros c' Hd; apply Huniq; apply peak_equation in Hd; [|easy].
    rewrite <- (is_derive_unique _ _ _ Hd); symmetry; apply is_derive_unique.
    now apply mean_slope.
Qed.

(** [peak] Thm 3.3, one bump.  The gain in probability of a token between the extremes strictly
    rises up to one strength, where the mean log-odds equal its own, and strictly falls after. *)
Theorem peak z :
  In z vocab -> between z ->
  exists! c, mean c = M z
    /\ (forall a b, a < b -> b <= c -> tilted a z - p z < tilted b z - p z)
    /\ (forall a b, c <= a -> a < b -> tilted b z - p z < tilted a z - p z).
Proof.
  intros Hz Hb; generalize (between_not_constant z Hb); intros Hn.
  destruct (crossing z Hz Hb) as [c [Hc Huniq]]; exists c; repeat split; [easy| | |].
  - intros a b Hab Hbc; apply Rplus_lt_compat_r; now apply (rises_before z c).
  - intros a b Hca Hab; apply Rplus_lt_compat_r; now apply (falls_after z c).
  - intros c' [Hc' _]; now apply Huniq.
Qed.

(** [peak] Thm 3.3, maximum.  At its peak a token has more probability than at any other
    strength. *)
Theorem peak_maximum z c alpha :
  In z vocab -> between z -> mean c = M z -> alpha <> c -> tilted alpha z < tilted c z.
Proof.
  intros Hz Hb Hc Hne; generalize (between_not_constant z Hb); intros Hn.
  destruct (Rtotal_order alpha c) as [H|[H|H]]; [|easy|].
  - apply (rises_before z c); easy || lra.
  - apply (falls_after z c); easy || lra.
Qed.

(** The reciprocal of a steered probability is a sum of exponentials. *)
Definition reciprocal (z : T) (alpha : R) : R :=
  Sum vocab (fun y => p y / p z * exp (alpha * (M y - M z))).

Lemma reciprocal_tilted z alpha : In z vocab -> reciprocal z alpha = / tilted alpha z.
Proof.
  intros Hz; specialize (p_pos z Hz) as Hpz.
  generalize (Z_pos vocab p M p_pos p_total alpha) (exp_pos (alpha * M z)); intros HZ Hexp.
  rewrite tilted_ratio by easy.
  replace (/ (p z * exp (alpha * M z) / Z vocab p M alpha))
    with (Z vocab p M alpha * / (p z * exp (alpha * M z))) by (field; lra).
  unfold Z; rewrite <- Sum_scal_r; apply Sum_ext; intros y _.
  replace (alpha * (M y - M z)) with (alpha * M y + - (alpha * M z)) by ring.
  rewrite exp_plus, exp_Ropp; field; lra.
Qed.

(** [peak] Thm 3.3, why there is one bump.  The reciprocal of a token's probability is strictly
    convex in the strength as soon as some token has other log-odds. *)
Theorem peak_reciprocal z :
  In z vocab -> (exists y, In y vocab /\ M y <> M z) ->
  exists first second : R -> R, forall alpha,
    is_derive (fun a => / tilted a z) alpha (first alpha)
    /\ is_derive first alpha (second alpha) /\ 0 < second alpha.
Proof.
  intros Hz [w [Hw Hne]]; assert (Hpz := p_pos z Hz).
  exists (fun a => Sum vocab (fun y => p y / p z * (M y - M z) * exp (a * (M y - M z)))),
         (fun a => Sum vocab (fun y => p y / p z * (M y - M z) ^ 2 * exp (a * (M y - M z)))).
  intros alpha; split; [|split].
  - apply (is_derive_ext (reciprocal z) (fun a => / tilted a z));
      [intros; now apply reciprocal_tilted|].
    apply (is_derive_Sum vocab (fun y a => p y / p z * exp (a * (M y - M z)))
             (fun y a => p y / p z * (M y - M z) * exp (a * (M y - M z)))); intros y _.
    auto_derive; [easy|unfold Rdiv; ring].
  - apply (is_derive_Sum vocab (fun y a => p y / p z * (M y - M z) * exp (a * (M y - M z)))
             (fun y a => p y / p z * (M y - M z) ^ 2 * exp (a * (M y - M z)))); intros y _.
    auto_derive; [easy|unfold Rdiv; ring].
  - assert (Hpos : forall y, In y vocab -> 0 < p y / p z) by (intros; apply Rdiv_lt_0_compat; auto).
    apply (Sum_pos_term _ _ w); [|easy|].
    + intros y Hy; apply Rmult_le_pos; [|apply Rlt_le, exp_pos].
      apply Rmult_le_pos; [now apply Rlt_le, Hpos|apply pow2_ge_0].
    + apply Rmult_lt_0_compat; [|apply exp_pos]; apply Rmult_lt_0_compat; [now apply Hpos|].
      apply pow2_gt_0; lra.
Qed.

(** ** How high *)

(** [peak] Thm 3.3, height.  The logarithm of the largest gain factor of a token is the Legendre
    transform of the cumulant generating function at its log-odds. *)
Theorem peak_height z c :
  In z vocab -> between z -> mean c = M z ->
  is_lub (fun y => exists alpha, y = alpha * M z - K alpha) (ln (tilted c z / p z)).
Proof.
  intros Hz Hb Hc; split.
  - intros y [alpha ->]; rewrite <- (ln_tilted_ratio vocab p M p_pos alpha z Hz).
    destruct (Req_dec alpha c) as [->|Hne]; [apply Rle_refl|].
    assert (Hpz := p_pos z Hz); apply Rlt_le, ln_increasing.
    + apply Rdiv_lt_0_compat; [now apply tilted_pos|easy].
    + apply Rmult_lt_compat_r; [now apply Rinv_0_lt_compat|now apply peak_maximum].
  - intros b Hub; apply Hub; exists c; now apply ln_tilted_ratio.
Qed.

(** [peak] Thm 3.3, height as information.  The logarithm of the largest gain factor is the
    divergence of the distribution at the peak from the unsteered one. *)
Theorem peak_height_divergence z c :
  In z vocab -> mean c = M z -> ln (tilted c z / p z) = divergence vocab (tilted c) p.
Proof. intros Hz Hc; rewrite ln_tilted_ratio, divergence_tilted, Hc by easy; reflexivity. Qed.

(** ** Where *)

(** [peak] Thm 3.3, order.  Peaks are ordered exactly as the log-odds: the peak is a strictly
    increasing function of the log-odds alone. *)
Theorem peak_increasing y z a b :
  not_constant vocab M -> mean a = M y -> mean b = M z -> (M y < M z <-> a < b).
Proof. intros Hn <- <-; now apply increasing_lt_iff, mean_increasing. Qed.

(** [peak] Thm 3.3, ties.  Equal log-odds have equal peaks, whatever the probabilities. *)
Theorem peak_ties y z a b :
  not_constant vocab M -> mean a = M y -> mean b = M z -> (M y = M z <-> a = b).
Proof.
  intros Hn <- <-; split; [now apply increasing_injective, mean_increasing|now intros ->].
Qed.

(** The mean log-odds equal [m] where the centred exponentials balance. *)
Lemma mean_balance m alpha :
  mean alpha = m <-> Sum vocab (fun y => p y * (M y - m) * exp (alpha * (M y - m))) = 0.
Proof.
  assert (HZ := Z_pos vocab p M p_pos p_total alpha); assert (He := exp_pos (alpha * m)).
  assert (H : mean alpha - m
              = exp (alpha * m) / Z vocab p M alpha
                * Sum vocab (fun y => p y * (M y - m) * exp (alpha * (M y - m)))).
  { unfold mean; rewrite <- (E_const vocab p M p_pos p_total alpha m) at 1; rewrite <- E_minus.
    unfold E; rewrite <- Sum_scal; apply Sum_ext; intros y _; rewrite tilted_ratio by easy.
    replace (alpha * M y) with (alpha * m + alpha * (M y - m)) by ring.
    rewrite exp_plus; field; lra. }
  assert (Hc : 0 < exp (alpha * m) / Z vocab p M alpha) by now apply Rdiv_lt_0_compat.
  split; intros Hm; [|rewrite Hm, Rmult_0_r in H; lra].
  replace (mean alpha - m) with 0 in H by lra.
  symmetry in H; apply Rmult_integral in H; lra.
Qed.

(** [peak] Thm 3.3, explicit.  When the other log-odds take two values, one above by [s] and one
    below by [t], the peak is an explicit function of the two masses and the two distances. *)
Theorem peak_explicit z s t alpha :
  In z vocab -> 0 < s -> 0 < t -> between z ->
  (forall y, In y vocab -> M y = M z \/ M y = M z + s \/ M y = M z - t) ->
  (mean alpha = M z <->
   alpha = ln (mass vocab p M (M z - t) * t / (mass vocab p M (M z + s) * s)) / (s + t)).
Proof.
  intros Hz Hs Ht [[y [Hy Hlow]] [w [Hw Hhigh]]] Hlevels.
  set (below := mass vocab p M (M z - t)); set (above := mass vocab p M (M z + s)).
  assert (Hbelow : 0 < below).
  { apply mass_pos; [easy|]; exists y; destruct (Hlevels y Hy) as [|[|]]; split; easy || lra. }
  assert (Habove : 0 < above).
  { apply mass_pos; [easy|]; exists w; destruct (Hlevels w Hw) as [|[|]]; split; easy || lra. }
  rewrite mean_balance.
  assert (Hsum : Sum vocab (fun y => p y * (M y - M z) * exp (alpha * (M y - M z)))
                 = s * exp (alpha * s) * above - t * exp (- (alpha * t)) * below).
  { unfold above, below, mass; rewrite <- !Sum_scal, !Sum_filter, <- Sum_minus.
    apply Sum_ext; intros x Hx; unfold at_level.
    destruct (Req_EM_T (M x) (M z + s)) as [Ea|Na], (Req_EM_T (M x) (M z - t)) as [Eb|Nb];
      [lra| | |].
    - rewrite Ea; replace (M z + s - M z) with s by ring; ring.
    - rewrite Eb; replace (M z - t - M z) with (- t) by ring.
      replace (- (alpha * t)) with (alpha * - t) by ring; ring.
    - destruct (Hlevels x Hx) as [E|[E|E]]; [|lra|lra]; rewrite E; ring. }
  rewrite Hsum; set (x := below * t / (above * s)).
  assert (Hx : 0 < x) by (apply Rdiv_lt_0_compat; now apply Rmult_lt_0_compat).
  (* both sides times exp (alpha t): the balance is exp (alpha (s + t)) = x *)
  transitivity (exp (alpha * (s + t)) = x).
  - replace (alpha * (s + t)) with (alpha * s + alpha * t) by ring.
    rewrite exp_plus, exp_Ropp; unfold x.
    generalize (exp (alpha * s)) (exp (alpha * t)) (exp_pos (alpha * t)); intros u v Hv.
    replace (s * u * above - t * / v * below)
      with (above * s / v * (u * v - below * t / (above * s))) by (field; lra).
    assert (0 < above * s / v) by (apply Rdiv_lt_0_compat; [now apply Rmult_lt_0_compat|easy]).
    split; intros H0; [apply Rmult_integral in H0; lra|rewrite H0; ring].
  - split; intros H.
    + rewrite <- H, ln_exp; field; lra.
    + rewrite H; replace (ln x / (s + t) * (s + t)) with (ln x) by (field; lra).
      now apply exp_ln.
Qed.

(** ** The extremes *)

(** [monotone] Thm 3.3, upper half.  A token with the largest log-odds gains probability at every
    strength. *)
Theorem monotone z :
  In z vocab -> is_max vocab M (M z) -> not_constant vocab M ->
  forall a b, a < b -> tilted a z < tilted b z.
Proof.
  intros Hz [_ Hmax] (y & w & Hy & Hw & Hlt).
  apply (increasing (fun x => tilted x z) (fun x => tilted x z * (M z - mean x)));
    [intros; now apply slope|]; intros x.
  assert (mean x < M z)
    by (apply mean_lt; [easy|easy|easy|exists y; split; [easy|specialize (Hmax w Hw); lra]]).
  apply Rmult_lt_0_compat; [now apply tilted_pos|lra].
Qed.

(** [monotone] Thm 3.3, lower half.  A token with the smallest log-odds loses probability at every
    strength. *)
Theorem monotone_decreasing z :
  In z vocab -> is_min vocab M (M z) -> not_constant vocab M ->
  forall a b, a < b -> tilted b z < tilted a z.
Proof.
  intros Hz [_ Hmin] (y & w & Hy & Hw & Hlt).
  apply (decreasing (fun x => tilted x z) (fun x => tilted x z * (M z - mean x)));
    [intros; now apply slope|]; intros x.
  assert (M z < mean x)
    by (apply mean_gt; [easy|easy|easy|exists w; split; [easy|specialize (Hmin y Hy); lra]]).
  rewrite <- (Rmult_0_r (tilted x z)); apply Rmult_lt_compat_l; [now apply tilted_pos|lra].
Qed.

(** [peak] Thm 3.3, no peak.  If all log-odds are equal, steering changes nothing. *)
Theorem peak_none z alpha :
  In z vocab -> ~ not_constant vocab M -> tilted alpha z = p z.
Proof.
  intros Hz Hn; rewrite <- (tilted_0 vocab p M p_total z).
  assert (Hslope : forall a, is_derive (fun x => tilted x z) a 0).
  { intros a; eapply is_derive_value; [now apply slope|].
    rewrite (mean_constant vocab p M p_pos p_total a (M z)); [ring|]; intros y Hy.
    destruct (Rtotal_order (M y) (M z)) as [H|[H|H]]; [|easy|];
      elim Hn; [exists y, z|exists z, y]; easy. }
  destruct (Rtotal_order alpha 0) as [H|[->|H]]; [|easy|].
  - destruct (mean_value (fun x => tilted x z) (fun _ => 0) alpha 0) as [_ [_ E]]; auto; lra.
  - destruct (mean_value (fun x => tilted x z) (fun _ => 0) 0 alpha) as [_ [_ E]]; auto; lra.
Qed.

(** [peak-sign] Remark 3.4.  A peak lies at positive strength exactly when the token's log-odds
    exceed the mean log-odds of the unsteered context. *)
Theorem peak_sign_mean z c : not_constant vocab M -> mean c = M z -> (0 < c <-> mean 0 < M z).
Proof. intros Hn <-; symmetry; now apply increasing_lt_iff, mean_increasing. Qed.

End Peaks.
