"""Concepts that ship with the package: one JSON file each, read by `bridge.texts`."""
