"""The threads that read what is there already of the jobs that pages begin to follow."""

from __future__ import annotations

import threading

from sovlab.jupyter.server.stream.readers import AT_ONCE, Readers


def test_a_target_has_a_few_threads_and_one_that_hangs_holds_up_no_other():
    readers, hang, done, other = Readers(), threading.Event(), threading.Semaphore(0), threading.Event()
    lock, running, most = threading.Lock(), 0, 0
    begun = threading.Semaphore(0)

    def read() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        begun.release()
        hang.wait(60)
        with lock:
            running -= 1
        done.release()

    for _ in range(100):
        readers.take("slow", read)
    for _ in range(AT_ONCE):
        assert begun.acquire(timeout=60)
    readers.take("other", other.set)
    assert other.wait(60)
    assert not begun.acquire(blocking=False)
    hang.set()
    for _ in range(100):
        assert done.acquire(timeout=60)
    assert most == AT_ONCE


def test_what_comes_after_a_pause_is_done_in_its_order():
    readers, seen = Readers(), []
    for number in range(3):
        ended = threading.Event()
        readers.take("local", lambda: None)
        readers.take("local", lambda number=number, ended=ended: (seen.append(number), ended.set()))
        assert ended.wait(60)
    assert seen == [0, 1, 2]
