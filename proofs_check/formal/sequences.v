(** * Generated text

    A text is a list of tokens.  After a prefix [past] the model gives the next token the
    distribution [p past], which may depend on the prefix in any way; steering at every position
    tilts each of these by the same log-odds [M].  The laws of one token then become laws of the
    text, with sums over its positions: [along g past x] adds up [g prefix token] over the tokens of
    [x] written after [past]. *)

From SteeringStrength Require Import analysis asymptotics tilting cross_entropy budget radius.

Lemma Sum_flat_map {S T : Type} (l : list S) (h : S -> list T) f :
  Sum (flat_map h l) f = Sum l (fun i => Sum (h i) f).
Proof. induction l as [|i l IH]; simpl; [|rewrite Sum_app, IH]; reflexivity. Qed.

Section Sequences.

Context {T : Type} (vocab : list T) (p : list T -> T -> R) (M : T -> R).

Notation steered past := (tilted vocab (p past) M).
Notation E past := (E vocab (p past) M).
Notation K past := (K vocab (p past) M).
Notation mean past := (mean vocab (p past) M).
Notation Var past := (Var vocab (p past) M).

(** All texts of [n] tokens, and all texts shorter than that: the contexts of their tokens. *)
Fixpoint texts (n : nat) : list (list T) :=
  match n with O => [[]] | S n => flat_map (fun z => map (cons z) (texts n)) vocab end.
Fixpoint shorter (n : nat) : list (list T) :=
  match n with O => [] | S n => [] :: flat_map (fun z => map (cons z) (shorter n)) vocab end.

Fixpoint along (g : list T -> T -> R) (past x : list T) : R :=
  match x with [] => 0 | z :: rest => g past z + along g (past ++ [z]) rest end.

(** The probability that the steered model continues [past] with [x], and expectations under it. *)
Fixpoint chance (alpha : R) (past x : list T) : R :=
  match x with [] => 1 | z :: rest => steered past alpha z * chance alpha (past ++ [z]) rest end.
Definition expect (alpha : R) (past : list T) (n : nat) (f : list T -> R) : R :=
  Sum (texts n) (fun x => chance alpha past x * f x).

Definition gain (alpha : R) (past : list T) (z : T) : R := alpha * M z - K past alpha.
Definition surprise (alpha : R) (past : list T) (z : T) : R := M z - mean past alpha.
(** The derivative of the log-probability of a text. *)
Definition score (alpha : R) (x : list T) : R := along (surprise alpha) [] x.
(** What an unsteered text counts for in an expectation of the steered model. *)
Definition importance (alpha : R) (x : list T) : R := exp (along (gain alpha) [] x).

Hypothesis p_pos : forall past z, In z vocab -> 0 < p past z.
Hypothesis p_total : forall past, Sum vocab (p past) = 1.

Lemma Sum_texts n f :
  Sum (texts (S n)) f = Sum vocab (fun z => Sum (texts n) (fun x => f (z :: x))).
Proof. simpl; rewrite Sum_flat_map; apply Sum_ext; intros; apply Sum_map. Qed.

Lemma In_texts n x : In x (texts n) -> forall z, In z x -> In z vocab.
Proof.
  revert x; induction n as [|n IH]; simpl; intros x Hx z Hz; [now destruct Hx as [<-|[]]|].
  apply in_flat_map in Hx; destruct Hx as [y [Hy Hx]]; apply in_map_iff in Hx.
  destruct Hx as [r [<- Hr]]; destruct Hz as [<-|Hz]; [easy|now apply (IH r)].
Qed.

Lemma In_shorter n x : In x (shorter n) -> forall z, In z x -> In z vocab.
Proof.
  revert x; induction n as [|n IH]; simpl; intros x Hx z Hz; [easy|].
  destruct Hx as [<-|Hx]; [easy|].
  apply in_flat_map in Hx; destruct Hx as [y [Hy Hx]]; apply in_map_iff in Hx.
  destruct Hx as [r [<- Hr]]; destruct Hz as [<-|Hz]; [easy|now apply (IH r)].
Qed.

