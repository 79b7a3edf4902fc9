rule backbone:
    input:
        dataset=rules.dataset.output.artefact,
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
        content=lambda wildcards: content_digest(STUDY.backbones[wildcards.backbone].weights),
        options=lambda wildcards: flags(
            name=wildcards.backbone,
            weights=STUDY.backbones[wildcards.backbone].weights,
            alpha=STUDY.backbones[wildcards.backbone].alpha,
            image_size=STUDY.backbones[wildcards.backbone].image_size or STUDY.image_size,
            seed=STUDY.seed,
        ),
    shell:
        verb("backbone", "--dataset {input.dataset:q}")


rule finetune:
    input:
        model=rules.backbone.output.artefact,
        dataset=rules.dataset.output.artefact,
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
    params:
        options=lambda wildcards: flags(params=STUDY.finetune, seed=STUDY.seed),
    shell:
        verb(
            "finetune",
            "--model {input.model:q} --dataset {input.dataset:q} --history {output.history:q}",
        )


rule features:
    input:
        model="<results>/{backbone}/{stage}/model.keras",
        dataset=rules.dataset.output.artefact,
        code=sources("features"),
    output:
        **artefact("<results>/{backbone}/{stage}/features.npy"),
    log:
        "<logs>/{backbone}/{stage}/features.log",
    benchmark:
        "<benchmarks>/{backbone}/{stage}/features.tsv"
    threads: RESOURCES.device_cores
    resources:
        gpu=RESOURCES.gpu,
        mem_mb=8000,
    params:
        options=lambda wildcards: flags(**dict(STUDY.features)),
    shell:
        verb("features", "--model {input.model:q} --dataset {input.dataset:q}")
