"""What can be said of the dashboards, the rules and the runbook without a
Grafana and without a server."""

import glob
import os
import re
import shutil
import subprocess
import unittest

import dashboards
from dashboards import DEPLOY

HERE = os.path.dirname(os.path.abspath(__file__))
PROMETHEUS = os.path.join(DEPLOY, "prometheus")
RULES = sorted(glob.glob(os.path.join(PROMETHEUS, "rules", "*.yml")))
RULE_TESTS = sorted(glob.glob(os.path.join(HERE, "rules", "*.yml")))
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
RUNBOOK = "/api/datasources/proxy/uid/${datasource}/user/RUNBOOK.md"
ANCHOR_OF_CELL = "#:~:text=${__value.raw}"  # the alert's name


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def needs(program):
    return unittest.skipUnless(shutil.which(program),
                               f"not installed: {program}")


def cells(panel):
    """The cells of the grid that a panel covers."""
    grid = panel["gridPos"]
    return {(x, y) for x in range(grid["x"], grid["x"] + grid["w"])
            for y in range(grid["y"], grid["y"] + grid["h"])}


def urls(value):
    """All URLs anywhere in a dashboard."""
    if isinstance(value, dict):
        for key, each in value.items():
            if key == "url":
                yield each
            yield from urls(each)
    elif isinstance(value, list):
        for each in value:
            yield from urls(each)


def sections():
    """{anchor: title} of the runbook, as viewers of Markdown make them."""
    titles = re.findall(r"^## (.+)$", read(DEPLOY, "RUNBOOK.md"), re.M)
    return {title.lower().replace(" ", "-"): title for title in titles}


def alerts():
    """{name: text of the rule}"""
    text = "\n".join(read(path) for path in RULES)
    return {rule.split("\n")[0]: rule
            for rule in re.split(r"- alert: ", text)[1:]}


class DashboardsTest(unittest.TestCase):

    def setUp(self):
        self.dashboards = dashboards.read_all()

    def each_panel(self):
        for name, dashboard in self.dashboards.items():
            for panel in dashboards.panels(dashboard):
                yield f"{name}: {panel['title']}", panel

    def test_uids_ids_and_titles_are_unique(self):
        uids = [d["uid"] for d in self.dashboards.values()]
        self.assertEqual(["adv-robustness", "adv-service"], sorted(uids))
        for name, dashboard in self.dashboards.items():
            ids = [p["id"] for p in dashboard["panels"]]
            self.assertEqual(len(ids), len(set(ids)), name)
            titles = [p["title"] for p in dashboards.panels(dashboard)]
            self.assertEqual(len(titles), len(set(titles)), name)

    def test_each_panel_says_what_it_shows_and_in_which_unit(self):
        for place, panel in self.each_panel():
            with self.subTest(place):
                self.assertRegex(panel["description"], r"^[A-Z19].*\.$")
                self.assertTrue(panel["fieldConfig"]["defaults"]["unit"])

    def test_each_panel_asks_the_source_that_is_chosen(self):
        for place, panel in self.each_panel():
            self.assertEqual(SOURCE, panel["datasource"], place)
        for dashboard in self.dashboards.values():
            first, *others = dashboard["templating"]["list"]
            self.assertEqual(("datasource", "prometheus"),
                             (first["type"], first["query"]))
            for asked in others + dashboard["annotations"]["list"]:
                self.assertEqual(SOURCE, asked["datasource"])
            self.assertEqual(["job", "instance", "model"],
                             [v["name"] for v in others])

    def test_the_source_that_is_chosen_first_is_provisioned(self):
        provisioned = read(DEPLOY, "grafana", "provisioning", "datasources",
                           "prometheus.yaml")
        for dashboard in self.dashboards.values():
            chosen = dashboard["templating"]["list"][0]["current"]
            self.assertIn(f"name: {chosen['text']}\n", provisioned)
            self.assertIn(f"uid: {chosen['value']}\n", provisioned)

    def test_each_expression_is_of_the_jobs_and_instances_chosen(self):
        for name, dashboard in self.dashboards.items():
            for expression in dashboards.expressions(name, dashboard):
                for selector in dashboards.selectors(expression.text):
                    with self.subTest(expression.place):
                        if not selector.startswith("ALERTS"):
                            self.assertIn("job=~'$job', "
                                          "instance=~'$instance'", selector)

    def test_no_panel_covers_another(self):
        for name, dashboard in self.dashboards.items():
            covered = set()
            for panel in dashboard["panels"]:
                with self.subTest(f"{name}: {panel['title']}"):
                    self.assertFalse(covered & cells(panel))
                    grid = panel["gridPos"]
                    self.assertLessEqual(grid["x"] + grid["w"], COLUMNS)
                covered |= cells(panel)
            last = max(y for _, y in covered) + 1
            gaps = {(x, y) for x in range(COLUMNS) for y in range(last)}
            self.assertEqual(set(), gaps - covered, name)

    def test_links_lead_somewhere(self):
        own = {f"/d/{d['uid']}" for d in self.dashboards.values()}
        known = {RUNBOOK, RUNBOOK + ANCHOR_OF_CELL} | own | {
            f"{RUNBOOK}#{anchor}" for anchor in sections()}
        for dashboard in self.dashboards.values():
            found = set(urls(dashboard))
            self.assertEqual(set(), found - known)
            self.assertIn(RUNBOOK, found)
            self.assertEqual(own - {f"/d/{dashboard['uid']}"}, found & own)


