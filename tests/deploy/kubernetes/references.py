"""What must fit together among the objects of a rendered deployment: each check
takes all objects and gives the faults that it finds, as texts."""

import re

WORKLOADS = ("StatefulSet", "Job")


def of_kind(objects, *kinds):
    return [o for o in objects if o["kind"] in kinds]


def named(objects, kind, name):
    return [o for o in of_kind(objects, kind) if o["metadata"]["name"] == name]


def label(manifest):
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def template(workload):
    return workload["spec"]["template"]


def containers(workload):
    return template(workload)["spec"]["containers"]


def matches(selector, labels):
    wanted = selector.get("matchLabels", selector)
    return wanted.items() <= labels.items()


def workloads_of(objects, selector):
    """The workloads whose pods a selector takes."""
    return [w for w in of_kind(objects, *WORKLOADS)
            if matches(selector, template(w)["metadata"]["labels"])]


def ports(workloads):
    """name -> number, of all their containers."""
    return {p["name"]: p["containerPort"] for w in workloads
            for c in containers(w) for p in c.get("ports", [])}


def flags(container):
    """--flag=value -> {flag: [values]}; other arguments are left out."""
    found = {}
    for argument in container["args"]:
        parts = re.fullmatch(r"--([a-z-]+)(?:=(.*))?", argument)
        if parts:
            found.setdefault(parts[1], []).append(parts[2])
    return found


def variables(objects, container):
    """The container's environment, as far as the manifests tell it."""
    found = {}
    for source in container.get("envFrom", []):
        for config in named(objects, "ConfigMap",
                            source["configMapRef"]["name"]):
            found.update(config["data"])
    found.update({v["name"]: v["value"] for v in container.get("env", [])})
    return found


def expand(text, values):
    return re.sub(r"\$\((\w+)\)",
                  lambda name: values.get(name[1], name[0]), text)


def expanded(objects, container):
    """The container with its variables put into its arguments."""
    values = variables(objects, container)
    return {**container,
            "args": [expand(a, values) for a in container["args"]]}


def check_selectors(objects):
    for workload in of_kind(objects, "StatefulSet"):
        if not matches(workload["spec"]["selector"],
                       template(workload)["metadata"]["labels"]):
            yield f"{label(workload)} does not select its own pods"
    fields = {"Service": "selector", "PodDisruptionBudget": "selector",
              "NetworkPolicy": "podSelector", "PodMonitor": "selector"}
    for manifest in of_kind(objects, *fields):
        selector = manifest["spec"][fields[manifest["kind"]]]
        if not workloads_of(objects, selector):
            yield f"{label(manifest)} selects no pods: {selector}"
    for monitor in of_kind(objects, "ServiceMonitor"):
        if not monitored_services(objects, monitor):
            yield f"{label(monitor)} selects no service"


def monitored_services(objects, monitor):
    return [s for s in of_kind(objects, "Service")
            if matches(monitor["spec"]["selector"],
                       s["metadata"].get("labels", {}))]


def check_ports(objects):
    for service in of_kind(objects, "Service"):
        there = ports(workloads_of(objects, service["spec"]["selector"]))
        for port in service["spec"]["ports"]:
            if there.get(port["targetPort"]) != port["port"]:
                yield (f"{label(service)} port {port['port']} is not the pods' "
                       f"{port['targetPort']}: {there}")
    for monitor in of_kind(objects, "ServiceMonitor"):
        there = {p["name"] for s in monitored_services(objects, monitor)
                 for p in s["spec"]["ports"]}
        for endpoint in monitor["spec"]["endpoints"]:
            if endpoint["port"] not in there:
                yield f"{label(monitor)} port {endpoint['port']} is missing"
    for monitor in of_kind(objects, "PodMonitor"):
        there = ports(workloads_of(objects, monitor["spec"]["selector"]))
        for endpoint in monitor["spec"]["podMetricsEndpoints"]:
            if endpoint["port"] not in there:
                yield f"{label(monitor)} port {endpoint['port']} is missing"
    for workload in of_kind(objects, *WORKLOADS):
        yield from container_port_faults(workload)


def container_port_faults(workload):
    """Ports that are listened on, declared and probed are the same."""
    for container in containers(workload):
        there = ports([workload])
        given = flags(container)
        for flag, port in (("listen", "grpc"), ("metrics-listen", "metrics")):
            for address in given.get(flag, []):
                if address != f"0.0.0.0:{there.get(port)}":
                    yield (f"{label(workload)} --{flag}={address}, but port "
                           f"{port} is {there.get(port)}")
        for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
            probe = container.get(kind)
            if probe and probe["grpc"]["port"] != there.get("grpc"):
                yield (f"{label(workload)} {kind} asks port "
                       f"{probe['grpc']['port']}, not grpc")


