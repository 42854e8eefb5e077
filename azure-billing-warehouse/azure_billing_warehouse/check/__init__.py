"""Whether what Azure billed is in the tables: what is there, what is expected, and the verdict."""
