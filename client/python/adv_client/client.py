"""Client and what it returns. See the package for how to use it."""

import json
import math
from typing import Any, NamedTuple

import grpc
import numpy

from adv_client import stubs

CALL_SECONDS = 60
EVALUATION_SECONDS = 24 * 3600
MESSAGE_BYTES = 256 << 20

# As advctl's: all but DeleteEvaluation may be repeated.
_SERVICE_CONFIG = {"methodConfig": [{
    "name": [{"service": "adv.v1.AttackEvaluationService", "method": method}
             for method in ("Classify", "GenerateAdversarial",
                            "EvaluateRobustness")]
            + [{"service": "adv.v1.ModelService"},
               {"service": "adv.v1.ServerService"}],
    "retryPolicy": {
        "maxAttempts": 5, "initialBackoff": "0.2s", "maxBackoff": "3s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"]}}]}


class Classes(NamedTuple):
    """The best classes of N images, each row best first."""
    labels: numpy.ndarray         # [N, k] int32
    probabilities: numpy.ndarray  # [N, k] float64
    names: list                   # N lists of k class names


class Adversarial(NamedTuple):
    """Perturbed images and what the model makes of them."""
    images: numpy.ndarray       # like the images given
    labels: numpy.ndarray       # [N] true labels, given or predicted
    predictions: numpy.ndarray  # [N] classes of the perturbed images
    success: numpy.ndarray      # [N] bool
    response: Any               # the whole GenerateAdversarialResponse


def connect(address="localhost:50051"):
    """A client of the server at HOST:PORT. Connects at the first call."""
    return Client(address)


def parse_epsilon(value):
    """"8/255" in grey levels, or a number in pixel units (0 to 1)."""
    message = stubs.load("attack_pb2").Epsilon()
    wrong = ValueError(f"epsilon {value!r}: write N/255 or a number from 0 "
                       "to 1")
    number, slash, unit = (value.partition("/") if isinstance(value, str)
                           else (value, "", ""))
    if slash and unit.strip() != "255":
        raise wrong
    try:
        size = float(number)
    except (TypeError, ValueError):
        raise wrong from None
    if not 0 <= size < math.inf:  # nor NaN
        raise wrong
    if slash:
        message.levels = size
    elif size > 1:
        raise ValueError(f"epsilon {value!r}: more than 1, the whole range "
                         f"of a pixel; for grey levels write '{value}/255'")
    else:
        message.pixels = size
    return message


def _whole_number(value, what):
    """The int that a value is; a fraction is an error and never cut."""
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None or not (isinstance(value, str) or number == value):
        raise ValueError(f"{what} {value!r}: a whole number is needed")
    return number


def _whole_numbers(values, what):
    return [_whole_number(value, what)
            for value in numpy.atleast_1d(values).tolist()]


def _epsilons(values):
    """One size is a list of one."""
    one = isinstance(values, str) or not numpy.iterable(values)
    return [parse_epsilon(value) for value in ([values] if one else values)]


def _attacks(attacks):
    """One attack is a list of one: a name, a message, or (name, {...})."""
    pb = stubs.load("attack_pb2")
    one = isinstance(attacks, (str, pb.Attack)) or (
        isinstance(attacks, tuple) and len(attacks) == 2
        and isinstance(attacks[1], dict))
    return [_attack(attack) for attack in ([attacks] if one else attacks)]


# advctl's: names that the field has, with what they stand for.
ALIASES = {
    "bim": ("igsm", {}),
    "ill": ("iterative-least-likely", {}),
    "mim": ("mi-fgsm", {}),
    "apgd-ce": ("apgd", {}),
    "apgd-dlr": ("apgd", {"loss": "APGD_LOSS_DLR"}),
    "apgd-t": ("apgd", {"loss": "APGD_LOSS_TARGETED_DLR"}),
    "cw": ("carlini-wagner", {}),
    "fab-t": ("fab", {"target_classes": 9}),
    "hsj": ("hop-skip-jump", {}),
}


