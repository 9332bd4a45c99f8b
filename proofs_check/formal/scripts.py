"""The proofs of the printed formulas, each from the library's theorem of that law.

One section of Coq for each kind of law: its variables, what is assumed of them, and the few lemmas
and tactics that turn printed sums into the library's. A proof must not depend on the form of what
is printed further than that.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["PRELUDE", "SECTIONS"]

PRELUDE = """\
(** Printed from the laws of [steering_strength.theory.laws]; see [agreement.py]. *)

From Coq Require Import Reals List Bool Lra.
From Coquelicot Require Import Coquelicot.
From SteeringStrength Require Import tokens analysis asymptotics tilting limits peaks variation
  concept separation cross_entropy cumulants radius transformer peak_sign.
From SteeringStrength Require any_block operators mixed sequences allocation.
From SteeringStrength Require sampling estimation.
Import ListNotations.
Open Scope R_scope.

Ltac reals := cbv beta; match goal with |- @eq _ ?left ?right => change (@eq R left right) end.

(** A printed sum over [l] is the sum of [f]. *)
Tactic Notation "print" constr(l) constr(f) "by" tactic3(proof) :=
  match goal with
  | |- context [Sum l ?g] =>
      lazymatch g with f => fail | _ => idtac end;
      replace (Sum l g) with (Sum l f) by (apply Sum_ext; intros; proof)
  end.

Lemma is_derive_unique_value (f : R -> R) (x a b : R) :
  is_derive f x a -> is_derive f x b -> a = b.
Proof. intros Ha Hb; rewrite <- (is_derive_unique f x a Ha); now apply is_derive_unique. Qed.

"""

_ONE_CONTEXT = r"""
Section OneContext.

Context {T : Type}.
Variable vocab : list T.
Variables p M : T -> R.
Variable C : T -> bool.
Hypothesis p_pos : forall z, In z vocab -> 0 < p z.
Hypothesis p_total : Sum vocab p = 1.
Hypothesis C_not_empty : filter C vocab <> nil.

Notation Z := (Z vocab p M).
Notation K := (K vocab p M).
Notation tilted := (tilted vocab p M).
Notation mean := (mean vocab p M).
Notation F := (F vocab p M).

Lemma positive alpha : 0 < Z alpha.
Proof. now apply Z_pos. Qed.

Lemma steered alpha z : tilted alpha z = p z * exp (alpha * M z) / Z alpha.
Proof. now apply tilted_ratio. Qed.

Lemma held (D : T -> bool) : filter D vocab <> nil -> inhabited vocab D.
Proof.
  intros H; destruct (filter D vocab) as [|z l] eqn:E; [easy|].
  exists z; apply filter_In; rewrite E; now left.
Qed.

Lemma proper_C : filter (outside C) vocab <> nil -> proper vocab C.
Proof. intros H; split; now apply held. Qed.

(** A printed sum of weights is the normaliser. *)
Ltac weigh :=
  repeat match goal with
  | |- context [Sum vocab (fun z => p z * exp (?a * M z))] =>
      change (Sum vocab (fun z => p z * exp (a * M z))) with (Z a)
  end.

(** Equal up to algebra, the normaliser being positive. *)
Ltac algebra alpha :=
  intros; reals; weigh; rewrite ?steered; generalize (positive alpha); intros; field; lra.

Ltac probabilities alpha l := print l (tilted alpha) by algebra alpha.
Ltac means alpha l := print l (fun z => tilted alpha z * M z) by algebra alpha.

"""

_ONE_CONTEXT_LAWS: Mapping[str, tuple[str, str]] = {
    "slope": (
        "forall alpha x,",
        """\
intros; apply (is_derive_ext (fun a => tilted a x)); [intros a; algebra a|].
eapply is_derive_value; [now apply slope|].
unfold tilting.mean, E; means alpha vocab; algebra alpha.""",
    ),
    "mean-slope": (
        "forall alpha,",
        """\
