"""The command line: one verb a step. Each verb reads files, calls one function, writes files.

A file a chapter of the workflow. The verbs register themselves with `pipeline.cli.program.app`, in
the order of the imports below, in which the help lists them.
"""

from pipeline.cli import (  # noqa: F401, I001
    studies,
    images,
    networks,
    layouts,
    measures,
    figures,
    reports,
)
from pipeline.cli.program import app, main

__all__ = ["app", "main"]
