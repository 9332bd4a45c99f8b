(** * The laws beyond the paper, as SymPy has them

    See [agreement.v]: PRINTED stands for the key formula of the law. *)

From SteeringStrength Require Import analysis tilting concept cross_entropy transformer printed.
From SteeringStrength Require operators mixed sequences allocation sampling estimation text_bias.

Section Prices.

Context {T J : Type} (vocab : list T) (contexts : list J) (pi : J -> R) (p : J -> T -> R)
  (M D : T -> R).
Hypothesis pi_pos : forall j, In j contexts -> 0 < pi j.
Hypothesis pi_total : Sum contexts pi = 1.
Hypothesis p_pos : forall j z, In z vocab -> 0 < p j z.
Hypothesis p_total : forall j, Sum vocab (p j) = 1.

Notation moved t := (fun z => M z + t * D z).

(** A printed ratio of sums is a tilted probability. *)
Lemma printed_moved j alpha t z :
  p j z * / Sum vocab (fun y => p j y * exp (alpha * (M y + t * D y)))
    * exp (alpha * (M z + t * D z)) = tilted vocab (p j) (moved t) alpha z.
Proof. apply (printed_tilted vocab (p j) (moved t)); auto. Qed.

Theorem influence_agrees : forall alpha t, PRINTED.
Proof.
  intros alpha t _; assert (E : forall s : R, t + (s - t) = s) by (intros; ring).
  apply (is_derive_ext (fun s => increase vocab contexts pi p (moved (t + (s - t))) alpha)).
  - intros s; reals; rewrite ce_exact_divergence by assumption; apply Sum_ext; intros j _; f_equal.
    apply Sum_ext; intros z Hz; do 2 f_equal; rewrite (E s).
    rewrite <- printed_moved; assert (0 < p j z) by auto.
    assert (0 < Sum vocab (fun y => p j y * exp (alpha * (M y + s * D y))))
      by (apply (Z_pos vocab (p j) (moved s)); auto).
    replace (-1 * alpha * (M z + s * D z)) with (- (alpha * (M z + s * D z))) by ring.
    rewrite exp_Ropp; generalize (exp_pos (alpha * (M z + s * D z))); intros; field; lra.
  - eapply is_derive_value.
    + apply (is_derive_comp (fun s => increase vocab contexts pi p (moved (t + s)) alpha)
        (fun s => s - t)); [|auto_derive; [easy|reflexivity]].
      rewrite Rminus_eq_0.
      apply (estimation.increase_change vocab contexts pi p p_pos p_total
        (fun s => moved (t + s)) D).
      intros z; auto_derive; [easy|ring].
    + unfold scal; simpl; unfold mult; simpl; rewrite Rmult_1_l, Rplus_0_r.
      unfold over; rewrite <- Sum_scal; apply Sum_ext; intros j _.
      print vocab (fun z => (tilted vocab (p j) (moved t) alpha z - p j z) * D z)
        by (rewrite <- printed_moved; ring).
      ring.
Qed.

(** What steering adds to the means of [D] and of the moved log-odds. *)
Lemma printed_gained_D alpha t :
  Sum contexts (fun j => pi j * Sum vocab (fun z => D z * (- 1 * p j z
    + p j z * / Sum vocab (fun y => p j y * exp (alpha * (M y + t * D y)))
      * exp (alpha * (M z + t * D z))))) = text_bias.gained vocab contexts pi p M D alpha t D.
Proof.
  apply Sum_ext; intros j _; f_equal; apply Sum_ext; intros; rewrite printed_moved; ring.
Qed.

Lemma printed_gained_M alpha t :
  Sum contexts (fun j => pi j * Sum vocab (fun z => (- 1 * p j z
    + p j z * / Sum vocab (fun y => p j y * exp (alpha * (M y + t * D y)))
      * exp (alpha * (M z + t * D z))) * (M z + t * D z)))
  = text_bias.gained vocab contexts pi p M D alpha t (moved t).
Proof.
  apply Sum_ext; intros j _; f_equal; apply Sum_ext; intros; rewrite printed_moved; ring.
Qed.

