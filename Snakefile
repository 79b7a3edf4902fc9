"""From images to the before/after figure: `snakemake --cores all --resources gpu=1`."""

import sys
from dataclasses import asdict

from snakemake.exceptions import WorkflowError

sys.path.insert(0, workflow.basedir)

from pipeline.config import STAGES, parse_config
from pipeline.runtime.device import resolve_device
from pipeline.methods.registry import METHODS, engine_name
from pipeline.errors import InputError
from pipeline.runtime.versions import code_digest
from pipeline.workflow.flags import flags, repeated, set_up_jobs, share_of_cores, split_options, tracked

if not workflow.config_settings.configfiles:

    configfile: "config/config.yaml"


try:
    STUDY = parse_config(config)
    DEVICE = resolve_device(STUDY.device)
except InputError as error:
    raise WorkflowError(str(error))

set_up_jobs(DEVICE)
GPU = 1 if DEVICE == "gpu" else 0
# Of a job that may take a GPU: with --resources gpu=N, N of them run side by side.
GPU_JOB_CORES = share_of_cores(
    workflow.cores, workflow.global_resources.get("gpu") if GPU else None
)
RESULTS = f"results/{STUDY.study}"
LOGS = f"logs/{STUDY.study}"
BENCHMARKS = f"benchmarks/{STUDY.study}"


def engine_of(method):
    """Who computes a method in this study."""
    name = engine_name(method, STUDY.methods[method].get("engine", "auto"), DEVICE)
    return METHODS[method].engines[name]


def embed_threads(method):
    """All cores, or one where more would idle: then several layouts are computed at a time."""
    return 1 if engine_of(method).single_threaded else GPU_JOB_CORES


envvars:
    "TUNESCOPE_DEVICE",


report: "pipeline/workflow/captions/study.rst"


wildcard_constraints:
    backbone="|".join(STUDY.backbones),
    stage="|".join(STAGES),
    method="|".join(STUDY.methods),


rule all:
    default_target: True
    input:
        expand(f"{RESULTS}/{{backbone}}/figure.png", backbone=STUDY.backbones),
        f"{RESULTS}/summary.csv",
        f"{RESULTS}/runtimes.csv",


rule dataset:
    input:
        tracked(STUDY.dataset.source),
    output:
        data=f"{RESULTS}/dataset.npz",
        sidecar=f"{RESULTS}/dataset.npz.json",
    log:
        f"{LOGS}/dataset.log",
    benchmark:
        f"{BENCHMARKS}/dataset.tsv"
    conda:
        "environment.yml"
    threads: workflow.cores
    resources:
        mem_mb=8000,
    params:
        code=code_digest("pipeline.images.dataset"),
        options=flags(
            source=STUDY.dataset.source,
            image_size=STUDY.dataset.image_size,
            subset=STUDY.dataset.subset,
            seed=STUDY.seed,
        ),
    shell:
        "python -m pipeline --threads {threads} dataset {params.options} --out {output.data} 2>&1 | tee -i {log}"


rule backbone:
    input:
        lambda wildcards: tracked(STUDY.backbones[wildcards.backbone].weights),
        dataset=rules.dataset.output.data,
    output:
        model=f"{RESULTS}/{{backbone}}/before/model.keras",
        sidecar=f"{RESULTS}/{{backbone}}/before/model.keras.json",
    log:
        f"{LOGS}/{{backbone}}/backbone.log",
    benchmark:
        f"{BENCHMARKS}/{{backbone}}/backbone.tsv"
    conda:
        "environment.yml"
    threads: 1
    resources:
        mem_mb=4000,
    params:
        code=code_digest("pipeline.networks.backbone"),
        options=lambda wildcards: flags(
            name=wildcards.backbone,
            weights=STUDY.backbones[wildcards.backbone].weights,
            alpha=STUDY.backbones[wildcards.backbone].alpha,
            image_size=STUDY.backbones[wildcards.backbone].image_size or STUDY.image_size,
            seed=STUDY.seed,
        ),
    shell:
        "python -m pipeline --threads {threads} backbone {params.options} --dataset {input.dataset}"
        " --out {output.model} 2>&1 | tee -i {log}"


