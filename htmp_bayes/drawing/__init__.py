"""Drawing without knowing of results: the canvas, where a figure is seen, and a spectrum by itself."""
