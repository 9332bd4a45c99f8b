(** * Contexts that mix concepts

    A context gives each concept a weight; a token of the concept gets its off-concept probability
    and that share of what it gains inside.  Assumption 1 is the case of a concept with weight 1. *)

From SteeringStrength Require Import analysis tilting separation peak_sign.

Section Mixed.

Context {T J G : Type} (same : forall x y : G, {x = y} + {x <> y}) (vocab : list T)
  (concepts : list G) (home : T -> G) (a b : T -> R) (w : J -> G -> R).
Hypothesis gain_pos : forall z, In z vocab -> 0 < b z < a z.

(** The next-token probabilities of a context with weights [w j]. *)
Definition mixture (j : J) (z : T) : R := b z + w j (home z) * (a z - b z).

Hypothesis w_nonneg : forall j C, 0 <= w j C.
Hypothesis concepts_distinct : NoDup concepts.
Hypothesis home_listed : forall z, In z vocab -> In (home z) concepts.
Hypothesis w_total : forall j, Sum concepts (w j) = 1.

Lemma mixture_pos j z : In z vocab -> 0 < mixture j z.
Proof.
  intros Hz; specialize (gain_pos z Hz); specialize (w_nonneg j (home z)); unfold mixture; nra.
Qed.

(** [mixed-contexts] Beyond the paper, Sec. 6 (conclusion), rows.  If every concept gains the same
    probability inside, what all the off-concept probabilities leave, then each mixture of concepts
    is a distribution. *)
Theorem mixed_contexts_total j :
  (forall C, In C concepts ->
     Sum (filter (fun z => is same C (home z)) vocab) (fun z => a z - b z) = 1 - Sum vocab b) ->
  (forall z, In z vocab -> 0 < mixture j z) /\ Sum vocab (mixture j) = 1.
Proof.
  intros Hgap; split; [intros; now apply mixture_pos|]; unfold mixture.
  rewrite Sum_plus, (Sum_by_concept same concepts vocab home (fun z => w j (home z) * (a z - b z)))
    by easy.
  rewrite (Sum_ext concepts _ (fun C => w j C * (1 - Sum vocab b))).
  - rewrite Sum_scal_r, w_total; ring.
  - intros C HC; rewrite <- (Hgap C HC), <- Sum_scal; apply Sum_ext; intros z Hz.
    apply filter_In in Hz; destruct Hz as [_ Hz]; apply is_true in Hz; now rewrite Hz.
Qed.

(** [mixed-contexts] Beyond the paper, the pure case.  Where each context gives all its weight to
    one concept, the mixtures are the datasets of Assumption 1. *)
Theorem mixed_contexts_pure (theme : J -> G) :
  (forall j C, w j C = if same (theme j) C then 1 else 0) ->
  assumption1 same vocab home theme mixture (fun _ => a) b.
Proof.
  intros Hw j z Hz; specialize (gain_pos z Hz); unfold mixture; rewrite Hw.
  split; [easy|]; destruct (same (theme j) (home z)); ring.
Qed.

(** ** Signs of the log-odds *)

Variables P N : list J.
Hypothesis P_nonempty : P <> [].
Hypothesis N_nonempty : N <> [].

Notation M := (log_odds mixture P N).

Lemma mixture_le i j z :
  In z vocab -> w i (home z) <= w j (home z) -> ln (mixture i z) <= ln (mixture j z).
Proof.
  intros Hz H; apply ln_le; [now apply mixture_pos|]; unfold mixture.
  specialize (gain_pos z Hz); nra.
Qed.

Lemma mixture_lt i j z :
  In z vocab -> w i (home z) < w j (home z) -> ln (mixture i z) < ln (mixture j z).
Proof.
  intros Hz H; apply ln_increasing; [now apply mixture_pos|]; unfold mixture.
  specialize (gain_pos z Hz); nra.
Qed.

(** The difference of two averages is an average over pairs. *)
Lemma log_odds_pairs z :
  M z = / (INR (length P) * INR (length N))
        * Sum P (fun i => Sum N (fun k => ln (mixture i z) - ln (mixture k z))).
Proof.
  assert (HP := length_pos P P_nonempty); assert (HN := length_pos N N_nonempty).
  rewrite (Sum_ext P _ (fun i => INR (length N) * ln (mixture i z)
    - Sum N (fun k => ln (mixture k z)))) by (intros; rewrite Sum_minus, Sum_const; ring).
  rewrite Sum_minus, Sum_scal, Sum_const; unfold log_odds, average; field; lra.
Qed.

(** [mixed-contexts] Beyond the paper, Sec. 6 (conclusion).  If every context to imitate has at
    least the weight on a concept that every context to avoid has, and not all of them are equal,
    the log-odds are positive on the whole concept; with the roles exchanged, negative. *)
Theorem mixed_contexts z :
  In z vocab ->
  let C := home z in
  ((forall i k, In i P -> In k N -> w k C <= w i C) ->
   (exists i k, In i P /\ In k N /\ w k C < w i C) -> 0 < M z) /\
  ((forall i k, In i P -> In k N -> w i C <= w k C) ->
   (exists i k, In i P /\ In k N /\ w i C < w k C) -> M z < 0).
