"""Rules of Jobs: defaults, generated labels and selector, and what may change once it is there."""

from __future__ import annotations

import copy
from typing import Any

from tests.kube.apiserver.objects.selectors import match_labels
from tests.kube.apiserver.objects.store import Entry, Object, Store
from tests.kube.apiserver.protocol.calls import Call
from tests.kube.apiserver.protocol.kinds import JOBS
from tests.kube.apiserver.protocol.problems import Problems
from tests.kube.apiserver.protocol.values import name_problems

from . import Rules, put_defaults, quota, security
from .pods import check_template, default_template

_ORPHANS = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to "
    "remove them "
    "or set propagationPolicy=Orphan to suppress this warning"
)
LABEL = "batch.kubernetes.io/"
GENERATED = (f"{LABEL}controller-uid", f"{LABEL}job-name", "controller-uid", "job-name")
_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")


class JobRules(Rules):
    """Rules of Jobs."""

    propagation = "Orphan"
    orphan_warning = _ORPHANS

    def prepare(self, obj: Object, store: Store, call: Call) -> None:
        spec = obj.setdefault("spec", {})
        _default(spec)
        obj["status"] = {}
        if not spec.get("manualSelector"):
            metadata = obj["metadata"]
            labels = spec["template"]["metadata"].setdefault("labels", {})
            stated = {"controller-uid": metadata["uid"], "job-name": metadata.get("name", "")}
            for key, value in stated.items():
                labels[f"{LABEL}{key}"] = labels[key] = value
            selector = spec.setdefault("selector", {})
            selector.setdefault("matchLabels", {})[f"{LABEL}controller-uid"] = metadata["uid"]

    def prepare_update(self, obj: Object, entry: Entry) -> None:
        _default(obj.setdefault("spec", {}))

    def check(self, obj: Object, problems: Problems) -> None:
        _check_selector(obj, problems)
        _check(obj, problems)

    def check_update(self, obj: Object, old: Object, problems: Problems) -> None:
        _check_selector(obj, problems)
        _check(obj, problems)
        new, before = obj["spec"], old["spec"]
        for key in ("selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy",
                    "successPolicy"):  # fmt: skip
            if new.get(key) != before.get(key):
                problems.invalid(f"spec.{key}", new.get(key), "field is immutable")
        if new.get("completions") != before.get("completions"):
            elastic = new.get("completionMode") == "Indexed" and new.get("completions") == new.get(
                "parallelism"
            )
            if not elastic:
                problems.invalid("spec.completions", new.get("completions"), "field is immutable")
        if new["template"] != before["template"] and not _may_change(obj, old):
            _immutable(new["template"], before["template"], problems)

    def admit(self, obj: Object, store: Store, call: Call) -> None:
        namespace = obj["metadata"]["namespace"]
        if not obj["metadata"].get("labels"):
            # A Job without labels is read back with those of its template.
            obj["metadata"]["labels"] = dict(obj["spec"]["template"]["metadata"].get("labels") or {})
        quota.enforce(JOBS, namespace, obj, store)
        security.warn(obj["spec"]["template"], namespace, store, call)


def _immutable(new: Object, old: Object, problems: Problems) -> None:
    rest = {**new, "spec": old["spec"]}
    if rest == old:
        problems.invalid("spec.template.spec", new["spec"], "field is immutable")
    else:
        problems.invalid("spec.template", new, "field is immutable")


def _check_selector(obj: Object, problems: Problems) -> None:
    spec, uid = obj["spec"], obj["metadata"]["uid"]
    if spec.get("manualSelector"):
        return
    if spec.get("selector") != {"matchLabels": {f"{LABEL}controller-uid": uid}}:
        problems.invalid("spec.selector", spec.get("selector"), "`selector` not auto-generated")
    labels = spec["template"]["metadata"].get("labels") or {}
    if not match_labels(spec.get("selector"))(labels):
        problems.invalid(
            "spec.template.metadata.labels", labels, "`selector` does not match template `labels`"
        )


def _default(spec: Object) -> None:
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec.update(completions=1, parallelism=1)
    put_defaults(
        spec,
        parallelism=1,
        backoffLimit=2147483647 if spec.get("backoffLimitPerIndex") is not None else 6,
        completionMode="NonIndexed",
        suspend=False,
        manualSelector=False,
        podReplacementPolicy="Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed",
    )
    for rule in (spec.get("podFailurePolicy") or {}).get("rules") or []:
        for pattern in rule.get("onPodConditions") or []:
            put_defaults(pattern, status="True")
    default_template(spec.setdefault("template", {}))


def _may_change(obj: Object, old: Object) -> bool:
    """Whether only scheduling directives of a suspended Job that runs nothing differ."""
    suspended = old["spec"].get("suspend") and not (old.get("status") or {}).get("startTime")
    if not suspended:
        return False

    def kept(template: Object) -> Object:
        rest = copy.deepcopy(template)
        metadata, spec = rest["metadata"], rest["spec"]
        metadata.pop("annotations", None)
        metadata["labels"] = {k: v for k, v in (metadata.get("labels") or {}).items() if k in GENERATED}
        for key in ("nodeSelector", "tolerations", "schedulingGates"):
            spec.pop(key, None)
        node = (spec.get("affinity") or {}).pop("nodeAffinity", None)
        if node is not None and not spec["affinity"]:
            del spec["affinity"]
        return rest

    return kept(obj["spec"]["template"]) == kept(old["spec"]["template"])


