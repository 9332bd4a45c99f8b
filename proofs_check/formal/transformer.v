(** * Transformers: the final norm and the last block

    A state is a function on a list [coords] of coordinates.  A final norm divides the state (for
    LayerNorm, the centred state) by its root mean square, with an [eps], a gain and a bias; the
    unembedding is any linear map.  Nothing here assumes that logits are linear in the strength. *)

From Coq Require Import Reals List Lra FunctionalExtensionality.
From Coquelicot Require Import Coquelicot.
From SteeringStrength Require Import tokens analysis tilting asymptotics.
Import ListNotations.
Open Scope R_scope.

Section FinalNorm.

Context {coordinate : Type}.
Variable coords : list coordinate.
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
    apply (lim_value _ _ (0 * 0)); [apply lim_mult; apply lim_far_inv|ring]. }
  apply lim_sqrt, (lim_value _ _ (mean_square u + eps * 0)); [|ring].
  apply is_lim_plus'; [|apply lim_mult; [apply is_lim_const|exact Hinv]].
  apply lim_mult; [|apply is_lim_const].
  apply (lim_sum coords (fun k t => (g t k / t + u k) ^ 2)); intros k Hk; simpl.
  assert (H : is_lim (fun t => g t k / t + u k) p_infty (u k)).
  { apply (lim_value _ _ (0 + u k)); [|ring].
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
    apply (lim_value _ _ (0 + u k)); [|ring].
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
  { intros i Hi; apply (lim_value _ _ (c i * 0)); [|ring].
    apply lim_mult; [now apply g_limit|apply lim_far_inv]. }
  pose proof (scale_limit g u eps g_small) as Hscale.
  set (scale := fun t => sqrt (mean_square (fun k => g t k / t + u k) + eps * / t ^ 2)) in Hscale.
  set (A := mean_square u) in *; assert (HA : 0 < sqrt A) by now apply sqrt_lt_R0.
  assert (Hspec : forall t, 0 < t -> norm_at t = t * scale t) by (intros; now apply scale_spec).
  (* the square of the scale is A + (2 B + (mean g^2 + eps)/t)/t *)
  assert (Hsquare : is_lim (fun t => t * (scale t ^ 2 - A)) p_infty (2 * mean_product c u)).
  { assert (Hm : is_lim (fun t => mean_square (g t)) p_infty (mean_square c)).
    { apply lim_mult; [|apply is_lim_const].
      apply (lim_sum coords (fun k t => g t k ^ 2)); intros i Hi; simpl.
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
    - apply (lim_value _ _ (2 * mean_product c u + (mean_square c + eps) * 0)); [|ring].
      apply is_lim_plus'; [apply lim_mult; [apply is_lim_const|]|].
      + apply lim_mult; [|apply is_lim_const].
        apply (lim_sum coords (fun k t => g t k * u k)); intros i Hi.
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
  - apply (lim_value _ _ (c k * / sqrt A
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

(** ** Prop. 4.1 *)

Context {token : Type}.
Variable W : token -> coordinate -> R.
Variables (n : norm) (eps : R) (gain bias : state).

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
  intros H; apply (lim_sum coords (fun k t => W z k * x t k)); intros k Hk.
  apply lim_mult; [apply is_lim_const|now apply H].
Qed.

Lemma lim_seen (x : R -> state) y e k :
  (forall i, In i coords -> is_lim (fun t => x t i) e (y i)) -> In k coords ->
  is_lim (fun t => seen n (x t) k) e (seen n y k).
Proof.
  intros H Hk; destruct n; simpl; [now apply H|].
  apply is_lim_minus'; [now apply H|].
  apply lim_mult; [|apply is_lim_const]; apply (lim_sum coords (fun i t => x t i)), H.
Qed.

Lemma seen_over x t k : seen n x k / t = seen n (fun i => x i / t) k.
Proof.
  destruct n; simpl; [reflexivity|]; unfold average; rewrite Sum_div; unfold Rdiv; ring.
Qed.

(** The norm of a steered state, in terms of what the norm sees. *)
Lemma normed_moved h alpha v k :
  normed n eps gain bias (moved h alpha v) k
  = gain k * ((seen n h k + alpha * seen n v k)
              / sqrt (mean_square (fun i => seen n h i + alpha * seen n v i) + eps)) + bias k.
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
  apply (lim_value _ _ (seen n (fun _ => 0) i)).
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
End FinalNorm.
