"""Which law builds on which: as indented text, or for Graphviz."""

from __future__ import annotations

from collections.abc import Mapping

from steering_strength.theory.laws.law import Law


def tree(laws: Mapping[str, Law]) -> str:
    """One line per law with the laws it builds on; laws come after what they use."""
    width = max(map(len, laws))
    return "\n".join(
        f"{law.id:<{width}}  <-  {', '.join(law.builds_on)}" if law.builds_on else law.id
        for law in laws.values()
    )


def dot(laws: Mapping[str, Law]) -> str:
    """The same graph in the DOT language, arrows from a law to those that use it."""
    edges = [f'  "{b}" -> "{law.id}";' for law in laws.values() for b in law.builds_on]
    nodes = [f'  "{law.id}" [shape=box, label="{law.id}"];' for law in laws.values()]
    return "\n".join(["digraph laws {", "  rankdir=LR;", *nodes, *edges, "}"])
