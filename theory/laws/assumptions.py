"""What a law may assume of data and model, each by name, and what a rule assumes.

Assumptions are the paper's (arXiv:2602.02712, Sec. 2 and 3); a law lists those it uses, and a
law that lists none holds for any positive p and any real M. Principles are theorems of analysis
that the kernel does not prove; each is stated and applied by a rule (`theory.laws.rules`) to claims
of a checked form, and a step that comes out of one has the status `proved with rules`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Assumption:
    """A hypothesis on the data or the model: its name, what it says, where the paper states it."""

    name: str
    statement: str
    source: str

    def __str__(self) -> str:
        return self.name


ASSUMPTION_1 = Assumption(
    "Assumption 1",
    "$p(z|c_j) = a_z$ if token $z$ and context $c_j$ share a concept, and $b_z$ otherwise, with $1 "
    "> a_z > b_z > 0$",
    "arXiv:2602.02712, Sec. 2.1",
)
ASSUMPTION_2 = Assumption(
    "Assumption 2",
    r"the model is perfectly trained: $\mathrm{softmax}(W h_j) = p(\cdot|c_j)$ for every context",
    "arXiv:2602.02712, Sec. 3.1",
)
LINEAR_LOGITS = Assumption(
    "Linear logits",
    "the logits are an affine function $W h + c$ of the steered state $h$, as in the UFM or after "
    "the final norm of a transformer",
    "arXiv:2602.02712, Def. 2.2",
)
ASSUMPTIONS = (ASSUMPTION_1, ASSUMPTION_2, LINEAR_LOGITS)


@dataclass(frozen=True)
class Principle:
    """A theorem that a rule applies: what it says, a place to read it, its formal proof if any.

    `formal` is "THEOREM in FILE" of `proofs_check/formal`, a theorem that says the same.
    """

    name: str
    statement: str
    reference: str
    formal: str = ""
