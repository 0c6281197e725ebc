"""Prices, estimates and bills: what is known is added up, and what is not known is said."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from intermodal.aws.billing import Bill, billed, sum_of
from intermodal.aws.charges import charges_of
from intermodal.aws.cost import Remembered, dollars, estimate, require_affordable
from intermodal.aws.instances import TABLE
from intermodal.aws.prices import KINDS, PriceTable, load_prices
from intermodal.aws.request import Request
from intermodal.errors import UsageError

PRICES = PriceTable("2030-01-01", "us-east-1", "a test", {"ml.m5.xlarge": 0.36, "ml.g5.xlarge": 3.6})
START = datetime(2030, 1, 1, tzinfo=UTC)


def training(task: str = "train", instance: str = "ml.m5.xlarge", count: int = 1, limit: int = 7200, **more) -> Request:
    resources = {"InstanceType": instance, "InstanceCount": count, "VolumeSizeInGB": 30, **more}
    fields = {"ResourceConfig": resources, "StoppingCondition": {"MaxRuntimeInSeconds": limit}}
    return Request("sagemaker", "CreateTrainingJob", fields, task)


def processing(task: str = "ingest", instance: str = "ml.m5.xlarge", count: int = 1, limit: int = 3600) -> Request:
    cluster = {"InstanceType": instance, "InstanceCount": count, "VolumeSizeInGB": 30}
    fields = {"ProcessingResources": {"ClusterConfig": cluster}, "StoppingCondition": {"MaxRuntimeInSeconds": limit}}
    return Request("sagemaker", "CreateProcessingJob", fields, task)


class TestTheTable:
    def test_the_packaged_table_is_dated_and_names_its_region_and_source(self):
        table = load_prices()
        assert date.fromisoformat(table.date).year >= 2024
        assert (table.region, table.currency) == ("us-east-1", "USD")
        assert "public" in table.source
        assert table.hourly("ml.m5.xlarge", "training") == 0.23
        assert "ml.m5.xlarge" in table.hour and table.volume_gb_month > 0

    def test_every_instance_that_a_step_may_be_given_has_a_price(self):
        assert [item.name for item in TABLE if load_prices().hourly(item.name, "training") is None] == []

    def test_larger_instances_of_a_family_never_cost_less(self):
        order = ["medium", "large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "9xlarge", "16xlarge", "18xlarge"]
        families: dict[str, list[tuple[int, float]]] = {}
        for name, price in load_prices().hour.items():
            _, family, size = name.split(".")
            if size in order and family != "g5" and family != "g6":  # 12xlarge of those has four cards, 16xlarge one
                families.setdefault(family, []).append((order.index(size), price))
        for family, prices in families.items():
            assert [price for _, price in sorted(prices)] == sorted(price for _, price in prices), family

    def test_an_unknown_type_has_no_price_of_any_kind(self):
        for kind in KINDS:
            assert load_prices().hourly("ml.unheard.xlarge", kind) is None
        assert PRICES.amount("ml.unheard.xlarge", "training", 1, 30, 60) is None

    def test_a_kind_of_its_own_has_its_own_price(self):
        table = PriceTable("d", "r", "s", {"ml.m5.xlarge": 1.0}, hour_of_kind={"hosting": {"ml.m5.xlarge": 2.0}})
        assert table.hourly("ml.m5.xlarge", "hosting") == 2.0
        assert table.hourly("ml.m5.xlarge", "training") == 1.0

    def test_volumes_are_charged_by_the_month_of_730_hours(self):
        table = PriceTable("d", "r", "s", {"ml.m5.xlarge": 0.0}, volume_gb_month=0.73)
        assert table.amount("ml.m5.xlarge", "training", 2, 100, 3600) == pytest.approx(0.2)

    def test_the_users_file_is_read(self, tmp_path):
        path = tmp_path / "prices.json"
        path.write_text(json.dumps({"date": "d", "region": "eu-west-1", "source": "ours", "hour": {"ml.x": 7}}))
        table = load_prices(str(path))
        assert table.hourly("ml.x", "training") == 7
        assert table.caveat("us-east-1") == "prices of d for eu-west-1, ours; the run is in us-east-1"
        assert "the run is" not in table.caveat("eu-west-1")

    @pytest.mark.parametrize(
        "text",
        ["", "[]", "{}", '{"date":"d","region":"r","source":"s","hour":{"ml.x":-1}}']
        + ['{"date":"d","region":"r","source":"s","hour":{"ml.x":"1"}}']
        + ['{"date":"d","region":"r","source":"s","hour":{"ml.x":true}}']
        + ['{"date":"d","region":"r","source":"s","hour":{},"hour_of_kind":{"tuning":{}}}']
        + ['{"date":"d","region":"r","source":"s","hour":{},"euro":1}'],
    )
    def test_a_file_that_is_no_table_is_refused_with_its_name(self, tmp_path, text):
        path = tmp_path / "prices.json"
        path.write_text(text)
        with pytest.raises(UsageError, match="price table") as caught:
            load_prices(str(path))
        assert str(path) in caught.value.seen

    def test_a_file_that_is_not_there_is_refused(self, tmp_path):
        with pytest.raises(UsageError, match="price table"):
            load_prices(str(tmp_path / "none.json"))


class TestEstimates:
    def test_without_an_earlier_run_the_longest_time_counts(self):
        made = estimate([processing(), training(count=2)], PRICES)
        assert [(item.task, item.instances) for item in made.tasks] == [
            ("ingest", "1 × ml.m5.xlarge"),
            ("train", "2 × ml.m5.xlarge"),
        ]
        assert made.usd == made.ceiling_usd == pytest.approx(0.36 + 2 * 0.72)
        assert "no earlier run" in made.tasks[0].basis

    def test_an_earlier_run_gives_the_estimate_and_the_limit_the_ceiling(self):
        made = estimate([training(count=2)], PRICES, {"train": Remembered(600, "the last run")})
        assert made.usd == pytest.approx(2 * 0.06)
        assert made.ceiling_usd == pytest.approx(2 * 0.72)
        assert (made.tasks[0].seconds, made.tasks[0].basis) == (600, "the last run")

    def test_charged_seconds_of_an_earlier_run_are_of_all_instances(self):
        made = estimate([training(count=2)], PRICES, {"train": Remembered(600, "a bill", instance_seconds=2400)})
        assert made.usd == pytest.approx(2400 * 0.0001)

    def test_an_estimate_never_exceeds_the_ceiling(self):
        made = estimate([training(limit=60)], PRICES, {"train": Remembered(9999, "a slow machine")})
        assert made.usd == made.ceiling_usd == pytest.approx(0.006)

    def test_a_warm_pool_is_charged_while_it_waits(self):
        (charge,) = charges_of(training(limit=100, KeepAlivePeriodInSeconds=50))
        assert charge.ceiling == 150

    def test_a_tuning_job_is_charged_for_all_of_its_children(self):
        definition = training(limit=600).parameters
        config = {"ResourceLimits": {"MaxParallelTrainingJobs": 2, "MaxNumberOfTrainingJobs": 5}}
        fields = {"HyperParameterTuningJobConfig": config, "TrainingJobDefinition": definition}
        (charge,) = charges_of(Request("sagemaker", "CreateHyperParameterTuningJob", fields, "tune"))
        assert (charge.instances, charge.ceiling) == (2, 3 * 600)

    def test_an_endpoint_goes_on_costing_by_the_hour(self):
        variant = {"VariantName": "a", "InstanceType": "ml.g5.xlarge", "InitialInstanceCount": 2}
        made = estimate(
            [Request("sagemaker", "CreateEndpointConfig", {"ProductionVariants": [variant]}, "deploy")], PRICES
        )
        assert made.tasks[0].usd_an_hour == pytest.approx(7.2)
        assert made.usd == 0

    def test_a_serverless_endpoint_has_no_instances(self):
        variant = {"VariantName": "a", "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5}}
        assert charges_of(Request("sagemaker", "CreateEndpointConfig", {"ProductionVariants": [variant]})) == []

    def test_a_transform_job_has_no_limit_of_its_own(self):
        fields = {"TransformResources": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1}}
        request = Request("sagemaker", "CreateTransformJob", fields, "predict")
        assert estimate([request], PRICES).tasks[0].usd is None
        known = estimate([request], PRICES, {"predict": Remembered(3600, "the last run")}).tasks[0]
        assert known.usd == pytest.approx(0.36)
        assert known.ceiling_usd is None

    def test_a_type_without_a_price_is_said_and_not_guessed(self):
        (task,) = estimate([training(instance="ml.unheard.xlarge")], PRICES).tasks
        assert task.usd is None
        assert "no price for ml.unheard.xlarge in the table of 2030-01-01" in task.note

    def test_what_autopilot_costs_is_not_known(self):
        made = estimate([training(), Request("sagemaker", "CreateAutoMLJobV2", {}, "autopilot")], PRICES)
        assert made.usd is None
        assert "chooses its instances" in made.tasks[1].note

    def test_the_estimate_is_json(self):
        told = json.loads(json.dumps(estimate([training()], PRICES, region="eu-west-1").to_json()))
        assert told["usd"] == pytest.approx(0.72)
        assert "eu-west-1" in told["prices"]


class TestTheLimit:
    def test_no_limit_refuses_nothing(self):
        made = estimate([training(instance="ml.unheard.xlarge")], PRICES)
        require_affordable(made, 0.0)
        with pytest.raises(UsageError):
            require_affordable(made, 0.01)

    def test_a_run_within_its_limit_goes_on(self):
        made = estimate([training()], PRICES)
        require_affordable(made, 0.72)
        with pytest.raises(UsageError):
            require_affordable(made, 0.71)

    def test_a_run_over_its_limit_is_refused_with_its_dearest_tasks(self):
        made = estimate([training(), processing(instance="ml.g5.xlarge")], PRICES)
        with pytest.raises(UsageError, match="cost more") as caught:
            require_affordable(made, 4.0)
        assert caught.value.seen == "$4.32: ingest $3.60, train $0.7200"
        assert "$4.00" in caught.value.expected

    def test_a_run_whose_cost_nobody_knows_is_refused(self):
        with pytest.raises(UsageError, match="nobody can say") as caught:
            require_affordable(estimate([training(instance="ml.unheard.xlarge")], PRICES), 100.0)
        assert "ml.unheard.xlarge" in caught.value.seen


class TestBills:
    def described(self, **more):
        resources = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 30}
        arn = "arn:aws:sagemaker:eu-west-1:123456789012:training-job/t"
        return {"TrainingJobName": "t", "TrainingJobArn": arn, "ResourceConfig": resources, **more}

    def test_billable_time_counts_for_each_instance(self):
        made = billed("training", self.described(TrainingTimeInSeconds=1000, BillableTimeInSeconds=400), PRICES)
        assert (made.job, made.instances, made.billed_seconds, made.saved_seconds) == ("t", 2, 800, 1200)
        assert made.cost_usd == pytest.approx(0.08)
        assert "eu-west-1" in made.prices

    def test_a_job_that_never_ran_costs_nothing(self):
        made = billed("training", self.described(), PRICES)
        assert (made.billed_seconds, made.cost_usd) == (0, 0)

    def test_nothing_billable_is_not_taken_for_unknown(self):
        assert (
            billed("training", self.described(TrainingTimeInSeconds=10, BillableTimeInSeconds=0), PRICES).cost_usd == 0
        )

    def test_processing_and_transform_are_charged_from_start_to_end(self):
        times = {"ProcessingStartTime": START, "ProcessingEndTime": START + timedelta(seconds=100)}
        cluster = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 3, "VolumeSizeInGB": 0}
        job = {"ProcessingJobName": "p", "ProcessingResources": {"ClusterConfig": cluster}, **times}
        assert billed("processing", job, PRICES).cost_usd == pytest.approx(0.03)
        resources = {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1}
        times = {"TransformStartTime": START, "TransformEndTime": START + timedelta(seconds=10)}
        job = {"TransformJobName": "x", "TransformResources": resources, **times}
        assert billed("transform", job, PRICES).cost_usd == pytest.approx(0.01)

    def test_a_type_without_a_price_leaves_the_cost_open(self):
        job = self.described(BillableTimeInSeconds=10)
        job["ResourceConfig"]["InstanceType"] = "ml.unheard.xlarge"
        made = billed("training", job, PRICES)
        assert made.cost_usd is None
        assert made.billed_seconds == 20
        assert "cost_usd" not in sum_of([made])

    def test_a_bill_alone_is_written_as_a_sum_of_one(self):
        told = Bill("a", "training", "ml.x", 1, 10.0, None).to_json()
        assert told["jobs"] == 1 and told["job"] == "a" and "cost_usd" not in told

    def test_several_jobs_of_a_task_are_added_up(self):
        one = Bill("a", "training", "ml.m5.xlarge", 2, 100.0, 0.5)
        total = sum_of([one, Bill("b", "training", "ml.m5.xlarge", 1, 50.0, 0.25, 10.0)])
        assert (total["jobs"], total["billed_seconds"], total["cost_usd"]) == (2, 150, 0.75)
        assert (total["instance_type"], total["saved_seconds"]) == ("ml.m5.xlarge", 10)
        assert sum_of([]) == {}

    def test_amounts_are_read_by_people(self):
        assert [dollars(x) for x in (None, 0, 0.00123, 1234.5)] == ["not known", "$0.00", "$0.0012", "$1,234.50"]
