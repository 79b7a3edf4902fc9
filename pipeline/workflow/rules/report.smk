rule figure:
    input:
        layouts=expand(
            rules.embed.output.artefact,
            stage=STAGES,
            method=STUDY.methods,
            allow_missing=True,
        ),
        quality=expand(rules.quality.output.artefact, stage=STAGES, allow_missing=True),
        predictions=PREDICTIONS,
        code=sources("figure"),
    output:
        **artefact("<results>/{backbone}/figure.png"),
        preview=report(
            "<results>/{backbone}/preview.png",
            caption="../captions/figure.rst",
            category="Before and after",
            labels={"backbone": "{backbone}"},
        ),
        classes=[
            report(
                "<results>/{backbone}/classes.png",
                caption="../captions/classes.rst",
                category="Before and after",
                labels={"backbone": "{backbone}, class by class"},
            )
        ][: int(LABELLED)],
        panels=expand(
            "<results>/{backbone}/panels/{stage}_{method}.png",
            stage=STAGES,
            method=STUDY.methods,
            allow_missing=True,
        ),
    log:
        "<logs>/{backbone}/figure.log",
    benchmark:
        "<benchmarks>/{backbone}/figure.tsv"
    threads: workflow.cores
    resources:
        mem_mb=4000,
        runtime=RESOURCES.runtime("figure"),
    params:
        options=flags(**dict(STUDY.figure)),
        inputs=lambda wildcards, input: flags(
            layout=input.layouts, quality=input.quality, predictions=input.predictions
        ),
        classes=lambda wildcards, output: flags(classes=output.classes),
        panels=lambda wildcards, output: os.path.dirname(output.panels[0]),
    shell:
        verb(
            "figure",
            "{params.inputs} {params.classes}"
            " --preview {output.preview:q} --panels {params.panels:q}",
        )


rule summary:
    input:
        quality=expand(rules.quality.output.artefact, backbone=STUDY.names, stage=STAGES),
        change=expand(rules.change.output.measures, backbone=STUDY.names),
        controls=MEASURED_CONTROLS,
        depth=DEPTH,
        code=sources("summary"),
    output:
        artefact=report(
            "<results>/summary.csv", caption="../captions/summary.rst", category="Measures"
        ),
        sidecar="<results>/summary.csv.json",
        measures="<results>/measures.csv",
        measures_sidecar="<results>/measures.csv.json",
    log:
        "<logs>/summary.log",
    benchmark:
        "<benchmarks>/summary.tsv"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        options=lambda wildcards, input: flags(
            quality=input.quality,
            change=input.change,
            depth=input.depth,
            control=input.controls,
        ),
    shell:
        verb("summary", "--measures {output.measures:q}")


rule runtimes:
    input:
        artefacts=[
            *BEGINNING,
            *expand(
                [rules.graph.output.artefact, rules.quality.output.artefact],
                backbone=STUDY.names,
                stage=STAGES,
            ),
            *expand(
                rules.embed.output.artefact,
                backbone=STUDY.names,
                stage=STAGES,
                method=STUDY.methods,
            ),
            *expand(
                [rules.change.output.artefact, rules.figure.output.artefact],
                backbone=STUDY.names,
            ),
            *DEPTH,
            rules.summary.output.artefact,
            *CONTROLS,
            *expand(
                rules.embed_by_seed.output.artefact,
                backbone=STUDY.controlled,
                stage=STAGES,
                method=STOCHASTIC,
                seed=LAYOUT_SEEDS,
            ),
        ],
        code=sources("runtimes"),
    output:
        artefact=report(
            "<results>/runtimes.csv", caption="../captions/runtimes.rst", category="Run times"
        ),
        sidecar="<results>/runtimes.csv.json",
    log:
        "<logs>/runtimes.log",
    benchmark:
        "<benchmarks>/runtimes.tsv"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        options=lambda wildcards, input: flags(artefact=input.artefacts),
    shell:
        verb("runtimes")


rule explorer:
    input:
        layouts=expand(
            rules.embed.output.artefact,
            stage=STAGES,
            method=STUDY.methods,
            allow_missing=True,
        ),
        quality=expand(rules.quality.output.artefact, stage=STAGES, allow_missing=True),
        graphs=expand(rules.graph.output.artefact, stage=STAGES, allow_missing=True),
        change=rules.change.output.artefact,
        images=IMAGES,
        code=sources("explorer"),
    output:
        **artefact("<results>/explorer/{backbone}.html"),
    log:
        "<logs>/{backbone}/explorer.log",
    benchmark:
        "<benchmarks>/{backbone}/explorer.tsv"
    threads: 1
    resources:
        mem_mb=4000,
    params:
        options=lambda wildcards: flags(
            backbone=wildcards.backbone, no_thumbnails=not STUDY.report.thumbnails
        ),
        results=lambda wildcards, input: os.path.dirname(os.path.dirname(input.change)),
    shell:
        verb("explorer", "{params.results:q}")


EXPLORERS = expand(rules.explorer.output.artefact, backbone=STUDY.names)


rule report:
    input:
        explorers=EXPLORERS,
        figures=expand(rules.figure.output.artefact, backbone=STUDY.names),
        changes=expand(rules.change.output.artefact, backbone=STUDY.names),
        quality=expand(rules.quality.output.artefact, backbone=STUDY.names, stage=STAGES),
        controls=MEASURED_CONTROLS,
        depth=DEPTH,
        images=IMAGES,
        runtimes=rules.runtimes.output.artefact,
        code=sources("report"),
    output:
        artefact=report(
            "<results>/report.html", caption="../captions/report.rst", category="Answer"
        ),
        sidecar="<results>/report.html.json",
        tables=directory("<results>/report_tables"),
        methods=report(
            "<results>/methods.txt", caption="../captions/methods.rst", category="Answer"
        ),
    log:
        "<logs>/report.log",
    benchmark:
        "<benchmarks>/report.tsv"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        options=flags(
            no_thumbnails=not STUDY.report.thumbnails,
            backbone=STUDY.names,
            control=[os.path.basename(run) for run in RUNS if RUNS[run].control],
            claim=[claim.model_dump() for claim in STUDY.claims],
        ),
        results=lambda wildcards, output: os.path.dirname(output.artefact),
    shell:
        verb(
            "report",
            "{params.results:q} --tables {output.tables:q} --methods {output.methods:q}",
        )
