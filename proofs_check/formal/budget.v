(** * Far out: linear growth, and the strength that a budget allows

    The increase of the cross-entropy has an asymptote at each end, so every budget is met by
    exactly one strength on each side.  The reverse divergence increases as well but stays below a
    ceiling, which is what the most favoured tokens lacked. *)

From SteeringStrength Require Import analysis tilting limits asymptotics cross_entropy.

(** A continuous function that rises from 0 without bound meets each budget once; so does one that
    rises to a ceiling, below the ceiling. *)
Lemma unique_budget (f : R -> R) (budget high : R) :
  (forall t, continuity_pt f t) -> f 0 = 0 -> (forall a b, 0 <= a < b -> f a < f b) ->
  0 < budget -> 0 <= high -> budget <= f high ->
  exists! t, 0 < t /\ f t = budget.
Proof.
  intros Hc H0 Hf Hb Hh Hle.
  destruct (intermediate_value f 0 high budget) as [t [Ht He]]; [easy|easy|lra|].
  assert (Hpos : 0 < t) by (destruct (Req_dec t 0) as [->|]; lra).
  exists t; split; [easy|]; intros s [Hs Hes].
  destruct (Rtotal_order s t) as [H|[H|H]]; [|easy|].
  - specialize (Hf s t); lra.
  - specialize (Hf t s); lra.
Qed.

Section Budget.

Context {T J : Type} (vocab : list T) (contexts : list J) (pi : J -> R) (p : J -> T -> R).
Hypothesis pi_pos : forall j, In j contexts -> 0 < pi j.
Hypothesis pi_total : Sum contexts pi = 1.
Hypothesis p_pos : forall j z, In z vocab -> 0 < p j z.
Hypothesis p_total : forall j, Sum vocab (p j) = 1.

Notation over := (over contexts pi).
Notation increase := (increase vocab contexts pi p).
Notation top M m j := (mass vocab (p j) M m).
Notation other M m j := (rest vocab (p j) M m).

(** The mean reverse divergence. *)
Definition reverse M alpha : R :=
  over (fun j => divergence vocab (tilted vocab (p j) M alpha) (p j)).

(** Steering backwards is steering forwards along the opposite vector. *)
Lemma increase_opposite M alpha : increase (fun z => - M z) alpha = increase M (- alpha).
Proof.
  assert (H : forall t, cross_entropy vocab contexts pi p (fun z => - M z) p t
                        = cross_entropy vocab contexts pi p M p (- t)).
  { intros t; apply over_ext; intros j _; apply Sum_ext; intros z _; now rewrite tilted_opposite. }
  unfold cross_entropy.increase; now rewrite !H, Ropp_0.
Qed.

Lemma reverse_opposite M alpha : reverse (fun z => - M z) alpha = reverse M (- alpha).
Proof.
  apply over_ext; intros j _; apply Sum_ext; intros z _; now rewrite tilted_opposite.
Qed.

Lemma not_constant_opposite M : not_constant vocab M -> not_constant vocab (fun z => - M z).
Proof. intros (y & z & Hy & Hz & H); exists z, y; repeat split; auto; lra. Qed.

Section Ahead.

Context (M : T -> R) (m : R).
Hypothesis at_top : is_max vocab M m.

Notation mean j := (mean vocab (p j) M).
Notation K j := (K vocab (p j) M).

(** The slope of the asymptote: how far the mean log-odds have to rise. *)
Definition rise : R := over (fun j => m - mean j 0).

Lemma K_level j alpha : K j alpha = alpha * m + ln (top M m j + other M m j alpha).
Proof.
  unfold tilting.K; rewrite (Z_level _ _ _ m), ln_mult, ln_exp; [easy|apply exp_pos|].
  destruct at_top as [H _]; generalize (mass_pos vocab (p j) M (p_pos j) m H).
  generalize (rest_nonneg vocab (p j) M (p_pos j) m alpha); lra.
Qed.

Lemma top_pos j : 0 < top M m j.
Proof. destruct at_top; apply mass_pos; auto. Qed.