Proof.
  intros Hz C; rewrite log_odds_pairs.
  assert (Hc : 0 < / (INR (length P) * INR (length N)))
    by (apply Rinv_0_lt_compat, Rmult_lt_0_compat; now apply length_pos).
  set (f := fun i k => ln (mixture i z) - ln (mixture k z)).
  assert (Hall : forall g : J -> J -> R,
    (forall i k, In i P -> In k N -> 0 <= g i k) -> (exists i k, In i P /\ In k N /\ 0 < g i k) ->
    0 < Sum P (fun i => Sum N (g i))).
  { intros g Hg (i & k & Hi & Hk & Hik); apply Sum_pos_term with i; [|easy|].
    - intros y Hy; apply Sum_nonneg; auto.
    - apply Sum_pos_term with k; auto. }
  split; intros H [i [k (Hi & Hk & Hik)]].
  - apply Rmult_lt_0_compat; [easy|]; apply Hall.
    + intros; apply Rle_minus_r; rewrite Rplus_0_l; apply mixture_le; auto.
    + exists i, k; repeat split; auto; apply Rlt_Rminus, mixture_lt; auto.
  - assert (0 < Sum P (fun i => Sum N (fun k => - f i k))).
    { apply Hall; unfold f.
      - intros x y Hx Hy; pose proof (mixture_le x y z Hz (H x y Hx Hy)); lra.
      - exists i, k; repeat split; auto; pose proof (mixture_lt i k z Hz Hik); lra. }
    rewrite (Sum_ext P _ (fun i => - Sum N (f i))), Sum_opp in H0 by (intros; apply Sum_opp).
    apply Ropp_lt_cancel; rewrite Ropp_0, Ropp_mult_distr_r; now apply Rmult_lt_0_compat.
Qed.

(** The geometric mean of the probabilities of a token. *)
Definition geometric (l : list J) (z : T) : R := exp (average l (fun i => ln (mixture i z))).

(** [mixed-contexts] Beyond the paper, token by token.  Whatever the weights, the log-odds of a
    token are positive exactly when its geometric mean over the contexts to imitate exceeds that
    over the contexts to avoid. *)
Theorem mixed_contexts_geometric z :
  (0 < M z <-> geometric N z < geometric P z) /\ (M z < 0 <-> geometric P z < geometric N z).
Proof.
  unfold geometric, log_odds; split; split; intros H.
  - apply exp_increasing; lra.
  - apply exp_lt_inv in H; lra.
  - apply exp_increasing; lra.
  - apply exp_lt_inv in H; lra.
Qed.

End Mixed.

(** ** Signs may differ inside a concept

    Two tokens of one concept, one of another.  Inside the concept they gain a factor 4 and a factor
    16; two contexts to imitate have weights 0 and 1 on it, the context to avoid 1/4.  The geometric
    means are sqrt 4 > 7/4 and sqrt 16 < 19/4. *)

Inductive word := common | rare | other.
Definition dictionary := [common; rare; other].
Definition first_concept (z : word) : bool := match z with other => false | _ => true end.
Definition rare_off (z : word) : R :=
  match z with common => / 10 | rare => / 40 | other => / 5 end.
Definition rare_in (z : word) : R :=
  match z with common => 4 / 10 | rare => 16 / 40 | other => 7 / 8 end.
Definition quarters (j : nat) (C : bool) : R :=
  match j with
  | 0 => if C then 0 else 1 | 1 => if C then 1 else 0 | _ => if C then / 4 else 3 / 4
  end.

(** [mixed-contexts/one-sign] A reading of the law of pure contexts: all tokens of a concept have
    log-odds of one sign.  Mixtures may rank one token of a concept above and another one below. *)
Theorem mixed_contexts_one_sign :
  (forall z, 0 < rare_off z < rare_in z) /\
  (forall j, Sum dictionary (mixture first_concept rare_in rare_off quarters j) = 1) /\
  let M := log_odds (mixture first_concept rare_in rare_off quarters) [0%nat; 1%nat] [2%nat] in
  first_concept common = first_concept rare /\ 0 < M common /\ M rare < 0.
Proof.
  split; [intros [| |]; simpl; lra|]; split.
  - intros [|[|j]]; unfold mixture; simpl; lra.
  - intros M; split; [easy|].
    assert (HM : forall z, M z
      = / 2 * (ln (rare_off z) + ln (rare_off z + (rare_in z - rare_off z)))
        - ln (rare_off z + / 4 * (rare_in z - rare_off z)) \/ z = other).
    { intros [| |]; [left|left|now right]; unfold M, log_odds, average, mixture; simpl;
        rewrite ?Rmult_0_l, ?Rmult_1_l, ?Rplus_0_r; lra. }
    destruct (HM common) as [Hc|]; [|easy]; destruct (HM rare) as [Hr|]; [|easy]; clear HM.
    rewrite Hc, Hr; simpl.
    split; apply Rmult_lt_reg_l with 2; try lra; rewrite Rmult_0_r.
    + enough (2 * ln (/ 10 + / 4 * (4 / 10 - / 10)) < ln (/ 10 * (/ 10 + (4 / 10 - / 10)))) by
        (rewrite ln_mult in H by lra; lra).
      rewrite double, <- ln_mult by lra; apply ln_increasing; lra.
    + enough (ln (/ 40 * (/ 40 + (16 / 40 - / 40))) < 2 * ln (/ 40 + / 4 * (16 / 40 - / 40))) by
        (rewrite ln_mult in H by lra; lra).
      rewrite double, <- ln_mult by lra; apply ln_increasing; lra.
Qed.
