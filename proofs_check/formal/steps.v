(** * What the steps of the laws are made of

    Printed from their SymPy objects, the steps number tokens, contexts and coordinates by natural
    numbers, as the laws do.  Here are the words in which they are printed, the rules of analysis
    that they apply, and the few tactics that prove them. *)

From Coq Require Import Reals List Bool Lra Lia.
From Coquelicot Require Import Coquelicot.
From SteeringStrength Require Import tokens analysis.
Import ListNotations.
Open Scope R_scope.

(** The indices from [first] up to the one before [next]. *)
Definition range (first next : nat) : list nat := seq first (next - first).

Definition Prod {T : Type} (l : list T) (f : T -> R) : R :=
  fold_right (fun z rest => f z * rest) 1 l.

Definition delta (i k : nat) : R := if Nat.eqb i k then 1 else 0.

(** Derivatives of order two and three that exist, as [Derive] does not say. *)
Definition is_derive_2 (f : R -> R) (x d : R) : Prop :=
  exists f1, locally x (fun t => is_derive f t (f1 t)) /\ is_derive f1 x d.
Definition is_derive_3 (f : R -> R) (x d : R) : Prop :=
  exists f1, locally x (fun t => is_derive f t (f1 t)) /\ is_derive_2 f1 x d.

Definition any (x : R) : Prop := True.
Definition positive (x : R) : Prop := 0 < x.
Definition nonnegative (x : R) : Prop := 0 <= x.

Definition increasing_on (D : R -> Prop) (f : R -> R) : Prop :=
  forall a b, D a -> D b -> a < b -> f a < f b.
Definition decreasing_on (D : R -> Prop) (f : R -> R) : Prop :=
  forall a b, D a -> D b -> a < b -> f b < f a.
Definition increasing_weakly_on (D : R -> Prop) (f : R -> R) : Prop :=
  forall a b, D a -> D b -> a < b -> f a <= f b.
Definition decreasing_weakly_on (D : R -> Prop) (f : R -> R) : Prop :=
  forall a b, D a -> D b -> a < b -> f b <= f a.
Definition convex_on (D : R -> Prop) (f : R -> R) : Prop :=
  forall a b t, D a -> D b -> 0 <= t <= 1 ->
    f ((1 - t) * a + t * b) <= (1 - t) * f a + t * f b.
Definition convex_strictly_on (D : R -> Prop) (f : R -> R) : Prop :=
  forall a b t, D a -> D b -> a < b -> 0 < t < 1 ->
    f ((1 - t) * a + t * b) < (1 - t) * f a + t * f b.
Definition crosses_on (D : R -> Prop) (f : R -> R) : Prop :=
  forall a b, D a -> D b -> a < b -> f a <= 0 -> f b < 0.
Definition one_peak_on (D : R -> Prop) (f : R -> R) : Prop :=
  exists! c, D c /\ increasing_on (fun a => D a /\ a <= c) f /\
                    decreasing_on (fun a => D a /\ c <= a) f.
Definition one_peak_where (D : R -> Prop) (f u w : R -> R) : Prop :=
  exists! c, D c /\ increasing_on (fun a => D a /\ a <= c) f /\
                    decreasing_on (fun a => D a /\ c <= a) f /\ u c = w c.
Definition one_valley_on (D : R -> Prop) (f : R -> R) : Prop :=
  one_peak_on D (fun a => - f a).
Definition one_root_on_each_side (f : R -> R) : Prop :=
  f 0 = 0 /\ decreasing_on (fun a => a <= 0) f /\ increasing_on nonnegative f /\
  forall y, 0 < y -> (exists! a, 0 < a /\ f a = y) /\ (exists! a, a < 0 /\ f a = y).

(** ** Sums over ranges *)

Lemma in_range i a b : In i (range a b) -> (a <= i < b)%nat.
Proof. unfold range; rewrite in_seq; lia. Qed.

