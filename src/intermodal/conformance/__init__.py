"""The same small pipelines on every runtime, and what each of them must come to; public, for runtimes of others too."""
