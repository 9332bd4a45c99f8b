(** * Readings of the paper that are false

    Each reading is stated as it is printed or easily understood, and refuted by an instance small
    enough to check by hand.  What is true instead is a theorem of another file. *)

From Coq Require Import Reals List Bool ZArith Lra.
From Coquelicot Require Import Coquelicot.
From SteeringStrength Require Import tokens analysis asymptotics tilting limits peaks concept.
From SteeringStrength Require Import separation cross_entropy transformer.
Import ListNotations.
Open Scope R_scope.

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

(** [concept-limit/returns] The prose after Thm 3.6: a concept without extremal tokens converges back
    to its unsteered value.  Its probability goes to 0. *)
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
