(** * Transformers: the final norm and the last block

    A state is a function on a list [coords] of coordinates.  A final norm divides the state (for
    LayerNorm, the centred state) by its root mean square, with an [eps], a gain and a bias; the
    unembedding is any linear map.  Nothing here assumes that logits are linear in the strength. *)

From Coq Require Import FunctionalExtensionality.
From SteeringStrength Require Import analysis tilting asymptotics.

Section FinalNorm.

Context {coordinate : Type} (coords : list coordinate).
Notation state := (coordinate -> R).
Implicit Types (x y u h v gain bias : state) (k : coordinate).

Inductive norm := RMSNorm | LayerNorm.

(** What the norm sees of a state: all of it, or the state minus its mean. *)
Definition seen (n : norm) x : state :=
  match n with RMSNorm => x | LayerNorm => fun k => x k - average coords x end.

Definition mean_square x : R := average coords (fun k => x k ^ 2).
Definition mean_product x y : R := average coords (fun k => x k * y k).

Definition normed n (eps : R) gain bias x : state :=
  fun k => gain k * (seen n x k / sqrt (mean_square (seen n x) + eps)) + bias k.

Definition moved h (alpha : R) v : state := fun k => h k + alpha * v k.

Definition visible n v : Prop := exists k, In k coords /\ seen n v k <> 0.

(** ** Algebra of the norm *)

Lemma seen_moved n h alpha v k :
  seen n (moved h alpha v) k = seen n h k + alpha * seen n v k.
Proof.
  destruct n; simpl; [reflexivity|].
  unfold moved; rewrite average_plus, average_scal; ring.
Qed.

Lemma seen_opp n v k : seen n (fun i => - v i) k = - seen n v k.
Proof.
  destruct n; simpl; [reflexivity|]; unfold average; rewrite Sum_opp; lra.
Qed.

Lemma mean_square_ext x y : (forall k, In k coords -> x k = y k) -> mean_square x = mean_square y.
Proof. intros H; apply average_ext; intros k Hk; now rewrite H. Qed.

Lemma mean_square_scal c x : mean_square (fun k => c * x k) = c ^ 2 * mean_square x.
Proof. unfold mean_square; rewrite <- average_scal; apply average_ext; intros; ring. Qed.

Lemma mean_square_moved h alpha v :
  mean_square (moved h alpha v) =
  mean_square v * alpha ^ 2 + 2 * mean_product h v * alpha + mean_square h.
Proof.
  unfold mean_square, mean_product, moved.
  rewrite (average_ext coords (fun k => (h k + alpha * v k) ^ 2)
    (fun k => alpha ^ 2 * v k ^ 2 + (2 * alpha * (h k * v k) + h k ^ 2))) by (intros; ring).
  rewrite !average_plus, !average_scal; ring.
Qed.

Lemma mean_square_nonneg x : 0 <= mean_square x.
Proof.
  unfold mean_square, average; destruct coords as [|k l]; [simpl; lra|].
  apply Rmult_le_pos; [apply Sum_nonneg; intros; apply pow2_ge_0|].
  apply Rlt_le, Rinv_0_lt_compat, length_pos; discriminate.
Qed.

Lemma mean_square_pos n v : visible n v -> 0 < mean_square (seen n v).
Proof.
  intros [k [Hk Hv]]; apply Rdiv_lt_0_compat.
  - apply Sum_pos_term with k; [intros; apply pow2_ge_0|easy|now apply pow2_gt_0].
  - apply length_pos; intros H; now rewrite H in Hk.
Qed.

Lemma visible_opp n v : visible n v -> visible n (fun k => - v k).
Proof. intros [k [Hk Hv]]; exists k; split; [easy|]; rewrite seen_opp; lra. Qed.

(** ** Far out: the norm divides the state by the strength *)

Section Far.

(** [g alpha + alpha u] is what the norm sees at strength [alpha]. *)
Variables (g : R -> state) (u : state) (eps : R).
Hypothesis u_pos : 0 < mean_square u.
Hypothesis g_small : forall k, In k coords -> is_lim (fun t => g t k / t) p_infty 0.

Let scale (t : R) : R := sqrt (mean_square (fun k => g t k / t + u k) + eps * / t ^ 2).

