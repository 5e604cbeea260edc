"""How calls reach the server: retries, limits, and who we say we are."""

from __future__ import annotations

import importlib.metadata
import json
from typing import Any

from adv_client.v1 import attack_evaluation_service_pb2

# Records and images may be larger than gRPC's default of 4 MiB.
MESSAGE_BYTES = 256 << 20

ATTEMPTS = 5  # gRPC allows no more


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
