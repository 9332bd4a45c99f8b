(** * The shape of a concept curve

    Let [rho m] be the probability of the concept among the tokens with log-odds [m]: steering does
    not change it.  The concept curve is the mean of [rho] under the steered distribution of the
    levels, and it is never more complicated than [rho] is: it crosses a value at most as often, and
    it turns at most as often, with the same parity. *)

From Coq Require Import Sorted FunctionalExtensionality Classical.
From Coq Require Import Lia.
From SteeringStrength Require Import analysis tilting limits variation extrema concept.

(** ** The levels of the log-odds *)

Section Shape.

Context {T : Type} (vocab : list T) (p M : T -> R) (C : T -> bool).
Hypothesis p_pos : forall z, In z vocab -> 0 < p z.
Hypothesis p_total : Sum vocab p = 1.

(** The distinct log-odds of the vocabulary in ascending order. *)
Definition levels : list R := fold_right insert [] (map M vocab).

(** The probability of the concept within a level. *)
Definition rho (m : R) : R := Sum (filter C (filter (at_level M m) vocab)) p / mass vocab p M m.

Notation F := (F vocab p M C).
Notation q := (mass vocab p M).

Lemma levels_sorted : StronglySorted Rlt levels.
Proof.
  unfold levels; induction (map M vocab); simpl; [constructor|now apply insert_ascending].
Qed.

Lemma In_levels m : In m levels <-> exists z, In z vocab /\ M z = m.
Proof.
  assert (H : In m levels <-> In m (map M vocab)).
  { unfold levels; induction (map M vocab) as [|x l IH]; simpl; [easy|].
    rewrite In_insert, IH; intuition. }
  rewrite H, in_map_iff; split; intros [z [? ?]]; exists z; tauto.
Qed.

Lemma levels_nonempty : levels <> [].
Proof.
  destruct (max_exists vocab p M p_total) as [m [Hm _]].
  intros H; apply In_levels in Hm; now rewrite H in Hm.
Qed.

Lemma levels_mass m : In m levels -> 0 < q m.
Proof. intros Hm; apply In_levels in Hm; now apply mass_pos. Qed.

Lemma rho_nonneg m : In m levels -> 0 <= rho m.
Proof.
  intros Hm; apply Rmult_le_pos; [|now apply Rlt_le, Rinv_0_lt_compat, levels_mass].
  apply Sum_nonneg; intros z Hz; apply filter_In in Hz; destruct Hz as [Hz _].
  apply filter_In in Hz; now apply Rlt_le, p_pos.
Qed.

(** A level that holds a token of the concept has a positive value. *)
Lemma rho_held z : In z vocab -> C z = true -> 0 < rho (M z).
Proof.
  intros Hz HC; apply Rdiv_lt_0_compat; [|apply levels_mass, In_levels; now exists z].
  apply (Sum_pos_term _ _ z); [| |now apply p_pos].
  - intros y Hy; apply filter_In in Hy; destruct Hy as [Hy _]; apply filter_In in Hy.
    now apply Rlt_le, p_pos.
  - apply filter_In; split; [|easy]; apply filter_In; split; [easy|now apply at_level_true].
Qed.

(** A level without token of the concept has the value zero. *)
Lemma rho_none m : (forall z, In z vocab -> C z = true -> M z <> m) -> rho m = 0.
Proof.
  intros Hm; unfold rho; rewrite Sum_zero; [unfold Rdiv; ring|]; intros z Hz.
  apply filter_In in Hz; destruct Hz as [Hz HCz]; apply filter_In in Hz; destruct Hz as [Hz Ha].
  elim (Hm z Hz HCz); now apply at_level_true.
Qed.

(** Sum over the vocabulary level by level. *)
Lemma Sum_levels (f : T -> R) (g : R -> R) :
  Sum vocab (fun z => f z * g (M z))
  = Sum levels (fun m => Sum (filter (at_level M m) vocab) f * g m).
Proof.
  rewrite (Sum_ext levels _
    (fun m => Sum vocab (fun z => if Req_EM_T (M z) m then f z * g m else 0))).
  - rewrite Sum_swap; apply Sum_ext; intros z Hz; symmetry.
    apply (Sum_select levels (M z) (fun m => f z * g m));
      [apply ascending_NoDup, levels_sorted|].
    apply In_levels; now exists z.
  - intros m _; rewrite Sum_filter, <- Sum_scal_r; apply Sum_ext; intros z _.
    unfold at_level; destruct (Req_EM_T (M z) m); ring.
