(** * How far the quadratic law reaches

    One inequality does it: the third cumulant is at most the range of the log-odds times the
    variance.  It caps how fast the curvature of the increase can change, hence the ratio of the
    increase to its quadratic, from both sides and for every strength. *)

From SteeringStrength Require Import analysis tilting limits asymptotics cross_entropy cumulants
  budget.

(** ** One context *)

Section OneContext.

Context {T : Type} (vocab : list T) (p M : T -> R).
Hypothesis p_pos : forall z, In z vocab -> 0 < p z.
Hypothesis p_total : Sum vocab p = 1.
Variables low high : R.
Hypothesis range : forall z, In z vocab -> low <= M z <= high.

Notation E := (E vocab p M).
Notation mean := (mean vocab p M).
Notation Var := (Var vocab p M).
Notation third := (central vocab p M 3).

Lemma mean_range alpha : low <= mean alpha <= high.
Proof. split; [apply mean_ge|apply mean_le]; auto; intros z Hz; apply range, Hz. Qed.

Lemma E_deviation alpha : E alpha (fun z => M z - mean alpha) = 0.
Proof. rewrite E_minus, E_const by easy; apply Rminus_diag_eq; reflexivity. Qed.

(** The variance of a variable between two bounds. *)
Lemma Var_range alpha : Var alpha <= (mean alpha - low) * (high - mean alpha).
Proof.
  assert (H : 0 <= E alpha (fun z => (high - M z) * (M z - low))).
  { apply E_nonneg; auto; intros z Hz; specialize (range z Hz).
    apply Rmult_le_pos; lra. }
  rewrite (E_ext _ _ _ _ _ (fun z => (mean alpha - low) * (high - mean alpha)
    + ((high + low - 2 * mean alpha) * (M z - mean alpha) - (M z - mean alpha) ^ 2))) in H
    by (intros; ring).
  rewrite E_plus, E_const, E_minus, E_scal, E_deviation in H by easy.
  fold (Var alpha) in H; lra.
Qed.

Lemma Var_quarter alpha : Var alpha <= (high - low) ^ 2 / 4.
Proof.
  generalize (Var_range alpha) (pow2_ge_0 (2 * mean alpha - low - high)).
  generalize (mean alpha) (Var alpha); intros; nra.
Qed.

(** An upper bound on the third cumulant that sees only the upper side of the range: the mean of
    [(b - X) (X - s)^2] is not negative, for the [s] that makes it smallest. *)
Lemma third_upper alpha :
  let b := high - mean alpha in third alpha * b <= Var alpha * (b ^ 2 - Var alpha).
Proof.
  intros b; destruct (mean_range alpha) as [_ Hb].
  assert (Hpoly : forall s, 0 <= b * Var alpha + b * s ^ 2 - third alpha - 2 * s * Var alpha).
  { intros s; assert (H : 0 <= E alpha (fun z => (high - M z) * (M z - mean alpha + s) ^ 2)).
    { apply E_nonneg; auto; intros z Hz; specialize (range z Hz).
      apply Rmult_le_pos; [lra|apply pow2_ge_0]. }
    rewrite (E_ext _ _ _ _ _ (fun z => b * s ^ 2 + ((2 * s * b - s ^ 2) * (M z - mean alpha)
      + ((b - 2 * s) * (M z - mean alpha) ^ 2 - (M z - mean alpha) ^ 3)))) in H
      by (intros; unfold b; ring).
    rewrite E_plus, E_const, E_plus, E_scal, E_deviation, E_minus in H by easy.
    rewrite (E_scal vocab p M alpha (b - 2 * s)) in H.
    fold (Var alpha) in H; fold (third alpha) in H; lra. }
  destruct (Req_dec b 0) as [Hb0|Hb0].
  - pose proof (Var_range alpha) as Hv; fold b in Hv; rewrite Hb0, Rmult_0_r in Hv.
    pose proof (mean_slope_nonnegative vocab p M p_pos p_total alpha); rewrite Hb0; nra.
  - specialize (Hpoly (Var alpha / b)); apply (Rmult_le_compat_r b) in Hpoly; [|unfold b; lra].
    field_simplify in Hpoly; [lra|easy].
Qed.

