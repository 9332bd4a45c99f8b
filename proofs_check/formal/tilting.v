(** * Exponential tilting

    A next-token distribution [p] on a finite vocabulary and the log-odds [M] that one unit of
    steering adds.  Steering with strength [alpha] tilts [p] exponentially; everything about it is
    read off [K], the cumulant generating function of [M].  No other assumption is made: any
    [p > 0] of total one, any real [M], any ties. *)

From SteeringStrength Require Import analysis.

(** The Kullback-Leibler divergence of [q] from [p], in nats. *)
Definition divergence {T : Type} (vocab : list T) (q p : T -> R) : R :=
  Sum vocab (fun z => q z * ln (q z / p z)).

Section Tilting.

Context {T : Type} (vocab : list T) (p M : T -> R).

Definition Z (alpha : R) : R := Sum vocab (fun z => p z * exp (alpha * M z)).
Definition K (alpha : R) : R := ln (Z alpha).
Definition tilted (alpha : R) (z : T) : R := p z * exp (alpha * M z - K alpha).
Definition E (alpha : R) (f : T -> R) : R := Sum vocab (fun z => tilted alpha z * f z).
Definition mean (alpha : R) : R := E alpha M.
Definition Var (alpha : R) : R := E alpha (fun z => (M z - mean alpha) ^ 2).

(** [M] takes at least two values on the vocabulary. *)
Definition not_constant : Prop := exists y z, In y vocab /\ In z vocab /\ M y < M z.

Hypothesis p_pos : forall z, In z vocab -> 0 < p z.
Hypothesis p_total : Sum vocab p = 1.

(** ** A tilted distribution is a distribution *)

Lemma vocab_nonempty : vocab <> [].
Proof. intros H; rewrite H in p_total; simpl in p_total; lra. Qed.

Lemma Z_pos alpha : 0 < Z alpha.
Proof.
  apply Sum_pos; [apply vocab_nonempty|].
  intros z Hz; apply Rmult_lt_0_compat; [auto|apply exp_pos].
Qed.

Lemma exp_K alpha : exp (K alpha) = Z alpha.
Proof. apply exp_ln, Z_pos. Qed.

Lemma tilted_ratio alpha z : tilted alpha z = p z * exp (alpha * M z) / Z alpha.
Proof.
  unfold tilted; rewrite <- exp_K; unfold Rminus; rewrite exp_plus, exp_Ropp.
  unfold Rdiv; ring.
Qed.

Lemma tilted_pos alpha z : In z vocab -> 0 < tilted alpha z.
Proof. intros Hz; apply Rmult_lt_0_compat; [auto|apply exp_pos]. Qed.

Lemma tilted_total alpha : Sum vocab (tilted alpha) = 1.
Proof.
  rewrite (Sum_ext _ _ (fun z => p z * exp (alpha * M z) / Z alpha))
    by (intros; apply tilted_ratio).
  rewrite Sum_div; apply Rinv_r, Rgt_not_eq, Z_pos.
Qed.

(** [tilting] Lemma B.3, normalisation.  A steered distribution gives every token of the vocabulary
    a positive probability and has total one: steering removes no token at finite strength. *)
Theorem tilting_distribution alpha :
  (forall z, In z vocab -> 0 < tilted alpha z) /\ Sum vocab (tilted alpha) = 1.
Proof. split; [intros; now apply tilted_pos|apply tilted_total]. Qed.

(** ** No steering *)

Lemma Z_0 : Z 0 = 1.
Proof.
  rewrite <- p_total; apply Sum_ext; intros z _.
  rewrite Rmult_0_l, exp_0; ring.
Qed.

Lemma K_0 : K 0 = 0.
Proof. unfold K; rewrite Z_0; apply ln_1. Qed.

Lemma tilted_0 z : tilted 0 z = p z.
Proof. unfold tilted; rewrite K_0, Rmult_0_l, Rminus_0_r, exp_0; ring. Qed.

Lemma E_0 f : E 0 f = Sum vocab (fun z => p z * f z).
Proof. apply Sum_ext; intros z _; now rewrite tilted_0. Qed.

(** ** Expectations *)

Lemma E_ext alpha f g : (forall z, In z vocab -> f z = g z) -> E alpha f = E alpha g.
Proof. intros H; apply Sum_ext; intros z Hz; now rewrite H. Qed.

