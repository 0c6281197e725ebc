"""The step `train_tensorflow`: fine-tune a BERT-family checkpoint on reviews, with TensorFlow."""

from kfp.dsl import HTML, Dataset, Input, Markdown, Metrics, Model, Output

from intermodal.core.step import step


@step(image="tensorflow", cpu="2", memory="8Gi", sources=("checkpoint",), job="training")
def train_tensorflow(
    features: Input[Dataset],
    model: Output[Model],
    curves: Output[Dataset],
    metrics: Output[Metrics],
    report: Output[HTML],
    notes: Output[Markdown],
    checkpoint: str = "",
    strategy: str = "auto",
    epochs: int = 0,
    learning_rate: float = 0.0,
    batch_size: int = 32,
    frozen_layers: int = 0,
    average_with_tfidf: bool = True,
    train_rows: int = 30000,
    seed: int = 7,
) -> None:
    """Fine-tune the same checkpoints as train_pytorch with KerasHub, and export them to Hugging Face's format.

    Args:
        features: Output of `featurize`, made for the same checkpoint.
        model: As train_pytorch's, with the encoder as transformers writes it: config.json and model.safetensors.
        curves: Loss by step and validation scores by epoch, as `curves.parquet`.
        metrics: Accuracy, loss and quadratic weighted kappa on the validation split.
        report: The curves as a page.
        notes: The scores as Markdown.
        checkpoint: BERT or DistilBERT: empty for the embedded MiniLM, a local directory, or a hub name.
        strategy: auto (best for its time on a CPU), top_layers, full or freeze.
        epochs: Passes over the training reviews; 0 for the strategy's own number.
        learning_rate: Peak learning rate of the encoder, the head's is ten times as high; 0 for the strategy's own.
        batch_size: Reviews in a step.
        frozen_layers: Lower layers that stay as they are, with the embeddings; 0 for the strategy's own, -1 for none.
        average_with_tfidf: Join a linear model on TF-IDF features; weights are learned on the validation split.
        train_rows: Most reviews the encoder is trained on, to bound the time; 0 for all. The linear model gets all.
        seed: Of everything random; the same seed on the same machine gives the same bytes.
    """
    from pathlib import Path

    from intermodal.report.training_output import Told, write_training
    from intermodal.text.curves import Curves
    from intermodal.text.keras_learner import KerasHub
    from intermodal.text.training import Options, train_model
    from intermodal.text.training_plan import Wish

    wish = Wish(strategy, epochs, learning_rate, batch_size, frozen_layers, 0, seed)
    options, points = Options(wish, checkpoint, average_with_tfidf, train_rows), Curves()
    trained = train_model(Path(features.path), features.metadata, options, KerasHub(), Path(model.path), points)
    model.metadata.update(trained.metadata | trained.attempt)
    curves.metadata["rows"] = points.write(Path(curves.path))
    write_training(
        report.path, notes.path, Told("train_tensorflow", points.series(), trained.metrics, trained.metadata)
    )
    for name, value in trained.metrics.items():
        metrics.log_metric(name, value)
