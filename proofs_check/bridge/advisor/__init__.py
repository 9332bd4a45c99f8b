"""Which alpha on a real model, from a vector file or texts to a window of strengths.

Reading order: `advise_options` and `advise_input` (no torch), `advise` (the command), `advise_run`,
`advise_model` (what has to be run at which site), `advise_block` and `advise_search` (any block).
"""
