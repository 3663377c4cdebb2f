"""What people look at: summary and page of a scan, its signers, and two scans side by side."""
