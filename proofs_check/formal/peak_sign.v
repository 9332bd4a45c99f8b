(** * When a peak lies at a positive strength

    A peak is at positive strength exactly when the token's log-odds exceed their mean under the
    unsteered context, and that mean is a difference of divergences: the sign tells whether the
    context is closer to the texts to avoid or to those to imitate.  In the weighted family of
    datasets the admissible eps for which all target peaks are positive form an interval. *)

From Coq Require Import Ranalysis5 Classical.
From SteeringStrength Require Import analysis tilting limits peaks asymptotics separation.

(** ** Every dataset *)

Section Divergences.

Context {T J : Type} (vocab : list T) (p : J -> T -> R) (P N : list J).
Hypothesis p_pos : forall j z, In z vocab -> 0 < p j z.
Hypothesis p_total : forall j, Sum vocab (p j) = 1.
Hypothesis P_nonempty : P <> [].
Hypothesis N_nonempty : N <> [].

Notation M := (log_odds p P N).

(** How far a context is, on average, from the contexts of a list. *)
Definition distance_to (l : list J) (j : J) : R :=
  average l (fun i => divergence vocab (p j) (p i)).

Lemma distance_value l j : l <> [] ->
  distance_to l j = Sum vocab (fun z => p j z * ln (p j z))
                    - Sum vocab (fun z => p j z * average l (fun i => ln (p i z))).
Proof.
  intros Hl; unfold distance_to.
  rewrite (average_ext l _ (fun i => Sum vocab (fun z => p j z * ln (p j z) - p j z * ln (p i z)))).
  2: { intros i _; apply Sum_ext; intros z Hz; rewrite ln_div by auto; ring. }
  rewrite average_Sum, <- Sum_minus; apply Sum_ext; intros z _.
  now rewrite average_minus, average_const, average_scal.
Qed.

(** [peak-sign] Remark 3.4.  The mean log-odds of an unsteered context are its mean divergence to
    the contexts to avoid less that to the contexts to imitate. *)
Theorem peak_sign_divergences j :
  mean vocab (p j) M 0 = distance_to N j - distance_to P j.
Proof.
  unfold mean; rewrite E_0 by auto; rewrite !distance_value by easy.
  rewrite (Sum_ext _ (fun z => p j z * M z) (fun z =>
    p j z * average P (fun i => ln (p i z)) - p j z * average N (fun i => ln (p i z))))
    by (intros; unfold log_odds; ring).
  rewrite Sum_minus; ring.
Qed.

(** [peak-sign] Remark 3.4, in every dataset.  A token peaks at positive strength exactly when its
    log-odds exceed that difference of divergences; Assumption 1 plays no part. *)
Theorem peak_sign j z c :
  not_constant vocab M -> mean vocab (p j) M c = M z ->
  0 < c <-> distance_to N j - distance_to P j < M z.
Proof.
  intros Hn Hc; rewrite <- peak_sign_divergences.
  apply peak_sign_mean; auto.
Qed.

Lemma divergence_nonneg (q r : T -> R) :
  (forall z, In z vocab -> 0 < q z) -> (forall z, In z vocab -> 0 < r z) ->
  Sum vocab q = 1 -> Sum vocab r = 1 -> 0 <= divergence vocab q r.
Proof.
  intros Hq Hr Hq1 Hr1; unfold divergence.
  (* ln x <= x - 1 at x = r/q *)
  assert (H : Sum vocab (fun z => q z - r z) <= Sum vocab (fun z => q z * ln (q z / r z))).
  { apply Sum_le; intros z Hz; specialize (Hq z Hz); specialize (Hr z Hz).
    assert (Hx : 0 < r z / q z) by now apply Rdiv_lt_0_compat.
    assert (Hln : ln (r z / q z) <= r z / q z - 1).
    { pose proof (exp_ineq1_le (ln (r z / q z))) as He; rewrite exp_ln in He; lra. }
    replace (q z / r z) with (/ (r z / q z)) by (field; lra); rewrite ln_Rinv by easy.
    apply (Rmult_le_compat_l (q z)) in Hln; [|lra].
    replace (q z * (r z / q z - 1)) with (r z - q z) in Hln by (field; lra); lra. }
  rewrite Sum_minus, Hq1, Hr1 in H; lra.
Qed.

(** [peak-sign] Remark 3.4, a case without threshold.  If the contexts to avoid predict the same
    tokens as the context itself, every token with positive log-odds peaks at positive strength. *)
Theorem peak_sign_same j z c :
  not_constant vocab M -> (forall i y, In i N -> In y vocab -> p i y = p j y) ->
  mean vocab (p j) M c = M z -> 0 < M z -> 0 < c.
Proof.
  intros Hn HN Hc Hz; apply (peak_sign j z c Hn Hc).
  assert (HdN : distance_to N j = 0).
  { apply average_zero; [easy|]; intros i Hi; apply Sum_zero; intros y Hy; rewrite (HN i y) by easy.
    replace (p j y / p j y) with 1 by (specialize (p_pos j y Hy); field; lra).
    rewrite ln_1; ring. }
  enough (0 <= distance_to P j) by lra.
  apply Rle_trans with (average P (fun _ => 0)); [rewrite average_const by easy; lra|].
  apply average_le; [easy|]; intros i _.
  apply divergence_nonneg; auto.
Qed.

End Divergences.

(** ** Sums over concepts *)

Section Concepts.

Context {T G : Type} (same : forall x y : G, {x = y} + {x <> y}).

Definition is (C : G) (x : G) : bool := if same x C then true else false.

Lemma is_true C x : is C x = true <-> x = C.
Proof. unfold is; now destruct (same x C). Qed.

Lemma is_self C : is C C = true.
Proof. now apply is_true. Qed.

(** One term of a sum over distinct indices, and the others. *)
Lemma Sum_single (l : list G) C f :
  NoDup l -> In C l -> Sum l f = f C + Sum (filter (outside (is C)) l) f.
