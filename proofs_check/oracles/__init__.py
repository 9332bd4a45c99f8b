"""Oracles: what the answer is, computed in the most obvious way there is.

The one idea: an oracle may be slow, and may not be clever. It evaluates definitions, never
laws. A tilted probability is a weight divided by the sum of the weights, a derivative is a
difference quotient, a peak is the place where a curve stops rising, a limit is the value very
far out, a divergence is the sum in its definition. What makes that possible is arithmetic
that does not run out of digits.

Two arithmetics:

* `exact` (Fractions): at alpha = n q the factor e^{alpha M(z)} is the rational number
  (prod_P p / prod_N p)^n, so whole laws can be decided with `==` and `<`;
* `precise` (mpmath, 120 digits): everywhere else. `vectors` does the same for hidden
  states that are edited or normed (section 4 of arXiv:2602.02712), and `refit` solves for a
  strength again after the texts are weighted anew.

Nothing in here imports NumPy, SymPy or `theory`: an error there cannot hide here.
"""