Theorem text_bias_agrees : forall alpha t, 0 < alpha -> PRINTED.
Proof.
  intros alpha t Ha _; rewrite printed_gained_M, printed_gained_D; intros Hc.
  destruct (text_bias.text_bias_curvature vocab contexts pi p M D p_pos p_total alpha t Ha Hc)
    as (d1 & d1_t & H1 & H2 & H3); exists d1; split; [|exists d1_t; split].
  1-2: eapply is_derive_ext; [|eassumption]; intros; unfold text_bias.rate, Rdiv; reals.
  1-2: rewrite printed_gained_M, printed_gained_D, Rinv_mult; ring.
  transitivity (text_bias.speed vocab contexts pi p M D alpha t * d1 + d1_t);
    [unfold text_bias.speed, Rdiv; ring|].
  rewrite H3, text_bias.bend_variance by easy; unfold Rdiv; rewrite Rinv_mult.
  rewrite (Rmult_comm (over _ _ _)), (Rmult_comm (/ alpha ^ 2)); f_equal.
  apply Sum_ext; intros j _; f_equal; apply Sum_ext; intros z _.
  rewrite <- printed_moved; unfold text_bias.push, text_bias.speed.
  assert (E : forall f, E vocab (p j) (moved t) alpha f = Sum vocab (fun y =>
    p j y * / Sum vocab (fun x => p j x * exp (alpha * (M x + t * D x)))
      * exp (alpha * (M y + t * D y)) * f y))
    by (intros; apply Sum_ext; intros; now rewrite printed_moved).
  rewrite E; unfold Rdiv; set (c := text_bias.gained _ _ _ _ _ _ _ _).
  set (total := Sum vocab (fun y => p j y * exp (alpha * (M y + t * D y)))).
  print vocab (fun y => p j y * (- 1 * alpha * (M y + t * D y) * / c (moved t) * c D + alpha * D y)
    * / total * exp (alpha * (M y + t * D y))) by ring.
  ring.
Qed.

End Prices.

Section Texts.

Context {T S : Type} (vocab : list T) (P N : list S) (L : S -> T -> R) (a : T -> R).

Lemma printed_covariance l z y :
  / (- 1 + INR (length l)) * / INR (length l)
  * Sum l (fun i => (L i y + - 1 * / INR (length l) * Sum l (fun k => L k y))
                    * (L i z + - 1 * / INR (length l) * Sum l (fun k => L k z)))
  = sampling.sample_covariance L l z y / INR (length l).
Proof.
  unfold sampling.sample_covariance, average, Rdiv.
  rewrite (Sum_ext l _ (fun i => (L i z - Sum l (fun k => L k z) * / INR (length l))
    * (L i y - Sum l (fun k => L k y) * / INR (length l)))) by (intros; ring).
  replace (INR (length l) - 1) with (- 1 + INR (length l)) by ring; ring.
Qed.

Lemma printed_influence l i :
  Sum vocab (fun z => a z * (L i z + - 1 * / INR (length l) * Sum l (fun k => L k z))) ^ 2
  * / INR (length l) ^ 2
  = (Sum vocab (fun z => a z * (L i z - average l (fun k => L k z))) / INR (length l)) ^ 2.
Proof.
  unfold average, Rdiv; rewrite Rpow_mult_distr, pow_inv; do 2 f_equal.
  apply Sum_ext; intros; ring.
Qed.

Theorem standard_error_agrees : 
  PRINTED.
Proof.
  intros HP HN.
  assert (Hle : forall l : list S, 0 < - 1 + INR (length l) -> (2 <= length l)%nat)
    by (intros l Hl; apply INR_lt; simpl INR; lra).
  etransitivity; [|etransitivity; [apply (sampling.standard_error vocab L a P N)|]]; auto.
  - apply Sum_ext; intros z _; apply Sum_ext; intros y _; rewrite !printed_covariance; ring.
  - cbv zeta; rewrite Rplus_comm; unfold Rdiv at 1 3.
    assert (minus : forall x, x - 1 = - 1 + x) by (intros; ring); rewrite !minus.
    apply f_equal2; f_equal; apply Sum_ext; intros; symmetry; apply printed_influence.