Qed.

(** The concept curve is the mean of [rho] over the tilted levels. *)
Lemma F_levels alpha : F alpha = ratio levels q rho alpha.
Proof.
  rewrite F_ratio by easy; unfold ratio; f_equal.
  - unfold weight, exponential_sum; rewrite Sum_filter.
    rewrite (Sum_ext vocab _ (fun z => (if C z then p z else 0) * exp (alpha * M z)))
      by (intros; destruct (C z); ring).
    rewrite (Sum_levels _ (fun m => exp (alpha * m))); apply Sum_ext; intros m Hm.
    f_equal; unfold rho; rewrite (Sum_filter (filter _ _) C).
    assert (H := levels_mass m Hm); field; lra.
  - unfold Z; apply (Sum_levels p (fun m => exp (alpha * m))).
Qed.

(** ** Crossings, turns, monotony *)

(** [concept-shape] Thm 3.6, crossings.  Along any increasing list of strengths, the concept curve
    crosses a value at most as often as [rho] does along the levels. *)
Theorem concept_shape_crossings (c : R) alphas :
  Sorted Rlt alphas ->
  (sign_changes (map (fun alpha => F alpha - c)%R alphas)
   <= sign_changes (map (fun m => rho m - c)%R levels))%nat.
Proof.
  intros Ha; unfold sign_changes.
  set (d := fun m => q m * (rho m - c)).
  rewrite (changes_map_aligned alphas _ (exponential_sum levels d)).
  - rewrite <- (changes_map_aligned levels d (fun m => rho m - c)).
    + apply exponential_sum_changes; [apply levels_sorted|easy].
    + intros m Hm; exists (q m); split; [now apply levels_mass|easy].
  - intros alpha _; assert (H := exponential_sum_pos levels q alpha levels_nonempty levels_mass).
    exists (/ exponential_sum levels q alpha); split; [now apply Rinv_0_lt_compat|].
    rewrite F_levels; unfold ratio, d.
    replace (exponential_sum levels (fun m => q m * (rho m - c)) alpha)
      with (exponential_sum levels (fun m => q m * rho m) alpha
            - c * exponential_sum levels q alpha); [field; lra|].
    unfold exponential_sum; rewrite <- Sum_scal, <- Sum_minus; apply Sum_ext; intros; ring.
Qed.

Definition slope_of_F : R -> R := ratio_slope levels q rho.

Lemma slope_of_F_derive alpha : is_derive F alpha (slope_of_F alpha).
Proof.
  apply (is_derive_ext (ratio levels q rho)); [intros; symmetry; apply F_levels|].
  apply ratio_derive; [apply levels_nonempty|apply levels_mass].
Qed.

Lemma slope_of_F_changes s alphas :
  Sorted Rlt alphas ->
  (changes s (map slope_of_F alphas) <= changes s (differences (map rho levels)))%nat.
Proof.
  intros Ha; apply ratio_slope_changes; [apply levels_sorted|apply levels_mass|easy].
Qed.

(** [concept-shape] Thm 3.6, slopes.  The slope of the concept curve changes sign at most as often
    as [rho] turns. *)
Theorem concept_shape_slope :
  exists slope : R -> R,
    (forall alpha, is_derive F alpha (slope alpha))
    /\ (forall alphas, Sorted Rlt alphas ->
        (sign_changes (map slope alphas) <= turns (map rho levels))%nat).
Proof.
  exists slope_of_F; split; [apply slope_of_F_derive|]; intros; now apply slope_of_F_changes.
Qed.

(** [concept-shape] Thm 3.6, turns.  Along any increasing list of strengths, the concept curve turns
    at most as often as [rho] does along the levels. *)
Theorem concept_shape_turns alphas :
  Sorted Rlt alphas -> (turns (map F alphas) <= turns (map rho levels))%nat.
Proof.
  destruct alphas as [|a l]; [intros; apply Nat.le_0_l|]; intros Ha.
  destruct (differences_derivative F slope_of_F slope_of_F_derive l a Ha) as (k & Hk & _ & Hd).
  unfold turns, sign_changes; rewrite (changes_aligned _ _ 0 0 Hd) by apply aligned_refl.
  now apply slope_of_F_changes.