Lemma other_nonneg j alpha : 0 <= other M m j alpha.
Proof. apply rest_nonneg; auto. Qed.

(** All the probabilities sum to 1, and forward steering makes the others lighter. *)
Lemma top_other_le_1 j alpha : 0 <= alpha -> top M m j + other M m j alpha <= 1.
Proof.
  intros Ha; rewrite <- (p_total j), (Sum_split vocab (at_level M m)); apply Rplus_le_compat_l.
  apply Sum_le; intros y Hy; apply filter_In in Hy; destruct Hy as [Hy Ho].
  pose proof (below_top vocab M m at_top y Hy Ho) as Hgap.
  rewrite <- (Rmult_1_r (p j y)) at 2; apply Rmult_le_compat_l; [now apply Rlt_le, p_pos|].
  rewrite <- exp_0; apply exp_nondecreasing; nra.
Qed.

Lemma increase_level alpha :
  increase M alpha = alpha * rise + over (fun j => ln (top M m j + other M m j alpha)).
Proof.
  rewrite ce_exact by auto; unfold rise; rewrite <- over_scal, <- over_plus.
  apply over_ext; intros j _; rewrite K_level; ring.
Qed.

Lemma between_lines alpha : 0 <= alpha ->
  alpha * rise + over (fun j => ln (top M m j)) <= increase M alpha <= alpha * rise.
Proof.
  intros Ha; rewrite increase_level; split.
  - apply Rplus_le_compat_l, over_le; auto; intros j _; apply ln_le; [apply top_pos|].
    generalize (other_nonneg j alpha); lra.
  - rewrite <- (Rplus_0_r (alpha * rise)) at 2; apply Rplus_le_compat_l.
    rewrite <- (over_const contexts pi pi_total 0); apply over_le; auto; intros j _.
    rewrite <- ln_1; apply ln_le; [generalize (top_pos j) (other_nonneg j alpha); lra|].
    now apply top_other_le_1.
Qed.

Lemma ln_top_limit j :
  is_lim (fun alpha => ln (top M m j + other M m j alpha)) p_infty (ln (top M m j)).
Proof.
  apply (lim_continuous _ _ (top M m j) ln).
  - apply (is_lim_value _ _ (top M m j + 0)); [|ring].
    apply is_lim_plus'; [apply is_lim_const|]; apply rest_vanishes; auto.
  - apply continuity_pt_filterlim, (derive_continuity ln _ (/ top M m j)), is_derive_ln, top_pos.
Qed.

Lemma line_is_asymptote :
  is_lim (fun alpha => increase M alpha - (alpha * rise + over (fun j => ln (top M m j))))
    p_infty 0.
Proof.
  apply is_lim_ext with (fun alpha =>
    over (fun j => ln (top M m j + other M m j alpha) - ln (top M m j))).
  { intros; rewrite increase_level, over_minus; ring. }
  apply (is_lim_value _ _ (over (fun _ => 0))); [|now apply over_const].
  apply (over_lim contexts pi (fun j alpha => ln (top M m j + other M m j alpha) - ln (top M m j))).
  intros j; apply (is_lim_value _ _ (ln (top M m j) - ln (top M m j))); [|ring].
  apply is_lim_minus'; [apply ln_top_limit|apply is_lim_const].
Qed.

Lemma rise_pos : not_constant vocab M -> 0 < rise.
Proof.
  intros (y & z & Hy & Hz & Hlt); destruct at_top as [_ Hle].
  apply over_pos; auto; intros j _.
  enough (mean j 0 < m) by lra; apply mean_lt; auto.
  exists y; split; [easy|]; specialize (Hle z Hz); lra.
Qed.

Lemma increase_unbounded : not_constant vocab M -> is_lim (increase M) p_infty p_infty.
Proof.
  intros Hv; apply is_lim_spec; intros bound; pose proof (rise_pos Hv) as Hr.
  set (c := over (fun j => ln (top M m j))).
  exists (Rmax 0 ((bound - c) / rise)); intros t Ht.
  assert (0 < t) by (eapply Rle_lt_trans; [apply Rmax_l|apply Ht]).
  assert (Hlt : (bound - c) / rise < t) by (eapply Rle_lt_trans; [apply Rmax_r|apply Ht]).
  apply Rlt_div_l in Hlt; [|easy].
  destruct (between_lines t) as [Hl _]; [lra|]; fold c in Hl; lra.
