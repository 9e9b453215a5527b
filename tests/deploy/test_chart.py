"""The chart: installed by the real Helm into a stand-in of the Kubernetes API, and checked against its schemas."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from builders import upload
from kubernetes_stand_in import BUILT_IN, OPERATORS, Helm, Object, RefusedByHelm
from pydantic import BaseModel, ConfigDict

from api.cli import build_parser
from rag.settings import load_settings
from rag.store.catalog import Catalog

CHART = Path(__file__).parents[2] / "deploy" / "helm"
KUBERNETES = "1.33"
PROMISED = ("keda.sh/v1alpha1", "monitoring.coreos.com/v1")  # kinds of operators, of which Kubernetes has no schema
EVERYTHING: Object = {
    "database": {"vectors": True, "peers": [{"ipBlock": {"cidr": "10.1.2.3/32"}}]},
    "models": {"existingClaim": "weights", "pull": ["all-MiniLM-L6-v2", "multilingual"]},
    "settings": {
        "FOOTNOTE_RETRIEVAL__TOP_K": 5,
        "FOOTNOTE_PARSING__OCR": False,
        "FOOTNOTE_ANSWERS__MIN_EVIDENCE": 0.25,
        "FOOTNOTE_SERVER__MAX_VERIFY_CHARS": 1_000_000,
        "FOOTNOTE_GENERATION__MODEL": "qwen2.5:14b",
    },
    "settingsSecret": "footnote-settings",
    "api": {"indexSize": "20Gi", "indexStorageClass": "fast", "allowedHosts": "papers.example"},
    "keda": {"enabled": True, "minReplicas": 0},
    "ollama": {"enabled": True},
    "networkPolicy": {
        "apiEgress": [{"ports": [{"protocol": "TCP", "port": 443}]}],
        "scrapers": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
    },
    "traces": {"endpoint": "http://collector.monitoring:4318"},
    "monitoring": {
        "serviceMonitor": {"enabled": True},
        "podMonitor": {"enabled": True},
        "rules": {"enabled": True},
        "dashboard": {"enabled": True},
    },
}


@pytest.fixture(scope="module")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    try:
        return Helm(tmp_path_factory.mktemp("helm"))
    except ImportError as error:
        pytest.skip(f"Helm's library is not installed (make test-charts): {error}")


@pytest.fixture(scope="module")
def plain(helm: Helm) -> list[Object]:
    """What the defaults install, in a cluster without operators."""
    return helm.install(CHART, {}, kinds=BUILT_IN)


@pytest.fixture(scope="module")
def full(helm: Helm) -> list[Object]:
    """What everything that can be switched on installs."""
    return helm.install(CHART, EVERYTHING, kinds={**BUILT_IN, **OPERATORS})


@pytest.fixture(params=["plain", "full"])
def installed(request: pytest.FixtureRequest) -> list[Object]:
    return request.getfixturevalue(request.param)


def named(objects: list[Object], kind: str, name: str) -> Object:
    """The object of this kind and name."""
    found = [one for one in objects if one["kind"] == kind and one["metadata"]["name"] == name]
    assert len(found) == 1, [(one["kind"], one["metadata"]["name"]) for one in objects]
    return found[0]


def pods(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """The component and specification of each pod."""
    for one in objects:
        if one["kind"] in ("Deployment", "StatefulSet", "Job"):
            template = one["spec"]["template"]
            yield template["metadata"]["labels"]["app.kubernetes.io/component"], template["spec"]


def environment(container: Object) -> dict[str, Any]:
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in container["env"]}


def test_helm_finds_nothing_wrong(helm: Helm) -> None:
    assert helm.lint(CHART) == []


def test_the_linter_can_find_something(helm: Helm, tmp_path: Path) -> None:
    broken = shutil.copytree(CHART, tmp_path / "footnote")
    (broken / "templates" / "broken.yaml").write_text("a: {{ .Values.no.such.value }}\n")
    assert helm.lint(broken) != []


def test_every_object_keeps_to_the_schemas_of_kubernetes(installed: list[Object]) -> None:
    validate = pytest.importorskip("kubernetes_validate")
    checked = [one for one in installed if one["apiVersion"] not in PROMISED]
    assert len(checked) >= 8
    for one in checked:
        validate.validate(one, KUBERNETES, strict=True)
    wrong = {**checked[-1], "spec": {**checked[-1].get("spec", {}), "unheardOf": True}}
    with pytest.raises(validate.ValidationError):
        validate.validate(wrong, KUBERNETES, strict=True)


def test_the_tables_are_made_before_anything_else(installed: list[Object]) -> None:
    assert installed[0]["metadata"]["name"] == "test-footnote-migrations"
    assert installed[0]["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"


def test_every_command_exists(installed: list[Object]) -> None:
    commands = [
        container["args"]
        for component, pod in pods(installed)
        if not component.startswith("ollama")
        for container in pod["containers"]
    ]
    assert ["footnote", "work", "--metrics", "0.0.0.0:9100"] in commands
    for program, *arguments in commands:
        assert program == "footnote"
        build_parser().parse_args(arguments)  # exits for a command line that is wrong


def test_every_setting_exists_and_has_an_allowed_value(installed: list[Object]) -> None:
    for component, pod in pods(installed):
        for container in pod["containers"]:
            given = environment(container)
            secret = {"secretKeyRef": {"name": "footnote-database", "key": "url"}}
            plain = {name: "postgresql://db/footnote" if value == secret else value for name, value in given.items()}
            if component.startswith("ollama"):
                assert not [name for name in plain if name.startswith("FOOTNOTE_")]
            else:
                load_settings(plain)


def test_settings_of_the_values_arrive_as_they_are(full: list[Object]) -> None:
    given = environment(dict(pods(full))["api"]["containers"][0])
    assert {name: given[name] for name in EVERYTHING["settings"]} == {
        "FOOTNOTE_RETRIEVAL__TOP_K": "5",
        "FOOTNOTE_PARSING__OCR": "false",
        "FOOTNOTE_ANSWERS__MIN_EVIDENCE": "0.25",
        "FOOTNOTE_SERVER__MAX_VERIFY_CHARS": "1000000",
        "FOOTNOTE_GENERATION__MODEL": "qwen2.5:14b",  # before that of ollama.model
    }


def test_servers_and_workers_have_the_same_settings(installed: list[Object]) -> None:
    by_component = {component: environment(pod["containers"][0]) for component, pod in pods(installed)}
    own = (
        "FOOTNOTE_INDEX_URL",
        "FOOTNOTE_SERVER__WORKER",
        "FOOTNOTE_SERVER__INSECURE",
        "FOOTNOTE_SERVER__ALLOWED_HOSTS",
    )
    assert {name: value for name, value in by_component["api"].items() if name not in own} == by_component["worker"]
    assert by_component["api"]["FOOTNOTE_SERVER__WORKER"] == "false"


def test_no_pod_is_privileged_or_writes_its_root(installed: list[Object]) -> None:
    for component, pod in pods(installed):
        assert pod["automountServiceAccountToken"] is False, component
        assert pod["securityContext"]["runAsNonRoot"] is True, component
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, component
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True, component
            assert context["allowPrivilegeEscalation"] is False, component
            assert context["capabilities"] == {"drop": ["ALL"]}, component
            assert container["resources"]["limits"]["memory"], component


def test_each_folder_that_is_written_is_a_volume(installed: list[Object]) -> None:
    for component, pod in pods(installed):
        for container in pod["containers"]:
            mounted = {one["mountPath"]: one.get("readOnly", False) for one in container["volumeMounts"]}
            assert mounted["/tmp"] is False, component
            volumes = {one["name"] for one in pod["volumes"]}
            if component == "api" and "data" not in volumes:
                volumes.add("data")  # of the claim of each replica
            if component == "ollama":
                volumes.add("models")
            assert {one["name"] for one in container["volumeMounts"]} <= volumes, component
            if component in ("api", "worker"):
                assert mounted["/data"] is mounted["/originals"] is False
    if any(one["kind"] == "ScaledObject" for one in installed):
        templates = named(installed, "StatefulSet", "test-footnote-api")["spec"]["volumeClaimTemplates"]
        assert [one["metadata"]["name"] for one in templates] == ["data"]


def test_originals_are_shared_and_outlive_the_release(plain: list[Object]) -> None:
    claim = named(plain, "PersistentVolumeClaim", "test-footnote-originals")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_originals_in_a_bucket_need_no_volume(helm: Helm) -> None:
    validate = pytest.importorskip("kubernetes_validate")
    bucket = {
        "url": "s3://papers/footnote",
        "endpoint": "https://minio.example:9000",
        "region": "eu-central-1",
        "secret": "footnote-bucket",
        "serviceAccount": "footnote",
        "port": 9000,
        "peers": [{"ipBlock": {"cidr": "10.1.2.4/32"}}],
    }
    values = {"originals": {"s3": bucket}, "settingsSecret": "footnote-settings", "api": {"indexSize": "20Gi"}}
    installed = helm.install(CHART, values, kinds=BUILT_IN)
    for one in installed:
        validate.validate(one, KUBERNETES, strict=True)
    assert not [one for one in installed if one["kind"] == "PersistentVolumeClaim"]
    reached = {"ports": [{"protocol": "TCP", "port": 9000}], "to": bucket["peers"]}
    for component, pod in pods(installed):
        (container,) = pod["containers"]
        given = environment(container)
        uses_it = component in ("api", "worker")
        assert ("FOOTNOTE_ORIGINALS_URL" in given) is uses_it, component
        egress = named(installed, "NetworkPolicy", f"test-footnote-{component}")["spec"]["egress"]
        assert (reached in egress) is uses_it, component
        assert "/originals" not in {one["mountPath"] for one in container["volumeMounts"]}
        if uses_it:
            assert given["FOOTNOTE_ORIGINALS_URL"] == load_settings(given | {"FOOTNOTE_DATABASE_URL": ""}).originals_url
            assert (given["AWS_ENDPOINT_URL"], given["AWS_DEFAULT_REGION"]) == (bucket["endpoint"], bucket["region"])
            secrets = [one["secretRef"]["name"] for one in container["envFrom"]]
            assert secrets == ["footnote-settings", "footnote-bucket"]
            assert pod["serviceAccountName"] == "footnote"


def test_probes_ask_by_a_name_that_the_server_answers_to(full: list[Object]) -> None:
    container = named(full, "StatefulSet", "test-footnote-api")["spec"]["template"]["spec"]["containers"][0]
    assert environment(container)["FOOTNOTE_SERVER__ALLOWED_HOSTS"] == "papers.example"
    for probe, path in (("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
        assert container[probe]["httpGet"]["path"] == path
        assert container[probe]["httpGet"]["httpHeaders"] == [{"name": "Host", "value": "localhost"}]


def test_the_service_disruption_budget_and_policies_select_pods_that_exist(installed: list[Object]) -> None:
    labels = [one["spec"]["template"]["metadata"]["labels"] for one in installed if "template" in one.get("spec", {})]
    selectors = {
        f"{one['kind']} {one['metadata']['name']}": one["spec"].get("podSelector") or one["spec"].get("selector")
        for one in installed
        if one["kind"] in ("Service", "PodDisruptionBudget", "NetworkPolicy")
    }
    assert {"Service test-footnote-api", "PodDisruptionBudget test-footnote-api"} <= set(selectors)
    for name, selector in selectors.items():
        wanted = selector.get("matchLabels", selector)
        assert any(wanted.items() <= those.items() for those in labels), name


def test_workers_reach_the_database_and_nothing_else(full: list[Object]) -> None:
    policy = named(full, "NetworkPolicy", "test-footnote-worker")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    names, database, collector = policy["egress"]
    assert collector == {"ports": [{"protocol": "TCP", "port": 4318}]}
    assert [one["port"] for one in names["ports"]] == [53, 53]
    assert database == {
        "ports": [{"protocol": "TCP", "port": 5432}],
        "to": [{"ipBlock": {"cidr": "10.1.2.3/32"}}],
    }


def test_servers_reach_the_model_too(full: list[Object]) -> None:
    egress = named(full, "NetworkPolicy", "test-footnote-api")["spec"]["egress"]
    assert [[one["port"] for one in rule["ports"]] for rule in egress] == [[53, 53], [5432], [4318], [11434], [443]]


def test_nobody_calls_workers_but_who_reads_their_metrics(plain: list[Object], full: list[Object]) -> None:
    assert named(plain, "NetworkPolicy", "test-footnote-worker")["spec"].get("ingress", []) == []
    scrapers = EVERYTHING["networkPolicy"]["scrapers"]
    (rule,) = named(full, "NetworkPolicy", "test-footnote-worker")["spec"]["ingress"]
    assert rule == {"ports": [{"protocol": "TCP", "port": 9100}], "from": scrapers}
    (of_servers,) = named(full, "NetworkPolicy", "test-footnote-api")["spec"]["ingress"]
    assert of_servers["from"] == [{"podSelector": {}}, *scrapers]
    assert named(full, "NetworkPolicy", "test-footnote-migrations")["spec"].get("ingress", []) == []


@pytest.mark.parametrize(("kind", "component"), [("ServiceMonitor", "api"), ("PodMonitor", "worker")])
def test_prometheus_finds_servers_and_workers_by_a_port_that_they_have(
    full: list[Object], kind: str, component: str
) -> None:
    (monitor,) = [one["spec"] for one in full if one["kind"] == kind]
    (endpoint,) = monitor.get("endpoints") or monitor["podMetricsEndpoints"]
    assert endpoint["authorization"] == {"credentials": {"name": "footnote-metrics", "key": "key"}}
    assert monitor["selector"]["matchLabels"]["app.kubernetes.io/component"] == component
    container = dict(pods(full))[component]["containers"][0]
    assert endpoint["port"] in {one["name"] for one in container["ports"]}


def test_traces_are_off_until_there_is_a_collector(plain: list[Object], full: list[Object]) -> None:
    for component in ("api", "worker"):
        assert "FOOTNOTE_TRACES" not in environment(dict(pods(plain))[component]["containers"][0])
        given = environment(dict(pods(full))[component]["containers"][0])
        assert given["FOOTNOTE_TRACES"] == "otlp"
        assert given["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector.monitoring:4318"
    egress = named(plain, "NetworkPolicy", "test-footnote-worker")["spec"]["egress"]
    assert 4318 not in [one["port"] for rule in egress for one in rule["ports"]]


def test_servers_alone_reach_qdrant_and_have_its_key(helm: Helm) -> None:
    values: Object = {"qdrant": {"secret": "vectors", "port": 443, "peers": [{"ipBlock": {"cidr": "10.4.5.6/32"}}]}}
    installed = helm.install(CHART, values, kinds=BUILT_IN)
    by_component = {component: environment(pod["containers"][0]) for component, pod in pods(installed)}
    assert by_component["api"]["FOOTNOTE_INDEX_URL"] == {"secretKeyRef": {"name": "vectors", "key": "url"}}
    assert "FOOTNOTE_INDEX_URL" not in by_component["worker"]
    rule = {"ports": [{"protocol": "TCP", "port": 443}], "to": values["qdrant"]["peers"]}
    egress = {
        name: named(installed, "NetworkPolicy", f"test-footnote-{name}")["spec"]["egress"] for name in ("api", "worker")
    }
    assert rule in egress["api"]
    assert rule not in egress["worker"]
    with pytest.raises(RefusedByHelm, match="vectors"):
        helm.install(CHART, {**values, "database": {"vectors": True}}, kinds=BUILT_IN)


class Strict(BaseModel):
    """A kind of an operator, with the fields that the chart may set."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Named(Strict):
    name: str


