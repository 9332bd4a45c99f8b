"""The law report and the validation: from measurements to verdicts, tables, pages and pictures.

Reading order: `law_row` (one statement at one site), `survey` (everything measured at a block),
`law_rows` (the verdicts), `laws` (the report); `validation` and `judge` for the final norm.
"""