intros; eapply is_derive_value; [now apply mean_slope|].
unfold tilting.mean, E; means alpha vocab; reflexivity.""",
    ),
    "peak": (
        "forall alpha z,",
        """\
intros alpha z d1 Hd; apply (is_derive_ext (fun a => tilted a z)); [intros a; algebra a|].
eapply is_derive_value; [now apply slope|].
replace (d1 alpha) with (mean alpha)
  by (eapply is_derive_unique_value; [now apply mean_slope|apply Hd]).
algebra alpha.""",
    ),
    "peak-order": (
        "forall alpha_x alpha_z x z,",
        """\
intros alpha_x alpha_z x z Hz Hx.
assert (level : forall a y, Sum vocab (fun y => M y * p y * exp (a * M y)) = M y * Z a ->
    mean a = M y).
{ intros a y H; unfold tilting.mean, E.
  rewrite (Sum_ext _ _ (fun z => M z * p z * exp (a * M z) / Z a)) by algebra a.
  rewrite Sum_div, H; generalize (positive a); intros; field; lra. }
rewrite <- (level alpha_x x Hx), <- (level alpha_z z Hz); unfold tilting.mean, E.
means alpha_x vocab; means alpha_z vocab; ring.""",
    ),
    "concept-ode": (
        "forall alpha,",
        """\
intros alpha H; destruct (proper_C H) as [Hin Hout].
apply (is_derive_ext (F C)); [intros a; probabilities a (filter C vocab); reflexivity|].
eapply is_derive_value; [now apply concept_ode|].
probabilities alpha (filter C vocab); means alpha (filter C vocab).
means alpha (filter (outside C) vocab); unfold concept.mu.
assert (Ht := F_total vocab p M p_pos p_total C alpha).
replace (F (outside C) alpha) with (1 - F C alpha) by lra.
change (Sum (filter C vocab) (tilted alpha)) with (F C alpha).
generalize (F_pos vocab p M p_pos C alpha Hin) (F_pos vocab p M p_pos (outside C) alpha Hout).
intros; reals; field; lra.""",
    ),
    "concept-tanh": (
        "forall alpha,",
        """\
intros alpha H; apply proper_C in H.
assert (Hs := size_pos vocab C (proj1 H)).
assert (Hc := concept_tanh_closed vocab p M p_pos p_total C alpha H).
assert (Hi := is_RInt_unique _ _ _ _ (concept_tanh_integral vocab p M p_pos p_total C alpha H)).
fold (nu vocab p M C alpha) in Hi.
assert (H0 : forall D, weight vocab p M D 0 = Sum (filter D vocab) p).
{ intros; apply Sum_ext; intros; rewrite Rmult_0_l, exp_0; ring. }
rewrite !H0 in Hi; unfold weight in Hi, Hc.
rewrite p_total.
print (filter C vocab) p by field.
transitivity (gain vocab p M C alpha).
- unfold gain; rewrite F_0 by easy.
  print (filter C vocab) (fun y => tilted alpha y - p y) by (algebra alpha).
  rewrite Sum_minus; unfold concept.F; field; lra.
- rewrite concept_tanh by easy.
  assert (Hl : logit vocab p M C
               = ln (/ (1 + - 1 * Sum (filter C vocab) p) * Sum (filter C vocab) p)).
  { unfold logit; rewrite F_0 by easy; f_equal; unfold Rdiv, Rminus.
    rewrite Rmult_comm; do 3 f_equal; ring. }
  rewrite <- Hl; match goal with |- context [tanh (?u + ?v)] =>
    replace (u + v) with ((nu vocab p M C alpha + logit vocab p M C) / 2) by (rewrite Hi; lra) end.
  replace (1 / 2 * logit vocab p M C) with (logit vocab p M C / 2) by field; field; lra.""",
    ),
    "concept-monotone": (
        "forall alpha,",
        """\
intros; apply (is_derive_ext (F C)); [intros a; probabilities a (filter C vocab); reflexivity|].
eapply is_derive_value; [now apply F_derive_pairs|].
apply Sum_ext; intros x _; apply Sum_ext; intros y _; algebra alpha.""",
    ),
    "ce-radius": (
        "forall alpha m range (w : T -> R),",
        """\