def _letters(name):
    """What of an attack's name counts: "AutoAttack" is "auto-attack"."""
    return name.replace("-", "").replace("_", "").lower()


def _find_attack(name):
    """The field of an attack's name or alias, and the alias's parameters."""
    fields = stubs.load("attack_pb2").Attack.DESCRIPTOR.fields
    meant, parameters = name, {}
    for alias, (attack, given) in ALIASES.items():
        if _letters(alias) == _letters(name):
            meant, parameters = attack, given
    for field in fields:
        if _letters(field.name) == _letters(meant):
            return field, parameters
    known = [f.name.replace("_", "-") for f in fields] + list(ALIASES)
    raise ValueError(f"attack {name!r}: known are {', '.join(known)}")


def _attack(attack):
    """"igsm", or ("igsm", {"steps": 20}), or an Attack message."""
    pb = stubs.load("attack_pb2")
    if isinstance(attack, pb.Attack):
        return attack
    name, given = (attack, {}) if isinstance(attack, str) else attack
    field, parameters = _find_attack(name)
    parameters = dict(parameters)
    for key, value in given.items():
        key = key.replace("-", "_")
        if key in parameters:
            raise ValueError(f"attack {name!r}: it sets {key} already")
        parameters[key] = value
    if "step_size" in parameters:
        parameters["step_size"] = parse_epsilon(parameters["step_size"])
    if "members" in parameters:
        parameters["members"] = _attacks(parameters["members"])
    return pb.Attack(**{field.name: getattr(pb, field.message_type.name)(
        **parameters)})


def _goal(target):
    """None: untargeted. An int: that class. A list: one class per image.
    "least_likely", "next" or "random"."""
    pb = stubs.load("attack_pb2")
    if target is None:
        return pb.Goal(untargeted=pb.UntargetedGoal())
    if isinstance(target, str):
        rule = pb.TargetRule.Value(
            "TARGET_RULE_" + target.replace("-", "_").upper())
        return pb.Goal(targeted=pb.TargetedGoal(rule=rule))
    if numpy.ndim(target) == 0:
        return pb.Goal(targeted=pb.TargetedGoal(
            rule=pb.TARGET_RULE_FIXED,
            target_class=_whole_number(target, "target")))
    return pb.Goal(targeted=pb.TargetedGoal(
        rule=pb.TARGET_RULE_PER_IMAGE,
        target_classes=_whole_numbers(target, "target")))


def _layout(images):
    """Where the channels are: 3, or 1 of gray images. Last, if in doubt."""
    pb = stubs.load("image_pb2")
    if images.ndim == 4:
        for channels in (3, 1):
            if images.shape[3] == channels:
                return pb.IMAGE_LAYOUT_NHWC
            if images.shape[1] == channels:
                return pb.IMAGE_LAYOUT_NCHW
    raise ValueError(f"images of shape {images.shape}: [N, H, W, C] or "
                     "[N, C, H, W] with 1 or 3 channels is needed")


def _batch(images):
    pb = stubs.load("image_pb2")
    images = numpy.asarray(images)
    if images.ndim == 3:
        images = images[None]
    layout = _layout(images)
    if images.dtype == numpy.uint8:
        data_type = pb.DATA_TYPE_UINT8
    elif images.dtype == numpy.float32:
        data_type = pb.DATA_TYPE_FLOAT32
        images = images.astype("<f4", copy=False)
    else:
        raise ValueError(f"images of type {images.dtype}: uint8 (0 to 255) or "
                         "float32 (0 to 1) is needed")
    return pb.ImageBatch(data=numpy.ascontiguousarray(images).tobytes(),
                         shape=images.shape, data_type=data_type,
                         layout=layout)


def _images(batch):
    pb = stubs.load("image_pb2")
    kind = (numpy.uint8 if batch.data_type == pb.DATA_TYPE_UINT8
            else numpy.dtype("<f4"))
    return numpy.frombuffer(batch.data, kind).reshape(batch.shape)


