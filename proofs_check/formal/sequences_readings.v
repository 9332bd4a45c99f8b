(** * Readings of the laws of generated text that are false

    One model of two steps over three tokens shows them: a moderate strength makes a costly detour
    likely, over the middle token, that a larger strength avoids. *)

From SteeringStrength Require Import analysis tilting sequences.

Inductive letter := low | middle | high.
Definition letters := [low; middle; high].
Definition row (x y z : R) (t : letter) : R :=
  match t with low => x / 32 | middle => y / 32 | high => z / 32 end.
Definition two_step (past : list letter) : letter -> R :=
  match past with [] => row 1 24 7 | [middle] => row 30 1 1 | _ => row 1 1 30 end.
Definition letter_odds (t : letter) : R := match t with low => 0 | middle => 4 | high => 5 end.

Lemma two_step_pos past t : In t letters -> 0 < two_step past t.
Proof. intros _; destruct past as [|[| |] [|]], t; simpl; lra. Qed.

Lemma two_step_total past : Sum letters (two_step past) = 1.
Proof. destruct past as [|[| |] [|]]; simpl; lra. Qed.

(** What a context adds, where the exponential of the strength is [e]. *)
Definition added (alpha e x y z : R) : R :=
  alpha * ((4 * y * e ^ 4 + 5 * z * e ^ 5) / (x + y * e ^ 4 + z * e ^ 5))
  - ln ((x + y * e ^ 4 + z * e ^ 5) / 32).
Definition share (e x y z : R) (t : letter) : R :=
  match t with low => x | middle => y * e ^ 4 | high => z * e ^ 5 end
  / (x + y * e ^ 4 + z * e ^ 5).

Section TwoSteps.

Variables alpha e : R.
Hypothesis e_pos : 0 < e.
Hypothesis e_value : exp alpha = e.

Lemma letter_exp t :
  exp (alpha * letter_odds t) = match t with low => 1 | middle => e ^ 4 | high => e ^ 5 end.
Proof.
  rewrite <- e_value; destruct t; simpl; [rewrite Rmult_0_r; apply exp_0| |];
    rewrite !Rmult_1_r, <- !exp_plus; f_equal; ring.
Qed.

Lemma row_Z x y z : Z letters (row x y z) letter_odds alpha = (x + y * e ^ 4 + z * e ^ 5) / 32.
Proof. unfold Z, letters; cbn [Sum fold_right]; rewrite !letter_exp; simpl; field. Qed.

Lemma row_tilted x y z t : 0 < x -> 0 < y -> 0 < z -> x + y + z = 32 ->
  tilted letters (row x y z) letter_odds alpha t = share e x y z t.
Proof.
  intros Hx Hy Hz H1.
  assert (0 < e ^ 4) by now apply pow_lt. assert (0 < e ^ 5) by now apply pow_lt.
  rewrite tilted_ratio, row_Z, letter_exp by
    (simpl; lra || (intros [| |] _; simpl; lra)).
  unfold share; destruct t; simpl row; field; nra.
Qed.

Lemma row_added x y z : 0 < x -> 0 < y -> 0 < z -> x + y + z = 32 ->
  alpha * mean letters (row x y z) letter_odds alpha - K letters (row x y z) letter_odds alpha
  = added alpha e x y z.
Proof.
  intros Hx Hy Hz H1; unfold K, added; rewrite row_Z; do 2 f_equal; unfold mean, E, letters.
  cbn [Sum fold_right]; rewrite !row_tilted by easy; unfold share; simpl letter_odds.
  assert (0 < e ^ 4) by now apply pow_lt. assert (0 < e ^ 5) by now apply pow_lt.
  field; nra.
Qed.

Lemma two_step_reverse :
  divergence (texts letters 2) (chance letters two_step letter_odds alpha [])
    (chance letters two_step letter_odds 0 [])
  = added alpha e 1 24 7 + share e 1 24 7 middle * added alpha e 30 1 1
    + (share e 1 24 7 low + share e 1 24 7 high) * added alpha e 1 1 30.
