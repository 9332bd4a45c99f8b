(** * A strength for each context

    The strength may depend on the context.  What is gained is the mean probability of a concept
    [C], what is spent the mean divergence from the unsteered model.  An optimal allocation gains as
    much per unit spent in every context; for small budgets its strengths are in proportion to a
    regression slope, and how much they beat one common strength is known in advance. *)

From SteeringStrength Require Import analysis asymptotics tilting concept cross_entropy.

(** A function with a positive slope at 0 exceeds its value there on the first strengths. *)
Lemma rises (f : R -> R) (d : R) :
  is_derive f 0 d -> 0 < d -> exists delta, 0 < delta /\ forall t, 0 < t < delta -> f 0 < f t.
Proof.
  intros Hf Hd; apply is_derive_Reals in Hf; destruct (Hf d Hd) as [delta Hdelta].
  exists delta; split; [apply cond_pos|]; intros t Ht.
  specialize (Hdelta t ltac:(lra)); rewrite Rabs_pos_eq, Rplus_0_l in Hdelta by lra.
  specialize (Hdelta ltac:(lra)); apply Rabs_def2 in Hdelta.
  assert (0 < (f t - f 0) / t) by lra.
  assert (f t - f 0 = (f t - f 0) / t * t) by (field; lra); nra.
Qed.

(** If no direction raises one linear form and lowers another, the first is a nonnegative multiple
    of the second. *)
Lemma multiplier {J : Type} (l : list J) (g c : J -> R) :
  (exists j, In j l /\ c j <> 0) ->
  (forall d : J -> R, ~ (0 < Sum l (fun j => g j * d j) /\ Sum l (fun j => c j * d j) < 0)) ->
  exists lambda, 0 <= lambda /\ forall j, In j l -> g j = lambda * c j.
Proof.
  intros [i [Hi Hci]] Hno.
  set (cc := Sum l (fun j => c j ^ 2)); set (gc := Sum l (fun j => g j * c j)).
  assert (Hcc : 0 < cc)
    by (apply Sum_pos_term with i; [intros; apply pow2_ge_0|easy|now apply pow2_gt_0]).
  set (r := fun j => g j - gc / cc * c j); set (rr := Sum l (fun j => r j ^ 2)).
  assert (Hcr : Sum l (fun j => c j * r j) = 0).
  { rewrite (Sum_ext l _ (fun j => g j * c j - gc / cc * c j ^ 2)) by (intros; unfold r; ring).
    rewrite Sum_minus, Sum_scal; fold gc cc; field; lra. }
  assert (Hgr : Sum l (fun j => g j * r j) = rr).
  { rewrite (Sum_ext l _ (fun j => r j ^ 2 + gc / cc * (c j * r j))) by (intros; unfold r; ring).
    rewrite Sum_plus, Sum_scal, Hcr; unfold rr; ring. }
  exists (gc / cc); split.
  - apply Rnot_lt_le; intros H; apply (Hno (fun j => - c j)).
    rewrite (Sum_ext l _ (fun j => - (g j * c j))), Sum_opp by (intros; ring); fold gc.
    rewrite (Sum_ext l (fun j => c j * - c j) (fun j => - c j ^ 2)), Sum_opp by (intros; ring).
    fold cc; split; [|lra].
    replace gc with (gc / cc * cc) by (field; lra); nra.
  - assert (Hrr : rr = 0).
    { destruct (Req_dec rr 0) as [|Hne]; [easy|exfalso].
      set (k := (gc + 1) / rr); apply (Hno (fun j => k * r j - c j)).
      rewrite (Sum_ext l _ (fun j => k * (g j * r j) - g j * c j)) by (intros; ring).
      rewrite (Sum_ext l (fun j => c j * (k * r j - c j)) (fun j => k * (c j * r j) - c j ^ 2))
        by (intros; ring).
      rewrite !Sum_minus, !Sum_scal, Hcr, Hgr; fold cc gc; split; [|lra].
      replace (k * rr) with (gc + 1) by (unfold k; field; easy); lra. }
    intros j Hj; assert (Hr : r j ^ 2 = 0)
      by (apply (Sum_nonneg_zero l (fun j => r j ^ 2)); auto; intros; apply pow2_ge_0).
    apply Rmult_integral in Hr; unfold r in Hr; rewrite Rmult_1_r in Hr; lra.
Qed.

Section Allocation.

Context {T J : Type} (vocab : list T) (contexts : list J) (pi : J -> R) (p : J -> T -> R)
  (M : T -> R) (C : T -> bool).
Hypothesis pi_pos : forall j, In j contexts -> 0 < pi j.
Hypothesis pi_total : Sum contexts pi = 1.
Hypothesis p_pos : forall j z, In z vocab -> 0 < p j z.
Hypothesis p_total : forall j, Sum vocab (p j) = 1.

