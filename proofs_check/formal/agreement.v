(** * The laws of the paper, as SymPy has them

    Each theorem below proves the key formula of one law from the library's theorem of that law.
    The formula is not written here: the program prints it from the law's SymPy objects, with its
    hypotheses, where PRINTED stands ([agreement.py]), and hands the whole to Coq.  So a sign that
    is flipped in a law is a formula that Coq refuses.  A proof knows nothing of what is printed but
    that it is equal, by algebra, to the library's. *)

From SteeringStrength Require Import analysis asymptotics tilting limits peaks variation concept
  separation cross_entropy cumulants radius transformer peak_sign printed.
From SteeringStrength Require any_block.

Section OneContext.

Context {T : Type} (vocab : list T) (p M : T -> R) (C : T -> bool).
Hypothesis p_pos : forall z, In z vocab -> 0 < p z.
Hypothesis p_total : Sum vocab p = 1.
Hypothesis C_not_empty : filter C vocab <> nil.

Notation K := (K vocab p M).
Notation tilted := (tilted vocab p M).
Notation mean := (mean vocab p M).
Notation F := (F vocab p M).

Lemma held (D : T -> bool) : filter D vocab <> nil -> inhabited vocab D.
Proof.
  intros H; destruct (filter D vocab) as [|z l] eqn:E; [easy|].
  exists z; apply filter_In; rewrite E; now left.
Qed.

Lemma proper_C : filter (outside C) vocab <> nil -> proper vocab C.
Proof. intros H; split; now apply held. Qed.

Ltac probabilities alpha l := print l (tilted alpha) by algebra.
Ltac means alpha l := print l (fun z => tilted alpha z * M z) by algebra.

Theorem slope_agrees : forall alpha x, PRINTED.
Proof.
  intros; apply (is_derive_ext (fun a => tilted a x)); [algebra|].
  eapply is_derive_value; [now apply slope|].
  unfold tilting.mean, E; means alpha vocab; algebra.
Qed.

Theorem mean_slope_agrees : forall alpha, PRINTED.
Proof.
  intros; eapply is_derive_value; [now apply mean_slope|].
  unfold tilting.mean, E; means alpha vocab; reflexivity.
Qed.

Theorem peak_agrees : forall alpha z, PRINTED.
Proof.
  intros; exists (mean alpha); split; [now apply mean_slope|].
  apply (is_derive_ext (fun a => tilted a z)); [algebra|].
  eapply is_derive_value; [now apply slope|algebra].
Qed.

Theorem peak_order_agrees : forall alpha_x alpha_z x z, PRINTED.
Proof.
  intros alpha_x alpha_z x z Hz Hx.
  assert (level : forall a y,
    Sum vocab (fun y => M y * p y * exp (a * M y)) = M y * Z vocab p M a -> mean a = M y).
  { intros a y H; assert (0 < Z vocab p M a) by now apply Z_pos.
    unfold tilting.mean, E.
    rewrite (Sum_ext _ _ (fun z => M z * p z * exp (a * M z) / Z vocab p M a)) by algebra.
    rewrite Sum_div, H; field; lra. }
  rewrite <- (level alpha_x x Hx), <- (level alpha_z z Hz); unfold tilting.mean, E.
  means alpha_x vocab; means alpha_z vocab; ring.
Qed.

Theorem concept_ode_agrees : forall alpha, PRINTED.
Proof.
  intros alpha H; destruct (proper_C H) as [Hin Hout].
  apply (is_derive_ext (F C)); [intros a; probabilities a (filter C vocab); reflexivity|].
  eapply is_derive_value; [now apply concept_ode|].
  probabilities alpha (filter C vocab); means alpha (filter C vocab).
  means alpha (filter (outside C) vocab); unfold concept.mu.
  assert (Ht := F_total vocab p M p_pos p_total C alpha).
  replace (F (outside C) alpha) with (1 - F C alpha) by lra.
  change (Sum (filter C vocab) (tilted alpha)) with (F C alpha).
  generalize (F_pos vocab p M p_pos C alpha Hin) (F_pos vocab p M p_pos (outside C) alpha Hout).
  intros; reals; field; lra.
Qed.

Theorem concept_tanh_agrees : forall alpha, PRINTED.
Proof.
  intros alpha H; apply proper_C in H.
  assert (Hs := size_pos vocab C (proj1 H)).
  assert (Hc := concept_tanh_closed vocab p M p_pos p_total C alpha H).
  assert (Hi := is_RInt_unique _ _ _ _ (concept_tanh_integral vocab p M p_pos p_total C alpha H)).
  fold (nu vocab p M C alpha) in Hi.
  assert (H0 : forall D, weight vocab p M D 0 = Sum (filter D vocab) p).
  { intros; apply Sum_ext; intros; rewrite Rmult_0_l, exp_0; ring. }
  rewrite !H0 in Hi; unfold weight in Hi, Hc; rewrite p_total.
  print (filter C vocab) p by field.
  transitivity (gain vocab p M C alpha).
  - unfold gain; rewrite F_0 by easy.
    print (filter C vocab) (fun y => tilted alpha y - p y) by algebra.
    rewrite Sum_minus; unfold concept.F; field; lra.
  - rewrite concept_tanh by easy.
    assert (Hl : logit vocab p M C
                 = ln (/ (1 + - 1 * Sum (filter C vocab) p) * Sum (filter C vocab) p)).
    { unfold logit; rewrite F_0 by easy; f_equal; unfold Rdiv, Rminus.
      rewrite Rmult_comm; do 3 f_equal; ring. }
    rewrite <- Hl; match goal with |- context [tanh (?u + ?v)] =>
      replace (u + v) with ((nu vocab p M C alpha + logit vocab p M C) / 2)
        by (rewrite Hi; lra) end.
    replace (1 / 2 * logit vocab p M C) with (logit vocab p M C / 2) by field; field; lra.
Qed.

Theorem concept_monotone_agrees : forall alpha, PRINTED.
Proof.
  intros; apply (is_derive_ext (F C)); [intros a; probabilities a (filter C vocab); reflexivity|].
  eapply is_derive_value; [now apply F_derive_pairs|].
  apply Sum_ext; intros x _; apply Sum_ext; algebra.
Qed.

Theorem ce_radius_agrees : forall alpha m range (w : T -> R), PRINTED.
Proof.
  intros alpha m range w Hw _; exists (Derive_n K 2 alpha).
  split; [now apply Derive_n_correct, ce_cumulants_exist|]; exists (Derive_n K 3 alpha).
  split; [now apply Derive_n_correct, ce_cumulants_exist|].
  rewrite Derive_n_K_two, Derive_n_K_three by easy.
  means alpha vocab; print vocab (fun x => tilted alpha x * w x) by algebra.
  assert (Hm : mean alpha = m + E vocab p M alpha w).
  { unfold tilting.mean; rewrite (E_ext vocab p M alpha M (fun z => m + w z)) by easy.
    now rewrite E_plus, E_const. }
  change (Sum vocab (fun z => tilted alpha z * M z)) with (mean alpha).
  change (Sum vocab (fun z => tilted alpha z * w z)) with (E vocab p M alpha w).
  unfold central, Var, E at 1 2; rewrite <- !Sum_scal, <- Sum_plus; apply Sum_ext; intros y Hy.
  replace (E vocab p M alpha w) with (mean alpha - m) by lra.
  replace (w y) with (M y - m) by (rewrite Hw by easy; ring); algebra.
Qed.

End OneContext.

Section Levels.

Context {T : Type} (vocab : list T) (p M d : T -> R) (m : R) (A C : T -> bool).
Hypothesis p_pos : forall z, In z vocab -> 0 < p z.
Hypothesis p_total : Sum vocab p = 1.
Hypothesis d_pos : forall z, 0 < d z.
Hypothesis A_not_empty : filter A vocab <> nil.
(** What the letters m and d stand for, where the printed formula has no M. *)
Hypothesis top_value : forall y, In y (filter A vocab) -> M y = m.
Hypothesis other_values : forall y, In y (filter (outside A) vocab) -> M y = m + - 1 * d y.

Notation tilted := (tilted vocab p M).
Notation mass := (mass vocab p M m).
Notation rest := (rest vocab p M m).

Lemma below z : In z vocab -> A z = false -> M z = m + - 1 * d z.
Proof. intros Hz E; apply other_values, filter_In; unfold outside; now rewrite E. Qed.

Lemma level z : In z vocab -> A z = at_level M m z.
Proof.
  intros Hz; destruct (A z) eqn:E; symmetry.
  - now apply at_level_true, top_value, filter_In.
  - apply at_level_false; rewrite below by easy; generalize (d_pos z); lra.
Qed.

Lemma top : is_max vocab M m.
Proof.
  split.
  - destruct (filter A vocab) as [|z l] eqn:E; [easy|]; exists z.
    assert (Hz : In z (filter A vocab)) by (rewrite E; now left).
    split; [now apply filter_In in Hz|apply top_value; rewrite ?E; now left].
  - intros z Hz; destruct (A z) eqn:E; [rewrite top_value; [lra|now apply filter_In]|].
    rewrite below by easy; generalize (d_pos z); lra.
Qed.

Lemma printed_mass : Sum (filter A vocab) p = mass.
Proof. unfold limits.mass; f_equal; apply filter_ext_in, level. Qed.

Lemma printed_rest alpha :
  Sum (filter (outside A) vocab) (fun y => p y * exp (- 1 * alpha * d y)) = rest alpha.
Proof.
  unfold limits.rest.
  replace (filter (outside (at_level M m)) vocab) with (filter (outside A) vocab)
    by (apply filter_ext_in; intros z Hz; unfold outside; now rewrite level).
  apply Sum_ext; intros y Hy; rewrite other_values by easy; do 2 f_equal; ring.
Qed.

Lemma mass_positive : 0 < mass.
Proof. apply mass_pos; [easy|apply top]. Qed.

Lemma rest_nonnegative alpha : 0 <= rest alpha.
Proof. now apply rest_nonneg. Qed.

Ltac levels :=
  rewrite ?printed_mass, ?printed_rest;
  pose proof top; pose proof mass_positive; pose proof rest_nonnegative.

Theorem limit_agrees : forall z, In z (filter A vocab) -> PRINTED.
Proof.
  intros z Hz _; levels; assert (Hlevel := top_value z Hz).
  apply filter_In in Hz; destruct Hz as [Hz _]; apply (is_lim_ext (fun a => tilted a z)).
  - intros a; rewrite printed_rest, tilted_at_level with (m := m) by (easy || apply top).
    rewrite Rplus_comm; reflexivity.
  - eapply is_lim_value; [now apply limit with (m := m)|].
    unfold share; now rewrite (proj2 (at_level_true M m z) Hlevel).
Qed.

Theorem monotone_agrees : forall alpha z, In z (filter A vocab) -> PRINTED.
Proof.
  intros alpha z Hz _ _ Hout; levels; assert (Hlevel := top_value z Hz).
  apply filter_In in Hz; destruct Hz as [Hz _].
  assert (Ht := tilted_pos vocab p M p_pos alpha z Hz).
  exists (- (tilted alpha z * (M z - mean vocab p M alpha)) / tilted alpha z ^ 2); split.
  - apply (is_derive_ext (fun a => / tilted a z)).
    + intros a; reals; rewrite printed_rest, tilted_at_level with (m := m) by (easy || apply top).
      generalize (p_pos z Hz) (rest_nonnegative a); intros; field; lra.
    + apply is_derive_inv; [now apply slope|lra].
  - assert (mean vocab p M alpha < M z).
    { rewrite Hlevel; apply mean_lt; [easy|easy|apply top|].
      destruct (held vocab (outside A) Hout) as (y & Hy & HA); apply negb_true_iff in HA.
      exists y; split; [easy|]; rewrite below by easy; generalize (d_pos y); lra. }
    assert (0 < tilted alpha z * (M z - mean vocab p M alpha) / tilted alpha z ^ 2); [|lra].
    apply Rdiv_lt_0_compat; [apply Rmult_lt_0_compat; lra|now apply pow_lt].
Qed.

Theorem concept_limit_agrees : filter C vocab <> nil -> PRINTED.
Proof.
  intros HC _ Hapart; levels; assert (Hs : 0 < size vocab C) by now apply length_pos.
  assert (HMC : forall y, In y (filter C vocab) -> M y = m + - 1 * d y).
  { intros y Hy; apply below; [now apply filter_In in Hy|now apply Hapart]. }
  apply (is_lim_ext (gain vocab p M C)).
  - intros a; unfold gain; rewrite F_0, printed_rest by easy.
    unfold F; rewrite (Sum_ext _ _ (fun y => p y * exp (- 1 * a * d y) / (mass + rest a))).
    + rewrite Sum_div; reals; generalize (rest_nonnegative a); intros; field; lra.
    + intros y Hy; rewrite tilted_level with (m := m) by (easy || apply top).
      rewrite HMC by easy; do 3 f_equal; ring.
  - eapply is_lim_value; [apply concept_limit with (m := m)|ring]; try easy.
    intros z Hz Hin; rewrite HMC; [generalize (d_pos z); lra|now apply filter_In].
Qed.

Theorem ce_asymptote_agrees : forall alpha, PRINTED.
Proof.
  intros alpha _ _ _ Hfact; levels.
  change (Sum vocab (fun y => p y * exp (alpha * M y))) with (Z vocab p M alpha).
  rewrite (Z_level vocab p M m alpha), ln_mult, ln_exp
    by (apply exp_pos || (generalize (rest_nonnegative alpha); lra)).
  rewrite (Sum_split vocab A), (Sum_ext (filter A vocab) _ (fun y => m * p y))
    by (intros; rewrite top_value; easy).
  rewrite (Sum_ext (filter (outside A) vocab) _ (fun y => m * p y - d y * p y))
    by (intros; rewrite other_values by easy; ring).
  rewrite Sum_minus, !Sum_scal, (Rplus_comm (rest alpha)), <- printed_mass, Hfact; ring.
Qed.

End Levels.

Section Datasets.

Context {T J D : Type} (vocab : list T) (coords : list D) (P N : list J) (q : J -> T -> R) (j : J).
Hypothesis q_pos : forall i z, In z vocab -> 0 < q i z.
Hypothesis q_total : forall i, Sum vocab (q i) = 1.
Hypothesis P_not_empty : P <> nil.
Hypothesis N_not_empty : N <> nil.

Notation p := (q j).
Notation M := (log_odds q P N).

Theorem steering_shift_agrees : forall (W : T -> D -> R) (H : D -> J -> R) alpha z, PRINTED.
Proof.
  intros; transitivity (logits coords W (fun k => H k j + alpha *
    steering_vector (fun i k => H k i) P N k) z).
  - apply Sum_ext; intros k _; unfold steering_vector, average, Rdiv.
    change (fun i => H k i) with (H k); ring.
  - rewrite (steering_shift coords W (fun i k => H k i)); unfold average, logits, Rdiv.
    print coords (fun k => W z k * H k j) by ring.
    print P (fun i => Sum coords (fun k => W z k * H k i)) by (apply Sum_ext; intros; ring).
    print N (fun i => Sum coords (fun k => W z k * H k i)) by (apply Sum_ext; intros; ring).
    ring.
Qed.

(** Logits are log-probabilities up to a shift of the context. *)
Ltac shifted alpha shift b x :=
  intros; set (k := exp (shift + alpha * (average P b - average N b)));
  assert (form : forall y, exp (shift + alpha * (
      - 1 * / INR (length N) * Sum N (fun i => b i + ln (q i y))
      + / INR (length P) * Sum P (fun i => b i + ln (q i y)))) = k * exp (alpha * M y))
    by (intros y; unfold k; rewrite <- exp_plus; f_equal; rewrite !Sum_plus;
        unfold log_odds, average, Rdiv; ring);
  assert (odds : forall y, - 1 * / INR (length N) * Sum N (fun i => ln (q i y))
      + / INR (length P) * Sum P (fun i => ln (q i y)) = M y)
    by (intros; unfold log_odds, average, Rdiv; ring);
  rewrite form, odds;
  print vocab (fun y => k * (p y * exp (alpha * M y))) by (rewrite form; ring);
  print vocab (fun y => p y * exp (alpha * M y)) by (now rewrite odds);
  rewrite Sum_scal; assert (0 < k) by apply exp_pos; algebra.

Theorem tilting_agrees : forall alpha shift (b : J -> R) x, PRINTED.
Proof. intros alpha shift b x; shifted alpha shift b x. Qed.

Theorem final_norm_agrees : forall alpha shift (b : J -> R) x, PRINTED.
Proof. intros alpha shift b x; shifted alpha shift b x. Qed.

Theorem sign_separation_agrees : forall a_z b_z z, 0 < b_z < a_z -> PRINTED.
Proof.
  intros a_z b_z z Hab HP HN.
  destruct (sign_separation_printed bool_dec [z] (fun _ => true) fst
    (fun (i : bool * J) _ => if fst i then a_z else b_z) (fun _ => a_z) (fun _ => b_z)) with
    (target := true) (P := map (pair true) P) (N := map (pair false) N) (z := z) as [H _].
  1: intros [[|] i] y _; simpl; split; easy.
  1-2: intros E; now apply map_eq_nil in E.
  1: now left.
  1-2: intros i Hi; apply in_map_iff in Hi; now destruct Hi as [k [<- _]].
  change (a_z * / b_z) with (a_z / b_z); rewrite <- H by easy.
  unfold log_odds, average; rewrite !Sum_map, !map_length.
  rewrite (Sum_ext P _ (fun _ => ln a_z)) by (intros; rewrite HP; easy).
  rewrite (Sum_ext N _ (fun _ => ln b_z)) by (intros; rewrite HN; easy).
  simpl; unfold Rdiv; ring.
Qed.

Theorem peak_sign_agrees : PRINTED.
Proof.
  transitivity (mean vocab p M 0).
  - unfold mean; rewrite E_0 by auto; apply Sum_ext; intros; unfold log_odds, average, Rdiv; ring.
  - rewrite (peak_sign_divergences vocab q P N q_pos q_total P_not_empty N_not_empty).
    unfold distance_to, average, divergence, Rdiv; ring.
Qed.

End Datasets.

Section Population.

Context {T J : Type} (vocab : list T) (contexts : list J) (pi : J -> R) (p r : J -> T -> R)
  (M : T -> R).
Hypothesis pi_pos : forall j, In j contexts -> 0 < pi j.
Hypothesis pi_total : Sum contexts pi = 1.
Hypothesis p_pos : forall j z, In z vocab -> 0 < p j z.
Hypothesis p_total : forall j, Sum vocab (p j) = 1.

Notation tilted j := (tilting.tilted vocab (p j) M).
Notation over := (over contexts pi).
Notation increase := (increase vocab contexts pi p M).

(** The printed cross-entropy, for data [s]. *)
Lemma printed_cross_entropy (s : J -> T -> R) alpha :
  - 1 * Sum contexts (fun j => pi j * Sum vocab (fun z => s j z * ln
      (p j z * / Sum vocab (fun z => p j z * exp (alpha * M z)) * exp (alpha * M z))))
  = cross_entropy vocab contexts pi p M s alpha.
Proof.
  rewrite <- Sum_scal; apply Sum_ext; intros j _.
  rewrite (Sum_ext vocab (fun z => s j z * - ln (tilted j alpha z)) (fun z => - (s j z *
    ln (p j z * / Sum vocab (fun z => p j z * exp (alpha * M z)) * exp (alpha * M z)))))
    by (intros; rewrite printed_tilted by auto; ring).
  rewrite Sum_opp; ring.
Qed.

Lemma printed_increase alpha :
  - 1 * Sum contexts (fun j => pi j * Sum vocab (fun z => p j z * ln
      (p j z * / Sum vocab (fun z => p j z * exp (alpha * M z)) * exp (alpha * M z))))
  + Sum contexts (fun j => pi j * Sum vocab (fun z => p j z * ln (p j z))) = increase alpha.
Proof.
  rewrite printed_cross_entropy; unfold cross_entropy.increase, Rminus; f_equal.
  unfold cross_entropy, cross_entropy.over; rewrite <- Sum_opp; apply Sum_ext; intros j _.
  rewrite Ropp_mult_distr_r, <- Sum_opp; f_equal; apply Sum_ext; intros z Hz.
  rewrite tilted_0 by auto; ring.
Qed.

Theorem ce_exact_agrees : forall alpha, PRINTED.
Proof.
  intros alpha _; rewrite printed_increase, ce_exact by assumption; apply Sum_ext; intros j _.
  rewrite printed_mean_0 by auto; unfold K, Z; ring.
Qed.

Theorem ce_quadratic_agrees : PRINTED.
Proof.
  intros _; transitivity (over (fun j => Var vocab (p j) M 0)); [symmetry|];
    apply Sum_ext; intros j _; f_equal; unfold Var, E; (apply Sum_ext; intros y _);
    rewrite tilted_0, mean_unsteered by auto.
  - rewrite p_total; print vocab (fun z => p j z * M z) by field; field.
  - print vocab (fun z => p j z * M z) by ring; ring.
Qed.

Theorem ce_cumulants_agrees : forall alpha, PRINTED.
Proof.
  intros alpha _; exists (fun j => Derive_n (K vocab (p j) M) 2 alpha); split.
  { intros; apply Derive_n_correct, ce_cumulants_exist; auto. }
  apply (is_derive_n_ext increase); [intros; symmetry; apply printed_increase|].
  replace (Sum contexts _) with (Derive_n increase 2 alpha);
    [apply Derive_n_correct, increase_ex_derive_n; auto|].
  apply (ce_cumulants vocab contexts pi p M p_pos p_total 0).
Qed.

Theorem ce_linear_agrees : forall alpha, PRINTED.
Proof.
  intros alpha Hr; apply (is_derive_ext (cross_entropy vocab contexts pi p M r)).
  { intros; symmetry; apply printed_cross_entropy. }
  eapply is_derive_value; [now apply ce_linear|]; apply Sum_ext; intros j _; f_equal.
  rewrite printed_mean by auto; print vocab (fun z => r j z * M z) by ring.
  unfold data_mean; ring.
Qed.

End Population.

Section Logits.

Context {T : Type} (vocab : list T) (r : T -> R) (ell : T -> R -> R).
Hypothesis inhabited : vocab <> nil.
Hypothesis r_pos : forall z, In z vocab -> 0 < r z.

Theorem local_agrees : forall alpha, PRINTED.
Proof.
  intros alpha Hr d1 H1 d2 H2.
  assert (Hd2 : forall y a, is_derive (d1 y) a (d2 y a)).
  { intros y a; apply (is_derive_ext (Derive (ell y))); [|apply H2].
    intros; apply is_derive_unique, H1. }
  set (l := fun (_ : unit) z a => ell z a); set (M := fun (_ : unit) z a => d1 z a).
  set (bend := fun (_ : unit) z a => d2 z a).
  assert (Hl : forall u z a, is_derive (l u z) a (M u z a)) by (intros; apply H1).
  assert (HM : forall u z a, is_derive (M u z) a (bend u z a)) by (intros; apply Hd2).
  apply (is_derive_n_ext (fun a => any_block.cross_entropy vocab l tt a r
                                   + Sum vocab (fun z => r z * ln (r z)))).
  - intros a; unfold any_block.cross_entropy; rewrite <- Sum_plus; apply Sum_ext; intros z Hz.
    assert (Ht : 0 < Sum vocab (fun y => exp (ell y a))) by now apply partition_pos.
    unfold any_block.at_strength, softmax; rewrite ln_div by (apply exp_pos || easy).
    rewrite !ln_mult by (repeat apply Rmult_lt_0_compat; try apply exp_pos; auto).
    unfold l; rewrite !ln_exp; ring.
  - apply (is_derive_ext (fun a => any_block.local_mean vocab l M tt a
                                   - any_block.data_mean vocab r (fun z => M tt z a))).
    + intros a; symmetry; apply is_derive_unique; eapply is_derive_value.
      * apply @is_derive_plus; [|apply is_derive_const].
        now apply (any_block.cross_entropy_slope vocab l M).
      * apply Rplus_0_r.
    + eapply is_derive_value; [now apply (any_block.cross_entropy_curvature vocab l M bend)|].
      unfold any_block.local_variance, any_block.data_mean, any_block.local_mean.
      unfold any_block.expected, any_block.at_strength, softmax, l, M, bend, Rdiv; reals.
      print vocab (fun z => exp (ell z alpha) * / Sum vocab (fun y => exp (ell y alpha))
        * d1 z alpha) by ring.
      unfold Rminus; rewrite Rplus_assoc; apply f_equal2.
      * apply Sum_ext; intros; ring.
      * rewrite <- Sum_opp, <- Sum_plus; apply Sum_ext; intros; ring.
Qed.

End Logits.

Section States.

Context {D : Type} (coords : list D) (h v : D -> R) (eps : R).
Hypothesis v_seen : 0 < mean_square coords v.
Notation A := (mean_square coords v).
Notation B := (mean_product coords h v).
Notation C := (mean_square coords h + eps).

Theorem norm_limit_agrees : forall x, In x coords -> PRINTED.
Proof.
  intros x Hx; eapply is_lim_ext_loc;
    [|eapply is_lim_value; [apply (direction_limit coords (fun _ => h) v eps v_seen)
      with (k := x)|]; try easy].
  - exists 0; intros t Ht; reals.
    assert (Hq := mean_square_moved coords h t v); unfold moved in Hq; rewrite Hq.
    replace (A * t ^ 2 + 2 * B * t + mean_square coords h + eps)
      with (t ^ 2 * (A + 2 * B * / t + C * / t ^ 2)) by (field; lra).
    rewrite sqrt_mult_alt, sqrt_pow2 by (apply pow2_ge_0 || lra).
    unfold Rdiv; rewrite Rinv_mult; generalize (/ sqrt (A + 2 * B * / t + C * / t ^ 2)).
    intros; field; lra.
  - intros k _; apply lim_bounded_over with (Rabs (h k)); intros; lra.
Qed.

Theorem last_block_agrees : forall A B C alpha (a b : unit -> R) z, PRINTED.
Proof.
  intros A B C alpha a b z HQ.
  replace (C + 2 * B * alpha + A * alpha ^ 2) with (A * alpha ^ 2 + 2 * B * alpha + C) in * by ring.
  pose proof (last_block_slope A B C (a z) (b z) alpha HQ) as H; cbv zeta in H.
  eapply is_derive_ext; [|eapply is_derive_value; [exact H|]].
  - intros t; reals.
    replace (C + 2 * B * t + A * t ^ 2) with (A * t ^ 2 + 2 * B * t + C) by ring.
    reflexivity.
  - unfold Rdiv; reals; ring.
Qed.

Theorem concept_shape_agrees : forall levels (g rho : R -> R) c alpha,
  levels <> nil -> (forall l, 0 < g l) -> PRINTED.
Proof.
  intros levels g rho c alpha Hl Hg.
  assert (Hpos := exponential_sum_pos levels g alpha Hl (fun m _ => Hg m)).
  transitivity (ratio levels g rho alpha - c); [unfold ratio, exponential_sum, Rdiv; ring|].
  unfold ratio; print levels
    (fun m => g m * rho m * exp (alpha * m) - c * (g m * exp (alpha * m))) by ring.
  rewrite Sum_minus, Sum_scal; unfold exponential_sum in *; field; lra.
Qed.

End States.
