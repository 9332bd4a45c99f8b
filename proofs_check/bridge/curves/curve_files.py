"""Curves measured by others: the authors' npz files, and a plain CSV. No torch, no pickle.

| file | arrays used | what they are |
| --- | --- | --- |
| `layer_<i>_ctx_<j>.npz` | alphas, probs_alphamax, token_alphamax | next-token probabilities |
| `layer_<i>_cross_entropy.npz` | alphas, cross_entropy | nats per token |
| `layer_<i>_behavior.npz` | alphas, mean_all | share of generations that show the concept |
| CSV | columns alpha, effect, cross_entropy | any of the two |

The authors' files also hold arrays of Python objects (token strings); those are never loaded.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from steering_strength.proofs_check.bridge.errors import CurveError

__all__ = ["Curves", "read_curves"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Curves:
    """What one file says about one sweep; absent parts are None.

    Parameters
    ----------
    name : str
        The file's name.
    alphas : numpy.ndarray
        Shape (A,), strictly increasing.
    probabilities : numpy.ndarray or None
        Shape (A, k), next-token probabilities, in the file's order of tokens.
    token_ids : numpy.ndarray or None
        Shape (k,).
    effect : numpy.ndarray or None
        Shape (A,), probability of the concept.
    cross_entropy : numpy.ndarray or None
        Shape (A,), nats per token.

    Raises
    ------
    CurveError
        A shape does not fit, a value is not finite, or a probability is outside [0, 1].
    """

    name: str
    alphas: Floats
    probabilities: Floats | None = None
    token_ids: NDArray[np.int64] | None = None
    effect: Floats | None = None
    cross_entropy: Floats | None = None

    def __post_init__(self) -> None:
        count = self.alphas.size
        if self.alphas.ndim != 1 or count < 5:
            raise CurveError(
                f"{self.name}: {count} values of alpha", remedy="a sweep needs at least 5"
            )
        for field in ("alphas", "probabilities", "effect", "cross_entropy"):
            values = getattr(self, field)
            if values is None:
                continue
            if values.shape[0] != count:
                raise CurveError(
                    f"{self.name}: {field} has {values.shape[0]} rows for {count} alphas",
                    remedy="the file mixes two sweeps: export it again",
                )
            if not np.isfinite(values).all():
                raise CurveError(
                    f"{self.name}: {field} holds {int((~np.isfinite(values)).sum())} values that"
                    " are not finite",
                    remedy="remove those alphas",
                )
            if field in ("probabilities", "effect") and not (
                values.min() >= -1e-9 and values.max() <= 1 + 1e-6
            ):
                raise CurveError(
                    f"{self.name}: {field} runs from {values.min():.3g} to {values.max():.3g}",
                    remedy="give probabilities between 0 and 1 (not per cent, not differences)",
                )
        order = np.argsort(self.alphas, kind="stable")
        if not (np.diff(self.alphas[order]) > 0).all():
            raise CurveError(
                f"{self.name}: an alpha occurs twice", remedy="keep one value for each alpha"
            )
        for field in ("alphas", "probabilities", "effect", "cross_entropy"):
            values = getattr(self, field)
            if values is not None:
                object.__setattr__(self, field, values[order])


def read_curves(path: Path) -> Curves:
    """Read a file by its ending.

    Raises
    ------
    CurveError
        It does not exist, is neither a CSV nor a readable npz, or holds no known arrays.
    """
    if not path.is_file():
        raise CurveError(f"no file {path}", remedy="check the path")
    if path.suffix == ".npz":
        return _from_npz(path)
    if path.suffix == ".csv":
        return _from_csv(path)
    raise CurveError(
        f"{path.name} is neither .npz nor .csv", remedy="export the curves as one of the two"
    )


def _from_npz(path: Path) -> Curves:
    wanted = ("alphas", "probs_alphamax", "token_alphamax", "cross_entropy", "mean_all")
    try:
        # Opened here, because np.load leaves the file of a damaged archive open.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            held = set(arrays.files)
            found: dict[str, Any] = {name: arrays[name] for name in wanted if name in held}
    except (OSError, ValueError, KeyError, AttributeError, EOFError, BadZipFile) as error:
        raise CurveError(
            f"cannot read {path.name}: {error}", remedy="give an npz file of plain arrays"
        ) from error
    known = {"probs_alphamax", "cross_entropy", "mean_all"} & set(found)
    if "alphas" not in found or not known:
        raise CurveError(
            f"{path.name} holds {', '.join(sorted(held)) or 'nothing'}",
            remedy="alphas and one of probs_alphamax, cross_entropy, mean_all are needed",
        )
    return Curves(
        name=path.name,
        alphas=np.asarray(found["alphas"], dtype=np.float64),
        probabilities=_floats(found.get("probs_alphamax")),
        token_ids=found.get("token_alphamax"),
        effect=_floats(found.get("mean_all")),
        cross_entropy=_floats(found.get("cross_entropy")),
    )


def _from_csv(path: Path) -> Curves:
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            table = [row for row in csv.reader(handle) if row and any(c.strip() for c in row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CurveError(f"cannot read {path.name}: {error}", remedy="give a UTF-8 CSV") from error
    if len(table) < 2:
        raise CurveError(f"{path.name} has {len(table)} lines", remedy="a header and rows")
    header = [cell.strip().lower().replace(" ", "_").replace("-", "_") for cell in table[0]]
    if "alpha" not in header or not {"effect", "cross_entropy"} & set(header):
        raise CurveError(
            f"the columns of {path.name} are {', '.join(header)}",
            remedy="name them alpha, effect and/or cross_entropy in the first line",
        )
    columns: dict[str, Floats] = {}
    for name in ("alpha", "effect", "cross_entropy"):
        if name in header:
            place = header.index(name)
            columns[name] = np.array(
                [_number(row, place, path, line) for line, row in enumerate(table[1:], start=2)]
            )
    return Curves(
        name=path.name,
        alphas=columns["alpha"],
        effect=columns.get("effect"),
        cross_entropy=columns.get("cross_entropy"),
    )


def _number(row: list[str], place: int, path: Path, line: int) -> float:
    cell = row[place] if place < len(row) else ""
    try:
        return float(cell)
    except ValueError:
        raise CurveError(
            f"{path.name}, line {line}: {cell!r} is not a number",
            remedy="leave out rows without a measurement",
        ) from None


def _floats(values: Any) -> Floats | None:
    return None if values is None else np.asarray(values, dtype=np.float64)