intros alpha m range w Hw _ d2 H2 d3 H3.
rewrite <- (is_derive_n_unique _ _ _ _ (H3 alpha)), <- (is_derive_n_unique _ _ _ _ (H2 alpha)).
change (Derive_n _ 3 alpha) with (Derive_n K 3 alpha).
change (Derive_n _ 2 alpha) with (Derive_n K 2 alpha).
rewrite Derive_n_K_two, Derive_n_K_three by easy.
means alpha vocab.
print vocab (fun x => tilted alpha x * w x) by algebra alpha.
assert (Hm : mean alpha = m + E vocab p M alpha w).
{ unfold tilting.mean; rewrite (E_ext vocab p M alpha M (fun z => m + w z)) by easy.
  now rewrite E_plus, E_const. }
change (Sum vocab (fun z => tilted alpha z * M z)) with (mean alpha).
change (Sum vocab (fun z => tilted alpha z * w z)) with (E vocab p M alpha w).
unfold central, Var, E at 1 2; rewrite <- !Sum_scal, <- Sum_plus; apply Sum_ext; intros y Hy.
replace (E vocab p M alpha w) with (mean alpha - m) by lra.
replace (w y) with (M y - m) by (rewrite Hw by easy; ring); algebra alpha.""",
    ),
}

_LEVELS = r"""
Section Levels.

Context {T : Type}.
Variable vocab : list T.
Variables p M d : T -> R.
Variable m : R.
Variables A C : T -> bool.
Hypothesis p_pos : forall z, In z vocab -> 0 < p z.
Hypothesis p_total : Sum vocab p = 1.
Hypothesis d_pos : forall z, 0 < d z.
Hypothesis A_not_empty : filter A vocab <> nil.

Notation tilted := (tilted vocab p M).
Notation mass := (mass vocab p M m).
Notation rest := (rest vocab p M m).

Lemma top :
  (forall y, In y (filter A vocab) -> M y = m) ->
  (forall y, In y (filter (outside A) vocab) -> M y = m + - 1 * d y) ->
  is_max vocab M m /\ Sum (filter A vocab) p = mass /\
  forall alpha,
    Sum (filter (outside A) vocab) (fun y => p y * exp (- 1 * alpha * d y)) = rest alpha.
Proof.
  intros HA Hoff.
  assert (H : forall z, In z vocab -> A z = at_level M m z).
  { intros z Hz; destruct (A z) eqn:E; symmetry.
    - apply at_level_true, HA, filter_In; easy.
    - apply at_level_false; rewrite Hoff; [generalize (d_pos z); lra|].
      apply filter_In; unfold outside; now rewrite E. }
  repeat split.
  - destruct (filter A vocab) as [|z l] eqn:E; [easy|]; exists z.
    assert (Hz : In z (filter A vocab)) by (rewrite E; now left).
    split; [now apply filter_In in Hz|apply HA; now left].
  - intros z Hz; destruct (A z) eqn:E; [rewrite HA; [lra|now apply filter_In]|].
    rewrite Hoff; [generalize (d_pos z); lra|]; apply filter_In; unfold outside; now rewrite E.
  - unfold limits.mass; f_equal; now apply filter_ext_in.
  - intros alpha; unfold limits.rest.
    replace (filter (outside (at_level M m)) vocab) with (filter (outside A) vocab)
      by (apply filter_ext_in; intros z Hz; unfold outside; now rewrite H).
    apply Sum_ext; intros y Hy; rewrite Hoff by easy; do 2 f_equal; ring.
Qed.

Ltac from_top HA Hoff Hm Hmass Hrest :=
  destruct (top HA Hoff) as (Hm & Hmass & Hrest); rewrite ?Hmass;
  assert (Hpos : 0 < mass) by (apply mass_pos; [easy|apply Hm]);
  assert (Hnonneg : forall a, 0 <= rest a) by (intros; apply rest_nonneg; easy).

