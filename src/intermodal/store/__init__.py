"""Where artifacts live: a local directory or S3, and the memory of finished work."""
