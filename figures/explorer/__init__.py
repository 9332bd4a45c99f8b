"""The explorer: one page with a slider for alpha, and under it the laws at work.

Everything it shows is computed beforehand by `theory.engine` on the strengths at which the slider
stops; the page only looks numbers up. Reading order: `cases` (the instances and their words) and
`files` (those of a file), `curves` (where the slider stops, and the numbers), `page` (how they get
into one HTML file, and the command).

    python -m figures explore --out out/explorer.html
"""
