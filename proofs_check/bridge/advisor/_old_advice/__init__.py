"""What the old advisor of this folder still stands on; it goes when the folder goes."""

from __future__ import annotations

from steering_strength.proofs_check.bridge.advisor._old_advice.api import advise
from steering_strength.proofs_check.bridge.advisor._old_advice.population import PopulationAdvice
from steering_strength.proofs_check.bridge.advisor._old_advice.words import advice_text

__all__ = ["PopulationAdvice", "advice_text", "advise"]
