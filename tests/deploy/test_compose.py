"""compose.yaml, and what it mounts: valid, with settings and commands that exist, and workers without a way out."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from api.cli import build_parser
from rag.index.qdrant import read_url
from rag.settings import load_settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
GIVEN = {"POSTGRES_PASSWORD": "secret", "GRAFANA_PASSWORD": "secret"}
OWN = ("migrations", "api", "worker")  # services that run the image of Footnote
VARIABLE = re.compile(r"\$\{(?P<name>[A-Z_]+)(?::(?P<kind>[-?])(?P<word>[^}]*))?\}")

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")


def filled(text: str) -> str:
    """The file with its variables replaced, as Compose replaces them."""

    def value(found: re.Match[str]) -> str:
        return GIVEN.get(found["name"]) or (found["word"] if found["kind"] == "-" else "")

    return VARIABLE.sub(value, text)


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load(filled((DEPLOY / "compose.yaml").read_text()))


def test_it_keeps_to_the_specification(compose: dict[str, Any]) -> None:
    library = pytest.importorskip("compose_spec")
    services = {name: one for name, one in compose.items() if not name.startswith("x-")}
    library.PyCompose.from_yaml(yaml.safe_dump(services)).validate()
    services["services"]["api"]["unheard_of"] = True
    with pytest.raises(Exception, match="unheard_of"):
        library.PyCompose.from_yaml(yaml.safe_dump(services)).validate()
    del services["services"]["api"]["unheard_of"]


def test_passwords_must_be_given() -> None:
    wanted = {
        found["name"] for found in VARIABLE.finditer((DEPLOY / "compose.yaml").read_text()) if found["kind"] == "?"
    }
    assert wanted == set(GIVEN)


def test_what_a_service_names_is_declared_and_what_it_mounts_exists(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert set(service["networks"]) <= set(compose["networks"]), name
        assert set(service.get("depends_on", {})) <= set(compose["services"]), name
        assert set(service.get("secrets", [])) <= set(compose["secrets"]), name
        for mount in service["volumes"]:
            source = mount.split(":")[0]
            assert (DEPLOY / source).exists() if source.startswith(".") else source in compose["volumes"], (name, mount)


def test_settings_and_commands_exist(compose: dict[str, Any]) -> None:
    for name in OWN:
        service = compose["services"][name]
        load_settings(service["environment"])
        program, *arguments = service["command"]
        assert program == "footnote"
        build_parser().parse_args(arguments)
    both = [compose["services"][name]["environment"] for name in ("api", "worker")]
    assert {key: value for key, value in both[0].items() if "SERVER" not in key} == both[1]


def test_qdrant_takes_the_vectors_of_the_server(compose: dict[str, Any]) -> None:
    text = (DEPLOY / "compose.qdrant.yaml").read_text()
    assert "${QDRANT_API_KEY:?" in text
    added = yaml.safe_load(text.replace("${QDRANT_API_KEY}", "secret"))
    pytest.importorskip("compose_spec").PyCompose.from_yaml(
        yaml.safe_dump({**added, "networks": compose["networks"]})
    ).validate()
    server, qdrant = added["services"]["api"], added["services"]["qdrant"]
    place = read_url(load_settings({**compose["services"]["api"]["environment"], **server["environment"]}).index_url)
    assert (place.address, place.key) == ("http://qdrant:6333", "secret")
    assert set(server["depends_on"]) == {"qdrant"}
    assert "ports" not in qdrant
    assert [compose["networks"][name] for name in qdrant["networks"]] == [{"internal": True}]
    assert qdrant["networks"][0] in compose["services"]["api"]["networks"]
    assert {mount.split(":")[0] for mount in qdrant["volumes"]} == set(added["volumes"])
    assert qdrant["environment"]["QDRANT__TELEMETRY_DISABLED"] == "true"


def test_own_services_are_unprivileged(compose: dict[str, Any]) -> None:
    for name in OWN:
        service = compose["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["tmpfs"] == ["/tmp"]


def test_the_worker_has_no_way_out_and_only_this_machine_gets_in(compose: dict[str, Any]) -> None:
    for name in compose["services"]["worker"]["networks"]:
        assert compose["networks"][name] == {"internal": True}
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert len(ports) == 2
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_prometheus_scrapes_servers_and_workers_with_the_key_and_reads_the_alerts(compose: dict[str, Any]) -> None:
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text())
    servers, workers = config["scrape_configs"]
    assert servers["static_configs"] == [{"targets": ["api:8000"]}]
    assert workers["dns_sd_configs"] == [{"names": ["worker"], "type": "A", "port": 9100}]
    assert compose["services"]["worker"]["command"][-1] == "0.0.0.0:9100"
    services = compose["services"]
    for target in ("api", "worker"):
        assert set(services[target]["networks"]) & set(services["prometheus"]["networks"]), target
    for scrape in (servers, workers):
        assert scrape["authorization"]["credentials_file"] == f"/run/secrets/{services['prometheus']['secrets'][0]}"
    targets = [mount.split(":")[1] for mount in compose["services"]["prometheus"]["volumes"]]
    assert set(config["rule_files"]) <= set(targets)


def test_grafana_finds_its_data_source_and_the_dashboard(compose: dict[str, Any]) -> None:
    folder = DEPLOY / "grafana" / "provisioning"
    source = yaml.safe_load((folder / "datasources" / "prometheus.yaml").read_text())["datasources"][0]
    assert source["url"] == "http://prometheus:9090"
    provider = yaml.safe_load((folder / "dashboards" / "footnote.yaml").read_text())["providers"][0]
    mounts = dict(mount.split(":")[:2] for mount in compose["services"]["grafana"]["volumes"])
    assert mounts["./helm/files/dashboard.json"].startswith(provider["options"]["path"])


def test_the_image_gets_every_package_and_nothing_private() -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert "*" in (ROOT / ".dockerignore").read_text().splitlines()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = {name for name in project["tool"]["setuptools"]["packages"]["find"]["include"] if "." not in name}
    assert packages <= set(allowed)
    assert {project["project"]["readme"], *project["project"]["license-files"]} <= set(allowed)
    assert all((ROOT / name).exists() for name in allowed)


def test_another_torch_leaves_nothing_of_the_cuda_build_in_the_lock() -> None:
    scope: dict[str, Any] = {"__name__": "without_torch"}
    exec((DEPLOY / "without_torch.py").read_text(), scope)
    lock = (ROOT / "requirements.lock").read_text()
    left = scope["without_torch"](lock)
    names = {canonicalize_name(name) for name in re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==", left, re.MULTILINE)}
    before = {
        canonicalize_name(name) for name in re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==", lock, re.MULTILINE)
    }
    gone = before - names
    assert {"torch", "triton", "nvidia-cublas", "cuda-bindings"} <= gone
    assert all(re.match(r"torch$|triton$|nvidia-|cuda-", name) for name in gone)
    assert {"transformers", "psycopg", "psycopg-binary"} <= names
    assert left.count("--hash=") < lock.count("--hash=")
