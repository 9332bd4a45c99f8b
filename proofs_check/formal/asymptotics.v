(** * Limits of finite quantities, and expansions to second order

    Rules that the library of reals has in more general, hence longer, forms. *)

From SteeringStrength Require Import analysis.

Lemma lim_mult f g x (a b : R) :
  is_lim f x a -> is_lim g x b -> is_lim (fun t => f t * g t) x (a * b).
Proof. intros Hf Hg; apply (is_lim_mult f g x a b Hf Hg); reflexivity. Qed.

Lemma lim_continuous f x (a : R) (g : R -> R) :
  is_lim f x a -> continuous g a -> is_lim (fun t => g (f t)) x (g a).
Proof. intros Hf Hg; exact (filterlim_comp _ _ _ f g _ _ _ Hf Hg). Qed.

Lemma lim_inv f x (a : R) : is_lim f x a -> a <> 0 -> is_lim (fun t => / f t) x (/ a).
Proof. intros Hf Ha; apply (lim_continuous f x a Rinv Hf), continuous_Rinv, Ha. Qed.

Lemma lim_sqrt f x (a : R) : is_lim f x a -> is_lim (fun t => sqrt (f t)) x (sqrt a).
Proof. intros Hf; apply (lim_continuous f x a sqrt Hf), continuous_sqrt. Qed.

Lemma lim_pos f x (a : R) : is_lim f x a -> 0 < a -> Rbar_locally' x (fun t => 0 < f t).
Proof. intros Hf Ha; exact (Hf (fun y => 0 < y) (open_gt 0 a Ha)). Qed.

Lemma lim_far_inv : is_lim (fun t => / t) p_infty 0.
Proof. apply (is_lim_inv (fun t => t) p_infty p_infty); [apply is_lim_id|discriminate]. Qed.

(** A bounded quantity divided by the strength vanishes. *)
Lemma lim_bounded_over f (bound : R) :
  (forall t, Rabs (f t) <= bound) -> is_lim (fun t => f t / t) p_infty 0.
Proof.
  intros H; apply (is_lim_le_le_loc (fun t => - bound * / t) (fun t => bound * / t)).
  - exists 0; intros t Ht; specialize (H t); apply Rabs_le_between in H.
    apply Rinv_0_lt_compat in Ht; unfold Rdiv; split; apply Rmult_le_compat_r; lra.
  - apply (is_lim_value _ _ (- bound * 0)); [|lra].
    apply lim_mult; [apply is_lim_const|apply lim_far_inv].
  - apply (is_lim_value _ _ (bound * 0)); [|lra].
    apply lim_mult; [apply is_lim_const|apply lim_far_inv].
Qed.

(** An exponential beats a line. *)
Lemma lim_exp_beats_line (c : R) : 0 < c -> is_lim (fun t => t * exp (- t * c)) p_infty 0.
Proof.
  intros Hc; apply is_lim_ext with (fun t => - / c * ((- c * t) * exp (- c * t))).
  { intros t; replace (- c * t) with (- t * c) by ring; field; lra. }
  apply (is_lim_value _ _ (- / c * 0)); [|ring].
  apply lim_mult; [apply is_lim_const|].
  apply (is_lim_comp (fun y => y * exp y) (fun t => - c * t) p_infty 0 m_infty);
    [apply is_lim_mul_exp_m| |now exists 0].
  apply is_lim_spec; intros b; exists (- b / c); intros t Ht.
  apply (Rmult_lt_compat_r c) in Ht; [|easy]; unfold Rdiv in Ht.
  rewrite Rmult_assoc, Rinv_l in Ht; lra.
Qed.

(** The other end of the line, for limits that may be infinite. *)
Lemma lim_minus_infinity f l : is_lim (fun t => f (- t)) p_infty l -> is_lim f m_infty l.
Proof.
  intros H; apply is_lim_ext with (fun t => f (- - t)); [intros t; f_equal; lra|].
  apply (is_lim_comp (fun t => f (- t)) Ropp m_infty l p_infty H); [|now exists 0].
  apply (is_lim_opp (fun t => t) m_infty m_infty), is_lim_id.
