"""Hosts behind a bridge of this machine, each a network namespace with a cable that can be pulled."""

from __future__ import annotations

import ipaddress
import secrets
import subprocess
from typing import Self


class NoNetwork(Exception):
    """No namespaces can be made here; the message is the reason for which tests are skipped."""


class Network:
    """A bridge, which has the first address of the subnet; use it as a context manager. Raises NoNetwork."""

    def __init__(self) -> None:
        self._name = f"fn{secrets.token_hex(3)}"
        self.subnet = ipaddress.ip_network(f"10.213.{secrets.randbelow(256)}.0/24")
        self.address = str(self.subnet[1])
        self._hosts: list[str] = []

    def __enter__(self) -> Self:
        try:
            _ip("link", "add", self._name, "type", "bridge")
            _ip("address", "add", f"{self.address}/{self.subnet.prefixlen}", "dev", self._name)
            _ip("link", "set", self._name, "up")
        except NoNetwork:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the hosts, whose processes must have ended, and the bridge."""
        for host in self._hosts:
            _ip("netns", "delete", host, check=False)
        _ip("link", "delete", self._name, check=False)

    def add_host(self) -> tuple[str, str]:
        """A new host: the name of its namespace, and its address."""
        number = len(self._hosts) + 1
        host, cable, address = f"{self._name}h{number}", self._cable(number), str(self.subnet[number + 1])
        _ip("netns", "add", host)
        self._hosts.append(host)
        _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", host)
        _ip("link", "set", cable, "master", self._name, "up")
        _ip("-n", host, "address", "add", f"{address}/{self.subnet.prefixlen}", "dev", "eth0")
        for device in ("lo", "eth0"):
            _ip("-n", host, "link", "set", device, "up")
        return host, address

    def cut(self, host: str) -> None:
        """Pull the cable of a host: what is sent to it or by it is lost, and nobody is told."""
        _ip("link", "set", self._cable(self._hosts.index(host) + 1), "down")

    def mend(self, host: str) -> None:
        """Put the cable back."""
        _ip("link", "set", self._cable(self._hosts.index(host) + 1), "up")

    def _cable(self, number: int) -> str:
        return f"{self._name}c{number}"


def _ip(*words: str, check: bool = True) -> None:
    try:
        done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise NoNetwork("the program `ip` is missing: apt install iproute2") from error
    if check and done.returncode:
        raise NoNetwork(f"network namespaces cannot be made here: ip {' '.join(words)}: {done.stderr.strip()}")