Qed.

(** ** The reverse divergence *)

Lemma reverse_derive alpha :
  is_derive (reverse M) alpha (over (fun j => alpha * Var vocab (p j) M alpha)).
Proof.
  apply (is_derive_ext (fun t => over (fun j => t * mean j t - K j t))).
  { intros; apply over_ext; intros; symmetry; apply divergence_tilted; auto. }
  apply (over_derive contexts pi (fun j t => t * mean j t - K j t)
           (fun j t => t * Var vocab (p j) M t)); intros j.
  eapply is_derive_value.
  - apply @is_derive_minus; [|apply mean_slope; auto].
    apply (is_derive_mult (fun t => t) (mean j)); [apply @is_derive_id| |intros; apply Rmult_comm].
    apply mean_slope_second; auto.
  - unfold minus, plus, opp, mult, one; simpl; unfold plus, mult; simpl; ring.
Qed.

Lemma reverse_0 : reverse M 0 = 0.
Proof.
  apply over_zero; intros; rewrite divergence_tilted, K_0 by auto; ring.
Qed.

Lemma reverse_level alpha :
  reverse M alpha = over (fun j => - (alpha * (m - mean j alpha))
                                   - ln (top M m j + other M m j alpha)).
Proof.
  apply over_ext; intros j _; rewrite divergence_tilted, K_level by auto; ring.
Qed.

Lemma lag_vanishes j : is_lim (fun alpha => alpha * (m - mean j alpha)) p_infty 0.
Proof.
  apply is_lim_ext with (fun alpha => Sum vocab (fun z =>
    p j z * (m - M z) * (alpha * exp (- alpha * (m - M z))) * / (top M m j + other M m j alpha))).
  { intros alpha; replace (m - mean j alpha) with (E vocab (p j) M alpha (fun z => m - M z))
      by (rewrite E_minus, E_const by auto; reflexivity).
    unfold E; rewrite <- Sum_scal; apply Sum_ext; intros.
    rewrite (tilted_level vocab (p j) M (p_pos j) (p_total j) m) by apply at_top.
    unfold Rdiv; ring. }
  apply (is_lim_value _ _ (Sum vocab (fun z => p j z * (m - M z) * 0 * / (top M m j + 0)))).
  2: { apply Sum_zero; intros; ring. }
  apply (is_lim_Sum vocab (fun z alpha => p j z * (m - M z) * (alpha * exp (- alpha * (m - M z)))
    * / (top M m j + other M m j alpha))); intros z Hz.
  apply lim_mult.
  - destruct at_top as [_ Hle]; destruct (Hle z Hz) as [Hgap|Hgap].
    + apply lim_mult; [apply is_lim_const|apply lim_exp_beats_line; lra].
    + apply (is_lim_ext (fun _ => 0)); [intros; rewrite Hgap; ring|].
      apply (is_lim_value _ _ 0); [apply is_lim_const|rewrite Hgap; ring].
  - apply lim_inv; [|generalize (top_pos j); lra].
    apply is_lim_plus'; [apply is_lim_const|]; apply rest_vanishes; auto.
Qed.

Lemma reverse_limit : is_lim (reverse M) p_infty (over (fun j => - ln (top M m j))).
Proof.
  eapply is_lim_ext; [intros; symmetry; apply reverse_level|].
  apply (over_lim contexts pi (fun j alpha => - (alpha * (m - mean j alpha))
                                   - ln (top M m j + other M m j alpha))); intros j.
  apply (is_lim_value _ _ (- 0 - ln (top M m j))); [|ring].
  apply is_lim_minus'; [|apply ln_top_limit].
  apply (is_lim_opp (fun alpha => alpha * (m - mean j alpha)) p_infty 0), lag_vanishes.
