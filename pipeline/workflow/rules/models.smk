OF_TRAINING, PREDICTIONS, DEPTH = [], [], []
BEGINNING = [*IMAGES, *expand(FEATURES, backbone=STUDY.names, stage=STAGES)]
MODELS = {"before": STUDY.compare.before_model, "after": STUDY.compare.after_model}


rule features:
    input:
        images=rules.dataset.output.artefact,
        code=sources("features"),
    output:
        **artefact(FEATURES),
    log:
        "<logs>/{backbone}/{stage}/features.log",
    benchmark:
        "<benchmarks>/{backbone}/{stage}/features.tsv"
    threads: RESOURCES.device_cores
    resources:
        gpu=RESOURCES.gpu,
        mem_mb=8000,
        runtime=RESOURCES.runtime("features"),
    params:
        content=lambda wildcards: content_digest(MODELS[wildcards.stage]),
        options=lambda wildcards: flags(
            **dict(STUDY.features),
            model=MODELS[wildcards.stage],
            stage=wildcards.stage,
            name=wildcards.backbone,
        ),
    shell:
        verb("features", "--images {input.images:q}")