Qed.

(** [concept-shape] Thm 3.6.  If [rho] is not constant, the concept curve is a zigzag with finitely
    many interior extrema, at most as many as [rho] has turns, and of the same parity. *)
Theorem concept_shape :
  (exists m n, In m levels /\ In n levels /\ rho m <> rho n) ->
  exists s extrema, (s = 1 \/ s = -1) /\ zigzag F s m_infty extrema
    /\ (length extrema <= turns (map rho levels))%nat
    /\ Nat.even (length extrema) = Nat.even (turns (map rho levels)).
Proof.
  replace F with (ratio levels q rho)
    by (apply functional_extensionality; intros; symmetry; apply F_levels).
  apply ratio_extrema; [apply levels_sorted|apply levels_mass].
Qed.

(** [concept-shape] Thm 3.6, counting.  The strict local extrema of the concept curve are finitely
    many: at most as many as [rho] has turns, and of the same parity. *)
Theorem concept_shape_extrema :
  (exists m n, In m levels /\ In n levels /\ rho m <> rho n) ->
  exists extrema, StronglySorted Rlt extrema
    /\ (forall alpha, In alpha extrema <-> local_extremum F alpha)
    /\ (length extrema <= turns (map rho levels))%nat
    /\ Nat.even (length extrema) = Nat.even (turns (map rho levels)).
Proof.
  intros Hvary; destruct (concept_shape Hvary) as (s & extrema & _ & Hz & Hlen & Hparity).
  exists extrema; split; [now apply (zigzag_ascending F extrema s m_infty)|split; [|easy]].
  intros alpha; now apply (zigzag_extrema F extrema s m_infty).
Qed.

(** [concept-shape] Thm 3.6, constant profile.  If [rho] is constant the concept curve is flat. *)
Theorem concept_shape_constant c alpha :
  (forall m, In m levels -> rho m = c) -> F alpha = c.
Proof.
  intros Hc; rewrite F_levels; unfold ratio.
  assert (H := exponential_sum_pos levels q alpha levels_nonempty levels_mass).
  rewrite (exponential_sum_ext levels (fun m => q m * rho m) (fun m => c * q m))
    by (intros m Hm; rewrite (Hc m Hm); ring).
  replace (exponential_sum levels (fun m => c * q m) alpha)
    with (c * exponential_sum levels q alpha); [field; lra|].
  unfold exponential_sum; rewrite <- Sum_scal; apply Sum_ext; intros; ring.
Qed.

(** If [rho] moves one way along the levels, the concept curve strictly moves that way. *)
Lemma F_one_way t :
  t = 1 \/ t = -1 ->
  (forall m n, In m levels -> In n levels -> m < n -> 0 <= t * (rho n - rho m)) ->
  (exists m n, In m levels /\ In n levels /\ rho m <> rho n) ->
  forall a b, a < b -> 0 < t * (F b - F a).