Qed.

(** The derivative at 0 as a limit of difference quotients. *)
Lemma is_derive_quotient (f : R -> R) (d : R) :
  is_lim (fun t => (f t - f 0) / t) 0 d <-> is_derive f 0 d.
Proof.
  split; intros H; [apply is_derive_Reals; apply is_lim_spec in H|apply is_derive_Reals in H];
    [|apply is_lim_spec]; intros eps.
  - intros He; destruct (H (mkposreal eps He)) as [delta Hd]; exists delta; intros t Ht0 Ht.
    rewrite Rplus_0_l; apply (Hd t); [|easy].
    change (Rabs (t - 0) < delta); now rewrite Rminus_0_r.
  - destruct (H eps (cond_pos eps)) as [delta Hd]; exists delta; intros t Ht Ht0.
    change (Rabs (t - 0) < delta) in Ht; rewrite Rminus_0_r in Ht.
    specialize (Hd t Ht0 Ht); now rewrite Rplus_0_l in Hd.
Qed.

(** ** Second order *)

(** A function that is flat at 0, with curvature [c] there, is [c t^2 / 2] to second order: the
    slope stays within [e |t|] of [c t], so the mean value theorem keeps the function within
    [e t^2] of [c t^2 / 2].  No continuity of the second derivative is needed. *)
Lemma second_order (f df : R -> R) (c : R) :
  (forall t, is_derive f t (df t)) -> f 0 = 0 -> df 0 = 0 -> is_derive df 0 c ->
  is_lim (fun t => f t / t ^ 2) 0 (c / 2).
Proof.
  intros Hf Hf0 Hdf0 Hdf; apply is_lim_spec; intros e.
  apply is_derive_Reals in Hdf.
  destruct (Hdf (e / 2)) as [delta Hdelta]; [destruct e; simpl; lra|].
  assert (Hslope : forall s, Rabs s < delta -> Rabs (df s - c * s) <= e / 2 * Rabs s).
  { intros s Hs; destruct (Req_dec s 0) as [->|Hs0].
    - rewrite Hdf0, Rabs_R0, Rmult_0_r, Rminus_0_r, Rabs_R0; lra.
    - specialize (Hdelta s Hs0 Hs); rewrite Rplus_0_l, Hdf0 in Hdelta.
      replace (df s - c * s) with (((df s - 0) / s - c) * s) by now field.
      rewrite Rabs_mult; apply Rmult_le_compat_r; [apply Rabs_pos|lra]. }
  exists delta; intros t Ht Ht0.
  change (Rabs (t + - 0) < delta) in Ht; rewrite Ropp_0, Rplus_0_r in Ht.
  destruct (MVT_gen (fun s => f s - c / 2 * s ^ 2) 0 t (fun s => df s - c * s))
    as [s [Hs He]].
  1, 2: intros s _.
  - apply @is_derive_minus; [apply Hf|auto_derive; [easy|field]].
  - apply (derive_continuity _ _ (minus (df s) (c * s))).
    apply @is_derive_minus; [apply Hf|auto_derive; [easy|field]].
  - assert (Hst : Rabs s <= Rabs t).
    { revert Hs; unfold Rmin, Rmax; destruct (Rle_dec 0 t); unfold Rabs;
        destruct (Rcase_abs s), (Rcase_abs t); lra. }
    specialize (Hslope s (Rle_lt_trans _ _ _ Hst Ht)).
    assert (0 < t ^ 2) by now apply pow2_gt_0.
    replace (f t / t ^ 2 - c / 2) with ((df s - c * s) * t / t ^ 2).
    2: { replace ((df s - c * s) * t) with (f t - c / 2 * t ^ 2) by (rewrite Hf0 in He; lra).
         now field. }
    unfold Rdiv; rewrite !Rabs_mult, Rabs_inv, (Rabs_pos_eq (t ^ 2)) by lra.
    apply Rmult_lt_reg_r with (t ^ 2); [lra|].
    replace (Rabs (df s - c * s) * Rabs t * / t ^ 2 * t ^ 2)
      with (Rabs (df s - c * s) * Rabs t) by (field; lra).
    assert (Rabs t * Rabs t = t ^ 2) by (rewrite <- (pow2_abs t); ring).
    assert (0 < e) by apply cond_pos.
    assert (Rabs (df s - c * s) * Rabs t <= e / 2 * Rabs t * Rabs t); [|nra].
    apply Rmult_le_compat_r; [apply Rabs_pos|]; eapply Rle_trans; [apply Hslope|].
    apply Rmult_le_compat_l; lra.
