"""The built-in measures of two drugs together, registered through the entry-point group `phenodose.measures`."""
