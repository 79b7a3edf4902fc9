rule figure:
    input:
        layouts=expand(
            rules.embed.output.artefact,
            stage=STAGES,
            method=STUDY.methods,
            allow_missing=True,
        ),
        quality=expand(rules.quality.output.artefact, stage=STAGES, allow_missing=True),
        predictions=rules.features_and_predictions.output.predictions.replace("{stage}", "after"),
        code=sources("figure"),
    output:
        **artefact("<results>/{backbone}/figure.png"),
        preview=report(
            "<results>/{backbone}/preview.png",
            caption="../captions/figure.rst",
            category="Before and after",
            labels={"backbone": "{backbone}"},
        ),
        classes=report(
            "<results>/{backbone}/classes.png",
            caption="../captions/classes.rst",
            category="Before and after",
            labels={"backbone": "{backbone}, class by class"},
        ),
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
    params:
        options=flags(**dict(STUDY.figure)),
        layouts=lambda wildcards, input: repeated("layout", input.layouts),
        quality=lambda wildcards, input: repeated("quality", input.quality),
        panels=lambda wildcards, output: os.path.dirname(output.panels[0]),
    shell:
        verb(
            "figure",
            "{params.layouts} {params.quality} --predictions {input.predictions:q}"
            " --preview {output.preview:q} --classes {output.classes:q} --panels {params.panels:q}",
        )


rule summary:
    input:
        quality=expand(rules.quality.output.artefact, backbone=STUDY.backbones, stage=STAGES),
        change=expand(rules.change.output.measures, backbone=STUDY.backbones),
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
        options=lambda wildcards, input: repeated("quality", input.quality),
        change=lambda wildcards, input: repeated("change", input.change),
        depth=lambda wildcards, input: repeated("depth", input.depth),
    shell:
        verb("summary", "{params.change} {params.depth} --measures {output.measures:q}")


rule runtimes:
    input:
        artefacts=[
            rules.dataset.output.artefact,
            *expand(
                [rules.backbone.output.artefact, rules.finetune.output.artefact],
                backbone=STUDY.backbones,
            ),
            *expand(
                [
                    FEATURES,
                    rules.graph.output.artefact,
                    rules.quality.output.artefact,
                ],
                backbone=STUDY.backbones,
                stage=STAGES,
            ),
            *expand(
                rules.embed.output.artefact,
                backbone=STUDY.backbones,
                stage=STAGES,
                method=STUDY.methods,
            ),
            *expand(
                [rules.change.output.artefact, rules.figure.output.artefact],
                backbone=STUDY.backbones,
            ),
            *DEPTH,
            rules.summary.output.artefact,
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
        options=lambda wildcards, input: repeated("artefact", input.artefacts),
    shell:
        verb("runtimes")


rule report:
    input:
        figures=expand(rules.figure.output.artefact, backbone=STUDY.backbones),
        changes=expand(rules.change.output.artefact, backbone=STUDY.backbones),
        quality=expand(rules.quality.output.artefact, backbone=STUDY.backbones, stage=STAGES),
        depth=DEPTH,
        images=rules.dataset.output.artefact,
        runtimes=rules.runtimes.output.artefact,
        code=sources("report"),
    output:
        artefact=report(
            "<results>/report.html", caption="../captions/report.rst", category="Answer"
        ),
        sidecar="<results>/report.html.json",
    log:
        "<logs>/report.log",
    benchmark:
        "<benchmarks>/report.tsv"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        options=flags(no_thumbnails=not STUDY.report.thumbnails),
        results=lambda wildcards, output: os.path.dirname(output.artefact),
    shell:
        verb("report", "{params.results:q}")