"""

_LETTERS = """\
(forall y, In y (filter A vocab) -> M y = m) ->
  (forall y, In y (filter (outside A) vocab) -> M y = m + - 1 * d y) ->"""
"""What the letters m and d stand for, where the printed formula has no M."""

_LEVELS_LAWS: Mapping[str, tuple[str, str]] = {
    "limit": (
        f"forall z, In z (filter A vocab) -> {_LETTERS}",
        """\
intros z Hz HA Hoff _; from_top HA Hoff Hm Hmass Hrest.
assert (Hlevel := HA z Hz); apply filter_In in Hz; destruct Hz as [Hz _].
apply (is_lim_ext (fun a => tilted a z)).
- intros a; rewrite Hrest, tilted_at_level with (m := m) by (easy || apply Hm).
  rewrite Rplus_comm; reflexivity.
- eapply is_lim_value; [now apply limit with (m := m)|].
  unfold share; now rewrite (proj2 (at_level_true M m z) Hlevel).""",
    ),
    "monotone": (
        "forall alpha z, In z (filter A vocab) ->",
        """\
intros alpha z Hz HA Hoff Hout; from_top HA Hoff Hm Hmass Hrest.
assert (Hlevel := HA z Hz); apply filter_In in Hz; destruct Hz as [Hz _].
assert (Ht := tilted_pos vocab p M p_pos alpha z Hz).
exists (- (tilted alpha z * (M z - mean vocab p M alpha)) / tilted alpha z ^ 2); split.
- apply (is_derive_ext (fun a => / tilted a z)).
  + intros a; reals; rewrite Hrest, tilted_at_level with (m := m) by (easy || apply Hm).
    generalize (p_pos z Hz) (Hnonneg a); intros; field; lra.
  + apply is_derive_inv; [now apply slope|lra].
- assert (mean vocab p M alpha < M z).
  { rewrite Hlevel; apply mean_lt; [easy|easy|apply Hm|].
    destruct (filter (outside A) vocab) as [|y l] eqn:E; [easy|]; exists y.
    assert (Hy : In y (filter (outside A) vocab)) by (rewrite E; now left).
    split; [now apply filter_In in Hy|]; rewrite Hoff by (now left); generalize (d_pos y); lra. }
  assert (0 < tilted alpha z * (M z - mean vocab p M alpha) / tilted alpha z ^ 2); [|lra].
  apply Rdiv_lt_0_compat; [apply Rmult_lt_0_compat; lra|now apply pow_lt].""",
    ),
    "concept-limit": (
        f"filter C vocab <> nil -> {_LETTERS}",
        """\
intros HC HA Hoff _ Hapart; from_top HA Hoff Hm Hmass Hrest.
assert (Hs : 0 < size vocab C) by now apply length_pos.
assert (HMC : forall y, In y (filter C vocab) -> M y = m + - 1 * d y).
{ intros y Hy; apply Hoff, filter_In; unfold outside; rewrite Hapart by easy.
  now apply filter_In in Hy. }
apply (is_lim_ext (gain vocab p M C)).
- intros a; unfold gain; rewrite F_0 by easy; rewrite Hrest.
  unfold F; rewrite (Sum_ext _ _ (fun y => p y * exp (- 1 * a * d y) / (mass + rest a))).
  + rewrite Sum_div; reals; generalize (Hnonneg a); intros; field; lra.
  + intros y Hy; rewrite tilted_level with (m := m) by (easy || apply Hm).
    rewrite HMC by easy; do 3 f_equal; ring.
- eapply is_lim_value; [apply concept_limit with (m := m)|ring]; try easy.
  intros z Hz Hin; rewrite HMC; [generalize (d_pos z); lra|now apply filter_In].""",
    ),
    "ce-asymptote": (
        "forall alpha,",
        """\