rule finetune:
    input:
        model=rules.backbone.output.model,
        dataset=rules.dataset.output.data,
    output:
        model=f"{RESULTS}/{{backbone}}/after/model.keras",
        sidecar=f"{RESULTS}/{{backbone}}/after/model.keras.json",
        history=report(
            f"{RESULTS}/{{backbone}}/after/history.csv",
            caption="pipeline/workflow/captions/history.rst",
            category="Fine-tuning",
            labels={"backbone": "{backbone}"},
        ),
    log:
        f"{LOGS}/{{backbone}}/finetune.log",
    benchmark:
        f"{BENCHMARKS}/{{backbone}}/finetune.tsv"
    conda:
        "environment.yml"
    threads: GPU_JOB_CORES
    resources:
        gpu=GPU,
        mem_mb=12000,
    params:
        code=code_digest("pipeline.networks.finetune"),
        options=flags(params=STUDY.finetune, seed=STUDY.seed),
    shell:
        "python -m pipeline --threads {threads} finetune {params.options} --model {input.model}"
        " --dataset {input.dataset} --out {output.model} --history {output.history} 2>&1 | tee -i {log}"


rule features:
    input:
        model=f"{RESULTS}/{{backbone}}/{{stage}}/model.keras",
        dataset=rules.dataset.output.data,
    output:
        features=f"{RESULTS}/{{backbone}}/{{stage}}/features.npy",
        sidecar=f"{RESULTS}/{{backbone}}/{{stage}}/features.npy.json",
    log:
        f"{LOGS}/{{backbone}}/{{stage}}/features.log",
    benchmark:
        f"{BENCHMARKS}/{{backbone}}/{{stage}}/features.tsv"
    conda:
        "environment.yml"
    threads: GPU_JOB_CORES
    resources:
        gpu=GPU,
        mem_mb=8000,
    params:
        code=code_digest("pipeline.networks.features"),
        options=flags(**asdict(STUDY.features)),
    shell:
        "python -m pipeline --threads {threads} features {params.options} --model {input.model}"
        " --dataset {input.dataset} --out {output.features} 2>&1 | tee -i {log}"


rule graph:
    input:
        features=rules.features.output.features,
    output:
        graph=f"{RESULTS}/{{backbone}}/{{stage}}/graph.npz",
        sidecar=f"{RESULTS}/{{backbone}}/{{stage}}/graph.npz.json",
    log:
        f"{LOGS}/{{backbone}}/{{stage}}/graph.log",
    benchmark:
        f"{BENCHMARKS}/{{backbone}}/{{stage}}/graph.tsv"
    conda:
        "environment.yml"
    threads: GPU_JOB_CORES
    resources:
        gpu=GPU,
        mem_mb=4000,
    params:
        code=code_digest("pipeline.neighbors.graph"),
        options=flags(n_neighbors=STUDY.graph.n_neighbors),
    shell:
        "python -m pipeline --threads {threads} graph {params.options} --features {input.features}"
        " --out {output.graph} 2>&1 | tee -i {log}"


rule embed:
    input:
        features=rules.features.output.features,
        graph=rules.graph.output.graph,
        dataset=rules.dataset.output.data,
    output:
        layout=f"{RESULTS}/{{backbone}}/{{stage}}/{{method}}.parquet",
        sidecar=f"{RESULTS}/{{backbone}}/{{stage}}/{{method}}.parquet.json",
    log:
        f"{LOGS}/{{backbone}}/{{stage}}/{{method}}.log",
    benchmark:
        f"{BENCHMARKS}/{{backbone}}/{{stage}}/{{method}}.tsv"
    conda:
        "environment.yml"
    threads: lambda wildcards: embed_threads(wildcards.method)
    resources:
        gpu=GPU,
        mem_mb=16000,
    params:
        code=lambda wildcards: code_digest("pipeline.methods.embed", engine_of(wildcards.method).module),
        options=lambda wildcards: flags(
            method=wildcards.method,
            seed=STUDY.seed,
            **split_options(STUDY.methods[wildcards.method]),
        ),
    shell:
        "python -m pipeline --threads {threads} embed {params.options} --features {input.features}"
        " --graph {input.graph} --dataset {input.dataset} --out {output.layout} 2>&1 | tee -i {log}"


rule quality:
    input:
        layout=rules.embed.output.layout,
        features=rules.features.output.features,
        graph=rules.graph.output.graph,
    output:
        measures=f"{RESULTS}/{{backbone}}/{{stage}}/{{method}}.quality.json",
        sidecar=f"{RESULTS}/{{backbone}}/{{stage}}/{{method}}.quality.json.json",
    log:
        f"{LOGS}/{{backbone}}/{{stage}}/{{method}}.quality.log",
    benchmark:
        f"{BENCHMARKS}/{{backbone}}/{{stage}}/{{method}}.quality.tsv"
    conda:
        "environment.yml"
    threads: workflow.cores
    resources:
        mem_mb=4000,
    params:
        code=code_digest("pipeline.measures.quality"),
    shell:
        "python -m pipeline --threads {threads} quality --layout {input.layout} --features {input.features}"
        " --graph {input.graph} --out {output.measures} 2>&1 | tee -i {log}"


