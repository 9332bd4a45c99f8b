"""The laws as numbers: one frozen record, everything in log space, nothing but NumPy and SciPy.

The one idea: p_alpha depends on alpha through the cumulant generating function K of M alone, so
every quantity is a sum of exponentials, and the work is to form each sum so that nothing cancels
and nothing overflows. `TiltedFamily` (family.py) is what a user holds; its methods are thin and
the formulas live in one module per stem: `tilting`, `peaks`, `concept`, `cross_entropy`, with
`inverse` for questions the other way round. `NormedSteering` and `LastBlock` (transformer.py) are
the final norm of a steered residual stream and the logits after it.

Reading order: `measure` (p and M, centred) and `sums` (the inner loop), `cross_entropy` (the sum
without cancellation, from which K, Delta p and the concept laws follow), `tilting`, `concept`,
`inverse`. Then the fast path for a whole vocabulary: `panels` (the tilted measure as 26 moments,
and K' from those, with a bound on its error), `walk` and `peaks` (its inverse, and many alphas).
`population` holds many contexts, `allocation` one strength for each of them under one budget,
`sequences` whole texts, `operators` edits states in other ways than by adding a vector, `greedy`
follows the likeliest token, `estimation` says how sure an alpha from finitely many texts is,
`storage` brings families in and out, `validation` says what is accepted.
"""

from steering_strength.theory.engine.allocation import Allocation, allocate
from steering_strength.theory.engine.family import TiltedFamily
from steering_strength.theory.engine.greedy import GreedyPath
from steering_strength.theory.engine.inverse import Root
from steering_strength.theory.engine.operators import (
    Ablation,
    Addition,
    Affine,
    Clamp,
    Conditional,
    Operator,
    Rotation,
    norm_preserving,
    norm_scale,
)
from steering_strength.theory.engine.population import TiltedPopulation
from steering_strength.theory.engine.sequences import SampledTexts
from steering_strength.theory.engine.transformer import LastBlock, NormedSteering

__all__ = [
    "Ablation",
    "Addition",
    "Affine",
    "Allocation",
    "Clamp",
    "Conditional",
    "GreedyPath",
    "LastBlock",
    "NormedSteering",
    "Operator",
    "Root",
    "Rotation",
    "SampledTexts",
    "TiltedFamily",
    "TiltedPopulation",
    "allocate",
    "norm_preserving",
    "norm_scale",
]
