"""Is what a study takes foreseen from its configuration, and said before it runs?"""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.config import parse_config
from pipeline.errors import InputError
from pipeline.images import dataset
from pipeline.methods.registry import METHODS
from pipeline.networks.backbone import too_small
from pipeline.workflow import forecast as forecasts
from pipeline.workflow import room
from pipeline.workflow.forecast import Images, forecast
from pipeline.workflow.input_check import check_input
from pipeline.workflow.room import lacking
from pipeline.workflow.sources import ROOT

STUDY = {
    "study": "a",
    "device": "cpu",
    "dataset": {"source": "digits"},
    "image_size": 64,
    "backbones": {"MobileNetV2": {"weights": "random"}},
    "methods": {"pca": {}, "mds": {}},
}
MNIST = Images(60_000, 10_000)


def expected(images: Images = MNIST, **changes) -> forecasts.Forecast:
    return forecast(parse_config({**STUDY, **changes}), images)


def test_jobs_are_those_of_the_workflow() -> None:
    controls = {"seeds": 3, "random_weights": True}
    found = expected(controls=controls).jobs
    assert found == {
        "dataset": 1,
        "backbone": 2,
        "finetune": 3,
        "features": 5,
        "depth": 1,
        "graph": 5,
        "embed": 4,
        "quality": 5,
        "change": 3,
        "figure": 1,
    }


def test_layouts_by_other_seeds_are_jobs_of_the_methods_that_depend_on_one() -> None:
    methods: dict = {"pca": {}, "tsne": {}, "mds": {"init": "random"}}
    controls = {"seeds": 2, "layout_seeds": 3}
    assert expected(methods=methods, controls=controls).jobs["embed"] == 2 * (1 + 3 + 3)
    assert expected(controls=controls).jobs["embed"] == 4
    once, often = (
        expected(methods=methods, controls={"layout_seeds": seeds}).minutes["quality"]
        for seeds in (1, 3)
    )
    assert often - once == pytest.approx(2 * 4 * forecasts.OF_A_LAYOUT)
    elsewhere = {"backbones": {"VGG16": {}, "VGG19": {}}, "methods": {"tsne": {}}}
    controls = {"layout_seeds": 3, "backbones": ["VGG19"]}
    assert expected(**elsewhere, controls=controls).jobs["embed"] == 2 * (1 + 3)


def test_a_layout_that_starts_from_before_is_computed_twice_after() -> None:
    own, started = (
        expected(methods={"mds": options}).minutes["embed"] for options in ({}, {"start": "before"})
    )
    assert started - own == pytest.approx((own - 2 * forecasts.STARTING["embed"] / 60) / 2)


def test_time_grows_with_pixels_epochs_and_pairs() -> None:
    whole, large = expected().minutes, expected(image_size=128).minutes
    constant = forecasts.STARTING["finetune"] / 60
    assert large["finetune"] - constant == pytest.approx(4 * (whole["finetune"] - constant))
    assert large["graph"] == whole["graph"]
    half = expected(Images(30_000, 5_000)).minutes
    assert whole["graph"] / half["graph"] == pytest.approx(4, rel=0.2)
    more = expected(finetune={"epochs": 30}).minutes
    assert more["finetune"] > 8 * whole["finetune"]


def test_short_jobs_on_points_run_two_at_a_time() -> None:
    small = expected(Images(80, 20))
    ours = sum(small.minutes[step] for step in forecasts.ON_POINTS)
    assert small.total == pytest.approx(sum(small.minutes.values()) - ours / 2)
    large = expected(methods={"mds": {}})
    assert large.total == pytest.approx(sum(large.minutes.values()))


def test_time_is_that_of_the_committed_study() -> None:
    name = "2026-11-25-amd-epyc-family-26-model-2-2-cores-study-mnist_mobilenetv2.json"
    measured: Counter[str] = Counter()
    for row in json.loads((ROOT / "bench/results" / name).read_text())["runtimes"]:
        measured[row["rule"]] += row["seconds"] / 60
    methods = {name: {} for name in METHODS}
    found = expected(image_size=48, methods=methods).minutes
    for step in ("graph", "embed"):
        assert found[step] == pytest.approx(measured[step], rel=0.3)
    for step in ("finetune", "features"):
        assert measured[step] < found[step] < 2.2 * measured[step]