Lemma E_const alpha c : E alpha (fun _ => c) = c.
Proof. unfold E; rewrite Sum_scal_r, tilted_total; ring. Qed.

Lemma E_plus alpha f g : E alpha (fun z => f z + g z) = E alpha f + E alpha g.
Proof. unfold E; rewrite <- Sum_plus; apply Sum_ext; intros; ring. Qed.

Lemma E_minus alpha f g : E alpha (fun z => f z - g z) = E alpha f - E alpha g.
Proof. unfold E; rewrite <- Sum_minus; apply Sum_ext; intros; ring. Qed.

Lemma E_scal alpha c f : E alpha (fun z => c * f z) = c * E alpha f.
Proof. unfold E; rewrite <- Sum_scal; apply Sum_ext; intros; ring. Qed.

Lemma E_le alpha f g : (forall z, In z vocab -> f z <= g z) -> E alpha f <= E alpha g.
Proof.
  intros H; apply Sum_le; intros z Hz.
  apply Rmult_le_compat_l; [now apply Rlt_le, tilted_pos|auto].
Qed.

Lemma E_lt alpha f g :
  (forall z, In z vocab -> f z <= g z) -> (exists z, In z vocab /\ f z < g z) ->
  E alpha f < E alpha g.
Proof.
  intros H [z [Hz Hlt]]; apply Sum_lt.
  - intros y Hy; apply Rmult_le_compat_l; [now apply Rlt_le, tilted_pos|auto].
  - exists z; split; [easy|]; apply Rmult_lt_compat_l; [now apply tilted_pos|easy].
Qed.

Lemma E_nonneg alpha f : (forall z, In z vocab -> 0 <= f z) -> 0 <= E alpha f.
Proof. intros H; rewrite <- (E_const alpha 0); now apply E_le. Qed.

Lemma mean_le alpha c : (forall z, In z vocab -> M z <= c) -> mean alpha <= c.
Proof. intros H; rewrite <- (E_const alpha c); now apply E_le. Qed.

Lemma mean_ge alpha c : (forall z, In z vocab -> c <= M z) -> c <= mean alpha.
Proof. intros H; rewrite <- (E_const alpha c) at 1; now apply E_le. Qed.

Lemma mean_lt alpha c :
  (forall z, In z vocab -> M z <= c) -> (exists z, In z vocab /\ M z < c) -> mean alpha < c.
Proof. intros H He; rewrite <- (E_const alpha c); now apply E_lt. Qed.

Lemma mean_gt alpha c :
  (forall z, In z vocab -> c <= M z) -> (exists z, In z vocab /\ c < M z) -> c < mean alpha.
Proof. intros H He; rewrite <- (E_const alpha c) at 1; now apply E_lt. Qed.

Lemma mean_constant alpha c : (forall z, In z vocab -> M z = c) -> mean alpha = c.
Proof. intros H; unfold mean; rewrite (E_ext alpha M (fun _ => c)) by auto; apply E_const. Qed.

(** A covariance with [M] needs to be centred on one side only. *)
Lemma E_centred alpha f :
  E alpha (fun z => f z * (M z - mean alpha))
  = E alpha (fun z => (f z - E alpha f) * (M z - mean alpha)).
Proof.
  rewrite (E_ext alpha (fun z => (f z - E alpha f) * (M z - mean alpha))
             (fun z => f z * (M z - mean alpha) - E alpha f * (M z - mean alpha)))
    by (intros; ring).
  rewrite E_minus, E_scal, E_minus, E_const; fold (mean alpha); ring.
Qed.

(** ** Derivatives in the strength *)

Lemma Z_derive alpha : is_derive Z alpha (Z alpha * mean alpha).
Proof.
  eapply is_derive_value.
  - apply (is_derive_Sum vocab (fun z a => p z * exp (a * M z))
                               (fun z a => p z * (M z * exp (a * M z)))).
    intros z _; apply @is_derive_scal, is_derive_exp_scal.
  - unfold mean, E; rewrite <- Sum_scal; apply Sum_ext; intros z _.
    rewrite tilted_ratio; field; apply Rgt_not_eq, Z_pos.
Qed.

(** [mean-slope] Eq. (10), first derivative.  The slope of the cumulant generating function is the
    mean of the log-odds under the steered distribution. *)
