(** * Finite sums over a list of tokens

    A vocabulary is a list of tokens of any type [T]; a concept is a boolean test [C : T -> bool],
    and a sum over a concept is a sum over [filter C vocab].  A token that occurs twice in the list
    counts twice. *)

From Coq Require Import Reals List Bool Lra.
Import ListNotations.
Open Scope R_scope.

Definition Sum {T : Type} (l : list T) (f : T -> R) : R :=
  fold_right (fun z rest => f z + rest) 0 l.

(** The complement of a concept. *)
Definition outside {T : Type} (C : T -> bool) (z : T) : bool := negb (C z).

Section Sums.

Context {T : Type}.
Implicit Types (l : list T) (f g : T -> R) (C : T -> bool).

Lemma Sum_nil f : Sum [] f = 0.
Proof. reflexivity. Qed.

Lemma Sum_cons z l f : Sum (z :: l) f = f z + Sum l f.
Proof. reflexivity. Qed.

Lemma Sum_app l1 l2 f : Sum (l1 ++ l2) f = Sum l1 f + Sum l2 f.
Proof. induction l1; simpl; [|rewrite IHl1]; lra. Qed.

Lemma Sum_ext l f g : (forall z, In z l -> f z = g z) -> Sum l f = Sum l g.
Proof. induction l; simpl; intros H; [|rewrite H, IHl by auto]; auto. Qed.

Lemma Sum_plus l f g : Sum l (fun z => f z + g z) = Sum l f + Sum l g.
Proof. induction l; simpl; [|rewrite IHl]; lra. Qed.

Lemma Sum_scal l c f : Sum l (fun z => c * f z) = c * Sum l f.
Proof. induction l; simpl; [|rewrite IHl]; lra. Qed.

Lemma Sum_scal_r l c f : Sum l (fun z => f z * c) = Sum l f * c.
Proof. induction l; simpl; [|rewrite IHl]; lra. Qed.

Lemma Sum_div l c f : Sum l (fun z => f z / c) = Sum l f / c.
Proof. apply Sum_scal_r. Qed.

Lemma Sum_opp l f : Sum l (fun z => - f z) = - Sum l f.
Proof. induction l; simpl; [|rewrite IHl]; lra. Qed.

Lemma Sum_minus l f g : Sum l (fun z => f z - g z) = Sum l f - Sum l g.
Proof. induction l; simpl; [|rewrite IHl]; lra. Qed.

Lemma Sum_const l c : Sum l (fun _ => c) = INR (length l) * c.
Proof. induction l; [simpl; lra|]. cbn [length]; rewrite S_INR, Sum_cons, IHl; lra. Qed.

Lemma Sum_zero l f : (forall z, In z l -> f z = 0) -> Sum l f = 0.
Proof. intros H; rewrite (Sum_ext l f (fun _ => 0)) by auto; rewrite Sum_const; lra. Qed.

Lemma Sum_le l f g : (forall z, In z l -> f z <= g z) -> Sum l f <= Sum l g.
Proof.
  induction l; simpl; intros H; [lra|].
  assert (f a <= g a) by auto; assert (Sum l f <= Sum l g) by auto; lra.
Qed.

Lemma Sum_lt l f g :
  (forall z, In z l -> f z <= g z) -> (exists z, In z l /\ f z < g z) -> Sum l f < Sum l g.
Proof.
  induction l; simpl; intros H [z [Hz Hlt]]; [tauto|].
  assert (f a <= g a) by auto; assert (Sum l f <= Sum l g) by (apply Sum_le; auto).
  destruct Hz as [->|Hz]; [lra|].
  assert (Sum l f < Sum l g) by (apply IHl; eauto); lra.
Qed.

Lemma Sum_nonneg l f : (forall z, In z l -> 0 <= f z) -> 0 <= Sum l f.
Proof. intros H; rewrite <- (Sum_zero l (fun _ => 0)) by auto; now apply Sum_le. Qed.

Lemma Sum_pos l f : l <> [] -> (forall z, In z l -> 0 < f z) -> 0 < Sum l f.
Proof.
  destruct l as [|a l]; intros Hl H; [easy|].
  rewrite <- (Sum_zero (a :: l) (fun _ => 0)) by auto; apply Sum_lt.
  - intros z Hz; apply Rlt_le; auto.
  - exists a; split; [now left|apply H; now left].
Qed.

Lemma Sum_pos_term l f z :
  (forall y, In y l -> 0 <= f y) -> In z l -> 0 < f z -> 0 < Sum l f.
