"""The pages: whole, self-contained, escaped, small, the same bytes every time."""

from __future__ import annotations

import re
from base64 import b64encode
from collections import Counter
from hashlib import sha256
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from intermodal.report.model import RunReport
from intermodal.report.page import build_evaluation_page, build_profile_page, build_report
from report_cases import HOSTILE, MLFLOW, evaluation, failed_run, full_run, hostile_run, profile

VOID = {"meta", "link", "br", "img", "input", "hr"}
PAGES = {
    "full": build_report(full_run()),
    "failed": build_report(failed_run()),
    "bare": build_report(RunReport("run-1")),
    "hostile": build_report(hostile_run()),
    "profile": build_profile_page(profile()),
    "evaluation": build_evaluation_page([evaluation("a", "tfidf", 0.5)]),
}


class Page(HTMLParser):
    """What a browser would find: elements, attributes, visible text; `wrong` lists tags that do not match."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()
        self.wrong += self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.text.append(data)

    def values(self, name: str) -> list[str]:
        return [attributes[name] for _, attributes in self.elements if name in attributes]

    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


@pytest.fixture(params=list(PAGES))
def name(request):
    return request.param


def test_tags_match_and_ids_are_unique(name):
    page = Page(PAGES[name])
    assert page.wrong == []
    assert PAGES[name].startswith("<!doctype html>")
    assert [key for key, count in Counter(page.values("id")).items() if count > 1] == []


def test_every_reference_inside_the_page_leads_somewhere(name):
    page = Page(PAGES[name])
    ids = set(page.values("id"))
    anchors = [href[1:] for href in page.values("href") if href.startswith("#")]
    labels = [part for value in page.values("aria-labelledby") for part in value.split()]
    assert [target for target in anchors + labels + page.values("data-table") if target not in ids] == []


def test_every_drawing_is_well_formed_xml(name):
    drawings = re.findall(r"<svg.*?</svg>", PAGES[name], re.DOTALL)
    assert drawings
    for drawing in drawings:
        ElementTree.fromstring(drawing)


def test_nothing_is_loaded_from_elsewhere(name):
    page = Page(PAGES[name])
    links = [value for key in ("href", "src", "srcset", "action", "data", "poster") for value in page.values(key)]
    outside = [value for value in links if not value.startswith(("#", "data:,"))]
    assert outside == ([MLFLOW] if name in ("full", "failed") else [])
    assert "@import" not in PAGES[name]
    assert "url(" not in PAGES[name]
    assert {tag for tag, _ in page.elements} & {"img", "iframe", "object", "embed", "base", "form"} == set()


def test_the_policy_lets_only_the_pages_own_script_run(name):
    scripts = re.findall(r"<script>(.*?)</script>", PAGES[name], re.DOTALL)
    assert len(scripts) == 1
    digest = b64encode(sha256(scripts[0].encode()).digest()).decode()
    policy = next(
        a["content"] for _, a in Page(PAGES[name]).elements if a.get("http-equiv") == "Content-Security-Policy"
    )
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")


def test_hostile_text_is_shown_and_never_markup():
    page = Page(PAGES["hostile"])
    assert [tag for tag, _ in page.elements].count("script") == 1
    assert [key for _, attributes in page.elements for key in attributes if key.startswith("on")] == []
    assert [href for href in page.values("href") if not href.startswith(("#", "data:,"))] == []
    assert "".join(page.text).count(HOSTILE) > 30
    assert "<img" not in PAGES["hostile"]


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", " http://x"])
def test_only_a_web_address_becomes_a_link_to_mlflow(url):
    html = build_report(RunReport.from_json({"run_id": "a", "mlflow": {"run_id": "abc", "url": url}}))
    assert [href for href in Page(html).values("href") if not href.startswith(("#", "data:,"))] == []
    assert "abc" in Page(html).words()


def test_the_head_band_says_what_was_registered_and_how_good_it_is():
    words = Page(PAGES["full"]).words()
    assert "reviews version 3 is the new champion" in words
    assert "0.530 accuracy, 95% interval 0.486 – 0.573" in words
    assert "+8.0 points vs baseline, intervals overlap" in words
    assert "+3.0 points vs champion before, intervals overlap" in words
    assert "Reviews in 1,003" in words
    assert "Quarantined 3" in words
    assert "Wall time 3 min 56 s" in words
    assert "From cache 2 of 8" in words


def test_an_interval_that_does_not_overlap_is_not_said_to():
    fields = full_run().to_json()
    fields["sections"]["evaluations"][0]["accuracy"] = {"value": 0.3, "low": 0.26, "high": 0.34}
    words = Page(build_report(RunReport.from_json(fields))).words()
    assert "+23.0 points vs baseline +3.0 points vs champion before, intervals overlap" in words


@pytest.mark.parametrize(
    ("change", "headline"),
    [
        ({"decision": "rejected"}, "reviews version 2 stays the champion"),
        ({"decision": "rejected", "champion_version": ""}, "reviews: the candidate was rejected"),
        ({"champion_model_digest": "sha256:evaluate-2"}, "reviews version 3 is the champion already"),
    ],
)
def test_the_headline_follows_the_gate(change, headline):
    fields = full_run().to_json()
    fields["sections"]["registration"].update(change)
    fields["sections"]["registration"].pop("champion_digest" if "champion_model_digest" in change else "", None)
    assert headline in Page(build_report(RunReport.from_json(fields))).words()


def test_reasons_of_the_gate_are_sentences():
    fields = full_run().to_json()
    fields["sections"]["registration"]["reasons"] = ["accuracy 0.5 is not above 0.6", "the difference is small."]
    words = Page(build_report(RunReport.from_json(fields))).words()
    assert "Accuracy 0.5 is not above 0.6. The difference is small." in words


def test_a_run_with_everything_has_every_section():
    titles = re.findall(r'<h2 id="h-[a-z]+">([^<]+)</h2>', PAGES["full"])
    expected = ["Pipeline", "Evaluation", "Registration", "Training", "Data", "Validation", "Lineage", "Parameters"]
    assert titles == expected


def test_a_failed_run_begins_with_the_error_and_shows_what_there_is():
    words = Page(PAGES["failed"]).words()
    parts = ["validate failed", "1 Error check failed", "Seen 0.98", "Expected 1.0", "Next intermodal resume run-1"]
    places = [words.index(part) for part in parts]
    assert places == sorted(places)
    assert places[-1] < words.index("succeeded") if "succeeded" in words else True
    assert "ERROR review_id" in words
    assert "\x1b" not in PAGES["failed"]
    assert re.findall(r'<h2 id="h-([a-z]+)">', PAGES["failed"]) == [
        "pipeline",
        "data",
        "validation",
        "lineage",
        "parameters",
    ]


def test_a_task_says_why_it_was_or_was_not_taken_from_the_cache():
    words = Page(PAGES["full"]).words()
    assert "Why it was cached inputs, parameters and code are those of run-0" in words
    assert "Why it ran parameter seed: 6 is now 7" in words


def test_a_failed_constraint_comes_first_with_what_was_seen():
    words = Page(PAGES["full"]).words()
    table = words[words.index("All 3 constraints") :]
    assert table.index("fails (Warning)") < table.index("holds")
    assert "0.99995" in table
    assert 'such as –; ""; " "' in table


def test_many_constraints_fold_away_but_for_those_that_fail():
    fields = full_run().to_json()
    passed, _, failed = fields["sections"]["validation"]["constraints"]
    fields["sections"]["validation"]["constraints"] = [*[{**passed, "column": f"c{i}"} for i in range(30)], failed]
    words = Page(build_report(RunReport.from_json(fields))).words()
    assert "30 of 31 constraints hold; 0 of level Error and 1 of level Warning do not" in words
    places = [
        words.index(part) for part in ("Constraints that do not hold", "Checks and their outcome", "All 31 constraints")
    ]
    assert places == sorted(places)
    assert "shape holds Error 30 of 30" in words
    assert "texts fails Warning 0 of 1" in words


def test_the_graph_of_lineage_shows_what_feeds_what_and_the_table_the_rest():
    fields = full_run().to_json()
    fields["tasks"][0]["artifacts"].append({"name": "metrics", "type": "system.Metrics", "uri": "x"})
    fields["lineage"].append({"source": "s3://bucket/long/path/reviews.tsv.gz", "target": "ingest/metrics"})
    html = build_report(RunReport.from_json(fields))
    graph = html[html.index('id="lineage"') :]
    graph = graph[: graph.index("<table")]
    assert ">metrics</text>" not in graph
    assert "ingest/metrics" in Page(html).words()
    assert "s3://bucket" not in graph


def test_candidates_on_different_test_rows_come_with_a_warning():
    pair = [evaluation("a", "tfidf", 0.5), {**evaluation("b", "bert", 0.6), "test_digest": "sha256:other"}]
    assert "not tested on the same rows" in build_evaluation_page(pair)
    assert "not tested on the same rows" not in PAGES["full"]


def test_many_failures_are_counted_and_not_all_spelled_out():
    tasks = [{"name": f"t{i}", "state": "FAILED", "error": {"headline": f"broke {i}"}} for i in range(9)]
    page = Page(build_report(RunReport.from_json({"run_id": "a", "state": "FAILED", "tasks": tasks})))
    assert "9 tasks failed" in page.words()
    assert "4 more tasks failed" in page.words()
    assert page.values("role").count("alert") == 5


def test_pages_are_small_and_the_same_every_time():
    assert len(PAGES["full"].encode()) < 300_000
    assert PAGES["full"] == build_report(RunReport.from_json(full_run().to_json()))


def test_a_long_log_and_long_texts_do_not_swell_the_page():
    fields = full_run().to_json()
    fields["tasks"][0]["log_tail"] = "x" * 2_000_000
    fields["sections"]["quarantines"][0]["samples"] = [{"line": 1, "raw": "y" * 1_000_000}] * 20
    fields["sections"]["evaluations"][0]["worst_errors"] = [{"text": "z" * 1_000_000}] * 20
    fields["sections"]["curves"][0]["series"]["train_loss"] = [[i, i % 7] for i in range(100_000)]
    assert len(build_report(RunReport.from_json(fields))) < 400_000


@pytest.mark.parametrize(
    "drop", ["by_month", "by_year", "length", "helpful", "verified", "products", "columns", "dates"]
)
def test_a_profile_may_lack_any_part(drop):
    part = {key: value for key, value in profile().items() if key != drop}
    assert "How are the ratings distributed?" in build_profile_page(part)


def test_gaps_are_named_or_said_to_be_none():
    assert "Missing or blank values. 1 of 2 columns have a value in every row." in PAGES["profile"]
    whole = {**profile(), "columns": [{"name": "a", "type": "String", "nulls": 0, "blank": 0, "complete": 1.0}]}
    assert "None: no value is missing or blank." in build_profile_page(whole)
