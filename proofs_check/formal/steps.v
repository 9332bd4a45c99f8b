(** * The rules of analysis that the steps of the laws apply

    Each is the theorem that a rule of [theory.laws] cites, on any function; the words are those of
    [steps_words]. *)

From Coq Require Import Lia Setoid Morphisms.
From SteeringStrength Require Import analysis.
From SteeringStrength Require Export steps_words.

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
Ltac step_premise := first [ assumption | solve [auto] | lia | lra | intros; first [ assumption | lra | sgn ] ].

Ltac same := first [ alike | algebra ].

(** The theorem at some values, printed in another order. *)
Ltac same_by_order H :=
  epose proof H as P; repeat match type of P with ?A -> _ => specialize (P ltac:(step_premise)) end;
  lazymatch type of P with
  | ?l <= ?r => apply Rle_trans with l; [apply Req_le; same|];
      apply Rle_trans with r; [exact P|apply Req_le; same]
  | ?l < ?r => apply Rle_lt_trans with l; [apply Req_le; same|];
      apply Rlt_le_trans with r; [exact P|apply Req_le; same]
  | ?l >= ?r => apply Rge_trans with l; [apply Req_ge; same|];
      apply Rge_trans with r; [exact P|apply Req_ge; same]
  | ?l > ?r => apply Rge_gt_trans with l; [apply Req_ge; same|];
      apply Rgt_ge_trans with r; [exact P|apply Req_ge; same]
  | ?l = ?r => transitivity l; [same|transitivity r; [exact P|same]]
  | ?l <= ?m <= ?r => split; [apply Rle_trans with l; [apply Req_le; same|];
      apply Rle_trans with m; [apply P|apply Req_le; same]
      |apply Rle_trans with m; [apply Req_le; same|];
      apply Rle_trans with r; [apply P|apply Req_le; same]]
  end.

Ltac exact_by_order H := pose proof H as P; (* the conclusion, written in another order *)
  repeat match type of P with ?A -> _ => specialize (P ltac:(step_premise)) end; lra.

(** ** Order, shapes and roots *)

Lemma zero_quotient f n g : f = n * / g -> 0 < g -> f = 0 <-> n = 0.
Proof.
  intros E Hg; rewrite E; split; [|intros ->; ring].
  intros H; destruct (Rmult_integral _ _ H) as [|Hi]; [easy|].
  exfalso; assert (0 < / g) by (now apply Rinv_0_lt_compat); lra.
Qed.

Lemma increasing_iff (f : R -> R) a b u w :
  increasing_on any f -> f a = u -> f b = w -> a < b <-> u < w.
Proof.
  intros Hf <- <-; split; [now apply Hf|]; intros H.
  destruct (Rtotal_order a b) as [|[->|Hba]]; [easy|lra|].
  assert (f b < f a) by (now apply Hf); lra.
Qed.

Lemma value_before (D : R -> Prop) (f : R -> R) x b c :
  increasing_on D f \/ increasing_weakly_on D f -> D x -> D b -> 0 <= b - x -> f b <= c -> f x <= c.
Proof.
  intros H Hx Hb Hle Hc; destruct (Req_dec x b) as [->|Hne]; [easy|].
  destruct H as [H|H]; assert (M := H x b Hx Hb ltac:(lra)); lra.
Qed.

Lemma square_root u v : u ^ 2 <= v -> u <= sqrt v.
Proof.
  intros H; destruct (Rle_or_lt u 0); [apply Rle_trans with 0; [easy|apply sqrt_pos]|].
  rewrite <- (sqrt_pow2 u) by lra; now apply sqrt_le_1_alt.
Qed.

