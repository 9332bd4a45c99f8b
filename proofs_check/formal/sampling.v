(** * Independent texts

    Samples of independent texts from a finite population, their means and their variances. *)

From SteeringStrength Require Import analysis sequences.

Section Sampling.

Context {S : Type} (pool : list S) (q : S -> R).
Hypothesis q_total : Sum pool q = 1.

(** The probability of a sample of independent texts, and expectations over samples of [n]. *)
Definition drawn (x : list S) : R := fold_right Rmult 1 (map q x).
Definition sampled (n : nat) (f : list S -> R) : R :=
  Sum (texts pool n) (fun x => drawn x * f x).
Definition population_mean (f : S -> R) : R := Sum pool (fun i => q i * f i).
Definition population_variance (f : S -> R) : R :=
  Sum pool (fun i => q i * (f i - population_mean f) ^ 2).

Lemma sampled_ext n f g :
  (forall x, In x (texts pool n) -> f x = g x) -> sampled n f = sampled n g.
Proof. intros H; apply Sum_ext; intros; now rewrite H. Qed.

Lemma sampled_step n f :
  sampled (Datatypes.S n) f = Sum pool (fun i => q i * sampled n (fun x => f (i :: x))).
Proof.
  unfold sampled; rewrite Sum_texts; apply Sum_ext; intros i _.
  rewrite <- Sum_scal; apply Sum_ext; intros; unfold drawn; simpl; ring.
Qed.

Lemma sampled_plus n f g : sampled n (fun x => f x + g x) = sampled n f + sampled n g.
Proof. unfold sampled; rewrite <- Sum_plus; apply Sum_ext; intros; ring. Qed.

Lemma sampled_scal n c f : sampled n (fun x => c * f x) = c * sampled n f.
Proof. unfold sampled; rewrite <- Sum_scal; apply Sum_ext; intros; ring. Qed.

Lemma sampled_const n c : sampled n (fun _ => c) = c.
Proof.
  induction n as [|n IH]; [unfold sampled, drawn; simpl; ring|].
  rewrite sampled_step, IH, Sum_scal_r, q_total; ring.
Qed.

Lemma sampled_sum n f : sampled n (fun x => Sum x f) = INR n * population_mean f.
Proof.
  induction n as [|n IH]; [unfold sampled, drawn; simpl; ring|].
  rewrite sampled_step, S_INR; unfold population_mean.
  rewrite (Sum_ext pool _ (fun i => q i * f i + q i * (INR n * population_mean f))).
  - rewrite Sum_plus, Sum_scal_r, q_total; unfold population_mean; ring.
  - intros i _; rewrite <- Rmult_plus_distr_l, <- IH; f_equal.
    rewrite <- (sampled_const n (f i)) at 1; apply (sampled_plus n (fun _ => f i)).
Qed.

Lemma sampled_square n f :
  population_mean f = 0 ->
  sampled n (fun x => Sum x f ^ 2) = INR n * Sum pool (fun i => q i * f i ^ 2).
Proof.
  intros H0; induction n as [|n IH]; [unfold sampled, drawn; simpl; ring|].
  set (v := Sum pool (fun i => q i * f i ^ 2)) in *; rewrite sampled_step, S_INR.
  rewrite (Sum_ext pool _ (fun i => q i * f i ^ 2 + q i * (INR n * v))).
  - rewrite Sum_plus, Sum_scal_r, q_total; fold v; ring.
  - intros i _; rewrite <- Rmult_plus_distr_l; f_equal.
    rewrite (sampled_ext n _ (fun x => f i ^ 2 + (2 * f i * Sum x f + Sum x f ^ 2)))
      by (intros; simpl Sum; ring).
    rewrite (sampled_plus n (fun _ => f i ^ 2)), sampled_plus, sampled_const, sampled_scal, IH.
    rewrite sampled_sum, H0; ring.
Qed.

Lemma centred f : population_mean (fun i => f i - population_mean f) = 0.
Proof.
  unfold population_mean; rewrite (Sum_ext pool _ (fun i => q i * f i - q i * population_mean f))
    by (intros; unfold population_mean; ring).
  rewrite Sum_minus, Sum_scal_r, q_total; unfold population_mean; ring.