Theorem mean_slope alpha : is_derive K alpha (mean alpha).
Proof.
  eapply is_derive_value.
  - apply (is_derive_comp ln Z); [apply is_derive_ln, Z_pos|apply Z_derive].
  - unfold scal; simpl; unfold mult; simpl; field; apply Rgt_not_eq, Z_pos.
Qed.

(** [slope] Lemma B.5.  A token gains probability exactly while its log-odds exceed the mean
    log-odds, at a rate proportional to the probability that it has. *)
Theorem slope alpha z :
  is_derive (fun a => tilted a z) alpha (tilted alpha z * (M z - mean alpha)).
Proof.
  assert (Hexp : is_derive (fun a => a * M z - K a) alpha (M z - mean alpha)).
  { apply @is_derive_minus; [|apply mean_slope]; auto_derive; [easy|ring]. }
  eapply is_derive_value.
  - apply @is_derive_scal, (is_derive_comp exp); [apply is_derive_exp|apply Hexp].
  - unfold scal; simpl; unfold mult; simpl; unfold tilted; ring.
Qed.

(** The derivative of an expectation is a covariance with the log-odds. *)
Lemma E_derive alpha f :
  is_derive (fun a => E a f) alpha (E alpha (fun z => f z * (M z - mean alpha))).
Proof.
  eapply is_derive_value.
  - apply (is_derive_Sum vocab (fun z a => tilted a z * f z)
                               (fun z a => tilted a z * (M z - mean a) * f z)).
    intros z _; apply (is_derive_ext (fun a => f z * tilted a z)); [intros; apply Rmult_comm|].
    eapply is_derive_value; [apply @is_derive_scal, slope|ring].
  - apply Sum_ext; intros; ring.
Qed.

(** [mean-slope] Eq. (10), second derivative.  The mean log-odds grow with the strength at a rate
    equal to their variance. *)
Theorem mean_slope_second alpha : is_derive mean alpha (Var alpha).
Proof.
  eapply is_derive_value; [apply E_derive|].
  rewrite E_centred; apply E_ext; intros; fold (mean alpha); ring.
Qed.

(** [mean-slope] Eq. (10), sign.  The variance is never negative: the cumulant generating function
    is convex. *)
Theorem mean_slope_nonnegative alpha : 0 <= Var alpha.
Proof. apply E_nonneg; intros; apply pow2_ge_0. Qed.

(** [mean-slope] Eq. (10), degenerate case.  The variance vanishes at some strength only if every
    token of the vocabulary has the same log-odds. *)
Theorem mean_slope_zero alpha :
  Var alpha = 0 <-> (forall y z, In y vocab -> In z vocab -> M y = M z).
Proof.
  split.
  - intros H0; assert (He : forall z, In z vocab -> M z = mean alpha).
    { intros z Hz; assert (Ht : tilted alpha z * (M z - mean alpha) ^ 2 = 0).
      { apply (Sum_nonneg_zero vocab (fun z => tilted alpha z * (M z - mean alpha) ^ 2)); auto.
        intros y Hy; apply Rmult_le_pos; [now apply Rlt_le, tilted_pos|apply pow2_ge_0]. }
      apply Rmult_integral in Ht; destruct Ht as [Ht|Ht].
      - generalize (tilted_pos alpha z Hz); lra.
      - apply Rminus_diag_uniq; destruct (Req_dec (M z - mean alpha) 0) as [|Hn]; [easy|].
        now apply pow_nonzero with (n := 2%nat) in Hn. }
    intros y z Hy Hz; now rewrite (He y), (He z).
  - intros Hc; rewrite <- (E_const alpha 0); apply E_ext; intros z Hz.
    rewrite (mean_constant alpha (M z)) by auto; ring.
Qed.

Lemma Var_pos alpha : not_constant -> 0 < Var alpha.
Proof.
  intros (y & z & Hy & Hz & Hlt).
  destruct (mean_slope_nonnegative alpha) as [H|H]; [easy|].
  symmetry in H; rewrite mean_slope_zero in H; rewrite (H y z) in Hlt by easy; lra.
Qed.

(** [mean-slope] Eq. (10), monotony.  Unless the log-odds are constant, their mean strictly
    increases with the strength. *)
Theorem mean_slope_increasing : not_constant -> forall a b, a < b -> mean a < mean b.
Proof.
  intros H; apply (increasing mean Var); [apply mean_slope_second|intros; now apply Var_pos].