Lemma Sum_cut a k b f : (a <= k <= b)%nat -> Sum (range a b) f = Sum (range a k) f + Sum (range k b) f.
Proof.
  intros H; rewrite <- Sum_app; f_equal; unfold range.
  replace (b - a)%nat with ((k - a) + (b - k))%nat by lia; rewrite seq_app; do 2 f_equal; lia.
Qed.

Lemma Sum_count a b : (a <= b)%nat -> Sum (range a b) (fun _ => 1) = INR b - INR a.
Proof.
  intros H; rewrite Sum_const; unfold range; rewrite seq_length, minus_INR by lia; ring.
Qed.

Lemma Sum_range_ext a b f g :
  (forall i, (a <= i < b)%nat -> f i = g i) -> Sum (range a b) f = Sum (range a b) g.
Proof. intros H; apply Sum_ext; intros i Hi; apply H, in_range, Hi. Qed.

Lemma Sum_range_pos a b f :
  (a < b)%nat -> (forall i, (a <= i < b)%nat -> 0 < f i) -> 0 < Sum (range a b) f.
Proof.
  intros H Hf; apply Sum_pos; [|intros i Hi; apply Hf, in_range, Hi].
  unfold range; destruct (b - a)%nat eqn:E; [lia|easy].
Qed.

Lemma Sum_range_nonneg a b f :
  (forall i, (a <= i < b)%nat -> 0 <= f i) -> 0 <= Sum (range a b) f.
Proof. intros Hf; apply Sum_nonneg; intros i Hi; apply Hf, in_range, Hi. Qed.

Lemma is_derive_range a b (f : nat -> R -> R) (df : nat -> R) x :
  (forall i, (a <= i < b)%nat -> is_derive (f i) x (df i)) ->
  is_derive (fun t => Sum (range a b) (fun i => f i t)) x (Sum (range a b) df).
Proof.
  intros H; apply (is_derive_Sum (range a b) f (fun i _ => df i)); intros i Hi.
  apply H, in_range, Hi.
Qed.

Lemma is_lim_range a b (f : nat -> R -> R) (l : nat -> R) x :
  (forall i, (a <= i < b)%nat -> is_lim (f i) x (Finite (l i))) ->
  is_lim (fun t => Sum (range a b) (fun i => f i t)) x (Finite (Sum (range a b) l)).
Proof. intros H; apply is_lim_Sum; intros i Hi; apply H, in_range, Hi. Qed.

(** ** Signs *)

Lemma ln_1_plus x : 0 < x -> 0 < ln (1 + x).
Proof. intros H; rewrite <- ln_1; apply ln_increasing; lra. Qed.

Lemma ln_1_plus_nonneg x : 0 <= x -> 0 <= ln (1 + x).
Proof. intros [H| <-]; [now apply Rlt_le, ln_1_plus|rewrite Rplus_0_r, ln_1; lra]. Qed.

Lemma pos_nonzero x : 0 < x -> x <> 0.
Proof. lra. Qed.

(** A factor that no minus sign precedes. *)
Ltac not_negative a :=
  lazymatch a with
  | ?b * _ => not_negative b
  | IZR (Zneg _) => fail
  | - _ => fail
  | _ => idtac
  end.

