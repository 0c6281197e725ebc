"""SageMaker as a runtime: tasks become jobs; requests are rendered as values, checked, then sent."""
