"""Wrong laws that the checks must refute: the measure of what a verdict of "passed" is worth.

The one idea: the wrong formula is put into the shipped code, in the place of the right one, for as
long as the trial lasts (`proofs_check.surface`), and nothing else changes. Each
mutant is one mistake that somebody could make: a missing 1/q, an arithmetic for a geometric mean,
a tie tolerance, a dropped bias, a variance by subtraction. The check of its statement must find an
instance on which the wrong formula and the oracle part, and shrink it. A mutant that only raises
an exception is not refuted; one that nobody refutes is a survivor, and fails the command.

Many mutants are invisible on the paper's symmetric example (V = 9, G = 3, q = 1, equal weights):
`python -m proofs_check.mutants` says which.

Reading order: `mutant` (what one is, and its trial), one module per stem, `registry` (all by name).
"""