Proof.
  intros Ht Hmono Hvary; assert (Ht0 : t <> 0) by (destruct Ht; lra).
  assert (Hdiff : forall x, In x (differences (map rho levels)) -> 0 <= t * x).
  { clear Hvary; generalize levels_sorted; revert Hmono; induction levels as [|m l IH];
      intros Hmono Hs x Hx; [easy|]; destruct l as [|m2 l]; [easy|].
    assert (Hm := ascending_head m _ Hs); apply StronglySorted_inv in Hs.
    change (In x ((rho m2 - rho m) :: differences (map rho (m2 :: l)))) in Hx.
    destruct Hx as [<-|Hx].
    - apply Hmono; [now left|right; now left|apply Hm; now left].
    - apply IH; [|easy|easy]; intros a b Ha Hb; apply Hmono; now right. }
  assert (Hslope : forall a, 0 <= t * slope_of_F a).
  { intros a; assert (H : (changes t (map slope_of_F [a]) <= 0)%nat).
    { rewrite <- (changes_one_side t _ Ht0 Hdiff); apply slope_of_F_changes; repeat constructor. }
    cbn [map changes] in H; destruct (Req_EM_T (slope_of_F a) 0) as [->|]; [lra|].
    destruct (Rlt_dec (t * slope_of_F a) 0); [lia|lra]. }
  destruct (concept_shape Hvary) as (s & points & Hs & Hz & Hlen & _).
  assert (Hturns : turns (map rho levels) = 0%nat).
  { unfold turns, sign_changes; clear - Hdiff Ht0.
    induction (differences (map rho levels)) as [|x l IH]; [easy|]; cbn [changes].
    destruct (Req_EM_T x 0); [apply IH; intros; apply Hdiff; now right|].
    destruct (Rlt_dec (0 * x) 0); [lra|].
    rewrite (changes_aligned l l x t); [|apply Forall2_aligned_refl|].
    - apply changes_one_side; [easy|intros; apply Hdiff; now right].
    - specialize (Hdiff x (or_introl eq_refl)); exists (x / t); split; [|field; easy].
      assert (0 < t * t) by now apply Rsqr_pos_lt.
      assert (t * x <> 0) by now apply product_nonzero.
      replace (x / t) with (t * x * / (t * t)) by (field; easy).
      apply Rmult_lt_0_compat; [lra|now apply Rinv_0_lt_compat]. }
  rewrite Hturns in Hlen; destruct points as [|e l]; [|simpl in Hlen; lia].
  (* no extremum: the curve moves one way, and that way is [t] *)
  intros a b Hab; assert (H : 0 < s * (F b - F a)) by (apply Hz; easy).
  assert (Hge : t * F a <= t * F b).
  { apply (nondecreasing (fun x => t * F x) (fun x => t * slope_of_F x)); [|apply Hslope|lra].
    intros x; apply @is_derive_scal, slope_of_F_derive. }
  destruct Ht as [-> | ->], Hs as [-> | ->]; lra.
Qed.

(** [concept-shape] Thm 3.6, monotony.  If [rho] increases along the levels, without being constant,
    the concept curve strictly increases: the concept need not be above all other tokens. *)
Theorem concept_shape_increasing :
  (forall m n, In m levels -> In n levels -> m < n -> rho m <= rho n) ->
  (exists m n, In m levels /\ In n levels /\ rho m <> rho n) ->
  forall a b, a < b -> F a < F b.
Proof.
  intros Hmono Hvary a b Hab; enough (0 < 1 * (F b - F a)) by lra.
  apply F_one_way; auto; intros m n Hm Hn Hlt; specialize (Hmono m n Hm Hn Hlt); lra.
Qed.

(** [concept-shape] Thm 3.6, monotony.  If [rho] decreases along the levels, without being constant,
    the concept curve strictly decreases. *)
Theorem concept_shape_decreasing :
  (forall m n, In m levels -> In n levels -> m < n -> rho n <= rho m) ->
  (exists m n, In m levels /\ In n levels /\ rho m <> rho n) ->
  forall a b, a < b -> F b < F a.
Proof.
  intros Hmono Hvary a b Hab; enough (0 < -1 * (F b - F a)) by lra.
  apply F_one_way; auto; intros m n Hm Hn Hlt; specialize (Hmono m n Hm Hn Hlt); lra.
Qed.

(** A profile turns at most twice for each level that holds a token of the concept, less one. *)
Lemma turns_held (held : list R) :
  inhabited vocab C -> (forall z, In z vocab -> C z = true -> In (M z) held) ->
  (turns (map rho levels) <= 2 * length held - 1)%nat.
Proof.
  intros [z0 [Hz0 HC0]] Hheld.
  assert (Hsome : nonzero (map rho levels) <> []).
  { assert (Hpos := rho_held z0 Hz0 HC0).
    apply (In_filter_nonempty _ _ (rho (M z0))).
    - apply in_map, In_levels; now exists z0.
    - destruct (Req_EM_T (rho (M z0)) 0); [lra|easy]. }
  set (k := filter (fun m => if Req_EM_T (rho m) 0 then false else true) levels).
  assert (Hlen : length (nonzero (map rho levels)) = length k).
  { unfold k, nonzero; clear; induction levels as [|m l IH]; [easy|]; simpl.
    destruct (Req_EM_T (rho m) 0); simpl; now rewrite ?IH. }
  assert (Hk : (length k <= length held)%nat).
  { apply NoDup_incl_length; [apply NoDup_filter, ascending_NoDup, levels_sorted|].
    intros m Hm; apply filter_In in Hm; destruct Hm as [Hm Hne].
    destruct (in_dec Req_EM_T m held) as [|Hout]; [easy|exfalso].
    rewrite rho_none in Hne; [now destruct (Req_EM_T 0 0)|].
    intros z Hz HC E; apply Hout; rewrite <- E; auto. }
  assert (Hturns : (turns (map rho levels) <= 2 * length k - 1)%nat).
  { rewrite <- Hlen; apply turns_nonzero; [|easy]; intros x Hx; apply in_map_iff in Hx.
    destruct Hx as [m [<- Hm]]; now apply rho_nonneg. }
  lia.
