"""Which runs does a study have, and what of them is computed?"""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
import yaml

from pipeline.config import parse_config
from pipeline.errors import InputError
from pipeline.workflow.checks import check_study
from pipeline.workflow.runs import control_files, runs_of, stochastic
from pipeline.workflow.sources import ROOT

STUDY = {
    "study": "s",
    "seed": 7,
    "dataset": {"source": "digits"},
    "backbones": {"VGG16": {}, "MobileNet": {"alpha": 0.25, "weights": "demo"}},
    "methods": {"pca": {}},
}


def runs(**controls):
    return runs_of(parse_config(STUDY | {"controls": controls}))


def test_without_controls_each_backbone_runs_once():
    found = runs()
    assert list(found) == ["VGG16", "MobileNet"]
    assert {run.seed for run in found.values()} == {7}
    assert control_files(found) == []


def test_three_seeds_are_the_backbone_and_two_more_that_share_what_is_before():
    found = runs(seeds=3, backbones=["MobileNet"])
    assert list(found)[2:] == ["controls/MobileNet_seed8", "controls/MobileNet_seed9"]
    more = found["controls/MobileNet_seed9"]
    assert (more.backbone, more.seed, more.shares_before) == ("MobileNet", 9, "MobileNet")
    assert more.options.weights == "demo"
    assert "controls/MobileNet_seed9/change.json" in control_files(found)
    assert not any("before" in path for path in control_files(found))


def test_random_weights_are_a_floor_before_fine_tuning_alone():
    found = runs(random_weights=True)
    floor = found["controls/MobileNet_random"]
    assert (floor.options.weights, floor.options.alpha) == ("random", 0.25)
    assert floor.shares_before == "controls/MobileNet_random"
    assert found["MobileNet"].options.weights == "demo"
    assert all("/before/" in path for path in control_files(found))


def test_methods_that_depend_on_a_seed():
    methods = {"pca": {}, "tsne": {}, "umap": {}, "mds": {}, "isomap": {}}
    assert stochastic(parse_config(STUDY | {"methods": methods})) == ["tsne", "umap"]
    methods = {"mds": {"init": "random"}, "isomap": {"landmarks": 9, "subset": 50}, "lle": {}}
    assert stochastic(parse_config(STUDY | {"methods": methods})) == ["mds", "isomap"]


def test_layout_seeds_without_a_method_that_depends_on_one_are_said():
    for methods, expected in (({"pca": {}, "lle": {}}, True), ({"pca": {}, "tsne": {}}, False)):
        config = STUDY | {"methods": methods, "controls": {"layout_seeds": 3}}
        _, said = check_study(parse_config(config))
        assert ("no layout of" in str(said)) == expected


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            {"controls": {"backbones": ["VGG19"]}},
            r"has 'VGG19' but .* VGG16, MobileNet",
        ),
        (
            {"claims": [{"claim": "c", "measure": "knn", "comparison": "above", "threshold": 1.0}]},
            r"claims.0.measure is 'knn' .* 'knn_accuracy'",
        ),
        (
            {
                "claims": [
                    {
                        **{"claim": "c", "measure": "nc1", "comparison": "above"},
                        **{"threshold": 1.0, "space": "tsne"},
                    }
                ]
            },
            r"claims.0.space is 'tsne' but must be one of 'features', 'features, cosine', 'pca'",
        ),
        (
            {"claims": [{"claim": "c", "measure": "cka", "comparison": "above", "threshold": 0.5}]},
            r"claims.0.stage is 'after' but cka is measured of what changed: write change",
        ),
        (
            {
                "claims": [
                    {
                        **{"claim": "c", "measure": "nc1", "comparison": "above"},
                        **{"threshold": 1.0, "stage": "change"},
                    }
                ]
            },
            r"claims.0.stage is 'change' but nc1 is measured of a stage: write before or after",
        ),
        (
            {"backbones": {"VGG16": {}, "MobileNet": {"alpha": 0.3}}},
            r"alpha 0.3 of MobileNet has no ImageNet weights: use one of 0.25, 0.5",
        ),
        (
            {"backbones": {"VGG16": {"weights": "demo"}}},
            r"weights 'demo' are those of MobileNet with alpha 0.25, not of VGG16",
        ),
    ],
)
def test_names_that_are_not_there_are_refused_before_anything_runs(more, words):
    with pytest.raises(InputError, match=words):
        check_study(parse_config(STUDY | more))


