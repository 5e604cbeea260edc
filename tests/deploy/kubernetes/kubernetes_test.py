"""deploy/kubernetes, rendered: every object keeps to its schema, and all fit
together."""

import os
import re
import sys
import unittest

from deployments import DEPLOYMENTS, faults_of
from references import of_kind
from rendering import MANIFESTS, render
from schemas import schema_faults
from tools import ROOT

sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))
from harness import main  # noqa: E402


class DeploymentTest(unittest.TestCase):

    def test_every_object_keeps_to_its_schema(self):
        for name, folders in DEPLOYMENTS.items():
            with self.subTest(deployment=name):
                objects = render(*folders)
                self.assertEqual([], schema_faults(objects))
                print(f"{name}: {len(objects)} objects keep to their schemas")

    def test_all_objects_fit_together(self):
        for name, folders in DEPLOYMENTS.items():
            with self.subTest(deployment=name):
                self.assertEqual([], faults_of(render(*folders)))

    def test_everything_that_the_issue_names_is_there(self):
        kinds = {o["kind"] for o in render(*DEPLOYMENTS["cpu"])}
        self.assertLessEqual(
            {"StatefulSet", "Service", "PodDisruptionBudget", "NetworkPolicy",
             "HorizontalPodAutoscaler", "ServiceAccount", "ConfigMap", "Job",
             "ServiceMonitor", "PodMonitor", "PersistentVolumeClaim"}, kinds)

    def test_deleting_an_overlay_keeps_models_and_namespace(self):
        for folders in DEPLOYMENTS.values():
            kept = [o for folder in folders if folder != "namespace"
                    for o in of_kind(render(folder), "Namespace",
                                     "PersistentVolumeClaim")]
            self.assertEqual([], kept)

    def test_the_readme_applies_folders_that_exist(self):
        path = os.path.join(MANIFESTS, "README.md")
        with open(path, encoding="utf-8") as file:
            folders = re.findall(r"kubectl \w+ -k (\S+)", file.read())
        self.assertEqual([], [f for f in folders if not os.path.exists(
            os.path.join(ROOT, f, "kustomization.yaml"))])
        self.assertLess(3, len(folders))


if __name__ == "__main__":
    main()
