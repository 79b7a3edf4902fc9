rule depth:
    input:
        before="<results>/{backbone}/before/model.keras",
        after="<results>/{backbone}/after/model.keras",
        images=rules.dataset.output.artefact,
        table=rules.dataset.output.table,
        code=sources("depth"),
    output:
        **artefact("<results>/{backbone}/depth.json"),
    log:
        "<logs>/{backbone}/depth.log",
    benchmark:
        "<benchmarks>/{backbone}/depth.tsv"
    threads: RESOURCES.device_cores
    resources:
        gpu=RESOURCES.gpu,
        mem_mb=RESOURCES.depth_memory,
        runtime=RESOURCES.runtime("depth"),
    params:
        options=flags(batch_size=STUDY.features.batch_size, metric=STUDY.metric, seed=STUDY.seed),
    shell:
        verb(
            "depth",
            "--before {input.before:q} --after {input.after:q}"
            " --images {input.images:q} --table {input.table:q}",
        )


DEPTH = expand(rules.depth.output.artefact, backbone=STUDY.names) if STUDY.depth else []
