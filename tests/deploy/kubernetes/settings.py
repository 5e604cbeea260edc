"""What the settings of a rendered deployment must be: safe, and sized to each
other. Each check takes all objects and gives its faults, as texts."""

from references import (WORKLOADS, containers, expanded, flags, label, named,
                        of_kind, template)

# Beyond --drain-wait-seconds and --drain-seconds (server/README.md).
LAST_SECONDS = 15
IMAGES = ("adv-server", "adv-trainer", "adv-client", "adv-server-cuda",
          "adv-trainer-cuda")
UNITS = {"Mi": 2**20, "Gi": 2**30}


def size(text):
    return int(text[:-2]) * UNITS[text[-2:]]


def check_security(objects):
    """Kubernetes's pod security standard `restricted`, and more."""
    for workload in of_kind(objects, *WORKLOADS):
        pod = template(workload)["spec"]
        context = pod.get("securityContext", {})
        wanted = [
            ("runAsNonRoot", context.get("runAsNonRoot") is True),
            ("runAsUser", context.get("runAsUser", 0) > 0),
            ("seccompProfile",
             context.get("seccompProfile") == {"type": "RuntimeDefault"}),
            ("automountServiceAccountToken",
             pod.get("automountServiceAccountToken") is False),
            ("enableServiceLinks", pod.get("enableServiceLinks") is False)]
        for container in containers(workload):
            own = container.get("securityContext", {})
            wanted += [
                ("allowPrivilegeEscalation",
                 own.get("allowPrivilegeEscalation") is False),
                ("readOnlyRootFilesystem",
                 own.get("readOnlyRootFilesystem") is True),
                ("capabilities", own.get("capabilities") == {"drop": ["ALL"]})]
        for field, right in wanted:
            if not right:
                yield f"{label(workload)} {field} is not safe"
    for account in of_kind(objects, "ServiceAccount"):
        if account.get("automountServiceAccountToken") is not False:
            yield f"{label(account)} hands out tokens"


def check_sizes(objects):
    for workload in of_kind(objects, *WORKLOADS):
        for container in containers(workload):
            resources = container.get("resources", {})
            for kind in ("requests", "limits"):
                for name in ("cpu", "memory"):
                    if name not in resources.get(kind, {}):
                        yield f"{label(workload)} has no {kind} of {name}"
            # UsableCores (engine/nn/device.h) rounds down.
            if not resources.get("limits", {}).get("cpu", "").isdigit():
                yield f"{label(workload)} limit of cpu is no whole number"
    for workload in of_kind(objects, "StatefulSet"):
        yield from server_size_faults(objects, workload)


def server_size_faults(objects, workload):
    given = flags(expanded(objects, containers(workload)[0]))
    drain = sum(int(given[flag][0])
                for flag in ("drain-wait-seconds", "drain-seconds"))
    grace = template(workload)["spec"].get("terminationGracePeriodSeconds", 30)
    if grace <= drain + LAST_SECONDS:
        yield (f"{label(workload)} terminationGracePeriodSeconds {grace} must "
               f"be over {drain} of the drain + {LAST_SECONDS}")
    for claim in workload["spec"]["volumeClaimTemplates"]:
        room = size(claim["spec"]["resources"]["requests"]["storage"])
        if room <= int(given["max-state-bytes"][0]):
            yield f"{label(workload)} claim is smaller than --max-state-bytes"


def is_writable(container, folder):
    return any(m["mountPath"] == folder and not m.get("readOnly")
               for m in container["volumeMounts"])


def check_stores(objects):
    """Servers only read models, and the root file system is never written."""
    for workload in of_kind(objects, "StatefulSet"):
        container = containers(workload)[0]
        given = flags(container)
        for folder in given["store"]:
            if is_writable(container, folder):
                yield f"{label(workload)} may write into {folder}"
        if not is_writable(container, given["state"][0]):
            yield f"{label(workload)} --state is not on a volume of its own"
    for workload in named(objects, "Job", "adv-trainer"):
        container = containers(workload)[0]
        if not is_writable(container, flags(container)["store"][0]):
            yield f"{label(workload)} cannot write into --store"


def check_images(objects, version):
    for workload in of_kind(objects, *WORKLOADS):
        for container in containers(workload):
            name, _, tag = container["image"].rpartition(":")
            if name not in IMAGES:
                yield f"{label(workload)} image {name} is not one of ours"
            if tag != version:
                yield f"{label(workload)} image has tag {tag}, not {version}"
            devices = flags(expanded(objects, container)).get("device", ["cpu"])
            signs = {
                "image": name.endswith("-cuda"),
                "--device": devices == ["cuda"],
                "nvidia.com/gpu": "nvidia.com/gpu" in
                                  container["resources"]["limits"],
                "nodeSelector": "nodeSelector" in template(workload)["spec"],
                "tolerations": "tolerations" in template(workload)["spec"]}
            if len(set(signs.values())) > 1:
                yield f"{label(workload)} is half on a GPU: {signs}"


def check_failures(objects):
    """A job's failure policy names its container, and needs pods that end."""
    for job in of_kind(objects, "Job"):
        names = {c["name"] for c in containers(job)}
        policy = job["spec"].get("podFailurePolicy")
        if policy and template(job)["spec"]["restartPolicy"] != "Never":
            yield f"{label(job)} restartPolicy must be Never"
        for rule in (policy or {}).get("rules", []):
            name = rule.get("onExitCodes", {}).get("containerName")
            if name and name not in names:
                yield f"{label(job)} podFailurePolicy names {name}"


CHECKS = (check_security, check_sizes, check_stores, check_failures)
