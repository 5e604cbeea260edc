"""The checks of deploy/kubernetes can fail: for each kind of fault the rendered
objects are changed, and the fault is found."""

import copy
import os
import sys
import unittest

from deployments import (DEPLOYMENTS, adapter_rule, autoscaler_faults,
                         faults_of, version)
from references import containers, named, template
from rendering import render
from schemas import schema_faults
from tools import ROOT

sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))
from harness import main  # noqa: E402


# Where mutations aim.

def server(objects):
    return named(objects, "StatefulSet", "adv-server")[0]


def server_container(objects):
    return containers(server(objects))[0]


def trainer(objects):
    return named(objects, "Job", "adv-trainer")[0]


def spec(objects, kind, name="adv-server"):
    return named(objects, kind, name)[0]["spec"]


def change(objects, container, old, new):
    container["args"] = [a.replace(old, new) for a in container["args"]]
    return objects


def drop(objects, kind, name):
    objects[:] = [o for o in objects if o not in named(objects, kind, name)]


def drop_knobs(objects):
    """The trainer's config map, whose name ends in a digest."""
    objects[:] = [o for o in objects if not o["metadata"]["name"].startswith(
        "adv-trainer-")]


# (what is done to the objects of the CPU's deployment, what must be found)
MUTATIONS = (
    (lambda o: template(server(o))["metadata"].update(labels={}),
     "does not select its own pods"),
    (lambda o: spec(o, "PodDisruptionBudget")["selector"].update(
        matchLabels={"app": "adv"}), "PodDisruptionBudget/adv-server selects"),
    (lambda o: spec(o, "Service").update(selector={"app": "adv"}),
     "Service/adv-server selects no pods"),
    (lambda o: spec(o, "ServiceMonitor")["selector"].update(
        matchLabels={"app": "adv"}), "ServiceMonitor/adv-server selects no"),
    (lambda o: spec(o, "Service")["ports"][0].update(targetPort="http"),
     "is not the pods' http"),
    (lambda o: spec(o, "ServiceMonitor")["endpoints"][0].update(port="web"),
     "ServiceMonitor/adv-server port web"),
    (lambda o: spec(o, "PodMonitor", "adv-trainer")["podMetricsEndpoints"][0]
     .update(port="web"), "PodMonitor/adv-trainer port web"),
    (lambda o: server_container(o)["livenessProbe"]["grpc"].update(port=50052),
     "livenessProbe asks port 50052"),
    (lambda o: change(o, server_container(o), "0.0.0.0:50051", "0.0.0.0:80"),
     "--listen=0.0.0.0:80"),
    (lambda o: drop(o, "PersistentVolumeClaim", "adv-models"),
     "claim adv-models is missing"),
    (drop_knobs, "config map adv-trainer-"),
    (lambda o: drop(o, "ServiceAccount", "adv-trainer"),
     "serviceAccountName adv-trainer is missing"),
    (lambda o: change(o, server_container(o), "DEVICE", "DEVISE"),
     "unknown variables: ['ADV_DEVISE']"),
    (lambda o: change(o, server_container(o), "$(ADV_POLL_SECONDS)", "5"),
     "knob ADV_POLL_SECONDS is used by no argument"),
    (lambda o: server_container(o)["volumeMounts"].pop(), "mounts"),
    (lambda o: spec(o, "Service").update(clusterIP="10.0.0.1"), "no headless"),
    (lambda o: spec(o, "HorizontalPodAutoscaler")["scaleTargetRef"].update(
        kind="Deployment"), "scales adv-server, which is missing"),
    (lambda o: drop(o, "NetworkPolicy", "adv-trainer"),
     "Job/adv-trainer policy keeps metrics closed"),
    (lambda o: spec(o, "NetworkPolicy")["ingress"].pop(0),
     "policy keeps grpc closed"),
    (lambda o: spec(o, "NetworkPolicy")["ingress"][0]["ports"][0].update(
        port="http"), "policy opens http"),
    (lambda o: spec(o, "NetworkPolicy")["ingress"][0]["from"][0].pop(
        "podSelector"), "policy lets every pod in"),
    (lambda o: template(named(o, "Job", "adv-client")[0])["metadata"]["labels"]
     .pop("adv-client"), "policy keeps Job/adv-client out"),
    (lambda o: named(o, "Namespace", "adv")[0]["metadata"].pop("labels"),
     "policy keeps Job/adv-client out"),
    (lambda o: spec(o, "NetworkPolicy")["ingress"][1]["from"][0]
     ["namespaceSelector"].update(matchLabels={"name": "prometheus"}),
     "policy keeps the monitoring out"),
    (lambda o: spec(o, "NetworkPolicy")["ingress"][0].pop("from"),
     "policy lets every pod in"),
    (lambda o: spec(o, "NetworkPolicy")["policyTypes"].remove("Egress"),
     "lets its pods call anybody"),
    (lambda o: spec(o, "NetworkPolicy")["egress"][0].pop("to"),
     "lets its pods call unlabelled ones"),
    (lambda o: change(o, containers(named(o, "Job", "adv-client")[0])[0],
                      "50051", "443"), "which is no service"),
    (lambda o: template(server(o))["spec"].update(
        terminationGracePeriodSeconds=55), "must be over 40 of the drain + 15"),
    (lambda o: template(server(o))["spec"].pop("securityContext"),
     "runAsNonRoot is not safe"),
    (lambda o: server_container(o)["securityContext"].update(
        capabilities={"drop": ["ALL"], "add": ["SYS_ADMIN"]}),
     "capabilities is not safe"),
    (lambda o: server_container(o)["resources"]["limits"].update(cpu="1500m"),
     "limit of cpu is no whole number"),
    (lambda o: server_container(o)["resources"]["requests"].pop("memory"),
     "has no requests of memory"),
    (lambda o: server(o)["spec"]["volumeClaimTemplates"][0]["spec"].update(
        resources={"requests": {"storage": "8Gi"}}),
     "smaller than --max-state-bytes"),
    (lambda o: server_container(o)["volumeMounts"][1].pop("readOnly"),
     "may write into /var/lib/adv/models"),
    (lambda o: change(o, server_container(o), "adv/state", "adv/elsewhere"),
     "--state is not on a volume"),
    (lambda o: containers(trainer(o))[0]["volumeMounts"][1].update(
        readOnly=True), "cannot write into --store"),
    (lambda o: server_container(o).update(image="adv-sever:" + version()),
     "image adv-sever is not one of ours"),
    (lambda o: server_container(o).update(image="adv-server:latest"),
     "image has tag latest"),
    (lambda o: change(o, server_container(o), "$(ADV_DEVICE)", "cuda"),
     "is half on a GPU"),
    (lambda o: template(trainer(o))["spec"].update(restartPolicy="OnFailure"),
     "restartPolicy must be Never"),
    (lambda o: trainer(o)["spec"]["podFailurePolicy"]["rules"][1].update(
        onExitCodes={"containerName": "advtrain"}),
     "podFailurePolicy names advtrain"),
    (lambda o: spec(o, "HorizontalPodAutoscaler")["metrics"][0]["pods"]
     ["metric"].update(name="adv_queue_wait"), "adapter does not make"),
)

