(** * Which side a token is on

    Under Assumption 1 a context raises the tokens of its own concept above a level that is common
    to all other contexts.  Then the sign of the log-odds tells the target concept from the rest. *)

From SteeringStrength Require Import analysis tilting limits peaks concept.

Section Separation.

(** Tokens, contexts and concepts; each token and each context belongs to one concept. *)
Context {T J G : Type} (same : forall x y : G, {x = y} + {x <> y}) (vocab : list T) (home : T -> G)
  (theme : J -> G) (p : J -> T -> R).

(** Assumption 1, with in-concept probabilities that may depend on the context (App. B.1). *)
Definition assumption1 (a : J -> T -> R) (b : T -> R) : Prop :=
  forall j z, In z vocab ->
    0 < b z < a j z /\ p j z = (if same (theme j) (home z) then a j z else b z).

Context (a : J -> T -> R) (b : T -> R).
Hypothesis structured : assumption1 a b.

(** The contexts to imitate, all in the target concept, and the contexts to avoid, all outside. *)
Context (target : G) (P N : list J).
Hypothesis P_nonempty : P <> [].
Hypothesis N_nonempty : N <> [].
Hypothesis P_inside : forall i, In i P -> theme i = target.
Hypothesis N_outside : forall i, In i N -> theme i <> target.

Notation M := (log_odds p P N).

(** How far a context raises a token, on a logarithmic scale. *)
Definition excess (z : T) (i : J) : R := ln (p i z) - ln (b z).

Lemma excess_inside z i : In z vocab -> theme i = home z -> 0 < excess z i.
Proof.
  intros Hz He; destruct (structured i z Hz) as [[Hb Ha] Hp]; unfold excess.
  rewrite Hp; destruct (same (theme i) (home z)); [|easy].
  assert (ln (b z) < ln (a i z)) by now apply ln_increasing.
  lra.
Qed.

Lemma excess_outside z i : In z vocab -> theme i <> home z -> excess z i = 0.
Proof.
  intros Hz He; destruct (structured i z Hz) as [_ Hp]; unfold excess.
  rewrite Hp; destruct (same (theme i) (home z)); [easy|ring].
Qed.

Lemma excess_nonneg z i : In z vocab -> 0 <= excess z i.
Proof.
  intros Hz; destruct (same (theme i) (home z)) as [He|He].
  - now apply Rlt_le, excess_inside.
  - rewrite excess_outside by easy; apply Rle_refl.
Qed.

Lemma log_odds_excess z : M z = average P (excess z) - average N (excess z).
Proof. unfold log_odds, excess; rewrite !average_minus, !average_const by easy; ring. Qed.

Lemma average_zero (l : list J) f : l <> [] -> (forall i, In i l -> f i = 0) -> average l f = 0.
Proof. intros Hl H; rewrite (average_ext l f (fun _ => 0)) by easy; now apply average_const. Qed.

Lemma average_pos (l : list J) f :
  (forall i, In i l -> 0 <= f i) -> (exists i, In i l /\ 0 < f i) -> 0 < average l f.
Proof.
  intros H [i [Hi Hf]]; apply Rdiv_lt_0_compat; [now apply (Sum_pos_term _ _ i)|].
  apply length_pos; now destruct l.
Qed.

Lemma log_odds_target z : In z vocab -> home z = target -> 0 < M z.
Proof.
  intros Hz He; rewrite log_odds_excess.
  rewrite (average_zero N) by (try easy; intros; apply excess_outside; rewrite ?He; auto).
  rewrite Rminus_0_r; apply average_pos; [intros; now apply excess_nonneg|].
  destruct P as [|i l] eqn:E; [easy|]; exists i; split; [now left|].
  apply excess_inside; [easy|]; rewrite He; apply P_inside; now left.
Qed.

Lemma log_odds_other z :
  In z vocab -> home z <> target -> M z = - average N (excess z).
Proof.
  intros Hz He; rewrite log_odds_excess, (average_zero P); [ring|easy|].
  intros i Hi; apply excess_outside; [easy|]; rewrite (P_inside i Hi); congruence.
