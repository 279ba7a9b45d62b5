"""What is special about each kind: its defaults, what may be in it, what may change, who may make it."""

from __future__ import annotations

from typing import Any

from tests.kube.apiserver.objects.store import Entry, Object, Store
from tests.kube.apiserver.protocol.calls import Call
from tests.kube.apiserver.protocol.kinds import Kind
from tests.kube.apiserver.protocol.problems import Problems


class Rules:
    """The rules of a kind about which nothing is special.

    Attributes:
        label_name: the name must be a DNS label, not only a subdomain.
        propagation: what becomes of dependents when a deletion does not say.
        orphan_warning: sent with a deletion that does not say.
        status_in_main: the main path writes the status too.
    """

    label_name = False
    propagation = "Background"
    orphan_warning = ""
    status_in_main = False

    def prepare(self, obj: Object, store: Store, call: Call) -> None:
        """Defaults, and what the system fills in at creation."""

    def prepare_update(self, obj: Object, entry: Entry) -> None:
        """Defaults at an update."""

    def check(self, obj: Object, problems: Problems) -> None:
        """What may be in a new object."""

    def check_update(self, obj: Object, old: Object, problems: Problems) -> None:
        """What may change."""

    def check_status(self, obj: Object, old: Object, problems: Problems) -> None:
        """What may change in the status."""

    def admit(self, obj: Object, store: Store, call: Call) -> None:
        """Admission at creation: quotas, security levels; raises 403."""

    def protect(self, obj: Object) -> None:
        """Raises for what may not be deleted."""

    def deleting(self, obj: Object) -> None:
        """What a deletion changes beside the metadata."""

    def grace(self, obj: Object, call: Call) -> int:
        """How many seconds the object stays after a deletion."""
        return 0

    def removable(self, obj: Object) -> bool:
        """Whether an object without finalizers that is being deleted may go."""
        return True


class RuleSet:
    """The rules of all kinds."""

    def __init__(self, rules: dict[Kind, Rules]) -> None:
        self._rules = rules
        self._plain = Rules()

    def of(self, kind: Kind) -> Rules:
        """The rules of a kind."""
        return self._rules.get(kind, self._plain)


def put_defaults(target: dict[str, Any], **values: Any) -> None:
    """Sets what is absent."""
    for key, value in values.items():
        if target.get(key) is None:
            target[key] = value
