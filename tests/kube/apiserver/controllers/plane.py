"""The control plane: one thread that runs all controllers, each with a queue of keys and delays.

The rule: controllers never run at the same time, so they need no locks among them; what happens elsewhere
(a process has ended) only puts a key into a queue. While the API is down, none runs.
"""

from __future__ import annotations

import heapq
import threading
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count

from tests.kube.apiserver.objects.store import Change, Key, Store
from tests.kube.apiserver.protocol.errors import ApiError
from tests.kube.apiserver.protocol.kinds import Kind


class Controller:
    """Something that reconciles; subclasses say when and what."""

    plane: Plane

    def keys(self, kind: Kind, change: Change) -> Iterable[Key]:
        """Which keys a change concerns."""
        raise NotImplementedError

    def reconcile(self, key: Key) -> float | None:
        """Brings one thing to what it should be; after how many seconds to look again, if at all."""
        raise NotImplementedError

    def enqueue(self, key: Key, delay: float = 0.0) -> None:
        """Has a key reconciled; from any thread."""
        self.plane.enqueue(self, key, delay)


class Plane:
    """Runs controllers.

    Args:
        store: whose changes they follow.
        failures: where tracebacks go.
    """

    def __init__(self, store: Store, failures: list[str]) -> None:
        self._store = store
        self._controllers: list[Controller] = []
        self._condition = threading.Condition()
        self._heap: list[tuple[float, int, Controller, Key]] = []
        self._due: dict[tuple[Controller, Key], float] = {}
        self._order = count()
        self._paused = False
        self._stopping = False
        self._thread: threading.Thread | None = None
        self.failures = failures
        self._changes = store.subscribe(None, None, self._wake)

    def add(self, controller: Controller) -> None:
        """A further controller."""
        controller.plane = self
        self._controllers.append(controller)

    def start(self) -> None:
        """Begins."""
        self._thread = threading.Thread(target=self._run, name="fake-control-plane", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends, after the reconciliation that is under way."""
        with self._condition:
            self._stopping = True
            self._condition.notify()
        if self._thread is not None:
            self._thread.join()
        self._store.unsubscribe(self._changes)

    def pause(self, paused: bool) -> None:
        """Stops, or goes on, as controllers do that cannot reach the API."""
        with self._condition:
            self._paused = paused
            self._condition.notify()

    def enqueue(self, controller: Controller, key: Key, delay: float = 0.0) -> None:
        """Has a key reconciled; an earlier time wins over a later one."""
        due = time.monotonic() + delay
        with self._condition:
            known = self._due.get((controller, key))
            if known is not None and known <= due:
                return
            self._due[controller, key] = due
            heapq.heappush(self._heap, (due, next(self._order), controller, key))
            self._condition.notify()

    @contextmanager
    def deaf(self) -> Iterator[None]:
        """What changes meanwhile, in this thread, no controller hears of."""
        with self._store.lock:
            self._store.unsubscribe(self._changes)
            yield
            changes = self._changes.changes
            self._changes = self._store.subscribe(None, None, self._wake)
            self._changes.changes.extendleft(reversed(changes))

    def _wake(self) -> None:
        with self._condition:
            self._condition.notify()

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._stopping and (self._paused or not self._ready()):
                    timeout = max(0.0, self._heap[0][0] - time.monotonic()) if self._heap else None
                    self._condition.wait(None if self._paused else timeout)
                if self._stopping:
                    return
            self._distribute()
            taken = self._take()
            if taken is not None:
                self._reconcile(*taken)

    def _ready(self) -> bool:
        return bool(self._changes.changes) or bool(self._heap and self._heap[0][0] <= time.monotonic())

    def _distribute(self) -> None:
        while self._changes.changes:
            change = self._changes.changes.popleft()
            entry = change.new or change.old
            assert entry is not None
            for controller in self._controllers:
                for key in controller.keys(entry.kind, change):
                    self.enqueue(controller, key)

    def _take(self) -> tuple[Controller, Key] | None:
        with self._condition:
            while self._heap and self._heap[0][0] <= time.monotonic():
                due, _, controller, key = heapq.heappop(self._heap)
                if self._due.get((controller, key)) == due:
                    del self._due[controller, key]
                    return controller, key
        return None

    def _reconcile(self, controller: Controller, key: Key) -> None:
        try:
            again = controller.reconcile(key)
        except ApiError:
            # As a controller does: refused or conflicting, it tries again.
            again = 0.1
        except Exception:
            self.failures.append(traceback.format_exc())
            traceback.print_exc()
            again = 1.0
        if again is not None:
            self.enqueue(controller, key, again)
