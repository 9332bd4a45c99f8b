"""Mistakes that only a real model can make; the rest are in `theory.errors`."""

from __future__ import annotations

from steering_strength.theory.errors import SteeringError

__all__ = ["CurveError", "ModelError", "SelfCheckError", "VectorError"]


class ModelError(SteeringError):
    """A model cannot be found or loaded, or lacks a part that the bridge steers or reads."""


class SelfCheckError(SteeringError):
    """A self-check failed: the numbers would not mean what their labels say."""


class VectorError(SteeringError):
    """A steering vector does not fit the model, the site or the rule it is to be used with."""


class CurveError(SteeringError):
    """A file of measured curves cannot be read, or contradicts itself."""
