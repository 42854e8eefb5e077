"""Files of cost rows: what their columns are called, CSV and Parquet, and frames in the tap's own columns."""