Lemma chance_pos alpha x : forall past, (forall z, In z x -> In z vocab) -> 0 < chance alpha past x.
Proof.
  induction x as [|z x IH]; simpl; intros past H; [lra|].
  apply Rmult_lt_0_compat; [apply tilted_pos; auto|apply IH; auto].
Qed.

Lemma text_pos alpha n x : In x (texts n) -> 0 < chance alpha [] x.
Proof. intros Hx; apply chance_pos, (In_texts n x Hx). Qed.

(** ** Expectations *)

Lemma expect_step alpha past n f :
  expect alpha past (S n) f
  = E past alpha (fun z => expect alpha (past ++ [z]) n (fun x => f (z :: x))).
Proof.
  unfold expect; rewrite Sum_texts; apply Sum_ext; intros z _.
  rewrite <- Sum_scal; apply Sum_ext; intros; simpl; ring.
Qed.

Lemma expect_ext alpha past n f g :
  (forall x, In x (texts n) -> f x = g x) -> expect alpha past n f = expect alpha past n g.
Proof. intros H; apply Sum_ext; intros; now rewrite H. Qed.

Lemma expect_plus alpha past n f g :
  expect alpha past n (fun x => f x + g x) = expect alpha past n f + expect alpha past n g.
Proof. unfold expect; rewrite <- Sum_plus; apply Sum_ext; intros; ring. Qed.

Lemma expect_minus alpha past n f g :
  expect alpha past n (fun x => f x - g x) = expect alpha past n f - expect alpha past n g.
Proof. unfold expect; rewrite <- Sum_minus; apply Sum_ext; intros; ring. Qed.

Lemma expect_scal alpha past n c f :
  expect alpha past n (fun x => c * f x) = c * expect alpha past n f.
Proof. unfold expect; rewrite <- Sum_scal; apply Sum_ext; intros; ring. Qed.

Lemma expect_const alpha n c : forall past, expect alpha past n (fun _ => c) = c.
Proof.
  induction n as [|n IH]; intros past; [unfold expect; simpl; ring|].
  rewrite expect_step, <- (E_const vocab (p past) M (p_pos past) (p_total past) alpha c) at 1.
  apply E_ext; intros; apply IH.
Qed.

Lemma expect_le alpha n f g :
  (forall x, In x (texts n) -> f x <= g x) -> expect alpha [] n f <= expect alpha [] n g.
Proof.
  intros H; apply Sum_le; intros x Hx; apply Rmult_le_compat_l; [|auto].
  now apply Rlt_le, (text_pos alpha n).
Qed.

(** A sum over the positions has the expectation of the sum of the expectations given the prefix:
    one sum over all contexts, each with the probability that the text comes by. *)
Lemma expect_along alpha n g : forall past,
  expect alpha past n (along g past)
  = Sum (shorter n) (fun h => chance alpha past h * E (past ++ h) alpha (g (past ++ h))).
Proof.
  induction n as [|n IH]; intros past; [unfold expect; simpl; ring|].
  rewrite expect_step.
  rewrite (E_ext _ _ _ _ _ (fun z => g past z
    + Sum (shorter n) (fun h => chance alpha (past ++ [z]) h
        * E ((past ++ [z]) ++ h) alpha (g ((past ++ [z]) ++ h)))))
    by (intros; rewrite <- IH, <- (expect_const alpha n (g past z) (past ++ [z])) at 1;
        apply (expect_plus alpha (past ++ [z]) n (fun _ => g past z) (along g (past ++ [z])))).
  rewrite E_plus; simpl; rewrite app_nil_r, Sum_flat_map, Rmult_1_l; f_equal.
  apply Sum_ext; intros z _; rewrite Sum_map, <- Sum_scal; apply Sum_ext; intros h _.
  rewrite <- app_assoc; simpl; ring.
Qed.

Lemma expect_along_given alpha n g :
  expect alpha [] n (along g []) = expect alpha [] n (along (fun h _ => E h alpha (g h)) []).
Proof.
  rewrite !expect_along; apply Sum_ext; intros h _; f_equal; symmetry; apply E_const; auto.
Qed.

(** ** The ratio of the steered to the unsteered probability *)