def test_memory_and_disk_are_those_of_the_formulas() -> None:
    found = expected()
    n, d = 70_000, 1280
    features = 2 * 4 * n * d
    assert features < found.disk < 2 * features
    assert found.memory["mds"] > 4 * n * d
    wider = expected(Images(60_000, 10_000, (2048, 512)))
    assert wider.memory["measures"] > found.memory["measures"]


def test_a_sentence_has_minutes_memory_disk_and_where_they_were_measured() -> None:
    sentence = str(expected())
    assert "70,000 images" in sentence
    assert forecasts.BASIS in sentence
    assert "GB of memory" in sentence
    assert "GB of disk" in sentence
    assert "GPU" in str(expected(device="gpu"))


def test_too_little_room_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lacking(expected(Images(80, 20)), tmp_path) == []
    monkeypatch.setattr(room, "available_memory", lambda: 10**9)
    monkeypatch.setattr(room.shutil, "disk_usage", lambda path: type("", (), {"free": 5 * 10**8}))
    disk, memory = lacking(expected(), tmp_path)
    assert "500 MB are free" in disk
    assert "1.0 GB of memory are free" in memory
    assert "mds" in memory


def test_room_for_all_pairs_is_asked_of_memory_or_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    methods = {"mds": {}, "isomap": {}, "tsne": {}}
    found = expected(methods=methods)
    assert found.pairs == {"mds": pytest.approx(70_000**2, rel=0.1), "isomap": 70_000**2}
    least = max(found.memory.values())
    assert f"{least / 1e9:.1f} GB of memory (measures) or, with all pairs in it, " in str(found)
    monkeypatch.setattr(room, "available_memory", lambda: 1.1 * least)
    free = {str(tmp_path): 10**12, room.tempfile.gettempdir(): 7e9}
    monkeypatch.setattr(
        room.shutil, "disk_usage", lambda path: type("", (), {"free": free[str(path)]})
    )
    assert lacking(found, tmp_path) == []  # there
    free[room.tempfile.gettempdir()] = 5e9
    (said,) = lacking(found, tmp_path)
    assert said.startswith("all pairs of points take 4.8 GB, for which neither memory nor")
    assert "mds computes them again in every pass and isomap stops" in said
    monkeypatch.setattr(room, "available_memory", lambda: 1e11)
    assert lacking(found, tmp_path) == []  # or here
    without = {"mds": {"storage": "memory"}, "isomap": {"landmarks": 500}}
    assert expected(methods=without).pairs == {}
    assert expected(methods=methods, device="gpu").pairs == {}  # it has its own
    assert expected(methods=methods, exact="preferred").pairs == found.pairs  # there is room
    monkeypatch.setattr("pipeline.methods.embed.choose_storage", lambda *given, **options: "none")
    assert expected(methods=methods, exact="preferred").pairs == {}


@pytest.mark.parametrize("name", ["VGG16", "MobileNet", "MobileNetV2", "ResNet50V2"])
@pytest.mark.parametrize("size", [32, 33, 48, 62, 63, 64])
def test_a_last_map_of_one_pixel_is_foreseen(name: str, size: int) -> None:
    from pipeline.networks.backbone import build_backbone

    _, built = build_backbone(name, input_shape=(8, 8, 1), image_size=size, weights="random")
    assert bool(too_small(name, size, "imagenet")) == (built["feature_map"] == [1, 1])


def check(tmp_path: Path, config: dict) -> tuple[int, str]:
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(config))
    done = CliRunner().invoke(app, ["check", str(path)], catch_exceptions=True)
    return done.exit_code, done.output


def test_check_says_what_will_hurt_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 2
    images = (rng.integers(0, 90, (200, 40, 40)) + 100 * labels[:, None, None]).astype(np.uint8)
    images[5] = 9
    np.savez("mine.npz", x_train=images, y_train=labels)
    status, shown = check(
        tmp_path,
        {**STUDY, "dataset": {"source": "mine.npz"}, "image_size": 32}
        | {"backbones": {"VGG16": {"weights": "imagenet"}}},
    )
    assert status == 0
    assert "\na: 200 images: about" in shown
    assert "1 image of one colour (image 5)" in shown
    assert "the last feature map of VGG16 at 32 pixels is 1 x 1" in shown
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.npz", "study.yaml"]


