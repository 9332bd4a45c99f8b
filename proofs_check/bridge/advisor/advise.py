"""`python -m proofs_check.bridge advise`: from "I have a vector" to "use alpha in [a, b]".

Two ways in: log-probabilities in a file, which needs no torch, or a model with a vector or with the
texts P and N. This module holds what both share: demands, report, files.
"""

from __future__ import annotations

import json
import math
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from steering_strength.proofs_check.bridge.advisor._old_advice import PopulationAdvice, advice_text
from steering_strength.proofs_check.bridge.advisor._old_advice.api import as_weights
from steering_strength.proofs_check.bridge.advisor._old_advice.demand import Demand
from steering_strength.proofs_check.bridge.advisor._old_advice.ends import Namer
from steering_strength.proofs_check.bridge.advisor._old_advice.population import advise_families
from steering_strength.proofs_check.bridge.advisor.export import require_ending
from steering_strength.proofs_check.bridge.advisor.input import read_input, target_tokens
from steering_strength.proofs_check.bridge.advisor.options import parse
from steering_strength.proofs_check.bridge.errors import CurveError, VectorError
from steering_strength.proofs_check.bridge.progress import Clock
from steering_strength.theory.command_line import say
from steering_strength.theory.engine.validation import as_level
from steering_strength.theory.errors import BudgetError, OutputError, SteeringError
from steering_strength.theory.files import output_folder, write_whole

if TYPE_CHECKING:
    from steering_strength.figures.advice import AdviceCurves

__all__ = ["advised_alpha", "as_json", "demands_of", "main", "report", "usable", "write_advice"]


def main(arguments: Sequence[str]) -> int:
    """0 if some alpha meets all demands, 1 if none does, 2 for bad input."""
    options = parse(arguments)
    try:
        if options.data:
            return _from_file(options)
        _checked(options)
        clock = Clock()
        clock("loading torch and transformers")
        from steering_strength.proofs_check.bridge.extra import quiet, require

        quiet()
        require()
        # Only now: everything there imports torch.
        from steering_strength.proofs_check.bridge.advisor.run import run

        return run(options, clock)
    except SteeringError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _checked(options: Namespace) -> None:
    """Refuse what is wrong before half a minute is spent on loading a model."""
    if not options.rank_layers:
        Demand.of(2, [0], plateau=0.01, **demands_of(options))
    if options.samples and not options.out:
        raise OutputError("--samples needs --out", remedy="give a folder with --out")
    if options.vector and not Path(options.vector).is_file():
        raise VectorError(f"no file {options.vector}", remedy="check the path given with --vector")
    if options.export:
        require_ending(Path(options.export))
        output_folder(str(Path(options.export).parent))
    if options.out:
        output_folder(options.out)


def demands_of(options: Namespace) -> dict[str, Any]:
    """The keywords of `Demand.of` that the options ask for.

    Raises
    ------
    BudgetError
        They ask for nothing.
    """
    asked = {
        "cross_entropy": options.budget,
        "reverse_kl": options.reverse_budget,
        "level": options.level,
        "before_peak": options.before_peak,
    }
    if all(value in (None, "no") for value in asked.values()):
        raise BudgetError(
            "nothing is demanded of alpha",
            remedy="give --budget or --reverse-budget (nats), --level (0 to 1), or --before-peak",
        )
    return {**asked, "sign": options.sign}


