"""Target tokens have positive log-odds, all others do not (Lemma B.4).

The only law that turns Assumption 1 into something about M. Its proof needs less: the off-concept
probability must not depend on the context, the in-concept probability may (App. B.1).
"""

from __future__ import annotations

from sympy import IndexedBase, Integer, Sum, Symbol, log

from steering_strength.theory.laws.assumptions import ASSUMPTION_1
from steering_strength.theory.laws.kernel import Let, Split
from steering_strength.theory.laws.law import Identity, Inequality, Law
from steering_strength.theory.laws.symbols import z
from steering_strength.theory.laws.tilting import i, odds, pN, pP, q_N, q_P

__all__ = ["SIGN_SEPARATION"]

a, b = (Symbol(n, positive=True) for n in ("a_z", "b_z"))
tau = Symbol("t", positive=True)  # a_z = b_z (1 + t)
excess = IndexedBase("t", positive=True)  # a_(i,z) = b_z (1 + t_i), App. B.1
q_z = Symbol("q_z", integer=True, nonnegative=True)  # contexts of N that share the concept of z

_P, _N = (Integer(0), q_P - 1), (Integer(0), q_N - 1)
TARGET = (Let(pP[i, z], a, i, *_P), Let(pN[i, z], b, i, *_N))
OFF_TARGET = (
    Let(pP[i, z], b, i, *_P),
    Split(Integer(0), q_z, q_N - 1),
    Let(pN[i, z], a, i, Integer(0), q_z - 1),
    Let(pN[i, z], b, i, q_z, q_N - 1),
)
_TARGET_B1 = (Let(pP[i, z], b * (1 + excess[i]), i, *_P), Let(pN[i, z], b, i, *_N))
_OFF_TARGET_B1 = (
    *OFF_TARGET[:2],
    Let(pN[i, z], b * (1 + excess[i]), i, Integer(0), q_z - 1),
    OFF_TARGET[3],
)
_in_target = Identity(
    odds(z),
    log(a / b),
    reason="z in T: every context of P has probability a_z for z, every context of N has b_z",
    given=TARGET,
)
SIGN_SEPARATION = Law(
    id="sign-separation",
    title="The log-odds separate the target concept from the rest",
    source="arXiv:2602.02712, Lemma B.4 and App. B.1",
    paper="z is in T if and only if M(z) > 0.",
    sharper="M = log(a_z/b_z) in T and -(q_z/q) log(a_z/b_z) outside, q_z the number of contexts "
    "of "
    "N that share the concept of z; in-concept probabilities may depend on the context.",
    assumptions=(ASSUMPTION_1,),
    statement=_in_target,
    steps=(
        _in_target,
        Inequality(
            log(1 + tau),
            Integer(0),
            reason="a_z > b_z, that is a_z = b_z (1 + t) with t > 0: M > 0 in T",
        ),
        Identity(
            odds(z),
            -q_z / q_N * log(a / b),
            reason="z outside T: P has b_z throughout; the q_z contexts of N that share the "
            "concept "
            "of z, numbered first, have a_z, the others b_z",
            given=OFF_TARGET,
        ),
        Inequality(
            -q_z / q_N * log(1 + tau),
            Integer(0),
            relation="<=",
            reason="M <= 0 outside T; M = 0 where q_z = 0",
        ),
        Identity(
            odds(z),
            Sum(log(1 + excess[i]), (i, 0, q_P - 1)) / q_P,
            reason="App. B.1: a_(i,z) = b_z (1 + t_i) may depend on the context; z in T",
            given=_TARGET_B1,
        ),
        Inequality(
            Sum(log(1 + excess[i]), (i, 0, q_P - 1)) / q_P, Integer(0), reason="positive terms"
        ),
        Identity(
            odds(z),
            -Sum(log(1 + excess[i]), (i, 0, q_z - 1)) / q_N,
            reason="the same outside T",
            given=_OFF_TARGET_B1,
        ),
        Inequality(
            -Sum(log(1 + excess[i]), (i, 0, q_z - 1)) / q_N,
            Integer(0),
            relation="<=",
            reason="a sum of q_z >= 0 positive terms with a minus sign",
        ),
    ),
    builds_on=("tilting",),
    twin="steering_strength.theory.model.dataset.ConceptDataset.log_odds",
    care="M < 0 outside T is false: M = 0 for concepts that N does not contain. The law fails as "
    "soon as the off-concept probability depends on the context.",
)
