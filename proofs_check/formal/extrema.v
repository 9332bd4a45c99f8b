(** * Curves that go up and down

    What it means that the interior extrema of a curve are exactly the points of a list, and how
    many there are at most when the slope changes sign a bounded number of times. *)

From Coq Require Import Sorted FinFun Classical Lia.
From SteeringStrength Require Import analysis variation.

(** [f] strictly moves on [I], upwards where [s] is positive and downwards where it is negative. *)
Definition moves (s : R) (f : R -> R) (I : R -> Prop) : Prop :=
  forall a b, I a -> I b -> a < b -> 0 < s * (f b - f a).

(** From [x] on, the curve [f] has its extrema exactly at the points of [l], in ascending order: it
    strictly moves between them, in alternating directions, and [s] is the first direction. *)
Fixpoint zigzag (f : R -> R) (s : R) (x : Rbar) (l : list R) : Prop :=
  match l with
  | [] => moves s f (fun a => Rbar_le x a)
  | e :: l => Rbar_lt x e /\ moves s f (fun a => Rbar_le x a /\ a <= e) /\ zigzag f (- s) e l
  end.

(** ** What a zigzag says about local extrema *)

(** A strict local maximum or minimum. *)
Definition local_extremum (f : R -> R) (e : R) : Prop :=
  exists s d, 0 < d /\ forall x, x <> e -> Rabs (x - e) < d -> 0 < s * (f e - f x).

Lemma room (x : Rbar) (e : R) :
  Rbar_lt x e -> exists d, 0 < d /\ forall y, Rabs (y - e) < d -> Rbar_le x y.
Proof.
  destruct x as [x| |]; intros Hx; [|easy|exists 1; split; [lra|easy]].
  simpl in Hx; exists (e - x); split; [lra|]; intros y Hy; apply Rabs_def2 in Hy; simpl; lra.
Qed.

Lemma no_extremum_inside f s (I : R -> Prop) e d :
  moves s f I -> 0 < d -> (forall y, Rabs (y - e) < d -> I y) -> ~ local_extremum f e.
