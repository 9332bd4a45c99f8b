"""Real language models: whether the theory holds there, and to how many digits.

The one idea: at the output of the final norm the logits of a causal language model are an affine
function of the state, so adding alpha * v there tilts the next-token distribution exactly,

    p_alpha(z) = p(z) exp(alpha M(z) - K(alpha)),

with v the difference of means of the normed states over two sets of texts and M(z) the difference
of means of the log-probabilities over the same texts. No assumption on the texts, none on the
model but its affine read-out, and no free parameter: every law of `theory` becomes a prediction
that one forward pass can refute.

Three instances: a token's peak (K'(alpha) = M(z)), the probability of a set of words (the tanh
law), the increase of the cross-entropy (K(alpha) - alpha K'(0)).

Below the final norm nothing is linear any more; there the same statements are expansions or limits,
and `block_laws` says how far each of them carries at every block, and why not further.

Reading order: `model` is the noun, `SteeredModel`; `loading`, `structure`, `steer`, `texts` and
`vectors` (with everyone's files) are its parts. `curve` differentiates, and answers like a
`TiltedFamily` at any site; `generated` chooses a strength for whole texts. `laws` (the final norm),
`blocks` and `beyond` (other edits, whole texts, other texts) judge, `records` measures the paper's
figures, `read` judges curves of others, `tiny_gpt` trains a model here, `data` are files;
`__main__` and `jobs` are the command line. torch and transformers are an optional extra: importing
this package needs neither, `loading.require` names the command that installs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from steering_strength import _on_first_use

if TYPE_CHECKING:  # what a reader's type checker sees of the names below
    from steering_strength.proofs_check.bridge.generated import KLBudget as KLBudget
    from steering_strength.proofs_check.bridge.model import SteeredModel as SteeredModel
    from steering_strength.proofs_check.bridge.vectors import SteeringVector as SteeringVector
    from steering_strength.proofs_check.bridge.vectors import import_vector as import_vector
    from steering_strength.proofs_check.bridge.vectors import import_vectors as import_vectors
    from steering_strength.proofs_check.bridge.vectors import save_vector as save_vector

_HOME = {
    "ConceptTexts": "texts",
    "Curves": "read",
    "KLBudget": "generated",
    "LawReport": "laws",
    "Site": "vectors",
    "SteeredModel": "model",
    "SteeringVector": "vectors",
    "TrajectoryAdvice": "generated",
    "advise_trajectories": "generated",
    "block_laws": "blocks",
    "final_norm_laws": "laws",
    "import_vector": "vectors",
    "import_vectors": "vectors",
    "load_concept": "texts",
    "paper_records": "records",
    "save_vector": "vectors",
}

__all__ = sorted(_HOME)

_WITHOUT_TORCH = {"read", "texts", "vectors"}


_load, __dir__ = _on_first_use(__name__, {n: f"{__name__}.{home}" for n, home in _HOME.items()})


def __getattr__(name: str) -> Any:
    if _HOME.get(name, "read") not in _WITHOUT_TORCH:
        from steering_strength.proofs_check.bridge.loading import require

        require()
    return _load(name)
