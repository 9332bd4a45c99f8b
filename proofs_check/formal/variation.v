(** * Variation diminishing

    How often a list changes sign, and why a sum of exponentials changes sign in its variable at
    most as often as its coefficients do along its exponents.  The idea is one step, [diminish]: a
    function that starts, at minus infinity, from a value [L] changes sign at most as often as [L]
    followed by its derivative. *)

From Coq Require Import Sorted Lia.
From SteeringStrength Require Import analysis.

(** ** Ascending lists *)

Lemma ascending_head m l : StronglySorted Rlt (m :: l) -> forall n, In n l -> m < n.
Proof. intros H; apply StronglySorted_inv in H; now apply Forall_forall. Qed.

Lemma ascending_NoDup l : StronglySorted Rlt l -> NoDup l.
Proof.
  induction l as [|m l IH]; intros H; constructor.
  - intros Hm; generalize (ascending_head m l H m Hm); lra.
  - apply StronglySorted_inv in H; now apply IH.
Qed.

(** Insert a real in an ascending list, unless it is there. *)
Fixpoint insert (m : R) (l : list R) : list R :=
  match l with
  | [] => [m]
  | n :: l' => if Rlt_dec m n then m :: l else if Req_EM_T m n then l else n :: insert m l'
  end.

Lemma In_insert m l x : In x (insert m l) <-> x = m \/ In x l.
Proof.
  induction l as [|n l IH]; simpl; [intuition|].
  destruct (Rlt_dec m n); [simpl; intuition|].
  destruct (Req_EM_T m n) as [->|]; simpl; intuition.
Qed.

Lemma insert_length m l : ~ In m l -> length (insert m l) = S (length l).
Proof.
  induction l as [|n l IH]; intros H; simpl; [easy|].
  destruct (Rlt_dec m n); [easy|]; destruct (Req_EM_T m n) as [->|].
  - elim H; now left.
  - simpl; rewrite IH; [easy|]; intros Hm; apply H; now right.
Qed.

Lemma insert_ascending m l : StronglySorted Rlt l -> StronglySorted Rlt (insert m l).
Proof.
  induction l as [|n l IH]; intros H; simpl; [repeat constructor|].
  assert (Hn := ascending_head n l H); destruct (Rlt_dec m n) as [Hlt|Hge].
  - constructor; [easy|]; apply Forall_forall; intros x [<-|Hx]; [easy|].
    specialize (Hn x Hx); lra.
  - destruct (Req_EM_T m n); [easy|]; apply StronglySorted_inv in H; destruct H as [H _].
    constructor; [now apply IH|]; apply Forall_forall; intros x Hx.
    apply In_insert in Hx; destruct Hx as [->|Hx]; [lra|auto].
Qed.

Lemma Sum_select l m (f : R -> R) :
  NoDup l -> In m l -> Sum l (fun n => if Req_EM_T m n then f n else 0) = f m.
Proof.
  induction l as [|n l IH]; intros Hl Hm; [easy|]; rewrite Sum_cons.
  apply NoDup_cons_iff in Hl; destruct Hl as [Hn Hl]; destruct (Req_EM_T m n) as [->|Hne].
  - rewrite Sum_zero; [ring|]; intros x Hx; destruct (Req_EM_T n x) as [->|]; easy.
  - rewrite IH; [ring|easy|destruct Hm; [congruence|easy]].
Qed.

(** ** Sign changes of a list *)

(** Sign changes along [l], coming from a value [s]; zeros do not count. *)
Fixpoint changes (s : R) (l : list R) : nat :=
  match l with
  | [] => 0
  | x :: l => if Req_EM_T x 0 then changes s l
              else (if Rlt_dec (s * x) 0 then 1 else 0) + changes x l
  end%nat.

Definition sign_changes (l : list R) : nat := changes 0 l.

Fixpoint differences (l : list R) : list R :=
  match l with
  | x :: ((y :: _) as l') => (y - x) :: differences l'
  | _ => []
  end.

(** How often a sequence turns: the sign changes of its differences. *)
Definition turns (l : list R) : nat := sign_changes (differences l).

(** Two numbers of one sign. *)
Definition aligned (x y : R) : Prop := exists k, 0 < k /\ x = k * y.

Lemma aligned_refl x : aligned x x.
Proof. exists 1; split; lra. Qed.

Lemma Forall2_aligned_refl l : Forall2 aligned l l.
Proof. induction l; constructor; [apply aligned_refl|easy]. Qed.

Lemma aligned_zero x y : aligned x y -> (x = 0 <-> y = 0).
Proof.
  intros [k [Hk ->]]; split; [|intros ->; ring].
  intros H; apply Rmult_integral in H; lra.
Qed.

Lemma aligned_product s s' x x' : aligned s s' -> aligned x x' -> (s * x < 0 <-> s' * x' < 0).
Proof.
  intros [k [Hk ->]] [h [Hh ->]].
  replace (k * s' * (h * x')) with (k * h * (s' * x')) by ring.
  assert (0 < k * h) by now apply Rmult_lt_0_compat.
  split; intros H0; nra.
