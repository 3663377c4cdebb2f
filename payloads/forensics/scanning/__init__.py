"""Files to tables: parts of files are read, decoded and judged, on all cores or on a cluster."""