(** [ce-radius] Sharpens Thm 3.8, the form that is used.  The curvature of the increase changes at a
    relative rate of at most the range of the log-odds. *)
Theorem ce_radius alpha : Rabs (third alpha) <= (high - low) * Var alpha.
Proof.
  assert (H : forall c, -1 <= c <= 1 -> c * third alpha <= (high - low) * Var alpha).
  { intros c Hc; unfold central, tilting.Var; rewrite <- !E_scal; apply E_le; auto; intros z Hz.
    destruct (mean_range alpha); specialize (range z Hz); set (x := M z - mean alpha).
    replace (c * x ^ 3) with (c * x * x ^ 2) by ring; apply Rmult_le_compat_r; [nra|].
    unfold x; nra. }
  apply Rabs_le; generalize (H 1) (H (-1)); lra.
Qed.

Lemma third_bound alpha : third alpha <= Var alpha * sqrt ((high - low) ^ 2 - 4 * Var alpha).
Proof.
  pose proof (third_upper alpha) as Hu; simpl in Hu; pose proof (Var_range alpha) as Hv.
  destruct (mean_range alpha) as [Ha Hb].
  pose proof (proj1 (Rabs_le_between _ _) (ce_radius alpha)) as Hcap.
  set (b := high - mean alpha) in *; set (a := mean alpha - low) in *.
  replace (high - low) with (a + b) in * by (unfold a, b; ring).
  destruct (mean_slope_nonnegative vocab p M p_pos p_total alpha) as [H0|H0];
    [|rewrite <- H0 in *; lra].
  assert (Hb0 : 0 < b) by (unfold b in *; nra).
  set (w := Var alpha / b).
  assert (Hw : Var alpha = w * b) by (unfold w; field; lra).
  rewrite Hw in *; clearbody w; assert (w <= a) by nra; assert (0 <= w) by nra.
  apply Rle_trans with (w * b * (b - w)); [nra|].
  apply Rmult_le_compat_l; [nra|]; apply Rle_trans with (sqrt ((b - w) ^ 2)).
  - rewrite <- Rsqr_pow2, sqrt_Rsqr_abs; apply Rle_abs.
  - apply sqrt_le_1_alt; nra.
Qed.

End OneContext.

Section Cumulant.

Context {T : Type} (vocab : list T) (p M : T -> R).
Hypothesis p_pos : forall z, In z vocab -> 0 < p z.
Hypothesis p_total : Sum vocab p = 1.
Variables low high : R.
Hypothesis range : forall z, In z vocab -> low <= M z <= high.

Notation Var := (Var vocab p M).
Notation third := (central vocab p M 3).

Lemma opposite_range z : In z vocab -> - high <= - M z <= - low.
Proof. intros Hz; specialize (range z Hz); lra. Qed.

Lemma Var_opposite alpha : tilting.Var vocab p (fun z => - M z) alpha = Var (- alpha).
Proof.
  unfold tilting.Var; rewrite E_opposite, mean_opposite; apply E_ext; intros; ring.
Qed.

Lemma third_opposite alpha : central vocab p (fun z => - M z) 3 alpha = - third (- alpha).
Proof.
  unfold central; rewrite E_opposite, mean_opposite; unfold E; rewrite <- Sum_opp.
  apply Sum_ext; intros; ring.
Qed.

(** [ce-radius] Sharpens Thm 3.8, the inequality.  The third cumulant is at most the variance times
    the root of the squared range less four variances, with either sign. *)
Theorem ce_radius_third alpha :
  Rabs (third alpha) <= Var alpha * sqrt ((high - low) ^ 2 - 4 * Var alpha).
Proof.
  apply Rabs_le; split; [|now apply third_bound].
  pose proof (third_bound vocab p (fun z => - M z) p_pos p_total (- high) (- low)
    opposite_range (- alpha)) as H.
  rewrite third_opposite, Var_opposite, Ropp_involutive in H.
  replace (- low - - high) with (high - low) in H by ring; lra.
Qed.

End Cumulant.

(** ** A population of contexts *)

(** A positive function that changes at a relative rate of at most [r] stays between two
    exponentials. *)
