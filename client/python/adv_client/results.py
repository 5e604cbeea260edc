"""What calls return, in numpy."""

from __future__ import annotations

from typing import Any, Iterable, NamedTuple, Optional

import numpy
from numpy.typing import NDArray

from adv_client.v1 import (attack_evaluation_service_pb2, evaluation_pb2,
                           image_pb2)


class Classes(NamedTuple):
    """The best classes of N images, each row best first."""
    labels: NDArray[numpy.int32]                # [N, k]
    probabilities: NDArray[numpy.float64]       # [N, k]
    names: list[list[str]]                      # N lists of k class names
    logits: Optional[NDArray[numpy.float32]]    # [N, classes], if asked for
    response: attack_evaluation_service_pb2.ClassifyResponse


class Adversarial(NamedTuple):
    """Perturbed images and what the model makes of them."""
    images: NDArray[Any]               # like the images given
    labels: NDArray[numpy.int32]       # [N] true labels, given or predicted
    predictions: NDArray[numpy.int32]  # [N] classes of the perturbed images
    success: NDArray[numpy.bool_]      # [N]
    response: attack_evaluation_service_pb2.GenerateAdversarialResponse


class Event(NamedTuple):
    """A message on the way of an evaluation."""
    # As known so far; the last event's has the report.
    evaluation: evaluation_pb2.Evaluation
    # None at the first event and at the last.
    progress: Optional[evaluation_pb2.EvaluationProgress]


def classes(response: attack_evaluation_service_pb2.ClassifyResponse
            ) -> Classes:
    rows = [result.top for result in response.results]
    logits = [result.logits for result in response.results]
    return Classes(
        numpy.array([[s.label for s in row] for row in rows], numpy.int32),
        numpy.array([[s.probability for s in row] for row in rows]),
        [[s.class_name for s in row] for row in rows],
        numpy.array(logits, numpy.float32) if any(logits) else None,
        response)


def pixels(batch: image_pb2.ImageBatch) -> NDArray[Any]:
    """The images of a message, [N, ...] in its layout."""
    kind = "u1" if batch.data_type == image_pb2.DATA_TYPE_UINT8 else "<f4"
    return numpy.frombuffer(batch.data, kind).reshape(tuple(batch.shape))


def adversarial(
        response: attack_evaluation_service_pb2.GenerateAdversarialResponse,
        one: bool) -> Adversarial:
    """one: without the first dimension of the images."""
    perturbed = pixels(response.images)
    results = response.results
    return Adversarial(
        perturbed[0] if one else perturbed,
        numpy.array([r.label for r in results], numpy.int32),
        numpy.array([r.record.prediction for r in results], numpy.int32),
        numpy.array([r.record.success for r in results], numpy.bool_),
        response)


def _kind(field: Any) -> str:
    kinds: dict[int, str] = {field.CPPTYPE_INT32: "i4",
                             field.CPPTYPE_INT64: "i8",
                             field.CPPTYPE_DOUBLE: "f8",
                             field.CPPTYPE_BOOL: "?"}
    return kinds[field.cpp_type]


def table(records: Iterable[evaluation_pb2.EvaluationRecord]) -> NDArray[Any]:
    """Records as a structured array with the fields of EvaluationRecord.

    The field "attacks" has a column for each attack and epsilon, in the order
    of the report's results: table(records)["attacks"]["success"] is [N, A].
    """
    rows = list(records)
    of_attack = evaluation_pb2.AttackRecord.DESCRIPTOR.fields
    of_image = evaluation_pb2.EvaluationRecord.DESCRIPTOR.fields
    attack = [(f.name, _kind(f)) for f in of_attack]
    columns = len(rows[0].attacks) if rows else 0
    kind = numpy.dtype([
        (f.name, attack, (columns,)) if f.name == "attacks"
        else (f.name, _kind(f)) for f in of_image])
    found = numpy.zeros(len(rows), kind)
    for name, _ in attack:
        found["attacks"][name] = [
            [getattr(a, name) for a in row.attacks] for row in rows]
    for field in of_image:
        if field.name != "attacks":
            found[field.name] = [getattr(row, field.name) for row in rows]
    return found
