"""The figures of the theory: data first, then the drawing.

Every figure is two functions. `curves(...)` computes a frozen record of arrays: the law, from
the closed forms of `theory.engine`, and the simulation, from the matrices W and H of an
Unconstrained Features Model by matrix product and softmax, at the same strengths. `draw(record,
axes)` only draws it, lines for the law and rings for the simulation. So whatever a picture
shows can be read from its `.npz`, and whatever it claims can be tested on arrays.

Reading order: `figures.instances` (which dataset, and how it was chosen), then one module per
family: `dataset` (Fig. 2), `peaks` (Fig. 3 and B.1), `concept` (Fig. 4), `cross_entropy`
(Fig. 5), `training` (the loss of a trained model), `overview` (the three laws in one picture);
`gallery` lists them by name. `figures.report` writes the report of `make reproduce`.

    python -m figures fig3 --out out --format pdf
"""

from __future__ import annotations

if __name__ == "figures":  # in a checkout
    from steering_strength import _under_short_name

    _under_short_name("figures")
