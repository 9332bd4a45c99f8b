(** * How sure is an advised strength?

    The log-odds are estimated from finitely many texts, so the strength that spends a budget is an
    estimate too.  Its derivative in the log-odds says how far each text moves it; independent texts
    make the variance of the log-odds, and so, to first order, that of the strength. *)

From SteeringStrength Require Import analysis asymptotics tilting concept cross_entropy budget
  sampling.

(** ** The derivative of a root *)

(** [influence] Beyond the paper, any goal.  A root that moves continuously with a parameter moves
    at the rate of the implicit function theorem: a reverse divergence, a peak or a level as well as
    a cost.  Only the slope in the unknown needs to be continuous, and only at one point. *)
Theorem influence_any_goal (G slope : R -> R -> R) (root : R -> R) (shift : R) :
  (forall a s, is_derive (fun t => G t s) a (slope a s)) ->
  continuity_2d_pt slope (root 0) 0 -> slope (root 0) 0 <> 0 ->
  is_derive (G (root 0)) 0 shift -> continuity_pt root 0 ->
  locally 0 (fun s => G (root s) s = G (root 0) 0) ->
  is_derive root 0 (- shift / slope (root 0) 0).
Proof.
  intros HG Hc Hne Hs Hroot Hlevel; set (a := root 0) in *.
  (* the slope of the chord between the two roots *)
  set (chord := fun s => if Req_EM_T (root s) a then slope a s
                         else (G (root s) s - G a s) / (root s - a)).
  assert (Hchord : forall s, G (root s) s - G a s = chord s * (root s - a)).
  { intros s; unfold chord; destruct (Req_EM_T (root s) a) as [->|Hr]; [ring|field; lra]. }
  assert (Hlim : is_lim chord 0 (slope a 0)).
  { apply is_lim_spec; intros eps; destruct (Hc eps) as [delta Hdelta].
    destruct (Hroot delta (cond_pos delta)) as [gamma [Hgamma Hnear]].
    exists (mkposreal (Rmin gamma delta) (Rmin_pos _ _ Hgamma (cond_pos delta))).
    intros s Hs' Hs0; change (Rabs (s - 0) < Rmin gamma delta) in Hs'.
    rewrite Rminus_0_r in Hs'.
    pose proof (Rmin_l gamma delta); pose proof (Rmin_r gamma delta).
    assert (Hclose : Rabs (root s - a) < delta).
    { apply (Hnear s); split; [split; [exact I|now apply not_eq_sym]|].
      unfold dist; simpl; unfold R_dist; rewrite Rminus_0_r; lra. }
    unfold chord; destruct (Req_EM_T (root s) a) as [Hr|Hr].
    - apply Hdelta; [rewrite Rminus_diag_eq, Rabs_R0 by easy; apply cond_pos|].
      rewrite Rminus_0_r; lra.
    - destruct (mean_value_between (fun t => G t s) (fun t => slope t s) a (root s))
        as [c [Hin He]]; [auto|].
      replace ((G (root s) s - G a s) / (root s - a)) with (slope c s) by (rewrite He; field; lra).
      apply Hdelta; [|rewrite Rminus_0_r; lra].
      eapply Rle_lt_trans; [|exact Hclose]; revert Hin; unfold Rmin, Rmax, Rabs.
      destruct (Rle_dec a (root s)), (Rcase_abs (c - a)), (Rcase_abs (root s - a)); lra. }
  apply is_derive_quotient; fold a.
  apply is_lim_ext_loc with (fun s => - ((G a s - G a 0) / s) * / chord s).
  - assert (Hchord0 : Rbar_locally' 0 (fun s => chord s <> 0)).
    { apply (Hlim (fun y => y <> 0)); destruct (Rdichotomy _ _ Hne).
      - apply (filter_imp (fun y => y < 0)); [intros; lra|now apply open_lt].
      - apply (filter_imp (fun y => 0 < y)); [intros; lra|now apply open_gt]. }
    assert (Hlevel0 : Rbar_locally' 0 (fun s => G (root s) s = G a 0)).
    { destruct Hlevel as [e He]; exists e; intros; now apply He. }
    assert (Hs0 : Rbar_locally' 0 (fun s => s <> 0)) by (now exists (mkposreal 1 Rlt_0_1)).
    refine (filter_imp _ _ _ (filter_and _ _ (filter_and _ _ Hchord0 Hlevel0) Hs0)).
    intros s [[Hk Hl] Hs']; specialize (Hchord s); rewrite Hl in Hchord.
    replace (root s - a) with ((G a 0 - G a s) / chord s) by (rewrite Hchord; field; easy).
    field; easy.
  - apply lim_mult; [|now apply lim_inv].
    apply (is_lim_opp (fun s => (G a s - G a 0) / s) 0 shift); now apply is_derive_quotient.
Qed.

(** The positive root of a function that rises from 0 moves continuously. *)
Lemma root_continuity (G : R -> R -> R) (root : R -> R) (level : R) :
  (forall s a b, 0 <= a <= b -> G a s <= G b s) -> (forall a b, 0 <= a < b -> G a 0 < G b 0) ->
  (forall a, continuity_pt (G a) 0) ->
  locally 0 (fun s => 0 < root s /\ G (root s) s = level) ->
  continuity_pt root 0.
Proof.
  intros Hle Hlt Hc Hroot.
  destruct (locally_singleton 0 _ Hroot) as [H0 E0]; destruct Hroot as [near Hroot].
  intros eps Heps; set (e := Rmin eps (root 0) / 2).
  pose proof (Rmin_l eps (root 0)); pose proof (Rmin_r eps (root 0)).
  assert (He : 0 < Rmin eps (root 0)) by (now apply Rmin_pos).
  pose proof (Hlt (root 0 - e) (root 0) ltac:(unfold e; lra)) as Hlow.
  pose proof (Hlt (root 0) (root 0 + e) ltac:(unfold e; lra)) as Hhigh; rewrite E0 in Hlow, Hhigh.
  destruct (Hc (root 0 - e) (level - G (root 0 - e) 0) ltac:(lra)) as [u [Hu Hul]].
  destruct (Hc (root 0 + e) (G (root 0 + e) 0 - level) ltac:(lra)) as [v [Hv Hvl]].
  exists (Rmin near (Rmin u v)); split; [repeat apply Rmin_pos; auto; apply cond_pos|].
  intros s [[_ Hs0] Hs]; unfold dist in *; simpl in *; unfold R_dist in *.
  pose proof (Rmin_l near (Rmin u v)); pose proof (Rmin_r near (Rmin u v)).
  pose proof (Rmin_l u v); pose proof (Rmin_r u v).
  assert (Hin : D_x no_cond 0 s) by (split; [exact I|easy]).
  assert (Hsu : Rabs (s - 0) < u) by lra; assert (Hsv : Rabs (s - 0) < v) by lra.
  specialize (Hul s (conj Hin Hsu)); specialize (Hvl s (conj Hin Hsv)).
  apply Rabs_def2 in Hul; apply Rabs_def2 in Hvl.
  destruct (Hroot s) as [Hpos Hs'].
  { change (Rabs (s - 0) < near); lra. }
  assert (root 0 - e < root s).
  { apply Rnot_le_lt; intros Hn; specialize (Hle s _ _ (conj (Rlt_le _ _ Hpos) Hn)); lra. }
  assert (root s < root 0 + e).
  { apply Rnot_le_lt; intros Hn.
    specialize (Hle s (root 0 + e) (root s) ltac:(unfold e in *; lra)); lra. }
  apply Rabs_def1; unfold e in *; lra.
Qed.

(** ** The strength that spends a budget, as the log-odds change *)

Lemma continuity_2d_Sum {T : Type} (l : list T) (f : T -> R -> R -> R) x y :
  (forall z, In z l -> continuity_2d_pt (f z) x y) ->
  continuity_2d_pt (fun a s => Sum l (fun z => f z a s)) x y.
Proof.
  induction l as [|z l IH]; intros H; simpl; [apply continuity_2d_pt_const|].
  apply continuity_2d_pt_plus; [apply H; now left|apply IH; intros; apply H; now right].
Qed.

Section Change.

Context {T J : Type} (vocab : list T) (contexts : list J) (pi : J -> R) (p : J -> T -> R).
Hypothesis pi_pos : forall j, In j contexts -> 0 < pi j.
Hypothesis pi_total : Sum contexts pi = 1.
Hypothesis p_pos : forall j z, In z vocab -> 0 < p j z.
Hypothesis p_total : forall j, Sum vocab (p j) = 1.

Notation over := (over contexts pi).
Notation tilted j M alpha := (tilted vocab (p j) M alpha).
Notation mean j M := (mean vocab (p j) M).
Notation increase := (increase vocab contexts pi p).

(** How fast the strength moves that spends a fixed budget, if the log-odds move along [d]. *)
Definition sensitivity (M : T -> R) (alpha : R) (d : T -> R) : R :=
  - over (fun j => alpha * Sum vocab (fun z => (tilted j M alpha z - p j z) * d z))
  / over (fun j => mean j M alpha - mean j M 0).

Context (M : R -> T -> R) (d : T -> R).
Hypothesis M_derive : forall z, is_derive (fun s => M s z) 0 (d z).

Let slope (a s : R) : R := over (fun j => mean j (M s) a - mean j (M s) 0).

Lemma M_continuity z x : continuity_2d_pt (fun _ s => M s z) x 0.
Proof.
  apply (continuity_1d_2d_pt_comp (fun s => M s z) (fun _ s => s)); [|apply continuity_2d_pt_id2].
  eapply derive_continuity, M_derive.
Qed.

Lemma tilted_continuity_2d j z (f : R -> R) x :
  continuity_pt f x -> continuity_2d_pt (fun a s => tilted j (M s) (f a) z) x 0.
Proof.
  intros Hf; apply (continuity_2d_pt_ext (fun a s => p j z * exp (f a * M s z)
    * / Sum vocab (fun z => p j z * exp (f a * M s z))));
    [intros; rewrite tilted_ratio by auto; reflexivity|].
  assert (Hexp : forall z, continuity_2d_pt (fun a s => p j z * exp (f a * M s z)) x 0).
  { intros y; apply continuity_2d_pt_mult; [apply continuity_2d_pt_const|].
    apply (continuity_1d_2d_pt_comp exp (fun a s => f a * M s y)).
    - apply derivable_continuous_pt, derivable_pt_exp.
    - apply continuity_2d_pt_mult; [|apply M_continuity].
      apply (continuity_1d_2d_pt_comp f (fun a _ => a)); [easy|apply continuity_2d_pt_id1]. }
  apply continuity_2d_pt_mult; [apply Hexp|]; apply continuity_2d_pt_inv.
  - now apply (continuity_2d_Sum vocab (fun z a s => p j z * exp (f a * M s z))).
  - apply Rgt_not_eq, (Z_pos vocab (p j) (M 0) (p_pos j) (p_total j) (f x)).
Qed.

Lemma mean_continuity_2d j (f : R -> R) x :
  continuity_pt f x -> continuity_2d_pt (fun a s => mean j (M s) (f a)) x 0.
Proof.
  intros Hf; apply (continuity_2d_Sum vocab (fun z a s => tilted j (M s) (f a) z * M s z)).
  intros z _; apply continuity_2d_pt_mult; [now apply tilted_continuity_2d|apply M_continuity].
Qed.

Lemma slope_continuity x : continuity_2d_pt slope x 0.
Proof.
  apply (continuity_2d_Sum contexts (fun j a s => pi j * (mean j (M s) a - mean j (M s) 0))).
  intros j _; apply continuity_2d_pt_mult; [apply continuity_2d_pt_const|].
  apply continuity_2d_pt_minus.
  - apply (mean_continuity_2d j (fun a => a)), derivable_continuous_pt, derivable_pt_id.
  - apply (mean_continuity_2d j (fun _ => 0)), derivable_continuous_pt, derivable_pt_const.
Qed.

(** At a fixed strength the price changes at a rate that the distribution gives. *)
Lemma increase_change alpha :
  is_derive (fun s => increase (M s) alpha) 0
    (over (fun j => alpha * Sum vocab (fun z => (tilted j (M 0) alpha z - p j z) * d z))).
Proof.
  apply (is_derive_ext (fun s => over (fun j =>
    K vocab (p j) (M s) alpha - alpha * Sum vocab (fun z => p j z * M s z)))).
  { intros s; symmetry; rewrite ce_exact by auto; apply over_ext; intros; f_equal.
    now rewrite (mean_unsteered vocab p (M s) p_total). }
  apply (is_derive_Sum contexts (fun j s => pi j * (K vocab (p j) (M s) alpha
      - alpha * Sum vocab (fun z => p j z * M s z)))
    (fun j _ => pi j * (alpha * Sum vocab (fun z => (tilted j (M 0) alpha z - p j z) * d z)))).
  intros j _; apply @is_derive_scal; eapply is_derive_value.
  - apply is_derive_difference; [apply (K_path vocab (p j) M d 0); auto|]; apply @is_derive_scal.
    apply (is_derive_Sum vocab (fun z s => p j z * M s z) (fun z _ => p j z * d z)).
    intros z _; apply @is_derive_scal, M_derive.
  - rewrite <- Rmult_minus_distr_l; unfold E; rewrite <- Sum_minus; f_equal.
    apply Sum_ext; intros; ring.
Qed.

Lemma slope_nonneg s a : 0 <= a -> 0 <= slope a s.
Proof.
  intros Ha; apply over_nonneg; auto; intros j _.
  enough (mean j (M s) 0 <= mean j (M s) a) by lra.
  apply (nondecreasing (mean j (M s)) (Var vocab (p j) (M s))); [| |easy]; intros.
  - apply mean_slope_second; auto.
  - apply mean_slope_nonnegative; auto.
Qed.

Lemma increase_nondecreasing s a b : 0 <= a <= b -> increase (M s) a <= increase (M s) b.
Proof.
  intros Hab.
  destruct (mean_value_between (increase (M s)) (fun a => slope a s) a b) as [c [Hc He]].
  - intros; apply increase_derive; auto.
  - rewrite Rmin_left, Rmax_right in Hc by lra; pose proof (slope_nonneg s c); nra.
Qed.

(** [influence] Beyond the paper, levels.  Where the mean probability of a concept crosses a level,
    the strength that reaches it moves at the rate of two covariances with the concept. *)
Theorem influence_level (C : T -> bool) (root : R -> R) :
  let level a s := over (fun j => F vocab (p j) (M s) C a) in
  let covariance N j f := Sum (filter C vocab) (fun z =>
    tilted j N (root 0) z * (f z - E vocab (p j) N (root 0) f)) in
  let steepness := over (fun j => covariance (M 0) j (M 0)) in
  steepness <> 0 -> continuity_pt root 0 ->
  locally 0 (fun s => level (root s) s = level (root 0) 0) ->
  is_derive root 0 (- over (fun j => root 0 * covariance (M 0) j d) / steepness).
Proof.
  intros level covariance steepness Hne Hc Hroot.
  apply (influence_any_goal level (fun a s => over (fun j => Sum (filter C vocab) (fun z =>
    tilted j (M s) a z * (M s z - mean j (M s) a))))); [| |exact Hne| |exact Hc|exact Hroot].
  - intros a s; apply (over_derive contexts pi (fun j => F vocab (p j) (M s) C) (fun j t =>
      Sum (filter C vocab) (fun z => tilted j (M s) t z * (M s z - mean j (M s) t)))); intros j.
    apply F_derive; auto.
  - apply (continuity_2d_Sum contexts (fun j a s => pi j * Sum (filter C vocab) (fun z =>
      tilted j (M s) a z * (M s z - mean j (M s) a)))); intros j _.
    apply continuity_2d_pt_mult; [apply continuity_2d_pt_const|].
    apply (continuity_2d_Sum (filter C vocab) (fun z a s =>
      tilted j (M s) a z * (M s z - mean j (M s) a))); intros z _.
    assert (Hid : continuity_pt (fun a => a) (root 0))
      by apply derivable_continuous_pt, derivable_pt_id.
    apply continuity_2d_pt_mult; [now apply (tilted_continuity_2d j z (fun a => a))|].
    apply continuity_2d_pt_minus; [apply M_continuity|].
    now apply (mean_continuity_2d j (fun a => a)).
  - apply (is_derive_Sum contexts (fun j s => pi j * F vocab (p j) (M s) C (root 0))
      (fun j _ => pi j * (root 0 * covariance (M 0) j d))); intros j _.
    apply @is_derive_scal; unfold covariance; rewrite <- Sum_scal.
    apply (is_derive_Sum (filter C vocab) (fun z s => tilted j (M s) (root 0) z)
      (fun z _ => root 0 * (tilted j (M 0) (root 0) z
        * (d z - E vocab (p j) (M 0) (root 0) d)))).
    intros z _; apply (tilted_path vocab (p j) M d); auto.
Qed.

Lemma mean_change j alpha :
  is_derive (fun s => mean j (M s) alpha) 0 (E vocab (p j) (M 0) alpha d
    + alpha * E vocab (p j) (M 0) alpha (fun z => M 0 z * (d z - E vocab (p j) (M 0) alpha d))).
Proof.
  eapply is_derive_value.
  - apply (is_derive_Sum vocab (fun z s => tilted j (M s) alpha z * M s z) (fun z _ =>
      alpha * (tilted j (M 0) alpha z * (d z - E vocab (p j) (M 0) alpha d)) * M 0 z
      + tilted j (M 0) alpha z * d z)); intros z _.
    apply is_derive_product; [apply (tilted_path vocab (p j) M d); auto|apply M_derive].
  - rewrite Sum_plus, Rplus_comm; f_equal; transitivity (Sum vocab (fun z => alpha *
      (tilted j (M 0) alpha z * (M 0 z * (d z - E vocab (p j) (M 0) alpha d)))));
      [apply Sum_ext; intros; ring|apply Sum_scal].
Qed.

Lemma Var_continuity_2d j x : continuity_2d_pt (fun a s => Var vocab (p j) (M s) a) x 0.
Proof.
  assert (Hid : continuity_pt (fun a => a) x) by apply derivable_continuous_pt, derivable_pt_id.
  apply (continuity_2d_Sum vocab (fun z a s =>
    tilted j (M s) a z * (M s z - mean j (M s) a) ^ 2)); intros z _.
  assert (Hz : continuity_2d_pt (fun a s => M s z - mean j (M s) a) x 0).
  { apply continuity_2d_pt_minus; [apply M_continuity|].
    now apply (mean_continuity_2d j (fun a => a)). }
  apply continuity_2d_pt_mult; [now apply (tilted_continuity_2d j z (fun a => a))|].
  apply continuity_2d_pt_mult; [exact Hz|].
  apply continuity_2d_pt_mult; [exact Hz|apply continuity_2d_pt_const].
Qed.

Notation covariance j a :=
  (E vocab (p j) (M 0) a (fun z => M 0 z * (d z - E vocab (p j) (M 0) a d))).

(** [influence] Beyond the paper, reverse divergence.  The strength that spends a budget of the
    reverse divergence moves at the rate of a covariance over a variance. *)
Theorem influence_reverse (root : R -> R) :
  let reverse a s := reverse vocab contexts pi p (M s) a in
  let steepness := over (fun j => Var vocab (p j) (M 0) (root 0)) in
  root 0 <> 0 -> steepness <> 0 -> continuity_pt root 0 ->
  locally 0 (fun s => reverse (root s) s = reverse (root 0) 0) ->
  is_derive root 0 (- root 0 * over (fun j => covariance j (root 0)) / steepness).
Proof.
  intros rev steepness H0 Hne Hc Hroot.
  assert (Hslope : forall a s, over (fun j => a * Var vocab (p j) (M s) a)
    = a * over (fun j => Var vocab (p j) (M s) a)) by (intros; apply over_scal).
  eapply is_derive_value.
  - apply (influence_any_goal rev (fun a s => over (fun j => a * Var vocab (p j) (M s) a)) root
      (root 0 ^ 2 * over (fun j => covariance j (root 0)))); [| | | |exact Hc|exact Hroot].
    + intros a s; apply reverse_derive; auto.
    + apply (continuity_2d_Sum contexts (fun j a s => pi j * (a * Var vocab (p j) (M s) a))).
      intros j _; apply continuity_2d_pt_mult; [apply continuity_2d_pt_const|].
      apply continuity_2d_pt_mult; [apply continuity_2d_pt_id1|apply Var_continuity_2d].
    + rewrite Hslope; now apply Rmult_integral_contrapositive_currified.
    + apply (is_derive_ext (fun s => over (fun j =>
        root 0 * mean j (M s) (root 0) - K vocab (p j) (M s) (root 0)))).
      { intros s; apply over_ext; intros; symmetry; apply divergence_tilted; auto. }
      rewrite <- over_scal; apply (is_derive_Sum contexts (fun j s => pi j
        * (root 0 * mean j (M s) (root 0) - K vocab (p j) (M s) (root 0)))
        (fun j _ => pi j * (root 0 ^ 2 * covariance j (root 0)))); intros j _.
      apply @is_derive_scal; eapply is_derive_value.
      * apply is_derive_difference; [apply @is_derive_scal, mean_change|].
        apply (K_path vocab (p j) M d); auto.
      * ring.
  - rewrite Hslope; fold steepness; field; easy.
Qed.

(** [influence] Beyond the paper, peaks.  The peak of a token moves against the change of its mean
    log-odds relative to its own, over the variance. *)
Theorem influence_peak j x (root : R -> R) :
  let variance := Var vocab (p j) (M 0) (root 0) in
  variance <> 0 -> continuity_pt root 0 ->
  locally 0 (fun s => mean j (M s) (root s) = M s x) ->
  is_derive root 0
    (- (E vocab (p j) (M 0) (root 0) d - d x + root 0 * covariance j (root 0)) / variance).
Proof.
  intros variance Hne Hc Hroot.
  apply (influence_any_goal (fun a s => mean j (M s) a - M s x)
    (fun a s => Var vocab (p j) (M s) a)); [| |exact Hne| |exact Hc|].
  - intros a s; eapply is_derive_value;
      [apply is_derive_difference; [apply mean_slope_second; auto|apply @is_derive_const]|].
    unfold zero; simpl; ring.
  - apply Var_continuity_2d.
  - eapply is_derive_value; [apply is_derive_difference; [apply mean_change|apply M_derive]|ring].
  - pose proof (locally_singleton 0 _ Hroot) as E0; destruct Hroot as [e He]; exists e; intros s Hs.
    rewrite (He s Hs), E0; ring.
Qed.

Hypothesis varied : not_constant vocab (M 0).

(** [influence] Beyond the paper, Sec. 6 (conclusion).  Let the log-odds move along any
    differentiable path.  The positive strength that spends a budget is a differentiable function of
    it, and its derivative is the ratio of two expectations at the strength itself: no new root is
    needed. *)
Theorem influence (root : R -> R) budget :
  locally 0 (fun s => 0 < root s /\ increase (M s) (root s) = budget) ->
  is_derive root 0
    (- over (fun j => root 0 * Sum vocab (fun z => (tilted j (M 0) (root 0) z - p j z) * d z))
     / over (fun j => mean j (M 0) (root 0) - mean j (M 0) 0)).
Proof.
  intros Hroot; destruct (locally_singleton 0 _ Hroot) as [H0 E0].
  apply (influence_any_goal (fun a s => increase (M s) a) slope root).
  - intros; apply increase_derive; auto.
  - apply slope_continuity.
  - apply Rgt_not_eq, over_pos; auto; intros j _.
    enough (mean j (M 0) 0 < mean j (M 0) (root 0)) by lra; apply mean_slope_increasing; auto.
  - apply increase_change.
  - apply (root_continuity (fun a s => increase (M s) a) root budget); [| | |exact Hroot].
    + intros; now apply increase_nondecreasing.
    + apply (ce_exact_valley vocab contexts pi p (M 0)); auto.
    + intros; eapply derive_continuity, increase_change.
  - destruct Hroot as [e He]; exists e; intros s Hs; rewrite E0; now apply He.
Qed.

End Change.

(** ** What one text moves *)

Section Texts.

Context {T J S : Type} (vocab : list T) (contexts : list J) (pi : J -> R) (p : J -> T -> R).
Hypothesis pi_pos : forall j, In j contexts -> 0 < pi j.
Hypothesis pi_total : Sum contexts pi = 1.
Hypothesis p_pos : forall j z, In z vocab -> 0 < p j z.
Hypothesis p_total : forall j, Sum vocab (p j) = 1.

(** What text [i] says of token [z], its log-probability say; the log-odds are a difference of means
    over the two lists. *)
Context (L : S -> T -> R) (P N : list S).
Hypothesis P_nonempty : P <> [].
Hypothesis N_nonempty : N <> [].
Definition mean_difference (P N : list S) (z : T) : R :=
  average P (fun i => L i z) - average N (fun i => L i z).
Notation M := (mean_difference P N).
Hypothesis varied : not_constant vocab M.

(** The strength, and how far a text of each list moves it. *)
Variable alpha : R.
Notation moves := (sensitivity vocab contexts pi p M alpha).
Definition influence_positive (i : S) : R :=
  moves (fun z => (L i z - average P (fun k => L k z)) / INR (length P)).
Definition influence_negative (i : S) : R :=
  moves (fun z => - ((L i z - average N (fun k => L k z)) / INR (length N))).

(** A mean in which one text has the weight [1 + s]. *)
Definition reweighted (l : list S) (i : S) (s : R) (f : S -> R) : R :=
  (Sum l f + s * f i) / (INR (length l) + s).

Lemma reweighted_derive l i f :
  l <> [] -> is_derive (fun s => reweighted l i s f) 0 ((f i - average l f) / INR (length l)).
Proof.
  intros Hl; assert (0 < INR (length l)) by now apply length_pos.
  unfold reweighted, average; auto_derive; [rewrite Rplus_0_r; lra|field; lra].
Qed.

Lemma moved_root (more : R -> T -> R) (root : R -> R) (d : T -> R) budget :
  root 0 = alpha -> (forall z, more 0 z = M z) ->
  (forall z, is_derive (fun s => more s z) 0 (d z)) ->
  locally 0 (fun s => 0 < root s /\ increase vocab contexts pi p (more s) (root s) = budget) ->
  is_derive root 0 (moves d).
Proof.
  intros Ha H0 Hd Hroot; assert (HM : more 0 = M)
    by (apply FunctionalExtensionality.functional_extensionality, H0).
  unfold sensitivity; rewrite <- Ha, <- HM.
  apply (influence vocab contexts pi p pi_pos pi_total p_pos p_total more d Hd)
    with (budget := budget); [now rewrite HM|exact Hroot].
Qed.

(** [influence] Beyond the paper, one text.  Counting one text a little more moves the strength that
    spends a budget at the rate of the text's influence: V operations, no refit. *)
Theorem influence_text (i : S) (root : R -> R) budget :
  let more s z := reweighted P i s (fun k => L k z) - average N (fun k => L k z) in
  root 0 = alpha ->
  locally 0 (fun s => 0 < root s /\ increase vocab contexts pi p (more s) (root s) = budget) ->
  is_derive root 0 (influence_positive i).
Proof.
  intros more Ha; apply (moved_root more); [easy| |].
  - intros z; unfold more, reweighted; rewrite Rmult_0_l, !Rplus_0_r; reflexivity.
  - intros z; eapply is_derive_value.
    + apply is_derive_difference; [now apply reweighted_derive|apply @is_derive_const].
    + unfold zero; simpl; ring.
Qed.

(** [influence] Beyond the paper, one text to avoid.  The same for a text of the other list, with
    the opposite sign. *)
Theorem influence_text_negative (i : S) (root : R -> R) budget :
  let more s z := average P (fun k => L k z) - reweighted N i s (fun k => L k z) in
  root 0 = alpha ->
  locally 0 (fun s => 0 < root s /\ increase vocab contexts pi p (more s) (root s) = budget) ->
  is_derive root 0 (influence_negative i).
Proof.
  intros more Ha; apply (moved_root more); [easy| |].
  - intros z; unfold more, reweighted; rewrite Rmult_0_l, !Rplus_0_r; reflexivity.
  - intros z; eapply is_derive_value.
    + apply is_derive_difference; [apply @is_derive_const|now apply reweighted_derive].
    + unfold zero; simpl; ring.
Qed.

Lemma moves_linear c x y :
  moves (fun z => c * x z + y z) = c * moves x + moves y.
Proof.
  unfold sensitivity.
  set (D := over contexts pi (fun j => mean vocab (p j) M alpha - mean vocab (p j) M 0)).
  rewrite (over_ext contexts pi _ (fun j =>
    c * (alpha * Sum vocab (fun z => (tilted vocab (p j) M alpha z - p j z) * x z))
    + alpha * Sum vocab (fun z => (tilted vocab (p j) M alpha z - p j z) * y z))).
  - rewrite over_plus, over_scal; unfold Rdiv; ring.
  - intros j _; set (w := fun z => tilted vocab (p j) M alpha z - p j z).
    rewrite (Sum_ext vocab _ (fun z => c * (w z * x z) + w z * y z)) by (intros; unfold w; ring).
    rewrite Sum_plus, Sum_scal; unfold w; ring.
Qed.

Lemma moves_Sum (l : list S) (x : S -> T -> R) c :
  moves (fun z => c * Sum l (fun i => x i z)) = c * Sum l (fun i => moves (x i)).
Proof.
  assert (Hzero : moves (fun _ => 0) = 0).
  { pose proof (moves_linear 0 (fun _ => 0) (fun _ => 0)) as H.
    pose proof (moves_linear 1 (fun _ => 0) (fun _ => 0)) as H'.
    cbv beta in *; rewrite Rmult_0_r, Rplus_0_r in *; lra. }
  assert (H : moves (fun z => Sum l (fun i => x i z)) = Sum l (fun i => moves (x i))).
  { induction l as [|i l IH]; [exact Hzero|]; simpl; rewrite <- IH.
    rewrite <- (Rmult_1_l (moves (x i))), <- moves_linear; f_equal.
    apply FunctionalExtensionality.functional_extensionality; intros; ring. }
  rewrite <- H, <- (Rplus_0_r (c * _)), <- Hzero at 1; rewrite <- moves_linear; f_equal.
  apply FunctionalExtensionality.functional_extensionality; intros; ring.
Qed.

Notation effect i := (moves (L i)).

Lemma moves_minus x y : moves (fun z => x z - y z) = moves x - moves y.
Proof.
  transitivity (-1 * moves y + moves x); [|ring]; rewrite <- moves_linear; f_equal.
  apply FunctionalExtensionality.functional_extensionality; intros; ring.
Qed.

Lemma moves_average l :
  moves (fun z => average l (fun i => L i z)) = average l (fun i => effect i).
Proof.
  transitivity (moves (fun z => / INR (length l) * Sum l (fun i => L i z))).
  - f_equal; apply FunctionalExtensionality.functional_extensionality; intros; apply Rmult_comm.
  - rewrite moves_Sum; apply Rmult_comm.
Qed.

Lemma influence_positive_value i :
  influence_positive i = (effect i - average P (fun k => effect k)) / INR (length P).
Proof.
  unfold influence_positive; set (n := INR (length P)).
  assert (0 < n) by now apply length_pos.
  transitivity (/ n * effect i + moves (fun z => - / n ^ 2 * Sum P (fun k => L k z))).
  - rewrite <- moves_linear; f_equal; apply FunctionalExtensionality.functional_extensionality.
    intros z; unfold average; fold n; field; lra.
  - rewrite moves_Sum; unfold average; fold n; field; lra.
Qed.

Lemma influence_negative_value i :
  influence_negative i = - ((effect i - average N (fun k => effect k)) / INR (length N)).
Proof.
  unfold influence_negative; set (n := INR (length N)).
  assert (0 < n) by now apply length_pos.
  transitivity (- / n * effect i + moves (fun z => / n ^ 2 * Sum N (fun k => L k z))).
  - rewrite <- moves_linear; f_equal; apply FunctionalExtensionality.functional_extensionality.
    intros z; unfold average; fold n; field; lra.
  - rewrite moves_Sum; unfold average; fold n; field; lra.
Qed.

Lemma deviations l (f : S -> R) :
  l <> [] -> Sum l (fun i => (f i - average l f) / INR (length l)) = 0.
Proof.
  intros Hl; rewrite Sum_div, Sum_minus, Sum_const; unfold average.
  field; now apply Rgt_not_eq, length_pos.
Qed.

(** [influence] Beyond the paper, balance.  The influences of the texts of each list sum to zero:
    what some texts push others pull back. *)
Theorem influence_total : Sum P influence_positive = 0 /\ Sum N influence_negative = 0.
Proof.
  split.
  - rewrite (Sum_ext P _ _ (fun i _ => influence_positive_value i)); now apply deviations.
  - rewrite (Sum_ext N _ _ (fun i _ => influence_negative_value i)), Sum_opp.
    rewrite deviations by easy; ring.
Qed.

(** [standard-error] Beyond the paper, resampling.  Draw as many texts again, with
    replacement, from each list.  To first order in the change of the log-odds, the mean square of
    what the strength moves is the sum of the squared influences: the square of its standard error.
    *)
Theorem standard_error_resampled :
  let equal (l : list S) (_ : S) := / INR (length l) in
  both_sampled P N (equal P) (equal N) (length P) (length N)
    (fun x y => moves (fun z => mean_difference x y z - M z) ^ 2)
  = Sum P (fun i => influence_positive i ^ 2) + Sum N (fun i => influence_negative i ^ 2).
Proof.
  intros equal; set (f := fun i => effect i).
  assert (HP := length_pos P P_nonempty); assert (HN := length_pos N N_nonempty).
  assert (Hequal : forall l, 0 < INR (length l) -> Sum l (equal l) = 1)
    by (intros l Hl; unfold equal; rewrite Sum_const; field; lra).
  assert (Hmean : forall l, population_mean l (equal l) f = average l f)
    by (intros l; unfold population_mean, equal, average; rewrite Sum_scal; unfold Rdiv; ring).
  destruct (standard_error_log_odds P N (equal P) (equal N) (Hequal P HP) (Hequal N HN) f
    (length P) (length N)) as [_ Hvar]; [now destruct P|now destruct N|].
  rewrite !Hmean in Hvar.
  transitivity (both_sampled P N (equal P) (equal N) (length P) (length N) (fun x y =>
    (average x f - average y f - (average P f - average N f)) ^ 2)).
  - apply Sum_ext; intros x _; f_equal; apply Sum_ext; intros y _; f_equal.
    unfold f; rewrite <- !moves_average, <- !moves_minus; reflexivity.
  - rewrite Hvar; unfold population_variance; rewrite !Hmean; f_equal.
    + unfold equal; rewrite Sum_scal, (Sum_ext P (fun i => influence_positive i ^ 2)
        (fun i => / INR (length P) ^ 2 * (f i - average P f) ^ 2)).
      * rewrite Sum_scal; field; lra.
      * intros i _; rewrite influence_positive_value; unfold f; field; lra.
    + unfold equal; rewrite Sum_scal, (Sum_ext N (fun i => influence_negative i ^ 2)
        (fun i => / INR (length N) ^ 2 * (f i - average N f) ^ 2)).
      * rewrite Sum_scal; field; lra.
      * intros i _; rewrite influence_negative_value; unfold f; field; lra.
Qed.

End Texts.
