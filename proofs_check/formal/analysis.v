(** * Real functions of one variable

    What the laws need from analysis and the library of reals does not state in this form. *)

From Coq Require Export Reals List Bool Lra.
From Coquelicot Require Export Coquelicot.
From SteeringStrength Require Export tokens.
Export ListNotations.
Global Open Scope R_scope.

(** Prove a derivative up to the form of its value. *)
Lemma is_derive_value (f : R -> R) (x d d' : R) : is_derive f x d -> d = d' -> is_derive f x d'.
Proof. now intros H <-. Qed.

Lemma is_derive_product (f g : R -> R) (x df dg : R) :
  is_derive f x df -> is_derive g x dg ->
  is_derive (fun a => f a * g a) x (df * g x + f x * dg).
Proof. intros Hf Hg; apply (is_derive_mult f g x df dg Hf Hg); intros; apply Rmult_comm. Qed.

Lemma is_derive_difference (f g : R -> R) (x df dg : R) :
  is_derive f x df -> is_derive g x dg -> is_derive (fun a => f a - g a) x (df - dg).
Proof. intros Hf Hg; exact (is_derive_minus f g x df dg Hf Hg). Qed.

(** The sum of differentiable functions, one for each token. *)
Lemma is_derive_Sum {T : Type} (l : list T) (f df : T -> R -> R) (x : R) :
  (forall z, In z l -> is_derive (f z) x (df z x)) ->
  is_derive (fun a => Sum l (fun z => f z a)) x (Sum l (fun z => df z x)).
Proof.
  induction l as [|z l IH]; intros H; simpl; [apply @is_derive_const|].
  apply @is_derive_plus; [|apply IH; intros]; apply H; simpl; auto.
Qed.

Lemma is_derive_exp_scal (m x : R) : is_derive (fun a => exp (a * m)) x (m * exp (x * m)).
Proof. auto_derive; [easy|ring]. Qed.

Lemma exp_nondecreasing (x y : R) : x <= y -> exp x <= exp y.
Proof. intros [H| ->]; [apply Rlt_le; now apply exp_increasing|apply Rle_refl]. Qed.

Lemma derive_continuity (f : R -> R) (x d : R) : is_derive f x d -> continuity_pt f x.
Proof. intros H; apply derivable_continuous_pt; exists d; now apply is_derive_Reals. Qed.

(** ** The sign of the derivative *)

Lemma mean_value (f df : R -> R) (a b : R) :
  a < b -> (forall x, a <= x <= b -> is_derive f x (df x)) ->
  exists c, a < c < b /\ f b - f a = df c * (b - a).
Proof.
  intros Hab Hd; destruct (MVT_cor2 f df a b Hab) as [c [Hc Hin]].
  - intros x Hx; apply is_derive_Reals; auto.
  - now exists c.
Qed.

(** The same with the two ends in any order. *)
Lemma mean_value_between (f df : R -> R) (a b : R) :
  (forall x, is_derive f x (df x)) ->
  exists c, Rmin a b <= c <= Rmax a b /\ f b - f a = df c * (b - a).
Proof.
  intros Hd; apply (MVT_gen f a b df); intros x _; [apply Hd|].
  apply derivable_continuous_pt; exists (df x); now apply is_derive_Reals.
Qed.

Lemma increasing_between (f df : R -> R) (a b : R) :
  (forall x, a <= x <= b -> is_derive f x (df x)) -> (forall x, a < x < b -> 0 < df x) ->
  a < b -> f a < f b.
Proof.
  intros Hd Hpos Hab; destruct (mean_value f df a b Hab Hd) as [c [Hc He]].
  assert (0 < df c * (b - a)) by (apply Rmult_lt_0_compat; [auto|lra]); lra.
Qed.

Lemma decreasing_between (f df : R -> R) (a b : R) :
  (forall x, a <= x <= b -> is_derive f x (df x)) -> (forall x, a < x < b -> df x < 0) ->
  a < b -> f b < f a.
Proof.
  intros Hd Hneg Hab; destruct (mean_value f df a b Hab Hd) as [c [Hc He]].
  assert (0 < (- df c) * (b - a)) by (apply Rmult_lt_0_compat; [specialize (Hneg c Hc)|]; lra).
  lra.
Qed.

Lemma increasing (f df : R -> R) :
  (forall x, is_derive f x (df x)) -> (forall x, 0 < df x) -> forall a b, a < b -> f a < f b.
Proof. intros Hd Hpos a b; apply (increasing_between f df); auto. Qed.

Lemma decreasing (f df : R -> R) :
  (forall x, is_derive f x (df x)) -> (forall x, df x < 0) -> forall a b, a < b -> f b < f a.
Proof. intros Hd Hneg a b; apply (decreasing_between f df); auto. Qed.

Lemma nondecreasing (f df : R -> R) :
  (forall x, is_derive f x (df x)) -> (forall x, 0 <= df x) -> forall a b, a <= b -> f a <= f b.
Proof.
  intros Hd Hpos a b [Hab| ->]; [|lra].
  destruct (mean_value f df a b Hab) as [c [_ He]]; [auto|].
  assert (0 <= df c * (b - a)) by (apply Rmult_le_pos; [auto|lra]); lra.
Qed.

Lemma nonincreasing (f df : R -> R) :
  (forall x, is_derive f x (df x)) -> (forall x, df x <= 0) -> forall a b, a <= b -> f b <= f a.
Proof.
  intros Hd Hneg a b Hab.
  enough (- f a <= - f b) by lra.
  apply (nondecreasing (fun x => - f x) (fun x => - df x)); auto.
  - intros x; apply @is_derive_opp, Hd.
  - intros x; specialize (Hneg x); lra.
Qed.

(** A strictly increasing function takes a value at most once, and keeps the order both ways. *)
Lemma increasing_lt_iff (f : R -> R) :
  (forall a b, a < b -> f a < f b) -> forall a b, f a < f b <-> a < b.
Proof.
  intros Hf a b; split; [|apply Hf]; intros H.
  destruct (Rtotal_order a b) as [Hab|[->|Hab]]; [easy|lra|]; specialize (Hf b a Hab); lra.
Qed.

Lemma increasing_injective (f : R -> R) :
  (forall a b, a < b -> f a < f b) -> forall a b, f a = f b -> a = b.
Proof.
  intros Hf a b He; destruct (Rtotal_order a b) as [H|[->|H]]; [|easy|]; apply Hf in H; lra.
Qed.

(** ** Intermediate values *)

Lemma intermediate_value (f : R -> R) (a b m : R) :
  (forall x, continuity_pt f x) -> a <= b -> f a <= m <= f b -> exists c, a <= c <= b /\ f c = m.
Proof.
  intros Hc [Hab| ->] Hm; [|exists b; lra].
  destruct (IVT_gen f a b m) as [c [Hin He]].
  - intros x; apply Hc.
  - rewrite Rmin_left, Rmax_right; lra.
  - rewrite Rmin_left, Rmax_right in Hin by lra; now exists c.
Qed.

(** A continuous strictly increasing function takes each value between its two limits exactly
    once. *)
Lemma increasing_unique_root (f : R -> R) (lower upper m : R) :
  (forall x, continuity_pt f x) -> (forall a b, a < b -> f a < f b) ->
  is_lim f m_infty lower -> is_lim f p_infty upper -> lower < m < upper ->
  exists! c, f c = m.
Proof.
  intros Hc Hf Hl Hu Hm.
  assert (Ha : exists a, f a < m).
  { apply is_lim_spec in Hl; destruct (Hl (mkposreal (m - lower) ltac:(lra))) as [B HB].
    exists (B - 1); specialize (HB (B - 1)); simpl in HB.
    apply Rabs_def2 in HB; lra. }
  assert (Hb : exists b, m < f b).
  { apply is_lim_spec in Hu; destruct (Hu (mkposreal (upper - m) ltac:(lra))) as [B HB].
    exists (B + 1); specialize (HB (B + 1)); simpl in HB.
    apply Rabs_def2 in HB; lra. }
  destruct Ha as [a Ha], Hb as [b Hb].
  assert (Hab : a < b) by (apply (increasing_lt_iff f Hf); lra).
  destruct (intermediate_value f a b m) as [c [_ He]]; [auto|lra|lra|].
  exists c; split; [easy|]; intros c' He'; apply (increasing_injective f Hf); lra.
Qed.

(** ** Limits at infinity *)

Lemma is_lim_value (f : R -> R) (x : Rbar) (l l' : R) : is_lim f x l -> l = l' -> is_lim f x l'.
Proof. now intros H <-. Qed.

(** A function within a vanishing distance of [l] has limit [l]. *)
Lemma is_lim_by_bound (f g : R -> R) (l : R) :
  (forall a, Rabs (f a - l) <= g a) -> is_lim g p_infty 0 -> is_lim f p_infty l.
Proof.
  intros Hb Hg; apply is_lim_spec; intros eps; apply is_lim_spec in Hg.
  destruct (Hg eps) as [B HB]; exists B; intros a Ha; specialize (HB a Ha); simpl in HB.
  apply Rle_lt_trans with (1 := Hb a); rewrite Rminus_0_r in HB.
  apply Rle_lt_trans with (2 := HB), Rle_abs.
Qed.

Lemma is_lim_reflect (f : R -> R) (l : R) :
  is_lim (fun a => f (- a)) p_infty l -> is_lim f m_infty l.
Proof.
  intros H; apply is_lim_spec; intros eps; apply is_lim_spec in H.
  destruct (H eps) as [B HB]; exists (- B); intros a Ha.
  rewrite <- (Ropp_involutive a); apply HB; lra.
Qed.

Lemma is_lim_decay (c : R) : 0 < c -> is_lim (fun a => exp (- a * c)) p_infty 0.
Proof.
  intros Hc; apply is_lim_spec; intros eps; exists (- ln eps / c); intros a Ha.
  rewrite Rminus_0_r, Rabs_right by apply Rle_ge, Rlt_le, exp_pos.
  rewrite <- (exp_ln eps) by apply cond_pos; apply exp_increasing.
  apply Rmult_lt_compat_r with (r := c) in Ha; [|easy].
  unfold Rdiv in Ha; rewrite Rmult_assoc, Rinv_l in Ha; lra.
Qed.

Lemma is_lim_Sum {T : Type} (l : list T) (f : T -> R -> R) (g : T -> R) (x : Rbar) :
  (forall z, In z l -> is_lim (f z) x (g z)) ->
  is_lim (fun a => Sum l (fun z => f z a)) x (Sum l g).
Proof.
  induction l as [|z l IH]; intros H; simpl; [apply is_lim_const|].
  apply is_lim_plus'; [|apply IH; intros]; apply H; simpl; auto.
Qed.

Lemma is_lim_scal (f : R -> R) (c l : R) (x : Rbar) :
  is_lim f x l -> is_lim (fun a => c * f a) x (c * l).
Proof. apply (is_lim_scal_l f c x l). Qed.

Lemma is_lim_product (f g : R -> R) (x : Rbar) (lf lg : R) :
  is_lim f x lf -> is_lim g x lg -> is_lim (fun a => f a * g a) x (lf * lg).
Proof. intros Hf Hg; now apply (is_lim_mult f g x lf lg). Qed.

Lemma is_lim_quotient (f g : R -> R) (x : Rbar) (lf lg : R) :
  is_lim f x lf -> is_lim g x lg -> lg <> 0 -> is_lim (fun a => f a / g a) x (lf / lg).
Proof.
  intros Hf Hg Hne; apply (is_lim_div f g x lf lg); [easy|easy| |easy].
  intros E; apply Hne; now injection E.
Qed.
