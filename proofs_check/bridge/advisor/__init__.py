"""Which alpha on a real model, from a vector file or texts to a window of strengths.

Reading order: `options` and `input` (no torch), `advise` (the command), `run` (its steps), `model`
(what has to be run at which site), `block`, `rows` and `search` (any block), `layers` (which one),
`samples` and `export` (what is written).
"""