intros alpha HA Hoff _ Hfact; from_top HA Hoff Hm Hmass Hrest; rewrite Hrest.
change (Sum vocab (fun y => p y * exp (alpha * M y))) with (Z vocab p M alpha).
rewrite (Z_level vocab p M m alpha), ln_mult, ln_exp
  by (apply exp_pos || (generalize (Hnonneg alpha); lra)).
rewrite (Sum_split vocab A), (Sum_ext (filter A vocab) _ (fun y => m * p y))
  by (intros; rewrite HA; easy).
rewrite (Sum_ext (filter (outside A) vocab) _ (fun y => m * p y - d y * p y))
  by (intros; rewrite Hoff by easy; ring).
rewrite Sum_minus, !Sum_scal; rewrite (Rplus_comm (rest alpha)).
rewrite Hfact; ring.""",
    ),
}

_DATASETS = r"""
Section Datasets.

Context {T J D : Type}.
Variable vocab : list T.
Variable coords : list D.
Variables P N : list J.
Variable q : J -> T -> R.
Variable j : J.
Hypothesis q_pos : forall i z, In z vocab -> 0 < q i z.
Hypothesis q_total : forall i, Sum vocab (q i) = 1.
Hypothesis P_not_empty : P <> nil.
Hypothesis N_not_empty : N <> nil.

Notation p := (q j).
Notation M := (log_odds q P N).

(** Logits are log-probabilities up to a shift of the context. *)
Ltac shifted alpha shift b x :=
  intros; set (k := exp (shift + alpha * (average P b - average N b)));
  assert (form : forall y, exp (shift + alpha * (
      - 1 * / INR (length N) * Sum N (fun i => b i + ln (q i y))
      + / INR (length P) * Sum P (fun i => b i + ln (q i y)))) = k * exp (alpha * M y))
    by (intros y; unfold k; rewrite <- exp_plus; f_equal; rewrite !Sum_plus;
        unfold log_odds, average, Rdiv; ring);
  assert (odds : forall y, - 1 * / INR (length N) * Sum N (fun i => ln (q i y))
      + / INR (length P) * Sum P (fun i => ln (q i y)) = M y)
    by (intros; unfold log_odds, average, Rdiv; ring);
  rewrite form, odds;
  print vocab (fun y => k * (p y * exp (alpha * M y))) by (rewrite form; ring);
  print vocab (fun y => p y * exp (alpha * M y)) by (now rewrite odds);
  rewrite Sum_scal; fold (Z vocab p M alpha);
  assert (0 < k) by apply exp_pos; assert (0 < Z vocab p M alpha) by (apply Z_pos; auto);
  field; lra.

"""

_DATASETS_LAWS: Mapping[str, tuple[str, str]] = {
    "steering-shift": (
        "forall (W : T -> D -> R) (H : D -> J -> R) alpha z,",
        """\
intros; transitivity (logits coords W (fun k => H k j + alpha *
  steering_vector (fun i k => H k i) P N k) z).
- apply Sum_ext; intros k _; unfold steering_vector, average, Rdiv.
  change (fun i => H k i) with (H k); ring.
- rewrite (steering_shift coords W (fun i k => H k i)); unfold average, logits, Rdiv.
  print coords (fun k => W z k * H k j) by ring.
  print P (fun i => Sum coords (fun k => W z k * H k i)) by (apply Sum_ext; intros; ring).
  print N (fun i => Sum coords (fun k => W z k * H k i)) by (apply Sum_ext; intros; ring).
  ring.""",
    ),
    "tilting": (
        "forall alpha shift (b : J -> R) x,",
        "intros alpha shift b x; shifted alpha shift b x.",
    ),
    "final-norm": (
        "forall alpha shift (b : J -> R) x,",
        "intros alpha shift b x; shifted alpha shift b x.",
    ),
    "sign-separation": (
        "forall a_z b_z z, 0 < b_z < a_z ->",
        """\
intros a_z b_z z Hab HP HN.
destruct (sign_separation_printed bool_dec [z] (fun _ => true) fst
  (fun (i : bool * J) _ => if fst i then a_z else b_z) (fun _ => a_z) (fun _ => b_z)) with
  (target := true) (P := map (pair true) P) (N := map (pair false) N) (z := z) as [H _].
