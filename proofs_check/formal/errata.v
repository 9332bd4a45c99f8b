(** * Readings of the paper that are false

    Each reading is stated as it is printed or easily understood, and refuted by an instance small
    enough to check by hand.  What is true instead is a theorem of another file. *)

From Coq Require Import ZArith Lia.
From SteeringStrength Require Import analysis asymptotics tilting limits peaks concept variation
  separation cross_entropy transformer peak_sign.

Lemma average_one {S : Type} (i : S) f : average [i] f = f i.
Proof. unfold average; simpl; field. Qed.

Lemma average_two {S : Type} (i k : S) f : average [i; k] f = / 2 * (f i + f k).
Proof. unfold average; simpl; field. Qed.

Lemma limit_conflict (f : R -> R) x (a b : R) : is_lim f x a -> is_lim f x b -> a = b.
Proof.
  intros Ha Hb; apply is_lim_unique in Ha; apply is_lim_unique in Hb.
  rewrite Ha in Hb; now injection Hb.
Qed.

(** ** Signs of the log-odds *)

(** [sign-separation/outside-negative] A reading of Lemma B.4: outside the target concept the
    log-odds are negative.  They vanish in a concept that the contexts to avoid do not touch. *)
Theorem sign_separation_outside_negative :
  assumption1 same_topic words home_of (fun j : topic => j) dataset
    (fun _ => inside_probability) (fun _ => 1 / 10) /\
  ~ (forall z, In z words -> home_of z <> wanted -> log_odds dataset [wanted] [avoided] z < 0).
Proof.
  split; [apply sign_separation_satisfiable|]; intros H.
  specialize (H far ltac:(simpl; tauto) ltac:(discriminate)).
  unfold log_odds in H; rewrite !average_one in H; unfold dataset in H; simpl in H; lra.
Qed.

(** Two tokens, each a concept, and a context for each: the first row is the context of the first
    concept. *)
Definition rows (p q : R) (context token : bool) : R :=
  if context then (if token then p else 1 - p) else (if token then q else 1 - q).

(** [sign-separation/any-rows] A reading of App. B.1: it is enough that each context raises its own
    concept above what it gives to that concept elsewhere.  The log-odds compare different contexts,
    so the other value must be common to them. *)
Theorem sign_separation_any_rows :
  ~ (forall (p a b : bool -> bool -> R),
       (forall j z, 0 < b j z < a j z /\ p j z = (if bool_dec j z then a j z else b j z)) ->
       (forall j, Sum [true; false] (p j) = 1) ->
       0 < log_odds p [true] [false] true).
Proof.
  intros H.
  set (a := fun j z : bool => if j then (if z then 1 / 10 else 95 / 100)
                              else (if z then 3 / 10 else 8 / 10)).
  set (b := fun j z : bool => if j then (if z then 5 / 100 else 9 / 10)
                              else (if z then 2 / 10 else 1 / 10)).
  specialize (H (rows (1 / 10) (2 / 10)) a b).
  unfold log_odds in H; rewrite !average_one in H; simpl in H.
  assert (ln (1 / 10) < ln (2 / 10)) by (apply ln_increasing; lra).
  enough (0 < ln (1 / 10) - ln (2 / 10)) by lra; apply H.
  - intros [|] [|]; unfold a, b; simpl; lra.
  - intros [|]; simpl; lra.
Qed.

(** ** Infinite strength *)

Inductive three := first | second | third.
Definition all_three := [first; second; third].
Definition of_three (x y z : R) (t : three) : R :=
  match t with first => x | second => y | third => z end.

Lemma three_pos x y z t : 0 < x -> 0 < y -> 0 < z -> In t all_three -> 0 < of_three x y z t.
Proof. destruct t; simpl; lra. Qed.

(** [limit/uniform-share] A reading of Prop. B.1: tokens that tie for the largest log-odds share the
    limit equally.  They share it in proportion to what they had. *)
Theorem limit_uniform_share :
  ~ (forall (p M : three -> R) m z,
       (forall t, In t all_three -> 0 < p t) -> Sum all_three p = 1 -> is_max all_three M m ->
       M z = m ->
       is_lim (fun alpha => tilted all_three p M alpha z) p_infty
         (/ INR (length (filter (at_level M m) all_three)))).
Proof.
  intros H; set (p := of_three (1 / 2) (1 / 4) (1 / 4)); set (M := of_three 1 1 0).
  assert (Hp : forall t, In t all_three -> 0 < p t) by (intros; apply three_pos; auto; lra).
  assert (Hp1 : Sum all_three p = 1) by (unfold p; simpl; lra).
  assert (Hmax : is_max all_three M 1).
  { split; [exists first; simpl; auto|]; intros [| |] _; simpl; lra. }
  specialize (H p M 1 first Hp Hp1 Hmax eq_refl).
  pose proof (limit all_three p M Hp Hp1 1 Hmax first ltac:(simpl; auto)) as Hlim.
  pose proof (limit_conflict _ _ _ _ H Hlim) as Hq; clear H Hlim.
  unfold share, mass, at_level in Hq; simpl in Hq.
  repeat destruct Req_EM_T; simpl in *; lra.
Qed.

(** [limit/printed-signs] Eq. (8) and (9) of App. B.1: in a context of the target concept every
    token that vanishes loses its in-concept probability.  A token outside the concept had only its
    off-concept probability to lose. *)
Theorem limit_printed_signs :
  ~ (forall (p : bool -> bool -> R) (a b : bool -> R),
       assumption1 bool_dec [true; false] (fun z => z) (fun j => j) p (fun _ => a) b ->
       (forall j, Sum [true; false] (p j) = 1) ->
       is_lim (fun alpha => tilted [true; false] (p true) (log_odds p [true] [false]) alpha false
                            - p true false) p_infty (- a false)).
