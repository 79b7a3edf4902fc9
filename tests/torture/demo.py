"""The demo, whole: it must end well, with every layout better after fine-tuning."""

import argparse
import subprocess
import sys
from pathlib import Path

import pandas as pd


def run_demo(folder: Path, options: argparse.Namespace) -> list[str]:
    """Run the demo in an empty folder; faults as sentences."""
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "demo"], cwd=folder, capture_output=True, text=True
    )
    if done.returncode:
        return [f"the demo ends with {done.returncode}: {(done.stdout + done.stderr)[-300:]}"]
    results = folder / "results/demo"
    table = pd.read_csv(results / "summary.csv")
    accuracy = table.pivot(index="method", columns="stage", values="knn_accuracy")
    tested = table["test_accuracy"][table["stage"] == "after"].min()
    print(f"demo: test accuracy {tested:.3f}, {len(accuracy)} methods", flush=True)
    faults = []
    if len(accuracy) != 6 or not (accuracy["after"] > accuracy["before"]).all():
        faults.append(f"the demo's layouts are not six that gain: {accuracy.to_dict()}")
    if tested <= 0.95:
        faults.append(f"the demo's test accuracy is {tested:.3f}")
    if not (results / "report.html").is_file():
        faults.append("the demo has no page")
    return faults
