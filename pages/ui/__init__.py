"""What the pages are made of: reads, charts, widgets, the live components, the theme and the frame."""
