"""The built-in readouts, registered through the entry-point group `phenodose.readouts` like anyone's."""
