"""The statements as theorems of Coq: every headline with its hypotheses, checked by its kernel.

The one idea: a reader audits statements, not proofs. Each headline is a `Theorem` under a comment
``(** [id] source. One sentence. *)``; `library` reads those, `coq` has them accepted or not, with
the axioms each of them rests on. The proofs need Coq 8.16 or newer and Coquelicot, which
``python -m proofs_check.formal`` asks for by name and never installs.

Reading order of the theorems: `tokens.v` (finite sums), `analysis.v` (real functions of one
variable), `tilting.v`, and then one file per stem with the names of `theory.laws`. `agreement`
prints the key formula of every law from its SymPy objects (`printed`), and has Coq prove it from
the library's theorem (`agreement.v`, `agreement_beyond.v`). `steps` states every step of the
derivations in Coq (`propositions`) and proves many as they stand (`proofs`), in the words of
`steps.v`. What both printers have in common is in `terms`.
"""
