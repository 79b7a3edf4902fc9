"""Do pages and plots show what was measured?"""

import pytest
from bench_results import file_of, row

from bench.report import pages as report
from bench.report import plots
from bench.run import results
from pipeline.errors import InputError


@pytest.fixture
def site(tmp_path):
    """A repository with results and two pages to fill."""
    (tmp_path / "bench" / "results").mkdir(parents=True)
    for page in (tmp_path / "README.md", tmp_path / "bench" / "README.md"):
        page.write_text(f"# Title\n{report.START}\nold\n{report.END}\nend\n")
    rows = [
        *(
            row("mds", n, n**2 / 1e6, own=True, quality={"stress_1": 0.30})
            for n in (1000, 2000, 4000)
        ),
        *(
            row("mds", n, n**3 / 1e8, own=False, quality={"stress_1": 0.25})
            for n in (1000, 2000, 4000)
        ),
        row("mds", 8000, 0, own=False, status="time"),
        row("pca", 4000, 2.0, own=True, quality={"explained_variance": 0.5}),
        row("pca", 4000, 0.5, own=False, quality={"explained_variance": 0.5}),
        row("pca", 4000, 0.1, own=False, label="on GPU", device="gpu"),
    ]
    jobs = [
        {"step": step, "backbone": "VGG16", "stage": stage, "method": method, "seconds": s}
        for step, stage, method, s in (
            ("finetune", "", "", 600.0),
            ("embed", "before", "tsne", 120.0),
            ("embed", "after", "tsne", 130.0),
            ("figure", "", "", 20.0),
        )
    ]
    jobs = [{**job, "cpu_seconds": None, "peak_mb": 500.0} for job in jobs]
    folder = tmp_path / "bench" / "results"
    results.write(folder / "2026-01-02-test-cpu.json", file_of(rows))
    results.write(
        folder / "2026-01-02-test-study-s.json",
        file_of([], profile="study-s", study="s", runtimes=jobs),
    )
    return tmp_path


def test_pages_and_plots_follow_the_results(site):
    folder = site / "bench" / "results"
    assert report.stale(folder, site)
    report.write(folder, site)
    assert report.stale(folder, site) == []
    assert report.write(folder, site) == []
    detail = (site / "bench" / "README.md").read_text()
    main = (site / "README.md").read_text()
    assert detail.startswith("# Title\n")
    assert detail.endswith("\nend\n")
    assert "old" not in detail + main
    assert "; 2026-01-02. Input: made-up points.\n" in main
    # 4,000 points: ours 16 s, theirs 640 s; theirs has the better stress.
    assert (
        "| MDS | 4,000 | ours | 16 | 5 | stress-1 0.3 | theirs: 640 s, stress-1 0.25 | 40 |" in main
    )
    assert "| MDS: theirs | 4,000 | better | 640 | 16 (ours) | 40 |" in detail
    assert "| PCA: theirs | 4,000 | faster | 0.5 | 2 (ours) | 0.25 |" in detail
    assert "| MDS: theirs | 8,000 | time | stopped after 300 s |" in detail
    assert "| embed tsne | VGG16 | after | 130 |" in detail
    assert "In all 14.5 minutes" in detail
    names = {path.name for path in (site / "bench" / "plots").iterdir()}
    assert names == {f"test-{name}.png" for name in ("time", "memory", "quality", "gpu", "study-s")}
    for name in names:
        assert f"(plots/{name})" in detail

    path = folder / "2026-01-02-test-cpu.json"
    path.write_text(path.read_text().replace("16.0", "17.0"))
    wrong = {path.name for path in report.stale(folder, site)}
    assert wrong == {"README.md", *names}


