(** * Every edit of the state is tilting

    At a linear site, where logits are [W h] plus a bias, moving the state along some directions
    tilts the next-token distribution by their logits.  So the operators in use differ in one thing
    only: the strength that each context gets.  Sampling at a temperature is tilting too, and the
    most probable token is read off the upper envelope of lines. *)

From Coq Require Import Lia Sorted FunctionalExtensionality.
From SteeringStrength Require Import analysis tilting limits transformer.

(** ** Temperature *)

(** Sampling at temperature [tau]: probabilities to the power [1/tau], normalised. *)
Definition tempered {T : Type} (vocab : list T) (p : T -> R) (tau : R) (z : T) : R :=
  Rpower (p z) (/ tau) / Sum vocab (fun y => Rpower (p y) (/ tau)).

Section Temperature.

Context {T : Type} (vocab : list T).
Hypothesis vocab_inhabited : vocab <> [].

Lemma powers_pos (p : T -> R) s : 0 < Sum vocab (fun y => Rpower (p y) s).
Proof. apply Sum_pos; [easy|intros; apply exp_pos]. Qed.

Lemma tempered_pos p tau z : 0 < tempered vocab p tau z.
Proof. apply Rdiv_lt_0_compat; [apply exp_pos|apply powers_pos]. Qed.

Lemma tempered_total p tau : Sum vocab (tempered vocab p tau) = 1.
Proof. unfold tempered; rewrite Sum_div; apply Rinv_r, Rgt_not_eq, powers_pos. Qed.

(** [temperature] Beyond the paper, logits.  The tempered distribution of a model is that of its
    logits divided by the temperature. *)
Theorem temperature_logits (l : T -> R) tau z :
  softmax vocab (fun y => l y / tau) z = tempered vocab (softmax vocab l) tau z.
Proof.
  assert (Hp := partition_pos vocab l vocab_inhabited).
  set (c := ln (Sum vocab (fun y => exp (l y)))).
  assert (H : forall y, Rpower (softmax vocab l y) (/ tau) = exp (- (c / tau)) * exp (l y / tau)).
  { intros y; unfold softmax, Rpower; rewrite ln_div, ln_exp by (easy || apply exp_pos).
    rewrite <- exp_plus; f_equal; fold c; unfold Rdiv; ring. }
  unfold tempered; rewrite H, (Sum_ext _ _ _ (fun y _ => H y)), Sum_scal; unfold softmax.
  assert (0 < Sum vocab (fun y => exp (l y / tau))) by now apply partition_pos.
  generalize (exp_pos (- (c / tau))); intros; field; lra.
Qed.

Variables p M : T -> R.
Hypothesis p_pos : forall z, In z vocab -> 0 < p z.
Hypothesis p_total : Sum vocab p = 1.

Lemma tempered_tilted q N s (k tau : R) :
  (forall y, In y vocab -> 0 < p y) ->
  (forall y, In y vocab -> Rpower (q y) (/ tau) = exp k * (Rpower (p y) (/ tau) * exp (s * N y))) ->
  forall z, In z vocab -> tempered vocab q tau z = tilted vocab (tempered vocab p tau) N s z.
Proof.
  intros Hp Hq.
  set (Zp := Sum vocab (fun y => Rpower (p y) (/ tau))).
  set (Zq := Sum vocab (fun y => Rpower (q y) (/ tau))).
  assert (0 < Zp) by apply powers_pos. assert (0 < Zq) by apply powers_pos.
  apply (tilted_unique vocab (tempered vocab p tau) N) with (c := exp k * (Zp / Zq)).
  - intros; apply tempered_pos.
  - apply tempered_total.
  - apply Rmult_lt_0_compat; [apply exp_pos|now apply Rdiv_lt_0_compat].
  - intros y Hy; unfold tempered; fold Zp Zq; rewrite Hq by easy; field; lra.
  - apply tempered_total.
Qed.