Qed.

Lemma log_odds_other_nonpos z : In z vocab -> home z <> target -> M z <= 0.
Proof.
  intros Hz He; rewrite log_odds_other by easy.
  enough (0 <= average N (excess z)) by lra.
  rewrite <- (average_const N 0) by easy; apply average_le; [easy|].
  intros; now apply excess_nonneg.
Qed.

(** [sign-separation] Lemma B.4.  A token belongs to the target concept exactly when its log-odds
    are positive. *)
Theorem sign_separation z : In z vocab -> (home z = target <-> 0 < M z).
Proof.
  intros Hz; split; [now apply log_odds_target|]; intros HM.
  destruct (same (home z) target) as [|He]; [easy|].
  generalize (log_odds_other_nonpos z Hz He); lra.
Qed.

(** [sign-separation] Lemma B.4, care.  Outside the target concept the log-odds are negative exactly
    when some context to avoid shares the token's concept; otherwise they vanish. *)
Theorem sign_separation_negative z :
  In z vocab -> home z <> target -> (M z < 0 <-> exists i, In i N /\ theme i = home z).
Proof.
  intros Hz He; rewrite log_odds_other by easy; split.
  - intros HM; destruct (List.Exists_dec (fun i => theme i = home z) N
      (fun i => same (theme i) (home z))) as [H|H]; [now apply Exists_exists in H|].
    rewrite average_zero in HM; [lra|easy|]; intros i Hi; apply excess_outside; [easy|].
    intros Hth; apply H, Exists_exists; now exists i.
  - intros [i [Hi Hth]]; enough (0 < average N (excess z)) by lra.
    apply average_pos; [intros; now apply excess_nonneg|].
    exists i; split; [easy|now apply excess_inside].
Qed.

(** ** Consequences for peaks and concepts, in any context *)

Section Context.

Variable j : J.
Hypothesis p_total : Sum vocab (p j) = 1.

Lemma structured_pos z : In z vocab -> 0 < p j z.
Proof.
  intros Hz; destruct (structured j z Hz) as [[Hb Ha] Hp]; rewrite Hp.
  destruct (same (theme j) (home z)); lra.
Qed.

(** [peak-order] Thm 3.3.  Every token outside the target concept peaks before every token of the
    target concept. *)
Theorem peak_order y z c_y c_z :
  In y vocab -> In z vocab -> home y <> target -> home z = target ->
  mean vocab (p j) M c_y = M y -> mean vocab (p j) M c_z = M z -> c_y < c_z.
Proof.
  intros Hy Hz Oy Iz Ey Ez.
  assert (Hlt : M y < M z).
  { generalize (log_odds_other_nonpos y Hy Oy) (log_odds_target z Hz Iz); lra. }
  apply (peak_increasing vocab (p j) M structured_pos p_total y z); try easy.
  now exists y, z.
Qed.

Definition in_target (z : T) : bool := if same (home z) target then true else false.

(** [concept-monotone] Thm 3.6, target.  The probability of the target concept strictly increases
    with the strength, in every context. *)
Theorem concept_monotone_target :
  proper vocab in_target ->
  forall s t, s < t -> gain vocab (p j) M in_target s < gain vocab (p j) M in_target t.
Proof.
  intros HC.
  assert (Hin : forall z, in_target z = true -> home z = target).
  { intros z; unfold in_target; now destruct (same (home z) target). }
  assert (Hout : forall z, in_target z = false -> home z <> target).
  { intros z; unfold in_target; now destruct (same (home z) target). }
  assert (Hsep : forall z y, In z vocab -> In y vocab ->
    in_target z = true -> in_target y = false -> M y < M z).
  { intros z y Hz Hy Iz Oy; generalize (log_odds_other_nonpos y Hy (Hout y Oy))
      (log_odds_target z Hz (Hin z Iz)); lra. }
  apply concept_monotone; [apply structured_pos|easy|easy| |].
  - destruct HC as [[z [Hz Iz]] [y [Hy Oy]]]; apply negb_true_iff in Oy.
    exists y, z; repeat split; auto.
  - intros; apply Rlt_le; auto.
Qed.

End Context.

End Separation.

(** ** The values, when in-concept probabilities do not depend on the context *)

Section Values.

Context {T J G : Type} (same : forall x y : G, {x = y} + {x <> y}) (vocab : list T) (home : T -> G)
  (theme : J -> G) (p : J -> T -> R) (a b : T -> R).
Hypothesis structured : assumption1 same vocab home theme p (fun _ => a) b.

(** How many contexts of a list share the concept of a token. *)
Definition sharing (z : T) (l : list J) : R :=
  INR (length (filter (fun i => if same (theme i) (home z) then true else false) l)).

Lemma average_excess z (l : list J) :
  In z vocab -> average l (excess p b z) = sharing z l / INR (length l) * ln (a z / b z).
Proof.
  intros Hz; unfold average, sharing.
  rewrite (Sum_ext l _
    (fun i => if (if same (theme i) (home z) then true else false) then ln (a z / b z) else 0)).
  - rewrite <- Sum_filter, Sum_const; unfold Rdiv; ring.
  - intros i _; destruct (structured i z Hz) as [[Hb Ha] Hp]; unfold excess; rewrite Hp.
    destruct (same (theme i) (home z)); [|ring].
    unfold Rdiv; rewrite ln_mult, ln_Rinv; [ring|lra|lra|now apply Rinv_0_lt_compat].
Qed.

(** [sign-separation] Lemma B.4, values, for any two lists of contexts.  The log-odds of a token are
    its own log-ratio times the difference of the shares of its concept in the two lists. *)
Theorem sign_separation_value (P N : list J) z :
  P <> [] -> N <> [] -> In z vocab ->
  log_odds p P N z
  = (sharing z P / INR (length P) - sharing z N / INR (length N)) * ln (a z / b z).
Proof.
  intros HP HN Hz; rewrite (log_odds_excess p b) by easy; rewrite !average_excess by easy; ring.
Qed.

Lemma sharing_all z (l : list J) :
  (forall i, In i l -> theme i = home z) -> sharing z l = INR (length l).
Proof.
  intros H; unfold sharing; do 2 f_equal; induction l as [|i l IH]; [easy|]; simpl.
  destruct (same (theme i) (home z)); [rewrite IH; [easy|]|]; intros; firstorder.
Qed.

Lemma sharing_none z (l : list J) :
  (forall i, In i l -> theme i <> home z) -> sharing z l = 0.
Proof.
  intros H; unfold sharing; change 0 with (INR (length (@nil J))); do 2 f_equal.
  induction l as [|i l IH]; [easy|]; simpl.
  destruct (same (theme i) (home z)) as [e|]; [elim (H i); simpl; auto|].
  apply IH; intros; apply H; now right.
Qed.

(** [sign-separation] Lemma B.4, values, as printed.  In the target concept the log-odds are
    log(a/b); outside they are -(q_z/q) log(a/b). *)
Theorem sign_separation_printed (target : G) (P N : list J) z :
  P <> [] -> N <> [] -> In z vocab ->
  (forall i, In i P -> theme i = target) -> (forall i, In i N -> theme i <> target) ->
  (home z = target -> log_odds p P N z = ln (a z / b z)) /\
  (home z <> target ->
   log_odds p P N z = - (sharing z N / INR (length N)) * ln (a z / b z)).
Proof.
  intros HP HN Hz IP ON; assert (HlP := length_pos P HP); assert (HlN := length_pos N HN).
  rewrite sign_separation_value by easy; split; intros He.
  - rewrite (sharing_all z P), (sharing_none z N); [field; lra| |];
      intros i Hi; rewrite He; auto.
  - rewrite (sharing_none z P); [field; lra|].
    intros i Hi; rewrite (IP i Hi); congruence.
Qed.

End Values.

(** ** The hypotheses can be met together

    Four tokens, two of them in the target concept, and one context for each of three concepts. *)

Inductive word := low | high | near | far.
Inductive topic := wanted | avoided | neutral.

Definition same_topic (x y : topic) : {x = y} + {x <> y}.
Proof. decide equality. Defined.
Definition same_word (x y : word) : {x = y} + {x <> y}.
Proof. decide equality. Defined.

Definition words : list word := [low; high; near; far].
Definition home_of (z : word) : topic :=
  match z with low | high => wanted | near => avoided | far => neutral end.
Definition inside_probability (z : word) : R :=
  match z with low => 3 / 10 | high => 5 / 10 | near | far => 7 / 10 end.
Definition dataset (j : topic) (z : word) : R :=
  if same_topic j (home_of z) then inside_probability z else 1 / 10.

(** [sign-separation] Assumptions 1 and 2 can be met together.  A dataset with Assumption 1 has a
    model that interpolates it, and tokens between the extremes on both sides. *)
Theorem sign_separation_satisfiable :
  assumption1 same_topic words home_of (fun j : topic => j) dataset
    (fun _ => inside_probability) (fun _ => 1 / 10)
  /\ (forall j, Sum words (dataset j) = 1)
  /\ (exists (W : word -> word -> R) (h : topic -> word -> R),
        interpolates words words W h dataset)
  /\ between words (log_odds dataset [wanted] [avoided]) low
  /\ between words (log_odds dataset [wanted] [avoided]) far.
Proof.
  assert (Hstruct : assumption1 same_topic words home_of (fun j : topic => j) dataset
    (fun _ => inside_probability) (fun _ => 1 / 10)).
  { intros j z _; split; [destruct z; simpl; lra|easy]. }
  assert (Htotal : forall j, Sum words (dataset j) = 1).
  { intros j; unfold words, Sum, dataset; simpl; destruct j; simpl; field. }
  assert (HM : forall z, log_odds dataset [wanted] [avoided] z
                         = ln (dataset wanted z) - ln (dataset avoided z)).
  { intros z; unfold log_odds, average; simpl; field. }
  split; [easy|]; split; [easy|]; split.
  - apply tilting_realisable; [apply same_word| |intros j z Hz|easy].
    + repeat constructor; simpl; intuition discriminate.
    + now apply (structured_pos same_topic words home_of (fun j : topic => j) dataset _ _ Hstruct).
  - assert (ln (1 / 10) < ln (3 / 10)) by (apply ln_increasing; lra).
    assert (ln (3 / 10) < ln (5 / 10)) by (apply ln_increasing; lra).
    assert (ln (1 / 10) < ln (7 / 10)) by (apply ln_increasing; lra).
    unfold between; rewrite !HM; unfold dataset; simpl.
    split; split; [exists near|exists high|exists near|exists high];
      (split; [simpl; tauto|]); rewrite HM; unfold dataset; simpl; lra.
Qed.

(** Off-concept probabilities that depend on the context. *)
Definition uneven (j : topic) (z : word) : R :=
  match j, z with
  | wanted, (low | high) => 3 / 10 | wanted, (near | far) => 2 / 10
  | avoided, near => 7 / 10 | avoided, _ => 1 / 10
  | neutral, far => 7 / 10 | neutral, _ => 1 / 10
  end.

(** [sign-separation] Lemma B.4, what it needs.  The common off-concept level is necessary: in this
    dataset every token is most probable in the contexts of its own concept, and yet a token outside
    the target concept has positive log-odds. *)
Theorem sign_separation_common_level :
  (forall j, Sum words (uneven j) = 1)
  /\ (forall j j' z, j = home_of z -> j' <> home_of z -> 0 < uneven j' z < uneven j z)
  /\ home_of far <> wanted /\ 0 < log_odds uneven [wanted] [avoided] far.
Proof.
  split; [|split; [|split; [easy|]]].
  - intros j; unfold words, Sum, uneven; simpl; destruct j; simpl; field.
  - intros j j' z -> Hj; destruct z, j'; simpl in *; lra || easy.
  - unfold log_odds, average; simpl.
    assert (ln (1 / 10) < ln (2 / 10)) by (apply ln_increasing; lra); lra.
Qed.
