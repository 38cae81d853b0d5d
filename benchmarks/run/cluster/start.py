"""Connecting to a Ray cluster, or starting one on this machine. Ray is imported in functions only."""

from __future__ import annotations

import os
import secrets
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.errors import UserError, first_line

OLDEST = (2, 60)
OBJECT_STORE = 100 * 2**20  # bytes; nothing but plain data travels
CONNECTING = 10.0  # seconds
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # without it Ray prints a warning about a change to come
}


@contextmanager
def cluster(address: str | None) -> Iterator[Any]:
    """Connect to the cluster at an address, by default RAY_ADDRESS or one that is started here; yields Ray.

    A cluster that is started here ends with the block. Its token is a random one, which its processes inherit in
    RAY_AUTH_TOKEN, so that nobody else can reach it and no file is written. Raises UserError if there is no cluster.
    """
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    if "://" in address:
        raise UserError(
            f"--address {address}: the command must be started on a node of the cluster; name it by HOST:PORT or auto"
        )
    _check_reachable(address)
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    if address == "local" and not os.environ.get("RAY_AUTH_MODE"):
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    ray = _ray()
    options = {"include_dashboard": False, "object_store_memory": OBJECT_STORE} if address == "local" else {}
    with _signals_kept():
        try:
            ray.init(address, log_to_driver=False, logging_level="CRITICAL", **options)
        except Exception as error:  # Ray raises many kinds
            raise UserError(_no_cluster(address, error)) from error
    try:
        yield ray
    finally:
        with _signals_kept():
            ray.shutdown()


def nodes_of(ray: Any) -> list[dict[str, float]]:
    """The resources of the cluster's nodes that are alive."""
    return [dict(node["Resources"]) for node in ray.nodes() if node["Alive"]]


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise UserError("--executor ray needs the package ray; install it with: pip install 'ray>=2.60'") from error
    found = tuple(int(part) for part in ray.__version__.split(".")[:2])
    if found < OLDEST:
        raise UserError(f"--executor ray needs ray 2.60 or newer, got {ray.__version__}; pip install 'ray>=2.60'")
    return ray


def _check_reachable(address: str) -> None:
    """Raise UserError if nothing answers at HOST:PORT, for which Ray itself would wait for minutes."""
    host, colon, port = address.rpartition(":")
    if not colon:
        if address not in ("local", "auto"):
            raise UserError(f"--address {address}: expected auto or HOST:PORT, such as 10.0.0.1:6379")
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECTING).close()
    except (OSError, ValueError, OverflowError) as error:
        raise UserError(_no_cluster(address, error)) from error


def _no_cluster(address: str, error: Exception) -> str:
    reason = first_line(error)
    if address == "local":
        return f"Ray cannot start on this machine: {reason}"
    if address == "auto" and isinstance(error, ConnectionError):
        return (
            "--address auto: no Ray cluster runs on this machine; start one with `ray start --head`, or leave "
            "--address out for one that ends with the command"
        )
    return (
        f"--address {address}: no Ray cluster can be reached there ({reason}); start one with `ray start --head`, give "
        "this command its token (RAY_AUTH_TOKEN or ~/.ray/auth_token), or leave --address out"
    )


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Put the handlers of signals back that Ray replaces: it would end this process with another exit status."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None and signal.getsignal(number) != handler:
                signal.signal(number, handler)
