"""What a call that failed raises."""

from __future__ import annotations

import contextlib
from typing import Any, Iterator, Mapping, NamedTuple, Sequence

import grpc

from adv_client.public import error_details_pb2, status_pb2

_DETAILS = "grpc-status-details-bin"
_REQUEST_ID = "x-request-id"


class Violation(NamedTuple):
    """A field of the request that is wrong."""
    field: str        # its path: "spec.epsilons[1].pixels"
    description: str  # what is wrong, and the allowed range


class Resource(NamedTuple):
    """A thing that is missing or in the way."""
    type: str  # its message: "adv.v1.Model", "adv.v1.Evaluation"
    name: str


class AdvError(grpc.RpcError):  # type: ignore[misc]
    """A call that failed. The subclasses are the status codes."""

    status: Any                       # grpc.StatusCode
    message: str
    reason: str = ""                  # "MODEL_NOT_FOUND"; "" if gRPC refused
    metadata: Mapping[str, str]       # more facts about the reason
    violations: Sequence[Violation] = ()
    resource: Resource | None = None
    retry_after: float | None = None  # seconds until it is worth another try
    request_id: str = ""              # finds the call in the server's log

    def __init__(self, status: Any, message: str,
                 trailers: Sequence[tuple[str, Any]] = ()) -> None:
        super().__init__(f"{status.name}: {message}")
        self.status = status
        self.message = message
        self.metadata = {}
        self._trailers = trailers
        found = dict(trailers)
        self.request_id = found.get(_REQUEST_ID, "")
        if _DETAILS in found:
            self._read(found[_DETAILS])

    def _read(self, details: bytes) -> None:
        for detail in status_pb2.Status.FromString(details).details:
            kind = detail.type_url.rpartition(".")[2]
            if kind == "ErrorInfo":
                info = error_details_pb2.ErrorInfo.FromString(detail.value)
                self.reason = info.reason
                self.metadata = dict(info.metadata)
            elif kind == "BadRequest":
                bad = error_details_pb2.BadRequest.FromString(detail.value)
                self.violations = tuple(Violation(v.field, v.description)
                                        for v in bad.field_violations)
            elif kind == "ResourceInfo":
                thing = error_details_pb2.ResourceInfo.FromString(detail.value)
                self.resource = Resource(thing.resource_type,
                                         thing.resource_name)
            elif kind == "RetryInfo":
                retry = error_details_pb2.RetryInfo.FromString(detail.value)
                self.retry_after = (retry.retry_delay.seconds
                                    + retry.retry_delay.nanos / 1e9)

    # Workers of a pool send it to another process.
    def __reduce__(self) -> Any:
        return type(self), (self.status, self.message, self._trailers)

    # As the errors of grpc have them.
    def code(self) -> Any:
        return self.status

    def details(self) -> str:
        return self.message

    def trailing_metadata(self) -> Sequence[tuple[str, Any]]:
        return self._trailers


class Aborted(AdvError):
    """The evaluation was cancelled, or is just ending."""


class Cancelled(AdvError):
    """This side gave the call up."""


class DeadlineExceeded(AdvError):
    """The timeout passed, or the queue alone would take longer."""


class FailedPrecondition(AdvError):
    """The model cannot be used, or the evaluation still runs."""


class Internal(AdvError):
    """A fault of the server."""


class InvalidArgument(AdvError):
    """The request is wrong; violations has every field that is."""


class NotFound(AdvError):
    """No such model, data set or evaluation; see resource."""


class PermissionDenied(AdvError):
    """The role of whoever calls does not allow it."""


class ResourceExhausted(AdvError):
    """Too much waits, or something is full; see retry_after."""


class Unauthenticated(AdvError):
    """The server does not know who calls; a token or certificate tells."""


class Unavailable(AdvError):
    """No server answers, or it shuts down."""


_KINDS: dict[Any, type[AdvError]] = {
    grpc.StatusCode.ABORTED: Aborted,
    grpc.StatusCode.CANCELLED: Cancelled,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPrecondition,
    grpc.StatusCode.INTERNAL: Internal,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgument,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhausted,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
}


@contextlib.contextmanager
def told_apart() -> Iterator[None]:
    """Raises what gRPC raises as an AdvError."""
    try:
        yield
    except AdvError:
        raise
    except grpc.RpcError as error:
        kind = _KINDS.get(error.code(), AdvError)
        trailers = [(key, value) for key, value
                    in error.trailing_metadata() or ()]
        raise kind(error.code(), error.details() or "", trailers) from None
