"""Steering vectors: made from texts, imported, stored, and the setting they belong to."""
