"""Requests and answers of the API in numpy terms."""

import grpc
import numpy

from harness import stubs

CALL_SECONDS = 120
MESSAGE_BYTES = 64 * 2**20


def connect(test, address):
    """A channel to the server, closed when the test ends."""
    channel = grpc.insecure_channel(address, options=[
        ("grpc.max_receive_message_length", MESSAGE_BYTES)])
    test.addCleanup(channel.close)
    return channel


def service(channel):
    return stubs.attack_evaluation_service_pb2_grpc.AttackEvaluationServiceStub(
        channel)


def batch(images, layout="NCHW"):
    """An ImageBatch of uint8 or float32 images [N, 3, 32, 32]."""
    pb = stubs.image_pb2
    values = images if layout == "NCHW" else images.transpose(0, 2, 3, 1)
    kind = (pb.DATA_TYPE_UINT8 if images.dtype == numpy.uint8
            else pb.DATA_TYPE_FLOAT32)
    order = (pb.IMAGE_LAYOUT_NCHW if layout == "NCHW"
             else pb.IMAGE_LAYOUT_NHWC)
    return pb.ImageBatch(data=numpy.ascontiguousarray(values).tobytes(),
                         shape=values.shape, data_type=kind, layout=order)


def images_of(message):
    """The images [N, 3, 32, 32] of an ImageBatch."""
    pb = stubs.image_pb2
    kind = (numpy.uint8 if message.data_type == pb.DATA_TYPE_UINT8
            else numpy.dtype("<f4"))
    values = numpy.frombuffer(message.data, dtype=kind).reshape(message.shape)
    if message.layout == pb.IMAGE_LAYOUT_NHWC:
        values = values.transpose(0, 3, 1, 2)
    return values


def logits_of(results):
    return numpy.array([r.logits for r in results], dtype=numpy.float32)


def attack(name, **fields):
    """attack("igsm", steps=4)"""
    pb = stubs.attack_pb2
    result = pb.Attack()
    message = getattr(result, name)
    message.SetInParent()
    message.MergeFrom(type(message)(**fields))
    return result


def levels(value):
    return stubs.attack_pb2.Epsilon(levels=value)


def pixels(value):
    return stubs.attack_pb2.Epsilon(pixels=value)


def evaluate(service_stub, spec, timeout=CALL_SECONDS, **fields):
    """Runs an evaluation to its end: (Evaluation, [progress], report)."""
    pb = stubs.attack_evaluation_service_pb2
    first, progress, report = None, [], None
    for reply in service_stub.EvaluateRobustness(
            pb.EvaluateRobustnessRequest(spec=spec, **fields),
            timeout=timeout):
        kind = reply.WhichOneof("event")
        if kind == "evaluation":
            first = reply.evaluation
        elif kind == "progress":
            progress.append(reply.progress)
        else:
            report = reply.report
    return first, progress, report


def error_details(error):
    """What a grpc.RpcError carries: {type name: message}."""
    trailing = dict(error.trailing_metadata() or ())
    packed = trailing.get("grpc-status-details-bin")
    if packed is None:
        return {}
    status = stubs.status_pb2.Status.FromString(packed)
    kinds = stubs.error_details_pb2
    found = {}
    for any_message in status.details:
        name = any_message.type_url.rsplit(".", 1)[-1]
        message = getattr(kinds, name)()
        any_message.Unpack(message)
        found[name] = message
    return found
