"""The prices that come with the package; a package of its own, so that no step's result depends on them."""
