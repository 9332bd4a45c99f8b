"""The proofs of the printed formulas of the laws beyond the paper; see `scripts`."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["SECTIONS_BEYOND"]

_PRICES = r"""
Section Prices.

Context {T J : Type}.
Variable vocab : list T.
Variable contexts : list J.
Variable pi : J -> R.
Variable p : J -> T -> R.
Variables M D : T -> R.
Hypothesis pi_pos : forall j, In j contexts -> 0 < pi j.
Hypothesis pi_total : Sum contexts pi = 1.
Hypothesis p_pos : forall j z, In z vocab -> 0 < p j z.
Hypothesis p_total : forall j, Sum vocab (p j) = 1.

Notation moved t := (fun z => M z + t * D z).

(** A printed ratio of sums is a tilted probability. *)
Lemma moved_ratio j alpha t z :
  tilted vocab (p j) (moved t) alpha z
  = p j z * / Sum vocab (fun y => p j y * exp (alpha * (M y + t * D y)))
    * exp (alpha * (M z + t * D z)).
Proof. rewrite tilted_ratio by auto; unfold Z, Rdiv; ring. Qed.

"""

_PRICES_LAWS: Mapping[str, tuple[str, str]] = {
    "influence": (
        "forall alpha t,",
        """\
intros alpha t _; assert (E : forall s : R, t + (s - t) = s) by (intros; ring).
apply (is_derive_ext (fun s => increase vocab contexts pi p (moved (t + (s - t))) alpha)).
- intros s; reals; rewrite ce_exact_divergence by assumption; apply Sum_ext; intros j _; f_equal.
  apply Sum_ext; intros z Hz; do 2 f_equal; rewrite (E s).
  rewrite moved_ratio; assert (0 < p j z) by auto.
  assert (0 < Sum vocab (fun y => p j y * exp (alpha * (M y + s * D y))))
    by (apply (Z_pos vocab (p j) (moved s)); auto).
  replace (-1 * alpha * (M z + s * D z)) with (- (alpha * (M z + s * D z))) by ring.
  rewrite exp_Ropp; generalize (exp_pos (alpha * (M z + s * D z))); intros; field; lra.
- eapply is_derive_value.
  + apply (is_derive_comp (fun s => increase vocab contexts pi p (moved (t + s)) alpha)
      (fun s => s - t)); [|auto_derive; [easy|reflexivity]].
    rewrite Rminus_eq_0.
    apply (estimation.increase_change vocab contexts pi p p_pos p_total (fun s => moved (t + s)) D).
    intros z; auto_derive; [easy|ring].
  + unfold scal; simpl; unfold mult; simpl; rewrite Rmult_1_l, Rplus_0_r.
    unfold over; rewrite <- Sum_scal; apply Sum_ext; intros j _.
    print vocab (fun z => (tilted vocab (p j) (moved t) alpha z - p j z) * D z)
      by (rewrite moved_ratio; ring).
    ring.""",
    ),
}

_TEXTS = r"""
Section Texts.

Context {T S : Type}.
Variable vocab : list T.
Variable P N : list S.
Variable L : S -> T -> R.
Variable a : T -> R.

Lemma printed_covariance l z y :
  / (- 1 + INR (length l)) * / INR (length l)
  * Sum l (fun i => (L i y + - 1 * / INR (length l) * Sum l (fun k => L k y))
                    * (L i z + - 1 * / INR (length l) * Sum l (fun k => L k z)))
  = sampling.sample_covariance L l z y / INR (length l).
Proof.
  unfold sampling.sample_covariance, average, Rdiv.
  rewrite (Sum_ext l _ (fun i => (L i z - Sum l (fun k => L k z) * / INR (length l))
    * (L i y - Sum l (fun k => L k y) * / INR (length l)))) by (intros; ring).
  replace (INR (length l) - 1) with (- 1 + INR (length l)) by ring; ring.
Qed.