(** [temperature] Beyond the paper, Sec. 6 (conclusion).  Sampling at a temperature from a steered
    model is steering the tempered model, by the strength divided by the temperature. *)
Theorem temperature alpha tau z :
  In z vocab ->
  tempered vocab (tilted vocab p M alpha) tau z
  = tilted vocab (tempered vocab p tau) M (alpha / tau) z.
Proof.
  apply (tempered_tilted _ M (alpha / tau) (- K vocab p M alpha / tau) tau p_pos).
  intros y Hy; unfold Rpower, tilted; rewrite ln_mult, ln_exp by (auto || apply exp_pos).
  rewrite <- !exp_plus; f_equal; unfold Rdiv; ring.
Qed.

End Temperature.
(** ** A linear site *)

Section Site.

Context {T D : Type} (vocab : list T) (coords : list D) (W : T -> D -> R) (offset : T -> R).
Notation state := (D -> R).
Implicit Types (h u v : state).
Hypothesis vocab_inhabited : vocab <> [].

(** The next-token distribution of a state, and the log-odds of a direction. *)
Notation next h := (model vocab coords W offset h).
Notation odds u := (logits coords W u).

Definition inner u v : R := Sum coords (fun d => u d * v d).

(** One distribution in two forms: logits that differ by [s M] and a constant. *)
Lemma next_tilted h (x : state) (M : T -> R) s :
  (forall z, odds x z = odds h z + s * M z) ->
  forall z, In z vocab -> next x z = tilted vocab (next h) M s z.
Proof.
  intros Hx; set (Zh := Sum vocab (fun y => exp (odds h y + offset y))).
  set (Zx := Sum vocab (fun y => exp (odds x y + offset y))).
  assert (0 < Zh) by now apply partition_pos. assert (0 < Zx) by now apply partition_pos.
  apply (tilted_unique vocab (next h) M) with (c := Zh / Zx).
  - intros; now apply model_pos.
  - now apply model_total.
  - now apply Rdiv_lt_0_compat.
  - intros y _; unfold model, softmax; fold Zh Zx; rewrite Hx.
    replace (odds h y + s * M y + offset y) with ((odds h y + offset y) + s * M y) by ring.
    rewrite exp_plus; field; lra.
  - now apply model_total.
Qed.

(** [operator] Beyond the paper, Sec. 6 (conclusion).  An edit that adds to the state any multiples
    of any directions tilts the distribution by the same combination of their log-odds, whatever the
    multiples depend on: a point of one exponential family. *)
Theorem operator {I : Type} (directions : list I) (u : I -> state) (c : I -> R) h z :
  In z vocab ->
  next (fun d => h d + Sum directions (fun k => c k * u k d)) z
  = tilted vocab (next h) (fun y => Sum directions (fun k => c k * odds (u k) y)) 1 z.
Proof.
  apply next_tilted; intros y; unfold logits; rewrite Rmult_1_l.
  rewrite (Sum_ext directions _ (fun k => Sum coords (fun d => W y d * (c k * u k d))))
    by (intros; rewrite <- Sum_scal; apply Sum_ext; intros; ring).
  rewrite Sum_swap, <- Sum_plus; apply Sum_ext; intros.
  rewrite Rmult_plus_distr_l, Sum_scal; reflexivity.
Qed.

Lemma one_direction h u s z :
  In z vocab -> next (fun d => h d + s * u d) z = tilted vocab (next h) (odds u) s z.
Proof.
  apply next_tilted; intros y; unfold logits; rewrite <- Sum_scal, <- Sum_plus.
  apply Sum_ext; intros; ring.
Qed.

(** The operators.  [ablate] takes out the component along [u], [set_to] replaces it, [clamp] moves
    along [u] until a feature that is read off by [reading] would have the value [c], [when] steers
    only where a test of the state says so, and [rotate] turns the plane of two directions. *)
