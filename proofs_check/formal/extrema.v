(** * Curves that go up and down

    What it means that the interior extrema of a curve are exactly the points of a list, and how
    many there are at most when the slope changes sign a bounded number of times. *)

From Coq Require Import Reals List Bool Sorted Classical Lra Lia.
From Coquelicot Require Import Coquelicot.
From SteeringStrength Require Import tokens analysis variation.
Import ListNotations.
Open Scope R_scope.

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
