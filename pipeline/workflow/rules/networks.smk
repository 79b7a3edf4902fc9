rule backbone:
    input:
        images=rules.dataset.output.artefact,
        code=sources("backbone"),
    output:
        **artefact("<results>/{backbone}/before/model.keras"),
    log:
        "<logs>/{backbone}/backbone.log",
    benchmark:
        "<benchmarks>/{backbone}/backbone.tsv"
    threads: 1
    resources:
        mem_mb=4000,
    params:
        content=lambda wildcards: content_digest(RUNS[wildcards.backbone].options.weights),
        options=lambda wildcards: flags(
            name=RUNS[wildcards.backbone].backbone,
            weights=RUNS[wildcards.backbone].options.weights,
            alpha=RUNS[wildcards.backbone].options.alpha,
            image_size=RUNS[wildcards.backbone].options.image_size or STUDY.image_size,
            seed=STUDY.seed,
        ),
    shell:
        verb("backbone", "--images {input.images:q}")


rule finetune:
    input:
        model=before(RUNS, rules.backbone.output.artefact),
        images=rules.dataset.output.artefact,
        table=rules.dataset.output.table,
        code=sources("finetune"),
    output:
        **artefact("<results>/{backbone}/after/model.keras"),
        history=report(
            "<results>/{backbone}/after/history.csv",
            caption="../captions/history.rst",
            category="Fine-tuning",
            labels={"backbone": "{backbone}"},
        ),
    log:
        "<logs>/{backbone}/finetune.log",
    benchmark:
        "<benchmarks>/{backbone}/finetune.tsv"
    threads: RESOURCES.device_cores
    resources:
        gpu=RESOURCES.gpu,
        mem_mb=12000,
        runtime=RESOURCES.runtime("finetune"),
    params:
        options=lambda wildcards: flags(params=STUDY.finetune, seed=RUNS[wildcards.backbone].seed),
    shell:
        verb(
            "finetune",
            "--model {input.model:q} --images {input.images:q} --table {input.table:q}"
            " --history {output.history:q}",
        )


rule features:
    input:
        model="<results>/{backbone}/{stage}/model.keras",
        images=rules.dataset.output.artefact,
        code=sources("features"),
    output:
        **artefact(FEATURES),
    log:
        "<logs>/{backbone}/{stage}/features.log",
    benchmark:
        "<benchmarks>/{backbone}/{stage}/features.tsv"
    wildcard_constraints:
        stage="before",
    threads: RESOURCES.device_cores
    resources:
        gpu=RESOURCES.gpu,
        mem_mb=8000,
        runtime=RESOURCES.runtime("features"),
    params:
        options=lambda wildcards: flags(**dict(STUDY.features)),
        head="",
    shell:
        verb("features", "--model {input.model:q} --images {input.images:q} {params.head}")


use rule features as features_and_predictions with:
    input:
        model="<results>/{backbone}/{stage}/model.keras",
        images=rules.dataset.output.artefact,
        table=rules.dataset.output.table,
        code=sources("features"),
    output:
        **artefact(FEATURES),
        predictions="<results>/{backbone}/{stage}/predictions.parquet",
        predictions_sidecar="<results>/{backbone}/{stage}/predictions.parquet.json",
    wildcard_constraints:
        stage="after",
    params:
        options=lambda wildcards: flags(**dict(STUDY.features)),
        head=lambda wildcards, input, output: flags(
            table=input.table, predictions=output.predictions
        ),


OF_TRAINING = ["after/history.csv"]
PREDICTIONS = [rules.features_and_predictions.output.predictions.replace("{stage}", "after")]
# What begins a study, of which the run times are tabulated.
BEGINNING = [
    *IMAGES,
    *expand([rules.backbone.output.artefact, rules.finetune.output.artefact], backbone=STUDY.names),
    *expand(FEATURES, backbone=STUDY.names, stage=STAGES),
]
