(** * Choosing the strength

    A level of the target concept is reached by one strength, a budget of cross-entropy by one on
    each side of 0; between them lies the window that meets both, or none. *)

From SteeringStrength Require Import analysis asymptotics tilting limits concept cross_entropy
  budget.

Section Target.

Context {T : Type} (vocab : list T) (p M : T -> R) (C : T -> bool).
Hypothesis p_pos : forall z, In z vocab -> 0 < p z.
Hypothesis p_total : Sum vocab p = 1.
Hypothesis C_proper : proper vocab C.
Hypothesis varied : not_constant vocab M.
Hypothesis favoured :
  forall z y, In z vocab -> In y vocab -> C z = true -> C y = false -> M y <= M z.

Notation F := (F vocab p M C).

(** What the concept holds of the tokens of a level. *)
Definition kept (m : R) : R := Sum (filter C vocab) (share vocab p M m).

Variables lowest highest : R.
Hypothesis bottom : is_min vocab M lowest.
Hypothesis top : is_max vocab M highest.

Lemma F_continuity alpha : continuity_pt F alpha.
Proof. eapply derive_continuity, F_derive_pairs; auto. Qed.

(** [advise-target] Beyond the paper.  Every probability of the target concept strictly between its
    two limits is reached by exactly one strength, and held by every larger one. *)
Theorem advise_target level :
  kept lowest < level < kept highest ->
  exists! alpha, F alpha = level /\ forall beta, level <= F beta <-> alpha <= beta.
Proof.
  intros Hlevel; pose proof (F_increasing vocab p M p_pos p_total C C_proper varied favoured) as Hi.
  destruct (increasing_unique_root F (kept lowest) (kept highest) level) as [alpha [He Hu]]; auto.
  - intros; apply F_continuity.
  - now apply F_minus_infinity.
  - now apply F_plus_infinity.
  - exists alpha; split; [split; [easy|]|intros beta [Hb _]; now apply Hu].
    intros beta; rewrite <- He; split; intros H.
    + apply Rnot_lt_le; intros Hlt; specialize (Hi beta alpha Hlt); lra.
    + destruct H as [H| ->]; [apply Rlt_le, Hi, H|apply Rle_refl].
Qed.

(** [advise-target] Beyond the paper, out of reach.  A probability at or above the upper limit is
    reached by no strength. *)
Theorem advise_target_never level alpha : kept highest <= level -> F alpha < level.
Proof.
  intros Hlevel; pose proof (F_increasing vocab p M p_pos p_total C C_proper varied favoured) as Hi.
  pose proof (F_plus_infinity vocab p M p_pos p_total C highest top) as Hlim.
  apply Rlt_le_trans with (F (alpha + 1)); [apply Hi; lra|].
  apply Rle_trans with (2 := Hlevel).
  change (Rbar_le (Finite (F (alpha + 1))) (Finite (kept highest))).
  apply (is_lim_le_loc (fun _ => F (alpha + 1)) F p_infty);
    [|apply is_lim_const|exact Hlim].
  exists (alpha + 1); intros t Ht; apply Rlt_le, Hi, Ht.
Qed.

End Target.

Section Window.

Context {T J : Type} (vocab : list T) (contexts : list J) (pi : J -> R) (p : J -> T -> R)
  (M : T -> R).
Hypothesis pi_pos : forall j, In j contexts -> 0 < pi j.
Hypothesis pi_total : Sum contexts pi = 1.
Hypothesis p_pos : forall j z, In z vocab -> 0 < p j z.
Hypothesis p_total : forall j, Sum vocab (p j) = 1.
Hypothesis varied : not_constant vocab M.

(** [sweet-spot] Beyond the paper.  The strengths that reach a level of a favoured concept in one
    context and keep the population within a budget form one interval between known roots; it is
    empty exactly when the level is reached only beyond the budget. *)
Theorem sweet_spot (C : T -> bool) (j : J) level budget first low high :
  proper vocab C ->
  (forall z y, In z vocab -> In y vocab -> C z = true -> C y = false -> M y <= M z) ->
  F vocab (p j) M C first = level -> low < 0 < high ->
  increase vocab contexts pi p M low = budget -> increase vocab contexts pi p M high = budget ->
  (forall alpha,
     level <= F vocab (p j) M C alpha /\ increase vocab contexts pi p M alpha <= budget
     <-> Rmax first low <= alpha <= high) /\
  ((exists alpha,
     level <= F vocab (p j) M C alpha /\ increase vocab contexts pi p M alpha <= budget)
   <-> first <= high).
Proof.
  intros HC Hfav Hfirst Hz Hl Hh.
  pose proof (F_increasing vocab (p j) M (p_pos j) (p_total j) C HC varied Hfav) as Hi.
  assert (Hreach : forall alpha, level <= F vocab (p j) M C alpha <-> first <= alpha).
  { intros alpha; rewrite <- Hfirst; split; intros H.
    - apply Rnot_lt_le; intros Hlt; specialize (Hi alpha first Hlt); lra.
    - destruct H as [H| ->]; [apply Rlt_le, Hi, H|apply Rle_refl]. }
  assert (Hwithin : forall alpha, increase vocab contexts pi p M alpha <= budget
                                  <-> low <= alpha <= high).
  { intros alpha; now apply advise_budget_window. }
  split.
  - intros alpha; rewrite Hreach, Hwithin.
    pose proof (Rmax_l first low); pose proof (Rmax_r first low).
    split; intros H'; [split; [apply Rmax_lub; lra|lra]|lra].
  - split.
    + intros [alpha Ha]; rewrite Hreach, Hwithin in Ha; lra.
    + intros H; exists high; rewrite Hreach, Hwithin; lra.
Qed.

(** [advise-budget] Beyond the paper, where to look.  For a small budget the strength is close to
    the root of twice the budget over the variance: the increase there is the budget to first
    order. *)
Theorem advise_budget_seed :
  let variance := over contexts pi (fun j => Var vocab (p j) M 0) in
  is_lim (fun s => increase vocab contexts pi p M (sqrt (2 / variance) * s) / s ^ 2) 0 1.
Proof.
  intros variance.
  assert (Hv : 0 < variance).
  { apply over_pos; auto; intros j _.
    apply Var_pos; auto. }
  assert (Hr : 0 < 2 / variance) by (apply Rdiv_lt_0_compat; lra).
  set (r := sqrt (2 / variance)); assert (Hr0 : 0 < r) by now apply sqrt_lt_R0.
  assert (Hr2 : r ^ 2 = 2 / variance) by (apply pow2_sqrt; lra).
  apply is_lim_ext_loc with (fun s =>
    r ^ 2 * (increase vocab contexts pi p M (r * s + 0) / (r * s + 0) ^ 2)).
  - exists (mkposreal 1 Rlt_0_1); intros s _ Hs; rewrite Rplus_0_r; field; lra.
  - apply (is_lim_value _ _ (r ^ 2 * (/ 2 * variance))); [|rewrite Hr2; field; lra].
    apply lim_mult; [apply is_lim_const|].
    apply (is_lim_comp_lin (fun t => increase vocab contexts pi p M t / t ^ 2) r 0 0); [|lra].
    replace (Rbar_plus (Rbar_mult r 0) 0) with (Finite 0)
      by (simpl; f_equal; ring).
    apply ce_quadratic; auto.
Qed.

End Window.
