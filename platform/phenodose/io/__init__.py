"""Files, object stores, locks and spreadsheets: reading and writing that knows nothing of screens."""