Proof.
  intros Hdup HC; rewrite (Sum_split l (is C)); f_equal; clear -Hdup HC.
  induction Hdup as [|x l Hx Hdup IH]; [easy|]; simpl.
  destruct (is C x) eqn:E; simpl.
  - apply is_true in E; subst; rewrite Sum_zero; [ring|].
    intros y Hy; apply filter_In in Hy; destruct Hy as [Hy E]; apply is_true in E; now subst.
  - destruct HC as [->|HC]; [|auto]; now rewrite is_self in E.
Qed.

(** A sum over tokens, concept by concept. *)
Lemma Sum_by_concept (concepts : list G) (vocab : list T) (home : T -> G) f :
  NoDup concepts -> (forall z, In z vocab -> In (home z) concepts) ->
  Sum vocab f = Sum concepts (fun C => Sum (filter (fun z => is C (home z)) vocab) f).
Proof.
  intros Hdup Hhome.
  rewrite (Sum_ext concepts _ (fun C => Sum vocab (fun z => if is C (home z) then f z else 0)))
    by (intros; apply Sum_filter).
  rewrite Sum_swap; apply Sum_ext; intros z Hz.
  rewrite (Sum_single concepts (home z)) by auto.
  rewrite is_self, Sum_zero; [ring|]; intros C HC; apply filter_In in HC; destruct HC as [_ HC].
  destruct (is C (home z)) eqn:E; [|easy]; apply is_true in E; subst C.
  unfold outside in HC; now rewrite is_self in HC.
Qed.

End Concepts.

(** ** The weighted family *)

Section Weighted.

Context {T J G : Type} (same : forall x y : G, {x = y} + {x <> y}) (vocab : list T)
  (concepts : list G) (home : T -> G) (theme : J -> G) (gamma omega : T -> R) (P N : list J)
  (j : J) (target : G).

Definition within (C : G) : list T := filter (fun z => is same C (home z)) vocab.

Hypothesis concepts_distinct : NoDup concepts.
Hypothesis home_listed : forall z, In z vocab -> In (home z) concepts.
Hypothesis theme_listed : forall i, In (theme i) concepts.
Hypothesis gamma_pos : forall z, In z vocab -> 0 < gamma z.
Hypothesis omega_pos : forall z, In z vocab -> 0 < omega z.
Hypothesis gamma_total : forall C, In C concepts -> Sum (within C) gamma = 1.
Hypothesis omega_total : forall C, In C concepts -> Sum (within C) omega = 1.
Hypothesis P_nonempty : P <> [].
Hypothesis N_nonempty : N <> [].
Hypothesis P_inside : forall i, In i P -> theme i = target.
Hypothesis N_outside : forall i, In i N -> theme i <> target.
Hypothesis j_outside : theme j <> target.

Notation D := (theme j).
Notation n := (INR (length concepts)).

(** Probabilities inside and outside the context's concept; Assumption 1 asks that the former
    exceed the latter. *)
Definition inside_value (eps : R) (z : T) : R := (1 - eps) * gamma z.
Definition outside_value (eps : R) (z : T) : R := eps / (n - 1) * omega z.
Definition weighted (eps : R) (i : J) (z : T) : R :=
  if same (theme i) (home z) then inside_value eps z else outside_value eps z.
Definition admissible (eps : R) : Prop :=
  0 < eps < (n - 1) / n /\ forall z, In z vocab -> outside_value eps z < inside_value eps z.

Notation M eps := (log_odds (weighted eps) P N).

(** The share of a concept among the contexts to avoid. *)
Definition Q (C : G) : R := average N (fun i => if is same C (theme i) then 1 else 0).
Definition level (eps : R) : R := ln ((1 - eps) * (n - 1) / eps).
Definition log_ratio (z : T) : R := ln (gamma z / omega z).
Definition kappa (C : G) : R := divergence (within C) omega gamma.
Definition delta : R := divergence (within D) gamma omega.
Definition elsewhere : list G :=
  filter (outside (is same D)) (filter (outside (is same target)) concepts).

Variable lambda : R.
Hypothesis lambda_least : forall z, In z vocab -> home z = target -> lambda <= log_ratio z.
Hypothesis lambda_reached : exists z, In z vocab /\ home z = target /\ log_ratio z = lambda.

Definition slant : R := (kappa target - Sum elsewhere (fun C => Q C * kappa C)) / (n - 1).
Definition threshold (eps : R) : R :=
  level eps * (1 + Q D - Q D * eps * n / (n - 1)) + lambda + eps * slant + Q D * (1 - eps) * delta.

Lemma target_listed : In target concepts.
Proof.
  destruct P as [|i l] eqn:E; [easy|].
  rewrite <- (P_inside i (or_introl eq_refl)); apply theme_listed.
Qed.

Lemma n_ge_2 : 2 <= n.
Proof.
  change 2 with (INR 2); apply le_INR, (NoDup_incl_length (l := [target; D])).
  - repeat constructor; simpl; intuition congruence.
  - intros C [<-|[<-|[]]]; [apply target_listed|apply theme_listed].
Qed.

Lemma in_within C z : In z (within C) <-> In z vocab /\ home z = C.
Proof. unfold within; rewrite filter_In, is_true; reflexivity. Qed.

Lemma structured eps : admissible eps ->
  assumption1 same vocab home theme (weighted eps) (fun _ => inside_value eps)
    (outside_value eps).
Proof.
  intros [He Ha] i z Hz; split; [|easy]; split; [|auto].
  pose proof n_ge_2; apply Rmult_lt_0_compat; [apply Rdiv_lt_0_compat; lra|auto].
Qed.

Lemma below_1 eps : 0 < eps < (n - 1) / n -> eps * n < n - 1 /\ eps < 1.
Proof.
  intros He; pose proof n_ge_2 as Hn.
  assert (H : eps * n < n - 1) by (apply Rlt_div_r; lra); split; [easy|nra].