def check_names(objects):
    for workload in of_kind(objects, *WORKLOADS):
        spec = template(workload)["spec"]
        account = spec.get("serviceAccountName")
        if account and not named(objects, "ServiceAccount", account):
            yield f"{label(workload)} serviceAccountName {account} is missing"
        for volume in spec.get("volumes", []):
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            if claim and not named(objects, "PersistentVolumeClaim", claim):
                yield f"{label(workload)} claim {claim} is missing"
        for container in containers(workload):
            yield from container_name_faults(objects, workload, container)
    for workload in of_kind(objects, "StatefulSet"):
        services = named(objects, "Service", workload["spec"]["serviceName"])
        if not any(s["spec"].get("clusterIP") == "None" for s in services):
            yield f"{label(workload)} serviceName is no headless service"
    for scaler in of_kind(objects, "HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        if not named(objects, target["kind"], target["name"]):
            yield f"{label(scaler)} scales {target['name']}, which is missing"


def container_name_faults(objects, workload, container):
    for source in container.get("envFrom", []):
        name = source["configMapRef"]["name"]
        if not named(objects, "ConfigMap", name):
            yield f"{label(workload)} config map {name} is missing"
    unknown = re.findall(r"\$\((\w+)\)",
                         " ".join(expanded(objects, container)["args"]))
    if unknown:
        yield f"{label(workload)} arguments name unknown variables: {unknown}"
    used = set(re.findall(r"\$\((\w+)\)", " ".join(container["args"])))
    for name in variables(objects, container):
        if name.startswith("ADV_") and name not in used:
            yield f"{label(workload)} knob {name} is used by no argument"
    there = {v["name"] for v in template(workload)["spec"].get("volumes", [])}
    there |= {v["metadata"]["name"]
              for v in workload["spec"].get("volumeClaimTemplates", [])}
    mounted = {m["name"] for m in container.get("volumeMounts", [])}
    if mounted != there:
        yield (f"{label(workload)} mounts {sorted(mounted)} of volumes "
               f"{sorted(there)}")


def check_policies(objects):
    """Metrics reach the monitoring's namespace, gRPC labelled clients, and only
    ports that exist are opened."""
    for workload in of_kind(objects, *WORKLOADS):
        labels = template(workload)["metadata"]["labels"]
        policies = [p for p in of_kind(objects, "NetworkPolicy")
                    if matches(p["spec"]["podSelector"], labels)]
        there = ports([workload])
        opened = {}  # port -> what may come in
        for policy in policies:
            yield from egress_faults(policy)
            for rule in policy["spec"].get("ingress", []):
                for port in rule["ports"]:
                    # Without `from`, everybody may.
                    opened.setdefault(port["port"], []).extend(
                        rule.get("from", [{"namespaceSelector": {}}]))
        for port in opened.keys() - there.keys():
            yield f"{label(workload)} policy opens {port}, which is no port"
        for port in there.keys() - opened.keys():
            yield f"{label(workload)} policy keeps {port} closed"
        monitoring = {"kubernetes.io/metadata.name": "monitoring"}
        if "metrics" in there and not any(
                matches(p["namespaceSelector"], monitoring)
                for p in opened.get("metrics", [])):
            yield f"{label(workload)} policy keeps the monitoring out"
        if "grpc" in there:
            yield from client_faults(objects, workload, opened.get("grpc", []))


def egress_faults(policy):
    """Calls go to DNS and to labelled pods alone."""
    if "Egress" not in policy["spec"].get("policyTypes", []):
        yield f"{label(policy)} lets its pods call anybody"
    for rule in policy["spec"].get("egress", []):
        if not all(p.get("podSelector", {}).get("matchLabels")
                   for p in rule.get("to", [{}])):
            yield f"{label(policy)} lets its pods call unlabelled ones"


def client_faults(objects, server, peers):
    """The clients of this deployment are let in, and no unlabelled pod is."""
    spaces = [n["metadata"].get("labels", {})
              for n in of_kind(objects, "Namespace")]
    if any(matches(p.get("podSelector", {}), {}) for p in peers):
        yield f"{label(server)} policy lets every pod in"
    for client in named(objects, "Job", "adv-client"):
        labels = template(client)["metadata"]["labels"]
        if not any(matches(p["namespaceSelector"], space) and
                   matches(p.get("podSelector", {}), labels)
                   for p in peers for space in spaces):
            yield f"{label(server)} policy keeps {label(client)} out"
        for address in flags(containers(client)[0]).get("server", []):
            name, port = re.fullmatch(r"dns:///([\w-]+):(\d+)",
                                      address).groups()
            if not any(p["port"] == int(port)
                       for s in named(objects, "Service", name)
                       for p in s["spec"]["ports"]):
                yield f"{label(client)} calls {address}, which is no service"


CHECKS = (check_selectors, check_ports, check_names, check_policies)