Definition add u alpha h : state := fun d => h d + alpha * u d.
Definition ablate u h : state := fun d => h d - inner u h * u d.
Definition set_to u alpha h : state := fun d => ablate u h d + alpha * u d.
Definition clamp (reading : state -> R) u c h : state := add u (c - reading h) h.
Definition when (test : state -> bool) u alpha h : state := if test h then add u alpha h else h.
Definition rotate u v theta h : state := fun d =>
  h d - inner u h * u d - inner v h * v d
  + (cos theta * inner u h - sin theta * inner v h) * u d
  + (sin theta * inner u h + cos theta * inner v h) * v d.

(** [operator] Beyond the paper, equivalent strengths.  Addition, ablation, setting, clamping and
    conditional steering along [u] are all tilting by the log-odds of [u]; what differs is how the
    strength depends on the state. *)
Theorem operator_strengths u h z alpha c (reading : state -> R) (test : state -> bool) :
  In z vocab ->
  let tilt s := tilted vocab (next h) (odds u) s z in
  next (add u alpha h) z = tilt alpha /\
  next (ablate u h) z = tilt (- inner u h) /\
  next (set_to u alpha h) z = tilt (alpha - inner u h) /\
  next (clamp reading u c h) z = tilt (c - reading h) /\
  next (when test u alpha h) z = tilt (if test h then alpha else 0).
Proof.
  intros Hz tilt; unfold tilt; rewrite <- !one_direction by easy; unfold clamp, set_to, when.
  repeat split; try reflexivity.
  - f_equal; apply functional_extensionality; intros d; unfold ablate; ring.
  - f_equal; apply functional_extensionality; intros d; unfold ablate; ring.
  - destruct (test h); f_equal; apply functional_extensionality; intros d; unfold add; ring.
Qed.

(** [operator] Beyond the paper, rotation.  Turning a plane by an angle tilts by the log-odds of its
    two directions, by strengths that depend on the two components of the state. *)
Theorem operator_rotation u v theta h z :
  In z vocab ->
  let x := inner u h in let y := inner v h in
  next (rotate u v theta h) z
  = tilted vocab (next h) (fun t => (cos theta * x - sin theta * y - x) * odds u t
                                  + (sin theta * x + cos theta * y - y) * odds v t) 1 z.
Proof.
  intros Hz x y.
  pose proof (operator [true; false] (fun b : bool => if b then u else v) (fun b : bool =>
    if b then cos theta * x - sin theta * y - x
    else sin theta * x + cos theta * y - y) h z Hz) as H.
  unfold Sum at 1 2 in H; cbn [fold_right] in H.
  replace (next (rotate u v theta h) z) with (tilted vocab (next h) (fun t =>
    (cos theta * x - sin theta * y - x) * odds u t
    + ((sin theta * x + cos theta * y - y) * odds v t + 0)) 1 z).
  - f_equal; apply functional_extensionality; intros; ring.
  - rewrite <- H; f_equal; apply functional_extensionality; intros d; unfold rotate, x, y; ring.
Qed.

Lemma inner_sym u v : inner u v = inner v u.
Proof. apply Sum_ext; intros; ring. Qed.

(** [operator] Beyond the paper, what the operators do.  For a unit direction, ablation leaves no
    component along it and setting leaves the given one; neither touches what is orthogonal to it.
    *)
Theorem operator_components u h alpha w :
  inner u u = 1 -> inner w u = 0 ->
  inner u (ablate u h) = 0 /\ inner u (set_to u alpha h) = alpha /\
  inner w (ablate u h) = inner w h /\ inner w (set_to u alpha h) = inner w h.
Proof.
  intros H1 H0.
  assert (H : forall x s, inner x (fun d => h d + s * u d) = inner x h + s * inner x u).
  { intros; unfold inner; rewrite <- Sum_scal, <- Sum_plus; apply Sum_ext; intros; ring. }
  assert (Ha : forall x, inner x (ablate u h) = inner x h + - inner u h * inner x u).
  { intros; rewrite <- H; apply Sum_ext; intros; unfold ablate; ring. }
  assert (Hs : forall x, inner x (set_to u alpha h) = inner x h + (alpha - inner u h) * inner x u).
  { intros; rewrite <- H; apply Sum_ext; intros; unfold set_to, ablate; ring. }
  rewrite !Ha, !Hs, H1, H0; repeat split; ring.
