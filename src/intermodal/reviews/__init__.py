"""Customer reviews in Amazon's 15-column layout: their schema, a generator, and readers of every common format."""
