"""A stand-in of the Kubernetes API, to which the real Helm installs a chart. It keeps what it gets and runs nothing.

Helm reads the version and the kinds, posts the objects in its order, and waits for Jobs that are hooks, which are
complete as soon as they are there. The kinds are those that tests name; a chart with another one fails, as in a
cluster. Helm's own record of a release is a Secret in protobuf, which is returned unread.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from local_servers import Handler, handling

Object = dict[str, Any]

BUILT_IN: Mapping[str, Mapping[str, str]] = {
    "v1": {
        "ConfigMap": "configmaps",
        "PersistentVolumeClaim": "persistentvolumeclaims",
        "Secret": "secrets",
        "Service": "services",
    },
    "apps/v1": {"Deployment": "deployments", "StatefulSet": "statefulsets"},
    "batch/v1": {"Job": "jobs"},
    "networking.k8s.io/v1": {"NetworkPolicy": "networkpolicies"},
    "policy/v1": {"PodDisruptionBudget": "poddisruptionbudgets"},
}
OPERATORS: Mapping[str, Mapping[str, str]] = {
    "keda.sh/v1alpha1": {"ScaledObject": "scaledobjects", "TriggerAuthentication": "triggerauthentications"},
    "monitoring.coreos.com/v1": {
        "PodMonitor": "podmonitors",
        "PrometheusRule": "prometheusrules",
        "ServiceMonitor": "servicemonitors",
    },
}
_PROTOBUF = "application/vnd.kubernetes.protobuf"
_AT = "2026-01-01T00:00:00Z"


@dataclass
class Cluster:
    """What the API has: `kinds` maps each group and version to its kinds and their paths; `objects` are in the order in
    which they were posted, without what the API adds to them.
    """

    kinds: Mapping[str, Mapping[str, str]]
    objects: list[Object] = field(default_factory=list)
    stored: dict[str, Object] = field(default_factory=dict)

    def store(self, path: str, given: Object) -> Object:
        self.objects.append(json.loads(json.dumps(given)))
        added = {"uid": given["metadata"]["name"], "resourceVersion": "1", "generation": 1, "creationTimestamp": _AT}
        kept = {
            **given,
            "metadata": {**given["metadata"], **added, "namespace": path.split("/namespaces/")[1].split("/")[0]},
        }
        if given["kind"] == "Job":
            done = [{"type": "Complete", "status": "True"}]
            kept["status"] = {"succeeded": 1, "conditions": done, "startTime": _AT, "completionTime": _AT}
        self.stored[f"{path}/{given['metadata']['name']}"] = kept
        return kept

    def answer(self, method: str, path: str, body: Object | None) -> tuple[int, Object]:
        """The status and body of a call that is no watch."""
        if path == "/version":
            return 200, {"major": "1", "minor": "33", "gitVersion": "v1.33.0"}
        if path == "/api":
            return 200, {"kind": "APIVersions", "versions": ["v1"]}
        if path == "/apis":
            groups = [name.split("/") for name in self.kinds if "/" in name]
            named = [(group, {"groupVersion": f"{group}/{version}", "version": version}) for group, version in groups]
            listed = [{"name": group, "versions": [one], "preferredVersion": one} for group, one in named]
            return 200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}
        if path == "/openapi/v3":
            return 200, {
                "paths": {_root(name)[1:]: {"serverRelativeURL": f"/openapi/v3{_root(name)}"} for name in self.kinds}
            }
        for name, kinds in self.kinds.items():
            if path == _root(name):
                return 200, _resources(name, kinds)
            if path == f"/openapi/v3{_root(name)}":
                return 200, _open_api(name, kinds)
        if method == "POST" and body is not None:
            return 201, self.store(path, body)
        if method == "GET" and path.endswith("/secrets"):
            return 200, {"kind": "SecretList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": []}
        if method == "GET" and path in self.stored:
            return 200, self.stored[path]
        return 404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}

    def events(self, path: str) -> Iterator[Object]:
        """What a watch sees: the objects, then that these are all."""
        for place, one in self.stored.items():
            if place.startswith(f"{path}/"):
                yield {"type": "ADDED", "object": one}
        name, kind = next(
            (name, kind)
            for name, kinds in self.kinds.items()
            for kind, plural in kinds.items()
            if path.endswith(f"/{plural}")
        )
        at_end = {"resourceVersion": "1", "annotations": {"k8s.io/initial-events-end": "true"}}
        yield {"type": "BOOKMARK", "object": {"kind": kind, "apiVersion": name, "metadata": at_end}}


def _root(name: str) -> str:
    return f"/apis/{name}" if "/" in name else f"/api/{name}"


def _resources(name: str, kinds: Mapping[str, str]) -> Object:
    verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
    listed = [
        {"name": plural, "singularName": kind.lower(), "namespaced": True, "kind": kind, "verbs": verbs}
        for kind, plural in kinds.items()
    ]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": listed}


def _open_api(name: str, kinds: Mapping[str, str]) -> Object:
    """A description that says only that the API validates fields itself, so that Helm leaves that to it."""
    group, _, version = name.rpartition("/")
    checks = [{"name": "fieldValidation", "in": "query"}]
    paths = {
        f"/{plural}/{{name}}": {
            "patch": {
                "x-kubernetes-group-version-kind": {"group": group, "version": version, "kind": kind},
                "parameters": checks,
                "responses": {},
            }
        }
        for kind, plural in kinds.items()
    }
    return {"openapi": "3.0.0", "info": {"title": name, "version": version}, "paths": paths}


@contextmanager
def cluster(kinds: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[Cluster, str]]:
    """An empty Cluster and the address of its API on this machine."""
    here, stopping = Cluster(kinds), threading.Event()

    class Api(Handler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            if "watch" not in parse_qs(address.query):
                self._send(*here.answer("GET", address.path, None))
                return
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Connection", "close")
            self.end_headers()
            for event in here.events(address.path):
                self.wfile.write(json.dumps(event).encode() + b"\n")
            self.wfile.flush()
            stopping.wait(60)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kind = self.headers["Content-Type"]
            if kind == _PROTOBUF:
                self._send_bytes(201, body, kind)
            else:
                self._send(*here.answer("POST", urlsplit(self.path).path, json.loads(body)))

        def do_PUT(self) -> None:
            self._send_bytes(200, self.rfile.read(int(self.headers["Content-Length"])), self.headers["Content-Type"])

        def do_DELETE(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._send(*here.answer("DELETE", urlsplit(self.path).path, None))

        def _send(self, status: int, body: Object) -> None:
            self._send_bytes(status, json.dumps(body).encode(), "application/json")

        def _send_bytes(self, status: int, data: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    with handling(Api) as url:
        try:
            yield here, url
        finally:
            stopping.set()


class RefusedByHelm(Exception):
    """Helm does not install a chart with these values; the message is its own."""


_HELM = """
import asyncio, json, sys
import helm_sdkpy as helm

