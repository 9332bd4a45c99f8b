(** * Every order: the Taylor coefficients of the increase are cumulants

    [K] is the cumulant generating function of the log-odds, so its derivatives are cumulants by
    definition.  This file shows that they exist at every order and strength, computes the first
    ones as central moments, and expands the increase of the cross-entropy with a remainder. *)

From Coq Require Import Lia.
From SteeringStrength Require Import analysis tilting asymptotics cross_entropy.

(** ** Functions with [n] derivatives *)

Fixpoint smooth (n : nat) (f : R -> R) : Prop :=
  match n with
  | O => True
  | S n => exists df, (forall t, is_derive f t (df t)) /\ smooth n df
  end.

Lemma smooth_less n : forall f, smooth (S n) f -> smooth n f.
Proof.
  induction n as [|n IH]; intros f H; [easy|].
  destruct H as [df [Hf Hdf]]; exists df; auto.
Qed.

Lemma smooth_minus n : forall f g, smooth n f -> smooth n g -> smooth n (fun t => f t - g t).
Proof.
  induction n as [|n IH]; intros f g Hf Hg; [easy|].
  destruct Hf as [df [Hf Hdf]], Hg as [dg [Hg Hdg]]; exists (fun t => df t - dg t); split; auto.
  intros t; apply @is_derive_minus; auto.
Qed.

(** The product rule keeps the number of derivatives. *)
Lemma smooth_mult n : forall f g, smooth n f -> smooth n g -> smooth n (fun t => f t * g t).
Proof.
  induction n as [|n IH]; intros f g Hf Hg; [easy|].
  pose proof (smooth_less n f Hf) as Hf'; pose proof (smooth_less n g Hg) as Hg'.
  destruct Hf as [df [Hf Hdf]], Hg as [dg [Hg Hdg]].
  exists (fun t => df t * g t - - (f t * dg t)); split.
  - intros t; eapply is_derive_value.
    + apply (is_derive_mult f g); [apply Hf|apply Hg|intros; apply Rmult_comm].
    + unfold plus, mult; simpl; ring.
  - apply smooth_minus; [auto|].
    assert (Hopp : forall k h, smooth k h -> smooth k (fun t => - h t)).
    { induction k as [|k IHk]; intros h Hh; [easy|]; destruct Hh as [dh [Hh Hdh]].
      exists (fun t => - dh t); split; auto; intros t; apply @is_derive_opp, Hh. }
    apply Hopp; auto.
Qed.

Lemma smooth_derivatives n : forall f x, smooth n f -> ex_derive_n f n x.
Proof.
  induction n as [|n IH]; intros f x H; [easy|].
  destruct H as [df [Hf Hdf]]; destruct n as [|n]; [exists (df x); apply Hf|].
  apply (ex_derive_ext (Derive_n df n)).
  - intros t; rewrite (Derive_n_ext df (Derive_n f 1)).
    + rewrite Derive_n_comp; f_equal; lia.
    + intros s; symmetry; apply is_derive_unique, Hf.
  - apply (IH df x Hdf).
Qed.