Qed.

(** [concept-shape] Thm 3.6, how many turns.  The profile of a concept turns at most twice for each
    of its tokens, less one; so does its curve. *)
Theorem concept_shape_count :
  inhabited vocab C -> (turns (map rho levels) <= 2 * length (filter C vocab) - 1)%nat.
Proof.
  intros HC; rewrite <- (map_length M); apply turns_held; [easy|].
  intros z Hz HCz; now apply in_map, filter_In.
Qed.

(** [concept-shape] Thm 3.6, where three behaviours are all there is.  If the log-odds are constant
    on the concept, its curve is flat, or has at most one interior extremum. *)
Theorem concept_shape_one_level m :
  inhabited vocab C -> (forall z, In z vocab -> C z = true -> M z = m) ->
  (exists c, forall alpha, F alpha = c)
  \/ exists s extrema, (s = 1 \/ s = -1) /\ zigzag F s m_infty extrema
       /\ (length extrema <= 1)%nat.
Proof.
  intros HC Hm.
  destruct (classic (exists m n, In m levels /\ In n levels /\ rho m <> rho n)) as [Hv|Hc].
  - right; destruct (concept_shape Hv) as (s & extrema & Hs & Hz & Hlen & _).
    exists s, extrema; split; [easy|split; [easy|]]; apply Nat.le_trans with (1 := Hlen).
    apply (turns_held [m] HC); intros z Hz' HCz; left; symmetry; auto.
  - left; destruct HC as [z [Hz HCz]]; exists (rho (M z)); intros alpha.
    apply concept_shape_constant; intros n Hn.
    destruct (Req_dec (rho n) (rho (M z))) as [|Hne]; [easy|]; elim Hc; exists n, (M z).
    split; [easy|split; [apply In_levels; now exists z|easy]].
Qed.

(** The parity of the turns, when [rho] leaves its first value on the side of [s] and comes to its
    last value, which is zero, from above. *)
Lemma turns_parity lower upper s :
  is_min vocab M lower -> is_max vocab M upper -> rho upper = 0 ->
  (exists m n, In m levels /\ In n levels /\ rho m <> rho n) -> s <> 0 ->
  (forall m, In m levels -> rho m <> rho lower -> 0 < s * (rho m - rho lower)) ->
  Nat.even (turns (map rho levels)) = (if Rlt_dec 0 s then false else true).
Proof.
  intros Hlow Hup Hupper Hvary Hs Hside.
  assert (Hsorted := levels_sorted); assert (Hin := In_levels); assert (Hpos := rho_nonneg).
  destruct levels as [|m l] eqn:E; [now destruct levels_nonempty|].
  assert (Hm := ascending_head m l Hsorted).
  assert (Hfirst : m = lower).
  { assert (Hl : In lower (m :: l)) by apply Hin, Hlow.
    destruct (proj1 (Hin m) (or_introl eq_refl)) as [y [Hy Ey]]; assert (Hb := proj2 Hlow y Hy).
    destruct Hl as [->|Hl]; [easy|specialize (Hm _ Hl); lra]. }
  subst m; assert (Hnot : ~ forall n, In n (lower :: l) -> rho n = rho lower).
  { intros H; destruct Hvary as (a & b & Ha & Hb & Hab); apply Hab; now rewrite (H a), (H b). }
  destruct (first_difference rho l lower Hsorted) as [|(f & Hf & Hne & _ & Hcount)]; [easy|].
  destruct (last_difference rho l lower Hsorted)
    as [|(g & v & Hg & Hgv & (n & Hn & Hgn) & Hhigh & Hfin)]; [easy|].
  assert (Hv : v = 0).
  { rewrite <- (Hhigh upper), Hupper; [easy|apply Hin, Hup|].
    destruct (proj1 (Hin n) (or_intror Hn)) as [y [Hy Ey]].
    generalize (proj2 Hup y Hy); lra. }
  assert (Hrg : 0 < rho g) by (specialize (Hpos g Hg); lra).
  rewrite <- (Hcount s (Hside f (or_intror Hf) Hne)), changes_parity, Hfin, Hv by easy.
  destruct (Rlt_dec 0 (s * (0 - rho g))) as [H|H], (Rlt_dec 0 s) as [H0|H0]; try easy; exfalso.
  - assert (0 < s * rho g) by now apply Rmult_lt_0_compat; lra.
    lra.
  - apply H; replace (s * (0 - rho g)) with ((- s) * rho g) by ring.
    apply Rmult_lt_0_compat; [|easy]; destruct (Rtotal_order s 0) as [|[|]]; lra || easy.