Qed.

Lemma sampled_average n f : n <> O -> sampled n (fun x => average x f) = population_mean f.
Proof.
  intros Hn; assert (INR n <> 0) by now apply not_0_INR.
  rewrite (sampled_ext n _ (fun x => / INR n * Sum x f)).
  - rewrite sampled_scal, sampled_sum; field; easy.
  - intros x Hx; unfold average; rewrite (texts_length pool n x Hx); unfold Rdiv; ring.
Qed.

Lemma sampled_average_square n f :
  n <> O ->
  sampled n (fun x => (average x f - population_mean f) ^ 2) = population_variance f / INR n.
Proof.
  intros Hn; assert (INR n <> 0) by now apply not_0_INR.
  set (m := population_mean f); set (g := fun i => f i - m).
  assert (Hg : population_mean g = 0) by apply centred.
  rewrite (sampled_ext n _ (fun x => / INR n ^ 2 * Sum x g ^ 2)).
  - rewrite sampled_scal, (sampled_square n g Hg); unfold population_variance.
    fold m; fold (g : S -> R); unfold g; field; easy.
  - intros x Hx; unfold average, g; rewrite Sum_minus, Sum_const, (texts_length pool n x Hx).
    field; easy.
Qed.

(** [standard-error] Beyond the paper, the finite-sample convention.  Squared deviations from the
    sample's own mean, over one less than the number of texts, estimate the variance without bias.
    *)
Theorem standard_error_sample_variance n f :
  (2 <= n)%nat ->
  sampled n (fun x => Sum x (fun i => (f i - average x f) ^ 2) / (INR n - 1))
  = population_variance f.
Proof.
  intros Hn; assert (H2 : 2 <= INR n) by (apply (le_INR 2), Hn).
  set (m := population_mean f); set (g := fun i => f i - m).
  assert (Hg : population_mean g = 0) by apply centred.
  rewrite (sampled_ext n _ (fun x => / (INR n - 1) * Sum x (fun i => g i ^ 2)
    + - (/ (INR n * (INR n - 1))) * Sum x g ^ 2)).
  - rewrite sampled_plus, !sampled_scal, (sampled_square n g Hg), sampled_sum.
    change (population_mean (fun i => g i ^ 2)) with (population_variance f).
    change (Sum pool (fun i => q i * g i ^ 2)) with (population_variance f); field; lra.
  - intros x Hx; assert (Hf : Sum x f = Sum x g + INR n * m)
      by (unfold g; rewrite Sum_minus, Sum_const, (texts_length pool n x Hx); ring).
    unfold average; rewrite (texts_length pool n x Hx), Hf.
    set (c := Sum x g / INR n).
    rewrite (Sum_ext x _ (fun i => g i ^ 2 + (-2 * c * g i + c ^ 2)))
      by (intros; unfold c, g; field; lra).
    rewrite !Sum_plus, Sum_scal, Sum_const, (texts_length pool n x Hx); unfold c; field; lra.
Qed.

End Sampling.

Section TwoSamples.

Context {S : Type} (P N : list S) (q r : S -> R).
Hypothesis q_total : Sum P q = 1.
Hypothesis r_total : Sum N r = 1.

(** Two independent samples, of [m] texts from [P] and of [n] from [N]. *)
Definition both_sampled (m n : nat) (f : list S -> list S -> R) : R :=
  sampled P q m (fun x => sampled N r n (f x)).

(** [standard-error] Beyond the paper, Sec. 6 (conclusion), the log-odds.  The difference of the
    means over two independent samples, for the log-probability of a token or any other quantity, is
    unbiased, and its variance is the sum of the two variances, each over its number of texts. *)
Theorem standard_error_log_odds (f : S -> R) m n :
  m <> O -> n <> O ->
  let truth := population_mean P q f - population_mean N r f in
  let estimate x y := average x f - average y f in
  both_sampled m n estimate = truth /\
  both_sampled m n (fun x y => (estimate x y - truth) ^ 2)
  = population_variance P q f / INR m + population_variance N r f / INR n.