Lemma gronwall (f df : R -> R) (r : R) :
  (forall t, is_derive f t (df t)) -> (forall t, Rabs (df t) <= r * f t) ->
  forall t, 0 <= t -> f 0 * exp (- r * t) <= f t <= f 0 * exp (r * t).
Proof.
  intros Hf Hdf t Ht.
  assert (Hderive : forall c s,
    is_derive (fun u => f u * exp (c * u)) s ((df s + c * f s) * exp (c * s))).
  { intros c s; eapply is_derive_value.
    - apply (is_derive_mult f (fun u => exp (c * u))); [apply Hf| |intros; apply Rmult_comm].
      apply (is_derive_ext (fun u => exp (u * c))); [intros; f_equal; ring|].
      apply is_derive_exp_scal.
    - unfold plus, mult; simpl; rewrite (Rmult_comm s c); ring. }
  assert (Hbound : forall s, - (r * f s) <= df s <= r * f s)
    by (intros s; apply Rabs_le_between, Hdf).
  assert (Hup : forall c, exp (c * t) * exp (- c * t) = 1)
    by (intros c; rewrite <- exp_plus, <- exp_0; f_equal; ring).
  split.
  - assert (H : f 0 * exp (r * 0) <= f t * exp (r * t)).
    { apply (nondecreasing (fun u => f u * exp (r * u)) _ (Hderive r)); [|easy].
      intros s; apply Rmult_le_pos; [specialize (Hbound s); lra|apply Rlt_le, exp_pos]. }
    rewrite Rmult_0_r, exp_0, Rmult_1_r in H.
    replace (f t) with (f t * exp (r * t) * exp (- r * t)) by (rewrite Rmult_assoc, Hup; ring).
    apply Rmult_le_compat_r; [apply Rlt_le, exp_pos|easy].
  - assert (H : f t * exp (- r * t) <= f 0 * exp (- r * 0)).
    { apply (nonincreasing (fun u => f u * exp (- r * u)) _ (Hderive (- r))); [|easy].
      intros s; specialize (Hbound s); generalize (exp_pos (- r * s)); nra. }
    rewrite Rmult_0_r, exp_0, Rmult_1_r in H.
    replace (f t) with (f t * exp (- r * t) * exp (r * t))
      by (rewrite Rmult_assoc, (Rmult_comm (exp _)), Hup; ring).
    apply Rmult_le_compat_r; [apply Rlt_le, exp_pos|easy].
Qed.

Section Population.

Context {T J : Type} (vocab : list T) (contexts : list J) (pi : J -> R) (p : J -> T -> R).
Hypothesis pi_pos : forall j, In j contexts -> 0 < pi j.
Hypothesis pi_total : Sum contexts pi = 1.
Hypothesis p_pos : forall j z, In z vocab -> 0 < p j z.
Hypothesis p_total : forall j, Sum vocab (p j) = 1.

Notation over := (over contexts pi).
Notation increase := (increase vocab contexts pi p).

Section Ahead.

Context (M : T -> R) (low high : R).
Hypothesis range : forall z, In z vocab -> low <= M z <= high.
Hypothesis wide : low < high.

Let V t := over (fun j => Var vocab (p j) M t).
Let width := high - low.

Lemma V_envelope t : 0 <= t -> V 0 * exp (- width * t) <= V t <= V 0 * exp (width * t).
Proof.
  apply gronwall with (fun t => over (fun j => central vocab (p j) M 3 t)); clear t; intros t.
  - apply (over_derive contexts pi (fun j t => Var vocab (p j) M t)
             (fun j t => central vocab (p j) M 3 t)); intros j.
    apply (is_derive_ext (central vocab (p j) M 2)); [reflexivity|].
    eapply is_derive_value; [apply central_derive; auto|].
    assert (H1 : central vocab (p j) M 1 t = 0); [|rewrite H1; ring].
    unfold central; rewrite (E_ext _ _ _ _ _ (fun z => M z - mean vocab (p j) M t))
      by (intros; ring).
    apply E_deviation; auto.
  - unfold V; rewrite <- over_scal; apply over_Rabs; auto; intros; apply ce_radius; auto.
Qed.

(** An envelope and its two derivatives. *)
Let envelope (r t : R) := V 0 * ((exp (r * t) - 1 - r * t) / r ^ 2).

