"""Do the formulas say how much memory a layout takes?

The records are peaks of resident memory beyond the features (float32, with a graph of 90
neighbours where the method uses one) of single processes on two threads, after a small layout has
loaded the libraries and compiled the kernels.
"""

import json
from pathlib import Path

import pytest

from pipeline.methods.registry import METHODS

RECORDS = json.loads(Path(__file__).with_name("memory_peaks.json").read_text())


@pytest.mark.parametrize(
    "record", RECORDS, ids=lambda r: f"{r['method']}-{r['engine']}-{r['n']}x{r['d']}"
)
def test_formulas_are_within_15_percent_of_measured_peaks(record):
    """Or within 6 MB, about as much as the small layout leaves behind for reuse."""
    engine = METHODS[record["method"]].engines[record["engine"]]
    found = engine.memory(record["n"], record["d"], **record.get("params", {}))
    assert found == pytest.approx(record["bytes"], rel=0.15, abs=6e6)


def test_every_engine_of_the_cpu_was_measured():
    measured = {(record["method"], record["engine"]) for record in RECORDS}
    for method, row in METHODS.items():
        for name, engine in row.engines.items():
            assert "cpu" not in engine.devices or (method, name) in measured
