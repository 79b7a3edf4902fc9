"""`python -m tests.torture [demo] [trials] [inputs] [kills]`: counts, and exit 1 on a fault."""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .bad_inputs import Case, cases, prepare
from .demo import run_demo
from .kills import run_kills
from .outcome import fault, tunescope
from .trials import run_trials
from .verbs import build, build_model, command_line


def run_inputs(folder: Path, options: argparse.Namespace) -> list[str]:
    """Run the bad inputs, each in a process of its own; faults as sentences."""
    base = folder / "valid"
    base.mkdir()

    def succeed(words: list[str]) -> None:
        done = tunescope(words, base)
        assert done.status == 0, f"{words}: {done.said}"

    build(base, succeed)
    build_model(base, succeed)
    chosen = [case for case in cases() if options.only in str(case)][:: options.every]
    outcomes: Counter[str] = Counter()

    def judge(numbered: tuple[int, Case]) -> str | None:
        number, case = numbered
        here = folder / f"case-{number}"
        prepare(case, base=base, here=here)
        words, out = command_line(case.verb, case.change, base=base, here=here)
        before = out is not None and out.is_file()
        done = tunescope(words, here)
        outcomes["right" if done.status == 0 else "refused"] += 1
        wrong = fault(done, None if before else out, here, case.expected)
        last = done.said.strip().splitlines()[-1:]
        return f"{case}: {wrong}; it said {' '.join(last)[:300]}" if wrong else None

    with ThreadPoolExecutor(options.jobs) as pool:
        faults = [each for each in pool.map(judge, enumerate(chosen)) if each]
    counts = ", ".join(f"{count} {name}" for name, count in sorted(outcomes.items()))
    print(f"bad inputs: {len(chosen)} tried, {counts}, {len(faults)} at fault", flush=True)
    return faults


PARTS: dict[str, Callable[[Path, argparse.Namespace], list[str]]] = {
    "demo": run_demo,
    "trials": run_trials,
    "inputs": run_inputs,
    "kills": run_kills,
}


def main() -> None:
    """Run the parts that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"{', '.join(PARTS)}; default all")
    parser.add_argument("--jobs", type=int, default=2, help="processes side by side")
    parser.add_argument("--only", default="", help="trials and bad inputs with this in their name")
    parser.add_argument("--every", type=int, default=1, help="of the bad inputs, every n-th alone")
    parser.add_argument("--kills", type=int, default=30, help="how often the study is killed")
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no part {min(unknown)}: there are {', '.join(PARTS)}")
    faults = []
    for name in options.parts or PARTS:
        start = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="torture-") as folder:
            faults += PARTS[name](Path(folder), options)
        print(f"{name}: {(time.monotonic() - start) / 60:.1f} minutes", flush=True)
    for each in faults:
        print(f"FAULT {each}")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
