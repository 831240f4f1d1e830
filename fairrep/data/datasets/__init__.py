"""One small file a data set: raw table → typed table."""