class RulesTest(unittest.TestCase):

    def test_each_alert_has_a_severity_texts_and_a_section(self):
        self.assertGreater(len(alerts()), 10)
        for name, rule in alerts().items():
            with self.subTest(name):
                self.assertRegex(rule, r"severity: (critical|warning)\b")
                for key in ("summary", "description"):
                    self.assertRegex(rule, rf"\n +{key}: ")
                self.assertIn('runbook_url: "{{ $externalURL }}/user/'
                              f'RUNBOOK.md#{name.lower()}"', rule)

    def test_the_runbook_is_of_the_alerts_and_the_panels_that_are_there(self):
        self.assertEqual({name.lower(): name for name in alerts()}, sections())
        titles = {d["title"] for d in dashboards.read_all().values()} | {
            p["title"] for d in dashboards.read_all().values()
            for p in d["panels"]}
        text = " ".join(read(DEPLOY, "RUNBOOK.md").split())
        self.assertEqual(set(), set(re.findall(r"\*([^*]+)\*", text)) - titles)
        self.assertEqual(set(), set(re.findall(r"\(#([^)]+)\)", text)) -
                         set(sections()))

    def test_each_alert_is_tested_firing_and_silent(self):
        text = "\n".join(read(path) for path in RULE_TESTS)
        silent = set(re.findall(r"alertname: (\w+), exp_alerts: \[\]", text))
        firing = set(re.findall(
            r"alertname: (\w+)\n +exp_alerts:\n +- exp_labels", text))
        self.assertEqual(set(alerts()), silent)
        self.assertEqual(set(alerts()), firing)

    def test_each_recorded_series_is_tested(self):
        recorded = re.findall(r"- record: (\S+)",
                              "".join(read(path) for path in RULES))
        text = "".join(read(path) for path in RULE_TESTS)
        for name in recorded:
            self.assertIn(f"- expr: {name}\n", text)

    def assert_succeeds(self, *command):
        done = subprocess.run(command, check=False, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(0, done.returncode, done.stdout)

    @needs("promtool")
    def test_promtool_accepts_the_rules_and_what_they_do(self):
        self.assert_succeeds("promtool", "check", "config",
                             os.path.join(PROMETHEUS, "prometheus.yml"))
        self.assert_succeeds("promtool", "check", "rules", "--lint=all",
                             "--lint-fatal", *RULES)
        self.assert_succeeds("promtool", "test", "rules", *RULE_TESTS)

    @needs("amtool")
    def test_alertmanager_accepts_its_configuration(self):
        self.assert_succeeds("amtool", "check-config", os.path.join(
            DEPLOY, "alertmanager", "alertmanager.yml"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
