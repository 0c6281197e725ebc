"""A SageMaker on this machine: the real API in front, every request checked by AWS's own model, jobs executed for real.

For anybody who develops for SageMaker without an account; see docs/sagemaker-local.md. Public parts:
`server.LocalSageMaker`, `service.LocalOptions`, and for more operations `operations.operation`.
"""