Lemma peak_unique (D : R -> Prop) (f : R -> R) c c' : D c -> D c' ->
  decreasing_on (fun a => D a /\ c <= a) f -> increasing_on (fun a => D a /\ a <= c') f -> c' <= c.
Proof.
  intros Hc Hc' Hd Hi; destruct (Rle_or_lt c' c) as [|H]; [easy|exfalso].
  assert (f c < f c') by (apply Hi; [split; [easy|lra]|split; [easy|lra]|easy]).
  assert (f c' < f c) by (apply Hd; [split; [easy|lra]|split; [easy|lra]|easy]); lra.
Qed.

Lemma one_peak (D : R -> Prop) (f : R -> R) c : D c ->
  increasing_on (fun a => D a /\ a <= c) f -> decreasing_on (fun a => D a /\ c <= a) f ->
  one_peak_on D f.
Proof.
  intros Hc Hi Hd; exists c; split; [easy|]; intros c' [Hc' [Hi' Hd']].
  apply Rle_antisym; [now apply (peak_unique D f c' c)|now apply (peak_unique D f c c')].
Qed.

Section Reciprocal.

Variables (D : R -> Prop) (f g : R -> R).
Hypothesis form : forall a, D a -> / f a = g a.
Hypothesis f_pos : forall a, D a -> f a > 0.

Lemma reciprocal_order a b : D a -> D b -> g a < g b -> f b < f a.
Proof.
  intros Ha Hb; rewrite <- (form a Ha), <- (form b Hb); intros H.
  destruct (Rlt_or_le (f b) (f a)) as [|Hle]; [easy|exfalso].
  assert (/ f b <= / f a) by (apply Rinv_le_contravar; [apply f_pos|]; easy); lra.
Qed.

Lemma reciprocal_falls : decreasing_on D g -> increasing_on D f.
Proof. intros H a b Ha Hb Hab; apply reciprocal_order; [easy|easy|now apply H]. Qed.

Lemma reciprocal_rises : increasing_on D g -> decreasing_on D f.
Proof. intros H a b Ha Hb Hab; apply reciprocal_order; [easy|easy|now apply H]. Qed.

Lemma reciprocal_valley : one_valley_on D g -> one_peak_on D f.
Proof.
  intros [c [[Hc [Hi Hd]] _]]; apply (one_peak D f c); [easy| |].
  - intros a b [Ha Hac] [Hb Hbc] Hab; apply reciprocal_order; [easy|easy|].
    assert (- g a < - g b) by (apply Hi; easy); lra.
  - intros a b [Ha Hac] [Hb Hbc] Hab; apply reciprocal_order; [easy|easy|].
    assert (- g b < - g a) by (apply Hd; easy); lra.
Qed.

End Reciprocal.

Section Affine.

Variables (D : R -> Prop) (f h : R -> R) (k c : R).
Hypothesis form : forall a, D a -> h a = k * f a + c.
Hypothesis k_pos : 0 < k.

Lemma affine_order a b : D a -> D b -> f a < f b -> h a < h b.
Proof.
  intros Ha Hb H; rewrite (form a Ha), (form b Hb).
  assert (k * f a < k * f b) by (now apply Rmult_lt_compat_l); lra.
Qed.

Lemma affine_rises : increasing_on D f -> increasing_on D h.
Proof. intros H a b Ha Hb Hab; apply affine_order; [easy|easy|now apply H]. Qed.

Lemma affine_falls : decreasing_on D f -> decreasing_on D h.
Proof. intros H a b Ha Hb Hab; apply affine_order; [easy|easy|now apply H]. Qed.

Lemma affine_order_weakly a b : D a -> D b -> f a <= f b -> h a <= h b.
Proof.
  intros Ha Hb H; rewrite (form a Ha), (form b Hb).
  assert (k * f a <= k * f b) by (apply Rmult_le_compat_l; lra); lra.
Qed.

Lemma affine_rises_weakly : increasing_weakly_on D f -> increasing_weakly_on D h.
Proof. intros H a b Ha Hb Hab; apply affine_order_weakly; [easy|easy|now apply H]. Qed.

Lemma affine_falls_weakly : decreasing_weakly_on D f -> decreasing_weakly_on D h.
Proof. intros H a b Ha Hb Hab; apply affine_order_weakly; [easy|easy|now apply H]. Qed.

Lemma affine_peak_where u w : one_peak_where D f u w -> one_peak_where D h u w.
Proof.
  intros [c' [[Hc [Hi [Hd E]]] _]]; exists c'; split.
  - split; [easy|]; split; [|split; [|easy]].
    + intros a b Ha Hb Hab; apply affine_order; [apply Ha|apply Hb|now apply Hi].
    + intros a b Ha Hb Hab; apply affine_order; [apply Hb|apply Ha|now apply Hd].
  - intros e [He [Hi' [Hd' _]]]; apply Rle_antisym.
    + apply (peak_unique D f e c'); [easy|easy| |easy]; intros a b Ha Hb Hab.
      assert (H := Hd' a b Ha Hb Hab); rewrite (form a (proj1 Ha)), (form b (proj1 Hb)) in H; nra.
    + apply (peak_unique D f c' e); [easy|easy|easy|]; intros a b Ha Hb Hab.
      assert (H := Hi' a b Ha Hb Hab); rewrite (form a (proj1 Ha)), (form b (proj1 Hb)) in H; nra.
Qed.

End Affine.

(** The place of the peak, if the slope is [f (w - u)] with [f > 0]. *)
Lemma stationary (f u w : R -> R) :
  one_peak_on any f -> (forall a, is_derive f a (f a * (w a - u a))) -> (forall a, f a > 0) ->
  one_peak_where any f u w.
Proof.
  intros [c [[Hc [Hi Hd]] Hu]] Hs Hp; exists c; split.
  - split; [easy|]; split; [easy|]; split; [easy|].
    destruct (Rtotal_order (w c - u c) 0) as [H|[H|H]]; [exfalso|lra|exfalso].
    + assert (D := Hs c); apply is_derive_Reals in D.
      assert (Hq : f c * (w c - u c) < 0) by (specialize (Hp c); nra).
      destruct (D (- (f c * (w c - u c))) ltac:(lra)) as [delta Hh].
      assert (B := cond_pos delta).
      specialize (Hh (- (delta / 2)) ltac:(lra)); rewrite Rabs_left in Hh by lra.
      specialize (Hh ltac:(lra)).
      assert (f (c + - (delta / 2)) < f c) by (apply Hi; [split; [easy|lra]|split; [easy|lra]|lra]).
      assert (0 < (f (c + - (delta / 2)) - f c) / - (delta / 2)).
      { replace ((f (c + - (delta / 2)) - f c) / - (delta / 2))
          with ((f c - f (c + - (delta / 2))) / (delta / 2)) by (field; lra).
        apply Rdiv_lt_0_compat; lra. }
      apply Rabs_def2 in Hh; lra.
    + assert (D := Hs c); apply is_derive_Reals in D.
      assert (Hq : 0 < f c * (w c - u c)) by (specialize (Hp c); nra).
      destruct (D (f c * (w c - u c)) Hq) as [delta Hh].
      assert (B := cond_pos delta).
      specialize (Hh (delta / 2) ltac:(lra)); rewrite Rabs_right in Hh by lra.
      specialize (Hh ltac:(lra)).
      assert (f (c + delta / 2) < f c) by (apply Hd; [split; [easy|lra]|split; [easy|lra]|lra]).
      assert ((f (c + delta / 2) - f c) / (delta / 2) < 0).
      { replace ((f (c + delta / 2) - f c) / (delta / 2))
          with (- ((f c - f (c + delta / 2)) / (delta / 2))) by (field; lra).
        apply Ropp_lt_gt_0_contravar, Rdiv_lt_0_compat; lra. }
      apply Rabs_def2 in Hh; lra.
  - intros c' [Hc' [Hi' [Hd' _]]]; apply Hu; easy.
Qed.

Lemma single_crossing (D : R -> Prop) (g : R -> R) :
  interval D -> (forall x, D x -> 0 < x) ->
  (forall x, D x -> exists d : R, is_derive g x d /\ x * d - g x < 0) -> crosses_on D g.
Proof.
  intros HD Hpos H a b Ha Hb Hab Hg; pose proof (Hpos a Ha); pose proof (Hpos b Hb).
  assert (F : decreasing_on D (fun x => g x * / x)).
  { apply (falls D HD); intros x Dx; destruct (H x Dx) as [d [Hd Hs]]; pose proof (Hpos x Dx) as Hx.
    exists ((x * d - g x) * / x ^ 2); split.
    - eapply is_derive_value; [apply is_derive_product; [exact Hd|]|].
      + apply derive_inv; apply Rgt_not_eq, Hx.
      + field; apply Rgt_not_eq, Hx.
    - assert (0 < / x ^ 2) by (apply Rinv_0_lt_compat, pow_lt, Hx); nra. }
  assert (E := F a b Ha Hb Hab); cbv beta in E.
  assert (0 < / a) by now apply Rinv_0_lt_compat.
  assert (0 < / b) by now apply Rinv_0_lt_compat.
  assert (g a * / a <= 0) by nra.
  destruct (Rlt_or_le (g b) 0) as [|Hl]; [easy|exfalso]; assert (0 <= g b * / b) by nra; lra.
Qed.

Section Tangents.

Variable D : R -> Prop.
Hypothesis HD : interval D.
Variable f : R -> R.
Hypothesis D_0 : D 0.
Hypothesis f_0 : f 0 = 0.
Hypothesis slope_0 : is_derive f 0 0.

Lemma from_zero x : D x -> x <> 0 -> (forall t, D t -> exists d : R, is_derive f t d) ->
  exists c, D c /\ (0 < c < x \/ x < c < 0) /\ f x = Derive f c * x.
Proof.
  intros Hx Hne H.
  assert (Hd : forall t, D t -> is_derive f t (Derive f t))
    by (intros t Ht; apply Derive_correct, (H t Ht)).
  destruct (Rtotal_order x 0) as [Hl|[->|Hr]]; [|easy|].
  - destruct (mean_value f (Derive f) x 0 Hl) as [c [Hc E]];
      [intros t Ht; apply Hd; inside HD x 0|].
    exists c; split; [inside HD x 0|]; split; [lra|]; rewrite f_0 in E; lra.
  - destruct (mean_value f (Derive f) 0 x Hr) as [c [Hc E]];
      [intros t Ht; apply Hd; inside HD 0 x|].
    exists c; split; [inside HD 0 x|]; split; [lra|]; rewrite f_0 in E; lra.
Qed.

Lemma slope_from_zero (P : R -> Prop) x :
  (forall t, D t -> exists d : R, is_derive_2 f t d /\ P d) -> D x -> x <> 0 ->
  Derive f 0 = 0 /\ (forall t, D t -> exists d : R, is_derive (Derive f) t d /\ P d) /\
  exists c, D c /\ (0 < c < x \/ x < c < 0) /\ f x = Derive f c * x.
Proof.
  intros H Hx Hne.
  assert (H1 : forall t, D t -> is_derive f t (Derive f t)).
  { apply first_derivative; intros t Ht; destruct (H t Ht) as [d [Hd _]]; now exists d. }
  split; [now apply is_derive_unique|]; split.
  - intros t Ht; destruct (H t Ht) as [d [H2 Hp]].
    exists d; split; [now apply second_derivative|easy].
  - apply from_zero; [easy|easy|]; intros t Ht; exists (Derive f t); now apply H1.
Qed.

Lemma above_tangent x :
  (forall t, D t -> exists d : R, is_derive_2 f t d /\ d >= 0) -> D x -> 0 <= f x.
Proof.
  intros H Hx; destruct (Req_dec x 0) as [->|Hne]; [lra|].
  destruct (slope_from_zero _ x H Hx Hne) as [E0 [H2 [c [Hc [Hs E]]]]].
  assert (Hw : increasing_weakly_on D (Derive f)) by now apply rises_weakly.
  rewrite E; destruct Hs as [Hs|Hs].
  - assert (M := Hw 0 c D_0 Hc ltac:(lra)); apply Rmult_le_pos; lra.
  - assert (M := Hw c 0 Hc D_0 ltac:(lra)).
    replace (Derive f c * x) with (- Derive f c * - x) by ring; apply Rmult_le_pos; lra.
Qed.

Lemma above_tangent_strictly x :
  (forall t, D t -> exists d : R, is_derive_2 f t d /\ d > 0) -> D x -> x <> 0 -> 0 < f x.
Proof.
  intros H Hx Hne; destruct (slope_from_zero _ x H Hx Hne) as [E0 [H2 [c [Hc [Hs E]]]]].
  assert (Hw : increasing_on D (Derive f)) by now apply rises.
  rewrite E; destruct Hs as [Hs|Hs].
  - assert (M := Hw 0 c D_0 Hc ltac:(lra)); apply Rmult_lt_0_compat; lra.
  - assert (M := Hw c 0 Hc D_0 ltac:(lra)).
    replace (Derive f c * x) with (- Derive f c * - x) by ring; apply Rmult_lt_0_compat; lra.
Qed.

End Tangents.

Section StrictlyConvex.

Variable f : R -> R.
Hypothesis curved : forall t, any t -> exists d : R, is_derive_2 f t d /\ d > 0.

Lemma slope_exists t : is_derive f t (Derive f t).
Proof.
  apply (first_derivative any f); [|easy].
  intros x Hx; destruct (curved x Hx) as [d [H _]]; now exists d.
Qed.

Lemma slope_rises : forall a b, a < b -> Derive f a < Derive f b.
Proof.
  assert (H : increasing_on any (Derive f)); [|intros a b; now apply H].
  apply (rises any interval_any); intros t Ht; destruct (curved t Ht) as [d [H2 Hp]].
  exists d; split; [now apply second_derivative|easy].
Qed.

Lemma falls_before c : Derive f c = 0 -> decreasing_on (fun a => a <= c) f.
Proof.
  intros E a b _ Hb Hab; apply (decreasing_between f (Derive f)); [|intros x Hx|easy].
  - intros; apply slope_exists.
  - rewrite <- E; apply slope_rises; lra.
Qed.

Lemma rises_after c : Derive f c = 0 -> increasing_on (fun a => c <= a) f.
Proof.
  intros E a b Ha _ Hab; apply (increasing_between f (Derive f)); [|intros x Hx|easy].
  - intros; apply slope_exists.
  - rewrite <- E; apply slope_rises; lra.
Qed.

Lemma slope_continuous x : continuity_pt (Derive f) x.
Proof.
  destruct (curved x I) as [d [H _]]; apply (derive_continuity _ x d).
  now apply second_derivative.
Qed.

Lemma valley : is_lim f p_infty p_infty -> is_lim f m_infty p_infty -> one_valley_on any f.
Proof.
  intros Hr Hl; apply is_lim_spec in Hr; apply is_lim_spec in Hl.
  destruct (Hr (f 0)) as [B HB], (Hl (f 0)) as [A HA].
  set (b := Rmax B 0 + 1); set (a := Rmin A 0 - 1).
  assert (B <= Rmax B 0 /\ 0 <= Rmax B 0) by (split; [apply Rmax_l|apply Rmax_r]).
  assert (Rmin A 0 <= A /\ Rmin A 0 <= 0) by (split; [apply Rmin_l|apply Rmin_r]).
  assert (Hb : f 0 < f b) by (apply HB; unfold b; lra).
  assert (Ha : f 0 < f a) by (apply HA; unfold a; lra).
  destruct (mean_value f (Derive f) 0 b) as [u [Hu Eu]];
    [unfold b; lra|intros; apply slope_exists|].
  destruct (mean_value f (Derive f) a 0) as [v [Hv Ev]];
    [unfold a; lra|intros; apply slope_exists|].
  assert (0 < Derive f u) by (unfold b in *; nra).
  assert (Derive f v < 0) by (unfold a in *; nra).
  destruct (intermediate_value (Derive f) v u 0) as [c [_ Hc]];
    [exact slope_continuous|unfold a, b in *; lra|lra|].
  apply (one_peak any _ c); [easy| |].
  - intros x y [_ Hx] [_ Hy] Hxy; assert (M := falls_before c Hc x y Hx Hy Hxy); lra.
  - intros x y [_ Hx] [_ Hy] Hxy; assert (M := rises_after c Hc x y Hx Hy Hxy); lra.
Qed.

End StrictlyConvex.

Lemma root_after (f : R -> R) y : (forall x, continuity_pt f x) -> increasing_on nonnegative f ->
  f 0 = 0 -> (exists b, 0 < b /\ y <= f b) -> 0 < y -> exists! a, 0 < a /\ f a = y.
Proof.
  intros Hc Hi H0 [b [Hb Hy]] Hp.
  destruct (intermediate_value f 0 b y) as [a [Ha E]]; [easy|lra|lra|].
  exists a; split.
  - split; [|easy]; destruct (Req_dec a 0) as [->|]; lra.
  - intros a' [Ha' E']; destruct (Rtotal_order a a') as [H|[H|H]]; [exfalso|easy|exfalso].
    + assert (f a < f a') by (apply Hi; unfold nonnegative; lra); lra.
    + assert (f a' < f a) by (apply Hi; unfold nonnegative; lra); lra.
Qed.

Lemma root_on_each_side (f : R -> R) :
  (forall t, any t -> exists d : R, is_derive_2 f t d /\ d > 0) -> f 0 = 0 -> is_derive f 0 0 ->
  one_root_on_each_side f.
Proof.
  intros H H0 Hs; assert (E : Derive f 0 = 0) by now apply is_derive_unique.
  assert (Hc : forall x, continuity_pt f x)
    by (intros x; apply (derive_continuity f x (Derive f x)), slope_exists, H).
  assert (Hf := falls_before f H 0 E); assert (Hr := rises_after f H 0 E).
  assert (grow : forall s y, s = 1 \/ s = -1 -> exists b, 0 < b /\ y <= f (s * b)).
  { intros s y Hs1; set (q := f s).
    assert (Hq : 0 < q) by (apply (above_tangent_strictly any interval_any); try easy; lra).
    exists (1 + Rabs y / q); assert (0 <= Rabs y / q)
      by (apply Rmult_le_pos; [apply Rabs_pos|apply Rlt_le; now apply Rinv_0_lt_compat]).
    set (b := 1 + Rabs y / q) in *; split; [unfold b; lra|].
    assert (Hcv := convex_by_curvature any interval_any f).
    assert (M : f ((1 - / b) * 0 + / b * (s * b)) <= (1 - / b) * f 0 + / b * f (s * b)).
    { apply Hcv; [|easy|easy|].
      - intros t Ht; destruct (H t Ht) as [d [Hd Hp]]; exists d; split; [easy|lra].
      - assert (0 < / b) by (apply Rinv_0_lt_compat; unfold b; lra).
        assert (/ b <= 1) by (rewrite <- Rinv_1; apply Rinv_le_contravar; unfold b; lra); lra. }
    replace ((1 - / b) * 0 + / b * (s * b)) with s in M by (field; unfold b; lra).
    rewrite H0 in M; fold q in M.
    assert (q * b <= f (s * b)).
    { replace (f (s * b)) with (((1 - / b) * 0 + / b * f (s * b)) * b) by (field; unfold b; lra).
      apply Rmult_le_compat_r; [unfold b|]; lra. }
    assert (q * b = q + Rabs y) by (unfold b; field; lra); assert (Hy := Rle_abs y); lra. }
  split; [easy|]; split; [exact Hf|]; split; [exact Hr|]; intros y Hy; split.
  - apply root_after; try easy; destruct (grow 1 y ltac:(lra)) as [b Hb]; exists b.
    now rewrite Rmult_1_l in Hb.
  - destruct (root_after (fun a => f (- a)) y) as [a [[Ha Ea] Hu]]; try easy.
    + intros x; apply (continuity_pt_comp Ropp f); [|apply Hc].
      apply derivable_continuous_pt, derivable_pt_opp, derivable_pt_id.
    + intros u w Hu Hw Huw; apply Hf; unfold nonnegative in *; lra.
    + cbv beta; now rewrite Ropp_0.
    + destruct (grow (-1) y ltac:(lra)) as [b Hb]; exists b.
      now replace (- b) with (-1 * b) by ring.
    + exists (- a); split; [split; [lra|easy]|]; intros a' [Ha' Ea'].
      rewrite (Hu (- a')) by (split; [lra|now rewrite Ropp_involutive]); ring.
Qed.

(** ** Growth *)

Lemma bounded_growth (f : R -> R) r x : f 0 = 0 ->
  (forall t, exists d : R, is_derive f t d /\ d <= r) ->
  (forall t, exists d : R, is_derive f t d /\ d >= - r) -> Rabs (f x) <= r * Rabs x.
Proof.
  intros H0 Hu Hl.
  assert (Hd : forall t, is_derive f t (Derive f t))
    by (intros t; destruct (Hu t) as [d [H _]]; apply Derive_correct; now exists d).
  destruct (mean_value_between f (Derive f) 0 x Hd) as [c [_ E]].
  rewrite H0, !Rminus_0_r in E; rewrite E, Rabs_mult.
  apply Rmult_le_compat_r; [apply Rabs_pos|]; apply Rabs_le.
  destruct (Hu c) as [d [H1 H2]], (Hl c) as [e [H3 H4]].
  apply is_derive_unique in H1; apply is_derive_unique in H3; rewrite H1 in *; lra.
Qed.

Lemma gronwall (f g : R -> R) r x : 0 <= x -> (forall t, is_derive f t (g t)) ->
  (forall t, r * f t - g t >= 0) -> (forall t, r * f t + g t >= 0) ->
  f 0 * exp (- r * x) <= f x <= f 0 * exp (r * x).
Proof.
  intros Hx Hd Hu Hl.
  assert (K : forall s, is_derive (fun t => f t * exp (s * t)) x (g x * exp (s * x) + f x * (s * exp (s * x))) /\
    forall t, is_derive (fun t => f t * exp (s * t)) t ((g t + s * f t) * exp (s * t))).
  { assert (M : forall s t, is_derive (fun t => f t * exp (s * t)) t ((g t + s * f t) * exp (s * t))).
    { intros s t; eapply is_derive_value; [apply is_derive_product; [apply Hd|]|].
      - apply (is_derive_comp exp (fun t => s * t)); [apply is_derive_exp|].
        apply (is_derive_scal (fun t => t) t s 1), @is_derive_id.
      - unfold scal; simpl; unfold mult; simpl; ring. }
    intros s; split; [eapply is_derive_value; [apply M|ring]|apply M]. }
  assert (P : forall t, 0 < exp t) by apply exp_pos.
  assert (A : f x * exp (- r * x) <= f 0).
  { assert (N := nonincreasing _ _ (proj2 (K (- r)))); cbv beta in N.
    specialize (N (fun t => ltac:(specialize (Hu t); specialize (P (- r * t)); nra)) 0 x Hx).
    rewrite Rmult_0_r, exp_0 in N; lra. }
  assert (B : f 0 <= f x * exp (r * x)).
  { assert (N := nondecreasing _ _ (proj2 (K r))); cbv beta in N.
    specialize (N (fun t => ltac:(specialize (Hl t); specialize (P (r * t)); nra)) 0 x Hx).
    rewrite Rmult_0_r, exp_0 in N; lra. }
  assert (E : exp (- r * x) * exp (r * x) = 1)
    by (rewrite <- exp_plus, <- exp_0; f_equal; ring).
  split.
  - apply Rmult_le_compat_r with (r := exp (- r * x)) in B; [|apply Rlt_le, P].
    replace (f x * exp (r * x) * exp (- r * x)) with (f x * (exp (- r * x) * exp (r * x))) in B by ring.
    rewrite E in B; lra.
  - apply Rmult_le_compat_r with (r := exp (r * x)) in A; [|apply Rlt_le, P].
    replace (f x * exp (- r * x) * exp (r * x)) with (f x * (exp (- r * x) * exp (r * x))) in A by ring.
    rewrite E in A; lra.
Qed.

(** ** Sums over all texts *)

Lemma Sum_texts (V n : nat) f : (0 < V)%nat ->
  Sum (range 1 (1 + V * n)) f = Sum (range 0 n) (fun j => Sum (range 0 V) (fun z => f (1 + V * j + z)%nat)).
Proof.
  intros HV; induction n as [|n IH].
  - rewrite Nat.mul_0_r; reflexivity.
  - rewrite (Sum_cut 1 (1 + V * n)%nat) by nia; rewrite IH, (Sum_cut 0 n (S n)) by lia; f_equal.
    unfold range; replace (S n - n)%nat with 1%nat by lia.
    replace (1 + V * S n - (1 + V * n))%nat with V by nia; rewrite Nat.sub_0_r; simpl seq.
    unfold Sum at 2; simpl fold_right; rewrite Rplus_0_r.
    assert (shift : forall k m, Sum (seq m k) f = Sum (seq 0 k) (fun z => f (m + z)%nat)).
    { induction k as [|k IHk]; intros m; [reflexivity|].
      cbn [seq]; rewrite !Sum_cons, IHk, Nat.add_0_r, <- seq_shift, Sum_map; f_equal.
      apply Sum_ext; intros z _; f_equal; lia. }
    apply shift.
Qed.

Lemma derive_2_minus (f g : R -> R) x a b :
  is_derive_2 f x a -> is_derive_2 g x b -> is_derive_2 (fun t => f t - g t) x (a - b).
Proof.
  intros [f1 [Hf Hf1]] [g1 [Hg Hg1]]; exists (fun t => f1 t - g1 t); split;
    [|now apply is_derive_difference].
  eapply filter_imp; [|apply filter_and; [exact Hf|exact Hg]].
  intros t [H1 H2]; now apply is_derive_difference.
Qed.

Lemma ordered_by_curvature (f g f2 g2 : R -> R) x :
  (forall t, nonnegative t -> is_derive_2 f t (f2 t)) ->
  (forall t, nonnegative t -> is_derive_2 g t (g2 t)) ->
  (forall t, nonnegative t -> f2 t <= g2 t) -> f 0 = 0 -> g 0 = 0 ->
  is_derive f 0 0 -> is_derive g 0 0 -> nonnegative x -> f x <= g x.
Proof.
  intros Hf Hg Hle F0 G0 DF DG Hx; enough (0 <= g x - f x) by lra.
  apply (above_tangent nonnegative interval_nonnegative (fun t => g t - f t)).
  - apply Rle_refl.
  - rewrite F0, G0; ring.
  - eapply is_derive_value; [apply is_derive_difference; [exact DG|exact DF]|ring].
  - intros t Ht; exists (g2 t - f2 t); split; [apply derive_2_minus; auto|].
    specialize (Hle t Ht); lra.
  - exact Hx.
Qed.

(** What a function is at a place, against how it is printed there. *)
Ltac zeros :=
  rewrite ?(pow_i 2), ?(pow_i 3), ?(pow_i 4) by lia;
  repeat progress
    rewrite ?Rmult_0_r, ?Rmult_0_l, ?exp_0, ?ln_1, ?Rplus_0_l, ?Rplus_0_r, ?Rmult_1_l, ?Rmult_1_r.

#[global] Instance Sum_proper T :
  Proper (eq ==> pointwise_relation T eq ==> eq) (@Sum T).
Proof. intros l l' <- f g H; apply Sum_ext; intros z _; apply H. Qed.

Ltac zeros_inside :=
  zeros; repeat setoid_rewrite Rmult_0_l; repeat setoid_rewrite exp_0;
  repeat setoid_rewrite Rmult_1_r.

Ltac alike_at :=
  cbv beta; zeros;
  first
    [ reflexivity
    | ring
    | lazymatch goal with
      | |- Sum _ _ = Sum _ _ => apply Sum_range_ext; intros ? ?; alike_at
      | |- Sum _ _ = 0 => apply Sum_zero; intros ? _; alike_at
      | |- _ + _ = _ + _ => apply f_equal2; alike_at
      | |- _ * _ = _ * _ => apply f_equal2; alike_at
      | |- _ => progress f_equal; alike_at
      end
    | zeros_inside; first [ reflexivity | ring ] ].

Ltac at_place H := first [ exact H | eapply eq_trans; [|exact H]; alike_at ].

Ltac in_domain := unfold any, positive, nonnegative; first [ exact I | assumption | lra | sgn ].

Lemma over_texts (V n : nat) (F : nat -> R) (child : nat -> nat -> R) :
  (0 < V)%nat -> (forall j z, (j < n)%nat -> (z < V)%nat -> F (1 + V * j + z)%nat = child j z) ->
  Sum (range n (1 + V * n)) F
  = F 0%nat + Sum (range 0 n) (fun j => Sum (range 0 V) (child j) - F j).
Proof.
  intros HV Hc; assert (E : Sum (range 0 n) F + Sum (range n (1 + V * n)) F
    = F 0%nat + Sum (range 1 (1 + V * n)) F).
  { rewrite <- Sum_cut by nia; rewrite (Sum_cut 0 1 (1 + V * n)) by lia; f_equal.
    unfold range; simpl; ring. }
  rewrite Sum_texts in E by easy; rewrite Sum_minus.
  replace (Sum (range 0 n) (fun j => Sum (range 0 V) (child j)))
    with (Sum (range 0 n) (fun j => Sum (range 0 V) (fun z => F (1 + V * j + z)%nat))); [lra|].
  apply Sum_range_ext; intros j Hj; apply Sum_range_ext; intros z Hz; apply Hc; lia.
Qed.

(** The prefix before a text and its last token. *)
Lemma prefix_before V j z : (z < V)%nat -> ((1 + V * j + z - 1) / V = j)%nat.
Proof.
  intros H; replace (1 + V * j + z - 1)%nat with (j * V + z)%nat by lia.
  rewrite Nat.div_add_l, Nat.div_small by lia; lia.
Qed.

Lemma last_token V j z : (z < V)%nat -> ((1 + V * j + z + V - 1) mod V = z)%nat.
Proof.
  intros H; replace (1 + V * j + z + V - 1)%nat with (z + (j + 1) * V)%nat by lia.
  rewrite Nat.mod_add, Nat.mod_small by lia; lia.
Qed.

(** Sums are compared term by term, not unfolded. *)
Global Opaque Sum range is_derive is_lim exp ln sqrt Rpower Rabs.
