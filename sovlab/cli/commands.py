"""What each command does: asks the `Client`, and shows the answer. Each returns the exit status."""

from __future__ import annotations

import argparse
import textwrap
import time
from pathlib import Path

from sovlab.cli import show, streams
from sovlab.client import Module, Script, default
from sovlab.client.answering import find_within
from sovlab.client.job import Job
from sovlab.client.others import shown as own_or_all
from sovlab.client.others import whose
from sovlab.core.interrupts import Interrupts
from sovlab.core.job import JobState, JobStatus, Reason
from sovlab.errors import UsageError, WaitTimeout
from sovlab.options import flags
from sovlab.views.document import job_document
from sovlab.views.hardware import capacity_table, hardware_document
from sovlab.views.jobs import jobs_table
from sovlab.views.plans import plan_document
from sovlab.views.table import counted

TELEMETRY = "telemetry"
"""What ``sovlab manifests`` takes for the rules, and not for a job's name."""
_STATUS = {Reason.TIMEOUT: 124, Reason.LIMIT: 124, Reason.CANCELLED: 130}


def submit(parsed: argparse.Namespace) -> int:
    """``sovlab submit``."""
    client, chosen = default(), flags.from_arguments(parsed)
    code = _code(parsed)
    if parsed.dry_run:
        plan = client.plan(code, chosen, check=parsed.dry_run == "server")
        if parsed.json:
            show.json_document(plan_document(plan))
        else:
            show.plan(plan)
        return 0
    submitted = client.submit(code, chosen)
    job = submitted.job
    for message in submitted.messages:
        show.note(message)
    waits = parsed.wait or parsed.follow
    if parsed.json and not waits:
        show.json_document(job_document(job.last, job.site))
    elif not parsed.json:
        show.submitted(job)
    if not waits:
        return 0
    return _finish([job], follow=parsed.follow and not parsed.json, json=parsed.json)


def _code(parsed: argparse.Namespace) -> Script | Module:
    if parsed.module is not None:  # the first word after it is no script
        return Module(parsed.module, [*filter(None, [parsed.script]), *parsed.args])
    if parsed.script is None:
        raise UsageError("sovlab submit was given nothing to run.", "Name a Python file, or -m and a module.")
    return Script(Path(parsed.script).expanduser(), parsed.args)


def jobs(parsed: argparse.Namespace) -> int:
    """``sovlab jobs``."""
    everybodys = default().jobs(parsed.target)
    records = own_or_all(everybodys, all_users=parsed.all_users)
    shown = records[: parsed.n] if parsed.n else records
    if parsed.json:
        show.json_document([job_document(record, default().settings.site) for record in shown])
    else:
        show.table(jobs_table(shown, time.time(), owners=parsed.all_users))
        if len(records) > len(shown):
            show.note(f"{len(records) - len(shown)} older jobs are not shown; sovlab jobs -n 0 shows all.")
        hidden = len(everybodys) - len(records)
        if hidden:
            show.note(
                f"{counted(hidden, 'job')} of others {'is' if hidden == 1 else 'are'} not shown; "
                "sovlab jobs --all-users shows all."
            )
    return 0


def logs(parsed: argparse.Namespace) -> int:
    """``sovlab logs``."""
    job = default().job(parsed.job, parsed.target)
    show.print_log(job, follow=parsed.follow, rank=parsed.rank, tail=parsed.tail)
    return 0


def wait(parsed: argparse.Namespace) -> int:
    """``sovlab wait``."""
    deadline = None if parsed.timeout is None else time.monotonic() + parsed.timeout
    try:
        found = find_within(parsed.timeout, default(), parsed.job, parsed.target)
    except WaitTimeout as error:
        show.complain(error)
        return error.exit_code
    return _finish(found, follow=False, json=parsed.json, deadline=deadline)


def cancel(parsed: argparse.Namespace) -> int:
    """``sovlab cancel``."""
    found = [default().job(name, parsed.target) for name in parsed.job]
    asked = []
    for job in found:
        record = job.last  # as it has just been looked up
        if record.status.state.ended:
            show.note(f"{record.name} has already ended: {record.status.state}.")
        else:
            job.cancel(all_users=parsed.all_users)
            asked.append(record)
    if parsed.json:
        show.json_document([record.id for record in asked])
    else:
        for record in asked:
            show.line(f"Cancelling {record.name}.")
    return 0


def backends(parsed: argparse.Namespace) -> int:
    """``sovlab backends``."""
    if parsed.all and parsed.target is not None:
        raise UsageError("--all and --target do not go together.", "Leave one of them out.")
    everything = default().hardware_everywhere() if parsed.all else [default().hardware(parsed.target)]
    if parsed.json:
        documents = [
            hardware_document(
                each.capacities, each.conditions, auto=each.auto, why=each.why, passed=each.passed
            )
            for each in everything
        ]
        named = [
            {"target": each.target, "backends": document, "why": each.why}
            for each, document in zip(everything, documents, strict=True)
        ]
        show.json_document(named if parsed.all else documents[0])
        return 0
    for each in everything:
        if parsed.all:
            show.line(f"Target {each.target}")
        if each.auto:
            show.table(capacity_table(each.capacities, each.conditions, time.time()))
            show.note(f"auto takes {each.why}")
        else:
            show.note(each.why)
    return 0


