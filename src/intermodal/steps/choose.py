"""The step `choose`: the best of several models that were evaluated on the same test split."""

from kfp.dsl import HTML, Dataset, Input, Markdown, Metrics, Model, Output

from intermodal.core.step import step


@step(image="core", cpu="1", memory="2Gi")
def choose(
    first_model: Input[Model],
    first_evaluation: Input[Dataset],
    second_model: Input[Model],
    second_evaluation: Input[Dataset],
    model: Output[Model],
    evaluation: Output[Dataset],
    choice: Output[Dataset],
    report: Output[HTML],
    notes: Output[Markdown],
    metrics: Output[Metrics],
    third_model: Input[Model] = None,  # type: ignore[assignment]  # KFP: an optional input's default is None
    third_evaluation: Input[Dataset] = None,  # type: ignore[assignment]
    metric: str = "accuracy",
    names: list = ["first", "second", "third"],  # type: ignore[type-arg]  # noqa: B006
) -> None:
    """Choose the best of two or three models by a score on the same test split; of equals, the one given first.

    Args:
        first_model: A trained model; give the cheapest first, since it wins a tie.
        first_evaluation: Output of `evaluate` for it.
        second_model: Another one.
        second_evaluation: Output of `evaluate` for it.
        model: The best model, the same bytes with the same digest.
        evaluation: Its evaluation, likewise.
        choice: `choice.json`: the ranking with all scores.
        report: The ranking as a page.
        notes: The ranking as Markdown.
        metrics: The score of every model, and the place of the best in the order given.
        third_model: A third one, if there is one.
        third_evaluation: Output of `evaluate` for it.
        metric: accuracy, within_one, macro_f1, qwk, macro_auc; or mae, ece, log_loss, where less is better.
        names: What the models are called in the ranking.
    """
    import json
    from pathlib import Path

    from intermodal.errors import UsageError
    from intermodal.report.kfp_visuals import markdown_table, write_page
    from intermodal.report.step_pages import build_choice_page
    from intermodal.store.copying import copy_artifact
    from intermodal.text.choice import rank, read_contender, table

    pairs = [(first_model, first_evaluation), (second_model, second_evaluation), (third_model, third_evaluation)]
    given = [(one, other) for one, other in pairs if one is not None and other is not None]
    if (third_model is None) != (third_evaluation is None) or len(set(names)) < len(given) or len(names) < len(given):
        seen = f"{len(given)} models with evaluations, names {', '.join(map(str, names))}"
        raise UsageError("models, evaluations and names do not fit", seen=seen, expected="one of each for every model")
    contenders = [
        read_contender(str(name), Path(one.path), Path(other.path))
        for name, (one, other) in zip(names, given, strict=False)
    ]
    ranked = rank(contenders, metric)
    ranking, best = table(ranked, metric), ranked[0]
    copy_artifact(best.model, Path(model.path))
    copy_artifact(best.evaluation, Path(evaluation.path))
    chosen = given[contenders.index(best)]
    model.metadata.update(chosen[0].metadata)
    evaluation.metadata.update(chosen[1].metadata)
    Path(choice.path).mkdir(parents=True)
    text = json.dumps({"metric": metric, "best": best.name, "ranking": ranking}, indent=1, sort_keys=True)
    (Path(choice.path) / "choice.json").write_text(text + "\n", encoding="utf-8")
    choice.metadata.update(best=best.name, metric=metric)
    rows = [{name: item[name] for name in ("place", "name", "kind", metric)} for item in ranking]
    write_page(report.path, build_choice_page(ranking, metric))
    write_page(notes.path, markdown_table(f"{best.name} is the best by {metric}", rows))
    metrics.log_metric("chosen", contenders.index(best) + 1)
    for item in ranked:
        metrics.log_metric(f"{item.name}_{metric}", item.scores[metric])
