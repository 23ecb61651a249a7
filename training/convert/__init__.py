"""Raw scans -> paired slices: what training.prepare is made of."""
