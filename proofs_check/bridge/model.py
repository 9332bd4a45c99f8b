"""The one noun of this package: a causal language model that can be steered, wherever it is.

`SteeredModel(hf_model, tokenizer)` finds blocks, final norm and unembedding of the object the user
already has and verifies them; nothing is moved or converted. Everything else hangs on it: vectors
from texts, steered curves that answer like a `TiltedFamily`, advice, steered generation.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from steering_strength.proofs_check.bridge._old.anatomy import inspect_model
from steering_strength.proofs_check.bridge._old.encoding import TokenBatch, encode
from steering_strength.proofs_check.bridge._old.hooks import Steered
from steering_strength.proofs_check.bridge._old.models import LoadedModel, fingerprint, load_model
from steering_strength.proofs_check.bridge._old.observe import observe
from steering_strength.proofs_check.bridge.sites import FINAL_NORM, Apply, Read, Site
from steering_strength.proofs_check.bridge.steering.making import difference_vectors, read_states
from steering_strength.proofs_check.bridge.steering.vectors import SteeringVector
from steering_strength.theory.advice import PopulationAdvice

__all__ = ["SteeredModel"]

Floats = NDArray[np.float64]
Positions = Literal["all", "last", "after-prompt"]


class SteeredModel:
    """A causal language model with its tokenizer, its blocks, final norm and unembedding found.

    Parameters
    ----------
    hf_model : transformers.PreTrainedModel
        On any device or several, of any dtype, in evaluation mode. It is neither moved nor
        converted, and its hooks are gone when a call returns.
    tokenizer : transformers.PreTrainedTokenizerBase
    name : str, optional
        For tables and files; default the last part of `config._name_or_path`.
    seed : int
        Of the probing tokens and directions.

    Attributes
    ----------
    hf_model, tokenizer
    name, fingerprint : str
        The fingerprint is a hash of the weights that does not depend on their dtype.
    blocks : tuple of torch.nn.Module
    block_names : tuple of str
    final_norm, unembedding : torch.nn.Module
    final_norm_name : str
    width, vocabulary : int
        d and V.
    logit_scale : float
        Constant factor behind the unembedding.
    device : torch.device
        Where token ids go.
    dtype : torch.dtype
        Of the states.

    Raises
    ------
    ModelError
        It is not causal, in training mode, returns NaN, or a part is not found.
    """

    def __init__(
        self, hf_model: Any, tokenizer: Any, *, name: str | None = None, seed: int = 0
    ) -> None:
        anatomy = inspect_model(hf_model, seed=seed)
        self.hf_model, self.tokenizer = hf_model, tokenizer
        label = name or str(getattr(hf_model.config, "_name_or_path", "")).rsplit("/", 1)[-1]
        self.name = label or type(hf_model).__name__
        self.fingerprint = fingerprint(hf_model)
        self.blocks, self.block_names = anatomy.blocks, anatomy.block_names
        self.final_norm, self.final_norm_name = anatomy.final_norm, anatomy.final_norm_name
        self.unembedding, self.logit_scale = anatomy.unembedding, anatomy.logit_scale
        self.width, self.vocabulary = anatomy.width, anatomy.vocabulary
        self.device, self.dtype = torch.device("cpu"), anatomy.unembedding.weight.dtype
        self.seed = seed
        self._anatomy = anatomy
        self._loaded = LoadedModel(hf_model, tokenizer, self.name, self.name, self.fingerprint)

    @classmethod
    def load(cls, name: str, dtype: str | None = None) -> SteeredModel:
        """Load from this machine: a hub id in the cache, a folder, a GGUF file, or "smollm2".

        `dtype` is "float32", "float64", "bfloat16" or "float16"; None takes the file's own.

        Raises
        ------
        ModelError, MissingExtraError
            Nothing with that name is here, or it cannot be read.
        """
        loaded = load_model(name, dtype or "float32")
        return cls(loaded.model, loaded.tokenizer, name=loaded.label)

    def __repr__(self) -> str:
        return (
            f"SteeredModel({self.name}: {len(self.blocks)} blocks, d = {self.width},"
            f" V = {self.vocabulary:,}, {str(self.dtype).removeprefix('torch.')} on {self.device})"
        )

    def site(self, where: Site | int | str) -> Site:
        """Return the site: "final_norm", or a block index (its output), checked.

        Raises
        ------
        ShapeError, UnknownNameError
            The model has no such block.
        """
        site = where if isinstance(where, Site) else Site.parse(str(where))
        site.module(self)
        return site

    def module(self, where: Site | int | str) -> torch.nn.Module:
        """Return the module whose output is steered at that site."""
        module: torch.nn.Module = self.site(where).module(self)
        return module

    @property
    def longest(self) -> int | None:
        """How many tokens the model reads at most; None if its configuration does not say."""
        return self._loaded.longest

    @property
    def floor(self) -> float:
        """Nats of KL that rounding alone produces in this model: budgets far above it are met."""
        return 0.0

    def encode(self, texts: str | Sequence[str] | TokenBatch) -> TokenBatch:
        """Tokenise: BOS in front where the model has one, padded on the right, never cut.

        Raises
        ------
        SteeringSetError
            No text, an empty one, or one longer than the model reads.
        """
        if isinstance(texts, TokenBatch):
            return texts
        return encode(self.tokenizer, [texts] if isinstance(texts, str) else texts, self.longest)

    def token_text(self, token: int) -> str:
        """Return the token as a reader sees it, with a middle dot for its leading space."""
        text = self.tokenizer.decode([int(token)])
        return ascii(text)[1:-1].replace(" ", "\N{MIDDLE DOT}") if text.strip() else f"<{token}>"

    def log_probability(self, contexts: str | Sequence[str] | TokenBatch) -> Floats:
        """Log-probabilities of the next token after each context, shape (m, V), unsteered."""
        return observe(self.hf_model, self._anatomy, self.encode(contexts)).log_p

    def read_out(self, normed: torch.Tensor) -> torch.Tensor:
        """Logits, (R, V) in float64 on the CPU, of outputs (R, d) of the final norm."""
        from steering_strength.proofs_check.bridge._old.upper import read_out

        return read_out(self._anatomy, normed)

    def states(
        self,
        texts: str | Sequence[str] | TokenBatch,
        site: Site | int | str,
        read: Read = "last",
    ) -> torch.Tensor:
        """One state per text at a site, (B, d): the last token's, or the mean without the first."""
        found = read_states(self.hf_model, self._anatomy, self.encode(texts), [self.site(site)])
        return found[0].by(read)

    def vector(
        self,
        positive: Sequence[str],
        negative: Sequence[str],
        site: Site | int | str = "final_norm",
        *,
        read: Read | None = None,
        apply: Apply = "all",
    ) -> SteeringVector:
        """Difference of the mean states of two sets of texts (arXiv:2602.02712, Eq. 3).

        Parameters
        ----------
        positive, negative : sequences of str
            P and N; their sizes may differ.
        site : "final_norm", or a block index
        read : {"last", "mean"}, optional
            Which states of a text count; default the last one at the final norm, where the law is
            exact, and the mean without the first token at blocks: the first one is an attention
            sink, a hundred times longer than the others.
        apply : {"all", "last"}
            Which positions of a context are steered.

        Raises
        ------
        SteeringSetError, VectorError
            A text is empty or too long; the two means coincide.
        """
        return self.vectors(positive, negative, [site], read=read, apply=apply)[0]

    def vectors(
        self,
        positive: Sequence[str],
        negative: Sequence[str],
        sites: Sequence[Site | int | str],
        *,
        read: Read | None = None,
        apply: Apply = "all",
    ) -> list[SteeringVector]:
        """The vectors of several sites from one pass over the texts."""
        places = [self.site(where) for where in sites]
        rule = read or ("last" if all(place == FINAL_NORM for place in places) else "mean")
        made = difference_vectors(
            self._loaded, self._anatomy, positive, negative, places, read=rule, apply=apply
        )
        return [vector for vector, _ in made]

    def steered(
        self,
        vector: SteeringVector | ArrayLike,
        alpha: float,
        *,
        site: Site | int | str | None = None,
        positions: Positions | torch.Tensor = "all",
    ) -> AbstractContextManager[Any]:
        """Context manager: inside it every forward pass, `generate` included, is steered.

        Parameters
        ----------
        vector : SteeringVector, or array (d,) with `site`
        alpha : float, or one for each row, (B,)
        positions : {"all", "last", "after-prompt"} or a boolean mask (B, T) of the prompt
            "last" is the prompt's last position and every generated one, "after-prompt" the
            generated ones only.

        Raises
        ------
        VectorError, ShapeError
            The vector does not fit the model or the site.
        SelfCheckError
            On leaving: nothing ran inside.
        """
        place = vector.site if isinstance(vector, SteeringVector) else self.site(site or FINAL_NORM)
        values = vector.values if isinstance(vector, SteeringVector) else np.asarray(vector)
        return Steered(self.module(place), torch.as_tensor(values), alpha)

    def at(
        self,
        site: Site | int | str,
        vector: SteeringVector | ArrayLike,
        contexts: str | Sequence[str] | TokenBatch,
    ) -> Any:
        """Return the steered curve of a context, or a list of them for several contexts.

        Each answers the questions of `theory.advice.curve.SteeredCurve`: exact at the final norm
        (a `TiltedFamily`) and at the last block (closed form), measured at any other block.
        """
        raise NotImplementedError

    def advise(
        self,
        vector: SteeringVector,
        contexts: str | Sequence[str] | TokenBatch,
        *,
        tokens: ArrayLike | None = None,
        words: Sequence[str] | None = None,
        level: float | None = None,
        cross_entropy: float | None = None,
        reverse_kl: float | None = None,
        before_peak: Literal["no", "rising", "any"] = "no",
        sign: int = 1,
        weights: ArrayLike | None = None,
        quantile: float = 0.9,
    ) -> PopulationAdvice:
        """Which alpha: the window that meets the demands on every context and on most of them.

        `words` are turned into the tokens that spell them. All else as in `theory.advise`.
        """
        raise NotImplementedError
