"""KFP pipelines as SageMaker pipelines: rendered as a definition, created or updated, started, followed."""
