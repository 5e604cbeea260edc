"""Every call of the API: how its request is made and its reply is read.

Nothing here touches the network. Client and AsyncClient make methods of these
functions, so that both have the same ones, with these signatures and texts.
All timeouts are in seconds, None for no limit.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Callable, Generic, Iterable, Optional, TypeVar

import numpy

from adv_client import results, values
from adv_client.public import health_pb2
from adv_client.results import Adversarial, Classes, Event
from adv_client.v1 import (attack_evaluation_service_pb2 as pb, attack_pb2,
                           evaluation_pb2, model_pb2, model_service_pb2,
                           server_service_pb2)
from adv_client.values import message

CALL_SECONDS = 60.0
EVALUATION_SECONDS = 24 * 3600.0

_EVALUATIONS = "/adv.v1.AttackEvaluationService/"
_MODELS = "/adv.v1.ModelService/"
_SERVER = "/adv.v1.ServerService/"
_HEALTH = "/grpc.health.v1.Health/"

READY = "adv.v1.AttackEvaluationService"

Reply = TypeVar("Reply")
Result = TypeVar("Result")


@dataclasses.dataclass(frozen=True)
class Call(Generic[Result]):
    """A call to be made; decode reads one message of the answer."""
    method: str
    request: Any
    reply: Any
    decode: Callable[[Any], Result]
    timeout: Optional[float]


class Stream(Call[Result]):
    """A call that is answered by many messages."""


@dataclasses.dataclass(frozen=True)
class Page(Generic[Result]):
    """Items of a list, and the call for those after them."""
    items: Iterable[Result]
    following: Optional[Call[Page[Result]]]


def _call(method: str, request: Any, reply: type[Reply],
          decode: Callable[[Reply], Result],
          timeout: Optional[float]) -> Call[Result]:
    return Call(method, request, reply, decode, timeout)


def classify(images: values.Images, model: str = "balanced", top_k: int = 3,
             include_logits: bool = False,
             timeout: Optional[float] = CALL_SECONDS) -> Call[Classes]:
    """The top_k best classes (0: all) of each image."""
    return _call(
        _EVALUATIONS + "Classify",
        message(pb.ClassifyRequest, model=model, images=values.batch(images),
                top_k=top_k, include_logits=include_logits),
        pb.ClassifyResponse, results.classes, timeout)


def generate_adversarial(
        images: Optional[values.Images] = None, model: str = "balanced",
        labels: Optional[Any] = None, attack: values.AttackLike = "igsm",
        epsilon: values.EpsilonLike = "8/255", target: values.Target = None,
        source_model: Optional[str] = None, eight_bit: Optional[bool] = None,
        seed: int = 0, precision: str = "float32",
        norm: Optional[str] = None, success: str = "last_iterate",
        sample_indices: Iterable[int] = (), dataset: str = "",
        indices: Optional[Iterable[int]] = None,
        timeout: Optional[float] = CALL_SECONDS) -> Call[Adversarial]:
    """Perturbs images; labels default to the model's own predictions.

    attack is a name of advctl's ("pgd", "bim", "apgd-t"), or
    (name, {"steps": 20, "step_size": "1/255"}).
    target is None, a class, one class per image, "least_likely", "next" or
    "random". uint8 images are attacked on their lattice (eight_bit).
    precision "fast" attacks with faster passes first; float32 judges.
    norm is "linf", "l2" or "l1", by default the attack's first. success is
    "last_iterate" or "any_iterate". Without images, those of the server's
    dataset at the indices are taken; sample_indices are what random draws of
    own images are keyed by.
    """
    request = message(
        pb.GenerateAdversarialRequest, model=model,
        attack=values.parse_attack(attack),
        epsilon=values.parse_epsilon(epsilon), goal=values.parse_goal(target),
        seed=seed, source_model=source_model,
        precision=values.named(attack_pb2.Precision, "PRECISION_", precision,
                               "precision"),
        norm=values.named(attack_pb2.Norm, "NORM_", norm, "norm"),
        success=values.named(attack_pb2.SuccessRule, "SUCCESS_RULE_", success,
                             "success"),
        sample_indices=sample_indices)
    one = False
    if images is not None:
        request.images.CopyFrom(values.batch(images))
        one = numpy.ndim(images) == 3
        if eight_bit is None:
            eight_bit = numpy.asarray(images).dtype == numpy.uint8
    if indices is not None:
        request.dataset_images.CopyFrom(
            message(pb.DatasetImages, dataset=dataset, indices=indices))
    elif images is None or dataset:
        raise ValueError("either images, or indices of the dataset's images "
                         "are needed")
    request.eight_bit = bool(eight_bit)
    if labels is not None:
        request.labels.extend(values.whole_numbers(labels, "label"))
    return _call(_EVALUATIONS + "GenerateAdversarial", request,
                 pb.GenerateAdversarialResponse,
                 lambda response: results.adversarial(response, one), timeout)


Progress = Callable[[evaluation_pb2.EvaluationProgress], object]


def evaluate(
        model: str,
        attacks: values.AttackLike | Iterable[values.AttackLike]
        = ("fgsm", "igsm"),
        epsilons: values.EpsilonLike | Iterable[values.EpsilonLike]
        = ("8/255",),
        dataset: str = "", samples: int = 0, seed: int = 0,
        target: values.Target = None, source_model: Optional[str] = None,
        progress: Optional[Progress] = None, precision: str = "float32",
        norm: Optional[str] = None, success: str = "last_iterate",
        eight_bit: bool = False, tile_size: int = 0,
        cancel_on_disconnect: bool = False, expected_id: str = "",
        timeout: Optional[float] = EVALUATION_SECONDS) -> Stream[Event]:
    """Runs an evaluation, or attaches to it.

    evaluate() waits for its end and returns the Evaluation message with its
    report; watch() takes the same arguments and yields an Event for each
    message of the server. One attack or epsilon need not stand in a list.
    progress(EvaluationProgress) is called on the way. Ending the call early
    leaves the evaluation running, unless cancel_on_disconnect is set. With an
    expected_id the server starts nothing but the evaluation with this id. For
    the other arguments see generate_adversarial.
    """
    spec = message(
        evaluation_pb2.EvaluationSpec, model=model, dataset=dataset,
        samples=samples, seed=seed, source_model=source_model,
        eight_bit=eight_bit, tile_size=tile_size,
        attacks=values.attacks(attacks), epsilons=values.epsilons(epsilons),
        goal=values.parse_goal(target),
        precision=values.named(attack_pb2.Precision, "PRECISION_", precision,
                               "precision"),
        norm=values.named(attack_pb2.Norm, "NORM_", norm, "norm"),
        success=values.named(attack_pb2.SuccessRule, "SUCCESS_RULE_", success,
                             "success"))
    return Stream(
        _EVALUATIONS + "EvaluateRobustness",
        pb.EvaluateRobustnessRequest(
            spec=spec, cancel_on_disconnect=cancel_on_disconnect,
            expected_id=expected_id),
        pb.EvaluateRobustnessResponse, _events(progress), timeout)


def _events(listener: Optional[Progress]
            ) -> Callable[[pb.EvaluateRobustnessResponse], Event]:
    """Puts the messages of one stream together."""
    evaluation = evaluation_pb2.Evaluation()

    def event(reply: pb.EvaluateRobustnessResponse) -> Event:
        kind = reply.WhichOneof("event")
        if kind == "evaluation":
            evaluation.CopyFrom(reply.evaluation)
        elif kind == "report":
            evaluation.report.CopyFrom(reply.report)
            evaluation.state = evaluation_pb2.EVALUATION_STATE_SUCCEEDED
        elif kind == "progress":
            evaluation.samples_done = reply.progress.samples_done
            if listener is not None:
                listener(reply.progress)
            return Event(evaluation, reply.progress)
        return Event(evaluation, None)

    return event


def get_evaluation(id: str, timeout: Optional[float] = CALL_SECONDS
                   ) -> Call[evaluation_pb2.Evaluation]:
    """One evaluation, with its report if it is done.

    id is its id, or a beginning of it that is unique, at least 6 digits.
    """
    return _call(_EVALUATIONS + "GetEvaluation",
                 message(pb.GetEvaluationRequest, id=id),
                 pb.GetEvaluationResponse,
                 lambda reply: reply.evaluation, timeout)


def list_evaluations(model: str = "", page_size: int = 0, page_token: str = "",
                     timeout: Optional[float] = CALL_SECONDS
                     ) -> Call[Page[evaluation_pb2.Evaluation]]:
    """Yields the evaluations, newest first and without their reports.

    model: only those of this model name. They are asked for by pages of
    page_size, and the timeout is that of one page.
    """
    def page(reply: pb.ListEvaluationsResponse
             ) -> Page[evaluation_pb2.Evaluation]:
        following = reply.next_page_token
        return Page(reply.evaluations, list_evaluations(
            model, page_size, following, timeout) if following else None)

    return _call(_EVALUATIONS + "ListEvaluations",
                 message(pb.ListEvaluationsRequest, page_size=page_size,
                         model=model, page_token=page_token),
                 pb.ListEvaluationsResponse, page, timeout)


def cancel_evaluation(id: str, timeout: Optional[float] = CALL_SECONDS
                      ) -> Call[evaluation_pb2.Evaluation]:
    """Ends a running evaluation and keeps what is done so far; no effect on
    one that has ended. Returns the evaluation."""
    return _call(_EVALUATIONS + "CancelEvaluation",
                 message(pb.CancelEvaluationRequest, id=id),
                 pb.CancelEvaluationResponse,
                 lambda reply: reply.evaluation, timeout)


def delete_evaluation(id: str, timeout: Optional[float] = CALL_SECONDS
                      ) -> Call[None]:
    """Forgets an evaluation that has ended, with its records."""
    return _call(_EVALUATIONS + "DeleteEvaluation",
                 message(pb.DeleteEvaluationRequest, id=id),
                 pb.DeleteEvaluationResponse, lambda reply: None, timeout)


def list_evaluation_records(id: str, page_size: int = 0, page_token: str = "",
                            timeout: Optional[float] = CALL_SECONDS
                            ) -> Call[Page[evaluation_pb2.EvaluationRecord]]:
    """Yields the records of an evaluation, in index order; table() makes an
    array of them. Of a running evaluation those done so far."""
    def page(reply: pb.ListEvaluationRecordsResponse
             ) -> Page[evaluation_pb2.EvaluationRecord]:
        following = reply.next_page_token
        return Page(reply.records, list_evaluation_records(
            id, page_size, following, timeout) if following else None)

    return _call(_EVALUATIONS + "ListEvaluationRecords",
                 message(pb.ListEvaluationRecordsRequest, id=id,
                         page_size=page_size, page_token=page_token),
                 pb.ListEvaluationRecordsResponse, page, timeout)


def list_models(timeout: Optional[float] = CALL_SECONDS
                ) -> Call[list[model_pb2.Model]]:
    """The models by name and version, without curves and golden outputs."""
    return _call(_MODELS + "ListModels", model_service_pb2.ListModelsRequest(),
                 model_service_pb2.ListModelsResponse,
                 lambda reply: list(reply.models), timeout)


def get_model(model: str, timeout: Optional[float] = CALL_SECONDS
              ) -> Call[model_pb2.Model]:
    """One model, "name" or "name@version", with its whole manifest."""
    return _call(_MODELS + "GetModel",
                 message(model_service_pb2.GetModelRequest, model=model),
                 model_service_pb2.GetModelResponse,
                 lambda reply: reply.model, timeout)


def reload_models(timeout: Optional[float] = CALL_SECONDS
                  ) -> Call[model_service_pb2.ReloadModelsResponse]:
    """Looks at the server's store folders now. Returns what was loaded and
    what failed to load."""
    return _call(_MODELS + "ReloadModels",
                 model_service_pb2.ReloadModelsRequest(),
                 model_service_pb2.ReloadModelsResponse,
                 lambda reply: reply, timeout)


def set_model_alias(alias: str, model: str,
                    timeout: Optional[float] = CALL_SECONDS
                    ) -> Call[model_service_pb2.ModelAlias]:
    """Makes an alias, for example "stable", another name for a model, or for
    another model than before; no call fails for it. model: "name" (its newest
    version, whichever that is), "name@version", or an alias: what that stands
    for now."""
    return _call(_MODELS + "SetModelAlias",
                 message(model_service_pb2.SetModelAliasRequest, alias=alias,
                         model=model),
                 model_service_pb2.SetModelAliasResponse,
                 lambda reply: reply.alias, timeout)


def delete_model_alias(alias: str, timeout: Optional[float] = CALL_SECONDS
                       ) -> Call[None]:
    """Takes an alias away; its model stays."""
    return _call(_MODELS + "DeleteModelAlias",
                 message(model_service_pb2.DeleteModelAliasRequest,
                         alias=alias),
                 model_service_pb2.DeleteModelAliasResponse,
                 lambda reply: None, timeout)


def list_model_aliases(timeout: Optional[float] = CALL_SECONDS
                       ) -> Call[list[model_service_pb2.ModelAlias]]:
    """The aliases by name, with the versions that they stand for now."""
    return _call(_MODELS + "ListModels", model_service_pb2.ListModelsRequest(),
                 model_service_pb2.ListModelsResponse,
                 lambda reply: list(reply.aliases), timeout)


def get_server_info(timeout: Optional[float] = CALL_SECONDS
                    ) -> Call[server_service_pb2.GetServerInfoResponse]:
    """Versions, device, limits, data sets and attacks of the server."""
    return _call(_SERVER + "GetServerInfo",
                 server_service_pb2.GetServerInfoRequest(),
                 server_service_pb2.GetServerInfoResponse,
                 lambda reply: reply, timeout)


def _serves(reply: health_pb2.HealthCheckResponse) -> bool:
    return reply.status == health_pb2.HealthCheckResponse.SERVING


def check_health(service: str = READY,
                 timeout: Optional[float] = CALL_SECONDS) -> Call[bool]:
    """Whether the server is ready; "" asks whether it lives, "model/NAME"
    whether it serves that model. NotFound: no such service or model."""
    return _call(_HEALTH + "Check",
                 message(health_pb2.HealthCheckRequest, service=service),
                 health_pb2.HealthCheckResponse, _serves, timeout)


def watch_health(service: str = READY, timeout: Optional[float] = None
                 ) -> Stream[bool]:
    """As check_health: yields it now and at each change, without end."""
    return Stream(_HEALTH + "Watch",
                  message(health_pb2.HealthCheckRequest, service=service),
                  health_pb2.HealthCheckResponse, _serves, timeout)