Qed.

Lemma ln_values eps z : 0 < eps < (n - 1) / n -> In z vocab ->
  ln (inside_value eps z / outside_value eps z) = level eps + log_ratio z.
Proof.
  intros He Hz; pose proof n_ge_2 as Hn; destruct (below_1 eps He) as [_ He1].
  specialize (gamma_pos z Hz); specialize (omega_pos z Hz).
  unfold level, log_ratio; rewrite <- ln_mult.
  - f_equal; unfold inside_value, outside_value; field; lra.
  - apply Rdiv_lt_0_compat; [apply Rmult_lt_0_compat; lra|lra].
  - now apply Rdiv_lt_0_compat.
Qed.

Lemma Q_sharing z : sharing same home theme z N / INR (length N) = Q (home z).
Proof.
  unfold Q, average, sharing, is; f_equal.
  rewrite <- (Rmult_1_r (INR _)), <- Sum_const, Sum_filter; reflexivity.
Qed.

Lemma log_odds_weighted eps z : admissible eps -> In z vocab ->
  (home z = target -> M eps z = level eps + log_ratio z) /\
  (home z <> target -> M eps z = - Q (home z) * (level eps + log_ratio z)).
Proof.
  intros He Hz; rewrite <- ln_values, <- Q_sharing by (apply He || easy).
  now apply (sign_separation_printed same vocab home theme (weighted eps) (inside_value eps)
    (outside_value eps) (structured eps He) target).
Qed.

(** ** The mean log-odds, concept by concept *)

Lemma within_kappa C c : In C concepts ->
  Sum (within C) (fun z => omega z * (c + log_ratio z)) = c - kappa C.
Proof.
  intros HC; unfold kappa, divergence.
  rewrite (Sum_ext _ _ (fun z => omega z * c - omega z * ln (omega z / gamma z))).
  - rewrite Sum_minus, Sum_scal_r, omega_total by easy; ring.
  - intros z Hz; apply in_within in Hz; destruct Hz as [Hz _]; unfold log_ratio.
    rewrite !ln_div by auto; ring.
Qed.

Lemma within_delta c : Sum (within D) (fun z => gamma z * (c + log_ratio z)) = c + delta.
Proof.
  unfold delta, divergence, log_ratio.
  rewrite (Sum_ext _ _ (fun z => gamma z * c + gamma z * ln (gamma z / omega z)))
    by (intros; ring).
  rewrite Sum_plus, Sum_scal_r, gamma_total by apply theme_listed; ring.
Qed.

Lemma Q_total : Sum concepts Q = 1.
Proof.
  unfold Q; rewrite <- average_Sum; transitivity (average N (fun _ => 1));
    [|now apply average_const]; apply average_ext; intros i _.
  rewrite (Sum_single same concepts (theme i)) by auto.
  rewrite is_self, Sum_zero; [ring|]; intros C HC; apply filter_In in HC; destruct HC as [_ HC].
  destruct (is same C (theme i)) eqn:E; [|easy]; apply is_true in E; subst C.
  unfold outside in HC; now rewrite is_self in HC.
Qed.

Lemma Q_target : Q target = 0.
Proof.
  apply average_zero; [easy|]; intros i Hi; unfold is.
  destruct (same (theme i) target); [now elim (N_outside i Hi)|easy].
Qed.

