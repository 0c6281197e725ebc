"""The local runtime: kfp.local underneath, with tasks in-process, as processes, or in containers."""
