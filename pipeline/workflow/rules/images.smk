rule dataset:
    input:
        code=sources("dataset"),
    output:
        **artefact("<results>/images.npy"),
        table=TABLE,
        table_sidecar=f"{TABLE}.json",
    log:
        "<logs>/dataset.log",
    benchmark:
        "<benchmarks>/dataset.tsv"
    threads: workflow.cores
    resources:
        mem_mb=8000,
    params:
        content=content_digest(STUDY.dataset.source),
        options=lambda wildcards: flags(  # a function: braces in a path are no wildcards
            source=STUDY.dataset.source,
            image_size=STUDY.image_size,
            **subset_options(STUDY.dataset.subset),
            seed=STUDY.seed,
        ),
    shell:
        verb("dataset", "--table {output.table:q}")


IMAGES = [rules.dataset.output.artefact]