Qed.

Lemma mean_continuity alpha : continuity_pt mean alpha.
Proof. eapply derive_continuity, mean_slope_second. Qed.

(** ** Divergences between steered and unsteered *)

Lemma ln_tilted_ratio alpha z : In z vocab -> ln (tilted alpha z / p z) = alpha * M z - K alpha.
Proof.
  intros Hz; specialize (p_pos z Hz); unfold tilted.
  replace (p z * exp (alpha * M z - K alpha) / p z) with (exp (alpha * M z - K alpha))
    by (field; lra).
  apply ln_exp.
Qed.

Lemma divergence_tilted alpha : divergence vocab (tilted alpha) p = alpha * mean alpha - K alpha.
Proof.
  unfold divergence; rewrite (Sum_ext _ _ (fun z => tilted alpha z * (alpha * M z - K alpha)))
    by (intros; now rewrite ln_tilted_ratio).
  change (E alpha (fun z => alpha * M z - K alpha) = alpha * mean alpha - K alpha).
  now rewrite E_minus, E_scal, E_const.
Qed.

Lemma divergence_to_tilted alpha : divergence vocab p (tilted alpha) = K alpha - alpha * mean 0.
Proof.
  unfold divergence; rewrite (Sum_ext _ _ (fun z => p z * (K alpha - alpha * M z))).
  - rewrite <- E_0, E_minus, E_scal, E_const; reflexivity.
  - intros z Hz; replace (p z / tilted alpha z) with (/ (tilted alpha z / p z)).
    + rewrite ln_Rinv, ln_tilted_ratio; [ring|easy|].
      apply Rdiv_lt_0_compat; [now apply tilted_pos|auto].
    + generalize (p_pos z Hz) (tilted_pos alpha z Hz); intros; field; lra.
Qed.

End Tilting.

(** ** The log-odds move, the strength does not *)

Section Path.

Context {T : Type} (vocab : list T) (p : T -> R) (M : R -> T -> R) (d : T -> R) (s alpha : R).
Hypothesis p_pos : forall z, In z vocab -> 0 < p z.
Hypothesis p_total : Sum vocab p = 1.
Hypothesis M_derive : forall z, is_derive (fun s => M s z) s (d z).

Lemma K_path : is_derive (fun s => K vocab p (M s) alpha) s (alpha * E vocab p (M s) alpha d).
Proof.
  eapply is_derive_value.
  - apply (is_derive_comp ln (fun s => Z vocab p (M s) alpha)); [now apply is_derive_ln, Z_pos|].
    apply (is_derive_Sum vocab (fun z s => p z * exp (alpha * M s z))
      (fun z s => p z * (alpha * d z * exp (alpha * M s z)))); intros z _.
    apply @is_derive_scal, (is_derive_comp exp (fun s => alpha * M s z));
      [apply is_derive_exp|apply @is_derive_scal, M_derive].
  - unfold scal; simpl; unfold mult; simpl; unfold E.
    rewrite <- Sum_scal_r, <- Sum_scal; apply Sum_ext; intros z _.
    rewrite tilted_ratio by easy; unfold Rdiv; ring.
Qed.

Lemma tilted_path z :
  is_derive (fun s => tilted vocab p (M s) alpha z) s
    (alpha * (tilted vocab p (M s) alpha z * (d z - E vocab p (M s) alpha d))).
Proof.
  eapply is_derive_value.
  - apply @is_derive_scal, (is_derive_comp exp (fun s => alpha * M s z - K vocab p (M s) alpha));
      [apply is_derive_exp|apply is_derive_difference; [apply @is_derive_scal, M_derive|]].
    apply K_path.
  - unfold scal; simpl; unfold mult; simpl; unfold tilted; ring.
Qed.

End Path.

(** ** Tilting twice, tilting by two vectors, tilting backwards *)

Section Composition.

Context {T : Type} (vocab : list T) (p M : T -> R).
Hypothesis p_pos : forall z, In z vocab -> 0 < p z.
Hypothesis p_total : Sum vocab p = 1.

(** Two forms of one distribution: what matters is the exponent up to a constant. *)
Lemma tilted_unique (q : T -> R) (c alpha : R) :
  0 < c -> (forall z, In z vocab -> q z = c * (p z * exp (alpha * M z))) -> Sum vocab q = 1 ->
  forall z, In z vocab -> q z = tilted vocab p M alpha z.