Proof.
  intros Hm Hn truth estimate; unfold both_sampled, estimate, truth.
  set (a := population_mean P q f); set (b := population_mean N r f).
  assert (Hb : sampled N r n (fun y => average y f) = b) by now apply sampled_average.
  assert (Ha2 := sampled_average_square P q q_total m f Hm); fold a in Ha2.
  assert (Hb2 := sampled_average_square N r r_total n f Hn); fold b in Hb2.
  split.
  - rewrite (sampled_ext P q m _ (fun x => average x f + - b)).
    + rewrite (sampled_plus P q m (fun x => average x f)), sampled_const, sampled_average by easy.
      reflexivity.
    + intros x _.
      rewrite (sampled_ext N r n _ (fun y => average x f + -1 * average y f)) by (intros; ring).
      rewrite (sampled_plus N r n (fun _ => average x f)), sampled_const, sampled_scal, Hb by easy.
      ring.
  - rewrite (sampled_ext P q m _ (fun x =>
      (average x f - a) ^ 2 + population_variance N r f / INR n)).
    + rewrite (sampled_plus P q m (fun x => (average x f - a) ^ 2)), sampled_const by easy.
      now rewrite Ha2.
    + intros x _; set (c := average x f - a).
      rewrite (sampled_ext N r n _ (fun y =>
        (c ^ 2 + 2 * c * b) + (-2 * c * average y f + (average y f - b) ^ 2)))
        by (intros; unfold c; ring).
      rewrite (sampled_plus N r n (fun _ => c ^ 2 + 2 * c * b)).
      rewrite (sampled_plus N r n (fun y => -2 * c * average y f)), sampled_scal, Hb, Hb2.
      rewrite sampled_const by easy; ring.
Qed.

End TwoSamples.

(** ** The variance of a linear function of the log-odds *)

Section Influences.

Context {T S : Type} (vocab : list T) (L : S -> T -> R).

(** The sample covariance of two tokens over a list of texts, in the finite-sample convention. *)
Definition sample_covariance (l : list S) (z y : T) : R :=
  Sum l (fun i => (L i z - average l (fun k => L k z)) * (L i y - average l (fun k => L k y)))
  / (INR (length l) - 1).

(** [standard-error] Beyond the paper, Sec. 6 (conclusion).  To first order the strength is linear
    in the log-odds, with the gradient [a].  Its variance, estimated from the covariances of the
    tokens over the texts, is a sum of squared influences over the texts of each list. *)
Theorem standard_error (a : T -> R) (P N : list S) :
  let influence l i := Sum vocab (fun z => a z * (L i z - average l (fun k => L k z)))
                       / INR (length l) in
  let share l := INR (length l) / (INR (length l) - 1) * Sum l (fun i => influence l i ^ 2) in
  (2 <= length P)%nat -> (2 <= length N)%nat ->
  Sum vocab (fun z => Sum vocab (fun y => a z * a y *
    (sample_covariance P z y / INR (length P) + sample_covariance N z y / INR (length N))))
  = share P + share N.
Proof.
  intros influence share HP HN.
  assert (Hside : forall l, (2 <= length l)%nat ->
    Sum vocab (fun z => Sum vocab (fun y =>
      a z * a y * (sample_covariance l z y / INR (length l))))
    = share l).
  { intros l Hl; apply le_INR in Hl; simpl (INR 2) in Hl; set (n := INR (length l)) in *.
    set (dev := fun i z => L i z - average l (fun k => L k z)).
    transitivity (/ ((n - 1) * n) * Sum l (fun i => Sum vocab (fun z => a z * dev i z) ^ 2)).
    - rewrite <- Sum_scal.
      rewrite (Sum_ext l _ (fun i => Sum vocab (fun z => Sum vocab (fun y =>
        / ((n - 1) * n) * (a z * dev i z * (a y * dev i y)))))).
      + rewrite (Sum_swap l vocab); apply Sum_ext; intros z _; rewrite (Sum_swap l vocab).
        apply Sum_ext; intros y _; unfold sample_covariance; fold n; unfold Rdiv.
        rewrite <- !Sum_scal_r, <- Sum_scal; apply Sum_ext; intros; unfold dev; field; lra.
      + intros i _; simpl; rewrite Rmult_1_r, <- Sum_scal_r, <- Sum_scal; apply Sum_ext.
        intros z _; rewrite <- !Sum_scal; reflexivity.
    - unfold share; fold n; rewrite <- !Sum_scal; apply Sum_ext; intros i _.
      unfold influence; fold n; unfold dev; field; lra. }
  rewrite <- (Hside P HP), <- (Hside N HN), <- Sum_plus; apply Sum_ext; intros z _.
  rewrite <- Sum_plus; apply Sum_ext; intros; ring.
