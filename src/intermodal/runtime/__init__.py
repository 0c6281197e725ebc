"""Where tasks execute, the task wrapper, and the records of runs."""
