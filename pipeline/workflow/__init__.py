"""The workflow: Snakemake runs the steps.

`Snakefile` is its table of contents and `rules/` has a file a chapter; `study` is the command
`tunescope study`, which runs it with quiet output.
"""
