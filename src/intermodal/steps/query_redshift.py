"""The step `query_redshift`: rows of Amazon Redshift as a data set."""

from kfp.dsl import Dataset, Metrics, Output

from intermodal.core.step import step


@step(
    image="core",
    cpu="1",
    memory="2Gi",
    still_valid="intermodal.aws.redshift_queries:still_current",
    job="managed",
    managed="intermodal.aws.redshift:render",
)
def query_redshift(
    sql: str,
    rows: Output[Dataset],
    metrics: Output[Metrics],
    parameters: dict = {},  # type: ignore[type-arg]  # noqa: B006
) -> None:
    """Ask Amazon Redshift through its Data API; the place stands in `[redshift]` of intermodal.toml.

    Args:
        sql: A query; a parameter stands in it as :name.
        rows: The answer as `part-00000.parquet`.
        metrics: Number of rows.
        parameters: Values of the query's parameters, bound by Redshift and never pasted into the text.
    """
    import os
    import uuid
    from pathlib import Path

    import pyarrow.parquet as pq

    from intermodal.aws.data_settings import redshift_settings
    from intermodal.aws.redshift import Sql, nonce_of
    from intermodal.aws.redshift_queries import Redshift
    from intermodal.aws.settings import sagemaker_settings
    from intermodal.core.config import load_settings

    settings = load_settings()
    redshift = Redshift(redshift_settings(settings), sagemaker_settings(settings))
    asked = Sql(sql, {str(name): str(value) for name, value in parameters.items()})
    run_id = os.environ.get("INTERMODAL_RUN_ID") or str(uuid.uuid4())
    found = redshift.rows(asked, nonce_of(run_id, os.environ.get("INTERMODAL_TASK") or "query-redshift"))
    Path(rows.path).mkdir(parents=True)
    pq.write_table(found, Path(rows.path) / "part-00000.parquet", compression="zstd", store_schema=False)
    rows.metadata.update(rows=found.num_rows, columns=found.column_names)
    metrics.log_metric("rows", found.num_rows)