Qed.

(** A level of nothing but the concept has the largest value, one. *)
Lemma rho_le_1 m : In m levels -> rho m <= 1.
Proof.
  intros Hm; assert (H := levels_mass m Hm).
  apply (Rmult_le_reg_r (q m)); [easy|]; unfold rho, Rdiv.
  rewrite Rmult_assoc, Rinv_l, Rmult_1_r, Rmult_1_l by lra.
  unfold mass; rewrite (Sum_filter _ C); apply Sum_le; intros z Hz; apply filter_In in Hz.
  assert (Hp := p_pos z (proj1 Hz)); destruct (C z); lra.
Qed.

Lemma rho_all m :
  In m levels -> (forall z, In z vocab -> M z = m -> C z = true) -> rho m = 1.
Proof.
  intros Hm Hall; assert (H := levels_mass m Hm); unfold rho.
  replace (Sum (filter C (filter (at_level M m) vocab)) p) with (q m); [field; lra|].
  unfold mass; rewrite (Sum_filter _ C); apply Sum_ext; intros z Hz; apply filter_In in Hz.
  destruct Hz as [Hz Ha]; apply at_level_true in Ha; now rewrite (Hall z Hz Ha).
Qed.

(** [concept-shape] Thm 3.6, a concept without extremal tokens.  Its curve, which vanishes at both
    ends, has an odd number of interior extrema: one, or three, up to twice its tokens less one. *)
Theorem concept_shape_odd lower upper :
  inhabited vocab C -> is_min vocab M lower -> is_max vocab M upper ->
  (forall z, In z vocab -> C z = true -> M z <> lower /\ M z <> upper) ->
  exists s extrema, (s = 1 \/ s = -1) /\ zigzag F s m_infty extrema
    /\ (length extrema <= 2 * length (filter C vocab) - 1)%nat
    /\ Nat.odd (length extrema) = true.
Proof.
  intros HC Hlow Hup Hmid; assert (Hcount := concept_shape_count HC).
  assert (Hlower : rho lower = 0) by (apply rho_none; intros; now apply Hmid).
  assert (Hupper : rho upper = 0) by (apply rho_none; intros; now apply Hmid).
  assert (Hvary : exists m n, In m levels /\ In n levels /\ rho m <> rho n).
  { destruct HC as [z [Hz HCz]]; exists (M z), lower.
    split; [apply In_levels; now exists z|split; [apply In_levels, Hlow|]].
    generalize (rho_held z Hz HCz); lra. }
  destruct (concept_shape Hvary) as (s & extrema & Hs & Hz & Hlen & Hparity).
  exists s, extrema; split; [easy|split; [easy|split; [lia|]]].
  rewrite <- Nat.negb_even, Hparity, (turns_parity lower upper 1); try easy; try lra.
  - destruct (Rlt_dec 0 1); [easy|lra].
  - intros m Hm Hne; generalize (rho_nonneg m Hm); lra.
Qed.

(** [concept-shape] Thm 3.6, a concept that holds all tokens of smallest log-odds and none of the
    largest.  Its curve, which falls from one to zero, has an even number of interior extrema. *)
