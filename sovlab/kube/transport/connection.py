"""A connection to a cluster: who we are there, by kubeconfig or by the pod's own account."""

from __future__ import annotations

import ssl
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sovlab.kube.transport.errors import CredentialsError, Unreachable, from_answer

_POOL = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Where a cluster is and who we are there.

    Attributes:
        context: name of the context; None uses the service account of the pod that this runs in.
        kubeconfig: path of the file; None is what ``KUBECONFIG`` says, else ``~/.kube/config``.
    """

    context: str | None
    kubeconfig: Path | None = None

    @property
    def title(self) -> str:
        """How messages call it."""
        return f"context {self.context!r}" if self.context is not None else "the pod's service account"


class Connection:
    """A pool of connections with one identity.

    Raises:
        CredentialsError: there is no such context, or it gives no identity.
    """

    def __init__(self, login: Login) -> None:
        self._login = login
        self._configuration, self.namespace = _configured(login)
        self._configuration.connection_pool_maxsize = _POOL
        _load_library()
        from kubernetes.client.rest import RESTClientObject

        self._pool = RESTClientObject(self._configuration).pool_manager

    @property
    def server(self) -> str:
        """URL of the API server."""
        return str(self._configuration.host).rstrip("/")

    def request(
        self, method: str, target: str, body: bytes | None, content: str, *, timeout: Any, stream: bool
    ) -> Any:
        """One request; the HTTP library's response. Raises `Unreachable` if there is none."""
        import urllib3

        headers = {"Accept": "application/json", "User-Agent": "sovlab", **self._authorization()}
        if body is not None:
            headers["Content-Type"] = content
        try:
            return self._pool.request(
                method,
                self.server + target,
                body=body,
                headers=headers,
                timeout=urllib3.Timeout(connect=timeout[0], read=timeout[1]),
                retries=False,
                redirect=False,
                preload_content=not stream,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._unreachable(error) from error

    def websocket(self, target: str) -> Any:
        """A WebSocket to an ``exec`` of the API server (KEP-4006's subprotocols)."""
        import websocket

        settings = self._configuration
        checks = {"cert_reqs": ssl.CERT_REQUIRED, "ca_certs": settings.ssl_ca_cert}
        if not settings.verify_ssl:
            checks = {"cert_reqs": ssl.CERT_NONE, "check_hostname": False}
        if settings.cert_file:
            checks |= {"certfile": settings.cert_file, "keyfile": settings.key_file}
        name = getattr(settings, "tls_server_name", None)
        if name:
            checks["server_hostname"] = name
        headers = [f"{key}: {value}" for key, value in self._authorization().items()]
        try:
            return websocket.create_connection(
                "ws" + self.server.removeprefix("http") + target,
                timeout=30,
                header=headers,
                sslopt=checks,
                subprotocols=["v5.channel.k8s.io", "v4.channel.k8s.io"],
                enable_multithread=True,
                skip_utf8_validation=True,
                **_proxy(settings),
            )
        except websocket.WebSocketBadStatusException as error:
            body = _status_of(error)
            raise from_answer(error.status_code, body, doing="open a stream to a container") from error
        except (websocket.WebSocketException, OSError) as error:
            raise self._unreachable(error) from error

    def refused(self) -> CredentialsError:
        """The error for a server that answers 401."""
        return CredentialsError(
            f"The API server {self.server} does not accept the credentials of {self._login.title}.",
            "Log in again the way your site does, then repeat this.",
        )

    def _authorization(self) -> dict[str, str]:
        token = self._configuration.auth_settings().get("BearerToken")
        return {"authorization": token["value"]} if token and token.get("value") else {}

    def _unreachable(self, error: Exception) -> Unreachable:
        cause = _innermost(error)
        if isinstance(cause, ssl.SSLError) and not _is_cut_off(cause):
            return Unreachable(
                f"The certificate of API server {self.server} could not be verified: {_certificate(cause)}.",
                "Set certificate-authority in the kubeconfig to your site's CA.",
            )
        return Unreachable(
            f"The API server {self.server} of {self._login.title} does not answer ({_plain(cause)}).",
            "Check the network or VPN, and the address in the kubeconfig.",
        )


def contexts(kubeconfig: Path | None = None) -> list[str]:
    """Names of the contexts of a kubeconfig, sorted; none where there is no kubeconfig.

    Args:
        kubeconfig: path of the file; None is what ``KUBECONFIG`` says, else ``~/.kube/config``.

    Raises:
        CredentialsError: the file cannot be read.
    """
    _load_library()
    from kubernetes import config

    file = str(kubeconfig) if kubeconfig is not None else None
    try:
        return sorted(str(context["name"]) for context in _contexts(file))
    except config.ConfigException as error:
        what = f"The kubeconfig {file}" if file is not None else "The kubeconfig"
        raise CredentialsError(
            f"{what} cannot be read: {error}.", "Repair it, or name another one."
        ) from None


_LOADING = threading.Lock()


def _load_library() -> None:
    """Import the Kubernetes client, without a validator for its dynamic client, which nobody here uses.

    Where that package is installed the import would take ten times as long.
    """
    with _LOADING:
        if "kubernetes" in sys.modules:
            return
        validator = "kubernetes_validate"
        hidden = validator not in sys.modules
        if hidden:
            sys.modules[validator] = None  # type: ignore[assignment]
        try:
            import kubernetes  # noqa: F401
        finally:
            if hidden:
                del sys.modules[validator]


def namespace_of(login: Login) -> str:
    """The namespace that a context names, else ``default``; no plugin is run. Raises `CredentialsError`."""
    _load_library()
    from kubernetes import config

    if login.context is None:
        return _configured(login)[1]
    file = str(login.kubeconfig) if login.kubeconfig is not None else None
    try:
        return str(_context(login, file)["context"].get("namespace") or "default")
    except config.ConfigException as error:
        raise _unusable(login, error) from None


def _contexts(file: str | None) -> list[Any]:
    """The contexts of a kubeconfig, which need not say which is the current one: none is used unasked."""
    _load_library()
    from kubernetes.config import ConfigException
    from kubernetes.config.kube_config import KUBE_CONFIG_DEFAULT_LOCATION, KubeConfigMerger

    try:
        merged = KubeConfigMerger(file or KUBE_CONFIG_DEFAULT_LOCATION).config
    except ConfigException:
        raise
    except Exception as error:  # whatever is in that file
        raise ConfigException(f"it is not a kubeconfig ({type(error).__name__})") from None
    return [node.value for node in merged.safe_get("contexts") or ()] if merged is not None else []


def _context(login: Login, file: str | None) -> Any:
    listed = _contexts(file)
    context = next((c for c in listed if c["name"] == login.context), None)
    if context is None:
        names = ", ".join(sorted(c["name"] for c in listed)) or "none"
        raise CredentialsError(f"The kubeconfig has no context {login.context!r}.", f"Contexts: {names}.")
    return context


def _unusable(login: Login, error: Exception) -> CredentialsError:
    where = f" {login.kubeconfig}" if login.kubeconfig is not None else ""
    return CredentialsError(
        f"The kubeconfig{where} cannot be used for {login.title}: {error}.".replace("..", "."),
        "Check KUBECONFIG, or give the target a kubeconfig of its own.",
    )


def _configured(login: Login) -> tuple[Any, str]:
    """The client's configuration, and the context's namespace."""
    _load_library()
    from kubernetes import config
    from kubernetes.client import Configuration

    settings = Configuration()
    try:
        if login.context is None:
            config.load_incluster_config(client_configuration=settings)
            path = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
            return settings, path.read_text().strip() if path.exists() else "default"
        file = str(login.kubeconfig) if login.kubeconfig is not None else None
        context = _context(login, file)
        config.load_kube_config(
            config_file=file,
            context=login.context,
            client_configuration=settings,
            persist_config=False,
        )
    except config.ConfigException as error:
        raise _unusable(login, error) from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CredentialsError(
            f"The credentials of {login.title} cannot be read: {type(error).__name__}: {error}.",
            "Check the user of that context in the kubeconfig.",
        ) from None
    _check_plugin(login, file, settings)
    return settings, context["context"].get("namespace") or "default"


def _check_plugin(login: Login, file: str | None, settings: Any) -> None:
    """Make a credential plugin that failed an error: the client only logs it, and goes on as nobody."""
    if settings.auth_settings() or settings.cert_file:
        return
    _load_library()
    from kubernetes.config.exec_provider import ExecProvider
    from kubernetes.config.kube_config import KUBE_CONFIG_DEFAULT_LOCATION, KubeConfigMerger

    merged = KubeConfigMerger(file or KUBE_CONFIG_DEFAULT_LOCATION).config
    context = merged["contexts"].get_with_name(login.context)["context"]
    user = merged["users"].get_with_name(context["user"], safe=True) if context.safe_get("user") else None
    if user is None or user["user"].safe_get("exec") is None:
        return  # a server that asks for no identity, or answers 401
    plugin = user["user"]["exec"]
    try:
        cluster = merged["clusters"].get_with_name(context["cluster"])["cluster"]
        ExecProvider(plugin, str(Path(plugin.path or ".").resolve().parent), cluster).run()
        why = "it returned neither a token nor a certificate"
    except Exception as error:
        why = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
    raise CredentialsError(
        f"The credential plugin {plugin['command']!r} of {login.title} failed: {why}.".replace("..", "."),
        "Run it in a terminal to see what it needs; often that is to log in again.",
    )


def _proxy(settings: Any) -> dict[str, Any]:
    from urllib.parse import urlsplit

    proxy = getattr(settings, "proxy", None)
    if not proxy:
        return {}
    parts = urlsplit(proxy)
    kind = parts.scheme if parts.scheme.startswith("socks") else "http"
    options: dict[str, Any] = {
        "http_proxy_host": parts.hostname,
        "http_proxy_port": parts.port,
        "proxy_type": kind,
    }
    if parts.username:
        options["http_proxy_auth"] = (parts.username, parts.password or "")
    skipped = getattr(settings, "no_proxy", None)
    if skipped:
        options["http_no_proxy"] = [part.strip() for part in skipped.split(",")]
    return options


def _status_of(error: Any) -> dict[str, Any]:
    import msgspec

    try:
        status = msgspec.json.decode(error.resp_body or b"")
    except (msgspec.DecodeError, AttributeError, TypeError):
        return {"message": ""}
    return status if isinstance(status, dict) else {}


def _innermost(error: BaseException) -> BaseException:
    """The cause within what the HTTP library has wrapped around it."""
    seen = {id(error)}
    while True:
        inner = getattr(error, "reason", None) or error.__cause__ or error.__context__
        if not isinstance(inner, BaseException) or id(inner) in seen:
            return error
        seen.add(id(inner))
        error = inner


def _certificate(error: ssl.SSLError) -> str:
    return getattr(error, "verify_message", "") or error.reason or "TLS failed"


def _is_cut_off(error: ssl.SSLError) -> bool:
    """Whether the other side went away meanwhile, which says nothing of its certificate."""
    ends = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
    return isinstance(error, ends) or error.reason == "UNEXPECTED_EOF_WHILE_READING"


def _plain(error: BaseException) -> str:
    if isinstance(error, ssl.SSLError):
        return "the connection was cut off"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {error}".rstrip(": ")