Qed.

End Influences.

(** [standard-error] Beyond the paper, which side to add to.  With as many texts in all, the error
    is least when each list has texts in proportion to the spread of its side. *)
Theorem standard_error_split (spread_P spread_N few_P few_N : R) :
  0 < few_P -> 0 < few_N ->
  let error := spread_P ^ 2 / few_P + spread_N ^ 2 / few_N in
  (spread_P + spread_N) ^ 2 <= (few_P + few_N) * error /\
  ((few_P + few_N) * error = (spread_P + spread_N) ^ 2 <-> spread_P * few_N = spread_N * few_P).
Proof.
  intros HP HN error; set (x := spread_P * few_N - spread_N * few_P).
  assert (E : (few_P + few_N) * error = (spread_P + spread_N) ^ 2 + x ^ 2 * / (few_P * few_N))
    by (unfold error, x; field; lra).
  assert (Hi : 0 < / (few_P * few_N)) by now apply Rinv_0_lt_compat, Rmult_lt_0_compat.
  pose proof (pow2_ge_0 x); rewrite E; split; [nra|split; intros H0].
  - assert (Hx : x ^ 2 * / (few_P * few_N) = 0) by lra; apply Rmult_integral in Hx.
    destruct Hx as [Hx|]; [|lra]; apply Rminus_diag_uniq; fold x; nra.
  - replace x with 0 by (unfold x; lra); ring.
Qed.

(** ** Readings that are false *)

(** [standard-error/more-texts] A reading of the law: one text more lowers the standard error.  Two
    texts that agree estimate a variance of 0; a third one that disagrees raises it. *)
Theorem standard_error_more_texts :
  ~ (forall (L : nat -> unit -> R) (P : list nat) (i : nat), (2 <= length P)%nat ->
       sample_covariance L (i :: P) tt tt / INR (length (i :: P))
       <= sample_covariance L P tt tt / INR (length P)).
Proof.
  intros H; specialize (H (fun i _ => if Nat.eqb i 0 then 0 else 1) [0; 0]%nat 1%nat (le_n 2)).
  unfold sample_covariance, average in H; simpl in H; lra.
Qed.

(** [influence/largest-norm] A reading of the law: of two texts the one that differs more from the
    mean moves the strength more.  Only what lies along the gradient counts: here, where the first
    of three equally likely tokens is favoured, texts that differ in the other two move nothing. *)
Theorem influence_largest_norm :
  ~ (forall (L : nat -> nat -> R) (gradient : nat -> R) (P : list nat) (i k : nat),
       let dev i z := L i z - average P (fun n => L n z) in
       let square i := Sum [0; 1; 2]%nat (fun z => dev i z ^ 2) in
       let influence i := Sum [0; 1; 2]%nat (fun z => gradient z * dev i z) / INR (length P) in
       In i P -> In k P -> Sum [0; 1; 2]%nat gradient = 0 -> square i < square k ->
       Rabs (influence i) <= Rabs (influence k)).
Proof.
  intros H.
  set (L := fun i z : nat =>
    nth z (nth i [[0; 1; -1]; [0; -1; 1]; [/ 4; 0; 0]; [- / 4; 0; 0]] []) 0).
  specialize (H L (fun z => match z with 0%nat => 2 | _ => -1 end) [0; 1; 2; 3]%nat 2%nat 0%nat).
  cbv zeta in H; unfold average, L in H; simpl in H.
  specialize (H ltac:(tauto) ltac:(tauto) ltac:(lra) ltac:(lra)).
  rewrite (Rabs_pos_eq (_ / _)) in H by lra; revert H; apply Rlt_not_le.
  match goal with |- Rabs ?x < _ => replace x with 0 by lra end; rewrite Rabs_R0; lra.
Qed.