def test_check_says_that_a_recipe_has_few_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for recipe, said in (({"epochs": 5}, True), ({}, False), ({"epochs": 0}, False)):
        _, shown = check(tmp_path, {**STUDY, "finetune": recipe})
        assert ("finetune: 5 epochs of " in shown) is said
        assert ("optimiser steps, after which" in shown) is said


def test_check_says_that_nothing_was_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    status, shown = check(tmp_path, STUDY)
    assert status == 0
    assert "nothing found that will hurt" in shown


def test_check_does_not_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    status, shown = check(tmp_path, {**STUDY, "dataset": {"source": "mnist"}})
    assert status == 0
    assert "70,000 images" in shown
    assert "the images of mnist are not in resources yet and will be downloaded" in shown
    assert "warning" not in shown  # nothing hurts, as far as one knows
    assert "nothing found that will hurt, but the images were not looked at" in shown
    assert not (tmp_path / "resources").exists()


def test_check_says_which_weights_will_be_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = {**STUDY, "backbones": {"VGG16": {"weights": "imagenet"}}}
    file = "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
    line = f"the weights of VGG16 are not in resources yet and will be downloaded ({file})"
    assert line in check(tmp_path, config)[1]
    (tmp_path / "resources").mkdir()
    (tmp_path / "resources" / file).touch()
    assert line not in check(tmp_path, config)[1]


def test_check_says_what_part_of_a_large_folder_it_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(dataset, "PROBE", 8)
    monkeypatch.setattr(dataset, "TIME_LIMIT", 0.0)
    for i in range(40):
        path = tmp_path / "images" / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(i).integers(0, 255, (8, 8), np.uint8)).save(path)
    shown = check(tmp_path, {**STUDY, "dataset": {"source": "images"}})[1]
    assert "8 of 40 images were read" in shown
    assert "nothing found that will hurt in 8 of 40 images" in shown


def test_what_is_lowered_is_something_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = {**STUDY, "dataset": {"source": "digits", "subset": 40}}
    _, shown = check(tmp_path, {**config, "methods": {"tsne": {"perplexity": 50}}})
    assert shown.count("methods.tsne: perplexity 50 needs 151 points but there are 40") == 1
    assert "nothing found" not in shown


def test_check_of_given_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).normal(size=(120, 6)).astype(np.float32)
    x[:, 4] = 0
    np.save("b.npy", x)
    np.save("a.npy", x[::-1])
    config = {"study": "a", "compare": {"before": "b.npy", "after": "a.npy"}}
    status, shown = check(tmp_path, {**config, "methods": {"pca": {}}})
    assert status == 0
    assert "120 images" in shown
    assert "features before: 1 column of 6 constant (4)" in shown
    assert "in another order" in shown


def test_what_a_gpu_does_not_compute_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pipeline.methods.umap.resources.CuML.package", "no_such_package")
    _, shown = check(tmp_path, {**STUDY, "device": "gpu", "methods": {"umap": {}, "mds": {}}})
    words = "methods.umap: Tunescope computes it on the CPU, since no_such_package is not"
    assert words in " ".join(shown.split())
    assert "methods.mds" not in shown


def test_check_refuses_a_cosine_of_rows_of_zeros(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).normal(size=(120, 6)).astype(np.float32)
    np.save("b.npy", x)
    x[[17, 40]] = 0
    np.save("a.npy", x)
    config = {"study": "a", "compare": {"before": "b.npy", "after": "a.npy"}}
    config["methods"] = {"pca": {}}
    status, shown = check(tmp_path, config)
    assert status == 0
    assert "features after: 2 rows of one number alone (17, 40)" in shown
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump({**config, "metric": "cosine"}))
    with pytest.raises(InputError, match=r"2 rows of after \(17, 40\) are all zeros"):
        check_input(path)


def test_check_refuses_what_a_study_would(tmp_path: Path) -> None:
    status, _ = check(tmp_path, {**STUDY, "dataset": {"source": "nowhere"}})
    assert status != 0
