"""The model: found, loaded, run, and steered by hooks.

Reading order: `anatomy` (blocks, final norm and unembedding by structure), `models` and `encoding`
(from names and texts to tensors), `hooks` (the intervention), `observe` (what is read), `upper` and
`last_position` (the same at a fraction of the cost), `norms`, `tiny_gpt` (a model trained here).
"""
