(** * Printed formulas

    The formulas of the laws as they are printed from SymPy ([agreement.v], [agreement_beyond.v])
    are sums written out: a steered probability is a weight over the sum of the weights.  The few
    lemmas and tactics here turn them into the library's words, by algebra alone. *)

From SteeringStrength Require Import analysis tilting.

Ltac reals := cbv beta; match goal with |- @eq _ ?left ?right => change (@eq R left right) end.

(** A printed sum over [l] is the sum of [f]. *)
Tactic Notation "print" constr(l) constr(f) "by" tactic3(proof) :=
  match goal with
  | |- context [Sum l ?g] =>
      lazymatch g with f => fail | _ => idtac end;
      replace (Sum l g) with (Sum l f) by (apply Sum_ext; intros; proof)
  end.

(** A printed sum of weights is the normaliser, which is positive. *)
Ltac weigh :=
  rewrite ?tilted_ratio by auto;
  repeat match goal with
  | |- context [Sum ?l (fun z => ?q z * exp (?a * ?N z))] =>
      change (Sum l (fun z => q z * exp (a * N z))) with (Z l q N a)
  end;
  repeat match goal with
  | |- context [Z ?l ?q ?N ?a] =>
      assert (0 < Z l q N a) by (apply Z_pos; auto); generalize dependent (Z l q N a); intros
  end.

(** Equal up to algebra, the normalisers being positive. *)
Ltac algebra := intros; reals; weigh; field; repeat split; lra.

Section Means.

Context {T : Type} (vocab : list T) (p M : T -> R).
Hypothesis p_pos : forall z, In z vocab -> 0 < p z.
Hypothesis p_total : Sum vocab p = 1.

Lemma printed_tilted alpha z :
  p z * / Sum vocab (fun y => p y * exp (alpha * M y)) * exp (alpha * M z)
  = tilted vocab p M alpha z.
Proof. algebra. Qed.

Lemma printed_mean alpha :
  Sum vocab (fun y => M y * p y * / Sum vocab (fun z => p z * exp (alpha * M z))
                      * exp (alpha * M y)) = mean vocab p M alpha.
Proof. apply Sum_ext; algebra. Qed.

Lemma printed_mean_0 : Sum vocab (fun y => M y * p y) = mean vocab p M 0.
Proof. unfold mean; rewrite E_0 by easy; apply Sum_ext; algebra. Qed.

End Means.
