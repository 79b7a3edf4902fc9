rule graph:
    input:
        features=FEATURES,
        code=sources("graph"),
    output:
        **artefact("<results>/{backbone}/{stage}/graph.npz"),
    log:
        "<logs>/{backbone}/{stage}/graph.log",
    benchmark:
        "<benchmarks>/{backbone}/{stage}/graph.tsv"
    threads: RESOURCES.graph_threads
    resources:
        gpu=RESOURCES.gpu,
        mem_mb=RESOURCES.graph_memory,
        runtime=RESOURCES.runtime("graph"),
    params:
        options=flags(n_neighbors=STUDY.graph.n_neighbors, metric=STUDY.metric),
    shell:
        verb("graph", "--features {input.features:q}")


rule embed:
    input:
        features=FEATURES,
        graph=rules.graph.output.artefact,
        table=TABLE,
        start=start_before(STUDY),
        code=lambda wildcards: sources(f"{wildcards.method}.{RESOURCES.engine(wildcards.method)}"),
    output:
        **artefact("<results>/{backbone}/{stage}/{method}.parquet"),
    log:
        "<logs>/{backbone}/{stage}/{method}.log",
    benchmark:
        "<benchmarks>/{backbone}/{stage}/{method}.tsv"
    threads: RESOURCES.embed_threads
    resources:
        gpu=RESOURCES.embed_gpu,
        mem_mb=RESOURCES.embed_memory,
        runtime=RESOURCES.runtime("embed"),
    params:
        options=lambda wildcards: flags(
            method=wildcards.method,
            seed=wildcards.get("seed", STUDY.seed),
            subset_seed=STUDY.seed,
            strict=STUDY.strict,
            exact=None if STUDY.exact == "required" else STUDY.exact,
            metric=STUDY.metric,
            **split_options(STUDY.methods[wildcards.method])
            | {"engine": RESOURCES.engine(wildcards.method), "start": None},
        ),
        start=lambda wildcards, input: flags(start=input.start),
        device=RESOURCES.embed_device,
    shell:
        verb(
            "embed",
            "--features {input.features:q} --graph {input.graph:q} --table {input.table:q}"
            " {params.start}",
            device="{params.device}",
        )


use rule embed as embed_by_seed with:  # a control: the same points by another seed
    output:
        **artefact("<results>/{backbone}/{stage}/controls/{method}_seed{seed}.parquet"),
    log:
        "<logs>/{backbone}/{stage}/controls/{method}_seed{seed}.log",
    benchmark:
        "<benchmarks>/{backbone}/{stage}/controls/{method}_seed{seed}.tsv"


rule quality:
    input:
        layouts=lambda wildcards: expand(  # of other networks only the features are measured
            rules.embed.output.artefact,
            method=[] if RUNS[wildcards.backbone].control else STUDY.methods,
            **wildcards,
        ),
        controls=lambda wildcards: expand(
            rules.embed_by_seed.output.artefact,
            method=STOCHASTIC,
            seed=LAYOUT_SEEDS if wildcards.backbone in STUDY.controlled else [],
            **wildcards,
        ),
        features=FEATURES,
        graph=rules.graph.output.artefact,
        table=TABLE,
        code=sources("quality"),
    output:
        **artefact("<results>/{backbone}/{stage}/quality.json"),
    log:
        "<logs>/{backbone}/{stage}/quality.log",
    benchmark:
        "<benchmarks>/{backbone}/{stage}/quality.tsv"
    threads: RESOURCES.measure_threads
    resources:
        gpu=RESOURCES.gpu,
        mem_mb=RESOURCES.quality_memory,
        runtime=RESOURCES.runtime("quality"),
    params:
        options=lambda wildcards, input: flags(
            layout=input.layouts, control=input.controls, metric=STUDY.metric
        ),
    shell:
        verb(
            "quality",
            "--features {input.features:q} --graph {input.graph:q} --table {input.table:q}",
        )


rule change:
    input:
        before=before(RUNS, FEATURES),
        after=FEATURES.replace("{stage}", "after"),
        graph_before=before(RUNS, rules.graph.output.artefact),
        graph_after=rules.graph.output.artefact.replace("{stage}", "after"),
        table=TABLE,
        predictions=PREDICTIONS,
        code=sources("change"),
    output:
        **artefact("<results>/{backbone}/change.parquet"),
        measures="<results>/{backbone}/change.json",
        measures_sidecar="<results>/{backbone}/change.json.json",
    log:
        "<logs>/{backbone}/change.log",
    benchmark:
        "<benchmarks>/{backbone}/change.tsv"
    threads: RESOURCES.measure_threads
    resources:
        gpu=RESOURCES.gpu,
        mem_mb=RESOURCES.change_memory,
        runtime=RESOURCES.runtime("change"),
    params:
        options=flags(metric=STUDY.metric, seed=STUDY.seed),
        predictions=lambda wildcards, input: flags(predictions=input.predictions),
    shell:
        verb(
            "change",
            "--before {input.before:q} --after {input.after:q} --table {input.table:q}"
            " --graph-before {input.graph_before:q} --graph-after {input.graph_after:q}"
            " {params.predictions} --measures {output.measures:q}",
        )
