"""The report of ``make reproduce``: every statement, how it was derived, checked and drawn.

``python -m figures.report --out out`` derives all laws, runs the checks, draws the figures and
writes, into one folder: ``report.html`` (one self-contained file), ``report.md``,
``derivations.json``, ``checks.json``, and the figures with their arrays.

Reading order: `content` (what is reported, as plain records), `markdown` (the report, written
once), `html` and `formula` (how it becomes a page, and mathematics without a network).
"""
