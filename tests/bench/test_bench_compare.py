"""Is a change distinguished from noise?"""

from bench_results import file_of, row

from bench.report import compare


def test_compare_tells_noise_from_change():
    def changed(**more):
        new = row("mds", 1000, 1.0, own=True, quality={"stress_1": 0.3})
        new["seconds"] |= more.pop("seconds", {})
        new |= more
        return compare.compare(file_of([old]), file_of([new]))

    old = row("mds", 1000, 1.0, own=True, quality={"stress_1": 0.3})
    assert changed() == (["1 workloads in both", "nothing changed beyond noise"], False)
    # Slower by a half, but the ranges overlap.
    assert not changed(seconds={"median": 1.5, "min": 1.0, "max": 1.6})[1]
    lines, worse = changed(seconds={"median": 1.5, "min": 1.4, "max": 1.6})
    assert worse
    assert "slower, 1 s before and 1.5 s now, x 1.50" in lines[1]
    assert not changed(seconds={"median": 0.5, "min": 0.4, "max": 0.6})[1]
    # A single run needs more than a quarter.
    assert not changed(seconds={"median": 1.2, "min": 1.2, "max": 1.2, "runs": 1})[1]
    lines, worse = changed(quality={"stress_1": 0.31})
    assert worse
    assert "stress_1 worse" in lines[1]
    lines, worse = changed(status="memory", reason="out of memory")
    assert worse
    assert "was ok, is memory (out of memory)" in lines[1]


def test_results_of_two_versions_compare():
    """A workload's step was called stage before."""
    new = row("mds", 1000, 1.0, own=True)
    old = {**new, "workload": {**new["workload"]}}
    old["workload"]["stage"] = old["workload"].pop("step")
    assert compare.compare(file_of([old]), file_of([new]))[0][0] == "1 workloads in both"