rule figure:
    input:
        layouts=expand(
            rules.embed.output.layout,
            stage=STAGES,
            method=STUDY.methods,
            allow_missing=True,
        ),
        measures=expand(
            rules.quality.output.measures,
            stage=STAGES,
            method=STUDY.methods,
            allow_missing=True,
        ),
    output:
        figure=f"{RESULTS}/{{backbone}}/figure.png",
        sidecar=f"{RESULTS}/{{backbone}}/figure.png.json",
        preview=report(
            f"{RESULTS}/{{backbone}}/preview.png",
            caption="pipeline/workflow/captions/figure.rst",
            category="Before and after",
            labels={"backbone": "{backbone}"},
        ),
        panels=expand(
            f"{RESULTS}/{{{{backbone}}}}/panels/{{stage}}_{{method}}.png",
            stage=STAGES,
            method=STUDY.methods,
        ),
    log:
        f"{LOGS}/{{backbone}}/figure.log",
    benchmark:
        f"{BENCHMARKS}/{{backbone}}/figure.tsv"
    conda:
        "environment.yml"
    threads: 1
    resources:
        mem_mb=4000,
    params:
        code=code_digest("pipeline.drawing.figure", "pipeline.drawing.caption"),
        options=flags(width=STUDY.figure.width, panel_size=STUDY.figure.panel_size),
        layouts=lambda wildcards, input: repeated("layout", input.layouts),
        measures=lambda wildcards, input: repeated("quality", input.measures),
        panels=f"{RESULTS}/{{backbone}}/panels",
    shell:
        "python -m pipeline --threads {threads} figure {params.options} {params.layouts} {params.measures}"
        " --out {output.figure} --preview {output.preview} --panels {params.panels} 2>&1 | tee -i {log}"


rule summary:
    input:
        measures=expand(
            rules.quality.output.measures,
            backbone=STUDY.backbones,
            stage=STAGES,
            method=STUDY.methods,
        ),
    output:
        table=report(
            f"{RESULTS}/summary.csv",
            caption="pipeline/workflow/captions/summary.rst",
            category="Measures",
        ),
        sidecar=f"{RESULTS}/summary.csv.json",
    log:
        f"{LOGS}/summary.log",
    benchmark:
        f"{BENCHMARKS}/summary.tsv"
    conda:
        "environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        code=code_digest("pipeline.report.summary"),
        measures=lambda wildcards, input: repeated("quality", input.measures),
    shell:
        "python -m pipeline --threads {threads} summary {params.measures} --out {output.table} 2>&1 | tee -i {log}"


rule runtimes:
    input:
        benchmarks=[
            rules.dataset.benchmark,
            *expand(
                [rules.backbone.benchmark, rules.finetune.benchmark, rules.figure.benchmark],
                backbone=STUDY.backbones,
            ),
            *expand(
                [rules.features.benchmark, rules.graph.benchmark],
                backbone=STUDY.backbones,
                stage=STAGES,
            ),
            *expand(
                [rules.embed.benchmark, rules.quality.benchmark],
                backbone=STUDY.backbones,
                stage=STAGES,
                method=STUDY.methods,
            ),
        ],
        artefacts=expand(
            [
                rules.finetune.output.model,
                rules.features.output.features,
                rules.graph.output.graph,
                rules.embed.output.layout,
            ],
            backbone=STUDY.backbones,
            stage=STAGES,
            method=STUDY.methods,
        ),
    output:
        table=report(
            f"{RESULTS}/runtimes.csv",
            caption="pipeline/workflow/captions/runtimes.rst",
            category="Run times",
        ),
        sidecar=f"{RESULTS}/runtimes.csv.json",
    log:
        f"{LOGS}/runtimes.log",
    benchmark:
        f"{BENCHMARKS}/runtimes.tsv"
    conda:
        "environment.yml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        code=code_digest("pipeline.report.runtimes"),
        benchmarks=lambda wildcards, input: repeated("benchmark", input.benchmarks),
        artefacts=lambda wildcards, input: repeated("artefact", input.artefacts),
    shell:
        "python -m pipeline --threads {threads} runtimes {params.benchmarks} {params.artefacts}"
        " --out {output.table} 2>&1 | tee -i {log}"