Lemma printed_influence l i :
  Sum vocab (fun z => a z * (L i z + - 1 * / INR (length l) * Sum l (fun k => L k z))) ^ 2
  * / INR (length l) ^ 2
  = (Sum vocab (fun z => a z * (L i z - average l (fun k => L k z))) / INR (length l)) ^ 2.
Proof.
  unfold average, Rdiv; rewrite Rpow_mult_distr, pow_inv; do 2 f_equal.
  apply Sum_ext; intros; ring.
Qed.

"""

_TEXTS_LAWS: Mapping[str, tuple[str, str]] = {
    "standard-error": (
        "",
        """\
intros HP HN.
assert (Hle : forall l : list S, 0 < - 1 + INR (length l) -> (2 <= length l)%nat)
  by (intros l Hl; apply INR_lt; simpl INR; lra).
etransitivity; [|etransitivity; [apply (sampling.standard_error vocab L a P N)|]]; auto.
- apply Sum_ext; intros z _; apply Sum_ext; intros y _; rewrite !printed_covariance; ring.
- cbv zeta; rewrite Rplus_comm; unfold Rdiv at 1 3.
  assert (minus : forall x, x - 1 = - 1 + x) by (intros; ring); rewrite !minus.
  apply f_equal2; f_equal; apply Sum_ext; intros; symmetry; apply printed_influence.""",
    ),
}

_SITE = r"""
Section Site.

Context {T D J I : Type}.
Variable vocab : list T.
Variable coords : list D.
Variable levels : list I.
Variable W : T -> D -> R.
Variable b : T -> R.
Variable H : D -> J -> R.
Variables h v : D -> R.
Variable U : D -> I -> R.
Variable c : I -> R.
Variable j : J.

(** A printed weight over the sum of the weights is a tilted probability. *)
Lemma tilted_printed (q N : T -> R) s z :
  (forall y, In y vocab -> 0 < q y) -> Sum vocab q = 1 ->
  tilted vocab q N s z = / Sum vocab (fun y => q y * exp (s * N y)) * q z * exp (s * N z).
Proof. intros Hq Hq1; rewrite tilted_ratio by easy; unfold Z, Rdiv; ring. Qed.

"""

_SITE_LAWS: Mapping[str, tuple[str, str]] = {
    "operator": (
        "forall x, In x vocab ->",
        """\
intros x Hx; assert (Hv : vocab <> nil) by now destruct vocab.
set (moved := fun k => H k j + Sum levels (fun r => c r * U k r)).
set (next := model vocab coords W b).
assert (Hmoved : forall y, b y + Sum coords (fun k => W y k * (H k j
    + Sum levels (fun r => U k r * c r))) = logits coords W moved y + b y).
{ intros y; rewrite Rplus_comm; f_equal; apply Sum_ext; intros k _; unfold moved; do 2 f_equal.
  apply Sum_ext; intros; ring. }
assert (Hnext : forall y, / Sum vocab (fun y => exp (b y + Sum coords (fun k => H k j * W y k)))
    * exp (b y + Sum coords (fun k => H k j * W y k)) = next (fun k => H k j) y).
{ assert (Hl : forall y, b y + Sum coords (fun k => H k j * W y k)
      = logits coords W (fun k => H k j) y + b y)
    by (intros y; rewrite Rplus_comm; f_equal; apply Sum_ext; intros; ring).
  intros y; unfold next, model, softmax, Rdiv; rewrite Rmult_comm, Hl; do 2 f_equal.
  apply Sum_ext; intros; now rewrite Hl. }
assert (Hodds : forall y, Sum levels (fun r => c r * Sum coords (fun k => U k r * W y k))
    = 1 * Sum levels (fun r => c r * logits coords W (fun k => U k r) y)).
{ intros y; rewrite Rmult_1_l; apply Sum_ext; intros r _; f_equal.
  apply Sum_ext; intros; ring. }
transitivity (next moved x).
- unfold next, model, softmax, Rdiv; rewrite Rmult_comm, Hmoved; do 2 f_equal.
  apply Sum_ext; intros; now rewrite Hmoved.