Proof.
  intros H Hz Hf; rewrite <- (Sum_zero l (fun _ => 0)) by auto; apply Sum_lt; eauto.
Qed.

Lemma Sum_term_le l f z : (forall y, In y l -> 0 <= f y) -> In z l -> f z <= Sum l f.
Proof.
  induction l; simpl; intros H Hz; [tauto|].
  assert (0 <= f a) by auto; assert (0 <= Sum l f) by (apply Sum_nonneg; auto).
  destruct Hz as [->|Hz]; [lra|]; assert (f z <= Sum l f) by auto; lra.
Qed.

Lemma Sum_Rabs l f : Rabs (Sum l f) <= Sum l (fun z => Rabs (f z)).
Proof.
  induction l; simpl; [rewrite Rabs_R0; lra|].
  eapply Rle_trans; [apply Rabs_triang|lra].
Qed.

(** A sum of nonnegative terms vanishes only if every term does. *)
Lemma Sum_nonneg_zero l f :
  (forall z, In z l -> 0 <= f z) -> Sum l f = 0 -> forall z, In z l -> f z = 0.
Proof.
  intros H H0 z Hz; assert (f z <= Sum l f) by now apply Sum_term_le.
  specialize (H z Hz); lra.
Qed.

(** A sum over a concept is a sum over the vocabulary of terms set to zero outside it. *)
Lemma Sum_filter l C f : Sum (filter C l) f = Sum l (fun z => if C z then f z else 0).
Proof. induction l; simpl; [|destruct (C a); simpl; rewrite IHl]; lra. Qed.

Lemma Sum_split l C f : Sum l f = Sum (filter C l) f + Sum (filter (outside C) l) f.
Proof.
  unfold outside; induction l as [|a l IH]; simpl; [|destruct (C a); simpl; rewrite IH]; lra.
Qed.

Lemma In_filter_nonempty l C z : In z l -> C z = true -> filter C l <> [].
Proof.
  intros Hz HC H; assert (HF : In z (filter C l)) by now apply filter_In.
  rewrite H in HF; easy.
Qed.

End Sums.

Lemma Sum_map {S T : Type} (l : list S) (h : S -> T) f : Sum (map h l) f = Sum l (fun i => f (h i)).
Proof. induction l; simpl; [|rewrite IHl]; reflexivity. Qed.

Lemma Sum_swap {S T : Type} (k : list S) (l : list T) (f : S -> T -> R) :
  Sum k (fun i => Sum l (f i)) = Sum l (fun z => Sum k (fun i => f i z)).
Proof.
  induction k; simpl; [now rewrite Sum_zero|].
  rewrite IHk, <- Sum_plus; reflexivity.
Qed.

(** The mean over a list: the difference of two of them is a steering vector. *)
Definition average {S : Type} (l : list S) (f : S -> R) : R := Sum l f / INR (length l).

Section Averages.

Context {S : Type}.
Implicit Types (l : list S) (f g : S -> R).

Lemma length_pos l : l <> [] -> 0 < INR (length l).
Proof. destruct l; intros H; [easy|]; apply lt_0_INR; simpl; apply PeanoNat.Nat.lt_0_succ. Qed.

Lemma average_ext l f g : (forall i, In i l -> f i = g i) -> average l f = average l g.
Proof. intros H; unfold average; now rewrite (Sum_ext l f g). Qed.

Lemma average_const l c : l <> [] -> average l (fun _ => c) = c.
Proof.
  intros H; unfold average; rewrite Sum_const; field.
  apply Rgt_not_eq, length_pos, H.
Qed.

Lemma average_plus l f g : average l (fun i => f i + g i) = average l f + average l g.
Proof. unfold average; rewrite Sum_plus; lra. Qed.

Lemma average_minus l f g : average l (fun i => f i - g i) = average l f - average l g.
Proof. unfold average; rewrite Sum_minus; lra. Qed.

Lemma average_scal l c f : average l (fun i => c * f i) = c * average l f.
Proof. unfold average; rewrite Sum_scal; lra. Qed.

Lemma average_Sum {T : Type} l (k : list T) (f : S -> T -> R) :
  average l (fun i => Sum k (f i)) = Sum k (fun z => average l (fun i => f i z)).
Proof. unfold average; now rewrite Sum_swap, Sum_div. Qed.

Lemma average_le l f g :
  l <> [] -> (forall i, In i l -> f i <= g i) -> average l f <= average l g.
Proof.
  intros Hl H; apply Rmult_le_compat_r; [|now apply Sum_le].
  apply Rlt_le, Rinv_0_lt_compat, length_pos, Hl.
Qed.

End Averages.