class Client:
    """Calls of one server. Safe to use from several threads."""

    def __init__(self, address):
        self._channel = grpc.insecure_channel(address, options=[
            ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
            ("grpc.max_receive_message_length", MESSAGE_BYTES)])
        self._stub = stubs.load("attack_evaluation_service_pb2_grpc"
                                ).AttackEvaluationServiceStub(self._channel)
        self._pb = stubs.load("attack_evaluation_service_pb2")

    def close(self):
        self._channel.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def classify(self, images, model="balanced", top_k=3,
                 timeout=CALL_SECONDS):
        """The top_k best classes (0: all) of each image, as Classes."""
        response = self._stub.Classify(self._pb.ClassifyRequest(
            model=model, images=_batch(images), top_k=top_k), timeout=timeout)
        rows = [result.top for result in response.results]
        return Classes(
            numpy.array([[s.label for s in row] for row in rows], numpy.int32),
            numpy.array([[s.probability for s in row] for row in rows]),
            [[s.class_name for s in row] for row in rows])

    def generate_adversarial(self, images, model="balanced", labels=None,
                             attack="igsm", epsilon="8/255", target=None,
                             source_model=None, eight_bit=None, seed=0,
                             precision="float32", timeout=CALL_SECONDS):
        """Perturbs images; labels default to the model's own predictions.

        attack is a name of advctl's ("pgd", "bim", "apgd-t"), or
        (name, {"steps": 20, "step_size": "1/255"}).
        target is None, a class, one class per image, "least_likely", "next"
        or "random". uint8 images are attacked on their lattice (eight_bit).
        precision "fast" attacks with faster passes first; float32 judges.
        """
        batch = _batch(images)
        if eight_bit is None:
            eight_bit = numpy.asarray(images).dtype == numpy.uint8
        request = self._pb.GenerateAdversarialRequest(
            model=model, images=batch, attack=_attack(attack),
            epsilon=parse_epsilon(epsilon), goal=_goal(target),
            eight_bit=bool(eight_bit), seed=seed,
            precision="PRECISION_" + precision.upper())
        if labels is not None:
            request.labels.extend(_whole_numbers(labels, "label"))
        if source_model is not None:
            request.source_model = source_model
        response = self._stub.GenerateAdversarial(request, timeout=timeout)
        perturbed = _images(response.images)
        results = response.results
        return Adversarial(
            perturbed[0] if numpy.ndim(images) == 3 else perturbed,
            numpy.array([r.label for r in results], numpy.int32),
            numpy.array([r.record.prediction for r in results], numpy.int32),
            numpy.array([r.record.success for r in results], bool), response)

    def evaluate(self, model, attacks=("fgsm", "igsm"), epsilons=("8/255",),
                 dataset="", samples=0, seed=0, target=None, source_model=None,
                 progress=None, precision="float32",
                 timeout=EVALUATION_SECONDS):
        """Runs an evaluation, or attaches to it; returns the Evaluation
        message with its report. One attack or epsilon need not stand in a
        list. progress(EvaluationProgress) is called on the
        way. Interrupting the call leaves the evaluation running. For
        precision see generate_adversarial.
        """
        pb = stubs.load("evaluation_pb2")
        spec = pb.EvaluationSpec(
            model=model, dataset=dataset, samples=samples, seed=seed,
            attacks=_attacks(attacks), epsilons=_epsilons(epsilons),
            goal=_goal(target), precision="PRECISION_" + precision.upper())
        if source_model is not None:
            spec.source_model = source_model
        evaluation = pb.Evaluation()
        for message in self._stub.EvaluateRobustness(
                self._pb.EvaluateRobustnessRequest(spec=spec),
                timeout=timeout):
            kind = message.WhichOneof("event")
            if kind == "evaluation":
                evaluation.CopyFrom(message.evaluation)
            elif kind == "progress" and progress is not None:
                progress(message.progress)
            elif kind == "report":
                evaluation.report.CopyFrom(message.report)
                evaluation.state = pb.EVALUATION_STATE_SUCCEEDED
        return evaluation
