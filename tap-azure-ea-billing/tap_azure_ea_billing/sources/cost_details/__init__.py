"""The source `cost_details`: reports of a month's costs that Azure makes when it is asked, as CSV files."""