Proof.
  intros H; set (p := rows (3 / 4) (1 / 4)).
  assert (Hs : assumption1 bool_dec [true; false] (fun z => z) (fun j => j) p
                 (fun _ _ => 3 / 4) (fun _ => 1 / 4))
    by (intros [|] [|] _; unfold p; simpl; lra).
  assert (Hp1 : forall j, Sum [true; false] (p j) = 1) by (intros [|]; simpl; lra).
  specialize (H p (fun _ => 3 / 4) (fun _ => 1 / 4) Hs Hp1).
  assert (Hp : forall z, In z [true; false] -> 0 < p true z)
    by (intros [|] _; unfold p; simpl; lra).
  set (M := log_odds p [true] [false]) in *.
  assert (HM : M true = ln (3 / 4) - ln (1 / 4) /\ M false = ln (1 / 4) - ln (3 / 4)).
  { unfold M, log_odds; rewrite !average_one; unfold p; simpl.
    replace (1 - 3 / 4) with (1 / 4) by lra; replace (1 - 1 / 4) with (3 / 4) by lra; split; ring. }
  assert (ln (1 / 4) < ln (3 / 4)) by (apply ln_increasing; lra).
  assert (Hmax : is_max [true; false] M (M true)).
  { split; [exists true; simpl; auto|]; intros [|] _; lra. }
  pose proof (limit [true; false] (p true) M Hp (Hp1 true) (M true) Hmax false
    ltac:(simpl; auto)) as Hlim.
  unfold share, at_level in Hlim; destruct (Req_EM_T (M false) (M true)) as [E|_]; [lra|].
  assert (Hlim' : is_lim (fun alpha => tilted [true; false] (p true) M alpha false - p true false)
    p_infty (0 - p true false)) by (apply is_lim_minus'; [exact Hlim|apply is_lim_const]).
  pose proof (limit_conflict _ _ _ _ H Hlim') as Hq; unfold p in Hq; simpl in Hq; lra.
Qed.

(** ** Concepts *)

(** [concept-limit/returns] The prose after Thm 3.6: a concept without extremal tokens converges
    back to its unsteered value.  Its probability goes to 0. *)
Theorem concept_limit_returns :
  ~ (forall (p M : three -> R) (C : three -> bool) m,
       (forall t, In t all_three -> 0 < p t) -> Sum all_three p = 1 -> is_max all_three M m ->
       (forall t, In t all_three -> C t = true -> M t <> m) ->
       is_lim (gain all_three p M C) p_infty 0).
Proof.
  intros H; set (p := of_three (1 / 3) (1 / 3) (1 / 3)); set (M := of_three 1 0 (-1)).
  set (C := fun t => match t with second => true | _ => false end).
  assert (Hp : forall t, In t all_three -> 0 < p t) by (intros; apply three_pos; auto; lra).
  assert (Hp1 : Sum all_three p = 1) by (unfold p; simpl; lra).
  assert (Hmax : is_max all_three M 1).
  { split; [exists first; simpl; auto|]; intros [| |] _; simpl; lra. }
  assert (HC : forall t, In t all_three -> C t = true -> M t <> 1)
    by (intros [| |] _; simpl; try discriminate; intros _ E; lra).
  specialize (H p M C 1 Hp Hp1 Hmax HC).
  pose proof (concept_limit all_three p M Hp Hp1 C 1 Hmax HC) as Hlim.
  pose proof (limit_conflict _ _ _ _ H Hlim) as Hq.
  unfold size, p, C in Hq; simpl in Hq; lra.
Qed.

(** ** The final norm *)

(** [norm-limit/eps-of-v] A reading of Prop. 4.1: the limit is the norm of the steering vector, with
    the eps of the implementation.  In the limit eps is washed out. *)
Theorem norm_limit_eps_of_v :
  ~ (forall (n : norm) (eps : R) (gain bias h v : unit -> R) (W : unit -> unit -> R),
       0 < eps -> visible [tt] n v ->
       is_lim (fun alpha => logits [tt] W (normed [tt] n eps gain bias
                              (fun k => h k + alpha * v k)) tt) p_infty
         (logits [tt] W (normed [tt] n eps gain bias v) tt)).
Proof.
  intros H; set (one := fun _ : unit => 1); set (zero := fun _ : unit => 0).
  set (W := fun _ _ : unit => 1).
  assert (Hv : visible [tt] RMSNorm one) by (exists tt; simpl; split; [auto|unfold one; lra]).
  specialize (H RMSNorm 3 one zero zero one W ltac:(lra) Hv).
  pose proof (norm_limit [tt] W RMSNorm 3 one zero zero (fun _ _ => 0) one 0 tt Hv
    ltac:(intros; cbv beta; rewrite Rabs_R0; lra)) as [Hlim _].
  assert (Hlim' : is_lim (fun alpha => logits [tt] W (normed [tt] RMSNorm 3 one zero
    (fun k => zero k + alpha * one k)) tt) p_infty (vector_logits [tt] W RMSNorm one zero one tt)).
  { eapply is_lim_ext; [|exact Hlim]; intros t; unfold final_logits, moved.
    do 3 f_equal; apply FunctionalExtensionality.functional_extensionality; intros k; ring. }
  pose proof (limit_conflict _ _ _ _ H Hlim') as Hq; clear H Hlim Hlim'.
  unfold vector_logits, logits, normed, mean_square, seen, average, W, one, zero in Hq; simpl in Hq.
  replace ((1 * (1 * 1) + 0) / 1 + 3) with (2 ^ 2) in Hq by field.
  replace ((1 * (1 * 1) + 0) / 1 + 0) with (1 ^ 2) in Hq by field.
  rewrite !sqrt_pow2 in Hq by lra; lra.
Qed.

(** [norm-limit/constant-v] Prop. 4.1 for every steering vector: large strength forgets the prompt.
    LayerNorm does not see a vector that is constant across coordinates, and forgets nothing. *)
Theorem norm_limit_constant_v :
  ~ (forall (v : bool -> R) (W : unit -> bool -> R), (exists k, v k <> 0) ->
       exists output : R, forall h : bool -> R,
         is_lim (fun alpha => logits [true; false] W (normed [true; false] LayerNorm 0
                   (fun _ => 1) (fun _ => 0) (moved h alpha v)) tt) p_infty output).
Proof.
  intros H; set (W := fun (_ : unit) (k : bool) => if k then 1 else 0).
  destruct (H (fun _ => 1) W) as [output Hlim]; [exists true; apply R1_neq_R0|]; clear H.
  assert (Hstays : forall s : R, is_lim (fun alpha => logits [true; false] W (normed [true; false]
    LayerNorm 0 (fun _ => 1) (fun _ => 0) (moved (fun k : bool => if k then s else - s) alpha
    (fun _ => 1))) tt) p_infty (s / sqrt (s ^ 2))).
  { intros s; eapply is_lim_ext; [|apply is_lim_const]; intros alpha.
    rewrite norm_limit_invisible by (intros; unfold seen; rewrite average_two; lra).
    unfold logits, normed, mean_square, seen, W; rewrite !average_two; simpl.
    replace (/ 2 * (s + - s)) with 0 by ring.
    replace (/ 2 * ((s - 0) * ((s - 0) * 1) + (- s - 0) * ((- s - 0) * 1)) + 0) with (s ^ 2)
      by (simpl; field).
    simpl; unfold Rdiv; ring. }
  pose proof (limit_conflict _ _ _ _ (Hlim _) (Hstays 1)) as H1.
  pose proof (limit_conflict _ _ _ _ (Hlim _) (Hstays (-1))) as H2.
  replace ((-1) ^ 2) with (1 ^ 2) in H2 by ring; rewrite sqrt_pow2 in * by lra; lra.
Qed.

(** ** The cross-entropy *)

(** [ce-linear/always-degrades] The prose around Thm 3.8: steering necessarily degrades global
    performance.  A model that is not calibrated along the vector gets better in one direction. *)
Theorem ce_linear_always_degrades :
  ~ (forall (p r : unit -> bool -> R) (M : bool -> R) alpha,
       (forall j z, 0 < p j z) -> (forall j, Sum [true; false] (p j) = 1) ->
       (forall j z, 0 < r j z) -> (forall j, Sum [true; false] (r j) = 1) ->
       cross_entropy [true; false] [tt] (fun _ => 1) p M r 0
       <= cross_entropy [true; false] [tt] (fun _ => 1) p M r alpha).
Proof.
  intros H; set (p := fun (_ : unit) (_ : bool) => 1 / 2).
  set (r := fun (_ : unit) (z : bool) => if z then 3 / 4 else 1 / 4).
  set (M := fun z : bool => if z then 1 else 0).
  assert (Hp : forall j z, 0 < p j z) by (intros; unfold p; lra).
  assert (Hp1 : forall j, Sum [true; false] (p j) = 1) by (intros; unfold p; simpl; lra).
  assert (Hr : forall j z, 0 < r j z) by (intros j [|]; unfold r; lra).
  assert (Hr1 : forall j, Sum [true; false] (r j) = 1) by (intros; unfold r; simpl; lra).
  destruct (ce_linear_step [true; false] [tt] (fun _ => 1) p M (fun j z _ => Hp j z) Hp1 r Hr1)
    as [delta [Hd Hstep]].
  - unfold over, data_mean, p, r, M; simpl; lra.
  - specialize (Hstep (delta / 2)); specialize (H p r M (delta / 2) Hp Hp1 Hr Hr1).
    assert (Habs : Rabs (delta / 2) = delta / 2) by (apply Rabs_pos_eq; lra).
    rewrite Habs in Hstep; enough (cross_entropy [true; false] [tt] (fun _ => 1) p M r (delta / 2)
      < cross_entropy [true; false] [tt] (fun _ => 1) p M r 0) by lra.
    apply Hstep; [lra|]; unfold over, data_mean, p, r, M; simpl; lra.
Qed.

(** ** Shapes of concept curves

    Datasets with three concepts, in whole numbers over a total: tokens are numbered, [off z] is the
    off-concept count, [off z + jump z] the count inside.  Half of the contexts to avoid lie in the
    second concept, half in the third. *)

Section Counts.

Context (tokens : list nat) (home : nat -> topic) (off jump : nat -> R) (total : R).
Hypothesis off_pos : forall z, 0 < off z.
Hypothesis jump_pos : forall z, 0 < jump z.
Hypothesis total_pos : 0 < total.

Definition counts (j : topic) (z : nat) : R :=
  (if same_topic j (home z) then off z + jump z else off z) / total.
Definition counts_odds : nat -> R := log_odds counts [wanted] [avoided; neutral].
Definition in_second (z : nat) : bool := match home z with avoided => true | _ => false end.
Definition curve (j : topic) (alpha : R) : R := F tokens (counts j) counts_odds in_second alpha.

Lemma counts_structured :
  assumption1 same_topic tokens home (fun j => j) counts
    (fun _ z => (off z + jump z) / total) (fun z => off z / total).
Proof.
  intros j z _; unfold counts; specialize (off_pos z); specialize (jump_pos z).
  assert (0 < / total) by now apply Rinv_0_lt_compat.
  destruct (same_topic j (home z)); repeat split; unfold Rdiv; nra.
Qed.

Let ratio z := (off z + jump z) / off z.

Lemma ratio_pos z : 0 < ratio z.
Proof. specialize (off_pos z); specialize (jump_pos z); apply Rdiv_lt_0_compat; lra. Qed.

Lemma counts_pos j z : 0 < counts j z.
Proof.
  specialize (off_pos z); specialize (jump_pos z); unfold counts.
  apply Rdiv_lt_0_compat; [destruct (same_topic j (home z)); lra|easy].
Qed.

Lemma counts_odds_value z :
  counts_odds z = match home z with wanted => ln (ratio z) | _ => - / 2 * ln (ratio z) end.
Proof.
  assert (Hlog : ln (ratio z) = ln ((off z + jump z) / total) - ln (off z / total)).
  { specialize (off_pos z); specialize (jump_pos z); rewrite <- ln_div;
      [f_equal; unfold ratio; field; lra| |]; apply Rdiv_lt_0_compat; lra. }
  unfold counts_odds, log_odds; rewrite average_one, average_two; unfold counts.
  destruct (home z); simpl; rewrite Hlog; lra.
Qed.

(** At strength - 2 k every weight is rational. *)
Definition weight (j : topic) (k : nat) (z : nat) : R :=
  counts j z * match home z with wanted => / ratio z ^ (2 * k) | _ => ratio z ^ k end.

Lemma exp_ln_pow x k : 0 < x -> exp (INR k * ln x) = x ^ k.
Proof. intros Hx; rewrite <- ln_pow, exp_ln; auto using pow_lt. Qed.

Lemma weight_exp j k z :
  counts j z * exp (- 2 * INR k * counts_odds z) = weight j k z.
Proof.
  unfold weight; rewrite counts_odds_value; f_equal; pose proof (ratio_pos z) as Hr.
  destruct (home z).
  - rewrite <- exp_ln_pow by easy; rewrite <- exp_Ropp, mult_INR; simpl (INR 2); f_equal; ring.
  - rewrite <- exp_ln_pow by easy; f_equal; field.
  - rewrite <- exp_ln_pow by easy; f_equal; field.
Qed.

Definition curve_rational (j : topic) (k : nat) : R :=
  Sum (filter in_second tokens) (weight j k) / Sum tokens (weight j k).

Lemma curve_even j k alpha :
  Sum tokens (counts j) = 1 -> alpha = - 2 * INR k -> curve j alpha = curve_rational j k.
Proof.
  intros H1 ->; unfold curve, F, curve_rational.
  rewrite (Sum_ext _ _ (fun z => weight j k z / Sum tokens (weight j k))); [apply Sum_div|].
  intros z _; rewrite tilted_ratio by (auto; intros; apply counts_pos).
  unfold Z; rewrite weight_exp; f_equal; apply Sum_ext; intros; apply weight_exp.
Qed.

End Counts.

Lemma ratio_lt (a b c d : R) : 0 < b -> 0 < d -> a * d < c * b -> a / b < c / d.
Proof.
  intros Hb Hd H; apply Rmult_lt_reg_r with (b * d); [nra|].
  replace (a / b * (b * d)) with (a * d) by (field; lra).
  replace (c / d * (b * d)) with (c * b) by (field; lra); easy.
Qed.

(** A list of counts as a function of the number of a token; beyond the list any value. *)
Definition count (l : list R) (z : nat) : R := nth z l 1.

Definition five_home (z : nat) : topic :=
  match z with 0 => wanted | 1 | 2 => avoided | _ => neutral end.

Definition bumps_off := count [2; 4; 4; 3; 3].
Definition bumps_jump := count [6; 5; 1; 2; 4].

Lemma count_pos l z : (forall x, In x l -> 0 < x) -> 0 < count l z.
Proof.
  intros H; unfold count; destruct (nth_in_or_default z l 1) as [Hin| ->]; [auto|lra].
Qed.

Ltac positive_counts := intros ?; apply count_pos; simpl; intuition (subst; lra).
Ltac rows_total off jump := intros [| |]; unfold counts, off, jump, count; simpl; field.
Ltac compare_rationals off jump :=
  repeat split; apply ratio_lt; unfold weight, counts, off, jump, count; simpl; lra.

(** [concept-shape/one-bump] The prose after Thm 3.6: a concept that does not rise or fall
    has one bump.  Under Assumption 1, over 22, this one has two. *)
Theorem concept_shape_two_bumps :
  let tokens := [0; 1; 2; 3; 4]%nat in
  let f := curve tokens five_home bumps_off bumps_jump 22 avoided in
  assumption1 same_topic tokens five_home (fun j => j) (counts five_home bumps_off bumps_jump 22)
    (fun _ z => (bumps_off z + bumps_jump z) / 22) (fun z => bumps_off z / 22) /\
  (forall j, Sum tokens (counts five_home bumps_off bumps_jump 22 j) = 1) /\
  f (-20) < f (-10) /\ f (-6) < f (-10) /\ f (-6) < f (-2) /\ f 0 < f (-2).
Proof.
  intros tokens f.
  assert (Hoff : forall z, 0 < bumps_off z) by positive_counts.
  assert (Hjump : forall z, 0 < bumps_jump z) by positive_counts.
  assert (H1 : forall j, Sum tokens (counts five_home bumps_off bumps_jump 22 j) = 1)
    by rows_total bumps_off bumps_jump.
  assert (Ht : 0 < 22) by lra.
  split; [now apply counts_structured|]; split; [easy|].
  pose proof (fun k alpha => curve_even tokens five_home bumps_off bumps_jump 22 Hoff Hjump Ht
    avoided k alpha (H1 avoided)) as Hf.
  unfold f; rewrite (Hf 10%nat (-20)), (Hf 5%nat (-10)), (Hf 3%nat (-6)), (Hf 1%nat (-2)),
    (Hf 0%nat 0) by (simpl; lra).
  unfold curve_rational; compare_rationals bumps_off bumps_jump.
Qed.

(** [concept-shape] Thm 3.6, attained.  The curve of that concept of two tokens turns three times,
    the most that twice its tokens less one allows. *)
Theorem concept_shape_attained :
  let tokens := [0; 1; 2; 3; 4]%nat in
  let f := curve tokens five_home bumps_off bumps_jump 22 avoided in
  (2 * length (filter (in_second five_home) tokens) - 1 = 3)%nat /\
  turns (map f [-20; -10; -6; -2; 0]) = 3%nat.
Proof.
  destruct concept_shape_two_bumps as (_ & _ & H1 & H2 & H3 & H4); split; [reflexivity|].
  unfold turns, sign_changes; cbn [map differences changes].
  set (f := curve _ _ _ _ _ _) in *.
  assert (turned : forall x y, (x < 0 < y \/ y < 0 < x) ->
    (if Rlt_dec (x * y) 0 then 1 else 0)%nat = 1%nat)
    by (intros x y Hxy; destruct (Rlt_dec (x * y) 0); [easy|nra]).
  repeat (destruct Req_EM_T; [lra|]); rewrite Rmult_0_l, !turned by lra.
  destruct (Rlt_dec 0 0); [lra|reflexivity].
Qed.

Definition falls_off := count [1; 3; 1; 2; 1].
Definition falls_jump := count [2; 1; 1; 1; 1].

(** [concept-shape/falls-rises-falls] The prose after Thm 3.6: three behaviours, and falling, rising
    and falling again is none of them.  Under Assumption 1, over 10, this concept does so. *)
Theorem concept_shape_falls_rises_falls :
  let tokens := [0; 1; 2; 3; 4]%nat in
  let f := curve tokens five_home falls_off falls_jump 10 avoided in
  assumption1 same_topic tokens five_home (fun j => j) (counts five_home falls_off falls_jump 10)
    (fun _ z => (falls_off z + falls_jump z) / 10) (fun z => falls_off z / 10) /\
  (forall j, Sum tokens (counts five_home falls_off falls_jump 10 j) = 1) /\
  f (-8) < f (-20) /\ f (-8) < f (-2) /\ f 0 < f (-2).
Proof.
  intros tokens f.
  assert (Hoff : forall z, 0 < falls_off z) by positive_counts.
  assert (Hjump : forall z, 0 < falls_jump z) by positive_counts.
  assert (H1 : forall j, Sum tokens (counts five_home falls_off falls_jump 10 j) = 1)
    by rows_total falls_off falls_jump.
  assert (Ht : 0 < 10) by lra.
  split; [now apply counts_structured|]; split; [easy|].
  pose proof (fun k alpha => curve_even tokens five_home falls_off falls_jump 10 Hoff Hjump Ht
    avoided k alpha (H1 avoided)) as Hf.
  unfold f; rewrite (Hf 10%nat (-20)), (Hf 4%nat (-8)), (Hf 1%nat (-2)), (Hf 0%nat 0)
    by (simpl; lra).
  unfold curve_rational; compare_rationals falls_off falls_jump.
Qed.

Definition six_home (z : nat) : topic :=
  match z with 0 | 1 => wanted | 2 | 3 => avoided | _ => neutral end.
Definition equal_off := count [1; 3; 1; 3; 1; 3].
Definition equal_jump := count [8; 1; 3; 6; 1; 8].

(** [concept-shape/three-behaviours] The prose after Thm 3.6, with concepts of equal size and inside
    the weighted family: over 21, this concept falls, rises and falls. *)
Theorem concept_shape_equal_sizes :
  let tokens := [0; 1; 2; 3; 4; 5]%nat in
  let f := curve tokens six_home equal_off equal_jump 21 avoided in
  assumption1 same_topic tokens six_home (fun j => j) (counts six_home equal_off equal_jump 21)
    (fun _ z => (equal_off z + equal_jump z) / 21) (fun z => equal_off z / 21) /\
  (forall j, Sum tokens (counts six_home equal_off equal_jump 21 j) = 1) /\
  f (-10) < f (-40) /\ f (-10) < f (-4) /\ f 0 < f (-4).
Proof.
  intros tokens f.
  assert (Hoff : forall z, 0 < equal_off z) by positive_counts.
  assert (Hjump : forall z, 0 < equal_jump z) by positive_counts.
  assert (H1 : forall j, Sum tokens (counts six_home equal_off equal_jump 21 j) = 1)
    by rows_total equal_off equal_jump.
  assert (Ht : 0 < 21) by lra.
  split; [now apply counts_structured|]; split; [easy|].
  pose proof (fun k alpha => curve_even tokens six_home equal_off equal_jump 21 Hoff Hjump Ht
    avoided k alpha (H1 avoided)) as Hf.
  unfold f; rewrite (Hf 20%nat (-40)), (Hf 5%nat (-10)), (Hf 2%nat (-4)), (Hf 0%nat 0)
    by (simpl; lra).
  unfold curve_rational; compare_rationals equal_off equal_jump.
Qed.

Definition fall_off := count [1; 2; 1; 1; 4].
Definition fall_jump := count [7; 6; 1; 3; 4].

(** [concept-monotone/necessary] A reading of Thm 3.6: a concept falls only if its log-odds are at
    most those of every other token.  Over 16, this concept falls at every strength although one of
    its tokens is favoured over one outside. *)
Theorem concept_monotone_necessary :
  let tokens := [0; 1; 2; 3; 4]%nat in
  let f := curve tokens five_home fall_off fall_jump 16 wanted in
  assumption1 same_topic tokens five_home (fun j => j) (counts five_home fall_off fall_jump 16)
    (fun _ z => (fall_off z + fall_jump z) / 16) (fun z => fall_off z / 16) /\
  (forall j, Sum tokens (counts five_home fall_off fall_jump 16 j) = 1) /\
  (forall s t, s < t -> f t < f s) /\
  ~ (forall z y, In z tokens -> In y tokens -> in_second five_home z = true ->
       in_second five_home y = false ->
       counts_odds five_home fall_off fall_jump 16 z
       <= counts_odds five_home fall_off fall_jump 16 y).
Proof.
  intros tokens f.
  assert (Hoff : forall z, 0 < fall_off z) by positive_counts.
  assert (Hjump : forall z, 0 < fall_jump z) by positive_counts.
  assert (H1 : forall j, Sum tokens (counts five_home fall_off fall_jump 16 j) = 1)
    by rows_total fall_off fall_jump.
  set (M := counts_odds five_home fall_off fall_jump 16).
  assert (HM : M 0%nat = 3 * ln 2 /\ M 1%nat = - ln 2 /\ M 2%nat = - / 2 * ln 2 /\
               M 3%nat = - ln 2 /\ M 4%nat = - / 2 * ln 2).
  { assert (H4 : ln 4 = 2 * ln 2) by (replace 4 with (2 ^ 2) by ring; rewrite ln_pow; simpl; lra).
    assert (H8 : ln 8 = 3 * ln 2) by (replace 8 with (2 ^ 3) by ring; rewrite ln_pow; simpl; lra).
    unfold M; rewrite !counts_odds_value by (auto; lra).
    unfold fall_off, fall_jump, count; simpl.
    replace ((1 + 7) / 1) with 8 by field; replace ((2 + 6) / 2) with 4 by field.
    replace ((1 + 1) / 1) with 2 by field; replace ((1 + 3) / 1) with 4 by field.
    replace ((4 + 4) / 4) with 2 by field; rewrite H4, H8; lra. }
  destruct HM as (HM0 & HM1 & HM2 & HM3 & HM4).
  assert (Hln : 0 < ln 2) by (rewrite <- ln_1; apply ln_increasing; lra).
  split; [apply counts_structured; auto; lra|]; split; [easy|]; split.
  - (* in the variable u = 2^(alpha/2) the curve is (2 + u) / (3 + 5 u + 8 u^8) *)
    assert (Hf : forall t, let u := exp (t * (/ 2 * ln 2)) in
      f t = (2 + u) / (3 + 5 * u + 8 * u ^ 8)).
    { intros t u; assert (Hu : 0 < u) by apply exp_pos.
      assert (Hpow : forall k, exp (INR k * (t * (/ 2 * ln 2))) = u ^ k).
      { intros k; unfold u; rewrite <- (ln_exp (t * (/ 2 * ln 2))) at 1.
        now apply exp_ln_pow. }
      assert (E0 : exp (t * M 0%nat) = u ^ 6)
        by (rewrite HM0, <- Hpow; f_equal; simpl; field).
      assert (E1 : exp (t * (- ln 2)) = / u ^ 2)
        by (rewrite <- Hpow, <- exp_Ropp; f_equal; simpl; field).
      assert (E2 : exp (t * (- / 2 * ln 2)) = / u)
        by (unfold u; rewrite <- exp_Ropp; f_equal; field).
      unfold f, curve, F; rewrite (Sum_ext _ _ (fun z => counts five_home fall_off fall_jump 16
        wanted z * exp (t * M z) / Z tokens (counts five_home fall_off fall_jump 16 wanted) M t))
        by (intros; apply tilted_ratio; auto; intros; apply counts_pos; auto; lra).
      rewrite Sum_div; unfold Z; simpl; rewrite E0, HM1, HM2, HM3, HM4, E1, E2.
      unfold counts, fall_off, fall_jump, count; simpl; field.
      repeat split; try lra; assert (0 < u ^ 8) by (apply pow_lt; lra); simpl in *; nra. }
    intros s t Hst; rewrite !Hf.
    set (u := exp (s * (/ 2 * ln 2))); set (w := exp (t * (/ 2 * ln 2))).
    assert (Hu : 0 < u) by apply exp_pos.
    assert (Huw : u < w) by (apply exp_increasing, Rmult_lt_compat_r; lra).
    assert (H7 : u ^ 7 <= w ^ 7) by (apply pow_incr; lra).
    assert (H8 : u ^ 8 <= w ^ 8) by (apply pow_incr; lra).
    assert (0 < u ^ 8) by (apply pow_lt; lra).
    assert (Hmixed : 0 <= u * w * (w ^ 7 - u ^ 7)) by (repeat apply Rmult_le_pos; lra).
    apply ratio_lt; [lra|lra|].
    (* the difference is 7 (w - u) + 16 (w^8 - u^8) + 8 u w (w^7 - u^7) *)
    lra.
  - intros H; specialize (H 2%nat 3%nat ltac:(simpl; tauto) ltac:(simpl; tauto) eq_refl eq_refl).
    fold M in H; rewrite HM2, HM3 in H; lra.
Qed.

(** ** Where peaks lie *)

Definition late_gamma := count [26 / 39; 13 / 39; 20 / 39; 19 / 39; 20 / 39; 19 / 39].
Definition late_omega := count [7 / 19; 12 / 19; 1 / 19; 18 / 19; 1 / 19; 18 / 19].
Definition topics : list topic := [wanted; avoided; neutral].

(** [peak-sign/every-eps] A reading of Remark 3.4: in the weighted family, seen from a context
    outside the target concept, target tokens peak at positive strength for every admissible eps.
    Here eps is 38/77, and a target token peaks at negative strength. *)
Theorem peak_sign_every_eps :
  let tokens := [0; 1; 2; 3; 4; 5]%nat in
  let p := weighted same_topic topics six_home (fun j => j) late_gamma late_omega (38 / 77) in
  let M := log_odds p [wanted] [avoided] in
  (forall C, Sum (within same_topic tokens six_home C) late_gamma = 1 /\
             Sum (within same_topic tokens six_home C) late_omega = 1) /\
  admissible tokens topics late_gamma late_omega (38 / 77) /\
  exists c, mean tokens (p neutral) M c = M 1%nat /\ c < 0.
Proof.
  intros tokens p M; split; [|split].
  - intros [| |]; unfold late_gamma, late_omega, count; simpl; lra.
  - split; [simpl; lra|]; intros z Hz; unfold outside_value, inside_value, late_gamma, late_omega,
      count; simpl in Hz |- *; intuition (subst; simpl; lra).
  - assert (Hvalue : forall i z, p i z = (if same_topic i (six_home z)
      then count [26; 13; 20; 19; 20; 19] z else count [7; 12; 1; 18; 1; 18] z) / 77
      \/ (5 < z)%nat).
    { intros i z; destruct (Nat.le_gt_cases z 5) as [Hz|Hz]; [left|now right].
      unfold p, weighted, inside_value, outside_value, late_gamma, late_omega, count.
      do 6 (destruct z as [|z]; [destruct (same_topic i _); simpl; field|]); lia. }
    assert (Hp : forall i z, In z tokens -> 0 < p i z).
    { intros i z Hz; destruct (Hvalue i z) as [->|H].
      - simpl in Hz; unfold count; intuition (subst; destruct (same_topic i _); simpl; lra).
      - simpl in Hz; intuition (subst; lia). }
    assert (Hin : forall z, In z tokens -> (z <= 5)%nat)
      by (intros z Hz; simpl in Hz; intuition (subst; lia)).
    assert (Hp77 : forall i z, In z tokens -> p i z = (if same_topic i (six_home z)
      then count [26; 13; 20; 19; 20; 19] z else count [7; 12; 1; 18; 1; 18] z) / 77).
    { intros i z Hz; destruct (Hvalue i z) as [H|H]; [easy|]; specialize (Hin z Hz); lia. }
    assert (Hp1 : Sum tokens (p neutral) = 1).
    { rewrite (Sum_ext _ _ _ (fun z Hz => Hp77 neutral z Hz)); unfold count; simpl; field. }
    assert (HM : M 0%nat = ln 26 - ln 7 /\ M 1%nat = ln 13 - ln 12 /\ M 2%nat = - ln 20 /\
                 M 3%nat = ln 18 - ln 19 /\ M 4%nat = 0 /\ M 5%nat = 0).
    { unfold M, log_odds; rewrite !average_one, !Hp77 by (simpl; tauto); unfold count; simpl.
      rewrite !ln_div, ln_1 by lra; lra. }
    destruct HM as (HM0 & HM1 & HM2 & HM3 & HM4 & HM5).
    assert (Hmean : mean tokens (p neutral) M 0 = (7 * (ln 26 - ln 7) + 12 * (ln 13 - ln 12)
                      - ln 20 + 18 * (ln 18 - ln 19)) / 77).
    { unfold mean; rewrite E_0 by easy.
      rewrite (Sum_ext _ _ (fun z => count [7; 12; 1; 18; 20; 19] z / 77 * M z)).
      - unfold count; simpl; rewrite HM0, HM1, HM2, HM3, HM4, HM5; field.
      - intros z Hz; rewrite Hp77 by easy; simpl in Hz; unfold count.
        intuition (subst; simpl; field). }
    (* (26/7)^7 > (13/12)^65 * 20 * (19/18)^18, in whole numbers *)
    assert (Hlogs : 7 * ln 7 + 65 * ln 13 + ln 20 + 18 * ln 19
                    < 7 * ln 26 + 65 * ln 12 + 18 * ln 18).
    { assert (Hpow : forall k x, 0 < x -> INR k * ln x = ln (x ^ k))
        by (intros; symmetry; now apply ln_pow).
      assert (Hlt : 7 ^ 7 * 13 ^ 65 * 20 * 19 ^ 18 < 26 ^ 7 * 12 ^ 65 * 18 ^ 18).
      { rewrite !pow_IZR, <- !mult_IZR; apply IZR_lt; vm_compute; reflexivity. }
      apply ln_increasing in Hlt.
      2: { repeat apply Rmult_lt_0_compat; try apply pow_lt; lra. }
      assert (Hpos : forall x k, 0 < x -> 0 < x ^ k) by (intros; now apply pow_lt).
      rewrite !ln_mult, <- !Hpow in Hlt by (repeat apply Rmult_lt_0_compat; try apply Hpos; lra).
      rewrite !INR_IZR_INZ in Hlt; simpl IZR in Hlt; lra. }
    assert (Hlow : M 1%nat < mean tokens (p neutral) M 0) by (rewrite Hmean, HM1; lra).
    assert (Hup : 0 < M 1%nat)
      by (assert (ln 12 < ln 13) by (apply ln_increasing; lra); rewrite HM1; lra).
    destruct (crossing tokens (p neutral) M (Hp neutral) Hp1 1%nat) as [c [Hc _]].
    + simpl; tauto.
    + split; [exists 4%nat|exists 0%nat]; (split; [simpl; tauto|]); [lra|].
      rewrite HM0, HM1, <- !ln_div by lra; apply ln_increasing; lra.
    + exists c; split; [easy|]; apply Rnot_le_lt; intros Hle.
      assert (Hn : not_constant tokens M)
        by (exists 4%nat, 1%nat; repeat split; [simpl; tauto|simpl; tauto|lra]).
      destruct (Req_dec c 0) as [->|Hc0]; [lra|].
      assert (0 < c) by lra.
      apply (peak_sign_mean tokens (p neutral) M (Hp neutral) Hp1 1%nat c Hn Hc) in H; lra.
Qed.

Definition pair_gamma := of_three (2 / 3) (1 / 3) 1.
Definition pair_omega := of_three (1 / 2) (1 / 2) 1.
Definition pair_home (t : three) : bool := match t with third => false | _ => true end.

(** [peak-sign/any-context] Remark 3.4 as printed, without a condition on the context: for eps small
    enough target tokens peak at positive strength.  In a context of the target concept itself one
    of two target tokens peaks at negative strength for arbitrarily small eps. *)
Theorem peak_sign_any_context :
  let p eps := weighted bool_dec [true; false] pair_home (fun j => j) pair_gamma pair_omega eps in
  let M eps := log_odds (p eps) [true] [false] in
  forall small, 0 < small ->
  exists eps, 0 < eps < small /\
    admissible all_three [true; false] pair_gamma pair_omega eps /\
    exists c, mean all_three (p eps true) (M eps) c = M eps second /\ c < 0.
Proof.
  intros p M small Hsmall; set (s := Rmin (1 / 20) (small / 2)).
  assert (Hs : 0 < s <= 1 / 20 /\ s < small) by (unfold s, Rmin; destruct (Rle_dec _ _); lra).
  set (eps := s * s); assert (He : 0 < eps <= 1 / 400 /\ eps < small) by (unfold eps; nra).
  exists eps; split; [lra|]; split.
  - split; [simpl; lra|]; intros [| |] _;
      unfold outside_value, inside_value, pair_gamma, pair_omega; simpl; lra.
  - assert (Hp : forall t, In t all_three -> 0 < p eps true t).
    { intros [| |] _; unfold p, weighted, inside_value, outside_value, pair_gamma, pair_omega;
        simpl; lra. }
    assert (Hp1 : Sum all_three (p eps true) = 1).
    { unfold p, weighted, inside_value, outside_value, pair_gamma, pair_omega; simpl; field. }
    assert (HM : forall t, M eps t = ln (p eps true t) - ln (p eps false t))
      by (intros; unfold M, log_odds; now rewrite !average_one).
    assert (Hv : p eps true first = (1 - eps) / 3 * 2 /\ p eps true second = (1 - eps) / 3 /\
                 p eps true third = eps /\ p eps false first = eps / 2 /\
                 p eps false second = eps / 2 /\ p eps false third = 1 - eps).
    { unfold p, weighted, inside_value, outside_value, pair_gamma, pair_omega; simpl.
      repeat split; field. }
    destruct Hv as (V1 & V2 & V3 & W1 & W2 & W3).
    assert (H12 : M eps first = M eps second + ln 2).
    { rewrite !HM, V1, V2, W1, W2, ln_mult by lra; ring. }
    (* the price of the third token vanishes with eps *)
    assert (H32 : 2 * ln eps <= M eps third - M eps second).
    { rewrite !HM, V2, V3, W2, W3, !ln_div by lra.
      assert (ln (1 - eps) <= 0) by (rewrite <- ln_1; apply ln_le; lra).
      assert (ln 2 < ln 3) by (apply ln_increasing; lra); lra. }
    assert (Hln : - 4 * s <= 2 * (eps * ln eps)).
    { assert (Hls : - / s <= ln s).
      { assert (Hi : 0 < / s) by (apply Rinv_0_lt_compat; lra).
        pose proof (exp_ineq1_le (ln (/ s))) as Hx; rewrite exp_ln, ln_Rinv in Hx; lra. }
      unfold eps; rewrite ln_mult by lra.
      assert (Hm : s * s * - / s <= s * s * ln s) by (apply Rmult_le_compat_l; [nra|easy]).
      replace (s * s * - / s) with (- s) in Hm by (field; lra); lra. }
    assert (Hmean : mean all_three (p eps true) (M eps) 0
      = M eps second + (1 - eps) * (2 / 3) * ln 2 + eps * (M eps third - M eps second)).
    { unfold mean; rewrite E_0 by easy; simpl; rewrite V1, V2, V3, H12; field. }
    assert (Hlow : M eps second < mean all_three (p eps true) (M eps) 0).
    { rewrite Hmean; pose proof ln_lt_2 as Hl2.
      assert (eps * (2 * ln eps) <= eps * (M eps third - M eps second))
        by (apply Rmult_le_compat_l; lra).
      assert ((1 - 1 / 400) * (2 / 3) * / 2 <= (1 - eps) * (2 / 3) * ln 2)
        by (apply Rmult_le_compat; lra).
      lra. }
    assert (H3 : M eps third < M eps second).
    { rewrite !HM, V2, V3, W2, W3.
      assert (ln eps < ln ((1 - eps) / 3)) by (apply ln_increasing; lra).
      assert (ln (eps / 2) < ln (1 - eps)) by (apply ln_increasing; lra); lra. }
    pose proof ln_lt_2 as Hl2.
    destruct (crossing all_three (p eps true) (M eps) Hp Hp1 second) as [c [Hc _]].
    + simpl; tauto.
    + split; [exists third|exists first]; (split; [simpl; tauto|lra]).
    + exists c; split; [easy|]; apply Rnot_le_lt; intros Hle.
      assert (Hn : not_constant all_three (M eps))
        by (exists third, second; repeat split; [simpl; tauto|simpl; tauto|lra]).
      destruct (Req_dec c 0) as [->|Hc0]; [lra|]; assert (Hpos : 0 < c) by lra.
      apply (peak_sign_mean all_three (p eps true) (M eps) Hp Hp1 second c Hn Hc) in Hpos; lra.
Qed.