Ltac sgn :=
  lazymatch goal with
  | |- 0 < _ =>
      first
        [ assumption
        | lazymatch goal with
          | |- 0 < exp _ => apply exp_pos
          | |- 0 < ln (1 + _) => apply ln_1_plus; sgn
          | |- 0 < Rpower _ _ => apply exp_pos
          | |- 0 < _ ^ _ => apply pow_lt; sgn
          | |- 0 < / _ => apply Rinv_0_lt_compat; sgn
          | |- 0 < _ / _ => apply Rdiv_lt_0_compat; sgn
          | |- 0 < sqrt _ => apply sqrt_lt_R0; sgn
          | |- 0 < INR _ => apply lt_0_INR; lia
          | |- 0 < Sum (range _ _) _ => apply Sum_range_pos; [lia|intros; sgn]
          | |- 0 < _ * _ => apply Rmult_lt_0_compat; sgn
          | |- 0 < ?a + ?b =>
              not_negative a; not_negative b;
              first [ apply Rplus_lt_0_compat; sgn | apply Rplus_lt_le_0_compat; sgn
                    | apply Rplus_le_lt_0_compat; sgn ]
          end
        | auto; fail
        | match goal with H : context [_ < _] |- _ => apply H; fail end
        | match goal with H : context [_ < _] |- _ => apply H; lia end
        | lra ]
  | |- 0 <= _ =>
      first
        [ assumption
        | apply Rlt_le; sgn
        | lazymatch goal with
          | |- 0 <= _ ^ 2 => apply pow2_ge_0
          | |- 0 <= _ ^ _ => apply pow_le; sgn
          | |- 0 <= sqrt _ => apply sqrt_pos
          | |- 0 <= ln (1 + _) => apply ln_1_plus_nonneg; sgn
          | |- 0 <= INR _ => apply pos_INR
          | |- 0 <= / _ => apply Rlt_le, Rinv_0_lt_compat; sgn
          | |- 0 <= Sum (range _ _) _ => apply Sum_range_nonneg; intros; sgn
          | |- 0 <= _ * _ => apply Rmult_le_pos; sgn
          | |- 0 <= ?a + ?b => not_negative a; not_negative b; apply Rplus_le_le_0_compat; sgn
          end
        | match goal with H : context [_ <= _] |- _ => apply H; fail end
        | match goal with H : context [_ <= _] |- _ => apply H; lia end
        | lra ]
  | |- _ <> 0 =>
      first [ assumption | apply pos_nonzero; sgn | apply pos_nonzero; ring_simplify; sgn | auto; fail ]
  | |- ?a < ?b => apply Rminus_lt; apply Ropp_lt_cancel; rewrite Ropp_0; sgn
  | |- _ /\ _ => split; sgn
  | |- True => exact I
  end.

(** What is known of natural numbers, as real ones. *)
Ltac numbers :=
  repeat match goal with
  | H : (?a < ?b)%nat |- _ =>
      lazymatch goal with K : INR a < INR b |- _ => fail | _ => pose proof (lt_INR a b H) end
  | H : (?a <= ?b)%nat |- _ =>
      lazymatch goal with K : INR a <= INR b |- _ => fail | _ => pose proof (le_INR a b H) end
  end;
  rewrite ?plus_INR in *; change (INR 0) with 0 in *; change (INR 1) with 1 in *;
  change (INR 2) with 2 in *.

(** ** Exponentials and logarithms *)

Ltac logs :=
  repeat match goal with
  | |- context [ln (exp ?a)] => rewrite (ln_exp a)
  | |- context [ln (?a * ?b)] => rewrite (ln_mult a b) by sgn
  | |- context [ln (/ ?a)] => rewrite (ln_Rinv a) by sgn
  | |- context [ln (?a ^ ?n)] => rewrite (ln_pow a) by sgn
  | |- context [ln 1] => rewrite ln_1
  | |- context [Rpower ?a ?b] => unfold Rpower
  | |- context [exp (ln ?a)] => rewrite (exp_ln a) by sgn
  end.

Ltac expand_exp :=
  repeat match goal with
  | |- context [exp 0] => rewrite exp_0
  | |- context [exp (?a + ?b)] => rewrite (exp_plus a b)
  | |- context [exp (?a - ?b)] => unfold Rminus at 1
  | |- context [exp (- ?a)] => rewrite (exp_Ropp a)
  | |- context [exp (ln ?a)] => rewrite (exp_ln a) by sgn
  end.

Ltac tidy_exp :=
  repeat match goal with
  | |- context [exp ?a] =>
      match a with context [_ + _] => idtac | context [_ - _] => idtac end;
      progress ring_simplify a; expand_exp
  end; expand_exp.

