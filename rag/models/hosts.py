"""Hosts and addresses: whether one is this machine, and how the servers of models are reached.

`is_loopback` decides for the address to listen on, for Host headers and for clients too. Standard library only, until a
server is asked.
"""

from __future__ import annotations

import functools
import ipaddress
from typing import TYPE_CHECKING, TypedDict
from urllib.parse import urlsplit

from rag.errors import ConfigurationError
from rag.telemetry import headers_to_pass_on

if TYPE_CHECKING:
    import ssl

OLLAMA_URL = "http://127.0.0.1:11434"


def is_loopback(host: str) -> bool:
    """Whether a host name or address, even in brackets or with a zone, can only be this machine."""
    host = host.lower().strip("[]").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.split("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def ollama_url(base_url: str, environ_host: str) -> str:
    """Ollama's address: the setting, else OLLAMA_HOST in any form that Ollama accepts (`host`, `host:port`, a URL)."""
    given = (base_url or environ_host).strip().rstrip("/")
    if not given:
        return OLLAMA_URL
    parts = urlsplit(given if "://" in given else f"http://{given}")
    host = parts.hostname or "127.0.0.1"
    if host in ("0.0.0.0", "::"):  # an address to listen on, not one to connect to
        host = "127.0.0.1"
    try:
        port = parts.port or {"https": 443}.get(parts.scheme, 80 if "://" in given else 11434)
    except ValueError as error:
        raise ConfigurationError(f"{given!r} is not an address of an Ollama server. Use http://host:11434.") from error
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}{parts.path}"


def openai_url(base_url: str, setting: str) -> str:
    """The address of an OpenAI-compatible server, with /v1 where it has no path. Raises ConfigurationError, which names
    the `setting`, for what is no http address.
    """
    url = base_url.rstrip("/")
    if urlsplit(url).scheme not in ("http", "https"):
        raise ConfigurationError(
            f"{setting}={base_url!r} is not an http address. The openai back end needs the address of its server, such "
            "as http://127.0.0.1:8080/v1."
        )
    return url if urlsplit(url).path else f"{url}/v1"


def without_credentials(url: str) -> str:
    """The address as it may be shown: without a name and password, which a URL can carry."""
    return urlsplit(url)._replace(netloc=urlsplit(url).netloc.rpartition("@")[2]).geturl()


class HttpOptions(TypedDict):
    """What is passed to httpx."""

    headers: dict[str, str]
    trust_env: bool
    verify: ssl.SSLContext


def http_options(url: str, api_key: str = "") -> HttpOptions:
    """Options for httpx: the key, and the trace of the step under way, as headers; no proxy for this machine; and TLS
    certificates that are read only once.
    """
    return {
        "headers": ({"Authorization": f"Bearer {api_key}"} if api_key else {}) | headers_to_pass_on(),
        "trust_env": not is_loopback(urlsplit(url).hostname or ""),
        "verify": _tls(),
    }


@functools.cache
def _tls() -> ssl.SSLContext:
    import httpx

    return httpx.create_ssl_context()


def json_field(value: object, *path: str) -> object:
    """`value[path[0]][path[1]]…`, or None if the server's JSON has no such field."""
    for step in path:
        if not isinstance(value, dict) or step not in value:
            return None
        value = value[step]
    return value