Lemma ln_chance_ratio alpha x : forall past,
  (forall z, In z x -> In z vocab) ->
  ln (chance alpha past x / chance 0 past x) = along (gain alpha) past x.
Proof.
  induction x as [|z x IH]; simpl; intros past H; [rewrite Rdiv_1; apply ln_1|].
  assert (Hc : forall a, 0 < chance a (past ++ [z]) x) by (intros; apply chance_pos; auto).
  assert (Hz : In z vocab) by auto.
  assert (Hp : 0 < p past z) by auto.
  assert (Ht : 0 < steered past alpha z) by (apply tilted_pos; auto).
  rewrite <- IH by auto; unfold gain; rewrite <- (ln_tilted_ratio vocab (p past)) by auto.
  rewrite tilted_0 by auto; rewrite <- ln_mult by (now apply Rdiv_lt_0_compat).
  pose proof (Hc 0); f_equal; field; lra.
Qed.

(** [sequence-ratio] Beyond the paper, generated text.  What steering does to the log-probability
    of a text is a sum over its tokens: their log-odds times the strength, less the cumulant
    generating function of the context that each of them met. *)
Theorem sequence_ratio alpha n x :
  In x (texts n) ->
  ln (chance alpha [] x / chance 0 [] x) = along (fun past z => alpha * M z - K past alpha) [] x.
Proof. intros Hx; apply ln_chance_ratio, (In_texts n x Hx). Qed.

