"""What `tunescope study` shows of Snakemake's log: a line a step, warnings, errors once."""

from __future__ import annotations

import logging
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from pipeline.runtime.log import log

QUICK = 0.02  # minutes of a job that is not forecast: tables, the page
KNOWN = 0.1  # of the work, from which on what is left can be guessed
NO_STEPS = ("all", "study", "total")  # of a workflow


class Job(NamedTuple):
    """A job that runs: what a line says of it."""

    rule: str
    description: str
    logs: list[str]
    start: float


class StudyProgress(logging.Handler):
    """Follows the records of Snakemake's logger and writes lines to a terminal.

    Parameters
    ----------
    terminal : text stream
    minutes : mapping of str to float
        Of a job of each step, to guess what is left: only their ratios count.

    Attributes
    ----------
    finished : Counter of str
        Jobs of each rule.
    """

    def __init__(self, terminal: TextIO, minutes: Mapping[str, float]) -> None:
        super().__init__(logging.INFO)
        self.terminal = terminal
        self._minutes_of = minutes
        self._step_error = self._other_error = ""
        self._running: dict[int, Job] = {}
        self.finished: Counter[str] = Counter()  # jobs by rule
        self._left: Counter[str] = Counter()
        self._start = time.monotonic()

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Listen to the logger above Snakemake's own, whose handlers Snakemake replaces."""
        parent = logging.getLogger("snakemake")
        parent.addHandler(self)
        try:
            yield
        finally:
            parent.removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Handle one record; those without an event of interest only go to the log file."""
        follow = {
            "run_info": self._plan,
            "job_info": self._begin,
            "job_finished": self._finish,
            "job_error": self._fail,
            "error": self._fail,
        }.get(str(getattr(record, "event", "")))
        if follow:
            follow(record)

    def _plan(self, record: Any) -> None:
        self._left = Counter()
        for rule, n in record.stats.items():
            if rule not in NO_STEPS:
                self._left[_step(rule)] += n
        self._start = time.monotonic()

    def _begin(self, record: Any) -> None:
        step = _step(record.rule_name)
        description = " ".join([step, *record.wildcards.values()])
        self._running[record.jobid] = Job(step, description, record.log, time.monotonic())

    def _finish(self, record: Any) -> None:
        job = self._running.pop(record.job_id)
        if job.rule in NO_STEPS:
            return
        self.finished[job.rule] += 1
        self._left[job.rule] -= 1
        total = self.finished.total() + self._left.total()
        count = f"[{self.finished.total():{len(str(total))}}/{total}]"
        seconds = time.monotonic() - job.start
        self._write(f"{count} {job.description:32} {seconds:6.1f} s   {self._time_left()}")
        for warning in _lines_of(job.logs, "warning: "):
            self._write(f"        {warning}")

    def _time_left(self) -> str:
        done, left = self._minutes(self.finished), self._minutes(self._left)
        if not left or done < KNOWN * (done + left):
            return ""
        minutes = left / done * (time.monotonic() - self._start) / 60
        if minutes < 0.75:
            return "less than a minute left"
        return f"about {minutes:.0f} min left" if minutes >= 1.5 else "about a minute left"

    def _minutes(self, jobs: Counter[str]) -> float:
        return sum(n * self._minutes_of.get(step, QUICK) for step, n in jobs.items())

    def _fail(self, record: Any) -> None:
        """Keep the sentence of the verb that failed, or as long as there is none Snakemake's."""
        sentences = _lines_of(getattr(record, "log", []), "error: ")
        if sentences and not self._step_error:
            self._step_error = f"{_step(record.rule_name)}: {sentences[-1].removeprefix('error: ')}"
        message = " ".join(record.getMessage().split())
        if ended := re.search(
            r"python -m pipeline --threads \d+ (?:--device \w+ )?(\w+).*exit status (\d+)\.",
            message,
        ):
            message = f"{ended[1]} {_ending(int(ended[2]))}"
        self._other_error = self._other_error or message

    @property
    def failure(self) -> str:
        """The first error, in one sentence; empty as long as there is none."""
        return self._step_error or self._other_error

    @property
    def plan(self) -> str:
        """What would run, for a dry run."""
        jobs = [f"{n} {rule}" for rule, n in self._left.items() if n]
        if not jobs:
            return "nothing to do"
        return f"{self._left.total()} jobs would run: {', '.join(jobs)}"

    def _write(self, line: str) -> None:
        if log.isEnabledFor(logging.INFO):  # not by --quiet
            print(line.rstrip(), file=self.terminal, flush=True)


def _ending(status: int) -> str:
    """How a process ended that could not say why; shells add 128 to a signal's number."""
    killed = "was killed, as by a system whose memory runs out"
    return killed if status == 128 + signal.SIGKILL else f"ended with status {status}"


def _step(rule: str) -> str:
    """The step of a rule: one is written as two rules where its outputs differ."""
    return rule.removesuffix("_and_predictions").removesuffix("_by_seed")


def _lines_of(logs: list[str], start: str) -> list[str]:
    """The lines of some logs that begin with a word, each once."""
    found = [
        line
        for log in logs
        if Path(log).is_file()
        for line in Path(log).read_text(errors="replace").splitlines()
        if line.startswith(start)
    ]
    return list(dict.fromkeys(found))
