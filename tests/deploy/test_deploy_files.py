"""What the files of ``deploy/`` say of one another is so."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from typing import Any
from urllib.parse import urlsplit

import pytest
from deploy_kit import (
    CADDYFILE,
    COMPOSE,
    ENGINES,
    FOLDER,
    GATEWAYS,
    PROMETHEUS,
    ROOT,
    SERVICES,
)

from langchain_moonshot_cache.server.__main__ import DEFAULT_PORT, _parser
from langchain_moonshot_cache.server.gateway.edge import OPEN_PATHS

GATEWAY = pytest.mark.parametrize("name", GATEWAYS)
ENGINE = pytest.mark.parametrize("name", ENGINES)


def names(service: dict[str, Any], key: str) -> set[str]:
    """Return what a service refers to, written as a list or as a mapping."""
    return {*service.get(key, ())}


def networks(name: str) -> set[str]:
    return names(SERVICES[name], "networks")


def mounts(service: dict[str, Any]) -> set[str]:
    """Return what a service mounts: names of volumes, and paths."""
    return {mount.split(":")[0] for mount in service.get("volumes", ())}


def options(name: str) -> Any:
    """Return a gateway's options, as its own parser reads them."""
    return _parser("gateway").parse_args(SERVICES[name]["command"])


def test_services_refer_to_what_is_declared_and_all_of_it_is_used() -> None:
    used = {
        key: set[str]().union(*(names(service, key) for service in SERVICES.values()))
        for key in ("networks", "secrets", "depends_on")
    }
    assert used["networks"] == {*COMPOSE["networks"]}
    assert used["secrets"] == {*COMPOSE["secrets"]}
    assert used["depends_on"] <= {*SERVICES}
    mounted = set[str]().union(*map(mounts, SERVICES.values()))
    paths = {mount for mount in mounted if mount.startswith(".")}
    assert mounted - paths == {*COMPOSE["volumes"]}
    assert all((FOLDER / path).is_file() for path in paths)


def test_the_keys_are_kept_out_of_the_repository_and_of_every_environment() -> None:
    files = {(FOLDER / s["file"]).resolve() for s in COMPOSE["secrets"].values()}
    ignored = (ROOT / ".gitignore").read_text("utf-8").splitlines()
    assert {str(file.relative_to(ROOT)) for file in files} <= {*ignored}
    assert not any("environment" in service for service in SERVICES.values())


@GATEWAY
def test_a_gateway_reads_its_keys_from_a_secret(name: str) -> None:
    keys = options(name).keys_file
    assert keys.parent.as_posix() == "/run/secrets"
    assert keys.name in names(SERVICES[name], "secrets")


@GATEWAY
def test_a_gateway_asks_engine_and_state_where_they_are(name: str) -> None:
    given = options(name)
    state = urlsplit(given.data)
    assert (state.scheme, state.port) == ("redis", 6379)
    assert "redis-server" in SERVICES[str(state.hostname)]["command"]
    assert networks(name) & networks(str(state.hostname))
    upstream = urlsplit(given.upstream)
    for engine in ENGINES.values():
        (network,) = engine["networks"]
        assert network in networks(name)
        assert upstream.hostname in engine["networks"][network]["aliases"]
        assert f"--port={upstream.port}" in engine["command"]
        assert "--host=0.0.0.0" in engine["command"]


@GATEWAY
def test_a_gateway_is_not_stopped_before_its_calls_may_end(name: str) -> None:
    grace = int(SERVICES[name]["stop_grace_period"].removesuffix("s"))
    assert grace > options(name).stop_within


def test_gateways_with_one_state_are_run_alike() -> None:
    first, *others = GATEWAYS.values()
    assert others == [first]


@ENGINE
def test_an_engine_runs_only_where_its_profile_is_asked_for(name: str) -> None:
    assert SERVICES[name]["profiles"] == [name]
    assert all(name not in names(s, "depends_on") for s in SERVICES.values())


@ENGINE
def test_an_engine_is_marked_as_not_tried(name: str) -> None:
    text = (FOLDER / "compose.yaml").read_text("utf-8")
    assert f"\n  {name}: # not tried\n" in text
    assert "NOT TRIED" in text


