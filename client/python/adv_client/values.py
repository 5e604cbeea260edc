"""What callers write, as messages of the API. ValueError says what is wrong."""

from __future__ import annotations

import math
from typing import (Any, Callable, Iterable, Mapping, ParamSpec, Sequence,
                    TypeVar, Union)

import numpy
import numpy.typing

from adv_client.v1 import attack_pb2, image_pb2

P = ParamSpec("P")
Message = TypeVar("Message")

# uint8 (0 to 255) or float32 (0 to 1): [N, H, W, C] or [N, C, H, W] with 1 or 3
# channels, or one image without N.
Images = numpy.typing.ArrayLike
# "8/255" in grey levels, or a number in pixel units (0 to 1).
EpsilonLike = Union[str, float, attack_pb2.Epsilon]
# "igsm", or ("igsm", {"steps": 20}).
AttackLike = Union[str, tuple[str, Mapping[str, Any]], attack_pb2.Attack]
# None: untargeted. A class. A class for each image. "least_likely", "next" or
# "random".
Target = Union[None, int, str, Sequence[int],
               "numpy.typing.NDArray[numpy.integer[Any]]"]

# advctl's: names that the field has, with what they stand for.
ALIASES: dict[str, tuple[str, dict[str, Any]]] = {
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


def message(kind: Callable[P, Message], *args: P.args, **fields: P.kwargs
            ) -> Message:
    """A message of these fields. Protobuf's errors do not say which field is
    wrong; these do."""
    try:
        return kind(*args, **fields)
    except (TypeError, ValueError):
        loose: Callable[..., Any] = kind
        for name, value in fields.items():
            try:
                loose(**{name: value})
            except (TypeError, ValueError) as error:
                raise ValueError(f"{name} {value!r}: {error}") from None
        raise


def parse_epsilon(value: EpsilonLike) -> attack_pb2.Epsilon:
    """"8/255" in grey levels, or a number in pixel units (0 to 1)."""
    if isinstance(value, attack_pb2.Epsilon):
        return value
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
        return attack_pb2.Epsilon(levels=size)
    if size > 1:
        raise ValueError(f"epsilon {value!r}: more than 1, the whole range "
                         f"of a pixel; for grey levels write '{value}/255'")
    return attack_pb2.Epsilon(pixels=size)


def epsilons(values: EpsilonLike | Iterable[EpsilonLike]
             ) -> list[attack_pb2.Epsilon]:
    """One size is a list of one."""
    if isinstance(values, (str, attack_pb2.Epsilon)):
        return [parse_epsilon(values)]
    if not isinstance(values, Iterable):
        return [parse_epsilon(values)]
    return [parse_epsilon(value) for value in values]


def whole_number(value: Any, what: str) -> int:
    """The int that a value is; a fraction is an error and never cut."""
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None or not (isinstance(value, str) or number == value):
        raise ValueError(f"{what} {value!r}: a whole number is needed")
    return number


def whole_numbers(values: Any, what: str) -> list[int]:
    return [whole_number(value, what)
            for value in numpy.atleast_1d(values).tolist()]


def named(kind: Any, prefix: str, name: str | None, what: str,
          allowed: Sequence[str] = ()) -> str:
    """The enum value of a short name: "l2" is "NORM_L2"; None: not given."""
    names: dict[str, str] = {
        full.removeprefix(prefix).lower(): full for full in kind.keys()}
    if name is None:
        return names["unspecified"]
    known = allowed or [short for short in names if short != "unspecified"]
    short = str(name).replace("-", "_").lower()
    if short not in known:
        raise ValueError(f"{what} {name!r}: known are {', '.join(known)}")
    return names[short]


def _letters(name: str) -> str:
    """What of an attack's name counts: "AutoAttack" is "auto-attack"."""
    return name.replace("-", "").replace("_", "").lower()


def _find_attack(name: str) -> tuple[Any, dict[str, Any]]:
    """The field of an attack's name or alias, and the alias's parameters."""
    fields = attack_pb2.Attack.DESCRIPTOR.fields
    meant, parameters = name, {}
    for alias, (attack, given) in ALIASES.items():
        if _letters(alias) == _letters(name):
            meant, parameters = attack, given
    for field in fields:
        if _letters(field.name) == _letters(meant):
            return field, parameters
    known = [f.name.replace("_", "-") for f in fields] + list(ALIASES)
    raise ValueError(f"attack {name!r}: known are {', '.join(known)}")


def parse_attack(attack: AttackLike) -> attack_pb2.Attack:
    """"igsm", or ("igsm", {"steps": 20}), or an Attack message."""
    if isinstance(attack, attack_pb2.Attack):
        return attack
    name, given = (attack, {}) if isinstance(attack, str) else attack
    field, preset = _find_attack(name)
    parameters = dict(preset)
    allowed = [f.name for f in field.message_type.fields]
    for key, value in given.items():
        key = key.replace("-", "_")
        if key in parameters:
            raise ValueError(f"attack {name!r}: it sets {key} already")
        if key not in allowed:
            raise ValueError(f"attack {name!r}: no parameter {key!r}; there "
                             f"are {', '.join(allowed)}")
        parameters[key] = value
    if "step_size" in parameters:
        parameters["step_size"] = parse_epsilon(parameters["step_size"])
    if "members" in parameters:
        parameters["members"] = attacks(parameters["members"])
    kind = getattr(attack_pb2, field.message_type.name)
    try:
        return attack_pb2.Attack(**{field.name: message(kind, **parameters)})
    except ValueError as error:
        raise ValueError(f"attack {name!r}: {error}") from None


def attacks(given: AttackLike | Iterable[AttackLike]
            ) -> list[attack_pb2.Attack]:
    """One attack is a list of one: a name, a message, or (name, {...})."""
    if isinstance(given, (str, attack_pb2.Attack)):
        return [parse_attack(given)]
    if (isinstance(given, tuple) and len(given) == 2
            and isinstance(given[1], Mapping)):
        return [parse_attack((given[0], given[1]))]
    several: Iterable[Any] = given
    return [parse_attack(attack) for attack in several]


def parse_goal(target: Target) -> attack_pb2.Goal:
    if target is None:
        return attack_pb2.Goal(untargeted=attack_pb2.UntargetedGoal())
    if isinstance(target, str):
        goal = attack_pb2.TargetedGoal(rule=named(
            attack_pb2.TargetRule, "TARGET_RULE_", target, "target",
            allowed=("least_likely", "next", "random")))
    elif numpy.ndim(target) == 0:
        goal = attack_pb2.TargetedGoal(
            rule="TARGET_RULE_FIXED",
            target_class=whole_number(target, "target"))
    else:
        goal = attack_pb2.TargetedGoal(
            rule="TARGET_RULE_PER_IMAGE",
            target_classes=whole_numbers(target, "target"))
    return attack_pb2.Goal(targeted=goal)


def _layout(images: numpy.typing.NDArray[Any]) -> str:
    """Where the channels are: 3, or 1 of gray images. Last, if in doubt."""
    if images.ndim == 4:
        for channels in (3, 1):
            if images.shape[3] == channels:
                return "IMAGE_LAYOUT_NHWC"
            if images.shape[1] == channels:
                return "IMAGE_LAYOUT_NCHW"
    raise ValueError(f"images of shape {images.shape}: [N, H, W, C] or "
                     "[N, C, H, W] with 1 or 3 channels is needed")


def batch(given: Images) -> image_pb2.ImageBatch:
    images = numpy.asarray(given)
    if images.ndim == 3:
        images = images[None]
    layout = _layout(images)
    if images.dtype == numpy.uint8:
        data_type = "DATA_TYPE_UINT8"
    elif images.dtype == numpy.float32:
        data_type = "DATA_TYPE_FLOAT32"
        images = images.astype("<f4", copy=False)
    else:
        raise ValueError(f"images of type {images.dtype}: uint8 (0 to 255) or "
                         "float32 (0 to 1) is needed")
    return image_pb2.ImageBatch(
        data=numpy.ascontiguousarray(images).tobytes(), shape=images.shape,
        data_type=data_type, layout=layout)