def test_the_graph_that_an_engine_takes_is_part_of_its_cost(site):
    folder = site / "bench" / "results"
    own = row("tsne", 4000, 10.0, own=True)
    own["workload"]["engine"] = "opentsne"
    peer = row("tsne", 4000, 12.0, own=False)
    results.write(folder / "2026-03-01-test-cpu.json", file_of([own, peer]))
    (machine,) = report.machines(folder)
    assert [r["cost"] for r in machine.rows] == [None, 12]
    assert list(machine.pairs()) == []
    graph = row("graph", 4000, 5.0, own=True)
    results.write(folder / "2026-03-01-test-cpu.json", file_of([own, peer, graph]))
    report.write(folder, site)
    main = (site / "README.md").read_text()
    assert "| t-SNE | 4,000 | ours | 10 + 5 graph | 5 |  | theirs: 12 s | 0.8 |" in main
    assert "| t-SNE: theirs | 4,000 | faster |" in (site / "bench" / "README.md").read_text()


def test_each_network_is_a_task_of_its_own(site):
    folder = site / "bench" / "results"
    rows = [
        row("features", n, n / 1e4, own=True, label=label, quality={"kept_neighbors": kept})
        for label, n, kept in (("VGG16", 2000, 0.5), ("VGG16", 70000, 0.91), ("Mobile", 70000, 0.9))
    ]
    for made in rows:
        made["limits"] = {"images_per_second": 1e4, "of_matrix_rate": 0.25}
    results.write(folder / "2026-03-01-test-cpu.json", file_of(rows))
    report.write(folder, site)
    main, detail = ((site / page / "README.md").read_text() for page in ("", "bench"))
    title = report.tables.TITLES["features"]
    assert f"| {title} | 70,000 | VGG16 | 7 | 71 | kept neighbors 0.91 |" in main
    assert "|  | 70,000 | Mobile | 7 | 71 | kept neighbors 0.9 |" in main
    assert "10,000 | 25 % | 0.91 |" in detail
    names = {path.name for path in (site / "bench" / "plots").iterdir()}
    assert "test-quality.png" not in names


def test_a_page_without_markers_is_one_sentence(site):
    (site / "README.md").write_text("no markers")
    with pytest.raises(InputError, match="must have one line"):
        report.write(site / "bench" / "results", site)


def test_the_newest_file_of_a_profile_counts(site):
    folder = site / "bench" / "results"
    newer = file_of([row("pca", 4000, 9.0, own=True)], date="2026-02-01")
    results.write(folder / "2026-02-01-test-cpu.json", newer)
    (machine,) = report.machines(folder)
    assert [r["seconds"]["median"] for r in machine.rows] == [9.0]
    assert len(machine.studies) == 1


def test_the_committed_pages_are_those_of_the_committed_results():
    assert report.stale() == [], "run python -m bench report"


def test_the_exponent_is_the_slope_of_the_largest_sizes():
    n = [100, 1000, 2000, 4000, 8000]
    assert plots.exponent(n, [99, *(x**2.5 for x in n[1:])]) == pytest.approx(2.5)
    assert plots.exponent(n[:2], n[:2]) is None


def test_results_from_before_steps_had_their_name_are_read(site):
    """A workload's step was called stage, a job's step rule."""
    folder = site / "bench" / "results"
    report.write(folder, site)
    new = (site / "bench" / "README.md").read_text(), (site / "README.md").read_text()
    for name, old in (("test-cpu", "stage"), ("test-study-s", "rule")):
        path = folder / f"2026-01-02-{name}.json"
        assert '"step":' in path.read_text()
        path.write_text(path.read_text().replace('"step":', f'"{old}":'))
    report.write(folder, site)
    assert new == ((site / "bench" / "README.md").read_text(), (site / "README.md").read_text())


def test_without_peers_nothing_is_said_of_who_is_faster(site):
    folder = site / "bench" / "results"
    (folder / "2026-01-02-test-cpu.json").unlink()
    own = [row("mds", 4000, 2.0, own=True, quality={"stress_1": 0.3})]
    results.write(folder / "2026-01-02-test-gpu.json", file_of(own, profile="gpu"))
    report.write(folder, site)
    detail = (site / "bench" / "README.md").read_text()
    assert "No peer was measured at the same task." in detail
    assert "Nowhere in these results." not in detail
