"""What deploy/kubernetes gives to Prometheus: the adapter's rule and the rules
of deploy/prometheus."""

import os
import re
import subprocess
import sys
import unittest

import yaml

from deployments import DEPLOYMENTS, adapter_rule
from references import of_kind
from rendering import MANIFESTS, render
from schemas import schema_faults
from tools import ROOT

sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))
from harness import main, needs_programs, temporary_folder  # noqa: E402

RULES = os.path.join(ROOT, "deploy", "prometheus", "rules")
RULES_SCRIPT = os.path.join(MANIFESTS, "monitoring", "prometheus-rules.sh")


ADAPTER_TEST = """
rule_files: [rule.yml]
evaluation_interval: 15s
tests:
- interval: 15s
  input_series:
  # Pod a: a job each second, which waited for half a second; pod b: none.
  - {{series: '{wait}_sum{{lane="interactive",namespace="adv",pod="a"}}',
      values: '0+7.5x20'}}
  - {{series: '{wait}_count{{lane="interactive",namespace="adv",pod="a"}}',
      values: '0+15x20'}}
  - {{series: '{wait}_sum{{lane="interactive",namespace="adv",pod="b"}}',
      values: '3+0x20'}}
  - {{series: '{wait}_count{{lane="interactive",namespace="adv",pod="b"}}',
      values: '3+0x20'}}
  - {{series: '{wait}_sum{{lane="bulk",namespace="adv",pod="b"}}',
      values: '0+900x20'}}
  - {{series: '{wait}_count{{lane="bulk",namespace="adv",pod="b"}}',
      values: '0+15x20'}}
  promql_expr_test:
  - expr: made
    eval_time: 4m
    exp_samples:
    - {{labels: 'made{{pod="a"}}', value: 0.5}}
    - {{labels: 'made{{pod="b"}}', value: 0}}
"""


class MonitoringTest(unittest.TestCase):

    @needs_programs("promtool")
    def test_the_adapter_makes_the_mean_wait_of_each_pod(self):
        rule = adapter_rule()
        query = rule["metricsQuery"].replace("<<.GroupBy>>", "pod")
        query = query.replace("<<.LabelMatchers>>",
                              'namespace="adv",pod=~"a|b"')
        folder = temporary_folder(self)
        groups = [{"name": "adapter",
                   "rules": [{"record": "made", "expr": query}]}]
        with open(os.path.join(folder, "rule.yml"), "w",
                  encoding="utf-8") as file:
            yaml.safe_dump({"groups": groups}, file)
        with open(os.path.join(folder, "test.yml"), "w",
                  encoding="utf-8") as file:
            file.write(ADAPTER_TEST.format(wait="adv_queue_wait_seconds"))
        tested = subprocess.run(
            ["promtool", "test", "rules", "test.yml"], cwd=folder, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(0, tested.returncode, tested.stdout)

    def rules(self, *arguments):
        return subprocess.run([RULES_SCRIPT, *arguments], check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True)

    def assert_rules_of(self, folder):
        made = self.rules(folder)
        self.assertEqual(0, made.returncode, made.stderr)
        objects = list(yaml.safe_load_all(made.stdout))
        self.assertEqual([], schema_faults(objects))
        sources = []
        for name in sorted(n for n in os.listdir(folder)
                           if n.endswith(".yml")):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                sources.append(yaml.safe_load(file))
        self.assertEqual(sources, [o["spec"] for o in objects])
        return objects

    def test_rule_files_become_prometheus_rules(self):
        folder = temporary_folder(self)
        for name in ("alerts.yml", "long_names.yml"):
            with open(os.path.join(folder, name), "w",
                      encoding="utf-8") as file:
                file.write("# Why.\ngroups:\n- name: g\n  rules:\n"
                           "  - alert: A\n    expr: |\n      up\n\n      == 0\n"
                           "    annotations: {summary: '{{ $value }}'}\n")
        self.assertEqual(
            ["adv-alerts", "adv-long-names"],
            [o["metadata"]["name"] for o in self.assert_rules_of(folder)])

    def test_a_folder_without_rules_is_refused(self):
        folder = temporary_folder(self)
        made = self.rules(folder)
        self.assertEqual((1, ""), (made.returncode, made.stdout))
        self.assertIn(f"no *.yml in {folder}", made.stderr)

    @unittest.skipUnless(os.path.isdir(RULES),
                         "NOT CHECKED: there is no deploy/prometheus/rules")
    def test_the_rules_of_this_tree_and_the_jobs_that_they_name(self):
        text = str(self.assert_rules_of(RULES))
        endpoints = [
            endpoint
            for monitor in of_kind(render(*DEPLOYMENTS["cpu"]),
                                   "ServiceMonitor", "PodMonitor")
            for field in ("endpoints", "podMetricsEndpoints")
            for endpoint in monitor["spec"].get(field, [])]
        jobs = {label["replacement"] for endpoint in endpoints
                for label in endpoint["relabelings"]
                if label["targetLabel"] == "job"}
        self.assertLessEqual(set(re.findall(r'job="([\w-]+)"', text)), jobs)


if __name__ == "__main__":
    main()