Lemma envelope_derive r t : r <> 0 ->
  is_derive (envelope r) t (V 0 * ((exp (r * t) - 1) / r)) /\
  is_derive (fun s => V 0 * ((exp (r * s) - 1) / r)) t (V 0 * exp (r * t)).
Proof.
  intros Hr; unfold envelope; split; auto_derive; auto; field; auto.
Qed.

Lemma envelopes_ahead t : 0 <= t -> envelope (- width) t <= increase M t <= envelope width t.
Proof.
  assert (HR : width <> 0) by (unfold width; lra); assert (HR' : - width <> 0) by lra.
  assert (Hd : forall s, is_derive (increase M) s
    (over (fun j => mean vocab (p j) M s - mean vocab (p j) M 0)))
    by (intros; apply increase_derive; auto).
  assert (Hdd : forall s, is_derive
    (fun u => over (fun j => mean vocab (p j) M u - mean vocab (p j) M 0)) s (V s))
    by (intros; apply increase_slope_derive; auto).
  assert (H0 : forall r, envelope r 0 = 0)
    by (intros; unfold envelope; rewrite Rmult_0_r, exp_0; unfold Rdiv; ring).
  assert (H1 : forall r, V 0 * ((exp (r * 0) - 1) / r) = 0)
    by (intros; rewrite Rmult_0_r, exp_0; unfold Rdiv; ring).
  pose proof (increase_slope_0 vocab contexts pi p M) as Hs0.
  intros Ht; split.
  - apply (compare_second _ _ _ _ _ _ (fun s => proj1 (envelope_derive (- width) s HR'))
      (fun s => proj2 (envelope_derive (- width) s HR')) Hd Hdd); auto.
    + now rewrite H0, increase_0.
    + now rewrite H1, Hs0.
    + intros s Hs; now apply V_envelope.
  - apply (compare_second _ _ _ _ _ _ Hd Hdd (fun s => proj1 (envelope_derive width s HR))
      (fun s => proj2 (envelope_derive width s HR))); auto.
    + now rewrite H0, increase_0.
    + now rewrite H1, Hs0.
    + intros s Hs; now apply V_envelope.
Qed.

Lemma increase_eighth_ahead t : 0 <= t -> increase M t <= t ^ 2 * width ^ 2 / 8.
Proof.
  intros Ht.
  apply (compare_second (increase M) (fun s => over (fun j => mean vocab (p j) M s
    - mean vocab (p j) M 0)) V (fun s => s ^ 2 * width ^ 2 / 8) (fun s => s * width ^ 2 / 4)
    (fun _ => width ^ 2 / 4)); auto.
  - intros; apply increase_derive; auto.
  - intros; apply increase_slope_derive; auto.
  - intros; auto_derive; [easy|field].
  - intros; auto_derive; [easy|field].
  - rewrite increase_0; field.
  - rewrite increase_slope_0; field.
  - intros s _; unfold V; rewrite <- (over_const contexts pi pi_total (width ^ 2 / 4)).
    apply over_le; auto; intros; apply Var_quarter; auto.
Qed.

End Ahead.

Context (M : T -> R) (low high : R).
Hypothesis range : forall z, In z vocab -> low <= M z <= high.

Notation variance := (over (fun j => Var vocab (p j) M 0)).

Lemma variance_opposite : over (fun j => Var vocab (p j) (fun z => - M z) 0) = variance.
Proof. apply over_ext; intros; rewrite Var_opposite; now rewrite Ropp_0. Qed.

(** [ce-radius] Sharpens Thm 3.8, envelopes.  At every strength, of either sign, the increase lies
    between two explicit functions of x = |alpha| (max M - min M), times the variance. *)
Theorem ce_radius_envelopes alpha :
  low < high ->
  let x := Rabs alpha * (high - low) in
  variance * ((exp (- x) - 1 + x) / (high - low) ^ 2) <= increase M alpha
  <= variance * ((exp x - 1 - x) / (high - low) ^ 2).
Proof.
  intros Hwide x.
  assert (Hform : forall v w t, v * ((exp (- w * t) - 1 - - w * t) / (- w) ^ 2)
                              = v * ((exp (- (t * w)) - 1 + t * w) / w ^ 2)).
  { intros v w t; replace ((- w) ^ 2) with (w ^ 2) by ring.
    replace (- w * t) with (- (t * w)) by ring.
    do 2 f_equal; ring. }
  destruct (Rle_dec 0 alpha) as [Ha|Ha].
  - pose proof (envelopes_ahead M low high range Hwide alpha Ha) as H; cbv beta in H.
    unfold x; rewrite Rabs_pos_eq by easy; rewrite Hform, (Rmult_comm (high - low)) in H; exact H.
  - pose proof (envelopes_ahead (fun z => - M z) (- high) (- low)
      (opposite_range vocab M low high range) ltac:(lra) (- alpha) ltac:(lra)) as H; cbv beta in H.
    rewrite Hform, variance_opposite, increase_opposite, Ropp_involutive in H.
    replace (- low - - high) with (high - low) in H by ring.
    unfold x; rewrite Rabs_left by lra; rewrite (Rmult_comm (high - low)) in H; exact H.
Qed.

(** [ce-radius] Sharpens Thm 3.8, global bound.  The increase never exceeds an eighth of the squared
    strength times the squared range. *)
Theorem ce_radius_global alpha : increase M alpha <= alpha ^ 2 * (high - low) ^ 2 / 8.
Proof.
  destruct (Rle_dec 0 alpha) as [Ha|Ha]; [now apply increase_eighth_ahead|].
  pose proof (increase_eighth_ahead (fun z => - M z) (- high) (- low)
    (opposite_range vocab M low high range) (- alpha) ltac:(lra)) as H.
  rewrite increase_opposite, Ropp_involutive in H; eapply Rle_trans; [exact H|]; right; field.
Qed.

Hypothesis varied : not_constant vocab M.

Lemma wide : low < high.
Proof.
  destruct varied as (y & z & Hy & Hz & Hlt).
  generalize (range y Hy) (range z Hz); lra.
Qed.

Lemma variance_pos : 0 < variance.
Proof.
  apply over_pos; auto; intros; apply Var_pos; auto.
Qed.

(** The quadratic of Thm 3.8. *)
Definition quadratic_law alpha : R := / 2 * variance * alpha ^ 2.

(** [ce-radius] Sharpens Thm 3.8, ratio.  The ratio of the increase to its quadratic is known within
    two functions of x = |alpha| (max M - min M) alone. *)
Theorem ce_radius_ratio alpha :
  alpha <> 0 ->
  let x := Rabs alpha * (high - low) in
  2 * (exp (- x) - 1 + x) / x ^ 2 <= increase M alpha / quadratic_law alpha
  <= 2 * (exp x - 1 - x) / x ^ 2.
Proof.
  intros Ha x; pose proof variance_pos as Hv; pose proof wide as Hw.
  assert (Habs : 0 < Rabs alpha) by now apply Rabs_pos_lt.
  assert (Hq : 0 < quadratic_law alpha).
  { unfold quadratic_law; rewrite <- pow2_abs; apply Rmult_lt_0_compat; [lra|].
    now apply pow_lt. }
  assert (Hscale : forall e, 2 * e / x ^ 2
    = variance * (e / (high - low) ^ 2) / quadratic_law alpha).
  { intros e; unfold quadratic_law, x; rewrite <- (pow2_abs alpha); field; lra. }
  rewrite !Hscale; destruct (ce_radius_envelopes alpha Hw) as [Hl Hu]; fold x in Hl, Hu.
  split; (apply Rmult_le_compat_r; [now apply Rlt_le, Rinv_0_lt_compat|easy]).
Qed.

End Population.

(** ** Numbers *)

Lemma exp_derivatives k t : ex_derive_n exp k t.
Proof.
  apply smooth_derivatives; induction k as [|k IH]; [easy|].
  exists exp; split; [apply is_derive_exp|exact IH].
Qed.

Lemma exp_taylor n x : x <> 0 ->
  exists zeta, 0 < zeta / x < 1 /\
    exp x = sum_f_R0 (fun k => x ^ k / INR (fact k)) n + x ^ S n / INR (fact (S n)) * exp zeta.
Proof.
  intros Hx; destruct (taylor exp n x exp_derivatives Hx) as [zeta [Hz He]].
  exists zeta; split; [easy|]; rewrite He.
  rewrite (is_derive_n_unique _ _ _ _ (is_derive_n_exp (S n) zeta)); f_equal.
  apply sum_eq; intros k _; rewrite (is_derive_n_unique _ _ _ _ (is_derive_n_exp k 0)), exp_0; ring.
Qed.

Lemma exp_upper x : 0 < x <= 1 ->
  exp x <= 1 + x + x ^ 2 / 2 + x ^ 3 / 6 + x ^ 4 / 24 + x ^ 5 / 120 + x ^ 6 / 720 + x ^ 7 / 1680.
Proof.
  intros Hx; destruct (exp_taylor 6 x) as [zeta [Hz He]]; [lra|].
  assert (Hzeta : zeta < 1).
  { replace zeta with (zeta / x * x) by (field; lra); nra. }
  assert (H3 : exp zeta <= 3)
    by (eapply Rle_trans; [apply exp_nondecreasing, Rlt_le, Hzeta|apply exp_le_3]).
  assert (H7 : x ^ 7 / 5040 * exp zeta <= x ^ 7 / 5040 * 3)
    by (apply Rmult_le_compat_l; [|easy]; assert (0 < x ^ 7) by (apply pow_lt; lra); lra).
  rewrite He; cbn [sum_f_R0]; rewrite ?fact_simpl, ?mult_INR, ?S_INR; simpl INR; lra.
Qed.

Lemma exp_lower x : 0 < x -> 1 - x + x ^ 2 / 2 - x ^ 3 / 6 <= exp (- x).
Proof.
  intros Hx; destruct (exp_taylor 2 (- x)) as [zeta [Hz He]]; [lra|].
  assert (Hzeta : zeta < 0).
  { replace zeta with (- (zeta / - x * x)) by (field; lra); nra. }
  assert (H1 : exp zeta <= 1)
    by (rewrite <- exp_0; apply exp_nondecreasing; lra).
  assert (H : x ^ 3 / 6 * exp zeta <= x ^ 3 / 6 * 1)
    by (apply Rmult_le_compat_l; [|easy]; assert (0 < x ^ 3) by (apply pow_lt; lra); lra).
  rewrite He; cbn [sum_f_R0]; rewrite ?fact_simpl, ?mult_INR, ?S_INR; simpl INR; lra.
Qed.

(** Both sides of `ce_radius_ratio` are within [e] of 1 as long as the upper series is. *)
Lemma ratio_within x c e : 0 < x <= c -> c <= 1 ->
  c / 3 + c ^ 2 / 12 + c ^ 3 / 60 + c ^ 4 / 360 + c ^ 5 / 840 <= e ->
  1 - e <= 2 * (exp (- x) - 1 + x) / x ^ 2 /\ 2 * (exp x - 1 - x) / x ^ 2 <= 1 + e.
Proof.
  intros Hx Hc He; assert (Hx2 : 0 < x ^ 2) by (apply pow_lt; lra).
  assert (Hpow : forall k, x ^ k <= c ^ k) by (intros; apply pow_incr; lra).
  assert (Hcpow : forall k, 0 < c ^ k) by (intros; apply pow_lt; lra).
  pose proof (Hpow 2%nat); pose proof (Hpow 3%nat); pose proof (Hpow 4%nat).
  pose proof (Hpow 5%nat); pose proof (Hcpow 2%nat); pose proof (Hcpow 3%nat).
  pose proof (Hcpow 4%nat); pose proof (Hcpow 5%nat).
  split; [apply Rle_div_r|apply Rle_div_l]; auto.
  - apply Rle_trans with (x ^ 2 * (1 - x / 3)); [rewrite Rmult_comm; apply Rmult_le_compat_l; lra|].
    pose proof (exp_lower x (proj1 Hx)); lra.
  - apply Rle_trans with
      (x ^ 2 * (1 + x / 3 + x ^ 2 / 12 + x ^ 3 / 60 + x ^ 4 / 360 + x ^ 5 / 840)).
    + assert (Hx1 : 0 < x <= 1) by lra; pose proof (exp_upper x Hx1); lra.
    + rewrite (Rmult_comm (1 + e)); apply Rmult_le_compat_l; lra.
Qed.

(** [ce-radius] Sharpens Thm 3.8, numbers.  The quadratic law is guaranteed within 1, 5 and 10 per
    cent for |alpha| (max M - min M) up to 0.0297, 0.1446 and 0.2793. *)
Theorem ce_radius_within {T J : Type} (vocab : list T) (contexts : list J) (pi : J -> R)
  (p : J -> T -> R) (M : T -> R) (low high alpha : R) :
  (forall j, In j contexts -> 0 < pi j) -> Sum contexts pi = 1 ->
  (forall j z, In z vocab -> 0 < p j z) -> (forall j, Sum vocab (p j) = 1) ->
  (forall z, In z vocab -> low <= M z <= high) -> not_constant vocab M -> alpha <> 0 ->
  let x := Rabs alpha * (high - low) in
  let ratio := increase vocab contexts pi p M alpha / quadratic_law vocab contexts pi p M alpha in
  (x <= 297 / 10000 -> Rabs (ratio - 1) <= 1 / 100) /\
  (x <= 1446 / 10000 -> Rabs (ratio - 1) <= 5 / 100) /\
  (x <= 2793 / 10000 -> Rabs (ratio - 1) <= 10 / 100).
Proof.
  intros Hpi Hpi1 Hp Hp1 Hrange Hv Ha x ratio.
  assert (Hx : 0 < x).
  { apply Rmult_lt_0_compat; [now apply Rabs_pos_lt|].
    generalize (wide vocab M low high Hrange Hv); lra. }
  destruct (ce_radius_ratio vocab contexts pi p Hpi Hpi1 Hp Hp1 M low high Hrange Hv alpha Ha)
    as [Hl Hu]; fold x ratio in Hl, Hu.
  assert (H : forall c e, x <= c -> c <= 1 ->
    c / 3 + c ^ 2 / 12 + c ^ 3 / 60 + c ^ 4 / 360 + c ^ 5 / 840 <= e -> Rabs (ratio - 1) <= e).
  { intros c e Hxc Hc He; destruct (ratio_within x c e) as [H1 H2]; [lra|easy|easy|].
    apply Rabs_le; lra. }
  repeat split; intros Hc; (eapply H; [exact Hc|lra|lra]).
Qed.

Lemma two_tokens_limit (x : R) :
  x <> 0 ->
  is_lim (fun theta => (ln (1 - theta + theta * exp x) - x * theta)
                       / (/ 2 * (theta * (1 - theta)) * x ^ 2)) 0
    (2 * (exp x - 1 - x) / x ^ 2).
Proof.
  intros Hx.
  set (f := fun theta => ln (1 - theta + theta * exp x) - x * theta).
  assert (Hd : is_derive f 0 (exp x - 1 - x)).
  { unfold f; auto_derive; [rewrite Rmult_0_l; lra|].
    rewrite Rmult_0_l; field; lra. }
  assert (Hf : is_lim (fun theta => f theta / theta) 0 (exp x - 1 - x)).
  { apply is_lim_spec; intros e; apply is_derive_Reals in Hd.
    destruct (Hd e (cond_pos e)) as [delta Hdelta]; exists delta; intros t Ht Ht0.
    change (Rabs (t + - 0) < delta) in Ht; rewrite Ropp_0, Rplus_0_r in Ht.
    specialize (Hdelta t Ht0 Ht); rewrite Rplus_0_l in Hdelta.
    replace (f 0) with 0 in Hdelta; [now rewrite Rminus_0_r in Hdelta|].
    unfold f; replace (1 - 0 + 0 * exp x) with 1 by ring; rewrite ln_1; ring. }
  apply is_lim_ext_loc with (fun theta => f theta / theta * / (/ 2 * (1 - theta) * x ^ 2)).
  - exists (mkposreal 1 Rlt_0_1); intros t Ht Ht0.
    change (Rabs (t + - 0) < 1) in Ht; rewrite Ropp_0, Rplus_0_r in Ht; apply Rabs_def2 in Ht.
    unfold f; field; lra.
  - apply (is_lim_value _ _ ((exp x - 1 - x) * / (/ 2 * (1 - 0) * x ^ 2))); [|field; lra].
    apply lim_mult; [exact Hf|apply lim_inv].
    + apply lim_mult; [apply lim_mult; [apply is_lim_const|]|apply is_lim_const].
      apply is_lim_minus'; [apply is_lim_const|apply is_lim_id].
    + rewrite Rminus_0_r, Rmult_1_r; assert (0 < x ^ 2) by now apply pow2_gt_0. lra.
Qed.

(** [ce-radius] Sharpens Thm 3.8, sharpness.  Neither bound on the ratio can be improved: two tokens
    whose log-odds differ by 1, the favoured one with probability theta, approach the upper bound
    at every strength x > 0 and the lower one at every x < 0, as theta tends to 0. *)
Theorem ce_radius_sharp (x : R) :
  x <> 0 ->
  let p theta (_ : unit) (favoured : bool) := if favoured then theta else 1 - theta in
  let M (favoured : bool) := if favoured then 1 else 0 in
  filterlim (fun theta =>
      increase [true; false] [tt] (fun _ => 1) (p theta) M x
      / quadratic_law [true; false] [tt] (fun _ => 1) (p theta) M x)
    (at_right 0) (locally (2 * (exp x - 1 - x) / x ^ 2)).
Proof.
  intros Hx p M; pose proof (two_tokens_limit x Hx) as Hlim.
  apply filterlim_ext_loc with (fun theta => (ln (1 - theta + theta * exp x) - x * theta)
                       / (/ 2 * (theta * (1 - theta)) * x ^ 2)).
  - exists (mkposreal 1 Rlt_0_1); intros t Ht Ht0.
    change (Rabs (t + - 0) < 1) in Ht; rewrite Ropp_0, Rplus_0_r in Ht; apply Rabs_def2 in Ht.
    assert (Hp : forall j z, In z [true; false] -> 0 < p t j z)
      by (intros j [|] _; unfold p; lra).
    assert (Hp1 : forall j, Sum [true; false] (p t j) = 1) by (intros j; unfold p; simpl; ring).
    assert (Hmean : mean [true; false] (p t tt) M 0 = t).
    { unfold mean; rewrite E_0 by auto; unfold p, M; simpl; ring. }
    assert (HVar : Var [true; false] (p t tt) M 0 = t * (1 - t)).
    { unfold Var; rewrite E_0, Hmean by auto; unfold p, M; simpl; ring. }
    assert (HK : K [true; false] (p t tt) M x = ln (1 - t + t * exp x)).
    { unfold K, Z, p, M; simpl; rewrite Rmult_1_r, Rmult_0_r, exp_0; f_equal; ring. }
    rewrite ce_exact by auto; unfold quadratic_law, over; rewrite !Sum_cons, !Sum_nil.
    rewrite Hmean, HVar, HK; f_equal; [ring|f_equal; ring].
  - intros P HP; specialize (Hlim P HP); destruct Hlim as [d Hd]; exists d.
    intros y Hy Hy0; apply Hd; [exact Hy|lra].
Qed.

(** [ce-radius] Sharpens Thm 3.8, the constant of the global bound.  An eighth cannot be lowered:
    two equally likely tokens attain it as the strength goes to 0. *)
Theorem ce_radius_global_sharp :
  is_lim (fun alpha => increase [true; false] [tt] (fun _ => 1) (fun _ _ => / 2)
            (fun z : bool => if z then 1 else 0) alpha / alpha ^ 2) 0 (/ 8).
Proof.
  set (p := fun (_ : unit) (_ : bool) => / 2); set (M := fun z : bool => if z then 1 else 0).
  assert (Hp : forall j z, In z [true; false] -> 0 < p j z) by (intros; unfold p; lra).
  assert (Hp1 : forall j, Sum [true; false] (p j) = 1) by (intros; unfold p; simpl; lra).
  pose proof (ce_quadratic [true; false] [tt] (fun _ => 1) p M) as H.
  apply (is_lim_value _ _ (/ 2 * over [tt] (fun _ => 1) (fun j => Var [true; false] (p j) M 0)));
    [apply H; auto|].
  unfold over, Var; cbn [Sum fold_right]; rewrite E_0 by auto; unfold mean; rewrite E_0 by auto.
  unfold p, M; simpl; field.
Qed.
