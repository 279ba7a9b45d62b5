"""Pod specs, in pods and in templates: defaults and what may be in them."""

from __future__ import annotations

import re

from tests.kube.apiserver.objects.store import Object
from tests.kube.apiserver.protocol.problems import Problems
from tests.kube.apiserver.protocol.values import label_value_problems, name_problems, qualified_problems

from . import put_defaults
from .resources import all_containers, check_resources

_ENV_NAME = re.compile(r"[ -<>-~]+")
_FIELD = re.compile(
    r"metadata\.(name|namespace|uid|labels\['.*'\]|annotations\['.*'\])"
    r"|spec\.(nodeName|serviceAccountName)|status\.(hostIPs?|podIPs?)"
)
_SOURCES = (
    "emptyDir",
    "secret",
    "configMap",
    "projected",
    "downwardAPI",
    "persistentVolumeClaim",
    "hostPath",
    "ephemeral",
    "csi",
    "nfs",
    "image",
)
_POLICIES = ("Always", "OnFailure", "Never")


def default_spec(spec: Object) -> None:
    """Fills in what a pod spec leaves open."""
    put_defaults(
        spec,
        restartPolicy="Always",
        terminationGracePeriodSeconds=30,
        dnsPolicy="ClusterFirst",
        securityContext={},
        schedulerName="default-scheduler",
    )
    for container in all_containers(spec):
        _default_container(container)
    if "serviceAccountName" in spec:
        spec["serviceAccount"] = spec["serviceAccountName"]
    for volume in spec.get("volumes") or []:
        _default_volume(volume)


def _default_container(container: Object) -> None:
    put_defaults(
        container,
        resources={},
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
        imagePullPolicy=_pull_policy(container.get("image") or ""),
    )
    for port in container.get("ports") or []:
        put_defaults(port, protocol="TCP")
    for env in container.get("env") or []:
        field = (env.get("valueFrom") or {}).get("fieldRef")
        if field:
            put_defaults(field, apiVersion="v1")


def _pull_policy(image: str) -> str:
    if "@" in image:
        return "IfNotPresent"
    tag = image.rpartition("/")[2].partition(":")[2]
    return "Always" if tag in ("", "latest") else "IfNotPresent"


def _default_volume(volume: Object) -> None:
    for source in ("secret", "configMap", "projected", "downwardAPI"):
        if isinstance(volume.get(source), dict):
            put_defaults(volume[source], defaultMode=0o644)
    if not any(source in volume for source in _SOURCES):
        volume["emptyDir"] = {}
    for source in (volume.get("projected") or {}).get("sources") or []:
        token = source.get("serviceAccountToken")
        if token is not None:
            put_defaults(token, expirationSeconds=3600)
    items = list((volume.get("downwardAPI") or {}).get("items") or [])
    for source in (volume.get("projected") or {}).get("sources") or []:
        items += (source.get("downwardAPI") or {}).get("items") or []
    for item in items:
        if item.get("fieldRef"):
            put_defaults(item["fieldRef"], apiVersion="v1")


def check_spec(spec: Object, at: str, problems: Problems) -> None:
    """What may be in a pod spec; `at` is the path of the spec."""
    volumes = _check_volumes(spec.get("volumes") or [], f"{at}.volumes", problems)
    if not spec.get("containers"):
        problems.required(f"{at}.containers")
    seen: set[str] = set()
    for group in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(group) or []):
            _check_container(container, f"{at}.{group}[{index}]", volumes, seen, problems)
    if spec.get("restartPolicy") not in _POLICIES:
        problems.unsupported(f"{at}.restartPolicy", spec.get("restartPolicy"), _POLICIES)
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= 2147483647:
        problems.invalid(
            f"{at}.activeDeadlineSeconds", deadline, "must be between 1 and 2147483647, inclusive"
        )
    for key, label in (
        ("hostname", True),
        ("subdomain", True),
        ("nodeName", False),
        ("serviceAccountName", False),
    ):
        for why in name_problems(spec[key], label=label) if spec.get(key) else []:
            problems.invalid(f"{at}.{key}", spec[key], why)
    for key, value in (spec.get("nodeSelector") or {}).items():
        for why in qualified_problems(key):
            problems.invalid(f"{at}.nodeSelector", key, why)
        for why in label_value_problems(value):
            problems.invalid(f"{at}.nodeSelector", value, why)
    _check_affinity(spec, at, problems)
    _check_tolerations(spec.get("tolerations") or [], f"{at}.tolerations", problems)


def _check_affinity(spec: Object, at: str, problems: Problems) -> None:
    where = f"{at}.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
    node = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    if node is None:
        return
    if not node.get("nodeSelectorTerms"):
        problems.required(where, "must have at least one node selector term")
    for t, term in enumerate(node.get("nodeSelectorTerms") or []):
        for e, expression in enumerate(term.get("matchExpressions") or []):
            here, operator = f"{where}[{t}].matchExpressions[{e}]", expression.get("operator")
            if operator in ("In", "NotIn") and not expression.get("values"):
                problems.required(f"{here}.values", "must be specified when `operator` is 'In' or 'NotIn'")
            elif operator in ("Exists", "DoesNotExist") and expression.get("values"):
                why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                problems.forbidden(f"{here}.values", why)
            elif operator not in ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"):
                problems.invalid(f"{here}.operator", operator, "not a valid selector operator")


