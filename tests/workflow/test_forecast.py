"""Is what a study takes foreseen from its configuration, and said before it runs?"""

from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.config import parse_config
from pipeline.networks.backbone import too_small
from pipeline.workflow import forecast as forecasts
from pipeline.workflow.forecast import Images, forecast, lacking

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
    elsewhere = {"backbones": {"VGG16": {}, "VGG19": {}}, "methods": {"tsne": {}}}
    controls = {"layout_seeds": 3, "backbones": ["VGG19"]}
    assert expected(**elsewhere, controls=controls).jobs["embed"] == 2 * (1 + 3)


def test_time_grows_with_pixels_epochs_and_pairs() -> None:
    whole, large = expected().minutes, expected(image_size=128).minutes
    constant = forecasts.STARTING["finetune"] / 60
    assert large["finetune"] - constant == pytest.approx(4 * (whole["finetune"] - constant))
    assert large["graph"] == whole["graph"]
    half = expected(Images(30_000, 5_000)).minutes
    assert whole["graph"] / half["graph"] == pytest.approx(4, rel=0.2)
    more = expected(finetune={"epochs": 30}).minutes
    assert more["finetune"] > 8 * whole["finetune"]


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
    monkeypatch.setattr(forecasts, "available_memory", lambda: 10**9)
    monkeypatch.setattr(
        forecasts.shutil, "disk_usage", lambda path: type("", (), {"free": 5 * 10**8})
    )
    disk, memory = lacking(expected(), tmp_path)
    assert "500 MB are free" in disk
    assert "1.0 GB of memory are free" in memory
    assert "mds" in memory


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
    assert "mnist is not in resources yet (mnist.npz)" in shown
    assert not (tmp_path / "resources").exists()


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
    monkeypatch.setattr("pipeline.methods.pca.resources.CuML.package", "no_such_package")
    _, shown = check(tmp_path, {**STUDY, "device": "gpu"})
    words = "methods.pca: scikit-learn computes it on the CPU, since no_such_package is not"
    assert words in " ".join(shown.split())
    assert "methods.mds" not in shown


def test_check_refuses_what_a_study_would(tmp_path: Path) -> None:
    status, _ = check(tmp_path, {**STUDY, "dataset": {"source": "nowhere"}})
    assert status != 0
