"""Every expression of the dashboards and rules is asked of a real Prometheus
that watches a real server and a real training worker at work."""

import math
import sys
import time
import unittest
import urllib.parse

import dashboards
from stack import DEADLINE, Load, Stack, poll
from harness import ModuleScope, main, needs_programs, needs_zoo

# Of Grafana; the test's Prometheus scrapes each second.
BUILT_IN = {"__rate_interval": "10s", "__interval": "5s", "__range": "5m"}


def numbers(series):
    """Its finite values."""
    values = [float(v) for _, points in series for _, v in points]
    return [v for v in values if math.isfinite(v)]


class MetricNamesTest(unittest.TestCase):

    def test_the_names_in_an_expression(self):
        for expression, names in {
                "sum by (a, b) (rate(x_total{y='z'}[5m])) > 0": {"x_total"},
                "x / on (job) group_left (m) a:b:c or vector(0)":
                    {"x", "a:b:c"},
                "count({__name__=~'x|y', job=~'(z)'})": {"x", "y"},
                "histogram_quantile(0.95, sum by (le) (h_bucket)) * 1e3":
                    {"h_bucket"},
                "changes(x{a=\"b, c\"}[15m]) == 0 and on (i) y > 2":
                    {"x", "y"}}.items():
            with self.subTest(expression):
                self.assertEqual(names, dashboards.metric_names(expression))

    def test_the_selectors_in_an_expression(self):
        self.assertEqual(
            ["x_total", "x{a='b'}"],
            sorted(dashboards.selectors("rate(x_total[5m]) > x{a='b'}")))

    def test_a_variable_without_a_value_is_seen(self):
        with self.assertRaises(ValueError):
            dashboards.substitute("x[$__interval_ms]", {"__range": "5m"})
        self.assertEqual("x{a=~'(b\\\\.c|d)'}", dashboards.substitute(
            "x{a=~'$a'}", {"a": dashboards.any_of(["b.c", "d"])}))


@needs_zoo
@needs_programs("prometheus")
class DashboardsTest(unittest.TestCase):

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(ModuleScope)
        cls.stack.advctl("evaluate", "--model=no-cat,balanced", "--samples=20",
                         "--epsilon=1/255").wait(DEADLINE)
        # It runs while the panels of running evaluations are asked.
        cls.stack.advctl("evaluate", "--model=no-cat", "--attack=pgd:steps=40",
                         "--epsilon=1/255,2/255,4/255,8/255")
        Load(cls.stack)

    def test_every_expression_gives_data(self):
        asked, counts = [], {}
        for name, dashboard in dashboards.read_all().items():
            values = dict(BUILT_IN, **self.values_of_variables(dashboard))
            asked += [
                e._replace(text=dashboards.substitute(e.text, values))
                for e in dashboards.expressions(name, dashboard)]
            counts["variables"] = (counts.get("variables", 0) +
                                   len(dashboards.variables(dashboard)))
        counts["panels and annotations"] = len(asked)
        rules = self.rules()
        recorded = [r for r in rules if r["type"] == "recording"]
        alerts = [r for r in rules if r["type"] == "alerting"]
        # An alert may be silent, but all that it looks at must be there.
        selected = {s for a in alerts for s in dashboards.selectors(a["query"])}
        asked += [dashboards.Expression(f"record {r['name']}", text, True)
                  for r in recorded for text in (r["name"], r["query"])]
        asked += [dashboards.Expression(f"alerts' {s}", s, True)
                  for s in sorted(selected)]
        self.await_data(asked)
        self.assert_names_exist([e.text for e in asked] +
                                [a["query"] for a in alerts])
        self.assert_healthy()
        counts["recording rules"] = len(recorded)
        counts["alerts"] = len(alerts)
        sys.stderr.write(
            f"{sum(counts.values())} expressions proven: " + ", ".join(
                f"{n} of {what}" for what, n in counts.items()) + "\n")

    def test_an_alert_leads_to_the_runbook(self):
        found = []
        # The store of the test has a version that cannot be loaded.
        poll(lambda: found.extend(
            alert for alert in self.stack.ask("alerts")["alerts"]
            if alert["labels"]["alertname"] == "AdvModelVersionFailed") or
            found, "an alert")
        url = found[0]["annotations"]["runbook_url"]
        # Prometheus names itself as its host does.
        page, anchor = urllib.parse.urlparse(url).path, url.split("#")[1]
        self.assertEqual("advmodelversionfailed", anchor)
        self.assertIn("## AdvModelVersionFailed", self.stack.get(page))

    def values_of_variables(self, dashboard):
        """Each variable with all its values, asked as Grafana asks."""
        values = {}
        for name, selector, label in dashboards.variables(dashboard):
            found = []
            match = dashboards.substitute(selector, values)

            def ask(found=found, match=match, label=label):
                found[:] = self.stack.ask(
                    f"label/{label}/values", **{"match[]": match})
                # Two servers and the training are three instances of two jobs.
                least = {"job": 2, "instance": 3}.get(label, 1)
                return len(found) >= least

            poll(ask, f"values of ${name}: {match}")
            values[name] = dashboards.any_of(found)
        return values

    def rules(self):
        groups = self.stack.ask("rules")["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def await_data(self, asked):
        """Each expression must give a finite number before the deadline."""
        missing, end = list(asked), time.monotonic() + DEADLINE
        while missing and time.monotonic() < end:
            missing = [e for e in missing if not numbers(
                self.stack.query(e.text, e.instant))]
            time.sleep(.5)
        self.assertEqual([], [f"{e.place}: {e.text}" for e in missing],
                         "no data")

    def assert_names_exist(self, texts):
        known = set(self.stack.ask("label/__name__/values"))
        unknown = {name for text in texts
                   for name in dashboards.metric_names(text)} - known
        self.assertEqual(set(), unknown)

    def assert_healthy(self):
        """After the rules were evaluated with data."""
        ill = [rule for rule in self.rules() if rule["health"] != "ok"]
        self.assertEqual([], ill)


if __name__ == "__main__":
    main()