Proof.
  intros Hm Hd HI (t & d' & Hd' & Ht); set (h := Rmin d d' / 2).
  assert (Hh : 0 < h /\ h < d /\ h < d').
  { assert (0 < Rmin d d') by now apply Rmin_glb_lt.
    generalize (Rmin_l d d') (Rmin_r d d'); unfold h; lra. }
  assert (Hright : Rabs (e + h - e) = h) by (rewrite Rabs_right; lra).
  assert (Hleft : Rabs (e - h - e) = h) by (rewrite Rabs_left; lra).
  assert (Hme : Rabs (e - e) < d) by (replace (e - e) with 0 by ring; rewrite Rabs_R0; lra).
  assert (T1 := Ht (e + h) ltac:(lra) ltac:(lra)); assert (T2 := Ht (e - h) ltac:(lra) ltac:(lra)).
  assert (M1 := Hm e (e + h) (HI e Hme) (HI (e + h) ltac:(lra)) ltac:(lra)).
  assert (M2 := Hm (e - h) e (HI (e - h) ltac:(lra)) (HI e Hme) ltac:(lra)).
  set (u := f (e + h) - f e) in *; set (w := f e - f (e - h)) in *.
  replace (f e - f (e + h)) with (- u) in T1 by (unfold u; ring).
  assert (P1 := Rmult_lt_0_compat _ _ T1 T2); assert (P2 := Rmult_lt_0_compat _ _ M1 M2).
  replace (t * - u * (t * w)) with (- (t * t) * (u * w)) in P1 by ring.
  replace (s * u * (s * w)) with (s * s * (u * w)) in P2 by ring.
  assert (Hs := Rle_0_sqr s); assert (Htt := Rle_0_sqr t); unfold Rsqr in *.
  destruct (Rle_dec 0 (u * w)) as [Huw|Huw].
  - assert (0 <= t * t * (u * w)) by now apply Rmult_le_pos.
    lra.
  - assert (0 <= s * s * - (u * w)) by (apply Rmult_le_pos; lra); lra.
Qed.

Lemma zigzag_beyond f (l : list R) : forall s (x : Rbar) (e : R),
  zigzag f s x l -> In e l -> Rbar_lt x e.
Proof.
  induction l as [|e' l IH]; intros s x e Hz He; [easy|]; destruct Hz as (Hx & _ & Hz).
  destruct He as [<-|He]; [easy|].
  eapply Rbar_lt_trans; [exact Hx|now apply (IH (- s) (Finite e') e)].
Qed.

Lemma zigzag_ascending f (l : list R) : forall s (x : Rbar),
  zigzag f s x l -> StronglySorted Rlt l.
Proof.
  induction l as [|e l IH]; intros s x Hz; constructor; destruct Hz as (_ & _ & Hz);
    [now apply (IH (- s) (Finite e))|].
  apply Forall_forall; intros a Ha; exact (zigzag_beyond f l (- s) (Finite e) a Hz Ha).
Qed.

(** The points of a zigzag are the strict local extrema of the curve, all of them and no other. *)
Lemma zigzag_extrema f (l : list R) : forall s (x : Rbar) (e : R),
  zigzag f s x l -> Rbar_lt x e -> (In e l <-> local_extremum f e).
Proof.
  induction l as [|e' l IH]; intros s x e Hz Hx; destruct (room x e Hx) as (d & Hd & Hroom).
  - split; [easy|]; intros He; exfalso; revert He.
    now apply (no_extremum_inside f s _ e d Hz).
  - assert (Hafter := fun a => zigzag_beyond f l (- s) e' a (proj2 (proj2 Hz))).
    destruct Hz as (Hx' & Hm & Hz); destruct (Rtotal_order e e') as [Hlt|[->|Hgt]].
    + split.
      * intros [->|He]; [lra|]; specialize (Hafter e He); simpl in Hafter; lra.
      * intros He; exfalso; revert He.
        apply (no_extremum_inside f s _ e (Rmin d (e' - e)) Hm); [apply Rmin_glb_lt; lra|].
        intros y Hy; assert (H1 := Rmin_l d (e' - e)); assert (H2 := Rmin_r d (e' - e)).
        split; [apply Hroom; lra|apply Rabs_def2 in Hy; lra].
    + split; [|now left]; intros _.
      assert (Hnext : exists d', 0 < d'
        /\ forall y, e' < y -> y < e' + d' -> 0 < - s * (f y - f e')).
      { destruct l as [|e2 l].
        - exists 1; split; [lra|]; intros y Hy _; apply Hz; simpl; lra.
        - destruct Hz as (He2 & Hm2 & _); simpl in He2; exists (e2 - e'); split; [lra|].
          intros y Hy Hy2; apply Hm2; simpl; lra. }
      destruct Hnext as (d' & Hd' & Hnext); exists s, (Rmin d d'); split; [now apply Rmin_glb_lt|].
      intros y Hne Hy; assert (H1 := Rmin_l d d'); assert (H2 := Rmin_r d d').
      assert (Hy' := Rabs_def2 _ _ Hy); destruct (Rlt_dec y e') as [Hlt|Hge].
      * apply Hm; [split; [apply Hroom|]|split; [now apply Rbar_lt_le|]|]; lra.
      * specialize (Hnext y ltac:(lra) ltac:(lra)); lra.
    + rewrite <- (IH (- s) (Finite e') e Hz Hgt); split; [|now right].
      intros [E|He]; [lra|easy].
Qed.

(** At most [n] zeros. *)
Definition few_zeros (f : R -> R) (n : nat) : Prop :=
  forall l, Sorted Rlt l -> (forall a, In a l -> f a = 0) -> (length l <= n)%nat.

Lemma few_zeros_rolle (g dg : R -> R) (n : nat) :
  (forall x, is_derive g x (dg x)) -> few_zeros dg n -> few_zeros g (S n).
Proof.
  intros Hd Hn.
  assert (Hrolle : forall l a, Sorted Rlt (a :: l) -> (forall b, In b (a :: l) -> g b = 0) ->
    exists k, Sorted Rlt k /\ HdRel Rlt a k /\ (forall c, In c k -> dg c = 0)
      /\ length k = length l).
  { induction l as [|b l IH]; intros a Hs H0; [exists []; simpl; intuition|].
    apply Sorted_inv in Hs; destruct Hs as [Hs Hab]; apply HdRel_inv in Hab.
    destruct (IH b Hs) as (k & Hk & Hbk & Hz & Hlen); [intros; apply H0; now right|].
    destruct (mean_value g dg a b Hab) as (c & Hc & He); [auto|].
    rewrite !H0 in He by (simpl; auto); exists (c :: k); split; [|split; [|split]].
    - constructor; [easy|]; destruct Hbk; constructor; lra.
    - constructor; lra.
    - intros x [<-|Hx]; [|auto]; apply (Rmult_eq_reg_r (b - a)); lra.
    - simpl; now rewrite Hlen. }
  intros [|a l] Hs H0; simpl; [lia|]; destruct (Hrolle l a Hs H0) as (k & Hk & _ & Hz & Hlen).
  rewrite <- Hlen; apply le_n_S; now apply Hn.
Qed.

(** The zeros of such a function can be listed. *)
Lemma zeros_listed (f : R -> R) (n : nat) :
  few_zeros f n -> exists l, StronglySorted Rlt l /\ forall a, f a = 0 -> In a l.
Proof.
  intros Hn.
  assert (H : forall k l, StronglySorted Rlt l -> (forall a, In a l -> f a = 0) ->
    (n <= length l + k)%nat -> exists l, StronglySorted Rlt l /\ forall a, f a = 0 -> In a l).
  { induction k as [|k IH]; intros l Hs H0 Hlen;
      destruct (classic (forall a, f a = 0 -> In a l)) as [|Hmiss]; try (now exists l);
      apply not_all_ex_not in Hmiss; destruct Hmiss as [a Ha];
      apply imply_to_and in Ha; destruct Ha as [Ha Hout];
      assert (Hs' := insert_ascending a l Hs); assert (Hlen' := insert_length a l Hout);
      assert (H0' : forall b, In b (insert a l) -> f b = 0)
        by (intros b Hb; apply In_insert in Hb; destruct Hb as [->|Hb]; auto).
    - assert (H := Hn _ (StronglySorted_Sorted Hs') H0'); lia.
    - apply (IH (insert a l)); [easy|easy|lia]. }
  apply (H n []); [constructor|easy|simpl; lia].
Qed.

Section Extrema.

Variables f h : R -> R.
Hypothesis slope : forall x, is_derive f x (h x).

Lemma moves_slope (s : R) (I J : R -> Prop) :
  (forall a b x, I a -> I b -> a < x < b -> J x) -> (forall x, J x -> 0 < s * h x) -> moves s f I.
Proof.
  intros HI HJ a b Ha Hb Hab; destruct (mean_value f h a b Hab) as [c [Hc He]]; [auto|].
  rewrite He, <- Rmult_assoc; apply Rmult_lt_0_compat; [apply HJ, (HI a b); easy|lra].
Qed.

Lemma moves_join (s e : R) (I : R -> Prop) :
  moves s f (fun a => I a /\ a <= e) -> moves s f (fun a => I a /\ e <= a) -> I e ->
  moves s f I.
Proof.
  intros H1 H2 He a b Ha Hb Hab.
  destruct (Rle_dec b e) as [Hbe|Hbe]; [apply H1; try split; lra || easy|].
  destruct (Rle_dec e a) as [Hea|Hea]; [apply H2; try split; lra || easy|].
  assert (0 < s * (f e - f a)) by (apply H1; try split; lra || easy).
  assert (0 < s * (f b - f e)) by (apply H2; try split; lra || easy).
  replace (s * (f b - f a)) with (s * (f e - f a) + s * (f b - f e)) by ring; lra.
Qed.

Lemma zigzag_join (s e : R) (x : Rbar) (l : list R) :
  Rbar_lt x e -> moves s f (fun a => Rbar_le x a /\ a <= e) -> zigzag f s e l -> zigzag f s x l.
Proof.
  intros Hx Hm; assert (Hxe := Rbar_lt_le _ _ Hx); destruct l as [|e' l]; simpl.
  - intros H; apply (moves_join s e); [easy| |easy].
    intros a b [_ Ha] [_ Hb]; now apply H.
  - intros (He & H & Hz); split; [|split; [|easy]].
    + eapply Rbar_lt_trans; [exact Hx|exact He].
    + apply (moves_join s e); [| |split; [easy|lra]].
      * intros a b [[Ha _] Ha'] [[Hb _] Hb']; now apply Hm.
      * intros a b [[_ Ha] Ha'] [[_ Hb] Hb']; now apply H.
Qed.

(** ** Both ends of a zigzag *)

Lemma zigzag_start (s : R) (l : list R) :
  zigzag f s m_infty l -> exists B, moves s f (fun a => a <= B).
Proof.
  destruct l as [|e l]; simpl; [intros H; exists 0|intros (_ & H & _); exists e];
    intros a b Ha Hb; now apply H.
Qed.

Lemma zigzag_end (l : list R) : forall s (x : Rbar),
  Rbar_lt x p_infty -> zigzag f s x l ->
  exists B, moves (s * (-1) ^ length l) f (fun a => B <= a).
Proof.
  induction l as [|e l IH]; intros s x Hx Hz.
  - simpl; rewrite Rmult_1_r; destruct x as [x| |]; [exists x|easy|exists 0]; intros a b Ha Hb;
      now apply Hz.
  - destruct Hz as (_ & _ & Hz); destruct (IH (- s) e) as [B HB]; [easy|easy|exists B].
    simpl; now replace (s * (-1 * (-1) ^ length l)) with (- s * (-1) ^ length l) by ring.
Qed.

(** ** A curve with finitely many critical points is a zigzag *)

Hypothesis slope_continuous : forall x, continuity_pt h x.

Lemma constant_sign (x y : Rbar) :
  Rbar_lt x y -> (forall a : R, Rbar_lt x a -> Rbar_lt a y -> h a <> 0) ->
  exists s, (s = 1 \/ s = -1) /\ forall a : R, Rbar_lt x a -> Rbar_lt a y -> 0 < s * h a.
Proof.
  intros Hxy Hn.
  assert (Hmid : exists m : R, Rbar_lt x m /\ Rbar_lt m y).
  { destruct x as [x| |], y as [y| |]; simpl in *; try easy.
    - exists ((x + y) / 2); lra.
    - exists (x + 1); lra.
    - exists (y - 1); lra.
    - now exists 0. }
  destruct Hmid as (m & Hxm & Hmy).
  set (s := if Rlt_dec 0 (h m) then 1 else -1).
  assert (Hs : s = 1 \/ s = -1) by (unfold s; destruct (Rlt_dec 0 (h m)); auto).
  assert (Hm : 0 < s * h m).
  { unfold s; destruct (Rlt_dec 0 (h m)); [lra|]; specialize (Hn m Hxm Hmy); lra. }
  exists s; split; [easy|]; intros a Hxa Hay; specialize (Hn a Hxa Hay) as Ha.
  destruct (Rlt_dec 0 (s * h a)) as [|Hneg]; [easy|exfalso].
  destruct (IVT_gen h m a 0) as (c & Hc & Hz); [intros z; apply slope_continuous| |].
  { destruct Hs as [E|E]; rewrite E in *; unfold Rmin, Rmax; destruct (Rle_dec (h m) (h a)); lra. }
  revert Hz; apply Hn.
  - destruct x as [x| |]; simpl in *; try easy.
    apply Rlt_le_trans with (2 := proj1 Hc); now apply Rmin_glb_lt.
  - destruct y as [y| |]; simpl in *; try easy.
    apply Rle_lt_trans with (1 := proj2 Hc); now apply Rmax_lub_lt.
Qed.

Lemma zigzag_exists (zeros : list R) : forall x : Rbar,
  Rbar_lt x p_infty ->
  (forall a : R, In a zeros -> Rbar_lt x a) -> Sorted Rlt zeros ->
  (forall a : R, Rbar_lt x a -> h a = 0 -> In a zeros) ->
  exists s l, (s = 1 \/ s = -1) /\ zigzag f s x l.
Proof.
  induction zeros as [|e zeros IH]; intros x Hx Hlow Hsorted Hall.
  - destruct (constant_sign x p_infty Hx) as (s & Hs & Hpos).
    { intros a Ha _ H0; now apply (Hall a). }
    exists s, []; split; [easy|]; simpl.
    apply (moves_slope s _ (fun a => Rbar_lt x a)); [|intros; now apply Hpos].
    intros a b c Ha _ [Hac _]; eapply Rbar_le_lt_trans; [exact Ha|exact Hac].
  - assert (Hxe : Rbar_lt x e) by (apply Hlow; now left).
    apply Sorted_StronglySorted in Hsorted; [|intros a b c; apply Rlt_trans].
    assert (He := ascending_head e zeros Hsorted); apply StronglySorted_inv in Hsorted.
    destruct Hsorted as [Hsorted _]; apply StronglySorted_Sorted in Hsorted.
    destruct (IH e) as (s' & l & Hs' & Hz); [easy|exact He|easy| |].
    { intros a Ha H0; destruct (Hall a) as [E|Hin]; [|easy|rewrite E in Ha; simpl in Ha; lra|easy].
      eapply Rbar_lt_trans; [exact Hxe|exact Ha]. }
    destruct (constant_sign x e Hxe) as (s & Hs & Hpos).
    { intros a Ha Hae H0; destruct (Hall a Ha H0) as [<-|Hin]; [simpl in Hae; lra|].
      specialize (He a Hin); simpl in Hae; lra. }
    assert (Hm : moves s f (fun a => Rbar_le x a /\ a <= e)).
    { apply (moves_slope s _ (fun a => Rbar_lt x a /\ a < e)).
      - intros a b c [Ha _] [_ Hb] [Hac Hcb]; split; [|lra].
        eapply Rbar_le_lt_trans; [exact Ha|exact Hac].
      - intros a [Ha Hae]; now apply Hpos. }
    assert (Hcase : s' = s \/ s' = - s) by (destruct Hs as [-> | ->], Hs' as [-> | ->]; lra).
    destruct Hcase as [-> | ->].
    + exists s, l; split; [easy|now apply (zigzag_join s e)].
    + exists s, (e :: l); split; [easy|]; now simpl.
Qed.

(** ** How many extrema *)

(** A zigzag shows one more run of the slope than it has extrema. *)
Lemma zigzag_runs (l : list R) : forall s (x : Rbar),
  Rbar_lt x p_infty -> s <> 0 -> zigzag f s x l ->
  exists k, Sorted Rlt k /\ (forall a : R, In a k -> Rbar_lt x a)
    /\ (S (length l) <= changes (- s) (map h k))%nat.
Proof.
  assert (Hpoint : forall s (x : Rbar) (b : R), Rbar_lt x b ->
    moves s f (fun a => Rbar_le x a /\ a <= b) ->
    exists c : R, Rbar_lt x c /\ c < b /\ 0 < s * h c).
  { intros s x b Hxb Hm.
    assert (Ha : exists a : R, Rbar_le x a /\ a < b).
    { destruct x as [x| |]; simpl in *; [exists x; lra|easy|exists (b - 1); split; lra || easy]. }
    destruct Ha as (a & Hxa & Hab); destruct (mean_value f h a b Hab) as (c & Hc & He); [auto|].
    exists c; split; [eapply Rbar_le_lt_trans; [exact Hxa|apply Hc]|split; [apply Hc|]].
    assert (H : 0 < s * (f b - f a))
      by (apply Hm; [split; [easy|lra]|split; [now apply Rbar_lt_le|lra]|easy]).
    rewrite He, <- Rmult_assoc in H; apply (Rmult_lt_reg_r (b - a)); lra. }
  induction l as [|e l IH]; intros s x Hx Hs Hz.
  - assert (Hb : exists b : R, Rbar_lt x b).
    { destruct x as [x| |]; simpl in *; [exists (x + 1); lra|easy|now exists 0]. }
    destruct Hb as [b Hb]; destruct (Hpoint s x b Hb) as (c & Hxc & _ & Hc).
    { intros u v [Hu _] [Hv _]; now apply Hz. }
    exists [c]; split; [repeat constructor|split; [intros a [<-|[]]; easy|]]; simpl.
    destruct (Req_EM_T (h c) 0) as [E|_]; [rewrite E in Hc; lra|].
    destruct (Rlt_dec (- s * h c) 0); [lia|lra].
  - destruct Hz as (Hxe & Hm & Hz).
    destruct (Hpoint s x e Hxe Hm) as (c & Hxc & Hce & Hc).
    destruct (IH (- s) e) as (k & Hk & Hek & Hlen); [easy|lra|easy|].
    exists (c :: k); split; [|split].
    + constructor; [easy|]; destruct k as [|a k]; constructor.
      assert (Ha : Rbar_lt e a) by (apply Hek; now left); simpl in Ha; lra.
    + intros a [<-|Ha]; [easy|]; eapply Rbar_lt_trans; [exact Hxe|now apply Hek].
    + cbn [map changes]; destruct (Req_EM_T (h c) 0) as [E|E]; [rewrite E in Hc; lra|].
      assert (Hdir : changes (h c) (map h k) = changes (- - s) (map h k)).
      { apply changes_aligned; [apply Forall2_aligned_refl|].
        exists (h c / s); split; [|field; easy].
        replace (h c / s) with (s * h c * / (s * s)) by (field; easy).
        apply Rmult_lt_0_compat; [easy|]; apply Rinv_0_lt_compat; now apply Rsqr_pos_lt. }
      rewrite Hdir; destruct (Rlt_dec (- s * h c) 0); [simpl length; lia|lra].
Qed.

End Extrema.

(** ** Parity of sign changes *)

(** The last nonzero entry of a list, or [s] if there is none. *)
Fixpoint final (s : R) (l : list R) : R :=
  match l with
  | [] => s
  | x :: l => if Req_EM_T x 0 then final s l else final x l
  end.

Lemma final_nonzero l : forall s, s <> 0 -> final s l <> 0.
Proof. induction l as [|x l IH]; intros s Hs; simpl; [easy|]; destruct (Req_EM_T x 0); auto. Qed.

Lemma final_zeros l s : (forall x, In x l -> x = 0) -> final s l = s.
Proof.
  induction l as [|x l IH]; intros H; simpl; [easy|].
  destruct (Req_EM_T x 0) as [|n]; [apply IH; intros; apply H; now right|].
  elim n; apply H; now left.
Qed.

Lemma product_nonzero x y : x <> 0 -> y <> 0 -> x * y <> 0.
Proof. intros Hx Hy; now apply Rmult_integral_contrapositive. Qed.

(** The number of sign changes is even when the list ends on the side from which it comes. *)
Lemma changes_parity l : forall s, s <> 0 ->
  Nat.even (changes s l) = (if Rlt_dec 0 (s * final s l) then true else false).
Proof.
  induction l as [|x l IH]; intros s Hs.
  - simpl; assert (0 < s * s) by now apply Rsqr_pos_lt.
    destruct (Rlt_dec 0 (s * s)); easy.
  - cbn [changes final]; destruct (Req_EM_T x 0) as [|Hx]; [now apply IH|].
    assert (Hf := final_nonzero l x Hx); set (e := final x l) in *.
    assert (Hsx := product_nonzero s x Hs Hx); assert (Hxe := product_nonzero x e Hx Hf).
    assert (Hse := product_nonzero s e Hs Hf); specialize (IH x Hx); fold e in IH.
    assert (Hsq : 0 < x * x) by now apply Rsqr_pos_lt.
    assert (Hprod : (s * x) * (x * e) = (x * x) * (s * e)) by ring.
    destruct (Rlt_dec (s * x) 0) as [H1|H1].
    + rewrite Nat.add_1_l, Nat.even_succ, <- Nat.negb_even, IH.
      destruct (Rlt_dec 0 (x * e)) as [H2|H2], (Rlt_dec 0 (s * e)) as [H3|H3]; try easy; exfalso.
      * assert (0 < (x * x) * (s * e)) by now apply Rmult_lt_0_compat.
        assert (0 < (- (s * x)) * (x * e)) by (apply Rmult_lt_0_compat; lra); lra.
      * assert (0 < (- (s * x)) * (- (x * e))) by (apply Rmult_lt_0_compat; lra).
        assert (0 < (x * x) * (- (s * e))) by (apply Rmult_lt_0_compat; lra); lra.
    + rewrite Nat.add_0_l, IH.
      destruct (Rlt_dec 0 (x * e)) as [H2|H2], (Rlt_dec 0 (s * e)) as [H3|H3]; try easy; exfalso.
      * assert (0 < (s * x) * (x * e)) by (apply Rmult_lt_0_compat; lra).
        assert (0 < (x * x) * (- (s * e))) by (apply Rmult_lt_0_compat; lra); lra.
      * assert (0 < (s * x) * (- (x * e))) by (apply Rmult_lt_0_compat; lra).
        assert (0 < (x * x) * (s * e)) by now apply Rmult_lt_0_compat; lra.
        lra.
Qed.

Lemma differences_constant (r : R -> R) l v :
  (forall n, In n l -> r n = v) -> forall x, In x (differences (map r l)) -> x = 0.
Proof.
  induction l as [|m l IH]; intros Hr x Hx; [easy|]; destruct l as [|m2 l]; [easy|].
  change (In x ((r m2 - r m) :: differences (map r (m2 :: l)))) in Hx; destruct Hx as [<-|Hx].
  - rewrite !Hr by (simpl; auto); ring.
  - apply IH; [|easy]; intros n Hn; apply Hr; now right.
Qed.

(** The first value of a profile that differs from its start decides the first direction. *)
Lemma first_difference (r : R -> R) (l : list R) : forall m,
  StronglySorted Rlt (m :: l) ->
  (forall n, In n (m :: l) -> r n = r m)
  \/ exists f, In f l /\ r f <> r m /\ (forall n, In n (m :: l) -> n < f -> r n = r m)
     /\ forall s, 0 < s * (r f - r m) ->
        changes s (differences (map r (m :: l))) = turns (map r (m :: l)).
Proof.
  induction l as [|m2 l IH]; intros m Hs; [left; now intros n [<-|[]]|].
  assert (Hm := ascending_head m _ Hs); apply StronglySorted_inv in Hs; destruct Hs as [Hs _].
  assert (Hm2 := ascending_head m2 _ Hs).
  assert (Hstep : forall s, changes s (differences (map r (m :: m2 :: l)))
                  = changes s ((r m2 - r m) :: differences (map r (m2 :: l)))) by easy.
  unfold turns, sign_changes; destruct (Req_EM_T (r m2) (r m)) as [E|E].
  - destruct (IH m2 Hs) as [Hc|(f & Hf & Hne & Hlow & Hcount)].
    + left; intros n [<-|Hn]; [easy|]; now rewrite (Hc n Hn).
    + right; exists f; split; [now right|]; rewrite <- E; split; [easy|split].
      * intros n [<-|Hn]; [easy|auto].
      * intros s Hpos; rewrite (Hstep s), (Hstep 0); cbn [changes].
        destruct (Req_EM_T (r m2 - r m) 0); [|lra].
        now apply Hcount.
  - right; exists m2; split; [now left|]; split; [easy|split].
    + intros n [<-|[<-|Hn]] Hlt; [easy|lra|specialize (Hm2 n Hn); lra].
    + intros s Hpos; rewrite (Hstep s), (Hstep 0); cbn [changes].
      destruct (Req_EM_T (r m2 - r m) 0), (Rlt_dec (s * (r m2 - r m)) 0),
        (Rlt_dec (0 * (r m2 - r m)) 0); lra || easy.
Qed.

(** The last value that differs from the end decides the last direction. *)
Lemma last_difference (r : R -> R) (l : list R) : forall m,
  StronglySorted Rlt (m :: l) ->
  (forall n, In n (m :: l) -> r n = r m)
  \/ exists f v, In f (m :: l) /\ r f <> v /\ (exists n, In n l /\ f < n)
     /\ (forall n, In n (m :: l) -> f < n -> r n = v)
     /\ forall s, final s (differences (map r (m :: l))) = v - r f.
Proof.
  induction l as [|m2 l IH]; intros m Hs; [left; now intros n [<-|[]]|].
  assert (Hm := ascending_head m _ Hs); apply StronglySorted_inv in Hs; destruct Hs as [Hs _].
  assert (Hstep : forall s, final s (differences (map r (m :: m2 :: l)))
                  = final s ((r m2 - r m) :: differences (map r (m2 :: l)))) by easy.
  destruct (IH m2 Hs) as [Hc|(f & v & Hf & Hne & (n & Hn & Hfn) & Hhigh & Hfin)].
  - destruct (Req_EM_T (r m2) (r m)) as [E|E].
    + left; intros n [<-|Hn]; [easy|]; now rewrite (Hc n Hn).
    + right; exists m, (r m2); split; [now left|split; [congruence|split; [|split]]].
      * exists m2; split; [now left|apply Hm; now left].
      * intros n [<-|Hn] Hlt; [lra|auto].
      * intros s; rewrite Hstep; cbn [final]; destruct (Req_EM_T (r m2 - r m) 0); [lra|].
        apply final_zeros; now apply (differences_constant r _ (r m2)).
  - right; exists f, v; split; [now right|split; [easy|split; [|split]]].
    + exists n; split; [now right|easy].
    + intros x [<-|Hx] Hlt; [specialize (Hm f Hf); lra|auto].
    + intros s; rewrite Hstep; cbn [final]; destruct (Req_EM_T (r m2 - r m) 0); apply Hfin.
Qed.

(** ** Ratios of sums of exponentials *)

Lemma ratio_slope_few_zeros l : forall q r,
  StronglySorted Rlt l -> (forall m, In m l -> 0 < q m) ->
  (exists m n, In m l /\ In n l /\ r m <> r n) -> exists k, few_zeros (ratio_slope l q r) k.
Proof.
  induction l as [|m l IH]; intros q r Hl Hq (x & y & Hx & Hy & Hne); [easy|].
  destruct l as [|m2 l]; [destruct Hx as [<-|[]], Hy as [<-|[]]; easy|].
  destruct (ratio_step m m2 l q r Hl Hq) as (q' & g & dg & Hq' & Hg & Hd & Hdg & Hlim).
  apply StronglySorted_inv in Hl; destruct Hl as [Hl _].
  assert (Hzero : forall k, few_zeros g k -> few_zeros (ratio_slope (m :: m2 :: l) q r) k).
  { intros k Hk xs Hs H0; apply Hk; [easy|]; intros a Ha.
    apply (aligned_zero _ _ (Hg a)); auto. }
  destruct (classic (exists a b, In a (m2 :: l) /\ In b (m2 :: l) /\ r a <> r b)) as [Hv|Hc].
  - destruct (IH q' r Hl Hq' Hv) as [k Hk]; exists (S k); apply Hzero.
    apply (few_zeros_rolle g dg k Hd); intros xs Hs H0; apply Hk; [easy|]; intros a Ha.
    apply (aligned_zero _ _ (Hdg a)); auto.
  - assert (Hconst : forall a b, In a (m2 :: l) -> In b (m2 :: l) -> r a = r b).
    { intros a b Ha Hb; destruct (Req_dec (r a) (r b)); [easy|]; elim Hc; now exists a, b. }
    assert (Hjump : q m * (r m2 - r m) <> 0).
    { assert (0 < q m) by (apply Hq; now left); apply product_nonzero; [lra|].
      intros E; apply Hne; assert (Hm2 : In m2 (m2 :: l)) by now left.
      destruct Hx as [<-|Hx], Hy as [<-|Hy];
        rewrite ?(Hconst _ m2 Hx Hm2), ?(Hconst _ m2 Hy Hm2); lra. }
    exists 0%nat; apply Hzero; intros xs Hs H0; destruct xs as [|a xs]; [easy|exfalso].
    specialize (H0 a (or_introl eq_refl)).
    destruct (derivative_before g dg _ a Hd Hlim) as (c & _ & Hac); [lra|].
    assert (E : dg c = 0)
      by (apply (aligned_zero _ _ (Hdg c)); apply ratio_slope_constant; exact Hconst).
    apply (aligned_zero _ _ Hac) in E; lra.
Qed.

Lemma ratio_slope_continuous l q r x :
  l <> [] -> (forall m, In m l -> 0 < q m) -> continuity_pt (ratio_slope l q r) x.
Proof.
  intros Hl Hq; assert (H := exponential_sum_pos l q x Hl Hq).
  assert (Hc : forall c, continuity_pt (exponential_sum l c) x)
    by (intros; eapply derive_continuity, exponential_sum_derive).
  apply (continuity_pt_ext (fun x => (exponential_sum l (fun m => q m * r m * m) x
      * exponential_sum l q x - exponential_sum l (fun m => q m * r m) x
      * exponential_sum l (fun m => q m * m) x)
      / (exponential_sum l q x * exponential_sum l q x))).
  - intros a; unfold ratio_slope; f_equal; ring.
  - apply continuity_pt_div; [| |apply product_nonzero; lra].
    + apply continuity_pt_minus; apply continuity_pt_mult; apply Hc.
    + apply continuity_pt_mult; apply Hc.
Qed.

(** At plus infinity the largest exponent with a coefficient is all that counts. *)
Lemma exponential_sum_top l c top :
  NoDup l -> In top l -> (forall n, In n l -> top < n -> c n = 0) ->
  is_lim (fun x => exp (- x * top) * exponential_sum l c x) p_infty (c top).
Proof.
  intros Hl Ht Hc.
  apply (is_lim_ext (fun x => Sum l (fun n => c n * exp (- x * (top - n))))).
  - intros x; unfold exponential_sum; rewrite <- Sum_scal; apply Sum_ext; intros n _.
    replace (- x * (top - n)) with (- x * top + x * n) by ring; rewrite exp_plus; ring.
  - rewrite <- (Sum_select l top c Hl Ht).
    apply (is_lim_Sum l (fun n x => c n * exp (- x * (top - n)))); intros n Hn.
    destruct (Req_EM_T top n) as [<-|Hne].
    + apply (is_lim_ext (fun _ => c top)); [|apply is_lim_const]; intros x.
      replace (- x * (top - top)) with 0 by ring; rewrite exp_0; ring.
    + destruct (Rlt_dec top n) as [Hlt|Hge].
      * apply (is_lim_ext (fun _ => 0)); [|apply is_lim_const]; intros x.
        rewrite (Hc n Hn Hlt); ring.
      * eapply is_lim_value; [apply is_lim_scal, is_lim_decay; lra|ring].
Qed.

(** If from [f] on, excluded, the values are all [v], the ratio tends to [v] at an exact rate. *)
Lemma ratio_tail (l : list R) (q r : R -> R) (top f v : R) :
  NoDup l -> (forall n, In n l -> 0 < q n) ->
  In top l -> (forall n, In n l -> n <= top) -> In f l ->
  (forall n, In n l -> f < n -> r n = v) ->
  is_lim (fun x => exp (x * (top - f)) * (ratio l q r x - v)) p_infty (q f * (r f - v) / q top).
Proof.
  intros Hl Hq Htop Hmax Hf Hv.
  apply (is_lim_ext (fun x => exp (- x * f) * exponential_sum l (fun n => q n * (r n - v)) x
                              / (exp (- x * top) * exponential_sum l q x))).
  - intros x; assert (Hz : 0 < exponential_sum l q x)
      by (apply exponential_sum_pos; [now destruct l|easy]).
    replace (exponential_sum l (fun n => q n * (r n - v)) x)
      with (exponential_sum l (fun n => q n * r n) x - v * exponential_sum l q x).
    + replace (- x * f) with (x * (top - f) + - x * top) by ring; rewrite exp_plus.
      generalize (exp_pos (- x * top)); intros; unfold ratio; field; lra.
    + unfold exponential_sum; rewrite <- Sum_scal, <- Sum_minus; apply Sum_ext; intros; ring.
  - apply is_lim_quotient; [| |specialize (Hq top Htop); lra].
    + apply (exponential_sum_top l (fun n => q n * (r n - v))); [easy|easy|].
      intros n Hn Hlt; rewrite (Hv n Hn Hlt); ring.
    + apply exponential_sum_top; [easy|easy|]; intros n Hn Hlt; specialize (Hmax n Hn); lra.
Qed.

(** It ends in the direction from [r f] to [v]. *)
Lemma ratio_end (l : list R) (q r : R -> R) (top f v t B : R) :
  NoDup l -> (forall n, In n l -> 0 < q n) ->
  In top l -> (forall n, In n l -> n <= top) -> In f l -> f < top ->
  (forall n, In n l -> f < n -> r n = v) -> r f <> v ->
  moves t (ratio l q r) (fun a => B <= a) -> 0 < t * (v - r f).
Proof.
  intros Hl Hq Htop Hmax Hf Hft Hv Hne Hm.
  set (w := r f - v); set (h := fun x => ratio l q r x - v).
  assert (Htail := ratio_tail l q r top f v Hl Hq Htop Hmax Hf Hv); fold w in Htail.
  assert (Hzero : is_lim h p_infty 0).
  { apply (is_lim_ext (fun x => exp (- x * (top - f)) * (exp (x * (top - f)) * h x))).
    - intros x; rewrite <- Rmult_assoc, <- exp_plus.
      replace (- x * (top - f) + x * (top - f)) with 0 by ring; rewrite exp_0; ring.
    - eapply is_lim_value; [apply is_lim_product; [apply is_lim_decay; lra|exact Htail]|ring]. }
  assert (Hpos : 0 < w * (q f * w / q top)).
  { replace (w * (q f * w / q top)) with (q f / q top * (w * w)) by (unfold Rdiv; ring).
    apply Rmult_lt_0_compat; [apply Rdiv_lt_0_compat; auto|apply Rsqr_pos_lt; unfold w; lra]. }
  apply (is_lim_scal _ w) in Htail; destruct (Htail _ (open_gt 0 _ Hpos)) as [A HA].
  set (a := Rmax A B + 1).
  assert (Ha : A < a /\ B <= a) by (generalize (Rmax_l A B) (Rmax_r A B); unfold a; lra).
  assert (Hfar : 0 < w * h a).
  { apply (Rmult_lt_reg_l (exp (a * (top - f)))); [apply exp_pos|].
    specialize (HA a (proj1 Ha)); unfold h; lra. }
  assert (Hnear : t * h a < 0).
  { apply Rlt_le_trans with (t * h (a + 1)); [|apply (is_lim_le_loc (fun _ => t * h (a + 1))
      (fun x => t * h x) p_infty (t * h (a + 1)) 0)].
    - assert (H := Hm a (a + 1) ltac:(lra) ltac:(lra) ltac:(lra)); unfold h; lra.
    - exists (a + 1); intros x Hx; unfold h.
      assert (H := Hm (a + 1) x ltac:(lra) ltac:(lra) ltac:(lra)); lra.
    - apply is_lim_const.
    - eapply is_lim_value; [apply is_lim_scal, Hzero|ring]. }
  apply Rnot_le_lt; intros Hle; assert (0 <= t * w * (h a * h a)); [|nra].
  apply Rmult_le_pos; [unfold w; lra|nra].
Qed.

(** At the other end everything is seen backwards. *)
Lemma ratio_flip (l : list R) (q r : R -> R) x :
  ratio (map Ropp l) (fun n => q (- n)) (fun n => r (- n)) x = ratio l q r (- x).
Proof.
  unfold ratio, exponential_sum; rewrite !Sum_map.
  unfold Rdiv; f_equal; [|apply f_equal]; apply Sum_ext; intros n _;
    rewrite Ropp_involutive; do 2 f_equal; ring.
Qed.

Lemma In_opposite l n : In n (map Ropp l) <-> In (- n) l.
Proof.
  rewrite in_map_iff; split.
  - intros [x [<- Hx]]; now rewrite Ropp_involutive.
  - intros Hn; exists (- n); split; [apply Ropp_involutive|easy].
Qed.

Lemma NoDup_opposite l : NoDup l -> NoDup (map Ropp l).
Proof. apply Injective_map_NoDup; intros a b E; lra. Qed.

Lemma ratio_head (l : list R) (q r : R -> R) (bottom f v : R) :
  NoDup l -> (forall n, In n l -> 0 < q n) ->
  In bottom l -> (forall n, In n l -> bottom <= n) -> In f l ->
  (forall n, In n l -> n < f -> r n = v) ->
  is_lim (fun x => exp (- x * (f - bottom)) * (ratio l q r x - v)) m_infty
    (q f * (r f - v) / q bottom).
Proof.
  intros Hl Hq Hbot Hmin Hf Hv; apply is_lim_reflect.
  apply (is_lim_ext (fun x => exp (x * (- bottom - - f))
    * (ratio (map Ropp l) (fun n => q (- n)) (fun n => r (- n)) x - v))).
  - intros x; rewrite ratio_flip; do 2 f_equal; ring.
  - eapply is_lim_value; [apply ratio_tail|cbv beta; now rewrite !Ropp_involutive].
    + now apply NoDup_opposite.
    + intros n Hn; now apply Hq, In_opposite.
    + apply In_opposite; now rewrite Ropp_involutive.
    + intros n Hn; apply In_opposite, Hmin in Hn; lra.
    + apply In_opposite; now rewrite Ropp_involutive.
    + intros n Hn Hlt; apply Hv; [now apply In_opposite|lra].
Qed.

Lemma ratio_start (l : list R) (q r : R -> R) (bottom f v s B : R) :
  NoDup l -> (forall n, In n l -> 0 < q n) ->
  In bottom l -> (forall n, In n l -> bottom <= n) -> In f l -> bottom < f ->
  (forall n, In n l -> n < f -> r n = v) -> r f <> v ->
  moves s (ratio l q r) (fun a => a <= B) -> 0 < s * (r f - v).
Proof.
  intros Hl Hq Hbot Hmin Hf Hbf Hv Hne Hm.
  assert (H : 0 < - s * (v - r (- - f))); [|rewrite Ropp_involutive in H; lra].
  apply (ratio_end (map Ropp l) (fun n => q (- n)) (fun n => r (- n)) (- bottom) (- f) v (- s)
    (- B)); try (rewrite ?In_opposite, ?Ropp_involutive; easy).
  - now apply NoDup_opposite.
  - intros n Hn; now apply Hq, In_opposite.
  - intros n Hn; apply In_opposite, Hmin in Hn; lra.
  - lra.
  - intros n Hn Hlt; apply Hv; [now apply In_opposite|lra].
  - intros a b Ha Hb Hab; rewrite !ratio_flip.
    assert (H := Hm (- b) (- a) ltac:(lra) ltac:(lra) ltac:(lra)); lra.
Qed.

Lemma list_top (l : list R) : l <> [] -> exists top, In top l /\ forall n, In n l -> n <= top.
Proof.
  induction l as [|m l IH]; intros H; [easy|]; destruct l as [|m2 l].
  - exists m; split; [now left|intros n [<-|[]]; lra].
  - destruct IH as (top & Ht & Hmax); [easy|]; destruct (Rle_dec m top) as [Hle|Hgt].
    + exists top; split; [now right|intros n [<-|Hn]; auto].
    + exists m; split; [now left|intros n [<-|Hn]; [lra|specialize (Hmax n Hn); lra]].
Qed.

Lemma changes_le_from_zero l s : (changes s l <= S (changes 0 l))%nat.
Proof.
  induction l as [|x l IH]; cbn [changes]; [lia|].
  destruct (Req_EM_T x 0); [easy|]; destruct (Rlt_dec (s * x) 0), (Rlt_dec (0 * x) 0); lia.
Qed.

Lemma power_of_sign n : (-1) ^ n = if Nat.even n then 1 else -1.
Proof.
  induction n as [|n IH]; [easy|]; rewrite Nat.even_succ, <- Nat.negb_even; simpl pow.
  rewrite IH; destruct (Nat.even n); simpl; ring.
Qed.

(** The extrema of a ratio: finitely many, at most as many as the turns of its values along the
    levels, and of the same parity. *)
Lemma ratio_extrema (l : list R) (q r : R -> R) :
  StronglySorted Rlt l -> (forall n, In n l -> 0 < q n) ->
  (exists m n, In m l /\ In n l /\ r m <> r n) ->
  exists s points, (s = 1 \/ s = -1) /\ zigzag (ratio l q r) s m_infty points
    /\ (length points <= turns (map r l))%nat
    /\ Nat.even (length points) = Nat.even (turns (map r l)).
Proof.
  intros Hl Hq Hvary.
  assert (Hne : l <> []) by (destruct Hvary as (m & _ & Hm & _); now destruct l).
  assert (Hd : forall x, is_derive (ratio l q r) x (ratio_slope l q r x))
    by (intros; now apply ratio_derive).
  destruct (ratio_slope_few_zeros l q r Hl Hq Hvary) as [k Hk].
  destruct (zeros_listed _ _ Hk) as (zeros & Hzeros & Hall).
  destruct (zigzag_exists (ratio l q r) (ratio_slope l q r) Hd
    (fun x => ratio_slope_continuous l q r x Hne Hq) zeros m_infty) as (s & points & Hs & Hz);
    [easy|easy|now apply StronglySorted_Sorted|intros; auto|].
  exists s, points; split; [easy|split; [easy|split]].
  - destruct (zigzag_runs (ratio l q r) (ratio_slope l q r) Hd points s m_infty)
      as (xs & Hxs & _ & H); [easy|destruct Hs; lra|easy|].
    generalize (ratio_slope_changes l q r (- s) xs Hl Hq Hxs).
    generalize (changes_le_from_zero (differences (map r l)) (- s)).
    unfold turns, sign_changes; lia.
  - assert (Hdup := ascending_NoDup l Hl); destruct (list_top l Hne) as (top & Htop & Hmax).
    destruct (zigzag_start _ s points Hz) as [B HB].
    destruct (zigzag_end _ points s m_infty ltac:(easy) Hz) as [B' HB'].
    destruct l as [|m l]; [easy|]; assert (Hm := ascending_head m l Hl).
    assert (Hnot : ~ forall n, In n (m :: l) -> r n = r m).
    { intros H; destruct Hvary as (a & b & Ha & Hb & Hab); apply Hab; now rewrite (H a), (H b). }
    destruct (first_difference r l m Hl) as [|(f & Hf & Hfm & Hlow & Hcount)]; [easy|].
    destruct (last_difference r l m Hl) as [|(g & v & Hg & Hgv & (n & Hn & Hgn) & Hhigh & Hfin)];
      [easy|].
    assert (Hstart : 0 < s * (r f - r m)).
    { apply (ratio_start (m :: l) q r m f (r m) s B); auto; [now left| |now right].
      intros x [<-|Hx]; [lra|specialize (Hm x Hx); lra]. }
    assert (Hend : 0 < s * (-1) ^ length points * (v - r g)).
    { apply (ratio_end (m :: l) q r top g v _ B'); auto.
      assert (n <= top) by (apply Hmax; now right); lra. }
    rewrite <- (Hcount s Hstart), changes_parity by (destruct Hs; lra); rewrite Hfin.
    rewrite power_of_sign in Hend.
    destruct (Nat.even (length points)), (Rlt_dec 0 (s * (v - r g))); try easy; lra.
Qed.