Lemma scale_limit : is_lim scale p_infty (sqrt (mean_square u)).
Proof.
  assert (Hinv : is_lim (fun t => / t ^ 2) p_infty 0).
  { apply is_lim_ext_loc with (fun t => / t * / t); [exists 0; intros; field; lra|].
    apply (is_lim_value _ _ (0 * 0)); [apply lim_mult; apply lim_far_inv|ring]. }
  apply lim_sqrt, (is_lim_value _ _ (mean_square u + eps * 0)); [|ring].
  apply is_lim_plus'; [|apply lim_mult; [apply is_lim_const|exact Hinv]].
  apply lim_mult; [|apply is_lim_const].
  apply (is_lim_Sum coords (fun k t => (g t k / t + u k) ^ 2)); intros k Hk; simpl.
  assert (H : is_lim (fun t => g t k / t + u k) p_infty (u k)).
  { apply (is_lim_value _ _ (0 + u k)); [|ring].
    apply is_lim_plus'; [now apply g_small|apply is_lim_const]. }
  apply lim_mult; [exact H|]; apply lim_mult; [exact H|apply is_lim_const].
Qed.

Lemma scale_spec t :
  0 < t -> sqrt (mean_square (fun k => g t k + t * u k) + eps) = t * scale t.
Proof.
  intros Ht; unfold scale.
  set (s := mean_square (fun k => g t k / t + u k) + eps * / t ^ 2).
  replace (t * sqrt s) with (sqrt (t ^ 2 * s))
    by (rewrite sqrt_mult_alt, sqrt_pow2; [easy|lra|apply pow2_ge_0]).
  f_equal; unfold s; rewrite Rmult_plus_distr_l, <- mean_square_scal; f_equal; [|field; lra].
  apply mean_square_ext; intros; field; lra.
Qed.

Lemma direction_limit k : In k coords ->
  is_lim (fun t => (g t k + t * u k) / sqrt (mean_square (fun i => g t i + t * u i) + eps))
    p_infty (u k / sqrt (mean_square u)).
Proof.
  intros Hk; assert (0 < sqrt (mean_square u)) by now apply sqrt_lt_R0.
  apply is_lim_ext_loc with (fun t => (g t k / t + u k) * / scale t).
  - exists 0; intros t Ht; rewrite scale_spec by easy.
    unfold Rdiv; rewrite Rinv_mult, <- Rmult_assoc; f_equal; field; lra.
  - apply lim_mult; [|apply lim_inv; [apply scale_limit|lra]].
    apply (is_lim_value _ _ (0 + u k)); [|ring].
    apply is_lim_plus'; [now apply g_small|apply is_lim_const].
Qed.

End Far.

(** ** The first order in 1/alpha, where the response of the later blocks converges *)

Section Approach.

Variables (g : R -> state) (c u : state) (eps : R).
Hypothesis eps_nonneg : 0 <= eps.
Hypothesis u_pos : 0 < mean_square u.
Hypothesis g_limit : forall k, In k coords -> is_lim (fun t => g t k) p_infty (c k).

Let norm_at (t : R) : R := sqrt (mean_square (fun k => g t k + t * u k) + eps).

Lemma approach_limit k : In k coords ->
  is_lim (fun t => t * ((g t k + t * u k) / norm_at t - u k / sqrt (mean_square u))) p_infty
    ((c k - u k * (mean_product c u / mean_square u)) / sqrt (mean_square u)).
Proof.
  intros Hk; assert (g_small : forall i, In i coords -> is_lim (fun t => g t i / t) p_infty 0).
  { intros i Hi; apply (is_lim_value _ _ (c i * 0)); [|ring].
    apply lim_mult; [now apply g_limit|apply lim_far_inv]. }
  pose proof (scale_limit g u eps g_small) as Hscale.
  set (scale := fun t => sqrt (mean_square (fun k => g t k / t + u k) + eps * / t ^ 2)) in Hscale.
  set (A := mean_square u) in *; assert (HA : 0 < sqrt A) by now apply sqrt_lt_R0.
  assert (Hspec : forall t, 0 < t -> norm_at t = t * scale t) by (intros; now apply scale_spec).
  (* the square of the scale is A + (2 B + (mean g^2 + eps)/t)/t *)
  assert (Hsquare : is_lim (fun t => t * (scale t ^ 2 - A)) p_infty (2 * mean_product c u)).
  { assert (Hm : is_lim (fun t => mean_square (g t)) p_infty (mean_square c)).
    { apply lim_mult; [|apply is_lim_const].
      apply (is_lim_Sum coords (fun k t => g t k ^ 2)); intros i Hi; simpl.
      apply lim_mult; [now apply g_limit|].
      apply lim_mult; [now apply g_limit|apply is_lim_const]. }
    apply is_lim_ext_loc with
      (fun t => 2 * mean_product (g t) u + (mean_square (g t) + eps) * / t).
    - exists 0; intros t Ht; unfold scale; rewrite pow2_sqrt.
      2: { apply Rplus_le_le_0_compat; [apply mean_square_nonneg|].
           apply Rmult_le_pos; [easy|apply Rlt_le, Rinv_0_lt_compat; nra]. }
      rewrite (mean_square_ext (fun k => g t k / t + u k) (moved u (/ t) (g t)))
        by (intros; unfold moved, Rdiv; ring).
      rewrite mean_square_moved; fold A.
      replace (mean_product u (g t)) with (mean_product (g t) u)
        by (apply average_ext; intros; ring).
      field; lra.
    - apply (is_lim_value _ _ (2 * mean_product c u + (mean_square c + eps) * 0)); [|ring].
      apply is_lim_plus'; [apply lim_mult; [apply is_lim_const|]|].
      + apply lim_mult; [|apply is_lim_const].
        apply (is_lim_Sum coords (fun k t => g t k * u k)); intros i Hi.
        apply lim_mult; [now apply g_limit|apply is_lim_const].
      + apply lim_mult; [|apply lim_far_inv]; apply is_lim_plus'; [exact Hm|apply is_lim_const]. }
  apply is_lim_ext_loc with
    (fun t => g t k * / scale t
              + - u k * (t * (scale t ^ 2 - A)) * / (scale t * sqrt A * (scale t + sqrt A))).
  - pose proof (lim_pos scale p_infty _ Hscale HA) as Hs.
    assert (Ht : Rbar_locally' p_infty (fun t => 0 < t)) by now exists 0.
    refine (filter_imp _ _ _ (filter_and _ _ Hs Ht)); intros t [Hst Ht0].
    rewrite Hspec by easy.
    assert (HAA : A = sqrt A ^ 2) by (now rewrite pow2_sqrt; [|apply Rlt_le]).
    set (s := sqrt A) in *; clearbody s; rewrite HAA; field; repeat split; lra.
  - apply (is_lim_value _ _ (c k * / sqrt A
      + - u k * (2 * mean_product c u) * / (sqrt A * sqrt A * (sqrt A + sqrt A)))).
    + apply is_lim_plus'.
      * apply lim_mult; [now apply g_limit|apply lim_inv; [exact Hscale|lra]].
      * apply lim_mult; [apply lim_mult; [apply is_lim_const|exact Hsquare]|].
        apply lim_inv; [|apply Rgt_not_eq, Rmult_lt_0_compat; nra]; apply lim_mult.
        -- apply lim_mult; [exact Hscale|apply is_lim_const].
        -- apply is_lim_plus'; [exact Hscale|apply is_lim_const].
    + assert (HAA : A = sqrt A ^ 2) by (now rewrite pow2_sqrt; [|apply Rlt_le]).
      set (s := sqrt A) in *; clearbody s; rewrite HAA; field; lra.
Qed.

End Approach.

(** ** The second order, where the response is only bounded *)

Lemma inverse_root (r s : R) : 0 < r -> r / 2 <= s ->
  Rabs (/ s - / r) <= 2 * Rabs (s ^ 2 - r ^ 2) / r ^ 3 /\
  Rabs (/ s - / r + (s ^ 2 - r ^ 2) / (2 * r ^ 3)) <= 2 * (s ^ 2 - r ^ 2) ^ 2 / r ^ 5.
Proof.
  intros Hr Hs; set (w := s ^ 2 - r ^ 2).
  assert (H3 : 0 < r ^ 3) by (apply pow_lt; lra).
  assert (Hsr : r ^ 3 / 2 <= s * r * (s + r)) by (simpl; nra); split.
  - replace (/ s - / r) with (- w * / (s * r * (s + r))) by (unfold w; field; lra).
    rewrite Rabs_mult, Rabs_Ropp, (Rabs_pos_eq (/ _)) by (apply Rlt_le, Rinv_0_lt_compat; lra).
    replace (2 * Rabs w / r ^ 3) with (Rabs w * / (r ^ 3 / 2)) by (field; lra).
    apply Rmult_le_compat_l; [apply Rabs_pos|apply Rinv_le_contravar; lra].
  - assert (H5 : 0 < r ^ 5) by (apply pow_lt; lra).
    assert (Hd : 0 < 2 * r ^ 3 * s * (s + r) ^ 2)
      by (repeat apply Rmult_lt_0_compat; try apply pow_lt; lra).
    replace (/ s - / r + w / (2 * r ^ 3))
      with (w ^ 2 * ((s + 2 * r) / (2 * r ^ 3 * s * (s + r) ^ 2))) by (unfold w; field; lra).
    replace (2 * w ^ 2 / r ^ 5) with (w ^ 2 * (2 / r ^ 5)) by (field; lra).
    assert (Hq : 0 <= (s + 2 * r) / (2 * r ^ 3 * s * (s + r) ^ 2) <= 2 / r ^ 5).
    { split; [apply Rlt_le, Rdiv_lt_0_compat; lra|].
      apply Rle_div_l; [easy|]; replace (2 / r ^ 5 * (2 * r ^ 3 * s * (s + r) ^ 2))
        with (4 * s * (s + r) ^ 2 / r ^ 2) by (field; lra).
      apply Rle_div_r; [nra|]; nra. }
    rewrite Rabs_mult, !Rabs_pos_eq by (apply pow2_ge_0 || lra).
    apply Rmult_le_compat_l; [apply pow2_ge_0|lra].
Qed.

Lemma root_expansion (A B C b c t : R) :
  0 < A -> Rabs B <= b -> 0 <= C <= c -> 1 + 4 * b / A <= t ->
  let r := sqrt A in let s := sqrt (A + (2 * B * / t + C * / t ^ 2)) in
  1 <= t /\ 0 < s /\ Rabs (/ s - / r) <= 2 * (2 * b + c) / r ^ 3 * / t /\
  Rabs (/ s - / r + B / r ^ 3 * / t)
    <= (2 * (2 * b + c) ^ 2 / r ^ 5 + c / (2 * r ^ 3)) * / t ^ 2.
Proof.
  intros HA HB HC Ht r s; assert (Hb : 0 <= b) by (eapply Rle_trans; [apply Rabs_pos|exact HB]).
  assert (Hfar : 4 * b <= (t - 1) * A) by (apply Rle_div_l; lra).
  assert (H1 : 1 <= t) by nra; assert (Hty : t * / t = 1) by (field; lra).
  set (y := / t) in *; assert (Hyy : / t ^ 2 = y ^ 2) by (unfold y; field; lra).
  unfold s; clear s; rewrite Hyy; set (w := 2 * B * y + C * y ^ 2); set (s := sqrt (A + w)).
  assert (Hy : 0 < y <= 1) by nra; assert (Hy2 : 0 <= y ^ 2 <= y) by nra.
  assert (Hr : 0 < r) by now apply sqrt_lt_R0.
  assert (Hr2 : r ^ 2 = A) by (apply pow2_sqrt; lra); apply Rabs_le_between in HB.
  assert (Hrest : 0 <= C * y ^ 2 <= c * y ^ 2) by (split; nra).
  assert (Hw : Rabs w <= (2 * b + c) * y) by (apply Rabs_le; unfold w; split; nra).
  assert (Hlow : A / 2 <= A + w) by (unfold w; nra).
  assert (Hs : r / 2 <= s)
    by (unfold s; rewrite <- (sqrt_pow2 (r / 2)) by lra; apply sqrt_le_1_alt; nra).
  assert (Hs2 : s ^ 2 - r ^ 2 = w) by (unfold s; rewrite pow2_sqrt by lra; lra).
  destruct (inverse_root r s Hr Hs) as [H2 H3]; rewrite Hs2 in H2, H3; clearbody s.
  assert (H3p : 0 < / r ^ 3) by (apply Rinv_0_lt_compat, pow_lt, Hr).
  assert (H5p : 0 < / r ^ 5) by (apply Rinv_0_lt_compat, pow_lt, Hr).
  repeat split; [easy|lra|unfold Rdiv in *; nra|].
  replace (/ s - / r + B / r ^ 3 * y)
    with (/ s - / r + w / (2 * r ^ 3) + - (C * y ^ 2 * (/ 2 * / r ^ 3))) by (unfold w; field; lra).
  eapply Rle_trans; [apply Rabs_triang|]; rewrite Rabs_Ropp, (Rabs_pos_eq (_ * (_ * _))) by nra.
  assert (Hw2 : w ^ 2 <= ((2 * b + c) * y) ^ 2)
    by (rewrite <- pow2_abs; apply pow_incr; split; [apply Rabs_pos|easy]).
  replace ((2 * (2 * b + c) ^ 2 / r ^ 5 + c / (2 * r ^ 3)) * y ^ 2)
    with (2 * ((2 * b + c) * y) ^ 2 / r ^ 5 + c * y ^ 2 * (/ 2 * / r ^ 3)) by (field; lra).
  unfold Rdiv in *; apply Rplus_le_compat; nra.
Qed.

Section Remainder.

Variables (u : state) (eps bound : R).
Hypothesis eps_nonneg : 0 <= eps.
Hypothesis u_pos : 0 < mean_square u.

Lemma coords_nonempty : coords <> [].
Proof. intros E; unfold mean_square, average in u_pos; rewrite E in u_pos; simpl in u_pos; lra. Qed.

Let size := average coords (fun k => bound * Rabs (u k)).

Lemma product_bound g : (forall k, In k coords -> Rabs (g k) <= bound) ->
  Rabs (mean_product g u) <= size /\ mean_square g <= bound ^ 2.
Proof.
  intros Hg; assert (Hk : forall k, In k coords -> Rabs (g k * u k) <= bound * Rabs (u k)).
  { intros k Hk; rewrite Rabs_mult; apply Rmult_le_compat_r; [apply Rabs_pos|auto]. }
  split; [apply Rabs_le; split|].
  - unfold mean_product, size; rewrite <- (Rmult_1_l (average _ _)), <- Ropp_mult_distr_l_reverse.
    rewrite <- average_scal; apply average_le; [apply coords_nonempty|]; intros k Hin.
    specialize (Hk k Hin); apply Rabs_le_between in Hk; lra.
  - apply average_le; [apply coords_nonempty|]; intros k Hin.
    specialize (Hk k Hin); apply Rabs_le_between in Hk; lra.
  - rewrite <- (average_const coords (bound ^ 2)) by apply coords_nonempty.
    apply average_le; [apply coords_nonempty|]; intros k Hin; rewrite <- pow2_abs.
    apply pow_incr; split; [apply Rabs_pos|auto].
Qed.

Lemma direction_remainder : exists (c : state) (far : R), forall g t k,
  (forall i, In i coords -> Rabs (g i) <= bound) -> far <= t -> In k coords ->
  Rabs ((g k + t * u k) / sqrt (mean_square (fun i => g i + t * u i) + eps)
        - u k / sqrt (mean_square u)
        - / t * ((g k - u k * (mean_product g u / mean_square u)) / sqrt (mean_square u)))
  <= c k / t ^ 2.
Proof.
  set (A := mean_square u) in *; set (r := sqrt A); set (w := 2 * size + (bound ^ 2 + eps)).
  exists (fun k => Rabs (u k) * (2 * w ^ 2 / r ^ 5 + (bound ^ 2 + eps) / (2 * r ^ 3))
    + bound * (2 * w / r ^ 3)), (1 + 4 * size / A); intros g t k Hg Ht Hk.
  destruct (product_bound g Hg) as [HB HC]; pose proof (mean_square_nonneg g) as HC0.
  set (B := mean_product g u) in *; set (C := mean_square g) in *.
  destruct (root_expansion A B (C + eps) size (bound ^ 2 + eps) t) as (H1 & Hs & H2 & H3);
    try easy; try lra; fold r w in H2, H3.
  replace (sqrt (mean_square (fun i => g i + t * u i) + eps))
    with (t * sqrt (A + (2 * B * / t + (C + eps) * / t ^ 2))).
  2: { transitivity (sqrt (t ^ 2 * (A + (2 * B * / t + (C + eps) * / t ^ 2))));
         [rewrite sqrt_mult_alt, sqrt_pow2 by (apply pow2_ge_0 || lra); reflexivity|].
       f_equal; pose proof (mean_square_moved g t u) as H; unfold moved in H; rewrite H.
       fold A B C; field; lra. }
  set (s := sqrt (A + _)) in *; clearbody s; assert (Hr : 0 < r) by now apply sqrt_lt_R0.
  assert (HA : A = r ^ 2) by (unfold r; rewrite pow2_sqrt; lra).
  replace (_ - _ - _) with (u k * (/ s - / r + B / r ^ 3 * / t) + g k * (/ t * (/ s - / r)))
    by (rewrite HA; field; lra).
  apply Rle_trans with (Rabs (u k) * ((2 * w ^ 2 / r ^ 5 + (bound ^ 2 + eps) / (2 * r ^ 3))
    * / t ^ 2) + bound * (2 * w / r ^ 3 * / t ^ 2)); [|right; unfold Rdiv; ring].
  eapply Rle_trans; [apply Rabs_triang|]; rewrite !Rabs_mult.
  assert (Hi : 0 < / t) by (apply Rinv_0_lt_compat; lra); rewrite (Rabs_pos_eq (/ t)) by lra.
  apply Rplus_le_compat; [apply Rmult_le_compat_l; [apply Rabs_pos|exact H3]|].
  apply Rmult_le_compat; [apply Rabs_pos| |auto|].
  - apply Rmult_le_pos; [lra|apply Rabs_pos].
  - replace (2 * w / r ^ 3 * / t ^ 2) with (/ t * (2 * w / r ^ 3 * / t)) by (field; lra).
    apply Rmult_le_compat_l; lra.
Qed.

End Remainder.

(** ** Prop. 4.1 *)

Context {token : Type} (W : token -> coordinate -> R) (n : norm) (eps : R) (gain bias : state).

(** The final logits of a prompt with hidden state [h] steered along [v]; [response alpha] is what
    the blocks after the steered one add. *)
Definition final_logits h (response : R -> state) v alpha : token -> R :=
  logits coords W (normed n eps gain bias (moved (fun k => h k + response alpha k) alpha v)).

(** The same for the steering vector alone, under a norm without [eps]. *)
Definition vector_logits v : token -> R := logits coords W (normed n 0 gain bias v).

Lemma lim_logits (x : R -> state) y e z :
  (forall k, In k coords -> is_lim (fun t => x t k) e (y k)) ->
  is_lim (fun t => logits coords W (x t) z) e (logits coords W y z).
Proof.
  intros H; apply (is_lim_Sum coords (fun k t => W z k * x t k)); intros k Hk.
  apply lim_mult; [apply is_lim_const|now apply H].
Qed.

Lemma lim_seen (x : R -> state) y e k :
  (forall i, In i coords -> is_lim (fun t => x t i) e (y i)) -> In k coords ->
  is_lim (fun t => seen n (x t) k) e (seen n y k).
Proof.
  intros H Hk; destruct n; simpl; [now apply H|].
  apply is_lim_minus'; [now apply H|].
  apply lim_mult; [|apply is_lim_const]; apply (is_lim_Sum coords (fun i t => x t i)), H.
Qed.

Lemma seen_over x t k : seen n x k / t = seen n (fun i => x i / t) k.
Proof.
  destruct n; simpl; [reflexivity|]; unfold average; rewrite Sum_div; unfold Rdiv; ring.
Qed.

(** The norm of a steered state, in terms of what the norm sees. *)
Lemma normed_moved e h alpha v k :
  normed n e gain bias (moved h alpha v) k
  = gain k * ((seen n h k + alpha * seen n v k)
              / sqrt (mean_square (fun i => seen n h i + alpha * seen n v i) + e)) + bias k.
Proof.
  unfold normed; rewrite seen_moved, (mean_square_ext (seen n (moved h alpha v))
    (fun i => seen n h i + alpha * seen n v i)) by (intros; apply seen_moved).
  reflexivity.
Qed.

Lemma norm_limit_forward h response v bound z :
  visible n v -> (forall alpha k, In k coords -> Rabs (response alpha k) <= bound) ->
  is_lim (fun alpha => final_logits h response v alpha z) p_infty (vector_logits v z).
Proof.
  intros Hv Hr; apply lim_logits; intros k Hk.
  eapply is_lim_ext; [intros; symmetry; apply normed_moved|]; unfold normed; rewrite Rplus_0_r.
  apply is_lim_plus'; [apply lim_mult; [apply is_lim_const|]|apply is_lim_const].
  apply (direction_limit (fun t => seen n (fun i => h i + response t i)));
    [now apply mean_square_pos| |easy].
  intros i Hi; eapply is_lim_ext; [intros; symmetry; apply seen_over|].
  apply (is_lim_value _ _ (seen n (fun _ => 0) i)).
  - apply (lim_seen (fun t j => (h j + response t j) / t)); [|easy]; intros j Hj.
    apply lim_bounded_over with (Rabs (h j) + bound); intros t.
    eapply Rle_trans; [apply Rabs_triang|]; apply Rplus_le_compat_l; now apply Hr.
  - destruct n; simpl; [easy|]; rewrite average_const; [ring|]; intros E; now rewrite E in Hi.
Qed.

Lemma final_logits_opp h response v alpha z :
  final_logits h (fun t => response (- t)) (fun k => - v k) alpha z
  = final_logits h response v (- alpha) z.
Proof.
  unfold final_logits; f_equal; f_equal; apply functional_extensionality; intros k.
  unfold moved; ring.
Qed.

(** [norm-limit] Prop. 4.1.  Whatever the prompt and however the later blocks respond, as long as
    the response is bounded, large strength leaves only the direction of the steering vector, and
    [eps] disappears from the limit; the bias keeps its sign at both ends. *)
Theorem norm_limit h response v bound z :
  visible n v -> (forall alpha k, In k coords -> Rabs (response alpha k) <= bound) ->
  is_lim (fun alpha => final_logits h response v alpha z) p_infty (vector_logits v z) /\
  is_lim (fun alpha => final_logits h response v alpha z) m_infty
    (vector_logits (fun k => - v k) z).
Proof.
  intros Hv Hr; split; [now apply norm_limit_forward with bound|].
  apply lim_minus_infinity; eapply is_lim_ext; [intros; apply final_logits_opp|].
  apply norm_limit_forward with bound; [now apply visible_opp|intros; now apply Hr].
Qed.

(** What the norm sees of [x] across [v], in units of the size of [v]: (sqrt d/|Pv|) (I - uu') Px
    with u = Pv/|Pv|. *)
Definition across v x : state := fun k =>
  (seen n x k - seen n v k * (mean_product (seen n x) (seen n v) / mean_square (seen n v)))
  / sqrt (mean_square (seen n v)).

(** [norm-limit] Sharpens Prop. 4.1.  The first correction does not see the part of the state along
    the steering vector. *)
Theorem norm_limit_across v x : visible n v -> mean_product (across v x) (seen n v) = 0.
Proof.
  intros Hv; apply mean_square_pos in Hv; unfold mean_product, across.
  set (A := mean_square (seen n v)) in *; assert (0 < sqrt A) by now apply sqrt_lt_R0.
  set (B := mean_product (seen n x) (seen n v)).
  rewrite (average_ext _ _ (fun k => / sqrt A * (seen n x k * seen n v k)
    - B / A / sqrt A * (seen n v k ^ 2))) by (intros; field; lra).
  rewrite average_minus, !average_scal; fold (mean_product (seen n x) (seen n v)); fold B.
  fold (mean_square (seen n v)); fold A; field; lra.
Qed.

Lemma norm_limit_rate_forward h response v (limit : state) z :
  0 <= eps -> visible n v ->
  (forall k, In k coords -> is_lim (fun alpha => response alpha k) p_infty (limit k)) ->
  is_lim (fun alpha => alpha * (final_logits h response v alpha z - vector_logits v z)) p_infty
    (logits coords W (fun k => gain k * across v (fun i => h i + limit i) k) z).
Proof.
  intros Heps Hv Hr.
  apply is_lim_ext with (fun alpha => logits coords W (fun k => alpha *
    (normed n eps gain bias (moved (fun i => h i + response alpha i) alpha v) k
     - normed n 0 gain bias v k)) z).
  { intros; unfold final_logits, vector_logits, logits; rewrite <- Sum_minus, <- Sum_scal.
    apply Sum_ext; intros; ring. }
  apply lim_logits; intros k Hk.
  set (g := fun t => seen n (fun i => h i + response t i)); set (u := seen n v).
  apply is_lim_ext with (fun t => gain k * (t *
    ((g t k + t * u k) / sqrt (mean_square (fun i => g t i + t * u i) + eps)
     - u k / sqrt (mean_square u)))).
  { intros; rewrite normed_moved; unfold normed; rewrite Rplus_0_r; fold u (g y); ring. }
  apply lim_mult; [apply is_lim_const|].
  apply (approach_limit g (seen n (fun i => h i + limit i)) u eps);
    [easy|now apply mean_square_pos| |easy].
  intros i Hi; apply (lim_seen (fun t j => h j + response t j)); [|easy].
  intros j Hj; apply is_lim_plus'; [apply is_lim_const|now apply Hr].
Qed.

Lemma seen_bound x b k : (forall i, In i coords -> Rabs (x i) <= b) -> In k coords ->
  Rabs (seen n x k) <= 2 * b.
Proof.
  intros Hx Hk; pose proof (Hx k Hk) as H; pose proof (Rabs_pos (x k)).
  destruct n; simpl; [lra|]; assert (Hl : coords <> []) by (intros E; now rewrite E in Hk).
  assert (Ha : Rabs (average coords x) <= b).
  { rewrite <- (average_const coords b Hl); unfold average, Rdiv; rewrite Rabs_mult.
    rewrite (Rabs_pos_eq (/ _)) by apply Rlt_le, Rinv_0_lt_compat, length_pos, Hl.
    apply Rmult_le_compat_r; [apply Rlt_le, Rinv_0_lt_compat, length_pos, Hl|].
    eapply Rle_trans; [apply Sum_Rabs|now apply Sum_le]. }
  unfold Rminus; eapply Rle_trans; [apply Rabs_triang|]; rewrite Rabs_Ropp; lra.
Qed.

Lemma norm_limit_remainder_forward h response v bound z :
  0 <= eps -> visible n v -> (forall alpha k, In k coords -> Rabs (response alpha k) <= bound) ->
  exists c far, forall alpha, far <= alpha ->
    Rabs (final_logits h response v alpha z - vector_logits v z - / alpha * logits coords W
            (fun k => gain k * across v (fun i => h i + response alpha i) k) z) <= c / alpha ^ 2.
Proof.
  intros Heps Hv Hr; assert (Hu := mean_square_pos n v Hv); set (u := seen n v) in *.
  destruct (direction_remainder u eps (2 * (Sum coords (fun k => Rabs (h k)) + bound)) Heps Hu)
    as (c & far & H); exists (Sum coords (fun k => Rabs (W z k * gain k) * c k)), far; intros t Ht.
  set (g := seen n (fun i => h i + response t i)).
  assert (Hg : forall i, In i coords ->
    Rabs (g i) <= 2 * (Sum coords (fun k => Rabs (h k)) + bound)).
  { intros i Hi; apply seen_bound; [|easy]; intros k Hk; eapply Rle_trans; [apply Rabs_triang|].
    apply Rplus_le_compat; [|now apply Hr].
    apply (Sum_term_le coords (fun k => Rabs (h k))); [intros; apply Rabs_pos|easy]. }
  unfold final_logits, vector_logits, logits; rewrite <- Sum_scal, <- !Sum_minus, <- Sum_div.
  eapply Rle_trans; [apply Sum_Rabs|]; apply Sum_le; intros k Hk; specialize (H g t k Hg Ht Hk).
  rewrite normed_moved; unfold normed, across; fold u g; rewrite Rplus_0_r.
  replace (_ - _ - _) with (W z k * gain k * ((g k + t * u k)
      / sqrt (mean_square (fun i => g i + t * u i) + eps) - u k / sqrt (mean_square u)
      - / t * ((g k - u k * (mean_product g u / mean_square u)) / sqrt (mean_square u)))) by ring.
  rewrite Rabs_mult; apply Rle_trans with (Rabs (W z k * gain k) * (c k / t ^ 2));
    [apply Rmult_le_compat_l; [apply Rabs_pos|exact H]|right; unfold Rdiv; ring].
Qed.

Lemma across_opp v x k : across (fun i => - v i) x k = across v x k.
Proof.
  unfold across; rewrite seen_opp.
  replace (mean_square (seen n (fun i => - v i))) with (mean_square (seen n v))
    by (apply average_ext; intros i _; rewrite (seen_opp n v); ring).
  replace (mean_product (seen n x) (seen n (fun i => - v i)))
    with (-1 * mean_product (seen n x) (seen n v)); [unfold Rdiv; ring|].
  unfold mean_product; rewrite <- average_scal; apply average_ext; intros i _.
  rewrite (seen_opp n v); ring.
Qed.

(** [norm-limit] Sharpens Prop. 4.1.  The approach is algebraic: the distance to the limit is
    1/|alpha| times one linear map of the state, the same map at both ends; the state includes the
    limit of the response, which may differ between the ends. *)
Theorem norm_limit_rate h response v (ahead behind : state) z :
  0 <= eps -> visible n v ->
  (forall k, In k coords -> is_lim (fun alpha => response alpha k) p_infty (ahead k)) ->
  (forall k, In k coords -> is_lim (fun alpha => response alpha k) m_infty (behind k)) ->
  is_lim (fun alpha => Rabs alpha * (final_logits h response v alpha z - vector_logits v z))
    p_infty (logits coords W (fun k => gain k * across v (fun i => h i + ahead i) k) z) /\
  is_lim (fun alpha => Rabs alpha * (final_logits h response v alpha z
                                     - vector_logits (fun k => - v k) z))
    m_infty (logits coords W (fun k => gain k * across v (fun i => h i + behind i) k) z).
Proof.
  intros Heps Hv Ha Hb; split.
  - apply is_lim_ext_loc with
      (fun t => t * (final_logits h response v t z - vector_logits v z));
      [|now apply norm_limit_rate_forward].
    exists 0; intros t Ht; now rewrite Rabs_pos_eq by lra.
  - apply lim_minus_infinity.
    apply is_lim_ext_loc with (fun t => t *
      (final_logits h (fun s => response (- s)) (fun k => - v k) t z
       - vector_logits (fun k => - v k) z)).
    { exists 0; intros t Ht; now rewrite final_logits_opp, Rabs_Ropp, Rabs_pos_eq by lra. }
    replace (logits coords W _ z) with (logits coords W
      (fun k => gain k * across (fun i => - v i) (fun i => h i + behind i) k) z)
      by (apply Sum_ext; intros; now rewrite across_opp).
    apply norm_limit_rate_forward; [easy|now apply visible_opp|].
    intros k Hk; specialize (Hb k Hk).
    apply (is_lim_comp (fun t => response t k) Ropp p_infty (behind k) m_infty Hb); [|now exists 0].
    apply (is_lim_opp (fun t => t) p_infty p_infty), is_lim_id.
Qed.

(** [norm-limit] Sharpens Prop. 4.1, remainder.  However the later blocks respond, as long as the
    response is bounded, the linear map of the state, response included, leaves an error of the
    order of the inverse square of the strength, at both ends. *)
Theorem norm_limit_remainder h response v bound z :
  0 <= eps -> visible n v -> (forall alpha k, In k coords -> Rabs (response alpha k) <= bound) ->
  let first_order alpha :=
    logits coords W (fun k => gain k * across v (fun i => h i + response alpha i) k) z in
  exists c far, forall alpha, far <= alpha ->
    Rabs (final_logits h response v alpha z - vector_logits v z - / alpha * first_order alpha)
      <= c / alpha ^ 2 /\
    Rabs (final_logits h response v (- alpha) z - vector_logits (fun k => - v k) z
          - / alpha * first_order (- alpha)) <= c / alpha ^ 2.
Proof.
  intros Heps Hv Hr first_order.
  destruct (norm_limit_remainder_forward h response v bound z Heps Hv Hr) as (c & far & H).
  destruct (norm_limit_remainder_forward h (fun t => response (- t)) (fun k => - v k) bound z Heps
    (visible_opp n v Hv)) as (c' & far' & H'); [intros; now apply Hr|].
  exists (Rmax c c'), (Rmax 1 (Rmax far far')); intros alpha Ha.
  pose proof (Rmax_l 1 (Rmax far far')); pose proof (Rmax_r 1 (Rmax far far')).
  pose proof (Rmax_l far far'); pose proof (Rmax_r far far').
  assert (Hi : 0 < / alpha ^ 2) by (apply Rinv_0_lt_compat, pow_lt; lra).
  split; (eapply Rle_trans; [|apply Rmult_le_compat_r; [lra|]]).
  - apply H; lra.
  - apply Rmax_l.
  - rewrite <- final_logits_opp; unfold first_order.
    replace (logits coords W _ z) with (logits coords W (fun k =>
      gain k * across (fun i => - v i) (fun i => h i + response (- alpha) i) k) z)
      by (apply Sum_ext; intros; now rewrite across_opp).
    apply (H' alpha); lra.
  - apply Rmax_r.
Qed.

(** ** A bound at every strength, for a norm without [eps] *)

Definition magnitude x : R := sqrt (Sum coords (fun k => x k ^ 2)).

Lemma cauchy_schwarz x y : 0 < mean_square y ->
  mean_product x y ^ 2 <= mean_square x * mean_square y.
Proof.
  intros Hy; pose proof (mean_square_nonneg (moved x (- mean_product x y / mean_square y) y)) as H.
  rewrite mean_square_moved in H; apply (Rmult_le_compat_r (mean_square y)) in H; [|lra].
  field_simplify in H; lra.
Qed.

(** Two states differ in direction by at most twice their distance in units of one of them. *)
Lemma direction_distance x y : 0 < mean_square y ->
  mean_square (fun k => x k / sqrt (mean_square x) - y k / sqrt (mean_square y))
  <= 4 * mean_square (fun k => x k - y k) / mean_square y.
Proof.
  intros Hy; set (c := mean_product x y); pose proof (cauchy_schwarz x y Hy) as Hcs; fold c in Hcs.
  assert (Hdiff : forall a b, mean_square (fun k => x k * a - y k * b)
    = a ^ 2 * mean_square x - 2 * a * b * c + b ^ 2 * mean_square y).
  { intros a b; rewrite <- !mean_square_scal; unfold c, mean_square, mean_product.
    rewrite <- !average_scal, <- average_minus, <- average_plus; apply average_ext; intros; ring. }
  unfold Rdiv; rewrite Hdiff.
  replace (mean_square (fun k => x k - y k)) with (mean_square x - 2 * c + mean_square y)
    by (transitivity (mean_square (fun k => x k * 1 - y k * 1));
        [rewrite Hdiff; ring|apply mean_square_ext; intros; ring]).
  set (p := sqrt (mean_square x)); set (q := sqrt (mean_square y)) in *.
  assert (Hq : 0 < q) by now apply sqrt_lt_R0.
  assert (Hp : 0 <= p) by apply sqrt_pos.
  replace (mean_square y) with (q ^ 2) in * by (apply pow2_sqrt; lra).
  replace (mean_square x) with (p ^ 2) in * by (apply pow2_sqrt, mean_square_nonneg).
  apply Rmult_le_reg_r with (q ^ 2); [nra|].
  replace (4 * (p ^ 2 - 2 * c + q ^ 2) * / q ^ 2 * q ^ 2) with (4 * (p ^ 2 - 2 * c + q ^ 2))
    by (field; lra).
  assert (Hpq : 0 <= p * q) by nra.
  replace (p ^ 2 * q ^ 2) with ((p * q) ^ 2) in Hcs by ring.
  assert (Hc : - (p * q) <= c <= p * q) by (split; nra).
  destruct Hp as [Hp|<-].
  - (* both sides are linear in c, and the claim holds at c = p q and at c = - p q *)
    replace ((_ + _) * q ^ 2) with (2 * q * (p * q - c) * / p) by (field; lra).
    apply Rmult_le_reg_r with p; [easy|].
    rewrite Rmult_assoc, (Rinv_l p), Rmult_1_r by lra.
    assert (0 <= (p * q + c) * (p - q) ^ 2) by (apply Rmult_le_pos; [lra|apply pow2_ge_0]).
    assert (0 <= (p * q - c) * (p * (p + 2 * q))) by (apply Rmult_le_pos; nra).
    apply Rmult_le_reg_r with q; [easy|]; lra.
  - replace c with 0 by nra; rewrite Rinv_0; field_simplify; [nra|lra].
Qed.

Lemma magnitude_mean_square x : magnitude x = sqrt (INR (length coords)) * sqrt (mean_square x).
Proof.
  rewrite <- sqrt_mult_alt by apply pos_INR; unfold magnitude, mean_square, average; f_equal.
  destruct coords as [|k l]; [simpl; lra|]; field; apply Rgt_not_eq, length_pos; discriminate.
Qed.

Lemma mean_square_le x y c :
  (forall k, In k coords -> Rabs (x k) <= c * Rabs (y k)) -> mean_square x <= c ^ 2 * mean_square y.
Proof.
  intros H; rewrite <- mean_square_scal; unfold mean_square, average, Rdiv.
  destruct coords as [|k0 l] eqn:Hl; [simpl; lra|]; rewrite <- Hl in *.
  apply Rmult_le_compat_r.
  - apply Rlt_le, Rinv_0_lt_compat, length_pos; now rewrite Hl.
  - apply Sum_le; intros k Hk; rewrite <- (pow2_abs (x k)), Rpow_mult_distr, <- (pow2_abs (y k)).
    rewrite <- Rpow_mult_distr; apply pow_incr; split; [apply Rabs_pos|now apply H].
Qed.

Lemma normed_sign v alpha k : alpha <> 0 ->
  normed n 0 gain bias (fun i => sign alpha * v i) k
  = gain k * (alpha * seen n v k / sqrt (mean_square (fun i => alpha * seen n v i))) + bias k.
Proof.
  intros Ha; unfold normed; do 2 f_equal; rewrite Rplus_0_r.
  assert (Hseen : seen n (fun i => sign alpha * v i) = fun i => sign alpha * seen n v i).
  { apply functional_extensionality; intros i; destruct n; simpl; [easy|].
    rewrite average_scal; ring. }
  rewrite Hseen, !mean_square_scal, !sqrt_mult_alt by apply pow2_ge_0.
  rewrite <- !Rsqr_pow2, !sqrt_Rsqr_abs; unfold Rdiv; rewrite !Rinv_mult.
  generalize (/ sqrt (mean_square (seen n v))); intros r.
  destruct (Rdichotomy _ _ Ha) as [H|H].
  - rewrite (sign_eq_m1 alpha), (Rabs_left alpha), (Rabs_left (-1)) by lra; field; lra.
  - rewrite (sign_eq_1 alpha), (Rabs_pos_eq alpha), (Rabs_pos_eq 1) by lra; field; lra.
Qed.

(** [norm-limit] Sharpens Prop. 4.1.  How far is far: at every strength the normed state is within
    twice |h + R| / (|alpha| |v|), in units of the norm's own scale, of its limit. *)
Theorem norm_limit_bound h v alpha largest :
  visible n v -> alpha <> 0 -> (forall k, In k coords -> Rabs (gain k) <= largest) ->
  magnitude (fun k => normed n 0 gain bias (moved h alpha v) k
                 - normed n 0 gain bias (fun i => sign alpha * v i) k)
  <= 2 * sqrt (INR (length coords)) * largest * magnitude (seen n h)
     / (Rabs alpha * magnitude (seen n v)).
Proof.
  intros Hv Ha Hgain; set (u := seen n v); set (y := fun i => alpha * u i).
  set (x := fun i => seen n h i + y i).
  assert (Hu : 0 < mean_square u) by now apply mean_square_pos.
  assert (Hy : mean_square y = alpha ^ 2 * mean_square u) by apply mean_square_scal.
  assert (Hy0 : 0 < mean_square y) by (rewrite Hy; apply Rmult_lt_0_compat; [nra|easy]).
  assert (Hlargest : 0 <= largest).
  { destruct Hv as [k [Hk _]]; eapply Rle_trans; [apply Rabs_pos|now apply (Hgain k)]. }
  rewrite !magnitude_mean_square; set (d := INR (length coords)).
  assert (Hd : 0 < sqrt d).
  { apply sqrt_lt_R0, length_pos; intros E; destruct Hv as [k [Hk _]]; now rewrite E in Hk. }
  assert (Hsu : 0 < sqrt (mean_square u)) by now apply sqrt_lt_R0.
  assert (Habs : 0 < Rabs alpha) by now apply Rabs_pos_lt.
  replace (2 * sqrt d * largest * (sqrt d * sqrt (mean_square (seen n h)))
           / (Rabs alpha * (sqrt d * sqrt (mean_square u))))
    with (sqrt d * (largest * (2 * (sqrt (mean_square (seen n h))
                                    / (Rabs alpha * sqrt (mean_square u))))))
    by (field; lra).
  apply Rmult_le_compat_l; [lra|].
  replace (largest * (2 * (sqrt (mean_square (seen n h)) / (Rabs alpha * sqrt (mean_square u)))))
    with (sqrt (largest ^ 2 * (4 * mean_square (seen n h) / mean_square y))).
  - apply sqrt_le_1_alt; eapply Rle_trans.
    + apply (mean_square_le _ (fun k => x k / sqrt (mean_square x) - y k / sqrt (mean_square y))
               largest).
      intros k Hk; rewrite normed_moved, normed_sign by easy; rewrite Rplus_0_r.
      fold u; change (fun i => seen n h i + alpha * u i) with x; fold y.
      replace (_ + bias k - (_ + bias k))
        with (gain k * (x k / sqrt (mean_square x) - y k / sqrt (mean_square y)))
        by (unfold x, y; ring).
      rewrite Rabs_mult; apply Rmult_le_compat_r; [apply Rabs_pos|auto].
    + apply Rmult_le_compat_l; [apply pow2_ge_0|].
      eapply Rle_trans; [now apply direction_distance|].
      rewrite (mean_square_ext (fun k => x k - y k) (seen n h)) by (intros; unfold x; ring); lra.
  - rewrite sqrt_mult_alt, sqrt_pow2, sqrt_div_alt by (easy || apply pow2_ge_0); f_equal.
    rewrite Hy, !sqrt_mult_alt by (lra || apply pow2_ge_0).
    rewrite <- Rsqr_pow2, sqrt_Rsqr_abs; replace (sqrt 4) with 2; [field; lra|].
    replace 4 with (2 ^ 2) by ring; symmetry; apply sqrt_pow2; lra.
Qed.

(** [norm-limit] Prop. 4.1, the exception.  A steering vector that the norm does not see, zero or
    constant across the coordinates under LayerNorm, changes nothing at any strength. *)
Theorem norm_limit_invisible h v alpha z :
  (forall k, In k coords -> seen n v k = 0) ->
  logits coords W (normed n eps gain bias (moved h alpha v)) z
  = logits coords W (normed n eps gain bias h) z.
Proof.
  intros Hv; apply Sum_ext; intros k Hk; unfold normed; rewrite seen_moved, Hv by easy.
  rewrite (mean_square_ext (seen n (moved h alpha v)) (seen n h))
    by (intros i Hi; rewrite seen_moved, Hv by easy; ring).
  now rewrite Rmult_0_r, Rplus_0_r.
Qed.

(** ** The last block *)

(** No block follows the last one, so its steered logits are explicit: two unembeddings, of the
    state and of the vector, and the quadratic that the norm takes the root of. *)
Definition unembedded x : token -> R := logits coords W (fun k => gain k * seen n x k).
Definition quadratic h v alpha : R :=
  mean_square (seen n v) * alpha ^ 2 + 2 * mean_product (seen n h) (seen n v) * alpha
  + (mean_square (seen n h) + eps).

(** [last-block] Sharpens Prop. 4.1.  Steering the output of the last block has a closed form at
    every strength: a line in the strength over the root of one quadratic, plus a constant. *)
Theorem last_block h v alpha z :
  logits coords W (normed n eps gain bias (moved h alpha v)) z
  = (unembedded h z + alpha * unembedded v z) / sqrt (quadratic h v alpha)
    + logits coords W bias z.
Proof.
  unfold unembedded, logits, Rdiv; rewrite <- Sum_scal, <- Sum_plus, <- Sum_scal_r, <- Sum_plus.
  apply Sum_ext; intros k _; rewrite normed_moved; unfold Rdiv.
  change (fun i => seen n h i + alpha * seen n v i) with (moved (seen n h) alpha (seen n v)).
  rewrite mean_square_moved, Rplus_assoc; fold (quadratic h v alpha); ring.
Qed.

(** The slope of [(a + alpha b) / sqrt (A alpha^2 + 2 B alpha + C)]: the quadratic terms of the
    numerator cancel. *)
Lemma last_block_slope (A B C a b alpha : R) :
  let Q t := A * t ^ 2 + 2 * B * t + C in
  0 < Q alpha ->
  is_derive (fun t => (a + t * b) / sqrt (Q t)) alpha
    (((b * B - a * A) * alpha + (b * C - a * B)) / (Q alpha * sqrt (Q alpha))).
Proof.
  intros Q HQ; assert (Hs : 0 < sqrt (Q alpha)) by now apply sqrt_lt_R0.
  assert (HQ' : is_derive Q alpha (2 * A * alpha + 2 * B)) by (unfold Q; auto_derive; [easy|ring]).
  eapply is_derive_value.
  - apply (is_derive_div (fun t => a + t * b) (fun t => sqrt (Q t)) alpha b
             ((2 * A * alpha + 2 * B) * / (2 * sqrt (Q alpha)))); [auto_derive; [easy|ring]| |lra].
    now apply is_derive_sqrt.
  - simpl; set (r := sqrt (Q alpha)) in *.
    assert (Hr : Q alpha = r ^ 2) by (symmetry; apply pow2_sqrt; lra).
    replace ((b * B - a * A) * alpha + (b * C - a * B))
      with (b * r ^ 2 - (a + alpha * b) * (A * alpha + B)) by (rewrite <- Hr; unfold Q; ring).
    rewrite Hr; field; lra.
Qed.

(** [last-block] Sharpens Prop. 4.1.  The slope of a logit vanishes at one strength at most, known
    in advance, unless the logit does not depend on the strength at all. *)
Theorem last_block_stationary h v z :
  let a := unembedded h z in let b := unembedded v z in
  let A := mean_square (seen n v) in let B := mean_product (seen n h) (seen n v) in
  let C := mean_square (seen n h) + eps in
  let logit alpha := logits coords W (normed n eps gain bias (moved h alpha v)) z in
  (forall alpha, 0 < quadratic h v alpha) ->
  exists slope : R -> R,
    (forall alpha, is_derive logit alpha (slope alpha)) /\
    (b * B - a * A <> 0 ->
     forall alpha, slope alpha = 0 <-> alpha = (a * B - b * C) / (b * B - a * A)) /\
    (b * B - a * A = 0 -> b * C - a * B <> 0 -> forall alpha, slope alpha <> 0).
Proof.
  intros a b A B C logit HQ.
  exists (fun t => ((b * B - a * A) * t + (b * C - a * B))
                   / (quadratic h v t * sqrt (quadratic h v t))).
  assert (Hpos : forall t, 0 < quadratic h v t * sqrt (quadratic h v t)).
  { intros t; specialize (HQ t); apply Rmult_lt_0_compat; [easy|now apply sqrt_lt_R0]. }
  assert (Hzero : forall s t, s / (quadratic h v t * sqrt (quadratic h v t)) = 0 -> s = 0).
  { intros s t Hx; specialize (Hpos t); apply Rmult_integral in Hx; destruct Hx as [|Hx]; [easy|].
    apply Rinv_0_lt_compat in Hpos; lra. }
  split; [|split].
  - intros alpha.
    apply is_derive_ext with
      (fun t => (a + t * b) / sqrt (quadratic h v t) + logits coords W bias z).
    { intros; symmetry; apply last_block. }
    eapply is_derive_value.
    + apply @is_derive_plus; [apply (last_block_slope A B C a b), HQ|apply @is_derive_const].
    + unfold plus, zero; simpl; apply Rplus_0_r.
  - intros Hn alpha; split; intros H.
    + apply Hzero in H; apply Rmult_eq_reg_l with (b * B - a * A); [|easy].
      field_simplify; [lra|easy].
    + rewrite H; unfold Rdiv at 1; apply Rmult_eq_0_compat_r; field; easy.
  - intros H0 Hn alpha H; apply Hzero in H; rewrite H0 in H; lra.
Qed.

End FinalNorm.

(** ** The input of the unembedding

    There logits are linear in the state, up to a bias that the difference of two lists of texts
    does not see.  Model probabilities take the place of the dataset's: Assumption 2 holds by
    construction, and nothing is asked of the texts. *)

Section Unembedding.

Context {token coordinate text : Type} (vocab : list token) (coords : list coordinate)
  (W : token -> coordinate -> R) (offset : token -> R) (state : text -> coordinate -> R)
  (P N : list text).

Definition model (h : coordinate -> R) : token -> R :=
  softmax vocab (fun z => logits coords W h z + offset z).
Definition texts_odds (z : token) : R :=
  average P (fun i => ln (model (state i) z)) - average N (fun i => ln (model (state i) z)).

Lemma model_pos h z : In z vocab -> 0 < model h z.
Proof.
  intros Hz; apply Rdiv_lt_0_compat; [apply exp_pos|].
  apply partition_pos; now destruct vocab.
Qed.

Lemma model_total h : vocab <> [] -> Sum vocab (model h) = 1.
Proof.
  intros H; unfold model, softmax; rewrite Sum_div; apply Rinv_r, Rgt_not_eq.
  now apply partition_pos.
Qed.

(** [final-norm] Sharpens Lemma B.3.  Steer the output of the final norm along the difference of
    mean normed states of any two lists of texts, of any two lengths: on any language model with a
    linear unembedding the law of tilting is exact, with log-odds read off the model itself. *)
Theorem final_norm (h : coordinate -> R) alpha z :
  P <> [] -> N <> [] -> In z vocab ->
  model (fun k => h k + alpha * (average P (fun i => state i k) - average N (fun i => state i k))) z
  = tilted vocab (model h) texts_odds alpha z.
Proof.
  intros HP HN Hz.
  (* the bias is one more coordinate, on which every state is 1 and the vector is 0 *)
  set (more := None :: map Some coords).
  set (W' := fun z k => match k with None => offset z | Some i => W z i end).
  set (extend := fun (x : coordinate -> R) k => match k with None => 1 | Some i => x i end).
  set (states := fun t => extend match t with None => h | Some i => state i end).
  assert (Hlogits : forall x, logits more W' x = fun y =>
    logits coords W (fun i => x (Some i)) y + offset y * x None).
  { intros x; apply functional_extensionality; intros y; unfold logits, more.
    rewrite Sum_cons, Sum_map; simpl; ring. }
  assert (Hmodel : forall t y, softmax vocab (logits more W' (states t)) y
    = model match t with None => h | Some i => state i end y).
  { intros [t|] y; rewrite Hlogits; unfold model; f_equal; apply functional_extensionality;
      intros; simpl; now rewrite Rmult_1_r. }
  assert (Hmean : forall (l : list text) (f : option text -> R),
    average (map Some l) f = average l (fun i => f (Some i))).
  { intros l f; unfold average; now rewrite Sum_map, map_length. }
  pose proof (tilting vocab more W' states (fun t => softmax vocab (logits more W' (states t)))
    (map Some P) (map Some N) (fun t y _ => eq_refl) None alpha z) as Ht.
  replace (model _ z)
    with (steered vocab more W' states (map Some P) (map Some N) None alpha z).
  - rewrite Ht; [|now destruct P|now destruct N|easy].
    f_equal; apply functional_extensionality; intros y; [apply Hmodel|].
    unfold log_odds, texts_odds; rewrite !Hmean; f_equal; apply average_ext; intros i _;
      now rewrite Hmodel.
  - unfold steered; rewrite Hlogits; unfold model, steering_vector, states; simpl.
    f_equal; apply functional_extensionality; intros y; rewrite !Hmean.
    rewrite !average_const by easy; f_equal; [|ring].
    apply Sum_ext; intros; now rewrite !Hmean.
Qed.

(** [final-norm] Sharpens Lemma B.3, reach.  The probabilities of any model are positive and have
    total one, which is all that the laws of tilting ask: each of them holds at this site with no
    free parameter. *)
Theorem final_norm_distribution (h : coordinate -> R) :
  vocab <> [] -> (forall z, In z vocab -> 0 < model h z) /\ Sum vocab (model h) = 1.
Proof. intros H; split; [intros z Hz; now apply model_pos|now apply model_total]. Qed.

End Unembedding.
