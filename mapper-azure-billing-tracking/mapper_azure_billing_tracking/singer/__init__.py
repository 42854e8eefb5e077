"""Singer messages: reading groups of lines, writing RECORD lines and BATCH files."""
