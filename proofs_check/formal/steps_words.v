(** * Words and arithmetic of the steps of the laws

    Printed from their SymPy objects, the steps number tokens, contexts and coordinates by natural
    numbers, as the laws do.  Here are the words in which they are printed, and the tactics that
    decide signs, identities, derivatives and limits by their structure. *)

From Coq Require Import Lia.
From SteeringStrength Require Import analysis.

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

Lemma above_exp a : 0 < - a -> 0 < 1 + -1 * exp a.
Proof. intros H; assert (exp a < exp 0) by (apply exp_increasing; lra); rewrite exp_0 in *; lra. Qed.

Lemma above_exp_weakly a : 0 <= - a -> 0 <= 1 + -1 * exp a.
Proof.
  intros [H|H]; [now apply Rlt_le, above_exp|].
  replace a with 0 by lra; rewrite exp_0; lra.
Qed.

Lemma exp_above a : 0 < a -> 0 < -1 + exp a.
Proof. intros H; assert (exp 0 < exp a) by (now apply exp_increasing); rewrite exp_0 in *; lra. Qed.

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
          | |- 0 < 1 + -1 * exp _ => apply above_exp; ring_simplify; sgn
          | |- 0 < -1 + exp _ => apply exp_above; sgn
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
          | |- 0 <= Rabs _ => apply Rabs_pos
          | |- 0 <= 1 + -1 * exp _ => apply above_exp_weakly; ring_simplify; sgn
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
      first [ assumption | apply pos_nonzero; sgn | apply pos_nonzero; ring_simplify; sgn | auto; fail | apply Rlt_not_eq; lra ]
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

Lemma power_exp a b : Rpower a b = exp (b * ln a).
Proof. reflexivity. Qed.

Ltac logs :=
  repeat match goal with
  | |- context [ln (exp ?a)] => rewrite (ln_exp a)
  | |- context [ln (?a * ?b)] => rewrite (ln_mult a b) by sgn
  | |- context [ln (/ ?a)] => rewrite (ln_Rinv a) by sgn
  | |- context [ln (?a ^ ?n)] => rewrite (ln_pow a) by sgn
  | |- context [ln 1] => rewrite ln_1
  | |- context [Rpower ?a ?b] => rewrite (power_exp a b)
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

(** Sums and functions as variables, for what only the rules of arithmetic have to prove. *)
Ltac atoms :=
  repeat match goal with
  | |- context [Sum ?l ?f] => let x := fresh "atom" in set (x := Sum l f)
  | |- context [exp ?a] => let x := fresh "atom" in set (x := exp a)
  | |- context [ln ?a] => let x := fresh "atom" in set (x := ln a)
  | |- context [sqrt ?a] => let x := fresh "atom" in set (x := sqrt a)
  end.

Ltac unnamed := repeat match goal with x := _ : R |- _ => subst x end.