Qed.

End Texts.

Section Site.

Context {T D J I : Type} (vocab : list T) (coords : list D) (levels : list I) (W : T -> D -> R)
  (b : T -> R) (H : D -> J -> R) (h v : D -> R) (U : D -> I -> R) (c : I -> R) (j : J).

Lemma tilted_printed (q N : T -> R) s z :
  (forall y, In y vocab -> 0 < q y) -> Sum vocab q = 1 ->
  tilted vocab q N s z = / Sum vocab (fun y => q y * exp (s * N y)) * q z * exp (s * N z).
Proof. intros; rewrite <- printed_tilted by easy; ring. Qed.

Theorem operator_agrees : forall x, In x vocab ->
  PRINTED.
Proof.
  intros x Hx; assert (Hv : vocab <> nil) by now destruct vocab.
  set (moved := fun k => H k j + Sum levels (fun r => c r * U k r)).
  set (next := model vocab coords W b).
  assert (Hmoved : forall y, b y + Sum coords (fun k => W y k * (H k j
      + Sum levels (fun r => U k r * c r))) = logits coords W moved y + b y).
  { intros y; rewrite Rplus_comm; f_equal; apply Sum_ext; intros k _; unfold moved; do 2 f_equal.
    apply Sum_ext; intros; ring. }
  assert (Hnext : forall y, / Sum vocab (fun y => exp (b y + Sum coords (fun k => H k j * W y k)))
      * exp (b y + Sum coords (fun k => H k j * W y k)) = next (fun k => H k j) y).
  { assert (Hl : forall y, b y + Sum coords (fun k => H k j * W y k)
        = logits coords W (fun k => H k j) y + b y)
      by (intros y; rewrite Rplus_comm; f_equal; apply Sum_ext; intros; ring).
    intros y; unfold next, model, softmax, Rdiv; rewrite Rmult_comm, Hl; do 2 f_equal.
    apply Sum_ext; intros; now rewrite Hl. }
  assert (Hodds : forall y, Sum levels (fun r => c r * Sum coords (fun k => U k r * W y k))
      = 1 * Sum levels (fun r => c r * logits coords W (fun k => U k r) y)).
  { intros y; rewrite Rmult_1_l; apply Sum_ext; intros r _; f_equal.
    apply Sum_ext; intros; ring. }
  transitivity (next moved x).
  - unfold next, model, softmax, Rdiv; rewrite Rmult_comm, Hmoved; do 2 f_equal.
    apply Sum_ext; intros; now rewrite Hmoved.
  - unfold next, moved; rewrite (operators.operator vocab coords W b Hv levels (fun r k => U k r))
      by easy.
    rewrite tilted_printed by (now intros; try apply model_pos; try apply model_total).
    rewrite Hodds, (Rmult_assoc _ (/ Sum vocab _) (exp _)), Hnext; do 3 f_equal.
    apply Sum_ext; intros y _; now rewrite Hodds, Hnext.
Qed.

Theorem renormalised_agrees : forall s alpha x, In x vocab ->
  PRINTED.