(** Taylor's theorem at 0, on both sides of it. *)
Lemma taylor (f : R -> R) n x :
  (forall k t, ex_derive_n f k t) -> x <> 0 ->
  exists zeta, 0 < zeta / x < 1 /\
    f x = sum_f_R0 (fun k => x ^ k / INR (fact k) * Derive_n f k 0) n
          + x ^ S n / INR (fact (S n)) * Derive_n f (S n) zeta.
Proof.
  intros Hf Hx.
  destruct (Rdichotomy _ _ Hx) as [Hneg|Hpos].
  - (* the mirror image: signs cancel in every term *)
    assert (Hterm : forall k t, (- x) ^ k / INR (fact k) * Derive_n (fun y => f (- y)) k t
                                = x ^ k / INR (fact k) * Derive_n f k (- t)).
    { intros k t; rewrite Derive_n_comp_opp by (apply filter_forall; auto).
      replace (x ^ k) with ((- x) ^ k * (-1) ^ k)
        by (rewrite <- Rpow_mult_distr; f_equal; ring).
      unfold Rdiv; ring. }
    destruct (Taylor_Lagrange (fun y => f (- y)) n 0 (- x)) as [zeta [Hz He]]; [lra| |].
    { intros t _ k _; apply ex_derive_n_comp_opp, filter_forall; auto. }
    exists (- zeta); split.
    + replace (- zeta / x) with (zeta / - x) by (field; lra); split.
      * apply Rdiv_lt_0_compat; lra.
      * apply Rmult_lt_reg_r with (- x); [lra|]; field_simplify; lra.
    + rewrite Rminus_0_r, Ropp_involutive, Hterm in He; rewrite He; f_equal.
      apply sum_eq; intros k _; now rewrite Hterm, Ropp_0.
  - destruct (Taylor_Lagrange f n 0 x) as [zeta [Hz He]]; [easy|auto|].
    exists zeta; rewrite Rminus_0_r in He; split; [|exact He]; split.
    + apply Rdiv_lt_0_compat; lra.
    + apply Rmult_lt_reg_r with x; [easy|]; field_simplify; lra.
Qed.

(** ** One context *)

Section OneContext.

Context {T : Type} (vocab : list T) (p M : T -> R).
Hypothesis p_pos : forall z, In z vocab -> 0 < p z.
Hypothesis p_total : Sum vocab p = 1.

Notation tilted := (tilted vocab p M).
Notation E := (E vocab p M).
Notation K := (K vocab p M).
Notation mean := (mean vocab p M).
Notation Var := (Var vocab p M).

Definition central (k : nat) (alpha : R) : R := E alpha (fun z => (M z - mean alpha) ^ k).

(** Expectations have derivatives of every order: the derivative of one is a polynomial in
    others. *)
Lemma E_smooth n : forall f, smooth n (fun alpha => E alpha f).
Proof.
  induction n as [|n IH]; intros f; [easy|].
  exists (fun alpha => E alpha (fun z => f z * M z) - E alpha f * mean alpha); split.
  - intros alpha; eapply is_derive_value; [now apply E_derive|].
    rewrite (E_ext vocab p M alpha _ (fun z => f z * M z - mean alpha * f z)) by (intros; ring).
    rewrite E_minus, E_scal; ring.
  - apply smooth_minus; [apply IH|]; apply smooth_mult; apply IH.
Qed.

Lemma K_smooth n : smooth n K.
Proof.
  apply smooth_less; exists mean; split; [intros; now apply mean_slope|apply E_smooth].
Qed.

(** Central moments differentiate into central moments. *)
Lemma central_derive k alpha :
  is_derive (central (S k)) alpha
    (central (S (S k)) alpha - INR (S k) * Var alpha * central k alpha).
Proof.
  eapply is_derive_value.
  - apply (is_derive_Sum vocab (fun z t => tilted t z * (M z - mean t) ^ S k)
      (fun z t => tilted t z * (M z - mean t) * (M z - mean t) ^ S k
                  + tilted t z * (INR (S k) * (- Var t) * (M z - mean t) ^ k))).
    intros z _; apply (is_derive_mult (fun t => tilted t z) (fun t => (M z - mean t) ^ S k));
      [now apply slope| |intros; apply Rmult_comm].
    apply (is_derive_pow (fun t => M z - mean t) (S k)).
    eapply is_derive_value.
    + apply @is_derive_minus; [apply @is_derive_const|now apply mean_slope_second].
    + unfold minus, plus, opp, zero; simpl; ring.
  - rewrite Sum_plus; unfold central, E.
    rewrite <- Sum_scal; unfold Rminus; rewrite <- Sum_opp; f_equal; apply Sum_ext; intros;
      simpl; ring.
Qed.

(** [ce-cumulants] Sharpens Thm 3.8, existence.  The cumulant generating function has derivatives of
    every order at every strength: cumulants of the log-odds under the steered distribution. *)
Theorem ce_cumulants_exist n alpha : ex_derive_n K n alpha.
Proof. apply smooth_derivatives, K_smooth. Qed.

Lemma Derive_n_K_two alpha : Derive_n K 2 alpha = Var alpha.
Proof.
  simpl; rewrite (Derive_ext (fun t => Derive (fun x => K x) t) mean).
  - apply is_derive_unique; now apply mean_slope_second.
  - intros t; apply is_derive_unique; now apply mean_slope.
Qed.

Lemma Derive_n_K_three alpha : Derive_n K 3 alpha = central 3 alpha.
Proof.
  change (Derive (Derive_n K 2) alpha = central 3 alpha).
  rewrite (Derive_ext _ Var) by apply Derive_n_K_two.
  apply is_derive_unique; eapply is_derive_value; [apply (central_derive 1)|].
  assert (H1 : central 1 alpha = 0); [|rewrite H1; ring].
  unfold central; rewrite (E_ext vocab p M alpha _ (fun z => M z - mean alpha)) by (intros; ring).
  rewrite E_minus, E_const by easy; apply Rminus_diag_eq; reflexivity.
Qed.

Lemma Derive_n_K_four alpha : Derive_n K 4 alpha = central 4 alpha - 3 * Var alpha ^ 2.
Proof.
  change (Derive (Derive_n K 3) alpha = central 4 alpha - 3 * Var alpha ^ 2).
  rewrite (Derive_ext _ (central 3)) by apply Derive_n_K_three.
  apply is_derive_unique; eapply is_derive_value; [apply (central_derive 2)|].
  change (central 2 alpha) with (Var alpha); simpl INR; ring.
Qed.

(** [ce-cumulants] Sharpens Thm 3.8, the first ones.  The second and third cumulants are the
    central moments; the fourth is the central moment less three squared variances. *)
Theorem ce_cumulants_first alpha :
  Derive_n K 2 alpha = Var alpha /\ Derive_n K 3 alpha = central 3 alpha /\
  Derive_n K 4 alpha = central 4 alpha - 3 * Var alpha ^ 2.
Proof. repeat split; [apply Derive_n_K_two|apply Derive_n_K_three|apply Derive_n_K_four]. Qed.

End OneContext.

(** ** A population of contexts *)

Section Population.

Context {T J : Type} (vocab : list T) (contexts : list J) (pi : J -> R) (p : J -> T -> R)
  (M : T -> R).
Hypothesis p_pos : forall j z, In z vocab -> 0 < p j z.
Hypothesis p_total : forall j, Sum vocab (p j) = 1.

Notation increase := (increase vocab contexts pi p M).

Definition cumulant (n : nat) (alpha : R) : R :=
  over contexts pi (fun j => Derive_n (K vocab (p j) M) n alpha).

Let f j t := K vocab (p j) M t - t * mean vocab (p j) M 0.

Lemma f_derive j t : is_derive (f j) t (mean vocab (p j) M t - mean vocab (p j) M 0).
Proof.
  apply (is_derive_minus (K vocab (p j) M) (fun s => s * mean vocab (p j) M 0) t).
  - apply mean_slope; auto.
  - auto_derive; [easy|ring].
Qed.

Lemma f_slope_derive j t :
  is_derive (fun s => mean vocab (p j) M s - mean vocab (p j) M 0) t (Var vocab (p j) M t).
Proof.
  eapply is_derive_value.
  - apply @is_derive_minus; [apply mean_slope_second; auto|apply @is_derive_const].
  - unfold minus, plus, opp, zero; simpl; ring.
Qed.

Lemma f_smooth j n : smooth n (f j).
Proof.
  destruct n as [|n]; [easy|].
  exists (fun t => mean vocab (p j) M t - mean vocab (p j) M 0); split; [apply f_derive|].
  apply smooth_minus; [apply E_smooth; auto|].
  generalize (mean vocab (p j) M 0); induction n as [|n IH]; intros c; [easy|].
  exists (fun _ => 0); split; [intros; apply @is_derive_const|apply IH].
Qed.

Lemma f_Derive_n j n t : Derive_n (f j) (S (S n)) t = Derive_n (K vocab (p j) M) (S (S n)) t.
Proof.
  replace (S (S n)) with (n + 2)%nat by lia; rewrite <- !Derive_n_comp.
  apply Derive_n_ext; intros s; rewrite Derive_n_K_two by auto; simpl.
  rewrite (Derive_ext (fun x => Derive (fun y => f j y) x)
             (fun x => mean vocab (p j) M x - mean vocab (p j) M 0)).
  - apply is_derive_unique, f_slope_derive.
  - intros x; apply is_derive_unique, f_derive.
Qed.

Lemma increase_Derive_n n alpha :
  Derive_n increase n alpha = over contexts pi (fun j => Derive_n (f j) n alpha).
Proof.
  rewrite (Derive_n_ext increase (fun t => over contexts pi (fun j => f j t)))
    by (intros; apply ce_exact; auto).
  revert alpha; induction n as [|n IH]; intros alpha; [reflexivity|]; simpl.
  rewrite (Derive_ext _ _ _ IH); apply is_derive_unique.
  apply (over_derive contexts pi (fun j => Derive_n (f j) n) (fun j => Derive_n (f j) (S n))).
  intros j; apply Derive_correct, (smooth_derivatives (S n)), f_smooth.
Qed.

(** [ce-cumulants] Sharpens Thm 3.8.  From the second on, every derivative of the increase is the
    mean cumulant of that order: the linear term alone is removed. *)
Theorem ce_cumulants n alpha : Derive_n increase (S (S n)) alpha = cumulant (S (S n)) alpha.
Proof.
  rewrite increase_Derive_n; apply over_ext; intros; apply f_Derive_n.
Qed.

Lemma increase_ex_derive_n n alpha : ex_derive_n increase n alpha.
Proof.
  destruct n as [|n]; [easy|]; simpl.
  apply (ex_derive_ext (fun t => over contexts pi (fun j => Derive_n (f j) n t))).
  { intros; symmetry; apply increase_Derive_n. }
  exists (over contexts pi (fun j => Derive_n (f j) (S n) alpha)).
  apply (over_derive contexts pi (fun j => Derive_n (f j) n) (fun j => Derive_n (f j) (S n))).
  intros j; apply Derive_correct, (smooth_derivatives (S n)), f_smooth.
Qed.

(** The first two terms of the expansion vanish. *)
Lemma increase_terms (c : R) n :
  sum_f_R0 (fun k => c ^ k / INR (fact k) * Derive_n increase k 0) (S (S n))
  = sum_f_R0 (fun k => c ^ S (S k) / INR (fact (S (S k))) * cumulant (S (S k)) 0) n.
Proof.
  rewrite !(decomp_sum _ (S _)) by lia; simpl Nat.pred; rewrite decomp_sum by lia; simpl Nat.pred.
  replace (Derive_n increase 0 0) with 0 by (symmetry; apply increase_0).
  replace (Derive_n increase 1 0) with 0.
  - rewrite (sum_eq _ (fun k => c ^ S (S k) / INR (fact (S (S k))) * cumulant (S (S k)) 0))
      by (intros; now rewrite ce_cumulants).
    ring.
  - symmetry; apply is_derive_unique; eapply is_derive_value; [apply increase_derive; auto|].
    apply increase_slope_0.
Qed.

(** [ce-cumulants] Sharpens Thm 3.8, Taylor's theorem.  The increase is a sum of cumulants over
    factorials, with the mean cumulant at a smaller strength as remainder, on both sides of 0. *)
Theorem ce_cumulants_taylor n alpha :
  alpha <> 0 ->
  exists zeta, 0 < zeta / alpha < 1 /\
    increase alpha
    = sum_f_R0 (fun k => alpha ^ (k + 2) / INR (fact (k + 2)) * cumulant (k + 2) 0) n
      + alpha ^ (n + 3) / INR (fact (n + 3)) * cumulant (n + 3) zeta.
Proof.
  intros Ha; destruct (taylor increase (S (S n)) alpha) as [zeta [Hz He]];
    [apply increase_ex_derive_n|easy|].
  exists zeta; split; [easy|]; rewrite He, increase_terms, ce_cumulants.
  replace (n + 3)%nat with (S (S (S n))) by lia; f_equal.
  apply sum_eq; intros k _; now replace (k + 2)%nat with (S (S k)) by lia.
Qed.

End Population.

(** [ce-cumulants] Sharpens Thm 3.8, the cubic term.  The third cumulant has either sign: for two
    tokens it is positive exactly when the favoured one is the rarer, so the increase is not even in
    the strength and its quadratic is neither an upper nor a lower bound. *)
Theorem ce_cumulants_either_sign (theta : R) :
  0 < theta < 1 ->
  let p (favoured : bool) := if favoured then theta else 1 - theta in
  let M (favoured : bool) := if favoured then 1 else 0 in
  Derive_n (K [true; false] p M) 3 0 = theta * (1 - theta) * (1 - 2 * theta).
Proof.
  intros Ht p M.
  assert (Hp : forall z, In z [true; false] -> 0 < p z) by (intros [|] _; unfold p; lra).
  assert (Hp1 : Sum [true; false] p = 1) by (unfold p; simpl; ring).
  rewrite Derive_n_K_three by auto; unfold central.
  assert (Hmean : mean [true; false] p M 0 = theta)
    by (unfold mean; rewrite E_0 by auto; unfold p, M; simpl; ring).
  rewrite Hmean, E_0 by auto; unfold p, M; simpl; ring.
Qed.
