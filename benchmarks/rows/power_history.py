"""The power of a job that ran for a week, asked for.

In hand: what a card or a program has that follows the job, once all frames of the week have come; asked for
are all points of 8 GPUs and their joules. From the log: `Job.power_history()` of an ended local job in
whose log those frames are, as somebody asks who comes back later, in a process that knows nothing of it
yet; once with 8 GPUs and once with one. Beside: how long it takes in all to take the frames in while they
come, which is spread over the week.
"""

from __future__ import annotations

from benchmarks.measuring import Hold, Report, Series, take_turns
from benchmarks.surroundings import Surroundings

DAY = 86_400
DAYS, QUICK_DAYS = 7, 1


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
        for devices, name in ((8, "8 GPUs, from the log"), (1, "1 GPU, from the log")):
            size = driver.call("write", devices=devices, seconds=seconds)["bytes"]
            answer = driver.call("read")
            assert abs(answer["hours"] - hours) < 2, answer
            series = Series(name, samples=[float(answer["seconds"])], note=f"{size / 1e6:.0f} MB of log")
            series.samples += [driver.seconds("read") for _ in range(surroundings.repeats(3) - 1)]
            logs.append(series)
        surroundings.stop_agent(state, keep=driver.pid)
    (asked,) = in_hand.values()
    taking_in = Series("taking the frames of 8 GPUs in", samples=[filled], note="over the whole time")
    return [
        Report(
            f"The power of {days} days",
            [asked, *logs, taking_in],
            holds=[Hold(f"{series.name}, {days} days", series.median, 1.0, "s") for series in (asked, *logs)],
        )
    ]