def power(parsed: argparse.Namespace) -> int:
    """``sovlab power``: of this machine, of a target's devices, or of a job."""
    from sovlab.views.document import energy_document
    from sovlab.views.power import power_table, unavailable_table

    if parsed.job is not None:
        return _power_of_job(default().job(parsed.job, parsed.target), json=parsed.json)
    if parsed.target is not None:
        return _power_of_target(parsed.target, json=parsed.json)
    report = default().power()
    if parsed.json:
        show.json_document(energy_document(report))
        return 0
    show.table(power_table(report))
    if report.devices and report.unavailable:
        show.table(unavailable_table(report))
    return 0


def _power_of_target(target: str, *, json: bool) -> int:
    from sovlab.views.site import devices_table, own_table, power_document

    found = default().site_power(target)
    if json:
        show.json_document(power_document(found.where, found.numbers, found.own))
        return 0
    show.note(f"As Prometheus at {found.where} has it:")
    show.table(devices_table(found.numbers))
    if found.own:
        show.table(own_table(found.own))
    return 0


def _power_of_job(job: Job, *, json: bool) -> int:
    from sovlab.views.document import energy_document
    from sovlab.views.energy import energy_rows
    from sovlab.views.site import totals_document, totals_table

    report, said = job.last.status.energy, job.energy_at_site()
    if json:
        energy = energy_document(report) if report is not None else None
        site = {**totals_document(said.totals, said.why), "settled": said.settled}
        show.json_document({"job": job.id, "energy": energy, "site": site})
        return 0
    if said.totals:
        show.table(totals_table(said.totals))
        if not said.settled:
            show.note("The last scrapes may not be in it yet: ask again a minute after the job's end.")
        return 0
    for label, text, _ in energy_rows(report) if report is not None else ():
        show.line(f"{label}: {text}" if label else text)
    if report is None:
        show.line(f"Energy: — ({job.energy.reading.why})")
    show.note(f"The site's Prometheus: {said.why} {said.advice}".rstrip())
    return 0


def manifests(parsed: argparse.Namespace) -> int:
    """``sovlab manifests``: of a job, or the rules for a site's Prometheus."""
    from sovlab.views.yaml import yaml_text

    rules = parsed.job == TELEMETRY and not parsed.is_job
    if rules:
        found = default().recording_rules(parsed.target)
    else:
        found = default().manifests(parsed.job, parsed.target)
    if parsed.json:
        show.json_document(found.objects)
    else:
        comment = "".join(f"# {line}\n" for note in found.notes for line in textwrap.wrap(note, 98))
        streams.write_utf8((comment if rules else "") + yaml_text(found.objects))
        if rules:
            return 0  # the note stands in it
    for sentence in found.notes:
        show.note(sentence)
    return 0


def clean(parsed: argparse.Namespace) -> int:
    """``sovlab clean``."""
    if parsed.all and parsed.older_than is not None:
        raise UsageError("--all and --older-than contradict each other.", "Give one of them.")
    age = 0.0 if parsed.all else parsed.older_than
    removed = default().clean(
        older_than=age,
        target=parsed.target,
        dry_run=parsed.dry_run,
        files=parsed.files,
        all_users=parsed.all_users,
    )
    if parsed.json:
        show.json_document(removed)
    else:
        show.cleaned(removed, dry_run=parsed.dry_run)
    return 0


def trust(parsed: argparse.Namespace) -> int:
    """``sovlab trust``."""
    if parsed.job is None:
        return _trust_folder()
    job = default().job(parsed.job, parsed.target)
    said = whose(job.last)
    if job.last.trusted:
        show.line(f"Job {job.id} is trusted already.")
        return 0
    default().trust(job)
    show.line(f"Job {job.id} {said}. What it leaves is loaded from now on as if you had submitted it.")
    return 0


def _trust_folder() -> int:
    from sovlab.settings import brought_files, load, trusting

    settings = load()
    keys = {each.path: each.keys for each in settings.brought}
    for path, content in brought_files():
        if path in keys:
            trusting.trust(settings.state, path, content)
            show.line(f"{path} is trusted as it is now: it sets {', '.join(keys[path])}.")
    if not keys:
        show.line("No settings that came with this folder were left aside.")
    return 0


def doctor(parsed: argparse.Namespace) -> int:
    """``sovlab doctor``."""
    from sovlab.cli.checks import run_all

    checks = run_all(default(), parsed.target)
    if parsed.json:
        show.json_document(checks)
    else:
        show.checks(checks)
    return 0 if all(check.ok for check in checks) else 1


def _finish(found: list[Job], *, follow: bool, json: bool, deadline: float | None = None) -> int:
    try:
        with Interrupts():
            statuses, unread = show.follow(found, log=follow, quiet=json, deadline=deadline)
    except KeyboardInterrupt:
        left = [job for job in found if not job.done()]
        ids = " ".join(job.id for job in left)
        if left:
            who = "the jobs go on" if len(left) > 1 else f"{left[0].name} goes on"
            show.note(
                f"\nInterrupted; {who}.\n  wait again: sovlab wait {ids}\n  cancel:     sovlab cancel {ids}"
            )
        raise
    except WaitTimeout as error:
        show.complain(error)
        return error.exit_code
    if json:
        show.json_document([job_document(job.last, job.site) for job in found])
    return max((_exit_status(status) for status in statuses), default=0) or unread


def _exit_status(status: JobStatus) -> int:
    if status.state is JobState.SUCCEEDED:
        return 0
    return _STATUS.get(status.reason, 1)