Proof.
  intros s alpha x Hx; assert (Hv : vocab <> nil) by now destruct vocab.
  set (next := model vocab coords W (fun _ => 0)).
  assert (Hl : forall y, Sum coords (fun k => s * W y k * (h k + alpha * v k))
      = logits coords W (operators.rescaled s alpha v h) y + 0).
  { intros y; rewrite Rplus_0_r; apply Sum_ext; intros; unfold operators.rescaled; ring. }
  assert (Hodds : forall y, alpha * s * Sum coords (fun k => W y k * v k)
      = s * alpha * logits coords W v y) by (intros; unfold logits; ring).
  assert (Hnext : forall y, Rpower (/ Sum vocab (fun y => exp (Sum coords (fun k => W y k * h k)))
      * exp (Sum coords (fun k => W y k * h k))) s = Rpower (next h y) (/ / s)).
  { intros y; rewrite Rinv_inv; f_equal; unfold next, model, softmax, Rdiv.
    rewrite Rmult_comm, Rplus_0_r; do 2 f_equal; apply Sum_ext; intros; now rewrite Rplus_0_r. }
  transitivity (next (operators.rescaled s alpha v h) x).
  - unfold next, model, softmax, Rdiv; rewrite Rmult_comm, Hl; do 2 f_equal.
    apply Sum_ext; intros; now rewrite Hl.
  - unfold next; rewrite operators.renormalised by easy.
    rewrite tilted_printed
      by (intros; try apply operators.tempered_pos; try apply operators.tempered_total; easy).
    rewrite Hodds, Hnext; unfold operators.tempered; fold next.
    set (S := Sum vocab (fun y => Rpower (next h y) (/ / s))).
    print vocab (fun y => / S * (Rpower (next h y) (/ / s) * exp (s * alpha * logits coords W v y)))
      by (unfold Rdiv; ring).
    rewrite Sum_scal.
    set (A := Sum vocab (fun y =>
      Rpower (next h y) (/ / s) * exp (s * alpha * logits coords W v y))).
    assert (0 < A) by (apply Sum_pos; [easy|]; intros; apply Rmult_lt_0_compat; apply exp_pos).
    assert (0 < S) by now apply operators.powers_pos.
    rewrite (Sum_ext vocab _ (fun y =>
      Rpower (next h y) (/ / s) * exp (s * alpha * logits coords W v y)))
      by (intros; now rewrite Hnext, Hodds).
    fold A; field; lra.
Qed.

Theorem temperature_agrees : forall (p M : T -> R) alpha tau x,
  (forall z, In z vocab -> 0 < p z) -> Sum vocab p = 1 -> In x vocab -> PRINTED.
Proof.
  intros p M alpha tau x Hp Hp1 Hx; assert (Hv : vocab <> nil) by now destruct vocab.
  set (l := fun y => alpha * M y + ln (p y)).
  assert (Hl : forall y, In y vocab -> softmax vocab l y = tilted vocab p M alpha y).
  { intros y Hy; rewrite tilted_ratio by easy; unfold softmax, Z, l.
    rewrite (Sum_ext vocab _ (fun y => p y * exp (alpha * M y)));
      [|intros]; rewrite exp_plus, exp_ln by auto; [f_equal|]; ring. }
  transitivity (softmax vocab (fun y => l y / tau) x); [unfold softmax, Rdiv; apply Rmult_comm|].
  rewrite operators.temperature_logits by easy.
  transitivity (operators.tempered vocab (tilted vocab p M alpha) tau x).
  { unfold operators.tempered; rewrite Hl by easy; f_equal; apply Sum_ext; intros y Hy.
    now rewrite Hl. }
  rewrite operators.temperature by easy.
  rewrite tilted_printed
    by (intros; try apply operators.tempered_pos; try apply operators.tempered_total; easy).
  unfold operators.tempered, Rdiv.
  replace (alpha * M x * / tau) with (alpha * / tau * M x) by ring.
  rewrite (Sum_ext vocab _ (fun y => / Sum vocab (fun y => Rpower (p y) (/ tau))
    * Rpower (p y) (/ tau) * exp (alpha * M y * / tau))); [ring|].
  intros; replace (alpha * / tau * M z) with (alpha * M z * / tau) by ring; ring.
Qed.

Theorem mixed_contexts_agrees : forall (P N : list J) (q : J -> T -> R) (w : J -> R) b_z t z,
  0 < b_z -> 0 < t -> (forall i, 0 <= w i) -> P <> nil -> N <> nil -> PRINTED.
Proof.
  intros P N q w b_z t z Hb Ht Hw HP HN HqP HqN.
  assert (Hl : forall l, l <> nil -> (forall i, In i l -> q i z = b_z * (1 + t * w i)) ->
      / INR (length l) * Sum l (fun i => ln (q i z))
      = ln b_z + / INR (length l) * Sum l (fun i => ln (1 + t * w i))).
  { intros l Hl Hq; assert (0 < INR (length l)) by now apply length_pos.
    rewrite (Sum_ext l _ (fun i => ln b_z + ln (1 + t * w i))).
    - rewrite Sum_plus, Sum_const; field; lra.
    - intros i Hi; specialize (Hw i); rewrite Hq, ln_mult by (easy || nra); reflexivity. }
  rewrite !Rmult_assoc, (Hl P HP HqP), (Hl N HN HqN); ring.