- unfold next, moved; rewrite (operators.operator vocab coords W b Hv levels (fun r k => U k r))
    by easy.
  rewrite tilted_printed by (now intros; try apply model_pos; try apply model_total).
  rewrite Hodds, (Rmult_assoc _ (/ Sum vocab _) (exp _)), Hnext; do 3 f_equal.
  apply Sum_ext; intros y _; now rewrite Hodds, Hnext.""",
    ),
    "renormalised": (
        "forall s alpha x, In x vocab ->",
        """\
intros s alpha x Hx; assert (Hv : vocab <> nil) by now destruct vocab.
set (next := model vocab coords W (fun _ => 0)).
assert (Hl : forall y, Sum coords (fun k => s * W y k * (h k + alpha * v k))
    = logits coords W (operators.rescaled s alpha v h) y + 0).
{ intros y; rewrite Rplus_0_r; apply Sum_ext; intros; unfold operators.rescaled; ring. }
assert (Hodds : forall y, alpha * s * Sum coords (fun k => W y k * v k)
    = s * alpha * logits coords W v y) by (intros; unfold logits; ring).
assert (Hnext : forall y, Rpower (/ Sum vocab (fun y => exp (Sum coords (fun k => W y k * h k)))
    * exp (Sum coords (fun k => W y k * h k))) s = Rpower (next h y) (/ / s)).
{ intros y; rewrite Rinv_inv; f_equal; unfold next, model, softmax, Rdiv.
  rewrite Rmult_comm, Rplus_0_r; do 2 f_equal; apply Sum_ext; intros; now rewrite Rplus_0_r. }
transitivity (next (operators.rescaled s alpha v h) x).
- unfold next, model, softmax, Rdiv; rewrite Rmult_comm, Hl; do 2 f_equal.
  apply Sum_ext; intros; now rewrite Hl.
- unfold next; rewrite operators.renormalised by easy.
  rewrite tilted_printed
    by (intros; try apply operators.tempered_pos; try apply operators.tempered_total; easy).
  rewrite Hodds, Hnext; unfold operators.tempered; fold next.
  set (S := Sum vocab (fun y => Rpower (next h y) (/ / s))).
  print vocab (fun y => / S * (Rpower (next h y) (/ / s) * exp (s * alpha * logits coords W v y)))
    by (unfold Rdiv; ring).
  rewrite Sum_scal.
  set (A := Sum vocab (fun y =>
    Rpower (next h y) (/ / s) * exp (s * alpha * logits coords W v y))).
  assert (0 < A) by (apply Sum_pos; [easy|]; intros; apply Rmult_lt_0_compat; apply exp_pos).
  assert (0 < S) by now apply operators.powers_pos.
  rewrite (Sum_ext vocab _ (fun y =>
    Rpower (next h y) (/ / s) * exp (s * alpha * logits coords W v y)))
    by (intros; now rewrite Hnext, Hodds).
  fold A.
  field; lra.""",
    ),
    "temperature": (
        "forall (p M : T -> R) alpha tau x, (forall z, In z vocab -> 0 < p z) ->\n"
        "  Sum vocab p = 1 -> In x vocab ->",
        """\
intros p M alpha tau x Hp Hp1 Hx; assert (Hv : vocab <> nil) by now destruct vocab.
set (l := fun y => alpha * M y + ln (p y)).
assert (Hl : forall y, In y vocab -> softmax vocab l y = tilted vocab p M alpha y).
{ intros y Hy; rewrite tilted_ratio by easy; unfold softmax, Z, l.
  rewrite (Sum_ext vocab _ (fun y => p y * exp (alpha * M y)));
    [|intros]; rewrite exp_plus, exp_ln by auto; [f_equal|]; ring. }
