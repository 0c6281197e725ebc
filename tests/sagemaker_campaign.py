"""A campaign of runs on a local SageMaker in which something goes wrong at a random moment, each from its own seed.

Started as a program it goes through a range of seeds and prints one JSON object with its figures. Every
submitter is a process of its own, forked from one that has imported what is slow to import, so that it can
be killed like any other.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from campaign_jobs import KNOWN, JobSeen, executor_input, seen
from forked_processes import Submitter, preload

ONE_JOB = ("pod", "network", "throttle", "error")  # the others have a training job after it
KINDS = ("kill", "terminate", "pod", "network", "throttle", "error", "preempt", "expire")
HERE = Path(__file__).resolve().parent
_PATIENCE = 120.0
_MOST_TRIES = 6
_LONG = 60.0  # seconds that a job would take which is to be stopped


@dataclass
class Figures:
    """What a campaign came to.

    Attributes:
        runs: Seeds that were gone through, by kind.
        submitters: Processes that submitted.
        killed: Of those, how many were killed or told to stop.
        jobs: Jobs that were created.
        adopted: Jobs that somebody went on with who had not created them.
        renewed: Submitters that went on with renewed credentials after the old ones had expired.
        wrong: What should not have been, a line each.
    """

    runs: Counter[str] = field(default_factory=Counter)
    submitters: int = 0
    killed: int = 0
    jobs: int = 0
    adopted: int = 0
    renewed: int = 0
    wrong: list[str] = field(default_factory=list)


class Campaign:
    """Goes through seeds on one local SageMaker.

    Args:
        folder: For everything that it leaves.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.figures = folder, Figures()
        self.marks = folder / "marks"
        self.marks.mkdir(parents=True)
        self._keys = folder / "credentials"
        self._service, self.url = self._serve()
        self._settings()

    def _serve(self) -> tuple[subprocess.Popen[str], str]:
        from sagemaker_runs import CORE, image

        words = ["--port", "0", "--json", "--grace", "3", "--home", str(self.folder / "service")]
        words += ["--image", f"{CORE}={image(self.folder)}"]
        full = [sys.executable, "-m", "intermodal", "sagemaker-local", *words]
        log = (self.folder / "service.log").open("w")
        process = subprocess.Popen(full, stdout=subprocess.PIPE, stderr=log, text=True)
        assert process.stdout is not None
        text = ""
        for line in process.stdout:
            text += line
            if line.startswith("}") or line.strip().endswith("}"):
                break
        return process, str(json.loads(text)["url"])

    def _settings(self) -> None:
        self.use_key("first")
        (self.folder / "intermodal.toml").write_text(
            "[sagemaker]\npatience = 60.0\npoll = 0.5\n"
            "[sagemaker.steps.add_up]\nspot = true\ncheckpoints = true\nmax_runtime = 600\nmax_wait = 1200\n"
        )
        for name in [name for name in os.environ if name.startswith(("AWS_", "INTERMODAL_", "MLFLOW_"))]:
            del os.environ[name]
        os.environ |= {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_SHARED_CREDENTIALS_FILE": str(self._keys),
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "INTERMODAL_HOME": str(self.folder / "home"),
            "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent / "src")]),
        }
        os.chdir(self.folder)
        self._open_clients()

    def _open_clients(self) -> None:
        """Make the clients that every submitter would make: reading AWS's models is what takes its time."""
        from intermodal.aws.client import aws_client
        from intermodal.aws.service_model import problems
        from intermodal.aws.settings import SageMakerSettings
        from intermodal.store.s3 import s3_client

        for service in ("sagemaker", "logs", "sts", "s3"):
            aws_client(service, SageMakerSettings())
        problems("sagemaker", "CreateTrainingJob", {})
        s3_client()

    def use_key(self, name: str) -> None:
        """Put credentials where boto3 looks for them."""
        text = f"[default]\naws_access_key_id = {name}\naws_secret_access_key = secret\n"
        partial = self._keys.with_suffix(".partial")
        partial.write_text(text)
        os.replace(partial, self._keys)

    def fault(self, **fields: Any) -> None:
        """Let something go wrong in the service."""
        body = json.dumps(fields).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/_local/faults", data=body, headers=headers, method="POST")
        urllib.request.urlopen(request, timeout=_PATIENCE).read()

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        request = urllib.request.Request(f"{self.url}/_local/faults", method="DELETE")
        urllib.request.urlopen(request, timeout=_PATIENCE).read()

    def go(self, seed: int) -> None:
        """One seed, to its good end."""
        kind, chance = KINDS[seed % len(KINDS)], random.Random(seed)
        self.figures.runs[kind] += 1
        began = time.monotonic()
        try:
            getattr(self, f"_{kind}")(seed, chance)
        except Exception as error:
            self.figures.wrong.append(f"seed {seed} ({kind}): {type(error).__name__}: {error}")
        self.clear()
        self.use_key("first")
        self._check_jobs(seed, kind)
        print(f"seed {seed} {kind} {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)

    def _kill(self, seed: int, chance: random.Random) -> None:
        """A submitter is killed, once or twice; whoever comes after it goes on with its jobs."""
        seconds = chance.choice([chance.uniform(1.0, 5.0), chance.uniform(8.0, 12.0)])  # ended by then, or not
        for _ in range(chance.choice([1, 1, 2])):
            submitter = self._submitter(seed, seconds)
            if submitter.goes_on(chance, 5.0):
                self.figures.killed += 1
                submitter.signal(signal.SIGKILL)
                submitter.wait(_PATIENCE)
        self._finish(seed, seconds)

    def _terminate(self, seed: int, chance: random.Random) -> None:
        """A submitter is told to stop; its job, which would take long, has stopped when it ends."""
        for _ in range(chance.choice([1, 1, 2])):
            if chance.random() < 0.5:  # in the middle of a call, as likely as not
                operation = chance.choice(["Create*Job", "Describe*Job", "GetLogEvents"])
                self.fault(fault="delay", operation=operation, seconds=1.0, times=3)
            submitter = self._submitter(seed, _LONG)
            self._expect(submitter.goes_on(chance, 5.0), f"seed {seed}: nothing to be stopped")
            self.figures.killed += 1
            submitter.signal(signal.SIGTERM)
            code = submitter.wait(_PATIENCE)
            # -15: it was told before it listened, and so before it asked for anything.
            self._expect(code in (130, -signal.SIGTERM), f"seed {seed}: told to stop, it ended with {code}")
            left = [job.name for job in self._jobs() if job.seed == seed and job.status in ("InProgress", "Stopping")]
            self._expect(not left, f"seed {seed}: left running: {left}")
        self._finish(seed, chance.uniform(0.2, 1.0))

    def _pod(self, seed: int, chance: random.Random) -> None:
        """A pod that delegates is killed, and Kubeflow starts another in its place."""
        seconds, folder = chance.uniform(0.5, 6.0), self.folder / "pods" / str(seed)
        given = executor_input(seed, str(self.marks), seconds, folder)
        folder.mkdir(parents=True)
        (folder / "input.json").write_text(json.dumps(given))
        words = ["task", "--step", "sagemaker_steps:count", "--executor_input", f"@{folder / 'input.json'}"]
        told = {"INTERMODAL_ON": "sagemaker", "INTERMODAL_PIPELINE": "adding", "MLFLOW_TRACKING_URI": "off"}
        for _ in range(chance.choice([1, 2])):
            pod = self._fork(words, {**told, "INTERMODAL_HOME": str(folder / "home")}, folder / "log.txt")
            if pod.goes_on(chance, 3.0):
                self.figures.killed += 1
                pod.signal(chance.choice([signal.SIGKILL, signal.SIGTERM]))
                pod.wait(_PATIENCE)
        last = self._fork(words, {**told, "INTERMODAL_HOME": str(folder / "again")}, folder / "log.txt")
        code = last.wait(_PATIENCE)
        self.figures.adopted += "adopted" in last.printed()
        self._expect(code == 0, f"seed {seed}: the last pod ended with {code}: {_end(folder / 'log.txt')}")
        self._expect((folder / "made" / "numbers").exists(), f"seed {seed}: KFP finds no output")

    def _network(self, seed: int, chance: random.Random) -> None:
        self._disturbed(seed, chance, ["reset-before", "reset-after"])

    def _throttle(self, seed: int, chance: random.Random) -> None:
        self._disturbed(seed, chance, ["throttle"])

    def _error(self, seed: int, chance: random.Random) -> None:
        self._disturbed(seed, chance, ["error"])

    def _disturbed(self, seed: int, chance: random.Random, faults: list[str]) -> None:
        for _ in range(chance.randint(1, 3)):
            operation = chance.choice(
                ["Create*Job", "Describe*Job", "GetLogEvents", "DescribeLogStreams", "GetCaller*"]
            )
            self.fault(
                fault=chance.choice(faults), operation=operation, times=chance.randint(1, 8), skip=chance.randint(0, 4)
            )
        self._finish(seed, chance.uniform(0.2, 1.0), tries=1)

    def _preempt(self, seed: int, chance: random.Random) -> None:
        self.fault(fault="preempt", job="adding-add-up-*", seconds=chance.uniform(0.2, 1.5), times=1)
        self._finish(seed, chance.uniform(0.5, 2.0), tries=1)

    def _expire(self, seed: int, chance: random.Random) -> None:
        """Credentials end while a job is followed, and somebody renews them a little later."""
        self.fault(fault="expired", access_key="first", skip=chance.randint(5, 40))
        submitter = self._submitter(seed, chance.uniform(0.5, 1.5))
        if submitter.wait(chance.uniform(2.0, 5.0)) is None:
            self.use_key("second")
        code = submitter.wait(_PATIENCE)
        self.figures.renewed += code == 0 and "have expired" in submitter.log.read_text()
        if code != 0:  # they ended in the middle of a call that nobody repeats: the same command goes on
            self.use_key("second")
            self._finish(seed, 0.0, same=submitter)

    def _finish(self, seed: int, seconds: float, *, tries: int = _MOST_TRIES, same: Submitter | None = None) -> None:
        """The same command again, until it is done."""
        for _ in range(tries):
            again = self._fork(same.words, {}, same.log) if same else self._submitter(seed, seconds)
            code = again.wait(_PATIENCE)
            if code == 0:
                self.figures.adopted += again.printed().count("adopted")
                return
        self.figures.wrong.append(f"seed {seed}: it ended with {code}: {_end(again.log)}")

    def _submitter(self, seed: int, seconds: float) -> Submitter:
        name = "counting" if KINDS[seed % len(KINDS)] in ONE_JOB else "adding"
        arguments = {"seed": seed, "marks": self.marks, "seconds": round(seconds, 3)}
        words = ["run", f"{HERE / 'sagemaker_pipelines.py'}:{name}", "--on", "sagemaker"]
        for key, value in arguments.items():
            words += ["-p", f"{key}={value}"]
        return self._fork(words, {}, self.folder / "logs" / f"{seed}.txt")

    def _fork(self, words: list[str], variables: dict[str, str], log: Path) -> Submitter:
        self.figures.submitters += 1
        return Submitter(words, variables, log)

    def _expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.figures.wrong.append(otherwise)

    def _check_jobs(self, seed: int, kind: str) -> None:
        """One good job for each task, none at the same time as another, none left."""
        for step in ("count",) if kind in ONE_JOB else ("count", "add_up"):
            jobs = [job for job in self._jobs() if job.step == step and job.seed == seed]
            self.figures.jobs += len(jobs)
            good = [job for job in jobs if job.status == "Completed"]
            stopped = [job for job in jobs if job.status == "Stopped"]
            where = f"seed {seed} ({kind}), {step}"
            self._expect(len(good) == 1, f"{where}: {len(good)} jobs did the work")
            self._expect(len(good) + len(stopped) == len(jobs), f"{where}: {[(j.name, j.status) for j in jobs]}")
            expected = 1 if kind not in ("terminate", "pod") else len(jobs)
            self._expect(len(jobs) == expected, f"{where}: {len(jobs)} jobs")
            jobs.sort(key=lambda job: job.created)
            for one, other in zip(jobs, jobs[1:], strict=False):
                self._expect(one.ended <= other.created, f"{where}: {one.name} and {other.name} at the same time")
            mark = self.marks / f"{step}-{seed}"
            times = len(mark.read_text().split()) if mark.exists() else 0
            most = len(jobs) + (1 if kind == "preempt" else 0)
            self._expect(1 <= times <= most, f"{where}: it ran {times} times for {len(jobs)} jobs")

    def _jobs(self) -> list[JobSeen]:
        import boto3

        client = boto3.Session().client("sagemaker")
        found = []
        for kind in ("Processing", "Training"):
            pages = client.get_paginator(f"list_{kind.lower()}_jobs").paginate(SortBy="CreationTime")
            names = [item[f"{kind}JobName"] for page in pages for item in page[f"{kind}JobSummaries"]]
            for name in names:
                if name not in KNOWN:
                    told = getattr(client, f"describe_{kind.lower()}_job")(**{f"{kind}JobName": name})
                    job = seen(name, kind, told)
                    if job.status in ("Completed", "Failed", "Stopped"):
                        KNOWN[name] = job
                    found.append(job)
                else:
                    found.append(KNOWN[name])
        return found

    def end(self) -> None:
        """What must hold at the end of all: nothing runs, the store is whole, MLflow says the truth."""
        self._finish(-1, 0.0)
        left = [job.name for job in self._jobs() if job.status not in ("Completed", "Failed", "Stopped")]
        self._expect(not left, f"left running: {left}")
        self._check_store()
        self._check_mlflow()

    def close(self) -> None:
        """Stop the service, and with it whatever still runs."""
        self._service.terminate()
        self._service.wait(60)

    def _check_store(self) -> None:
        import hashlib

        import boto3

        client = boto3.Session().client("s3")
        (bucket,) = [
            item["Name"] for item in client.list_buckets()["Buckets"] if item["Name"].startswith("intermodal-")
        ]
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        keys = {item["Key"] for page in pages for item in page.get("Contents", [])}
        whole = [key for key in keys if key.endswith("/manifest.json")]
        for key in whole:
            manifest = json.loads(client.get_object(Bucket=bucket, Key=key)["Body"].read())
            for item in manifest["files"]:
                name = f"{key.removesuffix('manifest.json')}{item['path']}"
                body = client.get_object(Bucket=bucket, Key=name)["Body"].read() if name in keys else b""
                right = hashlib.sha256(body).hexdigest() == item["sha256"]
                self._expect(right, f"half-published: {name}")
        remembered = [key for key in keys if "/cache/" in key]
        for key in remembered:
            result = json.loads(client.get_object(Bucket=bucket, Key=key)["Body"].read())
            for item in result["outputs"].values():
                prefix = item["uri"].removeprefix(f"s3://{bucket}/")
                there = {f"{prefix}/manifest.json", f"{prefix.rpartition('/')[0]}/manifest.json"} & keys
                self._expect(bool(there), f"remembered, but not there: {item['uri']}")
        self.figures.runs["artifacts"] = len(whole)

    def _check_mlflow(self) -> None:
        import mlflow

        tracking = mlflow.MlflowClient(tracking_uri=f"sqlite:///{self.folder}/home/mlflow.db")
        ids = [item.experiment_id for item in tracking.search_experiments()]
        states: dict[str, str] = {}
        token = None
        while True:
            page = tracking.search_runs(ids, max_results=1000, page_token=token)
            states |= {item.info.run_id: item.info.status for item in page}
            token = page.token
            if not token:
                break
        running = [run for run, state in states.items() if state == "RUNNING"]
        self._expect(not running, f"MLflow says that {len(running)} runs go on")
        expected = {"SUCCEEDED": "FINISHED", "FAILED": "FAILED", "CANCELLED": "KILLED"}
        for path in (self.folder / "home" / "runs").glob("*/run.json"):
            record = json.loads(path.read_text())
            run = record["mlflow"].get("run_id", "")
            if run:
                right = states.get(run) == expected.get(record["state"])
                self._expect(right, f"{record['run_id']} is {record['state']}, MLflow says {states.get(run)}")
        self.figures.runs["mlflow runs"] = len(states)


def _end(log: Path) -> str:
    return " | ".join(log.read_text().splitlines()[-6:]) if log.exists() else ""


def main(arguments: list[str] | None = None) -> int:
    """Go through the seeds from FIRST to LAST."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("first", type=int)
    parser.add_argument("last", type=int)
    parser.add_argument("--folder", type=Path, required=True)
    options = parser.parse_args(arguments)
    preload()
    campaign = Campaign(options.folder)
    try:
        for seed in range(options.first, options.last + 1):
            campaign.go(seed)
        campaign.end()
    finally:
        campaign.close()
    print(json.dumps({**campaign.figures.__dict__, "runs": dict(campaign.figures.runs)}, indent=1))
    return 1 if campaign.figures.wrong else 0


if __name__ == "__main__":
    sys.path[:0] = [str(HERE), str(HERE.parent / "src")]
    sys.exit(main())