Qed.

Theorem greedy_agrees : forall (M : T -> R) alpha t x z, PRINTED.
Proof. intros; ring. Qed.

End Site.

Section WholeTexts.

Context {T J S I : Type} (vocab : list T) (C : T -> bool) (M : T -> R).

Notation K q := (tilting.K vocab q M).
Notation mean q := (tilting.mean vocab q M).

Section Prefix.

Context (p : J -> T -> R) (w u : J -> R) (j : J).
Hypothesis p_pos : forall z, In z vocab -> 0 < p j z.
Hypothesis p_total : Sum vocab (p j) = 1.
Hypothesis w_pos : 0 < w j.
Hypothesis u_pos : 0 < u j.

Notation steered := (tilting.tilted vocab (p j) M).

Theorem allocation_agrees : forall lambda alpha, PRINTED.
Proof.
  intros lambda alpha _; rewrite (printed_mean_0 vocab (p j) M p_total).
  apply (is_derive_ext (fun a => F vocab (p j) M C a - lambda * (K (p j) a - a * mean (p j) 0))).
  - intros a; reals; unfold F, tilting.K, Z.
    rewrite (Sum_ext (filter C vocab) (steered a) (fun y =>
      p j y * / Sum vocab (fun z => p j z * exp (a * M z)) * exp (a * M y))); [ring|].
    intros; rewrite tilted_ratio by easy; unfold Z, Rdiv; ring.
  - rewrite (printed_mean vocab (p j) M p_pos p_total); eapply is_derive_value.
    + apply is_derive_difference; [now apply F_derive|].
      apply @is_derive_scal, is_derive_difference; [now apply mean_slope|].
      auto_derive; [easy|reflexivity].
    + rewrite (Sum_ext (filter C vocab) _ (fun y => p j y * (M y + - 1 * mean (p j) alpha)
        * / Sum vocab (fun z => p j z * exp (alpha * M z)) * exp (alpha * M y))); [ring|].
      intros; rewrite tilted_ratio by easy; unfold Z, Rdiv; ring.
Qed.

Theorem sequence_ce_agrees : forall alpha, PRINTED.
Proof.
  intros alpha _; rewrite (printed_mean_0 vocab (p j) M p_total).
  pose proof (divergence_to_tilted vocab (p j) M p_pos p_total alpha) as H; unfold divergence in H.
  transitivity (w j * Sum vocab (fun z => p j z * ln (p j z / steered alpha z))
                + w j * ln (w j * / u j)); [|rewrite H; unfold tilting.K, Z; ring].
  replace (w j * ln (w j * / u j)) with (Sum vocab (fun z => w j * ln (w j * / u j) * p j z))
    by (rewrite Sum_scal, p_total; ring).
  rewrite <- (Sum_scal vocab (w j)), <- Sum_plus; apply Sum_ext; intros z Hz.
  assert (0 < p j z) by auto; assert (0 < steered alpha z) by now apply tilted_pos.
  assert (HZ := Z_pos vocab (p j) M p_pos p_total alpha); unfold Z in HZ.
  replace (w j * / u j * Sum vocab (fun z => p j z * exp (alpha * M z)) * exp (- 1 * alpha * M z))
    with (w j * / u j * (p j z / steered alpha z)).
  - rewrite ln_mult; [ring| |]; apply Rdiv_lt_0_compat; easy.
  - rewrite tilted_ratio by easy; unfold Z.
    replace (- 1 * alpha * M z) with (- (alpha * M z)) by ring; rewrite exp_Ropp.
    generalize (exp_pos (alpha * M z)); intros; field; lra.
Qed.

