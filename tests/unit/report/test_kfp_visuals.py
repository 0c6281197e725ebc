"""What the Kubeflow UI is given: matrix, ROC curve, Markdown."""

from __future__ import annotations

import json

import pytest

from intermodal.errors import UsageError
from intermodal.report.kfp_visuals import RocPoint, area_under, fill_classification, macro_roc, markdown_summary


@pytest.fixture
def metrics():
    from kfp.dsl import ClassificationMetrics

    return ClassificationMetrics(name="classification", uri="unused", metadata={})


def test_the_matrix_and_the_curve_reach_the_metadata_as_the_ui_reads_them(metrics):
    fill_classification(metrics, ["1", "2"], [[8, 2], [1, 9]], [RocPoint(0, 0, 1), RocPoint(0.25, 0.75, 0.5)])
    matrix = metrics.metadata["confusionMatrix"]
    assert [spec["displayName"] for spec in matrix["annotationSpecs"]] == ["1", "2"]
    assert [row["row"] for row in matrix["rows"]] == [[8, 2], [1, 9]]
    point = {"confidenceThreshold": 0.5, "recall": 0.75, "falsePositiveRate": 0.25}
    assert metrics.metadata["confidenceMetrics"][1] == point


def test_numpy_values_become_json(metrics):
    import numpy as np

    fill_classification(metrics, [1, 2], np.array([[1, 0], [0, 1]]), [RocPoint(*np.float32([0.1, 0.2, 0.3]))])
    assert json.loads(json.dumps(metrics.metadata))["confidenceMetrics"][0]["recall"] == 0.2


@pytest.mark.parametrize(
    ("labels", "matrix"), [(["1", "2"], [[1, 0]]), (["1"], [[1, 2]]), (["1", "1"], [[1, 0], [0, 1]])]
)
def test_a_matrix_that_does_not_fit_is_refused(metrics, labels, matrix):
    with pytest.raises(UsageError):
        fill_classification(metrics, labels, matrix)


def test_macro_roc_agrees_with_sklearn_on_two_symmetric_classes():
    """With two classes both one-vs-rest curves have the same area, so the macro curve must have it as well."""
    import numpy as np
    from sklearn.metrics import roc_auc_score

    random = np.random.default_rng(7)
    truth = random.integers(0, 2, 600)
    positive = np.clip(random.normal(0.4 + 0.2 * truth, 0.2), 0.001, 0.999)
    points = macro_roc(truth, np.column_stack([1 - positive, positive]), points=2001)
    assert points[0][:2] == (0.0, 0.0)
    assert points[-1][:2] == (1.0, 1.0)
    assert area_under(points) == pytest.approx(roc_auc_score(truth, positive), abs=0.01)


def test_a_perfect_model_has_area_one_and_a_random_one_half():
    import numpy as np

    truth = np.arange(500) % 5
    assert area_under(macro_roc(truth, np.eye(5)[truth])) == pytest.approx(1.0)
    blind = macro_roc(truth, np.random.default_rng(1).dirichlet(np.ones(5), 500))
    assert area_under(blind) == pytest.approx(0.5, abs=0.05)


def test_a_test_set_of_one_class_has_no_curve():
    import numpy as np

    assert macro_roc([2, 2], np.full((2, 5), 0.2)) == []


def test_markdown_values_cannot_become_markup():
    text = markdown_summary("Run *1*", {"rows": 102084, "accuracy": 0.52912, "<b>|x": "a|b\n# c"}, note="see [x](y)")
    assert "| rows | 102,084 |" in text
    assert "| accuracy | 0.5291 |" in text
    assert "<b>" not in text
    assert "\n# c" not in text
    assert all(line.count("|") - line.count("\\|") == 3 for line in text.splitlines() if line.startswith("|"))