Proof.
  intros Hc Hq Ht z Hz; rewrite tilted_ratio, Hq by auto.
  assert (HZ : c * Z vocab p M alpha = 1).
  { rewrite <- Ht; unfold Z; rewrite <- Sum_scal; apply Sum_ext; intros; now rewrite Hq. }
  assert (0 < Z vocab p M alpha) by now apply Z_pos.
  replace c with (/ Z vocab p M alpha) by (apply (Rmult_eq_reg_r (Z vocab p M alpha)); [|lra];
    rewrite HZ; field; lra).
  unfold Rdiv; ring.
Qed.

(** [tilting] Lemma B.3, composition.  Steering by [alpha] and then by [beta] is steering by
    [alpha + beta]. *)
Theorem tilting_composition alpha beta z :
  In z vocab ->
  tilted vocab (tilted vocab p M alpha) M beta z = tilted vocab p M (alpha + beta) z.
Proof.
  intros Hz.
  apply (tilted_unique _ (exp (- K vocab p M alpha - K vocab (tilted vocab p M alpha) M beta)));
    [apply exp_pos| |apply tilted_total|easy].
  - intros y _; unfold tilted at 1; unfold tilted at 1; rewrite Rmult_assoc, <- exp_plus.
    rewrite <- Rmult_assoc, (Rmult_comm (exp _) (p y)), Rmult_assoc, <- exp_plus.
    do 2 f_equal; ring.
  - intros y Hy; now apply tilted_pos.
  - now apply tilted_total.
Qed.

(** [tilting] Lemma B.3, two vectors.  Steering along two vectors adds their log-odds. *)
Theorem tilting_two_vectors (N : T -> R) alpha beta z :
  In z vocab ->
  tilted vocab (tilted vocab p M alpha) N beta z
  = tilted vocab p (fun y => alpha * M y + beta * N y) 1 z.
Proof.
  intros Hz; rewrite !tilted_ratio; try easy;
    [|intros; now apply tilted_pos|now apply tilted_total].
  assert (HZ : 0 < Z vocab p M alpha) by now apply Z_pos.
  unfold Z at 2 3.
  rewrite (Sum_ext vocab (fun y => tilted vocab p M alpha y * exp (beta * N y))
             (fun y => p y * exp (1 * (alpha * M y + beta * N y)) / Z vocab p M alpha)).
  - rewrite Sum_div.
    replace (1 * (alpha * M z + beta * N z)) with (alpha * M z + beta * N z) by ring.
    rewrite exp_plus; field; split; [|lra].
    apply Rgt_not_eq, Sum_pos; [now apply (vocab_nonempty vocab p)|].
    intros y Hy; apply Rmult_lt_0_compat; [auto|apply exp_pos].
  - intros y _; rewrite tilted_ratio by easy.
    replace (1 * (alpha * M y + beta * N y)) with (alpha * M y + beta * N y) by ring.
    rewrite exp_plus; field; lra.
Qed.

(** Steering backwards is steering forwards along the opposite vector: every law at minus infinity
    is a law at plus infinity. *)
Lemma Z_opposite alpha : Z vocab p (fun z => - M z) alpha = Z vocab p M (- alpha).
Proof. apply Sum_ext; intros; do 2 f_equal; ring. Qed.

Lemma tilted_opposite alpha z :
  tilted vocab p (fun z => - M z) alpha z = tilted vocab p M (- alpha) z.
Proof. unfold tilted, K; rewrite Z_opposite; do 2 f_equal; ring. Qed.

Lemma E_opposite alpha f : E vocab p (fun z => - M z) alpha f = E vocab p M (- alpha) f.
Proof. apply Sum_ext; intros; now rewrite tilted_opposite. Qed.

Lemma mean_opposite alpha : mean vocab p (fun z => - M z) alpha = - mean vocab p M (- alpha).
Proof.
  unfold mean; rewrite E_opposite; unfold E; rewrite <- Sum_opp.
  apply Sum_ext; intros; ring.
Qed.

End Composition.

(** ** Steering a model with linear logits is tilting

    The unconstrained-features model: unembedding [W], one hidden state [h j] for each context [j],
    a steering vector that is the difference of the mean states of two lists of contexts. *)

Section Steering.