order = json.load(sys.stdin)
helm.get_version()
config = helm.Configuration(namespace="papers", kubeconfig=order["kubeconfig"])
told = {}
if order["task"] == "lint":
    told["lint"] = asyncio.run(helm.Lint(config).run(order["chart"]))
elif order["task"] == "install":
    install = helm.Install(config).run(order["name"], order["chart"], values=order["values"], wait=False, timeout=30)
    try:
        asyncio.run(install)
    except helm.InstallError as error:
        told["refused"] = str(error)
print(json.dumps(told))
"""


class Helm:
    """The real Helm, from the wheel of `helm-sdkpy`.

    It runs in processes of its own: its library brings the runtime of Go, which takes over the signal handlers of the
    process that loads it. A run of all tests that had loaded it ended in a segmentation fault, later and elsewhere.
    """

    def __init__(self, folder: Path) -> None:
        """`folder` takes its configuration. Raises ImportError without the package, or where it has no library for this
        machine.
        """
        self._folder = folder
        try:
            self._run({"task": "version"}, "http://127.0.0.1:9")
        except subprocess.CalledProcessError as error:
            raise ImportError(error.stderr.strip().rpartition("\n")[2]) from error

    def install(
        self, chart: Path, values: Object, *, kinds: Mapping[str, Mapping[str, str]], name: str = "test"
    ) -> list[Object]:
        """The objects that Helm posts for a release with these values, in its order. Raises RefusedByHelm."""
        with cluster(kinds) as (here, address):
            order = {"task": "install", "name": name, "chart": str(chart), "values": values}
            told = self._run(order, address)
            if "refused" in told:
                raise RefusedByHelm(told["refused"])
            return here.objects

    def lint(self, chart: Path) -> list[str]:
        """Where Helm's linter finds an error: paths in the chart, with the default values."""
        found = self._run({"task": "lint", "chart": str(chart)}, "http://127.0.0.1:9")["lint"]
        assert found["TotalChartsLinted"] == 1
        return [one["Path"] for one in found["Messages"] if one["Severity"] >= 3]

    def _run(self, order: Mapping[str, object], address: str) -> dict[str, Any]:
        asked = json.dumps({**order, "kubeconfig": self._point_to(address)})
        done = subprocess.run([sys.executable, "-c", _HELM], input=asked, capture_output=True, text=True, check=True)
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return told

    def _point_to(self, address: str) -> str:
        file = self._folder / "kubeconfig.json"
        file.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [{"name": "here", "cluster": {"server": address}}],
                    "users": [{"name": "me", "user": {}}],
                    "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
                    "current-context": "here",
                }
            )
        )
        return str(file)
