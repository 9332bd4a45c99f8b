(** * Few texts make steering look dearer than it is

    The cost of a vector is convex in what it adds to the logits, so the reciprocal of the strength
    that spends a budget is convex in the vector, and noise in the vector is paid for. *)

From SteeringStrength Require Import analysis tilting cross_entropy peak_sign estimation.

Section Bias.

Context {T J O : Type} (vocab : list T) (contexts : list J) (pi : J -> R) (p : J -> T -> R).
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
Context (outcomes : list O) (r : O -> R) (M : O -> T -> R) (alpha : O -> R).
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

(** ** Along a line *)

Section Curvature.

Context {T J : Type} (vocab : list T) (contexts : list J) (pi : J -> R) (p : J -> T -> R)
  (M D : T -> R).
Hypothesis pi_pos : forall j, In j contexts -> 0 < pi j.
Hypothesis pi_total : Sum contexts pi = 1.
Hypothesis p_pos : forall j z, In z vocab -> 0 < p j z.
Hypothesis p_total : forall j, Sum vocab (p j) = 1.

Notation over := (over contexts pi).
Notation moved t := (fun z => M z + t * D z).
Notation steered j alpha t := (tilted vocab (p j) (moved t) alpha).
Notation E j alpha t := (E vocab (p j) (moved t) alpha).
Notation increase := (increase vocab contexts pi p).

(** What steering adds to the mean of [f], a covariance under the steered distributions, and how the
    added logits move with the strength and the vector. *)
Definition gained (alpha t : R) (f : T -> R) : R :=
  over (fun j => Sum vocab (fun z => (steered j alpha t z - p j z) * f z)).
Definition covariance (alpha t : R) (f g : T -> R) : R :=
  over (fun j => E j alpha t (fun z => f z * (g z - E j alpha t g))).
Definition push (alpha t a b : R) (z : T) : R := a * (M z + t * D z) + alpha * b * D z.

(** The derivative of the reciprocal of the strength that spends a budget ([influence]). *)
Definition rate (alpha t : R) : R := gained alpha t D / (alpha * gained alpha t (moved t)).

Lemma gained_path (f : R -> T -> R) (df : T -> R) (a b : R -> R) (a' b' s : R) :
  is_derive a s a' -> is_derive b s b' -> (forall z, is_derive (fun s => f s z) s (df z)) ->
  is_derive (fun s => gained (a s) (b s) (f s)) s
    (gained (a s) (b s) df + covariance (a s) (b s) (f s) (push (a s) (b s) a' b')).
Proof.
  intros Ha Hb Hf; set (u := fun s z => a s * (M z + b s * D z)).
  assert (Hu : forall j s z, tilted vocab (p j) (u s) 1 z = steered j (a s) (b s) z).
  { intros; unfold tilted, K, Z, u; rewrite Rmult_1_l; do 4 f_equal.
    apply Sum_ext; intros; now rewrite Rmult_1_l. }
  assert (Hpush : forall z, is_derive (fun s => u s z) s (push (a s) (b s) a' b' z)).
  { intros z; eapply is_derive_value.
    - apply (is_derive_product a (fun s => M z + b s * D z)); [exact Ha|].
      apply @is_derive_plus; [apply @is_derive_const|].
      apply (is_derive_product b (fun _ => D z)); [exact Hb|apply @is_derive_const].
    - unfold push, zero, plus; simpl; ring. }
  eapply is_derive_value.
  - apply (over_derive contexts pi (fun j s => Sum vocab (fun z =>
      (steered j (a s) (b s) z - p j z) * f s z)) (fun j s => Sum vocab (fun z =>
      (steered j (a s) (b s) z - p j z) * df z + steered j (a s) (b s) z * (f s z * (
        push (a s) (b s) a' b' z - E j (a s) (b s) (push (a s) (b s) a' b')))))).
    intros j; apply (is_derive_Sum vocab (fun z s => (steered j (a s) (b s) z - p j z) * f s z)
      (fun z s => (steered j (a s) (b s) z - p j z) * df z + steered j (a s) (b s) z * (f s z * (
        push (a s) (b s) a' b' z - E j (a s) (b s) (push (a s) (b s) a' b'))))); intros z _.
    eapply is_derive_value.
    + apply is_derive_product; [|apply Hf].
      apply is_derive_difference; [|apply @is_derive_const].
      apply (is_derive_ext (fun s => tilted vocab (p j) (u s) 1 z)); [intros; apply Hu|].
      apply (tilted_path vocab (p j) u _ s 1 (p_pos j) (p_total j) Hpush z).
    + unfold zero; simpl; unfold tilting.E.
      rewrite Hu, (Sum_ext vocab (fun z => tilted vocab (p j) (u s) 1 z * _) (fun z =>
        steered j (a s) (b s) z * push (a s) (b s) a' b' z)) by (intros; now rewrite Hu); ring.
  - unfold gained, covariance; rewrite <- over_plus; apply over_ext; intros j _.
    now rewrite Sum_plus.
Qed.