1: intros [[|] i] y _; simpl; split; easy.
1-2: intros E; now apply map_eq_nil in E.
1: now left.
1-2: intros i Hi; apply in_map_iff in Hi; now destruct Hi as [k [<- _]].
change (a_z * / b_z) with (a_z / b_z); rewrite <- H by easy.
unfold log_odds, average; rewrite !Sum_map, !map_length.
rewrite (Sum_ext P _ (fun _ => ln a_z)) by (intros; rewrite HP; easy).
rewrite (Sum_ext N _ (fun _ => ln b_z)) by (intros; rewrite HN; easy).
simpl; unfold Rdiv; ring.""",
    ),
    "peak-sign": (
        "",
        """\
transitivity (mean vocab p M 0).
- unfold mean; rewrite E_0 by auto; apply Sum_ext; intros; unfold log_odds, average, Rdiv; ring.
- rewrite (peak_sign_divergences vocab q P N q_pos q_total P_not_empty N_not_empty).
  unfold distance_to, average, divergence, Rdiv; ring.""",
    ),
}

_POPULATION = r"""
Section Population.

Context {T J : Type}.
Variable vocab : list T.
Variable contexts : list J.
Variable pi : J -> R.
Variables p r : J -> T -> R.
Variable M : T -> R.
Hypothesis pi_pos : forall j, In j contexts -> 0 < pi j.
Hypothesis pi_total : Sum contexts pi = 1.
Hypothesis p_pos : forall j z, In z vocab -> 0 < p j z.
Hypothesis p_total : forall j, Sum vocab (p j) = 1.

Notation Z j := (tilting.Z vocab (p j) M).
Notation K j := (tilting.K vocab (p j) M).
Notation tilted j := (tilting.tilted vocab (p j) M).
Notation over := (over contexts pi).
Notation increase := (increase vocab contexts pi p M).

Lemma ratios j alpha z :
  p j z * / Sum vocab (fun z => p j z * exp (alpha * M z)) * exp (alpha * M z) = tilted j alpha z.
Proof. rewrite tilted_ratio by auto; unfold Z, Rdiv; ring. Qed.

(** The printed cross-entropy, for data [s]. *)
Lemma printed (s : J -> T -> R) alpha :
  - 1 * Sum contexts (fun j => pi j * Sum vocab (fun z => s j z * ln
      (p j z * / Sum vocab (fun z => p j z * exp (alpha * M z)) * exp (alpha * M z))))
  = cross_entropy vocab contexts pi p M s alpha.
Proof.
  unfold cross_entropy, cross_entropy.over; rewrite <- Sum_scal; apply Sum_ext; intros j _.
  rewrite <- (Rmult_comm (Sum vocab _)), <- Rmult_assoc, <- (Rmult_comm (pi j)), Rmult_comm.
  rewrite <- Sum_scal, Rmult_comm, <- Sum_scal, <- Sum_scal.
  apply Sum_ext; intros z _; rewrite ratios; ring.
Qed.

Lemma printed_increase alpha :
  - 1 * Sum contexts (fun j => pi j * Sum vocab (fun z => p j z * ln
      (p j z * / Sum vocab (fun z => p j z * exp (alpha * M z)) * exp (alpha * M z))))
  + Sum contexts (fun j => pi j * Sum vocab (fun z => p j z * ln (p j z))) = increase alpha.
Proof.
  rewrite printed; unfold cross_entropy.increase, Rminus; f_equal.
  unfold cross_entropy, cross_entropy.over; rewrite <- Sum_opp; apply Sum_ext; intros j _.
  rewrite Ropp_mult_distr_r, <- Sum_opp; f_equal; apply Sum_ext; intros z Hz.
  rewrite tilted_0 by auto; ring.
Qed.

"""

_POPULATION_LAWS: Mapping[str, tuple[str, str]] = {
    "ce-exact": (
        "forall alpha,",
        """\
