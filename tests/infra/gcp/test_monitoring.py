"""What is counted is logged, and who is called is told what to do."""

import ast
import json
import re
from collections import defaultdict
from typing import Any

import pytest

from tests.infra.gcp.plans import ROOT, VARIANTS, plan

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("terraform")]

each_variant = pytest.mark.parametrize("variant", VARIANTS)


def logged() -> dict[str, set[str]]:
    """Every action that the code logs, with the fields that stand beside it: those of a `log_context` count for all."""
    found: dict[str, set[str]] = defaultdict(set)
    nodes = [
        node
        for folder in ("functions", "shared")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    ]
    contexts = [node for node in nodes if isinstance(node, ast.FunctionDef) and node.name == "log_context"]
    brought = {text for context in contexts for text in _texts(context)}
    for node in nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "log" and node.args:
            fields = {each.arg for each in node.keywords if each.arg} | brought
            for action in _texts(node.args[0]):
                found[action] |= fields
    return found


def _texts(node: ast.AST) -> set[str]:
    return {each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)}


def metrics(variant: str) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in plan(variant).of("google_logging_metric").values()}


def alerts(variant: str) -> dict[str, dict[str, Any]]:
    return plan(variant).of("google_monitoring_alert_policy")


def test_metrics_count_what_the_code_says() -> None:
    """A fact that was renamed is a counter that stays at 0, and an alert that never rings."""
    known = logged()
    for name, metric in metrics("everything").items():
        stated = re.search(r"jsonPayload\.message=(\(.*?\)|\"\w+\")", metric["filter"])
        assert stated, name
        actions = re.findall(r'"(\w+)"', stated[1])
        assert actions
        assert set(actions) <= set(known), name
        fields = set(
            re.findall(
                r"jsonPayload\.(\w+)",
                metric["filter"] + (metric["value_extractor"] or "") + str(metric["label_extractors"]),
            )
        )
        for action in actions:
            assert fields - {"message"} <= known[action], (name, action)


def test_runbooks_speak_of_facts_that_exist() -> None:
    known = logged()
    for address, alert in alerts("everything").items():
        named = set(
            re.findall(r"jsonPayload\.message=\(?((?:\"\w+\"(?: OR )?)+)", alert["documentation"][0]["content"])
        )
        for group in named:
            assert set(re.findall(r'"(\w+)"', group)) <= set(known), address


@each_variant
def test_metrics_look_at_our_own_functions_alone(variant: str) -> None:
    prefix = VARIANTS[variant].get("prefix", "offpeak")
    for name, metric in metrics(variant).items():
        services = re.search(r"service_name=\((.*?)\)", metric["filter"])
        assert services, name
        assert {each.strip('"') for each in services[1].split(" OR ")} == {
            f"{prefix}-{target}" for target in ("api", "dead-letter", "predictions", "work")
        }


@each_variant
def test_every_alert_says_what_to_do(variant: str) -> None:
    for address, alert in alerts(variant).items():
        (documentation,) = alert["documentation"]
        assert documentation["mime_type"] == "text/markdown", address
        assert re.search(r"^1\. ", documentation["content"], re.MULTILINE), address
        assert len(documentation["content"]) > 200, address
        assert alert["severity"] in {"WARNING", "ERROR", "CRITICAL"}, address
        assert alert["conditions"], address


@each_variant
def test_every_trouble_has_its_alert(variant: str) -> None:
    titles = {alert["display_name"].partition(": ")[2] for alert in alerts(variant).values()}
    assert titles - {"more than 50 dollars a day"} == {
        "api answers 5xx", "crashed deliveries or requests", "dead letters", "deliveries from somebody unknown",
        "lines without a price", "messages wait", "no sweep", "stuck batches",
    }  # fmt: skip


def test_alerts_reach_somebody() -> None:
    for alert in alerts("everything").values():
        assert alert["notification_channels"] == ["projects/offpeak-test/notificationChannels/17"]


def test_old_messages_are_those_that_somebody_should_have_taken() -> None:
    """Kept dead letters are old on purpose."""
    alert = alerts("minimal")["google_monitoring_alert_policy.old_messages[0]"]
    filters = [condition["condition_threshold"][0]["filter"] for condition in alert["conditions"]]
    assert sorted(re.findall(r'subscription_id="([\w-]+)"', " ".join(filters))) == [
        "offpeak-dead-letter",
        "offpeak-work",
    ]
    assert {condition["condition_threshold"][0]["threshold_value"] for condition in alert["conditions"]} == {900}


def test_silence_is_noticed() -> None:
    alert = alerts("minimal")["google_monitoring_alert_policy.silent_sweep[0]"]
    absent = [condition["condition_absent"][0] for condition in alert["conditions"] if condition["condition_absent"]]
    assert [each["duration"] for each in absent] == ["900s"]


@each_variant
def test_the_dashboard_is_one_page_of_charts(variant: str) -> None:
    board = json.loads(plan(variant).one("google_monitoring_dashboard")["dashboard_json"])
    tiles = board["mosaicLayout"]["tiles"]
    places = {(tile["xPos"], tile["yPos"]) for tile in tiles}
    assert len(places) == len(tiles) >= 8
    assert all(tile["xPos"] + tile["width"] <= board["mosaicLayout"]["columns"] for tile in tiles)
    assert len({tile["widget"]["title"] for tile in tiles}) == len(tiles)
