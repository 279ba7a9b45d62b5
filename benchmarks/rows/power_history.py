"""The power of a job that ran for a week, asked for.

In hand: what a card or a program has that follows the job, once all frames of the week have come; asked for
are all points of 8 GPUs and their joules. From the log: `Job.power_history()` of an ended local job in
whose log those frames are, as somebody asks who comes back later, in a process that knows nothing of it
yet; once with 8 GPUs and once with one, and once of a job that was killed, so that its sampler has not told
its end. Beside: a day as a sampler of former versions told it, and how long it takes in all to take the
frames in while they come, which is spread over the week.
"""

from __future__ import annotations

from benchmarks.measuring import Hold, Report, Series, take_turns
from benchmarks.surroundings import Surroundings

DAY = 86_400
DAYS, QUICK_DAYS = 7, 1
_LOGS = (
    (8, "8 GPUs, from the log", "whole"),
    (1, "1 GPU, from the log", "whole"),
    (8, "8 GPUs, from the log of a killed job", "killed"),
    (8, "8 GPUs, from the log of a former version, a day at most", "old"),
)
_LOG_SIZE = 1e6
"""Bytes of log for each day, at most."""


def run(surroundings: Surroundings) -> list[Report]:
    days = QUICK_DAYS if surroundings.quick else DAYS
    seconds = int(days * DAY)
    state = surroundings.scratch / "history"
    hours = days * 24  # the first of them may begin earlier: old points are of whole hours
    with surroundings.driver("power_history", state=state) as driver:
        filled = driver.seconds("fill", devices=8, seconds=seconds)
        answer = driver.call("ask")
        assert abs(answer["hours"] - hours) < 2, answer
        in_hand = take_turns({"8 GPUs, in hand": lambda: driver.seconds("ask")}, surroundings.repeats(7))
        logs = []
        for devices, name, form in _LOGS:
            told = min(seconds, DAY) if form == "old" else seconds
            size = driver.call("write", devices=devices, seconds=told, form=form)["bytes"]
            answer = driver.call("read")
            assert abs(answer["hours"] - told / 3600) < 2, answer
            series = Series(name, samples=[float(answer["seconds"])], note=f"{size / 1e6:.1f} MB of log")
            series.samples += [driver.seconds("read") for _ in range(surroundings.repeats(3) - 1)]
            logs.append(series)
            if form == "whole" and devices == 8:
                size_of_a_day = size / max(days, 1)
        surroundings.stop_agent(state, keep=driver.pid)
    (asked,) = in_hand.values()
    taking_in = Series("taking the frames of 8 GPUs in", samples=[filled], note="over the whole time")
    return [
        Report(
            f"The power of {days} days",
            [asked, *logs, taking_in],
            holds=[
                *(
                    Hold(f"{series.name}, {days} days", series.median, 1.0, "s")
                    for series in (asked, *logs[:3])
                ),
                Hold("log of 8 GPUs, a day", size_of_a_day, _LOG_SIZE, "B"),
            ],
        )
    ]