Qed.

Lemma reverse_rises : not_constant vocab M -> forall a b, 0 <= a < b -> reverse M a < reverse M b.
Proof.
  intros Hv a b Hab.
  apply (increasing_between _ (fun t => over (fun j => t * Var vocab (p j) M t)));
    [|intros x Hx|lra].
  - intros; apply reverse_derive.
  - apply over_pos; auto; intros j _.
    apply Rmult_lt_0_compat; [lra|]; apply Var_pos; auto.
Qed.

End Ahead.

(** ** Both ends *)

Variable M : T -> R.

(** [ce-asymptote] Sharpens Thm 3.8, plus infinity.  Ahead the increase lies between two parallel
    lines, whose slope is how far the mean log-odds have to rise, and approaches the lower one: in
    the model with linear logits there is no plateau. *)
Theorem ce_asymptote m :
  is_max vocab M m ->
  let slope := over (fun j => m - mean vocab (p j) M 0) in
  let drop := over (fun j => ln (mass vocab (p j) M m)) in
  (forall alpha, 0 <= alpha -> alpha * slope + drop <= increase M alpha <= alpha * slope) /\
  is_lim (fun alpha => increase M alpha - (alpha * slope + drop)) p_infty 0.
Proof. intros Hm; split; [intros; now apply between_lines|now apply line_is_asymptote]. Qed.

Lemma mass_opposite m j : mass vocab (p j) (fun z => - M z) (- m) = mass vocab (p j) M m.
Proof.
  unfold mass; f_equal; apply filter_ext; intros z; apply at_level_opposite.
Qed.

Lemma rise_opposite m : rise (fun z => - M z) (- m) = over (fun j => mean vocab (p j) M 0 - m).
Proof. apply over_ext; intros; rewrite mean_opposite, Ropp_0; ring. Qed.

(** [ce-asymptote] Sharpens Thm 3.8, minus infinity.  Behind, the same with the smallest
    log-odds. *)
Theorem ce_asymptote_minus_infinity m :
  is_min vocab M m ->
  let slope := over (fun j => mean vocab (p j) M 0 - m) in
  let drop := over (fun j => ln (mass vocab (p j) M m)) in
  (forall alpha, alpha <= 0 -> - alpha * slope + drop <= increase M alpha <= - alpha * slope) /\
  is_lim (fun alpha => increase M alpha - (- alpha * slope + drop)) m_infty 0.
Proof.
  intros Hm; apply is_max_opposite in Hm; intros slope drop.
  assert (Hdrop : over (fun j => ln (mass vocab (p j) (fun z => - M z) (- m))) = drop)
    by (apply over_ext; intros; now rewrite mass_opposite).
  split.
  - intros alpha Ha; pose proof (between_lines _ _ Hm (- alpha)) as H.
    rewrite Hdrop, rise_opposite, increase_opposite, Ropp_involutive in H; apply H; lra.
  - apply is_lim_reflect; pose proof (line_is_asymptote _ _ Hm) as H.
    rewrite Hdrop, rise_opposite in H; eapply is_lim_ext; [|exact H].
    intros t; simpl; rewrite increase_opposite, Ropp_involutive; reflexivity.
Qed.

Hypothesis varied : not_constant vocab M.

(** [ce-asymptote] Sharpens Thm 3.8, no plateau.  Unless the log-odds are constant the increase is
    unbounded at both ends. *)
Theorem ce_asymptote_unbounded :
  is_lim (increase M) p_infty p_infty /\ is_lim (increase M) m_infty p_infty.
Proof.
  split.
  - destruct contexts as [|j0 l] eqn:E.
    + simpl in pi_total; lra.
    + rewrite <- E in *.
      destruct (max_exists vocab (p j0) M (p_total j0)) as [m Hm].
      now apply increase_unbounded with m.
  - apply lim_minus_infinity; destruct contexts as [|j0 l] eqn:E; [simpl in pi_total; lra|].
    rewrite <- E in *.
    destruct (max_exists vocab (p j0) (fun z => - M z) (p_total j0)) as [m Hm].
    apply is_lim_ext with (increase (fun z => - M z)); [intros; apply increase_opposite|].
    apply increase_unbounded with m; [easy|now apply not_constant_opposite].
