"""Certificates: the inequalities of the theory decided on each instance with zero tolerance.

A certificate says in one sentence what it certifies about an instance. Its answer is True or False
where ball arithmetic is certain, and None where even 4096 bits do not tell; None is never counted
as certified. What is certified is the inequality for that instance, as exact rational data, and
nothing about other instances; the derivations in `theory.laws` do that.
"""

from __future__ import annotations

from steering_strength.proofs_check.certified import bounds, concepts, tokens
from steering_strength.proofs_check.certified.certificate import Certificate
from steering_strength.proofs_check.check import Check

__all__ = ["CERTIFICATES", "Certificate", "certificate_checks"]

CERTIFICATES: tuple[Certificate, ...] = (
    *tokens.CERTIFICATES,
    *concepts.CERTIFICATES,
    *bounds.CERTIFICATES,
)


def certificate_checks() -> dict[str, Check]:
    """id -> the certificate as a check."""
    return {each.id: each.as_check() for each in CERTIFICATES}