Qed.

(** [operator] Beyond the paper, rotations are rotations.  In the plane of two orthonormal
    directions the components turn by the angle; the norm of the state stays, and so does what is
    orthogonal to the plane. *)
Theorem operator_rotation_turns u v theta h w :
  inner u u = 1 -> inner v v = 1 -> inner u v = 0 -> inner w u = 0 -> inner w v = 0 ->
  let turned := rotate u v theta h in
  inner u turned = cos theta * inner u h - sin theta * inner v h /\
  inner v turned = sin theta * inner u h + cos theta * inner v h /\
  inner w turned = inner w h /\ inner turned turned = inner h h.
Proof.
  intros Huu Hvv Huv Hwu Hwv turned; assert (Hvu : inner v u = 0) by now rewrite inner_sym.
  set (a := cos theta * inner u h - sin theta * inner v h - inner u h).
  set (b := sin theta * inner u h + cos theta * inner v h - inner v h).
  assert (H : forall x, inner x turned = inner x h + (a * inner x u + b * inner x v)).
  { intros; unfold inner; rewrite <- !Sum_scal, <- !Sum_plus; apply Sum_ext; intros.
    unfold turned, rotate, a, b, inner; ring. }
  repeat split; rewrite ?H, ?Huu, ?Hvv, ?Huv, ?Hvu, ?Hwu, ?Hwv; unfold a, b; try ring.
  rewrite (inner_sym turned h), (inner_sym turned u), (inner_sym turned v), !H.
  rewrite Huu, Hvv, Huv, Hvu, (inner_sym h u), (inner_sym h v); unfold a, b.
  generalize (sin2_cos2 theta); unfold Rsqr; generalize (sin theta) (cos theta); intros s c Hsc.
  transitivity (inner h h + (inner u h ^ 2 + inner v h ^ 2) * (s * s + c * c - 1));
    [ring|rewrite Hsc; ring].
Qed.

(** ** Keeping the norm *)

(** Steering, and then rescaling the state to the norm that it had. *)
Definition rescaled (s alpha : R) v h : state := fun d => s * (h d + alpha * v d).
Definition norm_kept alpha v h : R :=
  sqrt (inner h h) / sqrt (inner (add v alpha h) (add v alpha h)).

(** [renormalised] Beyond the paper, Sec. 6 (conclusion).  Steering and then rescaling the state by
    [s] tilts the distribution at temperature [1/s] by [s] times the log-odds; a bias of the logits,
    which is not rescaled, enters with what is missing to one. *)
Theorem renormalised_bias s alpha v h z :
  In z vocab ->
  next (rescaled s alpha v h) z
  = tilted vocab (tempered vocab (next h) (/ s))
      (fun y => s * alpha * odds v y + (1 - s) * offset y) 1 z.