intros alpha _; rewrite printed_increase, ce_exact by assumption; apply Sum_ext; intros j _.
rewrite mean_unsteered by assumption.
print vocab (fun z => p j z * M z) by ring.
unfold tilting.K, tilting.Z; ring.""",
    ),
    "ce-quadratic": (
        "",
        """\
intros _; transitivity (over (fun j => Var vocab (p j) M 0)); [symmetry|];
  apply Sum_ext; intros j _; f_equal; unfold Var, E; (apply Sum_ext; intros y _);
  rewrite tilted_0, mean_unsteered by auto.
- rewrite p_total; print vocab (fun z => p j z * M z) by field.
  field.
- print vocab (fun z => p j z * M z) by ring.
  ring.""",
    ),
    "ce-cumulants": (
        "forall alpha,",
        """\
intros alpha _ d2 H2; apply (is_derive_n_ext increase).
{ intros; symmetry; apply printed_increase. }
replace (Sum contexts (fun j => pi j * d2 j alpha)) with (Derive_n increase 2 alpha).
- apply Derive_n_correct, increase_ex_derive_n; auto.
- rewrite (ce_cumulants vocab contexts pi p M p_pos p_total 0); apply Sum_ext; intros j _.
  f_equal; apply is_derive_n_unique, H2.""",
    ),
    "ce-linear": (
        "forall alpha,",
        """\
intros alpha Hr; apply (is_derive_ext (cross_entropy vocab contexts pi p M r)).
{ intros; symmetry; apply printed. }
eapply is_derive_value; [now apply ce_linear|]; apply Sum_ext; intros j _; f_equal.
print vocab (fun z => r j z * M z) by ring.
print vocab (fun z => tilted j alpha z * M z) by (rewrite <- ratios; ring).
unfold data_mean, mean, E; ring.""",
    ),
}

_LOGITS = r"""
Section Logits.

Context {T : Type}.
Variable vocab : list T.
Variable r : T -> R.
Variable ell : T -> R -> R.
Hypothesis inhabited : vocab <> nil.
Hypothesis r_pos : forall z, In z vocab -> 0 < r z.

"""

_LOGITS_LAWS: Mapping[str, tuple[str, str]] = {
    "local": (
        "forall alpha,",
        """\
intros alpha Hr d1 H1 d2 H2.
assert (Hd2 : forall y a, is_derive (d1 y) a (d2 y a)).
{ intros y a; apply (is_derive_ext (Derive (ell y))); [|apply H2].
  intros; apply is_derive_unique, H1. }
set (l := fun (_ : unit) z a => ell z a); set (M := fun (_ : unit) z a => d1 z a).
set (bend := fun (_ : unit) z a => d2 z a).
assert (Hl : forall u z a, is_derive (l u z) a (M u z a)) by (intros; apply H1).
assert (HM : forall u z a, is_derive (M u z) a (bend u z a)) by (intros; apply Hd2).
apply (is_derive_n_ext (fun a => any_block.cross_entropy vocab l tt a r
                                 + Sum vocab (fun z => r z * ln (r z)))).
- intros a; unfold any_block.cross_entropy; rewrite <- Sum_plus; apply Sum_ext; intros z Hz.
  assert (Ht : 0 < Sum vocab (fun y => exp (ell y a))) by now apply partition_pos.
  unfold any_block.at_strength, softmax; rewrite ln_div by (apply exp_pos || easy).
  rewrite !ln_mult by (repeat apply Rmult_lt_0_compat; try apply exp_pos; auto).
  unfold l; rewrite !ln_exp; ring.