transitivity (softmax vocab (fun y => l y / tau) x); [unfold softmax, Rdiv; apply Rmult_comm|].
rewrite operators.temperature_logits by easy.
transitivity (operators.tempered vocab (tilted vocab p M alpha) tau x).
{ unfold operators.tempered; rewrite Hl by easy; f_equal; apply Sum_ext; intros y Hy.
  now rewrite Hl. }
rewrite operators.temperature by easy.
rewrite tilted_printed
  by (intros; try apply operators.tempered_pos; try apply operators.tempered_total; easy).
unfold operators.tempered, Rdiv.
replace (alpha * M x * / tau) with (alpha * / tau * M x) by ring.
rewrite (Sum_ext vocab _ (fun y => / Sum vocab (fun y => Rpower (p y) (/ tau))
  * Rpower (p y) (/ tau) * exp (alpha * M y * / tau))); [ring|].
intros; replace (alpha * / tau * M z) with (alpha * M z * / tau) by ring; ring.""",
    ),
    "mixed-contexts": (
        "forall (P N : list J) (q : J -> T -> R) (w : J -> R) b_z t z, 0 < b_z -> 0 < t ->\n"
        "  (forall i, 0 <= w i) -> P <> nil -> N <> nil ->",
        """\
intros P N q w b_z t z Hb Ht Hw HP HN HqP HqN.
assert (Hl : forall l, l <> nil -> (forall i, In i l -> q i z = b_z * (1 + t * w i)) ->
    / INR (length l) * Sum l (fun i => ln (q i z))
    = ln b_z + / INR (length l) * Sum l (fun i => ln (1 + t * w i))).
{ intros l Hl Hq; assert (0 < INR (length l)) by now apply length_pos.
  rewrite (Sum_ext l _ (fun i => ln b_z + ln (1 + t * w i))).
  - rewrite Sum_plus, Sum_const; field; lra.
  - intros i Hi; specialize (Hw i); rewrite Hq, ln_mult by (easy || nra); reflexivity. }
rewrite !Rmult_assoc, (Hl P HP HqP), (Hl N HN HqN); ring.""",
    ),
    "greedy": ("forall (M : T -> R) alpha t x z,", "intros; ring."),
}

_WHOLE_TEXTS = r"""
Section WholeTexts.

Context {T J S I : Type}.
Variable vocab : list T.
Variable C : T -> bool.
Variable M : T -> R.

Notation K q := (tilting.K vocab q M).
Notation mean q := (tilting.mean vocab q M).

Lemma printed_mean_0 (q : T -> R) :
  Sum vocab q = 1 -> Sum vocab (fun y => M y * q y) = mean q 0.
Proof. intros H; unfold tilting.mean; rewrite E_0 by easy; apply Sum_ext; intros; ring. Qed.

Section Row.

Variable q : T -> R.
Hypothesis q_pos : forall z, In z vocab -> 0 < q z.
Hypothesis q_total : Sum vocab q = 1.

Lemma printed_mean alpha :
  Sum vocab (fun y => M y * q y * / Sum vocab (fun z => q z * exp (alpha * M z))
                      * exp (alpha * M y)) = mean q alpha.
Proof.
  unfold tilting.mean, E; apply Sum_ext; intros y _; rewrite tilted_ratio by easy.
  unfold Z, Rdiv; ring.
Qed.

Lemma normaliser_pos alpha : 0 < Sum vocab (fun z => q z * exp (alpha * M z)).
Proof. now apply (Z_pos vocab q M). Qed.

End Row.

"""

_WHOLE_TEXTS_LAWS: Mapping[str, tuple[str, str]] = {
    "allocation": (
        "forall (p : J -> T -> R) (j : J) lambda alpha, (forall z, In z vocab -> 0 < p j z) ->\n"
        "  Sum vocab (p j) = 1 ->",
        """\
intros p j lambda alpha Hp Hp1 _; rewrite (printed_mean_0 (p j) Hp1).
apply (is_derive_ext (fun a => F vocab (p j) M C a - lambda * (K (p j) a - a * mean (p j) 0))).
- intros a; reals; unfold F, tilting.K, Z.
  rewrite (Sum_ext (filter C vocab) (tilted vocab (p j) M a) (fun y =>
    p j y * / Sum vocab (fun z => p j z * exp (a * M z)) * exp (a * M y))); [ring|].
  intros; rewrite tilted_ratio by easy; unfold Z, Rdiv; ring.