Proof.
  intros Hz.
  assert (Hd : forall y, odds (rescaled s alpha v h) y = s * (odds h y + alpha * odds v y)).
  { intros y; unfold logits; rewrite <- Sum_scal, <- Sum_plus, <- Sum_scal.
    apply Sum_ext; intros; unfold rescaled; ring. }
  set (Zl := Sum vocab (fun y => exp (odds h y + offset y))).
  set (Zx := Sum vocab (fun y => exp (odds (rescaled s alpha v h) y + offset y))).
  assert (0 < Zl) by now apply partition_pos. assert (0 < Zx) by now apply partition_pos.
  set (Zp := Sum vocab (fun y => Rpower (next h y) (/ / s))).
  assert (0 < Zp) by now apply powers_pos.
  apply (tilted_unique vocab _ _) with (c := exp (s * ln Zl) * (Zp / Zx)); try easy.
  - intros; now apply tempered_pos.
  - now apply tempered_total.
  - apply Rmult_lt_0_compat; [apply exp_pos|now apply Rdiv_lt_0_compat].
  - intros y _; unfold tempered; fold Zp; unfold model at 1, softmax; fold Zx.
    unfold Rpower, model, softmax; fold Zl.
    rewrite Rinv_inv, ln_div, ln_exp, Hd by (easy || apply exp_pos).
    transitivity (/ Zx * (exp (s * ln Zl) * (exp (s * (odds h y + offset y - ln Zl))
      * exp (1 * (s * alpha * odds v y + (1 - s) * offset y))))); [|field; lra].
    rewrite <- !exp_plus; unfold Rdiv; rewrite Rmult_comm; do 2 f_equal; ring.
  - now apply model_total.
Qed.

(** [renormalised] Beyond the paper, Sec. 6 (conclusion).  Without a bias of the logits, steering by
    [alpha] and rescaling the state by [s] is tilting by [s alpha] at temperature [1/s]. *)
Theorem renormalised s alpha v h z :
  (forall y, offset y = 0) -> In z vocab ->
  next (rescaled s alpha v h) z
  = tilted vocab (tempered vocab (next h) (/ s)) (odds v) (s * alpha) z.
Proof.
  intros H0 Hz; rewrite renormalised_bias by easy; unfold tilted, K, Z; rewrite H0.
  rewrite (Sum_ext vocab _ (fun y => tempered vocab (next h) (/ s) y * exp (s * alpha * odds v y)))
    by (intros; rewrite H0; do 2 f_equal; ring).
  do 3 f_equal; ring.
Qed.

(** [renormalised] Beyond the paper, the norm.  One rescaling gives the steered state the norm of
    the unsteered one. *)
Theorem renormalised_norm alpha v h :
  0 < inner (add v alpha h) (add v alpha h) ->
  let kept := rescaled (norm_kept alpha v h) alpha v h in inner kept kept = inner h h.
Proof.
  intros Hx kept.
  assert (Hh : 0 <= inner h h) by (apply Sum_nonneg; intros; nra).
  transitivity (norm_kept alpha v h ^ 2 * inner (add v alpha h) (add v alpha h)).
  - unfold kept; generalize (norm_kept alpha v h) as s; intros s; unfold inner.
    rewrite <- Sum_scal; apply Sum_ext; intros; unfold rescaled, add; ring.
  - unfold norm_kept, Rdiv; rewrite Rpow_mult_distr, pow_inv, !pow2_sqrt by lra; field; lra.
Qed.

End Site.

(** [renormalised] Beyond the paper, the final norm.  A final norm without eps does not see a
    positive rescaling of the residual stream: there keeping the norm and adding are one operator.
    *)
Theorem renormalised_final_norm {D : Type} (coords : list D) (n : norm) (gain bias h v : D -> R)
    (s alpha : R) k :
  0 < s -> visible coords n (moved h alpha v) ->
  normed coords n 0 gain bias (rescaled s alpha v h) k
  = normed coords n 0 gain bias (moved h alpha v) k.
Proof.
  intros Hs Hv; set (x := moved h alpha v).
  assert (Hscal : forall i, seen coords n (rescaled s alpha v h) i = s * seen coords n x i).
  { intros i; unfold x; destruct n; simpl; [reflexivity|].
    rewrite Rmult_minus_distr_l, <- average_scal; reflexivity. }
  unfold normed; rewrite Hscal, (mean_square_ext coords _ (fun i => s * seen coords n x i)) by auto.
  assert (0 < sqrt (mean_square coords (seen coords n x))) by now apply sqrt_lt_R0, mean_square_pos.
  rewrite mean_square_scal, !Rplus_0_r, sqrt_mult_alt, sqrt_pow2 by nra.
  do 2 f_equal; field; lra.