def test_vllm_keeps_prefixes_and_both_engines_report_what_came_from_them() -> None:
    vllm, sglang = (SERVICES[name]["command"] for name in ("vllm", "sglang"))
    assert {"--enable-prefix-caching", "--enable-prompt-tokens-details"} <= {*vllm}
    assert "--enable-cache-report" in sglang


def test_only_gateways_reach_the_state_and_the_engines() -> None:
    inside = {*GATEWAYS, *ENGINES, "redis"}
    for name in {*SERVICES} - inside:
        assert networks(name) == {"front"}
    for name in {*ENGINES, "redis"}:
        assert "front" not in networks(name)


def test_what_can_be_reached_from_outside_is_on_loopback() -> None:
    published = {n: s["ports"] for n, s in SERVICES.items() if "ports" in s}
    assert {*published} == {"balancer", "prometheus"}
    assert all(
        p.startswith("127.0.0.1:") for ports in published.values() for p in ports
    )
    assert SERVICES["balancer"]["ports"][0].endswith(":8080")
    assert "\n:8080 {" in CADDYFILE


def test_the_balancer_knows_every_gateway_and_its_health() -> None:
    addresses = [f"{name}:{DEFAULT_PORT}" for name in GATEWAYS]
    lists = re.findall(r"reverse_proxy (?:@\w+ )?([^{\n]*)", CADDYFILE)
    assert [found.split() for found in lists] == [addresses, addresses]
    (health,) = re.findall(r"health_uri (\S+)", CADDYFILE)
    assert health == "/healthz"
    assert health in OPEN_PATHS
    assert names(SERVICES["balancer"], "depends_on") == {*GATEWAYS}


def test_the_readmes_stand_it_up_as_the_file_says() -> None:
    header, _, _ = (FOLDER / "compose.yaml").read_text("utf-8").partition("\nname:")
    commands = re.findall(r"^#   (.*)$", header, re.MULTILINE)
    assert len(commands) == 3
    for page in ("README.md", "README.zh-CN.md"):
        text = (ROOT / page).read_text("utf-8")
        assert "\n".join(commands) in text


def test_prometheus_asks_every_gateway() -> None:
    (job,) = PROMETHEUS["scrape_configs"]
    assert job["metrics_path"] in OPEN_PATHS
    (static,) = job["static_configs"]
    assert static["targets"] == [f"{name}:{DEFAULT_PORT}" for name in GATEWAYS]


def test_the_image_is_made_of_what_is_in_the_tree() -> None:
    text = (FOLDER / "gateway.Dockerfile").read_text("utf-8")
    copied = re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE)
    sources = {source for line in copied for source in line.split()}
    assert all((ROOT / source).exists() for source in sources)
    ignore = FOLDER / "gateway.Dockerfile.dockerignore"
    let_in = {line[1:] for line in ignore.read_text().splitlines() if line[0] == "!"}
    assert let_in == sources
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert {project["readme"], *project["license-files"]} <= sources
    (extras,) = re.findall(r"\.\[(.*)\]", text)
    assert {*extras.split(",")} <= {*project["optional-dependencies"]}
    assert f"\nEXPOSE {DEFAULT_PORT}\n" in text
    assert f"python:{project['requires-python'].removeprefix('>=')}-slim" in text
    for gateway in GATEWAYS.values():
        build = gateway["build"]
        assert (FOLDER / build["context"]).resolve() == ROOT
        assert (ROOT / build["dockerfile"]).is_file()


def compose_command() -> list[str] | None:
    """Return how Docker Compose is called here, if it is there."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) is not None:
            asked = subprocess.run(
                [*command, "version", "--short"],
                capture_output=True,
                text=True,
                check=False,
            )
            # The first version, in Python, knew another specification.
            if asked.returncode == 0 and not asked.stdout.startswith("1."):
                return command
    return None


@ENGINE
def test_docker_compose_reads_the_file(name: str) -> None:
    command = compose_command()
    if command is None:
        pytest.skip("no Docker Compose here")
    file = str(FOLDER / "compose.yaml")
    done = subprocess.run(
        [*command, "--file", file, "--profile", name, "config", "--services"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert {*done.stdout.split()} == {*SERVICES} - {*ENGINES} | {name}
