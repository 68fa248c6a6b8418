"""Who is rejected: scores, tables, verdicts, and what they cost."""