def _from_file(options: Namespace) -> int:
    """The final norm, from log-probabilities alone."""
    for name in ("vector", "site", "rank_layers", "samples", "export"):
        if getattr(options, name):
            raise CurveError(
                f"--{name.replace('_', '-')} needs a model, --data holds numbers only",
                remedy="leave one of them out",
            )
    asked = demands_of(options)
    if options.out:
        output_folder(options.out)
    given = read_input(Path(options.data))
    families = given.families[: options.contexts]
    weights = given.weights
    if weights is not None and options.contexts:
        weights = weights[: options.contexts] / weights[: options.contexts].sum()
    odds = families[0].log_odds
    target = target_tokens(options.tokens, options.words, options.largest, odds, given.token_text)
    clock = Clock()
    demand = Demand.of(odds.size, target, plateau=0.01, **asked)
    share = as_level(options.quantile, "quantile") if options.quantile != 1.0 else 1.0
    advice = advise_families(
        families, as_weights(weights, len(families)), demand, share, given.name
    )
    for note in given.notes:
        say(f"note: {note}")
    say(report(advice, given.name, given.norm, given.residual_norm, options.max_activation))
    say(f"\n0 forward passes, {clock.seconds:.1f} s")
    if options.out:
        from steering_strength.figures.advice import curves, population_curves

        first = families[0]
        drawn = {
            "context_0": curves(
                advice.contexts[0],  # type: ignore[arg-type]
                first.log_probability,
                peaks=first.peaks(),
                name=given.name,
            )
        }
        if len(families) > 1:
            drawn["population"] = population_curves(advice, families)  # type: ignore[arg-type]
        paths = write_advice(advice, Path(options.out), drawn, {"data": str(options.data)})
        say("written: " + ", ".join(str(path) for path in paths))
    return 0 if usable(advice) else 1


def report(
    advice: PopulationAdvice,
    name: Namer,
    norm: float,
    residual_norm: float,
    max_activation: float | None,
) -> str:
    """The text for the terminal: one context in full, several as a table."""
    known = {
        "norm": norm,
        "residual_norm": residual_norm,
        "max_activation": math.nan if max_activation is None else max_activation,
    }
    if len(advice.contexts) == 1:
        return advice_text(advice.contexts[0], name, **known)
    return advice_text(advice, name, **known)


def usable(advice: PopulationAdvice) -> bool:
    """Whether some alpha meets all demands for the asked share of the contexts."""
    return advice.window.usable


def advised_alpha(advice: PopulationAdvice) -> float:
    """The strength to use: the window's far end, its low one where nothing limits alpha.

    Without a window, the alpha that serves most contexts; nan if there is none.
    """
    if not advice.window.usable:
        return advice.best if advice.share > 0.0 else math.nan
    high = advice.window.high.alpha
    return high if math.isfinite(high) else advice.window.low.alpha


def write_advice(
    advice: PopulationAdvice,
    folder: Path,
    drawn: Mapping[str, AdviceCurves],
    about: Mapping[str, Any],
) -> tuple[Path, ...]:
    """Write advice.json, and for each record in `drawn` a picture and its arrays."""
    from steering_strength.figures.advice import picture
    from steering_strength.figures.store import arrays, save_picture

    text = json.dumps({**about, "advice": as_json(advice)}, indent=1, allow_nan=False) + "\n"
    paths = [write_whole(folder / "advice.json", lambda to: to.write_text(text))]
    for name, record in drawn.items():
        canvas, content = picture(record, name.replace("_", " ")), arrays(record)
        target = folder / f"advice_{name}.png"
        paths.append(write_whole(target, partial(save_picture, canvas)))
        paths.append(write_whole(target.with_suffix(".npz"), partial(_save, content)))
    return tuple(paths)


def _save(content: Mapping[str, Any], target: Path) -> None:
    np.savez_compressed(target, **content)


def as_json(value: Any) -> Any:
    """Records as objects, masks as indices, numbers that JSON lacks as text or null."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: as_json(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, np.ndarray):
        return as_json((np.flatnonzero(value) if value.dtype == np.bool_ else value).tolist())
    if isinstance(value, tuple | list):
        return [as_json(item) for item in value]
    if isinstance(value, bool) or value is None or isinstance(value, str | int):
        return value
    number = float(value)
    if math.isnan(number):
        return None
    return number if math.isfinite(number) else ("inf" if number > 0 else "-inf")
