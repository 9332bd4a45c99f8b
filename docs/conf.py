"""How the site is built: ``make docs``, warnings as errors, nothing loaded from a network.

What a page shows of the theory is made while it is built, from the laws, the checks and the
figures themselves (`_ext/generated.py`); formulas become SVG (`_ext/mathematics.py`).
"""

from __future__ import annotations

import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(_HERE.parent), str(_HERE / "_ext")]

import steering_strength  # noqa: E402

project = "steering-strength"
author = "The steering-strength authors"
project_copyright = author
version = release = steering_strength.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "generated",
    "mathematics",
    "reference",
]
exclude_patterns = ["_ext"]
templates_path: list[str] = []

# -- pages and notebooks -------------------------------------------------------------------------

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
myst_update_mathjax = False
html_math_renderer = "outlines"
# A page never shows an output that the code did not just print: `_ext/generated.py` runs notebooks
# while it checks, and a mistake in one ends the build.
nb_execution_mode = "off"
nb_merge_streams = False  # what is printed and what is displayed keep their order

# -- reference -----------------------------------------------------------------------------------

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # types stand in the docstrings, with shapes
autodoc_default_options = {"members": True, "no-value": True}
autodoc_preserve_defaults = True
# The pages about real models are built without torch.
autodoc_mock_imports = ["torch", "transformers", "gguf", "accelerate", "safetensors"]
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
default_role = "literal"  # single backticks in docstrings are names, as in the source
add_module_names = False
toc_object_entries_show_parents = "hide"
# `p` or `alpha` in a docstring is an attribute of many records: a link to any would be a guess.
suppress_warnings = ["ref.python"]

# -- looks ---------------------------------------------------------------------------------------

html_theme = "furo"
html_title = "Steering strength"
html_static_path = ["_static"]
html_css_files = ["report.css", "site.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
