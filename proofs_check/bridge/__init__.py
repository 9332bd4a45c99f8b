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

Reading order, and what may import what: `model` (where a model is steered, found by structure, and
the intervention), `steering` (vectors, and the setting of a comparison), `curves` (measured by
others), `measure` (predicted and measured at one site), `verdicts` (which law holds, and how far),
`paper` (the paper's figures on this model), `advisor` (which alpha). Start with `model.anatomy`,
`model.hooks`, `steering.setting`, `measure.final_norm` and `verdicts.judge`. torch and transformers
are an optional extra: importing this package needs neither, `extra.require` names the command that
installs them.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "Anatomy": "_old.anatomy",
    "ConceptTexts": "concept_texts",
    "KeywordJudge": "measure.scoring",
    "LoadedModel": "_old.models",
    "Plan": "verdicts.laws",
    "Setting": "steering.setting",
    "Site": "sites",
    "SteeredModel": "model",
    "SteeringVector": "steering.vectors",
    "curve_rows": "curves.curve_laws",
    "difference_of_means": "steering.making",
    "import_vector": "steering.importing",
    "inspect_model": "_old.anatomy",
    "judged_curve": "measure.scoring",
    "law_report": "verdicts.laws",
    "load_concept": "concept_texts",
    "load_model": "_old.models",
    "load_vector": "steering.vectors",
    "prepare": "steering.setting",
    "read_curves": "curves.curve_files",
    "save_vector": "steering.vectors",
    "score_curve": "measure.scoring",
    "sweep": "measure.final_norm",
    "with_sampled_negatives": "steering.making",
}

__all__ = sorted(_HOME)

_WITHOUT_TORCH = {
    "concept_texts",
    "curves.curve_files",
    "curves.curve_laws",
    "steering.importing",
    "sites",
    "steering.vectors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(
            f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}"
        )
    if _HOME[name] not in _WITHOUT_TORCH:
        from steering_strength.proofs_check.bridge.extra import require

        require()
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(set(__all__) | set(globals()))