class Query(Strict):
    query: str
    targetQueryValue: str  # KEDA reads every value of a trigger as a text


class Trigger(Strict):
    type: str
    metadata: Query
    authenticationRef: Named


class Scaled(Strict):
    scaleTargetRef: Named
    minReplicaCount: int
    maxReplicaCount: int
    pollingInterval: int
    cooldownPeriod: int
    triggers: list[Trigger]


def test_keda_scales_the_workers_with_the_database_of_the_secret(full: list[Object]) -> None:
    scaled = Scaled.model_validate(named(full, "ScaledObject", "test-footnote-worker")["spec"])
    worker = named(full, "Deployment", scaled.scaleTargetRef.name)
    assert "replicas" not in worker["spec"], "Helm must not reset what KEDA has decided"
    trigger = scaled.triggers[0]
    assert trigger.type == "postgresql"
    authentication = named(full, "TriggerAuthentication", trigger.authenticationRef.name)
    assert authentication["spec"] == {
        "secretTargetRef": [{"parameter": "connection", "name": "footnote-database", "key": "url"}]
    }


def test_the_query_of_keda_counts_what_workers_have_to_do(
    full: list[Object], postgres_url: str, tmp_path: Path
) -> None:
    query = (
        Scaled.model_validate(named(full, "ScaledObject", "test-footnote-worker")["spec"]).triggers[0].metadata.query
    )
    engine = sa.create_engine(sa.make_url(postgres_url).set(drivername="postgresql+psycopg"), poolclass=sa.NullPool)

    def count() -> object:
        with engine.connect() as connection:
            rows = connection.exec_driver_sql(query).all()
        assert [len(row) for row in rows] == [1]
        return rows[0][0]

    with closing(Catalog(tmp_path / "store", postgres_url)) as catalog:
        assert count() == 0
        for number in range(3):
            upload(catalog, f"The code of gate {number}.", f"{number}.md")
        assert count() == 3
        record = catalog.queue.claim_next()
        assert record is not None
        assert count() == 3, "a document in hand keeps its worker"
        catalog.queue.fail(record.id, "unreadable", "It cannot be read.")
        assert count() == 2


def test_files_of_the_chart_arrive_whole(full: list[Object]) -> None:
    yaml = pytest.importorskip("yaml")
    rules = named(full, "PrometheusRule", "test-footnote")["spec"]
    assert rules == yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())
    dashboard = named(full, "ConfigMap", "test-footnote-dashboard")["data"]["footnote.json"]
    assert dashboard.strip() == (CHART / "files" / "dashboard.json").read_text().strip()


@pytest.mark.parametrize(
    ("values", "named_in_error"),
    [
        ({"api": {"replica": 3}}, "replica"),
        ({"keda": {"maxReplicas": 0}}, "maxReplicas"),
        ({"models": {"pull": ["multilingual"]}}, "existingClaim"),
        ({"settings": {"RETRIEVAL__TOP_K": 5}}, "RETRIEVAL__TOP_K"),
        ({"originals": {"s3": {"url": "https://papers.example"}}}, "url"),
    ],
)
def test_wrong_values_are_refused(helm: Helm, values: Object, named_in_error: str) -> None:
    with pytest.raises(RefusedByHelm, match=re.escape(named_in_error)):
        helm.install(CHART, values, kinds=BUILT_IN)