Theorem concept_shape_even lower upper :
  is_min vocab M lower -> is_max vocab M upper ->
  (forall z, In z vocab -> M z = lower -> C z = true) ->
  (forall z, In z vocab -> C z = true -> M z <> upper) ->
  exists s extrema, (s = 1 \/ s = -1) /\ zigzag F s m_infty extrema
    /\ (length extrema <= 2 * length (filter C vocab) - 1)%nat
    /\ Nat.even (length extrema) = true.
Proof.
  intros Hlow Hup Hall Hnone.
  assert (HC : inhabited vocab C).
  { destruct Hlow as [[z [Hz Ez]] _]; exists z; split; [easy|now apply Hall]. }
  assert (Hcount := concept_shape_count HC).
  assert (Hl : In lower levels) by apply In_levels, Hlow.
  assert (Hlower : rho lower = 1) by now apply rho_all.
  assert (Hupper : rho upper = 0) by now apply rho_none.
  assert (Hvary : exists m n, In m levels /\ In n levels /\ rho m <> rho n).
  { exists lower, upper; split; [easy|split; [apply In_levels, Hup|lra]]. }
  destruct (concept_shape Hvary) as (s & extrema & Hs & Hz & Hlen & Hparity).
  exists s, extrema; split; [easy|split; [easy|split; [lia|]]].
  rewrite Hparity, (turns_parity lower upper (-1)); try easy; try lra.
  - destruct (Rlt_dec 0 (-1)); [lra|easy].
  - intros m Hm Hne; generalize (rho_le_1 m Hm); lra.
Qed.

(** [concept-shape] Thm 3.6, ends.  The concept curve comes from [rho] at the smallest log-odds. *)
Theorem concept_shape_minus_infinity m :
  is_min vocab M m -> is_lim F m_infty (rho m).
Proof.
  intros Hm; eapply is_lim_value; [now apply (F_minus_infinity vocab p M p_pos p_total C m)|].
  unfold share, rho; rewrite !Sum_filter, <- Sum_div; apply Sum_ext; intros z _.
  destruct (C z), (at_level M m z); unfold Rdiv; ring.
Qed.

(** [concept-shape] Thm 3.6, ends.  The concept curve tends to [rho] at the largest log-odds. *)
Theorem concept_shape_plus_infinity m :
  is_max vocab M m -> is_lim F p_infty (rho m).
Proof.
  intros Hm; eapply is_lim_value; [now apply (F_plus_infinity vocab p M p_pos p_total C m)|].
  unfold share, rho; rewrite !Sum_filter, <- Sum_div; apply Sum_ext; intros z _.
  destruct (C z), (at_level M m z); unfold Rdiv; ring.
Qed.

(** [concept-shape] Thm 3.6, ends, rates.  The approach is exponential, in the gap between the
    extreme log-odds and the next level at which [rho] has another value than at the extreme ones,
    with an exact factor. *)
Theorem concept_shape_rate lower upper first last :
  is_min vocab M lower -> is_max vocab M upper -> In first levels -> In last levels ->
  (forall m, In m levels -> m < first -> rho m = rho lower) ->
  (forall m, In m levels -> last < m -> rho m = rho upper) ->
  is_lim (fun alpha => exp (alpha * (upper - last)) * (F alpha - rho upper)) p_infty
    (q last * (rho last - rho upper) / q upper) /\
  is_lim (fun alpha => exp (- alpha * (first - lower)) * (F alpha - rho lower)) m_infty
    (q first * (rho first - rho lower) / q lower).
Proof.
  intros [Hlow Hmin] [Hup Hmax] Hfirst Hlast Hbefore Hafter.
  assert (Hdup := ascending_NoDup _ levels_sorted).
  assert (Hlevel : forall m, In m levels -> lower <= m <= upper).
  { intros m Hm; apply In_levels in Hm; destruct Hm as [z [Hz <-]]; auto. }
  split.
  - apply (is_lim_ext (fun x => exp (x * (upper - last)) * (ratio levels q rho x - rho upper)));
      [intros; now rewrite F_levels|].
    apply ratio_tail; auto using levels_mass; [now apply In_levels|apply Hlevel].
  - apply (is_lim_ext (fun x => exp (- x * (first - lower)) * (ratio levels q rho x - rho lower)));
      [intros; now rewrite F_levels|].
    apply ratio_head; auto using levels_mass; [now apply In_levels|apply Hlevel].
Qed.

End Shape.
