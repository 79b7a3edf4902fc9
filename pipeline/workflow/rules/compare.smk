IMAGES = ["<results>/images.npy"] if STUDY.compare.images else []
OF_TRAINING, PREDICTIONS, DEPTH, BEGINNING = [], [], [], [TABLE]


rule pair:
    input:
        code=sources("pair"),
    output:
        **artefact(TABLE),
        before=expand(FEATURES, backbone=STUDY.names, stage="before"),
        after=expand(FEATURES, backbone=STUDY.names, stage="after"),
        sidecars=expand(f"{FEATURES}.json", backbone=STUDY.names, stage=STAGES),
        pictures=IMAGES,
        pictures_sidecar=[f"{path}.json" for path in IMAGES],
    log:
        "<logs>/pair.log",
    benchmark:
        "<benchmarks>/pair.tsv"
    threads: workflow.cores
    resources:
        mem_mb=8000,
    params:
        content=contents(STUDY.compare),
        options=lambda wildcards: flags(  # a function: braces in a path are no wildcards
            **STUDY.compare.model_dump(exclude_none=True), dataset=STUDY.study
        ),
        pictures=lambda wildcards, output: flags(pictures=output.pictures),
    shell:
        verb(
            "pair",
            "--features-before {output.before:q} --features-after {output.after:q}"
            " {params.pictures}",
        )
