"""The built-in scorers, registered through the entry-point group `phenodose.scorers` like anyone's."""