def _check_tolerations(tolerations: list[Object], at: str, problems: Problems) -> None:
    for index, toleration in enumerate(tolerations):
        operator = toleration.get("operator") or "Equal"
        if not toleration.get("key") and operator != "Exists":
            why = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            problems.invalid(f"{at}[{index}].operator", toleration.get("operator", ""), why)
        if operator == "Exists" and toleration.get("value"):
            problems.invalid(
                f"{at}[{index}].operator",
                toleration["value"],
                "value must be empty when `operator` is 'Exists'",
            )
        if operator not in ("Equal", "Exists"):
            problems.unsupported(f"{at}[{index}].operator", operator, ("Equal", "Exists"))
        effect = toleration.get("effect")
        if effect and effect not in ("NoSchedule", "PreferNoSchedule", "NoExecute"):
            problems.unsupported(
                f"{at}[{index}].effect", effect, ("NoSchedule", "PreferNoSchedule", "NoExecute")
            )
        if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
            why = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            problems.invalid(f"{at}[{index}].effect", effect or "", why)


def _check_volumes(volumes: list[Object], at: str, problems: Problems) -> set[str]:
    names: set[str] = set()
    for index, volume in enumerate(volumes):
        where, name = f"{at}[{index}]", volume.get("name") or ""
        if not name:
            problems.required(f"{where}.name")
        for why in name_problems(name, label=True) if name else []:
            problems.invalid(f"{where}.name", name, why)
        if name in names:
            problems.duplicate(f"{where}.name", name)
        names.add(name)
        kinds = [source for source in _SOURCES if volume.get(source) is not None]
        for source in kinds[1:]:
            problems.forbidden(f"{where}.{source}", "may not specify more than 1 volume type")
        if volume.get("secret") is not None and not volume["secret"].get("secretName"):
            problems.required(f"{where}.secret.secretName")
        if volume.get("configMap") is not None and not volume["configMap"].get("name"):
            problems.required(f"{where}.configMap.name")
        if volume.get("persistentVolumeClaim") is not None and not volume["persistentVolumeClaim"].get(
            "claimName"
        ):
            problems.required(f"{where}.persistentVolumeClaim.claimName")
        for source in ("secret", "configMap", "projected"):
            mode = (volume.get(source) or {}).get("defaultMode")
            if mode is not None and not 0 <= mode <= 0o777:
                problems.invalid(
                    f"{where}.{source}.defaultMode",
                    mode,
                    "must be a number between 0 and 0777 (octal), both inclusive",
                )
    return names


def _check_container(
    container: Object, at: str, volumes: set[str], seen: set[str], problems: Problems
) -> None:
    name = container.get("name") or ""
    if not name:
        problems.required(f"{at}.name")
    elif name in seen:
        problems.duplicate(f"{at}.name", name)
    else:
        for why in name_problems(name, label=True):
            problems.invalid(f"{at}.name", name, why)
    seen.add(name)
    if not container.get("image"):
        problems.required(f"{at}.image")
    _check_word(container, "terminationMessagePolicy", ("File", "FallbackToLogsOnError"), at, problems)
    _check_word(container, "imagePullPolicy", ("Always", "IfNotPresent", "Never"), at, problems)
    for index, env in enumerate(container.get("env") or []):
        _check_env(env, f"{at}.env[{index}]", problems)
    paths: set[str] = set()
    for index, mount in enumerate(container.get("volumeMounts") or []):
        where = f"{at}.volumeMounts[{index}]"
        if not mount.get("name"):
            problems.required(f"{where}.name")
        if mount.get("name") not in volumes:
            problems.missing(f"{where}.name", mount.get("name"))
        if not mount.get("mountPath"):
            problems.required(f"{where}.mountPath")
        elif mount["mountPath"] in paths:
            problems.invalid(f"{where}.mountPath", mount["mountPath"], "must be unique")
        paths.add(mount.get("mountPath") or "")
        if ".." in (mount.get("subPath") or "").split("/"):
            problems.invalid(f"{where}.subPath", mount["subPath"], "must not contain '..'")
    for index, port in enumerate(container.get("ports") or []):
        if not 0 < (port.get("containerPort") or 0) < 65536:
            why = "must be between 1 and 65535, inclusive"
            problems.invalid(f"{at}.ports[{index}].containerPort", port.get("containerPort"), why)
    check_resources(container.get("resources") or {}, f"{at}.resources", problems)


def _check_word(container: Object, key: str, known: tuple[str, ...], at: str, problems: Problems) -> None:
    if container.get(key) not in known:
        problems.unsupported(f"{at}.{key}", container.get(key), known)


def _check_env(env: Object, at: str, problems: Problems) -> None:
    if not env.get("name"):
        problems.required(f"{at}.name")
    elif not _ENV_NAME.fullmatch(env["name"]):
        why = (
            "a valid environment variable name must consist only of printable ASCII characters other than '='"
        )
        problems.invalid(f"{at}.name", env["name"], why)
    source = env.get("valueFrom")
    if source is None:
        return
    field = source.get("fieldRef")
    if field and not _FIELD.fullmatch(field.get("fieldPath") or ""):
        path = field.get("fieldPath") or ""
        why = f"error converting fieldPath: field label not supported: {path}"
        problems.invalid(f"{at}.valueFrom.fieldRef.fieldPath", path, why)
    if env.get("value"):
        problems.invalid(f"{at}.valueFrom", "", "may not be specified when `value` is not empty")
    elif len([key for key in source if source[key] is not None]) != 1:
        why = (
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or "
            "`fileKeyRef`"
        )
        problems.invalid(f"{at}.valueFrom", "", why)
