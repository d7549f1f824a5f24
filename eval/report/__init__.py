"""The report: runs gathered, compared with the base, and shown as a page, tables and figures."""
