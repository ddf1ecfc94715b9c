"""The built-in embedders, registered through the entry-point group `phenodose.embedders` like anyone's."""