Ltac join_exp :=
  repeat match goal with
  | |- context [exp ?a] =>
      match goal with
      | |- context [exp ?b] =>
          lazymatch a with b => fail | _ => idtac end;
          first
            [ replace (exp b) with (exp a) by (f_equal; ring)
            | replace (exp b) with (/ exp a) by (rewrite <- exp_Ropp; f_equal; ring)
            | replace (exp b) with (exp a * exp a) by (rewrite <- exp_plus; f_equal; ring)
            | replace (exp b) with (/ (exp a * exp a))
                by (rewrite <- exp_plus, <- exp_Ropp; f_equal; ring) ]
      end
  end.

Ltac nonzero := repeat split; sgn.

Ltac reals :=
  cbv beta; match goal with |- @eq _ ?left ?right => change (@eq R left right) end.

Ltac close := first [ ring | field; nonzero ].

Ltac count :=
  rewrite ?Sum_count by lia; change (INR 0) with 0; change (INR 1) with 1; change (INR 2) with 2.

Ltac algebra :=
  reals; count; first [ close | logs; tidy_exp; join_exp; close ].

(** ** A combination of sums over a range, as one sum *)

Ltac gather :=
  lazymatch goal with
  | |- Sum (range ?a ?b) _ = _ => reflexivity
  | |- _ + _ = _ => eapply eq_trans; [eapply f_equal2; gather|symmetry; apply Sum_plus]
  | |- - _ = _ => eapply eq_trans; [eapply f_equal; gather|symmetry; apply Sum_opp]
  | |- _ * _ = _ =>
      first [ eapply eq_trans; [eapply (f_equal (Rmult _)); gather|symmetry; apply Sum_scal]
            | eapply eq_trans; [eapply (f_equal (fun u => u * _)); gather
                               |symmetry; apply Sum_scal_r] ]
  end.

Ltac linear :=
  symmetry; eapply eq_trans; [gather|]; apply Sum_range_ext; intros index ?; cbv beta.

(** ** Derivatives, rule by rule *)

Lemma derive_const c x : is_derive (fun _ : R => c) x 0.
Proof. apply @is_derive_const. Qed.

Lemma derive_id x : is_derive (fun t : R => t) x 1.
Proof. apply @is_derive_id. Qed.

Lemma derive_2_value (f : R -> R) x d d' : is_derive_2 f x d -> d = d' -> is_derive_2 f x d'.
Proof. now intros H <-. Qed.

Lemma derive_plus (f g : R -> R) x df dg :
  is_derive f x df -> is_derive g x dg -> is_derive (fun t => f t + g t) x (df + dg).
Proof. intros Hf Hg; exact (is_derive_plus f g x df dg Hf Hg). Qed.

Lemma derive_chain (F f : R -> R) x dF df :
  is_derive F (f x) dF -> is_derive f x df -> is_derive (fun t => F (f t)) x (df * dF).
Proof. intros HF Hf; exact (is_derive_comp F f x dF df HF Hf). Qed.

Lemma derive_exp x : is_derive exp x (exp x).
Proof. apply is_derive_exp. Qed.

Lemma derive_ln x : 0 < x -> is_derive ln x (/ x).
Proof. apply is_derive_ln. Qed.

Lemma derive_inv x : x <> 0 -> is_derive Rinv x (- / x ^ 2).
Proof.
  intros H; eapply is_derive_value; [apply (is_derive_inv (fun t => t)); [apply @is_derive_id|easy]|].
  unfold one; simpl; field; easy.
Qed.

Lemma derive_pow n x : is_derive (fun t => t ^ n) x (INR n * x ^ pred n).
Proof.
  eapply is_derive_value; [apply (is_derive_pow (fun t => t) n x 1), @is_derive_id|].
  ring.
Qed.

Lemma derive_sqrt x : 0 < x -> is_derive sqrt x (/ (2 * sqrt x)).
Proof. intros H; auto_derive; [easy|ring]. Qed.

Lemma derive_twice (D : R -> Prop) (f f1 : R -> R) x v :
  locally x D -> (forall t, D t -> is_derive f t (f1 t)) -> is_derive f1 x v -> is_derive_2 f x v.