Theorem sequence_reverse_agrees : forall alpha, PRINTED.
Proof.
  intros alpha; rewrite (printed_mean vocab (p j) M p_pos p_total).
  pose proof (divergence_tilted vocab (p j) M p_pos p_total alpha) as H; unfold divergence in H.
  transitivity (u j * Sum vocab (fun z => steered alpha z
    * ln (steered alpha z / p j z)) + u j * ln (u j * / w j));
    [|rewrite H; unfold tilting.K, Z; ring].
  replace (u j * ln (u j * / w j))
    with (Sum vocab (fun z => u j * ln (u j * / w j) * steered alpha z))
    by (rewrite Sum_scal, tilted_total by easy; ring).
  rewrite <- Sum_scal, <- Sum_plus; apply Sum_ext; intros z Hz.
  assert (0 < p j z) by auto; assert (0 < steered alpha z) by now apply tilted_pos.
  assert (HZ := Z_pos vocab (p j) M p_pos p_total alpha); unfold Z in HZ.
  replace (u j * / Sum vocab (fun z => p j z * exp (alpha * M z)) * / w j * exp (alpha * M z))
    with (u j * / w j * (steered alpha z / p j z)).
  - rewrite ln_mult by (apply Rdiv_lt_0_compat; easy).
    rewrite tilted_ratio by easy; unfold Z, Rdiv; ring.
  - rewrite tilted_ratio by easy; unfold Z; field; lra.
Qed.

Theorem sequence_weights_agrees : forall alpha, PRINTED.
Proof.
  intros alpha; assert (HZ := Z_pos vocab (p j) M p_pos p_total alpha); unfold Z in HZ.
  set (A := Sum vocab (fun z => p j z * exp (alpha * M z))) in *.
  rewrite (Sum_ext vocab _ (fun z => u j ^ 2 * / w j * / A ^ 2 * (p j z * exp (2 * alpha * M z))))
    by (intros; ring).
  rewrite Sum_scal; ring.
Qed.

End Prefix.

Theorem sequence_ratio_agrees : forall (p : S -> T -> R) (X : S -> T) steps alpha, PRINTED.
Proof. intros; rewrite <- !Sum_scal, <- Sum_plus; apply Sum_ext; intros; ring. Qed.

Theorem sequence_score_agrees :
  forall (p : I -> S -> T -> R) (X : I -> S -> T) (f w : I -> R) levels steps alpha,
  (forall k t z, In z vocab -> 0 < p k t z) -> (forall k t, Sum vocab (p k t) = 1) -> PRINTED.
Proof.
  intros p X f w levels steps alpha Hp Hp1.
  set (r := fun k a => Sum steps (fun t => - 1 * K (p k t) a + a * M (X k t))).
  apply (is_derive_ext (fun a => Sum levels (fun k => f k * w k * exp (r k a)))).
  { intros a; reflexivity. }
  eapply is_derive_value.
  - apply (is_derive_Sum levels (fun k a => f k * w k * exp (r k a)) (fun k a =>
      f k * w k * (Sum steps (fun t => - 1 * mean (p k t) a + M (X k t)) * exp (r k a)))).
    intros k _; apply @is_derive_scal, (is_derive_comp exp (r k)); [apply is_derive_exp|].
    apply (is_derive_Sum steps (fun t a => - 1 * K (p k t) a + a * M (X k t))
      (fun t a => - 1 * mean (p k t) a + M (X k t))); intros t _.
    apply @is_derive_plus; [apply @is_derive_scal, mean_slope; auto|].
    auto_derive; [easy|ring].
  - apply Sum_ext; intros k _; fold (r k alpha).
    rewrite (Sum_ext steps (fun t => - 1 * mean (p k t) alpha + M (X k t)) (fun t => M (X k t)
      + - 1 * / Sum vocab (fun y => p k t y * exp (alpha * M y))
        * Sum vocab (fun y => M y * p k t y * exp (alpha * M y)))).
    + unfold r, tilting.K, Z; ring.
    + intros t _; rewrite <- (printed_mean vocab (p k t)), (Sum_ext vocab _ (fun y =>
        / Sum vocab (fun z => p k t z * exp (alpha * M z)) * (M y * p k t y * exp (alpha * M y))))
        by (auto || (intros; ring)).
      rewrite Sum_scal; ring.
Qed.

End WholeTexts.
