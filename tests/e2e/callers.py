"""What the tests of TLS and of roles have in common."""

import hashlib
import os
import subprocess
import time

import grpc

from harness import ADVSERVER, environment, stubs

DEADLINE = 60
ROLES = ["viewer", "evaluator", "admin"]
OK, UNAUTHENTICATED, DENIED = (grpc.StatusCode.OK,
                               grpc.StatusCode.UNAUTHENTICATED,
                               grpc.StatusCode.PERMISSION_DENIED)


def entry(name, role, token=None, **fields):
    if token:
        fields["token_sha256"] = hashlib.sha256(token.encode()).hexdigest()
    return {"name": name, "role": role, **fields}


def replace(path, content):
    """In one step, as whoever exchanges such a file should."""
    with open(path + ".new", "wb") as file:
        file.write(content)
    os.replace(path + ".new", path)


def wait_for(condition):
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("not in time")
        time.sleep(.02)


def bearer(token):
    return (("authorization", f"Bearer {token}"),)


def code_of(call):
    """The code of a call, and its error if it has one."""
    try:
        call()
        return OK, None
    except grpc.RpcError as error:
        return error.code(), error


def server_info(channel, token=None):
    return code_of(lambda: stubs.server_service_pb2_grpc.ServerServiceStub(
        channel).GetServerInfo(
            stubs.server_service_pb2.GetServerInfoRequest(), timeout=DEADLINE,
            metadata=bearer(token) if token else ()))


def advserver(*arguments):
    return subprocess.run([ADVSERVER, *arguments], env=environment(),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=DEADLINE,
                          check=False)