Proof.
  rewrite sequence_reverse by (apply two_step_pos || apply two_step_total).
  rewrite expect_along by (apply two_step_pos || apply two_step_total).
  cbn [shorter flat_map map letters app Sum fold_right chance].
  rewrite !E_const by (apply two_step_pos || apply two_step_total); simpl two_step.
  rewrite !row_added, !row_tilted by lra; ring.
Qed.

(** The weights are rational, and so is their mean square. *)
Lemma row_square x y z (c : letter -> R) : 0 < x -> 0 < y -> 0 < z -> x + y + z = 32 ->
  E letters (row x y z) letter_odds 0 (fun t =>
    exp (alpha * letter_odds t - K letters (row x y z) letter_odds alpha) ^ 2 * c t)
  = 32 * (x * c low + y * (e ^ 4) ^ 2 * c middle + z * (e ^ 5) ^ 2 * c high)
    / (x + y * e ^ 4 + z * e ^ 5) ^ 2.
Proof.
  intros Hx Hy Hz H1; assert (Hp : forall t, In t letters -> 0 < row x y z t)
    by (intros [| |] _; simpl; lra).
  assert (Hp1 : Sum letters (row x y z) = 1) by (simpl; lra).
  rewrite E_0 by easy; unfold letters at 1; cbn [Sum fold_right].
  unfold Rminus; rewrite !exp_plus, !exp_Ropp, !letter_exp, exp_K, row_Z by easy.
  assert (0 < e ^ 4) by now apply pow_lt. assert (0 < e ^ 5) by now apply pow_lt.
  simpl row; field; nra.
Qed.

Definition square (e x y z : R) : R :=
  32 * (x + y * (e ^ 4) ^ 2 + z * (e ^ 5) ^ 2) / (x + y * e ^ 4 + z * e ^ 5) ^ 2.

Lemma two_step_square :
  expect letters two_step letter_odds 0 [] 2
    (fun t => importance letters two_step letter_odds alpha t ^ 2)
  = 32 * (square e 1 1 30 + 24 * (e ^ 4) ^ 2 * square e 30 1 1 + 7 * (e ^ 5) ^ 2 * square e 1 1 30)
    / (1 + 24 * e ^ 4 + 7 * e ^ 5) ^ 2.
Proof.
  unfold importance; set (g := gain letters two_step letter_odds alpha).
  assert (Hstep : forall past n,
    expect letters two_step letter_odds 0 past (S n) (fun t => exp (along g past t) ^ 2)
    = E letters (two_step past) letter_odds 0 (fun z => exp (g past z) ^ 2
        * expect letters two_step letter_odds 0 (past ++ [z]) n
            (fun t => exp (along g (past ++ [z]) t) ^ 2))).
  { intros; rewrite expect_step; apply E_ext; intros z _; rewrite <- expect_scal.
    apply expect_ext; intros; cbn [along]; rewrite exp_plus; ring. }
  assert (Hone : forall past z, exp (g past z) ^ 2
      * expect letters two_step letter_odds 0 (past ++ [z]) 0
          (fun t => exp (along g (past ++ [z]) t) ^ 2) = exp (g past z) ^ 2 * 1).
  { intros; unfold expect; simpl; rewrite exp_0; ring. }
  rewrite Hstep; change (two_step []) with (row 1 24 7); unfold g at 1, gain at 1.
  change (two_step []) with (row 1 24 7); rewrite row_square by lra.
  rewrite !Hstep, !(E_ext _ _ _ _ _ _ (fun z _ => Hone _ z)); unfold g, gain; simpl app.
  cbn [two_step]; rewrite !(row_square _ _ _ (fun _ => 1)) by lra.
  unfold square; rewrite !Rmult_1_r; do 3 f_equal; ring.
Qed.

End TwoSteps.