Qed.

(** ** Convexity *)

(** Two functions that agree at 0 with their slopes are ordered as their second derivatives are. *)
Lemma compare_second (f df d2f g dg d2g : R -> R) :
  (forall t, is_derive f t (df t)) -> (forall t, is_derive df t (d2f t)) ->
  (forall t, is_derive g t (dg t)) -> (forall t, is_derive dg t (d2g t)) ->
  f 0 = g 0 -> df 0 = dg 0 -> (forall t, 0 <= t -> d2f t <= d2g t) ->
  forall t, 0 <= t -> f t <= g t.
Proof.
  intros Hf Hdf Hg Hdg H0 H1 H2.
  assert (Hslope : forall t, 0 <= t -> df t <= dg t).
  { intros t [Ht| <-]; [|lra].
    destruct (mean_value (fun s => dg s - df s) (fun s => d2g s - d2f s) 0 t Ht) as [c [Hc He]].
    - intros s _; apply @is_derive_minus; auto.
    - assert (0 <= (d2g c - d2f c) * (t - 0)) by (apply Rmult_le_pos; [specialize (H2 c)|]; lra).
      lra. }
  intros t [Ht| <-]; [|lra].
  destruct (mean_value (fun s => g s - f s) (fun s => dg s - df s) 0 t Ht) as [c [Hc He]].
  - intros s _; apply @is_derive_minus; auto.
  - assert (0 <= (dg c - df c) * (t - 0)) by (apply Rmult_le_pos; [specialize (Hslope c)|]; lra).
    lra.
Qed.

(** A strictly increasing slope makes a function strictly convex: a chord lies above it. *)
Lemma strictly_convex (f df : R -> R) :
  (forall t, is_derive f t (df t)) -> (forall a b, a < b -> df a < df b) ->
  forall a b s, a < b -> 0 < s < 1 -> f ((1 - s) * a + s * b) < (1 - s) * f a + s * f b.
Proof.
  intros Hf Hdf a b s Hab Hs; set (c := (1 - s) * a + s * b).
  assert (Hac : a < c < b) by (unfold c; nra).
  destruct (mean_value f df a c) as [x [Hx Ex]]; [lra|auto|].
  destruct (mean_value f df c b) as [y [Hy Ey]]; [lra|auto|].
  assert (df x < df y) by (apply Hdf; lra).
  assert (Hca : c - a = s * (b - a)) by (unfold c; ring).
  assert (Hbc : b - c = (1 - s) * (b - a)) by (unfold c; ring).
  rewrite Hca in Ex; rewrite Hbc in Ey.
  assert (0 < s * (1 - s) * (b - a) * (df y - df x)) by (repeat apply Rmult_lt_0_compat; lra).
  replace (f c) with ((1 - s) * (f a + df x * (s * (b - a)))
                      + s * (f b - df y * ((1 - s) * (b - a)))) by (rewrite <- Ex, <- Ey; ring).
  lra.
Qed.

(** A strictly increasing slope that vanishes at 0: the function falls before 0 and rises after. *)
Lemma valley (f df : R -> R) :
  (forall t, is_derive f t (df t)) -> (forall a b, a < b -> df a < df b) -> df 0 = 0 ->
  (forall a b, 0 <= a < b -> f a < f b) /\ (forall a b, a < b <= 0 -> f b < f a).
Proof.
  intros Hf Hdf H0; split; intros a b Hab.
  - apply (increasing_between f df); [auto| |lra]; intros x Hx; rewrite <- H0; apply Hdf; lra.
  - apply (decreasing_between f df); [auto| |lra]; intros x Hx; rewrite <- H0; apply Hdf; lra.
Qed.