Context {T D J : Type} (vocab : list T) (coords : list D) (W : T -> D -> R) (h : J -> D -> R)
  (p : J -> T -> R) (P N : list J).

Definition logits (x : D -> R) (z : T) : R := Sum coords (fun d => W z d * x d).
Definition softmax (l : T -> R) (z : T) : R := exp (l z) / Sum vocab (fun y => exp (l y)).
Definition steering_vector (d : D) : R :=
  average P (fun i => h i d) - average N (fun i => h i d).
Definition steered (j : J) (alpha : R) : T -> R :=
  softmax (logits (fun d => h j d + alpha * steering_vector d)).

(** Definition 3.2, for lists of any two lengths. *)
Definition log_odds (z : T) : R :=
  average P (fun i => ln (p i z)) - average N (fun i => ln (p i z)).

(** Assumption 2, perfect training. *)
Definition interpolates : Prop := forall j z, In z vocab -> softmax (logits (h j)) z = p j z.

Lemma logits_average (l : list J) z :
  logits (fun d => average l (fun i => h i d)) z = average l (fun i => logits (h i) z).
Proof.
  unfold logits; rewrite average_Sum; apply Sum_ext; intros; symmetry; apply average_scal.
Qed.

(** [steering-shift] Lemma B.2.  Steering moves the logits of every context along one line, whose
    direction is the difference of the mean logits of the two lists. *)
Theorem steering_shift j alpha z :
  logits (fun d => h j d + alpha * steering_vector d) z
  = logits (h j) z
    + alpha * (average P (fun i => logits (h i) z) - average N (fun i => logits (h i) z)).
Proof.
  rewrite <- !logits_average; unfold logits; rewrite <- Sum_minus, <- Sum_scal, <- Sum_plus.
  apply Sum_ext; intros d _; unfold steering_vector; ring.
Qed.

(** [steering-shift] Lemma B.2, as printed.  With q contexts on each side the shift is alpha/q
    times a difference of sums. *)
Theorem steering_shift_printed (q : nat) j alpha z :
  length P = q -> length N = q ->
  logits (fun d => h j d + alpha * steering_vector d) z
  = logits (h j) z
    + alpha / INR q * (Sum P (fun i => logits (h i) z) - Sum N (fun i => logits (h i) z)).
Proof. intros HP HN; rewrite steering_shift; unfold average, Rdiv; rewrite HP, HN; ring. Qed.

(** [tilting] Definition 3.2, as printed.  With q contexts on each side, the log-odds are those of
    the paper: a logarithm of a ratio of products, over q. *)
Theorem tilting_log_odds_printed (q : nat) z :
  length P = q -> length N = q ->
  (forall i, 0 < p i z) ->
  log_odds z = / INR q * ln (fold_right Rmult 1 (map (fun i => p i z) P)
                             / fold_right Rmult 1 (map (fun i => p i z) N)).
Proof.
  intros HP HN Hp.
  assert (Hprod : forall l, 0 < fold_right Rmult 1 (map (fun i => p i z) l)
      /\ ln (fold_right Rmult 1 (map (fun i => p i z) l)) = Sum l (fun i => ln (p i z))).
  { induction l as [|i l [IHpos IH]]; simpl; [split; [lra|apply ln_1]|].
    split; [now apply Rmult_lt_0_compat|]; rewrite ln_mult, IH by auto; reflexivity. }
  destruct (Hprod P) as [HP0 HPl], (Hprod N) as [HN0 HNl].
  unfold log_odds, average, Rdiv; rewrite HP, HN, ln_mult, ln_Rinv, HPl, HNl;
    [ring|easy|easy|now apply Rinv_0_lt_compat].
Qed.

Hypothesis perfect : interpolates.

(** Interpolated probabilities are positive and have total one: nothing else need be assumed. *)
Lemma partition_pos (l : T -> R) : vocab <> [] -> 0 < Sum vocab (fun y => exp (l y)).
Proof. intros H; apply Sum_pos; [easy|intros; apply exp_pos]. Qed.

Lemma interpolated_pos j z : In z vocab -> 0 < p j z.
Proof.
  intros Hz; rewrite <- perfect by easy; apply Rdiv_lt_0_compat; [apply exp_pos|].
  apply partition_pos; now destruct vocab.
Qed.