(** [sequence-ratio] Beyond the paper, normalisation.  At every strength the probabilities of the
    texts of a length are positive and have total one; without steering they are the products of the
    model's own. *)
Theorem sequence_ratio_distribution alpha n :
  (forall x, In x (texts n) -> 0 < chance alpha [] x) /\
  Sum (texts n) (chance alpha []) = 1 /\
  (forall past z x, chance 0 past (z :: x) = p past z * chance 0 (past ++ [z]) x).
Proof.
  split; [intros x Hx; now apply (text_pos alpha n)|]; split.
  - rewrite <- (expect_const alpha n 1 []); apply Sum_ext; intros; ring.
  - intros; simpl; now rewrite tilted_0.
Qed.

(** ** The divergence of the steered from the unsteered text *)

(** [sequence-ce] Beyond the paper, generated text.  The divergence of the steered from the
    unsteered model is an expectation over unsteered texts of what each context costs: one set of
    texts, generated without steering, gives the whole curve. *)
Theorem sequence_ce alpha n :
  divergence (texts n) (chance 0 []) (chance alpha [])
  = expect 0 [] n (along (fun past _ => K past alpha - alpha * mean past 0) []).
Proof.
  transitivity (expect 0 [] n (fun x => - along (gain alpha) [] x)).
  - apply Sum_ext; intros x Hx; f_equal; rewrite <- (sequence_ratio alpha n) by easy.
    rewrite <- ln_Rinv by (apply Rdiv_lt_0_compat; now apply (text_pos _ n)).
    pose proof (text_pos 0 n x Hx); pose proof (text_pos alpha n x Hx); f_equal; field; lra.
  - transitivity (- expect 0 [] n (along (gain alpha) []));
      [unfold expect; rewrite <- Sum_opp; apply Sum_ext; intros; ring|].
    rewrite !expect_along, <- Sum_opp; apply Sum_ext; intros h _; unfold gain.
    rewrite E_minus, E_scal, !E_const by auto; unfold tilting.mean; ring.
Qed.

(** The contexts of a text of [n] tokens are a population, with the probabilities that a position
    chosen at random has them. *)
Definition context_weight (n : nat) (h : list T) : R := chance 0 [] h / INR n.

Lemma along_length x : forall past, along (fun _ _ => 1) past x = INR (length x).
Proof.
  induction x as [|z x IH]; intros past; [easy|].
  cbn [along length]; rewrite IH, S_INR; ring.
Qed.

Lemma texts_length n : forall x, In x (texts n) -> length x = n.
Proof.
  induction n as [|n IH]; simpl; intros x Hx; [now destruct Hx as [<-|[]]|].
  apply in_flat_map in Hx; destruct Hx as [z [_ Hx]]; apply in_map_iff in Hx.
  destruct Hx as [r [<- Hr]]; simpl; now rewrite IH.
Qed.

Lemma context_weight_total n : n <> O -> Sum (shorter n) (context_weight n) = 1.
Proof.
  intros Hn; unfold context_weight; rewrite Sum_div.
  assert (INR n <> 0) by now apply not_0_INR.
  replace (Sum (shorter n) (chance 0 [])) with (INR n); [field; easy|].
  rewrite <- (expect_const 0 n (INR n) []).
  rewrite (expect_ext 0 [] n _ (along (fun _ _ => 1) []))
    by (intros; now rewrite along_length, (texts_length n)).
  rewrite expect_along; apply Sum_ext; intros; rewrite E_const by auto; simpl; ring.
Qed.

Lemma context_weight_pos n h : n <> O -> In h (shorter n) -> 0 < context_weight n h.
Proof.
  intros Hn Hh; apply Rdiv_lt_0_compat; [|now apply lt_0_INR, PeanoNat.Nat.neq_0_lt_0].
  apply chance_pos, (In_shorter n h Hh).
Qed.

Notation increase n := (increase (J := list T) vocab (shorter n) (context_weight n) p M).

(** [sequence-ce] Beyond the paper, the contexts of a text.  Per token, the divergence of the text
    is the increase of the cross-entropy over the population of all its contexts: every law of that
    increase, its quadratic, its radius and its asymptotes included, is a law of generated text. *)
Theorem sequence_ce_population alpha n :
  n <> O ->
  divergence (texts n) (chance 0 []) (chance alpha []) = INR n * increase n alpha.
Proof.
  intros Hn; rewrite sequence_ce, expect_along, ce_exact by auto.
  unfold over; rewrite <- Sum_scal; apply Sum_ext; intros h _; rewrite E_const by auto.
  unfold context_weight; simpl; field; now apply not_0_INR.
Qed.

(** [sequence-ce] Beyond the paper, convexity.  The divergence is strictly convex in the strength,
    unless the log-odds are constant, and grows on each side of 0. *)
Theorem sequence_ce_convex n :
  let cost alpha := divergence (texts n) (chance 0 []) (chance alpha []) in
  n <> O -> not_constant vocab M ->
  (forall a b s, a < b -> 0 < s < 1 ->
     cost ((1 - s) * a + s * b) < (1 - s) * cost a + s * cost b) /\
  (forall a b, 0 <= a < b -> cost a < cost b) /\ (forall a b, a < b <= 0 -> cost b < cost a).
Proof.
  intros cost Hn HM; assert (0 < INR n) by now apply lt_0_INR, PeanoNat.Nat.neq_0_lt_0.
  assert (Hw := context_weight_total n Hn).
  destruct (ce_exact_valley vocab (shorter n) (context_weight n) p M
    (fun h => context_weight_pos n h Hn) Hw p_pos p_total HM) as [Hr Hl].
  unfold cost; repeat split; intros; rewrite !sequence_ce_population by easy.
  - replace ((1 - s) * (INR n * increase n a) + s * (INR n * increase n b))
      with (INR n * ((1 - s) * increase n a + s * increase n b)) by ring.
    apply Rmult_lt_compat_l; [easy|]; apply ce_exact_convex; auto.
    intros; now apply context_weight_pos.
  - apply Rmult_lt_compat_l; auto.
  - apply Rmult_lt_compat_l; auto.
Qed.

(** [sequence-ce] Beyond the paper, budget.  Every budget for a whole text is spent by exactly one
    strength on each side of 0. *)
Theorem sequence_ce_budget n budget :
  let cost alpha := divergence (texts n) (chance 0 []) (chance alpha []) in
  n <> O -> not_constant vocab M -> 0 < budget ->
  (exists! alpha, 0 < alpha /\ cost alpha = budget) /\
  (exists! alpha, alpha < 0 /\ cost alpha = budget).
Proof.
  intros cost Hn HM Hb; assert (H0 : 0 < INR n) by now apply lt_0_INR, PeanoNat.Nat.neq_0_lt_0.
  assert (Hiff : forall t, cost t = budget <-> increase n t = budget / INR n).
  { intros t; unfold cost; rewrite sequence_ce_population by easy; split; intros H.
    - rewrite <- H; field; lra.
    - rewrite H; field; lra. }
  destruct (advise_budget vocab (shorter n) (context_weight n) p
    (fun h => context_weight_pos n h Hn) (context_weight_total n Hn) p_pos p_total M HM
    (budget / INR n) (Rdiv_lt_0_compat _ _ Hb H0)) as [Hr Hl].
  split; [destruct Hr as [t [[Ht He] Hu]]|destruct Hl as [t [[Ht He] Hu]]];
    (exists t; split; [now rewrite Hiff|]; intros s Hs; apply Hu; now rewrite <- Hiff).
Qed.

(** [sequence-reverse] Beyond the paper, generated text.  Read the other way round, the divergence
    is an expectation over steered texts of alpha K' - K of each context. *)
Theorem sequence_reverse alpha n :
  divergence (texts n) (chance alpha []) (chance 0 [])
  = expect alpha [] n (along (fun past _ => alpha * mean past alpha - K past alpha) []).
Proof.
  transitivity (expect alpha [] n (along (gain alpha) [])).
  - apply Sum_ext; intros x Hx; f_equal; now apply (sequence_ratio alpha n).
  - rewrite expect_along_given; rewrite !expect_along; apply Sum_ext; intros h _; f_equal.
    apply E_ext; intros z _; unfold gain; rewrite E_minus, E_scal, E_const by auto; reflexivity.
Qed.

(** ** The slope of any judge's curve *)

Lemma chance_derive x : forall past alpha,
  is_derive (fun t => chance t past x) alpha (chance alpha past x * along (surprise alpha) past x).
Proof.
  induction x as [|z x IH]; intros past alpha; simpl.
  - eapply is_derive_value; [apply is_derive_const|unfold zero; simpl; ring].
  - eapply is_derive_value.
    + apply (is_derive_product (fun t => steered past t z)); [apply slope; auto|apply IH].
    + unfold surprise; ring.
Qed.

Lemma expect_score alpha n : expect alpha [] n (score alpha) = 0.
Proof.
  unfold score; rewrite expect_along; apply Sum_zero; intros h _; unfold surprise.
  rewrite E_minus, E_const by auto; unfold tilting.mean; ring.
Qed.

(** [sequence-score] Beyond the paper, generated text.  The slope of the expectation of any function
    of the text, a judge's included, is its covariance with the score, the sum of the log-odds less
    their mean in each context.  At strength 0 both are read off unsteered texts. *)
Theorem sequence_score (alpha : R) n (f : list T -> R) :
  is_derive (fun t => expect t [] n f) alpha
    (expect alpha [] n (fun x =>
       (f x - expect alpha [] n f) * along (fun past z => M z - mean past alpha) [] x)).
Proof.
  eapply is_derive_value.
  - apply (is_derive_Sum (texts n) (fun x t => chance t [] x * f x)
      (fun x t => chance t [] x * along (surprise t) [] x * f x)).
    intros x _; apply (is_derive_ext (fun t => f x * chance t [] x)); [intros; apply Rmult_comm|].
    eapply is_derive_value; [apply @is_derive_scal, chance_derive|]; ring.
  - transitivity (expect alpha [] n (fun x => f x * score alpha x));
      [apply Sum_ext; intros; unfold score; ring|].
    set (m := expect alpha [] n f); symmetry.
    rewrite (expect_ext alpha [] n _ (fun x => f x * score alpha x - m * score alpha x))
      by (intros; unfold score, surprise; ring).
    rewrite expect_minus, expect_scal, expect_score; ring.
Qed.

(** [sequence-score] Beyond the paper, a martingale.  Each term of the score has mean 0 given the
    prefix, so the score has mean 0. *)
Theorem sequence_score_mean alpha n :
  (forall past, E past alpha (fun z => M z - mean past alpha) = 0) /\
  expect alpha [] n (along (fun past z => M z - mean past alpha) []) = 0.
Proof.
  split; [|apply expect_score].
  intros past; rewrite E_minus, E_const by auto; unfold tilting.mean; ring.
Qed.

(** A sum of terms with mean 0 given the prefix has the sum of their variances as its variance. *)
Lemma expect_square alpha n g :
  (forall h, E h alpha (g h) = 0) -> forall past,
  expect alpha past n (fun x => along g past x ^ 2)
  = expect alpha past n (along (fun h z => g h z ^ 2) past).
Proof.
  intros Hg; induction n as [|n IH]; intros past; [unfold expect; simpl; ring|].
  assert (Hzero : forall z, expect alpha (past ++ [z]) n (along g (past ++ [z])) = 0).
  { intros z; rewrite expect_along; apply Sum_zero; intros; rewrite Hg; ring. }
  rewrite !expect_step; apply E_ext; intros z _; cbn [along].
  rewrite (expect_ext _ _ _ _ (fun x => g past z ^ 2 + (2 * g past z * along g (past ++ [z]) x
    + along g (past ++ [z]) x ^ 2))) by (intros; ring).
  rewrite !expect_plus, expect_scal, Hzero, IH; ring.
Qed.

(** [sequence-score] Beyond the paper, Fisher information.  The variance of the score is the
    expected sum of the variances of the log-odds in the contexts of the text. *)
Theorem sequence_score_information alpha n :
  expect alpha [] n (fun x => along (fun past z => M z - mean past alpha) [] x ^ 2)
  = expect alpha [] n (along (fun past _ => Var past alpha) []).
Proof.
  rewrite (expect_square alpha n (surprise alpha)).
  - apply expect_along_given.
  - intros h; apply (sequence_score_mean alpha n).
Qed.

(** ** How far unsteered texts predict *)

Lemma chance_importance alpha n x :
  In x (texts n) -> chance alpha [] x = chance 0 [] x * importance alpha x.
Proof.
  intros Hx; pose proof (text_pos 0 n x Hx); pose proof (text_pos alpha n x Hx).
  unfold importance, gain; rewrite <- (sequence_ratio alpha n), exp_ln by
    (easy || now apply Rdiv_lt_0_compat).
  field; lra.
Qed.

(** [sequence-weights] Beyond the paper, generated text.  Expectations of the steered model are
    weighted expectations of the unsteered one; a weight is the exponential of the text's
    log-ratio. *)
Theorem sequence_weights alpha n f :
  expect alpha [] n f
  = expect 0 [] n (fun x =>
      f x * exp (along (fun past z => alpha * M z - K past alpha) [] x)).
Proof.
  apply Sum_ext; intros x Hx; rewrite (chance_importance alpha n) by easy.
  unfold importance, gain; ring.
Qed.

(** [sequence-weights] Beyond the paper, second moment.  The mean square of the weights, whose
    logarithm is the divergence of order 2, is an expectation at twice the strength. *)
Theorem sequence_weights_second alpha n :
  expect 0 [] n (fun x => importance alpha x ^ 2)
  = expect (2 * alpha) [] n (fun x =>
      exp (along (fun past _ => K past (2 * alpha) - 2 * K past alpha) [] x)).
Proof.
  rewrite (sequence_weights (2 * alpha)); apply expect_ext; intros x _; unfold importance.
  simpl; rewrite Rmult_1_r, <- !exp_plus; f_equal; generalize (@nil T) as past; unfold gain.
  induction x as [|z x IH]; intros past; simpl; [ring|]; specialize (IH (past ++ [z])); lra.
Qed.

Lemma importance_mean alpha n : expect 0 [] n (importance alpha) = 1.
Proof.
  rewrite <- (expect_const alpha n 1 []), (sequence_weights alpha); apply expect_ext; intros.
  unfold importance, gain; ring.
Qed.

(** [sequence-weights] Beyond the paper, effective sample size.  The mean weight is one, and the
    mean square is at least the exponential of the divergence of the steered text: the share of
    unsteered texts that count falls exponentially in what steering costs. *)
Theorem sequence_weights_size alpha n :
  expect 0 [] n (importance alpha) = 1 /\
  exp (divergence (texts n) (chance alpha []) (chance 0 []))
  <= expect 0 [] n (fun x => importance alpha x ^ 2).
Proof.
  split; [apply importance_mean|]; set (c := expect 0 [] n (fun x => importance alpha x ^ 2)).
  assert (Hc : expect alpha [] n (importance alpha) = c).
  { rewrite (sequence_weights alpha); apply expect_ext; intros.
    unfold importance, gain; simpl; ring. }
  assert (Hpos : 1 <= c).
  { replace 1 with (expect 0 [] n (fun x => 2 * importance alpha x - 1))
      by (rewrite expect_minus, expect_scal, importance_mean, expect_const; ring).
    apply expect_le; intros x _; generalize (pow2_ge_0 (importance alpha x - 1)); lra. }
  rewrite <- (exp_ln c) by lra; apply exp_nondecreasing, Rminus_le.
  apply Rle_trans with (expect alpha [] n (fun x => / c * importance alpha x - 1)).
  - rewrite <- (expect_const alpha n (ln c) []); unfold divergence, expect; rewrite <- Sum_minus.
    apply Sum_le; intros x Hx; rewrite <- Rmult_minus_distr_l.
    apply Rmult_le_compat_l; [now apply Rlt_le, (text_pos alpha n)|].
    rewrite (sequence_ratio alpha n) by easy.
    (* 1 + y <= exp y *)
    pose proof (exp_ineq1_le (along (gain alpha) [] x - ln c)) as He.
    unfold Rminus in He; rewrite exp_plus, exp_Ropp, exp_ln in He by lra.
    unfold importance; change (along (gain alpha) [] x - ln c
      <= / c * exp (along (gain alpha) [] x) - 1); lra.
  - rewrite expect_minus, expect_const, expect_scal, Hc; apply Req_le; field; lra.
Qed.

Lemma K_doubled low high alpha past :
  (forall z, In z vocab -> low <= M z <= high) ->
  K past (2 * alpha) - 2 * K past alpha <= alpha ^ 2 * (high - low) ^ 2 / 4.
Proof.
  intros HM.
  destruct (mean_value_between (fun t => K past (alpha + t) - K past t)
    (fun t => mean past (alpha + t) - mean past t) 0 alpha) as [c [_ Hc]].
  { intros t; apply @is_derive_minus; [|apply mean_slope; auto].
    eapply is_derive_value.
    - apply (is_derive_comp (K past) (fun t => alpha + t)); [apply mean_slope; auto|].
      auto_derive; [easy|reflexivity].
    - unfold scal; simpl; unfold mult; simpl; ring. }
  destruct (mean_value_between (mean past) (Var past) c (alpha + c)) as [d [_ Hd]];
    [intros; apply mean_slope_second; auto|].
  rewrite Hd, Rplus_0_r, (K_0 vocab (p past) M (p_total past)) in Hc.
  replace (alpha + alpha) with (2 * alpha) in Hc by ring.
  pose proof (Var_quarter vocab (p past) M (p_pos past) (p_total past) low high HM d).
  pose proof (pow2_ge_0 alpha); nra.
Qed.

Lemma along_le g c x : forall past,
  (forall h z, g h z <= c) -> along g past x <= INR (length x) * c.
Proof.
  induction x as [|z x IH]; intros past H; [simpl; lra|].
  cbn [along length]; rewrite S_INR; specialize (IH (past ++ [z]) H); specialize (H past z); lra.
Qed.

(** [sequence-weights] Beyond the paper, a bound in advance.  The mean square of the weights is at
    most exponential in the length of the text and the square of the strength: this far unsteered
    texts predict for sure. *)
Theorem sequence_weights_bound low high alpha n :
  (forall z, In z vocab -> low <= M z <= high) ->
  expect 0 [] n (fun x => importance alpha x ^ 2)
  <= exp (INR n * (alpha ^ 2 * (high - low) ^ 2 / 4)).
Proof.
  intros HM; rewrite sequence_weights_second, <- (expect_const (2 * alpha) n (exp _) []).
  apply expect_le; intros x Hx; apply exp_nondecreasing; rewrite <- (texts_length n x Hx).
  apply along_le; intros; now apply K_doubled.
Qed.

End Sequences.