# The same for the schemas: a field's name, a type, a value, a missing field.
SCHEMA_MUTATIONS = (
    (lambda o: server_container(o).update(readinesProbe={}), "readinesProbe"),
    (lambda o: spec(o, "PodMonitor", "adv-trainer").update(jobLable="x"),
     "jobLable"),
    (lambda o: server_container(o)["ports"][0].update(containerPort="50051"),
     "not assignable to type 'number'"),
    (lambda o: server(o)["spec"].update(podManagementPolicy="Sequential"),
     "Sequential"),
    (lambda o: spec(o, "ServiceMonitor")["endpoints"][0].update(interval="1x"),
     "interval must match pattern"),
    (lambda o: spec(o, "StatefulSet").pop("selector"),
     "required property selector"),
)


class MutationTest(unittest.TestCase):

    def found(self, mutate, check):
        objects = render(*DEPLOYMENTS["cpu"])
        mutate(objects)
        return check(objects)

    def test_each_fault_would_be_found(self):
        for mutate, text in MUTATIONS:
            with self.subTest(text):
                faults = self.found(mutate, faults_of)
                self.assertTrue(any(text in f for f in faults), faults)

    def test_each_break_of_a_schema_would_be_found(self):
        for mutate, text in SCHEMA_MUTATIONS:
            with self.subTest(text):
                faults = self.found(mutate, schema_faults)
                self.assertTrue(any(text in f for f in faults), faults)

    def test_a_metric_that_the_server_lacks_would_be_found(self):
        rule = copy.deepcopy(adapter_rule())
        rule["seriesQuery"] = rule["seriesQuery"].replace("wait", "weight")
        self.assertIn("adv_queue_weight_seconds_sum",
                      " ".join(autoscaler_faults([], rule)))


if __name__ == "__main__":
    main()