(** Square roots: what their squares are. *)
Ltac roots :=
  unnamed;
  lazymatch goal with
  | |- context [sqrt ?a] =>
      let E := fresh "square" in
      assert (E : sqrt a ^ 2 = a) by (apply pow2_sqrt; sgn);
      assert (0 < sqrt a) by (apply sqrt_lt_R0; sgn);
      let x := fresh "root" in
      set (x := sqrt a) in *; clearbody x;
      lazymatch goal with
      | |- context [sqrt ?b] =>
          let E' := fresh "square" in
          assert (E' : sqrt b ^ 2 = b) by (apply pow2_sqrt; sgn);
          assert (0 < sqrt b) by (apply sqrt_lt_R0; sgn);
          let y := fresh "root" in
          set (y := sqrt b) in *; clearbody y; field_simplify_eq; [ring [E E']|nonzero]
      | |- _ => field_simplify_eq; [ring [E]|nonzero]
      end
  | |- context [Rabs ?a] => ring [(pow2_abs a)]
  end.

Ltac close := atoms; first [ ring | field; unnamed; nonzero | roots ].

Ltac count :=
  rewrite ?Sum_count by lia; change (INR 0) with 0; change (INR 1) with 1; change (INR 2) with 2.

Ltac algebra :=
  reals; count; first [ close | logs; tidy_exp; join_exp; close ].

Lemma exp_times a n : exp a ^ n = exp (INR n * a).
Proof. induction n; [simpl; now rewrite Rmult_0_l, exp_0|]. rewrite S_INR, <- tech_pow_Rmult, IHn, <- exp_plus; f_equal; ring. Qed.

Ltac exp_form :=
  first
    [ rewrite ?exp_times; simpl INR; rewrite <- ?exp_Ropp, <- ?exp_plus; f_equal;
      first [ ring | field; nonzero ]
    | algebra ].

Ltac pow_form := exp_form.

Lemma root_is a x : 0 <= x -> x ^ 2 = a -> sqrt a = x.
Proof. intros Hx <-; now apply sqrt_pow2. Qed.

Ltac sqrt_form := apply root_is; [sgn|algebra].

Ltac tanh_form := unfold tanh, sinh, cosh; algebra.

Ltac abs_form :=
  first [ rewrite Rabs_right by (apply Rle_ge; sgn) | rewrite Rabs_left1 by sgn ]; algebra.

(** Equal but for the order of terms and factors, inside of functions too. *)
Ltac alike :=
  first
    [ reflexivity
    | ring
    | join_exp; first [ reflexivity | ring ]
    | lazymatch goal with
      | |- Sum _ _ = Sum _ _ => apply Sum_range_ext; intros ? ?; cbv beta; alike
      | |- _ + _ = _ + _ => apply f_equal2; alike
      | |- _ * _ = _ * _ => apply f_equal2; alike
      | |- _ => progress f_equal; alike
      end ].

Ltac use H := repeat (progress (rewrite H by lia)).

(** ** A combination of sums over a range, as one sum *)

Lemma square_product x : x ^ 2 = x * x.
Proof. ring. Qed.

Ltac gather :=
  lazymatch goal with
  | |- _ ^ 2 = _ => eapply eq_trans; [apply square_product|gather]
  | |- Sum (range ?a ?b) _ = _ => reflexivity
  | |- _ + _ = _ => eapply eq_trans; [eapply f_equal2; gather|symmetry; apply Sum_plus]
  | |- - _ = _ => eapply eq_trans; [eapply f_equal; gather|symmetry; apply Sum_opp]
  | |- _ * _ = _ =>
      first [ eapply eq_trans; [eapply (f_equal (Rmult _)); gather|symmetry; apply Sum_scal]
            | eapply eq_trans; [eapply (f_equal (fun u => u * _)); gather
                               |symmetry; apply Sum_scal_r] ]
  end.

Tactic Notation "linear" ident(x) :=
  symmetry; eapply eq_trans; [gather|]; apply Sum_range_ext; intros x ?; cbv beta.

Ltac same_terms :=
  apply Sum_range_ext; intros ? ?; cbv beta; first [ reflexivity | ring | same_terms ].

(** Sums of products of sums, as nested sums: the order of summation may be another. *)
Ltac spread :=
  eapply eq_trans;
  [ gather | apply Sum_range_ext; intros ? ?; cbv beta; first [ spread | reflexivity ] ].

Ltac swap_inner := eapply eq_trans; [apply Sum_range_ext; intros ? ?; apply Sum_swap|]; cbv beta.

Ltac swap_outer := rewrite Sum_swap; cbv beta.

Ltac reorder :=
  first
    [ same_terms
    | swap_outer; same_terms
    | swap_inner; same_terms
    | swap_outer; swap_inner; same_terms
    | swap_inner; swap_outer; same_terms
    | swap_outer; swap_inner; swap_outer; same_terms ].

Ltac regroup :=
  reals; first
    [ rewrite Sum_count by lia; change (INR 0) with 0; ring
    | reorder
    | eapply eq_trans; [apply Sum_range_ext; intros ? ?; cbv beta; spread|]; cbv beta; reorder ].

Ltac by_fact F := first [ apply F | eapply eq_trans; [|eapply F]; same_terms ].

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

(** Limits that are infinite. *)
Lemma lim_infinite (f : R -> R) (x : Rbar) : is_lim f x p_infty <-> forall m, Rbar_locally' x (fun t => m < f t).
Proof. symmetry; exact (is_lim_spec f x p_infty). Qed.

Lemma infinite_plus (f g : R -> R) (x : Rbar) (l : R) :
  is_lim f x p_infty -> is_lim g x l -> is_lim (fun t => f t + g t) x p_infty.
Proof. intros Hf Hg; now apply (is_lim_plus f g x p_infty l). Qed.

Lemma infinite_plus_r (f g : R -> R) (x : Rbar) (l : R) :
  is_lim f x l -> is_lim g x p_infty -> is_lim (fun t => f t + g t) x p_infty.
Proof. intros Hf Hg; now apply (is_lim_plus f g x l p_infty). Qed.

Lemma infinite_product (f g : R -> R) (x : Rbar) (l : R) :
  is_lim f x p_infty -> is_lim g x l -> 0 < l -> is_lim (fun t => f t * g t) x p_infty.
Proof.
  intros Hf Hg Hl; assert (E : Rbar_mult p_infty l = p_infty).
  { simpl; destruct (Rle_dec 0 l) as [H|]; [|lra].
    destruct (Rle_lt_or_eq_dec 0 l H); [easy|lra]. }
  rewrite <- E; apply is_lim_mult; [easy|easy|]; simpl; lra.
Qed.

Lemma infinite_product_r (f g : R -> R) (x : Rbar) (l : R) :
  is_lim f x l -> is_lim g x p_infty -> 0 < l -> is_lim (fun t => f t * g t) x p_infty.
Proof.
  intros Hf Hg Hl; apply (is_lim_ext (fun t => g t * f t)); [intros; ring|].
  now apply (infinite_product g f x l).
Qed.

Lemma infinite_Sum a b (f : nat -> R -> R) (x : Rbar) : (a < b)%nat ->
  (forall i, (a <= i < b)%nat -> is_lim (f i) x p_infty) ->
  is_lim (fun t => Sum (range a b) (fun i => f i t)) x p_infty.
Proof.
  intros Hab Hf; assert (H : forall n, (forall i, (a <= i < a + S n)%nat -> is_lim (f i) x p_infty) ->
    is_lim (fun t => Sum (range a (a + S n)) (fun i => f i t)) x p_infty).
  { induction n as [|n IH]; intros H.
    - apply (is_lim_ext (f a)); [|apply H; lia].
      intros t; unfold range; replace (a + 1 - a)%nat with 1%nat by lia; simpl; ring.
    - apply (is_lim_ext (fun t => Sum (range a (a + S n)) (fun i => f i t) + f (a + S n)%nat t)).
      + intros t; rewrite (Sum_cut a (a + S n) (a + S (S n))) by lia; f_equal.
        unfold range at 1; replace (a + S (S n) - (a + S n))%nat with 1%nat by lia; simpl; ring.
      + apply (is_lim_plus _ _ x p_infty p_infty); [apply IH; intros; apply H; lia|apply H; lia|easy]. }
  replace b with (a + S (b - a - 1))%nat by lia; apply H; intros i Hi; apply Hf; lia.
Qed.

Lemma exp_grows k (g : R -> R) :
  0 < k -> (forall t, g t = t * k) -> is_lim (fun t => exp (g t)) p_infty p_infty.
Proof.
  intros Hk Hg; apply lim_infinite; intros m; exists (Rmax m 0 / k); intros t Ht.
  rewrite Hg; assert (Rmax m 0 < t * k).
  { apply Rmult_lt_compat_r with (r := k) in Ht; [|easy].
    unfold Rdiv in Ht; rewrite Rmult_assoc, Rinv_l in Ht; lra. }
  assert (M := Rmax_l m 0); assert (N := exp_ineq1_le (t * k)); lra.
Qed.

Lemma exp_grows_left k (g : R -> R) :
  0 < k -> (forall t, g t = - t * k) -> is_lim (fun t => exp (g t)) m_infty p_infty.
Proof.
  intros Hk Hg; apply lim_infinite; intros m; exists (- (Rmax m 0 / k)); intros t Ht.
  rewrite Hg; assert (Rmax m 0 < - t * k).
  { apply Ropp_lt_contravar in Ht; rewrite Ropp_involutive in Ht.
    apply Rmult_lt_compat_r with (r := k) in Ht; [|easy].
    unfold Rdiv in Ht; rewrite Rmult_assoc, Rinv_l in Ht; lra. }
  assert (M := Rmax_l m 0); assert (N := exp_ineq1_le (- t * k)); lra.
Qed.

Ltac infinite :=
  cbv beta;
  lazymatch goal with
  | |- is_lim (fun t => Sum _ _) _ p_infty => apply infinite_Sum; [lia|intros; infinite]
  | |- is_lim (fun t => @?f t + @?g t) _ p_infty =>
      first [ eapply (infinite_plus f g); [infinite|limit]
            | eapply (infinite_plus_r f g); [limit|infinite] ]
  | |- is_lim (fun t => @?f t * @?g t) _ p_infty =>
      first [ eapply (infinite_product f g); [infinite|limit|cbv beta; value; sgn]
            | eapply (infinite_product_r f g); [limit|infinite|cbv beta; value; sgn] ]
  | |- is_lim _ _ p_infty => match goal with H : _ |- _ => apply H; solve [assumption | lia] | H : _ |- _ => apply H end
  end.