- rewrite (printed_mean (p j) Hp Hp1); eapply is_derive_value.
  + apply is_derive_difference; [now apply F_derive|].
    apply @is_derive_scal, is_derive_difference; [now apply mean_slope|].
    auto_derive; [easy|reflexivity].
  + rewrite (Sum_ext (filter C vocab) _ (fun y => p j y * (M y + - 1 * mean (p j) alpha)
      * / Sum vocab (fun z => p j z * exp (alpha * M z)) * exp (alpha * M y))); [ring|].
    intros; rewrite tilted_ratio by easy; unfold Z, Rdiv; ring.""",
    ),
    "sequence-ratio": (
        "forall (p : S -> T -> R) (X : S -> T) steps alpha,",
        """\
intros; rewrite <- !Sum_scal, <- Sum_plus; apply Sum_ext; intros; ring.""",
    ),
    "sequence-ce": (
        "forall (p : J -> T -> R) (w u : J -> R) (j : J) alpha, 0 < w j -> 0 < u j ->\n"
        "  (forall z, In z vocab -> 0 < p j z) -> Sum vocab (p j) = 1 ->",
        """\
intros p w u j alpha Hw Hu Hp Hp1 _; rewrite (printed_mean_0 (p j) Hp1).
pose proof (divergence_to_tilted vocab (p j) M Hp Hp1 alpha) as H; unfold divergence in H.
transitivity (w j * Sum vocab (fun z => p j z * ln (p j z / tilted vocab (p j) M alpha z))
              + w j * ln (w j * / u j)); [|rewrite H; unfold tilting.K, Z; ring].
replace (w j * ln (w j * / u j)) with (Sum vocab (fun z => w j * ln (w j * / u j) * p j z))
  by (rewrite Sum_scal, Hp1; ring).
rewrite <- (Sum_scal vocab (w j)), <- Sum_plus; apply Sum_ext; intros z Hz.
assert (0 < p j z) by auto; assert (0 < tilted vocab (p j) M alpha z) by now apply tilted_pos.
assert (HZ := normaliser_pos (p j) Hp Hp1 alpha).
replace (w j * / u j * Sum vocab (fun z => p j z * exp (alpha * M z)) * exp (- 1 * alpha * M z))
  with (w j * / u j * (p j z / tilted vocab (p j) M alpha z)).
- rewrite ln_mult; [ring| |]; apply Rdiv_lt_0_compat; easy.
- rewrite tilted_ratio by easy; unfold Z.
  replace (- 1 * alpha * M z) with (- (alpha * M z)) by ring; rewrite exp_Ropp.
  generalize (exp_pos (alpha * M z)); intros; field; lra.""",
    ),
    "sequence-reverse": (
        "forall (p : J -> T -> R) (w u : J -> R) (j : J) alpha, 0 < w j -> 0 < u j ->\n"
        "  (forall z, In z vocab -> 0 < p j z) -> Sum vocab (p j) = 1 ->",
        """\
intros p w u j alpha Hw Hu Hp Hp1; rewrite (printed_mean (p j) Hp Hp1).
pose proof (divergence_tilted vocab (p j) M Hp Hp1 alpha) as H; unfold divergence in H.
transitivity (u j * Sum vocab (fun z => tilted vocab (p j) M alpha z
  * ln (tilted vocab (p j) M alpha z / p j z)) + u j * ln (u j * / w j));
  [|rewrite H; unfold tilting.K, Z; ring].
replace (u j * ln (u j * / w j))
  with (Sum vocab (fun z => u j * ln (u j * / w j) * tilted vocab (p j) M alpha z))
  by (rewrite Sum_scal, tilted_total by easy; ring).