Proof. intros HD Hf Hf1; exists f1; split; [now apply (filter_imp D)|easy]. Qed.

Lemma locally_any x : locally x any.
Proof. now apply filter_forall. Qed.

Lemma locally_positive x : 0 < x -> locally x positive.
Proof. intros H; now apply open_gt. Qed.

Ltac derive :=
  cbv beta;
  first [ simple apply derive_const | simple apply derive_id | derive_rule ]
with derive_rule :=
  lazymatch goal with
  | |- is_derive (fun t => Sum _ _) _ _ =>
      match goal with H : _ |- _ => eapply H; solve [assumption | lia] | H : _ |- _ => eapply H end
  | |- is_derive (fun t => @?f t + @?g t) _ _ => eapply (derive_plus f g); derive
  | |- is_derive (fun t => @?f t * @?g t) _ _ => eapply (is_derive_product f g); derive
  | |- is_derive (fun t => @?f t ^ ?n) _ _ =>
      eapply (derive_chain (fun u => u ^ n) f); [apply derive_pow|derive]
  | |- is_derive (fun t => / @?f t) _ _ =>
      eapply (derive_chain Rinv f); [apply derive_inv; cbv beta; sgn|derive]
  | |- is_derive (fun t => exp (@?f t)) _ _ =>
      eapply (derive_chain exp f); [apply derive_exp|derive]
  | |- is_derive (fun t => ln (@?f t)) _ _ =>
      eapply (derive_chain ln f); [apply derive_ln; cbv beta; sgn|derive]
  | |- is_derive (fun t => sqrt (@?f t)) _ _ =>
      eapply (derive_chain sqrt f); [apply derive_sqrt; cbv beta; sgn|derive]
  | |- is_derive _ _ _ => match goal with H : _ |- _ => eapply H end
  end.

Ltac calculus := simpl INR; simpl pred; algebra.

(** ** Limits, rule by rule *)

Lemma lim_inv (f : R -> R) x l : is_lim f x (Finite l) -> l <> 0 ->
  is_lim (fun t => / f t) x (Finite (/ l)).
Proof. intros Hf Hl; apply (is_lim_inv f x l Hf); intros E; injection E; easy. Qed.

Lemma lim_through (F f : R -> R) x l dF :
  is_derive F l dF -> is_lim f x (Finite l) -> is_lim (fun t => F (f t)) x (Finite (F l)).
Proof.
  intros HF Hf; apply is_lim_comp_continuous; [easy|].
  apply (ex_derive_continuous F); now exists dF.
Qed.

Lemma exp_vanishes k (g : R -> R) :
  0 < k -> (forall t, g t = - t * k) -> is_lim (fun t => exp (g t)) p_infty 0.
Proof.
  intros Hk Hg; apply (is_lim_ext (fun t => exp (- t * k))); [intros; now rewrite Hg|].
  now apply is_lim_decay.
Qed.

Lemma exp_vanishes_left k (g : R -> R) :
  0 < k -> (forall t, g t = t * k) -> is_lim (fun t => exp (g t)) m_infty 0.
Proof.
  intros Hk Hg; apply is_lim_reflect, (is_lim_ext (fun t => exp (- t * k))).
  - intros; rewrite Hg; f_equal; ring.
  - now apply is_lim_decay.
Qed.

Ltac limit :=
  cbv beta; first [ simple apply is_lim_const | limit_rule ]
