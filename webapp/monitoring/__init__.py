"""What the server tells of itself: its log and its figures."""