def _check(obj: Object, problems: Problems) -> None:
    spec, name = obj["spec"], obj["metadata"].get("name", "")
    for key in (
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ):
        if isinstance(spec.get(key), int) and spec[key] < 0:
            problems.invalid(f"spec.{key}", spec[key], "must be greater than or equal to 0")
    if spec["completionMode"] not in ("NonIndexed", "Indexed"):
        problems.unsupported("spec.completionMode", spec["completionMode"], ("NonIndexed", "Indexed"))
    if spec["completionMode"] == "Indexed":
        if spec.get("completions") is None:
            problems.required("spec.completions", "when completion mode is Indexed")
        elif spec["completions"] > 0:
            pod = f"{name}-{spec['completions'] - 1}"
            if name_problems(pod, label=True):
                why = f"will not able to create pod with invalid DNS label: {pod}"
                problems.invalid("metadata.name", name, why)
        if spec["parallelism"] > 100_000:
            why = "must be less than or equal to 100000 when completion mode is Indexed"
            problems.invalid("spec.parallelism", spec["parallelism"], why)
    elif spec.get("backoffLimitPerIndex") is not None:
        problems.invalid(
            "spec.backoffLimitPerIndex", spec["backoffLimitPerIndex"], "requires indexed completion mode"
        )
    _check_policy(spec, problems)
    check_template(spec["template"], "spec.template", problems)
    restart = spec["template"]["spec"].get("restartPolicy")
    where = "spec.template.spec.restartPolicy"
    if restart == "Always":
        problems.required(where, 'valid values: "OnFailure", "Never"')
    elif restart != "Never" and spec.get("podFailurePolicy"):
        problems.invalid(where, restart, 'only "Never" is supported when podFailurePolicy is specified')


def _check_policy(spec: Object, problems: Problems) -> None:
    policy, replacement = spec.get("podFailurePolicy"), spec["podReplacementPolicy"]
    known = ("Failed",) if policy else ("Failed", "TerminatingOrFailed")
    if replacement not in known:
        problems.unsupported("spec.podReplacementPolicy", replacement, known)
    if policy is None:
        return
    at = "spec.podFailurePolicy.rules"
    if len(policy.get("rules") or []) > 20:
        problems.too_many(at, len(policy["rules"]), 20)
    names = {
        c.get("name") for g in ("containers", "initContainers") for c in spec["template"]["spec"].get(g) or []
    }
    for index, rule in enumerate(policy.get("rules") or []):
        _check_rule(rule, f"{at}[{index}]", names, spec, problems)


def _check_rule(rule: Object, at: str, names: set[Any], spec: Object, problems: Problems) -> None:
    action, codes, conditions = rule.get("action"), rule.get("onExitCodes"), rule.get("onPodConditions") or []
    if not action:
        problems.required(f"{at}.action", 'valid values: ["Count" "FailIndex" "FailJob" "Ignore"]')
    elif action not in _ACTIONS:
        problems.unsupported(f"{at}.action", action, _ACTIONS)
    elif action == "FailIndex" and spec.get("backoffLimitPerIndex") is None:
        why = "requires the backoffLimitPerIndex to be set"
        problems.invalid(f"{at}.action", action, why)
    if codes is not None:
        _check_codes(codes, f"{at}.onExitCodes", names, problems)
    for index, pattern in enumerate(conditions):
        if not pattern.get("type"):
            problems.invalid(f"{at}.onPodConditions[{index}].type", "", "name part must be non-empty")
        if pattern.get("status") not in ("False", "True", "Unknown"):
            known = ("False", "True", "Unknown")
            problems.unsupported(f"{at}.onPodConditions[{index}].status", pattern.get("status"), known)
    if codes is None and not conditions:
        problems.wrong(at, "specifying one of OnExitCodes and OnPodConditions is required")
    if codes is not None and conditions:
        problems.wrong(at, "specifying both OnExitCodes and OnPodConditions is not supported")


def _check_codes(codes: Object, at: str, names: set[Any], problems: Problems) -> None:
    operator, values = codes.get("operator"), codes.get("values") or []
    if operator not in ("In", "NotIn"):
        problems.unsupported(f"{at}.operator", operator, ("In", "NotIn"))
    if codes.get("containerName") is not None and codes["containerName"] not in names:
        problems.invalid(
            f"{at}.containerName",
            codes["containerName"],
            "must be one of the container or initContainer names in the pod template",
        )
    if not values:
        problems.invalid(f"{at}.values", values, "at least one value is required")
    if len(values) > 255:
        problems.too_many(f"{at}.values", len(values), 255)
    seen: set[int] = set()
    ordered = True
    for index, value in enumerate(values):
        if operator == "In" and value == 0:
            problems.invalid(f"{at}.values[{index}]", value, "must not be 0 for the In operator")
        if value in seen:
            problems.duplicate(f"{at}.values[{index}]", value)
        ordered = ordered and (index == 0 or values[index - 1] <= value)
        seen.add(value)
    if not ordered:
        problems.invalid(f"{at}.values", values, "must be ordered")