rewrite <- Sum_scal, <- Sum_plus; apply Sum_ext; intros z Hz.
assert (0 < p j z) by auto; assert (0 < tilted vocab (p j) M alpha z) by now apply tilted_pos.
assert (HZ := normaliser_pos (p j) Hp Hp1 alpha).
replace (u j * / Sum vocab (fun z => p j z * exp (alpha * M z)) * / w j * exp (alpha * M z))
  with (u j * / w j * (tilted vocab (p j) M alpha z / p j z)).
- rewrite ln_mult by (apply Rdiv_lt_0_compat; easy).
  rewrite tilted_ratio by easy; unfold Z, Rdiv; ring.
- rewrite tilted_ratio by easy; unfold Z; field; lra.""",
    ),
    "sequence-weights": (
        "forall (p : J -> T -> R) (w u : J -> R) (j : J) alpha, 0 < w j -> 0 < u j ->\n"
        "  (forall z, In z vocab -> 0 < p j z) -> Sum vocab (p j) = 1 ->",
        """\
intros p w u j alpha Hw Hu Hp Hp1; assert (HZ := normaliser_pos (p j) Hp Hp1 alpha).
set (A := Sum vocab (fun z => p j z * exp (alpha * M z))) in *.
rewrite (Sum_ext vocab _ (fun z => u j ^ 2 * / w j * / A ^ 2 * (p j z * exp (2 * alpha * M z))))
  by (intros; ring).
rewrite Sum_scal; ring.""",
    ),
    "sequence-score": (
        "forall (p : I -> S -> T -> R) (X : I -> S -> T) (f w : I -> R) levels steps alpha,\n"
        "  (forall k t z, In z vocab -> 0 < p k t z) -> (forall k t, Sum vocab (p k t) = 1) ->",
        """\
intros p X f w levels steps alpha Hp Hp1.
set (r := fun k a => Sum steps (fun t => - 1 * K (p k t) a + a * M (X k t))).
apply (is_derive_ext (fun a => Sum levels (fun k => f k * w k * exp (r k a)))).
{ intros a; reflexivity. }
eapply is_derive_value.
- apply (is_derive_Sum levels (fun k a => f k * w k * exp (r k a)) (fun k a =>
    f k * w k * (Sum steps (fun t => - 1 * mean (p k t) a + M (X k t)) * exp (r k a)))).
  intros k _; apply @is_derive_scal, (is_derive_comp exp (r k)); [apply is_derive_exp|].
  apply (is_derive_Sum steps (fun t a => - 1 * K (p k t) a + a * M (X k t))
    (fun t a => - 1 * mean (p k t) a + M (X k t))); intros t _.
  apply @is_derive_plus; [apply @is_derive_scal, mean_slope; auto|].
  auto_derive; [easy|ring].
- apply Sum_ext; intros k _; fold (r k alpha).
  rewrite (Sum_ext steps (fun t => - 1 * mean (p k t) alpha + M (X k t)) (fun t => M (X k t)
    + - 1 * / Sum vocab (fun y => p k t y * exp (alpha * M y))
      * Sum vocab (fun y => M y * p k t y * exp (alpha * M y)))).
  + unfold r, tilting.K, Z; ring.
  + intros t _; rewrite <- (printed_mean (p k t)), (Sum_ext vocab _ (fun y =>
      / Sum vocab (fun z => p k t z * exp (alpha * M z)) * (M y * p k t y * exp (alpha * M y))))
      by (auto || (intros; ring)).
    rewrite Sum_scal; ring.""",
    ),
}

SECTIONS_BEYOND: tuple[tuple[str, Mapping[str, tuple[str, str]]], ...] = (
    (_PRICES, _PRICES_LAWS),
    (_TEXTS, _TEXTS_LAWS),
    (_SITE, _SITE_LAWS),
    (_WHOLE_TEXTS, _WHOLE_TEXTS_LAWS),
)
"""The opening of a section, and id -> (binders of the printed statement, its proof)."""
