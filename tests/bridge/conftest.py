"""Small random models of several architectures, a tokenizer for them, and SmolLM2 once a session.

They live on a GPU where there is one, so the same tests run there. Everything here imports torch
inside the fixtures: the core environment collects this folder.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")

# fmt: off
WORDS = (
    "the", "a", "sun", "rain", "day", "child", "runs", "sings", "laughs", "sleeps", "happy", "joy",
    "glad", "sad", "grey", "table", "chair", "paper", "river", "train", "road", "bright", "warm",
    "cold", "and", "in", "on", "with", "was", "is", "so", "very", "never", "always", "house",
    "garden",
)
# fmt: on

# Wide weights: with the usual 0.02 a random model hardly reacts to steering.
_SHAPE = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "initializer_range": 0.2,
}
# The padding token's embedding is zero: it must not be BOS, whose state would be nothing but eps.
_UNSIZED = {**_SHAPE, "num_key_value_heads": 2, "pad_token_id": 63}
_GROUPED = {**_UNSIZED, "head_dim": 8}
_MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("GPT2Config", {"vocab_size": 64, "n_embd": 32, "n_layer": 3, "n_head": 4,
                            "n_positions": 64, "initializer_range": 0.2}),
    "llama": ("LlamaConfig", _GROUPED),
    "mistral": ("MistralConfig", _GROUPED),
    "qwen3": ("Qwen3Config", _GROUPED),
    "gemma3": ("Gemma3TextConfig", _GROUPED),
    "gemma2": ("Gemma2Config", _GROUPED),
    "granite": ("GraniteConfig", {**_GROUPED, "logits_scaling": 6.0}),
    "neox": ("GPTNeoXConfig", _SHAPE),
    "opt": ("OPTConfig", {**_SHAPE, "word_embed_proj_dim": 32, "ffn_dim": 64, "pad_token_id": 63,
                          "init_std": 0.2}),
    "phi3": ("Phi3Config", _GROUPED),
    "olmo2": ("Olmo2Config", _UNSIZED),
    "cohere": ("CohereConfig", {**_UNSIZED, "logit_scale": 1.0}),
    "mixtral": ("MixtralConfig", {**_GROUPED, "num_local_experts": 4, "num_experts_per_tok": 2}),
    "mamba": ("MambaConfig", {"vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 3,
                              "initializer_range": 0.2}),
    "bert": ("BertConfig", _SHAPE),
}  # fmt: skip


def device() -> str:
    """Where models are tested: a GPU, or the CPU."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def random_model(
    kind: str, dtype: str = "float64", seed: int = 0, where: str | None = None, **changes: Any
) -> Any:
    """A random model in evaluation mode; `changes` go into its configuration."""
    import torch
    import transformers

    name, shape = _MODELS[kind]
    config = getattr(transformers, name)(**{**shape, **changes})
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(config)
    # from_config leaves norm gains at 1; random ones catch a gain applied twice or not at all.
    generator = torch.Generator().manual_seed(seed + 1)
    for name, parameter in model.named_parameters():
        if parameter.ndim == 1 and ("norm" in name or "ln_" in name):
            parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator)
    model = model.to(getattr(torch, dtype)).eval().requires_grad_(False)
    return model.to(where or device())


def status_of(arguments: list[str]) -> int:
    """Exit status of the command line, also where the argument parser ends it."""
    from steering_strength.proofs_check.bridge.__main__ import main

    try:
        return main(arguments)
    except SystemExit as left:
        return int(left.code or 0)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Threads that wait for each other cost more than they give, here and on a busy machine."""
    import importlib.util

    if importlib.util.find_spec("torch"):
        import torch

        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    """One word, one token; BOS exists but is not added by the tokenizer itself."""
    import tokenizers
    import transformers

    vocabulary = {word: index + 2 for index, word in enumerate(WORDS)}
    vocabulary |= {"<bos>": 0, "<unk>": 1}
    model = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="<unk>"))
    model.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=model, bos_token="<bos>", unk_token="<unk>"
    )


@pytest.fixture(scope="session")
def concept() -> Any:
    """|P| = 5, |N| = 7 of unequal lengths: nothing is paired."""
    from steering_strength.proofs_check.bridge.texts import ConceptTexts

    return ConceptTexts(
        name="cheer",
        positive=(
            "the child laughs so",
            "a warm bright day and a",
            "the sun was bright",
            "joy in the garden and",
            "the child sings with",
        ),
        neutral=(
            "the table is",
            "a grey train on the",
            "paper and a chair in the",
            "the road was cold",
            "rain on the house and",
            "a chair was in",
            "the river runs",
        ),
        contexts=("the day was", "a child is never", "the garden", "very cold rain and a sad"),
        words=("joy", "happy", "glad"),
    )


@pytest.fixture(scope="session")
def steered(tokenizer: Any) -> Any:
    """A function: kind, dtype -> SteeredModel."""
    from steering_strength.proofs_check.bridge.model import SteeredModel

    def build(kind: str, dtype: str = "float64", **changes: Any) -> Any:
        return SteeredModel(random_model(kind, dtype, **changes), tokenizer, name=kind)

    return build


@pytest.fixture(scope="session")
def model_folder(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A random Llama saved as transformers does, for the command line."""
    folder = tmp_path_factory.mktemp("model") / "tiny-llama"
    random_model("llama").save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def concept_file(concept: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The same texts as a JSON file."""
    import json
    from dataclasses import asdict

    path = tmp_path_factory.mktemp("concept") / "cheer.json"
    path.write_text(json.dumps(asdict(concept)))
    return path


@pytest.fixture(scope="session")
def smollm2() -> Any:
    """SmolLM2-135M-Instruct: half a minute to load, so once a session."""
    from steering_strength.proofs_check.bridge.loading import require

    require()
    from steering_strength.proofs_check.bridge.model import SteeredModel

    model = SteeredModel.load("smollm2")
    return SteeredModel(model.hf_model.to(device()), model.tokenizer, name=model.name)
