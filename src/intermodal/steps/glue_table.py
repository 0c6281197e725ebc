"""The step `glue_table`: a data set becomes a table that Athena, EMR and Redshift Spectrum can ask."""

from kfp.dsl import Dataset, Input, Output

from intermodal.core.step import step


@step(
    image="core",
    cpu="1",
    memory="1Gi",
    still_valid="intermodal.aws.catalogue:still_there",
    job="managed",
    managed="intermodal.aws.catalogue:render",
)
def glue_table(data: Input[Dataset], definition: Output[Dataset], table: str = "", database: str = "") -> None:
    """Register a data set of Parquet files in the Glue catalogue; brought to S3 when it is not there.

    Args:
        data: Parquet files, in folders such as product_category=Books when they are partitioned.
        definition: `table.sql`, the table's definition; its metadata name database, table and location.
        table: Name of the table: small letters, digits, underscores; "dataset_" and a digest when empty.
        database: Database in the Glue catalogue; that of `[athena]` in intermodal.toml when empty.
    """
    from pathlib import Path

    from intermodal.aws.athena import partition_definition, table_definition
    from intermodal.aws.athena_queries import configured_athena
    from intermodal.aws.catalogue import published_at, register_folder

    made = register_folder(Path(data.path), configured_athena(), table, published_at(data.uri, data.metadata), database)
    statements = [table_definition(made.table)]
    statements += [partition_definition(made.table, list(made.partitions))] if made.partitions else []
    Path(definition.path).mkdir(parents=True)
    text = ";\n\n".join(statements) + ";\n"
    (Path(definition.path) / "table.sql").write_text(text, encoding="utf-8", newline="\n")
    definition.metadata.update(
        database=made.table.database,
        table=made.table.name,
        location=made.table.location,
        partitions=len(made.partitions),
    )