Lemma covariance_value alpha t f g :
  covariance alpha t f g
  = over (fun j => E j alpha t (fun z => f z * g z) - E j alpha t f * E j alpha t g).
Proof.
  apply over_ext; intros j _.
  rewrite (E_ext vocab (p j) (moved t) alpha _ (fun z => f z * g z - E j alpha t g * f z))
    by (intros; ring).
  rewrite E_minus, E_scal; ring.
Qed.

Lemma covariance_sym alpha t f g : covariance alpha t f g = covariance alpha t g f.
Proof.
  rewrite !covariance_value; apply over_ext; intros j _; rewrite (Rmult_comm (E j alpha t f)).
  f_equal; apply E_ext; intros; ring.
Qed.

Lemma covariance_push alpha t a b f :
  covariance alpha t f (push alpha t a b)
  = a * covariance alpha t f (moved t) + alpha * b * covariance alpha t f D.
Proof.
  rewrite !covariance_value, <- !over_scal, <- over_plus; apply over_ext; intros j _; unfold push.
  rewrite E_plus, !E_scal, (E_ext vocab (p j) (moved t) alpha _ (fun z =>
    a * (f z * (M z + t * D z)) + alpha * b * (f z * D z))) by (intros; ring).
  rewrite E_plus, !E_scal; ring.
Qed.

Lemma rate_path (a b : R -> R) (a' b' s : R) :
  let c := gained (a s) (b s) in let cov := covariance (a s) (b s) in
  let m := moved (b s) in let u := push (a s) (b s) a' b' in
  is_derive a s a' -> is_derive b s b' -> 0 < a s -> 0 < c m ->
  is_derive (fun s => rate (a s) (b s)) s (cov D u / (a s * c m)
    - c D * (a' * c m + a s * (b' * c D + cov m u)) / (a s * c m) ^ 2).
