"""Do controls reach the page: the range of the seeds, and the floor of random weights?"""

import json

import pytest

from pipeline.measures.evidence import Evidence, OtherLayouts, OtherRun
from pipeline.measures.intervals import Estimate, share
from pipeline.measures.table import FEATURES, row_of
from pipeline.report.controls import (
    Controls,
    controls_table,
    layouts_table,
    no_better_than_random,
    other_seeds,
)
from pipeline.results import read_sidecars


def rows(accuracy, cka=None):
    found = [row_of(FEATURES, "test", "knn_accuracy", share(round(1000 * accuracy), 1000))]
    found.append(row_of(FEATURES, "train", "knn_accuracy", share(1000, 1000)))
    if cka is not None:
        found.append(row_of(FEATURES, "all", "cka", Estimate(cka, cka - 0.1, cka + 0.1)))
    return found


OTHERS = [OtherRun(rows(0.9), rows(0, 0.2)), OtherRun(rows(0.95), rows(0, 0.5))]


def test_the_range_is_that_of_all_runs_and_the_floor_stands_beside():
    table = controls_table(
        rows(0.6), rows(0.93), rows(0, 0.3), Controls(OTHERS, [0.9, 0.95], rows(0.4))
    )
    assert (table["runs"], table["floor"]) == (3, True)
    accuracy, cka = table["rows"]
    assert accuracy == {
        **{"title": "k-NN accuracy", "split": "test", "floor": 0.4},
        **{"before": 0.6, "after": 0.93, "low": 0.9, "high": 0.95},
    }
    assert (cka["before"], cka["after"], cka["low"], cka["high"]) == (None, 0.3, 0.2, 0.5)


def test_without_controls_there_is_no_table_and_of_one_run_no_range():
    assert controls_table(rows(0.6), rows(0.9), [], Controls()) == {}
    table = controls_table(rows(0.6), rows(0.9), [], Controls(floor=rows(0.4)))
    assert table["runs"] == 1
    assert table["rows"][0]["low"] is None


def laid_out(method, accuracy, variance=None):
    found = [row_of(method, "test", "knn_accuracy", share(round(1000 * accuracy), 1000))]
    found.append(row_of(method, "train", "knn_accuracy", share(1000, 1000)))
    return [*found, row_of(method, "test", "cdnv", variance)]


def test_layouts_by_several_seeds_have_a_range_beside_their_interval():
    evidence = Evidence(
        [*rows(0.6), *laid_out("tsne", 0.5), *laid_out("pca", 0.4)],
        [*rows(0.9), *laid_out("tsne", 0.8, 0.3), *laid_out("pca", 0.7, 0.4)],
        [],
        layouts=[
            OtherLayouts(laid_out("tsne", 0.55), laid_out("tsne", 0.75, 0.5)),
            OtherLayouts(laid_out("tsne", 0.52), laid_out("tsne", 0.82, 0.2)),
        ],
    )
    table = layouts_table(evidence)
    assert (table["runs"], table["same"]) == (3, ["PCA"])
    accuracy, variance = table["rows"]
    names = ("method", "title", "split", "before", "before_seeds_low", "before_seeds_high")
    assert [accuracy[name] for name in names] == ["t-SNE", "k-NN accuracy", "test", 0.5, 0.5, 0.55]
    assert [accuracy[f"after{end}"] for end in ("", "_seeds_low", "_seeds_high")] == [
        *(0.8, 0.75, 0.82)
    ]
    assert accuracy["after_low"] == pytest.approx(0.774, abs=1e-3)
    assert (variance["after_seeds_low"], variance["after_seeds_high"]) == (0.2, 0.5)
    assert variance["before"] is variance["before_seeds_low"] is None  # undefined, of all seeds
    assert layouts_table(evidence._replace(layouts=())) == {}


@pytest.mark.parametrize(
    ("accuracies", "words"),
    [
        ([], ""),
        ([0.961], " (by another seed 96.1 %)"),
        ([0.972, 0.961], " (by 2 other seeds 96.1 to 97.2 %)"),
    ],
)
def test_other_seeds_end_a_sentence(accuracies, words):
    assert other_seeds(Controls(accuracies=accuracies)) == words


def test_features_that_are_no_better_than_random_ones_are_said():
    assert no_better_than_random(rows(0.6), Controls(floor=rows(0.4))) is None
    assert no_better_than_random(rows(0.6), Controls()) is None
    for accuracy in (0.41, 0.2):
        sentence = no_better_than_random(rows(accuracy), Controls(floor=rows(0.4)))
        assert "no better than those in features of random weights" in sentence


def test_the_provenance_has_the_results_of_controls(tmp_path):
    folder, seed, floor = (
        tmp_path / name for name in ("A", "controls/A_seed1", "controls/A_random")
    )
    made = [
        *(folder / name for name in ("before/graph.npz", "after/graph.npz", "change.parquet")),
        *(seed / name for name in ("after/graph.npz", "change.json")),
        floor / "before/graph.npz",
        folder / "change.json",  # beside change.parquet, of the same step
    ]
    for path in made:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(f"{path.name}.json").write_text(json.dumps({"step": str(path)}))
    found = read_sidecars(tmp_path, {folder: [seed, floor]})
    assert [sidecar["step"] for sidecar in found] == [str(path) for path in made[:-1]]
