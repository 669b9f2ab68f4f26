"""Models, windows and the classification loop."""