Lemma ln_above (x : R) k m : 0 < x -> x ^ k <= 2 ^ m -> INR k * ln x <= INR m * ln 2.
Proof.
  intros Hx H; rewrite <- !ln_pow by lra; apply ln_le; [now apply pow_lt|easy].
Qed.

Lemma ln_below (x : R) k m : 0 < x -> 2 ^ m <= x ^ k -> INR m * ln 2 <= INR k * ln x.
Proof.
  intros Hx H; rewrite <- !ln_pow by lra; apply ln_le; [apply pow_lt; lra|easy].
Qed.

(** [sequence-reverse/monotone] A reading of the law of one token: also for a text the reverse
    divergence grows with the strength.  Steering may first make costly detours likely that a larger
    strength avoids: with three tokens and two steps it falls between strengths ln 4 and ln 16. *)
Theorem sequence_reverse_monotone :
  ~ (forall (p : list letter -> letter -> R) (M : letter -> R) a b,
       (forall past z, In z letters -> 0 < p past z) ->
       (forall past, Sum letters (p past) = 1) -> 0 <= a <= b ->
       divergence (texts letters 2) (chance letters p M a []) (chance letters p M 0 [])
       <= divergence (texts letters 2) (chance letters p M b []) (chance letters p M 0 [])).
Proof.
  intros H; pose proof ln_lt_2 as H2.
  specialize (H two_step letter_odds (2 * ln 2) (4 * ln 2) two_step_pos two_step_total ltac:(lra)).
  assert (E4 : exp (2 * ln 2) = 4)
    by (replace (2 * ln 2) with (ln 2 + ln 2) by ring; rewrite exp_plus, exp_ln; lra).
  assert (E16 : exp (4 * ln 2) = 16)
    by (replace (4 * ln 2) with (2 * ln 2 + 2 * ln 2) by ring; rewrite exp_plus, E4; lra).
  rewrite (two_step_reverse _ 4), (two_step_reverse _ 16) in H by (easy || lra).
  pose proof (ln_above (13313 / 32) 7 61 ltac:(lra) ltac:(lra)).
  pose proof (ln_above (30977 / 32) 13 129 ltac:(lra) ltac:(lra)).
  pose proof (ln_above (1310 / 32) 14 75 ltac:(lra) ltac:(lra)).
  pose proof (ln_below (8912897 / 32) 12 217 ltac:(lra) ltac:(lra)).
  pose proof (ln_below (31522817 / 32) 10 199 ltac:(lra) ltac:(lra)).
  pose proof (ln_below (1114142 / 32) 12 181 ltac:(lra) ltac:(lra)).
  unfold added, share in H.
  replace (1 + 24 * 4 ^ 4 + 7 * 4 ^ 5) with 13313 in H by lra.
  replace (1 + 1 * 4 ^ 4 + 30 * 4 ^ 5) with 30977 in H by lra.
  replace (30 + 1 * 4 ^ 4 + 1 * 4 ^ 5) with 1310 in H by lra.
  replace (1 + 24 * 16 ^ 4 + 7 * 16 ^ 5) with 8912897 in H by lra.
  replace (1 + 1 * 16 ^ 4 + 30 * 16 ^ 5) with 31522817 in H by lra.
  replace (30 + 1 * 16 ^ 4 + 1 * 16 ^ 5) with 1114142 in H by lra.
  simpl INR in *; lra.
Qed.

(** [sequence-reverse/convex] A reading of the law: the reverse divergence is convex in the
    strength, as the other one is.  Even for one token it is not: it levels off below a ceiling. *)
Theorem sequence_reverse_convex :
  ~ (forall (p : list bool -> bool -> R) (M : bool -> R) a b,
       (forall past z, In z [true; false] -> 0 < p past z) ->
       (forall past, Sum [true; false] (p past) = 1) ->
       let cost t := divergence (texts [true; false] 1) (chance [true; false] p M t [])
                       (chance [true; false] p M 0 []) in
       cost ((a + b) / 2) <= (cost a + cost b) / 2).
