"""The built-in readers, registered through the entry-point group `phenodose.readers` like anyone's."""
