"""What is shown of Snakemake's log: lines, warnings, the time left, the first error."""

import io
import logging

import pytest

from pipeline.workflow import terminal

MINUTES = {"graph": 0.7, "embed": 0.7, "finetune": 5.0, "features": 0.6}


@pytest.fixture
def screen(monkeypatch):
    """Lines on a terminal, and a function that logs an event a second after the one before."""
    clock = iter(range(1000))
    monkeypatch.setattr(terminal.time, "monotonic", lambda: next(clock))
    stream = io.StringIO()
    lines = terminal.StudyProgress(stream, MINUTES)
    logger = logging.getLogger("snakemake.logging")
    monkeypatch.setattr(logger, "handlers", [])
    monkeypatch.setattr(logger, "level", logging.INFO)

    def event(name, message="", **values):
        level = logging.ERROR if "error" in name else logging.INFO
        with lines.attached():
            logger.log(level, message, extra={"event": name, **values})
        return stream.getvalue()

    return lines, event


def begin(event, jobid, rule, log=(), **wildcards):
    event("job_info", jobid=jobid, rule_name=rule, wildcards=wildcards, log=list(log))


def test_a_line_says_what_ended_how_long_it_took_and_what_is_left(screen):
    _, event = screen
    event("run_info", stats={"graph": 1, "embed": 2, "all": 1, "total": 4})
    begin(event, 7, "graph", backbone="VGG16", stage="after")
    shown = event("job_finished", job_id=7)
    assert shown.startswith("[1/3] graph VGG16 after")
    assert shown.rstrip().endswith("less than a minute left")
    for jobid in (8, 9):
        begin(event, jobid, "embed", method="pca")
        shown = event("job_finished", job_id=jobid)
    assert shown.splitlines()[-1].startswith("[3/3] embed pca")
    assert "left" not in shown.splitlines()[-1]


def test_what_snakemake_adds_to_the_steps_is_not_counted(screen):
    _, event = screen
    event("run_info", stats={"summary": 1, "all": 1, "total": 2})
    begin(event, 0, "all")
    assert event("job_finished", job_id=0) == ""


def test_warnings_of_a_job_follow_its_line(screen, tmp_path):
    _, event = screen
    log = tmp_path / "embed.log"
    log.write_text("embed: started\nwarning: not converged\nwarning: not converged\n")
    event("run_info", stats={"embed": 1})
    begin(event, 1, "embed", log=[str(log)], method="lle")
    shown = event("job_finished", job_id=1)
    assert shown.splitlines()[1:] == ["        warning: not converged"]


def test_the_first_sentence_of_a_verb_is_the_failure(screen, tmp_path):
    lines, event = screen
    log = tmp_path / "graph.log"
    log.write_text("graph: started\nerror: features have NaN; remove them\n")
    event("error", "RuleException: long\nand broad")
    assert lines.failure == "RuleException: long and broad"
    event("job_error", "Error in rule graph", rule_name="graph", log=[str(log)])
    event("job_error", "Error in rule embed", rule_name="embed", log=[])
    assert lines.failure == "graph: features have NaN; remove them"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (137, "embed was killed, as by a system whose memory runs out"),
        (3, "embed ended with status 3"),
    ],
)
def test_a_step_that_cannot_say_why_it_ended(screen, status, words):
    lines, event = screen
    command = "python -m pipeline --threads 2 --device cpu embed --method pca 2>&1 | tee -i x"
    event(
        "error", f"CalledProcessError: Command '{command}' returned non-zero exit status {status}."
    )
    event("job_error", "Error in rule embed", rule_name="embed", log=[])
    assert lines.failure == words


def test_a_step_has_one_name_whatever_its_rules(screen):
    lines, event = screen
    event("run_info", stats={"features": 1, "features_and_predictions": 1})
    assert lines.plan == "2 jobs would run: 2 features"
    begin(event, 1, "features_and_predictions", stage="after")
    assert event("job_finished", job_id=1).startswith("[1/2] features after")
    event("run_info", stats={"embed": 1, "embed_by_seed": 2})
    assert lines.plan == "3 jobs would run: 3 embed"
