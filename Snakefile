"""The workflow lies in the package, where an installation has it too: pipeline/workflow/Snakefile."""

import sys

sys.path.insert(0, workflow.basedir)


include: "pipeline/workflow/Snakefile"


rule study:
    default_target: True
    input:
        rules.all.input,