Qed.

Lemma increase_continuity N t : continuity_pt (increase N) t.
Proof. eapply derive_continuity, increase_derive; auto. Qed.

Lemma reverse_continuity N t : continuity_pt (reverse N) t.
Proof. eapply derive_continuity, reverse_derive. Qed.

Lemma budget_ahead N budget :
  not_constant vocab N -> is_lim (increase N) p_infty p_infty -> 0 < budget ->
  exists! alpha, 0 < alpha /\ increase N alpha = budget.
Proof.
  intros HN Hlim Hb; apply is_lim_spec in Hlim; destruct (Hlim budget) as [B HB].
  pose proof (Rmax_l 0 (B + 1)); pose proof (Rmax_r 0 (B + 1)).
  apply unique_budget with (Rmax 0 (B + 1)); auto.
  - apply increase_continuity.
  - apply increase_0.
  - apply ce_exact_valley; auto.
  - apply Rlt_le, HB; lra.
Qed.

(** A unique positive root of the mirror image is a unique negative root. *)
Lemma unique_mirror (f : R -> R) budget :
  (exists! t, 0 < t /\ f (- t) = budget) -> exists! t, t < 0 /\ f t = budget.
Proof.
  intros [t [[Ht He] Hu]]; exists (- t); split; [split; [lra|easy]|].
  intros s [Hs Hes]; rewrite (Hu (- s)); [ring|]; split; [lra|]; now rewrite Ropp_involutive.
Qed.

(** [advise-budget] Beyond the paper.  Every budget of cross-entropy is reached, on each side of 0,
    by exactly one strength. *)
Theorem advise_budget budget :
  0 < budget ->
  (exists! alpha, 0 < alpha /\ increase M alpha = budget) /\
  (exists! alpha, alpha < 0 /\ increase M alpha = budget).
Proof.
  intros Hb; destruct ce_asymptote_unbounded as [Hp Hm]; split; [now apply budget_ahead|].
  apply unique_mirror.
  destruct (budget_ahead (fun z => - M z) budget) as [t [[Ht He] Hu]];
    [now apply not_constant_opposite| |easy|].
  - apply is_lim_ext with (fun t => increase M (- t)); [intros; symmetry; apply increase_opposite|].
    apply (is_lim_comp (increase M) Ropp p_infty p_infty m_infty Hm); [|now exists 0].
    apply (is_lim_opp (fun t => t) p_infty p_infty), is_lim_id.
  - exists t; split; [now rewrite <- increase_opposite|]; intros s [Hs Hes]; apply Hu.
    now rewrite increase_opposite.
Qed.

(** [advise-budget] Beyond the paper, the window.  The strengths within a budget are exactly those
    between its two roots. *)
Theorem advise_budget_window budget low high alpha :
  low < 0 < high -> increase M low = budget -> increase M high = budget ->
  increase M alpha <= budget <-> low <= alpha <= high.
Proof.
  intros Hz Hl Hh.
  destruct (ce_exact_valley vocab contexts pi p M) as [Hr Hf]; auto.
  split; intros H.
  - split; apply Rnot_lt_le; intros Hout.
    + specialize (Hf alpha low ltac:(lra)); lra.
    + specialize (Hr high alpha ltac:(lra)); lra.
  - destruct (Rle_dec 0 alpha) as [Ha|Ha].
    + destruct (proj2 H) as [Hlt| ->]; [|lra]; specialize (Hr alpha high ltac:(lra)); lra.
    + destruct (proj1 H) as [Hlt| <-]; [|lra]; specialize (Hf low alpha ltac:(lra)); lra.
Qed.

Lemma reverse_budget N m budget :
  is_max vocab N m -> not_constant vocab N -> 0 < budget ->
  let ceiling := over (fun j => - ln (mass vocab (p j) N m)) in
  (budget < ceiling -> exists! alpha, 0 < alpha /\ reverse N alpha = budget) /\
  (ceiling <= budget -> forall alpha, 0 <= alpha -> reverse N alpha < budget).