- apply (is_derive_ext (fun a => any_block.local_mean vocab l M tt a
                                 - any_block.data_mean vocab r (fun z => M tt z a))).
  + intros a; symmetry; apply is_derive_unique; eapply is_derive_value.
    * apply @is_derive_plus; [|apply is_derive_const].
      now apply (any_block.cross_entropy_slope vocab l M).
    * apply Rplus_0_r.
  + eapply is_derive_value; [now apply (any_block.cross_entropy_curvature vocab l M bend)|].
    unfold any_block.local_variance, any_block.expected, any_block.data_mean, any_block.local_mean.
    unfold any_block.expected, any_block.at_strength, softmax, l, M, bend, Rdiv; reals.
    print vocab (fun z => exp (ell z alpha) * / Sum vocab (fun y => exp (ell y alpha)) * d1 z alpha)
      by ring.
    unfold Rminus; rewrite Rplus_assoc; apply f_equal2.
    * apply Sum_ext; intros; ring.
    * rewrite <- Sum_opp, <- Sum_plus; apply Sum_ext; intros; ring.""",
    ),
}

_STATES = """
Section States.

Context {D : Type}.
Variable coords : list D.
Variables h v : D -> R.
Variable eps : R.
Hypothesis v_seen : 0 < mean_square coords v.
Notation A := (mean_square coords v).
Notation B := (mean_product coords h v).
Notation C := (mean_square coords h + eps).

"""

_STATES_LAWS: Mapping[str, tuple[str, str]] = {
    "norm-limit": (
        "forall x, In x coords ->",
        """\
intros x Hx; eapply is_lim_ext_loc;
  [|eapply is_lim_value; [apply (direction_limit coords (fun _ => h) v eps v_seen)
    with (k := x)|]; try easy].
- exists 0; intros t Ht; reals.
  assert (Hq := mean_square_moved coords h t v); unfold moved in Hq; rewrite Hq.
  replace (A * t ^ 2 + 2 * B * t + mean_square coords h + eps)
    with (t ^ 2 * (A + 2 * B * / t + C * / t ^ 2)) by (field; lra).
  rewrite sqrt_mult_alt, sqrt_pow2 by (apply pow2_ge_0 || lra).
  unfold Rdiv; rewrite Rinv_mult; generalize (/ sqrt (A + 2 * B * / t + C * / t ^ 2)).
  intros; field; lra.
- intros k _; apply lim_bounded_over with (Rabs (h k)); intros; lra.""",
    ),
    "last-block": (
        "forall A B C alpha (a b : unit -> R) z,",
        """\
intros A B C alpha a b z HQ.
replace (C + 2 * B * alpha + A * alpha ^ 2) with (A * alpha ^ 2 + 2 * B * alpha + C) in * by ring.
pose proof (last_block_slope A B C (a z) (b z) alpha HQ) as H; cbv zeta in H.
eapply is_derive_ext; [|eapply is_derive_value; [exact H|]].
- intros t; reals.
  replace (C + 2 * B * t + A * t ^ 2) with (A * t ^ 2 + 2 * B * t + C) by ring.
  reflexivity.
- unfold Rdiv; reals; ring.""",
    ),
    "concept-shape": (
        "forall levels (g rho : R -> R) c alpha, levels <> nil -> (forall l, 0 < g l) ->",
        """\
intros levels g rho c alpha Hl Hg.
assert (Hpos := exponential_sum_pos levels g alpha Hl (fun m _ => Hg m)).
transitivity (ratio levels g rho alpha - c); [unfold ratio, exponential_sum|].
- unfold Rdiv; ring.
- unfold ratio; print levels
    (fun m => g m * rho m * exp (alpha * m) - c * (g m * exp (alpha * m))) by ring.
  rewrite Sum_minus, Sum_scal; unfold exponential_sum in *; field; lra.""",
    ),
}

SECTIONS: tuple[tuple[str, Mapping[str, tuple[str, str]]], ...] = (
    (_ONE_CONTEXT, _ONE_CONTEXT_LAWS),
    (_LEVELS, _LEVELS_LAWS),
    (_DATASETS, _DATASETS_LAWS),
    (_POPULATION, _POPULATION_LAWS),
    (_LOGITS, _LOGITS_LAWS),
    (_STATES, _STATES_LAWS),
)
"""The opening of a section, and id -> (binders of the printed statement, its proof)."""
