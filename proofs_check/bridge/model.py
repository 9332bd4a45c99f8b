"""The one noun of this package: a causal language model that can be steered, wherever it is.

`SteeredModel(hf_model, tokenizer)` finds blocks, final norm and unembedding of the object the user
already has and verifies them; nothing is moved or converted. Everything else hangs on it: vectors
from texts, steered curves that answer like a `TiltedFamily`, advice, steered generation.

    model = SteeredModel(hf_model, tokenizer)
    vector = model.vector(positive, negative, site=15)
    advice = model.advise(vector, contexts, cross_entropy=0.5)
    with model.steered(vector, advice.window.advised):
        hf_model.generate(...)
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from steering_strength.proofs_check.bridge.curve import curves, derivatives
from steering_strength.proofs_check.bridge.generated import advise_trajectories
from steering_strength.proofs_check.bridge.loading import SelfCheckError, VectorError, load
from steering_strength.proofs_check.bridge.steer import Cost, Held, Steered, rows_at_once
from steering_strength.proofs_check.bridge.structure import (
    Captured,
    FinalNorm,
    Forward,
    config_of,
    find_structure,
    identify_norm,
    precision,
    quantised,
    replaced_output,
)
from steering_strength.proofs_check.bridge.texts import (
    ConceptTexts,
    Text,
    TokenBatch,
    encode,
    pad,
    word_tokens,
)
from steering_strength.proofs_check.bridge.vectors import (
    FINAL_NORM,
    Read,
    Several,
    Site,
    SteeringVector,
    text_hash,
)
from steering_strength.theory import TiltedFamily
from steering_strength.theory.advice import advise
from steering_strength.theory.errors import ShapeError

Floats = NDArray[np.float64]
Positions = Literal["all", "last", "after-prompt"]
Contexts = str | Sequence[Text] | TokenBatch
Where = Site | int | str

_HASHED, _ATTEMPTS = 4096, 4
_DRAWS, _PROBED = 8, 16  # roundings, of a text of so many tokens


class SteeredModel:
    """A causal language model with its tokenizer, its blocks, final norm and unembedding found.

    Raises ModelError: it is not causal, in training mode, returns NaN, cannot run, or a part is not
    found.

    Parameters
    ----------
    hf_model : transformers.PreTrainedModel
        On any device or several, of any dtype, in evaluation mode. It is neither moved nor
        converted, and no hook is left on it when a call returns.
    tokenizer : transformers.PreTrainedTokenizerBase, or None for token ids only
    name : str, optional
        For tables and files; default the last part of `config._name_or_path`.

    Attributes
    ----------
    structure : Structure
        What was found; its `blocks`, `final_norm`, `unembedding`, `width` (d) and `vocabulary` (V)
        are attributes of the model too.
    device, dtype
        Where token ids go, and of the states.
    forward : Forward
        The model's own forward pass, without gradients.
    cost : Cost
        What was run so far.

    Wherever a vector is wanted, several of different sites may be given: they are added together.
    """

    def __init__(self, hf_model: Any, tokenizer: Any, *, name: str | None = None) -> None:
        self.hf_model, self.tokenizer = hf_model, tokenizer
        self.forward = Forward(hf_model)
        self.structure = found = find_structure(hf_model, self.forward)
        label = name or str(getattr(hf_model.config, "_name_or_path", "")).rsplit("/", 1)[-1]
        self.name = label or type(hf_model).__name__
        self.model_type = str(getattr(hf_model.config, "model_type", ""))
        self.blocks, self.final_norm = found.blocks, found.final_norm
        self.unembedding, self.logit_scale = found.unembedding, found.logit_scale
        self.width, self.vocabulary = found.width, found.vocabulary
        self.device, self.dtype = self.forward.device, found.dtype
        self.cost = Cost()
        self.skips: dict[Site, bool] = {}  # whether blocks below may be passed over; verified

    @classmethod
    def load(cls, name: str, dtype: str | None = None) -> SteeredModel:
        """Load from this machine, see `loading.load`; `dtype` None takes the file's own."""
        hf_model, tokenizer, label = load(name, dtype)
        return cls(hf_model, tokenizer, name=label)

    def __repr__(self) -> str:
        return (
            f"SteeredModel({self.name}: {len(self.blocks)} blocks, d = {self.width},"
            f" V = {self.vocabulary:,}, {str(self.dtype).removeprefix('torch.')} on {self.device})"
        )

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that change when a weight tensor changes.

        Of names, shapes and up to 4,096 evenly spaced values of each parameter, as float32: they
        do not depend on the dtype, and eight billion parameters are hashed in a second instead of
        a minute. What is offloaded counts by name and shape.
        """
        digest = hashlib.sha256()
        for name, parameter in sorted(self.hf_model.named_parameters()):
            digest.update(f"{name}{tuple(parameter.shape)}".encode())
            if parameter.device.type != "meta":
                flat = parameter.detach().reshape(-1)
                few = flat[:: max(1, flat.numel() // _HASHED)]
                digest.update(few.to(torch.float32).contiguous().cpu().numpy().tobytes())
        return digest.hexdigest()[:16]

    @cached_property
    def tokenizer_hash(self) -> str:
        """Sixteen hexadecimal digits of the vocabulary: token strings with their ids."""
        return text_hash(sorted(self.tokenizer.get_vocab().items())) if self.tokenizer else ""

    @property
    def longest(self) -> int | None:
        """How many tokens the model reads at most; None if its configuration does not say."""
        return getattr(config_of(self.hf_model), "max_position_embeddings", None)

    @property
    def depth(self) -> int:
        """The number of blocks; ShapeError if no chain of them was found."""
        if not self.blocks:
            raise ShapeError(
                f"{self.name} has no chain of blocks that map states to states",
                remedy="only the final norm can be examined: use the job final-norm",
            )
        return len(self.blocks)

    @property
    def window(self) -> int:
        """Tokens of a window of text behind BOS: 64, or what the model reads."""
        return min(64, (self.longest or 65) - 1)

    @cached_property
    def floor(self) -> float:
        """Nats of KL that rounding alone makes: redrawn roundings of the first block's output.

        About 1e-12 in float32 and 1e-3 in bfloat16. A budget b is met within about
        sqrt(floor / b): 10 % at 100 times the floor.
        """
        generator = torch.Generator().manual_seed(0)
        ids = torch.randint(0, min(self.vocabulary, 1000), (1, _PROBED), generator=generator)
        site = Site(0) if self.blocks else FINAL_NORM
        held = Held(self, pad(ids.tolist()), site, cost=Cost())
        shape = (_DRAWS, *held.residual.shape[1:])
        signs = torch.randint(0, 2, shape, generator=generator).to(held.residual.device) * 2.0 - 1.0
        wide = torch.promote_types(self.dtype, torch.float32)
        eps = max(precision(self.dtype), 2.0**-8 if quantised(self.hf_model) else 0.0)
        jitter = 1.0 + (0.5 + 1e-3) * eps * signs.to(wide)
        states = (held.residual.to(wide) * jitter).to(self.dtype)
        rows = held.batch.take([0] * _DRAWS)
        normed = rows.at_last(held.above(rows, states)[0])
        log_q, log_p = self.log_softmax(normed), self.log_softmax(held.base)[0]
        return float(((log_p - log_q) @ np.exp(log_p)).mean().clip(0.0))

    @cached_property
    def norm(self) -> FinalNorm:
        """What the final norm computes, in float64; ModelError if no RMSNorm and no LayerNorm."""
        return identify_norm(self.structure, self.device)

    def site(self, where: Where) -> Site:
        """Return the site: "final_norm", or a block index (its output), checked.

        Raises ShapeError or UnknownNameError: the model has no such block.
        """
        site = Site.parse(where)
        site.module(self)
        return site

    def require_affine(self) -> None:
        """Refuse the final norm, by an AssumptionError, where logits are not affine."""
        if self.structure.not_affine is not None:
            raise self.structure.not_affine

    def captured(self, site: Site) -> Captured:
        """Context manager that keeps what the site returns, the final norm at least in float32."""
        wide = self.structure.wide_norm if site == FINAL_NORM else None
        return Captured(site.module(self), wide)

    def encode(self, texts: Contexts) -> TokenBatch:
        """Tokenise: BOS in front where the model has one, padded on the right, never cut.

        A text is a string or a chat, a list of {"role": ..., "content": ...}.

        Raises SteeringSetError: no text, an empty one, or one longer than the model reads.
        """
        if isinstance(texts, TokenBatch):
            return texts
        listed: Any = [texts] if _single(texts) else list(texts)
        return encode(self.tokenizer, listed, self.longest)

    def token_text(self, token: int) -> str:
        """Return the token as a reader sees it, with a middle dot for its leading space."""
        text = self.tokenizer.decode([int(token)])
        return ascii(text)[1:-1].replace(" ", "\N{MIDDLE DOT}") if text.strip() else f"<{token}>"

    def tokens(self, words: Sequence[str]) -> NDArray[np.int64]:
        """Ids of the single tokens that spell one of `words`; see `texts.word_tokens`."""
        return np.array(word_tokens(self.tokenizer, words, self.vocabulary), dtype=np.int64)

    def hold(self, contexts: Contexts, site: Where, apply: str = "all") -> Held:
        """Run the contexts up to a site once; see `steer.Held`."""
        return Held(self, self.encode(contexts), self.site(site), apply=apply)

    def log_probability(self, contexts: Contexts) -> Floats:
        """Log-probabilities of the next token after each context, shape (m, V).

        Unsteered, or steered inside `steered`. The logits of 16-bit models are formed in float32.

        Raises SelfCheckError: one is not finite.
        """
        found = self.log_softmax(self.states(contexts, FINAL_NORM))
        if not np.isfinite(found).all():
            raise SelfCheckError(
                "the model returns a log-probability that is not finite",
                remedy="load the model in another precision, such as float32",
            )
        return found

    def logits(self, normed: torch.Tensor) -> torch.Tensor:
        """Logits, (R, V) in float64, of outputs (R, d) of the final norm, where W is."""
        return torch.cat([*self.structure.logits(normed, self.forward)])

    def log_softmax(self, normed: torch.Tensor) -> Floats:
        """Log-probabilities, (R, V), of outputs (R, d) of the final norm."""
        pieces = self.structure.logits(normed, self.forward)
        return np.asarray(torch.cat([torch.log_softmax(p, dim=-1).cpu() for p in pieces]).numpy())

    def direction(self, values: ArrayLike) -> Floats:
        """W v, (V,), centred: M at the final norm up to a constant that changes no distribution."""
        states = torch.as_tensor(np.stack([np.asarray(values), np.zeros(self.width)]))
        logits = self.logits(states).cpu().numpy()
        odds = logits[0] - logits[1]
        return np.asarray(odds - odds.mean())

    def rounding(self, length: float) -> float:
        """Rounding error, in nats, of a log-probability read from a state of Euclidean `length`.

        A dot product of d terms errs by at most about sqrt(d) eps |W_z| |h|.
        """
        longest = float(torch.linalg.vector_norm(self.unembedding.weight.float(), dim=-1).max())
        eps = precision(torch.promote_types(self.dtype, torch.float32))
        return eps * math.sqrt(self.width) * abs(self.logit_scale) * longest * length

    def states(self, texts: Contexts, site: Where, read: Read = "last") -> torch.Tensor:
        """One state per text at a site, (B, d) on the CPU, in float32 or wider.

        The last token's; or the mean over the tokens without the first (of one token: that one).
        """
        return self._read(texts, [self.site(site)])[0][0 if read == "last" else 1]

    def _read(self, texts: Contexts, sites: Sequence[Site]) -> list[torch.Tensor]:
        """For each site, (3, B, d): last states, means without the first token, means with it."""
        batch = self.encode(texts)
        columns: list[list[torch.Tensor]] = [[] for _ in sites]
        rows = max(1, rows_at_once(self.width, self.dtype, self.device) // batch.ids.shape[1])
        for piece in batch.chunks(rows):
            mask = piece.mask
            self.cost.add(piece.rows, piece.ids.shape[1], 1.0)
            with ExitStack() as stack:
                seen = [stack.enter_context(self.captured(site)) for site in sites]
                self.forward(piece.ids, mask if piece.padded else None, last_only=True)
            late = mask.clone()
            late[piece.last > 0, 0] = 0
            for state, column in zip(seen, columns, strict=True):
                value = state.value.to(torch.promote_types(state.value.dtype, torch.float32))
                read = [piece.at_last(value)]
                for places in (late, mask):
                    weights = places.to(value)
                    read.append((value * weights[:, :, None]).sum(1) / weights.sum(1)[:, None])
                column.append(torch.stack(read).cpu())
        return [torch.cat(column, dim=1) for column in columns]

    def vector(
        self,
        positive: Sequence[Text],
        negative: Sequence[Text],
        site: Where = "final_norm",
        *,
        read: Read | None = None,
        apply: str = "all",
    ) -> SteeringVector:
        """Difference of the mean states of two sets of texts (arXiv:2602.02712, Eq. 3).

        Raises SteeringSetError or VectorError: a text is empty or too long; the two means coincide.

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
        """
        return self.vectors(positive, negative, [site], read=read, apply=apply)[0]

    def vectors(
        self,
        positive: Sequence[Text],
        negative: Sequence[Text],
        sites: Sequence[Where],
        *,
        read: Read | None = None,
        apply: str = "all",
    ) -> list[SteeringVector]:
        """The vectors of several sites from one pass over the texts; see `vector`."""
        places, found = [self.site(where) for where in sites], []
        sides = [self._read(texts, places) for texts in (positive, negative)]
        for place, plus, minus in zip(places, *sides, strict=True):
            rule = read or ("last" if place == FINAL_NORM else "mean")
            # By the last state, by the mean without the first token, by the plain mean.
            three = plus.double().mean(1) - minus.double().mean(1)
            chosen = 0 if rule == "last" else 1
            lengths = torch.cat([plus[chosen], minus[chosen]]).double().norm(dim=-1)
            found.append(
                SteeringVector(
                    three[chosen].numpy(), place, model=self.name, model_type=self.model_type,
                    fingerprint=self.fingerprint, tokenizer=self.tokenizer_hash,
                    read=rule, apply=apply, residual_norm=float(lengths.median()),
                    positives=len(positive), negatives=len(negative),
                    positive_hash=text_hash(positive), negative_hash=text_hash(negative),
                    dtype=str(self.dtype).removeprefix("torch."),
                    sink_cosine=float(torch.cosine_similarity(*three[1:], dim=0)),
                )
            )  # fmt: skip
        return found

    def fitting(
        self, vector: Any, site: Where | None = None, contexts: Contexts | None = None
    ) -> Any:
        """The vector, checked to fit; an array becomes one at `site`.

        Given contexts, the median length of a state at the site is measured where it is unknown.
        Several vectors come back in the order of their sites.

        Raises VectorError or ShapeError: it belongs to another model or site, or has another width.
        """
        if isinstance(vector, list | tuple) and all(isinstance(v, SteeringVector) for v in vector):
            fitted = Several(self.fitting(one, contexts=contexts) for one in vector)
            return fitted if len(fitted) > 1 else fitted[0]
        if not isinstance(vector, SteeringVector):
            place = self.site(FINAL_NORM if site is None else site)
            if isinstance(vector, torch.Tensor):
                vector = vector.detach().cpu().double().numpy()
            vector = SteeringVector(vector, place, model=self.name)
        elif site is not None and vector.site != (asked := self.site(site)):
            raise VectorError(
                f"the vector belongs to {vector.site.name}, it is to be added at {asked.name}",
                remedy=f"steer {vector.site.name}, or make a vector for {asked.name}",
            )
        vector.require(self)
        self.site(vector.site)
        if contexts is None or math.isfinite(vector.residual_norm):
            return vector
        read: Read = "last" if vector.read == "last" else "mean"
        lengths = self.states(contexts, vector.site, read).double().norm(dim=-1)
        return replace(vector, residual_norm=float(lengths.median()))

    @contextmanager
    def steered(
        self,
        vector: Any,
        alpha: float | ArrayLike | torch.Tensor,
        *,
        site: Where | None = None,
        positions: Positions | torch.Tensor | None = None,
    ) -> Iterator[Steered]:
        """Context manager: inside it every forward pass, `generate` included, is steered.

        Raises VectorError or ShapeError: the vector does not fit the model or the site;
        SelfCheckError: on leaving: nothing ran inside.

        Parameters
        ----------
        vector : SteeringVector, several of them, or an array (d,) with `site`
        alpha : float, or one for each row of the batch, (B,)
        positions : {"all", "last", "after-prompt"} or a boolean mask (B, T) of the prompt
            "last" is the prompt's last position and every generated one, "after-prompt" the
            generated ones only; batches are padded on the left then, as `generate` wants them.
            Default what the vector says.
        """
        chosen = self.fitting(vector, site).parts
        strength = alpha if isinstance(alpha, int | float) else torch.as_tensor(alpha).double()
        with ExitStack() as stack:
            hooks = [
                stack.enter_context(
                    Steered(
                        one.site.module(self), torch.as_tensor(one.values), strength,
                        one.apply if positions is None else positions, self.hf_model,
                    )
                )
                for one in chosen
            ]  # fmt: skip
            yield hooks[0]

    def edited(
        self, site: Where, edit: Callable[[torch.Tensor], torch.Tensor]
    ) -> AbstractContextManager[None]:
        """Context manager: inside it the site returns edit(h) for its states h, (B, T, d)."""
        return replaced_output(self.site(site).module(self), edit)

    def at(self, site: Where | None, vector: Any, contexts: Contexts) -> Any:
        """Return the steered curve of a context, or a list of them for several contexts.

        Each answers the questions of `theory.advice.curve.SteeredCurve`: exact at the final norm (a
        `TiltedFamily`), in closed form at the last block, measured at any other block and along
        several vectors (`site` None).

        Raises AssumptionError: at the final norm, if the logits are not affine there (a soft-cap);
        VectorError or ShapeError or SteeringSetError: the vector does not fit, no such site, an
        unusable text.
        """
        found = curves(self, self.fitting(vector, site), self.encode(contexts))
        return found[0] if _single(contexts) else found

    def derivative(self, site: Where | None, vector: Any, contexts: Contexts) -> list[TiltedFamily]:
        """The family that each context has to first order at alpha = 0, one pass for all."""
        fitted = self.fitting(vector, site)
        return derivatives(self.hold(contexts, fitted.site, fitted.apply), fitted)

    def advise(
        self,
        vector: Any,
        contexts: Contexts,
        *,
        site: Where | None = None,
        tokens: ArrayLike | None = None,
        words: Sequence[str] | None = None,
        per_token: float | None = None,
        **demands: Any,
    ) -> Any:
        """Which alpha: the window that meets the demands on every context and on most of them.

        Parameters
        ----------
        vector : SteeringVector, several of them, or array (d,) with `site`
        contexts : str, chat, or several of them
        tokens, words : optional
            The target: token ids, or words that are turned into the tokens that spell them.
        per_token : float, optional
            Nats per generated token, instead of budgets of the next token. With `percentile`,
            `direction`, `length`, ... of `generated.advise_trajectories`.
        demands
            `level`, `cross_entropy`, `reverse_kl`, `before_peak`, `sign`, `weights`, `quantile`,
            `plateau`: as in `theory.advise`, but that the plateau, which costs passes at a block,
            is only asked there if given.

        Returns
        -------
        PopulationAdvice, or TrajectoryAdvice for `per_token`
            Print it; steer at `advice.window.advised`, or at `advice.alpha`.
        """
        fitting = self.fitting(vector, site)
        if per_token is not None:
            return advise_trajectories(self, fitting, contexts, per_token, **demands)
        # At the final norm the plateau has a closed form: it costs nothing.
        if demands.get("plateau") is None:
            demands["plateau"] = 0.01 if fitting.site == FINAL_NORM else None
        found = advise(
            curves(self, fitting, self.encode(contexts)),
            tokens if words is None else self.tokens(words),
            name=self.token_text, **demands,
        )  # fmt: skip
        asked = (demands.get("cross_entropy"), demands.get("reverse_kl"))
        least = min((budget for budget in asked if budget), default=math.inf)
        if precision(self.dtype) < 1e-5 or least >= 100.0 * self.floor:
            return found
        caution = (
            f"rounding alone makes {self.floor:.2g} nats in this precision: a budget of {least:g}"
            f" is met within about {100 * math.sqrt(self.floor / least):.0f} %"
        )
        warned = [replace(one, cautions=(caution, *one.cautions)) for one in found.contexts]
        return replace(found, contexts=tuple(warned))

    def continued(
        self,
        contexts: Contexts,
        length: int,
        *,
        temperature: float = 0.0,
        seed: int = 0,
        stop: bool = True,
        processor: Any = None,
    ) -> TokenBatch:
        """Continue each context by up to `length` tokens with the model's own `generate`.

        The likeliest token at temperature 0, else sampled from the whole vocabulary. A text ends
        with its end-of-text token, unless `stop` is false. Steered inside `steered`; `processor` is
        a logits processor. The texts come with their prompts.
        """
        from transformers import GenerationConfig, LogitsProcessorList

        batch = self.encode(contexts)
        prompts, width = (batch.last + 1).tolist(), batch.ids.shape[1]
        # generate wants its padding on the left.
        ids, mask = (
            torch.stack([row.roll(width - n) for row, n in zip(rows, prompts, strict=True)])
            for rows in (batch.ids, batch.mask)
        )
        end = self.tokenizer.eos_token_id if stop and self.tokenizer else None
        drawn = {"temperature": temperature, "top_k": 0, "top_p": 1.0} if temperature > 0 else {}
        config = GenerationConfig(
            max_new_tokens=length, do_sample=temperature > 0, eos_token_id=end,
            pad_token_id=0 if end is None else end, **drawn,
        )  # fmt: skip
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(seed)
            made = self.hf_model.generate(
                ids.to(self.device), attention_mask=mask.to(self.device), generation_config=config,
                logits_processor=LogitsProcessorList([processor] if processor else []),
            ).cpu()  # fmt: skip
        self.cost.add(batch.rows, made.shape[1], 1.0)
        rows = []
        for row, prompt in zip(made.tolist(), prompts, strict=True):
            new = row[width:]
            cut = new.index(end) + 1 if end in new else len(new)
            rows.append(row[width - prompt : width] + new[:cut])
        return pad(rows, prompts)

    def sample(self, count: int, length: int, *, seed: int = 0) -> tuple[list[str], TokenBatch]:
        """`count` texts of `length` tokens drawn from the model after its BOS, and their tokens.

        Temperature 1 and the whole vocabulary: the model's cross-entropy on them is calibrated.
        They also serve as the paper's random negatives.
        """
        start = self.tokenizer.bos_token_id
        first = pad([[0 if start is None else start]] * count)
        batch = self.continued(first, length, temperature=1.0, seed=seed, stop=False)
        return [self.tokenizer.decode(row[1:]) for row in batch.ids.tolist()], batch

    def with_sampled_negatives(self, concept: ConceptTexts, *, seed: int = 0) -> ConceptTexts:
        """The same concept with N sampled from the model: as many texts as P has, about as long.

        Raises SteeringSetError: a text of P is empty or too long.
        """
        count = len(concept.positive)
        length = max(2, int(self.encode(concept.positive).last.median()))
        taken, found = {*concept.positive, *concept.contexts}, dict[str, None]()
        # An end-of-text token can leave a blank or a repeated text; another seed replaces it.
        for attempt in range(_ATTEMPTS):
            drawn = self.sample(count, length, seed=seed + attempt)[0]
            found |= {text: None for text in drawn if text.strip() and text not in taken}
            if len(found) >= count:
                break
        return replace(concept, neutral=tuple(found)[:count])


def _single(contexts: Contexts) -> bool:
    """Whether this is one text, a string or a chat, rather than several."""
    if isinstance(contexts, str):
        return True
    return not isinstance(contexts, TokenBatch) and isinstance(next(iter(contexts), None), Mapping)