Qed.

(** ** The most probable token *)

Section Greedy.

Context {T : Type} (vocab : list T) (p M : T -> R).
Hypothesis p_pos : forall z, In z vocab -> 0 < p z.
Hypothesis p_total : Sum vocab p = 1.

(** No token is more probable than [z] at strength [alpha]: greedy decoding may pick it. *)
Definition wins (z : T) (alpha : R) : Prop :=
  In z vocab /\ forall y, In y vocab -> tilted vocab p M alpha y <= tilted vocab p M alpha z.

(** [greedy] Beyond the paper, Sec. 6 (conclusion).  The most probable token at a strength is the
    highest of the lines ln p + alpha M. *)
Theorem greedy z alpha :
  wins z alpha <->
  In z vocab /\ forall y, In y vocab -> ln (p y) + alpha * M y <= ln (p z) + alpha * M z.
Proof.
  assert (H : forall y, In y vocab ->
    ln (tilted vocab p M alpha y) = ln (p y) + alpha * M y - K vocab p M alpha).
  { intros y Hy; unfold tilted; rewrite ln_mult, ln_exp by (auto || apply exp_pos); ring. }
  split; intros [Hz Hw]; (split; [easy|]; intros y Hy; specialize (Hw y Hy)).
  - apply ln_le in Hw; [rewrite !H in Hw by easy; lra|now apply tilted_pos].
  - rewrite <- (exp_ln (tilted vocab p M alpha y)), <- (exp_ln (tilted vocab p M alpha z))
      by (now apply tilted_pos).
    apply exp_nondecreasing; rewrite !H by easy; lra.
Qed.

(** [greedy] Beyond the paper, direction.  The log-odds of the most probable token never decrease
    with the strength. *)
Theorem greedy_increasing y z a b : a < b -> wins y a -> wins z b -> M y <= M z.
Proof.
  rewrite !greedy; intros Hab [Hy Ha] [Hz Hb]; specialize (Ha z Hz); specialize (Hb y Hy).
  apply Rmult_le_reg_l with (b - a); lra.
Qed.

(** [greedy] Beyond the paper, intervals.  The strengths at which a token is the most probable form
    an interval, which may be empty. *)
Theorem greedy_interval z a b c : wins z a -> wins z b -> a <= c <= b -> wins z c.
Proof.
  rewrite !greedy; intros [Hz Ha] [_ Hb] Hc; split; [easy|]; intros y Hy.
  specialize (Ha y Hy); specialize (Hb y Hy).
  destruct (Rle_dec (M y) (M z)); nra.
Qed.

(** How often neighbours in a list differ. *)
Fixpoint switches (l : list R) : nat :=
  match l with
  | x :: (y :: _) as rest => if Req_EM_T x y then switches rest else S (switches rest)
  | _ => O
  end.

(** A nondecreasing list that switches [n] times has [n + 1] distinct values. *)
Lemma switches_distinct x l :
  Sorted Rle (x :: l) ->
  exists d, NoDup d /\ incl d (x :: l) /\ length d = S (switches (x :: l)) /\
            forall y, In y d -> x <= y.
Proof.
  revert x; induction l as [|y l IH]; intros x Hs.
  - exists [x]; repeat split; [repeat constructor; easy|apply incl_refl|].
    intros y [->|[]]; lra.
  - inversion_clear Hs as [|? ? Hy Hx]; inversion_clear Hx as [|? ? Hxy].
    destruct (IH y Hy) as (d & Hd & Hin & Hlen & Hle); simpl switches.
    destruct (Req_EM_T x y) as [->|Hne].
    + exists d; repeat split; auto; now apply incl_tl.
    + exists (x :: d); repeat split.
      * constructor; [|easy]; intros Hxd; specialize (Hle x Hxd); lra.
      * apply incl_cons; [now left|now apply incl_tl].
      * simpl; now rewrite Hlen.
      * intros w [->|Hw]; [lra|]; specialize (Hle w Hw); lra.