(** The target concept, the context's own concept, and the others. *)
Lemma Sum_concepts f : Sum concepts f = f target + (f D + Sum elsewhere f).
Proof.
  rewrite (Sum_single same concepts target) by (auto using target_listed); f_equal.
  apply Sum_single; [now apply NoDup_filter|]; apply filter_In; split; [apply theme_listed|].
  apply negb_true_iff; unfold is; now destruct (same D target).
Qed.

Lemma in_elsewhere C : In C elsewhere -> In C concepts /\ C <> target /\ C <> D.
Proof.
  unfold elsewhere; rewrite !filter_In; unfold outside; rewrite !negb_true_iff.
  unfold is; intros [[HC Ht] Hd]; destruct (same C target), (same C D); easy.
Qed.

Lemma mean_weighted eps : admissible eps ->
  Sum vocab (fun z => weighted eps j z * M eps z)
  = level eps + lambda - threshold eps.
Proof.
  intros He; pose proof n_ge_2 as Hn; pose proof (proj1 He) as He0.
  set (e := eps / (n - 1)); set (L := level eps).
  rewrite (Sum_by_concept same concepts vocab home) by easy; rewrite Sum_concepts.
  fold (within target) (within D).
  (* in the target concept *)
  rewrite (Sum_ext (within target) _ (fun z => e * (omega z * (L + log_ratio z)))).
  2: { intros z Hz; apply in_within in Hz; destruct Hz as [Hz Ht].
       rewrite (proj1 (log_odds_weighted eps z He Hz) Ht); unfold weighted.
       destruct (same D (home z)); [congruence|]; unfold outside_value; fold e L; ring. }
  (* in the context's own concept *)
  rewrite (Sum_ext (within D) _
    (fun z => - (Q D * (1 - eps)) * (gamma z * (L + log_ratio z)))).
  2: { intros z Hz; apply in_within in Hz; destruct Hz as [Hz Hd].
       rewrite (proj2 (log_odds_weighted eps z He Hz)) by congruence; unfold weighted.
       rewrite Hd; destruct (same D D); [|easy]; unfold inside_value; fold L; ring. }
  (* elsewhere *)
  rewrite (Sum_ext elsewhere _ (fun C => - e * L * Q C + e * (Q C * kappa C))).
  2: { intros C HC; apply in_elsewhere in HC; destruct HC as [HC [Ht Hd]].
       fold (within C); rewrite (Sum_ext (within C) _
         (fun z => - (Q C * e) * (omega z * (L + log_ratio z)))).
       - rewrite Sum_scal, within_kappa by easy; ring.
       - intros z Hz; apply in_within in Hz; destruct Hz as [Hz Hc].
         rewrite (proj2 (log_odds_weighted eps z He Hz)) by congruence; unfold weighted.
         rewrite Hc; destruct (same D C); [congruence|]; unfold outside_value; fold e L; ring. }
  rewrite !Sum_scal, within_kappa, within_delta by apply target_listed.
  rewrite Sum_plus, !Sum_scal.
  assert (HQ : Sum elsewhere Q = 1 - Q D).
  { pose proof Q_total as Ht; rewrite Sum_concepts, Q_target in Ht; lra. }
  rewrite HQ; unfold threshold, slant; fold L; unfold e; field; lra.
Qed.

(** ** The threshold decreases in units of eps *)

Lemma level_pos eps : 0 < eps < (n - 1) / n -> 0 < level eps.
Proof.
  intros He; destruct (below_1 eps He) as [Hn He1]; rewrite <- ln_1; apply ln_increasing; [lra|].
  apply Rlt_div_r; lra.
Qed.

Lemma admissible_less x y : 0 < x < y -> admissible y -> admissible x.
Proof.
  intros Hx [Hy Ha]; pose proof n_ge_2 as Hn; destruct (below_1 y Hy) as [_ Hy1].
  split; [lra|]; intros z Hz; specialize (Ha z Hz).
  specialize (gamma_pos z Hz); specialize (omega_pos z Hz).
  eapply Rlt_trans; [|eapply Rlt_trans; [apply Ha|]].
  - unfold outside_value; apply Rmult_lt_compat_r; [easy|].
    apply Rmult_lt_compat_r; [apply Rinv_0_lt_compat|]; lra.
  - unfold inside_value; apply Rmult_lt_compat_r; lra.
Qed.

Lemma Q_range : 0 <= Q D <= 1.
Proof.
  pose proof (average_const N 0 N_nonempty) as H0; pose proof (average_const N 1 N_nonempty) as H1.
  split; [rewrite <- H0 at 1|rewrite <- H1]; apply average_le; try easy;
    intros i _; destruct (is same D (theme i)); lra.
Qed.

Lemma delta_nonneg : 0 <= delta.
Proof.
  apply divergence_nonneg; auto using gamma_total, omega_total;
    intros z Hz; apply in_within in Hz; destruct Hz; auto.
Qed.

Lemma kappa_nonneg : 0 <= kappa target.
Proof.
  apply divergence_nonneg; auto using omega_total, gamma_total, target_listed;
    intros z Hz; apply in_within in Hz; destruct Hz; auto.
Qed.

(** Assumption 1 for the least favoured target token. *)
Lemma margin_pos eps : admissible eps -> 0 < level eps + lambda.
Proof.
  intros He; destruct lambda_reached as [z [Hz [_ <-]]].
  rewrite <- ln_values by (apply He || easy); destruct (structured eps He j z Hz) as [[Hb Ha] _].
  rewrite <- ln_1; apply ln_increasing; [lra|]; apply Rlt_div_r; lra.
Qed.

(** Divided by eps the threshold strictly decreases: no crossing argument is needed. *)
Lemma scaled_derive x : 0 < x < (n - 1) / n ->
  is_derive (fun t => threshold t / t) x
    (- ((1 + Q D - Q D * x * n / (n - 1)) / (1 - x)
        + level x * Q D + (level x + lambda) + Q D * delta) / x ^ 2).
Proof.
  intros Hx; pose proof n_ge_2 as Hn; destruct (below_1 x Hx) as [_ Hx1].
  assert (0 < (1 - x) * (n - 1) / x)
    by (apply Rdiv_lt_0_compat; [apply Rmult_lt_0_compat|]; lra).
  unfold threshold, level; auto_derive.
  - repeat split; lra.
  - change (1 + - x) with (1 - x); fold (Rdiv ((1 - x) * (n - 1)) x).
    set (l := ln ((1 - x) * (n - 1) / x)); unfold Rdiv; field; lra.
Qed.

Lemma bracket_pos x : 0 < x < (n - 1) / n -> 0 < 1 + Q D - Q D * x * n / (n - 1).
Proof.
  intros Hx; pose proof n_ge_2 as Hn; destruct (below_1 x Hx) as [Hxn _]; pose proof Q_range.
  replace (1 + Q D - Q D * x * n / (n - 1)) with (1 + Q D * ((n - 1 - x * n) / (n - 1)))
    by (field; lra).
  assert (0 < (n - 1 - x * n) / (n - 1)) by (apply Rdiv_lt_0_compat; lra); nra.
Qed.

(** [peak-sign] Remark 3.4, weighted family, one direction in eps.  Once all target peaks are at
    positive strength (or on the verge), they are for every smaller eps. *)
Theorem peak_sign_smaller x y :
  0 < x < y -> admissible y -> 0 <= threshold y -> 0 < threshold x.
Proof.
  intros Hxy Hy Ht; pose proof (proj1 Hy) as Hy0.
  assert (H : threshold y / y < threshold x / x).
  { apply (decreasing_between (fun t => threshold t / t)
      (fun t => - ((1 + Q D - Q D * t * n / (n - 1)) / (1 - t)
        + level t * Q D + (level t + lambda) + Q D * delta) / t ^ 2)); [| |lra].
    - intros t Hxt; apply scaled_derive; lra.
    - intros t Hxt; assert (Hrange : 0 < t < (n - 1) / n) by lra.
      destruct (below_1 t Hrange) as [_ Ht1]; pose proof Q_range.
      assert (0 < (1 + Q D - Q D * t * n / (n - 1)) / (1 - t))
        by (apply Rdiv_lt_0_compat; [now apply bracket_pos|lra]).
      assert (0 <= level t * Q D)
        by (apply Rmult_le_pos; [now apply Rlt_le, level_pos|apply Q_range]).
      assert (0 < level t + lambda)
        by (apply margin_pos, (admissible_less t y); [lra|easy]).
      assert (0 <= Q D * delta) by (apply Rmult_le_pos; [apply Q_range|apply delta_nonneg]).
      apply Rlt_div_l; [apply pow_lt|]; lra. }
  assert (0 <= threshold y / y)
    by (apply Rmult_le_pos; [easy|apply Rlt_le, Rinv_0_lt_compat; lra]).
  apply Rmult_lt_reg_r with (/ x); [apply Rinv_0_lt_compat; lra|]; unfold Rdiv in H; lra.
Qed.

(** Small eps is large level. *)
Lemma level_large bound :
  exists small, 0 < small /\ forall eps, 0 < eps < small ->
    0 < eps < (n - 1) / n /\ bound < level eps.
Proof.
  pose proof n_ge_2 as Hn; pose proof (exp_pos bound) as Hb.
  set (B := exp bound + 1).
  exists ((n - 1) / (n - 1 + B)); split; [apply Rdiv_lt_0_compat; unfold B; lra|].
  intros eps He; assert (Hlt : eps * (n - 1 + B) < n - 1)
    by (apply Rlt_div_r; [unfold B; lra|easy]); unfold B in Hlt; split.
  - split; [easy|]; apply Rlt_div_r; nra.
  - rewrite <- (ln_exp bound); apply ln_increasing; [easy|]; apply Rlt_div_r; nra.
Qed.

(** [peak-sign] Remark 3.4, weighted family, small eps.  For every weights gamma and omega there is
    an eps below which Assumption 1 holds and all target peaks are at positive strength. *)
Theorem peak_sign_small :
  exists small, 0 < small /\ forall eps, 0 < eps < small -> admissible eps /\ 0 < threshold eps.
Proof.
  set (worst := Sum vocab (fun z => Rabs (log_ratio z))).
  destruct (level_large (worst + Rabs lambda + Rabs slant)) as [small [Hs H]].
  exists small; split; [easy|]; intros eps He; destruct (H eps He) as [Hr Hl]; clear H.
  pose proof n_ge_2 as Hn; destruct (below_1 eps Hr) as [_ He1].
  pose proof (Rabs_pos lambda); pose proof (Rabs_pos slant).
  assert (0 <= worst) by (apply Sum_nonneg; intros; apply Rabs_pos).
  assert (Hadm : admissible eps).
  { split; [easy|]; intros z Hz.
    assert (Hw : Rabs (log_ratio z) <= worst)
      by (apply (Sum_term_le vocab (fun z => Rabs (log_ratio z))); auto; intros; apply Rabs_pos).
    apply Rabs_le_between in Hw.
    assert (Hout : 0 < outside_value eps z)
      by (apply Rmult_lt_0_compat; [apply Rdiv_lt_0_compat; lra|auto]).
    assert (Hin : 0 < inside_value eps z) by (apply Rmult_lt_0_compat; [lra|auto]).
    apply Rnot_le_lt; intros Hle.
    assert (Hln : ln (inside_value eps z / outside_value eps z) <= 0).
    { rewrite <- ln_1; apply ln_le; [now apply Rdiv_lt_0_compat|].
      apply Rle_div_l; lra. }
    rewrite ln_values in Hln by easy; lra. }
  split; [easy|]; unfold threshold; pose proof Q_range.
  pose proof (bracket_pos eps Hr) as Hbr.
  assert (Hbr1 : level eps <= level eps * (1 + Q D - Q D * eps * n / (n - 1))).
  { replace (1 + Q D - Q D * eps * n / (n - 1)) with (1 + Q D * ((n - 1 - eps * n) / (n - 1)))
      by (field; lra).
    assert (0 < (n - 1 - eps * n) / (n - 1))
      by (apply Rdiv_lt_0_compat; [destruct (below_1 eps Hr)|]; lra).
    assert (0 < level eps) by now apply level_pos.
    assert (0 <= level eps * (Q D * ((n - 1 - eps * n) / (n - 1))))
      by (apply Rmult_le_pos; [lra|apply Rmult_le_pos; lra]).
    lra. }
  assert (- Rabs slant <= eps * slant).
  { assert (0 <= eps * (slant + Rabs slant))
      by (apply Rmult_le_pos; [lra|]; generalize (Rle_abs (- slant)); rewrite Rabs_Ropp; lra).
    assert (0 <= (1 - eps) * Rabs slant) by (apply Rmult_le_pos; lra); lra. }
  assert (- Rabs lambda <= lambda) by (generalize (Rle_abs (- lambda)); rewrite Rabs_Ropp; lra).
  assert (0 <= Q D * (1 - eps) * delta)
    by (apply Rmult_le_pos; [apply Rmult_le_pos; lra|apply delta_nonneg]).
  lra.
Qed.

(** [peak-sign] Remark 3.4, weighted family.  Either all target peaks are at positive strength for
    every admissible eps, or exactly up to one eps, the unique root of an explicit function. *)
Theorem peak_sign_interval :
  (forall eps, admissible eps -> 0 < threshold eps) \/
  (exists! root, (admissible root /\ threshold root = 0) /\
     forall eps, admissible eps -> (0 < threshold eps <-> eps < root)).
Proof.
  destruct (classic (exists y, admissible y /\ threshold y <= 0)) as [[y [Hy Hty]]|Hno].
  2: { left; intros eps He; apply Rnot_le_lt; intros Hle; apply Hno; now exists eps. }
  right; destruct peak_sign_small as [small [Hs Hsmall]].
  set (x := Rmin small y / 2); pose proof (proj1 Hy) as Hy0.
  assert (Hx : 0 < x < small /\ x < y).
  { unfold x, Rmin; destruct (Rle_dec small y); lra. }
  destruct (Hsmall x (proj1 Hx)) as [Hxa Hxt].
  assert (Hroot : exists root, x <= root <= y /\ threshold root = 0).
  { destruct Hty as [Hty| <-]; [|exists y; lra].
    destruct (IVT_interv (fun t => - (t * (threshold t / t))) x y) as [r [Hr Er]];
      [|lra| | |exists r].
    - intros t Ht; apply continuity_pt_opp, continuity_pt_mult; [apply continuity_pt_id|].
      eapply derive_continuity, scaled_derive; lra.
    - replace (x * (threshold x / x)) with (threshold x) by (field; lra); lra.
    - replace (y * (threshold y / y)) with (threshold y) by (field; lra); lra.
    - split; [easy|].
      replace (r * (threshold r / r)) with (threshold r) in Er by (field; lra); lra. }
  destruct Hroot as [r [Hr Er]].
  assert (Hra : admissible r).
  { destruct (proj2 Hr) as [H| ->]; [apply (admissible_less r y); [lra|easy]|easy]. }
  assert (Hcut : forall eps, admissible eps -> (0 < threshold eps <-> eps < r)).
  { intros eps He; split; intros H.
    - apply Rnot_le_lt; intros [Hlt| <-]; [|lra].
      assert (0 < threshold r); [|lra].
      apply (peak_sign_smaller r eps); [|easy|lra]; destruct Hra; lra.
    - apply (peak_sign_smaller eps r); [destruct He; lra|easy|lra]. }
  exists r; split; [easy|]; intros s [[Hsa Hst] _].
  destruct (Rtotal_order r s) as [H|[H|H]]; [|easy|].
  - assert (0 < threshold r); [|lra]; apply (peak_sign_smaller r s); [destruct Hra; lra|easy|lra].
  - apply Hcut in H; [lra|easy].
Qed.

(** ** The threshold decides the peaks *)

Lemma weighted_total eps : admissible eps -> Sum vocab (weighted eps j) = 1.
Proof.
  intros He; pose proof n_ge_2 as Hn.
  rewrite (Sum_by_concept same concepts vocab home) by easy.
  rewrite (Sum_single same concepts D) by auto; fold (within D).
  rewrite (Sum_ext (within D) _ (fun z => (1 - eps) * gamma z)), Sum_scal, gamma_total by
    (try apply theme_listed; intros z Hz; apply in_within in Hz; destruct Hz as [_ Hz];
     unfold weighted; rewrite Hz; now destruct (same D D)).
  rewrite (Sum_ext (filter (outside (is same D)) concepts) _ (fun _ => eps / (n - 1))).
  - rewrite Sum_const.
    assert (Hlen : n = 1 + INR (length (filter (outside (is same D)) concepts))).
    { pose proof (Sum_single same concepts D (fun _ => 1) concepts_distinct (theme_listed j)) as H.
      rewrite !Sum_const in H; lra. }
    replace (INR (length (filter (outside (is same D)) concepts))) with (n - 1) by lra.
    field; lra.
  - intros C HC; apply filter_In in HC; destruct HC as [HC HD]; fold (within C).
    rewrite (Sum_ext (within C) _ (fun z => eps / (n - 1) * omega z)), Sum_scal, omega_total;
      [ring|easy|].
    intros z Hz; apply in_within in Hz; destruct Hz as [_ <-]; unfold weighted.
    destruct (same D (home z)) as [Heq|]; [|easy].
    unfold outside in HD; rewrite <- Heq in HD; now rewrite is_self in HD.
Qed.

Lemma avoided_token eps : admissible eps -> exists y, In y vocab /\ M eps y < 0.
Proof.
  intros He; destruct N as [|i l] eqn:EN; [easy|]; rewrite <- EN in *.
  assert (Hi : In i N) by (rewrite EN; now left).
  assert (Hne : within (theme i) <> []).
  { intros H; specialize (omega_total (theme i) (theme_listed i)); rewrite H in omega_total.
    simpl in omega_total; lra. }
  destruct (within (theme i)) as [|y ys] eqn:E; [easy|]; exists y.
  assert (Hy : In y (within (theme i))) by (rewrite E; now left).
  apply in_within in Hy; destruct Hy as [Hy Hh]; split; [easy|].
  apply (sign_separation_negative same vocab home theme (weighted eps) _ _ (structured eps He)
    target P N); auto; [rewrite Hh; auto|now exists i].
Qed.

(** [peak-sign] Remark 3.4, weighted family.  All peaks of target tokens, seen from a context
    outside the target concept, lie at positive strength exactly when the threshold is positive. *)
Theorem peak_sign_weighted eps :
  admissible eps ->
  (forall z c, In z vocab -> home z = target ->
     mean vocab (weighted eps j) (M eps) c = M eps z -> 0 < c)
  <-> 0 < threshold eps.
Proof.
  intros He.
  assert (Hpos : forall z, In z vocab -> 0 < weighted eps j z).
  { intros z Hz; now apply (structured_pos same vocab home theme _ _ _ (structured eps He)). }
  pose proof (weighted_total eps He) as Htotal.
  assert (Hmean : mean vocab (weighted eps j) (M eps) 0 = level eps + lambda - threshold eps).
  { unfold mean; rewrite E_0 by easy; now apply mean_weighted. }
  assert (HM : forall z, In z vocab -> home z = target -> M eps z = level eps + log_ratio z)
    by (intros z Hz Ht; now apply log_odds_weighted).
  destruct lambda_reached as [z0 [Hz0 [Ht0 El]]].
  destruct (avoided_token eps He) as [y [Hy HMy]].
  assert (HM0 : M eps z0 = level eps + lambda) by (rewrite HM, El; easy).
  pose proof (margin_pos eps He) as Hmargin.
  assert (Hvaried : not_constant vocab (M eps)) by (exists y, z0; repeat split; auto; lra).
  split.
  - intros Hall; apply Rnot_le_lt; intros Hle.
    destruct (max_exists vocab (weighted eps j) (M eps) Htotal) as [m [[w [Hw Ew]] Hm]].
    assert (Hbelow : mean vocab (weighted eps j) (M eps) 0 < m).
    { apply mean_lt; auto; exists y; split; [easy|]; specialize (Hm z0 Hz0); lra. }
    destruct (crossing vocab (weighted eps j) (M eps) Hpos Htotal z0) as [c [Hc _]]; [easy| |].
    { split; [exists y|exists w]; split; auto; lra. }
    specialize (Hall z0 c Hz0 Ht0 Hc).
    apply (peak_sign_mean vocab (weighted eps j) (M eps) Hpos Htotal z0 c Hvaried Hc) in Hall; lra.
  - intros Hth z c Hz Ht Hc.
    apply (peak_sign_mean vocab (weighted eps j) (M eps) Hpos Htotal z c Hvaried Hc).
    rewrite Hmean, HM by easy; specialize (lambda_least z Hz Ht); lra.
Qed.

Lemma Q_nonneg C : 0 <= Q C.
Proof.
  apply Rmult_le_pos; [|apply Rlt_le, Rinv_0_lt_compat, length_pos, N_nonempty].
  apply Sum_nonneg; intros i _; destruct (is same C (theme i)); lra.
Qed.

(** [peak-sign] Remark 3.4, weighted family, no threshold.  Every admissible eps works if the
    contexts to avoid lie in the concept of the context, if there are two concepts, or if gamma and
    omega agree. *)
Theorem peak_sign_every eps :
  admissible eps -> Q D = 1 \/ n = 2 \/ (forall z, In z vocab -> gamma z = omega z) ->
  0 < threshold eps.
Proof.
  intros He Hcase; pose proof (proj1 He) as Hr; pose proof n_ge_2 as Hn.
  destruct (below_1 eps Hr) as [Hen He1]; pose proof (level_pos eps Hr) as HL.
  pose proof (margin_pos eps He) as Hmargin.
  pose proof kappa_nonneg as Hkappa.
  assert (Hfrac : eps * n / (n - 1) < 1) by (apply Rlt_div_l; lra).
  assert (Hone : Q D = 1 -> 0 < threshold eps).
  { intros HQ; assert (HQsum : Sum elsewhere Q = 0).
    { pose proof Q_total as Ht; rewrite Sum_concepts, Q_target in Ht; lra. }
    assert (Hrest : Sum elsewhere (fun C => Q C * kappa C) = 0).
    { apply Sum_zero; intros C HC.
      rewrite (Sum_nonneg_zero elsewhere Q (fun C _ => Q_nonneg C) HQsum C HC); ring. }
    unfold threshold, slant; rewrite Hrest, HQ.
    assert (0 <= eps * ((kappa target - 0) / (n - 1))).
    { apply Rmult_le_pos; [lra|]; apply Rmult_le_pos; [lra|].
      apply Rlt_le, Rinv_0_lt_compat; lra. }
    assert (0 <= 1 * (1 - eps) * delta)
      by (apply Rmult_le_pos; [apply Rmult_le_pos; lra|apply delta_nonneg]).
    assert (0 < level eps * (1 - eps * n / (n - 1))) by (apply Rmult_lt_0_compat; lra).
    replace (level eps * (1 + 1 - 1 * eps * n / (n - 1)))
      with (level eps + level eps * (1 - eps * n / (n - 1))) by (field; lra).
    lra. }
  destruct Hcase as [HQ|[H2|Hsame]]; [auto| |].
  - apply Hone; pose proof Q_total as Ht; rewrite Sum_concepts, Q_target in Ht.
    assert (Hempty : elsewhere = []).
    { pose proof (Sum_concepts (fun _ => 1)) as H; rewrite !Sum_const, H2 in H.
      destruct elsewhere as [|C l]; [easy|]; exfalso.
      pose proof (length_pos (C :: l) ltac:(discriminate)); lra. }
    rewrite Hempty in Ht; simpl in Ht; lra.
  - assert (Hzero : forall C q r, (forall z, In z (within C) -> q z = r z) ->
      (forall z, In z (within C) -> 0 < q z) -> divergence (within C) q r = 0).
    { intros C q r Hqr Hq; apply Sum_zero; intros z Hz; rewrite <- Hqr by easy.
      replace (q z / q z) with 1 by (specialize (Hq z Hz); field; lra); rewrite ln_1; ring. }
    assert (Hin : forall C z, In z (within C) -> In z vocab)
      by (intros C z Hz; now apply in_within in Hz).
    assert (Hk : forall C, kappa C = 0)
      by (intros C; apply Hzero; intros z Hz; apply Hin in Hz; [symmetry|]; auto).
    assert (Hd : delta = 0)
      by (apply Hzero; intros z Hz; apply Hin in Hz; auto).
    assert (Hl : lambda = 0).
    { destruct lambda_reached as [z [Hz [_ <-]]]; unfold log_ratio; rewrite Hsame by easy.
      replace (omega z / omega z) with 1 by (specialize (omega_pos z Hz); field; lra); apply ln_1. }
    unfold threshold, slant; rewrite Hd, Hl, Hk, Sum_zero by (intros; rewrite Hk; ring).
    pose proof (Rmult_lt_0_compat _ _ HL (bracket_pos eps Hr)).
    replace ((0 - 0) / (n - 1)) with 0 by (field; lra); lra.
Qed.

(** ** A sufficient eps in closed form *)

(** What Assumption 1 gives on average over a concept. *)
Lemma kappa_le_level eps C : admissible eps -> In C concepts -> kappa C <= level eps.
Proof.
  intros He HC; enough (0 <= level eps - kappa C) by lra.
  rewrite <- within_kappa by easy; apply Sum_nonneg; intros z Hz; apply in_within in Hz.
  destruct Hz as [Hz _]; apply Rmult_le_pos; [now apply Rlt_le, omega_pos|].
  rewrite <- ln_values by (apply He || easy).
  destruct (structured eps He j z Hz) as [[Hb Ha] _]; rewrite <- ln_1; apply ln_le; [lra|].
  apply Rle_div_r; lra.
Qed.

(** The bound of App. B.3, which forgets how the contexts to avoid are spread. *)
Lemma threshold_lower eps : admissible eps ->
  level eps + lambda - eps / (n - 1) * level eps <= threshold eps.
Proof.
  intros He; pose proof (proj1 He) as Hr; pose proof n_ge_2 as Hn; pose proof Q_range as HQ.
  destruct (below_1 eps Hr) as [Hen He1]; pose proof (level_pos eps Hr) as HL.
  assert (Hrest : Sum elsewhere (fun C => Q C * kappa C) <= level eps).
  { apply Rle_trans with (Sum elsewhere (fun C => Q C * level eps)).
    - apply Sum_le; intros C HC; apply in_elsewhere in HC; destruct HC as [HC _].
      apply Rmult_le_compat_l; [apply Q_nonneg|now apply kappa_le_level].
    - rewrite Sum_scal_r; pose proof Q_total as Ht; rewrite Sum_concepts, Q_target in Ht; nra. }
  pose proof kappa_nonneg as Hkappa.
  assert (H1 : 0 <= Q D * level eps * ((n - 1 - eps * n) / (n - 1))).
  { apply Rmult_le_pos; [apply Rmult_le_pos; lra|].
    apply Rlt_le, Rdiv_lt_0_compat; lra. }
  assert (H2 : 0 <= eps / (n - 1)
    * (level eps + kappa target - Sum elsewhere (fun C => Q C * kappa C))).
  { apply Rmult_le_pos; [|lra]; apply Rlt_le, Rdiv_lt_0_compat; lra. }
  assert (H3 : 0 <= Q D * (1 - eps) * delta)
    by (apply Rmult_le_pos; [apply Rmult_le_pos; lra|apply delta_nonneg]).
  unfold threshold, slant.
  replace (level eps * (1 + Q D - Q D * eps * n / (n - 1)))
    with (level eps + Q D * level eps * ((n - 1 - eps * n) / (n - 1))) by (field; lra).
  replace (eps * ((kappa target - Sum elsewhere (fun C => Q C * kappa C)) / (n - 1)))
    with (eps / (n - 1) * (level eps + kappa target - Sum elsewhere (fun C => Q C * kappa C))
          - eps / (n - 1) * level eps) by (field; lra).
  lra.
Qed.

(** [peak-sign] Remark 3.4, weighted family, a sufficient eps in closed form.  With c = - min log
    (gamma/omega) > 0 and w = W(c exp(-c)), W the function of Lambert, every admissible eps below
    (G-1)/(G-1+c/w) puts all target peaks at positive strength. *)
Theorem peak_sign_lambert eps w :
  admissible eps -> lambda < 0 -> 0 < w -> w * exp w = - lambda * exp lambda ->
  eps < (n - 1) / (n - 1 + - lambda / w) -> 0 < threshold eps.
Proof.
  intros He Hlambda Hw HW Heps; pose proof (proj1 He) as Hr; pose proof n_ge_2 as Hn.
  set (c := - lambda) in *; assert (Hc : 0 < c) by (unfold c; lra).
  assert (Hcw : 0 < c / w) by now apply Rdiv_lt_0_compat.
  assert (Hexp : exp (w + c) = c / w).
  { replace lambda with (- c) in HW by (unfold c; ring); rewrite exp_Ropp in HW.
    pose proof (exp_pos c); rewrite exp_plus; apply Rmult_eq_reg_r with w; [|lra].
    replace (exp w * exp c * w) with (w * exp w * exp c) by ring; rewrite HW; field; lra. }
  assert (Hq : c / w * w = c) by (field; lra); set (q := c / w) in *; clearbody q.
  assert (Hsmall : eps * (n - 1 + q) < n - 1) by (apply Rlt_div_r; [lra|easy]).
  assert (HL : w + c < level eps).
  { rewrite <- (ln_exp (w + c)), Hexp; apply ln_increasing; [easy|]; apply Rlt_div_r; lra. }
  assert (Hshare : eps / (n - 1) < w / (w + c)).
  { apply Rmult_lt_reg_r with ((n - 1) * (w + c)); [apply Rmult_lt_0_compat; lra|].
    replace (eps / (n - 1) * ((n - 1) * (w + c))) with (eps * (w + c)) by (field; lra).
    replace (w / (w + c) * ((n - 1) * (w + c))) with (w * (n - 1)) by (field; lra).
    apply Rle_lt_trans with (w * (eps * (n - 1 + q))); [|apply Rmult_lt_compat_l; lra].
    replace (w * (eps * (n - 1 + q))) with (eps * (w * (n - 1) + c)) by (rewrite <- Hq; ring).
    apply Rmult_le_compat_l; [lra|]; assert (0 <= w * (n - 2)) by (apply Rmult_le_pos; lra); lra. }
  apply Rlt_le_trans with (2 := threshold_lower eps He).
  replace (level eps + lambda - eps / (n - 1) * level eps)
    with (level eps * (1 - eps / (n - 1)) - c) by (unfold c; ring).
  assert (Hpart : 1 - w / (w + c) = c / (w + c)) by (field; lra).
  assert (0 < c / (w + c)) by (apply Rdiv_lt_0_compat; lra).
  apply Rlt_trans with (level eps * (c / (w + c)) - c).
  - enough (c < level eps * (c / (w + c))) by lra.
    apply Rmult_lt_reg_r with (w + c); [lra|].
    replace (level eps * (c / (w + c)) * (w + c)) with (level eps * c) by (field; lra); nra.
  - rewrite <- Hpart; apply Rplus_lt_compat_r, Rmult_lt_compat_l; lra.
Qed.

End Weighted.