with limit_rule :=
  lazymatch goal with
  | |- is_lim (fun t => Sum _ _) _ _ => apply is_lim_range; intros; limit
  | |- is_lim (fun t => @?f t + @?g t) _ _ => eapply (is_lim_plus' f g); limit
  | |- is_lim (fun t => @?f t * @?g t) _ _ => eapply (is_lim_product f g); limit
  | |- is_lim (fun t => @?f t ^ ?n) _ _ =>
      eapply (lim_through (fun u => u ^ n) f); [apply derive_pow|limit]
  | |- is_lim (fun t => / @?f t) _ _ => eapply (lim_inv f); [limit|value; sgn]
  | |- is_lim (fun t => ln (@?f t)) _ _ =>
      eapply (lim_through ln f); [apply derive_ln; shelve|limit]
  | |- is_lim (fun t => sqrt (@?f t)) _ _ =>
      eapply (lim_through sqrt f); [apply derive_sqrt; shelve|limit]
  | |- is_lim _ _ _ => match goal with H : _ |- _ => eapply H; solve [assumption | lia] | H : _ |- _ => apply H end
  end
with value :=
  cbv beta;
  repeat match goal with
  | |- context [Sum (range ?a ?b) ?f] =>
      rewrite (Sum_zero (range a b) f) by (intros; cbv beta; ring)
  end; rewrite ?Rmult_0_r, ?Rmult_0_l, ?Rplus_0_r, ?Rplus_0_l.

(** ** Rules of analysis *)

Definition interval (D : R -> Prop) : Prop := forall a b x, D a -> D b -> a <= x <= b -> D x.

Lemma interval_any : interval any.
Proof. easy. Qed.

Lemma interval_positive : interval positive.
Proof. unfold interval, positive; intros; lra. Qed.

Lemma interval_nonnegative : interval nonnegative.
Proof. unfold interval, nonnegative; intros; lra. Qed.

Ltac is_interval :=
  first [ apply interval_any | apply interval_positive | apply interval_nonnegative ].

Ltac inside HD a b := apply (HD a b); [assumption|assumption|split; lra].

Section Slopes.

Variable D : R -> Prop.
Hypothesis HD : interval D.
Variable f : R -> R.

Lemma slope_between a b : D a -> D b -> a < b ->
  (forall x, D x -> exists d : R, is_derive f x d) ->
  exists x, D x /\ is_derive f x ((f b - f a) / (b - a)).
Proof.
  intros Ha Hb Hab H; destruct (mean_value f (Derive f) a b Hab) as [c [Hc E]].
  - intros x Hx; apply Derive_correct, (H x); inside HD a b.
  - exists c; split; [inside HD a b|].
    destruct (H c ltac:(inside HD a b)) as [d Hd].
    rewrite (is_derive_unique f c d Hd) in E.
    replace ((f b - f a) / (b - a)) with d by (rewrite E; field; lra); assumption.
Qed.

Lemma value_of_slope a b q : a < b -> (f b - f a) / (b - a) = q -> f b - f a = q * (b - a).
Proof. intros Hab <-; field; lra. Qed.

Lemma slope_signs (P : R -> Prop) :
  (forall x, D x -> exists d : R, is_derive f x d /\ P d) ->
  forall a b, D a -> D b -> a < b -> exists q, P q /\ f b - f a = q * (b - a).
Proof.
  intros H a b Ha Hb Hab; destruct (slope_between a b Ha Hb Hab) as [x [Hx E]].
  - intros x Hx; destruct (H x Hx) as [d [Hd _]]; now exists d.
  - destruct (H x Hx) as [d [Hd HP]]; exists d; split; [easy|].
    apply value_of_slope; [easy|]; rewrite <- (is_derive_unique f x _ E); now apply is_derive_unique.
Qed.

Lemma rises :
  (forall x, D x -> exists d : R, is_derive f x d /\ d > 0) -> increasing_on D f.
Proof.
  intros H a b Ha Hb Hab; destruct (slope_signs _ H a b Ha Hb Hab) as [q [Hq E]].
  assert (0 < q * (b - a)) by (apply Rmult_lt_0_compat; lra); lra.
Qed.

Lemma falls :
  (forall x, D x -> exists d : R, is_derive f x d /\ d < 0) -> decreasing_on D f.
Proof.
  intros H a b Ha Hb Hab; destruct (slope_signs _ H a b Ha Hb Hab) as [q [Hq E]].
  assert (0 < - q * (b - a)) by (apply Rmult_lt_0_compat; lra); lra.
Qed.

Lemma rises_weakly :
  (forall x, D x -> exists d : R, is_derive f x d /\ d >= 0) -> increasing_weakly_on D f.
Proof.
  intros H a b Ha Hb Hab; destruct (slope_signs _ H a b Ha Hb Hab) as [q [Hq E]].
  assert (0 <= q * (b - a)) by (apply Rmult_le_pos; lra); lra.
Qed.

Lemma falls_weakly :
  (forall x, D x -> exists d : R, is_derive f x d /\ d <= 0) -> decreasing_weakly_on D f.
Proof.
  intros H a b Ha Hb Hab; destruct (slope_signs _ H a b Ha Hb Hab) as [q [Hq E]].
  assert (0 <= - q * (b - a)) by (apply Rmult_le_pos; lra); lra.
Qed.

End Slopes.

Section Curvature.

Variable D : R -> Prop.
Hypothesis HD : interval D.
Variable f : R -> R.

Lemma first_derivative :
  (forall x, D x -> exists d : R, is_derive_2 f x d) -> forall x, D x -> is_derive f x (Derive f x).
Proof.
  intros H x Hx; destruct (H x Hx) as [d [f1 [Hf _]]].
  apply Derive_correct; exists (f1 x); exact (locally_singleton _ _ Hf).
Qed.

Lemma second_derivative x d : is_derive_2 f x d -> is_derive (Derive f) x d.
Proof.
  intros [f1 [Hf Hf1]]; apply (is_derive_ext_loc f1); [|easy].
  eapply filter_imp; [|exact Hf]; intros t Ht; symmetry; now apply is_derive_unique.
Qed.

Lemma convex_by_curvature :
  (forall x, D x -> exists d : R, is_derive_2 f x d /\ d >= 0) -> convex_on D f.
Proof.
  intros H a b t Ha Hb Ht.
  assert (Hd : forall x, D x -> is_derive f x (Derive f x)).
  { apply first_derivative; intros x Hx; destruct (H x Hx) as [d [Hd _]]; now exists d. }
  assert (Hw : increasing_weakly_on D (Derive f)).
  { apply rises_weakly; [easy|]; intros x Hx; destruct (H x Hx) as [d [H2 Hp]].
    exists d; split; [now apply second_derivative|easy]. }
  assert (main : forall a b t, D a -> D b -> a < b -> 0 < t < 1 ->
    f ((1 - t) * a + t * b) <= (1 - t) * f a + t * f b).
  { clear a b t Ha Hb Ht; intros a b t Ha Hb Hab Ht; set (c := (1 - t) * a + t * b).
    assert (a < c < b) by (unfold c; nra).
    assert (Hc : D c) by (inside HD a b).
    destruct (mean_value f (Derive f) a c) as [u [Hu Eu]];
      [lra|intros x Hx; apply Hd; inside HD a b|].
    destruct (mean_value f (Derive f) c b) as [v [Hv Ev]];
      [lra|intros x Hx; apply Hd; inside HD a b|].
    assert (Derive f u <= Derive f v)
      by (apply Hw; [inside HD a b|inside HD a b|lra]).
    assert (E : (1 - t) * f a + t * f b - f c
      = t * (1 - t) * (b - a) * (Derive f v - Derive f u)).
    { replace ((1 - t) * f a + t * f b - f c) with (t * (f b - f c) - (1 - t) * (f c - f a)) by ring.
      rewrite Eu, Ev; unfold c; ring. }
    assert (0 <= t * (1 - t) * (b - a) * (Derive f v - Derive f u)); [|lra].
    repeat apply Rmult_le_pos; lra. }
  destruct (Req_dec t 0) as [->|]; [replace ((1 - 0) * a + 0 * b) with a by ring; lra|].
  destruct (Req_dec t 1) as [->|]; [replace ((1 - 1) * a + 1 * b) with b by ring; lra|].
  destruct (Rtotal_order a b) as [Hab|[->|Hab]].
  - apply main; easy || lra.
  - replace ((1 - t) * b + t * b) with b by ring; lra.
  - replace ((1 - t) * a + t * b) with ((1 - (1 - t)) * b + (1 - t) * a) by ring.
    assert (M := main b a (1 - t) Hb Ha Hab ltac:(lra)); lra.
Qed.

Lemma convex_strictly_by_curvature :
  (forall x, D x -> exists d : R, is_derive_2 f x d /\ d > 0) -> convex_strictly_on D f.
Proof.
  intros H a b t Ha Hb Hab Ht.
  assert (Hd : forall x, D x -> is_derive f x (Derive f x)).
  { apply first_derivative; intros x Hx; destruct (H x Hx) as [d [Hd _]]; now exists d. }
  assert (Hw : increasing_on D (Derive f)).
  { apply rises; [easy|]; intros x Hx; destruct (H x Hx) as [d [H2 Hp]].
    exists d; split; [now apply second_derivative|easy]. }
  set (c := (1 - t) * a + t * b); assert (a < c < b) by (unfold c; nra).
  destruct (mean_value f (Derive f) a c) as [u [Hu Eu]];
    [lra|intros x Hx; apply Hd; inside HD a b|].
  destruct (mean_value f (Derive f) c b) as [v [Hv Ev]];
    [lra|intros x Hx; apply Hd; inside HD a b|].
  assert (Derive f u < Derive f v)
    by (apply Hw; [inside HD a b|inside HD a b|lra]).
  assert (E : (1 - t) * f a + t * f b - f c
    = t * (1 - t) * (b - a) * (Derive f v - Derive f u)).
  { replace ((1 - t) * f a + t * f b - f c) with (t * (f b - f c) - (1 - t) * (f c - f a)) by ring.
    rewrite Eu, Ev; unfold c; ring. }
  assert (0 < t * (1 - t) * (b - a) * (Derive f v - Derive f u)); [|lra].
  repeat apply Rmult_lt_0_compat; lra.
Qed.

End Curvature.

Lemma lim_eventually (f g : R -> R) (l : Rbar) :
  (forall t, 0 < t -> f t = g t) -> is_lim f p_infty l -> is_lim g p_infty l.
Proof. intros H; apply is_lim_ext_loc; exists 0; exact H. Qed.

Lemma taylor_1 (f : R -> R) (a c0 c1 : R) : f a = c0 -> is_derive f a c1 ->
  is_lim (fun x => (f x - (c0 * (x - a) ^ 0 + c1 * (x - a) ^ 1)) / (x - a) ^ 1) a 0.
Proof.
  intros <- Hd; apply is_lim_spec; intros eps; apply is_derive_Reals in Hd.
  destruct (Hd eps (cond_pos eps)) as [delta Hh]; exists delta; intros x; simpl in x; intros Hx Hxa.
  change (Rabs (x - a) < delta) in Hx; assert (Hne : x - a <> 0) by (apply Rminus_eq_contra; exact Hxa).
  specialize (Hh (x - a) Hne Hx); replace (a + (x - a)) with (x : R) in Hh by ring.
  rewrite Rminus_0_r; replace ((f x - (f a * (x - a) ^ 0 + c1 * (x - a) ^ 1)) / (x - a) ^ 1)
    with ((f x - f a) / (x - a) - c1) by (field; exact Hne); easy.
Qed.

Lemma ln_nondecreasing x y : 0 < x -> x <= y -> ln x <= ln y.
Proof. intros Hx [H| ->]; [apply Rlt_le; now apply ln_increasing|apply Rle_refl]. Qed.

(** A hypothesis of the theorem of an earlier step, from those of this one. *)
Ltac step_premise := first [ assumption | lia | lra | intros; first [ assumption | lra | sgn ] ].

Ltac exact_by_order H := pose proof H as P; (* the conclusion, written in another order *)
  repeat match type of P with ?A -> _ => specialize (P ltac:(step_premise)) end; lra.