Proof.
  intros c cov m u Ha Hb Hpos Hm; eapply is_derive_value.
  - apply (is_derive_div (fun s => gained (a s) (b s) D)
      (fun s => a s * gained (a s) (b s) (moved (b s)))).
    + apply (gained_path (fun _ => D) (fun _ => 0) a b); [exact Ha|exact Hb|].
      intros; apply @is_derive_const.
    + apply is_derive_product; [exact Ha|].
      apply (gained_path (fun s => moved (b s)) (fun z => b' * D z) a b); [exact Ha|exact Hb|].
      intros z; eapply is_derive_value.
      * apply @is_derive_plus; [apply @is_derive_const|].
        apply (is_derive_product b (fun _ => D z)); [exact Hb|apply @is_derive_const].
      * unfold plus, zero; simpl; ring.
    + now apply Rgt_not_eq, Rmult_lt_0_compat.
  - cbv beta; fold c cov m u; assert (Hzero : c (fun _ => 0) = 0).
    { apply over_zero; intros; apply Sum_zero; intros; ring. }
    assert (Hscal : c (fun z => b' * D z) = b' * c D).
    { unfold c, gained; rewrite <- over_scal; apply over_ext; intros.
      rewrite <- Sum_scal; apply Sum_ext; intros; ring. }
    rewrite Hzero, Hscal; unfold minus, plus, opp; simpl; field; lra.
Qed.

(** Where the cost keeps its value, the rate changes by a variance: that of what is pushed. *)
Definition speed (alpha t : R) : R := - alpha * gained alpha t D / gained alpha t (moved t).
Definition bend (alpha t : R) : R :=
  let u := push alpha t (speed alpha t) 1 in covariance alpha t u u.

Lemma bend_variance alpha t :
  let u := push alpha t (speed alpha t) 1 in
  bend alpha t = over (fun j => E j alpha t (fun z => (u z - E j alpha t u) ^ 2)).
Proof.
  intros u; apply over_ext; intros j _; fold u.
  rewrite (E_ext vocab (p j) (moved t) alpha (fun z => (u z - E j alpha t u) ^ 2) (fun z =>
    u z * (u z - E j alpha t u) - E j alpha t u * (u z - E j alpha t u))) by (intros; ring).
  rewrite E_minus, E_scal, (E_minus _ _ _ alpha u), E_const by auto; ring.
Qed.

(** [text-bias] Beyond the paper, curvature.  The rate has partial derivatives in the strength and
    along the line, and its derivative where the cost keeps its value is a variance. *)
Theorem text_bias_curvature alpha t :
  let c := gained alpha t in
  0 < alpha -> 0 < c (moved t) ->
  exists in_strength along : R,
    is_derive (fun a => rate a t) alpha in_strength /\ is_derive (rate alpha) t along /\
    speed alpha t * in_strength + along = bend alpha t / (alpha ^ 2 * c (moved t)).
Proof.
  intros c Ha Hc; do 2 eexists; split; [|split].
  - apply (rate_path (fun a => a) (fun _ => t) 1 0); auto; [apply @is_derive_id|].
    apply @is_derive_const.
  - apply (rate_path (fun _ => alpha) (fun t => t) 0 1); auto; [apply @is_derive_const|].
    apply @is_derive_id.
  - unfold bend; cbv zeta; rewrite (covariance_push _ _ _ _ (push _ _ _ _)).
    rewrite !(covariance_sym _ _ (push _ _ _ _)), !covariance_push.
    rewrite (covariance_sym alpha t (moved t) D); unfold speed; fold c; field; lra.
Qed.

Lemma gained_mean alpha t :
  gained alpha t (moved t)
  = over (fun j => mean vocab (p j) (moved t) alpha - mean vocab (p j) (moved t) 0).
Proof.
  apply over_ext; intros j _; rewrite mean_unsteered by easy; unfold mean, tilting.E.
  rewrite <- Sum_minus; apply Sum_ext; intros; ring.
Qed.

Lemma gained_pos alpha t :
  0 < alpha -> not_constant vocab (moved t) -> 0 < gained alpha t (moved t).
Proof.
  intros Ha Hv; rewrite gained_mean; apply over_pos; auto; intros j _.
  enough (mean vocab (p j) (moved t) 0 < mean vocab (p j) (moved t) alpha) by lra.
  apply mean_slope_increasing; auto.
Qed.

Section LevelCurve.

Context (root : R -> R) (budget : R).
Notation spends := (fun t => 0 < root t /\ increase (moved t) (root t) = budget).

(** The law [influence], at every point of the line. *)
Lemma root_derive t :
  locally t spends -> not_constant vocab (moved t) -> is_derive root t (speed (root t) t).
Proof.
  intros Hroot Hv; assert (E : forall s : R, t + (s - t) = s) by (intros; ring).
  apply (is_derive_ext (fun s => root (t + (s - t)))); [intros; now rewrite E|].
  eapply is_derive_value.
  - apply (is_derive_comp (fun s => root (t + s)) (fun s => s - t));
      [|auto_derive; [easy|reflexivity]].
    rewrite Rminus_eq_0; apply (influence vocab contexts pi p pi_pos pi_total p_pos p_total
      (fun s => moved (t + s)) D) with (budget := budget).
    + intros; auto_derive; [easy|ring].
    + now rewrite Rplus_0_r.
    + destruct Hroot as [e He]; exists e; intros s Hs; apply He.
      change (Rabs (t + s - t) < e); now replace (t + s - t) with (s - 0) by ring.
  - unfold scal; simpl; unfold mult; simpl; rewrite Rmult_1_l, !Rplus_0_r.
    unfold speed; rewrite gained_mean; unfold Rdiv; f_equal.
    rewrite over_scal; unfold gained; ring.
Qed.

(** [text-bias] Beyond the paper, level curve.  Along a line of vectors the reciprocal of the
    strength that spends a budget has a second derivative: a variance, over a positive number. *)
Theorem text_bias_level_curve :
  not_constant vocab (moved 0) -> locally 0 spends ->
  is_derive_n (fun t => / root t) 2 0
    (bend (root 0) 0 / (root 0 ^ 2 * gained (root 0) 0 (moved 0))) /\
  0 <= bend (root 0) 0 /\ 0 < gained (root 0) 0 (moved 0).
Proof.
  intros Hv Hroot; destruct (locally_singleton 0 _ Hroot) as [H0 _].
  assert (Hpos := gained_pos (root 0) 0 H0 Hv); split; [|split; [|easy]].
  - assert (Hnear : locally 0 (fun t => locally t spends /\ not_constant vocab (moved t))).
    { apply filter_and; [now apply locally_locally|].
      destruct Hv as (y & z & Hy & Hz & Hlt).
      assert (Hc : continuous (fun t => M z + t * D z - (M y + t * D y)) 0)
        by (apply (ex_derive_continuous (V := R_NormedModule)); auto_derive; easy).
      apply (filter_imp (fun t => 0 < M z + t * D z - (M y + t * D y)));
        [intros t Ht; exists y, z; repeat split; auto; lra|].
      apply (Hc (fun v => 0 < v)), open_gt; lra. }
    apply (is_derive_ext_loc (fun t => rate (root t) t)).
    + apply (filter_imp (fun t => locally t spends /\ not_constant vocab (moved t))); [|easy].
      intros t [Ht Hvt]; symmetry; apply is_derive_unique; eapply is_derive_value.
      * apply is_derive_inv; [now apply root_derive|].
        destruct (locally_singleton t _ Ht); lra.
      * destruct (locally_singleton t _ Ht) as [Hrt _]; assert (H := gained_pos (root t) t Hrt Hvt).
        unfold speed, rate; field; lra.
    + eapply is_derive_value;
        [apply (rate_path root (fun t => t) (speed (root 0) 0) 1); auto; [|apply @is_derive_id]|].
      * now apply root_derive.
      * unfold bend; cbv zeta; rewrite (covariance_push _ _ _ _ (push _ _ _ _)).
        rewrite (covariance_sym _ _ _ (moved 0)), (covariance_sym _ _ _ D).
        set (u := push _ _ _ _); unfold speed; field; lra.
  - rewrite bend_variance; apply over_nonneg; auto; intros j _.
    apply E_nonneg; auto; intros; apply pow2_ge_0.
Qed.

End LevelCurve.

End Curvature.

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
