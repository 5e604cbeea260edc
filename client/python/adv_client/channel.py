"""How calls reach the server: retries, limits, and who we say we are."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import ipaddress
import json
import os
import re
from typing import Any, Optional, Union

import grpc

from adv_client.v1 import attack_evaluation_service_pb2

# Records and images may be larger than gRPC's default of 4 MiB.
MESSAGE_BYTES = 256 << 20

ATTEMPTS = 5  # gRPC allows no more

Path = Union[str, "os.PathLike[str]"]


@dataclasses.dataclass(frozen=True)
class Tls:
    """TLS with files in PEM, which are read when a client is made."""
    ca: Optional[Path] = None           # who may sign; None: the system's
    certificate: Optional[Path] = None  # to show, with key
    key: Optional[Path] = None
    server_name: str = ""  # in the server's certificate; "": the address's

    def credentials(self) -> Any:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together: give both")
        return grpc.ssl_channel_credentials(
            _content(self.ca), _content(self.key), _content(self.certificate))


def _content(path: Optional[Path]) -> Optional[bytes]:
    if path is None:
        return None
    with open(path, "rb") as file:
        return file.read()


def secured(address: str, credentials: Any, tls: Union[bool, Tls],
            token: Optional[str]
            ) -> tuple[Any, list[tuple[str, Any]], list[tuple[str, str]]]:
    """Credentials (None: no TLS), further options of the channel, and the
    metadata of every call."""
    options: list[tuple[str, Any]] = []
    if tls:
        if credentials is not None:
            raise ValueError("credentials and tls exclude each other")
        chosen = tls if isinstance(tls, Tls) else Tls()
        credentials = chosen.credentials()
        if chosen.server_name:
            options = [("grpc.ssl_target_name_override", chosen.server_name)]
    if token is None:
        return credentials, options, []
    if not re.fullmatch("[!-~]+", token):
        raise ValueError("token: one word of visible characters is needed")
    if credentials is None and not _is_of_this_machine(address):
        raise ValueError("a token goes to another machine only over TLS: "
                         "tls=True, or tls=Tls(ca=FILE)")
    return credentials, options, [("authorization", f"Bearer {token}")]


def _is_of_this_machine(address: str) -> bool:
    if address.startswith("unix"):
        return True
    host = address.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _repeatable() -> list[dict[str, str]]:
    """All calls but DeleteEvaluation, whose repetition is an error."""
    service: Any = attack_evaluation_service_pb2.DESCRIPTOR.services_by_name[
        "AttackEvaluationService"]
    return [{"service": service.full_name, "method": method.name}
            for method in service.methods
            if method.name != "DeleteEvaluation"] + [
                {"service": "adv.v1.ModelService"},
                {"service": "adv.v1.ServerService"}]


def options(attempts: int) -> list[tuple[str, Any]]:
    """Of a channel. gRPC itself repeats calls, and honours the server's
    grpc-retry-pushback-ms, which says the same as RetryInfo."""
    if not 1 <= attempts <= ATTEMPTS:
        raise ValueError(f"attempts {attempts}: 1 to {ATTEMPTS} are allowed")
    version = importlib.metadata.version("adv-client")
    found: list[tuple[str, Any]] = [
        ("grpc.primary_user_agent", f"adv-client/{version}"),
        ("grpc.max_receive_message_length", MESSAGE_BYTES),
        # A request larger than this buffer (256 KiB by default: 85 images)
        # would be sent once and never again.
        ("grpc.per_rpc_retry_buffer_size", MESSAGE_BYTES)]
    if attempts == 1:
        return [*found, ("grpc.enable_retries", 0)]
    return [*found, ("grpc.service_config", json.dumps({"methodConfig": [{
        "name": _repeatable(),
        "retryPolicy": {
            "maxAttempts": attempts, "initialBackoff": "0.2s",
            "maxBackoff": "3s", "backoffMultiplier": 2,
            "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
        }}]}))]


def checked(address: str) -> str:
    """The address; without a port gRPC would try 443."""
    if ":" not in address.strip():
        raise ValueError(f"address {address!r}: HOST:PORT or unix:PATH is "
                         "needed, for example localhost:50051")
    return address.strip()
