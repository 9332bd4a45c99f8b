"""Steering sites and position rules: see `vectors`, where they are defined."""

from steering_strength.proofs_check.bridge.vectors import (
    APPLY_RULES,
    FINAL_NORM,
    READ_RULES,
    Apply,
    Read,
    Site,
)

__all__ = ["APPLY_RULES", "FINAL_NORM", "READ_RULES", "Apply", "Read", "Site"]
