"""A client of advserver: numpy in, numpy out.

    import adv_client

    with adv_client.connect("localhost:50051") as client:
        seen = client.classify(images, model="balanced")
        fooled = client.generate_adversarial(images, "balanced",
                                             epsilon="8/255")
        evaluation = client.evaluate("no-cat", attacks=["fgsm"],
                                     epsilons=[0.01])
        print(evaluation.report.results[0].overall.robust_accuracy.value)

Images are uint8 (0 to 255) or float32 (0 to 1), of the height and width that
the model takes: [N, H, W, 3] or [N, 3, H, W], 1 in place of 3 for a model of
gray images, or one image without N. What is wrong in itself raises ValueError,
a call that failed AdvError. AsyncClient has the same methods for asyncio. The
messages of the API are in adv_client.v1.
"""

import importlib.util

if importlib.util.find_spec("adv_client.v1") is None:
    raise ImportError("adv_client: this is the source, without the API's "
                      "stubs; install it: pip install client/python")

from adv_client.aio import AsyncClient, connect_async
from adv_client.channel import Tls
from adv_client.client import Client, connect
from adv_client.errors import (Aborted, AdvError, Cancelled, DeadlineExceeded,
                               FailedPrecondition, Internal, InvalidArgument,
                               NotFound, PermissionDenied, Resource,
                               ResourceExhausted, Unauthenticated,
                               Unavailable, Violation)
from adv_client.results import Adversarial, Classes, Event, pixels, table
from adv_client.values import parse_attack, parse_epsilon

__all__ = [
    "Aborted", "Adversarial", "AdvError", "AsyncClient", "Cancelled",
    "Classes", "Client", "DeadlineExceeded", "Event", "FailedPrecondition",
    "Internal", "InvalidArgument", "NotFound", "PermissionDenied", "Resource",
    "ResourceExhausted", "Tls", "Unauthenticated", "Unavailable", "Violation",
    "connect", "connect_async", "parse_attack", "parse_epsilon", "pixels",
    "table"]