def test_the_workflow_plans_the_controls_and_shares_what_is_before(tmp_path):
    config = STUDY | {"backbones": {"MobileNet": {"alpha": 0.25, "weights": "demo"}}}
    config |= {"controls": {"seeds": 3, "random_weights": True}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(config))
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "study", "study.yaml", "--dry-run"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    planned = done.stdout + done.stderr
    assert done.returncode == 0, planned
    # Of two seeds after fine-tuning alone, of random weights before it alone.
    for jobs in ("2 backbone", "3 finetune", "5 features", "5 graph", "5 quality", "3 change"):
        assert f" {jobs}" in planned
    assert " 2 embed" in planned  # controls have no layouts


def layouts_of(tmp_path, config):
    """The layouts that a dry run plans, and what each job's command is."""
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(config))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile"),
            *("--configfile", "study.yaml", "--cores", "2", "--dry-run", "--printshellcmds"),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    commands = [line.strip() for line in done.stdout.splitlines() if "python -m pipeline" in line]
    layouts = {
        re.search(r"--out results/s/(\S+)", line)[1]: line for line in commands if " embed " in line
    }
    return layouts, [line for line in commands if " quality " in line]


def test_the_workflow_lays_the_same_points_out_by_other_seeds(tmp_path):
    methods = {"pca": {}, "tsne": {}, "umap": {"subset": 100}}
    controls = {"layout_seeds": 3, "backbones": ["MobileNet"]}
    config = STUDY | {"methods": methods, "controls": controls}
    layouts, quality = layouts_of(tmp_path, config)
    stages = [f"MobileNet/{stage}" for stage in ("before", "after")]
    assert {path for path in layouts if "controls" in path} == {
        f"{stage}/controls/{method}_seed{seed}.parquet"
        for stage in stages
        for method in ("tsne", "umap")
        for seed in (8, 9)
    }
    assert len(layouts) == 8 + 2 * 2 * 3
    command = layouts["MobileNet/after/controls/umap_seed9.parquet"]
    for words in ("--method umap --seed 9 --subset-seed 7", "--subset 100"):
        assert words in command
    assert "--seed 7 --subset-seed 7" in layouts["MobileNet/after/umap.parquet"]
    for line in quality:
        own = "results/s/MobileNet" in line
        assert line.count("--control ") == (4 if own else 0)
        assert line.count("--layout ") == 3
        assert ("after/controls/tsne_seed8" in line) == (
            own and "--out results/s/MobileNet/after" in line
        )


def test_the_workflow_starts_layouts_after_from_those_before_by_the_same_seed(tmp_path):
    methods = {"pca": {}, "tsne": {"start": "before"}, "umap": {}}
    config = STUDY | {"methods": methods, "controls": {"layout_seeds": 2}}
    layouts, _ = layouts_of(tmp_path, config)
    started = {path: line for path, line in layouts.items() if "--start" in line}
    assert set(started) == {
        f"{backbone}/after/{name}.parquet"
        for backbone in ("VGG16", "MobileNet")
        for name in ("tsne", "controls/tsne_seed8")
    }
    for path, line in started.items():
        assert f"--start results/s/{path.replace('after', 'before')}" in line


@pytest.mark.parametrize(
    ("methods", "words"),
    [
        ({"umap": {"start": "before", "init": "random"}}, "umap has both start and init 'random'"),
        ({"tsne": {"start": "before", "engine": "cuml"}}, "its engine cuml takes none"),
    ],
)
def test_a_start_that_cannot_be_is_refused_before_anything_runs(methods, words):
    with pytest.raises(InputError, match=words):
        check_study(parse_config(STUDY | {"methods": methods}))


def test_given_features_may_be_laid_out_by_other_seeds_but_not_fine_tuned(tmp_path):
    for name in ("before", "after"):
        np.save(tmp_path / f"{name}.npy", np.random.default_rng(0).normal(size=(60, 5)))
    config = {
        "study": "s",
        "compare": {"before": "before.npy", "after": "after.npy"},
        "methods": {"tsne": {}},
        "controls": {"layout_seeds": 2},
    }
    layouts, _ = layouts_of(tmp_path, config)
    assert "features/before/controls/tsne_seed1.parquet" in layouts
    assert len(layouts) == 4
    with pytest.raises(InputError, match="controls but layout_seeds need backbones"):
        check_study(parse_config(config | {"controls": {"layout_seeds": 2, "seeds": 2}}))
