"""Curves measured by others, read and judged without torch."""
