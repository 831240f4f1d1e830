"""Reporting: tables and figures from saved results; it never trains or evaluates."""
