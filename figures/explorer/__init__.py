"""The explorer: one page with a slider for alpha, and under it the laws at work.

Everything it shows is computed beforehand by `theory.engine` on the strengths at which the slider
stops; the page only looks numbers up. Reading order: `case` (an instance and its words), `menu`
(the instances on offer) and `files` (those of a file), `nodes` (where the slider stops), `curves`
and `windows` (the numbers), `record` and `page` (how they get into one HTML file), `command`.

    python -m figures explore --out out/explorer.html
"""