Qed.

(** [greedy] Beyond the paper, switches.  Along any increasing list of strengths the log-odds of the
    most probable token change at most V - 1 times. *)
Theorem greedy_switches (winner : R -> T) (strengths : list R) :
  (forall alpha, wins (winner alpha) alpha) -> Sorted Rlt strengths ->
  (switches (map (fun alpha => M (winner alpha)) strengths) <= length vocab - 1)%nat.
Proof.
  intros Hw Hs.
  assert (Hsorted : Sorted Rle (map (fun alpha => M (winner alpha)) strengths)).
  { induction Hs as [|a l Hl IH Ha]; simpl; constructor; [easy|].
    destruct Ha as [|b l Hab]; simpl; constructor; now apply (greedy_increasing _ _ a b). }
  destruct strengths as [|a l]; [simpl; lia|].
  destruct (switches_distinct _ _ Hsorted) as (d & Hd & Hin & Hlen & _).
  assert (Hincl : incl d (map M vocab)).
  { intros m Hm; apply Hin, (in_map_iff (fun alpha => M (winner alpha)) (a :: l)) in Hm.
    destruct Hm as (alpha & <- & _); apply in_map, Hw. }
  apply NoDup_incl_length in Hincl; [|easy]; rewrite map_length in Hincl.
  change (length d = S (switches (map (fun alpha => M (winner alpha)) (a :: l)))) in Hlen; lia.
Qed.

End Greedy.

(** [operator/ablation-limit] A reading of ablation: taking a direction out of the state is what
    steering against it tends to.  Ablation is tilting by one finite strength, 0 where the state has
    nothing along the direction; steering against it drives the tokens that it favours out. *)
Theorem operator_ablation_limit :
  ~ (forall (W : bool -> unit -> R) (u h : unit -> R) z, inner [tt] u u = 1 ->
       is_lim (fun alpha => model [true; false] [tt] W (fun _ => 0) (add u alpha h) z) m_infty
         (model [true; false] [tt] W (fun _ => 0) (ablate [tt] u h) z)).
Proof.
  intros H; set (W := fun (z : bool) (_ : unit) => if z then 1 else 0).
  set (u := fun _ : unit => 1); set (h := fun _ : unit => 0).
  specialize (H W u h true ltac:(unfold inner, u; simpl; ring)).
  set (next := model [true; false] [tt] W (fun _ => 0)) in *.
  assert (Hh : forall z, next h z = / 2).
  { intros z; unfold next, model, softmax, logits, h; simpl.
    rewrite !Rmult_0_r, !Rplus_0_r, exp_0; field. }
  assert (Hp : forall z, In z [true; false] -> 0 < next h z) by (intros; rewrite Hh; lra).
  assert (Hp1 : Sum [true; false] (next h) = 1) by (simpl; rewrite !Hh; field).
  set (M := logits [tt] W u).
  assert (HM : M true = 1 /\ M false = 0) by (unfold M, logits, W, u; simpl; split; ring).
  assert (Hmin : is_min [true; false] M 0).
  { split; [exists false; simpl; tauto|]; intros [|] _; lra. }
  pose proof (limit_minus_infinity [true; false] (next h) M Hp Hp1 0 true Hmin
    ltac:(simpl; auto)) as Hlim.
  apply (is_lim_ext _ (fun alpha => next (add u alpha h) true)) in Hlim;
    [|intros; symmetry; now apply one_direction; [|left]].
  apply is_lim_unique in H; apply is_lim_unique in Hlim.
  rewrite Hlim in H; injection H as H.
  assert (Ha : next (ablate [tt] u h) true = / 2).
  { rewrite <- (Hh true); unfold next; f_equal; apply functional_extensionality; intros k.
    unfold ablate, inner, h; simpl; ring. }
  unfold share, at_level in H; destruct (Req_EM_T (M true) 0); lra.
Qed.
