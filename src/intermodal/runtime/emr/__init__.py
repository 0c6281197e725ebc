"""Steps that need Spark, as job runs of EMR: rendered, submitted and followed as SageMaker jobs are."""
