"""Text: BERT features, models and training, and how they are judged."""
