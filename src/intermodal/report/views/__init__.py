"""From a run to what each section of the page shows: cards, tables and words, without markup of their own."""