Notation F j := (F vocab (p j) M C).
Notation mean j := (mean vocab (p j) M).
Notation Var j := (Var vocab (p j) M).
Notation over := (over contexts pi).

(** The covariance of the concept's indicator with the log-odds: the slope of [F j]. *)
Definition covariance (j : J) (alpha : R) : R :=
  Sum (filter C vocab) (fun z => tilted vocab (p j) M alpha z * (M z - mean j alpha)).
Definition divergence_at (j : J) (alpha : R) : R :=
  divergence vocab (p j) (tilted vocab (p j) M alpha).

(** An allocation gives context [j] the strength [a j]. *)
Definition gained (a : J -> R) : R := over (fun j => F j (a j)).
Definition spent (a : J -> R) : R := over (fun j => divergence_at j (a j)).

(** No allocation within the budget and close by gains more. *)
Definition locally_optimal (budget : R) (a : J -> R) : Prop :=
  spent a <= budget /\
  exists radius, 0 < radius /\ forall b,
    (forall j, In j contexts -> Rabs (b j - a j) < radius) -> spent b <= budget ->
    gained b <= gained a.

Lemma divergence_derive j t : is_derive (divergence_at j) t (mean j t - mean j 0).
Proof.
  apply (is_derive_ext (fun s => K vocab (p j) M s - s * mean j 0)).
  { intros; symmetry; apply divergence_to_tilted; auto. }
  apply (is_derive_minus (K vocab (p j) M) (fun s => s * mean j 0) t).
  - apply mean_slope; auto.
  - auto_derive; [easy|ring].
Qed.

(** Both along a ray of allocations. *)
Lemma along_ray (f df : J -> R -> R) (a d : J -> R) t :
  (forall j s, is_derive (f j) s (df j s)) ->
  is_derive (fun s => over (fun j => f j (a j + s * d j))) t
    (over (fun j => df j (a j + t * d j) * d j)).
Proof.
  intros Hf; apply (over_derive contexts pi (fun j s => f j (a j + s * d j))
    (fun j s => df j (a j + s * d j) * d j)); intros j.
  eapply is_derive_value.
  - apply (is_derive_comp (f j) (fun s => a j + s * d j)); [apply Hf|].
    auto_derive; [easy|reflexivity].
  - unfold scal; simpl; unfold mult; simpl; ring.
Qed.

Lemma F_covariance j t : is_derive (F j) t (covariance j t).
Proof. apply F_derive; auto. Qed.

(** [allocation] Beyond the paper, Sec. 6 (conclusion).  At an optimal allocation, be it only
    locally optimal, the probability gained per unit of divergence spent is the same in every
    context: one multiplier, never negative.  The condition is necessary, not sufficient. *)
Theorem allocation budget a :
  not_constant vocab M -> (exists j, In j contexts /\ a j <> 0) -> locally_optimal budget a ->
  exists lambda, 0 <= lambda /\
    forall j, In j contexts -> covariance j (a j) = lambda * (mean j (a j) - mean j 0).
Proof.
  intros HM [i [Hi Ha]] [Hspent [radius [Hradius Hbest]]].
  destruct (multiplier contexts (fun j => pi j * covariance j (a j))
    (fun j => pi j * (mean j (a j) - mean j 0))) as [lambda [Hlambda H]].
  - exists i; split; [easy|]; apply Rmult_integral_contrapositive_currified;
      [now apply Rgt_not_eq, pi_pos|].
    intros E; apply Ha, (increasing_injective (mean i)); [|lra].
    apply mean_slope_increasing; auto.
  - intros d [Hg Hc].
    pose proof (along_ray (fun j => F j) covariance a d 0 F_covariance) as HG.
    pose proof (along_ray divergence_at (fun j t => mean j t - mean j 0) a d 0 divergence_derive)
      as HC.
    assert (Ezero : forall j, a j + 0 * d j = a j) by (intros; ring).
    apply rises in HG.
    2: { unfold cross_entropy.over in *; erewrite Sum_ext; [apply Hg|].
         intros; simpl; rewrite Ezero; ring. }
    apply (is_derive_opp _ 0) in HC; apply rises in HC.
    2: { unfold opp, cross_entropy.over; simpl.
         erewrite Sum_ext; [apply Ropp_0_gt_lt_contravar, Hc|].
         intros; simpl; rewrite Ezero; ring. }
    destruct HG as [u [Hu HG]], HC as [v [Hv HC]].
    set (size := Sum contexts (fun j => Rabs (d j)) + 1).
    assert (Hsize : forall j, In j contexts -> Rabs (d j) < size).
    { intros j Hj; unfold size.
      pose proof (Sum_term_le contexts (fun j => Rabs (d j)) j (fun k _ => Rabs_pos (d k)) Hj).
      simpl in *; lra. }
    assert (0 < size) by (eapply Rle_lt_trans; [apply Rabs_pos|apply (Hsize i Hi)]).
    set (t := Rmin (Rmin u v) (radius / size) / 2).
    assert (Hq : 0 < radius / size) by now apply Rdiv_lt_0_compat.
    pose proof (Rmin_l (Rmin u v) (radius / size)); pose proof (Rmin_r (Rmin u v) (radius / size)).
    pose proof (Rmin_l u v); pose proof (Rmin_r u v).
    assert (0 < Rmin (Rmin u v) (radius / size)) by (repeat apply Rmin_pos; easy).
    assert (Ht : 0 < t < Rmin (Rmin u v) (radius / size)) by (unfold t; lra).
    specialize (HG t ltac:(lra)); specialize (HC t ltac:(lra)); unfold opp in HC; simpl in HC.
    assert (Hzero : forall f : J -> R -> R,
      over (fun j => f j (a j + 0 * d j)) = over (fun j => f j (a j)))
      by (intros; apply over_ext; intros; now rewrite Ezero).
    rewrite (Hzero (fun j => F j)) in HG; rewrite (Hzero divergence_at) in HC.
    apply (Rlt_not_le _ _ HG), (Hbest (fun j => a j + t * d j)).
    + intros j Hj; replace (a j + t * d j - a j) with (t * d j) by ring.
      rewrite Rabs_mult, Rabs_pos_eq by lra.
      apply Rlt_trans with (t * size); [apply Rmult_lt_compat_l; auto; lra|].
      apply Rlt_le_trans with (radius / size * size); [apply Rmult_lt_compat_r; lra|].
      apply Req_le; field; lra.
    + unfold spent in *; lra.
  - exists lambda; split; [easy|]; intros j Hj; specialize (H j Hj); specialize (pi_pos j Hj).
    apply Rmult_eq_reg_l with (pi j); lra.
Qed.

(** [allocation] Beyond the paper, a bound.  Any multiplier bounds what every allocation within the
    budget can gain, by one maximisation in each context: if an allocation attains the bound, it is
    optimal, whatever the shape of the curves. *)
Theorem allocation_bound lambda budget a (best : J -> R) :
  0 <= lambda -> (forall j t, F j t - lambda * divergence_at j t <= best j) ->
  spent a <= budget -> gained a <= over best + lambda * budget.
Proof.
  intros Hlambda Hbest Hspent.
  assert (H : over (fun j => F j (a j) - lambda * divergence_at j (a j)) <= over best)
    by (apply over_le; auto).
  rewrite over_minus, over_scal in H; unfold gained, spent in *; nra.
Qed.

(** ** Small budgets *)

Hypothesis varied : not_constant vocab M.

(** The regression slope of the concept's indicator on the log-odds, in context [j]. *)
Definition beta (j : J) : R := covariance j 0 / Var j 0.
Definition relevance (j : J) : R := Var j 0.

Lemma relevance_pos j : 0 < relevance j.
Proof. apply Var_pos; auto. Qed.

Lemma covariance_beta j : covariance j 0 = relevance j * beta j.
Proof. unfold beta; fold (relevance j); field; apply Rgt_not_eq, relevance_pos. Qed.

(** Squared gain over cost, for small strengths along a ray. *)
Definition efficiency (x : J -> R) : R :=
  over (fun j => relevance j * beta j * x j) ^ 2 / (/ 2 * over (fun j => relevance j * x j ^ 2)).

Lemma spent_pos x : (exists j, In j contexts /\ x j <> 0) ->
  0 < over (fun j => relevance j * x j ^ 2).
Proof.
  intros [i [Hi Hx]]; apply Sum_pos_term with i; [|easy|].
  - intros j Hj; apply Rmult_le_pos; [now apply Rlt_le, pi_pos|].
    apply Rmult_le_pos; [apply Rlt_le, relevance_pos|apply pow2_ge_0].
  - apply Rmult_lt_0_compat; [now apply pi_pos|].
    apply Rmult_lt_0_compat; [apply relevance_pos|now apply pow2_gt_0].
Qed.

(** [allocation] Beyond the paper, small budgets.  Along any ray of allocations the squared gain
    over what is spent tends to its efficiency, which is made of two moments of each context. *)
Theorem allocation_small x :
  (exists j, In j contexts /\ x j <> 0) ->
  is_lim (fun t => (gained (fun j => t * x j) - gained (fun _ => 0)) ^ 2
                   / spent (fun j => t * x j)) 0 (efficiency x).
Proof.
  intros Hx; pose proof (spent_pos x Hx) as Hpos.
  assert (HG : is_lim (fun t => (gained (fun j => t * x j) - gained (fun _ => 0)) / t) 0
                 (over (fun j => relevance j * beta j * x j))).
  { apply (is_lim_ext (fun t => (gained (fun j => t * x j) - gained (fun j => 0 * x j)) / t)).
    { intros; replace (gained (fun j => 0 * x j)) with (gained (fun _ => 0)); [reflexivity|].
      apply over_ext; intros; f_equal; ring. }
    apply (is_derive_quotient (fun t => gained (fun j => t * x j))).
    pose proof (along_ray (fun j => F j) covariance (fun _ => 0) x 0 F_covariance) as H.
    eapply is_derive_ext; [|eapply is_derive_value; [exact H|]].
    - intros; apply over_ext; intros; f_equal; ring.
    - apply over_ext; intros; rewrite <- covariance_beta; do 2 f_equal; ring. }
  assert (HS : is_lim (fun t => spent (fun j => t * x j) / t ^ 2) 0
                 (over (fun j => relevance j * x j ^ 2) / 2)).
  { apply second_order with (fun t => over (fun j => (mean j (t * x j) - mean j 0) * x j)).
    - intros t; pose proof (along_ray divergence_at _ (fun _ => 0) x t divergence_derive) as H.
      eapply is_derive_ext; [|eapply is_derive_value; [exact H|]].
      + intros s; apply over_ext; intros; f_equal; ring.
      + apply over_ext; intros; do 3 f_equal; ring.
    - apply over_zero; intros; unfold divergence_at; rewrite divergence_to_tilted by auto.
      rewrite !Rmult_0_l, K_0 by auto; ring.
    - apply over_zero; intros; rewrite Rmult_0_l; ring.
    - eapply is_derive_value.
      + apply (over_derive contexts pi (fun j t => (mean j (t * x j) - mean j 0) * x j)
          (fun j t => Var j (t * x j) * x j ^ 2)); intros j.
        apply (is_derive_ext (fun t => x j * (mean j (t * x j) - mean j 0)));
          [intros; apply Rmult_comm|].
        eapply is_derive_value.
        * apply @is_derive_scal, @is_derive_minus; [|apply @is_derive_const].
          apply (is_derive_comp (mean j) (fun t => t * x j)); [apply mean_slope_second; auto|].
          auto_derive; [easy|reflexivity].
        * unfold scal, minus, plus, opp, zero; simpl; unfold mult; simpl; ring.
      + apply over_ext; intros; unfold relevance; now rewrite Rmult_0_l. }
  apply is_lim_ext_loc with (fun t =>
    ((gained (fun j => t * x j) - gained (fun _ => 0)) / t) ^ 2
    * / (spent (fun j => t * x j) / t ^ 2)).
  - exists (mkposreal 1 Rlt_0_1); intros t _ Ht; unfold Rdiv; rewrite Rinv_mult, Rinv_inv.
    generalize (/ spent (fun j => t * x j)); intros y; field; exact Ht.
  - unfold efficiency, Rdiv at 1; rewrite (Rmult_comm (/ 2)).
    apply lim_mult.
    + simpl; apply lim_mult; [exact HG|apply lim_mult; [exact HG|apply is_lim_const]].
    + apply lim_inv; [exact HS|]; unfold Rdiv; nra.
Qed.

Lemma residual_nonneg k x : 0 <= over (fun j => relevance j * (beta j - k * x j) ^ 2).
Proof.
  apply Sum_nonneg; intros j Hj; apply Rmult_le_pos; [now apply Rlt_le, pi_pos|].
  apply Rmult_le_pos; [apply Rlt_le, relevance_pos|apply pow2_ge_0].
Qed.

(** What any ray misses of the best efficiency is a sum of squares. *)
Lemma efficiency_residual x :
  (exists j, In j contexts /\ x j <> 0) ->
  let k := over (fun j => relevance j * beta j * x j) / over (fun j => relevance j * x j ^ 2) in
  efficiency x = 2 * over (fun j => relevance j * beta j ^ 2)
                 - 2 * over (fun j => relevance j * (beta j - k * x j) ^ 2).
Proof.
  intros Hx k; pose proof (spent_pos x Hx).
  rewrite (over_ext contexts pi (fun j => relevance j * (beta j - k * x j) ^ 2) (fun j =>
    relevance j * beta j ^ 2 - (2 * k * (relevance j * beta j * x j)
    - k ^ 2 * (relevance j * x j ^ 2)))) by (intros; ring).
  rewrite !over_minus, !over_scal; unfold efficiency, k; field; lra.
Qed.

(** [allocation] Beyond the paper, Sec. 6 (conclusion), the rule.  For small budgets no allocation
    beats strengths in proportion to the regression slopes [beta], and none but those is as good. *)
Theorem allocation_rule x :
  (exists j, In j contexts /\ x j <> 0) -> (exists j, In j contexts /\ beta j <> 0) ->
  efficiency x <= efficiency beta /\
  (efficiency x = efficiency beta -> exists k, forall j, In j contexts -> beta j = k * x j).
Proof.
  intros Hx Hb; pose proof (spent_pos beta Hb) as Hpos.
  assert (Hbest : efficiency beta = 2 * over (fun j => relevance j * beta j ^ 2)).
  { unfold efficiency.
    rewrite (over_ext contexts pi (fun j => relevance j * beta j * beta j)
      (fun j => relevance j * beta j ^ 2)) by (intros; ring).
    field; lra. }
  rewrite Hbest, (efficiency_residual x Hx).
  set (k := over (fun j => relevance j * beta j * x j) / over (fun j => relevance j * x j ^ 2)).
  pose proof (residual_nonneg k x); split; [lra|]; intros He; exists k; intros j Hj.
  assert (Hj0 : pi j * (relevance j * (beta j - k * x j) ^ 2) = 0).
  { apply (Sum_nonneg_zero contexts (fun j => pi j * (relevance j * (beta j - k * x j) ^ 2)));
      [|fold (over (fun j => relevance j * (beta j - k * x j) ^ 2)); lra|easy].
    intros i Hi; apply Rmult_le_pos; [now apply Rlt_le, pi_pos|].
    apply Rmult_le_pos; [apply Rlt_le, relevance_pos|apply pow2_ge_0]. }
  specialize (pi_pos j Hj); pose proof (relevance_pos j).
  apply Rmult_integral in Hj0; destruct Hj0 as [|Hj0]; [lra|].
  apply Rmult_integral in Hj0; destruct Hj0 as [|Hj0]; [lra|]; simpl in Hj0; nra.
Qed.

(** [allocation] Beyond the paper, is it worth it?  To that order the squared gain of the best
    allocation over that of one common strength, at equal cost, is one plus the squared coefficient
    of variation of the slopes, weighted by the variances of the log-odds. *)
Theorem allocation_ratio :
  let mean_beta := over (fun j => relevance j * beta j) / over relevance in
  let var_beta := over (fun j => relevance j * (beta j - mean_beta) ^ 2) / over relevance in
  mean_beta <> 0 ->
  efficiency beta / efficiency (fun _ => 1) = 1 + var_beta / mean_beta ^ 2.
Proof.
  intros m v Hm.
  assert (Hne : exists j, In j contexts).
  { destruct contexts as [|j l]; [simpl in pi_total; lra|exists j; now left]. }
  destruct Hne as [i Hi].
  assert (Hr : 0 < over relevance).
  { apply Sum_pos_term with i; [intros j Hj|easy|]; [apply Rlt_le|];
      apply Rmult_lt_0_compat; auto using relevance_pos. }
  assert (Hrb : over (fun j => relevance j * beta j) = m * over relevance)
    by (unfold m; field; lra).
  assert (Hv : over (fun j => relevance j * beta j ^ 2) = (v + m ^ 2) * over relevance).
  { unfold v; rewrite (over_ext contexts pi (fun j => relevance j * (beta j - m) ^ 2) (fun j =>
      relevance j * beta j ^ 2 - (2 * m * (relevance j * beta j) - m ^ 2 * relevance j)))
      by (intros; ring).
    rewrite !over_minus, !over_scal, Hrb; field; lra. }
  assert (Hv0 : 0 <= v).
  { apply Rmult_le_pos; [|now apply Rlt_le, Rinv_0_lt_compat].
    apply Sum_nonneg; intros j Hj; apply Rmult_le_pos; [now apply Rlt_le, pi_pos|].
    apply Rmult_le_pos; [apply Rlt_le, relevance_pos|apply pow2_ge_0]. }
  assert (Hm2 : 0 < m ^ 2) by now apply pow2_gt_0.
  unfold efficiency.
  rewrite (over_ext contexts pi (fun j => relevance j * beta j * beta j)
    (fun j => relevance j * beta j ^ 2)) by (intros; ring).
  rewrite (over_ext contexts pi (fun j => relevance j * beta j * 1) (fun j => relevance j * beta j))
    by (intros; ring).
  rewrite (over_ext contexts pi (fun j => relevance j * 1 ^ 2) relevance) by (intros; ring).
  rewrite Hv, Hrb; field; repeat split; nra.
Qed.

End Allocation.

(** ** An allocation may lower the concept in a context *)

Inductive word := wanted | plain | opposed.
Definition words := [wanted; plain; opposed].
Definition word_odds (z : word) : R := match z with wanted => 1 | plain => 0 | opposed => -2 end.
Definition is_wanted (z : word) : bool := match z with wanted => true | _ => false end.
Definition sixteenths (x y z : R) (t : word) : R :=
  match t with wanted => x / 16 | plain => y / 16 | opposed => z / 16 end.
(** In the second context steering costs much, for it is full of opposed tokens. *)
Definition prompts (j : bool) : word -> R := if j then sixteenths 2 13 1 else sixteenths 1 8 7.

Section Words.

Variables x y z : R.
Hypothesis x_pos : 0 < x.
Hypothesis y_pos : 0 < y.
Hypothesis z_pos : 0 < z.
Hypothesis total : x + y + z = 16.
Variables alpha e : R.
Hypothesis e_value : exp alpha = e.

Lemma sixteenths_pos t : In t words -> 0 < sixteenths x y z t.
Proof. intros _; destruct t; simpl; lra. Qed.

Lemma sixteenths_total : Sum words (sixteenths x y z) = 1.
Proof. simpl; lra. Qed.

Lemma sixteenths_Z :
  Z words (sixteenths x y z) word_odds alpha = (x * e + y + z * / (e * e)) / 16.
Proof.
  rewrite <- e_value; unfold Z, words; cbn [Sum fold_right]; unfold sixteenths, word_odds.
  rewrite Rmult_1_r, Rmult_0_r, exp_0, <- exp_plus, <- exp_Ropp.
  replace (alpha * -2) with (- (alpha + alpha)) by ring; field.
Qed.

Lemma sixteenths_F :
  F words (sixteenths x y z) word_odds is_wanted alpha = x * e / (x * e + y + z * / (e * e)).
Proof.
  assert (H := Z_pos words _ word_odds sixteenths_pos sixteenths_total alpha).
  unfold F; simpl filter; cbn [Sum fold_right]; rewrite tilted_ratio, sixteenths_Z in *
    by (apply sixteenths_pos || apply sixteenths_total).
  simpl sixteenths; simpl word_odds; rewrite Rmult_1_r, e_value.
  generalize dependent (x * e + y + z * / (e * e)); intros; field; lra.
Qed.

Lemma sixteenths_cost :
  divergence words (sixteenths x y z) (tilted words (sixteenths x y z) word_odds alpha)
  = ln ((x * e + y + z * / (e * e)) / 16) - alpha * ((x - 2 * z) / 16).
Proof.
  rewrite divergence_to_tilted by (apply sixteenths_pos || apply sixteenths_total).
  unfold K; rewrite sixteenths_Z; do 2 f_equal; unfold mean.
  rewrite E_0 by apply sixteenths_total; simpl; field.
Qed.

End Words.

(** [allocation/every-prompt] A reading of prompt-adaptive strength: an allocation that gains more
    than one common strength, and costs less, raises the concept in every context more than that.
    It may spend nothing where steering is expensive. *)
Theorem allocation_every_prompt :
  ~ (forall (p : bool -> word -> R) (M : word -> R) (C : word -> bool) (common : R) (a : bool -> R),
       (forall j z, In z words -> 0 < p j z) -> (forall j, Sum words (p j) = 1) ->
       spent words [true; false] (fun _ => / 2) p M a
       <= spent words [true; false] (fun _ => / 2) p M (fun _ => common) ->
       gained words [true; false] (fun _ => / 2) p M C (fun _ => common)
       < gained words [true; false] (fun _ => / 2) p M C a ->
       forall j, F words (p j) M C common <= F words (p j) M C (a j)).
Proof.
  intros H; set (adaptive := fun j : bool => if j then ln 16 else 0).
  assert (Hp : forall j t, In t words -> 0 < prompts j t)
    by (intros [|] t; apply sixteenths_pos; lra).
  assert (Hp1 : forall j, Sum words (prompts j) = 1)
    by (intros [|]; apply sixteenths_total; lra).
  assert (E4 : exp (ln 4) = 4) by (apply exp_ln; lra).
  assert (E16 : exp (ln 16) = 16) by (apply exp_ln; lra).
  specialize (H prompts word_odds is_wanted (ln 4) adaptive Hp Hp1).
  assert (Hfalse : F words (prompts false) word_odds is_wanted (ln 4)
                   <= F words (prompts false) word_odds is_wanted 0).
  - apply (fun cost gain => H cost gain false);
      unfold spent, gained, over, divergence_at; cbn [Sum fold_right]; unfold prompts, adaptive.
    + rewrite !sixteenths_cost with (alpha := ln 4) (e := 4),
        (sixteenths_cost 2 13 1) with (e := 16), (sixteenths_cost 1 8 7) with (e := 1)
        by (lra || easy || apply exp_0).
      set (A := (2 * 16 + 13 + 1 * / (16 * 16)) / 16); set (B := (2 * 4 + 13 + 1 * / (4 * 4)) / 16).
      set (D := (1 * 4 + 8 + 7 * / (4 * 4)) / 16).
      replace ((1 * 1 + 8 + 7 * / (1 * 1)) / 16) with 1 by lra; rewrite ln_1.
      (* A^4 <= 4^3 and 1 <= B D *)
      assert (HA : 4 * ln A <= 3 * ln 4).
      { replace 4 with (INR 4) at 1 by (simpl; lra); replace 3 with (INR 3) by (simpl; lra).
        rewrite <- !ln_pow by (unfold A; lra); apply ln_le; unfold A; simpl; lra. }
      assert (HBD : 0 <= ln B + ln D).
      { rewrite <- ln_mult by (unfold B, D; lra); rewrite <- ln_1; apply ln_le; unfold B, D; lra. }
      assert (0 < ln 4) by (rewrite <- ln_1; apply ln_increasing; lra).
      lra.
    + rewrite !sixteenths_F with (alpha := ln 4) (e := 4),
        (sixteenths_F 2 13 1) with (e := 16), (sixteenths_F 1 8 7) with (e := 1)
        by (lra || easy || apply exp_0).
      lra.
  - unfold prompts in Hfalse.
    rewrite sixteenths_F with (e := 4), sixteenths_F with (e := 1) in Hfalse
      by (lra || easy || apply exp_0).
    lra.
Qed.

(** [allocation/along-v] A reading of the rule: every prompt is steered in the same direction.
    Where the vector lowers the concept in one prompt, that prompt is steered against it. *)
Theorem allocation_along_v :
  ~ (forall (p : bool -> word -> R) (M : word -> R) (C : word -> bool),
       (forall j z, In z words -> 0 < p j z) -> (forall j, Sum words (p j) = 1) ->
       not_constant words M -> 0 <= beta words p M C true * beta words p M C false).
Proof.
  intros H; set (p := fun j : bool => if j then sixteenths 4 8 4 else sixteenths 4 4 8).
  set (M := fun z : word => match z with wanted => 0 | plain => -1 | opposed => 1 end).
  assert (Hp : forall j z, In z words -> 0 < p j z) by (intros [|] [| |] _; simpl; lra).
  assert (Hp1 : forall j, Sum words (p j) = 1) by (intros [|]; simpl; lra).
  assert (HM : not_constant words M) by (exists plain, opposed; simpl; repeat split; auto; lra).
  assert (Hm : forall j, mean words (p j) M 0 = if j then - / 4 else / 4)
    by (intros [|]; unfold mean; rewrite E_0 by auto; simpl; lra).
  assert (Hc : forall j, covariance words p M is_wanted j 0 = if j then / 16 else - / 16).
  { intros [|]; unfold covariance; simpl filter; cbn [Sum fold_right];
      rewrite tilted_0, Hm by auto; simpl; lra. }
  assert (Hv : forall j, Var words (p j) M 0 = 11 / 16)
    by (intros [|]; unfold Var; rewrite Hm, E_0 by auto; simpl; lra).
  specialize (H p M is_wanted Hp Hp1 HM); unfold beta in H; rewrite !Hc, !Hv in H; lra.
Qed.

(** [allocation/equal-prompts] A reading of the condition: prompts with the same probabilities get
    the same strength.  Where the first strengths are spent on tokens that are opposed to the
    vector, it pays to spend on one of two equal prompts what lifts the concept there, and nothing
    on the other. *)
Theorem allocation_equal_prompts :
  ~ (forall (p : word -> R) (M : word -> R) (C : word -> bool) budget,
       (forall z, In z words -> 0 < p z) -> Sum words p = 1 -> 0 < budget ->
       let cost := spent words [true; false] (fun _ => / 2) (fun _ => p) M in
       let gain := gained words [true; false] (fun _ => / 2) (fun _ => p) M C in
       exists x, cost (fun _ => x) <= budget /\
         forall a, cost a <= budget -> gain a <= gain (fun _ => x)).
Proof.
  intros H; set (p := fun z : word => 
    match z with wanted => 1 | plain => 26 | opposed => 5 end / 32).
  set (M := fun z : word => match z with wanted => 1 | plain => 0 | opposed => -6 end).
  set (cost := spent words [true; false] (fun _ => / 2) (fun _ => p) M).
  set (gain := gained words [true; false] (fun _ => / 2) (fun _ => p) M is_wanted).
  assert (Hp : forall z, In z words -> 0 < p z) by (intros [| |] _; unfold p; lra).
  assert (Hp1 : Sum words p = 1) by (unfold p; simpl; lra).
  assert (HM : not_constant words M) by (exists plain, wanted; simpl; repeat split; auto; lra).
  assert (HZ : forall t e, exp t = e -> Z words p M t = (e + 26 + 5 * / e ^ 6) / 32).
  { intros t e <-; unfold Z, words, p, M; cbn [Sum fold_right].
    rewrite Rmult_1_r, Rmult_0_r, exp_0.
    replace (exp (t * -6)) with (/ exp t ^ 6); [field; apply Rgt_not_eq, exp_pos|].
    replace (t * -6) with (- (t + (t + (t + (t + (t + t)))))) by ring.
    rewrite exp_Ropp, !exp_plus; f_equal; ring. }
  assert (HF : forall t e, exp t = e ->
    F words p M is_wanted t = e / (e + 26 + 5 * / e ^ 6)).
  { intros t e He; assert (Hz := Z_pos words p M Hp Hp1 t); unfold F; simpl filter.
    cbn [Sum fold_right]; rewrite tilted_ratio, (HZ t e He) in * by easy; unfold p, M.
    rewrite Rmult_1_r, He; generalize dependent (e + 26 + 5 * / e ^ 6); intros; field; lra. }
  assert (HD : forall t e, exp t = e ->
    divergence words p (tilted words p M t) = ln ((e + 26 + 5 * / e ^ 6) / 32) + t * (29 / 32)).
  { intros t e He; rewrite divergence_to_tilted by easy; unfold K; rewrite (HZ t e He).
    unfold mean; rewrite E_0 by easy; unfold p, M; simpl; lra. }
  assert (E8 : exp (ln 8) = 8) by (apply exp_ln; lra).
  assert (E32 : exp (ln 32) = 32) by (apply exp_ln; lra).
  assert (Hcost : forall x, cost (fun _ => x) = increase words [true; false] (fun _ => / 2)
    (fun _ => p) M x) by (intros; symmetry; apply ce_exact_divergence; auto).
  destruct (ce_exact_valley words [true; false] (fun _ => / 2) (fun _ => p) M) as [Hrise _];
    [intros; lra|simpl; lra|auto|auto|easy|].
  assert (H8 : 0 < ln 8) by (rewrite <- ln_1; apply ln_increasing; lra).
  destruct (H p M is_wanted (cost (fun _ => ln 8)) Hp Hp1) as [x [Hx Hbest]].
  { rewrite Hcost; apply Rle_lt_trans with (increase words [true; false] (fun _ => / 2)
      (fun _ => p) M 0); [rewrite increase_0; lra|apply Hrise; lra]. }
  fold cost gain in Hx, Hbest; specialize (Hbest (fun j => if j then ln 32 else 0)).
  (* equal strengths within the budget are at most ln 8 *)
  assert (Hle : x <= ln 8).
  { apply Rnot_lt_le; intros Hlt; rewrite !Hcost in Hx; specialize (Hrise (ln 8) x); lra. }
  assert (HFx : F words p M is_wanted x <= F words p M is_wanted (ln 8)).
  { destruct Hle as [Hlt| ->]; [apply Rlt_le|lra].
    apply (F_increasing words p M Hp Hp1 is_wanted); [|easy| |easy].
    - split; [exists wanted|exists plain]; simpl; auto.
    - intros [| |] [| |]; simpl; try discriminate; intros; lra. }
  revert Hbest; unfold gain, cost, gained, spent, over, divergence_at; cbn [Sum fold_right].
  rewrite (HF (ln 8) 8 E8) in HFx.
  rewrite !(HD (ln 8) 8 E8), (HD (ln 32) 32 E32), (HD 0 1 exp_0).
  rewrite (HF (ln 32) 32 E32), (HF 0 1 exp_0); intros Hbest.
  apply (Rlt_not_le (/ 2 * (32 / (32 + 26 + 5 * / 32 ^ 6)) + / 2 * (1 / (1 + 26 + 5 * / 1 ^ 6)))
    (8 / (8 + 26 + 5 * / 8 ^ 6))); [lra|].
  eapply Rle_trans; [|exact HFx]; eapply Rle_trans; [|eapply Rle_trans; [apply Hbest|]]; try lra.
  replace ((1 + 26 + 5 * / 1 ^ 6) / 32) with 1 by lra; rewrite ln_1.
  assert (HA : 24 * ln ((32 + 26 + 5 * / 32 ^ 6) / 32) <= 7 * ln 8).
  { replace 24 with (INR 24) by (simpl; lra); replace 7 with (INR 7) by (simpl; lra).
    rewrite <- !ln_pow by lra; apply ln_le; lra. }
  assert (HB : 0 <= ln ((8 + 26 + 5 * / 8 ^ 6) / 32)) by (rewrite <- ln_1; apply ln_le; lra).
  assert (H32 : 3 * ln 32 = 5 * ln 8).
  { replace 3 with (INR 3) by (simpl; lra); replace 5 with (INR 5) by (simpl; lra).
    rewrite <- !ln_pow by lra; f_equal; lra. }
  lra.
Qed.
