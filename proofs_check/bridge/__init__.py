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
and `law_report` says how far each of them carries at every block, and why not further.

Reading order: `anatomy` (where a model is steered, found by structure), `hooks` (the
intervention), `setting` (v and M from the same passes), `final_norm` (predicted against
measured), `judge` (the verdicts); then `upper` (the blocks above a site, again and again), `survey`
(what is measured at a block), `law_rows` (what it means), `laws` (the report). torch and
transformers are an optional extra: importing this package needs neither, `extra.require` names the
command that installs them.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "Anatomy": "anatomy",
    "ConceptTexts": "concept_texts",
    "KeywordJudge": "scoring",
    "LoadedModel": "models",
    "Plan": "laws",
    "Setting": "setting",
    "Site": "sites",
    "SteeringVector": "vectors",
    "curve_rows": "curve_laws",
    "difference_of_means": "making",
    "import_vector": "importing",
    "inspect_model": "anatomy",
    "judged_curve": "scoring",
    "law_report": "laws",
    "load_concept": "concept_texts",
    "load_model": "models",
    "load_vector": "vectors",
    "prepare": "setting",
    "read_curves": "curve_files",
    "save_vector": "vectors",
    "score_curve": "scoring",
    "sweep": "final_norm",
    "with_sampled_negatives": "making",
}

__all__ = sorted(_HOME)

_WITHOUT_TORCH = {
    "concept_texts",
    "curve_files",
    "curve_laws",
    "importing",
    "sites",
    "vectors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(
            f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}"
        )
    if _HOME[name] not in _WITHOUT_TORCH:
        from proofs_check.bridge.extra import require

        require()
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(set(__all__) | set(globals()))
