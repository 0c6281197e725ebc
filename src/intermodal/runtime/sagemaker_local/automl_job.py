"""An AutoML job: our own Autopilot over the rows of the request, in a process that is stopped with the job."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from intermodal import __version__
from intermodal.autopilot.program import (
    CANDIDATES,
    FAILURE,
    MODELS,
    NOTEBOOKS,
    REQUEST,
    ROWS,
    ProgramRequest,
)
from intermodal.aws.automl import OBJECTIVES
from intermodal.runtime.sagemaker_local.jobs import Job
from intermodal.runtime.sagemaker_local.operations import ApiError
from intermodal.runtime.sagemaker_local.transfer import download_prefix, upload_tar

TABULAR, TEXT = "TabularJobConfig", "TextClassificationJobConfig"
_LOOK = 0.1
_DAY = 24 * 3600
_SPLITS = {"training": "train", "validation": "validation"}
_STANDARD = {**OBJECTIVES, "log_loss": "LogLoss"}
_NAMES = {
    "data_exploration.ipynb": "SageMakerAutopilotDataExplorationNotebook.ipynb",
    "candidate_definition.ipynb": "SageMakerAutopilotCandidateDefinitionNotebook.ipynb",
}


class AutoMLJob(Job):
    """See `Job`."""

    kind = "AutoMLJob"
    arn_part = "automl-job"

    @property
    def problem(self) -> str:
        """The member of `AutoMLProblemTypeConfig` that is given."""
        return next(iter(self.request["AutoMLProblemTypeConfig"]))

    @property
    def settings(self) -> dict[str, Any]:
        """What that member says."""
        return dict(self.request["AutoMLProblemTypeConfig"][self.problem])

    @property
    def metric(self) -> str:
        """Our name of the objective."""
        theirs = self.request.get("AutoMLJobObjective", {}).get("MetricName", "Accuracy")
        return next(name for name, known in OBJECTIVES.items() if known == theirs)

    def describe(self) -> dict[str, Any]:
        """See `Job.describe`."""
        from intermodal.runtime.sagemaker_local.automl import describe_automl

        return describe_automl(self)

    def candidates(self) -> list[dict[str, Any]]:
        """Its candidates as the API tells of them, the oldest first."""
        try:
            lines = (self.folder / "work" / CANDIDATES).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        return [self._candidate(json.loads(line)) for line in lines if line.endswith("}")]

    def best(self) -> dict[str, Any] | None:
        """The best candidate; of equals the first."""
        found = self.candidates()
        values = [item["FinalAutoMLJobObjectiveMetric"]["Value"] for item in found]
        return found[values.index(max(values))] if found else None

    def run(self) -> None:
        """See `Job.run`."""
        work = self.folder / "work"
        (work / ROWS).mkdir(parents=True, exist_ok=True)
        self.enter("Starting")
        self.enter("AnalyzingData")
        self._fetch(work)
        (work / REQUEST).write_text(json.dumps(asdict(self._asked())), encoding="utf-8")
        self.enter("ModelTuning" if self.problem == TABULAR else "TrainingModels")
        why = self._try(work)
        if why == "Stopped":
            self.finish("Stopped", secondary="Stopped")
            return
        if why:
            self.finish("Failed", why, "Failed")
            return
        self._deliver(work)

    def _fetch(self, work: Path) -> None:
        """Bring the rows; the files of a channel become one."""
        for channel in self.request["AutoMLJobInputDataConfig"]:
            split = _SPLITS[channel.get("ChannelType", "training")]
            folder = work / f"{split}.files"
            download_prefix(self.service.client("s3"), channel["DataSource"]["S3DataSource"]["S3Uri"], folder)
            _join(sorted(path for path in folder.rglob("*") if path.is_file()), work / ROWS / f"{split}.csv")

    def _asked(self) -> ProgramRequest:
        criteria, text = self.settings.get("CompletionCriteria", {}), self.problem == TEXT
        return ProgramRequest(
            target=self.settings["TargetLabelColumn" if text else "TargetAttributeName"],
            content=self.settings.get("ContentColumn", ""),
            metric=self.metric,
            candidates=1 if text else min(criteria.get("MaxCandidates", 8), 250),
            seconds=criteria.get("MaxAutoMLJobRuntimeInSeconds", _DAY),
        )

    def _try(self, work: Path) -> str:
        """Run the program; why it gave nothing, or nothing."""
        paths = os.pathsep.join(item for item in sys.path if item and "site-packages" not in item)
        with (work / "log.txt").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "intermodal.autopilot.program", str(work)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": paths},
                start_new_session=True,
            )
            while process.poll() is None:
                if self.stopping.wait(_LOOK):
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        if self.stopping.is_set():
            return "Stopped"
        if process.returncode == 0:
            return ""
        told = work / FAILURE
        text = told.read_text(encoding="utf-8") if told.is_file() else f"exit code {process.returncode}"
        return f"AlgorithmError: {text}"

    def _deliver(self, work: Path) -> None:
        """Upload models and notebooks."""
        s3 = self.service.client("s3")
        for path in sorted((work / MODELS).iterdir()):
            upload_tar(s3, path, self._model_uri(path.name))
        places = {name: f"{self._output()}/sagemaker-automl-candidates/notebooks/{_NAMES[name]}" for name in _NAMES}
        for name, uri in places.items():
            bucket, _, key = uri.removeprefix("s3://").partition("/")
            s3.upload_file(str(work / NOTEBOOKS / name), bucket, key)
        with self.changing() as record:
            record.facts["AutoMLJobArtifacts"] = {
                "CandidateDefinitionNotebookLocation": places["candidate_definition.ipynb"],
                "DataExplorationNotebookLocation": places["data_exploration.ipynb"],
            }
        self.enter("GeneratingModelInsightsReport")
        limited = len(self.candidates()) >= self._asked().candidates
        self.enter("MaxCandidatesReached" if limited else "MaxAutoMLJobRuntimeReached")
        self.finish("Completed", secondary="Completed")

    def _candidate(self, line: dict[str, Any]) -> dict[str, Any]:
        final = {"Type": "Maximize", "MetricName": OBJECTIVES[self.metric], "Value": line["objective"]}
        metrics = [
            {"StandardMetricName": _STANDARD[name], "Value": value, "Set": "Validation"}
            | ({"MetricName": OBJECTIVES[name]} if name in OBJECTIVES else {})
            for name, value in line["metrics"].items()
            if name in _STANDARD
        ]
        container = {
            "Image": f"intermodal/serve:{__version__}",
            "ModelDataUrl": self._model_uri(line["name"]),
            "Environment": {"INTERMODAL_ALGORITHM": line["algorithm"]},
        }
        return {
            "CandidateName": line["name"],
            "FinalAutoMLJobObjectiveMetric": {**final, "StandardMetricName": OBJECTIVES[self.metric]},
            "ObjectiveStatus": "Succeeded",
            "CandidateSteps": [],
            "CandidateStatus": "Completed",
            "InferenceContainers": [container],
            "CreationTime": line["ended"] - line["seconds"],
            "EndTime": line["ended"],
            "LastModifiedTime": line["ended"],
            "CandidateProperties": {"CandidateMetrics": metrics},
        }

    def _output(self) -> str:
        return f"{self.request['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{self.name}"

    def _model_uri(self, candidate: str) -> str:
        return f"{self._output()}/candidates/{candidate}/output/model.tar.gz"


def _join(files: list[Path], target: Path) -> None:
    """Files of CSV with the same header as one."""
    if not files:
        raise ApiError("ValidationException", "No S3 objects found under the S3 URL given in the input data source")
    texts = [path.read_text(encoding="utf-8").splitlines(keepends=True) for path in files]
    head = texts[0][:1]
    with target.open("w", encoding="utf-8", newline="") as stream:
        stream.writelines(head)
        for lines in texts:
            body = lines[1:] if lines[:1] == head else lines
            stream.writelines(body)
            if body and not body[-1].endswith("\n"):
                stream.write("\n")
