rule graph:
    input:
        features=rules.features.output.artefact,
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
    params:
        options=flags(n_neighbors=STUDY.graph.n_neighbors),
    shell:
        verb("graph", "--features {input.features:q}")


rule embed:
    input:
        features=rules.features.output.artefact,
        graph=rules.graph.output.artefact,
        dataset=rules.dataset.output.artefact,
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
    params:
        options=lambda wildcards: flags(
            method=wildcards.method,
            seed=STUDY.seed,
            **split_options(STUDY.methods[wildcards.method]),
        ),
    shell:
        verb(
            "embed",
            "--features {input.features:q} --graph {input.graph:q} --dataset {input.dataset:q}",
        )


rule quality:
    input:
        layouts=expand(rules.embed.output.artefact, method=STUDY.methods, allow_missing=True),
        features=rules.features.output.artefact,
        graph=rules.graph.output.artefact,
        code=sources("quality"),
    output:
        **artefact("<results>/{backbone}/{stage}/quality.json"),
    log:
        "<logs>/{backbone}/{stage}/quality.log",
    benchmark:
        "<benchmarks>/{backbone}/{stage}/quality.tsv"
    threads: 1
    resources:
        gpu=RESOURCES.gpu,
        mem_mb=4000,
    params:
        options=lambda wildcards, input: repeated("layout", input.layouts),
    shell:
        verb("quality", "--features {input.features:q} --graph {input.graph:q}")
