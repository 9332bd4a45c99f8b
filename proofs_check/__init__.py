"""proofs_check: a verdict on every statement of the theory, and a suite wrong laws cannot pass.

The one idea: **independent derivations meet in one assertion.** A statement is evaluated on a
random instance by the symbolic law (SymPy), by the engine (NumPy in log space), where it is about a
model by a simulation (W, H, a matrix product, a softmax, looking at the curve), and by an oracle
(exact fractions or 120 digits); they must agree within a tolerance that has a reason. A suite is
worth what it can refute: known false readings must be refuted, and wrong laws are refuted on
purpose.

Three instances of the idea:

* the law of tilting: the engine's log p_alpha, softmax(W (h + alpha v)), both sides of the law, and
  the rational p_alpha at alpha = n q;
* the order of the peaks: the engine's roots, a strength at which one token falls while the other
  rises, and the tops of the simulated curves found by looking;
* a sentence of the paper that its own formula contradicts: refuted, with fractions that can be
  checked by hand.

Reading order: `instances` and `strategies` (random cases), `oracles` (what is true), `simulation`
(what is seen), `comparison` and `tolerance` (what agreement means), `check_tilting` and its
siblings (the statements, and what ball arithmetic decides of them), `surface` (all that is
judged), `search`, `runner` and `verdict` (what is said). Then `mutants`, `errata` (with `tables`)
and `conjectures`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from steering_strength import _on_first_use

if TYPE_CHECKING:
    from steering_strength.proofs_check.conjectures import Judgement, conjecture
    from steering_strength.proofs_check.runner import reproduce, run
    from steering_strength.proofs_check.verdict import Verdict, as_json, write_json

__all__ = ["Judgement", "Verdict", "as_json", "conjecture", "reproduce", "run", "write_json"]

DEFAULT_EXAMPLES = 100
"""Instances per check."""

_HOME = {
    "Judgement": "steering_strength.proofs_check.conjectures",
    "Verdict": "steering_strength.proofs_check.verdict",
    "as_json": "steering_strength.proofs_check.verdict",
    "conjecture": "steering_strength.proofs_check.conjectures",
    "reproduce": "steering_strength.proofs_check.runner",
    "run": "steering_strength.proofs_check.runner",
    "write_json": "steering_strength.proofs_check.verdict",
}

__getattr__, __dir__ = _on_first_use(__name__, _HOME)


if __name__ == "proofs_check":  # in a checkout
    from steering_strength import _under_short_name

    _under_short_name("proofs_check")
