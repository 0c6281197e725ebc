"""The step `train_pytorch`: fine-tune a BERT-family checkpoint on reviews."""

from kfp.dsl import HTML, Dataset, Input, Markdown, Metrics, Model, Output

from intermodal.core.step import step


@step(image="torch", cpu="2", memory="8Gi", sources=("checkpoint",), job="training", parallel="processes")
def train_pytorch(
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
    lora_rank: int = 0,
    average_with_tfidf: bool = True,
    train_rows: int = 30000,
    precision: str = "auto",
    seed: int = 7,
) -> None:
    """Fine-tune a BERT-family checkpoint to rate reviews, joined by a linear model on TF-IDF features.

    Args:
        features: Output of `featurize`, made for the same checkpoint.
        model: A directory that stands alone: `predictor.py`, `model.json`, safetensors, tokenizer, vocabulary.
        curves: Loss by step and validation scores by epoch, as `curves.parquet`.
        metrics: Accuracy, loss and quadratic weighted kappa on the validation split.
        report: The curves as a page.
        notes: The scores as Markdown.
        checkpoint: BERT, RoBERTa or DistilBERT: empty for the embedded MiniLM, a local directory, or a hub name.
        strategy: auto (best for its time on a CPU), top_layers, full, lora or freeze.
        epochs: Passes over the training reviews; 0 for the strategy's own number.
        learning_rate: Peak learning rate of the encoder, the head's is ten times as high; 0 for the strategy's own.
        batch_size: Reviews in a step, of all processes together.
        frozen_layers: Lower layers that stay as they are, with the embeddings; 0 for the strategy's own, -1 for none.
        lora_rank: Rank of the updates with strategy=lora; 0 for 8.
        average_with_tfidf: Join a linear model on TF-IDF features; weights are learned on the validation split.
        train_rows: Most reviews the encoder is trained on, to bound the time; 0 for all. The linear model gets all.
        precision: Type the encoder computes in: float32, bfloat16, or auto for bfloat16 where the hardware has it.
        seed: Of everything random; the same seed on the same machine gives the same bytes.
    """
    from pathlib import Path

    from intermodal.text.compute import prepare_threads

    prepare_threads()
    from intermodal.report.training_output import Told, write_training
    from intermodal.text.curves import Curves
    from intermodal.text.encoder_training import PyTorch
    from intermodal.text.training import Options, train_model
    from intermodal.text.training_plan import Wish

    wish = Wish(strategy, epochs, learning_rate, batch_size, frozen_layers, lora_rank, seed)
    options = Options(wish, checkpoint, average_with_tfidf, train_rows)
    points = Curves()
    learner = PyTorch(precision)
    trained = train_model(Path(features.path), features.metadata, options, learner, Path(model.path), points)
    model.metadata.update(trained.metadata | trained.attempt)
    curves.metadata["rows"] = points.write(Path(curves.path))
    write_training(report.path, notes.path, Told("train_pytorch", points.series(), trained.metrics, trained.metadata))
    for name, value in trained.metrics.items():
        metrics.log_metric(name, value)