Lemma interpolated_total j : vocab <> [] -> Sum vocab (p j) = 1.
Proof.
  intros H; rewrite (Sum_ext _ _ (softmax (logits (h j)))) by (intros; symmetry; auto).
  unfold softmax; rewrite Sum_div; apply Rinv_r, Rgt_not_eq, partition_pos, H.
Qed.

(** An interpolated log-probability is the logit less a constant of the context. *)
Lemma interpolated_ln j z :
  In z vocab -> ln (p j z) = logits (h j) z - ln (Sum vocab (fun y => exp (logits (h j) y))).
Proof.
  intros Hz; assert (0 < Sum vocab (fun y => exp (logits (h j) y)))
    by (apply partition_pos; now destruct vocab).
  rewrite <- perfect by easy; unfold softmax, Rdiv.
  rewrite ln_mult, ln_exp, ln_Rinv; [ring|easy|apply exp_pos|now apply Rinv_0_lt_compat].
Qed.

(** [tilting] Lemma B.3.  In a perfectly trained model with linear logits, steering is exponential
    tilting of the dataset's distribution by the log-odds, whatever the two lists of contexts. *)
Theorem tilting j alpha z :
  P <> [] -> N <> [] -> In z vocab ->
  steered j alpha z = tilted vocab (p j) log_odds alpha z.
Proof.
  intros HP HN Hz; assert (Hvocab : vocab <> []) by now destruct vocab.
  set (k := fun i => ln (Sum vocab (fun y => exp (logits (h i) y)))).
  set (c := exp (k j + alpha * (average P k - average N k))).
  set (s := Sum vocab (fun y => exp (logits (fun d => h j d + alpha * steering_vector d) y))).
  apply (tilted_unique vocab (p j) log_odds) with (c := c / s); auto.
  - intros y Hy; now apply interpolated_pos.
  - now apply interpolated_total.
  - apply Rdiv_lt_0_compat; [apply exp_pos|now apply partition_pos].
  - intros y Hy; unfold steered, softmax; fold s; unfold Rdiv.
    rewrite <- (exp_ln (p j y)) by now apply interpolated_pos.
    transitivity (c * (exp (ln (p j y)) * exp (alpha * log_odds y)) * / s); [|ring].
    f_equal; unfold c; rewrite <- !exp_plus; f_equal.
    assert (Hl : forall l, average l (fun i => ln (p i y))
                         = average l (fun i => logits (h i) y) - average l k).
    { intros l; rewrite <- average_minus; apply average_ext; intros; now apply interpolated_ln. }
    unfold log_odds; rewrite steering_shift, !Hl, interpolated_ln by easy; unfold k; ring.
  - unfold steered, softmax; rewrite Sum_div; apply Rinv_r, Rgt_not_eq; now apply partition_pos.
Qed.

End Steering.

(** [tilting] Assumption 2 can be met.  Every dataset of positive probabilities has a model that
    interpolates it, with one coordinate for each token. *)
Theorem tilting_realisable {T J : Type} (vocab : list T) (p : J -> T -> R) :
  (forall x y : T, {x = y} + {x <> y}) -> NoDup vocab ->
  (forall j z, In z vocab -> 0 < p j z) -> (forall j, Sum vocab (p j) = 1) ->
  exists (W : T -> T -> R) (h : J -> T -> R), interpolates vocab vocab W h p.
Proof.
  intros eq_dec Hdup Hpos Htotal.
  set (W := fun z d => if eq_dec z d then 1 else 0); set (h := fun j d => ln (p j d)).
  assert (Hl : forall j z, In z vocab -> logits vocab W (h j) z = ln (p j z)).
  { intros j z Hz; change (ln (p j z)) with (h j z); clear Htotal Hpos; unfold logits, W.
    induction vocab as [|y l IH]; [easy|]; inversion_clear Hdup; rewrite Sum_cons.
    destruct (eq_dec z y) as [->|Hne].
    - rewrite Sum_zero; [ring|]; intros d Hd; destruct (eq_dec y d) as [->|]; [easy|ring].
    - rewrite IH; [ring|easy|destruct Hz; [congruence|easy]]. }
  exists W, h; intros j z Hz; unfold softmax.
  rewrite Hl, (Sum_ext _ _ (p j)), Htotal, exp_ln by
    (try intros y Hy; rewrite ?Hl, ?exp_ln; auto).
  field.
Qed.