Proof.
  intros Hm HN Hb ceiling; pose proof (reverse_limit N m Hm) as Hlim; fold ceiling in Hlim.
  pose proof (reverse_rises N HN) as Hrise.
  split; intros Hc.
  - apply is_lim_spec in Hlim.
    destruct (Hlim (mkposreal (ceiling - budget) ltac:(lra))) as [B HB].
    pose proof (Rmax_l 0 (B + 1)); pose proof (Rmax_r 0 (B + 1)).
    apply unique_budget with (Rmax 0 (B + 1)); auto.
    + apply reverse_continuity.
    + apply reverse_0.
    + specialize (HB (Rmax 0 (B + 1)) ltac:(lra)); simpl in HB; apply Rabs_def2 in HB; lra.
  - intros alpha Ha; apply Rlt_le_trans with (reverse N (alpha + 1)); [apply Hrise; lra|].
    apply Rle_trans with (2 := Hc); rewrite (reverse_level N m Hm); apply over_le; auto.
    intros j _.
    assert (0 <= (alpha + 1) * (m - tilting.mean vocab (p j) N (alpha + 1))).
    { apply Rmult_le_pos; [lra|]; destruct Hm as [_ Hle].
      enough (tilting.mean vocab (p j) N (alpha + 1) <= m) by lra; apply mean_le; auto. }
    enough (ln (mass vocab (p j) N m)
            <= ln (mass vocab (p j) N m + rest vocab (p j) N m (alpha + 1))) by lra.
    apply ln_le; [now apply top_pos|]; generalize (other_nonneg N m j (alpha + 1)); lra.
Qed.

(** [advise-budget] Beyond the paper, reverse divergence ahead.  The reverse divergence also grows
    with the strength but only up to minus the mean log-probability of the most favoured tokens: a
    budget below that ceiling is met by one strength, one above it by none. *)
Theorem advise_budget_reverse m budget :
  is_max vocab M m -> 0 < budget ->
  let ceiling := over (fun j => - ln (mass vocab (p j) M m)) in
  (budget < ceiling -> exists! alpha, 0 < alpha /\ reverse M alpha = budget) /\
  (ceiling <= budget -> forall alpha, 0 <= alpha -> reverse M alpha < budget) /\
  is_lim (reverse M) p_infty ceiling.
Proof.
  intros Hm Hb ceiling; destruct (reverse_budget M m budget Hm varied Hb) as [H1 H2].
  repeat split; auto; now apply reverse_limit.
Qed.

(** [advise-budget] Beyond the paper, reverse divergence behind.  At negative strength the ceiling
    is set by the least favoured tokens. *)
Theorem advise_budget_reverse_behind m budget :
  is_min vocab M m -> 0 < budget ->
  let ceiling := over (fun j => - ln (mass vocab (p j) M m)) in
  (budget < ceiling -> exists! alpha, alpha < 0 /\ reverse M alpha = budget) /\
  (ceiling <= budget -> forall alpha, alpha <= 0 -> reverse M alpha < budget).
Proof.
  intros Hm Hb ceiling; apply is_max_opposite in Hm.
  destruct (reverse_budget _ _ budget Hm) as [H1 H2]; [now apply not_constant_opposite|easy|].
  assert (Hceiling : over (fun j => - ln (mass vocab (p j) (fun z => - M z) (- m))) = ceiling)
    by (apply over_ext; intros; now rewrite mass_opposite).
  rewrite Hceiling in H1, H2; split; intros Hc.
  - apply unique_mirror; destruct (H1 Hc) as [t [[Ht He] Hu]].
    exists t; split; [now rewrite <- reverse_opposite|]; intros s [Hs Hes]; apply Hu.
    now rewrite reverse_opposite.
  - intros alpha Ha; rewrite <- (Ropp_involutive alpha), <- reverse_opposite.
    apply H2; [easy|lra].
Qed.

End Budget.