Qed.

Lemma changes_aligned l l' s s' :
  Forall2 aligned l l' -> aligned s s' -> changes s l = changes s' l'.
Proof.
  intros H; revert s s'; induction H as [|x x' l l' Hx Hl IH]; intros s s' Hs; [easy|]; simpl.
  destruct (Req_EM_T x 0) as [E|E], (Req_EM_T x' 0) as [E'|E'];
    rewrite (aligned_zero x x' Hx) in E; try easy; [now apply IH|].
  rewrite (IH x x' Hx).
  destruct (Rlt_dec (s * x) 0) as [e|e], (Rlt_dec (s' * x') 0) as [e'|e'];
    rewrite (aligned_product s s' x x' Hs Hx) in e; easy.
Qed.

Lemma changes_map_aligned {T : Type} (l : list T) f g s :
  (forall z, In z l -> aligned (f z) (g z)) -> changes s (map f l) = changes s (map g l).
Proof.
  intros H; apply changes_aligned; [|apply aligned_refl].
  induction l; simpl; constructor; [|apply IHl; intros]; apply H; simpl; auto.
Qed.

Lemma changes_scaled_head k x l s : 0 < k -> changes s (k * x :: l) = changes s (x :: l).
Proof.
  intros Hk; apply changes_aligned; [constructor|apply aligned_refl]; [now exists k|].
  apply Forall2_aligned_refl.
Qed.

Lemma changes_zeros l s : (forall x, In x l -> x = 0) -> changes s l = 0%nat.
Proof.
  induction l as [|x l IH]; intros H; [easy|]; simpl.
  destruct (Req_EM_T x 0) as [|n]; [apply IH; intros; apply H; now right|].
  elim n; apply H; now left.
Qed.

Lemma changes_one_side t l : t <> 0 -> (forall x, In x l -> 0 <= t * x) -> changes t l = 0%nat.
Proof.
  revert t; induction l as [|x l IH]; intros t Ht H; [easy|]; cbn [changes].
  assert (Hx := H x (or_introl eq_refl)); destruct (Req_EM_T x 0) as [|Hne].
  - apply IH; [easy|]; intros; apply H; now right.
  - destruct (Rlt_dec (t * x) 0); [lra|]; apply IH; [easy|]; intros y Hy.
    assert (Hty := H y (or_intror Hy)); assert (Hsq : 0 < t * t) by now apply Rsqr_pos_lt.
    apply (Rmult_le_reg_l (t * t)); [easy|]; rewrite Rmult_0_r.
    replace (t * t * (x * y)) with (t * x * (t * y)) by ring; now apply Rmult_le_pos.
Qed.

(** Being on one side is transitive through a nonzero value. *)
Lemma one_side x y z : y <> 0 -> 0 <= x * y -> 0 <= y * z -> 0 <= x * z.
Proof.
  intros Hy Hxy Hyz; assert (Hsq : 0 < y * y) by now apply Rsqr_pos_lt.
  apply (Rmult_le_reg_l (y * y)); [easy|]; rewrite Rmult_0_r.
  replace (y * y * (x * z)) with (x * y * (y * z)) by ring; now apply Rmult_le_pos.
Qed.

(** Passing through a nonzero value loses no sign change. *)
Lemma changes_through s x l :
  x <> 0 -> (changes s l <= (if Rlt_dec (s * x) 0 then 1 else 0) + changes x l)%nat.
Proof.
  intros Hx; induction l as [|y l IH]; simpl; [lia|].
  destruct (Req_EM_T y 0) as [|Hy]; [easy|].
  destruct (Rlt_dec (s * y) 0), (Rlt_dec (s * x) 0), (Rlt_dec (x * y) 0); try lia.
  generalize (one_side s x y Hx); lra.
Qed.

(** Partial sums change sign at most as often as their increments: coming from [u] with increments
    coming from [d], at the value [v] which is zero or on the side of [u]. *)
Lemma changes_increments l : forall u d v,
  u <> 0 -> d <> 0 -> 0 <= u * v ->
  (changes u l <= changes d (differences (v :: l)) + (if Rlt_dec (u * d) 0 then 1 else 0))%nat.
Proof.
  induction l as [|y l IH]; intros u d v Hu Hd Hv; [simpl; lia|].
  change (differences (v :: y :: l)) with ((y - v) :: differences (y :: l)); cbn [changes].
  assert (Hyy : 0 <= y * y) by apply Rle_0_sqr.
  assert (Hswap := Rmult_comm u d); assert (Hswap' := Rmult_comm d (y - v)).
  destruct (Req_EM_T y 0) as [Hy|Hy].
  - destruct (Req_EM_T (y - v) 0) as [He|He]; [apply IH; easy || (rewrite Hy; lra)|].
    (* back to zero: the increment points away from the side of [u] *)
    specialize (IH u (y - v) y Hu He); rewrite Hy, Rmult_0_r in IH; specialize (IH (Rle_refl 0)).
    assert (Hnot : u * (y - v) <> 0) by now apply Rmult_integral_contrapositive.
    assert (Hle : u * (y - v) <= 0) by (rewrite Hy; lra).
    assert (Hback : u * (y - v) < 0) by (destruct Hle; easy).
    rewrite Hy in *.
    destruct (Rlt_dec (u * (0 - v)) 0), (Rlt_dec (d * (0 - v)) 0), (Rlt_dec (u * d) 0);
      try lia; try lra.
    generalize (one_side u d (0 - v) Hd); lra.
  - destruct (Rlt_dec (u * y) 0) as [Huy|Huy].
    + (* the sum changes side: its increment has the new sign *)
      assert (Hvy : v * y <= 0).
      { generalize (one_side v u (- y) Hu); rewrite (Rmult_comm v u); lra. }
      assert (Hsq : 0 < y * y) by now apply Rsqr_pos_lt.
      assert (E : y - v <> 0) by (intros E; replace v with y in Hvy by lra; lra).
      specialize (IH y (y - v) y Hy E Hyy); destruct (Req_EM_T (y - v) 0); [easy|].
      destruct (Rlt_dec (y * (y - v)) 0), (Rlt_dec (d * (y - v)) 0), (Rlt_dec (u * d) 0);
        try lia; try lra.
      assert (0 <= u * (y - v)) by (apply (one_side u d); easy || lra).
      generalize (one_side u (y - v) y E); rewrite (Rmult_comm (y - v) y); lra.
    + destruct (Req_EM_T (y - v) 0) as [E|E].
      * specialize (IH y d y Hy Hd Hyy).
        destruct (Rlt_dec (y * d) 0), (Rlt_dec (u * d) 0); try lia.
        generalize (one_side y u d Hu); rewrite (Rmult_comm y u); lra.
      * specialize (IH y (y - v) y Hy E Hyy).
        destruct (Rlt_dec (y * (y - v)) 0), (Rlt_dec (d * (y - v)) 0), (Rlt_dec (u * d) 0);
          try lia.
        generalize (one_side u d (y - v) Hd) (one_side y u (y - v) Hu).
        rewrite (Rmult_comm y u); lra.
Qed.

(** The same, when the first increment is the first value. *)
Lemma changes_partial_sums s v l :
  (changes s l <= changes s (v :: differences (v :: l)))%nat.
Proof.
  assert (Hsq : forall x, 0 <= x * x) by apply Rle_0_sqr; cbn [changes].
  destruct (Req_EM_T v 0) as [->|Hv].
  - destruct (Req_EM_T s 0) as [->|Hs].
    + induction l as [|y l IH]; [easy|].
      change (differences (0 :: y :: l)) with ((y - 0) :: differences (y :: l)).
      rewrite Rminus_0_r; cbn [changes]; destruct (Req_EM_T y 0) as [->|Hy]; [easy|].
      generalize (changes_increments l y y y Hy Hy (Hsq y)); specialize (Hsq y).
      destruct (Rlt_dec (y * y) 0), (Rlt_dec (0 * y) 0); try lia; lra.
    + generalize (changes_increments l s s 0 Hs Hs); rewrite Rmult_0_r; specialize (Hsq s).
      destruct (Rlt_dec (s * s) 0); [lra|]; intros H; specialize (H (Rle_refl 0)); lia.
  - generalize (changes_through s v l Hv) (changes_increments l v v v Hv Hv (Hsq v)).
    specialize (Hsq v); destruct (Rlt_dec (v * v) 0); [lra|lia].
Qed.

(** A nonnegative sequence turns at most twice for each nonzero entry, less one: it has to come from
    zero, or to go back to it, around each. *)
Definition nonzero (l : list R) : list R :=
  filter (fun x => if Req_EM_T x 0 then false else true) l.

Lemma changes_nonzero l : forall v d,
  (forall x, In x (v :: l) -> 0 <= x) -> v <> 0 \/ d <= 0 ->
  (changes d (differences (v :: l))
   <= 2 * length (nonzero l) + (if Rlt_dec 0 d then 1 else 0))%nat.
Proof.
  induction l as [|y l IH]; intros v d Hpos Hvd; [simpl; lia|].
  assert (Hv := Hpos v (or_introl eq_refl)); assert (Hy := Hpos y (or_intror (or_introl eq_refl))).
  assert (Hrest : forall x, In x (y :: l) -> 0 <= x) by (intros; apply Hpos; now right).
  change (differences (v :: y :: l)) with ((y - v) :: differences (y :: l)).
  cbn [changes nonzero filter]; fold (nonzero l).
  destruct (Req_EM_T (y - v) 0) as [E|E].
  - assert (Hyd : y <> 0 \/ d <= 0) by (destruct Hvd; [left|right]; lra).
    specialize (IH y d Hrest Hyd); destruct (Req_EM_T y 0); simpl length; lia.
  - assert (Hcase : y <> 0 \/ y - v <= 0) by (destruct (Req_dec y 0); [right|left]; lra).
    specialize (IH y (y - v) Hrest Hcase).
    destruct (Req_EM_T y 0) as [E0|E0]; simpl length; destruct (Rlt_dec 0 (y - v)) as [Hup|Hdown];
      destruct (Rlt_dec (d * (y - v)) 0) as [Hsign|]; try lia; try (exfalso; lra).
    destruct (Rlt_dec 0 d) as [|Hd]; [lia|exfalso].
    assert (0 <= (- d) * (- (y - v))) by (apply Rmult_le_pos; lra); lra.
Qed.

Lemma turns_nonzero l :
  (forall x, In x l -> 0 <= x) -> nonzero l <> [] ->
  (turns l <= 2 * length (nonzero l) - 1)%nat.
Proof.
  unfold turns, sign_changes; intros Hpos Hne; induction l as [|v l IH]; [easy|].
  destruct (Req_EM_T v 0) as [Hv|Hv].
  - destruct l as [|y l]; [simpl; lia|].
    assert (Hrest : forall x, In x (y :: l) -> 0 <= x) by (intros; apply Hpos; now right).
    assert (Hy := Hrest y (or_introl eq_refl)).
    assert (Hskip : nonzero (v :: y :: l) = nonzero (y :: l))
      by (unfold nonzero; simpl; destruct (Req_EM_T v 0); easy).
    rewrite Hskip in *.
    change (differences (v :: y :: l)) with ((y - v) :: differences (y :: l)).
    cbn [changes]; destruct (Req_EM_T (y - v) 0) as [E|E]; [now apply IH|].
    assert (Hup : y <> 0) by lra; assert (H := changes_nonzero l y (y - v) Hrest (or_introl Hup)).
    assert (Hlen : length (nonzero (y :: l)) = S (length (nonzero l)))
      by (unfold nonzero; simpl; destruct (Req_EM_T y 0); easy).
    rewrite Hlen; destruct (Rlt_dec (0 * (y - v)) 0), (Rlt_dec 0 (y - v)); lia || lra.
  - assert (H := changes_nonzero l v 0 Hpos (or_introl Hv)).
    assert (Hlen : length (nonzero (v :: l)) = S (length (nonzero l)))
      by (unfold nonzero; simpl; destruct (Req_EM_T v 0); easy).
    rewrite Hlen; destruct (Rlt_dec 0 0); lia || lra.
Qed.

(** ** One step of Rolle *)

(** The increments of a function along a list have the signs of its derivative in between. *)
Lemma differences_derivative (g dg : R -> R) :
  (forall x, is_derive g x (dg x)) ->
  forall l x, Sorted Rlt (x :: l) ->
  exists k, Sorted Rlt k /\ HdRel Rlt x k
    /\ Forall2 aligned (differences (map g (x :: l))) (map dg k).
Proof.
  intros Hd; induction l as [|y l IH]; intros x Hs; [exists []; simpl; auto|].
  apply Sorted_inv in Hs; destruct Hs as [Hs Hxy]; apply HdRel_inv in Hxy.
  destruct (IH y Hs) as (k & Hk & Hyk & Ha).
  destruct (mean_value g dg x y Hxy) as [c [Hc He]]; [auto|].
  exists (c :: k); split; [|split].
  - constructor; [easy|]; destruct Hyk; constructor; lra.
  - constructor; lra.
  - change (Forall2 aligned ((g y - g x) :: differences (map g (y :: l))) (dg c :: map dg k)).
    constructor; [|easy]; exists (y - x); split; [lra|rewrite He; ring].
Qed.

(** Between minus infinity and a point where a function differs from its limit there, its
    derivative has the sign of the difference. *)
Lemma derivative_before (g dg : R -> R) (limit x : R) :
  (forall x, is_derive g x (dg x)) -> is_lim g m_infty limit -> g x <> limit ->
  exists c, c < x /\ aligned (g x - limit) (dg c).
Proof.
  intros Hd Hl Hne; set (e := g x - limit); assert (He : e <> 0) by (unfold e; lra).
  apply is_lim_spec in Hl; destruct (Hl (mkposreal (Rabs e / 2) ltac:(
    generalize (Rabs_pos_lt e He); lra))) as [B HB]; simpl in HB.
  set (b := Rmin B x - 1); assert (Hb : b < B /\ b < x)
    by (generalize (Rmin_l B x) (Rmin_r B x); unfold b; lra).
  specialize (HB b (proj1 Hb)).
  destruct (mean_value g dg b x (proj2 Hb)) as [c [Hc Hm]]; [auto|].
  exists c; split; [lra|].
  assert (Hside : 0 < e * (g x - g b)).
  { replace (g x - g b) with (e - (g b - limit)) by (unfold e; ring).
    apply Rabs_def2 in HB; unfold Rabs in HB; destruct (Rcase_abs e); nra. }
  assert (Hdg : dg c <> 0) by (intros E; rewrite E in Hm; rewrite Hm in Hside; lra).
  exists (e / dg c); split; [|field; easy].
  assert (Hprod : 0 < e * dg c).
  { rewrite Hm, <- Rmult_assoc in Hside; apply (Rmult_lt_reg_r (x - b)); lra. }
  replace (e / dg c) with (e * dg c * / (dg c * dg c)) by (field; easy).
  apply Rmult_lt_0_compat; [easy|]; apply Rinv_0_lt_compat; now apply Rsqr_pos_lt.
Qed.

(** The step: if the derivative changes sign at most as often as [ds] does, whatever they come from,
    then the function changes sign at most as often as its limit at minus infinity followed by
    [ds]. *)
Lemma diminish (g dg : R -> R) (limit : R) (ds : list R) :
  (forall x, is_derive g x (dg x)) -> is_lim g m_infty limit ->
  (forall s l, Sorted Rlt l -> (changes s (map dg l) <= changes s ds)%nat) ->
  forall s l, Sorted Rlt l -> (changes s (map g l) <= changes s (limit :: ds))%nat.
Proof.
  intros Hd Hl IH s l Hs.
  assert (H : exists k, Sorted Rlt k /\
    forall s, changes s (differences (limit :: map g l)) = changes s (map dg k)).
  { destruct l as [|x l]; [now exists []|].
    destruct (differences_derivative g dg Hd l x Hs) as (k & Hk & Hxk & Ha).
    destruct (Req_EM_T (g x - limit) 0) as [E|E].
    - exists k; split; [easy|]; intros s'; rewrite <- (changes_aligned _ _ s' s' Ha)
        by apply aligned_refl.
      change (changes s' ((g x - limit) :: differences (map g (x :: l)))
              = changes s' (differences (map g (x :: l)))).
      cbn [changes]; now destruct (Req_EM_T (g x - limit) 0).
    - destruct (derivative_before g dg limit x Hd Hl ltac:(lra)) as [c [Hc Hac]].
      exists (c :: k); split.
      + constructor; [easy|]; destruct Hxk; constructor; lra.
      + intros s'; apply changes_aligned; [|apply aligned_refl]; now constructor. }
  destruct H as (k & Hk & He).
  apply Nat.le_trans with (1 := changes_partial_sums s limit (map g l)).
  cbn [changes]; destruct (Req_EM_T limit 0); rewrite He; [now apply IH|].
  apply Nat.add_le_mono_l; now apply IH.
Qed.

(** ** Sums of exponentials *)

(** Exponents [l] and a coefficient for each. *)
Definition exponential_sum (l : list R) (c : R -> R) (x : R) : R :=
  Sum l (fun m => c m * exp (x * m)).

Lemma exponential_sum_derive l c x :
  is_derive (exponential_sum l c) x (exponential_sum l (fun m => c m * m) x).
Proof.
  apply (is_derive_Sum l (fun m x => c m * exp (x * m)) (fun m x => c m * m * exp (x * m))).
  intros m _; auto_derive; [easy|ring].
Qed.

Lemma exponential_sum_ext l c c' x :
  (forall m, In m l -> c m = c' m) -> exponential_sum l c x = exponential_sum l c' x.
Proof. intros H; apply Sum_ext; intros m Hm; now rewrite H. Qed.

(** Seen from its smallest exponent [m], a sum of exponentials has a slope of one exponent less,
    whose coefficients have the signs that they had. *)
Lemma exponential_sum_shift m l c x :
  is_derive (fun x => exp (- x * m) * exponential_sum (m :: l) c x) x
            (exp (- x * m) * exponential_sum l (fun n => c n * (n - m)) x).
Proof.
  eapply is_derive_value.
  - apply (is_derive_product (fun x => exp (- x * m)) _ x (- m * exp (- x * m)));
      [auto_derive; [easy|ring]|apply exponential_sum_derive].
  - unfold exponential_sum; rewrite !Sum_cons.
    rewrite (Sum_ext l (fun n => c n * (n - m) * exp (x * n))
              (fun n => c n * n * exp (x * n) - m * (c n * exp (x * n)))) by (intros; ring).
    rewrite Sum_minus, Sum_scal; ring.
Qed.

(** At minus infinity the smallest exponent is all that counts. *)
Lemma exponential_sum_limit m l c :
  (forall n, In n l -> m < n) ->
  is_lim (fun x => exp (- x * m) * exponential_sum (m :: l) c x) m_infty (c m).
Proof.
  intros Hl; apply is_lim_reflect.
  apply (is_lim_ext (fun x => c m + Sum l (fun n => c n * exp (- x * (n - m))))).
  - intros x; unfold exponential_sum; rewrite Sum_cons, Rmult_plus_distr_l, <- Sum_scal; f_equal.
    + transitivity (c m * (exp (- - x * m) * exp (- x * m))); [|ring].
      rewrite <- exp_plus; replace (- - x * m + - x * m) with 0 by ring; rewrite exp_0; ring.
    + apply Sum_ext; intros n _.
      replace (- x * (n - m)) with (- - x * m + - x * n) by ring; rewrite exp_plus; ring.
  - eapply is_lim_value; [apply is_lim_plus'; [apply is_lim_const|]|].
    + apply (is_lim_Sum l (fun n x => c n * exp (- x * (n - m))) (fun n => c n * 0)).
      intros n Hn; apply is_lim_scal, is_lim_decay; specialize (Hl n Hn); lra.
    + rewrite Sum_zero; intros; ring.
Qed.

(** Descartes' rule for sums of exponentials. *)
Lemma exponential_sum_changes l : forall c s xs,
  StronglySorted Rlt l -> Sorted Rlt xs ->
  (changes s (map (exponential_sum l c) xs) <= changes s (map c l))%nat.
Proof.
  induction l as [|m l IH]; intros c s xs Hl Hxs.
  - rewrite changes_zeros; [lia|]; intros x Hx; apply in_map_iff in Hx.
    now destruct Hx as [y [<- _]].
  - assert (Hm := ascending_head m l Hl).
    rewrite (changes_map_aligned xs _ (fun x => exp (- x * m) * exponential_sum (m :: l) c x)).
    + simpl map at 2.
      apply (diminish _ (fun x => exp (- x * m) * exponential_sum l (fun n => c n * (n - m)) x));
        [intros; apply exponential_sum_shift|now apply exponential_sum_limit| |easy].
      intros s' ys Hys.
      rewrite (changes_map_aligned ys _ (exponential_sum l (fun n => c n * (n - m))))
        by (intros; eexists; split; [apply exp_pos|reflexivity]).
      rewrite <- (changes_map_aligned l (fun n => c n * (n - m)) c).
      * apply IH; [now apply StronglySorted_inv in Hl|easy].
      * intros n Hn; exists (n - m); split; [specialize (Hm n Hn); lra|ring].
    + intros x _; exists (exp (x * m)); split; [apply exp_pos|].
      rewrite <- Rmult_assoc, <- exp_plus; replace (x * m + - x * m) with 0 by ring.
      rewrite exp_0; ring.
Qed.

(** ** Ratios of two sums of exponentials

    [ratio l q r] is the mean of [r] under weights [q m * exp (x * m)] on the levels [m] of [l]. *)

Definition ratio (l : list R) (q r : R -> R) (x : R) : R :=
  exponential_sum l (fun m => q m * r m) x / exponential_sum l q x.

Definition ratio_slope (l : list R) (q r : R -> R) (x : R) : R :=
  (exponential_sum l (fun m => q m * r m * m) x * exponential_sum l q x
   - exponential_sum l (fun m => q m * r m) x * exponential_sum l (fun m => q m * m) x)
  / exponential_sum l q x ^ 2.

Lemma exponential_sum_pos l q x :
  l <> [] -> (forall m, In m l -> 0 < q m) -> 0 < exponential_sum l q x.
Proof.
  intros Hl Hq; apply Sum_pos; [easy|]; intros m Hm.
  apply Rmult_lt_0_compat; [auto|apply exp_pos].
Qed.

Lemma ratio_derive l q r x :
  l <> [] -> (forall m, In m l -> 0 < q m) -> is_derive (ratio l q r) x (ratio_slope l q r x).
Proof.
  intros Hl Hq; assert (H := exponential_sum_pos l q x Hl Hq).
  eapply is_derive_value.
  - apply is_derive_div; [apply exponential_sum_derive|apply exponential_sum_derive|lra].
  - unfold ratio_slope; now simpl.
Qed.

(** The ratio is drawn, with positive rate, towards the ratio over all levels but the smallest, with
    other positive weights: the step of the induction. *)
Lemma ratio_slope_step m l q r x :
  (forall n, In n (m :: l) -> 0 < q n) -> (forall n, In n l -> m < n) -> l <> [] ->
  let q' := fun n => q n * (n - m) in
  aligned (ratio_slope (m :: l) q r x)
    (exp (- x * m) * (ratio l q' r x * exponential_sum (m :: l) q x
                      - exponential_sum (m :: l) (fun n => q n * r n) x)).
Proof.
  intros Hq Hm Hl q'.
  assert (Hz : 0 < exponential_sum (m :: l) q x) by (apply exponential_sum_pos; easy).
  assert (Hz' : 0 < exponential_sum l q' x).
  { apply exponential_sum_pos; [easy|]; intros n Hn; apply Rmult_lt_0_compat;
      [apply Hq; now right|specialize (Hm n Hn); lra]. }
  exists (exponential_sum l q' x / exponential_sum (m :: l) q x ^ 2 * exp (x * m)); split.
  - apply Rmult_lt_0_compat; [|apply exp_pos]; apply Rdiv_lt_0_compat; [easy|now apply pow_lt].
  - assert (Hshift : forall c, exponential_sum (m :: l) (fun n => c n * n) x
        = m * exponential_sum (m :: l) c x + exponential_sum l (fun n => c n * (n - m)) x).
    { intros c; unfold exponential_sum; rewrite !Sum_cons.
      rewrite (Sum_ext l (fun n => c n * (n - m) * exp (x * n))
                (fun n => c n * n * exp (x * n) - m * (c n * exp (x * n)))) by (intros; ring).
      rewrite Sum_minus, Sum_scal; ring. }
    unfold ratio_slope, ratio; rewrite !Hshift; fold q'.
    replace (exponential_sum l (fun n => q n * r n * (n - m)) x)
      with (exponential_sum l (fun n => q' n * r n) x)
      by (apply exponential_sum_ext; intros; unfold q'; ring).
    replace (exp (- x * m)) with (/ exp (x * m)) by (rewrite <- exp_Ropp; f_equal; ring).
    assert (He := exp_pos (x * m)); field; lra.
Qed.

(** The step of the induction: up to a positive factor, the slope of a ratio is a function whose own
    slope is, up to a positive factor, that of the ratio over one level less. *)
Lemma ratio_step m m2 l q r :
  StronglySorted Rlt (m :: m2 :: l) -> (forall n, In n (m :: m2 :: l) -> 0 < q n) ->
  exists q' g dg : R -> R,
    (forall n, In n (m2 :: l) -> 0 < q' n)
    /\ (forall x, aligned (ratio_slope (m :: m2 :: l) q r x) (g x))
    /\ (forall x, is_derive g x (dg x))
    /\ (forall x, aligned (dg x) (ratio_slope (m2 :: l) q' r x))
    /\ is_lim g m_infty (q m * (r m2 - r m)).
Proof.
  intros Hl Hq; assert (Hm := ascending_head m _ Hl); apply StronglySorted_inv in Hl.
  destruct Hl as [Hl _]; assert (Hm2 := ascending_head m2 _ Hl).
  set (k := m2 :: l) in *; set (q' := fun n => q n * (n - m)).
  assert (Hq' : forall n, In n k -> 0 < q' n).
  { intros n Hn; apply Rmult_lt_0_compat; [apply Hq; now right|specialize (Hm n Hn); lra]. }
  assert (Hk : k <> []) by easy.
  exists q',
    (fun x => ratio k q' r x * (exp (- x * m) * exponential_sum (m :: k) q x)
              - exp (- x * m) * exponential_sum (m :: k) (fun n => q n * r n) x),
    (fun x => ratio_slope k q' r x * (exp (- x * m) * exponential_sum (m :: k) q x)).
  split; [easy|split; [intros x|split; [intros x|split; [intros x|]]]].
  - destruct (ratio_slope_step m k q r x Hq Hm Hk) as [c [Hc He]]; exists c; split; [easy|].
    rewrite He; fold q'; ring.
  - eapply is_derive_value.
    + apply is_derive_difference; [apply is_derive_product; [now apply ratio_derive|
        apply exponential_sum_shift]|apply exponential_sum_shift].
    + fold q'; unfold ratio at 1.
      rewrite (exponential_sum_ext k (fun n => q n * r n * (n - m)) (fun n => q' n * r n))
        by (intros; unfold q'; ring).
      assert (H := exponential_sum_pos k q' x Hk Hq'); field; lra.
  - exists (exp (- x * m) * exponential_sum (m :: k) q x); split; [|ring].
    apply Rmult_lt_0_compat; [apply exp_pos|now apply exponential_sum_pos].
  - eapply is_lim_value; [apply is_lim_minus'; [apply is_lim_product|]|].
    + apply (is_lim_ext (fun x => (exp (- x * m2) * exponential_sum k (fun n => q' n * r n) x)
                                  / (exp (- x * m2) * exponential_sum k q' x))).
      * intros x; assert (H := exponential_sum_pos k q' x Hk Hq').
        assert (He := exp_pos (- x * m2)); unfold ratio; field; lra.
      * apply is_lim_quotient; [now apply (exponential_sum_limit m2 l)|
          now apply (exponential_sum_limit m2 l)|].
        apply Rgt_not_eq, Hq'; now left.
    + now apply exponential_sum_limit.
    + now apply exponential_sum_limit.
    + simpl; assert (H := Hq' m2 (or_introl eq_refl)); field; lra.
Qed.

Lemma ratio_slope_constant l q r x :
  (forall m n, In m l -> In n l -> r m = r n) -> ratio_slope l q r x = 0.
Proof.
  intros Hr; destruct l as [|m l].
  - unfold ratio_slope, exponential_sum; simpl; unfold Rdiv; ring.
  - unfold ratio_slope; set (k := m :: l) in *; assert (Hm : In m k) by now left.
    assert (Hc : forall c, exponential_sum k (fun n => c n * r n) x = r m * exponential_sum k c x).
    { intros c; unfold exponential_sum; rewrite <- Sum_scal; apply Sum_ext; intros n Hn.
      rewrite (Hr n m) by easy; ring. }
    rewrite (exponential_sum_ext k (fun n => q n * r n * n) (fun n => q n * n * r n))
      by (intros; ring).
    rewrite (Hc (fun n => q n * n)), (Hc q); unfold Rdiv; ring.
Qed.

(** The slope of a ratio changes sign at most as often as the values turn. *)
Lemma ratio_slope_changes l : forall q r s xs,
  StronglySorted Rlt l -> (forall m, In m l -> 0 < q m) -> Sorted Rlt xs ->
  (changes s (map (ratio_slope l q r) xs) <= changes s (differences (map r l)))%nat.
Proof.
  induction l as [|m l IH]; intros q r s xs Hl Hq Hxs; [|destruct l as [|m2 l]].
  - rewrite changes_zeros; [lia|]; intros x Hx; apply in_map_iff in Hx; destruct Hx as [y [<- _]].
    now apply ratio_slope_constant.
  - rewrite changes_zeros; [lia|]; intros x Hx; apply in_map_iff in Hx; destruct Hx as [y [<- _]].
    apply ratio_slope_constant; now intros n n' [<-|[]] [<-|[]].
  - destruct (ratio_step m m2 l q r Hl Hq) as (q' & g & dg & Hq' & Hg & Hd & Hdg & Hlim).
    rewrite (changes_map_aligned xs _ g) by (intros; apply Hg).
    replace (differences (map r (m :: m2 :: l)))
      with ((r m2 - r m) :: differences (map r (m2 :: l))) by easy.
    rewrite <- (changes_scaled_head (q m)) by (apply Hq; now left).
    apply (diminish g dg _ _ Hd Hlim); [|easy]; intros s' ys Hys.
    rewrite (changes_map_aligned ys _ (ratio_slope (m2 :: l) q' r)) by (intros; apply Hdg).
    apply IH; [now apply StronglySorted_inv in Hl|easy|easy].
Qed.