Proof.
  intros H; set (p := fun (_ : list bool) (_ : bool) => / 2).
  set (M := fun z : bool => if z then 1 else 0).
  assert (Hp : forall past z, In z [true; false] -> 0 < p past z) by (intros; unfold p; lra).
  assert (Hp1 : forall past, Sum [true; false] (p past) = 1) by (intros; unfold p; simpl; lra).
  specialize (H p M 0 (2 * ln 9) Hp Hp1); cbv zeta in H.
  assert (Hcost : forall t e, exp t = e -> divergence (texts [true; false] 1)
      (chance [true; false] p M t []) (chance [true; false] p M 0 [])
      = t * (e / (e + 1)) - ln ((e + 1) / 2)).
  { intros t e He; rewrite sequence_reverse, expect_along by easy.
    cbn [shorter flat_map map Sum fold_right chance app]; rewrite E_const by auto.
    assert (0 < e) by (rewrite <- He; apply exp_pos).
    assert (HZ : Z [true; false] (p []) M t = (e + 1) / 2)
      by (unfold Z, p, M; simpl; rewrite Rmult_1_r, Rmult_0_r, exp_0, He; field).
    assert (Hm : mean [true; false] (p []) M t = e / (e + 1)).
    { unfold mean, E; cbn [Sum fold_right]; rewrite !tilted_ratio, HZ by auto; unfold p, M.
      rewrite !Rmult_1_r, He; field; lra. }
    unfold K; rewrite HZ, Hm; ring. }
  assert (E81 : exp (2 * ln 9) = 81)
    by (replace (2 * ln 9) with (ln 9 + ln 9) by ring; rewrite exp_plus, exp_ln; lra).
  replace ((0 + 2 * ln 9) / 2) with (ln 9) in H by field.
  rewrite (Hcost (ln 9) 9), (Hcost 0 1), (Hcost (2 * ln 9) 81) in H
    by (easy || apply exp_0 || apply exp_ln; lra).
  replace ((1 + 1) / 2) with 1 in H by field; rewrite ln_1 in H.
  replace ((9 + 1) / 2) with 5 in H by field; replace ((81 + 1) / 2) with 41 in H by field.
  assert (H9 : ln 9 <= 5 * ln (41 / 25)).
  { replace 5 with (INR 5) by (simpl; lra); rewrite <- ln_pow by lra; apply ln_le; lra. }
  assert (H25 : ln (41 / 25) = ln 41 - (ln 5 + ln 5))
    by (rewrite ln_div, <- ln_mult by lra; do 2 f_equal; lra).
  assert (0 < ln 9) by (rewrite <- ln_1; apply ln_increasing; lra); lra.
Qed.

(** [sequence-weights/falls] A reading of the law of one token: the effective sample size falls as
    the strength grows.  Where a larger strength avoids a detour, it rises again. *)
Theorem sequence_weights_falls :
  ~ (forall (p : list letter -> letter -> R) (M : letter -> R) a b,
       (forall past z, In z letters -> 0 < p past z) ->
       (forall past, Sum letters (p past) = 1) -> 0 <= a <= b ->
       expect letters p M 0 [] 2 (fun x => importance letters p M a x ^ 2)
       <= expect letters p M 0 [] 2 (fun x => importance letters p M b x ^ 2)).
Proof.
  intros H; pose proof ln_lt_2 as H2.
  specialize (H two_step letter_odds (2 * ln 2) (4 * ln 2) two_step_pos two_step_total ltac:(lra)).
  assert (E4 : exp (2 * ln 2) = 4)
    by (replace (2 * ln 2) with (ln 2 + ln 2) by ring; rewrite exp_plus, exp_ln; lra).
  assert (E16 : exp (4 * ln 2) = 16)
    by (replace (4 * ln 2) with (2 * ln 2 + 2 * ln 2) by ring; rewrite exp_plus, E4; lra).
  rewrite (two_step_square _ 4), (two_step_square _ 16) in H by (easy || lra).
  unfold square in H; lra.
Qed.
